//! Formats of other systems: their real files, and their real packages at work beside this library.
//!
//! They need an interpreter with the packages of `scripts/requirements.txt`: `TC_PYTHON`, else `.venv/bin/python`, which
//! `scripts/setup` makes. Without one they fail.

#![allow(clippy::panic, clippy::unwrap_used, reason = "what helps tests fails them")]

mod damage;
mod durable;
mod files;
mod filter;
mod fixtures;
mod halves;
mod live;
mod pickles;
mod plain;
#[cfg(feature = "cli")]
mod program;
mod records;
mod status;
mod support;
mod written;

#[cfg(feature = "redis")]
mod keys;

#[cfg(feature = "redis")]
#[allow(dead_code)]
#[path = "../stores/servers/redis.rs"]
mod server;
