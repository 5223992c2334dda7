//! The ports of `state`, each test on the form in memory and on a real Redis; and Redis going away.

mod conversations;
mod faults;
mod limiter;
mod server;
