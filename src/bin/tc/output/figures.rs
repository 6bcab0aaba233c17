//! Numbers as people read them.

/// `4,097,114`.
pub(crate) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count and what is counted: `1 call`, `2,000 calls`.
pub(crate) fn counted(n: u64, one: &str, many: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{} {many}", count(n)) }
}

/// A share of 0 to 1 as `99.88%`; what is not quite all or nothing is not shown as such.
pub(crate) fn percent(rate: f64) -> String {
    let text = format!("{:.2}", rate * 100.0);
    match text.as_str() {
        "100.00" if rate < 1.0 => ">99.99%".into(),
        "0.00" if rate > 0.0 => "<0.01%".into(),
        "100.00" => "100%".into(),
        "0.00" => "0%".into(),
        _ => text + "%",
    }
}

/// A duration given in nanoseconds, with three digits or so: `480ns`, `4.80µs`, `0.12ms`, `3.33ms`, `250ms`, `1.50s`, `2m 5s`.
pub(crate) fn duration_ns(ns: f64) -> String {
    let ms = ns / 1e6;
    let seconds = ms / 1e3;
    if ns > 0.0 && ns < 999.5 {
        format!("{ns:.0}ns")
    } else if ns > 0.0 && ns < 9_995.0 {
        format!("{:.2}µs", ns / 1e3)
    } else if ms < 9.995 {
        format!("{ms:.2}ms")
    } else if ms < 99.95 {
        format!("{ms:.1}ms")
    } else if ms < 999.5 {
        format!("{ms:.0}ms")
    } else if seconds < 59.995 {
        format!("{seconds:.2}s")
    } else {
        age(seconds as u64)
    }
}

/// A time span given in seconds, in its two largest units: `45s`, `3m 5s`, `2h 10m`, `5d 3h`.
pub(crate) fn age(seconds: u64) -> String {
    let units = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let first = units.iter().position(|(size, _)| seconds >= *size).unwrap_or(3);
    let (size, name) = units[first];
    let text = format!("{}{name}", count(seconds / size));
    match units.get(first + 1) {
        Some((next, next_name)) if seconds % size / next > 0 => format!("{text} {}{next_name}", seconds % size / next),
        _ => text,
    }
}

/// A size in bytes: `155.7 kB`, `1.0 GB`.
pub(crate) fn bytes(n: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if n < 1_000 {
        return counted(n, "byte", "bytes");
    }
    let mut size = n as f64 / 1e3;
    let mut unit = 0;
    while size >= 999.95 && unit + 1 < UNITS.len() {
        size /= 1e3;
        unit += 1;
    }
    format!("{size:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_well() {
        assert_eq!([0, 999, 1_000, 4_097_114].map(count), ["0", "999", "1,000", "4,097,114"]);
        assert_eq!([1.0, 0.999_99, 0.9988, 0.0, 1e-6].map(percent), ["100%", ">99.99%", "99.88%", "0%", "<0.01%"]);
        assert_eq!(
            [0.0, 480.0, 4_804.0, 1e4, 12e4, 3_333e3, 12.34e6, 250e6, 999.6e6, 1.5e9, 125e9].map(duration_ns),
            ["0.00ms", "480ns", "4.80µs", "0.01ms", "0.12ms", "3.33ms", "12.3ms", "250ms", "1.00s", "1.50s", "2m 5s"]
        );
        assert_eq!([0, 45, 185, 7_800, 444_000].map(age), ["0s", "45s", "3m 5s", "2h 10m", "5d 3h"]);
        assert_eq!([1, 155_700, 999_999, 1_000_000_050].map(bytes), ["1 byte", "155.7 kB", "1.0 MB", "1.0 GB"]);
    }
}
