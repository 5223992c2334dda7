//! What a gateway keeps beside its messages: the policies in force, the day's memory of verdicts, and the windows in
//! which throttles are counted.

pub mod once;
pub mod policies;
pub mod throttles;
