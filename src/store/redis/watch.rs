//! Waking those who wait for what others change: one connection for all watches of a handle, made when the first begins.
//!
//! What this handle changes itself it announces without Redis, and it knows its own announcements when they come back. While
//! the connection is down, watches end at their bounds; when there is one again, each wakes once, because nobody knows what
//! was missed.

use std::collections::HashMap;
use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use ::redis::aio::{PubSubSink, PubSubStream};
use ::redis::{Msg, RedisError, RedisResult};
use async_trait::async_trait;
use futures_util::StreamExt as _;
use futures_util::future::{Either, select};
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};

use super::connect::Link;
use super::failure;
use crate::chance::ThreadRandom;
use crate::retry::{Backoff, RetryPolicy};
use crate::store::wakes::{LocalWatch, Wakes};
use crate::store::{Watch, Watched};

/// Wait before the second attempt to connect; doubled before each one after.
const WAIT_FIRST: Duration = Duration::from_millis(100);

/// Longest wait between two attempts.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// Most requests that are sent together.
const TOGETHER_MAX: usize = 500;

/// Begins watches.
pub(super) struct Subscriber {
    setup: Setup,
    requests: Mutex<Option<mpsc::UnboundedSender<Request>>>,
}

/// What the task behind all watches needs.
#[derive(Clone)]
struct Setup {
    link: Arc<Link>,
    wakes: Wakes,
    origin: String,
    response_timeout: Duration,
}

enum Request {
    Add { channel: String, what: Watched, done: oneshot::Sender<RedisResult<()>> },
    Remove { channel: String },
}

impl Subscriber {
    pub(super) fn new(link: Arc<Link>, wakes: Wakes, origin: String, response_timeout: Duration) -> Self {
        let setup = Setup { link, wakes, origin, response_timeout };
        Subscriber { setup, requests: Mutex::default() }
    }

    /// Watches `what`, changes of which are announced on `channel`.
    ///
    /// That there is no connection now is no error: the watch works as soon as there is one. That the server does not allow
    /// it is, because time does not heal that.
    pub(super) async fn watch(&self, what: Watched, channel: String) -> RedisResult<Box<dyn Watch>> {
        let requests = self.requests();
        let (done, subscribed) = oneshot::channel();
        // From here on what is counted is taken back, also if this call is given up.
        let guard = Guard { channel: channel.clone(), requests: requests.clone() };
        // The task ends only with the last sender, or with its runtime; then nobody answers, and nobody wakes.
        let _ = requests.send(Request::Add { channel, what: what.clone(), done });
        if let Ok(Err(error)) = subscribed.await {
            return Err(error);
        }
        Ok(Box::new(RedisWatch { local: self.setup.wakes.watch(what), _guard: guard }))
    }

    fn requests(&self) -> mpsc::UnboundedSender<Request> {
        // Nothing is left half done by a panic.
        let mut held = self.requests.lock();
        if let Some(requests) = held.as_ref().filter(|requests| !requests.is_closed()) {
            return requests.clone();
        }
        let (sender, receiver) = mpsc::unbounded_channel();
        let task = Task { setup: self.setup.clone(), requests: receiver, channels: HashMap::new() };
        tokio::spawn(task.run());
        held.insert(sender).clone()
    }
}

/// Takes a watch off the list when it goes.
struct Guard {
    channel: String,
    requests: mpsc::UnboundedSender<Request>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.requests.send(Request::Remove { channel: std::mem::take(&mut self.channel) });
    }
}

struct RedisWatch {
    local: LocalWatch,
    _guard: Guard,
}

impl fmt::Debug for RedisWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RedisWatch").field(&self.local).finish()
    }
}

#[async_trait]
impl Watch for RedisWatch {
    async fn changed(&mut self, at_most: Duration) -> bool {
        self.local.changed(at_most).await
    }
}

/// A channel that is listened to.
struct Listening {
    what: Watched,
    watches: usize,
}

struct Task {
    setup: Setup,
    requests: mpsc::UnboundedReceiver<Request>,
    channels: HashMap<String, Listening>,
}

/// Why messages no longer come.
enum Stop {
    /// Nobody is left who could ask for any.
    Done,
    /// The connection broke.
    Broken(RedisError),
}

/// Those who wait to be told that they are subscribed.
type Waiting = Vec<oneshot::Sender<RedisResult<()>>>;

impl Task {
    async fn run(mut self) {
        let mut waiting = Waiting::new();
        let mut backoff = RetryPolicy::endless(WAIT_FIRST, WAIT_MAX).backoff();
        loop {
            while self.channels.is_empty() {
                let Some(request) = self.requests.recv().await else { return };
                self.note(request, &mut waiting);
            }
            let error = match self.setup.link.subscriber().await {
                Ok(connection) => {
                    let (mut sink, mut stream) = connection.split();
                    match self.listen(&mut sink, &mut stream, &mut waiting, &mut backoff).await {
                        Stop::Done => return,
                        Stop::Broken(error) => error,
                    }
                }
                Err(error) => error,
            };
            answer(&mut waiting, &error);
            let Some(wait) = backoff.next(&ThreadRandom) else { return };
            if self.pause(&error, wait).await.is_none() {
                return;
            }
        }
    }

