//! The scan: every event of some logs handed to visitors, one on each thread, with what must be merged in log order
//! given back in that order.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use super::event::{Call, Event, Fault};
use super::piece::{Origin, Piece, Pieces, Reading, io_error, store_error};
use super::source::{Opened, Progress, ReadError, Source};
use super::threads::on_threads;
use super::walk::Walker;
use crate::jsonl::{self, Block, BlockReader, BlockStream};
use crate::time::Timestamp;

/// What one thread does with the events it is shown.
pub trait Visitor: Send {
    /// What a block leaves behind that must be merged in log order.
    type Part: Send;

    /// One event. Events of one block come in order; blocks come in any order.
    fn event(&mut self, record: &Record<'_>, event: &Event<'_>);

    /// A call that the fast path has read; the same as an event.
    #[inline]
    fn call(&mut self, record: &Record<'_>, call: &Call<'_>) {
        self.event(record, &Event::from(call));
    }

    /// The block whose events were shown has ended.
    fn end_block(&mut self) -> Self::Part;

    /// Whether this visitor can take no more, and why: the scan then fails.
    fn overflow(&self) -> Option<&'static str> {
        None
    }
}

/// An event as it stands in its log.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Its own text: one JSON object, perhaps with white space behind it.
    pub text: &'a [u8],
    /// Where its line begins in the (decompressed) log, in bytes.
    pub offset: u64,
    /// Its line in the block, from 0.
    pub line: u64,
}

/// Where a part that is merged comes from.
#[derive(Clone, Debug)]
pub struct From {
    /// Place of the log among the sources.
    pub log: usize,
    /// Lines of the log in front of the block; of no meaning when scanning backwards. Of a log that is not a file: lines of the
    /// piece in front of it.
    pub lines_before: u64,
    /// Where the lines of the piece come from, if the log is not a file.
    pub(crate) origin: Option<Arc<Origin>>,
    /// The piece has no block behind this one; always so of files.
    pub last: bool,
}

/// How to scan.
#[derive(Debug)]
pub struct Options<'p> {
    /// Threads to use at most. The result does not depend on it.
    pub threads: usize,
    /// Told of each byte read.
    pub progress: &'p Progress,
    /// Whether every line goes the exact slow path; for tests, which compare the two.
    pub exact_only: bool,
    /// Blocks of plain files, and pieces of logs that are not files, from the last to the first.
    pub backwards: bool,
    /// What of a log that is not a file is known without reading it to be older may be left out.
    pub since: Option<Timestamp>,
    /// Likewise what is not older than this.
    pub until: Option<Timestamp>,
}

impl<'p> Options<'p> {
    /// Forwards, on as many threads as there are cores.
    pub fn new(progress: &'p Progress) -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Options { threads, progress, exact_only: false, backwards: false, since: None, until: None }
    }

    fn reading(&self) -> Reading {
        Reading { backwards: self.backwards, since: self.since, until: self.until }
    }
}

/// A line that is not as it should be.
#[derive(Clone, Debug)]
pub struct Place {
    /// The entry or the object that it is in, if the log is not a file; lines and bytes are counted there.
    pub part: Option<String>,
    /// Line number from 1; `None` when the log was not read from its front.
    pub line: Option<u64>,
    /// Where the line begins in the (decompressed) log, in bytes.
    pub offset: u64,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What could not be read of one log.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// The log.
    pub name: String,
    /// Lines read, blank and broken ones too.
    pub lines: u64,
    /// Lines of which something was skipped.
    pub skipped: u64,
    /// Lines that held more than one event, all of them read.
    pub glued: u64,
    /// Lines with other text, from which no event can be missing.
    pub foreign: u64,
    /// The first ten lines of which something was skipped, and the first ten others, in the order of the log.
    pub places: Vec<Place>,
    /// The log became shorter while it was read.
    pub shrunk: bool,
    /// Why the rest of a compressed log could not be read.
    pub damaged: Option<String>,
    /// Parts of a log that is not a file that could not be read, or not to their end. The first are among the places.
    pub lost_parts: u64,
}

