//! Lines as they are written: one flat object for every kind of line.

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use super::event::{Call, Ending, Entry, Event, Message, Outcome, Request, Start, VERSION};
use crate::json::Json;
use crate::store::{Error, Line};
use crate::time::Timestamp;

/// Makes of a table of keys the list of them, and the struct that writes them in the order of the table.
macro_rules! wire {
    ($($field:ident = $key:literal: $type:ty,)*) => {
        /// The keys of a line that mean something. What else a line has is left alone.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(non_camel_case_types, reason = "they are the fields of the table")]
        #[repr(usize)]
        pub(super) enum Key {
            $($field,)*
        }

        /// How many keys there are.
        pub(super) const KEYS: usize = [$($key),*].len();

        impl Key {
            #[inline]
            pub(in crate::workflow) fn of(key: &str) -> Option<Key> {
                match key {
                    $($key => Some(Key::$field),)*
                    _ => None,
                }
            }

            pub(in crate::workflow) fn as_str(self) -> &'static str {
                match self {
                    $(Key::$field => $key,)*
                }
            }
        }

        /// A line, without its header.
        #[derive(Debug, Default)]
        pub(in crate::workflow) struct Wire<'a> {
            $(pub(in crate::workflow) $field: Option<$type>,)*
        }

        impl Serialize for Wire<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut map = serializer.serialize_map(None)?;
                $(if let Some(value) = &self.$field {
                    map.serialize_entry($key, value)?;
                })*
                map.end()
            }
        }
    };
}

wire! {
    at = "at": Timestamp,
    kind = "type": &'a str,
    claim = "claim": u64,
    v = "v": u64,
    run = "run": &'a str,
    generation = "generation": u32,
    workflow = "workflow": &'a str,
    queue = "queue": &'a str,
    inbox = "inbox": u64,
    id = "id": &'a str,
    event = "event": &'a str,
    step = "step": &'a str,
    n = "n": u64,
    worker = "worker": &'a str,
    until = "until": Timestamp,
    attempt = "attempt": u64,
    input = "input": Json<'a>,
    value = "value": Json<'a>,
    ok = "ok": Json<'a>,
    error = "error": Json<'a>,
    cancelled = "cancelled": bool,
    retry_at = "retry_at": Timestamp,
    compensate = "compensate": bool,
    took_us = "took_us": u64,
    events = "for": Vec<&'a str>,
    take = "take": u64,
    done = "done": bool,
    reason = "reason": &'a str,
    from = "from": &'a str,
    sent_at = "sent_at": Timestamp,
    level = "level": &'a str,
    text = "text": &'a str,
    started_at = "started_at": Timestamp,
    count = "events": u64,
    parent = "parent": ParentWire<'a>,
    start = "start": Json<'a>,
    state = "state": Json<'a>,
    next = "next": Json<'a>,
}

impl Entry<'_> {
    /// The line that this is.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it is longer or deeper than a line may be.
    pub fn line(&self) -> Result<Line, Error> {
        Line::of(&Wire::of_event(Some(self.at), self.claim, &self.event))
    }

    /// The body of this line as a value, to be carried in another.
    ///
    /// # Errors
    /// [`Error::Invalid`] as [`Json::of`] says.
    pub fn body(&self) -> Result<Json<'static>, Error> {
        Ok(Json::raw_of(&Wire::of_event(Some(self.at), self.claim, &self.event))?)
    }
}

/// Who began a run.
#[derive(Clone, Debug, Serialize)]
pub(in crate::workflow) struct ParentWire<'a> {
    run: &'a str,
    queue: &'a str,
    step: &'a str,
    n: u64,
}

fn json<'a>(value: &'a Json<'_>) -> Option<Json<'a>> {
    Some(value.as_borrowed())
}

/// A flag is written only where it is set.
fn flag(set: bool) -> Option<bool> {
    set.then_some(true)
}

impl<'a> Wire<'a> {
    pub(in crate::workflow) fn of_kind(at: Option<Timestamp>, kind: &'a str) -> Self {
        Wire { at, kind: Some(kind), ..Wire::default() }
    }

