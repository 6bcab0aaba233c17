//! Functions and variants by name, made to be found quickly: four million times in a log of a gigabyte.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::fallback::FIRST_VARIANT;
use super::summary::{FunctionSummary, Map, Names, Summary, VariantSummary, add_counts};
use crate::time::Timestamp;

/// A function's variants are found by looking at them, up to this many; behind these by an index.
const SCANNED_MAX: usize = 8;

/// Where a function and one of its variants stand in a [`Table`].
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    pub(super) function: usize,
    pub(super) variant: usize,
    /// The variant is the first one.
    pub(super) first: bool,
}

/// Functions and variants, while they are being counted.
#[derive(Default)]
pub(super) struct Table {
    functions: Vec<Function>,
    index: Map<Box<[u8]>, usize>,
    /// Those of all functions in one row, which is a step less on the way to a tally.
    variants: Vec<VariantSummary>,
    nameless: BTreeMap<String, u64>,
    pub(super) undated: u64,
    /// Functions, variants and unknown kinds together.
    pub(super) names: Names,
}

struct Function {
    /// All but its variants.
    summary: FunctionSummary,
    variants: Vec<usize>,
    /// Where those behind the first [`SCANNED_MAX`] are.
    index: Map<Box<[u8]>, usize>,
}

impl Table {
    /// Where a function and its variant stand; they are added if they are new.
    pub(super) fn place(&mut self, function: &[u8], name: &[u8]) -> Place {
        let function = self.function_index(function);
        let Function { variants, index, .. } = &mut self.functions[function];
        let near = variants.iter().take(SCANNED_MAX).find(|place| self.variants[**place].name.as_bytes() == name);
        let known = near.or_else(|| index.get(name)).copied();
        let place = known.unwrap_or_else(|| {
            if variants.len() >= SCANNED_MAX {
                index.insert(name.into(), self.variants.len());
            }
            variants.push(self.variants.len());
            self.variants.push(VariantSummary::new(text(name)));
            self.names.add(name);
            self.variants.len() - 1
        });
        Place { function, variant: place, first: name == FIRST_VARIANT.as_bytes() }
    }

    fn function_index(&mut self, name: &[u8]) -> usize {
        if let Some(found) = self.index.get(name) {
            return *found;
        }
        self.index.insert(name.into(), self.functions.len());
        let summary = FunctionSummary::new(text(name));
        self.functions.push(Function { summary, variants: Vec::new(), index: Map::default() });
        self.names.add(name);
        self.functions.len() - 1
    }

    pub(super) fn function(&mut self, place: Place) -> &mut FunctionSummary {
        &mut self.functions[place.function].summary
    }

    pub(super) fn function_name(&self, function: usize) -> Arc<str> {
        self.functions[function].summary.name.clone()
    }

    #[inline(always)]
    pub(super) fn at(&mut self, place: Place) -> &mut VariantSummary {
        &mut self.variants[place.variant]
    }

    pub(super) fn variant(&mut self, function: &str, variant: &str) -> &mut VariantSummary {
        let place = self.place(function.as_bytes(), variant.as_bytes());
        self.at(place)
    }

    /// Counts an event of an unknown kind, and the calls that it says were dropped.
    pub(super) fn other(&mut self, function: Option<&[u8]>, kind: &str, at: Option<Timestamp>, dropped: u64) {
        let function = function.map(|name| self.function_index(name));
        let counts = match function {
            Some(index) => {
                let summary = &mut self.functions[index].summary;
                summary.other_span.add(at);
                summary.dropped = summary.dropped.saturating_add(dropped);
                &mut summary.others
            }
            None => &mut self.nameless,
        };
        if let Some(count) = counts.get_mut(kind) {
            *count += 1;
        } else {
            counts.insert(kind.to_string(), 1);
            self.names.add(kind.as_bytes());
        }
    }

    pub(super) fn merge(&mut self, other: &Table) {
        for function in &other.functions {
            let name = &function.summary.name;
            for variant in function.variants.iter().map(|place| &other.variants[*place]) {
                self.variant(name, &variant.name).merge(variant);
            }
            let index = self.function_index(name.as_bytes());
            let new = self.functions[index].summary.merge_decisions(&function.summary);
            self.names.extend(new);
        }
        self.names.extend(add_counts(&mut self.nameless, &other.nameless));
        self.undated += other.undated;
    }

    /// The summary, with functions and variants in order.
    pub(super) fn finish(self) -> Summary {
        let mut variants = self.variants.into_iter().map(Some).collect::<Vec<_>>();
        let mut functions = Vec::with_capacity(self.functions.len());
        for function in self.functions {
            let mut summary = function.summary;
            summary.variants.extend(function.variants.into_iter().filter_map(|place| variants[place].take()));
            summary.variants.sort_by(|a, b| variant_order(&a.name).cmp(&variant_order(&b.name)));
            functions.push(summary);
        }
        functions.sort_by(|a, b| a.name.cmp(&b.name));
        Summary { functions, nameless: self.nameless, undated: self.undated }
    }
}

/// A name that was checked to be UTF-8 when it was read.
fn text(name: &[u8]) -> Arc<str> {
    std::str::from_utf8(name).unwrap_or_default().into()
}

/// `v1` first, then names with their numbers in order: `v2` before `v10`.
fn variant_order(name: &str) -> (bool, &str, u64, &str) {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    (name != FIRST_VARIANT, stem, name[stem.len()..].parse().unwrap_or(0), name)
}

