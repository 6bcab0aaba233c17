//! Folds: copies of many appends in one object, so that a log that was written in small pieces is read in large ones.
//!
//! A fold is made of what a reader has in hand anyway, so it costs one write; writers make none, as they would have to read
//! for it. It says in its key which lines it holds. It is only a copy: it is checked like any object, and where it is gone or
//! damaged, the appends are read. It never holds the last append of a log, which therefore can always be found in a list
//! from behind the folds.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;

use super::Shared;
use super::bucket::{Created, Query};
use super::ends::FOLDS_MAX;
use super::layout::{Fold, Member, fold_key, log_start, member};
use super::read::{Piece, Span};
use crate::store::{Error, Name};

/// A fold replaces at least so many objects.
const PIECES_MIN: usize = 64;

/// Longest fold: a reader that wants less gets it whole, and keeps what it did not need.
const FOLD_BYTES_MAX: usize = 1 << 20;

impl Shared {
    /// All folds of a log, as far as they matter.
    pub(super) async fn folds(&self, log: &Name) -> Result<Vec<Fold>, Error> {
        let start = log_start(log);
        let query = Query { start: format!("{start}-"), ..Query::default() };
        let (mut folds, mut next) = (Vec::new(), None);
        loop {
            let page = self.bucket.list(&query, next).await?;
            let members = page.objects.iter().filter_map(|(key, bytes)| member(key.strip_prefix(&start)?, *bytes));
            folds.extend(members.filter_map(|member| if let Member::Fold(fold) = member { Some(fold) } else { None }));
            next = page.next;
            if next.is_none() || folds.len() >= FOLDS_MAX {
                return Ok(folds);
            }
        }
    }

    /// Folds what a page was read from, if that was many objects and this handle writes to the store. `folds` are those that
    /// there are.
    pub(super) async fn fold(&self, log: &Name, page: &Bytes, spans: &[Span], mut folds: Vec<Fold>) {
        if spans.len() < PIECES_MIN || !self.is_proven() {
            return;
        }
        for group in groups(spans) {
            let start = page_offset(spans, group.start);
            let (from, to, end) = (spans[group.start].from, spans[group.end - 1].to, spans[group.end - 1].end);
            let text = page.slice(start..end);
            let fold = Fold { from, to, bytes: text.len() as u64 };
            // It is only a copy: that it could not be made harms nobody.
            match self.bucket.create(&fold_key(log, from, to), text).await {
                Ok(Created::Done) => {}
                Ok(Created::Exists) => continue,
                Err(_) => return,
            }
            let replaced: HashSet<Fold> = spans[group]
                .iter()
                .filter_map(|span| if let Piece::Fold(fold) = span.piece { Some(fold) } else { None })
                .collect();
            for old in &replaced {
                let _ = self.bucket.delete(&fold_key(log, old.from, old.to)).await;
            }
            folds.retain(|fold| !replaced.contains(fold));
            folds.push(fold);
            self.memory.folded(log, folds.clone().into());
        }
    }

    /// The fold, if it is the one that was read last and not used up.
    pub(super) fn fold_in_hand(&self, log: &Name, fold: Fold) -> Option<Bytes> {
        let hand = self.hand.lock();
        hand.as_ref().filter(|hand| hand.fold == fold && hand.log == *log).map(|hand| hand.text.clone())
    }

    pub(super) fn keep_in_hand(&self, log: &Name, fold: Fold, text: Bytes) {
        let in_hand = InHand { log: log.clone(), fold, text };
        *self.hand.lock() = Some(Arc::new(in_hand));
    }
}

/// A fold that a page was taken from, for the next page.
#[derive(Debug)]
pub(super) struct InHand {
    log: Name,
    fold: Fold,
    text: Bytes,
}

fn page_offset(spans: &[Span], index: usize) -> usize {
    index.checked_sub(1).map_or(0, |before| spans[before].end)
}

/// Runs of whole objects that are worth a fold: many, and not too long together.
fn groups(spans: &[Span]) -> Vec<std::ops::Range<usize>> {
    let mut groups = Vec::new();
    let mut start = 0;
    while start < spans.len() {
        let offset = page_offset(spans, start);
        let fits = |span: &&Span| span.whole && span.end - offset <= FOLD_BYTES_MAX;
        let length = spans[start..].iter().take_while(fits).count();
        if length >= PIECES_MIN {
            groups.push(start..start + length);
        }
        start += length.max(1);
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::object::layout::Commit;

    fn spans(sizes: &[usize]) -> Vec<Span> {
        let mut end = 0;
        let one = |(at, size): (usize, &usize)| {
            end += size;
            let first = at as u64 + 1;
            let piece = Piece::Commit(Commit { first, bytes: *size as u64 });
            Span { piece, from: first, to: first, end, whole: true }
        };
        sizes.iter().enumerate().map(one).collect()
    }

    /// From which object to which the folds of these are.
    fn folded(spans: &[Span]) -> Vec<(usize, usize)> {
        groups(spans).into_iter().map(|group| (group.start, group.end)).collect()
    }

    #[test]
    fn many_small_objects_are_folded_and_few_or_large_ones_are_not() {
        assert_eq!(folded(&spans(&[100; 63])), []);
        assert_eq!(folded(&spans(&[100; 64])), [(0, 64)]);
        assert_eq!(folded(&spans(&[100_000; 200])), [], "ten fill a fold");
        assert_eq!(folded(&spans(&[10_000; 250])), [(0, 104), (104, 208)]);
        let mut mixed = vec![100; 70];
        mixed.push(2 << 20);
        mixed.extend([100; 70]);
        assert_eq!(folded(&spans(&mixed)), [(0, 70), (71, 141)]);
        let mut cut = spans(&[100; 130]);
        cut[0].whole = false;
        assert_eq!(folded(&cut), [(1, 130)]);
    }
}
