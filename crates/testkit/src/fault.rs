//! A stage that misbehaves on command, and a responder that answers nonsense.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use portcullis_core::{Ask, Coverage, Report, Stage, StageError, StageName};
use tokio_util::task::AbortOnDropHandle;

/// How a [`FaultStage`] behaves.
#[derive(Debug, Clone, Default)]
pub enum Mood {
    /// Answers with a clean report.
    #[default]
    Well,
    /// Answers with this report.
    Says(Box<Report>),
    /// Waits this long without using the CPU, then answers.
    Sleeps(Duration),
    /// Keeps a thread busy this long, then answers.
    Spins(Duration),
    /// Panics.
    Panics,
    /// Says that no seat is free.
    Busy,
    /// Says that something it needs is away.
    Dependency,
    /// Looked at half of what it was given.
    Partial,
}

/// A stage whose mood can be changed while it serves. Clones share their mood and their count.
#[derive(Clone)]
pub struct FaultStage {
    name: StageName,
    mood: Arc<Mutex<Mood>>,
    asked: Arc<AtomicUsize>,
}

impl FaultStage {
    /// A stage that is well.
    pub fn new(name: StageName) -> Self {
        Self { name, mood: Arc::default(), asked: Arc::default() }
    }

    /// Changes its mood, from the next ask on.
    pub fn set(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    /// Asks that reached it.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Stage for FaultStage {
    fn name(&self) -> StageName {
        self.name.clone()
    }

    async fn check(&self, ask: &Ask) -> Result<Report, StageError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mood = self.mood.lock().unwrap().clone();
        let total = ask.total_bytes();
        let well = Report::clean("fault/1", total);
        match mood {
            Mood::Well => Ok(well),
            Mood::Says(report) => Ok(*report),
            Mood::Sleeps(time) => {
                tokio::time::sleep(time).await;
                Ok(well)
            }
            Mood::Spins(time) => {
                std::thread::sleep(time);
                Ok(well)
            }
            Mood::Panics => panic!("told to"),
            Mood::Busy => Err(StageError::Busy),
            Mood::Dependency => Err(StageError::Dependency("fault")),
            Mood::Partial => Ok(Report { coverage: Coverage::part(total / 2, total), ..well }),
        }
    }
}

/// Answers every request on `subject` (queue group `queue`) with `body`, until the handle is
/// dropped. The responder is in place when this returns.
pub async fn answer_garbage(
    client: async_nats::Client,
    subject: String,
    queue: String,
    body: Bytes,
) -> AbortOnDropHandle<()> {
    let mut requests = client.queue_subscribe(subject, queue).await.unwrap();
    client.flush().await.unwrap();
    #[expect(clippy::disallowed_methods, reason = "the handle ends the task when it is dropped")]
    let task = tokio::spawn(async move {
        while let Some(request) = requests.next().await {
            if let Some(reply) = request.reply {
                let _ = client.publish(reply, body.clone()).await;
            }
        }
    });
    AbortOnDropHandle::new(task)
}
