//! The commands about workflow runs, one file each, and what they share: finding the stores and the run, and showing it.

pub(crate) mod cancel;
pub(crate) mod fsck;
mod head;
mod input;
pub(crate) mod list;
pub(crate) mod replay;
pub(crate) mod result;
pub(crate) mod send;
pub(crate) mod show;
mod stack;
pub(crate) mod start;
mod stores;
mod story;
mod timeline;
mod waiting;
mod words;
pub(crate) mod workflows;
