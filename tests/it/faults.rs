//! What goes wrong, with real servers and processes: nothing is lost, nothing is passed in silence, nothing is
//! counted twice.

mod killed;
mod rolling;
mod servers;
mod stages;
