//! Times as people give and read them.

use anyhow::Result;
use chrono::{DateTime, FixedOffset, Local, NaiveDate, NaiveDateTime, NaiveTime, TimeZone, Utc};

use crate::args::TimeStyle;
use crate::error::Failure;
use crate::output::figures;
use crate::surroundings::Context;
use temporal_code::compat::substantial;
use temporal_code::evolution::summary::Span;
use temporal_code::time::Timestamp;

/// A time zone.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Zone {
    Local,
    Fixed(FixedOffset),
    Named(chrono_tz::Tz),
}

impl Zone {
    pub(crate) fn named(name: &str) -> Result<Zone> {
        let utc = || Utc.fix_offset();
        match name.to_ascii_lowercase().as_str() {
            "local" => return Ok(Zone::Local),
            "utc" | "z" => return Ok(Zone::Fixed(utc())),
            _ => {}
        }
        if let Ok(offset) = name.parse::<FixedOffset>() {
            return Ok(Zone::Fixed(offset));
        }
        if let Ok(zone) = name.parse::<chrono_tz::Tz>() {
            return Ok(Zone::Named(zone));
        }
        let known = chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name());
        let hint = crate::find::nearest(name, known).unwrap_or_else(|| "local, utc, +02:00 or Europe/Paris".into());
        Err(Failure::new("usage", format!("`{name}` is not a time zone")).hint(hint).into())
    }

    fn show(self, at: Timestamp, format: &str) -> String {
        let Some(utc) = DateTime::from_timestamp_micros(at.micros()) else { return at.to_string() };
        match self {
            Zone::Local => utc.with_timezone(&Local).format(format).to_string(),
            Zone::Fixed(offset) => utc.with_timezone(&offset).format(format).to_string(),
            Zone::Named(zone) => utc.with_timezone(&zone).format(format).to_string(),
        }
    }

    /// The point at which clocks in this zone show `naive`; the earlier of two, the later end of a gap.
    fn point(self, naive: NaiveDateTime) -> Option<Timestamp> {
        fn resolve<Z: TimeZone>(zone: &Z, naive: NaiveDateTime) -> Option<i64> {
            let later = || zone.from_local_datetime(&naive.checked_add_signed(chrono::Duration::hours(1))?).earliest();
            zone.from_local_datetime(&naive).earliest().or_else(later).map(|time| time.timestamp_micros())
        }
        let micros = match self {
            Zone::Local => resolve(&Local, naive),
            Zone::Fixed(offset) => resolve(&offset, naive),
            Zone::Named(zone) => resolve(&zone, naive),
        };
        micros.map(Timestamp::from_micros)
    }

    fn today(self, now: Timestamp) -> NaiveDate {
        let utc = DateTime::from_timestamp_micros(now.micros()).unwrap_or_default();
        match self {
            Zone::Local => utc.with_timezone(&Local).date_naive(),
            Zone::Fixed(offset) => utc.with_timezone(&offset).date_naive(),
            Zone::Named(zone) => utc.with_timezone(&zone).date_naive(),
        }
    }
}

/// The zone of this machine, for the times that Python's workers write without a zone.
pub(crate) fn machine_zone() -> substantial::Zone {
    substantial::Zone::new(|naive| {
        let clock = DateTime::from_timestamp_micros(naive.micros()).map(|utc| utc.naive_utc());
        let point = clock.and_then(|clock| Zone::Local.point(clock)).unwrap_or(naive);
        // Clocks are never further ahead than a day.
        ((naive.micros() - point.micros()) / 1_000_000) as i32
    })
}

trait FixOffset {
    fn fix_offset(self) -> FixedOffset;
}

impl FixOffset for Utc {
    fn fix_offset(self) -> FixedOffset {
        chrono::Offset::fix(&self)
    }
}

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

    /// Reads `--since` or `--until`: `90s`, `15m`, `2h`, `7d`, `3w`, `now`, `today`, `yesterday`, a date, a date and time
    /// in the zone asked for, or RFC 3339.
    pub(crate) fn when(&self, flag: &str, text: &str) -> Result<Timestamp> {
        let word = text.trim().to_ascii_lowercase();
        let date = self.zone.today(self.now);
        let midnight = |date: NaiveDate| self.zone.point(date.and_time(NaiveTime::MIN));
        let found = match word.as_str() {
            "now" => Some(self.now),
            "today" => midnight(date),
            "yesterday" => date.pred_opt().and_then(midnight),
            _ => self.before(&word).or_else(|| self.absolute(text.trim())),
        };
        let hint = "give 2h, 7d, yesterday, 2026-06-05, \"2026-06-05 10:30\" or 2026-06-05T10:30:00Z";
        found.ok_or_else(|| Failure::new("usage", format!("--{flag} `{text}` is not a time")).hint(hint).into())
    }

    /// `2h`, `7d` or `1h30m`, with or without `ago`, before now.
    fn before(&self, word: &str) -> Option<Timestamp> {
        let word = word.strip_suffix("ago").unwrap_or(word).trim();
        Some(self.now.offset_micros(span_micros(word)?.checked_neg()?))
    }

    fn absolute(&self, text: &str) -> Option<Timestamp> {
        for format in ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"] {
            if let Ok(naive) = NaiveDateTime::parse_from_str(text, format) {
                return self.zone.point(naive);
            }
        }
        if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
            return self.zone.point(date.and_time(NaiveTime::MIN));
        }
        Timestamp::parse(text.as_bytes())
    }
}

/// `90s`, `15m`, `2h`, `7d`, `3w`, or several of them together, in microseconds.
pub(crate) fn span_micros(text: &str) -> Option<i64> {
    let mut total = 0i64;
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let amount = rest[..digits].parse::<i64>().ok()?;
        let unit_end = rest[digits..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |end| digits + end);
        let seconds = match rest[digits..unit_end].trim() {
            "s" | "sec" => 1,
            "m" | "min" => 60,
            "h" => 3_600,
            "d" => 86_400,
            "w" => 604_800,
            _ => return None,
        };
        total = total.checked_add(amount.checked_mul(seconds * 1_000_000)?)?;
        rest = &rest[unit_end..];
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans() {
        assert_eq!(span_micros("90s"), Some(90_000_000));
        assert_eq!(span_micros("1h30m"), Some(5_400_000_000));
        assert_eq!(span_micros("2w 1d"), Some(15 * 86_400_000_000));
        for wrong in ["", "h", "5", "5x", "-5h", "99999999999999999999d", "9999999999999w", "1h-", "٣h"] {
            assert_eq!(span_micros(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn zones() {
        let at = Timestamp::parse(b"2026-03-29T01:30:00Z").expect("a time");
        let show = |name: &str| Zone::named(name).expect("a zone").show(at, "%Y-%m-%d %H:%M");
        assert_eq!(show("utc"), "2026-03-29 01:30");
        assert_eq!(show("Europe/Paris"), "2026-03-29 03:30");
        assert_eq!(show("-05:30"), "2026-03-28 20:00");
        assert!(Zone::named("Mars/Olympus").is_err());
        // 02:30 does not exist on that night in Paris.
        let gap = NaiveDate::from_ymd_opt(2026, 3, 29).and_then(|d| d.and_hms_opt(2, 30, 0)).expect("a time");
        let paris = Zone::named("Europe/Paris").expect("a zone");
        assert_eq!(paris.point(gap), Timestamp::parse(b"2026-03-29T01:30:00Z"));
    }
}
