//! Which segments there are: listed a page at a time, from the first or from the last.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use super::fetch::patiently;
use super::names::{Segment, SegmentId, behind, day_of, hour_of, is_day, is_log};
use super::shared::Shared;
use crate::evolution::piece::Reading;
use crate::store::Error;
use crate::store::object::{EVOLUTION, Listed as Page, Query};
use crate::time::Timestamp;

/// How many segments are remembered, to know one again that was put twice. It is put again within minutes.
const KNOWN_MAX: usize = 1 << 16;

/// How many objects between segments are told of.
const STRAYS_MAX: usize = 1_000;

const MINUTE_US: i64 = 60_000_000;

/// A segment and its object.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    pub(super) key: String,
    pub(super) size: u64,
    pub(super) segment: Segment,
}

/// Part of a list that is still to be made.
#[derive(Clone, Debug)]
enum Part {
    /// What begins so, behind this key, from where the last page said, and before this key.
    Keys { query: Query, next: Option<String>, before: Option<String> },
    /// The hours of a day, the last one first.
    Hours(String),
    /// The segments of an hour, the last one first.
    Hour(String),
    /// The segments of an hour that has many, minute by minute; this one next.
    Minutes(String, u32),
}

/// Lists segments in the order of their keys, or backwards.
pub(super) struct Segments {
    shared: Arc<Shared>,
    reading: Reading,
    parts: VecDeque<Part>,
    found: VecDeque<Listed>,
    known: Known,
    /// Those that were known already, if anybody wants to know.
    copies: Option<Vec<Listed>>,
    /// Objects between segments that are called as logs are, and not as segments.
    strays: Vec<String>,
    /// Those of this writer are left out.
    not_of: Option<u64>,
    /// And these.
    without: HashSet<SegmentId>,
    /// And those that have an event of this time or later.
    older_than: Option<Timestamp>,
}

/// Segments that were seen, the last ones.
#[derive(Default)]
struct Known {
    ids: HashSet<SegmentId>,
    order: VecDeque<SegmentId>,
}

impl Known {
    /// Whether it was not seen before.
    fn insert(&mut self, id: SegmentId) -> bool {
        if !self.ids.insert(id) {
            return false;
        }
        self.order.push_back(id);
        if self.order.len() > KNOWN_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
        true
    }
}

impl Segments {
    /// All that may hold what is wanted.
    pub(super) fn new(shared: &Arc<Shared>, reading: &Reading) -> Result<Self, Error> {
        let first_day = reading.since.map(day_of);
        let mut days = folders(shared, EVOLUTION)?;
        days.retain(|day| is_day(day) && first_day.as_ref().is_none_or(|first| day >= first));
        if reading.backwards {
            days.reverse();
        }
        let part = |day: String| match reading.backwards {
            true => Part::Hours(day),
            // Nothing that was put before has an event that is wanted.
            false => keys(day, reading.since.map(behind)),
        };
        let parts = days.into_iter().map(part).collect();
        Ok(Segments::of_parts(shared, *reading, parts))
    }

    fn of_parts(shared: &Arc<Shared>, reading: Reading, parts: VecDeque<Part>) -> Self {
        Segments {
            shared: shared.clone(),
            reading,
            parts,
            found: VecDeque::new(),
            known: Known::default(),
            copies: None,
            strays: Vec::new(),
            not_of: None,
            without: HashSet::new(),
            older_than: None,
        }
    }

    /// Those that were put from this time on, until now: in the order of their keys.
    pub(super) fn from(shared: &Arc<Shared>, from: Timestamp, now: Timestamp) -> Self {
        let mut days = vec![day_of(from), day_of(now)];
        // Somebody's clock may be ahead.
        days.push(day_of(now.offset_micros(10 * MINUTE_US)));
        days.dedup();
        let parts = days.into_iter().map(|day| keys(day, Some(behind(from)))).collect();
        Segments::of_parts(shared, Reading::default(), parts)
    }

    /// Without those of a writer.
    pub(super) fn not_of(self, writer: u64) -> Self {
        Segments { not_of: Some(writer), ..self }
    }

    /// Without these.
    pub(super) fn without(self, segments: impl Iterator<Item = SegmentId>) -> Self {
        Segments { without: segments.collect(), ..self }
    }

    /// The keys of objects that were found so far which are called as logs are, and not as segments; each once.
    pub(super) fn take_strays(&mut self) -> Vec<String> {
        std::mem::take(&mut self.strays)
    }

    /// The next one.
    pub(super) fn next(&mut self) -> Result<Option<Listed>, Error> {
        loop {
            if let Some(found) = self.found.pop_front() {
                let id = found.segment.id;
                let is_wanted = found.segment.may_hold(self.reading.since, self.reading.until)
                    && self.not_of != Some(id.writer)
                    && self.older_than.is_none_or(|limit| found.segment.last < limit)
                    && !self.without.contains(&id);
                if is_wanted && self.known.insert(id) {
                    return Ok(Some(found));
                }
                if let Some(copies) = self.copies.as_mut().filter(|_| is_wanted) {
                    copies.push(found);
                }
                continue;
            }
            let Some(part) = self.parts.pop_front() else { return Ok(None) };
            self.list(part)?;
        }
    }

