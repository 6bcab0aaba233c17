//! Following segments and decisions, by listing them again from time to time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use super::list::Segments;
use super::names::{Segment, SegmentId, decision, number_of};
use super::read::{SegmentPieces, list_decisions};
use super::shared::Shared;
use super::write::OVERLAP_US;
use crate::evolution::piece::{Content, Origin, Piece};
use crate::evolution::remote::site::Follower;
use crate::store::Error;
use crate::time::Timestamp;

/// Gives out what comes.
pub(super) struct BucketFollower {
    shared: Arc<Shared>,
    /// Segments that are not given out any more: those that were there at the start, and those that were given out.
    seen: HashMap<SegmentId, Timestamp>,
    /// Those that were there at the start, and up to when they were put that are not known by name.
    at_start: HashMap<SegmentId, Timestamp>,
    start: Timestamp,
    first_decision: u64,
    last_decision: u64,
    looked: Instant,
}

impl BucketFollower {
    pub(super) fn begin(shared: &Arc<Shared>, now: Timestamp) -> Result<Self, Error> {
        let start = now.offset_micros(-OVERLAP_US);
        let mut segments = Segments::from(shared, start, now);
        let mut seen = HashMap::new();
        while let Some(listed) = segments.next()? {
            seen.insert(listed.segment.id, listed.segment.put);
        }
        let last_decision = list_decisions(shared)?.last().map_or(0, |(number, _)| *number);
        Ok(BucketFollower {
            shared: shared.clone(),
            at_start: seen.clone(),
            seen,
            start,
            first_decision: last_decision,
            last_decision,
            looked: Instant::now(),
        })
    }

    fn poll_segments(&mut self, now: Timestamp, each: &mut dyn FnMut(Piece)) -> Result<(), Error> {
        let from = now.offset_micros(-OVERLAP_US).max(self.start);
        self.seen.retain(|_, put| *put >= from.offset_micros(-OVERLAP_US));
        let segments = Segments::from(&self.shared, from, now).without(self.seen.keys().copied());
        let mut pieces = SegmentPieces::new(&self.shared, segments, false);
        while let Some((listed, content)) = pieces.next_segment()? {
            self.seen.insert(listed.segment.id, listed.segment.put);
            let origin = Arc::new(Origin::object(&self.shared.name_of(&listed.key)));
            each(Piece { content, offset: 0, origin, stored_bytes: listed.size });
        }
        Ok(())
    }

    fn poll_decisions(&mut self, each: &mut dyn FnMut(Piece)) -> Result<(), Error> {
        loop {
            // To ask for one that is not there costs less than a list.
            let number = self.last_decision + 1;
            let content = match self.shared.get_decision(number)? {
                Some(bytes) => Content::Whole(bytes),
                None => return Ok(()),
            };
            self.last_decision = number;
            let origin = Arc::new(Origin::object(&self.shared.name_of(&decision(number))));
            each(Piece { content, offset: 0, origin, stored_bytes: 0 });
        }
    }
}

impl Follower for BucketFollower {
    fn poll(&mut self, now: Timestamp, each: &mut dyn FnMut(Piece)) -> Result<(), Error> {
        if self.looked.elapsed() < self.shared.poll_every {
            return Ok(());
        }
        self.poll_segments(now, each)?;
        self.poll_decisions(each)?;
        self.looked = Instant::now();
        Ok(())
    }

    fn poll_now(&mut self, now: Timestamp, each: &mut dyn FnMut(Piece)) -> Result<(), Error> {
        self.poll_segments(now, each)?;
        self.poll_decisions(each)
    }

    fn gives_out(&self, part: &str) -> bool {
        let root = self.shared.name_of("");
        let Some(key) = part.strip_prefix(root.as_str()) else { return false };
        match (Segment::parse(key), number_of(key)) {
            (Some(segment), _) => segment.put >= self.start && !self.at_start.contains_key(&segment.id),
            (None, Some(number)) => number > self.first_decision,
            (None, None) => false,
        }
    }
}
