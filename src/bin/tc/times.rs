//! Times as people read them.

use crate::args::TimeStyle;
use crate::output::figures;
use crate::surroundings::Context;
use temporal_code::evolution::summary::Span;
use temporal_code::time::Timestamp;

impl Context {
    /// A time in a table of single events: to the second, in the zone asked for.
    pub(crate) fn clock(&self, at: Option<Timestamp>) -> String {
        let Some(at) = at else { return "-".into() };
        match self.global.time {
            Some(TimeStyle::Iso) => at.to_string(),
            Some(TimeStyle::Relative) => self.ago(at),
            None => self.zone.show(at, "%Y-%m-%d %H:%M:%S"),
        }
    }

    /// A time in a table of sums, where how long ago it was says most.
    pub(crate) fn recency(&self, at: Option<Timestamp>) -> String {
        let Some(at) = at else { return "-".into() };
        match self.global.time {
            Some(TimeStyle::Iso) => at.to_string(),
            Some(TimeStyle::Relative) | None => self.ago(at),
        }
    }

    /// From when to when, for a sentence.
    pub(crate) fn span(&self, span: Span) -> Option<String> {
        let (first, last) = (span.first()?, span.last()?);
        let show = |at| match self.global.time {
            Some(TimeStyle::Iso) => Timestamp::to_string(&at),
            Some(TimeStyle::Relative) => self.ago(at),
            None => self.zone.show(at, "%Y-%m-%d %H:%M:%S"),
        };
        let (from, to) = (show(first), show(last));
        let same_day = self.global.time.is_none() && from.get(..11) == to.get(..11);
        Some(format!("{from} to {}", if same_day { &to[11..] } else { &to }))
    }

    fn ago(&self, at: Timestamp) -> String {
        let seconds = (self.now.micros() - at.micros()) / 1_000_000;
        let age = figures::age(seconds.unsigned_abs());
        let age = age.split(' ').next().unwrap_or_default();
        if seconds < 0 { format!("in {age}") } else { format!("{age} ago") }
    }
}
