//! Workflows of the Python package `substantial` 0.1.0, on files and on Redis.
//!
//! [`Reading`] reads a history, [`History`] folds it, [`Standing`] says where the run stands, given what lies around the
//! history: schedules, the logs of replays, the lease. [`Files`] and `Redis` find all of that; [`Client`] starts runs and sends
//! messages, writing what the package's own client writes.
//!
//! The package writes the local time of its machine without saying so, and a `Z` behind it in JSON: such a time is *naive*
//! here, and a [`Zone`] makes a point in time of it. Only the ends of sleeps are in UTC.

mod base;
pub mod client;
mod dir;
mod encode;
pub mod files;
mod fold;
mod found;
mod metadata;
mod number;
mod records;
#[cfg(feature = "redis")]
pub mod redis;
mod standing;
mod zone;

pub use client::{Client, Outcome, Planned, run_id};
pub use files::Files;
pub use fold::{
    Attempt, Effect, End, Fold, History, Life, Odd, PROBLEMS_MAX, Pause, Sent, Step, StepState, Undone, fold,
};
pub use found::{Found, LOGS_MAX, Lease, Listed, Listing, Replayed, SCHEDULES_MAX, Schedule};
pub use metadata::Note;
pub use records::{
    Body, Compensation, EVENTS_MAX, Event, Misread, Payload, RECORDS_BYTES_MAX, Reading, Records, Save, Send, Sleep,
    Stop, UNKNOWN_MAX, Unknown, read_event,
};
#[cfg(feature = "redis")]
pub use redis::Redis;
pub use standing::{Standing, WaitingFor, likely_messages};
pub use zone::Zone;

/// How long a worker's hold on a run lasts, in microseconds.
pub(crate) const LEASE_US: i64 = 10_000_000;

/// The queue of runs that were started without naming one.
pub const QUEUE: &str = "default";

/// The workflow of a run by its id, as far as the id tells: a run is called `<workflow>-<uuid>`.
pub fn workflow_of(run: &str) -> &str {
    let uuid = run.len().checked_sub(36).filter(|at| *at > 1 && run.is_char_boundary(*at) && is_uuid(&run[*at..]));
    match uuid {
        Some(at) if run.as_bytes()[at - 1] == b'-' => &run[..at - 1],
        _ => run.split('-').next().unwrap_or(run),
    }
}

fn is_uuid(text: &str) -> bool {
    let dash = |at: usize| matches!(at, 8 | 13 | 18 | 23);
    text.len() == 36 && text.bytes().enumerate().all(|(at, b)| if dash(at) { b == b'-' } else { b.is_ascii_hexdigit() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_named_after_its_workflow() {
        for (run, workflow) in [
            ("example-b76493b9-66f2-46ed-990e-dc5279fee57a", "example"),
            ("two-words-b76493b9-66f2-46ed-990e-dc5279fee57a", "two-words"),
            ("-b76493b9-66f2-46ed-990e-dc5279fee57a", ""),
            ("b76493b9-66f2-46ed-990e-dc5279fee57a", "b76493b9"),
            ("Zoë-1", "Zoë"),
            ("plain", "plain"),
            ("", ""),
        ] {
            assert_eq!(workflow_of(run), workflow, "{run}");
        }
    }
}
