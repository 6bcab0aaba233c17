//! Time zones.

use anyhow::Result;
use chrono::{DateTime, NaiveDate, NaiveDateTime};
use jiff::tz::{Offset, TimeZone};

use crate::error::Failure;
use temporal_code::Timestamp;
use temporal_code::foreign::substantial;

/// A time zone.
#[derive(Clone, Debug)]
pub(crate) struct Zone(TimeZone);

impl Zone {
    /// `local`, `utc`, `+2`, `+02:00`, `Europe/Paris`, or a zone with rules of its own as POSIX writes it.
    pub(crate) fn named(name: &str) -> Result<Zone> {
        match name.to_ascii_lowercase().as_str() {
            "local" => return Zone::local(),
            "utc" | "z" => return Ok(Zone(TimeZone::UTC)),
            _ => {}
        }
        if let Some(zone) = offset(name).map(TimeZone::fixed).or_else(|| known(name)) {
            return Ok(Zone(zone));
        }
        let known = jiff::tz::db().available().map(|name| name.to_string()).collect::<Vec<_>>();
        let hint = crate::find::nearest(name, known.iter().map(String::as_str));
        let hint = hint.unwrap_or_else(|| "local, utc, +02:00 or Europe/Paris".into());
        Err(Failure::new("usage", format!("`{name}` is not a time zone")).hint(hint).into())
    }

    /// The zone of this machine: what TZ says, else what the system is set to.
    pub(crate) fn local() -> Result<Zone> {
        let Some(name) = std::env::var_os("TZ") else { return Ok(Zone(TimeZone::system())) };
        let name = name.to_string_lossy();
        let name = name.strip_prefix(':').unwrap_or(&name);
        let zone = match name {
            "" => Some(TimeZone::UTC),
            path if path.starts_with('/') => {
                std::fs::read(path).ok().and_then(|rules| TimeZone::tzif(path, &rules).ok())
            }
            name => known(name),
        };
        zone.map(Zone).ok_or_else(|| {
            let failure = Failure::new("usage", format!("TZ is `{name}`, which is not a time zone"));
            failure.hint("set it to one such as Europe/Paris, or give --tz utc").into()
        })
    }

    fn naive(&self, at: Timestamp) -> Option<NaiveDateTime> {
        let east = self.0.to_offset(jiff::Timestamp::from_microsecond(at.micros()).ok()?);
        let shown = at.micros().checked_add(i64::from(east.seconds()) * 1_000_000)?;
        DateTime::from_timestamp_micros(shown).map(|shown| shown.naive_utc())
    }

    /// A time as clocks in this zone show it.
    pub(crate) fn show(&self, at: Timestamp, format: &str) -> String {
        self.naive(at).map_or_else(|| at.to_string(), |naive| naive.format(format).to_string())
    }

    /// The point at which clocks in this zone show `naive`: the earlier of two; in a gap, as much later as the gap is long.
    pub(crate) fn point(&self, naive: NaiveDateTime) -> Option<Timestamp> {
        let shown = jiff::Timestamp::from_microsecond(naive.and_utc().timestamp_micros()).ok()?;
        let point = self.0.to_ambiguous_timestamp(Offset::UTC.to_datetime(shown)).compatible().ok()?;
        Some(Timestamp::from_micros(point.as_microsecond()))
    }

    pub(crate) fn today(&self, now: Timestamp) -> NaiveDate {
        self.naive(now).unwrap_or_default().date()
    }
}

/// A zone by its name, or by its own rules.
fn known(name: &str) -> Option<TimeZone> {
    TimeZone::get(name).or_else(|_| TimeZone::posix(name)).ok()
}

/// `+2`, `-05`, `+0530` or `+05:30`: so far ahead of UTC.
fn offset(text: &str) -> Option<Offset> {
    let (sign, digits) = match text.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let (hours, minutes) = match digits.split_once(':') {
        Some(parts) => parts,
        None if digits.len() == 4 => digits.split_at_checked(2)?,
        None => (digits, "00"),
    };
    let number = |text: &str, most: i32| {
        let is_number = matches!(text.len(), 1 | 2) && text.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| text.parse::<i32>().ok())?.filter(|number| *number <= most)
    };
    if minutes.len() != 2 {
        return None;
    }
    Offset::from_seconds(sign * (number(hours, 23)? * 3_600 + number(minutes, 59)? * 60)).ok()
}

/// The zone of this machine, for the times that Python's workers write without a zone.
pub(crate) fn machine_zone() -> Result<substantial::WorkerZone> {
    let zone = Zone::local()?;
    Ok(substantial::WorkerZone::new(move |naive| {
        let clock = DateTime::from_timestamp_micros(naive.micros()).map(|utc| utc.naive_utc());
        let point = clock.and_then(|clock| zone.point(clock)).unwrap_or(naive);
        // Clocks are never further ahead than a day.
        ((naive.micros() - point.micros()) / 1_000_000) as i32
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones() {
        let at = Timestamp::parse(b"2026-03-29T01:30:00Z").expect("a time");
        let show = |name: &str| Zone::named(name).expect("a zone").show(at, "%Y-%m-%d %H:%M");
        assert_eq!(show("utc"), "2026-03-29 01:30");
        assert_eq!(show("Europe/Paris"), "2026-03-29 03:30");
        assert_eq!(show("-05:30"), "2026-03-28 20:00");
        assert!(Zone::named("Mars/Olympus").is_err());
        for (name, shown) in
            [("+2", "03:30"), ("-5", "20:30"), ("+0530", "07:00"), ("+05:45", "07:15"), ("-12", "13:30")]
        {
            assert_eq!(Zone::named(name).expect("a zone").show(at, "%H:%M"), shown, "{name}");
        }
        for wrong in ["+", "+24", "+1:5", "+05:60", "+123", "2", "++2", "+٣", "CET-1CEST,M3.5"] {
            assert!(Zone::named(wrong).is_err(), "{wrong}");
        }
    }

    /// The point in time at which clocks show a text.
    fn point(zone: &str, naive: &str) -> String {
        let naive = NaiveDateTime::parse_from_str(naive, "%Y-%m-%d %H:%M").expect("a time");
        Zone::named(zone).expect("a zone").point(naive).expect("a point").to_string()
    }

    #[test]
    fn gaps_and_repeated_hours_of_any_length() {
        // An hour.
        assert_eq!(point("Europe/Paris", "2026-03-29 02:30"), "2026-03-29T01:30:00Z");
        assert_eq!(point("Europe/Paris", "2026-10-25 02:30"), "2026-10-25T00:30:00Z");
        // Half an hour.
        assert_eq!(point("Australia/Lord_Howe", "2026-10-04 02:15"), "2026-10-03T15:45:00Z");
        assert_eq!(point("Australia/Lord_Howe", "2026-04-05 01:45"), "2026-04-04T14:45:00Z");
        // A day that was left out.
        assert_eq!(point("Pacific/Apia", "2011-12-30 12:00"), "2011-12-30T22:00:00Z");
        // Rules of its own.
        let rules = "IST-2IDT,M3.4.4/26,M10.5.0";
        assert_eq!(point(rules, "2026-10-03 19:00"), "2026-10-03T16:00:00Z");
        assert_eq!(point(rules, "2026-12-03 18:00"), "2026-12-03T16:00:00Z");
    }
}
