//! Tests of the whole ledger on real files.
