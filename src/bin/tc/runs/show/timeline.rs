//! A life as a picture: bars over an axis of time, on which the stretches where nothing happened are squeezed.

use std::collections::HashMap;

use unicode_width::UnicodeWidthStr as _;

use crate::output::figures;
use crate::output::table::{Cell, Tone};
use temporal_code::runs::{BarKind, STEP_GIVEN_UP, TimelineBar, TimelineLane, TimelineLanes};
use temporal_code::time::Timestamp;

/// Most lanes that are drawn.
pub(super) const LANES_MAX: usize = 40;

/// Least columns of a picture that still says something, and most.
const COLUMNS_MIN: usize = 12;
const COLUMNS_MAX: usize = 200;

/// Below this width there is no room to say how each lane stands.
const STATES_FROM: usize = 48;

/// How many columns of the axis a label of its own is worth.
const TICK_EVERY: usize = 14;

/// Most stretches that are squeezed, and the length of the shortest in microseconds.
const SQUEEZED_MAX: usize = 12;
const SQUEEZED_MIN_US: i64 = 5_000_000;

fn mark(kind: BarKind) -> char {
    match kind {
        BarKind::Waiting => '░',
        BarKind::Working => '█',
        BarKind::NotTaken => '○',
        BarKind::Point => '•',
        BarKind::Failed => '×',
    }
}

fn meaning(kind: BarKind) -> &'static str {
    match kind {
        BarKind::Waiting => "waits",
        BarKind::Working => "at work",
        BarKind::NotTaken => "sent, not taken",
        BarKind::Point => "sent",
        BarKind::Failed => "failed",
    }
}

/// The colour of how a step stands.
pub(super) fn tone(state: &str) -> Tone {
    match state {
        "done" | STEP_GIVEN_UP => Tone::Dim,
        "failed" => Tone::Bad,
        "retrying" | "timed out" => Tone::Warn,
        _ => Tone::Plain,
    }
}

/// Which of many to show: those that go on, and the last ones.
pub(super) fn select(count: usize, max: usize, goes_on: &dyn Fn(usize) -> bool) -> Vec<usize> {
    let mut open: Vec<usize> = (0..count).filter(|place| goes_on(*place)).collect();
    open.drain(..open.len().saturating_sub(max));
    let others = (0..count).rev().filter(|place| !goes_on(*place)).take(max - open.len());
    open.extend(others.collect::<Vec<_>>());
    open.sort_unstable();
    open
}

/// The lanes that are drawn of a run, and how many steps have none.
pub(super) fn lanes_of(lanes: TimelineLanes) -> (Vec<TimelineLane>, u64) {
    let TimelineLanes { run, steps, steps_before, messages, .. } = lanes;
    let shown = select(steps.len(), LANES_MAX, &|place| steps[place].goes_on);
    let left_out = steps_before + (steps.len() - shown.len()) as u64;
    let steps = steps.into_iter().enumerate().filter(|(place, _)| shown.binary_search(place).is_ok());
    let steps = steps.map(|(_, lane)| lane);
    (std::iter::once(run).chain(steps).chain(messages).collect(), left_out)
}

/// A stretch of the axis.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Part {
    from: i64,
    to: i64,
    column: usize,
    columns: usize,
    /// What is drawn instead of it, if it is squeezed.
    squeezed: Option<String>,
}

/// Where each time is.
struct Axis {
    parts: Vec<Part>,
    columns: usize,
}

