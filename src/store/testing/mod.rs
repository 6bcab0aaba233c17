//! For tests: [`contract`], what every store must do, and [`faults`], a store that fails as planned. Here with the feature
//! `testing` alone.
//!
//! Who writes a store of their own runs the whole contract against it. In `Cargo.toml`:
//!
//! ```toml
//! [dev-dependencies]
//! temporal-code = { version = "0.1", features = ["testing"] }
//! tokio = { version = "1", features = ["macros", "rt-multi-thread", "time"] }
//! ```
//!
//! And in a test of theirs, with their store for the one of this library:
//!
//! ```
//! use std::sync::Arc;
//! use temporal_code::testing::contract::Medium;
//! use temporal_code::stores::{Error, MemoryStore, Store};
//!
//! /// What keeps the logs: the folder, the server or, as here, the memory that all handles share.
//! #[derive(Default)]
//! struct Memory(MemoryStore);
//!
//! #[async_trait::async_trait]
//! impl Medium for Memory {
//!     async fn open(&self) -> Result<Arc<dyn Store>, Error> {
//!         Ok(Arc::new(self.0.clone()))
//!     }
//! }
//!
//! // A test for each part of the contract, each with a medium of its own.
//! temporal_code::store_contract!(async { Memory::default() });
//! ```

pub mod contract;
pub mod faults;
