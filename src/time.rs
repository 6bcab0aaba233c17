//! Points in time as logs write them: microseconds since the Unix epoch, read from and printed as RFC 3339.

use std::fmt;

/// A point in time, in whole microseconds since 1970-01-01T00:00:00Z. Years 0001 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// How many bytes [`Timestamp::fixed_width`] gives.
pub(crate) const FIXED_WIDTH: usize = 27;

const US_PER_SECOND: i64 = 1_000_000;
const US_PER_DAY: i64 = 86_400 * US_PER_SECOND;

impl Timestamp {
    /// 0001-01-01T00:00:00Z, the earliest.
    pub const MIN: Timestamp = Timestamp(days_from_civil(1, 1, 1) * US_PER_DAY);
    /// 9999-12-31T23:59:59.999999Z, the latest.
    pub const MAX: Timestamp = Timestamp((days_from_civil(9999, 12, 31) + 1) * US_PER_DAY - 1);

    /// The point `micros` microseconds after the Unix epoch, clamped to the range of years 0001 to 9999.
    pub fn from_micros(micros: i64) -> Self {
        Timestamp(micros.clamp(Self::MIN.0, Self::MAX.0))
    }

    /// Microseconds since the Unix epoch.
    pub fn micros(self) -> i64 {
        self.0
    }

    /// This point moved by `micros` microseconds (back when negative), clamped to the range.
    pub fn offset_micros(self, micros: i64) -> Self {
        Timestamp::from_micros(self.0.saturating_add(micros))
    }

    /// Whether this is at or after `since` and before `until`, where these are given.
    pub fn is_within(self, since: Option<Timestamp>, until: Option<Timestamp>) -> bool {
        since.is_none_or(|since| self >= since) && until.is_none_or(|until| self < until)
    }

    /// Reads an ISO 8601 date-time: `2026-11-21T21:07:31.507299+00:00`, with `T` or a space, with or without
    /// seconds, fraction (kept to the microsecond) and offset (none means UTC), or a date alone (its midnight, UTC).
    ///
    /// ```
    /// use temporal_code::Timestamp;
    /// let at = Timestamp::parse(b"2026-11-21T23:07:31.5+02:00").unwrap();
    /// assert_eq!(at.to_string(), "2026-11-21T21:07:31.500000Z");
    /// assert_eq!(Timestamp::parse(b"2026-02-30"), None);
    /// ```
    #[inline]
    pub fn parse(text: &[u8]) -> Option<Self> {
        parse_fixed(text).or_else(|| parse_general(text))
    }

    /// As Python's `datetime.isoformat()` prints it in UTC: `+00:00` where RFC 3339 has `Z`.
    pub fn isoformat(self) -> String {
        self.to_string().replace('Z', "+00:00")
    }

    /// RFC 3339 with `Z` and always six digits of fraction: texts are in the order of times.
    pub fn fixed_width(self) -> String {
        let (year, month, day, hour, minute, second, us) = self.civil();
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{us:06}Z")
    }

    /// Year, month, day, hour, minute, second, microsecond, in UTC.
    fn civil(self) -> (i64, u32, u32, u32, u32, u32, u32) {
        let (days, us) = (self.0.div_euclid(US_PER_DAY), self.0.rem_euclid(US_PER_DAY));
        let (year, month, day) = civil_from_days(days);
        let second = (us / US_PER_SECOND) as u32;
        (year, month, day, second / 3600, second / 60 % 60, second % 60, (us % US_PER_SECOND) as u32)
    }
}

/// Why a text is not a point in time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an ISO 8601 date or time")]
pub struct ParseError(String);

impl std::str::FromStr for Timestamp {
    type Err = ParseError;

    /// As [`Timestamp::parse`].
    fn from_str(text: &str) -> Result<Self, ParseError> {
        Timestamp::parse(text.as_bytes()).ok_or_else(|| ParseError(text.chars().take(80).collect()))
    }
}

/// RFC 3339 with `Z`, with six digits of fraction, or none when the microsecond is 0.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day, hour, minute, second, us) = self.civil();
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        if us != 0 {
            write!(f, ".{us:06}")?;
        }
        f.write_str("Z")
    }
}

impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// `N` ASCII digits at `at`, as a number.
#[inline]
fn digits<const N: usize>(text: &[u8], at: usize) -> Option<u32> {
    let field: &[u8; N] = text.get(at..at + N)?.try_into().ok()?;
    let mut value = 0u32;
    let mut bad = false;
    for byte in field {
        let digit = byte.wrapping_sub(b'0');
        bad |= digit > 9;
        value = value * 10 + u32::from(digit);
    }
    (!bad).then_some(value)
}

/// Days since the epoch of the `YYYY-MM-DD` that `text` begins with.
#[inline]
fn date_at(text: &[u8]) -> Option<i64> {
    let (year, month, day) = (digits::<4>(text, 0)?, digits::<2>(text, 5)?, digits::<2>(text, 8)?);
    let valid = text[4] == b'-' && text[7] == b'-' && year >= 1;
    if !valid || !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
        return None;
    }
    Some(days_from_civil(i64::from(year), month, day))
}

/// Reads only what Python's `datetime.now(timezone.utc).isoformat()` prints: 25 bytes, or 32 with a fraction. It
/// remembers the last date, since a log's next line nearly always has the same.
#[derive(Debug)]
pub(crate) struct CanonicalReader {
    date: [u8; 10],
    midnight_us: i64,
}

impl Default for CanonicalReader {
    fn default() -> Self {
        CanonicalReader { date: *b"1970-01-01", midnight_us: 0 }
    }
}

impl CanonicalReader {
    #[inline(always)]
    pub(crate) fn read(&mut self, text: &[u8]) -> Option<Timestamp> {
        let (head, rest) = text.split_first_chunk::<19>()?;
        let fraction_us = match rest.split_first_chunk::<8>() {
            Some((fraction, b"00:00")) if fraction[0] == b'.' && fraction[7] == b'+' => {
                // The six digits behind the point, with two zeros in front.
                let digits = u64::from_le_bytes(*fraction) >> 8 & 0xffff_ffff_ffff;
                eight_digits(digits << 16 | 0x3030)? as i64
            }
            _ if rest == b"+00:00" => 0,
            _ => return None,
        };
        if head[..10] != self.date {
            self.midnight_us = date_at(head)? * US_PER_DAY;
            self.date.copy_from_slice(&head[..10]);
        }
        let clock = seconds_of_day(head.last_chunk()?).filter(|_| head[10] == b'T')?;
        Some(Timestamp(self.midnight_us + clock * US_PER_SECOND + fraction_us))
    }
}

/// The number of eight ASCII digits, given as a word of the bytes in memory order. (Three multiplications: first pairs of
/// digits are joined, then pairs of pairs, then both halves.)
#[inline(always)]
pub(crate) fn eight_digits(text: u64) -> Option<u64> {
    let digits = text ^ 0x3030_3030_3030_3030;
    if (digits.wrapping_add(0x7676_7676_7676_7676) | digits) & 0x8080_8080_8080_8080 != 0 {
        return None;
    }
    let pairs = (digits.wrapping_mul(2_561) >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(6_553_601) >> 16) & 0x0000_ffff_0000_ffff;
    Some(fours.wrapping_mul(42_949_672_960_001) >> 32)
}

/// Seconds since midnight of `HH:MM:SS`.
#[inline(always)]
fn seconds_of_day(text: &[u8; 8]) -> Option<i64> {
    // Every byte becomes its digit, and a colon 0.
    let digits = u64::from_le_bytes(*text) ^ u64::from_le_bytes(*b"00:00:00");
    let no_digit = digits.wrapping_add(0x7676_7676_7676_7676) | digits;
    if no_digit & 0x8080_8080_8080_8080 != 0 || digits & 0x0000_ff00_00ff_0000 != 0 {
        return None;
    }
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8);
    let (hour, minute, second) = (pairs & 0xff, pairs >> 24 & 0xff, pairs >> 48 & 0xff);
    (hour < 24 && minute < 60 && second < 60).then_some((hour * 3600 + minute * 60 + second) as i64)
}