/// The lanes as lines of at most `width` columns: the times, the axis, each lane. Nothing if there is nothing to see, or no room.
pub(super) fn draw(lanes: &[TimelineLane], width: usize, colours: bool) -> Vec<String> {
    let lanes = &lanes[..lanes.len().min(LANES_MAX + 2)];
    let ends = lanes.iter().flat_map(|lane| &lane.bars).flat_map(|bar| [bar.from, bar.to]);
    let (first, last) = (ends.clone().min(), ends.max());
    if first == last {
        return Vec::new();
    }
    let natural = |text: fn(&TimelineLane) -> Cell| lanes.iter().map(|lane| text(lane).width()).max().unwrap_or(0);
    let states = if width < STATES_FROM { 0 } else { natural(|lane| Cell::new(lane.state)) };
    let gap = |columns: usize| if columns == 0 { 0 } else { columns + 2 };
    let names = natural(|lane| Cell::name(&lane.name)).min((width / 4).max(8));
    let Some(room) = width.checked_sub(gap(names) + gap(states)).filter(|room| *room >= COLUMNS_MIN) else {
        return Vec::new();
    };
    // The last column is for what goes on.
    let axis = Axis::new(lanes, room.min(COLUMNS_MAX) - 1);
    let margin = " ".repeat(gap(names) + gap(states));
    let mut lines = vec![
        Tone::Dim.paint(format!("{margin}{}", axis.times()).trim_end(), colours),
        Tone::Dim.paint(format!("{margin}{}", axis.ruler()).trim_end(), colours),
    ];
    for lane in lanes {
        let name = Cell::name(&lane.name).fitted(names, false);
        let state = Cell::new(lane.state);
        let state =
            if states == 0 { String::new() } else { state.tone(tone(lane.state)).fitted(states, colours) + "  " };
        lines.push(format!("{name}  {state}{}", axis.lane(lane)).trim_end().to_owned());
    }
    lines
}

/// What the marks mean, those that are there.
pub(super) fn legend(lanes: &[TimelineLane]) -> String {
    let kinds = [BarKind::Working, BarKind::Waiting, BarKind::Failed, BarKind::Point, BarKind::NotTaken];
    let used = kinds.into_iter().filter(|kind| lanes.iter().any(|lane| lane.bars.iter().any(|bar| bar.kind == *kind)));
    let mut parts: Vec<String> = used.map(|kind| format!("{} {}", mark(kind), meaning(kind))).collect();
    if lanes.iter().any(|lane| lane.goes_on) {
        parts.push("▸ goes on".to_owned());
    }
    parts.join("   ")
}

/// Stretches in which something happens, in order, without those that touch.
fn active(lanes: &[TimelineLane]) -> Vec<(i64, i64)> {
    let mut stretches: Vec<(i64, i64)> = Vec::new();
    for bar in lanes.iter().flat_map(|lane| &lane.bars) {
        let (from, to) = (bar.from.micros(), bar.to.micros());
        match bar.kind {
            BarKind::Working => stretches.push((from, to)),
            _ => stretches.extend([(from, from), (to, to)]),
        }
    }
    stretches.sort_unstable();
    let mut joined: Vec<(i64, i64)> = Vec::new();
    for (from, to) in stretches {
        match joined.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => joined.push((from, to)),
        }
    }
    joined
}

/// `length` of `whole` as a part of `columns`; no time is so long that this overflows.
fn scaled(length: i64, whole: i64, columns: usize) -> usize {
    if whole <= 0 {
        return 0;
    }
    let part = i128::from(length.max(0)) * columns as i128 / i128::from(whole);
    usize::try_from(part).unwrap_or(columns).min(columns)
}

impl Axis {
    fn new(lanes: &[TimelineLane], columns: usize) -> Self {
        let stretches = active(lanes);
        let mut squeezed = to_squeeze(&stretches, columns);
        let mut parts: Vec<Part> = Vec::new();
        let part = |from, to, squeezed| Part { from, to, column: 0, columns: 0, squeezed };
        for (index, (from, to)) in stretches.iter().enumerate() {
            match (parts.last_mut(), squeezed.remove(&index)) {
                (Some(last), None) => last.to = *to,
                (Some(last), label) => {
                    let end = last.to;
                    parts.extend([part(end, *from, label), part(*from, *to, None)]);
                }
                (None, _) => parts.push(part(*from, *to, None)),
            }
        }
        let columns = lay_out(&mut parts, columns);
        Axis { parts, columns }
    }

