//! What other systems keep, read into our types, and acted on as their own programs do.

pub mod durable_python;
mod float;
pub mod pickle;
pub mod substantial;