/// Reads only what [`Timestamp`] prints: RFC 3339 with `Z`, with six digits of fraction or none.
#[inline]
fn parse_fixed(text: &[u8]) -> Option<Timestamp> {
    let (head, rest) = text.split_first_chunk::<19>()?;
    let fraction_us = match rest {
        b"Z" => 0,
        [b'.', _, _, _, _, _, _, b'Z'] => {
            // The six digits between, with two zeros in front.
            let digits = u64::from_le_bytes(*rest.first_chunk()?) >> 8 & 0xffff_ffff_ffff;
            eight_digits(digits << 16 | 0x3030)? as i64
        }
        _ => return None,
    };
    let clock = seconds_of_day(head.last_chunk()?).filter(|_| head[10] == b'T')?;
    Some(Timestamp(date_at(head)? * US_PER_DAY + clock * US_PER_SECOND + fraction_us))
}

fn parse_general(text: &[u8]) -> Option<Timestamp> {
    let days = date_at(text)?;
    let rest = text.get(10..)?;
    if rest.is_empty() {
        return Some(Timestamp(days * US_PER_DAY));
    }
    if !matches!(rest[0], b'T' | b't' | b' ') {
        return None;
    }
    let (us_of_day, rest) = parse_clock(&rest[1..])?;
    let offset_s = parse_offset(rest)?;
    let micros = days * US_PER_DAY + us_of_day - offset_s * US_PER_SECOND;
    (Timestamp::MIN.0..=Timestamp::MAX.0).contains(&micros).then_some(Timestamp(micros))
}

/// `HH:MM[:SS[.fraction]]` as microseconds since midnight, and what follows it.
fn parse_clock(text: &[u8]) -> Option<(i64, &[u8])> {
    let (hour, minute) = (digits::<2>(text, 0)?, digits::<2>(text, 3)?);
    if text[2] != b':' || hour > 23 || minute > 59 {
        return None;
    }
    let mut us = i64::from(hour * 3600 + minute * 60) * US_PER_SECOND;
    let mut rest = &text[5..];
    if rest.first() == Some(&b':') {
        let second = digits::<2>(rest, 1).filter(|s| *s < 60)?;
        us += i64::from(second) * US_PER_SECOND;
        rest = &rest[3..];
        if matches!(rest.first(), Some(b'.' | b',')) {
            let length = rest[1..].iter().take_while(|b| b.is_ascii_digit()).count();
            if length == 0 {
                return None;
            }
            let padded = rest[1..=length].iter().chain(std::iter::repeat(&b'0')).take(6);
            us += padded.fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'));
            rest = &rest[1 + length..];
        }
    }
    Some((us, rest))
}

/// `Z`, `+02:00`, `+0200`, `+02`, `+02:00:30` or nothing, in seconds east of UTC.
fn parse_offset(text: &[u8]) -> Option<i64> {
    let sign = match text {
        [] | [b'Z' | b'z'] => return Some(0),
        [b'+', ..] => 1,
        [b'-', ..] => -1,
        _ => return None,
    };
    let (hour, minute, second) = match text.len() {
        3 => (digits::<2>(text, 1)?, 0, 0),
        5 => (digits::<2>(text, 1)?, digits::<2>(text, 3)?, 0),
        6 if text[3] == b':' => (digits::<2>(text, 1)?, digits::<2>(text, 4)?, 0),
        9 if text[3] == b':' && text[6] == b':' => {
            (digits::<2>(text, 1)?, digits::<2>(text, 4)?, digits::<2>(text, 7)?)
        }
        _ => return None,
    };
    (hour < 24 && minute < 60 && second < 60).then(|| sign * i64::from(hour * 3600 + minute * 60 + second))
}

