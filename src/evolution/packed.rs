//! Compressed logs, known by their first bytes.

use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};

use flate2::bufread::GzDecoder;
use zstd::stream::read::Decoder as ZstdDecoder;

use crate::jsonl::read_at;

const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];
const ZSTD_MAGIC: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// What a frame of zstd begins with that holds no content (RFC 8878, section 3.1.2), but for the first byte's lower half.
const ZSTD_SKIPPABLE: &[u8] = &[0x50, 0x2a, 0x4d, 0x18];

/// Other programs that compress, what their files begin with, and what undoes it.
const UNREADABLE: [(&[u8], &str, &str); 5] = [
    (&[0xfd, 0x37, 0x7a, 0x58], "xz", "unxz"),
    (b"BZh", "bzip2", "bunzip2"),
    (&[0x04, 0x22, 0x4d, 0x18], "lz4", "unlz4"),
    (&[0x02, 0x21, 0x4c, 0x18], "lz4", "unlz4"),
    (&[0x1f, 0x9d], "compress", "uncompress"),
];

/// How much of a log tells whether it is compressed, in bytes.
const HEAD_BYTES: usize = 4;

/// How much of a frame of zstd tells how large its window is, in bytes.
const FRAME_HEAD_BYTES: usize = 18;

/// How far back a frame of zstd may refer, as a power of two of bytes: as far as its format allows on this machine.
const ZSTD_WINDOW_LOG_MAX: u32 = if usize::BITS < 64 { 30 } else { 31 };

/// A frame of zstd with a larger window than this, in bytes, takes as much memory as it unpacks. So it has to hold what it
/// takes: see [`UNPACKED_RATIO`].
const ZSTD_WINDOW_BYTES: u64 = 1 << 27;

/// No log of calls holds more than so many bytes for each byte that it has when it is compressed.
pub(super) const UNPACKED_RATIO: u64 = 1_000;

#[derive(Clone, Copy)]
enum Compression {
    Gzip,
    Zstd,
    /// By which program, and what undoes it.
    Unreadable(&'static str, &'static str),
}

fn compression(head: &[u8]) -> Option<Compression> {
    if head.starts_with(GZIP_MAGIC) {
        Some(Compression::Gzip)
    } else if head.starts_with(ZSTD_MAGIC) || is_skippable(head) {
        Some(Compression::Zstd)
    } else {
        let (_, program, undo) = UNREADABLE.iter().find(|(magic, ..)| head.starts_with(magic))?;
        Some(Compression::Unreadable(program, undo))
    }
}

fn is_skippable(head: &[u8]) -> bool {
    head.first().is_some_and(|first| first & 0xf0 == ZSTD_SKIPPABLE[0]) && head[1..].starts_with(&ZSTD_SKIPPABLE[1..])
}

/// Whether a file is compressed, whatever its name is.
///
/// # Errors
/// It cannot be read.
pub(crate) fn is_compressed_file(file: &File) -> io::Result<bool> {
    let mut head = [0; HEAD_BYTES];
    let length = read_at(file, &mut head, 0)?;
    Ok(is_compressed(&head[..length]))
}

/// Whether something is compressed that begins so.
pub(crate) fn is_compressed(head: &[u8]) -> bool {
    compression(head).is_some()
}

/// What `input` holds, decompressed if its first bytes say that it is compressed. What is compressed in a way that is not read
/// fails when it is read, as what is damaged does.
pub(crate) fn decompressed<'r>(input: impl Read + Send + 'r) -> io::Result<Box<dyn Read + Send + 'r>> {
    let mut input = Input { front: io::Cursor::default(), rest: BufReader::new(Box::new(input)), taken: 0 };
    Ok(match compression(input.peek(HEAD_BYTES)?) {
        Some(_) => Box::new(Unpacked { place: Place::Between(input) }),
        None => Box::new(input),
    })
}

/// What is to be read, of which the first bytes can be looked at.
struct Input<'r> {
    front: io::Cursor<Vec<u8>>,
    rest: BufReader<Box<dyn Read + Send + 'r>>,
    /// Bytes that were taken.
    taken: u64,
}

impl Input<'_> {
    /// Its next bytes, so many if there are.
    fn peek(&mut self, count: usize) -> io::Result<&[u8]> {
        let at = self.front.position() as usize;
        let mut front = std::mem::take(&mut self.front).into_inner();
        front.drain(..at.min(front.len()));
        let missing = count.saturating_sub(front.len());
        let read = self.rest.by_ref().take(missing as u64).read_to_end(&mut front);
        self.front = io::Cursor::new(front);
        read?;
        Ok(self.front.get_ref())
    }
}

