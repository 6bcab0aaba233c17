//! Memory, the reference.

use std::sync::Arc;

use async_trait::async_trait;
use temporal_code::store_contract;
use temporal_code::stores::{Error, MemoryStore, Store};
use temporal_code::testing::contract::Medium;

#[derive(Default)]
struct Memory(MemoryStore);

#[async_trait]
impl Medium for Memory {
    async fn open(&self) -> Result<Arc<dyn Store>, Error> {
        Ok(Arc::new(self.0.clone()))
    }
}

store_contract!(async { Memory::default() });
