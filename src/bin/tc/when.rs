//! Times and spans of time as people type them.

use anyhow::Result;
use chrono::{Datelike as _, Days, NaiveDate, NaiveDateTime, NaiveTime, Weekday};

use crate::error::Failure;
use crate::surroundings::Context;
use temporal_code::time::Timestamp;

const HINT: &str = "give 2h, 7d, yesterday, \"yesterday 14:00\", monday, 10:30, 2026-06-05, \"2026-06-05 10:30\", \
                    2026-06-05T10:30:00Z or @1780655400";

impl Context {
    /// Reads a point in time, in the zone asked for where the text has none of its own: a span before now (`2h`, `-2h`,
    /// `2 hours ago`); `now`; `today`, `yesterday` or the last day of that name, each alone (its midnight) or with a time of
    /// day; a time of day (today's); a date, or a date and a time; RFC 3339; or `@` and seconds since 1970.
    pub(crate) fn when(&self, flag: &str, text: &str) -> Result<Timestamp> {
        let found = self.before(text.trim()).map(|before| before.or_else(|| self.point(text.trim())));
        let wrong = |hint: String| Failure::new("usage", format!("--{flag} `{text}` is not a time")).hint(hint).into();
        match found {
            Ok(Some(at)) => Ok(at),
            Ok(None) => Err(wrong(HINT.into())),
            Err(hint) => Err(wrong(hint)),
        }
    }

    /// Refuses a span of time that ends before it begins.
    pub(crate) fn check_range(&self, since: Option<Timestamp>, until: Option<Timestamp>) -> Result<()> {
        match since.zip(until) {
            Some((since, until)) if since > until => {
                let message = format!("--since is {since}, which is after --until, {until}");
                Err(Failure::new("usage", message).hint("exchange the two").into())
            }
            _ => Ok(()),
        }
    }

    /// A span before now; nothing if the text is no span, a hint if it nearly is.
    fn before(&self, text: &str) -> Result<Option<Timestamp>, String> {
        let text = text.strip_suffix("ago").unwrap_or(text).trim();
        let span = span_micros(text.strip_prefix('-').unwrap_or(text))?;
        Ok(span.and_then(|span| Some(self.now.offset_micros(span.checked_neg()?))))
    }

    fn point(&self, text: &str) -> Option<Timestamp> {
        if let Some(seconds) = text.strip_prefix('@') {
            return epoch(seconds);
        }
        let word = text.to_ascii_lowercase();
        if word == "now" {
            return Some(self.now);
        }
        let today = self.zone.today(self.now);
        if let Some(clock) = clock(&word) {
            return self.zone.point(today.and_time(clock));
        }
        let (day, rest) = word.split_once(' ').unwrap_or((&word, ""));
        if let Some(day) = day_named(day, today) {
            let clock = if rest.is_empty() { Some(NaiveTime::MIN) } else { clock(rest.trim()) };
            return self.zone.point(day.and_time(clock?));
        }
        self.absolute(text)
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

/// `23:39` or `23:39:07.5`.
fn clock(text: &str) -> Option<NaiveTime> {
    ["%H:%M", "%H:%M:%S%.f"].iter().find_map(|format| NaiveTime::parse_from_str(text, format).ok())
}

/// The last day of that name, today included.
fn day_named(word: &str, today: NaiveDate) -> Option<NaiveDate> {
    let back = match word {
        "today" => 0,
        "yesterday" => 1,
        name => today.weekday().days_since(name.parse::<Weekday>().ok()?),
    };
    today.checked_sub_days(Days::new(u64::from(back)))
}

/// Seconds since 1970, perhaps with a fraction.
fn epoch(text: &str) -> Option<Timestamp> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole.strip_prefix('-').unwrap_or(whole)) || !is_number(fraction) {
        return None;
    }
    let micros = format!("{fraction:0<6}").get(..6)?.parse::<i64>().ok()?;
    let micros = if whole.starts_with('-') { -micros } else { micros };
    let at = Timestamp::from_micros(whole.parse::<i64>().ok()?.checked_mul(1_000_000)?.checked_add(micros)?);
    // What has no calendar date is not a time either.
    chrono::DateTime::from_timestamp_micros(at.micros()).map(|_| at)
}

/// Reads the span of time that an option names, in microseconds.
pub(crate) fn span(flag: &str, text: &str) -> Result<i64> {
    let wrong = |hint: String| Failure::new("usage", format!("--{flag} `{text}` is not a span of time")).hint(hint);
    let span = if text.trim() == "0" { Ok(Some(0)) } else { span_micros(text) };
    Ok(span.map_err(wrong)?.ok_or_else(|| wrong("give 30s, 12h, 30d or 1h30m".into()))?)
}

