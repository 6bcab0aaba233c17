//! The shapes of calls in a log: what stands in every line of one kind, and where what differs stands.
//!
//! Shapes that begin alike share their first steps, so all of them are one tree. A line is matched without ever going back:
//! at each step the literals of the tree are compared with what comes next, and the first that is there leads on.

use crate::json::{self, halves};

/// Most steps of all shapes together; when they would be more, all are forgotten and the next one is the first.
const STEPS_MAX: usize = 192;

/// Most steps of one shape.
const SHAPE_STEPS_MAX: usize = 48;

/// How much of a literal is compared at once, in bytes; longer ones take several steps.
const LITERAL_BYTES: usize = 32;

/// Where matching begins.
pub(super) const FIRST: usize = 0;

/// No step.
const NONE: usize = usize::MAX;

/// What stands behind a literal. Names and times are strings whose first quote belongs to the literal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    /// In no step: it is a call always.
    Event,
    Function,
    Variant,
    Time,
    Success,
    Latency,
    Error,
    Weight,
    Fallback,
    Unit,
    /// A value that nobody reads.
    Other,
    /// The literal is not at its end.
    Nothing,
    /// The line has ended, with its newline.
    End,
}

impl Slot {
    /// What the value of a key is.
    fn of(key: &str) -> Slot {
        match key {
            r#""event""# => Slot::Event,
            r#""function""# => Slot::Function,
            r#""variant""# => Slot::Variant,
            r#""timestamp""# => Slot::Time,
            r#""success""# => Slot::Success,
            r#""latency_ms""# => Slot::Latency,
            r#""error""# => Slot::Error,
            r#""weight""# => Slot::Weight,
            r#""fallback""# => Slot::Fallback,
            r#""unit""# => Slot::Unit,
            _ => Slot::Other,
        }
    }

    fn is_quoted(self) -> bool {
        matches!(self, Slot::Function | Slot::Variant | Slot::Time)
    }
}

/// Up to 32 bytes that are compared at once.
#[derive(Debug)]
pub(super) struct Literal {
    bytes: [u8; LITERAL_BYTES],
    /// One bit for each byte.
    mask: u32,
    length: usize,
}

impl Literal {
    fn new(text: &[u8]) -> Literal {
        let mut bytes = [0; LITERAL_BYTES];
        bytes[..text.len()].copy_from_slice(text);
        Literal { bytes, mask: u32::MAX >> (LITERAL_BYTES - text.len()), length: text.len() }
    }

    fn text(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// What follows it in `bytes`, if they begin with it.
    #[inline(always)]
    pub(super) fn strip_from<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let Some(next) = bytes.first_chunk::<LITERAL_BYTES>() else { return bytes.strip_prefix(self.text()) };
        let ((low, high), (own_low, own_high)) = (halves(next), halves(&self.bytes));
        let same = low.simd_eq(own_low).to_bitmask() | high.simd_eq(own_high).to_bitmask() << 16;
        if same & self.mask == self.mask { bytes.get(self.length..) } else { None }
    }
}

/// One step of a shape.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) literal: Literal,
    pub(super) slot: Slot,
    /// The step behind it.
    pub(super) next: usize,
    /// The step that may be there instead.
    pub(super) other: usize,
}

/// All shapes that are known.
#[derive(Debug, Default)]
pub(super) struct Shapes {
    steps: Vec<Step>,
}

impl Shapes {
    #[inline(always)]
    pub(super) fn step(&self, place: usize) -> Option<&Step> {
        self.steps.get(place)
    }

    /// Learns the shape of a line that is one object, a call; unless it has one of our keys twice, a key with escapes or too
    /// many of them.
    pub(super) fn learn(&mut self, line: &[u8]) {
        let Some(steps) = std::str::from_utf8(line).ok().and_then(steps) else { return };
        if self.steps.len() + steps.len() > STEPS_MAX {
            self.steps.clear();
        }
        let mut from = None;
        for (literal, slot) in steps {
            from = Some(self.enter(from, literal, slot));
        }
    }

