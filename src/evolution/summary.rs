//! What a log says of each function and variant: calls, successes, latencies, errors, decisions.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::sync::Arc;

use super::event::{Event, Kind, Name};
use super::fallback::{self, FIRST_VARIANT, Pending};
use super::scan::{self, Evidence, Record, ScanError, Visitor};
use super::sketch::Latency;
use super::source::Source;
use crate::json::Raw;
use crate::time::Timestamp;

type Map<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

/// Most functions and variants together that a summary holds, to bound its memory.
pub const NAMES_MAX: usize = 1_000_000;

/// Most different error messages that are counted one by one for a variant.
pub const ERRORS_MAX: usize = 1_000;

/// Longest error message that is kept, in bytes; longer ones are cut, and are one message where the cut parts agree.
const ERROR_BYTES_MAX: usize = 500;

/// Which events count, and what is kept of them.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only this function.
    pub function: Option<String>,
    /// Only events at or after this time; events without a time are left out.
    pub since: Option<Timestamp>,
    /// Only events before this time; events without a time are left out.
    pub until: Option<Timestamp>,
    /// Whether to group errors by message.
    pub errors: bool,
}

/// The first and the last time of some events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    first: i64,
    last: i64,
}

impl Default for Span {
    fn default() -> Self {
        Span { first: i64::MAX, last: i64::MIN }
    }
}

impl Span {
    #[inline]
    fn add(&mut self, at: Option<Timestamp>) {
        if let Some(at) = at {
            self.first = self.first.min(at.micros());
            self.last = self.last.max(at.micros());
        }
    }

    fn merge(&mut self, other: Span) {
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
    }

    /// The earliest time, if any event had one.
    pub fn first(self) -> Option<Timestamp> {
        (self.first <= self.last).then(|| Timestamp::from_micros(self.first))
    }

    /// The latest time, if any event had one.
    pub fn last(self) -> Option<Timestamp> {
        (self.first <= self.last).then(|| Timestamp::from_micros(self.last))
    }
}

/// Some calls, counted.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// How many.
    pub calls: u64,
    /// How many of them returned.
    pub successes: u64,
    /// How long those took whose latency was logged, failed ones too.
    pub latency: Latency,
    /// When they ended.
    pub span: Span,
}

impl Tally {
    #[inline]
    fn add(&mut self, at: Option<Timestamp>, success: bool, latency_ns: Option<u64>) {
        self.calls += 1;
        self.successes += u64::from(success);
        self.span.add(at);
        if let Some(ns) = latency_ns {
            self.latency.record(ns);
        }
    }

    /// Adds all that `other` holds.
    pub fn merge(&mut self, other: &Tally) {
        self.calls += other.calls;
        self.successes += other.successes;
        self.latency.merge(&other.latency);
        self.span.merge(other.span);
    }

    /// Calls that failed.
    pub fn failures(&self) -> u64 {
        self.calls - self.successes
    }

    /// Successes as a share of calls, 0 to 1; `None` without calls.
    pub fn success_rate(&self) -> Option<f64> {
        (self.calls > 0).then(|| self.successes as f64 / self.calls as f64)
    }
}

/// Error messages of a variant, in the order in which the log first has them.
#[derive(Clone, Debug, Default)]
pub struct Errors {
    /// (message, how often); `None` where a call failed without a message.
    pub messages: Vec<(Option<Arc<str>>, u64)>,
    /// Failures with messages that came after the first [`ERRORS_MAX`] different ones.
    pub other: u64,
    index: Map<Option<Arc<str>>, usize>,
}

impl Errors {
    fn add(&mut self, message: Option<Arc<str>>, count: u64) {
        if let Some(index) = self.index.get(&message) {
            self.messages[*index].1 += count;
        } else if self.messages.len() < ERRORS_MAX {
            self.index.insert(message.clone(), self.messages.len());
            self.messages.push((message, count));
        } else {
            self.other += count;
        }
    }
}

/// One variant of a function.
#[derive(Clone, Debug)]
pub struct VariantSummary {
    /// Its name.
    pub name: Arc<str>,
    /// Calls that the strategy sent to it.
    pub primary: Tally,
    /// Calls made because another variant had failed.
    pub fallback: Tally,
    /// What it failed with, if asked for.
    pub errors: Errors,
    /// When it was promoted, rolled back, or had its weight changed.
    pub decisions: Span,
}

impl VariantSummary {
    fn new(name: Arc<str>) -> Self {
        let (primary, fallback) = (Tally::default(), Tally::default());
        VariantSummary { name, primary, fallback, errors: Errors::default(), decisions: Span::default() }
    }

