//! Judges the watch on labelled streams: normal days with their seasons, and attacks and failures put into them.
//!
//! `cargo run --release -p portcullis-anomaly --bin simulate-anomalies -- [--seeds N] [--days N] [--json]`
#![expect(clippy::print_stdout, reason = "a program for people: its figures go to the terminal")]

mod scenario;
mod traffic;

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::Context;
use portcullis_anomaly::{State, Subject, Urgency, Watch, Watching};

use scenario::{Kind, Scenario};
use traffic::Traffic;

/// An alert this long after the end of what caused it is still about it.
const AFTERWARDS_S: i64 = 600;

#[derive(Default)]
struct Tally {
    happened: u32,
    noticed: u32,
    delays_s: Vec<i64>,
}

fn main() -> anyhow::Result<()> {
    let (seeds, days, json) = arguments(std::env::args().skip(1))?;
    let mut tallies: BTreeMap<Kind, Tally> = BTreeMap::new();
    let (mut right, mut wrong, mut facts, mut seconds) = (0u32, BTreeMap::new(), 0u64, 0.0);
    for seed in 0..seeds {
        let scenarios = scenario::plan(seed, days);
        let mut watch = Watch::new(Watching::default());
        let mut noticed: BTreeMap<usize, i64> = BTreeMap::new();
        for minute in Traffic::new(seed, days, &scenarios) {
            let began = Instant::now();
            facts += minute.len() as u64;
            let alerts: Vec<_> = minute.iter().flat_map(|fact| watch.observe(fact)).collect();
            seconds += began.elapsed().as_secs_f64();
            for alert in alerts.iter().filter(|alert| alert.state == State::Firing) {
                let at = alert.at.as_second() - traffic::START;
                let cause = scenarios
                    .iter()
                    .enumerate()
                    .find(|(_, s)| (s.start_s..s.end_s + AFTERWARDS_S).contains(&at));
                match cause {
                    Some((index, scenario)) => {
                        right += 1;
                        noticed.entry(index).or_insert(at - scenario.start_s);
                    }
                    None if alert.severity > Urgency::Info => {
                        *wrong.entry(said(alert)).or_insert(0u32) += 1;
                    }
                    None => {}
                }
            }
        }
        for (index, Scenario { kind, .. }) in scenarios.iter().enumerate() {
            let tally = tallies.entry(*kind).or_default();
            tally.happened += 1;
            if let Some(delay) = noticed.get(&index) {
                tally.noticed += 1;
                tally.delays_s.push(*delay);
            }
        }
    }
    report(&mut tallies, right, &wrong, (facts, seconds), u64::from(seeds) * u64::from(days), json)
}

/// What an alert was about, for the list of false ones.
fn said(alert: &portcullis_anomaly::Alert) -> String {
    let about = match alert.subject {
        Subject::Bot => "bot",
        Subject::Speaker(_) => "speaker",
        Subject::Stage(_) => "stage",
        Subject::Campaign(_) => "campaign",
    };
    let signals: Vec<&str> = alert.signals.iter().map(|reading| reading.signal.as_str()).collect();
    format!("{about}: {}", signals.join("+"))
}

fn report(
    tallies: &mut BTreeMap<Kind, Tally>,
    right: u32,
    wrong: &BTreeMap<String, u32>,
    (facts, seconds): (u64, f64),
    days: u64,
    json: bool,
) -> anyhow::Result<()> {
    let false_alerts: u32 = wrong.values().sum();
    let rate = facts as f64 / seconds.max(1e-9);
    let precision = f64::from(right) / f64::from((right + false_alerts).max(1));
    let rows: Vec<(Kind, f64, Option<i64>, u32)> = tallies
        .iter_mut()
        .map(|(kind, tally)| {
            tally.delays_s.sort_unstable();
            let median = tally.delays_s.get(tally.delays_s.len() / 2).copied();
            (
                *kind,
                f64::from(tally.noticed) / f64::from(tally.happened.max(1)),
                median,
                tally.happened,
            )
        })
        .collect();
    if json {
        let kinds: serde_json::Map<String, serde_json::Value> = rows
            .iter()
            .map(|(kind, recall, delay, n)| {
                (
                    kind.as_str().to_owned(),
                    serde_json::json!({"recall": recall, "median_delay_s": delay, "n": n}),
                )
            })
            .collect();
        let all = serde_json::json!({
            "scenarios": kinds, "precision": precision, "false_alerts": false_alerts, "days": days,
            "false_by": wrong, "entries": facts, "entries_per_second": rate,
        });
        println!("{}", serde_json::to_string_pretty(&all)?);
        return Ok(());
    }
    println!("{:<22} {:>4} {:>8} {:>16}", "what happened", "n", "noticed", "median delay");
    for (kind, recall, delay, n) in rows {
        let delay = delay.map_or("-".to_owned(), |s| format!("{s} s"));
        println!("{:<22} {n:>4} {:>7.0}% {delay:>16}", kind.as_str(), recall * 100.0);
    }
    println!(
        "precision of warnings and worse: {:.1} % ({false_alerts} false in {days} days)",
        precision * 100.0
    );
    for (what, count) in wrong {
        println!("  false: {count:>4}  {what}");
    }
    println!("{facts} entries, {rate:.0} a second");
    Ok(())
}

fn arguments(mut given: impl Iterator<Item = String>) -> anyhow::Result<(u32, u32, bool)> {
    let (mut seeds, mut days, mut json) = (5, 7, false);
    while let Some(name) = given.next() {
        let mut number = || {
            let value = given.next().with_context(|| format!("{name} needs a number"))?;
            value.parse::<u32>().with_context(|| format!("{name} needs a number"))
        };
        match name.as_str() {
            "--seeds" => seeds = number()?,
            "--days" => days = number()?.max(4),
            "--json" => json = true,
            _ => anyhow::bail!(
                "usage: simulate-anomalies [--seeds N] [--days N, at least 4] [--json]"
            ),
        }
    }
    Ok((seeds, days, json))
}