    pub(in crate::workflow) fn of_event(at: Option<Timestamp>, claim: Option<u64>, event: &'a Event<'_>) -> Self {
        let mut wire = Wire { claim, ..Wire::of_kind(at, event.kind()) };
        if let Some(call) = event.call() {
            wire.step = Some(&call.step);
            wire.n = Some(call.n);
        }
        wire.inbox = event.inbox();
        match event {
            Event::Start(start) => wire.put_start(start),
            Event::Claim { worker, until } => {
                wire.worker = Some(worker);
                wire.until = Some(*until);
            }
            Event::Renew { until } | Event::Sleep { until, .. } => wire.until = Some(*until),
            Event::Release(put_off) => {
                wire.retry_at = put_off.as_ref().map(|put_off| put_off.retry_at);
                wire.error = put_off.as_ref().and_then(|put_off| put_off.error.as_ref().and_then(json));
            }
            Event::Save { attempt, outcome, compensate, took_us, .. } => {
                wire.put_outcome(*attempt, outcome);
                wire.compensate = flag(*compensate);
                wire.took_us = *took_us;
            }
            Event::Compensation { attempt, outcome, .. } => wire.put_outcome(*attempt, outcome),
            Event::Value { value, .. } => wire.value = json(value),
            Event::Wake { .. } | Event::Ensure { .. } | Event::Turn { .. } => {}
            Event::Wait { events, until, take, done, .. } => {
                wire.events = Some(events.iter().map(|name| &**name).collect());
                wire.until = *until;
                wire.take = Some(*take).filter(|take| *take > 0);
                wire.done = flag(*done);
            }
            Event::Receive { message, done, .. } => {
                wire.put_message(message);
                wire.sent_at = message.sent_at;
                wire.done = flag(*done);
            }
            Event::Skip { reason, .. } => wire.reason = reason.as_deref(),
            Event::Log { n, text: said, level } => {
                wire.n = Some(*n);
                wire.text = Some(said);
                wire.level = level.as_deref();
            }
            Event::Revert { error, .. } => wire.error = error.as_ref().and_then(json),
            Event::Child { run, start, .. } => {
                wire.run = Some(run);
                wire.start = json(start);
            }
            Event::ChildEnd { ending, .. } => wire.put_ending(ending),
            Event::Cancel { request, .. } => wire.put_request(request),
            Event::Continue { next } | Event::Compact { next } => {
                wire.v = Some(VERSION);
                wire.next = json(next);
            }
            Event::Stop(stop) => {
                wire.v = Some(VERSION);
                wire.put_ending(&stop.ending);
                wire.workflow = stop.workflow.as_deref();
                wire.started_at = stop.started_at;
                wire.count = stop.events;
            }
        }
        wire
    }

    fn put_start(&mut self, start: &'a Start<'_>) {
        self.v = Some(VERSION);
        self.run = Some(&start.run);
        self.generation = Some(start.generation).filter(|generation| *generation > 1);
        self.workflow = Some(&start.workflow);
        self.queue = Some(&start.queue);
        self.id = start.id.as_deref();
        self.input = json(&start.input);
        self.parent = start.parent.as_ref().map(|parent| ParentWire {
            run: &parent.run,
            queue: &parent.queue,
            step: &parent.call.step,
            n: parent.call.n,
        });
        self.state = start.state.as_ref().and_then(json);
    }

    fn put_outcome(&mut self, attempt: u64, outcome: &'a Outcome<'_>) {
        self.attempt = Some(attempt).filter(|attempt| *attempt != 1);
        match outcome {
            Outcome::Done(value) => self.value = json(value),
            Outcome::Retry { error, at } => {
                self.error = json(error);
                self.retry_at = Some(*at);
            }
            Outcome::Failed(error) => self.error = json(error),
        }
    }

    pub(in crate::workflow) fn put_ending(&mut self, ending: &'a Ending<'_>) {
        match ending {
            Ending::Ok(value) => self.ok = json(value),
            Ending::Failed(error) => self.error = json(error),
            Ending::Cancelled(reason) => {
                self.cancelled = Some(true);
                self.reason = reason.as_deref();
            }
        }
    }

    pub(in crate::workflow) fn put_message(&mut self, message: &'a Message<'_>) {
        self.id = Some(&message.id);
        self.event = Some(&message.event);
        self.value = json(&message.value);
        self.from = message.from.as_deref();
    }

    pub(in crate::workflow) fn put_request(&mut self, request: &'a Request<'_>) {
        self.id = Some(&request.id);
        self.reason = request.reason.as_deref();
        self.from = request.from.as_deref();
    }

    /// Puts what the end of a child is about.
    pub(in crate::workflow) fn put_child(&mut self, id: &'a str, run: &'a str, call: &'a Call<'_>) {
        self.id = Some(id);
        self.run = Some(run);
        self.step = Some(&call.step);
        self.n = Some(call.n);
    }
}