    fn list(&mut self, part: Part) -> Result<(), Error> {
        match part {
            Part::Keys { query, next, before } => {
                let (found, next) = self.page(&query, next, before.as_deref())?;
                if next.is_some() {
                    self.parts.push_front(Part::Keys { query, next, before });
                }
                self.found.extend(found);
            }
            Part::Hours(day) => {
                let first = self.reading.since.map(hour_of);
                for hour in folders(&self.shared, &day)? {
                    if first.as_ref().is_none_or(|first| hour >= *first) {
                        self.parts.push_front(Part::Hour(hour));
                    }
                }
            }
            Part::Hour(hour) => {
                let query = Query { start: hour.clone(), ..Query::default() };
                let (found, next) = self.page(&query, None, None)?;
                match next {
                    // The last ones are wanted, and lists are made from the front.
                    Some(_) => self.parts.push_front(Part::Minutes(hour, 59)),
                    None => self.found.extend(found.into_iter().rev()),
                }
            }
            Part::Minutes(hour, minute) => {
                if let Some(minute) = minute.checked_sub(1) {
                    self.parts.push_front(Part::Minutes(hour.clone(), minute));
                }
                self.list_minute(&hour, minute)?;
            }
        }
        Ok(())
    }

    fn list_minute(&mut self, hour: &str, minute: u32) -> Result<(), Error> {
        let Some(start) = time_of_hour(hour).map(|at| at.offset_micros(i64::from(minute) * MINUTE_US)) else {
            return Ok(());
        };
        // The first minute has all that is in front of it as well, and the last all behind.
        let after = (minute > 0).then(|| behind(start));
        let before = (minute < 59).then(|| behind(start.offset_micros(MINUTE_US)));
        let query = Query { start: hour.to_owned(), after, ..Query::default() };
        let (mut all, mut next) = (Vec::new(), None);
        loop {
            let (found, more) = self.page(&query, next, before.as_deref())?;
            all.extend(found);
            next = more;
            if next.is_none() {
                break;
            }
        }
        self.found.extend(all.into_iter().rev());
        Ok(())
    }

    /// One page of segments, and where the next one goes on, if anything there is wanted.
    fn page(
        &mut self,
        query: &Query,
        next: Option<String>,
        before: Option<&str>,
    ) -> Result<(Vec<Listed>, Option<String>), Error> {
        let page = list(&self.shared, query.clone(), next)?;
        let is_wanted = |key: &str| before.is_none_or(|before| key < before);
        let goes_on = page.objects.last().is_none_or(|(key, _)| is_wanted(key));
        let mut found = Vec::with_capacity(page.objects.len());
        for (key, size) in page.objects.into_iter().filter(|(key, _)| is_wanted(key)) {
            match Segment::parse(&key) {
                Some(segment) => found.push(Listed { key, size, segment }),
                None => self.stray(key),
            }
        }
        page.odd.into_iter().for_each(|key| self.stray(key));
        Ok((found, page.next.filter(|_| goes_on)))
    }

    /// What else is there has been put there by somebody else.
    fn stray(&mut self, key: String) {
        if is_log(&key) && self.strays.len() < STRAYS_MAX {
            self.strays.push(key);
        }
    }
}

/// What is to be deleted.
impl Segments {
    /// Only those whose last event is older.
    pub(super) fn older_than(self, limit: Timestamp) -> Self {
        Segments { older_than: Some(limit), ..self }
    }

    /// And remembers those that are found a second time.
    pub(super) fn with_copies(self) -> Self {
        Segments { copies: Some(Vec::new()), ..self }
    }

    /// Segments that were found a second time.
    pub(super) fn into_copies(self) -> impl Iterator<Item = Listed> {
        self.copies.unwrap_or_default().into_iter()
    }
}

fn keys(day: String, after: Option<String>) -> Part {
    let query = Query { start: day, after, ..Query::default() };
    Part::Keys { query, next: None, before: None }
}

/// When an hour begins, by its folder.
fn time_of_hour(folder: &str) -> Option<Timestamp> {
    let (day, hour) = folder.strip_prefix(EVOLUTION)?.strip_suffix('/')?.split_once('/')?;
    Timestamp::parse(format!("{day}T{hour}:00:00Z").as_bytes()).filter(|at| hour_of(*at) == folder)
}

/// A page of a list, with the names that cannot be asked for.
pub(super) fn list(shared: &Shared, query: Query, next: Option<String>) -> Result<Page, Error> {
    let bucket = shared.bucket();
    shared.worker.run(async move { patiently(|| bucket.list(&query, next.clone())).await })
}

/// Whether anything begins so.
pub(super) fn has_any(shared: &Shared, start: &str) -> Result<bool, Error> {
    let page = list(shared, Query { start: start.to_owned(), limit: Some(1), ..Query::default() }, None)?;
    Ok(!page.objects.is_empty())
}

/// The folders in a folder, in order.
pub(super) fn folders(shared: &Shared, start: &str) -> Result<Vec<String>, Error> {
    let query = Query { start: start.to_owned(), folders: true, ..Query::default() };
    let (mut folders, mut next) = (Vec::new(), None);
    loop {
        let page = list(shared, query.clone(), next)?;
        folders.extend(page.folders.into_iter().map(|folder| folder.trim_end_matches('/').to_owned() + "/"));
        next = page.next;
        if next.is_none() {
            return Ok(folders);
        }
    }
}
