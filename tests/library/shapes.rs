//! Lines of every writer's style are read by the fast path as the exact path reads them: keys in any order, more of them,
//! fewer or twice, other blanks, other values; shapes that change from line to line; and more shapes than anybody has.

use proptest::prelude::*;
use serde_json::{Map, Value};

use crate::agreement::agree;
use crate::mutate::{self, VALUES, nested, render};
use crate::support::{Rng, real_lines, summary_of};

const SEED: u64 = 20_261_128;

/// How a writer writes.
#[derive(Clone, Debug)]
struct Style {
    /// Which members a line has, by their places among those of [`members`], in this order.
    order: Vec<usize>,
    /// Members that only this writer has, as they are, and where.
    more: Vec<(usize, (String, String))>,
    comma: &'static str,
    colon: &'static str,
    around: (&'static str, &'static str),
}

impl Style {
    /// The package's own.
    fn of_python() -> Style {
        let order = (0..members(&real_lines()[0]).len()).collect();
        Style { order, more: Vec::new(), comma: ", ", colon: ": ", around: ("", "\n") }
    }

    /// What some writer might do.
    fn any(rng: &mut Rng) -> Style {
        let mut style = Style::of_python();
        if !rng.one_in(4) {
            for at in (1..style.order.len()).rev() {
                style.order.swap(at, rng.below(at + 1));
            }
        }
        if rng.one_in(8) {
            style.order.remove(rng.below(style.order.len()));
        }
        if rng.one_in(8) {
            style.order.push(rng.pick(&style.order));
        }
        for _ in 0..rng.below(4) {
            let at = rng.below(style.order.len() + 1);
            style.more.push((at, (rng.pick(&KEYS).to_string(), rng.pick(&VALUES).to_string())));
        }
        (style.comma, style.colon) = rng.pick(&[(", ", ": "), (",", ":"), (" , ", " : "), (",\t", ":")]);
        style.around = rng.pick(&[("", "\n"), ("", "\n"), (" ", "\n"), ("", "\r\n"), ("\t", " \n")]);
        style
    }

    /// A line of the package, as this writer would have written it.
    fn line(&self, line: &[u8]) -> Vec<u8> {
        let own = members(line);
        let mut members = self.order.iter().filter_map(|at| own.get(*at).cloned()).collect::<Vec<_>>();
        for (at, member) in &self.more {
            members.insert((*at).min(members.len()), member.clone());
        }
        let line = render(&members, self.comma, self.colon);
        [self.around.0.as_bytes(), &line, self.around.1.as_bytes()].concat()
    }
}

/// Keys that the package's lines do not have, and such as look like those that they have.
const KEYS: [&str; 14] = [
    "service",
    "weight",
    "fallback",
    "unit",
    "",
    "è",
    "a key that is longer than what is compared at once, by far",
    "event ",
    "even\\u0074",
    "function\\n",
    "error",
    "level",
    "latency",
    "success",
];

fn members(line: &[u8]) -> Vec<(String, String)> {
    let members = serde_json::from_slice::<Map<String, Value>>(line).expect("an object");
    members.into_iter().map(|(key, value)| (key, value.to_string())).collect()
}

fn calls() -> Vec<Vec<u8>> {
    real_lines().iter().filter(|line| line.starts_with(b"{\"event\": \"call\"")).cloned().collect()
}

#[test]
fn lines_of_one_writer_after_the_other_and_of_several_at_once() {
    let (mut rng, calls) = (Rng(SEED), calls());
    for _ in 0..150 {
        let styles = (0..1 + rng.below(5)).map(|_| Style::any(&mut rng)).collect::<Vec<_>>();
        let mut log = Vec::new();
        for style in &styles {
            (0..20).for_each(|_| log.extend(style.line(&rng.pick(&calls))));
        }
        (0..100).for_each(|_| log.extend(rng.pick(&styles).line(&rng.pick(&calls))));
        agree(&log);
    }
}

