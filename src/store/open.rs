//! From an address to the store that is there.

use std::sync::Arc;

use super::{Address, Error, FileStore, RetryingStore, Settings, Store, object, redis};
use crate::chance::ThreadRandom;

impl Address {
    /// Opens the store. A folder must be one already, unless `create`; elsewhere a store begins with its first batch.
    ///
    /// # Errors
    /// What the medium says, see `open` of each store; [`Error::Invalid`] for a medium that this build was made without.
    pub async fn open(&self, settings: &Settings, create: bool) -> Result<Arc<dyn Store>, Error> {
        let store: Arc<dyn Store> = match self {
            Address::Path(path) if create => Arc::new(FileStore::create(path, settings.files)?),
            Address::Path(path) => Arc::new(FileStore::open(path, settings.files)?),
            Address::Redis(address) => redis::open(address, settings).await?,
            Address::Bucket(address) => object::open(address, settings)?,
        };
        Ok(Arc::new(RetryingStore::new(store, settings.retry, Arc::new(ThreadRandom))))
    }
}