/// `90s`, `15m`, `2h`, `7d`, `3w`, `1y`, `500ms`, `2 hours`, or several of them together, in microseconds; nothing if the text is no such
/// span. Units are case-sensitive: `M` could be a minute or a month.
///
/// # Errors
/// What to type instead, where only the unit is wrong.
fn span_micros(text: &str) -> Result<Option<i64>, String> {
    let mut total = 0i64;
    let mut rest = text.trim();
    if rest.is_empty() {
        return Ok(None);
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let unit_end =
            rest[digits..].find(|c: char| !c.is_alphabetic() && c != ' ').map_or(rest.len(), |end| digits + end);
        let (amount, unit) = (&rest[..digits], rest[digits..unit_end].trim());
        if amount.is_empty() || unit.is_empty() || !unit.chars().all(char::is_alphabetic) {
            return Ok(None);
        }
        let Some(micros) = unit_micros(unit) else { return Err(unknown_unit(unit)) };
        let span = amount.parse::<i64>().ok().and_then(|amount| amount.checked_mul(micros));
        let Some(sum) = span.and_then(|span| total.checked_add(span)) else { return Ok(None) };
        total = sum;
        rest = &rest[unit_end..];
    }
    Ok(Some(total))
}

fn unit_micros(unit: &str) -> Option<i64> {
    let seconds = match unit {
        "ms" => return Some(1_000),
        "s" | "sec" | "secs" | "second" | "seconds" => 1,
        "m" | "min" | "mins" | "minute" | "minutes" => 60,
        "h" | "hr" | "hrs" | "hour" | "hours" => 3_600,
        "d" | "day" | "days" => 86_400,
        "w" | "week" | "weeks" => 7 * 86_400,
        "y" | "year" | "years" => 365 * 86_400,
        _ => return None,
    };
    Some(seconds * 1_000_000)
}

fn unknown_unit(unit: &str) -> String {
    match unit {
        "M" | "mo" | "month" | "months" => {
            format!("`{unit}` is not a unit: m is minutes, 30d is a month of thirty days")
        }
        _ => format!("`{unit}` is not a unit: s, m, h, d, w and y are, with small letters"),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Options {
        #[command(flatten)]
        global: crate::args::Global,
    }

    #[test]
    fn spans() {
        assert_eq!(span_micros("90s"), Ok(Some(90_000_000)));
        assert_eq!(span_micros("1h30m"), Ok(Some(5_400_000_000)));
        assert_eq!(span_micros("2w 1d"), Ok(Some(15 * 86_400_000_000)));
        assert_eq!(span_micros("2 hours"), Ok(Some(7_200_000_000)));
        assert_eq!(span_micros("1y"), Ok(Some(365 * 86_400_000_000)));
        for wrong in ["", "h", "5", "-5h", "99999999999999999999d", "9999999999999w", "1h-", "٣h", "5 5h", "1h 5"] {
            assert_eq!(span_micros(wrong), Ok(None), "{wrong}");
        }
        for unit in ["1M", "3H", "5x", "2months", "1D"] {
            assert!(span_micros(unit).is_err(), "{unit}");
        }
    }

    /// A Wednesday noon in Paris.
    fn context(zone: &str) -> Context {
        let global = Options::parse_from(["tc", "--tz", zone]).global;
        let now = Timestamp::parse(b"2026-11-25T11:00:00Z").expect("a time");
        let mut context = Context::new(global).expect("a context");
        context.now = now;
        context
    }

    #[test]
    fn points_in_time_as_people_type_them() {
        let context = context("Europe/Paris");
        for (text, expected) in [
            ("now", "2026-11-25T11:00:00Z"),
            ("2h", "2026-11-25T09:00:00Z"),
            ("-2h", "2026-11-25T09:00:00Z"),
            ("2 hours ago", "2026-11-25T09:00:00Z"),
            ("1h30m ago", "2026-11-25T09:30:00Z"),
            ("1y", "2025-11-25T11:00:00Z"),
            ("today", "2026-11-24T23:00:00Z"),
            ("yesterday 14:00", "2026-11-24T13:00:00Z"),
            ("Yesterday", "2026-11-23T23:00:00Z"),
            ("23:39", "2026-11-25T22:39:00Z"),
            ("08:05:01.5", "2026-11-25T07:05:01.500000Z"),
            ("monday", "2026-11-22T23:00:00Z"),
            ("Wed", "2026-11-24T23:00:00Z"),
            ("thu 9:30", "2026-11-19T08:30:00Z"),
            ("@1780655400", "2026-06-05T10:30:00Z"),
            ("@1780655400.25", "2026-06-05T10:30:00.250000Z"),
            ("@-1.5", "1969-12-31T23:59:58.500000Z"),
            ("2026-06-05", "2026-06-04T22:00:00Z"),
            ("2026-06-05 10:30", "2026-06-05T08:30:00Z"),
            ("2026-06-05T10:30:00Z", "2026-06-05T10:30:00Z"),
        ] {
            assert_eq!(context.when("since", text).expect(text).to_string(), expected, "{text}");
        }
        for wrong in
            ["", "@", "@1e9", "@99999999999999999", "25:00", "yesterday noon", "someday", "1M", "5", "2026-13-01"]
        {
            assert!(context.when("since", wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn reversed_ranges_are_refused() {
        let context = context("utc");
        let (early, late) = (Timestamp::from_micros(0), Timestamp::from_micros(1));
        assert!(context.check_range(Some(late), Some(early)).is_err());
        assert!(context.check_range(Some(early), Some(late)).is_ok());
        assert!(context.check_range(Some(late), None).is_ok());
    }
}
