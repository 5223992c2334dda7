//! The published JSON Schemas of everything on the wire.

use schemars::Schema;

use crate::{Ask, Entry, HeldCase, Report, ResolutionRecord, Verdict};

/// Name and schema of each wire type, in a fixed order.
pub fn all() -> Vec<(&'static str, Schema)> {
    vec![
        ("ask", schemars::schema_for!(Ask)),
        ("report", schemars::schema_for!(Report)),
        ("verdict", schemars::schema_for!(Verdict)),
        ("entry", schemars::schema_for!(Entry)),
        ("resolution", schemars::schema_for!(ResolutionRecord)),
        ("held-case", schemars::schema_for!(HeldCase)),
    ]
}
