//! What a log gives that is not a file: pieces of whole lines for the threads of a scan, and where each line comes from.
#![cfg_attr(
    not(all(feature = "redis", feature = "object-store")),
    allow(dead_code, reason = "what only some servers give is there for all readers")
)]

use std::fmt;
use std::hash::{Hash, Hasher};
use std::io::{self, Read};
use std::sync::Arc;

use bytes::Bytes;

use super::packed::{self, UNPACKED_RATIO};
use crate::jsonl::BlockStream;
use crate::store::Error;
use crate::time::Timestamp;

/// A log, or half of one, that is not a file.
#[derive(Clone)]
pub struct RemoteSource(Arc<dyn Readable>);

/// What can be read.
pub(crate) trait Readable: Send + Sync {
    /// What it is called in messages, and nothing else is called so: never with credentials.
    fn name(&self) -> &str;

    /// Its size in bytes as it is stored, where that is known.
    fn size(&self) -> Option<u64> {
        None
    }

    /// When its first event was, where that is cheap to tell.
    fn first_time(&self) -> Option<Timestamp> {
        None
    }

    /// When its last event was, where that is cheap to tell.
    fn last_time(&self) -> Option<Timestamp> {
        None
    }

    /// Whether its parts overlap in time: then the last events are found by their time, not by their place.
    fn overlaps(&self) -> bool {
        false
    }

    /// Begins to read it.
    fn read(&self, reading: &Reading) -> Result<Box<dyn Pieces>, Error>;
}

/// What of a log is wanted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reading {
    /// Whether the last pieces come first. The lines of a piece stay in their order.
    pub(crate) backwards: bool,
    /// Parts that can hold no event from this time on may be left out.
    pub(crate) since: Option<Timestamp>,
    /// Parts that can hold no event before this time may be left out.
    pub(crate) until: Option<Timestamp>,
}

impl RemoteSource {
    pub(crate) fn new(log: impl Readable + 'static) -> Self {
        RemoteSource(Arc::new(log))
    }

    pub(crate) fn shared(log: Arc<impl Readable + 'static>) -> Self {
        RemoteSource(log)
    }

    /// What it is called in messages: an address without credentials, and what stands there.
    pub fn name(&self) -> &str {
        self.0.name()
    }

    pub(crate) fn log(&self) -> &dyn Readable {
        &*self.0
    }
}

impl fmt::Debug for RemoteSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RemoteSource").field(&self.name()).finish()
    }
}

impl PartialEq for RemoteSource {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for RemoteSource {}

impl Hash for RemoteSource {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}

/// Pieces of a log, in its order or backwards.
pub(crate) trait Pieces: Send {
    /// The next one; none at the end.
    fn next(&mut self) -> Result<Option<Piece>, Error>;
}

/// Some of a log.
pub(crate) struct Piece {
    pub(crate) content: Content,
    /// Bytes of the object in front of it; 0 of anything else.
    pub(crate) offset: u64,
    pub(crate) origin: Arc<Origin>,
    /// Bytes as they were stored, for those who watch.
    pub(crate) stored_bytes: u64,
}

/// The bytes of a piece.
pub(crate) enum Content {
    /// Whole lines, each with its newline.
    Lines(Vec<u8>),
    /// An object, compressed or not.
    Whole(Bytes),
    /// An object that is too large to be held, compressed or not, and its size in bytes.
    Stream(Box<dyn Read + Send>, u64),
    /// It was there and cannot be read: why.
    Lost(String),
}

/// What is to be read to its end to know what is in it.
pub(super) type Packed = io::Result<Box<dyn Read + Send>>;

impl Content {
    /// The lines, if they are there as such.
    ///
    /// # Errors
    /// They are to be read, decompressed.
    pub(crate) fn lines(self) -> Result<Vec<u8>, Packed> {
        match self {
            Content::Lines(lines) => Ok(lines),
            Content::Whole(bytes) => {
                let size = bytes.len() as u64;
                Err(Bounded::unpack(io::Cursor::new(bytes), size))
            }
            Content::Stream(stream, size) => Err(Bounded::unpack(stream, size)),
            Content::Lost(problem) => Err(Err(io::Error::other(problem))),
        }
    }

