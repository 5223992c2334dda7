//! What SECURITY.md promises, one test for each line of its threat model, by who attacks.

mod document;
mod doors;
mod hostile;
mod key;
mod linear;
mod marker;
mod neighbour;
mod operator;
mod person;
mod rig;
