//! Watching: object stores push nothing, so it is looked now and then, for as little as that can cost.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::Shared;
use super::layout::commit_key;
use crate::store::wakes::LocalWatch;
use crate::store::{Error, Name, Queue, Watch, Watched};

/// Notices at once what this process changes, and what others change when it looks.
pub(super) struct BucketWatch {
    shared: Arc<Shared>,
    local: LocalWatch,
    what: Watched,
    /// The line of the log that was known when it was looked last.
    seen: Option<u64>,
    /// The entries of the queue that were there when it was looked last.
    entries: HashSet<String>,
    next_look: Instant,
}

impl fmt::Debug for BucketWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BucketWatch({:?})", self.what)
    }
}

impl BucketWatch {
    /// Begins to watch. A log of which nothing is known, and a queue, are taken for empty, so the first look may wake for
    /// what was there before: that costs a look, and to know better would cost a request.
    pub(super) fn new(shared: Arc<Shared>, what: Watched) -> Self {
        let local = shared.wakes.watch(what.clone());
        let seen = match &what {
            Watched::Log(log) => shared.memory.of(log).end.map(|end| end.number()),
            Watched::Queue(_) => None,
        };
        let next_look = Instant::now() + shared.options.poll_every;
        BucketWatch { shared, local, what, seen, entries: HashSet::new(), next_look }
    }

    /// Looks whether others have changed something.
    async fn look(&mut self) -> Result<bool, Error> {
        match self.what.clone() {
            Watched::Log(log) => self.look_at_log(&log).await,
            Watched::Queue(queue) => self.look_at_queue(&queue).await,
        }
    }

    /// Whether there is an append behind the last one that is known: one question for an object, the cheapest there is.
    async fn look_at_log(&mut self, log: &Name) -> Result<bool, Error> {
        let known = self.shared.memory.of(log).end;
        let number = known.map_or(0, |known| known.number());
        if number > self.seen.unwrap_or(0) {
            // Somebody has read or written here meanwhile, perhaps whoever waits.
            self.seen = Some(number);
        }
        if known.is_some_and(|known| known.end.sealed) {
            return Ok(false);
        }
        let seen = self.seen.unwrap_or(0);
        if !self.shared.bucket.has(&commit_key(log, seen + 1)).await? {
            return Ok(false);
        }
        // The next look is behind what there is now, whether or not it is read.
        self.seen = self.shared.find_end(log, known).await?.map(|end| end.number());
        Ok(true)
    }

    /// Whether the first page of the queue has an entry that it did not have.
    async fn look_at_queue(&mut self, queue: &Queue) -> Result<bool, Error> {
        let now: HashSet<String> = self.shared.first_entries(queue).await?.into_iter().collect();
        let is_new = now.iter().any(|entry| !self.entries.contains(entry));
        self.entries = now;
        Ok(is_new)
    }
}

#[async_trait]
impl Watch for BucketWatch {
    async fn changed(&mut self, at_most: Duration) -> bool {
        let end = Instant::now() + at_most;
        loop {
            let until = self.next_look.min(end);
            if tokio::time::timeout_at(until, self.local.wait()).await.is_ok() {
                return true;
            }
            if Instant::now() >= self.next_look {
                self.next_look = Instant::now() + self.shared.options.poll_every;
                // Not to be able to look is not a change; whoever waits looks for themselves after their bound.
                let look = tokio::time::timeout_at(end.max(Instant::now() + LOOK_AT_LEAST), self.look()).await;
                if matches!(look, Ok(Ok(true))) {
                    return true;
                }
            }
            if Instant::now() >= end {
                return false;
            }
        }
    }
}

/// A look may take this long, even if the wait is over then.
const LOOK_AT_LEAST: Duration = Duration::from_secs(1);