    /// Why it cannot be read, if that is known.
    pub(crate) fn problem(&self) -> Option<&str> {
        match self {
            Content::Lost(problem) => Some(problem),
            _ => None,
        }
    }

    /// Hands on its lines in blocks, as far as it is not damaged.
    ///
    /// # Errors
    /// The store cannot be reached.
    pub(crate) fn each_block(self, each: &mut impl FnMut(&[u8])) -> io::Result<()> {
        let packed = match self.lines() {
            Ok(lines) => {
                each(&lines);
                return Ok(());
            }
            Err(packed) => packed,
        };
        match packed {
            Ok(reader) => each_block_of(BlockStream::new(reader), each),
            Err(error) if store_error(&error).is_some() => Err(error),
            Err(_) => Ok(()),
        }
    }
}

/// An object may always hold so many bytes when it is decompressed, and [`UNPACKED_RATIO`] for each byte that it has.
const UNPACKED_BYTES: u64 = 1 << 30;

/// What is decompressed, as long as it is not more than a log can be: others write to a bucket, too, and a few kilobytes can
/// hold what takes hours to read.
struct Bounded<R> {
    inner: R,
    left: u64,
}

impl<R: Read + Send + 'static> Bounded<R> {
    fn unpack(packed: R, size: u64) -> Packed {
        let left = size.saturating_mul(UNPACKED_RATIO).max(UNPACKED_BYTES);
        let inner = packed::decompressed(packed)?;
        Ok(Box::new(Bounded { inner, left }))
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(count as u64).ok_or_else(|| {
            io::Error::other("it holds far more than its size when it is decompressed: the rest is not read")
        })?;
        Ok(count)
    }
}

impl fmt::Debug for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Piece").field("origin", &self.origin).finish_non_exhaustive()
    }
}

/// Where the lines of a piece come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// The key or the object.
    name: Box<str>,
    /// The entries of a stream: the number of the line in the piece, and of the byte, with which each begins. None of an
    /// object.
    entries: Vec<(u64, u64, Place)>,
    /// How many lines are in front of the piece is not known.
    uncounted: bool,
    /// Neither it nor what stands in front of it in the log has a later event.
    latest: Option<Timestamp>,
}

impl Origin {
    /// An object from its front.
    pub(crate) fn object(name: &str) -> Self {
        Origin { name: name.into(), entries: Vec::new(), uncounted: false, latest: None }
    }

    /// An object from somewhere on.
    pub(crate) fn rest_of_object(name: &str) -> Self {
        Origin { uncounted: true, ..Origin::object(name) }
    }

    /// The same, where neither it nor what stands in front of it in the log has an event later than this.
    pub(crate) fn until(self, latest: Timestamp) -> Self {
        Origin { latest: Some(latest), ..self }
    }

    pub(crate) fn latest(&self) -> Option<Timestamp> {
        self.latest
    }

    /// Entries of a stream, in order: (line in the piece, byte in the piece, id).
    pub(crate) fn entries(name: &str, entries: Vec<(u64, u64, Place)>) -> Self {
        Origin { entries, ..Origin::object(name) }
    }

    /// Where line `line` of the piece stands, which begins at byte `offset` of the object, or of the piece where that has
    /// entries; both from 0.
    pub(crate) fn spot(&self, line: u64, offset: u64) -> Spot {
        let behind = self.entries.partition_point(|(first, ..)| *first <= line);
        match behind.checked_sub(1).and_then(|at| self.entries.get(at)) {
            Some((first, start, place)) => Spot {
                part: format!("{} entry {}-{}", self.name, place.0, place.1),
                line: Some(line - first + 1),
                offset: offset.saturating_sub(*start),
            },
            None => Spot { part: self.name.to_string(), line: (!self.uncounted).then_some(line + 1), offset },
        }
    }

