//! What is written into a store, and what is read from one: batches, due entries, generations.

pub mod batches;
pub(super) mod due;
pub(super) mod generations;
