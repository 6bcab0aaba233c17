//! What a log says of each function and variant: calls, successes, latencies, errors, decisions.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::decision::Standing;
use crate::statistics::sketch::Latency;
use crate::time::Timestamp;

pub(super) type Map<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

/// Most functions and variants together that a summary holds, to bound its memory.
pub const NAMES_MAX: usize = 1_000_000;

/// Most bytes of their names.
pub(super) const NAME_BYTES_MAX: usize = 64 << 20;

/// Most different error messages that are counted one by one for a variant.
pub const ERRORS_MAX: usize = 1_000;

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

impl Filter {
    /// All events of one function.
    pub fn of_function(name: &str) -> Self {
        Filter { function: Some(name.to_string()), ..Filter::default() }
    }

    /// Whether every event counts.
    pub fn lets_all_through(&self) -> bool {
        self.function.is_none() && self.since.is_none() && self.until.is_none()
    }
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
    pub(super) fn add(&mut self, at: Option<Timestamp>) {
        if let Some(at) = at {
            self.first = self.first.min(at.micros());
            self.last = self.last.max(at.micros());
        }
    }

    pub(super) fn merge(&mut self, other: Span) {
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
    pub(super) fn add(&mut self, at: Option<Timestamp>, success: bool, latency_ns: Option<u64>) {
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
        share(self.successes, self.calls)
    }

    /// These calls as a share of `total`, 0 to 1; `None` when that is 0.
    pub fn share_of(&self, total: u64) -> Option<f64> {
        share(self.calls, total)
    }
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
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
    pub(super) fn add(&mut self, message: Option<Arc<str>>, count: u64) {
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
    /// The share of traffic that a change of weight gave it last, 0 to 1.
    pub weight: Option<f64>,
}

impl VariantSummary {
    pub(super) fn new(name: Arc<str>) -> Self {
        let (primary, fallback) = (Tally::default(), Tally::default());
        let (errors, decisions) = (Errors::default(), Span::default());
        VariantSummary { name, primary, fallback, errors, decisions, weight: None }
    }

    #[inline(always)]
    pub(super) fn tally(&mut self, fallback: bool) -> &mut Tally {
        if fallback { &mut self.fallback } else { &mut self.primary }
    }

    /// Calls of both kinds together, as the Python package counts them.
    pub fn all(&self) -> Tally {
        let mut all = self.primary.clone();
        all.merge(&self.fallback);
        all
    }

    pub(super) fn merge(&mut self, other: &VariantSummary) {
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
    /// Calls that are not in the log because a tracker could not keep up.
    pub dropped: u64,
    /// What stands of forced decisions, whenever they were made; with a filter, before its end.
    pub standing: Standing,
    pub(super) other_span: Span,
}

impl FunctionSummary {
    pub(super) fn new(name: Arc<str>) -> Self {
        FunctionSummary {
            name,
            variants: Vec::new(),
            promotions: 0,
            rollbacks: 0,
            weight_changes: 0,
            others: BTreeMap::new(),
            dropped: 0,
            standing: Standing::default(),
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
        let mut span = self.decision_span();
        for variant in &self.variants {
            span.merge(variant.primary.span);
            span.merge(variant.fallback.span);
        }
        span
    }

    /// The first and the last time of its events that are no calls.
    pub fn decision_span(&self) -> Span {
        let mut span = self.other_span;
        self.variants.iter().for_each(|variant| span.merge(variant.decisions));
        span
    }

    /// Adds all of `other` but its variants, and returns what is new of the names of kinds.
    pub(super) fn merge_decisions(&mut self, other: &FunctionSummary) -> Names {
        self.promotions += other.promotions;
        self.rollbacks += other.rollbacks;
        self.weight_changes += other.weight_changes;
        self.dropped = self.dropped.saturating_add(other.dropped);
        self.other_span.merge(other.other_span);
        add_counts(&mut self.others, &other.others)
    }
}

/// Names, counted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Names {
    count: usize,
    bytes: usize,
}

impl Names {
    pub(super) fn add(&mut self, name: &[u8]) {
        self.extend(Names { count: 1, bytes: name.len() });
    }

    pub(super) fn extend(&mut self, more: Names) {
        self.count += more.count;
        self.bytes += more.bytes;
    }

    pub(super) fn are_too_many(self) -> bool {
        self.count > NAMES_MAX || self.bytes > NAME_BYTES_MAX
    }
}

/// Adds counts by kind, and returns what is new of the names of kinds.
pub(super) fn add_counts(counts: &mut BTreeMap<String, u64>, more: &BTreeMap<String, u64>) -> Names {
    let mut new = Names::default();
    for (kind, count) in more {
        *counts.entry(kind.clone()).or_insert_with(|| {
            new.add(kind.as_bytes());
            0
        }) += count;
    }
    new
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

pub(super) const TOO_MANY_NAMES: &str =
    "more than 1,000,000 different functions and variants, or 64 MiB of their names: is this an evolution log?";
