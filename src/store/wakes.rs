//! Wake-ups within one process.

use std::fmt;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;

use super::{Batch, Op, Watch, Watched};

/// How many counters there are. Two subjects that share one wake each other, which costs a look and nothing else.
const COUNTERS: usize = 1024;

/// Counts the changes of logs and queues, and wakes who waits for them.
#[derive(Clone)]
pub(crate) struct Wakes {
    shared: Arc<Shared>,
}

struct Shared {
    hasher: foldhash::fast::FixedState,
    counters: [AtomicU64; COUNTERS],
    changes: watch::Sender<()>,
}

impl fmt::Debug for Wakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wakes")
    }
}

impl Default for Wakes {
    fn default() -> Self {
        let counters = [const { AtomicU64::new(0) }; COUNTERS];
        let shared =
            Shared { hasher: foldhash::fast::FixedState::default(), counters, changes: watch::Sender::new(()) };
        Wakes { shared: Arc::new(shared) }
    }
}

impl Wakes {
    fn counter(&self, what: &Watched) -> &AtomicU64 {
        &self.shared.counters[self.shared.hasher.hash_one(what) as usize % COUNTERS]
    }

    /// Something has changed there.
    pub(crate) fn wake(&self, what: &Watched) {
        self.counter(what).fetch_add(1, Ordering::AcqRel);
        self.shared.changes.send_replace(());
    }

    /// All that a batch changes has changed.
    pub(crate) fn announce(&self, batch: &Batch) {
        // Nobody watches. Who begins to just now reads what is there afterwards.
        if self.shared.changes.receiver_count() == 0 {
            return;
        }
        for op in batch.ops() {
            match op {
                Op::Append(append) => self.wake(&Watched::Log(append.log.clone())),
                Op::PutDue(due) => self.wake(&Watched::Queue(due.queue.clone())),
                Op::DropDue(_) => {}
            }
        }
    }

    /// Watches `what` from now on.
    pub(crate) fn watch(&self, what: Watched) -> LocalWatch {
        let seen = self.counter(&what).load(Ordering::Acquire);
        LocalWatch { wakes: self.clone(), changes: self.shared.changes.subscribe(), what, seen }
    }
}

/// Notices what this process changes.
#[derive(Debug)]
pub(crate) struct LocalWatch {
    wakes: Wakes,
    changes: watch::Receiver<()>,
    what: Watched,
    seen: u64,
}

impl LocalWatch {
    /// Waits for a change, without a bound.
    pub(crate) async fn wait(&mut self) {
        loop {
            self.changes.mark_unchanged();
            let now = self.wakes.counter(&self.what).load(Ordering::Acquire);
            if now != self.seen {
                self.seen = now;
                return;
            }
            // The sender lives as long as `wakes`.
            let _ = self.changes.changed().await;
        }
    }
}

#[async_trait]
impl Watch for LocalWatch {
    async fn changed(&mut self, at_most: Duration) -> bool {
        tokio::time::timeout(at_most, self.wait()).await.is_ok()
    }
}
