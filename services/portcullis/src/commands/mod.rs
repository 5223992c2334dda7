//! The commands, a file each.

pub(crate) mod admin;
pub(crate) mod audit;
pub(crate) mod bench;
pub(crate) mod check;
pub(crate) mod eval;
pub(crate) mod policy;
pub(crate) mod scan;
pub(crate) mod schema;
