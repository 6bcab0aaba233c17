//! Line framing: a log cut into blocks of whole lines, the same blocks whoever reads it and in whatever order.
//!
//! Block `k` holds the lines that **begin** in bytes `k * BLOCK_BYTES .. (k + 1) * BLOCK_BYTES` of the (decompressed)
//! log. A result that is merged in block order is therefore the same for one thread and for many, for a plain file and
//! for its compressed copy.

use std::fs::File;
use std::io::{self, Read};

/// Size of a block, in bytes: small enough to stay in a core's cache, large enough to hide the cost of a read.
pub const BLOCK_BYTES: u64 = 256 * 1024;

/// Longest line that is read, in bytes; a longer one is skipped and reported.
pub const LINE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How far past a block's end the first read reaches, in bytes, to catch the end of its last line.
const OVERLAP_BYTES: usize = 4 * 1024;

/// Whole lines, each with its newline but perhaps the log's last.
#[derive(Debug)]
pub struct Block<'a> {
    /// Where the first line begins in the log, in bytes.
    pub offset: u64,
    /// The lines.
    pub bytes: &'a [u8],
    /// A line of more than [`LINE_BYTES_MAX`] bytes begins behind `bytes` and was left out.
    pub overlong: bool,
    /// The log ended before the size it had when it was opened.
    pub shrunk: bool,
}

/// The byte order mark that some editors put in front of UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What stands at byte `offset` of a log, without the mark that only its very first bytes may be.
pub(crate) fn without_mark(bytes: &[u8], offset: u64) -> &[u8] {
    if offset > 0 { bytes } else { bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes) }
}

/// How many blocks a log of `size` bytes has.
pub(crate) fn block_count(size: u64) -> u64 {
    size.div_ceil(BLOCK_BYTES)
}

/// Reads blocks of a seekable file in any order into one buffer that it reuses.
#[derive(Debug, Default)]
pub struct BlockReader {
    /// Grown as needed and never cleared, so that nothing is zeroed twice.
    buffer: Vec<u8>,
    filled: usize,
}

impl BlockReader {
    /// Reads block `index` of a file that had `size` bytes when it was opened. A line that begins in the block is read to
    /// its end even where it was written after that.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn read(&mut self, file: &File, index: u64, size: u64) -> io::Result<Block<'_>> {
        let start = index * BLOCK_BYTES;
        let stop = (start + BLOCK_BYTES).min(size);
        // One byte early, to see whether the line before ends right at the border.
        let base = start.saturating_sub(1);
        let wanted = (stop - base) as usize;
        self.filled = 0;
        let mut ended = self.read_more(file, base, wanted + OVERLAP_BYTES)?;
        let shrunk = self.filled < wanted;
        let none = Block { offset: stop, bytes: &[], overlong: false, shrunk };

        let head = &self.buffer[..wanted.min(self.filled)];
        let from = if start == 0 { Some(0) } else { memchr::memchr(b'\n', head).map(|newline| newline + 1) };
        let Some(from) = from.filter(|from| *from < wanted) else { return Ok(none) };
        // The block's last line is the one that holds the byte before `stop`.
        let mut searched = (wanted - 1).min(self.filled);
        let end = loop {
            if let Some(newline) = memchr::memchr(b'\n', &self.buffer[searched..self.filled]) {
                break searched + newline + 1;
            }
            searched = self.filled;
            if ended || searched - from > LINE_BYTES_MAX + BLOCK_BYTES as usize {
                break searched;
            }
            ended = self.read_more(file, base, searched.max(OVERLAP_BYTES))?;
        };
        let (whole, overlong) = without_overlong(&self.buffer[from..end.max(from)]);
        Ok(Block { offset: base + from as u64, bytes: whole, overlong, shrunk })
    }

    /// Reads up to `count` more bytes of the file; true when the file ended.
    fn read_more(&mut self, file: &File, base: u64, count: usize) -> io::Result<bool> {
        let goal = self.filled + count;
        if self.buffer.len() < goal {
            self.buffer.resize(goal, 0);
        }
        while self.filled < goal {
            match read_at(file, &mut self.buffer[self.filled..goal], base + self.filled as u64) {
                Ok(0) => return Ok(true),
                Ok(count) => self.filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }
}

/// `lines` without the last, if that one is longer than [`LINE_BYTES_MAX`], and whether it was.
fn without_overlong(lines: &[u8]) -> (&[u8], bool) {
    if lines.len() <= LINE_BYTES_MAX {
        return (lines, false);
    }
    let body = lines.strip_suffix(b"\n").unwrap_or(lines);
    let last = memchr::memrchr(b'\n', body).map_or(0, |at| at + 1);
    if body.len() - last > LINE_BYTES_MAX { (&lines[..last], true) } else { (lines, false) }
}

#[cfg(unix)]
pub(crate) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, offset)
}

#[cfg(windows)]
pub(crate) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, offset)
}

/// Cuts a stream (standard input, a compressed file) into the same blocks, in order.
#[derive(Debug)]
pub(crate) struct BlockStream<R> {
    reader: R,
    buffer: Vec<u8>,
    /// Where the buffer begins in the log.
    offset: u64,
    /// Bytes of the buffer that the last block gave out.
    used: usize,
    ended: bool,
    /// Why it ended too early; told once all whole lines in front were given out.
    failure: Option<io::Error>,
}

impl<R: Read> BlockStream<R> {
    /// A stream that has not been read from.
    pub(crate) fn new(reader: R) -> Self {
        BlockStream { reader, buffer: Vec::new(), offset: 0, used: 0, ended: false, failure: None }
    }

