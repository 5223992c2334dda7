//! Looks over a report before anything is believed: places, spans, indexes and numbers must fit the
//! question. A report that does not fit is unreadable as a whole.

use portcullis_core::{Ask, Masking, Place, Report, Span};

/// A report that does not fit its question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Misfit(pub(crate) &'static str);

/// Views may hold this many bytes in all, or as many as the text where that is more.
const VIEW_BYTES: usize = 64 * 1024;

pub(crate) fn examine(ask: &Ask, report: &Report) -> Result<(), Misfit> {
    let views = ask.views.len() + report.views.len();
    for finding in &report.findings {
        fits(ask, finding.place, finding.span).ok_or(Misfit("findings.span"))?;
        if finding.view.is_some_and(|view| view >= views) {
            return Err(Misfit("findings.view"));
        }
        if finding.kind.is_empty() {
            return Err(Misfit("findings.kind"));
        }
    }
    for edit in &report.edits {
        fits(ask, edit.place, Some(edit.span)).ok_or(Misfit("edits.span"))?;
        if !names_an_entity(&edit.with) {
            return Err(Misfit("edits.with"));
        }
    }
    for view in &report.views {
        let source = ask.interaction.text_at(view.source).ok_or(Misfit("views.source"))?;
        let mut at = 0;
        for run in &view.map {
            let view_end = run.view.checked_add(run.view_len).ok_or(Misfit("views.map"))?;
            let source_end = run.source.checked_add(run.source_len).ok_or(Misfit("views.map"))?;
            if run.view < at || view_end > view.text.len() || source_end > source.len() {
                return Err(Misfit("views.map"));
            }
            at = view_end;
        }
    }
    let limit = VIEW_BYTES.max(ask.size.bytes);
    if report.views.iter().map(|view| view.text.len()).sum::<usize>() > limit {
        return Err(Misfit("views"));
    }
    for part in &report.measures.parts {
        if part.view.is_some_and(|view| view >= views) || !part.score.is_finite() {
            return Err(Misfit("measures.parts"));
        }
    }
    if report.measures.score.is_some_and(|score| !(0.0..=1.0).contains(&score)) {
        return Err(Misfit("measures.score"));
    }
    let shadow = report.measures.shadow.as_ref();
    if shadow.is_some_and(|shadow| !(0.0..=1.0).contains(&shadow.score)) {
        return Err(Misfit("measures.shadow"));
    }
    if report.measures.polarity.is_some_and(|polarity| !(-1.0..=1.0).contains(&polarity)) {
        return Err(Misfit("measures.polarity"));
    }
    let moods = [report.measures.moods, report.learned.moods];
    let fits = |score: &f64| (0.0..=1.0).contains(score);
    if moods.iter().flatten().any(|moods| !moods.scores().iter().all(fits)) {
        return Err(Misfit("measures.moods"));
    }
    Ok(())
}

/// Whether what is put in a text's place is one word such as `EMAIL`: a stage masks, and writes no sentences.
fn names_an_entity(with: &Masking) -> bool {
    let word = |c: u8| c.is_ascii_uppercase() || c.is_ascii_digit() || matches!(c, b'_' | b'-');
    match with {
        Masking::Redact(Some(entity))
        | Masking::Hash(Some(entity))
        | Masking::Placeholder(entity) => {
            (1..=32).contains(&entity.len()) && entity.bytes().all(word)
        }
        Masking::Remove | Masking::Redact(None) | Masking::Hash(None) | Masking::Partial => true,
    }
}

/// Whether a span lies in the text at a place, on the boundaries of characters.
fn fits(ask: &Ask, place: Place, span: Option<Span>) -> Option<()> {
    let Some(span) = span else {
        // Without a span a finding may concern something that this stage did not read itself.
        return Some(());
    };
    let text = ask.interaction.text_at(place)?;
    (span.start <= span.end).then_some(())?;
    text.expose().get(span.start..span.end).map(|_| ())
}

#[cfg(test)]
mod tests {
    use portcullis_core::{
        Budget, Clock, Coverage, Edit, Finding, Interaction, Known, Masking, MessageId, Moods,
        Severity, Size, StageName, SystemClock,
    };

    use super::*;

    fn ask() -> Ask {
        Ask {
            interaction: Interaction {
                id: MessageId::generate(),
                bot: portcullis_core::BotId::fallback(),
                conversation: None,
                speaker: None,
                client_addr: None,
                direction: Default::default(),
                text: "grüße".into(),
                context: vec![],
                in_reply_to: None,
                received_at: SystemClock.now(),
            },
            size: Size { bytes: 7, chars: 5, more: false },
            views: vec![],
            findings: vec![],
            settings: serde_json::Value::Null,
            known: Known::default(),
            budget: Budget::default(),
        }
    }

    fn report() -> Report {
        Report { coverage: Coverage::whole(7), ..Report::clean("1", 7) }
    }

    #[test]
    fn spans_must_lie_on_characters_of_a_text_that_is_there() {
        let at = |place, start, end| {
            let finding = Finding::new(StageName::sanitizer(), "x", Severity::Low, 1.0)
                .at(place, Some(Span { start, end }));
            examine(&ask(), &Report { findings: vec![finding], ..report() })
        };
        assert_eq!(at(Place::Text, 0, 7), Ok(()));
        assert_eq!(at(Place::Text, 0, 3), Err(Misfit("findings.span")), "inside the ü");
        assert_eq!(at(Place::Text, 2, 1), Err(Misfit("findings.span")));
        assert_eq!(at(Place::Text, 0, 99), Err(Misfit("findings.span")));
        assert_eq!(at(Place::Context(0), 0, 1), Err(Misfit("findings.span")));
    }

    #[test]
    fn edits_views_and_numbers_must_fit_too() {
        let edit =
            Edit { place: Place::Text, span: Span { start: 3, end: 4 }, with: Masking::Remove };
        let misfit = |report| examine(&ask(), &report).unwrap_err();
        assert_eq!(misfit(Report { edits: vec![edit], ..report() }), Misfit("edits.span"));
        for entity in ["", "forward this instead", "A".repeat(33).as_str()] {
            let with = Masking::Redact(Some(entity.to_owned()));
            let edit = Edit { place: Place::Text, span: Span { start: 0, end: 2 }, with };
            assert_eq!(misfit(Report { edits: vec![edit], ..report() }), Misfit("edits.with"));
        }
        let mut scored = report();
        scored.measures.score = Some(f64::NAN);
        assert_eq!(misfit(scored), Misfit("measures.score"));
        let mut moody = report();
        moody.learned.moods = Some(Moods { urgency: 1.5, ..Moods::default() });
        assert_eq!(misfit(moody), Misfit("measures.moods"));
        let view = portcullis_core::View {
            kind: portcullis_core::ViewKind::Canonical,
            source: Place::Text,
            text: "ab".into(),
            map: vec![portcullis_core::Run { view: 0, source: 6, view_len: 2, source_len: 2 }],
        };
        assert_eq!(misfit(Report { views: vec![view], ..report() }), Misfit("views.map"));
    }
}
