//! Runs of our own stores.

pub(super) mod event;
mod fold;
pub(super) mod follow;
mod inbox;
pub(super) mod look;
mod run;
mod state;

use crate::store::Name;
use crate::workflow::run_log;

/// The history of a run; none if no run can have this id.
fn log_of(id: &str) -> Option<Name> {
    run_log(id).ok()
}
