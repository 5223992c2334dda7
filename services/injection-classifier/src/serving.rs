//! How the process chooses its model and the runtime that runs it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use portcullis_model::{BundleError, Bytes, Cascade, CascadeBundle, PoolOptions, Rten, Runtime};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{InjectionClassifier, Keeper};

/// Every file of the bundle that is part of the program.
static FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/bundle.rs"));

/// What only this stage's process has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ModelConfig {
    /// What runs the encoder: rten, which is part of every program; rust-bert, where the program was built
    /// with it.
    pub runtime: String,
    /// Folder of a bundle to judge with. Absent: the one that is part of the program.
    pub bundle: Option<PathBuf>,
    /// Inference threads, each on one core. Absent: as many as there are cores.
    #[schemars(range(min = 1))]
    pub threads: Option<usize>,
    /// How long a window waits for others, of any message, to be computed with it, in microseconds.
    pub batch_wait_us: u64,
    /// Tokens of one computation. 1 computes each window alone. More gain about a seventh at 512, and then a
    /// score depends a little on what others write at that moment.
    #[schemars(range(min = 1))]
    pub batch_tokens: usize,
}

impl Default for ModelConfig {
    fn default() -> Self {
        let PoolOptions { batch_tokens, wait, .. } = PoolOptions::default();
        Self {
            runtime: Rten.name().to_owned(),
            bundle: None,
            threads: None,
            batch_wait_us: u64::try_from(wait.as_micros()).unwrap_or(u64::MAX),
            batch_tokens,
        }
    }
}

/// Why there is no classifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// The configuration names a runtime that is not part of this program.
    #[error("runtime {asked} is not part of this program, which has: {known}")]
    NoRuntime {
        /// What was asked for.
        asked: String,
        /// What there is.
        known: String,
    },
    /// The bundle cannot be used.
    #[error(transparent)]
    Bundle(#[from] BundleError),
}

/// The bundle that is part of the program.
///
/// # Errors
/// [`BundleError`] where the program was put together wrongly.
pub fn embedded() -> Result<CascadeBundle, BundleError> {
    let files = FILES.iter().map(|(name, bytes)| ((*name).to_owned(), Bytes::Borrowed(*bytes)));
    CascadeBundle::from_files(files)
}

impl ModelConfig {
    /// Makes a bundle ready, its encoder included, as the process is configured. For another bundle beside
    /// the one in use.
    ///
    /// # Errors
    /// [`LoadError`]; what was in use before is not touched.
    pub fn cascade(
        &self,
        bundle: CascadeBundle,
        runtimes: &[Arc<dyn Runtime>],
    ) -> Result<Cascade, LoadError> {
        let named = runtimes.iter().find(|runtime| runtime.name() == self.runtime);
        let runtime = named.ok_or_else(|| LoadError::NoRuntime {
            asked: self.runtime.clone(),
            known: runtimes.iter().map(|runtime| runtime.name()).collect::<Vec<_>>().join(", "),
        })?;
        let default = PoolOptions::default();
        let options = PoolOptions {
            threads: self.threads.unwrap_or(default.threads),
            batch_tokens: self.batch_tokens,
            wait: Duration::from_micros(self.batch_wait_us),
        };
        let cascade = Cascade::load(bundle, runtime.clone(), options)?;
        cascade.prepare()?;
        Ok(cascade)
    }

    /// Makes the classifier of a process, with whatever runtimes the program has.
    ///
    /// # Errors
    /// [`LoadError`].
    pub fn classifier(
        &self,
        runtimes: &[Arc<dyn Runtime>],
    ) -> Result<InjectionClassifier, LoadError> {
        let bundle = match &self.bundle {
            Some(folder) => CascadeBundle::from_folder(folder)?,
            None => embedded()?,
        };
        Ok(InjectionClassifier::with(self.cascade(bundle, runtimes)?))
    }

    /// Makes the classifier of a process, and what keeps its models as an operator orders.
    ///
    /// # Errors
    /// [`LoadError`].
    pub fn keeper(&self, runtimes: Vec<Arc<dyn Runtime>>) -> Result<Keeper, LoadError> {
        let classifier = Arc::new(self.classifier(&runtimes)?);
        Ok(Keeper::new(classifier, self.clone(), runtimes))
    }
}
