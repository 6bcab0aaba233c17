//! Evolution logs that are not files: on Redis and in object stores, with real servers, through `tc` and the library.

#![cfg(all(feature = "redis", feature = "object-store"))]
#![allow(clippy::panic, clippy::unwrap_used, reason = "what helps tests fails them")]

mod agree;
mod bucket;
mod child;
mod clean;
mod crash;
mod decide;
mod follow;
mod ground;
mod obey;
mod race;

#[allow(dead_code)]
#[path = "../stores/servers/mod.rs"]
mod servers;
