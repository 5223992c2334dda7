//! What is masked and what is taken out.

use std::collections::BTreeMap;

use portcullis_core::{Direction, Edit, Masking, Place, Severity, Span};
use portcullis_detect::{Match, resolve};

use super::{Scan, Value};
use crate::finding;
use crate::invisible::{Sort, Useless};

/// Most edits in a report, so that a report fits one message of the bus.
const EDITS: usize = 16 * 1024;

impl Scan<'_> {
    /// Edits of an inbound text: values by their treatment, and what carries nothing.
    pub(super) fn edit(&mut self, place: Place, values: &[Value], useless: &[Useless]) {
        if self.ask.interaction.direction != Direction::Inbound {
            return;
        }
        let removed = if self.settings.remove_invisible { useless } else { &[] };
        let mut edits: Vec<Edit> = Vec::new();
        // a filler stands where a space would: without it two words would be one
        let removed =
            removed.iter().filter(|run| !matches!(run.sort, Sort::Filler | Sort::Direction));
        let mut runs = removed.map(|run| run.span).peekable();
        let remove = |span| Edit { place, span, with: Masking::Remove };
        for Value { hit, .. } in values {
            let Some(with) = self.settings.treatment(hit.entity).masking(hit.entity) else {
                continue;
            };
            while let Some(run) = runs.next_if(|run| run.end <= hit.span.start) {
                edits.push(remove(run));
            }
            // a value hidden in invisible characters goes with them
            if runs.peek().is_some_and(|run| contains(*run, hit.span)) {
                continue;
            }
            while runs.next_if(|run| run.start < hit.span.end).is_some() {}
            edits.push(Edit { place, span: hit.span, with });
        }
        edits.extend(runs.map(remove));
        let room = EDITS.saturating_sub(self.report.edits.len());
        if edits.len() > room {
            self.is_cut = true;
            let cut = finding("limit.edits", Severity::High, 1.0);
            self.report.findings.push(cut.at(place, None));
            edits.truncate(room);
        }
        self.report.edits.append(&mut edits);
    }
}

fn contains(outer: Span, inner: Span) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}

/// Values of the received text and of its views without overlap. What was seen as received keeps no
/// view; a view counts where it shows more.
pub(super) fn merge(values: Vec<Value>) -> Vec<Value> {
    if values.iter().all(|value| value.view.is_none()) {
        return values;
    }
    let mut seen = BTreeMap::new();
    for Value { hit, view } in &values {
        seen.entry((hit.span, hit.entity)).or_insert(*view);
    }
    // one that got the bytes of others may begin before the place at which it was seen
    let view_of = |hit: &Match| {
        let first = (Span { start: hit.span.start, end: 0 }, hit.entity);
        let mut within = seen.range(first..).take_while(|((span, _), _)| span.start < hit.span.end);
        let exact = seen.get(&(hit.span, hit.entity));
        let inner = || within.find(|((_, entity), _)| *entity == hit.entity).map(|(_, view)| view);
        exact.or_else(inner).copied().flatten()
    };
    let resolved = resolve(values.iter().map(|value| value.hit).collect());
    resolved.into_iter().map(|hit| Value { view: view_of(&hit), hit }).collect()
}
