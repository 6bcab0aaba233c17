//! Read, report on and act on the logs of functions whose behaviour evolves, and of workflows that survive crashes.
//!
//! This is the library behind the program `tc`. It is silent: it takes sources and options, never looks at the
//! environment, never writes to standard output, and pulls in no command-line crate when built without default
//! features.
//!
//! - [`evolution`]: the evolution log, its events, and what can be computed from it
//! - [`store`]: named logs of numbered lines on files, Redis and object stores, for what must survive crashes
//! - [`compat`]: what other systems keep, read into our types
//! - [`workflow`]: histories and inboxes of durable workflows, and what they amount to
//! - [`runs`]: workflow runs of any format as one kind of thing: listed, followed, replayed, sent to
//! - [`jsonl`], [`json`], [`time`]: lines, values and times, as logs hold them

pub mod clock;
pub mod compat;
pub mod evolution;
pub mod json;
pub mod jsonl;
pub mod random;
pub mod rollout;
pub mod runs;
pub mod store;
pub mod text;
pub mod time;
pub mod tracker;
pub mod workflow;

/// The examples of the README and of the pages in docs/, compiled and run as documentation tests.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../README.md")]
    struct Readme;

    #[doc = include_str!("../docs/durable-logs.md")]
    struct DurableLogs;

    #[doc = include_str!("../docs/library.md")]
    struct Library;
}
