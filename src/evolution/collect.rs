//! Counting: what one thread keeps of the events that it sees, and what is merged in the order of the log.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::decision::{Change, Decision, Standing};
use super::event::{self, Call, Event, Kind, Name, Outcome};
use super::fallback::{self, Candidate, FIRST_VARIANT, Pending};
use super::scan::{self, Evidence, Record, ScanError, Visitor};
use super::source::Source;
use super::summary::{Filter, Map, NAMES_MAX, Summary, TOO_MANY_NAMES, Tally};
use super::table::{Place, Recent, Table};
use crate::json::{self, Raw};
use crate::time::Timestamp;

/// Longest error message that is kept, in bytes; longer ones are cut, and are one message where the cut parts agree.
const ERROR_BYTES_MAX: usize = 500;

impl Summary {
    /// Reads `sources` and counts the events that `filter` lets through.
    ///
    /// # Errors
    /// A log cannot be read, or has more than [`NAMES_MAX`] functions and variants, or more than 64 MiB of their names.
    pub fn read(
        sources: &[Source],
        filter: &Filter,
        options: &scan::Options<'_>,
    ) -> Result<(Summary, Vec<Evidence>), ScanError> {
        let mut ordered = Ordered::default();
        let options = &scan::Options { since: filter.since, until: filter.until, ..*options };
        let (collectors, evidence) = scan::scan(
            sources,
            options,
            || Collector::new(filter.clone()),
            |_, part| {
                ordered.merge(part);
                ControlFlow::Continue(())
            },
        )?;
        let (mut table, mut standings) = ordered.finish();
        for collector in collectors {
            table.merge(&collector.table);
        }
        if table.names.are_too_many() {
            return Err(ScanError::Overflow(TOO_MANY_NAMES));
        }
        let mut summary = table.finish();
        for function in &mut summary.functions {
            function.standing = standings.remove(&*function.name).unwrap_or_default();
        }
        Ok((summary, evidence))
    }
}

/// What a block leaves behind to be merged in log order.
#[derive(Default)]
struct Part {
    /// Calls that only what stands in front of the block can tell from fallbacks, by function.
    undecided: Vec<(Arc<str>, Candidate)>,
    pending: Vec<(Arc<str>, Pending)>,
    /// Calls that are fallbacks for certain.
    certain: Vec<(Arc<str>, Candidate)>,
    /// In the order of the log.
    errors: Vec<Failures>,
    /// Those that are forced, and releases, in the order of the log.
    decisions: Vec<Decision>,
    /// New shares of variants, in the order of the log.
    weights: Vec<(Arc<str>, Arc<str>, f64)>,
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
    standings: Map<String, Standing>,
    table: Table,
}

impl Ordered {
    fn merge(&mut self, part: Part) {
        for (function, call) in part.undecided {
            let left = match self.pending.get_mut(&function) {
                Some(pending) => pending.offer(call),
                None => Some(call),
            };
            if let Some(call) = left {
                call.add_to(&mut self.table.variant(&function, FIRST_VARIANT).primary);
            }
        }
        for (function, call) in part.certain {
            self.fallback(&function, call);
        }
        for (function, pending) in part.pending {
            let certain = self.pending.entry(function.clone()).or_default().extend(pending);
            certain.into_iter().for_each(|call| self.fallback(&function, call));
        }
        for failures in part.errors {
            let variant = self.table.variant(&failures.function, &failures.variant);
            variant.errors.add(failures.message, failures.count);
        }
        for (function, variant, weight) in part.weights {
            self.table.variant(&function, &variant).weight = Some(weight);
        }
        for decision in part.decisions {
            if self.standings.len() < NAMES_MAX || self.standings.contains_key(&decision.function) {
                self.standings.entry(decision.function.clone()).or_default().apply(&decision);
            }
        }
    }

    fn fallback(&mut self, function: &str, call: Candidate) {
        call.add_to(&mut self.table.variant(function, FIRST_VARIANT).fallback);
    }

