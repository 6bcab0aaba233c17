//! Appends to ends that are known, sent together where many come at once.
//!
//! As long as little is on its way, an append is sent at once. What comes while calls are on their way waits for the first of
//! them to come back, and then goes all in one call: under load that spares the server and this process most of what a call
//! costs beside its work, and nobody waits longer than for one call that is not their own.

use std::io::ErrorKind;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use ::redis::{Cmd, RedisResult, Value};
use futures_util::future::join;
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::connect::Link;
use super::keys::Keys;
use super::script::APPEND;
use crate::store::line::Header;
use crate::store::{Batch, Op};

/// Most calls that are on their way at once: while the server does one, the next is put together.
const FLIGHTS_MAX: usize = 2;

/// Most appends of one call.
const TOGETHER_MAX: usize = 64;

/// Most bytes of one call, but for a single append that is larger: nobody else is served meanwhile.
const TOGETHER_BYTES_MAX: usize = 1024 * 1024;

/// Most lines of one append that go this way: a call in a script does not take any number of arguments.
const LINES_MAX: usize = 1_000;

/// An append that is the whole batch, to an end that is known.
#[derive(Debug)]
pub(super) struct Quick {
    log: String,
    /// What the last line of the log begins with.
    opening: Vec<u8>,
    /// The lines, with newlines between them.
    lines: Vec<u8>,
}

impl Quick {
    /// None if the batch is another.
    pub(super) fn new(keys: &Keys, batch: &Batch) -> Option<Self> {
        let [Op::Append(append)] = batch.ops() else { return None };
        let (number, known, count) = (append.after.number(), append.after.token()?, append.lines.len());
        if number == 0 || count > LINES_MAX {
            return None;
        }
        let mut opening = Vec::with_capacity(64);
        Header::write_opening(number, known, &mut opening);
        let mut lines = append.framed(batch.token());
        lines.pop();
        Some(Quick { log: keys.log(&append.log), opening, lines })
    }
}

/// The way of appends to the server.
pub(super) struct Flights {
    link: Arc<Link>,
    origin: String,
    /// Longest wait for those whose call is not the next.
    wait_max: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    flying: usize,
    waiting: Vec<Waiting>,
}

struct Waiting {
    quick: Quick,
    done: oneshot::Sender<RedisResult<bool>>,
}

impl Flights {
    pub(super) fn new(link: Arc<Link>, origin: String, wait_max: Duration) -> Arc<Self> {
        Arc::new(Flights { link, origin, wait_max, state: Mutex::default() })
    }

    /// Makes an append. False if the log's last line is not the one that is known; then nothing was done.
    pub(super) async fn append(self: &Arc<Self>, quick: Quick) -> RedisResult<bool> {
        let answer = {
            let mut state = self.state.lock();
            if state.flying < FLIGHTS_MAX {
                state.flying += 1;
                Err(quick)
            } else {
                let (done, answer) = oneshot::channel();
                state.waiting.push(Waiting { quick, done });
                Ok(answer)
            }
        };
        match answer {
            Err(quick) => {
                // Also if this call is given up, those who wait go on.
                let _landing = Landing(self.clone());
                let outcomes = self.send(std::slice::from_ref(&quick)).await?;
                Ok(outcomes.first().copied().unwrap_or(false))
            }
            Ok(answer) => match timeout(self.wait_max, answer).await {
                Ok(Ok(outcome)) => outcome,
                Ok(Err(_)) => Err(std::io::Error::from(ErrorKind::BrokenPipe).into()),
                Err(_) => Err(std::io::Error::from(ErrorKind::TimedOut).into()),
            },
        }
    }

    /// Makes one call after the other as long as there are some who wait.
    async fn fly(mut group: Vec<Waiting>, landing: Landing) {
        let flights = &landing.0;
        let mut landed = Landed::default();
        while !group.is_empty() {
            let (quick, done): (Vec<Quick>, Vec<_>) = group.into_iter().map(|one| (one.quick, one.done)).unzip();
            // The next call is on its way before those of the last one are told, so that the server need not wait for that.
            let (result, ()) = join(flights.send(&quick), async { mem::take(&mut landed).tell() }).await;
            landed = Landed { done, result };
            group = take_group(&mut flights.state.lock().waiting);
            if group.is_empty() {
                mem::take(&mut landed).tell();
                // Who was told may have more.
                tokio::task::yield_now().await;
                group = take_group(&mut flights.state.lock().waiting);
            }
        }
    }