    /// The next block that holds a line, with its number; `None` at the end. Block numbers without a line are passed over.
    ///
    /// # Errors
    /// What the reader says: an I/O error, or a compressed file that is damaged or cut short.
    pub(crate) fn next_block(&mut self) -> io::Result<Option<(u64, Block<'_>)>> {
        self.buffer.drain(..self.used);
        self.offset += self.used as u64;
        self.used = 0;
        let index = self.offset / BLOCK_BYTES;
        let last = ((index + 1) * BLOCK_BYTES - 1 - self.offset) as usize;
        let mut searched = last;
        loop {
            self.fill(searched + 1);
            if let Some(at) = memchr::memchr(b'\n', self.buffer.get(searched..).unwrap_or(&[])) {
                self.used = searched + at + 1;
                break;
            }
            if self.ended {
                self.used = match self.failure {
                    Some(_) => memchr::memrchr(b'\n', &self.buffer).map_or(0, |at| at + 1),
                    None => self.buffer.len(),
                };
                break;
            }
            searched = self.buffer.len();
            if searched > LINE_BYTES_MAX + BLOCK_BYTES as usize {
                let whole = memchr::memrchr(b'\n', &self.buffer).map_or(0, |at| at + 1);
                return Ok(Some(self.skip_overlong(index, whole)));
            }
        }
        if self.used == 0 {
            return self.failure.take().map_or(Ok(None), Err);
        }
        let (bytes, overlong) = without_overlong(&self.buffer[..self.used]);
        Ok(Some((index, Block { offset: self.offset, bytes, overlong, shrunk: false })))
    }

    /// Gives out the `whole` bytes in front of an overlong line and reads on to that line's end, keeping none of it.
    fn skip_overlong(&mut self, index: u64, whole: usize) -> (u64, Block<'_>) {
        let mut skipped = self.buffer.len() - whole;
        let offset = self.offset;
        let head = self.buffer[..whole].to_vec();
        self.buffer.clear();
        let rest = loop {
            self.fill(1);
            if let Some(at) = memchr::memchr(b'\n', &self.buffer) {
                skipped += at + 1;
                break self.buffer.split_off(at + 1);
            }
            skipped += self.buffer.len();
            self.buffer.clear();
            if self.ended {
                break Vec::new();
            }
        };
        self.offset += skipped as u64;
        self.used = whole;
        self.buffer = head;
        self.buffer.extend_from_slice(&rest);
        (index, Block { offset, bytes: &self.buffer[..whole], overlong: true, shrunk: false })
    }

    /// Reads until the buffer holds `count` bytes or the stream ends.
    fn fill(&mut self, count: usize) {
        while !self.ended && self.buffer.len() < count {
            let chunk = (count - self.buffer.len()).max(64 * 1024);
            match self.reader.by_ref().take(chunk as u64).read_to_end(&mut self.buffer) {
                Ok(read) => self.ended = read < chunk,
                Err(error) => {
                    self.ended = true;
                    self.failure = Some(error);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// Every block as (number, offset, text, overlong), read both ways.
    fn both(log: &[u8]) -> Vec<(u64, u64, Vec<u8>, bool)> {
        let mut file = tempfile::tempfile().expect("a temporary file");
        file.write_all(log).expect("written");
        let mut reader = BlockReader::default();
        let size = log.len() as u64;
        let mut blocks = Vec::new();
        for index in 0..block_count(size) {
            let block = reader.read(&file, index, size).expect("read");
            if !block.bytes.is_empty() || block.overlong {
                blocks.push((index, block.offset, block.bytes.to_vec(), block.overlong));
            }
        }
        let mut stream = BlockStream::new(log);
        let mut streamed = Vec::new();
        while let Some((index, block)) = stream.next_block().expect("read") {
            if !block.bytes.is_empty() || block.overlong {
                streamed.push((index, block.offset, block.bytes.to_vec(), block.overlong));
            }
        }
        assert!(blocks == streamed, "a file and a stream are cut alike");
        blocks
    }

    fn joined(blocks: &[(u64, u64, Vec<u8>, bool)]) -> Vec<u8> {
        blocks.iter().flat_map(|block| block.2.clone()).collect()
    }

    #[test]
    fn every_byte_is_in_one_block() {
        let b = BLOCK_BYTES as usize;
        let lengths = [0, 1, b - 2, b - 1, b, b + 1, 2 * b, 3 * b - 1];
        for first in lengths {
            for second in lengths {
                for tail in ["", "\n", "x", "x\n"] {
                    let log = ["a".repeat(first), "\n".into(), "b".repeat(second), tail.into()].concat();
                    let blocks = both(log.as_bytes());
                    assert!(joined(&blocks) == log.as_bytes(), "{first} {second} {tail:?}");
                    for (index, offset, bytes, _) in &blocks {
                        assert_eq!(offset / BLOCK_BYTES, *index);
                        assert!(&log.as_bytes()[*offset as usize..][..bytes.len()] == bytes);
                    }
                }
            }
        }
    }

    #[test]
    fn an_overlong_line_is_left_out_and_the_rest_is_read() {
        let long = "x".repeat(LINE_BYTES_MAX + 2 * BLOCK_BYTES as usize);
        let log = format!("first\n{long}\nlast\n");
        let blocks = both(log.as_bytes());
        assert_eq!(joined(&blocks), b"first\nlast\n");
        assert_eq!(blocks.iter().filter(|block| block.3).count(), 1);
    }

    #[test]
    fn a_file_that_shrank_is_told() {
        let file = tempfile::tempfile().expect("a temporary file");
        file.set_len(10).expect("resized");
        let mut reader = BlockReader::default();
        assert!(reader.read(&file, 0, 100).expect("read").shrunk);
        assert!(reader.read(&file, 3, 4 * BLOCK_BYTES).expect("read").shrunk);
    }
}
