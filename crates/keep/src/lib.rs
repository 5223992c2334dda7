//! What a gateway keeps beside its messages: the policies and the orders in force, the day's memory of verdicts, and the
//! windows in which throttles are counted.

pub mod control;
pub mod once;
pub mod policies;
pub mod throttles;