    /// The step with this literal and slot behind another, which is made if it is not there.
    fn enter(&mut self, from: Option<usize>, literal: &[u8], slot: Slot) -> usize {
        let (mut place, mut before) = (from.map_or(FIRST, |from| self.steps[from].next), None);
        while let Some(step) = self.steps.get(place) {
            if step.literal.text() == literal && step.slot == slot {
                return place;
            }
            (place, before) = (step.other, Some(place));
        }
        let new = self.steps.len();
        match (before, from) {
            (Some(before), _) => self.steps[before].other = new,
            (None, Some(from)) => self.steps[from].next = new,
            (None, None) => {}
        }
        self.steps.push(Step { literal: Literal::new(literal), slot, next: NONE, other: NONE });
        new
    }
}

/// The steps of a line's shape.
fn steps(line: &str) -> Option<Vec<(&[u8], Slot)>> {
    let (mut steps, mut known) = (Vec::new(), Vec::new());
    let mut literal_start = 0;
    let mut at = blanks_end(line, 0) + 1;
    loop {
        let (key, colon) = json::value(line, at).ok()?;
        let start = blanks_end(line, colon + 1);
        let (value, behind) = json::value(line, start).ok()?;
        let slot = Slot::of(key.text());
        if key.text().contains('\\') || (slot != Slot::Other && known.contains(&slot)) {
            return None;
        }
        known.push(slot);
        // What hardly ever changes belongs to the literal: that it is a call, and that there was no error.
        if slot != Slot::Event && !(slot == Slot::Error && value.is_null()) {
            let literal = line.get(literal_start..start + usize::from(slot.is_quoted()))?;
            push_steps(&mut steps, literal, slot)?;
            literal_start = start + value.text().len();
        }
        at = behind + 1;
        if line.as_bytes().get(behind) == Some(&b'}') {
            break;
        }
    }
    push_steps(&mut steps, line.get(literal_start..)?, Slot::End)?;
    (known.contains(&Slot::Event) && line.ends_with('\n')).then_some(steps)
}

fn push_steps<'a>(steps: &mut Vec<(&'a [u8], Slot)>, literal: &'a str, slot: Slot) -> Option<()> {
    let mut chunks = literal.as_bytes().chunks(LITERAL_BYTES);
    let last = chunks.next_back()?;
    steps.extend(chunks.map(|chunk| (chunk, Slot::Nothing)));
    steps.push((last, slot));
    (steps.len() <= SHAPE_STEPS_MAX).then_some(())
}

/// Where the blanks end that begin at `at`, or not.
fn blanks_end(line: &str, at: usize) -> usize {
    let blanks = line.as_bytes().iter().skip(at).take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r'));
    at + blanks.count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_kept_than_is_useful() {
        let mut shapes = Shapes::default();
        for number in 0..10_000 {
            shapes.learn(format!("{{\"event\": \"call\", \"k{number}\": 1, \"success\": true}}\n").as_bytes());
            assert!((2..=STEPS_MAX).contains(&shapes.steps.len()));
        }
        let keys = (0..100).map(|number| format!("\"k{number}\":1")).collect::<Vec<_>>().join(",");
        for line in [
            format!("{{\"event\":\"call\",{keys}}}\n"),
            "{\"event\":\"call\",\"success\":true,\"success\":true}\n".to_string(),
            "{\"event\":\"call\",\"event\":\"call\"}\n".to_string(),
            "{\"event\":\"call\",\"succ\\u0065ss\":true}\n".to_string(),
            "{\"event\":\"call\"}".to_string(),
        ] {
            assert_eq!(steps(&line), None, "{line}");
        }
    }

    #[test]
    fn a_literal_is_compared_as_a_whole_wherever_it_stands() {
        for length in 1..=LITERAL_BYTES {
            let text = (0..length as u8).collect::<Vec<_>>();
            let literal = Literal::new(&text);
            for behind in 0..40 {
                let bytes = [&text[..], &vec![b'x'; behind]].concat();
                assert_eq!(literal.strip_from(&bytes), Some(&bytes[length..]));
                for at in 0..length {
                    let mut other = bytes.clone();
                    other[at] ^= 0x80;
                    assert_eq!(literal.strip_from(&other), None);
                }
                assert_eq!(literal.strip_from(&bytes[..length - 1]), None);
            }
        }
    }
}
