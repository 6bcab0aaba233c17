//! Counting the parts of a log that is not a file which can be deleted: of decisions none that stands.

use std::collections::BTreeSet;

use crate::evolution::fate::{CleanCounts, Fate, Line, Standing, Stands, each_line};
use crate::time::Timestamp;

/// What cleaning would do to one half of a log.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// What it is called.
    pub(crate) name: String,
    pub(crate) counts: CleanCounts,
    /// The parts that go, as the store knows them.
    pub(crate) parts: Vec<String>,
}

/// Counts parts, one after the other, in their order.
pub(crate) struct Counter {
    older_than: Option<Timestamp>,
    plan: Plan,
    /// Events of the parts that could go, by their place among these.
    events: Vec<u64>,
    stands: Stands,
}

/// Marks a part that cannot go in [`Standing::at`].
const STAYS: u64 = u64::MAX;

impl Counter {
    pub(crate) fn new(name: String, older_than: Option<Timestamp>) -> Self {
        let plan = Plan { name, counts: CleanCounts::default(), parts: Vec::new() };
        Counter { older_than, plan, events: Vec::new(), stands: Stands::default() }
    }

    /// A part that is too young to be looked at, with so many events.
    pub(crate) fn young(&mut self, bytes: u64, events: u64) {
        self.plan.counts.bytes += bytes;
        self.plan.counts.kept += events;
    }

    /// A part and its lines.
    pub(crate) fn part(&mut self, part: impl FnOnce() -> String, lines: &[u8]) {
        let (mut events, mut old, mut unreadable) = (0, true, 0);
        each_line(lines, 0, self.older_than, |_, _, line| match line {
            Line::Old(count) => events += count,
            Line::Young(count) => (events, old) = (events + count, false),
            Line::Unreadable => unreadable += 1,
            Line::Blank => {}
        });
        self.plan.counts.bytes += lines.len() as u64;
        self.plan.counts.unreadable += unreadable;
        // What cannot be read is as old as nobody knows.
        let goes = self.older_than.is_none() || (old && unreadable == 0);
        let at = if goes { self.plan.parts.len() as u64 } else { STAYS };
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            self.stands.take(line, Standing { at, events, old: goes });
        }
        if goes {
            self.plan.parts.push(part());
            self.events.push(events);
            self.plan.counts.deleted += events;
        } else {
            self.plan.counts.kept += events;
        }
    }

    /// A part that cannot be read: it stays, unless all goes.
    pub(crate) fn lost(&mut self, part: impl FnOnce() -> String) {
        self.plan.counts.unreadable += 1;
        if self.older_than.is_none() {
            self.plan.parts.push(part());
            self.events.push(0);
        }
    }

    /// The plan, without the parts in which something stands.
    pub(crate) fn finish(self) -> Plan {
        let Counter { older_than, mut plan, events, stands } = self;
        plan.counts.standing = stands.count();
        if older_than.is_some() {
            let spared = stands.lines().into_keys().filter(|at| *at != STAYS).collect::<BTreeSet<_>>();
            let mut number = 0;
            plan.parts.retain(|_| {
                let stays = spared.contains(&number);
                number += 1;
                !stays
            });
            let saved = spared.iter().filter_map(|at| events.get(usize::try_from(*at).ok()?)).sum::<u64>();
            plan.counts.deleted -= saved;
            plan.counts.kept += saved;
        }
        plan.counts.fate = match older_than {
            // What holds no event at all may be no log.
            None if plan.counts.deleted == 0 && plan.counts.unreadable > 0 => Fate::Keep,
            _ if plan.parts.is_empty() => Fate::Keep,
            None => Fate::Delete,
            Some(_) if plan.counts.kept == 0 && plan.counts.unreadable == 0 => Fate::Delete,
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
        assert_eq!(
            (found.counts.deleted, found.counts.kept, found.counts.unreadable, found.counts.standing),
            (2, 5, 1, 1)
        );
        assert_eq!(found.counts.fate, Fate::Shorten);
        let all = plan(None, &parts);
        assert_eq!((all.parts.len(), all.counts.deleted, all.counts.kept, all.counts.fate), (6, 7, 0, Fate::Delete));
        assert_eq!(plan(Some("2010-01-01"), &parts).counts.fate, Fate::Keep);
        assert_eq!(plan(None, &["junk\n".into()]).counts.fate, Fate::Keep);
        assert_eq!(plan(Some("2025-01-01"), &parts[2..3]).counts.fate, Fate::Delete);
    }
}
