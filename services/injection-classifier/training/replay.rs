//! The encoder as the service runs it, which remembers what it said of a window: calibration judges the same
//! texts many times over, and a run that was broken off goes on where it was.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use portcullis_model::{
    BundleError, Bytes, Encoder, EncoderError, EncoderParameters, Rten, Runtime, Session,
    hex_sha256,
};

type Rows = HashMap<[u8; 8], Vec<f32>>;

/// What was said, in memory and in a file: a record is eight bytes that stand for the window, and its
/// logits.
struct Memory {
    rows: Rows,
    file: File,
    outputs: usize,
}

/// A runtime that asks `rten` only what it has not asked before.
#[derive(Clone)]
pub(crate) struct Replay(Arc<Mutex<Memory>>);

fn key(ids: &[u32]) -> [u8; 8] {
    let bytes: Vec<u8> = ids.iter().flat_map(|id| id.to_le_bytes()).collect();
    let digest = hex_sha256(&bytes);
    let mut key = [0; 8];
    key.iter_mut().zip(digest.bytes()).for_each(|(to, from)| *to = from);
    key
}

impl Replay {
    /// Remembers in `folder` what the encoder with these weights and this vocabulary said.
    pub(crate) fn open(
        folder: &Path,
        weights: &[u8],
        vocabulary: &[u8],
        outputs: usize,
    ) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder).context("make the folder of remembered answers")?;
        let name = hex_sha256([hex_sha256(weights), hex_sha256(vocabulary)].concat().as_bytes());
        let path = folder.join(format!("{}.logits", &name[..16]));
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(&path)
            .with_context(|| format!("open {}", path.display()))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).context("read remembered answers")?;
        let size = 8 + 4 * outputs;
        // a record that was cut off at the end of a broken run is written again
        file.set_len((bytes.len() - bytes.len() % size) as u64).context("cut the last record")?;
        let rows = bytes
            .chunks_exact(size)
            .map(|record| {
                let mut key = [0; 8];
                key.copy_from_slice(&record[..8]);
                let logits = record[8..].chunks_exact(4).map(|n| {
                    let mut four = [0; 4];
                    four.copy_from_slice(n);
                    f32::from_le_bytes(four)
                });
                (key, logits.collect())
            })
            .collect();
        Ok(Self(Arc::new(Mutex::new(Memory { rows, file, outputs }))))
    }

    /// What the encoder said of a window that it was asked about.
    pub(crate) fn said(&self, ids: &[u32]) -> Option<Vec<f32>> {
        let memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        memory.rows.get(&key(ids)).cloned()
    }

    fn remember(&self, ids: &[u32], logits: &[f32]) -> std::io::Result<()> {
        let mut memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        debug_assert_eq!(logits.len(), memory.outputs);
        let key = key(ids);
        let mut record = key.to_vec();
        record.extend(logits.iter().flat_map(|logit| logit.to_le_bytes()));
        memory.file.write_all(&record)?;
        memory.rows.insert(key, logits.to_vec());
        Ok(())
    }
}

impl Runtime for Replay {
    fn name(&self) -> &'static str {
        "rten"
    }

    fn load(
        &self,
        weights: Bytes,
        parameters: &EncoderParameters,
    ) -> Result<Arc<dyn Encoder>, BundleError> {
        let encoder = Rten.load(weights, parameters)?;
        Ok(Arc::new(Remembering { replay: self.clone(), encoder }))
    }
}

struct Remembering {
    replay: Replay,
    encoder: Arc<dyn Encoder>,
}

impl Encoder for Remembering {
    fn session(&self) -> Result<Box<dyn Session>, EncoderError> {
        let replay = self.replay.clone();
        Ok(Box::new(RememberingSession { replay, session: self.encoder.session()? }))
    }
}

struct RememberingSession {
    replay: Replay,
    session: Box<dyn Session>,
}

impl Session for RememberingSession {
    fn logits(&mut self, windows: &[&[u32]]) -> Result<Vec<Vec<f32>>, EncoderError> {
        let asked = windows.iter().map(|ids| match self.replay.said(ids) {
            Some(logits) => Ok(logits),
            None => {
                // one at a time: what is remembered must not depend on the company it was computed in
                let logits = self.session.logits(&[ids])?.pop();
                let logits = logits.ok_or_else(|| EncoderError("no logits".to_owned()))?;
                self.replay.remember(ids, &logits).map_err(|e| EncoderError(e.to_string()))?;
                Ok(logits)
            }
        });
        asked.collect()
    }
}
