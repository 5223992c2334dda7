//! The commands, a file each.

pub(crate) mod admin;
pub(crate) mod bench;
pub(crate) mod check;
pub(crate) mod eval;
pub(crate) mod policy;
pub(crate) mod scan;
pub(crate) mod schema;

pub(crate) use portcullis_record_cli as audit;
