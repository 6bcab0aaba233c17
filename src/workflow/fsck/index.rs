//! Stretches of a store in the order of names, and the due entries of the runs in one.

use std::collections::{HashMap, HashSet};

use crate::store::{Due, Error, Finding, LIST_PAGE, Name, Queue, Store};
use crate::time::Timestamp;
use crate::workflow::{INBOX, RUNS};

/// How many due entries are asked for at a time.
const DUE_PAGE: usize = 10_000;

/// Most entries of one run that are kept in mind, but for the first of each kind in each queue: these say whether the run is
/// led to in time. If there are more, the next search finds those behind them.
const ENTRIES_MAX: usize = 16;

/// Most names without a run that are kept in mind, in one stretch. If there are more, the others are counted.
const STRAYS_MAX: usize = 10_000;

/// The runs between two names, and the inboxes there that have no run.
pub(super) struct Stretch {
    /// The last run of the stretch before.
    after: Option<Name>,
    /// The last run of this one; none if no stretch follows.
    pub(super) last: Option<Name>,
    pub(super) runs: Vec<Name>,
    pub(super) orphans: Vec<Name>,
    /// How many more such inboxes there are.
    pub(super) surplus: u64,
    /// The inboxes cannot be listed.
    pub(super) unread: Option<Finding>,
}

impl Stretch {
    /// At most `limit` runs behind `after`.
    pub(super) async fn next(store: &dyn Store, after: Option<&Name>, limit: usize) -> Result<Self, Error> {
        let limit = limit.max(1);
        let mut runs: Vec<Name> = Vec::new();
        while runs.len() < limit {
            let asked = LIST_PAGE.min(limit - runs.len());
            let page = store.list(RUNS, "", runs.last().or(after), asked).await?;
            let ended = page.len() < asked;
            runs.extend(page);
            if ended {
                break;
            }
        }
        let last = if runs.len() < limit { None } else { runs.last().cloned() };
        let mut stretch = Stretch { after: after.cloned(), last, runs, orphans: Vec::new(), surplus: 0, unread: None };
        match stretch.find_orphans(store).await {
            Err(error @ Error::Denied { .. }) => stretch.unread = Some(Finding::unread(&INBOX, &error)),
            found => found?,
        }
        Ok(stretch)
    }

    async fn find_orphans(&mut self, store: &dyn Store) -> Result<(), Error> {
        let mut after = self.after.as_ref().map(|after| after.of_kind(INBOX));
        loop {
            let page = store.list(INBOX, "", after.as_ref(), LIST_PAGE).await?;
            for inbox in &page {
                let run = inbox.of_kind(RUNS);
                if !self.holds(&run) {
                    return Ok(());
                }
                match self.runs.binary_search(&run) {
                    Ok(_) => {}
                    Err(_) if self.orphans.len() < STRAYS_MAX => self.orphans.push(inbox.clone()),
                    Err(_) => self.surplus += 1,
                }
            }
            after = page.last().cloned();
            if page.len() < LIST_PAGE {
                return Ok(());
            }
        }
    }

    /// Whether a run of this name would be in this stretch.
    fn holds(&self, run: &Name) -> bool {
        self.after.as_ref().is_none_or(|after| run > after) && self.last.as_ref().is_none_or(|last| run <= last)
    }
}

/// The due entries of runs, by the key of the run, the earliest first.
pub(super) struct Entries {
    by_key: HashMap<String, Vec<Due>>,
    strays: usize,
    /// How many more entries there are that lead to no run.
    pub(super) surplus: u64,
    /// Some cannot be read, so that nobody knows whether a run is led to.
    pub(super) unread: Option<Finding>,
}

impl Entries {
    /// The entries of all runs that are in a stretch, or would be if they were there; of those with a wanted key, if these are
    /// given.
    pub(super) async fn within(
        store: &dyn Store,
        stretch: &Stretch,
        wanted: Option<&HashSet<String>>,
    ) -> Result<Self, Error> {
        let mut entries = Entries { by_key: HashMap::new(), strays: 0, surplus: 0, unread: None };
        let queues = match store.queues().await {
            Err(error @ Error::Denied { .. }) => {
                entries.unread = Some(Finding::unread(&"due", &error));
                return Ok(entries);
            }
            queues => queues?,
        };
        for queue in queues {
            match entries.add_queue(store, &queue, stretch, wanted).await {
                Err(error @ Error::Denied { .. }) => {
                    entries.unread = Some(Finding::unread(&format!("due/{}", queue.key()), &error));
                }
                added => added?,
            }
        }
        Ok(entries)
    }

    async fn add_queue(
        &mut self,
        store: &dyn Store,
        queue: &Queue,
        stretch: &Stretch,
        wanted: Option<&HashSet<String>>,
    ) -> Result<(), Error> {
        let mut after: Option<Due> = None;
        loop {
            let page = store.due(queue, after.as_ref(), Timestamp::MAX, DUE_PAGE).await?;
            let full = page.len() >= DUE_PAGE;
            after = page.last().cloned();
            let mine = |due: &Due| {
                [RUNS, INBOX].contains(&due.run.kind())
                    && wanted.is_none_or(|wanted| wanted.contains(due.run.key()))
                    && stretch.holds(&due.run.of_kind(RUNS))
            };
            page.into_iter().filter(mine).for_each(|due| self.add(stretch, due));
            if !full {
                return Ok(());
            }
        }
    }

    fn add(&mut self, stretch: &Stretch, due: Due) {
        if let Some(known) = self.by_key.get_mut(due.run.key()) {
            // Entries come by queues, so those of this one are the last.
            let mut of_queue = known.iter().rev().take_while(|other| other.queue == due.queue);
            if known.len() < ENTRIES_MAX || of_queue.all(|other| other.run.kind() != due.run.kind()) {
                known.push(due);
            }
            return;
        }
        if stretch.runs.binary_search(&due.run.of_kind(RUNS)).is_err() {
            if self.strays >= STRAYS_MAX {
                self.surplus += 1;
                return;
            }
            self.strays += 1;
        }
        self.by_key.insert(due.run.key().to_owned(), vec![due]);
    }

    /// The entries of a run.
    pub(super) fn of(&self, run: &Name) -> &[Due] {
        self.by_key.get(run.key()).map_or(&[], Vec::as_slice)
    }

    /// Names of runs that have entries and are not there, in no order.
    pub(super) fn of_no_run(&self, stretch: &Stretch) -> impl Iterator<Item = Name> {
        let names = self.by_key.values().filter_map(|entries| Some(entries.first()?.run.of_kind(RUNS)));
        names.filter(|name| stretch.runs.binary_search(name).is_err())
    }
}