impl Evidence {
    /// Whether everything in the log was read.
    pub fn complete(&self) -> bool {
        self.skipped == 0 && !self.shrunk && self.damaged.is_none() && self.lost_parts == 0
    }
}

/// How many places of a log are remembered, and of a block: where something was skipped, and as many others.
pub const PLACES_MAX: usize = 10;

/// Keeps the first places of each kind.
fn keep_first<T>(places: &mut Vec<T>, fault: impl Fn(&T) -> &Fault) {
    let mut room = [PLACES_MAX; 2];
    places.retain(|place| {
        let room = &mut room[usize::from(fault(place).loses())];
        let fits = *room > 0;
        *room = room.saturating_sub(1);
        fits
    });
}

/// Why a scan failed as a whole.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// A log could not be opened or read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A visitor refused to take more.
    #[error("{0}")]
    Overflow(&'static str),
}

/// What a scan gives back: the visitors, and what could not be read of each log.
pub(crate) type Scanned<V> = (Vec<V>, Vec<Evidence>);

/// Shows every event of `sources` to visitors made by `visitor`, and calls `merge` with what each block left behind:
/// logs in the order given, blocks in order within them. When `merge` breaks, the rest is not read.
///
/// # Errors
/// A log cannot be opened or read, or a visitor overflows. A damaged line or compressed log is no error but
/// [`Evidence`].
pub fn scan<V: Visitor>(
    sources: &[Source],
    options: &Options<'_>,
    visitor: impl Fn() -> V + Sync,
    merge: impl FnMut(From, V::Part) -> ControlFlow<()> + Send,
) -> Result<Scanned<V>, ScanError> {
    let mut logs = Vec::with_capacity(sources.len());
    let mut units = Vec::with_capacity(sources.len());
    for source in sources {
        match source.open(options.progress, &options.reading())? {
            Opened::Plain { file, size } => {
                units.push(Some(jsonl::block_count(size)));
                logs.push(Log::Plain { file, size });
            }
            Opened::Stream(stream) => {
                units.push(None);
                logs.push(Log::Stream(Mutex::new(Some(stream))));
            }
            Opened::Pieces(pieces) => {
                units.push(None);
                logs.push(Log::Pieces { rest: Mutex::new((pieces, 0)), ended: AtomicBool::new(false) });
            }
        }
    }
    let has_pieces = logs.iter().any(|log| matches!(log, Log::Pieces { .. }));
    let work = if has_pieces { u64::MAX } else { units.iter().map(|blocks| blocks.unwrap_or(1)).sum() };
    let evidence = sources.iter().map(|source| Evidence { name: source.name(), ..Evidence::default() }).collect();
    let scan = Scan {
        logs,
        options,
        queue: Mutex::new((0, 0)),
        merger: Mutex::new(Merger {
            next: (0, 0, 0),
            lines_before: 0,
            units,
            pending: BTreeMap::new(),
            merge,
            broken: false,
            evidence,
        }),
        stop: AtomicBool::new(false),
        failed: Mutex::new(None),
    };
    let threads = options.threads.max(1).min(usize::try_from(work).unwrap_or(usize::MAX)).max(1);
    let visitors = on_threads(threads, || scan.work(visitor()));
    if let Some((log, error)) = scan.failed.into_inner() {
        return Err(match error {
            Failure::Io(cause) => ReadError { name: sources[log].name(), cause }.into(),
            Failure::Overflow(why) => ScanError::Overflow(why),
        });
    }
    let merger = scan.merger.into_inner();
    Ok((visitors, merger.evidence))
}

type Stream<'p> = BlockStream<Box<dyn io::Read + Send + 'p>>;

enum Log<'p> {
    Plain {
        file: File,
        size: u64,
    },
    Stream(Mutex<Option<Stream<'p>>>),
    /// The rest, and how many were given out.
    Pieces {
        rest: Mutex<(Box<dyn Pieces>, u64)>,
        ended: AtomicBool,
    },
}

