//! Ways in which lines of a log go wrong, or are written by somebody else than the Python tracker.

use temporal_code::json;

use crate::support::Rng;

/// Bytes that are no UTF-8: Latin-1, overlong, surrogate, above U+10FFFF, cut short, alone.
pub(crate) const NOT_UTF8: [&[u8]; 6] =
    [b"\xe9", b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82"];

/// What may stand in a string, or just may not.
pub(crate) const TOKENS: [&str; 26] = [
    "\\n",
    "\\\"",
    "\\\\",
    "\\/",
    "\\b\\f\\r\\t",
    "\\u0041",
    "\\ud83d\\ude00",
    "\\ud800",
    "\\udc00",
    "\\ud800\\ud800",
    "\\u12",
    "\\u12g4",
    "\\x41",
    "\\",
    "\"",
    "\u{2028}",
    "\u{85}",
    "\u{feff}",
    "\u{0}",
    "\u{1f}",
    "\u{7f}",
    "é",
    "日本語",
    "👩‍👩‍👧",
    "\t",
    "\r",
];

/// Numbers, and what some take for numbers.
const NUMBERS: &str = "\
    0|00|0.0|00.0|01.5|-0|-0.0|-1.5|+1|.5|1.|1.5.5|1e3|1E3|1e-3|1e+3|1e|1e400|-1e400|1e-400|NaN|-NaN|\
    Infinity|-Infinity|nan|inf|null|true|\"1.5\"|[1]|{}|0x10|1_000|999999999|9999999999|999999999.999999|\
    999999999.9999999|1000000000000.5|18446744073709551616|0.1234567";

pub(crate) fn numbers() -> Vec<&'static str> {
    NUMBERS.split('|').collect()
}

/// Times, and what some take for times.
const TIMES: &str = "\
    2026-11-21T21:07:31.507299+00:00|2026-11-21T21:07:31+00:00|2026-11-21T21:07:31.5+00:00|\
    2026-11-21T21:07:31.507299Z|2026-11-21T21:07:31Z|2026-11-21t21:07:31z|2026-11-21 21:07:31.507299+00:00|\
    2026-11-21T21:07:31.507299|2026-11-21T23:07:31.507299+02:00|2026-11-21T21:07:31.507299-00:00|\
    2026-11-21T21:07:31.507299+0000|2026-11-21T21:07:31.507299+00|2026-11-21T21:07:31,507299+00:00|\
    2026-11-21T21:07:31.507299+00:0|2026-11-21T21:07:31.507299+00:00:00|2026-11-21T21:07:31.5072991+00:00|\
    2026-11-21T21:07:60.507299+00:00|2026-11-21T21:60:31.507299+00:00|2026-11-21T24:07:31.507299+00:00|\
    2026-02-29T21:07:31.507299+00:00|2024-02-29T21:07:31.507299+00:00|2026-00-21T21:07:31.507299+00:00|\
    2026-13-21T21:07:31.507299+00:00|2026-11-00T21:07:31.507299+00:00|2026-11-31T21:07:31.507299+00:00|\
    0000-01-01T00:00:00.000000+00:00|0001-01-01T00:00:00+00:00|9999-12-31T23:59:59.999999+00:00|\
    2026/11/21T21:07:31.507299+00:00|2026-11-21T21.07.31.507299+00:00|2026-11-2 T21:07:31.507299+00:00|\
    +026-11-21T21:07:31.507299+00:00|2026-11-21|21:07:31||1795295251|\\u0032026-11-21T21:07:31+00:00|\
    ２０２６-11-21T21:07:31+00:00|2026-11-21T21:07:31.50729é+00:00";

pub(crate) fn times() -> Vec<&'static str> {
    TIMES.split('|').collect()
}

/// Values of any kind, to stand where another kind belongs.
pub(crate) const VALUES: [&str; 16] = [
    "null",
    "true",
    "false",
    "0",
    "1",
    "\"\"",
    "\"v1\"",
    "\"call\"",
    "\"\\u0063all\"",
    "[]",
    "{}",
    "[[1, {\"a\": null}], 2]",
    "{\"event\": \"call\"}",
    "\"\\ud800\"",
    "\"true\"",
    "\"deploy\"",
];

/// One way to change a line.
type Mutation = fn(&mut Rng, &mut Vec<u8>);

