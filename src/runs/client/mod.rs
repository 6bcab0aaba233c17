//! What somebody outside does with runs: starts one, sends it a message, asks that it be cancelled, waits for its end.
//!
//! Workers need not run meanwhile: all of it is written into the store, where they find it.

mod own;
mod substantial;

use std::time::Duration;

use super::Runs;
use super::run::{Run, RunFormat};
use crate::chance::Random;
use crate::clock::Clock;
use crate::json::Json;
use crate::store::{Error, Token};
use crate::time::Timestamp;
use crate::workflow::Status;
use crate::workflow::batches::DraftError;

/// How long between two looks where nothing tells of a change.
const PAUSE: Duration = Duration::from_millis(200);

/// Somebody outside, with a clock and with chance.
#[derive(Clone, Copy, Debug)]
pub struct RunClient<'a> {
    runs: &'a Runs,
    clock: &'a dyn Clock,
    random: &'a dyn Random,
}

/// A message as it is to be sent.
#[derive(Clone, Copy, Debug)]
pub struct OutgoingMessage<'a> {
    /// What it is called.
    pub event: &'a str,
    /// What it says.
    pub value: &'a Json<'a>,
    /// What tells it from others, so that it may be sent again.
    pub key: Option<&'a str>,
    /// Who sends it.
    pub from: Option<&'a str>,
}

/// A run as it is to begin.
#[derive(Clone, Copy, Debug)]
pub struct StartRequest<'a> {
    /// The workflow.
    pub workflow: &'a str,
    /// What it is given.
    pub input: &'a Json<'a>,
    /// The queue whose workers run it.
    pub queue: &'a str,
    /// The id of the run; without one it is made up.
    pub run: Option<&'a str>,
    /// What tells this request from others, so that it may be made again.
    pub key: Option<&'a str>,
}

/// What was delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The run.
    pub run: String,
    /// What tells what was delivered from others, where that is written down.
    pub id: Option<String>,
    /// It was there already, from an earlier request with the same key.
    pub deduplicated: bool,
    /// Messages with this name came before, or are on their way.
    pub repeats: bool,
    /// The run's history was written by a newer version, so that this one cannot tell what becomes of it.
    pub newer: bool,
    /// What tells when it is taken.
    receipt: Receipt,
}

impl Delivery {
    /// Something that was written now, and of which nothing else is known.
    fn to(run: String) -> Self {
        Delivery { run, id: None, deduplicated: false, repeats: false, newer: false, receipt: Receipt::Unknown }
    }
}

/// How to tell that something was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Receipt {
    /// A line of an inbox of ours: its generation and number.
    Inbox(u32, u64),
    /// So many messages with a name are in the history then.
    Messages(String, usize),
    /// Nothing tells.
    Unknown,
}