    /// Calls of both kinds together, as the Python package counts them.
    pub fn all(&self) -> Tally {
        let mut all = self.primary.clone();
        all.merge(&self.fallback);
        all
    }

    fn merge(&mut self, other: &VariantSummary) {
        self.primary.merge(&other.primary);
        self.fallback.merge(&other.fallback);
        self.decisions.merge(other.decisions);
        other.errors.messages.iter().for_each(|(message, count)| self.errors.add(message.clone(), *count));
        self.errors.other += other.errors.other;
    }
}

/// One function.
#[derive(Clone, Debug)]
pub struct FunctionSummary {
    /// Its name.
    pub name: Arc<str>,
    /// Its variants: `v1` first, then by name, once the summary is complete.
    pub variants: Vec<VariantSummary>,
    /// Events of kind `promotion`.
    pub promotions: u64,
    /// Events of kind `rollback`.
    pub rollbacks: u64,
    /// Events of kind `weight_change`.
    pub weight_changes: u64,
    /// Events of other kinds.
    pub others: BTreeMap<String, u64>,
    other_span: Span,
}

impl FunctionSummary {
    fn new(name: Arc<str>) -> Self {
        FunctionSummary {
            name,
            variants: Vec::new(),
            promotions: 0,
            rollbacks: 0,
            weight_changes: 0,
            others: BTreeMap::new(),
            other_span: Span::default(),
        }
    }

    /// Calls of all variants, fallbacks too.
    pub fn calls(&self) -> u64 {
        self.variants.iter().map(|variant| variant.primary.calls + variant.fallback.calls).sum()
    }

    /// Events of all kinds.
    pub fn events(&self) -> u64 {
        self.calls() + self.promotions + self.rollbacks + self.weight_changes + self.others.values().sum::<u64>()
    }

    /// The first and the last time of its events of any kind.
    pub fn span(&self) -> Span {
        let mut span = self.other_span;
        for variant in &self.variants {
            span.merge(variant.primary.span);
            span.merge(variant.fallback.span);
            span.merge(variant.decisions);
        }
        span
    }

    /// Adds all of `other` but its variants, and returns how many kinds are new.
    fn merge_decisions(&mut self, other: &FunctionSummary) -> usize {
        self.promotions += other.promotions;
        self.rollbacks += other.rollbacks;
        self.weight_changes += other.weight_changes;
        self.other_span.merge(other.other_span);
        add_counts(&mut self.others, &other.others)
    }
}

/// Adds counts by kind, and returns how many kinds are new.
fn add_counts(counts: &mut BTreeMap<String, u64>, more: &BTreeMap<String, u64>) -> usize {
    let before = counts.len();
    for (kind, count) in more {
        *counts.entry(kind.clone()).or_default() += count;
    }
    counts.len() - before
}

/// What some logs say.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Functions by name.
    pub functions: Vec<FunctionSummary>,
    /// Events that name no function, by kind.
    pub nameless: BTreeMap<String, u64>,
    /// Events left out by a time filter because they have no readable time.
    pub undated: u64,
}

impl Summary {
    /// Reads `sources` and counts the events that `filter` lets through.
    ///
    /// # Errors
    /// A log cannot be read, or has more than [`NAMES_MAX`] functions and variants.
    pub fn read(
        sources: &[Source],
        filter: &Filter,
        options: &scan::Options<'_>,
    ) -> Result<(Summary, Vec<Evidence>), ScanError> {
        let mut ordered = Ordered::default();
        let (collectors, evidence) = scan::scan(
            sources,
            options,
            || Collector::new(filter.clone()),
            |_, part| {
                ordered.merge(part);
                ControlFlow::Continue(())
            },
        )?;
        let mut table = ordered.table;
        for collector in collectors {
            table.merge(&collector.table);
        }
        if table.names > NAMES_MAX {
            return Err(ScanError::Overflow(TOO_MANY_NAMES));
        }
        Ok((table.finish(), evidence))
    }

    /// The function of that name.
    pub fn function(&self, name: &str) -> Option<&FunctionSummary> {
        let index = self.functions.binary_search_by(|function| function.name.as_ref().cmp(name)).ok()?;
        self.functions.get(index)
    }

    /// How many events of each kind there are.
    pub fn kinds(&self) -> BTreeMap<String, u64> {
        let mut kinds = self.nameless.clone();
        for function in &self.functions {
            let known = [
                ("call", function.calls()),
                ("promotion", function.promotions),
                ("rollback", function.rollbacks),
                ("weight_change", function.weight_changes),
            ];
            let others = function.others.iter().map(|(kind, count)| (kind.as_str(), *count));
            for (kind, count) in known.into_iter().chain(others).filter(|(_, count)| *count > 0) {
                *kinds.entry(kind.to_string()).or_default() += count;
            }
        }
        kinds
    }
}

