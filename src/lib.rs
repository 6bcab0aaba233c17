//! Functions whose behaviour evolves, workflows that survive crashes, and the logs that both leave.
//!
//! This is the library behind the program `tc`, which uses nothing but what stands here. It is silent: it takes logs, stores,
//! clocks and options, never looks at the environment, never writes to standard output, and pulls in no command-line crate
//! when built without default features.
//!
//! Read it as a book of five chapters:
//!
//! 1. [`stores`]: named logs of numbered lines in memory, folders, Redis and object stores, and the only way to change them
//! 2. [`logs`]: the evolution log, which is read, followed, counted, compared, decided in and cleaned
//! 3. [`functions`]: functions with several variants, the strategies that pick one, the tracker that writes the log
//! 4. [`workflows`]: what happened to workflow runs, the protocol by which they change, runs of any format side by side
//! 5. [`foreign`]: what the Python packages substantial and durable-python keep
//!
//! What all of them stand on: [`Timestamp`]s, a [`Clock`] and [`Random`] numbers, [`json`] as Python writes it, and [`text`] of
//! others made harmless.

#![cfg_attr(
    not(all(feature = "redis", feature = "object-store", feature = "testing")),
    allow(
        dead_code,
        unreachable_pub,
        reason = "some of what is remote serves one kind of store, and some of the reader is shown to tests alone"
    )
)]

mod chance;
mod clock;
mod compat;
mod evolution;
pub mod json;
mod jsonl;
mod retry;
mod rollout;
mod runs;
mod statistics;
mod store;
pub mod text;
mod time;
mod tracker;
mod workflow;

pub use chance::{Random, SeededRandom, ThreadRandom};
pub use clock::{Clock, ManualClock, SystemClock};
pub use time::{ParseError, Timestamp};

pub mod stores {
    #![doc = include_str!("store/chapter.md")]

    // What a store is, and what goes in.
    pub use crate::store::{Append, BATCH_BYTES_MAX, Batch, Due, Op, Position, Store, Watch, Watched};
    pub use crate::store::{
        DEPTH_MAX, Header, InvalidName, KEY_BYTES_MAX, Kind, LINE_BYTES_MAX, Line, Name, Queue, Token,
    };
    // What comes out.
    pub use crate::store::{End, Error, Finding, LIST_PAGE, Page};
    // The media.
    #[cfg(feature = "redis")]
    pub use crate::store::RedisStore;
    pub use crate::store::{Address, BucketAddress, BucketOptions, RedisAddress, RedisOptions, Settings};
    #[cfg(feature = "object-store")]
    pub use crate::store::{BucketStore, Requests};
    pub use crate::store::{FileOptions, FileStore, MemoryStore, RetryPolicy, RetryingStore};
}

/// Evolution logs: one JSON object a line for each call of an evolving function and each decision about it, as the Python package
/// temporal-code 0.1.0 writes it.
///
/// ```text
/// LogSource ── blocks ──▶ events ──▶ Summary ──▶ Report
///                           └──▶ tail, Follower        Decider ──▶ the log
/// ```
pub mod logs {
    // Reading.
    pub use crate::evolution::event::{Event as LogEvent, Fault as LineFault, Kind as EventKind, Name as LoggedName};
    pub use crate::evolution::event::{Outcome as CallOutcome, read_line, read_records};
    pub use crate::evolution::folder::{LOG_NAME, each_once, in_time_order, is_compressed, logs_in};
    pub use crate::evolution::remote::{RemoteLog, RemoteSource, store_error};
    pub use crate::evolution::scan::{Evidence, Options as ScanOptions, Place as LinePlace, ScanError};
    pub use crate::evolution::source::{Progress as ReadProgress, ReadError, Source as LogSource};
    // Counting and comparing.
    pub use crate::evolution::report::{
        CALLS_MIN, Comparison as VariantComparison, Decision as Recommendation, Report, Verdict,
    };
    pub use crate::evolution::summary::{
        ERRORS_MAX, Errors as ErrorCounts, Filter as EventFilter, FunctionSummary, NAMES_MAX,
    };
    pub use crate::evolution::summary::{Span as TimeSpan, Summary, Tally, VariantSummary};
    pub use crate::statistics::interval::{Interval, newcombe, wilson};
    pub use crate::statistics::sketch::Latency;
    // The last events, and the next ones.
    pub use crate::evolution::follow::{Follower, Notice, Spot, Update};
    pub use crate::evolution::tail::{Fit, Found as FoundEvent, Query as EventQuery, Tail, number_lines, tail};
    // Deciding and cleaning.
    pub use crate::evolution::clean::{CleanCounts, CleanPlan, Fate};
    pub use crate::evolution::decide::{DecideError, Decider, Expectation, LastEvent};
    pub use crate::evolution::decision::{Change, Decision, Forced, Standing as DecisionsInForce};
}