enum Failure {
    Io(io::Error),
    Overflow(&'static str),
}

struct Scan<'p, P, M> {
    logs: Vec<Log<'p>>,
    options: &'p Options<'p>,
    /// The next log and, if it is a plain file, the next of its blocks.
    queue: Mutex<(usize, u64)>,
    merger: Mutex<Merger<P, M>>,
    stop: AtomicBool,
    failed: Mutex<Option<(usize, Failure)>>,
}

/// Who reads blocks: a visitor, and what its thread has learned about lines.
struct Worker<V> {
    visitor: V,
    walker: Walker,
}

/// One block's part, and what was wrong in the block.
struct Done<P> {
    part: P,
    found: Findings,
    origin: Option<Arc<Origin>>,
    /// The unit has no block behind this one.
    last: bool,
}

/// Place of a log, of a unit in it, and of a block in that: a plain log's units are its blocks.
type At = (usize, u64, u64);

#[derive(Default)]
struct Findings {
    lines: u64,
    skipped: u64,
    glued: u64,
    foreign: u64,
    shrunk: bool,
    /// (line in the block from 0, offset in the log, fault)
    places: Vec<(u64, u64, Fault)>,
    damaged: Option<String>,
    lost: bool,
}

impl<P: Send, M: FnMut(From, P) -> ControlFlow<()> + Send> Scan<'_, P, M> {
    /// Takes work until there is none.
    fn work<V: Visitor<Part = P>>(&self, visitor: V) -> V {
        let mut reader = BlockReader::default();
        let mut worker = Worker { visitor, walker: Walker::default() };
        while let Some((log, block)) = self.take() {
            let result = match &self.logs[log] {
                Log::Plain { file, size } => self.read_block(&mut worker, &mut reader, (log, block), file, *size),
                Log::Stream(stream) => {
                    let stream = stream.lock().take();
                    stream.map_or(Ok(()), |stream| self.read_stream(&mut worker, log, stream))
                }
                Log::Pieces { rest, ended } => self.read_piece(&mut worker, log, rest, ended),
            };
            let overflow = worker.visitor.overflow().map(Failure::Overflow);
            if let Some(failure) = result.err().map(Failure::Io).or(overflow) {
                self.stop.store(true, Ordering::Relaxed);
                self.failed.lock().get_or_insert((log, failure));
            }
        }
        worker.visitor
    }

    fn take(&self) -> Option<(usize, u64)> {
        let mut next = self.queue.lock();
        while !self.stop.load(Ordering::Relaxed) {
            let (log, block) = *next;
            let blocks = match self.logs.get(log)? {
                Log::Plain { size, .. } => jsonl::block_count(*size),
                Log::Stream(_) => 1,
                // Whoever comes takes the next one, until there is none.
                Log::Pieces { ended, .. } if ended.load(Ordering::Acquire) => 0,
                Log::Pieces { .. } => u64::MAX,
            };
            if block < blocks {
                next.1 += 1;
                return Some((log, block));
            }
            *next = (log + 1, 0);
        }
        None
    }

    fn read_block<V: Visitor<Part = P>>(
        &self,
        worker: &mut Worker<V>,
        reader: &mut BlockReader,
        (log, unit): (usize, u64),
        file: &File,
        size: u64,
    ) -> io::Result<()> {
        let index = if self.options.backwards { jsonl::block_count(size) - 1 - unit } else { unit };
        let block = reader.read(file, index, size)?;
        let done = self.visit(worker, &block);
        self.options.progress.add(jsonl::BLOCK_BYTES.min(size - index * jsonl::BLOCK_BYTES));
        self.submit((log, unit, 0), done);
        Ok(())
    }

    fn read_piece<V: Visitor<Part = P>>(
        &self,
        worker: &mut Worker<V>,
        log: usize,
        rest: &Mutex<(Box<dyn Pieces>, u64)>,
        ended: &AtomicBool,
    ) -> io::Result<()> {
        let mut rest = rest.lock();
        if ended.load(Ordering::Acquire) || self.stop.load(Ordering::Relaxed) {
            return Ok(());
        }
        let unit = rest.1;
        let Some(piece) = rest.0.next().map_err(io_error)? else {
            ended.store(true, Ordering::Release);
            drop(rest);
            let flow = self.merger.lock().end_log(log, unit, self.options.backwards);
            self.stop_on(flow);
            return Ok(());
        };
        rest.1 += 1;
        drop(rest);
        self.options.progress.add(piece.stored_bytes);
        self.visit_piece(worker, (log, unit), piece)
    }

    fn visit_piece<V: Visitor<Part = P>>(
        &self,
        worker: &mut Worker<V>,
        (log, unit): (usize, u64),
        piece: Piece,
    ) -> io::Result<()> {
        let Piece { content, offset, origin, .. } = piece;
        let mut block_number = 0;
        let mut submit = |done: Done<P>, last| {
            let done = Done { origin: Some(origin.clone()), last, ..done };
            self.submit((log, unit, block_number), done);
            block_number += 1;
        };
        let packed = match content.lines() {
            Ok(bytes) => {
                let block = Block { offset, bytes: &bytes, overlong: false, shrunk: false };
                submit(self.visit(worker, &block), true);
                return Ok(());
            }
            Err(packed) => packed,
        };
        let result = packed.and_then(|reader| {
            let mut stream = BlockStream::new(reader);
            while let Some((_, block)) = stream.next_block()? {
                if self.stop.load(Ordering::Relaxed) || worker.visitor.overflow().is_some() {
                    break;
                }
                submit(self.visit(worker, &block), false);
            }
            Ok(())
        });
        let found = match result {
            Ok(()) => Findings::default(),
            Err(error) if store_error(&error).is_some() || !is_damage(&error) => return Err(error),
            Err(error) => {
                let places = vec![(0, 0, Fault::Lost(error.to_string()))];
                Findings { lost: true, places, ..Findings::default() }
            }
        };
        submit(Done { part: worker.visitor.end_block(), found, origin: None, last: true }, true);
        Ok(())
    }

    fn read_stream<V: Visitor<Part = P>>(
        &self,
        worker: &mut Worker<V>,
        log: usize,
        mut stream: Stream<'_>,
    ) -> io::Result<()> {
        let mut unit = 0;
        while !self.stop.load(Ordering::Relaxed) && worker.visitor.overflow().is_none() {
            let done = match stream.next_block() {
                Ok(Some((_, block))) => self.visit(worker, &block),
                Ok(None) => break,
                Err(error) if is_damage(&error) => {
                    let found = Findings { damaged: Some(error.to_string()), ..Findings::default() };
                    let done = Done { part: worker.visitor.end_block(), found, origin: None, last: true };
                    self.submit((log, unit, 0), done);
                    unit += 1;
                    break;
                }
                Err(error) => return Err(error),
            };
            self.submit((log, unit, 0), done);
            unit += 1;
        }
        let flow = self.merger.lock().end_log(log, unit, self.options.backwards);
        self.stop_on(flow);
        Ok(())
    }

    fn submit(&self, at: At, done: Done<P>) {
        let flow = self.merger.lock().submit(at, done, self.options.backwards);
        self.stop_on(flow);
    }

    fn stop_on(&self, flow: ControlFlow<()>) {
        if flow.is_break() {
            self.stop.store(true, Ordering::Relaxed);
        }
    }

    /// Shows the events of a block to the visitor.
    fn visit<V: Visitor<Part = P>>(&self, worker: &mut Worker<V>, block: &Block<'_>) -> Done<P> {
        let mut found = Findings { shrunk: block.shrunk, ..Findings::default() };
        let bytes = block.bytes;
        let mut at = bytes.len() - jsonl::without_mark(bytes, block.offset).len();
        let Worker { visitor, walker } = worker;
        while at < bytes.len() {
            let (offset, line) = (block.offset + at as u64, found.lines);
            let rest = &bytes[at..];
            let known = if self.options.exact_only { None } else { walker.call(rest) };
            // The hot path stands here once and calls nothing that is not inlined.
            let length = match known {
                Some((call, length)) => {
                    visitor.call(&Record { text: &rest[..length], offset, line }, &call);
                    length
                }
                None => {
                    let (length, read) = walker.exact_line(rest, |text, event| {
                        visitor.event(&Record { text: text.as_bytes(), offset, line }, event);
                    });
                    if let Err(fault) = read {
                        found.note(offset, fault);
                    }
                    length
                }
            };
            at += length;
            found.lines += 1;
        }
        if block.overlong {
            found.note(block.offset + bytes.len() as u64, Fault::Overlong);
            found.lines += 1;
        }
        Done { part: worker.visitor.end_block(), found, origin: None, last: true }
    }
}

