//! What was read of a log, so that it is known again by its content: under another name, or with lines removed.

use std::fs::File;
use std::hash::{DefaultHasher, Hasher as _};
use std::io::{self, BufRead as _, BufReader, Read};

use super::lines::Lines;
use crate::evolution::file::count_newlines;
use crate::jsonl::read_at;

/// How many bytes at the front of a log, and before the place up to which it was read, are remembered.
const MARK_BYTES: usize = 1 << 10;

/// How much is read at a time where something is looked for, in bytes.
const SEARCH_BYTES: usize = 1 << 18;

/// How far a log was read, and the marks by which that is known again.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    pub(super) lines: Lines,
    /// The first bytes.
    front: Vec<u8>,
    /// The last ones that were read.
    back: Vec<u8>,
}

impl Known {
    /// A log that was read so far.
    pub(super) fn up_to(file: &File, lines: Lines) -> io::Result<Known> {
        let end = lines.position();
        let length = end.min(MARK_BYTES as u64);
        let front = bytes_at(file, 0, length as usize)?;
        let back = bytes_at(file, end - length, length as usize)?;
        Ok(Known { lines, front, back })
    }

    /// Marks what is read next.
    pub(super) fn mark(&mut self, bytes: &[u8]) {
        let room = MARK_BYTES - self.front.len();
        self.front.extend_from_slice(&bytes[..room.min(bytes.len())]);
        self.back.extend_from_slice(&bytes[bytes.len().saturating_sub(MARK_BYTES)..]);
        let surplus = self.back.len().saturating_sub(MARK_BYTES);
        self.back.drain(..surplus);
    }

    /// Whether a file begins with all that was read.
    pub(super) fn is_in(&self, file: &File) -> io::Result<bool> {
        let start = self.lines.position() - self.back.len() as u64;
        Ok(bytes_at(file, 0, self.front.len())? == self.front && bytes_at(file, start, self.back.len())? == self.back)
    }

    /// Where a file goes on behind the last line that was given out, if that is in it: its other lines may have changed.
    pub(super) fn last_line_in(&self, file: &File, size: u64) -> io::Result<Option<Lines>> {
        let unended = usize::try_from(self.lines.position() - self.lines.offset).unwrap_or(usize::MAX);
        let Some(body) = self.back.len().checked_sub(unended + 1) else { return Ok(None) };
        let start = memchr::memrchr(b'\n', &self.back[..body]).map_or(0, |newline| newline + 1);
        let line = &self.back[start..=body];
        let finder = memchr::memmem::FinderRev::new(line);
        let mut end = size;
        while end >= line.len() as u64 {
            let from = end.saturating_sub(SEARCH_BYTES as u64);
            let bytes = bytes_at(file, from, (end - from) as usize)?;
            if let Some(found) = finder.rfind(&bytes) {
                let behind = from + (found + line.len()) as u64;
                return Ok(Some(Lines::behind(behind, count_newlines(file, 0, behind, 1)?)));
            }
            if from == 0 {
                break;
            }
            // One that lies across the border is in the next piece as a whole.
            end = from + line.len() as u64 - 1;
        }
        Ok(None)
    }
}

/// Whether `file` begins with all that `other` holds, by their first and last bytes.
pub(super) fn begins_with(file: &File, other: &File, size: u64) -> io::Result<bool> {
    let length = size.min(MARK_BYTES as u64);
    let alike = |at| Ok::<_, io::Error>(bytes_at(file, at, length as usize)? == bytes_at(other, at, length as usize)?);
    Ok(file.metadata()?.len() >= size && alike(0)? && alike(size - length)?)
}

/// Where `new` goes on behind the lines that it has of the first `end` bytes of `old`, in their order: some may have been
/// removed. And what `old` has behind the last of them, if that is not more than so many lines.
pub(super) fn behind_lines_of(old: &File, end: u64, new: &File, behind_max: usize) -> io::Result<(Lines, Vec<u64>)> {
    let mut known = LineHashes::of(old, end);
    let (mut offset, mut count, mut behind) = (0, 0, Vec::new());
    let mut fresh = LineHashes::of(new, u64::MAX);
    loop {
        // At the end of the new file all that is left of the old one lies behind.
        let line = fresh.next()?;
        loop {
            match (known.next()?, line) {
                (Some((other, _)), Some((line, length))) if other == line => {
                    (offset, count) = (offset + length, count + 1);
                    behind.clear();
                    break;
                }
                (Some((other, _)), _) if behind.len() < behind_max => behind.push(other),
                (Some(_), _) => {}
                (None, _) => return Ok((Lines::behind(offset, count), behind)),
            }
        }
    }
}

/// A line's content as a number.
pub(super) fn hash(line: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(line);
    hasher.finish()
}

/// The lines of a file that have an end, as numbers.
struct LineHashes<'f>(BufReader<io::Take<From<'f>>>);

impl<'f> LineHashes<'f> {
    fn of(file: &'f File, end: u64) -> Self {
        LineHashes(BufReader::with_capacity(SEARCH_BYTES, From { file, at: 0 }.take(end)))
    }

    /// The next one, and its length in bytes.
    fn next(&mut self) -> io::Result<Option<(u64, u64)>> {
        let (mut hasher, mut length) = (DefaultHasher::new(), 0);
        loop {
            let bytes = self.0.fill_buf()?;
            let newline = memchr::memchr(b'\n', bytes);
            let count = newline.map_or(bytes.len(), |newline| newline + 1);
            hasher.write(&bytes[..count]);
            length += count as u64;
            self.0.consume(count);
            match (newline, count) {
                (Some(_), _) => return Ok(Some((hasher.finish(), length))),
                (None, 0) => return Ok(None),
                (None, _) => {}
            }
        }
    }
}

/// Reads a file from some place on, whoever else reads it.
struct From<'f> {
    file: &'f File,
    at: u64,
}

impl Read for From<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = read_at(self.file, buffer, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

/// So many bytes at this place, or as many as there are.
fn bytes_at(file: &File, at: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    let mut filled = 0;
    while filled < length {
        match read_at(file, &mut bytes[filled..], at + filled as u64)? {
            0 => break,
            count => filled += count,
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}
