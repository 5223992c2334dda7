//! The page: one file for people. Everything that comes from elsewhere is escaped.

use std::fmt::{self, Display, Write};

use crate::figures::{Counted, Latency, Shadowed};
use crate::plot::{self, DECISIONS};
use crate::{Report, Sampled};

const STYLE: &str = include_str!("style.css");

/// Text in a page.
struct Esc<'a>(&'a str);

impl Display for Esc<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '&' => f.write_str("&amp;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                // What reorders or hides is shown, because attacks are read here.
                '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{e0000}'..='\u{e0fff}' => write!(f, "<i>\\u{{{:x}}}</i>", u32::from(c))?,
                c if c.is_control() && c != '\n' && c != '\t' => {
                    write!(f, "<i>\\u{{{:x}}}</i>", u32::from(c))?;
                }
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

impl Report {
    /// The page.
    pub fn html(&self) -> String {
        let mut page = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut page);
        page
    }

    fn write(&self, page: &mut String) -> fmt::Result {
        let of = self.bot.as_deref().map_or("all bots".to_owned(), |bot| format!("bot {bot}"));
        let time = |at: &Option<jiff::Timestamp>| at.map_or("–".into(), |at| format!("{at:.0}"));
        let (from, until) = (time(&self.from), time(&self.until));
        write!(
            page,
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
             <title>Audit report, {}</title><style>{STYLE}</style></head><body><main>\
             <header><h1>Audit report</h1><p>{} · {from} to {until} · made {:.0}</p></header>",
            Esc(&of),
            Esc(&of),
            self.made_at
        )?;
        self.tiles(page)?;
        if let Some(shadow) = &self.shadow {
            self.shadow(page, shadow)?;
        }
        self.volumes(page)?;
        self.findings(page)?;
        self.people(page)?;
        self.gaps(page)?;
        self.latencies(page)?;
        self.samples(page)?;
        write!(page, "</main></body></html>")
    }

    fn verdicts(&self) -> u64 {
        self.decisions.values().sum()
    }

    fn count(&self, decision: &str) -> u64 {
        self.decisions.get(decision).copied().unwrap_or(0)
    }

    fn tiles(&self, page: &mut String) -> fmt::Result {
        let all = self.verdicts();
        let stopped = self.count("block") + self.count("hold") + self.count("unknown");
        let gaps: u64 = self.gaps.iter().map(|gap| gap.count).sum();
        let missing: u64 =
            self.holes.iter().map(|hole| hole.missing).sum::<u64>() + self.unreadable;
        write!(page, "<section class=\"tiles\">")?;
        tile(page, "messages and answers", &grouped(all), "")?;
        tile(page, "blocked or held", &grouped(stopped), &share(stopped, all))?;
        tile(page, "people overruled the guard", &grouped(self.resolutions.overrides), "")?;
        tile(page, "checks with a gap", &grouped(gaps), "")?;
        tile(page, "missing from the record", &grouped(missing), "")?;
        tile(
            page,
            "median, 99 of 100",
            &micros(self.latency.p50_us),
            &micros(self.latency.p99_us),
        )?;
        write!(page, "</section>")
    }

    fn volumes(&self, page: &mut String) -> fmt::Result {
        write!(page, "<section><h2>Volume and decisions</h2>")?;
        write!(page, "{}", plot::volume(&self.volume))?;
        write!(page, "<p class=\"legend\">")?;
        for decision in DECISIONS.iter().filter(|decision| self.count(decision) > 0) {
            write!(page, "<span><b class=\"{decision}\"></b>{decision}</span>")?;
        }
        let hours = self.volume.step_s / 3600;
        write!(page, "<span>each bar: {hours} h, UTC</span></p><div class=\"columns\">")?;
        let all = self.verdicts();
        let rows = DECISIONS.iter().map(|name| ((*name).to_owned(), self.count(name)));
        shares(page, "decision", rows.filter(|row| row.1 > 0), all)?;
        shares(page, "direction", self.messages.iter().map(|(k, v)| (k.clone(), *v)), all)?;
        shares(page, "bot", self.bots.iter().map(|(k, v)| (k.clone(), *v)), all)?;
        write!(page, "</div>")?;
        if self.summarised > 0 {
            let count = grouped(self.summarised);
            write!(page, "<p>Beside these, {count} throttled messages are in summaries.</p>")?;
        }
        write!(page, "</section>")
    }

    fn findings(&self, page: &mut String) -> fmt::Result {
        write!(page, "<section><h2>What was found</h2><div class=\"columns\">")?;
        if self.findings.is_empty() {
            write!(page, "<p>Nothing.</p>")?;
        } else {
            table(page, &["finding", "verdicts", "not forwarded"])?;
            for found in &self.findings {
                let (kind, verdicts) = (Esc(&found.kind), grouped(found.verdicts));
                let stopped = grouped(found.stopped);
                write!(page, "<tr><td>{kind}<td class=n>{verdicts}<td class=n>{stopped}")?;
            }
            write!(page, "</table>")?;
        }
        counts(page, "what decided", &self.reasons)?;
        write!(page, "</div>{}", plot::scores(&self.scores, self.threshold))?;
        if self.scores.iter().any(|count| *count > 0) {
            write!(
                page,
                "<p class=\"legend\">Messages by injection score (logarithmic); the line is at {}.</p>",
                self.threshold
            )?;
        }
        write!(page, "</section>")
    }

    fn people(&self, page: &mut String) -> fmt::Result {
        write!(page, "<section><h2>People</h2><div class=\"columns\">")?;
        let Self { resolutions, .. } = self;
        let all: u64 = resolutions.by_kind.values().sum();
        if all == 0 {
            write!(page, "<p>No held message was resolved.</p>")?;
        } else {
            let pairs = |(k, v): (&String, &u64)| (k.clone(), *v);
            shares(page, "how held messages ended", resolutions.by_kind.iter().map(pairs), all)?;
            shares(page, "by whom", resolutions.by_person.iter().map(pairs), all)?;
        }
        write!(page, "</div>")?;
        if !self.orders.is_empty() {
            table(page, &["when", "bot", "order", "on", "by", "why"])?;
            for order in &self.orders {
                write!(
                    page,
                    "<tr><td>{:.0}<td>{}<td>{}<td><code>{}</code><td>{}<td>{}",
                    order.at,
                    Esc(&order.bot),
                    Esc(&order.action),
                    Esc(&order.scope),
                    Esc(&order.by),
                    Esc(order.reason.as_deref().unwrap_or(""))
                )?;
            }
            write!(page, "</table>")?;
        }
        if self.orders_left_out > 0 {
            let left_out = grouped(self.orders_left_out);
            write!(page, "<p>{left_out} further orders are in the record.</p>")?;
        }
        write!(page, "</section>")
    }

    fn gaps(&self, page: &mut String) -> fmt::Result {
        write!(page, "<section><h2>Gaps</h2><div class=\"columns\">")?;
        if self.gaps.is_empty() {
            write!(page, "<p>Every check that should have run gave a whole answer.</p>")?;
        }
        counts(page, "checks without a whole answer", &self.gaps)?;
        write!(page, "</div>")?;
        if self.holes.is_empty() && self.unreadable == 0 {
            return write!(page, "<p>The journal's sequence has no hole.</p></section>");
        }
        table(page, &["noticed", "after number", "missing"])?;
        for hole in &self.holes {
            let (after, missing) = (hole.after, grouped(hole.missing));
            write!(page, "<tr><td>{:.0}<td class=n>{after}<td class=n>{missing}", hole.at)?;
        }
        let unreadable = grouped(self.unreadable);
        write!(page, "</table><p>Entries that could not be read: {unreadable}.</p></section>")
    }

    fn latencies(&self, page: &mut String) -> fmt::Result {
        write!(page, "<section><h2>Time to a verdict</h2>")?;
        table(page, &["", "ran", "skipped", "gaps", "p50", "p90", "p99", "p99.9", "slowest"])?;
        let all = grouped(self.latency.count);
        write!(page, "<tr class=all><td>whole<td class=n>{all}<td class=n><td class=n>")?;
        times(page, &self.latency)?;
        for stage in &self.stages {
            let (ran, skipped) = (grouped(stage.ran), grouped(stage.skipped));
            let (name, gaps) = (Esc(&stage.stage), grouped(stage.gaps));
            write!(page, "<tr><td>{name}<td class=n>{ran}<td class=n>{skipped}<td class=n>{gaps}")?;
            times(page, &stage.latency)?;
        }
        write!(page, "</table></section>")
    }

    fn shadow(&self, page: &mut String, shadow: &Shadowed) -> fmt::Result {
        let stopped =
            ["hold", "block", "unknown"].iter().filter_map(|name| shadow.would.get(*name));
        let (stopped, all) = (stopped.sum::<u64>(), shadow.verdicts);
        write!(
            page,
            "<section class=\"shadow\"><h2>Shadow mode: should the guard be switched on?</h2>\
             <p>Of {} verdicts in shadow mode, <b>{}</b> ({}) would have been held or blocked, and were let \
             through. Read the sample below: each that should not have been stopped is a false alarm that \
             people would have met.</p><div class=\"columns\">",
            grouped(all),
            grouped(stopped),
            share(stopped, all)
        )?;
        let rows = DECISIONS
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), *shadow.would.get(*name)?)));
        shares(page, "would have been", rows, all)?;
        counts(page, "found in those", &shadow.found)?;
        write!(page, "</div>")?;
        sampled(page, &shadow.sample)?;
        write!(page, "</section>")
    }

    fn samples(&self, page: &mut String) -> fmt::Result {
        write!(
            page,
            "<section><h2>To be read by a person: drawn at random</h2>\
             <p>Seed {}: the same seed and period draw the same.</p>",
            self.seed
        )?;
        sampled(page, &self.random)?;
        write!(
            page,
            "</section><section><h2>To be read by a person: nearest to the threshold</h2>\
             <p>Those whose injection score is the nearest to {}.</p>",
            self.threshold
        )?;
        sampled(page, &self.near)?;
        write!(page, "</section>")
    }
}

