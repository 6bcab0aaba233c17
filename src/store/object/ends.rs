//! Where logs end, and the objects that lead there.

use bytes::Bytes;

use super::Shared;
use super::bucket::Query;
use super::known::Boundary;
use super::layout::{Commit, Fold, Member, commit_key, log_start, member};
use crate::store::page::{check_lines, split_line};
use crate::store::{BATCH_BYTES_MAX, End, Error, Header, Name, Token};

/// Longest object of an append: a batch, in which headers are counted.
pub(super) const COMMIT_BYTES_MAX: u64 = BATCH_BYTES_MAX as u64;

/// Most folds of a log that are looked at. What more there are is not needed for anything.
pub(super) const FOLDS_MAX: usize = 4_096;

/// One page of a log's list.
#[derive(Debug, Default)]
pub(super) struct LogPage {
    /// In the order of where they begin. Only in a list from the log's start.
    pub(super) folds: Vec<Fold>,
    /// In the order of their numbers.
    pub(super) commits: Vec<Commit>,
    /// Where the next page goes on.
    pub(super) next: Option<String>,
}

/// What is found where an append may be.
#[derive(Debug)]
pub(super) enum Found {
    /// Nothing.
    Nothing,
    /// It was forgotten.
    Empty,
    /// Its lines, which were checked.
    Lines(Lines),
}

/// The lines of one append.
#[derive(Debug)]
pub(super) struct Lines {
    pub(super) text: Bytes,
    pub(super) token: Token,
    pub(super) boundary: Boundary,
}

impl Shared {
    /// One page of a log: from its start, or only appends behind line `after`.
    pub(super) async fn log_page(
        &self,
        log: &Name,
        after: Option<u64>,
        next: Option<String>,
    ) -> Result<LogPage, Error> {
        let start = log_start(log);
        let query =
            Query { after: after.map(|after| commit_key(log, after)), start: start.clone(), ..Query::default() };
        let listed = self.bucket.list(&query, next).await?;
        let mut page = LogPage { next: listed.next, ..LogPage::default() };
        for (key, bytes) in listed.objects {
            match key.strip_prefix(&start).and_then(|rest| member(rest, bytes)) {
                Some(Member::Commit(commit)) => page.commits.push(commit),
                Some(Member::Fold(fold)) if page.folds.len() < FOLDS_MAX => page.folds.push(fold),
                // `inspect` tells of what does not belong here.
                Some(Member::Fold(_)) | None => {}
            }
        }
        Ok(page)
    }

    /// The append that begins with line `first`.
    pub(super) async fn append_at(&self, log: &Name, first: u64, bytes_max: u64) -> Result<Found, Error> {
        let key = commit_key(log, first);
        let Some(text) = self.bucket.get(&key, bytes_max).await? else { return Ok(Found::Nothing) };
        if text.is_empty() {
            return Ok(Found::Empty);
        }
        Ok(Found::Lines(lines_of(text, first, &self.bucket.place(&key))?))
    }

    /// Where a log ends, by a list that begins where it is known to have been; none if there is no such log.
    pub(super) async fn find_end(&self, log: &Name, known: Option<Boundary>) -> Result<Option<Boundary>, Error> {
        if known.is_some_and(|known| known.end.sealed) {
            return Ok(known);
        }
        let last = match known {
            // The object that is known comes first, if it is still there.
            Some(known) => {
                let (first, last) = self.first_and_last(log, Some(known.first.saturating_sub(1)), true).await?;
                if first.is_none_or(|first| first.first != known.first) {
                    return Err(self.missing(log, known).await);
                }
                last
            }
            None => self.first_and_last(log, None, true).await?.1,
        };
        let Some(last) = last else { return Ok(None) };
        if let Some(known) = known.filter(|known| known.first == last.first) {
            return Ok(Some(known));
        }
        let boundary = match self.append_at(log, last.first, last.bytes).await? {
            Found::Lines(lines) => lines.boundary,
            Found::Nothing => {
                return Err(self.bucket.behind(&format!("reading {log}"), "what is listed is not there".to_owned()));
            }
            Found::Empty => {
                let place = self.bucket.place(&commit_key(log, last.first));
                return Err(Error::corrupt(place, "the last object of the log is empty"));
            }
        };
        self.memory.met(log, boundary);
        Ok(Some(boundary))
    }

    /// The first append behind line `after`, and the last of all. Folds, where there are any, say how far to go at once.
    async fn first_and_last(
        &self,
        log: &Name,
        after: Option<u64>,
        leap: bool,
    ) -> Result<(Option<Commit>, Option<Commit>), Error> {
        let mut page = self.log_page(log, after, None).await?;
        let first = page.commits.first().copied();
        let mut last = page.commits.last().copied();
        let folded = page.folds.iter().map(|fold| fold.to).max().filter(|_| leap && page.next.is_some());
        if let Some(folded) = folded.filter(|folded| last.is_none_or(|last| last.first <= *folded))
            // Behind a fold there is always an append: the last is never folded. A fold that says otherwise lies.
            && let (Some(_), Some(last)) = Box::pin(self.first_and_last(log, Some(folded), false)).await?
        {
            return Ok((first, Some(last)));
        }
        while let Some(next) = page.next {
            page = self.log_page(log, after, Some(next)).await?;
            last = page.commits.last().copied().or(last);
        }
        Ok((first, last))
    }

    /// The last append that begins with line `number` or before it.
    pub(super) async fn containing(&self, log: &Name, number: u64) -> Result<Option<Commit>, Error> {
        let mut page = self.log_page(log, None, None).await?;
        let mut after = None;
        if page.next.is_some() {
            after = page.folds.iter().map(|fold| fold.to).filter(|to| *to < number).max();
            if after.is_some() {
                page = self.log_page(log, after, None).await?;
            }
        }
        let mut found = None;
        loop {
            found = page.commits.iter().copied().take_while(|commit| commit.first <= number).last().or(found);
            let is_passed = page.commits.last().is_some_and(|commit| commit.first > number);
            match page.next {
                Some(next) if !is_passed => page = self.log_page(log, after, Some(next)).await?,
                _ => return Ok(found),
            }
        }
    }

    /// An append that is known is not listed: the list is behind, or the append is gone.
    pub(super) async fn missing(&self, log: &Name, known: Boundary) -> Error {
        match self.bucket.has(&commit_key(log, known.first)).await {
            Ok(true) => self.list_is_behind(log),
            Ok(false) => {
                self.memory.forget(log);
                let problem = format!("line {}, which was there, is gone", known.number());
                Error::Lost { place: log.to_string(), problem }
            }
            Err(error) => error,
        }
    }

    pub(super) fn list_is_behind(&self, log: &Name) -> Error {
        self.bucket.behind(&format!("listing {log}"), "the list does not yet show all that is there".to_owned())
    }
}

/// Checks an object of whole appends: one, or those of a fold.
pub(super) fn lines_of(text: Bytes, first: u64, place: &str) -> Result<Lines, Error> {
    let checked = check_lines(&text, Some(first), usize::MAX, &place, 0)?;
    let header = split_line(&text).and_then(|(line, _)| Header::parse(line));
    match (header, checked.last) {
        (Some(header), Some(last)) if checked.bytes == text.len() => {
            let boundary = Boundary { end: End::behind(last), first };
            Ok(Lines { text, token: header.token, boundary })
        }
        _ => Err(Error::corrupt(place, format!("what follows byte {} is not a whole append", checked.bytes))),
    }
}