pub mod functions {
    #![doc = include_str!("rollout/chapter.md")]

    pub use crate::rollout::{AbTest, Canary, Gradual, Manual, Ramp, Scheduled, days, hours};
    pub use crate::rollout::{
        AllFailed, AsyncEvolving, AsyncVariant, Cause, Evolving, Failure, Fallible, Plain, Variant,
    };
    pub use crate::rollout::{Observation, Situation, Strategy, Verdict as StrategyVerdict};
    pub use crate::rollout::{Stats, VariantStats};
    pub use crate::tracker::{Durability, FlushError, Health, OpenError, Options as TrackerOptions, Tracker};
}

pub mod workflows {
    #![doc = include_str!("workflow/chapter.md")]

    // Histories and inboxes.
    pub use crate::json::recorded::{InvalidValue, Json, VALUE_DEPTH_MAX};
    pub use crate::workflow::{Call, Ending, Entry, Event, Message, Outcome, Parent, PutOff, Request, Start, Stop};
    pub use crate::workflow::{InboxBody, InboxEntry, VERSION, WAIT_EVENTS_MAX};
    // What they amount to.
    pub use crate::workflow::{
        Begun, Child, Claim, Compensation, Cursor, Fold, InboxFold, Problem, ProblemKind, RunState, Status,
    };
    pub use crate::workflow::{Step, StepState, WARNINGS_MAX, Wait, WaitState, WaitingFor, Warning};
    // How they change.
    pub use crate::workflow::{FsckOptions, FsckProgress, FsckSummary, fsck};
    pub use crate::workflow::{INBOX, RUNS, batches, inbox_due, inbox_log, run_due, run_log};
    pub use crate::workflow::{fold_history, inbox_end, latest_generation, read_inbox};
    // Runs of any format.
    pub use crate::runs::{BarKind, STEP_GIVEN_UP, Timeline, TimelineBar, TimelineLane, TimelineLanes};
    pub use crate::runs::{ClientError, Delivery, OutgoingMessage, RunClient, StartRequest};
    pub use crate::runs::{
        EventSummary, InboxMessage, LeaseHolder, NativeEvent, RunDetails, RunEvent, RunProblem, Seq,
    };
    pub use crate::runs::{ListCounts, ListItem, RunBatch, RunIds, RunList, RunOrder, RunQuery};
    pub use crate::runs::{
        Run, RunFilter, RunFilterError, RunFormat, RunValue, Runs, StateView, StatusDetail, StepView, UnnamedMessage,
        Waiting,
    };
    pub use crate::runs::{RunDifference, compare_runs, find_runs};
}

/// What other systems keep, read into our types, and acted on as their own programs do.
pub mod foreign {
    pub use crate::compat::{durable_python, pickle, substantial};
}

/// What the tests of a store, of the reader and of strategies want, and nobody else.
#[cfg(feature = "testing")]
pub mod testing {
    pub use crate::chance::Draws;
    pub use crate::evolution::scan::{From, PLACES_MAX, Record as ScanRecord, Visitor, scan};
    pub use crate::jsonl::{BLOCK_BYTES, BlockReader, LINE_BYTES_MAX};
    pub use crate::store::testing::{contract, faults};
}

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
