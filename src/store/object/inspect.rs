//! Looking through all objects of a store for what should not be.
//!
//! Everything is listed once, in order, and every append is read; nothing is kept but what concerns the log at hand.

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};

use super::Shared;
use super::bucket::Query;
use super::ends::{COMMIT_BYTES_MAX, FOLDS_MAX, lines_of};
use super::layout::{Commit, DUE, EVOLUTION, Fold, MARKER, Member, PROBES, commit_key, fold_key, log_of, member};
use crate::store::page::split_line;
use crate::store::{Due, Error, Finding, Header, Name, Queue};
use crate::text::harmless;

/// Most findings that are given; the last says that there are more.
const FINDINGS_MAX: usize = 10_000;

/// Objects that are read at the same time.
const READS_AT_ONCE: usize = 16;

/// Longest fold that is compared with its appends, in bytes. Those that are made are much shorter.
const FOLD_BYTES_MAX: u64 = 8 << 20;

/// Folds that are compared at the same time, because they overlap.
const FOLDS_AT_ONCE: usize = 8;

impl Shared {
    pub(super) async fn inspect(&self, repair: bool) -> Result<Vec<Finding>, Error> {
        let mut findings = Findings { shared: self, repair, found: Vec::new(), surplus: 0 };
        if let Some(Error::Unfit { problem, .. }) = self.marker().await.err() {
            findings.add(MARKER, problem, None);
        }
        let mut at_hand: Option<Log<'_>> = None;
        let mut next = None;
        loop {
            let page = self.bucket.list(&Query::default(), next).await?;
            // What consoles put in the place of a folder is nothing.
            page.odd.iter().filter(|name| !name.ends_with('/')).for_each(|name| findings.stray(name));
            for (key, bytes) in page.objects {
                let of_log = log_of(&key);
                if let Some(done) = at_hand.take_if(|log| of_log.as_ref().is_none_or(|(name, _)| *name != log.name)) {
                    done.finish(&mut findings).await?;
                }
                match of_log {
                    Some((name, rest)) => {
                        let log = at_hand.get_or_insert_with(|| Log::new(self, name));
                        match member(rest, bytes) {
                            Some(found) => log.add(found, &mut findings).await?,
                            None => findings.stray(&key),
                        }
                    }
                    None => findings.elsewhere(&key).await?,
                }
            }
            next = page.next;
            if next.is_none() {
                break;
            }
        }
        if let Some(log) = at_hand {
            log.finish(&mut findings).await?;
        }
        if repair {
            match self.try_out().await {
                Err(Error::Unfit { problem, .. }) => findings.add("", problem, None),
                result => result?,
            }
        }
        Ok(findings.finish())
    }
}

/// What was found so far.
struct Findings<'a> {
    shared: &'a Shared,
    repair: bool,
    found: Vec<Finding>,
    surplus: u64,
}

impl Findings<'_> {
    fn add(&mut self, key: &str, problem: String, remedy: Option<(&str, bool)>) {
        if self.found.len() >= FINDINGS_MAX {
            self.surplus += 1;
            return;
        }
        // Whoever made the object may have called it anything.
        let finding = Finding::new(&self.shared.bucket.place(&harmless(key)), &problem);
        let (remedy, repaired) = remedy.map_or((None, false), |(remedy, done)| (Some(remedy.to_owned()), done));
        self.found.push(Finding { remedy, repaired, ..finding });
    }

    fn unread(&mut self, key: &str, error: &Error) {
        if self.found.len() >= FINDINGS_MAX {
            self.surplus += 1;
            return;
        }
        self.found.push(Finding::unread(&self.shared.bucket.place(&harmless(key)), error));
    }

    fn stray(&mut self, key: &str) {
        self.add(key, "no store makes such an object".to_owned(), None);
    }

    /// Something that can be removed without losing anything.
    async fn removable(&mut self, key: &str, problem: String) -> Result<(), Error> {
        if self.repair {
            self.shared.bucket.delete(key).await?;
        }
        self.add(key, problem, Some(("remove it", self.repair)));
        Ok(())
    }

    /// An object that belongs to no log.
    async fn elsewhere(&mut self, key: &str) -> Result<(), Error> {
        // An evolution log is beside the store, and no part of it.
        if key == MARKER || key.starts_with(EVOLUTION) {
            return Ok(());
        }
        if key.starts_with(PROBES) {
            return self.removable(key, "it was left over when the bucket was tried out".to_owned()).await;
        }
        let entry = key.strip_prefix(DUE).and_then(|rest| rest.split_once('/'));
        let due = entry.and_then(|(queue, entry)| Due::from_entry(&Queue::from_key(queue)?, entry));
        if due.is_none() {
            self.stray(key);
        }
        Ok(())
    }

    fn finish(mut self) -> Vec<Finding> {
        if self.surplus > 0 {
            let problem = format!("there are {} more findings", self.surplus);
            self.found.push(Finding::new(self.shared.bucket.address(), &problem));
        }
        self.found
    }
}

