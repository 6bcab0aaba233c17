//! Asking stores: until a deadline where there is one, and with a word about a store that is silent.

use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::pin::pin;
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::runtime::Runtime;

use crate::error::{Failure, PENDING};
use crate::find;
use crate::output::warnings::{self, Warning};
use crate::surroundings::Context;

/// When a person at a terminal is told that there is no answer yet.
const SILENCE: Duration = Duration::from_secs(2);

/// How long a last look may take when the time is over.
const GRACE: Duration = Duration::from_millis(200);

/// Longer than any command takes.
const LONG: Duration = Duration::from_secs(1 << 30);

/// How long the system is given to forget threads that have ended, and how often.
const FORGETTING: Duration = Duration::from_millis(20);
const FORGETTING_TRIES: u32 = 50;

/// How many threads can be made now, up to so many, and at least one: a runtime that gets fewer than it was told panics.
fn threads_at_most(wanted: usize) -> std::io::Result<usize> {
    // Linux tells which threads it counts.
    let counted = || std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count);
    let (before, held) = (counted(), std::sync::Mutex::new(()));
    let made = std::thread::scope(|scope| {
        let hold = held.lock();
        let spawn = || std::thread::Builder::new().spawn_scoped(scope, || drop(held.lock()));
        let mut made = vec![spawn()?];
        made.extend((1..wanted).map_while(|_| spawn().ok()));
        drop(hold);
        Ok::<_, std::io::Error>(made.into_iter().filter_map(|thread| thread.join().ok()).count())
    })?;
    for _ in 0..if made < wanted { FORGETTING_TRIES } else { 0 } {
        std::thread::sleep(FORGETTING);
        if counted() <= before {
            break;
        }
    }
    Ok(made)
}

/// Carries out requests.
pub(crate) struct Requests {
    /// It is never dropped: what still waits for a server when the command is over is not waited for.
    runtime: &'static Runtime,
    /// When the command has to be over, and how long it may take.
    deadline: Option<(Instant, Duration)>,
    tells: bool,
    /// What was asked for, for messages.
    pub(crate) name: String,
}

impl Requests {
    /// Requests to the stores `asked` for, with as many threads as are to read, of a command that may take `limit`.
    pub(crate) fn new(context: &Context, asked: &[OsString], threads: usize, limit: Option<Duration>) -> Result<Self> {
        let no_thread = |cause| Failure::new("io", "no thread can be made").cause(cause);
        let cannot_start = |cause| Failure::new("io", "cannot start").cause(cause);
        let mut builder = match threads.min(threads_at_most(threads + 1).map_err(no_thread)? - 1) {
            0 | 1 => tokio::runtime::Builder::new_current_thread(),
            threads => {
                let mut builder = tokio::runtime::Builder::new_multi_thread();
                builder.worker_threads(threads);
                builder
            }
        };
        let runtime = builder.enable_all().thread_keep_alive(LONG).build().map_err(cannot_start)?;
        // One that waits for files: it does for all of them where no other can be made.
        drop(runtime.spawn_blocking(|| ()));
        let deadline = limit.and_then(|limit| Some((Instant::now().checked_add(limit)?, limit)));
        let tells = !context.global.quiet && !context.global.wants_json() && std::io::stderr().is_terminal();
        let name = asked.iter().map(|text| find::shown(text)).collect::<Vec<_>>().join(", ");
        Ok(Requests { runtime: Box::leak(Box::new(runtime)), deadline, tells, name })
    }

    /// Carries out what may take as long as it takes: all of a store is read, or a change is waited for.
    pub(crate) fn work<T>(&self, what: impl Future<Output = T>) -> T {
        self.runtime.block_on(what)
    }

    /// Carries out a request whose answer comes at once where all is well.
    ///
    /// # Errors
    /// `timeout` if the time of the command is over before.
    pub(crate) fn ask<T>(&self, what: impl Future<Output = T>) -> Result<T, Failure> {
        let told = async {
            let mut what = pin!(what);
            if let Ok(answer) = tokio::time::timeout(SILENCE, &mut what).await {
                return answer;
            }
            if self.tells {
                warnings::print(&[Warning::new(format!("{} has not answered yet", self.name))], false);
            }
            what.await
        };
        self.until_deadline(told, GRACE).ok_or_else(|| self.timeout())
    }

    /// Waits for `what`; none if the time of the command is over before.
    pub(crate) fn wait<T>(&self, what: impl Future<Output = T>) -> Option<T> {
        self.until_deadline(what, Duration::ZERO)
    }

    fn until_deadline<T>(&self, what: impl Future<Output = T>, at_least: Duration) -> Option<T> {
        let Some((deadline, _)) = self.deadline else { return Some(self.work(what)) };
        let left = deadline.saturating_duration_since(Instant::now()).max(at_least);
        self.work(async { tokio::time::timeout(left, what).await.ok() })
    }

    fn timeout(&self) -> Failure {
        let limit = self.deadline.map_or(Duration::ZERO, |(_, limit)| limit);
        let message = format!("{} did not answer within {limit:?}", self.name);
        Failure { exit: PENDING, ..Failure::new("timeout", message) }
    }
}