    /// The column of a time. A later time has no lower column.
    fn column(&self, at: Timestamp) -> usize {
        let at = at.micros();
        let part = self.parts.iter().find(|part| at <= part.to && part.squeezed.is_none()).or(self.parts.last());
        let Some(part) = part else { return 0 };
        let last = part.columns.saturating_sub(1);
        part.column + scaled(at.saturating_sub(part.from), part.to - part.from, last)
    }

    fn start(&self) -> i64 {
        self.parts.first().map_or(0, |part| part.from)
    }

    /// Times above the columns that they are at.
    fn times(&self) -> String {
        let mut labels: Vec<(usize, String)> = Vec::new();
        let elapsed = |at: i64| format!("+{}", elapsed(at.saturating_sub(self.start())));
        let scale = || self.parts.iter().filter(|part| part.squeezed.is_none());
        // The beginnings first, as far as there is room, then what is between.
        for part in scale() {
            place(&mut labels, part.column, elapsed(part.from), self.columns);
        }
        for part in scale() {
            for at in ticks(part, self.start()) {
                place(&mut labels, self.column(Timestamp::from_micros(at)), elapsed(at), self.columns);
            }
        }
        labels.sort();
        let mut line = String::new();
        for (column, label) in labels {
            line += &" ".repeat(column.saturating_sub(line.width()));
            line += &label;
        }
        line
    }

    fn ruler(&self) -> String {
        self.parts
            .iter()
            .map(|part| match (&part.squeezed, part.columns) {
                (Some(label), _) => label.clone(),
                (None, 0) => String::new(),
                (None, 1) => "│".to_owned(),
                (None, columns) => format!("├{}┤", "─".repeat(columns - 2)),
            })
            .collect()
    }

    fn lane(&self, lane: &TimelineLane) -> String {
        let mut line = vec![' '; self.columns];
        let mut bars: Vec<&TimelineBar> = lane.bars.iter().collect();
        bars.sort_by_key(|bar| bar.kind);
        for bar in bars {
            let (from, to) = (self.column(bar.from), self.column(bar.to));
            for place in line.iter_mut().take(to + 1).skip(from) {
                *place = mark(bar.kind);
            }
        }
        // What goes on in a stretch that is squeezed is seen to be squeezed.
        for part in self.parts.iter().filter(|part| part.squeezed.is_some()) {
            let within = line.iter_mut().skip(part.column).take(part.columns);
            within.filter(|place| **place != ' ').for_each(|place| *place = '┄');
        }
        let text: String = line.into_iter().collect();
        if lane.goes_on { text + "▸" } else { text.trim_end().to_owned() }
    }
}

/// Which stretches are to be behind a squeezed one, and what to draw there: those behind which nothing happens for so long that
/// what does could not be seen, the longest first.
fn to_squeeze(stretches: &[(i64, i64)], columns: usize) -> HashMap<usize, String> {
    let mut squeezed = HashMap::new();
    let (Some(first), Some(last)) = (stretches.first(), stretches.last()) else { return squeezed };
    let pairs = stretches.windows(2).enumerate();
    let mut gaps: Vec<(i64, usize)> = pairs.map(|(index, pair)| (pair[1].0 - pair[0].1, index + 1)).collect();
    gaps.sort_unstable_by_key(|(length, index)| (std::cmp::Reverse(*length), *index));
    let work: i64 = stretches.iter().map(|(from, to)| to - from).sum();
    let (mut whole, mut left) = (last.1 - first.0, columns);
    for (length, index) in gaps {
        // Points alone need no room to be seen; work does.
        let share = if work == 0 { whole / 10 * 9 } else { (whole / 4).max(work) };
        if length < SQUEEZED_MIN_US || length < share || squeezed.len() == SQUEEZED_MAX {
            break;
        }
        let least = (columns / 4).max(2 * (squeezed.len() + 2));
        let labels = [format!("┄ {} ┄", span(length)), "┄┄".to_owned()];
        let Some(label) = labels.into_iter().find(|label| left >= label.width() + least) else { break };
        (whole, left) = (whole - length, left - label.width());
        squeezed.insert(index, label);
    }
    squeezed
}

