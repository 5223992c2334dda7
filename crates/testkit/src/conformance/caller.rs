//! A caller gives a report or the true cause, within the budget.

use std::time::{Duration, Instant};

use portcullis_bus::{CallError, Caller};
use portcullis_core::{Budget, Report, Stage, StageName};

use crate::{FaultStage, Mood, ask};

/// The suite. `stage` is served with `seats` seats; the stage `nobody` is not served.
pub async fn caller(caller: &dyn Caller, stage: &FaultStage, seats: usize) {
    let name = stage.name();
    let question = ask("hello");
    let well = Report::clean("fault/1", 5);
    assert_eq!(caller.call(&name, &question).await, Ok(well.clone()));

    let nobody = StageName::parse("nobody").unwrap();
    assert_eq!(caller.call(&nobody, &question).await, Err(CallError::Absent));

    for (mood, cause) in [
        (Mood::Busy, CallError::Busy),
        (Mood::Panics, CallError::Panicked),
        (Mood::Dependency, CallError::Dependency),
    ] {
        stage.set(mood);
        assert_eq!(caller.call(&name, &question).await, Err(cause));
    }

    stage.set(Mood::Sleeps(Duration::from_secs(5)));
    let start = Instant::now();
    let mut hurried = question.clone();
    hurried.budget = Budget::of(Duration::from_millis(100));
    assert_eq!(caller.call(&name, &hurried).await, Err(CallError::Late));
    assert!(start.elapsed() < Duration::from_secs(1), "late, not later");

    let mut spent = question.clone();
    spent.budget = Budget::of(Duration::ZERO);
    assert_eq!(caller.call(&name, &spent).await, Err(CallError::Late));

    // Seats left by the late ask are free again before the next part.
    tokio::time::sleep(Duration::from_millis(200)).await;
    stage.set(Mood::Sleeps(Duration::from_millis(300)));
    let asks = (0..=seats).map(|_| caller.call(&name, &question));
    let answers = futures::future::join_all(asks).await;
    let busy = answers.iter().filter(|answer| **answer == Err(CallError::Busy)).count();
    assert_eq!(busy, 1, "one more than there are seats");
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), seats);

    stage.set(Mood::Well);
    assert_eq!(caller.call(&name, &question).await, Ok(well));
}
