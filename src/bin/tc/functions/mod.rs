//! The commands about functions that evolve, one file each, and what they share.

pub(crate) mod clean;
pub(crate) mod decide;
pub(crate) mod events;
pub(crate) mod history;
pub(crate) mod promote;
pub(crate) mod read;
pub(crate) mod report;
pub(crate) mod rollback;
pub(crate) mod shape;
pub(crate) mod status;
pub(crate) mod summary;
pub(crate) mod weight;