    /// Takes requests for as long as `wait`, which nobody can fulfil now. None if there will be no more.
    async fn pause(&mut self, error: &RedisError, wait: Duration) -> Option<()> {
        let mut over = pin!(sleep(wait));
        loop {
            let request = match select(over.as_mut(), pin!(self.requests.recv())).await {
                Either::Left(_) => return Some(()),
                Either::Right((request, _)) => request?,
            };
            let mut waiting = Waiting::new();
            self.note(request, &mut waiting);
            answer(&mut waiting, error);
        }
    }

    /// Notes a request: the channel that it adds, or removes, if it is the first or the last of it.
    fn note(&mut self, request: Request, waiting: &mut Waiting) -> Option<(String, bool)> {
        match request {
            Request::Add { channel, what, done } => {
                waiting.push(done);
                let listening = self.channels.entry(channel.clone()).or_insert_with(|| Listening { what, watches: 0 });
                listening.watches += 1;
                (listening.watches == 1).then_some((channel, true))
            }
            Request::Remove { channel } => {
                let listening = self.channels.get_mut(&channel)?;
                listening.watches -= 1;
                if listening.watches > 0 {
                    return None;
                }
                self.channels.remove(&channel);
                Some((channel, false))
            }
        }
    }

    /// Subscribes to all channels, then passes on what comes and does what is asked for until that no longer works.
    async fn listen(
        &mut self,
        sink: &mut PubSubSink,
        stream: &mut PubSubStream,
        waiting: &mut Waiting,
        backoff: &mut Backoff,
    ) -> Stop {
        let channels: Vec<String> = self.channels.keys().cloned().collect();
        for some in channels.chunks(TOGETHER_MAX) {
            if let Err(error) = self.within(sink.subscribe(some)).await {
                return Stop::Broken(error);
            }
        }
        backoff.reset();
        for listening in self.channels.values() {
            self.setup.wakes.wake(&listening.what);
        }
        succeed(waiting);
        loop {
            let step = {
                let request = pin!(self.requests.recv());
                let heard = timeout(self.setup.response_timeout, select(request, stream.next())).await;
                heard.map(|first| match first {
                    Either::Left((request, _)) => Either::Left(request),
                    Either::Right((message, _)) => Either::Right(message),
                })
            };
            let result = match step {
                Ok(Either::Left(None)) => return Stop::Done,
                Ok(Either::Left(Some(request))) => self.change(request, sink, waiting).await,
                Ok(Either::Right(Some(message))) => {
                    self.hear(&message);
                    Ok(())
                }
                Ok(Either::Right(None)) => Err(std::io::Error::from(std::io::ErrorKind::BrokenPipe).into()),
                // Nothing for a while: is anybody there?
                Err(_) => self.within(sink.ping::<::redis::Value>()).await.map(drop),
            };
            if let Err(error) = result {
                return Stop::Broken(error);
            }
        }
    }

    fn hear(&self, message: &Msg) {
        if message.get_payload_bytes() == self.setup.origin.as_bytes() {
            return;
        }
        if let Some(listening) = self.channels.get(message.get_channel_name()) {
            self.setup.wakes.wake(&listening.what);
        }
    }

    /// Does `request` and those that came meanwhile.
    async fn change(&mut self, request: Request, sink: &mut PubSubSink, waiting: &mut Waiting) -> RedisResult<()> {
        // What each channel is to be in the end, where that is another than it was.
        let mut changed: HashMap<String, bool> = HashMap::new();
        let mut next = Some(request);
        let mut taken = 0;
        while let Some(request) = next {
            if let Some((channel, added)) = self.note(request, waiting)
                && changed.remove(&channel).is_none()
            {
                changed.insert(channel, added);
            }
            taken += 1;
            next = if taken < TOGETHER_MAX { self.requests.try_recv().ok() } else { None };
        }
        let (added, removed): (Vec<_>, Vec<_>) = changed.into_iter().partition(|(_, added)| *added);
        let names = |changes: Vec<(String, bool)>| changes.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        if !added.is_empty() {
            self.within(sink.subscribe(names(added))).await?;
        }
        if !removed.is_empty() {
            self.within(sink.unsubscribe(names(removed))).await?;
        }
        succeed(waiting);
        Ok(())
    }

    /// `work`, but not longer than an answer may take.
    async fn within<T>(&self, work: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
        match timeout(self.setup.response_timeout, work).await {
            Ok(result) => result,
            Err(_) => Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
        }
    }
}

fn succeed(waiting: &mut Waiting) {
    for done in waiting.drain(..) {
        let _ = done.send(Ok(()));
    }
}

/// Tells those who wait what time does not heal; from the rest they are spared.
fn answer(waiting: &mut Waiting, error: &RedisError) {
    let lasting = !failure::explain(error, "watching", "").retryable();
    for done in waiting.drain(..) {
        let _ = done.send(if lasting { Err(error.clone()) } else { Ok(()) });
    }
}
