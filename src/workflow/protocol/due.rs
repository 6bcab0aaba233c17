//! The entries of the due index that lead to runs.
//!
//! Each belongs to one line: of a history, with which nobody holds the run any more, or of an inbox. Its last digits are
//! those of the line's number, so that no other line of that log has the same entry, and whoever drops it, even late, cannot
//! drop that of another line.

use crate::store::{Due, Name, Queue};
use crate::time::Timestamp;
use crate::workflow::RunState;

const MILLI_US: i64 = 1_000;
const SECOND_US: i64 = 1_000_000;

/// The entry for line `seq` of a history, which says that the run has to be looked at by `at`.
///
/// Its time is the first whole millisecond not before `at`, and in its microseconds the line's number, modulo a thousand. A
/// line that has the same one is a thousand lines away, and would have to name the same millisecond.
pub fn run_due(queue: &Queue, history: &Name, seq: u64, at: Timestamp) -> Due {
    let micros = i64::try_from(seq % MILLI_US.unsigned_abs()).unwrap_or(0);
    let whole = at.micros().saturating_add(MILLI_US - 1).div_euclid(MILLI_US).saturating_mul(MILLI_US);
    Due { queue: queue.clone(), at: Timestamp::from_micros(whole.saturating_add(micros)), run: history.clone() }
}

/// The entry for line `seq` of an inbox, which was appended at `at`.
///
/// It is due at once: its time is in the second before `at`, and its microseconds are the line's number, modulo a million,
/// which is more lines than an inbox gets in a second.
pub fn inbox_due(queue: &Queue, inbox: &Name, seq: u64, at: Timestamp) -> Due {
    let micros = i64::try_from(seq % SECOND_US.unsigned_abs()).unwrap_or(0);
    let second = at.micros().div_euclid(SECOND_US) - 1;
    let at = Timestamp::from_micros(second.saturating_mul(SECOND_US).saturating_add(micros));
    Due { queue: queue.clone(), at, run: inbox.clone() }
}

impl RunState {
    /// The entry of the due index that belongs to the last line with which nobody held the run. It leads to the run while
    /// nobody does, and is dropped by who next lets go of it. None if only a message leads there, and if the run has ended.
    pub fn due(&self) -> Option<Due> {
        if self.problem().is_some() || self.is_ended() { None } else { self.release_due() }
    }

    /// The same, also when the run has ended: what is to be dropped.
    pub(super) fn release_due(&self) -> Option<Due> {
        let (seq, at) = self.last_release?;
        Some(run_due(&self.begun()?.queue, self.log(), seq, at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflow::{inbox_log, run_log};

    #[test]
    fn each_line_has_its_own_entry() {
        let (queue, inbox, run) = (Queue::default(), inbox_log("greet-1").unwrap(), run_log("greet-1").unwrap());
        let now = Timestamp::parse(b"2026-11-22T04:34:16.000002Z").unwrap();
        assert_eq!(inbox_due(&queue, &inbox, 17, now).at.to_string(), "2026-11-22T04:34:15.000017Z");
        assert_eq!(run_due(&queue, &run, 1_017, now).at.to_string(), "2026-11-22T04:34:16.001017Z");
        let whole = Timestamp::parse(b"2026-11-22T04:34:16Z").unwrap();
        assert_eq!(run_due(&queue, &run, 3, whole).at.to_string(), "2026-11-22T04:34:16.000003Z");
        let mut seen = std::collections::HashSet::new();
        for seq in 1..=1_000 {
            let (told, later) = (inbox_due(&queue, &inbox, seq, now), run_due(&queue, &run, seq, now));
            assert!(told.at <= now && later.at >= now && later.at < now.offset_micros(2_000));
            assert!(seen.insert(told) && seen.insert(later));
        }
        for at in [Timestamp::MIN, Timestamp::MAX, Timestamp::from_micros(-1)] {
            assert!(inbox_due(&queue, &inbox, u64::MAX, at).at <= at.offset_micros(1_000_000));
            assert!(run_due(&queue, &run, u64::MAX, at).at >= at.offset_micros(-1_000));
        }
    }
}
