//! The last events of a log that is read piece by piece from its end, each piece from its front.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use super::piece::Origin;
use crate::time::Timestamp;

/// Events of more pieces than this many are sorted in one go.
const UNSORTED_MAX: usize = 1_000;

/// An event that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its own text, a JSON object; of one of more than 4 MiB the beginnings of its members.
    pub text: String,
    /// The text is not all of it.
    pub cut: bool,
    /// When it happened.
    pub at: Option<Timestamp>,
    /// The place of its log among the sources.
    pub log: usize,
    /// The entry or the object that it is in, if the log is not a file; lines and bytes are counted there.
    pub part: Option<String>,
    /// Where its line begins in the log, in bytes.
    pub offset: u64,
    /// Its line number from 1, where known.
    pub line: Option<u64>,
}

/// Events that were found, in order.
#[derive(Default)]
pub(super) struct Fits {
    pub(super) exact: VecDeque<Found>,
    pub(super) partial: VecDeque<Found>,
}

/// Collects the last events: in the order of the log or, where pieces overlap in time, by time.
pub(super) struct Latest {
    count: usize,
    by_time: bool,
    /// Of the piece that is being read.
    piece: Fits,
    exact: Side,
    partial: Side,
}

#[derive(Default)]
struct Side {
    /// With the time that stands for them; those of a piece never go back. The last pieces come first, where events are in
    /// the order of the log.
    events: VecDeque<(Timestamp, Found)>,
    /// There are enough, and these are not earlier.
    earliest: Option<Timestamp>,
}

impl Latest {
    pub(super) fn new(count: usize, by_time: bool) -> Self {
        Latest { count, by_time, piece: Fits::default(), exact: Side::default(), partial: Side::default() }
    }

    /// Takes in what a block of a piece has; `last` if it is the piece's last one. Breaks when there is enough.
    pub(super) fn take(&mut self, origin: &Origin, lines_before: u64, part: Fits, last: bool) -> ControlFlow<()> {
        for (list, found) in [(&mut self.piece.exact, part.exact), (&mut self.piece.partial, part.partial)] {
            list.extend(found.into_iter().map(|event| locate(event, origin, lines_before)));
            let surplus = list.len().saturating_sub(self.count);
            list.drain(..surplus);
        }
        if !last {
            return ControlFlow::Continue(());
        }
        let piece = std::mem::take(&mut self.piece);
        if self.by_time {
            self.exact.merge_by_time(piece.exact, self.count);
            self.partial.merge_by_time(piece.partial, self.count);
        } else {
            self.exact.put_in_front(piece.exact, self.count);
            self.partial.put_in_front(piece.partial, self.count);
        }
        if self.is_enough(origin) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Whether nothing in this piece, or in those to come, can be among the last.
    fn is_enough(&self, origin: &Origin) -> bool {
        match (self.by_time, self.exact.earliest, origin.latest()) {
            (false, ..) => self.exact.events.len() >= self.count,
            (true, Some(earliest), Some(latest)) => latest < earliest,
            (true, ..) => false,
        }
    }

    pub(super) fn finish(mut self) -> Fits {
        if self.by_time {
            self.exact.sort(self.count);
            self.partial.sort(self.count);
        }
        let events = |side: Side| side.events.into_iter().map(|(_, event)| event).collect();
        Fits { exact: events(self.exact), partial: events(self.partial) }
    }
}

impl Side {
    fn put_in_front(&mut self, found: VecDeque<Found>, count: usize) {
        let room = count.saturating_sub(self.events.len());
        found.into_iter().rev().take(room).for_each(|event| self.events.push_front((Timestamp::MIN, event)));
    }

    fn merge_by_time(&mut self, found: VecDeque<Found>, count: usize) {
        let mut latest = Timestamp::MIN;
        let timed = found.into_iter().map(|event| {
            latest = event.at.map_or(latest, |at| at.max(latest));
            (latest, event)
        });
        // What comes in front in the log stays in front among those of one time.
        timed.collect::<Vec<_>>().into_iter().rev().for_each(|event| self.events.push_front(event));
        let surplus = self.events.len().saturating_sub(count);
        if self.events.len() >= count && (count <= UNSORTED_MAX || surplus >= count) {
            self.sort(count);
            self.earliest = self.events.front().map(|(at, _)| *at);
        }
    }

    fn sort(&mut self, count: usize) {
        self.events.make_contiguous().sort_by_key(|(at, _)| *at);
        let surplus = self.events.len().saturating_sub(count);
        self.events.drain(..surplus);
    }
}

/// Says where an event stands, which knows its place in its block only.
fn locate(event: Found, origin: &Origin, lines_before: u64) -> Found {
    let line = event.line.map_or(0, |line| line.saturating_sub(1));
    let spot = origin.spot(lines_before + line, event.offset);
    Found { part: Some(spot.part), line: spot.line, offset: spot.offset, ..event }
}
