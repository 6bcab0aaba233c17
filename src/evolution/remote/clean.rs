//! Deleting parts of a log that is not a file: those that were counted, and of decisions none that stands.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use crate::evolution::clean::{Archive, Fate, Line, Standing, Stands, each_line};
use crate::store::Error;
use crate::time::Timestamp;

/// What cleaning would do to one half of a log.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What it is called.
    pub name: String,
    /// Its size in bytes, as far as it was read.
    pub bytes: u64,
    /// Events to delete.
    pub deleted: u64,
    /// Events to keep.
    pub kept: u64,
    /// Lines that could not be read.
    pub unreadable: u64,
    /// Decisions that stand.
    pub standing: u64,
    pub fate: Fate,
    /// The parts that go, as the store knows them.
    pub parts: Vec<String>,
}

/// Deletes what a plan says.
pub trait Cleaner {
    /// The lines of a part; none if it is gone.
    fn read(&self, plan: &Plan, part: &str) -> Result<Option<Vec<u8>>, Error>;

    /// Deletes parts.
    fn delete(&self, plan: &Plan) -> Result<(), Error>;
}

/// Carries a plan out. What goes is put into the folder `archive` first, if there is one. Returns the archived file.
pub fn carry_out(cleaner: &dyn Cleaner, plan: &Plan, archive: Option<&Path>) -> io::Result<Option<PathBuf>> {
    if !plan.fate.deletes() {
        return Ok(None);
    }
    let archived = match archive {
        Some(folder) => Some(save(cleaner, plan, folder)?),
        None => None,
    };
    cleaner.delete(plan).map_err(super::io_error)?;
    Ok(archived)
}

fn save(cleaner: &dyn Cleaner, plan: &Plan, folder: &Path) -> io::Result<PathBuf> {
    let plain = |c: char| if c.is_ascii_alphanumeric() || ".-_".contains(c) { c } else { '-' };
    let name = plan.name.chars().map(plain).collect::<String>();
    let mut archive = Archive::create(folder, name.trim_matches('-'), None)?;
    for part in &plan.parts {
        if let Some(lines) = cleaner.read(plan, part).map_err(super::io_error)? {
            archive.take(&lines)?;
        }
    }
    archive.finish()
}

/// Counts parts, one after the other, in their order.
pub struct Counter {
    older_than: Option<Timestamp>,
    plan: Plan,
    /// Events of the parts that could go, by their place among these.
    events: Vec<u64>,
    stands: Stands,
}

/// Marks a part that cannot go in [`Standing::at`].
const STAYS: u64 = u64::MAX;

impl Counter {
    pub fn new(name: String, older_than: Option<Timestamp>) -> Self {
        let (bytes, deleted, kept, unreadable, standing) = (0, 0, 0, 0, 0);
        let plan = Plan { name, bytes, deleted, kept, unreadable, standing, fate: Fate::Keep, parts: Vec::new() };
        Counter { older_than, plan, events: Vec::new(), stands: Stands::default() }
    }

    /// A part that is too young to be looked at, with so many events.
    pub fn young(&mut self, bytes: u64, events: u64) {
        self.plan.bytes += bytes;
        self.plan.kept += events;
    }

    /// A part and its lines.
    pub fn part(&mut self, part: impl FnOnce() -> String, lines: &[u8]) {
        let (mut events, mut old, mut unreadable) = (0, true, 0);
        each_line(lines, 0, self.older_than, |_, _, line| match line {
            Line::Old(count) => events += count,
            Line::Young(count) => (events, old) = (events + count, false),
            Line::Unreadable => unreadable += 1,
            Line::Blank => {}
        });
        self.plan.bytes += lines.len() as u64;
        self.plan.unreadable += unreadable;
        // What cannot be read is as old as nobody knows.
        let goes = self.older_than.is_none() || (old && unreadable == 0);
        let at = if goes { self.plan.parts.len() as u64 } else { STAYS };
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            self.stands.take(line, Standing { at, events, old: goes });
        }
        if goes {
            self.plan.parts.push(part());
            self.events.push(events);
            self.plan.deleted += events;
        } else {
            self.plan.kept += events;
        }
    }

    /// A part that cannot be read: it stays, unless all goes.
    pub fn lost(&mut self, part: impl FnOnce() -> String) {
        self.plan.unreadable += 1;
        if self.older_than.is_none() {
            self.plan.parts.push(part());
            self.events.push(0);
        }
    }

    /// The plan, without the parts in which something stands.
    pub fn finish(self) -> Plan {
        let Counter { older_than, mut plan, events, stands } = self;
        plan.standing = stands.count();
        if older_than.is_some() {
            let spared = stands.lines().into_keys().filter(|at| *at != STAYS).collect::<BTreeSet<_>>();
            let mut number = 0;
            plan.parts.retain(|_| {
                let stays = spared.contains(&number);
                number += 1;
                !stays
            });
            let saved = spared.iter().filter_map(|at| events.get(usize::try_from(*at).ok()?)).sum::<u64>();
            plan.deleted -= saved;
            plan.kept += saved;
        }
        plan.fate = match older_than {
            // What holds no event at all may be no log.
            None if plan.deleted == 0 && plan.unreadable > 0 => Fate::Keep,
            _ if plan.parts.is_empty() => Fate::Keep,
            None => Fate::Delete,
            Some(_) if plan.kept == 0 && plan.unreadable == 0 => Fate::Delete,
            Some(_) => Fate::Shorten,
        };
        plan
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(event: &str, variant: &str, at: &str, forced: bool) -> String {
        format!(
            "{{\"event\": \"{event}\", \"function\": \"f\", \"variant\": \"{variant}\", \"timestamp\": \"{at}\", \
             \"value\": null, \"error\": null, \"latency_ms\": 1.0, \"success\": true, \"forced\": {forced}}}\n"
        )
    }

    fn plan(older_than: Option<&str>, parts: &[String]) -> Plan {
        let older_than = older_than.and_then(|text| Timestamp::parse(text.as_bytes()));
        let mut counter = Counter::new("log".into(), older_than);
        for (number, lines) in parts.iter().enumerate() {
            counter.part(|| number.to_string(), lines.as_bytes());
        }
        counter.finish()
    }

    #[test]
    fn old_parts_go_and_decisions_that_stand_stay() {
        let old = |kind, variant| event(kind, variant, "2020-01-01", true);
        let parts = [
            old("promotion", "v2"),
            old("promotion", "v3"),
            event("call", "v1", "2020-01-01", false),
            event("call", "v1", "2020-01-01", false) + &event("call", "v1", "2030-01-01", false),
            event("call", "v1", "2020-01-01", false) + "torn\n",
            event("call", "v1", "2030-01-01", false),
        ];
        let found = plan(Some("2025-01-01"), &parts);
        assert_eq!(found.parts, ["0", "2"]);
        assert_eq!((found.deleted, found.kept, found.unreadable, found.standing), (2, 5, 1, 1));
        assert_eq!(found.fate, Fate::Shorten);
        let all = plan(None, &parts);
        assert_eq!((all.parts.len(), all.deleted, all.kept, all.fate), (6, 7, 0, Fate::Delete));
        assert_eq!(plan(Some("2010-01-01"), &parts).fate, Fate::Keep);
        assert_eq!(plan(None, &["junk\n".into()]).fate, Fate::Keep);
        assert_eq!(plan(Some("2025-01-01"), &parts[2..3]).fate, Fate::Delete);
    }
}
