//! Writing segments and decisions.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::list::{Listed, Segments};
use super::names::{DECISIONS, NUMBER_MAX, Segment, SegmentId, decision};
use super::read::{Decisions, SegmentPieces, list_decisions};
use super::shared::Shared;
use crate::chance::{Random as _, ThreadRandom, mix};
use crate::evolution::piece::{Content, Place, Reading};
use crate::evolution::remote::site::{Decide, Heard, Known, NotAll, Writer};
use crate::evolution::walk::Walker;
use crate::store::Error;
use crate::store::object::Created;
use crate::time::Timestamp;

/// How many bytes of lines are put together at most.
const SEGMENT_BYTES_MAX: usize = 8 << 20;

/// How hard segments are compressed: more costs much and gains little.
const LEVEL: i32 = 3;

/// How long a segment keeps its name while it cannot be put: then those who follow would no longer look for it.
const NAME_KEPT: Duration = Duration::from_secs(60);

/// How far back those who follow look, in microseconds: for the segments of writers that are slow, or whose clock is.
pub(super) const OVERLAP_US: i64 = 600_000_000;

/// How often all decisions are listed, to see whether earlier ones have changed.
const CHECK_EVERY: Duration = Duration::from_secs(60);

/// One writer, which nobody else is.
pub(super) struct BucketWriter {
    shared: Arc<Shared>,
    id: SegmentId,
    held: Held,
    /// What is being put, whatever became of earlier attempts.
    sealed: Option<Sealed>,
    written_bytes: u64,
    /// What others put that was handed on, if anybody wants to know: the time from which segments count, and those seen.
    calls: Option<Seen>,
    checked: Option<Instant>,
    /// Reading all decisions ended in an error, and some were handed on before.
    is_half_read: bool,
    walker: Walker,
}

/// Lines that wait.
#[derive(Default)]
struct Held {
    lines: Vec<u8>,
    count: u64,
    span: Option<(Timestamp, Timestamp)>,
}

/// A segment that is as it will be.
struct Sealed {
    segment: Segment,
    body: Bytes,
    bytes: u64,
    named: Instant,
}

/// Segments that were handed on.
#[derive(Default)]
struct Seen {
    begun: Option<Timestamp>,
    put: HashMap<SegmentId, Timestamp>,
}

impl Seen {
    /// Whether a segment is handed on already, or from before it was begun to hand on.
    fn has(&self, segment: &Segment) -> bool {
        self.put.contains_key(&segment.id) || self.begun.is_none_or(|begun| segment.put < begun)
    }
}

impl Held {
    /// Takes whole lines in, as long as there is room, and returns how many bytes that were.
    fn take(&mut self, lines: &[u8], now: Timestamp, walker: &mut Walker) -> usize {
        let mut taken = 0;
        while taken < lines.len() {
            let rest = &lines[taken..];
            let (length, at) = walker.time_of_line(rest);
            if !self.lines.is_empty() && self.lines.len() + length > SEGMENT_BYTES_MAX {
                break;
            }
            let at = at.unwrap_or(now);
            let (first, last) = self.span.unwrap_or((at, at));
            self.span = Some((first.min(at), last.max(at)));
            self.lines.extend_from_slice(&rest[..length]);
            self.count += 1;
            taken += length;
        }
        taken
    }
}

