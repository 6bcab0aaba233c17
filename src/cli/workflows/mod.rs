//! The commands about workflow runs, one file each, and what they share: finding the stores and the run, and showing it.

mod head;
mod lanes;
mod places;
pub(crate) mod runs;
mod shape;
pub(crate) mod show;
mod stack;
mod story;
mod timeline;
mod words;
