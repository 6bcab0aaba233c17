//! The commands about workflow runs, one file each, and what they share: finding the stores and the run, and showing it.

mod places;
pub(crate) mod runs;
mod shape;
mod words;