const TOO_MANY_NAMES: &str = "more than 1,000,000 different functions and variants: is this an evolution log?";

/// A function's variants are found by looking at them, up to this many; behind these by an index.
const SCANNED_MAX: usize = 8;

/// Functions by name, while they are being counted.
#[derive(Default)]
struct Table {
    functions: Vec<FunctionSummary>,
    index: Map<Box<[u8]>, usize>,
    /// For each function, where its variants behind the first [`SCANNED_MAX`] are.
    variant_index: Vec<Map<Box<[u8]>, usize>>,
    nameless: BTreeMap<String, u64>,
    undated: u64,
    /// Functions, variants and unknown kinds together.
    names: usize,
}

impl Table {
    #[inline]
    fn function_at(&mut self, name: &Name<'_>) -> usize {
        if let Some(found) = self.index.get(name.as_bytes()) {
            return *found;
        }
        self.index.insert(name.as_bytes().into(), self.functions.len());
        self.functions.push(FunctionSummary::new(name.as_str().into()));
        self.variant_index.push(Map::default());
        self.names += 1;
        self.functions.len() - 1
    }

    #[inline]
    fn variant_at(&mut self, function: usize, name: &Name<'_>) -> usize {
        let variants = &mut self.functions[function].variants;
        let near = variants.iter().take(SCANNED_MAX).position(|variant| variant.name.as_bytes() == name.as_bytes());
        if let Some(found) = near.or_else(|| self.variant_index[function].get(name.as_bytes()).copied()) {
            return found;
        }
        if variants.len() >= SCANNED_MAX {
            self.variant_index[function].insert(name.as_bytes().into(), variants.len());
        }
        variants.push(VariantSummary::new(name.as_str().into()));
        self.names += 1;
        variants.len() - 1
    }

    fn variant(&mut self, function: &Name<'_>, variant: &Name<'_>) -> &mut VariantSummary {
        let function = self.function_at(function);
        let variant = self.variant_at(function, variant);
        &mut self.functions[function].variants[variant]
    }

    /// Counts an event of an unknown kind.
    fn other(&mut self, function: Option<&Name<'_>>, kind: &str, at: Option<Timestamp>) {
        let function = function.map(|name| self.function_at(name));
        let counts = match function {
            Some(index) => {
                self.functions[index].other_span.add(at);
                &mut self.functions[index].others
            }
            None => &mut self.nameless,
        };
        if let Some(count) = counts.get_mut(kind) {
            *count += 1;
        } else {
            counts.insert(kind.to_string(), 1);
            self.names += 1;
        }
    }

    fn merge(&mut self, other: &Table) {
        for function in &other.functions {
            let at = self.function_at(&Name::from(&*function.name));
            for variant in &function.variants {
                let index = self.variant_at(at, &Name::from(&*variant.name));
                self.functions[at].variants[index].merge(variant);
            }
            self.names += self.functions[at].merge_decisions(function);
        }
        self.names += add_counts(&mut self.nameless, &other.nameless);
        self.undated += other.undated;
    }

    fn finish(mut self) -> Summary {
        self.functions.sort_by(|a, b| a.name.cmp(&b.name));
        for function in &mut self.functions {
            function.variants.sort_by(|a, b| variant_order(&a.name).cmp(&variant_order(&b.name)));
        }
        Summary { functions: self.functions, nameless: self.nameless, undated: self.undated }
    }
}

/// Where the last pairs of function and variant were found, by a cheap hash: most lines skip the look-up of both.
struct Recent {
    slots: Vec<Slot>,
}

#[derive(Clone, Default)]
struct Slot {
    function: Box<[u8]>,
    variant: Box<[u8]>,
    /// Places in the table; of no meaning while the names are empty.
    at: (usize, usize),
}

impl Recent {
    const SLOT_BITS: u32 = 10;

    fn new() -> Self {
        Recent { slots: vec![Slot::default(); 1 << Self::SLOT_BITS] }
    }

    #[inline(always)]
    fn slot(&mut self, function: &[u8], variant: &[u8]) -> &mut Slot {
        const MIX: u64 = 0x9e37_79b9_7f4a_7c15;
        let (function, variant) = (ends(function), ends(variant));
        let hash = (function.0 ^ function.1.rotate_left(29)).wrapping_mul(MIX) ^ variant.0 ^ variant.1.rotate_left(29);
        let hash = hash.wrapping_mul(MIX);
        &mut self.slots[(hash >> (64 - Self::SLOT_BITS)) as usize]
    }
}

