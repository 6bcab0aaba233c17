//! Histories, inboxes and their protocol; see [`crate::workflows`].

mod fsck;
mod history;
mod protocol;
mod state;

pub use fsck::{FsckOptions, FsckProgress, FsckSummary, fsck};
pub use history::event::{
    Call, Ending, Entry, Event, Message, Outcome, Parent, PutOff, Request, Start, Stop, VERSION, WAIT_EVENTS_MAX,
};
pub use history::problem::{Problem, ProblemKind};
pub use protocol::batches;
pub use protocol::due::{inbox_due, run_due};
pub(crate) use protocol::generations::fold_more;
pub use protocol::generations::{fold_history, inbox_end, latest_generation, read_inbox};
pub use state::fold::Fold;
pub use state::inbox::{InboxBody, InboxEntry, InboxFold};
pub use state::run::{Begun, Claim, Cursor, RunState, Status, WARNINGS_MAX, WaitingFor, Warning};
pub use state::steps::{Child, Compensation, Step, StepState, Wait, WaitState};

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
    Ok(Name::new(RUNS, run)?)
}

/// The inbox of the run with this id, in its first generation.
///
/// # Errors
/// As [`Name::new`].
pub fn inbox_log(run: &str) -> Result<Name, Error> {
    Ok(Name::new(INBOX, run)?)
}
