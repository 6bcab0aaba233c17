//! A log that is a file, with those that were put aside before it.

use std::collections::HashMap;
use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};

use super::history::History;
use super::medium::{Medium, Work};
use super::news::{Decided, Memory, Reader};
use super::seat::Listener;
use super::{Pending, Shared};
use crate::evolution::append::{Appender, News, WriteError};
use crate::evolution::decision::{Decision, Lasting};
use crate::evolution::event;
use crate::evolution::fast::CALL;
use crate::evolution::file::{FileNumber, same_file};
use crate::evolution::folder;
use crate::evolution::source::{Source, each_block};

/// How many bytes are written at a time: others are let in between.
const BATCH_BYTES: usize = 1 << 18;

/// The log and how far it was read.
pub(super) struct FileLog {
    path: PathBuf,
    appender: Appender,
    memory: Memory,
    aside: Aside,
    written_bytes: u64,
}

/// The decisions in logs that were put aside, by what tells these from others and their size, so that each is read once.
type Aside = HashMap<(FileNumber, u64), Vec<Decision>>;

impl FileLog {
    pub(super) fn new(path: &Path) -> Self {
        let (path, appender) = (path.to_path_buf(), Appender::new(path));
        FileLog { path, appender, memory: Memory::default(), aside: Aside::default(), written_bytes: 0 }
    }

    /// The appender, and who hears what it finds.
    fn parts<'a>(&'a mut self, shared: &'a Shared) -> (&'a mut Appender, FileNews<'a>) {
        let FileLog { path, appender, memory, aside, .. } = self;
        (appender, FileNews { path, aside, reader: shared.reader(memory) })
    }
}

impl Medium for FileLog {
    fn start(&mut self, shared: &Shared) -> io::Result<()> {
        let (appender, mut news) = self.parts(shared);
        let decided = news.read_aside()?;
        *shared.decided.write() = decided;
        appender.lock(&mut news)?;
        news.reader.caught_up();
        Ok(())
    }

    fn look(&mut self, shared: &Shared) -> io::Result<Vec<Pending>> {
        let (appender, mut news) = self.parts(shared);
        appender.look(&mut news)?;
        news.reader.caught_up();
        Ok(shared.pending(&mut news.reader.decisions))
    }

    fn batch_bytes_max(&self, shared: &Shared) -> usize {
        // A log must not grow beyond its limit by a whole batch.
        shared.options.rotation.bytes_max.map_or(BATCH_BYTES, |max| BATCH_BYTES.min(max as usize / 2))
    }

    fn write(&mut self, shared: &Shared, work: &mut Work<'_>) -> io::Result<()> {
        let now = shared.options.clock.now();
        let (appender, mut news) = self.parts(shared);
        let mut session = appender.lock(&mut news)?;
        news.reader.caught_up();
        work.decisions.append(&mut shared.pending(&mut news.reader.decisions));
        if let Err(error) = session.rotate_if_due(&shared.options.rotation, work.lines.len(), now, &mut news) {
            // A log that grows is better than one that is not written.
            *work.trouble = Some(format!("the log cannot be put aside: {error}"));
        }
        if work.is_last {
            shared.settle(work.decisions, work.lines);
        }
        let result = session.write(work.lines, &mut news);
        drop(session);
        work.decisions.append(&mut shared.pending(&mut news.reader.decisions));
        let written = match &result {
            Ok(()) => work.lines.len(),
            Err(WriteError { written, .. }) => *written,
        };
        self.written_bytes += written as u64;
        work.lines.drain(..written);
        result.map_err(|error| error.cause)
    }

    fn sync(&mut self, _: &Shared) -> io::Result<()> {
        self.appender.sync()
    }

    fn written_bytes(&self) -> u64 {
        self.written_bytes
    }

    fn tell(&mut self, _: &Shared, function: &str, listener: &dyn Listener) -> io::Result<Option<Decision>> {
        let Some(mut history) = History::begin(function, listener) else { return Ok(None) };
        for source in folder::put_aside(&self.path)? {
            each_block(&source, u64::MAX, |lines| history.lines(lines))?;
        }
        match each_block(&Source::File(self.path.clone()), self.appender.seen(), |lines| history.lines(lines)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            result => result?,
        }
        Ok(history.finish())
    }

    fn sources(&self) -> io::Result<Vec<Source>> {
        let mut sources = folder::put_aside(&self.path)?;
        sources.push(Source::File(self.path.clone()));
        Ok(sources)
    }
}