impl BucketWriter {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        BucketWriter {
            shared: shared.clone(),
            id: SegmentId { writer: ThreadRandom.bits(), number: 0 },
            held: Held::default(),
            sealed: None,
            written_bytes: 0,
            calls: None,
            checked: None,
            is_half_read: false,
            walker: Walker::default(),
        }
    }

    /// Puts all that is held.
    fn put(&mut self, now: Timestamp) -> Result<(), Error> {
        while self.sealed.is_some() || !self.held.lines.is_empty() {
            let mut sealed = match self.sealed.take() {
                Some(sealed) => sealed,
                None => self.seal(now)?,
            };
            let result = self.put_sealed(&mut sealed, now);
            if result.is_err() {
                self.sealed = Some(sealed);
                return result;
            }
            self.written_bytes += sealed.bytes;
        }
        Ok(())
    }

    fn seal(&mut self, now: Timestamp) -> Result<Sealed, Error> {
        let failed = |error| Error::unavailable("compressing a segment", error);
        let body = zstd::bulk::compress(&self.held.lines, LEVEL).map_err(failed)?.into();
        let (first, last) = self.held.span.unwrap_or((now, now));
        self.id.number += 1;
        let segment = Segment { put: now.max(last), first, last, id: self.id, lines: self.held.count };
        let bytes = self.held.lines.len() as u64;
        self.held.lines.clear();
        self.held.lines.shrink_to(SEGMENT_BYTES_MAX);
        (self.held.count, self.held.span) = (0, None);
        Ok(Sealed { segment, body, bytes, named: Instant::now() })
    }

    fn put_sealed(&self, sealed: &mut Sealed, now: Timestamp) -> Result<(), Error> {
        let bucket = self.shared.bucket();
        if sealed.named.elapsed() > NAME_KEPT {
            // Perhaps it is there, and only the answer was lost.
            let key = sealed.segment.key();
            let (bucket, known) = (bucket.clone(), key.clone());
            if self.shared.worker.run(async move { bucket.has(&known).await })? {
                return Ok(());
            }
            sealed.segment.put = now.max(sealed.segment.last);
            sealed.named = Instant::now();
        }
        let (key, body) = (sealed.segment.key(), sealed.body.clone());
        self.shared.worker.run(async move { bucket.put(&key, body).await })
    }

    /// Reads all decisions that there are.
    fn read_anew(&mut self, known: &mut Known, each: &mut dyn FnMut(Heard<'_>)) -> Result<(), Error> {
        let numbers = list_decisions(&self.shared)?;
        let state = state_of(&numbers);
        let last = numbers.last().map_or(0, |(number, _)| *number);
        let numbers = numbers.into_iter().filter(|(_, size)| *size > 0).collect();
        let mut decisions = Decisions::new(&self.shared, numbers);
        if std::mem::replace(&mut self.is_half_read, true) {
            each(Heard::Anew);
        }
        while let Some((_, content)) = decisions.next()? {
            hand_on(content, each)?;
        }
        self.is_half_read = false;
        *known = Known { last: Place(last, 0), state };
        self.checked = Some(Instant::now());
        Ok(())
    }

    /// Whether decisions are other than they were, apart from the next ones.
    fn has_changed(&self, known: &Known) -> Result<bool, Error> {
        let mut before = list_decisions(&self.shared)?;
        let behind = before.split_off(before.partition_point(|(number, _)| *number <= known.last.0));
        // Who asks for the next one only never hears of those behind a gap.
        let has_gap = behind.first().is_some_and(|(number, _)| *number != known.last.0 + 1);
        Ok(has_gap || state_of(&before) != known.state)
    }
}

/// A sum over the numbers and sizes of decisions.
fn state_of(numbers: &[(u64, u64)]) -> u64 {
    numbers.iter().fold(0, |state, (number, size)| state.wrapping_add(share_of(*number, *size)))
}

fn share_of(number: u64, size: u64) -> u64 {
    mix(mix(number).wrapping_add(size))
}

