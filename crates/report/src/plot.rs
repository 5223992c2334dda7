//! Plots as SVG within the page: bars over time, and bars over a scale.

use std::fmt::Write;

use crate::Volume;

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 52.0;
const BOTTOM: f64 = 28.0;
const TOP: f64 = 8.0;

/// From the mildest to the harshest, which stands on top.
pub(crate) const DECISIONS: [&str; 6] =
    ["allow", "rewrite", "throttle", "hold", "block", "unknown"];

/// Verdicts over time, the decisions stacked.
pub(crate) fn volume(volume: &Volume) -> String {
    let highest = volume.steps.iter().map(|(_, counts)| counts.values().sum::<u64>()).max();
    let Some(highest) = highest.filter(|highest| *highest > 0) else { return String::new() };
    let (top, mut svg) = (nice(highest), open("Messages over time, by decision"));
    scale(&mut svg, top);
    let width = (WIDTH - LEFT) / volume.steps.len() as f64;
    for (at, (begins, counts)) in volume.steps.iter().enumerate() {
        let x = LEFT + at as f64 * width;
        let mut below = 0;
        for decision in DECISIONS {
            let count = counts.get(decision).copied().unwrap_or(0);
            if count == 0 {
                continue;
            }
            let (low, high) = (height(below, top), height(below + count, top));
            bar(
                &mut svg,
                decision,
                (x + width * 0.08, HEIGHT - BOTTOM - high, width * 0.84, high - low),
                &format!("{begins:.0}: {decision} {count}"),
            );
            below += count;
        }
    }
    let every = volume.steps.len().div_ceil(6);
    for (at, (begins, _)) in volume.steps.iter().enumerate().step_by(every) {
        let text = if volume.step_s >= 86_400 {
            begins.strftime("%Y-%m-%d").to_string()
        } else {
            begins.strftime("%m-%d %H:%M").to_string()
        };
        label(&mut svg, LEFT + at as f64 * width, HEIGHT - 8.0, "start", &text);
    }
    svg + "</svg>"
}

/// Verdicts by a value from 0 to 1, with a line at the threshold. Heights are logarithmic, because nearly all
/// messages are harmless and those in the middle are the ones to look at.
pub(crate) fn scores(counts: &[u64], threshold: f64) -> String {
    let highest = counts.iter().max().copied().unwrap_or(0);
    if highest == 0 {
        return String::new();
    }
    let mut svg = open("Messages by injection score");
    let log = |count: u64| (count as f64 + 1.0).log10();
    let (full, space) = (log(highest), HEIGHT - BOTTOM - TOP);
    for count in std::iter::successors(Some(1_u64), |count| count.checked_mul(10)) {
        if count > highest {
            break;
        }
        let y = HEIGHT - BOTTOM - log(count) / full * space;
        line(&mut svg, y, &short(count));
    }
    let width = (WIDTH - LEFT) / counts.len() as f64;
    for (at, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let high = log(*count) / full * space;
        let (from, until) =
            (at as f64 / counts.len() as f64, (at + 1) as f64 / counts.len() as f64);
        let place = (LEFT + (at as f64 + 0.08) * width, HEIGHT - BOTTOM - high, width * 0.84, high);
        bar(&mut svg, "score", place, &format!("{from:.2} to {until:.2}: {count}"));
    }
    let x = LEFT + threshold.clamp(0.0, 1.0) * (WIDTH - LEFT);
    let (y1, y2) = (TOP, HEIGHT - BOTTOM);
    let _ = write!(svg, r#"<line class="threshold" x1="{x:.1}" y1="{y1}" x2="{x:.1}" y2="{y2}"/>"#);
    for tenth in (0..=10).step_by(2) {
        let x = LEFT + f64::from(tenth) / 10.0 * (WIDTH - LEFT);
        let anchor = if tenth == 10 { "end" } else { "middle" };
        label(&mut svg, x, HEIGHT - 8.0, anchor, &format!("{:.1}", f64::from(tenth) / 10.0));
    }
    svg + "</svg>"
}

fn open(title: &str) -> String {
    format!(
        r#"<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}"><title>{title}</title>"#
    )
}

fn scale(svg: &mut String, top: u64) {
    for quarter in 0..=4 {
        let count = top * quarter / 4;
        line(svg, HEIGHT - BOTTOM - height(count, top), &short(count));
    }
}

fn line(svg: &mut String, y: f64, text: &str) {
    let _ = write!(svg, r#"<line class="grid" x1="{LEFT}" y1="{y:.1}" x2="{WIDTH}" y2="{y:.1}"/>"#);
    label(svg, LEFT - 8.0, y + 4.0, "end", text);
}

fn label(svg: &mut String, x: f64, y: f64, anchor: &str, text: &str) {
    let _ = write!(svg, r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}">{text}</text>"#);
}

fn bar(svg: &mut String, class: &str, place: (f64, f64, f64, f64), title: &str) {
    let (x, y, width, height) = place;
    let _ = write!(
        svg,
        r#"<rect class="{class}" x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}"><title>{title}</title></rect>"#
    );
}

fn height(count: u64, top: u64) -> f64 {
    count as f64 / top as f64 * (HEIGHT - BOTTOM - TOP)
}

/// The next round number whose quarters are whole.
fn nice(highest: u64) -> u64 {
    let mut step = 4;
    loop {
        for factor in [1, 2, 5] {
            if step * factor >= highest {
                return step * factor;
            }
        }
        step *= 10;
    }
}

/// A count in few characters.
pub(crate) fn short(count: u64) -> String {
    match count {
        0..10_000 => count.to_string(),
        10_000..10_000_000 => format!("{}k", count / 1000),
        _ => format!("{}M", count / 1_000_000),
    }
}