/// The first and the last bytes of a name, and its length: all of a name of up to eight bytes, enough to tell most longer
/// ones apart.
#[inline(always)]
fn ends(name: &[u8]) -> (u64, u64) {
    let length = name.len() as u64;
    if let (Some(first), Some(last)) = (name.first_chunk(), name.last_chunk()) {
        (u64::from_le_bytes(*first), u64::from_le_bytes(*last) ^ length << 56)
    } else if let (Some(first), Some(last)) = (name.first_chunk(), name.last_chunk()) {
        (u64::from(u32::from_le_bytes(*first)), u64::from(u32::from_le_bytes(*last)) ^ length << 56)
    } else {
        let byte = |at: usize| name.get(at).map_or(0, |byte| u64::from(*byte));
        (byte(0) | byte(1) << 8 | byte(2) << 16, length << 56)
    }
}

/// Whether two names are equal, without a call for the short ones that names are.
#[inline(always)]
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && ends(a) == ends(b) && (a.len() <= 16 || a[8..a.len() - 8] == b[8..b.len() - 8])
}

/// `v1` first, then names with their numbers in order: `v2` before `v10`.
fn variant_order(name: &str) -> (bool, &str, u64, &str) {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    (name != FIRST_VARIANT, stem, name[stem.len()..].parse().unwrap_or(0), name)
}

/// A call that only what stands in front of its block can tell from a fallback.
struct Undecided {
    function: Arc<str>,
    began: Timestamp,
    at: Option<Timestamp>,
    success: bool,
    latency_ns: Option<u64>,
}

/// What a block leaves behind to be merged in log order.
#[derive(Default)]
struct Part {
    undecided: Vec<Undecided>,
    pending: Vec<(Arc<str>, Pending)>,
    /// In the order of the log.
    errors: Vec<Failures>,
}

/// Failures of one variant with one message.
struct Failures {
    function: Arc<str>,
    variant: Arc<str>,
    message: Option<Arc<str>>,
    count: u64,
}

/// The parts merged so far.
#[derive(Default)]
struct Ordered {
    pending: Map<Arc<str>, Pending>,
    table: Table,
}

impl Ordered {
    fn merge(&mut self, part: Part) {
        for call in part.undecided {
            let answers = self.pending.get_mut(&call.function).is_some_and(|pending| pending.answer(call.began));
            let variant = self.table.variant(&Name::from(&*call.function), &Name::from(FIRST_VARIANT));
            let tally = if answers { &mut variant.fallback } else { &mut variant.primary };
            tally.add(call.at, call.success, call.latency_ns);
        }
        for (function, pending) in part.pending {
            self.pending.entry(function).or_default().extend(&pending);
        }
        for failures in part.errors {
            let variant = self.table.variant(&Name::from(&*failures.function), &Name::from(&*failures.variant));
            variant.errors.add(failures.message, failures.count);
        }
    }
}

/// Counts the events that one thread sees.
struct Collector {
    filter: Filter,
    table: Table,
    recent: Recent,
    /// Unanswered failures in the current block, by function.
    pending: Vec<Pending>,
    /// Functions with unanswered failures in the current block, perhaps answered since.
    failing: Vec<usize>,
    /// The time of the current block's first event that has one.
    block_began: Option<Timestamp>,
    part: Part,
    /// Where each (function, variant, error as logged) of the current block stands in `part.errors`.
    error_index: Map<(usize, usize, Option<Box<str>>), usize>,
}

impl Collector {
    fn new(filter: Filter) -> Self {
        Collector {
            filter,
            table: Table::default(),
            recent: Recent::new(),
            pending: Vec::new(),
            failing: Vec::new(),
            block_began: None,
            part: Part::default(),
            error_index: Map::default(),
        }
    }

    /// Whether the filter lets an event through.
    #[inline]
    fn admits(&mut self, event: &Event<'_>) -> bool {
        if let Some(function) = &self.filter.function
            && event.function.as_ref().map(Name::as_bytes) != Some(function.as_bytes())
        {
            return false;
        }
        if self.filter.since.is_none() && self.filter.until.is_none() {
            return true;
        }
        let Some(at) = event.at else {
            self.table.undated += 1;
            return false;
        };
        self.filter.since.is_none_or(|since| at >= since) && self.filter.until.is_none_or(|until| at < until)
    }

