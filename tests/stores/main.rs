//! Stores on every medium, through their public face: one contract for all, and what each can suffer by itself.
#![allow(clippy::panic, clippy::unwrap_used, unreachable_pub, reason = "what helps tests fails them")]

mod again;
mod broken;
mod child;
mod crash;
mod files;
mod memory;
#[cfg(feature = "object-store")]
mod object;
#[cfg(feature = "redis")]
mod redis;
#[cfg(any(feature = "object-store", feature = "redis"))]
mod servers;
