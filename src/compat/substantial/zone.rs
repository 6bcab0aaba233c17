//! Which point in time a time without a zone is.

use std::fmt;
use std::sync::Arc;

use crate::time::Timestamp;

/// The zone of the machines on which the workflows run: how far its clocks are ahead of UTC.
#[derive(Clone)]
pub struct WorkerZone(Arc<dyn Fn(Timestamp) -> i32 + Send + Sync>);

impl WorkerZone {
    /// The zone in which clocks that show `naive` are `east(naive)` seconds ahead of UTC. What is more than a day counts as a
    /// day.
    pub fn new(east: impl Fn(Timestamp) -> i32 + Send + Sync + 'static) -> Self {
        WorkerZone(Arc::new(east))
    }

    /// UTC, which is what containers and servers mostly have.
    pub fn utc() -> Self {
        WorkerZone::new(|_| 0)
    }

    fn east_us(&self, naive: Timestamp) -> i64 {
        i64::from((self.0)(naive).clamp(-86_400, 86_400)) * 1_000_000
    }

    /// The point in time at which clocks show `naive`.
    pub fn point(&self, naive: Timestamp) -> Timestamp {
        naive.offset_micros(-self.east_us(naive))
    }

    /// What clocks show at a point in time.
    pub fn naive(&self, at: Timestamp) -> Timestamp {
        // The zone is asked by what its clocks show, so a first guess is needed.
        let guess = at.offset_micros(self.east_us(at));
        at.offset_micros(self.east_us(guess))
    }
}

impl Default for WorkerZone {
    fn default() -> Self {
        WorkerZone::utc()
    }
}

impl fmt::Debug for WorkerZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Zone")
    }
}

/// As Python's `datetime.isoformat()` prints a time without a zone: what schedules are called.
pub(super) fn naive_text(naive: Timestamp) -> String {
    let mut text = naive.to_string();
    text.pop();
    text
}

/// Reads what [`naive_text`] gives.
pub(super) fn parse_naive(text: &str) -> Option<Timestamp> {
    // One with a zone is not naive; one without a time is not what the package writes.
    let clock = text.get(10..).filter(|clock| clock.len() >= 6 && !clock.contains(['Z', 'z', '+', '-']))?;
    clock.is_ascii().then(|| Timestamp::parse(text.as_bytes()))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn naive_times_are_points_in_a_zone() {
        let at = Timestamp::parse(b"2026-03-29T00:30:00Z").unwrap();
        // Clocks go from 02:00 to 03:00 in the night.
        let zone =
            WorkerZone::new(
                |naive| if naive < Timestamp::parse(b"2026-03-29T02:00:00Z").unwrap() { 3600 } else { 7200 },
            );
        for hours in 0..6 {
            let at = at.offset_micros(hours * 3_600_000_000);
            assert_eq!(zone.point(zone.naive(at)), at);
        }
        assert_eq!(naive_text(zone.naive(at)), "2026-03-29T01:30:00");
    }

    #[test]
    fn names_of_schedules() {
        for text in ["2026-11-21T21:49:22.854594", "2026-11-21T21:49:22"] {
            assert_eq!(naive_text(parse_naive(text).unwrap()), text);
        }
        for bad in [
            "",
            "2026-11-21",
            "2026-11-21T21:49:22Z",
            "2026-11-21T21:49:22+01:00",
            "abcdefghié…klmnopqrst",
            "..",
            "éééééééééé",
        ] {
            assert_eq!(parse_naive(bad), None, "{bad}");
        }
    }
}