/// Why something was not delivered.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// There is no such run.
    #[error("no run `{run}`")]
    NoRun {
        /// The run.
        run: String,
    },
    /// The run has ended.
    #[error("{run} {} already {status}", if *status == Status::Cancelled { "was" } else { "has" })]
    Ended {
        /// The run.
        run: String,
        /// How.
        status: Status,
    },
    /// The key was used for something else.
    #[error("the key {key} was used for another content: {was}")]
    KeyUsed {
        /// The key.
        key: String,
        /// What for.
        was: String,
    },
    /// There is a run with this id.
    #[error("there is a run `{run}` already")]
    Exists {
        /// The run.
        run: String,
    },
    /// The run's history is corrupt, so nothing can be told to it.
    #[error("{run} is corrupt")]
    Corrupt {
        /// The run.
        run: String,
        /// What is wrong.
        #[source]
        problem: crate::workflow::Problem,
    },
    /// The store failed in the middle. Another try with the key `id` delivers nothing twice, and finishes what is missing.
    #[error("{}", unsure(run, *landed))]
    Unsure {
        /// The run.
        run: String,
        /// What tells what was to be delivered from others; none for a start without a key, and in stores of substantial.
        id: Option<String>,
        /// Whether it is there; none if that could not be seen.
        landed: Option<bool>,
        /// What the store said.
        #[source]
        source: Error,
    },
    /// Such runs do not know this.
    #[error("{what}")]
    Unsupported {
        /// What cannot be, and why.
        what: String,
        /// What can.
        instead: String,
    },
    /// What is to be written cannot be.
    #[error(transparent)]
    Draft(#[from] DraftError),
    /// What the store says.
    #[error(transparent)]
    Store(#[from] Error),
}

impl<'a> RunClient<'a> {
    /// Somebody outside of this store.
    pub fn new(runs: &'a Runs, clock: &'a dyn Clock, random: &'a dyn Random) -> Self {
        RunClient { runs, clock, random }
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn token(&self) -> Token {
        Token::new(self.random)
    }

    /// Sends a message to a run. With a key that was used before for the same message, nothing is sent.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn send(&self, run: &str, message: OutgoingMessage<'_>) -> Result<Delivery, ClientError> {
        match self.runs {
            Runs::Own(store) => own::send(self, &**store, run, message).await,
            Runs::Substantial(client, _) => substantial::send(self, client, run, message).await,
            Runs::DurablePython(_) => Err(match self.look(run).await? {
                ended if ended.status == Status::Completed => {
                    return Err(ClientError::Ended { run: run.to_owned(), status: ended.status });
                }
                _ => no_door(
                    &format!("{run} is a program of durable-python, and takes events from its own process alone"),
                    &format!("call `publish_event({:?}, …)` in that process", message.event),
                ),
            }),
        }
    }

    /// Asks that a run be cancelled; it is for its code to end then.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn cancel(
        &self,
        run: &str,
        reason: Option<&str>,
        key: Option<&str>,
        from: Option<&str>,
    ) -> Result<Delivery, ClientError> {
        match self.runs {
            Runs::Own(store) => own::cancel(self, &**store, run, reason, key, from).await,
            Runs::Substantial(..) => Err(ClientError::Unsupported {
                what: format!("{run} cannot be cancelled from outside: substantial 0.1.0 has no such message"),
                instead: "a workflow that is to be cancelled can receive a message and call `ctx.cancel_run()`".into(),
            }),
            Runs::DurablePython(_) => Err(no_door(
                &format!("{run} is a program of durable-python, and cannot be cancelled from outside"),
                "stop its process",
            )),
        }
    }

    /// Begins a run. With a key that was used before for the same start, nothing begins.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn start(&self, start: StartRequest<'_>) -> Result<Delivery, ClientError> {
        match self.runs {
            Runs::Own(store) => own::start(self, &**store, start).await,
            Runs::Substantial(client, _) => substantial::start(self, client, start).await,
            Runs::DurablePython(_) => Err(ClientError::Unsupported {
                what: "a program of durable-python begins in a process of its own, and not from outside".into(),
                instead: "start it in Python: `DurableWorkflow…start(…)`".into(),
            }),
        }
    }

    /// Waits until the run has taken what was delivered to it, or has ended; whether it has taken it. Whoever does not want to
    /// wait for ever drops the future.
    ///
    /// # Errors
    /// [`ClientError::Corrupt`], and what the store says.
    pub async fn taken(&self, delivered: &Delivery) -> Result<bool, ClientError> {
        match (self.runs, &delivered.receipt) {
            (Runs::Own(store), Receipt::Inbox(generation, seq)) => {
                own::taken(&**store, &delivered.run, (*generation, *seq)).await
            }
            (Runs::Substantial(client, _), Receipt::Messages(name, count)) => {
                substantial::taken(client, &delivered.run, name, *count).await
            }
            _ => Ok(true),
        }
    }

    /// Waits until a run has ended, or is found to be corrupt or of a newer version. Whoever does not want to wait for ever drops the future.
    ///
    /// # Errors
    /// [`ClientError::NoRun`], and what the store says.
    pub async fn end(&self, run: &str) -> Result<Run, ClientError> {
        loop {
            if let Runs::Own(store) = self.runs {
                own::ended(&**store, run).await?;
            }
            let found = self.look(run).await?;
            let is_over = found.status.is_ended() || matches!(found.status, Status::Corrupt | Status::Parked);
            if is_over && !self.may_be_half_written(&found) {
                return Ok(found);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Where a run stands.
    ///
    /// # Errors
    /// [`ClientError::NoRun`], and what the store says.
    pub async fn look(&self, run: &str) -> Result<Run, ClientError> {
        let mut looked = self.runs.look(&[run.to_owned()], self.now()).await?;
        match looked.runs.pop() {
            Some((_, found)) => Ok(found?),
            None => Err(ClientError::NoRun { run: run.to_owned() }),
        }
    }

    /// The Python packages write their files in place, so a file that is torn may be whole in a moment.
    fn may_be_half_written(&self, run: &Run) -> bool {
        let lately = |at: Timestamp| at > self.now().offset_micros(-5_000_000);
        run.status == Status::Corrupt && run.format == RunFormat::DurablePython && run.updated_at.is_some_and(lately)
    }
}

fn unsure(run: &str, landed: Option<bool>) -> String {
    match landed {
        Some(true) => format!("it was delivered to {run}, and no worker is led there yet"),
        Some(false) => format!("nothing was seen to be delivered to {run}"),
        None => format!("whether it was delivered to {run} is not known"),
    }
}

/// The error for what may have been delivered; `landed` says whether it was seen.
fn in_doubt(run: &str, id: Option<String>, landed: Option<bool>, source: Error) -> ClientError {
    match landed {
        // It was refused, and nothing of it comes later.
        Some(false) if !source.retryable() => source.into(),
        landed => ClientError::Unsure { run: run.to_owned(), id, landed, source },
    }
}

fn no_door(what: &str, instead: &str) -> ClientError {
    let door = "or give the program an OrchestrationBackend whose wait_for_event asks a store that tc writes";
    ClientError::Unsupported { what: what.to_owned(), instead: format!("{instead}, {door}") }
}

/// So many random bits as digits of 16.
fn hex(random: &dyn Random) -> String {
    format!("{:08x}", (random.uniform() * 4_294_967_296.0) as u64)
}
