//! The events of a run's history, each as its format has it, and what all of them tell.

use serde::Serialize;

use super::problem::Seq;
use super::run::StatusDetail;
use super::{own, substantial};
use crate::compat::substantial as package;
use crate::time::Timestamp;
use crate::workflow::{Entry, RunState, Status};

/// One event of a history, and what the run has come to with it.
#[derive(Debug)]
pub struct RunEvent<'a> {
    /// Which event.
    pub seq: Seq,
    /// When it happened, if that is recorded.
    pub at: Option<Timestamp>,
    /// What happened.
    pub native: NativeEvent<'a>,
}

/// An event as its format has it.
#[derive(Clone, Copy, Debug)]
pub enum NativeEvent<'a> {
    /// Of a history of ours.
    Own {
        /// The event.
        entry: &'a Entry<'a>,
        /// Its line.
        line: &'a [u8],
        /// What the history amounts to with it.
        state: &'a RunState,
    },
    /// Of the package `substantial`.
    Substantial {
        /// The event.
        event: &'a package::SubstantialEvent,
        /// What the history amounts to with it.
        history: &'a package::SubstantialHistory,
    },
}

/// What is told of an event where many are told of.
#[derive(Clone, Debug, Serialize)]
pub struct EventSummary {
    /// Which event.
    #[serde(flatten)]
    pub seq: Seq,
    /// When it happened, if that is recorded.
    pub at: Option<Timestamp>,
    /// The word by which the history names this kind of event.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// What it changed, in a sentence.
    #[serde(rename = "effect")]
    pub change: String,
    /// Where the run stood with it.
    pub status: Status,
}

impl RunEvent<'_> {
    /// The event in short.
    pub fn summary(&self) -> EventSummary {
        let (seq, at, kind) = (self.seq, self.at, self.kind());
        EventSummary { seq, at, kind, change: self.change(), status: self.status_after().status }
    }

    /// The word by which the history names this kind of event.
    pub fn kind(&self) -> &'static str {
        match self.native {
            NativeEvent::Own { entry, .. } => entry.event.kind(),
            NativeEvent::Substantial { event, .. } => substantial::event::kind(event),
        }
    }

    /// What it changes, in a sentence. Values in it are cut; it may hold any character.
    pub fn change(&self) -> String {
        match self.native {
            NativeEvent::Own { entry, state, .. } => own::event::change(entry, state),
            NativeEvent::Substantial { event, history } => substantial::event::change(event, history),
        }
    }

    /// Where the run stands with it.
    pub fn status_after(&self) -> StatusDetail {
        match self.native {
            NativeEvent::Own { state, .. } => own::event::status_after(state),
            NativeEvent::Substantial { history, .. } => substantial::event::status_after(history),
        }
    }

    /// The event as a JSON object with `seq`, `at` and `type`; of our own the line as it stands.
    pub fn json(&self) -> String {
        match self.native {
            NativeEvent::Own { entry, line, .. } => own::event::json(self.seq, entry, line),
            NativeEvent::Substantial { event, .. } => substantial::event::json(self.seq, self.at, event),
        }
    }
}
