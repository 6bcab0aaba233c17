//! Durable workflows: the history of a run, its inbox, and what they amount to. What runs them comes above this.
//!
//! A *history* is a log of events, of which only the worker that holds the run appends; its *inbox* is a log to which anybody
//! may. The [`Fold`] makes of a history the [`RunState`]: it is pure, so whoever reads the same lines knows the same of the
//! run, and it tells a sound history from a corrupt one and names the place. [`batches`] has every change that the protocol
//! makes, in an order of which each prefix is safe; [`fsck()`] looks whether all of that holds in a store. The
//! formats are written down in `docs/format.md`.
//!
//! ```
//! use temporal_code::store::{Header, Token};
//! use temporal_code::workflow::{Fold, Status, run_log};
//!
//! let mut fold = Fold::new(run_log("greet-1")?);
//! let lines = [
//!     r#"{"seq":1,"token":"00000000000000aa","at":"2026-11-22T04:34:16Z","type":"start","v":1,"run":"greet-1","workflow":"greet","queue":"default","input":"Ada"}"#,
//!     r#"{"seq":2,"token":"00000000000000ab","at":"2026-11-22T04:34:17Z","type":"claim","claim":1,"worker":"w","until":"2026-11-22T04:35:17Z"}"#,
//! ];
//! for line in lines {
//!     let header = Header::parse(line.as_bytes()).ok_or("no header")?;
//!     fold.line(header, line.as_bytes())?;
//! }
//! assert_eq!(fold.state().status(), Status::Running);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod fsck;
mod history;
mod protocol;
mod state;
mod value;

pub use fsck::{FsckOptions, FsckProgress, FsckSummary, fsck};
pub use history::event::{
    Call, Ending, Entry, Event, Message, Outcome, Parent, PutOff, Request, Start, Stop, VERSION, WAIT_EVENTS_MAX,
};
pub use history::problem::{Problem, ProblemKind};
pub use protocol::batches;
pub use protocol::due::{inbox_due, run_due};
pub use protocol::generations::{fold_history, fold_more, inbox_end, latest_generation, read_inbox};
pub use state::fold::Fold;
pub use state::inbox::{InboxBody, InboxEntry, InboxFold};
pub use state::run::{Begun, Claim, Cursor, RunState, Status, WARNINGS_MAX, WaitingFor, Warning};
pub use state::steps::{Child, Compensation, Step, StepState, Wait, WaitState};
pub use value::{Json, VALUE_DEPTH_MAX};

use crate::store::{Error, Kind, Name};

/// The logs that are histories of runs.
pub const RUNS: Kind = Kind::new("runs");

/// The logs that are inboxes of runs.
pub const INBOX: Kind = Kind::new("inbox");

/// The history of the run with this id, in its first generation.
///
/// # Errors
/// As [`Name::new`].
pub fn run_log(run: &str) -> Result<Name, Error> {
    Name::new(RUNS, run)
}

/// The inbox of the run with this id, in its first generation.
///
/// # Errors
/// As [`Name::new`].
pub fn inbox_log(run: &str) -> Result<Name, Error> {
    Name::new(INBOX, run)
}
