//! The events of a run's history, one a line. What each means, and which may follow which, is written in `docs/format.md`.

use std::borrow::Cow;
use std::fmt;

use crate::json::Json;
use crate::text::excerpt;
use crate::time::Timestamp;

/// The version of the format that this library writes, and the highest that it reads.
pub const VERSION: u64 = 1;

/// Most names that one wait may wait for.
pub const WAIT_EVENTS_MAX: usize = 100;

/// One line of a history.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry<'a> {
    /// When it was appended, by the clock of who did, but never before the line before.
    pub at: Timestamp,
    /// The claim under which it was appended; none for the start.
    pub claim: Option<u64>,
    /// What happened.
    pub event: Event<'a>,
}

/// One call of the run's code: the name of a step, and which call with that name it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call<'a> {
    /// The name.
    pub step: Cow<'a, str>,
    /// From 1.
    pub n: u64,
}

impl<'a> Call<'a> {
    /// The `n`th call of `step`.
    pub fn new(step: impl Into<Cow<'a, str>>, n: u64) -> Self {
        Call { step: step.into(), n }
    }
}

/// `charge#1`, harmless on a terminal.
impl fmt::Display for Call<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", excerpt(&self.step, 60), self.n)
    }
}

/// What happened in a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Event<'a> {
    /// The run begins, or goes on in another generation.
    Start(Box<Start<'a>>),
    /// A worker takes the run; its number is [`Entry::claim`].
    Claim {
        /// Who.
        worker: Cow<'a, str>,
        /// Until when no other may take it.
        until: Timestamp,
    },
    /// The claim holds longer.
    Renew {
        /// Until when.
        until: Timestamp,
    },
    /// The worker lets go of the run. It has nothing to do but what its open steps wait for, or is put off.
    Release(Option<PutOff<'a>>),
    /// A step came to an end, or an attempt at it did.
    Save {
        /// The step.
        call: Call<'a>,
        /// Which attempt at it this was, from 1.
        attempt: u64,
        /// How it ended.
        outcome: Outcome<'a>,
        /// It has a compensation, which a revert runs.
        compensate: bool,
        /// How long the attempt took, in microseconds.
        took_us: Option<u64>,
    },
    /// The compensation of a step came to an end, or an attempt at it did.
    Compensation {
        /// The step that is compensated.
        call: Call<'a>,
        /// Which attempt at its compensation this was, from 1.
        attempt: u64,
        /// How it ended.
        outcome: Outcome<'a>,
    },
    /// Something was looked up that would be another when looked up again: a time, a random number.
    Value {
        /// The step.
        call: Call<'a>,
        /// What it was.
        value: Json<'a>,
    },
    /// The run sleeps.
    Sleep {
        /// The step.
        call: Call<'a>,
        /// Until when.
        until: Timestamp,
    },
    /// A sleep is over, or the deadline of a wait has passed.
    Wake {
        /// The step.
        call: Call<'a>,
    },
    /// The run waits for messages.
    Wait {
        /// The step.
        call: Call<'a>,
        /// What the messages are called, any of these; at most [`WAIT_EVENTS_MAX`].
        events: Vec<Cow<'a, str>>,
        /// The deadline.
        until: Option<Timestamp>,
        /// So many messages of those that are kept go to it, the oldest first.
        take: u64,
        /// It is over already.
        done: bool,
    },
    /// A message is taken from the inbox.
    Receive {
        /// Its line there.
        inbox: u64,
        /// The message.
        message: Message<'a>,
        /// The wait that it goes to; without one it is kept.
        to: Option<Call<'a>>,
        /// The wait is over with it.
        done: bool,
    },
    /// What a wait waited for holds: it is over.
    Ensure {
        /// The step.
        call: Call<'a>,
    },
    /// A line of the inbox that changes nothing is passed over.
    Skip {
        /// The line.
        inbox: u64,
        /// Why it changes nothing.
        reason: Option<Cow<'a, str>>,
    },
    /// The seal of the inbox was reached: it goes on in its next generation.
    Turn {
        /// The line of the seal.
        inbox: u64,
    },
    /// The run says something.
    Log {
        /// Which call of this kind it is, from 1.
        n: u64,
        /// What it says.
        text: Cow<'a, str>,
        /// How grave it is, as a word.
        level: Option<Cow<'a, str>>,
    },
    /// From here, what can be compensated is, the last first.
    Revert {
        /// The step, if the run's code called for it.
        call: Option<Call<'a>>,
        /// Why.
        error: Option<Json<'a>>,
    },
    /// A child is begun.
    Child {
        /// The step.
        call: Call<'a>,
        /// The child's id.
        run: Cow<'a, str>,
        /// The body of the first line of its history.
        start: Json<'a>,
    },
    /// A child has ended.
    ChildEnd {
        /// The step that began it.
        call: Call<'a>,
        /// The line of the inbox that tells; none if it could not even begin.
        inbox: Option<u64>,
        /// How it ended.
        ending: Ending<'a>,
    },
    /// Somebody asks that the run be cancelled.
    Cancel {
        /// The line of the inbox.
        inbox: u64,
        /// Who asks, and why.
        request: Request<'a>,
    },
    /// The run goes on in the next generation with another input and nothing done. The log's seal.
    Continue {
        /// The body of the first line of the next generation.
        next: Json<'a>,
    },
    /// The run goes on in the next generation as it is. The log's seal.
    Compact {
        /// The body of the first line of the next generation.
        next: Json<'a>,
    },
    /// The run has ended. The log's seal.
    Stop(Box<Stop<'a>>),
}

/// What a run begins with.
#[derive(Clone, Debug, PartialEq)]
pub struct Start<'a> {
    /// The run's id.
    pub run: Cow<'a, str>,
    /// The generation that this line begins.
    pub generation: u32,
    /// The workflow.
    pub workflow: Cow<'a, str>,
    /// What it was given.
    pub input: Json<'a>,
    /// The queue whose workers run it.
    pub queue: Cow<'a, str>,
    /// What tells this request to start from others, so that it may be made again.
    pub id: Option<Cow<'a, str>>,
    /// The run that began this one.
    pub parent: Option<Parent<'a>>,
    /// What is carried over from the generation before; none in the first.
    pub state: Option<Json<'a>>,
}

impl<'a> Start<'a> {
    /// A first generation in the queue `default`.
    pub fn new(run: impl Into<Cow<'a, str>>, workflow: impl Into<Cow<'a, str>>, input: Json<'a>) -> Self {
        Start {
            run: run.into(),
            generation: 1,
            workflow: workflow.into(),
            input,
            queue: Cow::Borrowed("default"),
            id: None,
            parent: None,
            state: None,
        }
    }
}

/// Who began a run, and is told of its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parent<'a> {
    /// The parent's id.
    pub run: Cow<'a, str>,
    /// The parent's queue.
    pub queue: Cow<'a, str>,
    /// The step that began the child.
    pub call: Call<'a>,
}

