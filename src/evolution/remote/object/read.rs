//! Reading segments and decisions: many objects are on their way while one is looked at.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::sync::Arc;

use bytes::{Buf as _, Bytes};

use super::super::worker::gone;
use super::super::{Content, Log, Origin, Piece, Pieces, Reading, io_error};
use super::Shared;
use super::fetch::{AT_ONCE, Fetching, FetchingPart, WHOLE_BYTES_MAX};
use super::list::{Listed, Segments, list};
use super::names::{DECISIONS, decision, number_of};
use crate::store::Error;
use crate::store::object::{EVOLUTION, Query};
use crate::time::Timestamp;

/// How much of a large object is fetched at a time, in bytes.
const RANGE_BYTES: u64 = 8 << 20;

/// Why an object between segments is not read.
const NO_SEGMENT: &str = "it is not called as a segment is: it is not read";

/// How many objects are fetched ahead at first, when the last ones may be enough.
const AHEAD_FIRST: usize = 2;

/// Longest decision that is read, in bytes.
const DECISION_BYTES_MAX: u64 = 1 << 20;

/// All segments.
pub(super) struct SegmentLog {
    shared: Arc<Shared>,
    name: String,
    first_time: Option<Timestamp>,
}

impl SegmentLog {
    /// The segments, if there are any.
    pub(super) fn find(shared: &Arc<Shared>) -> Result<Option<Self>, Error> {
        let first = Segments::new(shared, &Reading::default())?.next()?;
        let name = shared.name_of(EVOLUTION);
        Ok(first.map(|first| SegmentLog { shared: shared.clone(), name, first_time: Some(first.segment.first) }))
    }
}

impl Log for SegmentLog {
    fn name(&self) -> &str {
        &self.name
    }

    fn first_time(&self) -> Option<Timestamp> {
        self.first_time
    }

    fn overlaps(&self) -> bool {
        true
    }

    fn read(&self, reading: &Reading) -> Result<Box<dyn Pieces>, Error> {
        let segments = Segments::new(&self.shared, reading)?;
        Ok(Box::new(SegmentPieces::new(&self.shared, segments, reading.backwards)))
    }
}

/// Segments on their way.
pub(super) struct SegmentPieces {
    shared: Arc<Shared>,
    segments: Segments,
    ahead: usize,
    coming: VecDeque<(Listed, Option<Fetching>)>,
    /// Objects that are told of as being none of them, behind all others.
    strays: VecDeque<String>,
}

impl SegmentPieces {
    pub(super) fn new(shared: &Arc<Shared>, segments: Segments, may_end_soon: bool) -> Self {
        let ahead = if may_end_soon { AHEAD_FIRST } else { AT_ONCE };
        SegmentPieces { shared: shared.clone(), segments, ahead, coming: VecDeque::new(), strays: VecDeque::new() }
    }

    /// Segments that were found a second time.
    pub(super) fn copies(self) -> impl Iterator<Item = Listed> {
        self.segments.into_copies()
    }

    /// The next segment and what it holds.
    pub(super) fn next_segment(&mut self) -> Result<Option<(Listed, Content)>, Error> {
        while self.coming.len() < self.ahead {
            let Some(listed) = self.segments.next()? else { break };
            let is_small = listed.size <= WHOLE_BYTES_MAX;
            let fetching = is_small.then(|| self.shared.begin_fetch(&listed.key, listed.size));
            self.coming.push_back((listed, fetching));
        }
        self.ahead = (self.ahead * 2).min(AT_ONCE);
        let Some((listed, fetching)) = self.coming.pop_front() else { return Ok(None) };
        let content = match fetching {
            Some(fetching) => whole(fetching)?,
            None => Content::Stream(Box::new(ObjectReader::new(&self.shared, &listed.key, listed.size)), listed.size),
        };
        Ok(Some((listed, content)))
    }
}

impl Pieces for SegmentPieces {
    fn next(&mut self) -> Result<Option<Piece>, Error> {
        let Some((listed, content)) = self.next_segment()? else {
            self.strays.extend(self.segments.take_strays());
            return Ok(self.strays.pop_front().map(|key| lost(&self.shared, &key, NO_SEGMENT)));
        };
        let origin = Origin::object(&self.shared.name_of(&listed.key)).until(listed.segment.put);
        Ok(Some(Piece { content, offset: 0, origin: Arc::new(origin), stored_bytes: listed.size }))
    }
}

/// What stands for an object that cannot be read.
pub(super) fn lost(shared: &Shared, key: &str, problem: &str) -> Piece {
    let origin = Arc::new(Origin::object(&shared.name_of(key)));
    Piece { content: Content::Lost(problem.to_owned()), offset: 0, origin, stored_bytes: 0 }
}

/// What an object that was begun to be fetched holds.
pub(super) fn whole(fetching: Fetching) -> Result<Content, Error> {
    match fetching.wait().ok_or_else(gone)? {
        Ok(Some(fetched)) => Ok(Content::Whole(fetched.bytes)),
        Ok(None) => Ok(Content::Lost("it is gone: it was removed since it was listed".into())),
        Err(Error::Corrupt { problem, .. }) => Ok(Content::Lost(problem)),
        Err(error) => Err(error),
    }
}

