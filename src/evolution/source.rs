//! Where an evolution log's bytes come from: a file, a compressed file, a pipe, standard input, a store elsewhere.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::event;
use super::packed::{decompressed, is_compressed_file};
use super::piece::{Pieces, Readable, Reading, RemoteSource, each_block_of, io_error};
use crate::jsonl::{BlockReader, BlockStream, read_at};
use crate::time::Timestamp;

/// One log to read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// A file; `.gz` and `.zst` are known by their first bytes and decompressed while read.
    File(PathBuf),
    /// Standard input.
    Stdin,
    /// A log that is not a file.
    Remote(RemoteSource),
}

/// A log could not be opened or read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {name}")]
pub struct ReadError {
    /// The log, as [`Source::name`] gives it.
    pub name: String,
    /// What the operating system said.
    #[source]
    pub cause: io::Error,
}

/// Bytes read so far, for someone who watches from another thread.
#[derive(Debug, Default)]
pub struct Progress {
    bytes: AtomicU64,
}

impl Progress {
    /// Bytes read so far, as they lie on disk.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn add(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// An open log.
pub(crate) enum Opened<'p> {
    /// Can be read anywhere, by many threads.
    Plain { file: File, size: u64 },
    /// Can be read once, from the front.
    Stream(BlockStream<Box<dyn Read + Send + 'p>>),
    /// Can be read once, in pieces, by many threads.
    Pieces(Box<dyn Pieces>),
}

impl Source {
    /// What to call it in a message: the path as given, or `-`.
    pub fn name(&self) -> String {
        match self {
            Source::File(path) => path.display().to_string(),
            Source::Stdin => "-".to_string(),
            Source::Remote(remote) => remote.name().to_string(),
        }
    }

