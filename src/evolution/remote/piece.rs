//! What is handed to the threads of a scan: some whole lines, and where each comes from.

use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;

#[cfg(feature = "object-store")]
use bytes::Bytes;

use super::Place;
use crate::store::Error;
use crate::time::Timestamp;

/// Pieces of a log, in its order or backwards.
pub trait Pieces: Send {
    /// The next one; none at the end.
    fn next(&mut self) -> Result<Option<Piece>, Error>;
}

/// Some of a log.
pub struct Piece {
    pub content: Content,
    /// Bytes of the object in front of it; 0 of anything else.
    pub offset: u64,
    pub origin: Arc<Origin>,
    /// Bytes as they were stored, for those who watch.
    pub stored_bytes: u64,
}

/// The bytes of a piece.
pub enum Content {
    /// Whole lines, each with its newline.
    Lines(Vec<u8>),
    /// An object, compressed or not.
    #[cfg(feature = "object-store")]
    Whole(Bytes),
    /// An object that is too large to be held, compressed or not, and its size in bytes.
    #[cfg(feature = "object-store")]
    Stream(Box<dyn Read + Send>, u64),
    /// It was there and cannot be read: why.
    #[cfg(feature = "object-store")]
    Lost(String),
}

/// What is to be read to its end to know what is in it.
pub(super) type Packed = io::Result<Box<dyn Read + Send>>;

impl Content {
    /// The lines, if they are there as such.
    ///
    /// # Errors
    /// They are to be read, decompressed.
    pub fn lines(self) -> Result<Vec<u8>, Packed> {
        match self {
            Content::Lines(lines) => Ok(lines),
            #[cfg(feature = "object-store")]
            Content::Whole(bytes) => {
                let size = bytes.len() as u64;
                Err(Bounded::unpack(io::Cursor::new(bytes), size))
            }
            #[cfg(feature = "object-store")]
            Content::Stream(stream, size) => Err(Bounded::unpack(stream, size)),
            #[cfg(feature = "object-store")]
            Content::Lost(problem) => Err(Err(io::Error::other(problem))),
        }
    }

    /// Why it cannot be read, if that is known.
    pub fn problem(&self) -> Option<&str> {
        match self {
            #[cfg(feature = "object-store")]
            Content::Lost(problem) => Some(problem),
            _ => None,
        }
    }
}

/// An object may always hold so many bytes when it is decompressed.
#[cfg(feature = "object-store")]
const UNPACKED_BYTES: u64 = 1 << 30;

/// And so many for each byte that it has: no log of calls comes near it.
#[cfg(feature = "object-store")]
const UNPACKED_RATIO: u64 = 1_000;

/// What is decompressed, as long as it is not more than a log can be: others write to a bucket, too, and a few kilobytes can
/// hold what takes hours to read.
#[cfg(feature = "object-store")]
struct Bounded<R> {
    inner: R,
    left: u64,
}

#[cfg(feature = "object-store")]
impl<R: Read + Send + 'static> Bounded<R> {
    fn unpack(packed: R, size: u64) -> Packed {
        let left = size.saturating_mul(UNPACKED_RATIO).max(UNPACKED_BYTES);
        let inner = crate::evolution::source::decompressed(packed)?;
        Ok(Box::new(Bounded { inner, left }))
    }
}

#[cfg(feature = "object-store")]
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
pub struct Origin {
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
    pub fn object(name: &str) -> Self {
        Origin { name: name.into(), entries: Vec::new(), uncounted: false, latest: None }
    }

    /// An object from somewhere on.
    #[cfg(feature = "object-store")]
    pub fn rest_of_object(name: &str) -> Self {
        Origin { uncounted: true, ..Origin::object(name) }
    }

    /// The same, where neither it nor what stands in front of it in the log has an event later than this.
    #[cfg(feature = "object-store")]
    pub fn until(self, latest: Timestamp) -> Self {
        Origin { latest: Some(latest), ..self }
    }

    pub fn latest(&self) -> Option<Timestamp> {
        self.latest
    }

    /// Entries of a stream, in order: (line in the piece, byte in the piece, id).
    #[cfg(feature = "redis")]
    pub fn entries(name: &str, entries: Vec<(u64, u64, Place)>) -> Self {
        Origin { entries, ..Origin::object(name) }
    }

    /// Where line `line` of the piece stands, which begins at byte `offset` of the object, or of the piece where that has
    /// entries; both from 0.
    pub fn spot(&self, line: u64, offset: u64) -> Spot {
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
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// A line's place in its entry or object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot {
    /// The entry or the object.
    pub part: String,
    /// Its number there, from 1, where known.
    pub line: Option<u64>,
    /// Where it begins there, in (decompressed) bytes.
    pub offset: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "redis")]
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

    #[cfg(feature = "object-store")]
    #[test]
    fn lines_of_an_object_are_numbered_from_its_front_only() {
        let spot = Origin::object("s3://b/k").spot(2, 30);
        assert_eq!((spot.line, spot.offset), (Some(3), 30));
        let spot = Origin::rest_of_object("s3://b/k").spot(2, 1_030);
        assert_eq!((spot.line, spot.offset), (None, 1_030));
    }

    #[cfg(feature = "object-store")]
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