const MUTATIONS: [Mutation; 20] = [
    flip_bit,
    replace_byte,
    insert_byte,
    delete_bytes,
    repeat_bytes,
    tear,
    nul_run,
    not_utf8,
    insert_token,
    escape_one,
    odd_number,
    odd_time,
    odd_members,
    odd_members,
    odd_spaces,
    nest,
    crlf,
    bom,
    extend_string,
    odd_literal,
];

/// A line like `lines` have them, changed in one or two ways, with what ends it: mostly a newline.
pub(crate) fn line(rng: &mut Rng, lines: &[Vec<u8>]) -> Vec<u8> {
    let mut line = rng.pick(lines);
    for _ in 0..1 + rng.below(2) {
        rng.pick(&MUTATIONS)(rng, &mut line);
    }
    match rng.below(24) {
        0 => line.extend_from_slice(b""),
        1 => line.extend_from_slice(b"\n\n"),
        2 => line.extend_from_slice(b" \t\r\n"),
        3 => line.extend_from_slice(b"\n \t \n"),
        _ => line.push(b'\n'),
    }
    line
}

fn flip_bit(rng: &mut Rng, line: &mut Vec<u8>) {
    let at = rng.below(line.len());
    if let Some(byte) = line.get(at).copied() {
        line.splice(at..=at, [byte ^ (1 << rng.below(8))]);
    }
}

fn replace_byte(rng: &mut Rng, line: &mut Vec<u8>) {
    let at = rng.below(line.len());
    if at < line.len() {
        line.splice(at..=at, [rng.pick(b"\"\\{}[],: 09-+.eEtn\0\n\x7f\x80\xff")]);
    }
}

fn insert_byte(rng: &mut Rng, line: &mut Vec<u8>) {
    let byte = rng.pick(b"\"\\{}[],: 09-+.eE\0\n\r\x0b\x0c\xa0");
    line.insert(rng.below(line.len() + 1), byte);
}

fn delete_bytes(rng: &mut Rng, line: &mut Vec<u8>) {
    let at = rng.below(line.len());
    let end = (at + 1 + rng.below(6)).min(line.len());
    line.drain(at..end);
}

fn repeat_bytes(rng: &mut Rng, line: &mut Vec<u8>) {
    let at = rng.below(line.len());
    let end = (at + 1 + rng.below(40)).min(line.len());
    let part = line[at..end].to_vec();
    line.splice(at..at, part);
}

/// Cuts the line somewhere; the next one may be glued to it.
fn tear(rng: &mut Rng, line: &mut Vec<u8>) {
    let whole = line.clone();
    line.truncate(rng.below(line.len()));
    match rng.below(4) {
        0 => line.extend_from_slice(&whole),
        1 => {
            *line = [&whole[..], line, &whole].concat();
        }
        2 => *line = [&whole[..], &whole].concat(),
        _ => {}
    }
}

fn nul_run(rng: &mut Rng, line: &mut Vec<u8>) {
    let at = rng.below(line.len());
    let end = (at + 1 + rng.below(24)).min(line.len());
    if rng.one_in(2) {
        line[at..end].fill(0);
    } else {
        line.splice(at..at, std::iter::repeat_n(0, end - at));
    }
}

fn not_utf8(rng: &mut Rng, line: &mut Vec<u8>) {
    let at = rng.below(line.len() + 1);
    line.splice(at..at, rng.pick(&NOT_UTF8).iter().copied());
}

fn insert_token(rng: &mut Rng, line: &mut Vec<u8>) {
    let at = rng.below(line.len() + 1);
    line.splice(at..at, rng.pick(&TOKENS).bytes());
}

/// Writes one letter or digit as its escape.
fn escape_one(rng: &mut Rng, line: &mut Vec<u8>) {
    let places = (0..line.len()).filter(|at| line[*at].is_ascii_alphanumeric()).collect::<Vec<_>>();
    if !places.is_empty() {
        let at = rng.pick(&places);
        let escape = format!("\\u{:04x}", line[at]);
        line.splice(at..=at, escape.bytes());
    }
}

