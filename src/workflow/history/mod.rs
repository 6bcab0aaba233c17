//! The lines of a history: the events that they are, how they are written and read, and what can be wrong with one.

pub(super) mod event;
pub(super) mod problem;
pub(super) mod read;
pub(super) mod wire;
