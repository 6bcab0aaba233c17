//! Time as it is given to what needs it: the system's, or one that tests and replays set by hand.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::time::Timestamp;

/// A source of time. Two kinds of it: *ticks*, nanoseconds that never go back, for spans; and points in time.
pub trait Clock: Send + Sync + fmt::Debug {
    /// Nanoseconds since some fixed moment.
    fn ticks(&self) -> u64;

    /// The point in time at which the clock read `ticks`, not long ago.
    fn at(&self, ticks: u64) -> Timestamp;

    /// The present time.
    fn now(&self) -> Timestamp {
        self.at(self.ticks())
    }

    /// The present time, perhaps some milliseconds late, where that is cheaper than [`Clock::now`].
    fn coarse(&self) -> Timestamp {
        self.now()
    }
}

impl Timestamp {
    /// The system's clock, now.
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        Timestamp::from_micros(since.map_or(0, |d| i64::try_from(d.as_micros()).unwrap_or(i64::MAX)))
    }
}

/// The system's clock.
///
/// Points in time are ticks plus an offset that is taken anew each second: one look at a clock gives both, and a system
/// clock that is set is followed within a second.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

/// How long the offset is good, in nanoseconds.
const OFFSET_NS_MAX: u64 = 1_000_000_000;

/// What must be added to ticks to have nanoseconds since the Unix epoch, and until when that is good.
static OFFSET_NS: AtomicI64 = AtomicI64::new(0);
static GOOD_UNTIL: AtomicU64 = AtomicU64::new(0);

impl Clock for SystemClock {
    #[inline]
    fn ticks(&self) -> u64 {
        static START: OnceLock<Instant> = OnceLock::new();
        // Never 0, so that an offset that was never taken is too old.
        START.get_or_init(Instant::now).elapsed().as_nanos() as u64 + 1
    }

    #[inline]
    fn at(&self, ticks: u64) -> Timestamp {
        if ticks >= GOOD_UNTIL.load(Ordering::Acquire) {
            take_offset(ticks);
        }
        let ns = (ticks as i64).saturating_add(OFFSET_NS.load(Ordering::Relaxed));
        Timestamp::from_micros(ns.div_euclid(1_000))
    }

    #[cfg(target_os = "linux")]
    #[inline]
    fn coarse(&self) -> Timestamp {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::RealtimeCoarse);
        Timestamp::from_micros(now.tv_sec.saturating_mul(1_000_000).saturating_add(now.tv_nsec / 1_000))
    }
}

#[cold]
fn take_offset(ticks: u64) {
    let unix_ns = Timestamp::now().micros().saturating_mul(1_000);
    OFFSET_NS.store(unix_ns.saturating_sub(SystemClock.ticks() as i64), Ordering::Relaxed);
    GOOD_UNTIL.store(ticks.saturating_add(OFFSET_NS_MAX), Ordering::Release);
}

/// A clock that stands still until it is set, for up to 584 years from its start.
///
/// ```
/// use std::time::Duration;
/// use temporal_code::{Clock, ManualClock};
/// use temporal_code::Timestamp;
/// let clock = ManualClock::new(Timestamp::parse(b"2026-06-01").unwrap());
/// clock.advance(Duration::from_secs(3600));
/// assert_eq!(clock.now().to_string(), "2026-06-01T01:00:00Z");
/// ```
#[derive(Debug)]
pub struct ManualClock {
    /// Microseconds since the epoch.
    micros: AtomicI64,
    start: i64,
}

impl ManualClock {
    /// A clock that shows `now`.
    pub fn new(now: Timestamp) -> Self {
        ManualClock { micros: AtomicI64::new(now.micros()), start: now.micros() }
    }

    /// Sets the clock, forwards only: its ticks never go back.
    pub fn set(&self, now: Timestamp) {
        self.micros.fetch_max(now.micros(), Ordering::SeqCst);
    }

    /// Moves the clock forwards, by whole microseconds.
    pub fn advance(&self, span: Duration) {
        let micros = i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
        let moved = Timestamp::from_micros(self.micros.load(Ordering::SeqCst).saturating_add(micros));
        self.set(moved);
    }
}

impl Clock for ManualClock {
    fn ticks(&self) -> u64 {
        let since = self.micros.load(Ordering::SeqCst).saturating_sub(self.start);
        u64::try_from(since).unwrap_or(0).saturating_mul(1_000)
    }

    fn at(&self, ticks: u64) -> Timestamp {
        Timestamp::from_micros(self.start).offset_micros(i64::try_from(ticks / 1_000).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_clock_goes_on_and_agrees_with_itself() {
        let clock = SystemClock;
        let (before, tick) = (Timestamp::now(), clock.ticks());
        let at = clock.at(tick);
        std::thread::sleep(Duration::from_millis(20));
        assert!(clock.ticks() >= tick + 20_000_000);
        for time in [at, clock.now(), clock.coarse()] {
            let off_us = (time.micros() - before.micros()).abs();
            assert!(off_us < 1_500_000, "{off_us} µs off");
        }
    }

    #[test]
    fn a_manual_clock_is_exact_and_never_goes_back() {
        let start = Timestamp::from_micros(1_000_000);
        let clock = ManualClock::new(start);
        clock.advance(Duration::from_micros(3));
        assert_eq!((clock.ticks(), clock.now().micros()), (3_000, 1_000_003));
        clock.set(Timestamp::from_micros(5));
        assert_eq!(clock.now().micros(), 1_000_003);
        clock.advance(Duration::from_secs(86_400 * 365 * 100));
        assert_eq!(clock.now().micros(), 1_000_003 + 86_400 * 365 * 100 * 1_000_000);
        clock.advance(Duration::MAX);
        assert!(clock.now().micros() > 0);
    }
}