/// Puts `text` between the end of `mark` and the next of `ends`.
fn between(line: &mut Vec<u8>, mark: &str, ends: &[u8], text: &str) {
    if let Some(at) = line.windows(mark.len()).position(|window| window == mark.as_bytes()) {
        let start = at + mark.len();
        let length = line[start..].iter().position(|byte| ends.contains(byte)).unwrap_or(0);
        line.splice(start..start + length, text.bytes());
    }
}

fn odd_number(rng: &mut Rng, line: &mut Vec<u8>) {
    between(line, "\"latency_ms\": ", b",}", rng.pick(&numbers()));
}

fn odd_time(rng: &mut Rng, line: &mut Vec<u8>) {
    between(line, "\"timestamp\": \"", b"\"", rng.pick(&times()));
}

fn odd_literal(rng: &mut Rng, line: &mut Vec<u8>) {
    let literal = rng.pick(&["True", "FALSE", "truefalse", "true ", "tru", "1", "null", "\"true\"", "false", "true"]);
    between(line, "\"success\": ", b",}", literal);
}

fn extend_string(rng: &mut Rng, line: &mut Vec<u8>) {
    let mark = rng.pick(&["\"function\": \"", "\"variant\": \"", "\"value\": \"", "\"error\": \""]);
    let token = rng.pick(&TOKENS);
    let length = rng.below(70);
    between(line, mark, b"\"", &format!("{}{token}{}", "x".repeat(length), "y".repeat(rng.below(70))));
}

/// Takes a line's members apart and writes them in another order, some twice, some not, some of another type.
fn odd_members(rng: &mut Rng, line: &mut Vec<u8>) {
    let Some(mut members) = members_of(line) else { return };
    match rng.below(5) {
        0 => {
            for at in (1..members.len()).rev() {
                members.swap(at, rng.below(at + 1));
            }
        }
        1 => drop(members.remove(rng.below(members.len()))),
        2 => members.insert(rng.below(members.len()), rng.pick(&members)),
        3 => {
            let at = rng.below(members.len());
            members[at].1 = rng.pick(&VALUES).to_string();
        }
        _ => {
            let key = rng.pick(&["extra", "fallback", "event", "success", "", "\\u0065vent", "variant "]);
            members.insert(rng.below(members.len() + 1), (key.to_string(), rng.pick(&VALUES).to_string()));
        }
    }
    *line = render(&members, ", ", ": ");
}

fn odd_spaces(rng: &mut Rng, line: &mut Vec<u8>) {
    let Some(members) = members_of(line) else { return };
    let comma = rng.pick(&[",", ", ", ",  ", " , ", ",\t", ",\u{a0}", ",\u{c}"]);
    let colon = rng.pick(&[":", ": ", " : ", ":\t"]);
    *line = render(&members, comma, colon);
}

/// The members of a line that is an object, or nothing where it has none.
fn members_of(line: &[u8]) -> Option<Vec<(String, String)>> {
    let mut members = Vec::new();
    let text = std::str::from_utf8(line).ok()?;
    json::object(text, 0, |key, value| members.push((key.into_owned(), value.text().to_string()))).ok()?;
    (!members.is_empty()).then_some(members)
}

/// An object of these members; the keys are taken as they are, escapes and all.
pub(crate) fn render(members: &[(String, String)], comma: &str, colon: &str) -> Vec<u8> {
    let members = members.iter().map(|(key, value)| format!("\"{key}\"{colon}{value}")).collect::<Vec<_>>();
    format!("{{{}}}", members.join(comma)).into_bytes()
}

fn nest(rng: &mut Rng, line: &mut Vec<u8>) {
    let depth = rng.pick(&[1, 2, 63, 64, 65]);
    between(line, "\"value\": ", b",", &nested(depth));
}

/// Arrays and objects in each other, this deep.
pub(crate) fn nested(depth: usize) -> String {
    let open = (0..depth).map(|level| if level % 2 == 0 { "[" } else { "{\"k\":" });
    let close = (0..depth).rev().map(|level| if level % 2 == 0 { "]" } else { "}" });
    let middle = if depth.is_multiple_of(2) && depth > 0 { "1" } else { "" };
    open.chain([middle]).chain(close).collect()
}

fn crlf(_: &mut Rng, line: &mut Vec<u8>) {
    line.push(b'\r');
}

fn bom(_: &mut Rng, line: &mut Vec<u8>) {
    line.splice(0..0, *b"\xef\xbb\xbf");
}
