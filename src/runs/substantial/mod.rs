//! Runs of the package `substantial`.

pub(super) mod event;
pub(super) mod follow;
pub(super) mod look;
mod run;
mod state;
