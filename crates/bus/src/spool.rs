//! Makes sure that an entry is kept: in the journal, or in a bounded spool on the local disk that is
//! delivered later.