/// Gives each part its columns, and says how many there are in all.
fn lay_out(parts: &mut [Part], columns: usize) -> usize {
    let least = |part: &Part| match &part.squeezed {
        Some(label) => label.width(),
        None if part.from == part.to => 1,
        None => 2,
    };
    let whole: i64 = parts.iter().filter(|part| part.squeezed.is_none()).map(|part| part.to - part.from).sum();
    let spare = columns.saturating_sub(parts.iter().map(least).sum());
    let (mut column, mut before, mut given) = (0, 0, 0);
    for part in parts {
        part.column = column;
        part.columns = least(part);
        if part.squeezed.is_none() {
            before += part.to - part.from;
            let until = scaled(before, whole, spare);
            part.columns += until - given;
            given = until;
        }
        column += part.columns;
    }
    column
}

/// Puts a label where it touches no other, if it fits.
fn place(labels: &mut Vec<(usize, String)>, column: usize, label: String, columns: usize) {
    let end = |column: usize, label: &str| column + label.width();
    let fits = end(column, &label) <= columns
        && labels.iter().all(|(_, text)| *text != label)
        && labels.iter().all(|(other, text)| end(*other, text) < column || end(column, &label) < *other);
    if fits {
        labels.push((column, label));
    }
}

/// Round times within a part, as many as it has room for.
fn ticks(part: &Part, start: i64) -> Vec<i64> {
    const SECOND: i64 = 1_000_000;
    const STEPS: [i64; 15] = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1_800, 3_600, 3 * 3_600, 6 * 3_600, 12 * 3_600];
    let length = part.to - part.from;
    let wanted = (part.columns / TICK_EVERY) as i64;
    if wanted < 1 || length <= 0 {
        return Vec::new();
    }
    let below = [1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000];
    let days = (0..8).flat_map(|exponent| [1, 2, 5].map(|n| n * 10i64.pow(exponent) * 86_400 * SECOND));
    let steps = below.into_iter().chain(STEPS.map(|step| step * SECOND)).chain(days);
    let Some(step) = steps.into_iter().find(|step| length / step <= wanted) else { return Vec::new() };
    let first = (part.from - start) / step + 1;
    let ticks = (first..).map(|n| start.saturating_add(n.saturating_mul(step))).take_while(|at| *at < part.to);
    ticks.take(part.columns).collect()
}

/// A span of microseconds in a few characters: `85ms`, `3.4s`, `12s`, `10m`, `1h 44m`, `12d`.
pub(super) fn span(micros: i64) -> String {
    let micros = micros.max(0);
    match micros {
        0 => "0s".to_owned(),
        1..1_000 => format!("{micros}µs"),
        1_000..1_000_000 => format!("{}ms", micros / 1_000),
        1_000_000..10_000_000 if micros / 100_000 % 10 == 0 => format!("{}s", micros / 1_000_000),
        1_000_000..10_000_000 => format!("{}.{}s", micros / 1_000_000, micros / 100_000 % 10),
        _ => {
            let age = figures::age(micros.unsigned_abs() / 1_000_000);
            let is_long = age.chars().take_while(char::is_ascii_digit).count() > 1;
            match age.split_once(' ') {
                Some((first, _)) if is_long || age.contains(',') => first.to_owned(),
                _ => age,
            }
        }
    }
}

