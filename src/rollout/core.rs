//! What evolving functions are beneath their types: choosing a variant, and taking in what came of it.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use super::answer::discard;
use super::counters::{Counters, Counts};
use super::strategy::{Manual, Observation, Situation, Strategy, Verdict};
use super::unit;
use crate::chance::{Random, ThreadRandom};
use crate::clock::{Clock, SystemClock};
use crate::evolution::decision::{Decision, Standing};
use crate::evolution::summary::FunctionSummary;
use crate::time::Timestamp;
use crate::tracker::queue::{Chosen, Record, Texts};
use crate::tracker::seat::{Force, Listener, LoggedCall, Seat};
use crate::tracker::{OpenError, Tracker};

/// Longest error message or value that is logged, in bytes; of longer ones so much.
pub(super) const TEXT_BYTES_MAX: usize = 4096;

/// Most variants whose weights are kept on the stack.
const INLINE: usize = 8;

#[derive(Debug)]
pub(super) struct Core {
    pub(super) name: Arc<str>,
    pub(super) variants: Vec<Arc<str>>,
    pub(super) metadata: Vec<BTreeMap<String, String>>,
    strategy: Arc<dyn StrategyDebug>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    tracker: Option<Tracker>,
    seat: Option<Arc<Seat>>,
    counters: Vec<Counters>,
    salts: Vec<u64>,
    created: Timestamp,
    /// Whether the strategy ever learns.
    may_learn: bool,
    /// Whether calls wait until they are safe.
    waits: bool,
    /// Why the log could not be read when the function was given its tracker. It is looked at again.
    trouble: Option<OpenError>,
}

/// A strategy that can be printed.
trait StrategyDebug: Strategy {}
impl<S: Strategy + ?Sized> StrategyDebug for S {}

impl std::fmt::Debug for dyn StrategyDebug {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Which variant is called, and how it was found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Choice {
    pub(super) variant: usize,
    /// The share that it was chosen with; `None` for a fallback.
    weight: Option<f64>,
    unit: Option<u64>,
    /// Ticks of the clock when the call began, if it is timed.
    started: Option<u64>,
    /// Whether the strategy is to hear what came of it, and whether it is to hear that later.
    free: bool,
    unheard: bool,
}

impl Core {
    pub(super) fn new(name: &str) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let mut core = Core {
            name: name.into(),
            variants: Vec::new(),
            metadata: Vec::new(),
            strategy: Arc::new(Manual),
            created: clock.now(),
            clock,
            random: Arc::new(ThreadRandom),
            tracker: None,
            seat: None,
            counters: Vec::new(),
            salts: Vec::new(),
            may_learn: false,
            waits: false,
            trouble: None,
        };
        core.place("v1");
        core
    }

    /// The place of a variant of this name, a new one if there is none yet.
    pub(super) fn place(&mut self, variant: &str) -> usize {
        if let Some(place) = self.variants.iter().position(|name| **name == *variant) {
            return place;
        }
        self.variants.push(variant.into());
        self.metadata.push(BTreeMap::new());
        self.counters.push(Counters::default());
        self.salts = unit::salts(&self.name, &self.variants);
        self.sit_down();
        self.variants.len() - 1
    }

    pub(super) fn set_strategy(&mut self, strategy: impl Strategy + 'static) {
        self.strategy = Arc::new(strategy);
        self.may_learn = unless_it_panics(|| self.strategy.learns()).unwrap_or(false);
        self.sit_down();
    }

    pub(super) fn set_tracker(&mut self, tracker: &Tracker) {
        self.waits = tracker.is_synchronous();
        self.clock = tracker.clock().clone();
        self.tracker = Some(tracker.clone());
        self.sit_down();
    }

    pub(super) fn set_clock(&mut self, clock: Arc<dyn Clock>) {
        self.created = clock.now();
        self.clock = clock;
    }

    pub(super) fn set_random(&mut self, random: Arc<dyn Random>) {
        self.random = random;
    }

