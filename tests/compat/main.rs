//! Formats of other systems: their real files, and their real packages at work beside this library.

#![allow(clippy::panic, clippy::unwrap_used, reason = "what helps tests fails them")]

mod damage;
mod files;
mod filter;
mod fixtures;
mod live;
mod records;
mod standing;
mod support;
mod written;

#[cfg(feature = "redis")]
mod keys;

#[cfg(feature = "redis")]
#[allow(dead_code)]
#[path = "../stores/servers/redis.rs"]
mod server;