/// Whether a read failed because a compressed log is damaged or cut short, not because reading failed.
pub(super) fn is_damage(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, InvalidInput, Other, UnexpectedEof};
    matches!(error.kind(), InvalidData | InvalidInput | Other | UnexpectedEof) && error.raw_os_error().is_none()
}

impl Findings {
    #[cold]
    fn note(&mut self, offset: u64, fault: Fault) {
        match fault {
            Fault::Glued => self.glued += 1,
            Fault::Foreign => self.foreign += 1,
            _ => self.skipped += 1,
        }
        let alike = self.places.iter().filter(|(_, _, other)| other.loses() == fault.loses());
        if alike.count() < PLACES_MAX {
            self.places.push((self.lines, offset, fault));
        }
    }
}

struct Merger<P, M> {
    next: At,
    /// Lines of the next unit that were merged, if its log is not a file.
    lines_before: u64,
    /// How many units each log has, once known.
    units: Vec<Option<u64>>,
    pending: BTreeMap<At, Done<P>>,
    merge: M,
    /// `merge` has had enough.
    broken: bool,
    evidence: Vec<Evidence>,
}

impl<P, M: FnMut(From, P) -> ControlFlow<()>> Merger<P, M> {
    fn submit(&mut self, at: At, done: Done<P>, backwards: bool) -> ControlFlow<()> {
        self.pending.insert(at, done);
        self.drain(backwards)
    }

