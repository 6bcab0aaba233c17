//! Reading: a list, and the objects that it shows, several at a time; folds where there are any.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};

use super::Shared;
use super::ends::{COMMIT_BYTES_MAX, Found, LogPage, lines_of};
use super::known::{Boundary, Known};
use super::layout::{Commit, Fold, Member, commit_key, fold_key, log_start};
use crate::store::page::{behind, check_lines, lost, sound_lines};
use crate::store::{BATCH_BYTES_MAX, End, Error, Name, Page};

/// Most bytes of a page, whatever was asked for; a page ends behind the append that passes it.
const PAGE_BYTES_MAX: usize = BATCH_BYTES_MAX;

/// Objects that are read at the same time.
const READS_AT_ONCE: usize = 16;

/// Most objects that are read before it is looked again what is to be read.
const PLAN_PIECES_MAX: usize = 1_000;

/// An object that holds lines of a log.
pub(super) type Piece = Member;

/// What an object gave to a page.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) piece: Piece,
    /// The numbers of its first and last line.
    pub(super) from: u64,
    pub(super) to: u64,
    /// Where its text ends in the page.
    pub(super) end: usize,
    /// The page has all of it.
    pub(super) whole: bool,
}

impl Span {
    pub(super) fn is_fold(&self) -> bool {
        matches!(self.piece, Piece::Fold(_))
    }
}

/// A list, as far as it was read.
struct List {
    /// The line behind which it began; none at the log's start.
    after: Option<u64>,
    page: LogPage,
}

/// Part of a page has to be read again, in another way.
enum Trouble {
    /// A fold is gone or damaged. It is only a copy.
    Fold,
    /// The log was forgotten.
    Forgotten,
    Error(Error),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Trouble::Error(error)
    }
}

/// What was read of a page so far.
#[derive(Debug)]
struct Part {
    /// The number of the last line that was read, or the one that the page is behind.
    cursor: u64,
    text: Vec<u8>,
    /// Behind the last line that was read.
    end: End,
    spans: Vec<Span>,
}

impl Default for Part {
    fn default() -> Self {
        Part { cursor: 0, text: Vec::new(), end: End::START, spans: Vec::new() }
    }
}

/// A page that was begun, and a request failed.
#[derive(Debug)]
pub(super) struct Begun {
    log: Name,
    after: u64,
    part: Part,
}

/// A page that is being read.
struct Reading<'a> {
    shared: &'a Shared,
    log: &'a Name,
    after: u64,
    enough: usize,
    known: Known,
    part: Part,
    folds: Arc<[Fold]>,
    bad: HashSet<Fold>,
    list: Option<List>,
}

impl Shared {
    /// Reads a page.
    pub(super) async fn read(&self, log: &Name, after: u64, bytes: usize) -> Result<Page, Error> {
        let known = self.memory.of(log);
        let at_end = known.end.filter(|end| end.number() == after && after > 0);
        let folds = known.folds.clone().unwrap_or_default();
        let enough = bytes.clamp(1, PAGE_BYTES_MAX);
        let part = self.begun(log, after).unwrap_or(Part { cursor: after, ..Part::default() });
        let mut reading =
            Reading { shared: self, log, after, enough, known, part, folds, bad: HashSet::new(), list: None };
        if let Some(end) = at_end.filter(|_| reading.part.spans.is_empty()) {
            // Whoever reads at the end that they know mostly finds nothing new: a read tells, and is cheaper than a list.
            if end.end.sealed {
                return Ok(Page::empty(end.end));
            }
            match self.append_at(log, after + 1, COMMIT_BYTES_MAX).await? {
                Found::Nothing => return Ok(Page::empty(end.end)),
                Found::Empty => return self.seal(log, after).await,
                Found::Lines(lines) => {
                    let commit = Commit { first: after + 1, bytes: lines.text.len() as u64 };
                    reading.take(Piece::Commit(commit), &lines.text, lines.boundary.end, 0);
                }
            }
        }
        match reading.fill().await {
            Ok(has_more) => reading.finish(has_more).await,
            Err(Trouble::Forgotten) => self.seal(log, after).await,
            // Not reached: a fold is looked at once, and done without then.
            Err(Trouble::Fold) => Err(self.list_is_behind(log)),
            Err(Trouble::Error(error)) => {
                if error.retryable() && !reading.part.spans.is_empty() {
                    *self.begun.lock() = Some(Begun { log: log.clone(), after, part: reading.part });
                }
                Err(error)
            }
        }
    }

