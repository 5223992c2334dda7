//! The texts of an ask, each with the question that it answers and its way back to the received bytes.

use std::borrow::Cow;
use std::ops::Range;

use portcullis_core::{Ask, Place, Span, View};
use portcullis_model::{Channel, Judged, Piece};

use crate::fingerprints::blanked;

/// One text to look at.
pub(crate) struct Reading<'a> {
    pub(crate) place: Place,
    view: Option<(usize, &'a View)>,
    /// As it is judged: see [`blanked`].
    pub(crate) text: Cow<'a, str>,
    /// Its share of the coverage total.
    bytes: usize,
}

impl<'a> Reading<'a> {
    /// Everything of an ask that has something in it: the message, its context, then the views.
    pub(crate) fn all(ask: &'a Ask) -> Vec<Self> {
        let received = ask.interaction.places().map(|(place, text)| Self {
            place,
            view: None,
            text: blanked(text.expose()),
            bytes: text.len(),
        });
        let views = ask.views.iter().enumerate().map(|(index, view)| Self {
            place: view.source,
            view: Some((index, view)),
            text: blanked(view.text.expose()),
            bytes: view.source_bytes(),
        });
        received.chain(views).filter(|reading| !reading.text.is_empty()).collect()
    }

    /// The question that it answers.
    pub(crate) fn channel(&self) -> Channel {
        match self.place {
            Place::Text => Channel::User,
            Place::Context(_) => Channel::Context,
        }
    }

    pub(crate) fn piece(&self) -> Piece<'_> {
        Piece { channel: self.channel(), text: &self.text }
    }

    /// The index of the view; absent for a text as received.
    pub(crate) fn view(&self) -> Option<usize> {
        self.view.map(|(index, _)| index)
    }

    /// Whether it was judged to its end.
    pub(crate) fn is_covered(&self, judged: &Judged) -> bool {
        judged.scanned >= self.text.len()
    }

    /// Received bytes that stand behind what was judged.
    pub(crate) fn received(&self, judged: &Judged) -> usize {
        match self.text.len() {
            length if judged.scanned >= length => self.bytes,
            length => self.bytes * judged.scanned / length,
        }
    }

    /// Bytes of this text as received bytes; absent for the whole of a received text.
    pub(crate) fn span(&self, bytes: Option<&Range<usize>>) -> Option<Span> {
        let span = bytes.map(|range| Span { start: range.start, end: range.end });
        match self.view {
            None => span,
            Some((_, view)) => {
                view.to_source(span.unwrap_or(Span { start: 0, end: self.text.len() }))
            }
        }
    }
}
