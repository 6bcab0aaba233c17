//! The evolution log: one JSON object a line for each call of an evolving function, each change of weight, promotion
//! and rollback, as the Python package temporal-code 0.1.0 writes it.
//!
//! ```text
//! source ── blocks ──▶ scan ── events ──▶ summary ──▶ report
//!                       │ fast, event        │ sketch, fallback
//!                       └──────────────────▶ tail, follow
//! ```

pub mod append;
pub mod clean;
mod collect;
pub mod decision;
pub mod event;
pub mod fallback;
pub mod fast;
pub mod folder;
pub mod follow;
mod latest;
pub mod remote;
pub mod report;
pub mod scan;
pub mod sequential;
pub mod sketch;
pub mod source;
pub mod stats;
pub mod summary;
mod table;
pub mod tail;
