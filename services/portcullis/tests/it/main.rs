//! The real program, run as people run it: what it prints and how it exits.

mod admin;
mod audit;
mod bench;
mod check;
mod eval;
mod policy;
mod run;
mod scan;