    /// Its path, if it is a file.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Source::File(path) => Some(path),
            Source::Stdin | Source::Remote(_) => None,
        }
    }

    /// The log, if it is not a file.
    pub(crate) fn remote(&self) -> Option<&dyn Readable> {
        match self {
            Source::Remote(remote) => Some(remote.log()),
            Source::File(_) | Source::Stdin => None,
        }
    }

    /// Its size as it is stored, in bytes, if it has one that is known.
    pub fn size(&self) -> Option<u64> {
        if let Some(remote) = self.remote() {
            return remote.size();
        }
        let metadata = std::fs::metadata(self.path()?).ok()?;
        metadata.is_file().then_some(metadata.len())
    }

    /// Whether it is a pipe, standard input or the like: it can be read once only, and may not have ended.
    pub fn is_stream(&self) -> bool {
        match self {
            Source::Stdin => true,
            Source::File(path) => std::fs::metadata(path).is_ok_and(|it| !it.is_file() && !it.is_dir()),
            Source::Remote(_) => false,
        }
    }

    fn failed(&self, cause: io::Error) -> ReadError {
        ReadError { name: self.name(), cause }
    }

    /// Opens it; what is read from a stream is added to `progress`.
    pub(crate) fn open<'p>(&self, progress: &'p Progress, reading: &Reading) -> Result<Opened<'p>, ReadError> {
        self.try_open(progress, reading).map_err(|cause| self.failed(cause))
    }

    fn try_open<'p>(&self, progress: &'p Progress, reading: &Reading) -> io::Result<Opened<'p>> {
        if let Source::Remote(remote) = self {
            return remote.log().read(reading).map(Opened::Pieces).map_err(io_error);
        }
        if let Source::File(path) = self {
            let file = File::open(path)?;
            let metadata = file.metadata()?;
            if metadata.is_dir() {
                return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder"));
            }
            if metadata.is_file() && !is_compressed_file(&file)? {
                let (size, mut first) = (file.metadata()?.len(), [0]);
                // Some file systems make a file's content when it is read, and know no size before.
                if size > 0 || read_at(&file, &mut first, 0)? == 0 {
                    return Ok(Opened::Plain { file, size });
                }
            }
            return Ok(Opened::Stream(BlockStream::new(decompressed(Counted { inner: file, progress })?)));
        }
        Ok(Opened::Stream(BlockStream::new(self.reader(progress)?)))
    }

    /// Reads it once from its front, decompressed.
    pub(crate) fn reader<'p>(&self, progress: &'p Progress) -> io::Result<Box<dyn Read + Send + 'p>> {
        let inner: Box<dyn Read + Send> = match self {
            Source::File(path) => Box::new(File::open(path)?),
            Source::Stdin => Box::new(io::stdin()),
            Source::Remote(_) => return Err(io::ErrorKind::Unsupported.into()),
        };
        decompressed(Counted { inner, progress })
    }

    /// Opens it, if it is an uncompressed regular file.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open_plain(&self) -> Result<Option<(File, u64)>, ReadError> {
        // Opening a pipe to look at it would take bytes out of it.
        if self.path().is_none() || self.size().is_none() {
            return Ok(None);
        }
        match self.open(&Progress::default(), &Reading::default())? {
            Opened::Plain { file, size } => Ok(Some((file, size))),
            Opened::Stream(_) | Opened::Pieces(_) => Ok(None),
        }
    }

    /// The time of the first event that has one, looking at the log's first block only. Standard input is not touched.
    pub fn first_time(&self) -> Option<Timestamp> {
        if let Some(remote) = self.remote() {
            return remote.first_time();
        }
        self.size()?;
        let progress = Progress::default();
        match self.open(&progress, &Reading::default()).ok()? {
            Opened::Plain { file, size } => first_time_in(BlockReader::default().read(&file, 0, size).ok()?.bytes),
            Opened::Stream(mut stream) => first_time_in(stream.next_block().ok()??.1.bytes),
            Opened::Pieces(_) => None,
        }
    }

    /// The time of the last event that has one, looking at the last block only; `None` for compressed logs.
    pub fn last_time(&self) -> Option<Timestamp> {
        if let Some(remote) = self.remote() {
            return remote.last_time();
        }
        let (file, size) = self.open_plain().ok()??;
        let mut reader = BlockReader::default();
        let block = reader.read(&file, crate::jsonl::block_count(size).checked_sub(1)?, size).ok()?;
        last_time_in(block.bytes)
    }
}

/// Hands on a log in blocks of whole lines, up to byte `end` of a plain one. One that is damaged is handed on as far as it
/// goes.
pub(crate) fn each_block(source: &Source, end: u64, mut each: impl FnMut(&[u8])) -> io::Result<()> {
    match source.open(&Progress::default(), &Reading::default()).map_err(|error| error.cause)? {
        Opened::Plain { file, size } => {
            let mut reader = BlockReader::default();
            let size = size.min(end);
            for index in 0..crate::jsonl::block_count(size) {
                each(reader.read(&file, index, size)?.bytes);
            }
        }
        Opened::Stream(stream) => each_block_of(stream, &mut each)?,
        Opened::Pieces(mut pieces) => {
            while let Some(piece) = pieces.next().map_err(io_error)? {
                piece.content.each_block(&mut each)?;
            }
        }
    }
    Ok(())
}

/// The time of the first event that has one.
pub(crate) fn first_time_in(block: &[u8]) -> Option<Timestamp> {
    block.split(|byte| *byte == b'\n').find_map(time_of)
}

/// The time of the last event that has one.
pub(crate) fn last_time_in(block: &[u8]) -> Option<Timestamp> {
    block.rsplit(|byte| *byte == b'\n').find_map(time_of)
}

fn time_of(line: &[u8]) -> Option<Timestamp> {
    let mut at = None;
    let _ = event::read_line(line, &mut |event| at = at.or(event.at));
    at
}

/// Counts what is read through it.
struct Counted<'p, R> {
    inner: R,
    progress: &'p Progress,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.progress.add(count as u64);
        Ok(count)
    }
}