/// Where the last pairs of function and variant were found, by a cheap hash. Most lines are done with one cache line of
/// this instead of two look-ups by name.
pub(super) struct Recent {
    slots: Vec<Slot>,
}

/// A pair of names and its place. Names of up to [`FUNCTION_MAX`] and [`VARIANT_MAX`] bytes stand in it whole.
#[derive(Clone, Copy, Default)]
#[repr(align(64))]
struct Slot {
    function: [u64; 4],
    variant: [u64; 2],
    /// The names' lengths in bytes; none is 0, so that an empty slot fits no pair.
    lengths: (u16, u16),
    first: bool,
    at: (u32, u32),
}

const FUNCTION_MAX: usize = 32;
const VARIANT_MAX: usize = 16;

impl Slot {
    /// Whether it is these names' slot: word by word, since words that were just computed are slow to load as vectors.
    #[inline(always)]
    fn holds(&self, function: [u64; 4], variant: [u64; 2], lengths: (u16, u16)) -> bool {
        let heads = (self.function[0] ^ function[0]) | (self.function[1] ^ function[1]);
        let tails = (self.function[2] ^ function[2]) | (self.function[3] ^ function[3]);
        let variants = (self.variant[0] ^ variant[0]) | (self.variant[1] ^ variant[1]);
        let different = heads | tails | variants;
        different == 0 && self.lengths == lengths
    }
}

impl Recent {
    const SLOT_BITS: u32 = 11;

    pub(super) fn new() -> Self {
        Recent { slots: vec![Slot::default(); 1 << Self::SLOT_BITS] }
    }

    /// Where the table has a function and its variant; they are added if they are new.
    #[inline(always)]
    pub(super) fn find(&mut self, table: &mut Table, function: &[u8], variant: &[u8]) -> Place {
        if !(1..=FUNCTION_MAX).contains(&function.len()) || !(1..=VARIANT_MAX).contains(&variant.len()) {
            return table.place(function, variant);
        }
        let [function_head, function_tail] = ends(function);
        let [function_second, function_third] = inner(function);
        let function_words = [function_head, function_second, function_third, function_tail];
        let variant_words = ends(variant);
        let lengths = (function.len() as u16, variant.len() as u16);
        const MIX: u64 = 0x9e37_79b9_7f4a_7c15;
        let function_hash = (function_head ^ function_tail.rotate_left(29)).wrapping_mul(MIX);
        let hash = (function_hash ^ variant_words[0] ^ variant_words[1].rotate_left(29)).wrapping_mul(MIX);
        let slot = &mut self.slots[(hash >> (64 - Self::SLOT_BITS)) as usize];
        if slot.holds(function_words, variant_words, lengths) {
            return Place { function: slot.at.0 as usize, variant: slot.at.1 as usize, first: slot.first };
        }
        let place = table.place(function, variant);
        // A table holds fewer names than a u32 counts.
        let at = (place.function as u32, place.variant as u32);
        *slot = Slot { function: function_words, variant: variant_words, lengths, first: place.first, at };
        place
    }
}

/// The first eight bytes of a name and its last eight; of a shorter one, all its bytes.
#[inline(always)]
fn ends(name: &[u8]) -> [u64; 2] {
    if let (Some(first), Some(last)) = (name.first_chunk(), name.last_chunk()) {
        [u64::from_le_bytes(*first), u64::from_le_bytes(*last)]
    } else if let (Some(first), Some(last)) = (name.first_chunk(), name.last_chunk()) {
        [u64::from(u32::from_le_bytes(*first)), u64::from(u32::from_le_bytes(*last))]
    } else {
        let byte = |at: usize| name.get(at).map_or(0, |byte| u64::from(*byte));
        [byte(0) | byte(1) << 8 | byte(2) << 16, 0]
    }
}

/// The eight bytes behind the first eight of a name, and those in front of its last eight, if it has 16: with the ends,
/// all of a name of up to 32 bytes.
#[inline(always)]
fn inner(name: &[u8]) -> [u64; 2] {
    match (name.first_chunk::<16>(), name.last_chunk::<16>()) {
        (Some(head), Some(tail)) => {
            let word = |half: Option<&[u8; 8]>| half.map_or(0, |half| u64::from_le_bytes(*half));
            [word(head.last_chunk()), word(tail.first_chunk())]
        }
        _ => [0, 0],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn variants_are_in_the_order_of_their_numbers() {
        let mut names = ["v10", "casual", "v2", "v1", "v", "a10b", "v02"];
        names.sort_by(|a, b| variant_order(a).cmp(&variant_order(b)));
        assert_eq!(names, ["v1", "a10b", "casual", "v", "v02", "v2", "v10"]);
    }

    proptest! {
        #[test]
        fn recent_places_are_those_of_the_table(names in prop::collection::vec(("[ab\0]{0,36}", "[ab]{0,18}"), 1..200)) {
            let (mut table, mut recent) = (Table::default(), Recent::new());
            for (function, variant) in &names {
                let (function, variant) = (function.as_bytes(), variant.as_bytes());
                let found = recent.find(&mut table, function, variant);
                let place = table.place(function, variant);
                prop_assert_eq!((found.function, found.variant, found.first), (place.function, place.variant, place.first));
            }
        }
    }
}
