//! Reading a stream: the next page is on its way while one is looked at.

use std::sync::Arc;

use super::page::{Page, Range};
use super::shared::Shared;
use crate::evolution::piece::{Piece, Pieces, Place, Readable, Reading};
use crate::evolution::remote::worker::{Pending, gone};
use crate::evolution::source::first_time_in;
use crate::store::Error;
use crate::time::Timestamp;

/// How far the clocks of those who write may be from the server's, in milliseconds, for `--since` to be right: a day. Entries
/// are dated by the server, events by their writers.
const SKEW_MS: u64 = 86_400_000;

/// One of the two streams.
pub(super) struct RedisLog {
    shared: Arc<Shared>,
    key: String,
    name: String,
    first_time: Option<Timestamp>,
}

impl RedisLog {
    pub(super) fn open(shared: &Arc<Shared>, key: String) -> Result<Self, Error> {
        let first = shared.page(&key, Range { count: 1, ..Range::from(Place::default()) }, None)?;
        let name = shared.name_of(&key);
        Ok(RedisLog { shared: shared.clone(), key, name, first_time: first_time_in(&first.text) })
    }
}

impl Readable for RedisLog {
    fn name(&self) -> &str {
        &self.name
    }

    fn first_time(&self) -> Option<Timestamp> {
        self.first_time
    }

    fn read(&self, reading: &Reading) -> Result<Box<dyn Pieces>, Error> {
        // What comes while it is read is not read any more, or it might never end.
        let to = self.shared.end_of(&self.key)?;
        let (from, backwards) = (first_since(reading.since), reading.backwards);
        Ok(Box::new(RedisPieces::new(&self.shared, &self.key, Range { backwards, to, ..Range::from(from) })))
    }
}

/// The first entry that may have an event of this time or later.
pub(super) fn first_since(since: Option<Timestamp>) -> Place {
    let ms = since.and_then(|since| u64::try_from(since.micros() / 1_000).ok()).unwrap_or(0);
    Place(ms.saturating_sub(SKEW_MS), 0)
}

/// The rest of a stream.
pub(super) struct RedisPieces {
    shared: Arc<Shared>,
    key: String,
    name: String,
    /// What was asked for last, and its answer that is on its way.
    next: Option<(Range, Pending<Result<Page, Error>>)>,
}

impl RedisPieces {
    pub(super) fn new(shared: &Arc<Shared>, key: &str, range: Range) -> Self {
        let next = Some((range, shared.begin_page(key, range, None)));
        RedisPieces { shared: shared.clone(), key: key.to_owned(), name: shared.name_of(key), next }
    }

    pub(super) fn next_page(&mut self) -> Result<Option<Page>, Error> {
        let Some((range, answer)) = self.next.take() else { return Ok(None) };
        let page = answer.wait().ok_or_else(gone)??;
        if let Some(rest) = range.behind(&page) {
            self.next = Some((rest, self.shared.begin_page(&self.key, rest, None)));
        }
        Ok((page.count > 0).then_some(page))
    }
}

impl Pieces for RedisPieces {
    fn next(&mut self) -> Result<Option<Piece>, Error> {
        Ok(self.next_page()?.map(|page| page.into_piece(&self.name)))
    }
}
