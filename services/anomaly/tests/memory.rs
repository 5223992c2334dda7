//! A million speakers are known at once in bounded memory, and the one not seen for longest leaves first. A test
//! program of its own: what other tests hold would be counted too.
#![expect(
    clippy::unwrap_used,
    reason = "a test that unwraps fails with a place; its figure goes into the README"
)]

use jiff::{SignedDuration, Timestamp};
use portcullis_anomaly::{Fact, Outcome, Watch, Watching};
use portcullis_core::{BotId, Sketch};

const SPEAKERS: usize = 1_000_000;
const MOST_BYTES: u64 = 500 * 1000 * 1000;

/// Bytes of memory that this process had at most (`of`: `VmHWM`) or has (`VmRSS`).
fn memory(of: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(of)).unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib * 1024
}

fn fact(number: usize) -> Fact {
    let milliseconds = SignedDuration::from_millis(number as i64 * 5);
    Fact {
        id: format!("verdict/default/inbound/{number}"),
        at: Timestamp::UNIX_EPOCH.saturating_add(milliseconds).unwrap(),
        bot: BotId::fallback(),
        inbound: true,
        speaker: Some(format!("speaker-{number}")),
        network: Some(format!("network-{}", number % 70_000)),
        conversation: Some(format!("conversation-{number}")),
        outcome: Outcome::Passed,
        score: Some(0.02),
        bytes: 120,
        entropy: Some(4.1),
        sketch: Some(Sketch((number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15))),
        gaps: Vec::new(),
    }
}

#[test]
fn a_million_speakers_are_known_in_500_megabytes() {
    let mut watch = Watch::new(Watching::default());
    for number in 0..SPEAKERS + SPEAKERS / 10 {
        watch.observe(&fact(number));
    }
    assert_eq!(watch.speakers(), SPEAKERS, "those not seen for longest have left");
    let steady = memory("VmRSS");
    let bytes = watch.to_bytes().unwrap();
    let saving = memory("VmHWM");
    println!(
        "{steady} bytes with a million speakers, {saving} at most while saving {}",
        bytes.len()
    );
    assert!(steady <= MOST_BYTES, "{steady}");
    drop(watch);
    let restored = Watch::from_bytes(&bytes, Watching::default()).unwrap();
    assert_eq!(restored.speakers(), SPEAKERS);
    let most = memory("VmHWM");
    assert!(most <= MOST_BYTES, "{most} while saving and reading again");
}