    /// All that was merged, when nothing more can come.
    fn finish(mut self) -> (Table, Map<String, Standing>) {
        for (function, pending) in std::mem::take(&mut self.pending) {
            pending.into_answers().for_each(|call| self.fallback(&function, call));
        }
        (self.table, self.standings)
    }
}

/// Counts the events that one thread sees.
struct Collector {
    filter: Filter,
    /// Whether the filter keeps anything out.
    filters: bool,
    table: Table,
    recent: Recent,
    /// Unanswered failures in the current block, by function.
    pending: Vec<Pending>,
    /// Functions with unanswered failures in the current block, perhaps answered since.
    failing: Vec<usize>,
    /// The time of the current block's first event that has one.
    block_began: Option<Timestamp>,
    part: Part,
    /// Where each variant's error, as logged, stands in the current block's `part.errors`.
    error_index: Map<(usize, Option<Box<str>>), usize>,
}

impl Collector {
    fn new(filter: Filter) -> Self {
        Collector {
            filters: !filter.lets_all_through(),
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
    fn admits(&mut self, function: Option<&[u8]>, at: Option<Timestamp>) -> bool {
        if let Some(wanted) = &self.filter.function
            && function != Some(wanted.as_bytes())
        {
            return false;
        }
        if self.filter.since.is_none() && self.filter.until.is_none() {
            return true;
        }
        let Some(at) = at else {
            self.table.undated += 1;
            return false;
        };
        at.is_within(self.filter.since, self.filter.until)
    }

    /// Counts a call that ended at `at`.
    #[inline(always)]
    fn count(&mut self, at: Option<Timestamp>, outcome: Outcome<'_>, place: Place) {
        if !outcome.success {
            self.failure(at, &outcome, place);
        }
        let (success, latency_ns) = (outcome.success, outcome.latency_ns);
        let may_be_fallback = place.first && outcome.fallback != Some(false);
        match event::began(at, latency_ns).filter(|_| may_be_fallback) {
            Some(began) => self.first_variant(Candidate { began, at, success, latency_ns }, outcome.fallback, place),
            None => self.table.at(place).tally(outcome.fallback == Some(true)).add(at, success, latency_ns),
        }
    }

    /// Counts a call of the first variant, which may be a fallback, whether or not it says so.
    #[inline(always)]
    fn first_variant(&mut self, call: Candidate, says: Option<bool>, place: Place) {
        let pending = self.pending.get_mut(place.function).filter(|pending| !pending.is_empty());
        let left = if says == Some(true) {
            call.add_to(&mut self.table.at(place).fallback);
            pending.and_then(|pending| pending.settle(&call).and_then(|freed| pending.offer(freed)))
        } else {
            pending.map_or(Some(call), |pending| pending.offer(call))
        };
        let Some(call) = left else { return };
        if self.block_began.is_some_and(|first| fallback::may_answer_earlier(call.began, first)) {
            self.part.undecided.push((self.table.function_name(place.function), call));
        } else {
            call.add_to(&mut self.table.at(place).primary);
        }
    }

    #[cold]
    fn failure(&mut self, at: Option<Timestamp>, outcome: &Outcome<'_>, place: Place) {
        let function = place.function;
        if !place.first
            && outcome.fallback != Some(true)
            && let Some(at) = at
        {
            if self.pending.len() <= function {
                self.pending.resize_with(function + 1, Pending::default);
            }
            if self.pending[function].is_empty() {
                self.failing.push(function);
            }
            let certain = self.pending[function].push(at);
            if let Some(call) = certain {
                let function = self.table.function_name(function);
                self.part.certain.push((function, call));
            }
        }
        if self.filter.errors {
            let logged = outcome.error.map(|error| Box::from(error.text()));
            let errors = &mut self.part.errors;
            let table = &mut self.table;
            let at = *self.error_index.entry((place.variant, logged)).or_insert_with(|| {
                let (function, variant) = (table.function_name(function), table.at(place).name.clone());
                errors.push(Failures { function, variant, message: outcome.error.map(message), count: 0 });
                errors.len() - 1
            });
            errors[at].count += 1;
        }
    }

    #[cold]
    fn decision(&mut self, record: &Record<'_>, event: &Event<'_>) {
        let (function, variant) = (event.function.as_ref(), event.variant.as_ref());
        let (Some(function), Some(variant), false) = (function, variant, matches!(event.kind, Kind::Other(_))) else {
            let dropped = if event.kind.name() == DROPPED { dropped_count(record) } else { 0 };
            return self.table.other(function.map(Name::as_bytes), event.kind.name(), event.at, dropped);
        };
        let place = self.table.place(function.as_bytes(), variant.as_bytes());
        let summary = self.table.function(place);
        match &event.kind {
            Kind::Promotion => summary.promotions += 1,
            Kind::Rollback => summary.rollbacks += 1,
            Kind::WeightChange => summary.weight_changes += 1,
            Kind::Call | Kind::Other(_) => {}
        }
        self.table.at(place).decisions.add(event.at);
        if event.kind == Kind::WeightChange
            && let Some(Decision { change: Change::Weight { new, .. }, .. }) = decision_in(record)
        {
            let (function, variant) = (self.table.function_name(place.function), self.table.at(place).name.clone());
            self.part.weights.push((function, variant, new));
        }
    }

    /// Keeps a decision that holds until another is made: the filter's start does not matter to it.
    #[cold]
    fn stand(&mut self, record: &Record<'_>, event: &Event<'_>) {
        let wanted = self.filter.function.as_deref();
        let function = event.function.as_ref().map(Name::as_str);
        let early = self.filter.until.is_none_or(|until| event.at.is_some_and(|at| at < until));
        if early && function.is_some_and(|function| wanted.is_none_or(|wanted| wanted == function)) {
            let holds = |decision: &Decision| decision.forced || decision.change == Change::Release;
            self.part.decisions.extend(decision_in(record).filter(holds));
        }
    }
}

fn decision_in(record: &Record<'_>) -> Option<Decision> {
    std::str::from_utf8(record.text).ok().and_then(Decision::parse)
}

/// What a tracker calls calls that it could not keep.
const DROPPED: &str = "dropped";

fn dropped_count(record: &Record<'_>) -> u64 {
    let members = std::str::from_utf8(record.text).ok().and_then(|text| json::pick(text, 0, ["count"]).ok());
    members.and_then(|([count], _)| count?.as_number()?.parse().ok()).unwrap_or(0)
}

impl Candidate {
    #[inline(always)]
    fn add_to(&self, tally: &mut Tally) {
        tally.add(self.at, self.success, self.latency_ns);
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

    fn event(&mut self, record: &Record<'_>, event: &Event<'_>) {
        if self.block_began.is_none() {
            self.block_began = event.at;
        }
        if event.kind != Kind::Call {
            self.stand(record, event);
        }
        if !self.admits(event.function.as_ref().map(Name::as_bytes), event.at) {
            return;
        }
        match (&event.kind, &event.function, &event.variant) {
            (Kind::Call, Some(function), Some(variant)) => {
                let place = self.recent.find(&mut self.table, function.as_bytes(), variant.as_bytes());
                self.count(event.at, event.outcome, place);
            }
            _ => self.decision(record, event),
        }
    }

    #[inline(always)]
    fn call(&mut self, _record: &Record<'_>, call: &Call<'_>) {
        if self.block_began.is_none() {
            self.block_began = Some(call.at);
        }
        if self.filters && !self.admits(Some(call.function), Some(call.at)) {
            return;
        }
        let place = self.recent.find(&mut self.table, call.function, call.variant);
        self.count(Some(call.at), call.outcome(), place);
    }

    fn end_block(&mut self) -> Part {
        for function in self.failing.drain(..) {
            let pending = std::mem::take(&mut self.pending[function]);
            if !pending.is_empty() {
                self.part.pending.push((self.table.function_name(function), pending));
            }
        }
        self.block_began = None;
        self.error_index.clear();
        std::mem::take(&mut self.part)
    }

    fn overflow(&self) -> Option<&'static str> {
        self.table.names.are_too_many().then_some(TOO_MANY_NAMES)
    }
}