    /// The key or the object.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

/// A line's place in its entry or object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Spot {
    /// The entry or the object.
    pub(crate) part: String,
    /// Its number there, from 1, where known.
    pub(crate) line: Option<u64>,
    /// Where it begins there, in (decompressed) bytes.
    pub(crate) offset: u64,
}

/// Where a decision stands in the order of all: greater ones stand behind. On Redis the id of its entry, on object stores
/// its number and 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place(pub(crate) u64, pub(crate) u64);

impl Place {
    /// The one behind it.
    pub(crate) fn next(self) -> Place {
        match self.1.checked_add(1) {
            Some(second) => Place(self.0, second),
            None => Place(self.0.saturating_add(1), 0),
        }
    }

    /// Reads `1700000000000-0`.
    pub(crate) fn parse(text: &str) -> Option<Place> {
        let (first, second) = text.split_once('-')?;
        Some(Place(first.parse().ok()?, second.parse().ok()?))
    }
}

/// As Redis writes it.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.0, self.1)
    }
}

/// Hands on a log in blocks of whole lines, as far as it is not damaged.
pub(super) fn each_block_of(mut stream: BlockStream<impl Read>, each: &mut impl FnMut(&[u8])) -> io::Result<()> {
    loop {
        match stream.next_block() {
            Ok(Some((_, block))) => each(block.bytes),
            Err(error) if store_error(&error).is_some() => return Err(error),
            Ok(None) | Err(_) => return Ok(()),
        }
    }
}

/// An error of a store as the operating system's errors are handed on. [`store_error`] finds it again.
pub(crate) fn io_error(error: Error) -> io::Error {
    io::Error::other(error)
}

/// The store's own error beneath an error, if there is one.
pub fn store_error(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_numbered_in_their_entry() {
        let origin = Origin::entries("r k", vec![(0, 0, Place(5, 0)), (2, 30, Place(5, 1)), (3, 40, Place(7, 0))]);
        let spot = |line, offset| {
            let spot = origin.spot(line, offset);
            (spot.part, spot.line, spot.offset)
        };
        assert_eq!(spot(1, 12), ("r k entry 5-0".into(), Some(2), 12));
        assert_eq!(spot(2, 30), ("r k entry 5-1".into(), Some(1), 0));
        assert_eq!(spot(9, 100), ("r k entry 7-0".into(), Some(7), 60));
    }

    #[test]
    fn lines_of_an_object_are_numbered_from_its_front_only() {
        let spot = Origin::object("s3://b/k").spot(2, 30);
        assert_eq!((spot.line, spot.offset), (Some(3), 30));
        let spot = Origin::rest_of_object("s3://b/k").spot(2, 1_030);
        assert_eq!((spot.line, spot.offset), (None, 1_030));
    }

    #[test]
    fn what_holds_far_more_than_its_size_is_not_read_to_its_end() {
        let zeros = io::Cursor::new(vec![0; 1 << 20]).chain(io::repeat(0).take(3 << 30));
        let mut packed = Vec::new();
        zstd::stream::copy_encode(zeros, &mut packed, 1).expect("compressed");
        let reader = Content::Whole(packed.into()).lines().expect_err("to be decompressed");
        let mut read = reader.expect("a beginning");
        let error = io::copy(&mut read, &mut io::sink()).expect_err("too much");
        assert!(error.to_string().contains("far more"), "{error}");
        let sound = Content::Whole(zstd::encode_all(&[b'x'; 5_000_000][..], 1).expect("compressed").into());
        let mut reader = sound.lines().expect_err("to be decompressed").expect("a beginning");
        assert_eq!(io::copy(&mut reader, &mut io::sink()).expect("all"), 5_000_000);
    }
}
