//! A function's place with a tracker: its names, what is forced on it, and who wants to hear of it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use parking_lot::RwLock;

use super::queue::{Chosen, Record};
use crate::evolution::decision::{Change, Decision, Forced, Standing};
use crate::evolution::event::Outcome;
use crate::evolution::walk::Found;
use crate::time::Timestamp;

/// What a call of another process, or from before the start, came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LoggedCall<'a> {
    pub(crate) variant: &'a [u8],
    pub(crate) at: Timestamp,
    pub(crate) success: bool,
    pub(crate) latency_ns: Option<u64>,
    pub(crate) fallback: bool,
    pub(crate) unit: Option<u64>,
}

impl<'a> LoggedCall<'a> {
    /// The function and what its call came to; none for what is no call with a time.
    pub(super) fn of(found: &'a Found<'_, '_>) -> Option<(&'a [u8], LoggedCall<'a>)> {
        let (function, variant, at) = (found.function()?, found.variant()?, found.at()?);
        let Outcome { success, latency_ns, fallback, unit, .. } = found.outcome()?;
        let fallback = fallback.unwrap_or(false);
        Some((function, LoggedCall { variant, at, success, latency_ns, fallback, unit }))
    }
}

/// Hears what a log says of a function.
pub(crate) trait Listener: Send + Sync {
    /// Whether calls are wanted too, not just decisions.
    fn wants_calls(&self) -> bool;

    /// A call that another process made, or that was in the log at the start. Returns what follows from it.
    fn call(&self, call: &LoggedCall<'_>) -> Option<Decision>;

    /// A decision that is in the log, forced or not.
    fn decision(&self, decision: &Decision);
}

/// One function of this process.
pub(crate) struct Seat {
    pub(crate) id: u32,
    pub(crate) function: Arc<str>,
    pub(crate) variants: Vec<Arc<str>>,
    pub(crate) listener: Arc<dyn Listener>,
    /// By variant: calls that could not be kept.
    dropped: Vec<AtomicU64>,
    /// [`FREE`], [`SHARED`], or the place of the variant that gets all traffic.
    force: AtomicU32,
    forced: RwLock<(Standing, Option<Arc<Forced>>)>,
    /// Decisions of strategies in other processes, and releases, that were heard.
    heard: AtomicU64,
    /// What the log has of the function is known: see [`Force::Unknown`].
    told: AtomicBool,
    closed: AtomicBool,
}

/// Nothing is forced.
const FREE: u32 = u32::MAX;
/// More than one variant has a share.
const SHARED: u32 = u32::MAX - 1;
/// Nothing is known to be forced.
const UNKNOWN: u32 = u32::MAX - 2;

/// What is forced on a function, as a caller needs it.
#[derive(Clone, Debug)]
pub(crate) enum Force {
    None,
    /// Nothing, as far as that is known: the log could not be read yet. Strategies pick, and hear of nothing until it was.
    Unknown,
    Only(usize),
    Shares(Arc<Forced>),
}

impl Seat {
    pub(super) fn new(id: u32, function: Arc<str>, variants: Vec<Arc<str>>, listener: Arc<dyn Listener>) -> Self {
        let dropped = variants.iter().map(|_| AtomicU64::new(0)).collect();
        let (force, forced) = (AtomicU32::new(UNKNOWN), RwLock::default());
        let (heard, told, closed) = (AtomicU64::new(0), AtomicBool::new(false), AtomicBool::new(false));
        Seat { id, function, variants, listener, dropped, force, forced, heard, told, closed }
    }

    /// What is forced: one atomic load, where nothing is.
    #[inline]
    pub(crate) fn force(&self) -> Force {
        match self.force.load(Ordering::Acquire) {
            FREE => Force::None,
            UNKNOWN => Force::Unknown,
            SHARED => self.shares().map_or(Force::None, Force::Shares),
            only => Force::Only(only as usize),
        }
    }

    /// Whether nothing is forced.
    #[inline]
    pub(crate) fn is_free(&self) -> bool {
        self.force.load(Ordering::Acquire) == FREE
    }

    fn shares(&self) -> Option<Arc<Forced>> {
        self.forced.read().1.clone()
    }

    /// What stands of forced decisions.
    pub(crate) fn standing(&self) -> Standing {
        self.forced.read().0.clone()
    }

    /// Obeys from now on.
    pub(super) fn obey(&self, standing: &Standing) {
        let forced = standing.resolve(&self.variants);
        let free = if self.is_told() { FREE } else { UNKNOWN };
        let force = forced.as_ref().map_or(free, |forced| forced.only().map_or(SHARED, |only| only as u32));
        *self.forced.write() = (standing.clone(), forced.map(Arc::new));
        self.force.store(force, Ordering::Release);
    }

    /// What the log has of the function is known from now on, and this stands of it.
    pub(super) fn know(&self, standing: &Standing) {
        self.told.store(true, Ordering::Release);
        self.obey(standing);
    }

    /// Whether what the log has of the function is known.
    pub(crate) fn is_told(&self) -> bool {
        self.told.load(Ordering::Acquire)
    }

    #[cold]
    pub(super) fn drop_call(&self, variant: u32) {
        if let Some(dropped) = self.dropped.get(variant as usize) {
            dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Lets the strategy hear of a decision that another process made.
    pub(super) fn hear(&self, decision: &Decision) {
        if !decision.forced || decision.change == Change::Release {
            self.heard.fetch_add(1, Ordering::AcqRel);
        }
        self.listener.decision(decision);
    }

    /// Lets the strategy hear of a call of this process, if it wants to. Returns what follows from it.
    pub(super) fn hear_call(&self, record: &Record) -> Option<Decision> {
        let variant = self.variants.get(record.variant as usize)?.as_bytes();
        let Record { at, success, unit, .. } = *record;
        let (latency_ns, fallback) = (Some(record.latency_ns), record.chosen == Chosen::FALLBACK);
        let wants = self.listener.wants_calls();
        wants.then(|| self.listener.call(&LoggedCall { variant, at, success, latency_ns, fallback, unit }))?
    }

    /// How many decisions it heard that its own could contradict.
    pub(super) fn heard(&self) -> u64 {
        self.heard.load(Ordering::Acquire)
    }

    /// Calls that could not be kept, and were not taken yet.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.iter().map(|dropped| dropped.load(Ordering::Relaxed)).sum()
    }

    /// Takes the counts of calls that could not be kept, by variant.
    pub(super) fn take_dropped(&self, mut each: impl FnMut(&str, u64)) {
        for (variant, dropped) in self.variants.iter().zip(&self.dropped) {
            if dropped.load(Ordering::Relaxed) > 0 {
                each(variant, dropped.swap(0, Ordering::Relaxed));
            }
        }
    }

    /// Says that no more calls come.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }
}

impl fmt::Debug for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seat")
            .field("function", &self.function)
            .field("variants", &self.variants)
            .finish_non_exhaustive()
    }
}
