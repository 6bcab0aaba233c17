//! Watching files: what this process changes is known at once, what others change by looking.

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;

use super::Files;
use super::due::WAKE;
use crate::store::wakes::LocalWatch;
use crate::store::{Watch, Watched};

/// Looks at one file, which grows when what is watched changes.
#[derive(Debug)]
pub(super) struct FileWatch {
    local: LocalWatch,
    path: PathBuf,
    seen: Option<u64>,
    poll: Duration,
}

impl Files {
    pub(super) fn watch(&self, what: Watched) -> FileWatch {
        let path = match &what {
            Watched::Log(log) => self.log_path(log),
            Watched::Queue(queue) => self.queue_folder(queue).join(WAKE),
        };
        let local = self.wakes.watch(what);
        let seen = size(&path);
        FileWatch { local, path, seen, poll: self.options.poll.max(Duration::from_millis(1)) }
    }
}

/// A look takes microseconds on a local disk, less than handing it to another thread would.
fn size(path: &std::path::Path) -> Option<u64> {
    std::fs::metadata(path).ok().map(|metadata| metadata.len())
}

impl FileWatch {
    fn has_grown(&mut self) -> bool {
        let now = size(&self.path);
        std::mem::replace(&mut self.seen, now) != now
    }
}

#[async_trait]
impl Watch for FileWatch {
    async fn changed(&mut self, at_most: Duration) -> bool {
        let until = tokio::time::Instant::now() + at_most;
        loop {
            if self.has_grown() {
                return true;
            }
            let left = until.saturating_duration_since(tokio::time::Instant::now());
            if left.is_zero() {
                return false;
            }
            if tokio::time::timeout(left.min(self.poll), self.local.wait()).await.is_ok() {
                self.has_grown();
                return true;
            }
        }
    }
}