#[test]
fn mutated_lines_among_lines_whose_shape_is_known() {
    let (mut rng, calls) = (Rng(SEED + 1), calls());
    for _ in 0..60 {
        let styles = [Style::any(&mut rng), Style::any(&mut rng)];
        let lines = (0..40).map(|_| rng.pick(&styles).line(&rng.pick(&calls))).collect::<Vec<_>>();
        let mut log = lines.concat();
        for _ in 0..200 {
            let line = rng.pick(&lines);
            let line = line.strip_suffix(b"\n").unwrap_or(&line).to_vec();
            log.extend(mutate::line(&mut rng, &[line]));
        }
        agree(&log);
    }
}

#[test]
fn a_known_line_cut_at_every_byte_and_with_every_byte_at_every_place() {
    let mut rng = Rng(SEED + 2);
    for _ in 0..4 {
        let (style, call) = (Style::any(&mut rng), rng.pick(&calls()));
        let line = style.line(&call);
        let mut log = line.repeat(4);
        for at in 0..line.len() {
            log.extend([&line[..at], b"\n"].concat());
            log.extend([&line[at..], b"\n"].concat());
            for byte in [0, b' ', b'"', b'\\', b'0', b',', b'}', b'\n', b'\r', 0x80, 0xc3] {
                log.extend([&line[..at], &[byte], &line[at + 1..]].concat());
                log.extend([&line[..at], &[byte], &line[at..]].concat());
            }
            // However little was learned on the way.
            log.extend_from_slice(&line);
        }
        agree(&log);
    }
}

/// Values that stand where the shape was learned from others.
#[test]
fn any_value_in_the_place_of_any_other() {
    let call = calls().swap_remove(3);
    for style in [Style::of_python(), Style { comma: ",", colon: ":", ..Style::of_python() }] {
        let mut log = style.line(&call).repeat(3);
        for place in 1..members(&call).len() {
            let numbers = mutate::numbers().into_iter().map(str::to_string);
            let times = mutate::times().into_iter().map(|time| format!("\"{time}\""));
            let more = [nested(3), nested(900), nested(1_001), "[1,\n2]".into(), "{\"a\":\n".into(), " 1".into()];
            let known = VALUES.iter().map(ToString::to_string).chain(numbers).chain(times).chain(more);
            for value in known {
                let mut members = members(&call);
                members[place].1 = value;
                log.extend(render(&members, style.comma, style.colon));
                log.extend_from_slice(b"\n");
                log.extend(style.line(&call));
            }
        }
        agree(&log);
    }
}

#[test]
fn thousands_of_shapes_and_keys_without_end() {
    let call = calls().swap_remove(0);
    let with = |keys: &dyn Fn(usize) -> String| {
        let mut members = members(&call);
        members.extend((0..3).map(|at| (keys(at), "1".to_string())));
        [render(&members, ", ", ": "), b"\n".to_vec()].concat()
    };
    let mut log = Vec::new();
    for number in 0..5_000 {
        log.extend(with(&|at| format!("key {number} {at}")));
        if number % 7 == 0 {
            log.extend_from_slice(&Style::of_python().line(&call));
        }
    }
    (1..200).for_each(|length| log.extend(with(&|at| format!("{at}{}", "long ".repeat(length)))));
    let many = (0..500).map(|number| (format!("k{number}"), "[]".to_string()));
    log.extend(render(&members(&call).into_iter().chain(many).collect::<Vec<_>>(), ",", ":"));
    agree(&log);
    let (summary, evidence) = summary_of(&log);
    assert_eq!((summary.kinds()["call"], evidence.skipped), (evidence.lines, 0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_writers(seed in any::<u64>()) {
        let (mut rng, calls) = (Rng(seed), calls());
        let mut styles = vec![Style::any(&mut rng)];
        let mut log = Vec::new();
        for _ in 0..30 {
            if rng.one_in(5) {
                styles.push(Style::any(&mut rng));
            }
            let line = rng.pick(&styles).line(&rng.pick(&calls));
            let line = line.strip_suffix(b"\n").unwrap_or(&line).to_vec();
            log.extend(if rng.one_in(6) { mutate::line(&mut rng, &[line]) } else { [&line, &b"\n"[..]].concat() });
        }
        agree(&log);
    }
}
