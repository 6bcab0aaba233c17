//! The commands about workflow runs, one file each, and what they share: finding the stores and the run, and showing it.

pub(crate) mod cancel;
mod describe;
pub(crate) mod fsck;
mod input;
mod layout;
pub(crate) mod list;
pub(crate) mod replay;
mod requests;
pub(crate) mod result;
pub(crate) mod send;
pub(crate) mod show;
pub(crate) mod start;
mod stores;
pub(crate) mod waiting;
pub(crate) mod workflows;
