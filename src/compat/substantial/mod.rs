//! Workflows of the Python package `substantial` 0.1.0, on files and on Redis.
//!
//! [`SubstantialReading`] reads a history, and [`SubstantialHistory`] is what it amounts to. [`SubstantialFiles`] and
//! `SubstantialRedis` find all that lies in a store about a run, a [`StoredRun`]: beside its history the schedules, the logs of
//! replays and the lease. From these, [`SubstantialStatus`] says where the run stands. [`SubstantialClient`] starts runs and sends
//! messages, writing what the package's own client writes.
//!
//! The package writes the local time of its machine without saying so, and a `Z` behind it in JSON: such a time is *naive*
//! here, and a [`WorkerZone`] makes a point in time of it. Only the ends of sleeps are in UTC.

mod base64;
mod client;
mod encode;
mod files;
mod fold;
mod listing;
mod records;
#[cfg(feature = "redis")]
mod redis;
#[cfg(not(feature = "redis"))]
#[path = "absent.rs"]
mod redis;
mod replay_log;
mod status;
mod stored_run;
mod zone;

pub(crate) use client::Unplanned;
pub use client::{PlannedEvent, SubstantialClient};
pub use files::SubstantialFiles;
pub use fold::{
    ReceivedMessage, SUBSTANTIAL_PROBLEMS_MAX, SaveState, SaveStep, SleepStep, SubstantialEnd, SubstantialFold,
    SubstantialHistory, SubstantialLife, SubstantialProblem,
};
pub use listing::{ListedRun, Listing};
pub use records::{
    EventBody, Misread, SUBSTANTIAL_EVENTS_MAX, SUBSTANTIAL_HISTORY_BYTES_MAX, SubstantialCompensation,
    SubstantialEvent, SubstantialPayload, SubstantialReading, SubstantialStop, UNKNOWN_FIELDS_MAX, read_event,
};
pub use redis::SubstantialRedis;
pub use replay_log::ReplayNote;
pub use status::{SubstantialStatus, SubstantialWait, likely_messages};
pub use stored_run::{ReplayLog, RunSchedule, SUBSTANTIAL_SCHEDULES_MAX, StoredRun, SubstantialLease};
pub use zone::WorkerZone;

/// How long a worker's hold on a run lasts, in microseconds.
pub(crate) const LEASE_US: i64 = 10_000_000;

/// The queue of runs that were started without naming one.
pub(crate) const SUBSTANTIAL_QUEUE: &str = "default";

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
