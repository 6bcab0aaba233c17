//! The commands about workflow runs, one file each, and what they share: finding the stores and the run, and showing it.

mod batches;
pub(crate) mod cancel;
pub(crate) mod fsck;
mod head;
mod input;
mod lanes;
pub(crate) mod list;
mod places;
pub(crate) mod replay;
pub(crate) mod result;
pub(crate) mod send;
mod shape;
pub(crate) mod show;
mod stack;
pub(crate) mod start;
mod story;
pub(crate) mod tally;
mod timeline;
mod waiting;
mod words;
