//! Forgetting: the objects of a sealed log are made empty, and stay, so that their numbers stay taken.

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};

use super::Shared;
use super::layout::{commit_key, fold_key};
use crate::store::memory::not_sealed;
use crate::store::{Error, Name};

/// Objects that are written at the same time.
const WRITES_AT_ONCE: usize = 16;

impl Shared {
    /// Makes all objects of a sealed log empty but the last. From the moment at which the first is empty, the log reads as
    /// forgotten; whoever dies on the way can do it again.
    pub(super) async fn forget(&self, log: &Name) -> Result<(), Error> {
        let Some(end) = self.find_end(log, self.memory.of(log).end).await?.filter(|end| end.end.sealed) else {
            return Err(not_sealed(log));
        };
        self.remove_folds(log).await?;
        let mut next = None;
        loop {
            // Behind line 0: only appends, and all of them.
            let page = self.log_page(log, Some(0), next).await?;
            let mut full = page.commits.iter().filter(|commit| commit.bytes > 0 && commit.first < end.first);
            if let Some(first) = full.next() {
                self.bucket.put(&commit_key(log, first.first), Bytes::new()).await?;
            }
            let keys: Vec<String> = full.map(|commit| commit_key(log, commit.first)).collect();
            let mut writes = stream::iter(keys)
                .map(|key| async move { self.bucket.put(&key, Bytes::new()).await })
                .buffer_unordered(WRITES_AT_ONCE);
            while let Some(written) = writes.next().await {
                written?;
            }
            next = page.next;
            if next.is_none() {
                break;
            }
        }
        // A reader may have made one meanwhile.
        self.remove_folds(log).await
    }

    async fn remove_folds(&self, log: &Name) -> Result<(), Error> {
        for fold in self.folds(log).await? {
            self.bucket.delete(&fold_key(log, fold.from, fold.to)).await?;
        }
        self.memory.unfold(log);
        Ok(())
    }
}