    /// Takes a place with the tracker, as the function now is.
    fn sit_down(&mut self) {
        let Some(tracker) = &self.tracker else { return };
        if let Some(seat) = self.seat.take() {
            // What followed from the log for the function as it was is not for it as it is.
            tracker.leave(&seat);
        }
        let (function, variants) = (self.name.clone(), self.variants.clone());
        let (strategy, clock) = (self.strategy.clone(), self.clock.clone());
        let listener = Ear { function, variants, strategy, clock };
        match tracker.seat(&self.name, self.variants.clone(), Arc::new(listener)) {
            Ok((seat, looked)) => {
                self.seat = Some(seat);
                self.trouble = looked.err().map(|cause| OpenError::new(tracker.location(), cause));
            }
            Err(cause) => self.trouble = Some(OpenError::new(tracker.location(), cause)),
        }
    }

    /// Why the log could not be read, as long as it was not.
    pub(super) fn trouble(&self) -> Option<&OpenError> {
        self.trouble.as_ref().filter(|_| self.seat.as_ref().is_none_or(|seat| !seat.is_told()))
    }

    /// Chooses the variant of a call.
    #[inline]
    pub(super) fn choose(&self, unit: Option<u64>) -> Choice {
        let force = self.seat.as_ref().map_or(Force::None, |seat| seat.force());
        let (free, unheard) = (matches!(force, Force::None), matches!(force, Force::Unknown));
        let (variant, weight) = match &force {
            Force::Only(only) => (*only, 1.0),
            _ if self.variants.len() <= INLINE => self.pick(&mut [0.0; INLINE][..self.variants.len()], &force, unit),
            _ => self.pick(&mut vec![0.0; self.variants.len()], &force, unit),
        };
        Choice { variant, weight: Some(weight), unit, started: self.start(variant), free, unheard }
    }

    /// The choice to call the first variant since another one failed.
    pub(super) fn fall_back(&self, failed: &Choice) -> Choice {
        Choice { variant: 0, weight: None, started: self.start(0), ..*failed }
    }

    #[inline]
    fn learns(&self) -> bool {
        self.may_learn && unless_it_panics(|| self.strategy.learns()).unwrap_or(false)
    }

    #[inline]
    fn start(&self, variant: usize) -> Option<u64> {
        let timed = self.seat.is_some() || self.learns() || self.counters[variant].is_sample();
        timed.then(|| self.clock.ticks())
    }

    /// Asks the strategy for the weights. One that panics has no say: the first variant gets all.
    #[inline]
    fn ask(&self, weights: &mut [f64]) {
        let situation = Situation { variants: &self.variants, clock: &*self.clock };
        if unless_it_panics(|| self.strategy.weights(&situation, weights)).is_none() {
            weights.fill(0.0);
        }
    }

    #[inline]
    fn pick(&self, weights: &mut [f64], force: &Force, unit: Option<u64>) -> (usize, f64) {
        self.ask(weights);
        if let Force::Shares(forced) = force {
            forced.overrule(weights);
        }
        let place = match unit {
            Some(unit) => unit::pick(unit, &self.salts, weights),
            None => walk(weights, self.random.uniform()),
        };
        (place, weights.get(place).copied().filter(|weight| *weight > 0.0).unwrap_or(1.0))
    }

    /// Takes in what a call came to; `texts` are asked for only if they are logged. The last of a call's outcomes is `done`: the
    /// caller gets its answer after it.
    #[inline]
    pub(super) fn finish(&self, choice: &Choice, success: bool, texts: impl FnOnce() -> Texts, done: bool) {
        let ended = choice.started.map(|started| (self.clock.ticks(), started));
        let latency_ns = ended.map(|(ended, started)| ended.saturating_sub(started));
        self.counters[choice.variant].add(success, latency_ns);
        let learns = choice.free && self.learns();
        if learns || self.seat.is_some() {
            let at = ended.map_or_else(|| self.clock.now(), |(ended, _)| self.clock.at(ended));
            let verdict = if learns { self.learn(choice, success, at, latency_ns) } else { None };
            self.record(choice, success, at, latency_ns.unwrap_or(0), texts);
            self.follow_up(verdict, at, done);
        }
    }