    fn end_log(&mut self, log: usize, units: u64, backwards: bool) -> ControlFlow<()> {
        self.units[log] = Some(units);
        self.drain(backwards)
    }

    /// Merges all that is next in order.
    fn drain(&mut self, backwards: bool) -> ControlFlow<()> {
        while !self.broken {
            while self.units.get(self.next.0).is_some_and(|units| *units == Some(self.next.1)) {
                self.next = (self.next.0 + 1, 0, 0);
            }
            let Some(Done { part, found, origin, last }) = self.pending.remove(&self.next) else {
                return ControlFlow::Continue(());
            };
            let (log, unit, block) = self.next;
            let evidence = &mut self.evidence[log];
            let lines_before = if origin.is_some() { self.lines_before } else { evidence.lines };
            self.lines_before += found.lines;
            evidence.add(found, origin.as_deref(), lines_before, backwards);
            if last {
                (self.next, self.lines_before) = ((log, unit + 1, 0), 0);
            } else {
                self.next = (log, unit, block + 1);
            }
            self.broken = (self.merge)(From { log, lines_before, origin, last }, part).is_break();
        }
        ControlFlow::Break(())
    }
}

impl Evidence {
    fn add(&mut self, found: Findings, origin: Option<&Origin>, lines_before: u64, backwards: bool) {
        let places = found.places.into_iter().map(|(line, offset, fault)| match origin {
            Some(origin) => {
                let spot = origin.spot(lines_before + line, offset);
                Place { part: Some(spot.part), line: spot.line, offset: spot.offset, fault }
            }
            None => {
                let line = if backwards { None } else { Some(lines_before + line + 1) };
                Place { part: None, line, offset, fault }
            }
        });
        if backwards {
            self.places.splice(0..0, places);
        } else {
            self.places.extend(places);
        }
        keep_first(&mut self.places, |place| &place.fault);
        self.lines += found.lines;
        self.skipped += found.skipped;
        self.glued += found.glued;
        self.foreign += found.foreign;
        self.shrunk |= found.shrunk;
        self.lost_parts += u64::from(found.lost);
        self.damaged = self.damaged.take().or(found.damaged);
    }
}
