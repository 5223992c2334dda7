//! One ask under the detectors: what each text adds to the report.

mod edits;

use std::collections::{BTreeSet, VecDeque};

use portcullis_core::{
    Ask, Direction, Finding, Learned, Place, Report, Severity, Span, Text, View, ViewKind,
};
use portcullis_decode::{Limits, Reading, decode};
use portcullis_detect::{Detector, Match, value_digest};

use crate::canonical::{self, Room};
use crate::config::Settings;
use crate::invisible::{self, Sort, Useless};
use crate::{controls, finding, hidden, limits};
use edits::merge;

/// Least room for views, whatever the length of the text.
const LEAST_VIEW_BYTES: usize = 64 * 1024;
/// Most runs of maps in a report, so that a report fits one message of the bus.
const RUNS: usize = 32 * 1024;
/// Most encodings inside each other, whatever the policy asks for.
const DEPTH: usize = 5;
/// Most readings of a text that were disguised when they were decoded and are decoded again.
const FURTHER: usize = 4;
/// Most findings of one kind for one text; the last one stands for the rest too.
const FINDINGS: usize = 32;
/// Most findings of values in a report; further ones are masked and counted.
const VALUES: usize = 512;
/// Most digests that one ask adds to the conversation. A value that is not learned can only make a
/// later stage more careful.
const LEARNED: usize = 256;

/// The report in the making.
pub(crate) struct Scan<'a> {
    ask: &'a Ask,
    settings: &'a Settings,
    room: Room,
    report: Report,
    learned: BTreeSet<String>,
    /// Findings of values so far.
    reported: usize,
    /// Whether a limit cut something that the numbers of the coverage do not show.
    is_cut: bool,
}

/// A value, where it is in the received text, and in which view it was seen.
struct Value {
    hit: Match,
    view: Option<usize>,
}

impl<'a> Scan<'a> {
    pub(crate) fn new(ask: &'a Ask, settings: &'a Settings) -> Self {
        let bytes = ask.interaction.total_bytes().max(LEAST_VIEW_BYTES);
        Self {
            ask,
            settings,
            room: Room { bytes, runs: RUNS },
            report: Report::default(),
            learned: BTreeSet::new(),
            reported: 0,
            is_cut: false,
        }
    }

    /// Looks at one received text and at the views of it that were given. The received bytes that
    /// were looked at; none where the budget ended before all of it was done.
    pub(crate) fn text(&mut self, place: Place, text: &Text) -> Option<usize> {
        let mut scanned = text.len();
        let text = text.expose();
        limits::check(text, place, &self.settings.limits, &mut self.report.findings);
        let found = Detector::shared().detect(text);
        let mut values: Vec<Value> =
            found.into_iter().map(|hit| Value { hit, view: None }).collect();
        self.learn(text, values.iter().map(|value| value.hit));
        let mut useless = Vec::new();
        if !text.is_ascii() || controls::may_hold(text) {
            if self.ask.budget.is_spent() {
                return None;
            }
            useless = invisible::useless(text);
            self.report_useless(place, &useless);
            values.extend(self.readings(place, text, &useless));
        } else {
            values.extend(self.decoded(place, text, None));
        }
        let ask = self.ask;
        for (index, view) in ask.views.iter().enumerate().filter(|(_, v)| v.source == place) {
            if ask.budget.is_spent() {
                return None;
            }
            values.extend(self.values_in(view, index));
            scanned += view.source_bytes();
        }
        let values = merge(values);
        self.report_values(place, &values);
        self.edit(place, &values, &useless);
        Some(scanned)
    }

    /// The report without coverage and version, and whether a limit cut something.
    pub(crate) fn into_report(mut self) -> (Report, bool) {
        let values = self.learned.into_iter().take(LEARNED).collect();
        self.report.learned = Learned { values, ..Learned::default() };
        (self.report, self.is_cut)
    }

