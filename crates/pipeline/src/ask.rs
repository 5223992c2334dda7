//! What a stage is given: only what the plan lets it read.

use portcullis_core::{Ask, Budget, Finding, Interaction, Known, Part, Place, Size, Text, View};
use portcullis_policy::{Call, Read};

use crate::run::Identity;

/// An ask, and the way back from its view indexes to those of the whole message.
pub(crate) struct Question {
    pub(crate) ask: Ask,
    views: Vec<usize>,
}

/// What is known of a message when a step begins.
pub(crate) struct Sofar<'a> {
    pub(crate) interaction: &'a Interaction,
    pub(crate) identity: &'a Identity,
    pub(crate) size: Size,
    pub(crate) views: &'a [View],
    pub(crate) findings: &'a [Finding],
    pub(crate) known: &'a Known,
}

impl Question {
    pub(crate) fn new(call: &Call, sofar: &Sofar<'_>, budget: Budget) -> Self {
        let reads_place = |place| match place {
            Place::Text => call.reads(Read::Text),
            Place::Context(_) => call.reads(Read::Context),
        };
        let received = sofar.interaction;
        let who = call.reads(Read::Identity);
        let interaction = Interaction {
            id: received.id.clone(),
            bot: received.bot.clone(),
            conversation: sofar.identity.conversation.clone().filter(|_| who),
            speaker: sofar.identity.speaker.clone().filter(|_| who),
            client_addr: received.client_addr.filter(|_| who),
            direction: received.direction,
            text: if call.reads(Read::Text) { received.text.clone() } else { Text::default() },
            context: if call.reads(Read::Context) { received.context.clone() } else { Vec::new() },
            in_reply_to: received.in_reply_to.clone(),
            received_at: received.received_at,
        };
        let views: Vec<usize> = if call.reads(Read::Views) {
            let readable =
                |(index, view): (usize, &View)| reads_place(view.source).then_some(index);
            sofar.views.iter().enumerate().filter_map(readable).collect()
        } else {
            Vec::new()
        };
        let given = views.iter().filter_map(|&index| sofar.views.get(index).cloned()).collect();
        Self {
            ask: Ask {
                interaction,
                size: sofar.size,
                views: given,
                findings: sofar.findings.to_vec(),
                settings: (*call.settings).clone(),
                known: if who {
                    Known {
                        api_key: sofar.identity.api_key.clone(),
                        factors: sofar.identity.factors,
                        ..sofar.known.clone()
                    }
                } else {
                    sofar.known.clone()
                },
                budget,
            },
            views,
        }
    }

    /// Turns view indexes of the answer into those of the whole message. Indexes past the views that
    /// were asked about mean the report's own new views, which are appended after `first_new`.
    pub(crate) fn renumber(&self, findings: &mut [Finding], parts: &mut [Part], first_new: usize) {
        let whole = |index: usize| match self.views.get(index) {
            Some(&known) => known,
            None => first_new + (index - self.views.len()),
        };
        for view in findings.iter_mut().map(|finding| &mut finding.view) {
            *view = view.map(whole);
        }
        for view in parts.iter_mut().map(|part| &mut part.view) {
            *view = view.map(whole);
        }
    }
}
