//! Other models beside the one that the process began with: loaded from a store, judged in shadow, switched,
//! and switched back, as the roles say that an operator writes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures::StreamExt;
use portcullis_bus::{Kv, KvError, KvEvent, Modelled, Models, ModelsError, Roles};
use portcullis_core::Stage;
use portcullis_model::{BundleError, Cascade, CascadeBundle, Runtime};

use crate::serving::{LoadError, ModelConfig};
use crate::{InjectionClassifier, judges_rightly};

/// Why a model is not put to use. What was in use stays.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It could not be had.
    #[error(transparent)]
    Store(#[from] ModelsError),
    /// It does not hold, or does not fit this release.
    #[error(transparent)]
    Bundle(#[from] LoadError),
    /// It is another than its name says.
    #[error("the bundle is another than was asked for")]
    Another,
    /// It judges what everybody knows wrongly.
    #[error("the model fails the warm-up: {0}")]
    WarmUp(&'static str),
}

impl From<BundleError> for Refused {
    fn from(error: BundleError) -> Self {
        Self::Bundle(error.into())
    }
}

/// Keeps a classifier's models as the roles say.
pub struct Keeper {
    classifier: Arc<InjectionClassifier>,
    config: ModelConfig,
    runtimes: Vec<Arc<dyn Runtime>>,
    /// The model that the process began with.
    own: Arc<Cascade>,
    /// Those that have a role, by digest, so that switching costs nothing.
    kept: Mutex<BTreeMap<String, Arc<Cascade>>>,
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keeper({:?})", self.classifier)
    }
}

impl Keeper {
    /// Keeps the models of a classifier that was just made.
    pub fn new(
        classifier: Arc<InjectionClassifier>,
        config: ModelConfig,
        runtimes: Vec<Arc<dyn Runtime>>,
    ) -> Self {
        let own = classifier.model();
        Self { classifier, config, runtimes, own, kept: Mutex::default() }
    }

    /// Puts roles in force, each for itself, and gives back those that could not be: role, digest and why.
    /// For them what was in force stays.
    pub async fn apply(
        &self,
        roles: &Roles,
        store: &dyn Models,
    ) -> Vec<(&'static str, String, Refused)> {
        let mut refused = Vec::new();
        match self.have(roles.live.as_ref(), store).await {
            Ok(live) => {
                let before = self.classifier.model();
                if before.digest() != live.digest() {
                    self.classifier.swap(live.clone());
                    tracing::info!(
                        model = live.digest(),
                        before = before.digest(),
                        "model switched"
                    );
                }
            }
            Err(why) => refused.push(("live", roles.live.clone().unwrap_or_default(), why)),
        }
        let shadow = match &roles.shadow {
            None => Ok(None),
            Some(_) => self.have(roles.shadow.as_ref(), store).await.map(Some),
        };
        match shadow {
            Ok(shadow) => {
                let name = shadow.as_ref().map(|shadow| shadow.digest().to_owned());
                let before = self.classifier.shadow().map(|before| before.digest().to_owned());
                if name != before {
                    tracing::info!(model = name, before, "model in shadow");
                }
                self.classifier.set_shadow(shadow);
            }
            Err(why) => refused.push(("shadow", roles.shadow.clone().unwrap_or_default(), why)),
        }
        // what is to be switched back to is loaded before it is needed, on a process that just began
        if let Err(why) = self.have(roles.back.as_ref(), store).await {
            refused.push(("back", roles.back.clone().unwrap_or_default(), why));
        }
        self.forget_all_but(roles);
        refused
    }

    /// A model that is ready to judge.
    async fn have(
        &self,
        digest: Option<&String>,
        store: &dyn Models,
    ) -> Result<Arc<Cascade>, Refused> {
        let Some(digest) = digest.filter(|digest| *digest != self.own.digest()) else {
            return Ok(self.own.clone());
        };
        if let Some(known) = self.kept().get(digest) {
            return Ok(known.clone());
        }
        let archive = store.fetch(digest).await?;
        let bundle = CascadeBundle::from_archive(&archive)?;
        if bundle.digest() != digest {
            return Err(Refused::Another);
        }
        let (config, runtimes) = (self.config.clone(), self.runtimes.clone());
        let load = move || config.cascade(bundle, &runtimes);
        let cascade = tokio::task::spawn_blocking(load).await;
        let cascade = cascade.map_err(|_panic| Refused::WarmUp("it could not be loaded"))??;
        judges_rightly(&cascade).await.map_err(Refused::WarmUp)?;
        let cascade = Arc::new(cascade);
        self.kept().insert(digest.clone(), cascade.clone());
        Ok(cascade)
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Arc<Cascade>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets go of models without a role, but never of one that judges.
    fn forget_all_but(&self, roles: &Roles) {
        let live = self.classifier.model().digest().to_owned();
        let shadow = self.classifier.shadow().map(|shadow| shadow.digest().to_owned());
        let named =
            [&roles.live, &roles.shadow, &roles.back, &Some(live), &shadow].map(Clone::clone);
        self.kept().retain(|digest, _| named.iter().flatten().any(|named| named == digest));
    }

    /// The classifier whose models these are.
    pub fn classifier(&self) -> Arc<InjectionClassifier> {
        self.classifier.clone()
    }
}

#[async_trait]
impl Modelled for Keeper {
    async fn follow(
        &self,
        roles: &dyn Kv,
        store: &dyn Models,
        ready: &(dyn Fn() + Send + Sync),
    ) -> Result<(), KvError> {
        let name = self.classifier.name();
        let mut events = roles.watch().await?;
        while let Some(event) = events.next().await {
            let roles = match event {
                KvEvent::Snapshot => {
                    ready();
                    continue;
                }
                KvEvent::Put { key, record } if key == name.as_str() => {
                    match serde_json::from_slice::<Roles>(&record.value) {
                        Ok(roles) => roles,
                        Err(_) => {
                            tracing::warn!(
                                revision = record.revision,
                                "roles of models cannot be read; nothing changes"
                            );
                            continue;
                        }
                    }
                }
                KvEvent::Gone { key } if key == name.as_str() => Roles::default(),
                KvEvent::Put { .. } | KvEvent::Gone { .. } => continue,
            };
            let mut away = false;
            for (role, digest, refused) in self.apply(&roles, store).await {
                away |= refused == Refused::Store(ModelsError::Away);
                tracing::error!(role, model = digest, error = %refused,
                    "model refused; the one before stays");
            }
            if away {
                // to be tried again with the roles as they are then
                return Err(KvError::Away);
            }
        }
        Ok(())
    }
}
