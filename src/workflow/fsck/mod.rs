//! Whether a store's runs, inboxes and due entries are as the protocol leaves them, and what can be done where they are not.
//!
//! It may be run while workers are at work: what looks wrong is looked at a second time, a little later, and told only if
//! nothing has moved there meanwhile. It goes through the store in the order of names, in stretches, so that its memory does not grow with the
//! number of runs.

mod index;
mod run;

use std::collections::HashSet;
use std::time::Duration;

use futures_util::StreamExt as _;

use self::index::{Entries, Stretch};
use self::run::{Checked, Means, check_run, unless_bad};
use crate::chance::Random;
use crate::store::{Batch, Error, Finding, Name, Store};
use crate::time::Timestamp;
use crate::workflow::batches::DraftError;
use crate::workflow::{INBOX, RUNS};

/// How to look.
#[derive(Clone, Copy, Debug)]
pub struct FsckOptions {
    /// Does what loses nothing: puts a due entry, drops one of a run that has ended, begins a generation or a child that was
    /// decided upon, tells a parent of an end.
    pub repair: bool,
    /// The present time.
    pub now: Timestamp,
    /// How long after its end a claim counts as dead when nobody has taken the run, in microseconds.
    pub dead_after_us: i64,
    /// How many runs are kept in mind at a time. For each stretch of so many, the due index is gone through once.
    pub runs_at_a_time: usize,
    /// How many runs are read at the same time.
    pub reads_at_a_time: usize,
    /// How long to wait before what looks wrong is looked at again, in milliseconds: somebody may be in the middle of a batch.
    pub pause_ms: u64,
}

impl FsckOptions {
    /// A look at `now` that changes nothing.
    pub fn new(now: Timestamp) -> Self {
        FsckOptions {
            repair: false,
            now,
            dead_after_us: 60 * 1_000_000,
            runs_at_a_time: 20_000,
            reads_at_a_time: 16,
            pause_ms: 1_000,
        }
    }
}

/// What a search tells as it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FsckProgress {
    /// Something is not as it should be.
    Found(Finding),
    /// One more run was looked at.
    Run,
}

/// What was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FsckSummary {
    /// Runs.
    pub runs: u64,
    /// Those that have ended.
    pub ended: u64,
    /// Those whose history or inbox cannot be as it is.
    pub corrupt: u64,
    /// What was found, corrupt runs included.
    pub findings: u64,
    /// What was repaired.
    pub repaired: u64,
    /// What could not be read, so that it was not looked at.
    pub unread: u64,
    /// A list or a queue is damaged, so there may be runs that were not looked at.
    pub cut_short: bool,
}

/// Something that is not as it should be, and the batch that would set it right.
struct Suspect {
    finding: Finding,
    remedy: Option<Batch>,
}

impl Suspect {
    fn new(place: &Name, problem: &str) -> Self {
        Suspect { finding: Finding::new(place, problem), remedy: None }
    }

    /// The same with what can be done about it, unless that cannot be put into a batch.
    fn with_remedy(self, remedy: &str, batch: Result<Batch, DraftError>) -> Self {
        match batch {
            Ok(batch) => Suspect { finding: self.finding.with_remedy(remedy), remedy: Some(batch) },
            Err(error) => {
                let problem = format!("{}; to {remedy} is not possible: {error}", self.finding.problem);
                Suspect { finding: Finding { problem, ..self.finding }, remedy: None }
            }
        }
    }
}

/// Looks through a store and reports what it finds. `random` makes the tokens of repairs.
///
/// # Errors
/// What stopped the search; what it found is not an error, and neither is damage, nor a log that cannot be read.
pub async fn fsck(
    store: &dyn Store,
    options: &FsckOptions,
    random: &dyn Random,
    report: &mut (dyn FnMut(FsckProgress) + Send),
) -> Result<FsckSummary, Error> {
    let means = Means { store, options, random };
    let mut search = Search { means, report, summary: FsckSummary::default(), told: HashSet::new() };
    search.medium().await?;
    match search.runs().await {
        Err(Error::Corrupt { place, problem } | Error::Lost { place, problem }) => {
            search.summary.cut_short = true;
            if !search.told.contains(&problem) {
                search.tell(Finding::new(&place, &problem));
            }
        }
        result => result?,
    }
    Ok(search.summary)
}

struct Search<'a> {
    means: Means<'a>,
    report: &'a mut (dyn FnMut(FsckProgress) + Send),
    summary: FsckSummary,
    /// What the medium's own search has told, which need not be told again.
    told: HashSet<String>,
}

