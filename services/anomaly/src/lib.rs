//! Who notices: learns from the record what is normal for each bot and each speaker, and tells what is
//! not. Never in the way of a message.
//!
//! [`Watch`] is the whole of it, pure and with the record's own time: [`Fact`]s in, [`Alert`]s out. [`Reader`] carries
//! the record into it and alerts to [`outlet`]s; [`Actor`] orders what the settings allow.

mod acting;
mod alert;
mod bots;
mod campaign;
mod fact;
mod forest;
mod normal;
pub mod outlet;
mod reader;
mod settings;
pub mod snapshot;
mod speakers;
pub mod start;
mod watch;

pub use acting::Actor;
pub use alert::{Acted, Alert, Reading, Signal, State, Subject, Urgency};
pub use fact::{Fact, Outcome};
pub use forest::Forest;
pub use reader::Reader;
pub use settings::{Acting, Order, Watching};
pub use watch::Watch;
