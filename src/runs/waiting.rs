//! What a run waits for.

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use crate::time::Timestamp;
use crate::workflow::WaitingFor;

/// What a run waits for. Any of it lets it go on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Messages with one of these names.
    pub events: Vec<String>,
    /// It waits for a message whose name is not recorded.
    pub unnamed: Option<UnnamedMessage>,
    /// The ends of these runs.
    pub children: Vec<String>,
    /// A time.
    pub until: Option<Timestamp>,
    /// The next attempt.
    pub retry_at: Option<Timestamp>,
}

/// A message that is waited for without its name being written down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnnamedMessage {
    /// It is none of these: they came.
    pub not: Vec<String>,
    /// What other runs of the workflow were sent, the most common first.
    pub likely: Vec<String>,
}

impl Waiting {
    /// Whether there is nothing in it.
    pub fn is_nothing(&self) -> bool {
        *self == Waiting::default()
    }
}

impl From<WaitingFor<'_>> for Waiting {
    fn from(waiting: WaitingFor<'_>) -> Self {
        let owned = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
        Waiting {
            events: owned(waiting.events),
            unnamed: None,
            children: owned(waiting.children),
            until: waiting.until,
            retry_at: waiting.retry_at,
        }
    }
}

/// `{"event": "by"}`, `{"until": "…"}`, `{"retry_at": "…"}`; more members where it is more than that.
impl Serialize for Waiting {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(None)?;
        match (self.events.first(), &self.unnamed) {
            (_, Some(_)) => members.serialize_entry("event", &())?,
            (Some(first), None) => members.serialize_entry("event", first)?,
            (None, None) => {}
        }
        if self.events.len() > 1 {
            members.serialize_entry("events", &self.events)?;
        }
        if let Some(unnamed) = &self.unnamed {
            members.serialize_entry("likely", &unnamed.likely)?;
            members.serialize_entry("not", &unnamed.not)?;
        }
        if let Some(first) = self.children.first() {
            members.serialize_entry("child", first)?;
        }
        if self.children.len() > 1 {
            members.serialize_entry("children", &self.children)?;
        }
        if let Some(until) = self.until {
            members.serialize_entry("until", &until)?;
        }
        if let Some(retry_at) = self.retry_at {
            members.serialize_entry("retry_at", &retry_at)?;
        }
        members.end()
    }
}