/// Until when a run is put off, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct PutOff<'a> {
    /// Until when.
    pub retry_at: Timestamp,
    /// What went wrong, if something did.
    pub error: Option<Json<'a>>,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome<'a> {
    /// With a result.
    Done(Json<'a>),
    /// It failed, and there will be another.
    Retry {
        /// What went wrong.
        error: Json<'a>,
        /// When the next one begins.
        at: Timestamp,
    },
    /// It failed, and there will be no other.
    Failed(Json<'a>),
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Ending<'a> {
    /// With a result.
    Ok(Json<'a>),
    /// It failed: an object with `type` and `message`, where the writer keeps to the format.
    Failed(Json<'a>),
    /// It was cancelled, for this reason.
    Cancelled(Option<Cow<'a, str>>),
}

/// The end of a run, with what is to be known when the lines before it are forgotten.
#[derive(Clone, Debug, PartialEq)]
pub struct Stop<'a> {
    /// How it ended.
    pub ending: Ending<'a>,
    /// The workflow.
    pub workflow: Option<Cow<'a, str>>,
    /// When the run began.
    pub started_at: Option<Timestamp>,
    /// How many events there were in all generations, this one included.
    pub events: Option<u64>,
}

/// A message to a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Message<'a> {
    /// What tells it from others.
    pub id: Cow<'a, str>,
    /// What it is called.
    pub event: Cow<'a, str>,
    /// What it says.
    pub value: Json<'a>,
    /// Who sent it.
    pub from: Option<Cow<'a, str>>,
    /// When it was sent.
    pub sent_at: Option<Timestamp>,
}

/// A request to cancel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// What tells it from others.
    pub id: Cow<'a, str>,
    /// Why.
    pub reason: Option<Cow<'a, str>>,
    /// Who asks.
    pub from: Option<Cow<'a, str>>,
}

impl Event<'_> {
    /// The word by which lines name this kind of event.
    pub fn kind(&self) -> &'static str {
        match self {
            Event::Start(_) => "start",
            Event::Claim { .. } => "claim",
            Event::Renew { .. } => "renew",
            Event::Release(_) => "release",
            Event::Save { .. } => "save",
            Event::Compensation { .. } => "compensation",
            Event::Value { .. } => "value",
            Event::Sleep { .. } => "sleep",
            Event::Wake { .. } => "wake",
            Event::Wait { .. } => "wait",
            Event::Receive { .. } => "receive",
            Event::Ensure { .. } => "ensure",
            Event::Skip { .. } => "skip",
            Event::Turn { .. } => "turn",
            Event::Log { .. } => "log",
            Event::Revert { .. } => "revert",
            Event::Child { .. } => "child",
            Event::ChildEnd { .. } => "child_end",
            Event::Cancel { .. } => "cancel",
            Event::Continue { .. } => "continue",
            Event::Compact { .. } => "compact",
            Event::Stop(_) => "stop",
        }
    }

    /// Whether nothing may follow this event in its log.
    pub fn seals(&self) -> bool {
        matches!(self, Event::Continue { .. } | Event::Compact { .. } | Event::Stop(_))
    }

    /// The line of the inbox that this event takes.
    pub fn inbox(&self) -> Option<u64> {
        match self {
            Event::Receive { inbox, .. }
            | Event::Skip { inbox, .. }
            | Event::Turn { inbox }
            | Event::Cancel { inbox, .. } => Some(*inbox),
            Event::ChildEnd { inbox, .. } => *inbox,
            _ => None,
        }
    }

    /// The step that this event is about.
    pub fn call(&self) -> Option<&Call<'_>> {
        match self {
            Event::Save { call, .. }
            | Event::Compensation { call, .. }
            | Event::Value { call, .. }
            | Event::Sleep { call, .. }
            | Event::Wake { call }
            | Event::Wait { call, .. }
            | Event::Ensure { call }
            | Event::Child { call, .. }
            | Event::ChildEnd { call, .. } => Some(call),
            Event::Receive { to, .. } => to.as_ref(),
            Event::Revert { call, .. } => call.as_ref(),
            _ => None,
        }
    }
}