impl Search<'_> {
    async fn medium(&mut self) -> Result<(), Error> {
        let store = self.means.store;
        match store.inspect(self.means.options.repair).await {
            // Who may not look at everything may still be able to read the runs.
            Err(error @ Error::Denied { .. }) => self.tell_once(Finding::unread(&store.location(), &error)),
            found => found?.into_iter().for_each(|finding| self.tell_once(finding)),
        }
        Ok(())
    }

    fn tell_once(&mut self, finding: Finding) {
        if self.told.insert(finding.problem.clone()) || finding.unread.is_none() {
            self.tell(finding);
        }
    }

    /// Goes through all runs, inboxes and due entries.
    async fn runs(&mut self) -> Result<(), Error> {
        let mut after = None;
        loop {
            let stretch = Stretch::next(self.means.store, after.as_ref(), self.means.options.runs_at_a_time).await?;
            self.stretch(&stretch).await?;
            after = stretch.last;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    fn tell(&mut self, finding: Finding) {
        match finding.unread {
            Some(_) => self.summary.unread += 1,
            None => self.summary.findings += 1,
        }
        self.summary.repaired += u64::from(finding.repaired);
        (self.report)(FsckProgress::Found(finding));
    }

    async fn stretch(&mut self, stretch: &Stretch) -> Result<(), Error> {
        let mut first = Vec::new();
        let entries = Entries::within(self.means.store, stretch, None).await?;
        for finding in entries.unread.iter().chain(&stretch.unread) {
            self.tell_once(finding.clone());
        }
        for (name, checked) in self.check(&stretch.runs, &entries, true).await? {
            self.summary.runs += u64::from(!checked.nothing);
            self.summary.ended += u64::from(checked.ended);
            if let Some((finding, why)) = checked.bad {
                self.summary.corrupt += u64::from(finding.unread.is_none());
                if !self.told.contains(&why) {
                    self.tell(finding);
                }
            } else if !checked.suspects.is_empty() {
                first.push((name, checked.mark));
            }
        }
        let more = [(entries.surplus, "due entries that lead to no run"), (stretch.surplus, "inboxes without a run")];
        for (surplus, what) in more.into_iter().filter(|(surplus, _)| *surplus > 0) {
            self.tell(Finding::new(&self.means.store.location(), &format!("there are {surplus} more {what}")));
        }
        let orphans: HashSet<&str> = stretch.orphans.iter().map(Name::key).collect();
        let mut strays: Vec<Name> = entries.of_no_run(stretch).filter(|name| !orphans.contains(name.key())).collect();
        strays.extend(stretch.orphans.iter().cloned());
        strays.sort_by_key(|stray| stray.of_kind(RUNS));
        drop(entries);
        if !first.is_empty() || !strays.is_empty() {
            if self.means.options.pause_ms > 0 {
                tokio::time::sleep(Duration::from_millis(self.means.options.pause_ms)).await;
            }
            self.look_again(stretch, &first, &strays).await?;
        }
        Ok(())
    }

    async fn check(&mut self, runs: &[Name], entries: &Entries, first: bool) -> Result<Vec<(Name, Checked)>, Error> {
        let (means, told) = (self.means, &self.told);
        let looks = runs.iter().map(|name| async move {
            let dues = entries.unread.is_none().then(|| entries.of(name));
            let checked = match check_run(means, name, dues).await {
                // One that the medium's own search could not read either is no reason to end here.
                Err(error @ Error::Unavailable { .. }) => {
                    let finding = Finding::unread(name, &error);
                    if !told.contains(&finding.problem) {
                        return Err(error);
                    }
                    Checked::bad(finding)
                }
                checked => checked?,
            };
            Ok::<_, Error>((name.clone(), checked))
        });
        let mut found = futures_util::stream::iter(looks).buffered(means.options.reads_at_a_time.max(1));
        let mut all = Vec::with_capacity(runs.len());
        while let Some(checked) = found.next().await {
            all.push(checked?);
            if first && all.last().is_some_and(|(_, checked)| !checked.nothing) {
                (self.report)(FsckProgress::Run);
            }
        }
        Ok(all)
    }

    /// Tells what is still so where nothing has moved since the first look, and repairs it if that is wanted.
    async fn look_again(&mut self, stretch: &Stretch, first: &[(Name, u64)], strays: &[Name]) -> Result<(), Error> {
        let runs: Vec<Name> = first.iter().map(|(name, _)| name.clone()).collect();
        let wanted: HashSet<String> = runs.iter().chain(strays).map(|name| name.key().to_owned()).collect();
        let entries = Entries::within(self.means.store, stretch, Some(&wanted)).await?;
        for ((_, checked), (_, mark)) in self.check(&runs, &entries, false).await?.into_iter().zip(first) {
            if checked.mark == *mark && checked.bad.is_none() {
                for suspect in checked.suspects {
                    self.settle(suspect).await?;
                }
            }
        }
        for stray in strays {
            self.stray(stray, &entries).await?;
        }
        Ok(())
    }

    /// Something that belongs to a run which is not there.
    async fn stray(&mut self, name: &Name, entries: &Entries) -> Result<(), Error> {
        let history = unless_bad(self.means.store.end(&name.of_kind(RUNS)).await)?;
        if history.is_none_or(|end| end.last.number() > 0) {
            return Ok(());
        }
        for due in entries.of(name) {
            let problem =
                format!("the due index leads to it at {} in queue {}, and there is no such run", due.at, due.queue);
            self.tell(Finding::new(&due.run, &problem));
        }
        if name.kind() == INBOX
            && let Some(end) = unless_bad(self.means.store.end(name).await)?
        {
            let lines = if end.last.number() == 1 { "line" } else { "lines" };
            let problem = format!("it is an inbox of {} {lines}, and there is no such run", end.last.number());
            self.tell(Finding::new(name, &problem));
        }
        Ok(())
    }

    async fn settle(&mut self, suspect: Suspect) -> Result<(), Error> {
        let mut finding = suspect.finding;
        if let Some(batch) = suspect.remedy.filter(|_| self.means.options.repair) {
            match self.means.store.apply(&batch).await {
                Ok(_) => finding.repaired = true,
                // Somebody is at it.
                Err(Error::Conflict { .. } | Error::Sealed { .. }) => return Ok(()),
                // What is damaged there is told where it is looked at.
                Err(Error::Corrupt { .. } | Error::Lost { .. }) => {}
                Err(error @ Error::Denied { .. }) => {
                    finding.problem = format!("{}; {}", finding.problem, Finding::unread(&"", &error).problem);
                }
                Err(error) => return Err(error),
            }
        }
        self.tell(finding);
        Ok(())
    }
}