/// The same to the second where that takes two units: `10m 9s`, `2h 5m`.
pub(super) fn elapsed(micros: i64) -> String {
    match micros {
        ..10_000_000 => span(micros),
        _ => figures::age(micros.unsigned_abs() / 1_000_000),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    const SECOND: i64 = 1_000_000;
    const DAY: i64 = 86_400 * SECOND;

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(1_700_000_000 * SECOND + micros)
    }

    fn bar(from: i64, to: i64, kind: BarKind) -> TimelineBar {
        TimelineBar::new(at(from), at(to), kind)
    }

    fn lane(name: &str, state: &'static str, bars: &[TimelineBar]) -> TimelineLane {
        TimelineLane { name: name.into(), state, bars: bars.to_vec(), ..TimelineLane::default() }
    }

    fn check(lanes: &[TimelineLane], width: usize, expected: Expect) {
        let lines = draw(lanes, width, false);
        assert!(lines.iter().all(|line| line.width() <= width), "{lines:#?}");
        expected.assert_eq(&(lines.join("\n") + "\n"));
    }

    fn order() -> Vec<TimelineLane> {
        let claims = [(0, 8 * SECOND), (2 * DAY, 2 * DAY + SECOND), (2 * DAY + 600 * SECOND, 2 * DAY + 603 * SECOND)];
        let attempts = [
            bar(SECOND, 7 * SECOND, BarKind::Waiting),
            bar(SECOND, 3 * SECOND, BarKind::Working),
            bar(3 * SECOND, 3 * SECOND, BarKind::Failed),
            bar(5 * SECOND, 7 * SECOND, BarKind::Working),
        ];
        vec![
            lane("worker", "", &claims.map(|(from, to)| bar(from, to, BarKind::Working))),
            lane("charge#1", "done", &attempts),
            lane("a pause with a long name#1", "done", &[bar(8 * SECOND, 2 * DAY, BarKind::Waiting)]),
            TimelineLane {
                goes_on: true,
                ..lane("answer#1", "waiting", &[bar(2 * DAY + SECOND, 2 * DAY + 603 * SECOND, BarKind::Waiting)])
            },
            lane(
                "messages",
                "",
                &[
                    bar(2 * DAY, 2 * DAY, BarKind::Point),
                    bar(2 * DAY + 603 * SECOND, 2 * DAY + 603 * SECOND, BarKind::NotTaken),
                ],
            ),
        ]
    }

    #[test]
    fn idle_time_is_squeezed() {
        check(
            &order(),
            80,
            expect![[r#"
                                           +0s      +5s              +2d
                                           ├──────────────┤┄ 1d 23h ┄├──┤┄ 9m 59s ┄├──────┤
            worker                         ████████████████          ████          ████████
            charge#1              done      ████×░░░█████
            a pause with a long…  done                    ░┄┄┄┄┄┄┄┄┄┄░
            answer#1              waiting                               ░┄┄┄┄┄┄┄┄┄┄░░░░░░░░▸
            messages                                                 •                    ○
        "#]],
        );
        check(
            &order(),
            50,
            expect![[r#"
                                   +0s         +2d
                                   ├┤┄ 1d 23h ┄├┤┄ 9m 59s ┄├┤
            worker                 ██          ██          ██
            charge#1      done     ×
            a pause wit…  done      ░┄┄┄┄┄┄┄┄┄┄░
            answer#1      waiting               ░┄┄┄┄┄┄┄┄┄┄░░▸
            messages                           •            ○
        "#]],
        );
        check(
            &order(),
            30,
            expect![[r#"
                      +0s         +2d
                      ├┤┄ 1d 23h ┄├┤┄┄├─┤
            worker    ██          ██  ███
            charge#1  ×
            a pause…   ░┄┄┄┄┄┄┄┄┄┄░
            answer#1               ░┄┄░░░▸
            messages              •     ○
        "#]],
        );
    }

    #[test]
    fn one_instant_and_none() {
        for lanes in [&[lane("worker", "", &[bar(0, 0, BarKind::Working)])][..], &[lane("worker", "", &[])], &[]] {
            assert_eq!(draw(lanes, 40, false).concat(), "");
        }
    }

    #[test]
    fn what_is_even_is_to_scale() {
        let even: Vec<TimelineBar> = (0..10).map(|day| bar(day * DAY, day * DAY + SECOND, BarKind::Working)).collect();
        check(
            &[lane("worker", "", &even)],
            60,
            expect![[r#"
                    +0s                        +5d
                    ├─────────────────────────────────────────────────┤
            worker  █    █     █    █     █    █     █    █     █    ██
        "#]],
        );
        let busy = [bar(0, 95 * SECOND, BarKind::Working)];
        check(
            &[lane("worker", "", &busy)],
            100,
            expect![[r#"
                    +0s           +15s          +30s          +45s          +1m            +1m 15s
                    ├─────────────────────────────────────────────────────────────────────────────────────────┤
            worker  ███████████████████████████████████████████████████████████████████████████████████████████
        "#]],
        );
        check(
            &[lane("worker", "", &[bar(0, 2_500, BarKind::Working)])],
            60,
            expect![[r#"
                    +0s                 +1ms                +2ms
                    ├─────────────────────────────────────────────────┤
            worker  ███████████████████████████████████████████████████
        "#]],
        );
    }

    /// The same time is at the same column in all lanes, later ones are not before, and no line is too wide.
    #[test]
    fn times_keep_their_order() {
        let mut seed = 7u64;
        let mut next = |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % below
        };
        for _ in 0..100 {
            let fills = [BarKind::Waiting, BarKind::Working, BarKind::NotTaken, BarKind::Point, BarKind::Failed];
            let mut lanes = Vec::new();
            for number in 0..next(60) {
                let bars = (0..next(8)).map(|_| {
                    let (before, length) = (10u64.pow(next(17) as u32), 10u64.pow(next(12) as u32));
                    let (from, length) = (next(before) as i64, next(length) as i64);
                    bar(from, from + length, fills[next(5) as usize])
                });
                let bars: Vec<TimelineBar> = bars.collect();
                let name = "長い名前\u{1b}[31m".chars().cycle().take(next(40) as usize).collect::<String>();
                lanes.push(TimelineLane { goes_on: number % 3 == 0, ..lane(&name, "waiting", &bars) });
            }
            for width in [0, 1, 13, 20, 39, 40, 80, 160, 1_000] {
                let lines = draw(&lanes, width, false);
                assert!(lines.iter().all(|line| line.width() <= width), "{width}\n{}", lines.join("\n"));
                assert!(lines.len() <= LANES_MAX + 4);
            }
            let axis = Axis::new(&lanes, 60);
            let mut times: Vec<Timestamp> =
                lanes.iter().flat_map(|lane| &lane.bars).flat_map(|bar| [bar.from, bar.to]).collect();
            times.sort();
            let columns: Vec<usize> = times.iter().map(|at| axis.column(*at)).collect();
            assert!(columns.is_sorted() && columns.iter().all(|column| *column < axis.columns), "{columns:?}");
        }
    }

    #[test]
    fn times_at_the_ends_of_time() {
        let whole = TimelineBar::new(Timestamp::MIN, Timestamp::MAX, BarKind::Working);
        let ends =
            [TimelineBar::point(Timestamp::MIN, BarKind::Point), TimelineBar::point(Timestamp::MAX, BarKind::Failed)];
        for width in [40, 160] {
            let lines = draw(&[lane("a", "", &[whole]), lane("b", "", &ends)], width, false);
            assert!(lines.len() == 4 && lines.iter().all(|line| line.width() <= width), "{lines:?}");
            assert_eq!(draw(&[lane("b", "", &ends), lane("a", "", &[])], width, false).len(), 4);
        }
    }

    #[test]
    fn lanes_are_bounded() {
        let many: Vec<TimelineLane> = (0..10_000)
            .map(|n| lane(&format!("step#{n}"), "done", &[bar(n * SECOND, n * SECOND, BarKind::Working)]))
            .collect();
        assert_eq!(draw(&many, 80, false).len(), LANES_MAX + 4);
    }

    #[test]
    fn spans() {
        let seconds = |n: i64| span(n * SECOND);
        let few = [0, 1, 9, 10, 59, 60, 125, 600, 609, 7_440, 86_400, 90_000, 12 * 86_400 + 7_200].map(seconds);
        assert_eq!(few, ["0s", "1s", "9s", "10s", "59s", "1m", "2m 5s", "10m", "10m", "2h 4m", "1d", "1d 1h", "12d"]);
        assert_eq!([-5, 7, 85_000, 3_450_000].map(span), ["0s", "7µs", "85ms", "3.4s"]);
        assert_eq!([609 * SECOND, 7_440 * SECOND, 2_100_000].map(elapsed), ["10m 9s", "2h 4m", "2.1s"]);
    }
}