fn days_in_month(year: u32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar, counted in 400-year eras that begin on 1 March.
const fn days_from_civil(year: i64, month: u32, day: u32) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (month as i64 + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day as i64 - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The inverse of [`days_from_civil`].
fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * month_from_march + 2) / 5 + 1) as u32;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 } as u32;
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_survives_the_round_trip() {
        let mut previous = Timestamp::MIN.0 / US_PER_DAY - 1;
        for year in [1, 4, 100, 400, 1900, 1969, 1970, 2000, 2024, 2026, 2100, 9999] {
            for month in 1..=12 {
                for day in 1..=days_in_month(year as u32, month) {
                    let days = days_from_civil(year, month, day);
                    assert!(days > previous);
                    previous = days;
                    assert_eq!(civil_from_days(days), (year, month, day));
                }
            }
        }
    }

    #[test]
    fn digits_are_read_eight_at_a_time() {
        for number in [0u32, 1, 12_345_678, 99_999_999, 10_000_000, 909_090] {
            let text = format!("{number:08}");
            let word = u64::from_le_bytes(*text.as_bytes().first_chunk().expect("eight"));
            assert_eq!(eight_digits(word), Some(u64::from(number)));
            for at in 0..8 {
                for odd in [b'/', b':', 0, 0x80, 0xb0, b' ', 0xff] {
                    let mut bytes = word.to_le_bytes();
                    bytes[at] = odd;
                    assert_eq!(eight_digits(u64::from_le_bytes(bytes)), None, "{text} {at} {odd}");
                }
            }
        }
    }

    #[test]
    fn every_second_of_the_day() {
        for second in 0..86_400 {
            let text = format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60);
            assert_eq!(seconds_of_day(text.as_bytes().first_chunk().expect("eight")), Some(second));
        }
        for odd in
            ["24:00:00", "00:60:00", "00:00:60", "0:000:00", "00:0a:00", "00000000", "::::::::", "99:99:99", "0 :00:00"]
        {
            assert_eq!(seconds_of_day(odd.as_bytes().first_chunk().expect("eight")), None, "{odd}");
        }
    }

    #[test]
    fn the_readers_agree() {
        for text in
            ["2026-11-21T21:07:31.507299+00:00", "0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59.999999+00:00"]
        {
            let canonical = CanonicalReader::default().read(text.as_bytes());
            assert!(canonical.is_some());
            assert_eq!(canonical, parse_general(text.as_bytes()), "{text}");
            let fixed = text.replace("+00:00", "Z");
            assert_eq!(canonical, parse_fixed(fixed.as_bytes()), "{fixed}");
        }
    }

    #[test]
    fn what_the_fast_reader_takes_the_general_one_takes_alike() {
        let text = *b"2026-11-21T21:07:31.507299Z";
        for at in 0..text.len() {
            for byte in 0..=255 {
                let mut text = text;
                text[at] = byte;
                for text in [&text[..], &[&text[..19], b"Z"].concat()] {
                    let fixed = parse_fixed(text);
                    assert!(fixed.is_none() || fixed == parse_general(text), "{}", text.escape_ascii());
                }
            }
        }
        assert_eq!(parse_fixed(b"2026-11-21T21:07:31.50729Z"), None);
    }

    #[test]
    fn reads_the_forms_of_iso_8601() {
        let noon = "2026-06-05T12:00:00Z";
        for text in [
            "2026-06-05T12:00:00+00:00",
            "2026-06-05 12:00",
            "2026-06-05T14:00:00+02:00",
            "2026-06-05T05:30:00.000-0630",
            "2026-06-05T11:00:00.0000009-01",
            "2026-06-05t12:00:00z",
        ] {
            assert_eq!(Timestamp::parse(text.as_bytes()).map(|t| t.to_string()).as_deref(), Some(noon), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_not_a_time() {
        for text in [
            "",
            "2026",
            "2026-13-01",
            "2026-02-29",
            "2026-06-05T",
            "2026-06-05T24:00:00+00:00",
            "2026-06-05T12:60",
            "2026-06-05T12:00:00.",
            "2026-06-05T12:00:00+25:00",
            "0000-01-01",
            "0001-01-01T00:00:00+01:00",
            "2026-06-05T12:00:00+00:0x",
            "２０２６-06-05",
            "2026-06-05X12:00:00+00:00",
            "2026/06/05",
        ] {
            assert_eq!(Timestamp::parse(text.as_bytes()), None, "{text}");
        }
    }
}