/// Hears what others write to the file.
struct FileNews<'a> {
    path: &'a Path,
    aside: &'a mut Aside,
    reader: Reader<'a>,
}

impl News for FileNews<'_> {
    fn lines(&mut self, lines: &[u8]) {
        self.reader.lines(lines);
    }

    fn replaced(&mut self, old: &Metadata) {
        let aside = folder::put_aside(self.path).unwrap_or_default();
        let is_old = |metadata: Metadata| same_file(&metadata, old);
        // Otherwise somebody wrote the log anew, and strategies have heard what is in it.
        let heard = !aside.iter().filter_map(metadata_of).any(is_old);
        // Decisions are folded from the beginning, so that none is taken in out of its order. Where a log cannot be read, what
        // is known stays.
        let fresh = self.read_aside().ok();
        self.reader.read_anew(fresh, heard);
    }
}

impl FileNews<'_> {
    /// What was decided in the logs that were put aside, in time order.
    ///
    /// # Errors
    /// One cannot be read.
    fn read_aside(&mut self) -> io::Result<Decided> {
        let (mut decided, mut known) = (Decided::default(), HashMap::new());
        for source in folder::put_aside(self.path)? {
            let Some(metadata) = metadata_of(&source) else { continue };
            let id = (FileNumber::of(&metadata), metadata.len());
            let decisions = match self.aside.remove(&id) {
                Some(decisions) => decisions,
                None => decisions_in(&source)?,
            };
            decisions.iter().for_each(|decision| _ = decided.take(decision));
            known.insert(id, decisions);
        }
        *self.aside = known;
        Ok(decided)
    }
}

fn metadata_of(source: &Source) -> Option<Metadata> {
    source.path().and_then(|path| std::fs::metadata(path).ok())
}

/// Most forced decisions about a function that are remembered of a log, the last ones.
const FORCED_MAX: usize = 10_000;

/// The decisions of a log, each function's in its order, without those that are void after all.
fn decisions_in(source: &Source) -> io::Result<Vec<Decision>> {
    let mut by_function: HashMap<String, Lasting<Decision>> = HashMap::new();
    let mut take = |text: &str| {
        if let Some(decision) = Decision::parse(text) {
            let lasting = by_function.entry(decision.function.clone()).or_default();
            lasting.take(&decision, decision.clone());
            lasting.limit_forced(FORCED_MAX);
        }
    };
    each_block(source, u64::MAX, |lines| {
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', lines).map(|newline| newline + 1).chain([lines.len()]) {
            let line = &lines[start..end];
            start = end;
            if !line.is_empty() && !line.starts_with(CALL) {
                let _ = event::read_records(line, &mut |text, _| take(text));
            }
        }
    })?;
    Ok(by_function.into_values().flat_map(Lasting::into_items).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evolution::decision::Change;

    #[test]
    fn what_is_void_after_all_is_not_remembered() {
        let line = |event: &str, forced: bool| {
            format!(
                "{{\"event\": \"{event}\", \"function\": \"f\", \"variant\": \"v2\", \"new_weight\": 0.5, \"forced\": {forced}}}\n"
            )
        };
        let log = |events: &[(&str, bool)]| {
            let file = tempfile::NamedTempFile::with_suffix(".jsonl").expect("a file");
            let text = events.iter().map(|(event, forced)| line(event, *forced)).collect::<String>();
            std::fs::write(file.path(), text).expect("written");
            let decisions = decisions_in(&Source::File(file.path().to_path_buf())).expect("readable");
            (decisions.len(), decisions)
        };
        let flood = [("weight_change", false); 50_000];
        assert_eq!(log(&flood).0, 1);
        assert_eq!(log(&[("weight_change", true); 20_000]).0, FORCED_MAX);
        let events = [("promotion", true), ("release", true), ("rollback", false), ("weight_change", true)];
        let (count, decisions) = log(&events);
        let mut decided = Decided::default();
        decided.take(&Decision { variant: "v9".into(), ..decisions[1].clone() });
        decisions.iter().for_each(|decision| _ = decided.take(decision));
        assert_eq!(count, 3);
        assert_eq!((decided.standing("f").share("v2"), decided.standing("f").share("v9")), (Some(0.5), None));
        assert_eq!(decided.own("f").map(|decision| &decision.change), Some(&Change::Rollback { to: None }));
    }
}
