//! The ports through which the pipeline reaches everything else, and their in-process forms.
//!
//! `Caller` asks a stage, `Journal` keeps what happened, `Kv` holds what operators set, `Held` keeps
//! cases for humans, `Outbox` delivers to bots, `Models` keeps what stages judge with. The same ports on NATS are in `bus-nats`; both forms
//! pass the same conformance tests.

mod caller;
mod held;
mod journal;
mod kv;
mod local;
mod models;
pub mod occupancy;
mod outbox;
mod recorder;
mod spool;

pub use caller::{CallError, Caller, Mixed};
pub use held::{Held, HeldError, HeldItem, MemoryHeld};
pub use journal::{Deliveries, Delivery, Journal, JournalError, MemoryJournal};
pub use kv::{Capacity, Kv, KvError, KvEvent, KvEvents, KvRecord, MemoryKv};
pub use local::{Local, Seats};
pub use models::{MemoryModels, Modelled, Models, ModelsError, Roles, Stored};
pub use outbox::{Mail, MailKind, MemoryOutbox, Outbox, OutboxError};
pub use recorder::{NotRecorded, Recorder};