impl Read for Input<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.front.read(buffer)? {
            0 => self.rest.read(buffer),
            count => Ok(count),
        }
    }
}

impl BufRead for Input<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.front.fill_buf()?.is_empty() { self.rest.fill_buf() } else { self.front.fill_buf() }
    }

    fn consume(&mut self, count: usize) {
        self.taken += count as u64;
        if self.front.fill_buf().is_ok_and(<[u8]>::is_empty) {
            self.rest.consume(count);
        } else {
            self.front.consume(count);
        }
    }
}

/// The content of members of gzip and frames of zstd, one behind the other. What writes to tapes and block devices fills up
/// with zeros behind the last one.
struct Unpacked<'r> {
    place: Place<'r>,
}

enum Place<'r> {
    Between(Input<'r>),
    Gzip(Box<GzDecoder<Input<'r>>>),
    Zstd(Frame<'r>),
    End,
}

impl Read for Unpacked<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while !buffer.is_empty() {
            let count = match &mut self.place {
                Place::Gzip(member) => member.read(buffer)?,
                Place::Zstd(frame) => frame.read(buffer)?,
                Place::Between(_) | Place::End => 0,
            };
            if count > 0 {
                return Ok(count);
            }
            self.place = match std::mem::replace(&mut self.place, Place::End) {
                Place::Gzip(member) => Place::Between(member.into_inner()),
                Place::Zstd(frame) => Place::Between(frame.decoder.finish()),
                Place::Between(input) => next(input)?,
                Place::End => return Ok(0),
            };
        }
        Ok(0)
    }
}

/// The next member or frame.
fn next(mut input: Input<'_>) -> io::Result<Place<'_>> {
    let damaged = |problem: String| Err(io::Error::new(ErrorKind::InvalidData, problem));
    let head = input.peek(FRAME_HEAD_BYTES)?;
    match compression(head) {
        _ if head.iter().all(|byte| *byte == 0) => loop {
            let padding = input.fill_buf()?;
            if padding.is_empty() {
                return Ok(Place::End);
            }
            if padding.iter().any(|byte| *byte != 0) {
                return damaged("there is more behind the zeros that fill it up".into());
            }
            let count = padding.len();
            input.consume(count);
        },
        Some(Compression::Gzip) => Ok(Place::Gzip(Box::new(GzDecoder::new(input)))),
        Some(Compression::Zstd) => Ok(Place::Zstd(Frame::begin(input)?)),
        Some(Compression::Unreadable(program, undo)) => {
            damaged(format!("it is compressed by {program}, which is not read: `{undo}` it first"))
        }
        None => damaged("what is behind its end is not compressed".into()),
    }
}

/// A frame of zstd.
struct Frame<'r> {
    decoder: ZstdDecoder<'static, Input<'r>>,
    /// Bytes of the input up to which packed bytes have been counted, and how many more may be unpacked.
    counted: u64,
    left: u64,
}

impl<'r> Frame<'r> {
    fn begin(mut input: Input<'r>) -> io::Result<Self> {
        let window = window_bytes(input.peek(FRAME_HEAD_BYTES)?);
        let is_small = window.is_some_and(|bytes| bytes <= ZSTD_WINDOW_BYTES);
        let counted = input.taken;
        let mut decoder = ZstdDecoder::with_buffer(input)?.single_frame();
        decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
        Ok(Frame { decoder, counted, left: if is_small { u64::MAX } else { ZSTD_WINDOW_BYTES } })
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.decoder.read(buffer)?;
        let packed = self.decoder.get_ref().taken - self.counted;
        self.counted += packed;
        let left = self.left.saturating_add(packed.saturating_mul(UNPACKED_RATIO)).checked_sub(count as u64);
        self.left = left.ok_or_else(|| {
            io::Error::other("it takes far more memory than its size to decompress it: the rest is not read")
        })?;
        Ok(count)
    }
}

/// How large the window is of a frame of zstd that begins so (RFC 8878, section 3.1.1.1); none if that is cut short.
fn window_bytes(head: &[u8]) -> Option<u64> {
    if is_skippable(head) {
        return Some(0);
    }
    let descriptor = *head.get(ZSTD_MAGIC.len())?;
    let rest = head.get(ZSTD_MAGIC.len() + 1..)?;
    if descriptor & 0x20 == 0 {
        let window = *rest.first()?;
        let base = 1_u64 << (10 + (window >> 3));
        return Some(base + base / 8 * u64::from(window & 7));
    }
    // All of it is one segment: the window is as large as the content.
    let dictionary_bytes = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let size_bytes = [1, 2, 4, 8][usize::from(descriptor >> 6)];
    let size = rest.get(dictionary_bytes..dictionary_bytes + size_bytes)?;
    Some(size.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
}