    /// One call of the script; sends the script first if the server does not have it.
    async fn send(&self, group: &[Quick]) -> RedisResult<Vec<bool>> {
        let send = |verb, script| async move { self.link.send(&self.command(verb, script, group)).await };
        let answer = APPEND.send(send).await?;
        Ok(match answer {
            Value::Array(outcomes) => outcomes.into_iter().map(|outcome| outcome == Value::Int(1)).collect(),
            outcome => vec![outcome == Value::Int(1)],
        })
    }

    fn command(&self, verb: &str, script: &str, group: &[Quick]) -> Cmd {
        let bytes: usize = group.iter().map(|one| one.log.len() + one.opening.len() + one.lines.len()).sum();
        let mut command = Cmd::with_capacity(3 * group.len() + 4, bytes + script.len() + 64);
        command.arg(verb).arg(script).arg(group.len());
        for one in group {
            command.arg(&one.log);
        }
        command.arg(&self.origin);
        for one in group {
            command.arg(&one.opening).arg(&one.lines);
        }
        command
    }
}

/// What became of a call, for those who wait for it.
struct Landed {
    done: Vec<oneshot::Sender<RedisResult<bool>>>,
    result: RedisResult<Vec<bool>>,
}

impl Default for Landed {
    fn default() -> Self {
        Landed { done: Vec::new(), result: Ok(Vec::new()) }
    }
}

impl Landed {
    fn tell(self) {
        for (index, done) in self.done.into_iter().enumerate() {
            let outcome = match &self.result {
                Ok(outcomes) => Ok(outcomes.get(index).copied().unwrap_or(false)),
                Err(error) => Err(error.clone()),
            };
            let _ = done.send(outcome);
        }
    }
}

/// Ends a flight when it goes, however that comes: the next is for those who wait.
struct Landing(Arc<Flights>);

impl Drop for Landing {
    fn drop(&mut self) {
        let group = {
            let mut state = self.0.state.lock();
            let group = take_group(&mut state.waiting);
            if group.is_empty() {
                state.flying -= 1;
                return;
            }
            group
        };
        let landing = Landing(self.0.clone());
        match tokio::runtime::Handle::try_current() {
            // If the runtime is about to end, the flight ends before it began, and so on to the last.
            Ok(runtime) => drop(runtime.spawn(Flights::fly(group, landing))),
            Err(_) => {
                // Nobody can fly from here. Those who wait are told so by being dropped.
                self.0.state.lock().waiting.clear();
                drop(landing);
            }
        }
    }
}

/// The first of those who wait that may go together. Who no longer wants to know is left behind.
fn take_group(waiting: &mut Vec<Waiting>) -> Vec<Waiting> {
    if waiting.is_empty() {
        return Vec::new();
    }
    let (mut bytes, mut count) = (0, 0);
    waiting.retain(|one| !one.done.is_closed());
    for one in waiting.iter().take(TOGETHER_MAX) {
        bytes += one.quick.lines.len();
        if count > 0 && bytes > TOGETHER_BYTES_MAX {
            break;
        }
        count += 1;
    }
    let rest = waiting.split_off(count);
    mem::replace(waiting, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_bounded_and_leave_nobody_behind() {
        let (mut waiting, mut answers) = (Vec::new(), Vec::new());
        let sizes = [10, TOGETHER_BYTES_MAX, 20, 30, 3 * TOGETHER_BYTES_MAX, 40];
        let small = std::iter::repeat_n(1, 2 * TOGETHER_MAX);
        for bytes in sizes.into_iter().chain(small) {
            let (done, answer) = oneshot::channel();
            let quick = Quick { log: String::new(), opening: Vec::new(), lines: vec![b'x'; bytes] };
            waiting.push(Waiting { quick, done });
            answers.push(answer);
        }
        // The one of 20 bytes has gone.
        drop(answers.remove(2));
        let groups = std::iter::from_fn(|| Some(take_group(&mut waiting)).filter(|group| !group.is_empty()));
        let sizes: Vec<usize> = groups.map(|group| group.len()).collect();
        assert_eq!(sizes, [1, 1, 1, 1, 64, 64, 1], "10, 1 MiB, 30, 3 MiB, then the small ones");
    }
}
