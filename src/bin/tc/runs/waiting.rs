//! Waiting for something to happen to a run, for so long at most.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use futures_util::future::{Either, select};
use tokio::sync::Notify;

use crate::error::{DONE, INTERRUPTED, PENDING};
use crate::runs::stores::RunStores;
use crate::when::span;
use temporal_code::workflows::ClientError;

/// Whether something is waited for.
static WAITS: AtomicBool = AtomicBool::new(false);

/// Told when waiting is to stop.
static STOPPED: Notify = Notify::const_new();

/// Whether and how long to wait.
#[derive(Debug, Args)]
pub(crate) struct WaitArgs {
    /// Wait for it
    #[arg(short, long)]
    pub(crate) wait: bool,
    /// Take at most this long for everything, such as 30s or 5m; exit code 8 when the time is over
    #[arg(long, value_name = "SPAN")]
    timeout: Option<String>,
}

/// What waiting came to.
pub(crate) enum Wait<T> {
    /// It has happened.
    Over(T),
    /// The time was over before.
    TooLong,
    /// Somebody pressed Control-C.
    Interrupted,
}

impl<T> Wait<T> {
    /// The exit code for who gave up.
    pub(crate) fn exit(&self) -> u8 {
        match self {
            Wait::Over(_) => DONE,
            Wait::TooLong => PENDING,
            Wait::Interrupted => INTERRUPTED,
        }
    }
}

/// Stops waiting; false if nothing is waited for.
pub(crate) fn stop() -> bool {
    let waits = WAITS.swap(false, Ordering::AcqRel);
    if waits {
        STOPPED.notify_one();
    }
    waits
}

impl WaitArgs {
    /// How long the command may take.
    pub(crate) fn limit(&self) -> Result<Option<Duration>> {
        let Some(text) = &self.timeout else { return Ok(None) };
        Ok(Some(Duration::from_micros(span("timeout", text)?.unsigned_abs())))
    }

    /// Waits for `what`, until the time is over or somebody presses Control-C: what was done before stands, and is to be told.
    pub(crate) fn wait_for<T>(
        &self,
        stores: &RunStores,
        what: impl Future<Output = Result<T, ClientError>>,
    ) -> Result<Wait<T>> {
        WAITS.store(true, Ordering::Release);
        let (what, stopped) = (pin!(what), pin!(STOPPED.notified()));
        let waited = stores.requests.wait(select(what, stopped));
        WAITS.store(false, Ordering::Release);
        match waited {
            None => Ok(Wait::TooLong),
            Some(Either::Left((answer, _))) => answer.map(Wait::Over).map_err(|error| stores.explain(error, "")),
            Some(Either::Right(_)) => Ok(Wait::Interrupted),
        }
    }
}