/// Reads a large object from its front, once it is begun to be read: then the next part is on its way meanwhile.
pub(super) struct ObjectReader {
    shared: Arc<Shared>,
    key: String,
    size: u64,
    /// Up to where parts were asked for.
    asked: u64,
    /// The next part and how long it is to be.
    coming: Option<(FetchingPart, u64)>,
    part: Bytes,
}

impl ObjectReader {
    pub(super) fn new(shared: &Arc<Shared>, key: &str, size: u64) -> Self {
        ObjectReader { shared: shared.clone(), key: key.to_owned(), size, asked: 0, coming: None, part: Bytes::new() }
    }

    /// Asks for the next part, if there is one.
    fn ask(&mut self) {
        let end = (self.asked + RANGE_BYTES).min(self.size);
        let (range, length) = (self.asked..end, end - self.asked);
        self.coming = (length > 0).then(|| (self.shared.begin_fetch_range(&self.key, range), length));
        self.asked = end;
    }
}

impl Read for ObjectReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.part.is_empty() {
            if self.asked == 0 {
                self.ask();
            }
            let Some((coming, length)) = self.coming.take() else { return Ok(0) };
            self.ask();
            let part = coming.wait().ok_or_else(|| io_error(gone()))?.map_err(io_error)?;
            self.part = part.ok_or_else(|| io::Error::other("it is gone: it was removed while it was read"))?;
            if self.part.len() as u64 != length {
                return Err(io::Error::other("it became shorter while it was read"));
            }
        }
        let count = self.part.len().min(buffer.len());
        self.part.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}

/// All decisions.
pub(super) struct DecisionLog {
    shared: Arc<Shared>,
    name: String,
}

impl DecisionLog {
    /// The decisions, if there are any.
    pub(super) fn find(shared: &Arc<Shared>) -> Result<Option<Self>, Error> {
        let name = shared.name_of(DECISIONS);
        Ok(shared.has_any(DECISIONS)?.then(|| DecisionLog { shared: shared.clone(), name }))
    }
}

impl Log for DecisionLog {
    fn name(&self) -> &str {
        &self.name
    }

    fn read(&self, reading: &Reading) -> Result<Box<dyn Pieces>, Error> {
        let mut numbers = list_decisions(&self.shared)?;
        // Those that were cleaned are empty.
        numbers.retain(|(_, size)| *size > 0);
        if reading.backwards {
            numbers.reverse();
        }
        Ok(Box::new(DecisionPieces { decisions: Decisions::new(&self.shared, numbers) }))
    }
}

/// The numbers of all decisions and their sizes, in order.
pub(super) fn list_decisions(shared: &Shared) -> Result<Vec<(u64, u64)>, Error> {
    let query = Query { start: DECISIONS.to_owned(), ..Query::default() };
    let (mut numbers, mut next) = (Vec::new(), None);
    loop {
        let page = list(shared, query.clone(), next)?;
        numbers.extend(page.objects.iter().filter_map(|(key, size)| Some((number_of(key)?, *size))));
        next = page.next;
        if next.is_none() {
            return Ok(numbers);
        }
    }
}

impl Shared {
    /// What the decision of this number says, as far as anybody can tell; none if there is none.
    pub(super) fn get_decision(&self, number: u64) -> Result<Option<Bytes>, Error> {
        let (bucket, key) = (self.bucket(), decision(number));
        match self.worker.run(async move { bucket.get(&key, DECISION_BYTES_MAX).await }) {
            Err(Error::Corrupt { .. }) => Ok(Some(Bytes::from_static(b"(longer than a decision can be)\n"))),
            found => found,
        }
    }
}

/// Decisions on their way.
pub(super) struct Decisions {
    shared: Arc<Shared>,
    numbers: std::vec::IntoIter<(u64, u64)>,
    coming: VecDeque<(u64, Fetching)>,
}

impl Decisions {
    pub(super) fn new(shared: &Arc<Shared>, numbers: Vec<(u64, u64)>) -> Self {
        Decisions { shared: shared.clone(), numbers: numbers.into_iter(), coming: VecDeque::new() }
    }

    /// The next one's number and what it holds.
    pub(super) fn next(&mut self) -> Result<Option<(u64, Content)>, Error> {
        while self.coming.len() < AT_ONCE {
            let Some((number, size)) = self.numbers.next() else { break };
            let size = size.min(DECISION_BYTES_MAX / 2);
            self.coming.push_back((number, self.shared.begin_fetch(&decision(number), size)));
        }
        let Some((number, fetching)) = self.coming.pop_front() else { return Ok(None) };
        Ok(Some((number, whole(fetching)?)))
    }
}

struct DecisionPieces {
    decisions: Decisions,
}

impl Pieces for DecisionPieces {
    fn next(&mut self) -> Result<Option<Piece>, Error> {
        let Some((number, content)) = self.decisions.next()? else { return Ok(None) };
        let stored_bytes = if let Content::Whole(bytes) = &content { bytes.len() as u64 } else { 0 };
        let origin = Arc::new(Origin::object(&self.decisions.shared.name_of(&decision(number))));
        Ok(Some(Piece { content, offset: 0, origin, stored_bytes }))
    }
}