    /// Makes the views of a text, and gives the values that they show.
    fn readings(&mut self, place: Place, text: &str, useless: &[Useless]) -> Vec<Value> {
        let mut values = Vec::new();
        let canonical = canonical::read(text, place, useless, &mut self.room);
        let (hidden, mut is_cut) = hidden::read(text, place, useless, &mut self.room);
        if let Some(canonical) = canonical {
            is_cut |= canonical.is_cut;
            let folded = canonical.folded.into_iter();
            add(folded, &mut self.report.findings, |span| {
                finding("unicode.homoglyph", Severity::Medium, 0.8).at(place, Some(span))
            });
            let piled = canonical.piled.into_iter();
            add(piled, &mut self.report.findings, |span| {
                finding("unicode.marks", Severity::Medium, 0.9).at(place, Some(span))
            });
            if canonical.view.text.is_empty() {
                values.extend(self.decoded(place, text, None));
            } else {
                values.extend(self.decoded(
                    place,
                    canonical.view.text.expose(),
                    Some(&canonical.view),
                ));
                values.extend(self.emit(canonical.view));
            }
        } else {
            values.extend(self.decoded(place, text, None));
        }
        if let Some(hidden) = hidden {
            values.extend(self.decoded(place, hidden.text.expose(), Some(&hidden)));
            values.extend(self.emit(hidden));
        }
        if is_cut {
            self.report_cut(place);
        }
        values
    }

    fn report_cut(&mut self, place: Place) {
        self.is_cut = true;
        let cut = finding("sanitizer.view_limit", Severity::Medium, 1.0);
        self.report.findings.push(cut.at(place, None));
    }

    /// Makes views of what `text` says once it is decoded, and gives the values that they show. Where it is
    /// itself a reading, `outer` is that.
    fn decoded(&mut self, place: Place, text: &str, outer: Option<&View>) -> Vec<Value> {
        let mut values = Vec::new();
        let mut further = VecDeque::new();
        self.decode(place, text, outer, &mut further, &mut values);
        // what was decoded may be disguised in its turn
        for _ in 0..FURTHER {
            let Some(view) = further.pop_front() else { break };
            self.decode(place, view.text.expose(), Some(&view), &mut further, &mut values);
        }
        if !further.is_empty() {
            self.report_cut(place);
        }
        values
    }

    /// One step of [`Self::decoded`]. Readings that are themselves to be decoded are added to `further`.
    fn decode(
        &mut self,
        place: Place,
        text: &str,
        outer: Option<&View>,
        further: &mut VecDeque<View>,
        values: &mut Vec<Value>,
    ) {
        let depth = self.settings.decode_depth.min(DEPTH);
        let limits = Limits { depth, bytes: self.room.bytes, runs: self.room.runs };
        let decoded = decode(text, limits, &self.ask.budget);
        if decoded.is_cut {
            self.report_cut(place);
        }
        for reading in decoded.readings {
            let reading = match outer {
                Some(view) => reading.over(&view.map),
                None => reading,
            };
            let span =
                reading.places.iter().copied().reduce(|a, b| Span { start: a.start, end: b.end });
            let names: Vec<&str> = reading.methods.iter().map(|method| method.name()).collect();
            for mut view in self.undisguise(place, reading) {
                // the same words in another place answer another question
                let is_same = |other: &View| other.source == place && other.text == view.text;
                if self.report.views.iter().any(is_same) {
                    continue;
                }
                if view.kind != ViewKind::Decoded {
                    further.push_back(view.clone());
                }
                if view.kind == ViewKind::Canonical {
                    view.kind = ViewKind::Decoded;
                }
                // a map over another map may have more runs than either
                if view.map.len() > self.room.runs || view.text.len() > self.room.bytes {
                    return self.report_cut(place);
                }
                self.room.bytes -= view.text.len();
                self.room.runs -= view.map.len();
                let index = self.ask.views.len() + self.report.views.len();
                self.report.findings.push(
                    finding("encoding.decoded", Severity::Info, 0.9)
                        .at(place, span)
                        .in_view(Some(index))
                        .with_detail(names.join(", ")),
                );
                values.extend(self.emit(view));
            }
        }
    }

