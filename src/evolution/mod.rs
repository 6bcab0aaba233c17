//! The evolution log: one JSON object a line for each call of an evolving function, each change of weight, promotion
//! and rollback, as the Python package temporal-code 0.1.0 writes it.
//!
//! ```text
//! source ── blocks ──▶ scan ── events ──▶ summary ──▶ report
//!                       │ fast, event        │ fallback
//!                       └──────────────────▶ tail, follow
//! ```

pub(crate) mod append;
pub(crate) mod clean;
mod collect;
pub(crate) mod decide;
pub(crate) mod decision;
pub(crate) mod event;
pub(crate) mod fallback;
pub(crate) mod fast;
mod fate;
pub(crate) mod file;
pub(crate) mod folder;
pub(crate) mod follow;
mod latest;
mod packed;
pub(crate) mod piece;
pub(crate) mod remote;
pub(crate) mod report;
pub(crate) mod scan;
pub(crate) mod source;
pub(crate) mod summary;
mod table;
pub(crate) mod tail;
mod threads;
pub(crate) mod walk;
