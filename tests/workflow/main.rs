//! Durable runs: the formats of their histories and inboxes, the fold, the protocol's batches, and what `fsck` says of a
//! store. Expected texts are rewritten with `UPDATE_EXPECT=1 cargo test --test workflow`.

#![allow(clippy::panic, clippy::unwrap_used, reason = "what helps tests fails them")]

mod cut;
mod damage;
mod damaged;
mod fixtures;
mod folds;
mod format;
mod fsck;
mod model;
#[cfg(all(feature = "cli", feature = "redis", feature = "object-store"))]
mod program;
mod protocol;
mod random;
mod record;
#[allow(dead_code, reason = "the tests call what its `main` calls")]
#[path = "../../examples/record/main.rs"]
mod record_example;
mod refused;
mod runs;
mod scenario;
#[cfg(any(feature = "redis", feature = "object-store"))]
#[allow(dead_code, reason = "not every test program needs all of it")]
#[path = "../stores/servers/mod.rs"]
mod servers;
mod support;
