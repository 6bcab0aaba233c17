//! Appending: one write of an object that must not be there.

use super::Shared;
use super::bucket::Created;
use super::ends::{COMMIT_BYTES_MAX, Found};
use super::known::Boundary;
use super::layout::commit_key;
use crate::store::page::{Admission, admit};
use crate::store::{Append, End, Error, Token};

impl Shared {
    /// Appends lines, or finds that they are there.
    ///
    /// Numbers stay dense because an object is only created behind a place that is known to be the end of an append, and
    /// not sealed: such a place stays what it is, whatever others do meanwhile. That nobody else takes the number, the
    /// store sees to.
    pub(super) async fn append(&self, append: &Append, token: Token) -> Result<(), Error> {
        let known = self.memory.of(&append.log).end;
        if !follows(append, known) && self.verify(append, token, known).await? == Admission::Landed {
            return Ok(());
        }
        let first = append.after.number().saturating_add(1);
        let body = append.framed(token).into();
        match self.bucket.create(&commit_key(&append.log, first), body).await? {
            Created::Done => {
                let end = End { last: append.end(token), sealed: append.seal };
                self.memory.met(&append.log, Boundary { end, first });
                Ok(())
            }
            Created::Exists => self.taken(append, token).await,
        }
    }

    /// Whether an append whose place is not known for an end may be written, or has been: lists and reads.
    async fn verify(&self, append: &Append, token: Token, known: Option<Boundary>) -> Result<Admission, Error> {
        let (log, expected) = (&append.log, append.after.number());
        let passed = |end: Option<Boundary>| end.is_some_and(|end| end.number() > expected);
        let mut found = None;
        if passed(known) {
            found = self.token_at(append).await?;
            if found == Some(token) {
                return Ok(Admission::Landed);
            }
        }
        let end = self.find_end(log, known).await?;
        if passed(end) && !passed(known) {
            found = self.token_at(append).await?;
        }
        let end = end.map_or(End::START, |boundary| boundary.end);
        if end.last.number() < expected && !end.sealed {
            // Before it is said that something was lost, it is made sure that the list is not just behind.
            let next = commit_key(log, end.last.number().saturating_add(1));
            if self.bucket.has(&next).await? {
                return Err(self.list_is_behind(log));
            }
        }
        admit(append, token, end, |_| found)
    }

    /// The token of the append that stands where this one is to go.
    async fn token_at(&self, append: &Append) -> Result<Option<Token>, Error> {
        match self.append_at(&append.log, append.after.number().saturating_add(1), COMMIT_BYTES_MAX).await? {
            Found::Lines(lines) => Ok(Some(lines.token)),
            Found::Empty | Found::Nothing => Ok(None),
        }
    }

    /// There is an object already: this very append, from a request whose answer was lost, or that of another.
    async fn taken(&self, append: &Append, token: Token) -> Result<(), Error> {
        let (log, first) = (&append.log, append.after.number().saturating_add(1));
        let end = match self.append_at(log, first, COMMIT_BYTES_MAX).await? {
            Found::Lines(lines) => {
                self.memory.met(log, lines.boundary);
                if lines.token == token {
                    return Ok(());
                }
                self.end_from(append, lines.boundary).await?
            }
            Found::Empty => self.find_end(log, self.memory.of(log).end).await?,
            Found::Nothing => {
                let what = "there is an object when it is written and none when it is read".to_owned();
                return Err(self.bucket.behind(&format!("appending to {log}"), what));
            }
        };
        let Some(end) = end.filter(|end| end.number() > append.after.number()) else {
            return Err(self.list_is_behind(log));
        };
        match admit(append, token, end.end, |_| None)? {
            Admission::Landed => Ok(()),
            // Not reached: the end is behind the place.
            Admission::Write => Err(self.list_is_behind(log)),
        }
    }

    /// The end of a log, from an append of it that probably is its last.
    async fn end_from(&self, append: &Append, boundary: Boundary) -> Result<Option<Boundary>, Error> {
        let next = commit_key(&append.log, boundary.number().saturating_add(1));
        if boundary.end.sealed || !self.bucket.has(&next).await? {
            return Ok(Some(boundary));
        }
        self.find_end(&append.log, Some(boundary)).await
    }
}

/// Whether the append's place is known to be the end of an append, so that it may be tried without looking.
fn follows(append: &Append, known: Option<Boundary>) -> bool {
    match known {
        None => append.after.number() == 0,
        Some(known) => {
            let same = match (append.after.token(), known.end.last.token()) {
                (Some(expected), found) => found == Some(expected),
                (None, _) => true,
            };
            known.number() == append.after.number() && !known.end.sealed && same
        }
    }
}
