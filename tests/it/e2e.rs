//! A gateway of real processes as bots, operators and monitors see it.

mod doors;
mod erasure;
mod health;
mod jaeger;
mod limits;
mod newcomers;
mod orders;
mod policies;
mod prometheus;
mod review;
mod streams;
mod traces;
mod vault;
mod watch;