/// A fold that is being compared with its appends.
struct Comparison {
    fold: Fold,
    text: Bytes,
    /// How much of it has been found to be as in the appends; none if something is not.
    same: Option<usize>,
}

/// The log that is being looked at.
struct Log<'a> {
    shared: &'a Shared,
    name: Name,
    folds: Vec<Fold>,
    comparing: Vec<Comparison>,
    /// Appends that are listed and not yet read.
    waiting: Vec<Commit>,
    /// The number that the next append should have; none where that cannot be known.
    expected: Option<u64>,
    sealed: Option<u64>,
    empty: u64,
    full: u64,
    /// Something is wrong with the appends, so that folds may be the better copy.
    is_damaged: bool,
}

impl<'a> Log<'a> {
    fn new(shared: &'a Shared, name: Name) -> Self {
        Log {
            shared,
            name,
            folds: Vec::new(),
            comparing: Vec::new(),
            waiting: Vec::new(),
            expected: Some(1),
            sealed: None,
            empty: 0,
            full: 0,
            is_damaged: false,
        }
    }

    async fn add(&mut self, found: Member, findings: &mut Findings<'_>) -> Result<(), Error> {
        match found {
            Member::Fold(fold) if self.folds.len() < FOLDS_MAX => self.folds.push(fold),
            Member::Fold(_) => {}
            Member::Commit(commit) => {
                self.waiting.push(commit);
                if self.waiting.len() >= READS_AT_ONCE {
                    self.read_waiting(findings).await?;
                }
            }
        }
        Ok(())
    }

