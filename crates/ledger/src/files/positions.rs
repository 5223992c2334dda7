//! How far each reader has acknowledged: `index/readers.json`, written whole and renamed into place.
//!
//! A crash may lose the newest acknowledgements; those entries then come again.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

use super::segment::Layout;
use crate::LedgerError;

/// The positions of all readers.
pub(crate) struct Positions {
    layout: Layout,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    acked: BTreeMap<String, u64>,
    dirty: bool,
}

impl Positions {
    /// Reads what is kept; a missing or unreadable file means that every reader begins anew.
    pub(crate) fn load(layout: &Layout) -> Self {
        let acked = fs::read(layout.index().join("readers.json"))
            .ok()
            .and_then(|bytes| match serde_json::from_slice(&bytes) {
                Ok(acked) => Some(acked),
                Err(_) => {
                    tracing::warn!("reader positions unreadable, every reader begins anew");
                    None
                }
            })
            .unwrap_or_default();
        Self { layout: layout.clone(), state: Mutex::new(State { acked, dirty: false }) }
    }

    /// The number of the last entry that the reader is done with; 0 before the first.
    pub(crate) fn acked(&self, reader: &str) -> u64 {
        self.lock().acked.get(reader).copied().unwrap_or(0)
    }

    /// The reader is done with this entry and all before it.
    pub(crate) fn ack(&self, reader: &str, seq: u64) {
        let mut state = self.lock();
        let acked = state.acked.entry(reader.to_owned()).or_default();
        if *acked < seq {
            *acked = seq;
            state.dirty = true;
        }
    }

    /// Writes the positions, if they have changed since.
    pub(crate) fn flush(&self) -> Result<(), LedgerError> {
        let acked = {
            let mut state = self.lock();
            if !std::mem::take(&mut state.dirty) {
                return Ok(());
            }
            state.acked.clone()
        };
        let written = self.write(&acked).map_err(LedgerError::io("keep reader positions"));
        self.lock().dirty |= written.is_err();
        written
    }

    fn write(&self, acked: &BTreeMap<String, u64>) -> std::io::Result<()> {
        let path = self.layout.index().join("readers.json");
        let draft = path.with_extension("draft");
        let mut file = fs::File::create(&draft)?;
        file.write_all(&serde_json::to_vec(acked)?)?;
        file.sync_data()?;
        fs::rename(draft, path)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