fn tile(page: &mut String, what: &str, number: &str, beside: &str) -> fmt::Result {
    write!(page, "<div><b>{number}</b> <small>{beside}</small><span>{what}</span></div>")
}

fn table(page: &mut String, heads: &[&str]) -> fmt::Result {
    write!(page, "<table><tr>")?;
    heads.iter().try_for_each(|head| write!(page, "<th>{head}"))
}

fn shares(
    page: &mut String,
    what: &str,
    rows: impl Iterator<Item = (String, u64)>,
    all: u64,
) -> fmt::Result {
    table(page, &[what, "count", "share"])?;
    for (name, count) in rows {
        let (share, count) = (share(count, all), grouped(count));
        write!(page, "<tr><td>{}<td class=n>{count}<td class=n>{share}", Esc(&name))?;
    }
    write!(page, "</table>")
}

fn counts(page: &mut String, what: &str, rows: &[Counted]) -> fmt::Result {
    if rows.is_empty() {
        return Ok(());
    }
    table(page, &[what, "count"])?;
    for row in rows {
        write!(page, "<tr><td>{}<td class=n>{}", Esc(&row.what), grouped(row.count))?;
    }
    write!(page, "</table>")
}

fn times(page: &mut String, times: &Latency) -> fmt::Result {
    let Latency { count, p50_us, p90_us, p99_us, p999_us, max_us } = *times;
    for time in [p50_us, p90_us, p99_us, p999_us, max_us] {
        let text = if count == 0 { String::new() } else { micros(time) };
        write!(page, "<td class=n>{text}")?;
    }
    Ok(())
}

