//! What other systems write, read as it is.

pub mod durable_python;
pub mod pickle;
