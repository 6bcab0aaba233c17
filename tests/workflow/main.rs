//! Durable runs: the formats of their histories and inboxes, the fold, the protocol's batches, and what `fsck` says of a
//! store. Expected texts are rewritten with `UPDATE_EXPECT=1 cargo test --test workflow`.

#![allow(clippy::panic)]

mod cut;
mod fixtures;
mod folds;
mod format;
mod fsck;
mod model;
mod protocol;
mod random;
mod refused;
mod scenario;
mod support;