fn sampled(page: &mut String, all: &[Sampled]) -> fmt::Result {
    if all.is_empty() {
        return write!(page, "<p>None.</p>");
    }
    for one in all {
        let shadow = one.shadow.as_ref().map(|would| format!(" (shadow: {would})"));
        let score = one.score.map(|score| format!(" · score {score:.3}"));
        write!(
            page,
            "<article><p><b class=\"{0}\"></b> <strong>{0}</strong>{1}{2} · {3} · {4} · {5:.0} · entry {6} · \
             <code>{7}</code></p>",
            Esc(&one.decision),
            Esc(shadow.as_deref().unwrap_or("")),
            score.as_deref().unwrap_or(""),
            Esc(&one.bot),
            Esc(&one.direction),
            one.at,
            one.seq,
            Esc(&one.id)
        )?;
        if !one.reasons.is_empty() {
            write!(page, "<p class=\"reasons\">{}</p>", Esc(&one.reasons.join(", ")))?;
        }
        match &one.text {
            Some(text) => write!(page, "<pre>{}</pre>", Esc(text))?,
            None => write!(page, "<p class=\"reasons\">text not kept, erased, or sealed</p>")?,
        }
        write!(page, "</article>")?;
    }
    Ok(())
}

fn share(part: u64, all: u64) -> String {
    if all == 0 {
        return String::new();
    }
    format!("{:.2} %", part as f64 * 100.0 / all as f64)
}

fn micros(us: u64) -> String {
    match us {
        0..1000 => format!("{us} µs"),
        1000..10_000 => format!("{:.1} ms", us as f64 / 1e3),
        10_000..1_000_000 => format!("{} ms", us / 1000),
        _ => format!("{:.1} s", us as f64 / 1e6),
    }
}

/// A number with its thousands apart.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_from_elsewhere_cannot_leave_its_place() {
        let text = "<script>alert('x')</script>\u{202e}\u{1b}[2J & \"q\"";
        let shown = Esc(text).to_string();
        assert!(!shown.contains("<script>") && !shown.contains('\u{202e}'), "{shown}");
        assert!(shown.contains("&lt;script&gt;") && shown.contains("\\u{202e}"), "{shown}");
        assert_eq!(grouped(1_234_567).replace('\u{202f}', " "), "1 234 567");
        assert_eq!(micros(1_500), "1.5 ms");
    }
}