    /// Where the table has a function and its variant.
    #[inline(always)]
    fn find(&mut self, function: &Name<'_>, variant: &Name<'_>) -> (usize, usize) {
        let slot = self.recent.slot(function.as_bytes(), variant.as_bytes());
        let known = same(&slot.function, function.as_bytes()) && same(&slot.variant, variant.as_bytes());
        if !known || slot.function.is_empty() {
            let at = self.table.function_at(function);
            let at = (at, self.table.variant_at(at, variant));
            *slot = Slot { function: function.as_bytes().into(), variant: variant.as_bytes().into(), at };
        }
        slot.at
    }

    #[inline]
    fn call(&mut self, event: &Event<'_>, function: usize, variant: usize) {
        let outcome = &event.outcome;
        if !outcome.success {
            self.failure(event, function, variant);
        }
        let first = same(self.table.functions[function].variants[variant].name.as_bytes(), FIRST_VARIANT.as_bytes());
        let mut fallback = outcome.fallback == Some(true);
        if first
            && outcome.fallback != Some(false)
            && let Some(began) = event.began()
        {
            let answers = |pending: &mut Pending| !pending.is_empty() && pending.answer(began);
            fallback |= self.pending.get_mut(function).is_some_and(answers);
            let head = self.block_began.is_some_and(|first| fallback::may_answer_earlier(began, first));
            if head && !fallback {
                let function = self.table.functions[function].name.clone();
                let (at, success, latency_ns) = (event.at, outcome.success, outcome.latency_ns);
                self.part.undecided.push(Undecided { function, began, at, success, latency_ns });
                return;
            }
        }
        let variant = &mut self.table.functions[function].variants[variant];
        let tally = if fallback { &mut variant.fallback } else { &mut variant.primary };
        tally.add(event.at, outcome.success, outcome.latency_ns);
    }

    #[cold]
    fn failure(&mut self, event: &Event<'_>, function: usize, variant: usize) {
        let summary = &self.table.functions[function];
        let name = &summary.variants[variant].name;
        if **name != *FIRST_VARIANT
            && event.outcome.fallback != Some(true)
            && let Some(at) = event.at
        {
            if self.pending.len() <= function {
                self.pending.resize_with(function + 1, Pending::default);
            }
            if self.pending[function].is_empty() {
                self.failing.push(function);
            }
            self.pending[function].push(at);
        }
        if self.filter.errors {
            let logged = event.outcome.error.map(|error| Box::from(error.text()));
            let errors = &mut self.part.errors;
            let at = *self.error_index.entry((function, variant, logged)).or_insert_with(|| {
                let (function, variant) = (summary.name.clone(), name.clone());
                errors.push(Failures { function, variant, message: event.outcome.error.map(message), count: 0 });
                errors.len() - 1
            });
            errors[at].count += 1;
        }
    }

    #[cold]
    fn decision(&mut self, event: &Event<'_>) {
        let (Some(function), Some(variant)) = (&event.function, &event.variant) else {
            return self.table.other(event.function.as_ref(), event.kind.name(), event.at);
        };
        let at = self.table.function_at(function);
        let summary = &mut self.table.functions[at];
        match &event.kind {
            Kind::Promotion => summary.promotions += 1,
            Kind::Rollback => summary.rollbacks += 1,
            Kind::WeightChange => summary.weight_changes += 1,
            other => return self.table.other(Some(function), other.name(), event.at),
        }
        self.table.variant(function, variant).decisions.add(event.at);
    }
}

/// An error as text: a string decoded, any other value as it stands.
fn message(error: Raw<'_>) -> Arc<str> {
    let text = error.as_str().unwrap_or(error.text().into());
    if text.len() <= ERROR_BYTES_MAX {
        return text.into();
    }
    let cut = text.floor_char_boundary(ERROR_BYTES_MAX);
    format!("{}…", &text[..cut]).into()
}

impl Visitor for Collector {
    type Part = Part;

    #[inline]
    fn event(&mut self, _record: &Record<'_>, event: &Event<'_>) {
        if self.block_began.is_none() {
            self.block_began = event.at;
        }
        if !self.admits(event) {
            return;
        }
        match (&event.kind, &event.function, &event.variant) {
            (Kind::Call, Some(function), Some(variant)) => {
                let (function, variant) = self.find(function, variant);
                self.call(event, function, variant);
            }
            _ => self.decision(event),
        }
    }

    fn end_block(&mut self) -> Part {
        for function in self.failing.drain(..) {
            let pending = &mut self.pending[function];
            if !pending.is_empty() {
                self.part.pending.push((self.table.functions[function].name.clone(), pending.clone()));
                pending.clear();
            }
        }
        self.block_began = None;
        self.error_index.clear();
        std::mem::take(&mut self.part)
    }

    fn overflow(&self) -> Option<&'static str> {
        (self.table.names > NAMES_MAX).then_some(TOO_MANY_NAMES)
    }
}