    /// The sound lines behind `after` of the append that they are in.
    pub(super) async fn read_damaged(&self, log: &Name, after: u64) -> Result<Bytes, Error> {
        let Some(commit) = self.containing(log, after.saturating_add(1)).await? else { return Ok(Bytes::new()) };
        let body = self.bucket.get(&commit_key(log, commit.first), commit.bytes.min(COMMIT_BYTES_MAX)).await?;
        Ok(sound_lines(&body.unwrap_or_default(), commit.first, after))
    }

    /// What was read of a page before a request failed. Of many requests some fail, and a log of many appends could not be
    /// read for ever if each failure were to make all that was read before it void.
    fn begun(&self, log: &Name, after: u64) -> Option<Part> {
        let mut begun = self.begun.lock();
        begun.take_if(|begun| begun.log == *log && begun.after == after).map(|begun| begun.part)
    }

    /// All that is left of a log that was forgotten: its last append.
    async fn seal(&self, log: &Name, after: u64) -> Result<Page, Error> {
        let Some(end) = self.find_end(log, self.memory.of(log).end).await?.filter(|end| end.end.sealed) else {
            let place = self.bucket.place(&log_start(log));
            return Err(Error::corrupt(place, "an object is empty, and the log is not sealed"));
        };
        if after >= end.number() {
            return if after > end.number() { Err(lost(log, after, end.number())) } else { Ok(Page::empty(end.end)) };
        }
        match self.append_at(log, end.first, COMMIT_BYTES_MAX).await? {
            Found::Lines(lines) => Ok(Page::new(behind(&lines.text, after), lines.boundary.end, false)),
            Found::Empty | Found::Nothing => {
                Err(Error::corrupt(self.bucket.place(&commit_key(log, end.first)), "the seal is gone"))
            }
        }
    }
}

