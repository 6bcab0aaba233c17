//! Stores on every medium, through their public face: one contract for all, and what each can suffer by itself.

mod memory;
#[cfg(feature = "object-store")]
mod object;
mod servers;