    /// Writes a call down.
    #[inline]
    fn record(&self, choice: &Choice, success: bool, at: Timestamp, latency_ns: u64, texts: impl FnOnce() -> Texts) {
        let (Some(tracker), Some(seat)) = (&self.tracker, &self.seat) else { return };
        let texts = Some(texts()).filter(|texts| texts.error.is_some() || texts.value.is_some()).map(Box::new);
        let chosen = choice.weight.map_or(Chosen::FALLBACK, Chosen::with_weight);
        let (variant, unit, unheard) = (choice.variant as u32, choice.unit, choice.unheard);
        let record = Record { at, latency_ns, unit, texts, seat: seat.id, variant, success, unheard, chosen };
        tracker.record(seat, record);
    }

    /// Writes down what follows from a call, and waits for both to be safe if that is asked for.
    #[inline]
    fn follow_up(&self, verdict: Option<Verdict>, at: Timestamp, done: bool) {
        let Some(tracker) = &self.tracker else { return };
        if let Some(decision) = verdict.and_then(|verdict| verdict.decision(&self.name, &self.variants, at)) {
            tracker.decide(decision);
        }
        if let (true, true, Some(seat)) = (done, self.waits, &self.seat) {
            tracker.await_safety(seat);
        }
    }

    fn learn(&self, choice: &Choice, success: bool, at: Timestamp, latency_ns: Option<u64>) -> Option<Verdict> {
        let observation = Observation {
            variants: &self.variants,
            variant: choice.variant,
            at,
            success,
            latency_ns,
            fallback: choice.weight.is_none(),
            unit: choice.unit,
        };
        unless_it_panics(|| self.strategy.observe(&observation))?
    }

    /// Waits, without holding a thread, until what was recorded is safe, if calls are to wait for that.
    pub(super) async fn safe(&self) {
        if let (true, Some(tracker), Some(seat)) = (self.waits, &self.tracker, &self.seat) {
            tracker.safe(seat).await;
        }
    }

    pub(super) fn stats(&self) -> Stats {
        let mut weights = vec![0.0; self.variants.len()];
        self.ask(&mut weights);
        match self.seat.as_ref().map_or(Force::None, |seat| seat.force()) {
            Force::None | Force::Unknown => {}
            Force::Only(only) => {
                weights.iter_mut().enumerate().for_each(|(at, weight)| *weight = f64::from(u8::from(at == only)))
            }
            Force::Shares(forced) => forced.overrule(&mut weights),
        }
        let variant = |(index, name): (usize, &Arc<str>)| {
            let counts = self.counters[index].counts();
            VariantStats::new(name, &counts, weights[index], self.metadata[index].clone())
        };
        Stats {
            function: self.name.to_string(),
            strategy: self.strategy.name().to_string(),
            variants: self.variants.iter().enumerate().map(variant).collect(),
            standing: self.seat.as_ref().map(|seat| seat.standing()).unwrap_or_default(),
        }
    }

    pub(super) fn summary(&self) -> std::io::Result<Option<FunctionSummary>> {
        self.tracker.as_ref().map_or(Ok(None), |tracker| tracker.summary(&self.name))
    }

    pub(super) fn age(&self) -> Duration {
        let micros = self.clock.now().micros().saturating_sub(self.created.micros());
        Duration::from_micros(u64::try_from(micros).unwrap_or(0))
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        if let Some(seat) = &self.seat {
            seat.close();
        }
    }
}

/// What a strategy says; `None` if it panics.
#[inline]
fn unless_it_panics<T>(ask: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(ask)).map_err(discard).ok()
}

/// Walks the cumulative weights up to a uniform number, as the Python package does. A variant without weight is never
/// chosen; what is left above all of them goes to the last that has any.
#[inline]
fn walk(weights: &[f64], number: f64) -> usize {
    let (mut cumulative, mut last) = (0.0, 0);
    for (index, weight) in weights.iter().enumerate() {
        if *weight > 0.0 {
            cumulative += weight;
            last = index;
            if number <= cumulative {
                break;
            }
        }
    }
    last
}