impl Reading<'_> {
    fn is_full(&self) -> bool {
        self.part.text.len() >= self.enough
    }

    /// Reads until there is enough, or nothing more. Whether there is more.
    async fn fill(&mut self) -> Result<bool, Trouble> {
        loop {
            if self.is_full() {
                return Ok(self.has_more().await?);
            }
            let plan = self.plan();
            let step = match plan.is_empty() {
                true => self.look_further().await,
                false => self.fetch(plan).await.map(|()| true),
            };
            match step {
                Ok(true) | Err(Trouble::Fold) => {}
                Ok(false) if self.check_end().await? => {}
                Ok(false) => return Ok(false),
                Err(trouble) => return Err(trouble),
            }
        }
    }

    /// Whether there are lines behind those that were read; lists if that is not known.
    async fn has_more(&mut self) -> Result<bool, Error> {
        let cursor = self.part.cursor;
        if self.good_folds().any(|fold| fold.to > cursor) {
            return Ok(true);
        }
        if self.list.is_none() {
            let page = self.shared.log_page(self.log, Some(cursor), None).await?;
            self.list = Some(List { after: Some(cursor), page });
        }
        let page = self.list.as_ref().map(|list| &list.page);
        let is_listed = page.is_some_and(|page| page.commits.last().is_some_and(|commit| commit.first > cursor));
        Ok(is_listed || page.is_some_and(|page| page.next.is_some()))
    }

    fn good_folds(&self) -> impl Iterator<Item = &Fold> {
        self.folds.iter().filter(|fold| !self.bad.contains(fold))
    }

    /// The objects that hold the next lines, in order, as far as that is known, and about as many as are enough.
    fn plan(&self) -> Vec<Piece> {
        let commits = self.list.as_ref().map_or(&[][..], |list| &list.page.commits);
        let mut plan = Vec::new();
        let mut bytes = self.part.text.len() as u64;
        // The last line before the next object; none if its append has to be read to know.
        let mut cursor = Some(self.part.cursor);
        while let Some(at) = cursor.filter(|_| bytes < self.enough as u64 && plan.len() < PLAN_PIECES_MAX) {
            let fold = self.good_folds().filter(|fold| fold.from <= at + 1 && fold.to > at).max_by_key(|fold| fold.to);
            if let Some(fold) = fold {
                plan.push(Piece::Fold(*fold));
                bytes += fold.bytes;
                cursor = Some(fold.to);
                continue;
            }
            let index = commits.partition_point(|commit| commit.first <= at);
            let Some(commit) = commits.get(index).filter(|commit| commit.first == at + 1) else { break };
            plan.push(Piece::Commit(*commit));
            bytes += commit.bytes;
            cursor = commits.get(index + 1).map(|next| next.first - 1);
        }
        plan
    }

    /// Reads objects, several at a time, and takes them in order.
    async fn fetch(&mut self, plan: Vec<Piece>) -> Result<(), Trouble> {
        let (shared, log) = (self.shared, self.log);
        let mut bodies = stream::iter(plan)
            .map(|piece| async move {
                let (key, bytes_max) = match piece {
                    Piece::Commit(commit) => (commit_key(log, commit.first), commit.bytes.min(COMMIT_BYTES_MAX)),
                    Piece::Fold(fold) => {
                        if let Some(body) = shared.fold_in_hand(log, fold) {
                            return (piece, Ok(Some(body)));
                        }
                        (fold_key(log, fold.from, fold.to), fold.bytes.min(COMMIT_BYTES_MAX))
                    }
                };
                (piece, shared.bucket.get(&key, bytes_max).await)
            })
            .buffered(READS_AT_ONCE);
        while let Some((piece, body)) = bodies.next().await {
            match piece {
                // The append before it ends earlier than the list let expect.
                Piece::Commit(commit) if commit.first > self.part.cursor + 1 => {
                    drop(bodies);
                    return self.bridge().await.map(|_| ());
                }
                Piece::Commit(commit) => self.take_commit(commit, body?)?,
                Piece::Fold(fold) => {
                    if !self.take_fold(fold, body)? {
                        self.bad.insert(fold);
                        return Err(Trouble::Fold);
                    }
                }
            }
            if self.is_full() {
                break;
            }
        }
        Ok(())
    }

    fn take_commit(&mut self, commit: Commit, body: Option<Bytes>) -> Result<(), Trouble> {
        let Some(body) = body else {
            let what = "what is listed is not there".to_owned();
            return Err(self.shared.bucket.behind(&format!("reading {}", self.log), what).into());
        };
        if body.is_empty() {
            return Err(Trouble::Forgotten);
        }
        let first = commit.first;
        let place = self.shared.bucket.place(&commit_key(self.log, first));
        if first != self.part.cursor + 1 {
            let problem = format!("the append before it goes to line {}", self.part.cursor);
            return Err(Error::corrupt(place, problem).into());
        }
        if self.part.end.sealed {
            return Err(Error::corrupt(place, format!("line {first} follows a seal")).into());
        }
        let lines = lines_of(body, first, &place)?;
        self.take(Piece::Commit(commit), &lines.text, lines.boundary.end, 0);
        Ok(())
    }

    /// Takes what a fold has of the page. Whether it is as it should be.
    fn take_fold(&mut self, fold: Fold, body: Result<Option<Bytes>, Error>) -> Result<bool, Error> {
        let body = match body {
            Ok(Some(body)) => body,
            Ok(None) | Err(Error::Corrupt { .. }) => return Ok(false),
            Err(error) => return Err(error),
        };
        let Ok(lines) = lines_of(body.clone(), fold.from, "fold") else { return Ok(false) };
        if lines.boundary.number() != fold.to || self.part.end.sealed {
            return Ok(false);
        }
        let text = behind(&lines.text, self.part.cursor);
        // As much of it as is enough: a page is not to be longer for there being a fold.
        let wanted = self.enough - self.part.text.len();
        let Ok(checked) = check_lines(&text, Some(self.part.cursor + 1), wanted, &"fold", 0) else { return Ok(false) };
        let Some(last) = checked.last else { return Ok(false) };
        let left_out = lines.text.len() - checked.bytes;
        self.take(Piece::Fold(fold), &text.slice(..checked.bytes), End::behind(last), left_out);
        if last.seq < fold.to {
            self.shared.keep_in_hand(self.log, fold, body);
        }
        Ok(true)
    }

    /// Adds lines that were checked to the page. `left_out` is how much of the object is not wanted.
    fn take(&mut self, piece: Piece, text: &[u8], end: End, left_out: usize) {
        let from = self.part.cursor + 1;
        self.part.text.extend_from_slice(text);
        self.part.cursor = end.last.number();
        self.part.end = end;
        self.part.spans.push(Span {
            piece,
            from,
            to: self.part.cursor,
            end: self.part.text.len(),
            whole: left_out == 0,
        });
    }

    /// Lists what comes next. Whether there is anything that was not known.
    async fn look_further(&mut self) -> Result<bool, Trouble> {
        let cursor = self.part.cursor;
        let (after, next) = match &mut self.list {
            // Only a list from the start shows folds.
            None => ((cursor > 0).then_some(cursor), None),
            Some(list) if list.page.commits.last().is_some_and(|commit| commit.first > cursor) => {
                return self.bridge().await;
            }
            Some(list) => match list.page.next.take() {
                None => return Ok(false),
                // A fold went further than the list.
                Some(_) if self.part.spans.last().is_some_and(Span::is_fold) => (Some(cursor), None),
                next => (list.after, next),
            },
        };
        let is_first = self.list.is_none();
        let page = self.shared.log_page(self.log, after, next).await?;
        if page.commits.iter().any(|commit| commit.bytes == 0) {
            return Err(Trouble::Forgotten);
        }
        if after.is_none() {
            self.learn_folds(page.folds.clone());
        } else if is_first && page.next.is_some() && self.known.folds.is_none() {
            let folds = self.shared.folds(self.log).await?;
            self.learn_folds(folds);
        }
        self.list = Some(List { after, page });
        Ok(true)
    }

    fn learn_folds(&mut self, folds: Vec<Fold>) {
        self.folds = self.folds.iter().copied().chain(folds).collect();
        self.shared.memory.folded(self.log, self.folds.clone());
    }

    /// What is listed does not go on where it should.
    async fn bridge(&mut self) -> Result<bool, Trouble> {
        let next = self.part.cursor + 1;
        match self.shared.append_at(self.log, next, COMMIT_BYTES_MAX).await? {
            Found::Lines(_) => Err(self.shared.list_is_behind(self.log).into()),
            Found::Empty => Err(Trouble::Forgotten),
            Found::Nothing if self.part.spans.is_empty() && self.after > 0 => self.begin_inside().await,
            Found::Nothing => Err(self.gap().into()),
        }
    }

    fn gap(&self) -> Error {
        let next = self.part.cursor + 1;
        Error::corrupt(self.shared.bucket.place(&commit_key(self.log, next)), format!("line {next} is missing"))
    }

    /// Reads the append that the page begins in the middle of.
    async fn begin_inside(&mut self) -> Result<bool, Trouble> {
        let Some(commit) = self.shared.containing(self.log, self.after).await? else { return Err(self.gap().into()) };
        match self.shared.append_at(self.log, commit.first, commit.bytes.min(COMMIT_BYTES_MAX)).await? {
            Found::Lines(lines) if lines.boundary.number() > self.after => {
                let text = behind(&lines.text, self.after);
                let left_out = lines.text.len() - text.len();
                self.take(Piece::Commit(commit), &text, lines.boundary.end, left_out);
                Ok(true)
            }
            Found::Lines(_) | Found::Nothing => Err(self.gap().into()),
            Found::Empty => Err(Trouble::Forgotten),
        }
    }

    /// Nothing more is listed. Whether there are lines all the same.
    async fn check_end(&mut self) -> Result<bool, Trouble> {
        if let Some(known) = self.known.end.filter(|known| known.number() > self.part.cursor) {
            if known.first <= self.part.cursor {
                return self.begin_inside().await;
            }
            return Err(self.shared.missing(self.log, known).await.into());
        }
        if !self.part.spans.is_empty() || self.after == 0 || self.known_here().is_some() {
            return Ok(false);
        }
        // Nothing stands behind `after`: it is the end, or inside the last append, or the log was longer once.
        let end = self.shared.find_end(self.log, None).await?;
        let number = end.map_or(0, |end| end.number());
        if number > self.after {
            return self.begin_inside().await;
        }
        if number < self.after {
            if self.shared.bucket.has(&commit_key(self.log, number + 1)).await? {
                return Err(self.shared.list_is_behind(self.log).into());
            }
            return Err(lost(self.log, self.after, number).into());
        }
        self.known.end = end;
        Ok(false)
    }

    fn known_here(&self) -> Option<Boundary> {
        self.known.end.filter(|known| known.number() == self.part.cursor)
    }

    async fn finish(mut self, has_more: bool) -> Result<Page, Error> {
        let Some(last) = self.part.spans.last() else {
            return Ok(Page::empty(self.known_here().map_or(End::START, |known| known.end)));
        };
        if let (false, Piece::Commit(commit)) = (has_more, last.piece) {
            self.shared.memory.met(self.log, Boundary { end: self.part.end, first: commit.first });
        }
        let text = Bytes::from(std::mem::take(&mut self.part.text));
        // The log's last append is not folded: it is what a list from behind the folds finds.
        let spans = &self.part.spans[..self.part.spans.len() - usize::from(!has_more)];
        if !self.bad.is_empty() {
            self.shared.memory.unfold(self.log);
        }
        let folds: Vec<Fold> = self.good_folds().copied().collect();
        self.shared.fold(self.log, &text, spans, folds).await;
        Ok(Page::new(text, self.part.end, has_more))
    }
}