    async fn read_waiting(&mut self, findings: &mut Findings<'_>) -> Result<(), Error> {
        let (shared, name) = (self.shared, self.name.clone());
        let waiting = std::mem::take(&mut self.waiting);
        let mut bodies = stream::iter(waiting)
            .map(|commit| {
                let key = commit_key(&name, commit.first);
                async move {
                    let body = shared.bucket.get(&key, commit.bytes.min(COMMIT_BYTES_MAX)).await;
                    (commit.first, key, body)
                }
            })
            .buffered(READS_AT_ONCE);
        while let Some((first, key, body)) = bodies.next().await {
            match body {
                Ok(body) => self.look_at(first, &key, body, findings).await?,
                Err(Error::Corrupt { problem, .. }) => self.damaged(&key, problem, findings),
                Err(error @ Error::Denied { .. }) => {
                    // Without it nothing is known of what the folds should be, and of where the next append begins.
                    findings.unread(&key, &error);
                    self.is_damaged = true;
                    self.expected = None;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn damaged(&mut self, key: &str, problem: String, findings: &mut Findings<'_>) {
        findings.add(key, problem, None);
        self.is_damaged = true;
        self.expected = None;
    }

    async fn look_at(
        &mut self,
        first: u64,
        key: &str,
        body: Option<Bytes>,
        findings: &mut Findings<'_>,
    ) -> Result<(), Error> {
        if let Some(sealed) = self.sealed {
            findings.add(key, format!("the log was sealed before, by line {sealed}"), None);
            return Ok(());
        }
        let expected = self.expected;
        if let Some(expected) = expected.filter(|expected| *expected != first) {
            let problem = match first.checked_sub(expected) {
                None => format!("the append before it goes to line {}", expected - 1),
                Some(1) => format!("line {expected} is missing before it"),
                Some(_) => format!("lines {expected} to {} are missing before it", first - 1),
            };
            self.damaged(key, problem, findings);
        }
        let Some(body) = body else {
            self.damaged(key, "it is listed, but not there".to_owned(), findings);
            return Ok(());
        };
        if body.is_empty() {
            self.empty += 1;
            self.expected = None;
            return Ok(());
        }
        self.full += 1;
        match lines_of(body, first, "") {
            Ok(lines) => {
                if appends_of(&lines.text) > 1 {
                    findings.add(key, "it holds more than one append".to_owned(), None);
                }
                let last = lines.boundary.number();
                self.expected = Some(last.saturating_add(1).max(expected.unwrap_or(0)));
                self.sealed = lines.boundary.end.sealed.then_some(last);
                self.compare(first, &lines.text, findings).await?;
            }
            Err(Error::Corrupt { problem, .. }) => self.damaged(key, problem, findings),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Holds the folds that should have this append against it.
    async fn compare(&mut self, first: u64, text: &Bytes, findings: &mut Findings<'_>) -> Result<(), Error> {
        while let Some(fold) = self.folds.first().copied().filter(|fold| fold.from <= first) {
            self.folds.remove(0);
            if self.comparing.len() >= FOLDS_AT_ONCE || fold.bytes > FOLD_BYTES_MAX {
                continue;
            }
            let body = self.shared.bucket.get(&fold_key(&self.name, fold.from, fold.to), fold.bytes).await;
            let text = match body {
                Ok(text) => text,
                Err(Error::Corrupt { .. }) => Some(Bytes::new()),
                Err(error @ Error::Denied { .. }) => {
                    findings.unread(&fold_key(&self.name, fold.from, fold.to), &error);
                    None
                }
                Err(error) => return Err(error),
            };
            // One that is gone was replaced meanwhile.
            let Some(text) = text else { continue };
            self.comparing.push(Comparison { fold, text, same: (fold.from == first).then_some(0) });
        }
        let mut at = 0;
        while at < self.comparing.len() {
            if self.comparing[at].fold.to < first {
                let done = self.comparing.remove(at);
                self.judge(&done, findings).await?;
                continue;
            }
            let comparison = &mut self.comparing[at];
            let rest = comparison.same.and_then(|same| comparison.text.get(same..));
            comparison.same =
                rest.filter(|rest| rest.starts_with(text)).and(comparison.same).map(|same| same + text.len());
            at += 1;
        }
        Ok(())
    }

    async fn judge(&self, done: &Comparison, findings: &mut Findings<'_>) -> Result<(), Error> {
        let key = fold_key(&self.name, done.fold.from, done.fold.to);
        let problem = "it is not what the appends are of which it should be a copy".to_owned();
        match done.same == Some(done.text.len()) {
            true => Ok(()),
            // The fold may be the better copy.
            false if self.is_damaged => {
                findings.add(&key, problem, None);
                Ok(())
            }
            false => findings.removable(&key, problem).await,
        }
    }

    async fn finish(mut self, findings: &mut Findings<'_>) -> Result<(), Error> {
        self.read_waiting(findings).await?;
        let key = super::layout::log_start(&self.name);
        if self.empty > 0 && self.sealed.is_none() {
            findings.add(&key, format!("{} of its objects are empty, and it is not sealed", self.empty), None);
            self.is_damaged = true;
        } else if self.empty > 0 && self.full > 1 {
            findings.add(&key, "it was not forgotten to the end: forget it again".to_owned(), None);
        }
        for comparison in std::mem::take(&mut self.comparing) {
            self.judge(&comparison, findings).await?;
        }
        for fold in std::mem::take(&mut self.folds) {
            let key = fold_key(&self.name, fold.from, fold.to);
            if self.is_damaged {
                findings.add(&key, "it is a copy of lines that the log does not have".to_owned(), None);
            } else {
                findings.removable(&key, "it is a copy of lines that the log does not have".to_owned()).await?;
            }
        }
        Ok(())
    }
}

/// How many appends these lines are.
fn appends_of(text: &[u8]) -> usize {
    let mut rest = text;
    let mut appends = 0;
    while let Some((line, behind)) = split_line(rest) {
        appends += usize::from(Header::parse(line).is_some_and(|header| !header.more));
        rest = behind;
    }
    appends
}
