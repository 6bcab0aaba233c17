//! What the lines of a history and of an inbox amount to.

mod apply;
pub(super) mod fold;
pub(super) mod inbox;
pub(super) mod run;
pub(super) mod snapshot;
pub(super) mod steps;