/// Hands on decisions as whole lines.
fn hand_on(content: Content, each: &mut dyn FnMut(Heard<'_>)) -> Result<(), Error> {
    let result = content.each_block(&mut |lines| each(Heard::Lines(lines)));
    result.map_err(|error| Error::unavailable("reading decisions", error))
}

impl Writer for BucketWriter {
    fn batch_bytes_max(&self) -> usize {
        1 << 20
    }

    fn append(&mut self, lines: &[u8], now: Timestamp) -> Result<(), NotAll> {
        let mut taken = 0;
        while taken < lines.len() {
            taken += self.held.take(&lines[taken..], now, &mut self.walker);
            if taken < lines.len() {
                self.put(now).map_err(|cause| NotAll { taken, cause })?;
            }
        }
        Ok(())
    }

    fn sync(&mut self, now: Timestamp) -> Result<(), Error> {
        self.put(now)
    }

    fn written_bytes(&self) -> u64 {
        self.written_bytes
    }

    fn held_lines(&self) -> u64 {
        self.held.count + self.sealed.as_ref().map_or(0, |sealed| sealed.segment.lines)
    }

    fn decide(&mut self, known: &Known, line: &str) -> Result<Decide, Error> {
        let number = known.last.0 + 1;
        if number > NUMBER_MAX {
            return Err(Error::corrupt(self.shared.name_of(DECISIONS), "somebody used up all numbers of decisions"));
        }
        let (store, key, body) = (self.shared.store.clone(), decision(number), Bytes::copy_from_slice(line.as_bytes()));
        let created = self.shared.worker.run(async move {
            // That objects can be created exclusively is tried out once for each bucket.
            store.prove().await?;
            store.bucket().create(&key, body).await
        })?;
        let size = line.len() as u64;
        let done = Known { last: Place(number, 0), state: known.state.wrapping_add(share_of(number, size)) };
        match created {
            Created::Done => Ok(Decide::Done(done)),
            // Perhaps by ourselves, and the answer was lost.
            Created::Exists => match self.shared.get_decision(number)? {
                Some(found) if found == line.as_bytes() => Ok(Decide::Done(done)),
                _ => Ok(Decide::Moved),
            },
        }
    }

    fn decisions(&mut self, known: &mut Known, each: &mut dyn FnMut(Heard<'_>)) -> Result<(), Error> {
        if self.checked.is_none() {
            return self.read_anew(known, each);
        }
        if self.checked.is_some_and(|checked| checked.elapsed() >= CHECK_EVERY) {
            if self.has_changed(known)? {
                each(Heard::Anew);
                return self.read_anew(known, each);
            }
            self.checked = Some(Instant::now());
        }
        loop {
            let number = known.last.0 + 1;
            match self.shared.get_decision(number)? {
                None => return Ok(()),
                // It was cleaned, and others with it.
                Some(empty) if empty.is_empty() => {
                    each(Heard::Anew);
                    return self.read_anew(known, each);
                }
                Some(lines) => {
                    known.last = Place(number, 0);
                    known.state = known.state.wrapping_add(share_of(number, lines.len() as u64));
                    hand_on(Content::Whole(lines), each)?;
                }
            }
        }
    }

    fn calls(&mut self, now: Timestamp, each: &mut dyn FnMut(&[u8])) -> Result<(), Error> {
        let Some(seen) = &mut self.calls else { return Ok(()) };
        let from = now.offset_micros(-OVERLAP_US);
        seen.put.retain(|_, put| *put >= from.offset_micros(-OVERLAP_US));
        let segments = Segments::from(&self.shared, from, now).not_of(self.id.writer);
        let mut pieces = SegmentPieces::new(&self.shared, segments.without(seen.put.keys().copied()), false);
        while let Some((listed, content)) = pieces.next_segment()? {
            seen.put.insert(listed.segment.id, listed.segment.put);
            let result = content.each_block(&mut |lines| each(lines));
            result.map_err(|error| Error::unavailable("reading a segment", error))?;
        }
        Ok(())
    }

    fn history(&mut self, since: Option<Timestamp>, now: Timestamp, each: &mut dyn FnMut(&[u8])) -> Result<(), Error> {
        let begins = self.calls.is_none();
        let seen = self.calls.get_or_insert_with(Seen::default);
        let from = now.offset_micros(-2 * OVERLAP_US);
        if begins {
            seen.begun = Some(from);
            // Those that are left out below are none that come later, either.
            let mut recent = Segments::from(&self.shared, from, now);
            while let Some(Listed { segment, .. }) = recent.next()? {
                seen.put.insert(segment.id, segment.put);
            }
        }
        let segments = Segments::new(&self.shared, &Reading { since, ..Reading::default() })?;
        let mut pieces = SegmentPieces::new(&self.shared, segments, false);
        while let Some((listed, content)) = pieces.next_segment()? {
            let segment = &listed.segment;
            if begins {
                seen.put.insert(segment.id, segment.put);
            } else if segment.id.writer != self.id.writer && !seen.has(segment) {
                // It comes with the next look, for all.
                continue;
            }
            let result = content.each_block(&mut |lines| each(lines));
            result.map_err(|error| Error::unavailable("reading a segment", error))?;
        }
        seen.put.retain(|_, put| *put >= from);
        Ok(())
    }

    fn forget_calls(&mut self) {
        self.calls = None;
    }
}