    /// The views of a decoded text: its canonical form where it has one, else the text, and what it hides.
    fn undisguise(&mut self, place: Place, reading: Reading) -> Vec<View> {
        let Reading { text, map, .. } = reading;
        let view = |kind, text: &str, map| View { kind, source: place, text: text.into(), map };
        if text.is_ascii() && !controls::may_hold(&text) {
            return vec![view(ViewKind::Decoded, &text, map)];
        }
        let mut room = Room { ..self.room };
        let useless = invisible::useless(&text);
        let canonical = canonical::read(&text, place, &useless, &mut room);
        let (hidden, mut is_cut) = hidden::read(&text, place, &useless, &mut room);
        is_cut |= canonical.as_ref().is_some_and(|canonical| canonical.is_cut);
        let canonical = canonical.map(|canonical| canonical.view);
        let canonical = canonical.filter(|view| !view.text.is_empty());
        let is_plain = canonical.is_none();
        let over = |inner: View| {
            let text = inner.text.expose().to_owned();
            let inner_map = inner.map;
            let reading = Reading { text, map: inner_map, methods: Vec::new(), places: Vec::new() };
            let Reading { text, map, .. } = reading.over(&map);
            view(inner.kind, &text, map)
        };
        let mut views: Vec<View> = canonical.into_iter().chain(hidden).map(over).collect();
        if is_plain {
            views.insert(0, view(ViewKind::Decoded, &text, map));
        }
        if is_cut {
            self.report_cut(place);
        }
        views
    }

    fn emit(&mut self, view: View) -> Vec<Value> {
        let values = self.values_in(&view, self.ask.views.len() + self.report.views.len());
        self.report.views.push(view);
        values
    }

    /// Values in a view, with their places in the received text.
    fn values_in(&mut self, view: &View, index: usize) -> Vec<Value> {
        let text = view.text.expose();
        let found = Detector::shared().detect(text);
        self.learn(text, found.iter().copied());
        let back = |hit: Match| view.to_source(hit.span).map(|span| Match { span, ..hit });
        let received = found.into_iter().filter_map(back);
        received.map(|hit| Value { hit, view: Some(index) }).collect()
    }

    fn learn(&mut self, text: &str, found: impl Iterator<Item = Match>) {
        if self.ask.interaction.direction == Direction::Inbound {
            let salt = &self.ask.known.salt;
            self.learned.extend(found.filter_map(|hit| {
                let value = text.get(hit.span.start..hit.span.end)?;
                Some(value_digest(salt, hit.entity, value))
            }));
        }
    }

    fn report_useless(&mut self, place: Place, useless: &[Useless]) {
        let of = |sort| useless.iter().filter(move |run| run.sort == sort).map(|run| run.span);
        for (sort, kind, severity) in [
            (Sort::Invisible, "unicode.invisible", Severity::Low),
            (Sort::Filler, "unicode.filler", Severity::Low),
            (Sort::Bidi, "unicode.bidi", Severity::Medium),
            (Sort::Direction, "unicode.bidi", Severity::Info),
            (Sort::Tag, "unicode.tags", Severity::High),
        ] {
            add(of(sort), &mut self.report.findings, |span| {
                finding(kind, severity, 1.0).at(place, Some(span))
            });
        }
    }

    fn report_values(&mut self, place: Place, values: &[Value]) {
        let mut more = 0_usize;
        for Value { hit, view } in values {
            if !self.settings.treatment(hit.entity).is_on() {
                continue;
            }
            if self.reported >= VALUES {
                more += 1;
                continue;
            }
            self.reported += 1;
            self.report.findings.push(
                finding(hit.entity.kind(), hit.entity.severity(), hit.confidence)
                    .at(place, Some(hit.span))
                    .in_view(*view),
            );
        }
        if more > 0 {
            let rest = finding("sanitizer.finding_limit", Severity::Info, 1.0).at(place, None);
            self.report.findings.push(rest.with_detail(format!("{more} more values")));
        }
    }
}

/// Adds a finding for each span; past the limit the last one covers all that follow.
fn add(
    spans: impl Iterator<Item = Span>,
    findings: &mut Vec<Finding>,
    make: impl Fn(Span) -> Finding,
) {
    let mut spans = spans.peekable();
    for _ in 1..FINDINGS {
        let Some(span) = spans.next() else { return };
        findings.push(make(span));
    }
    let Some(first) = spans.next() else { return };
    let (more, end) = spans.fold((0, first.end), |(more, _), span| (more + 1, span.end));
    let last = make(Span { start: first.start, end });
    findings.push(if more == 0 { last } else { last.with_detail(format!("and {more} more")) });
}