/// The beginning of a text that is too long.
pub(super) fn cut(mut text: String) -> Box<str> {
    if text.len() > TEXT_BYTES_MAX {
        let end = (0..=TEXT_BYTES_MAX).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text.into_boxed_str()
}

/// Hears the log for a strategy.
struct Ear {
    function: Arc<str>,
    variants: Vec<Arc<str>>,
    strategy: Arc<dyn StrategyDebug>,
    clock: Arc<dyn Clock>,
}

/// How far other clocks may be ahead, in microseconds.
const FUTURE_US_MAX: i64 = 60_000_000;

impl Listener for Ear {
    fn wants_calls(&self) -> bool {
        unless_it_panics(|| self.strategy.learns()).unwrap_or(false)
    }

    fn call(&self, call: &LoggedCall<'_>) -> Option<Decision> {
        // A time that has not come yet would hold up all that goes by time.
        if call.at > self.clock.now().offset_micros(FUTURE_US_MAX) {
            return None;
        }
        let variant = self.variants.iter().position(|name| name.as_bytes() == call.variant)?;
        let LoggedCall { at, success, latency_ns, fallback, unit, .. } = *call;
        let variants = &self.variants;
        let observation = Observation { variants, variant, at, success, latency_ns, fallback, unit };
        let verdict = unless_it_panics(|| self.strategy.observe(&observation))??;
        verdict.decision(&self.function, variants, at)
    }

    fn decision(&self, decision: &Decision) {
        unless_it_panics(|| self.strategy.hear(decision, &self.variants));
    }
}

/// What this process has seen of a function.
#[derive(Clone, Debug, PartialEq)]
pub struct Stats {
    /// Its name.
    pub function: String,
    /// What its strategy is called.
    pub strategy: String,
    /// Its variants, in the order in which they were registered.
    pub variants: Vec<VariantStats>,
    /// What stands of decisions that were forced on it.
    pub standing: Standing,
}

/// What this process has seen of a variant.
#[derive(Clone, Debug, PartialEq)]
pub struct VariantStats {
    /// Its name.
    pub name: String,
    /// The share of calls that it gets now, 0 to 1.
    pub weight: f64,
    /// Calls, those made because another variant had failed among them.
    pub calls: u64,
    /// The share of them that returned, 0 to 1; 1 without calls.
    pub success_rate: f64,
    /// The mean time that they took, in milliseconds; 0 without calls. Without a tracker it is that of a sample: the first
    /// calls of each thread, and one in 32 of the others.
    pub avg_latency_ms: f64,
    /// Whether it gets any calls now.
    pub active: bool,
    /// What it was registered with.
    pub metadata: BTreeMap<String, String>,
}

impl VariantStats {
    fn new(name: &str, counts: &Counts, weight: f64, metadata: BTreeMap<String, String>) -> Self {
        let share = |part: u64, whole: u64, none: f64| if whole == 0 { none } else { part as f64 / whole as f64 };
        VariantStats {
            name: name.to_string(),
            weight,
            calls: counts.calls,
            success_rate: share(counts.calls - counts.failures.min(counts.calls), counts.calls, 1.0),
            avg_latency_ms: share(counts.latency_ns, counts.timed, 0.0) / 1e6,
            active: weight > 0.0,
            metadata,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_walk_is_that_of_the_package() {
        for (number, expected) in [(0.0, 0), (0.5, 0), (0.500_001, 1), (0.8, 1), (0.81, 2), (1.0, 2)] {
            assert_eq!(walk(&[0.5, 0.3, 0.2], number), expected, "{number}");
        }
        assert_eq!(walk(&[0.0, 1.0, 0.0], 0.0), 1, "no weight, no call");
        assert_eq!(walk(&[0.3, 0.3, 0.0], 0.9), 1, "the last with weight gets the rest");
        assert_eq!(walk(&[f64::NAN, -1.0, 0.0], 0.5), 0);
        assert_eq!(walk(&[], 0.5), 0);
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(&*cut("short".into()), "short");
        let text = cut("é".repeat(TEXT_BYTES_MAX));
        assert!(text.len() <= TEXT_BYTES_MAX + 3 && text.ends_with("é…"));
    }
}
