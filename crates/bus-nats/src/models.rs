//! Archives of models in a JetStream object store.

use std::io::ErrorKind;
use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream::context::ObjectStoreErrorKind;
use async_nats::jetstream::object_store::{GetErrorKind, ObjectMetadata, ObjectStore};
use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use portcullis_bus::{Models, ModelsError, Stored};
use tokio::io::AsyncReadExt;

use crate::store::{self, OpenError};
use crate::subjects::MODELS_STORE;

/// How long a whole archive may take. One whose parts are not all there never ends.
const PATIENCE: Duration = Duration::from_secs(20);
/// The largest archive that is read.
const LARGEST: usize = 512 * 1024 * 1024;

/// The store that was made by `admin init`.
#[derive(Clone)]
pub struct NatsModels {
    store: ObjectStore,
    patience: Duration,
}

impl NatsModels {
    /// Opens it.
    ///
    /// # Errors
    /// [`OpenError::Missing`] where it was not made yet, [`OpenError::Away`] where nobody answers.
    pub async fn open(client: Client) -> Result<Self, OpenError> {
        let opened = store::context(&client).get_object_store(MODELS_STORE).await;
        let store = opened.map_err(|error| match error.kind() {
            ObjectStoreErrorKind::GetStore if store::is_missing(&error) => {
                OpenError::Missing(format!("object store {MODELS_STORE}"))
            }
            _ => OpenError::Away,
        })?;
        Ok(Self { store, patience: PATIENCE })
    }

    /// Waits so long for a whole archive.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    async fn read(&self, digest: &str) -> Result<Bytes, ModelsError> {
        let object = self.store.get(digest).await.map_err(|error| match error.kind() {
            GetErrorKind::NotFound | GetErrorKind::InvalidName => ModelsError::Missing,
            _ => ModelsError::Away,
        })?;
        let size = object.info().size;
        if size > LARGEST {
            return Err(ModelsError::Corrupt);
        }
        let mut archive = Vec::with_capacity(size);
        // more than it says it has is as wrong as less
        let mut object = object.take(size as u64 + 1);
        match object.read_to_end(&mut archive).await {
            Ok(_) if archive.len() == size => Ok(archive.into()),
            Ok(_) => Err(ModelsError::Corrupt),
            Err(error) if error.kind() == ErrorKind::InvalidData => Err(ModelsError::Corrupt),
            Err(_) => Err(ModelsError::Away),
        }
    }
}

#[async_trait]
impl Models for NatsModels {
    async fn put(&self, digest: &str, name: &str, archive: Bytes) -> Result<(), ModelsError> {
        let about = ObjectMetadata {
            name: digest.to_owned(),
            description: Some(name.to_owned()),
            ..ObjectMetadata::default()
        };
        let put = self.store.put(about, &mut &archive[..]).await;
        put.map(drop).map_err(|_| ModelsError::Away)
    }

    async fn fetch(&self, digest: &str) -> Result<Bytes, ModelsError> {
        // the only sign of a part that is not there is that it does not come
        let read = tokio::time::timeout(self.patience, self.read(digest)).await;
        read.unwrap_or(Err(ModelsError::Corrupt))
    }

    async fn list(&self) -> Result<Vec<Stored>, ModelsError> {
        let mut list = self.store.list().await.map_err(|_| ModelsError::Away)?;
        let mut all = Vec::new();
        while let Some(object) = list.next().await {
            let object = object.map_err(|_| ModelsError::Away)?;
            let name = object.description.unwrap_or_default();
            all.push(Stored { digest: object.name, name, bytes: object.size });
        }
        Ok(all)
    }
}