/// A text with a life of its own.
pub(in crate::workflow) fn own(text: &str) -> Cow<'static, str> {
    Cow::Owned(text.to_owned())
}

impl Ending<'_> {
    /// The same with its own text.
    pub fn into_owned(self) -> Ending<'static> {
        match self {
            Ending::Ok(value) => Ending::Ok(value.into_owned()),
            Ending::Failed(error) => Ending::Failed(error.into_owned()),
            Ending::Cancelled(reason) => Ending::Cancelled(reason.map(|reason| own(&reason))),
        }
    }
}

impl Message<'_> {
    /// The same with its own text.
    pub fn into_owned(self) -> Message<'static> {
        Message {
            id: own(&self.id),
            event: own(&self.event),
            value: self.value.into_owned(),
            from: self.from.map(|from| own(&from)),
            sent_at: self.sent_at,
        }
    }
}

impl Parent<'_> {
    /// The same with its own text.
    pub fn into_owned(self) -> Parent<'static> {
        let call = Call { step: own(&self.call.step), n: self.call.n };
        Parent { run: own(&self.run), queue: own(&self.queue), call }
    }
}

impl Request<'_> {
    /// The same with its own text.
    pub fn into_owned(self) -> Request<'static> {
        Request {
            id: own(&self.id),
            reason: self.reason.map(|reason| own(&reason)),
            from: self.from.map(|from| own(&from)),
        }
    }
}
