//! Functions that evolve, called from threads.

use std::convert::Infallible;
use std::fmt::{self, Display};
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::answer::{AllFailed, Cause, Fallible, Plain, Variant, panic_message};
use super::builder::{failed, shared_methods};
use super::core::{Choice, Core};
use super::unit;

type Function<A, T, E> = Box<dyn Fn(&A) -> Result<T, E> + Send + Sync>;

/// A function with variants, one of which answers each call: which one, a [`Strategy`](super::Strategy) says.
///
/// A variant that fails, by returning an error or by panicking, does not fail the call: the first variant, `v1`, answers it
/// instead. With a [`Tracker`](crate::tracker::Tracker) every call is written to a log, and decisions that others write there are obeyed.
///
/// ```
/// use temporal_code::functions::{Evolving, Gradual, days};
///
/// let rank = Evolving::new("rank_results", |items: &Vec<u32>| { let mut items = items.clone(); items.sort(); items })
///     .variant("v2", |items: &Vec<u32>| { let mut items = items.clone(); items.sort_unstable(); items })
///     .strategy(Gradual::new("2026-05-15".parse().unwrap(), days(14)));
/// assert_eq!(rank.call(&vec![3, 1, 2]).unwrap(), [1, 2, 3]);
/// ```
pub struct Evolving<A: ?Sized, T, E = Infallible> {
    core: Core,
    functions: Vec<Function<A, T, E>>,
    show: Option<fn(&T) -> String>,
}

impl<A: ?Sized + 'static, T: 'static> Evolving<A, T, Infallible> {
    /// A function whose variants always return, unless they panic. This one is `v1`, and gets all calls until a strategy, or
    /// somebody with `tc`, says otherwise.
    pub fn new(name: &str, v1: impl Variant<A, T, Infallible, Plain>) -> Self {
        Evolving::with(name, v1)
    }
}

impl<A: ?Sized + 'static, T: 'static, E: Display + 'static> Evolving<A, T, E> {
    /// A function whose variants return a `Result`: an `Err` makes the first variant answer.
    ///
    /// ```
    /// use temporal_code::functions::Evolving;
    ///
    /// let pay = Evolving::fallible("process_payment", |cents: &u64| Ok(format!("paid {cents}")))
    ///     .variant("v2", |cents: &u64| if *cents > 100 { Err("too much") } else { Ok("paid".to_string()) });
    /// assert_eq!(pay.call(&500).unwrap(), "paid 500");
    /// ```
    pub fn fallible(name: &str, v1: impl Variant<A, T, E, Fallible>) -> Self {
        Evolving::with(name, v1)
    }

    shared_methods!(Variant);

    /// Calls the variant that the strategy picks and, if it fails, the first one.
    ///
    /// # Errors
    /// Both failed, or the first was picked and failed.
    #[inline]
    pub fn call(&self, args: &A) -> Result<T, AllFailed<E>> {
        self.answer(args, None)
    }

    /// As [`Evolving::call`], with the same variant for the same unit, such as a user: see [`crate::functions`] for the hash.
    /// While a variant's share grows, a unit moves to it once at most.
    ///
    /// # Errors
    /// As [`Evolving::call`].
    #[inline]
    pub fn call_for(&self, unit: impl AsRef<[u8]>, args: &A) -> Result<T, AllFailed<E>> {
        self.answer(args, Some(unit::hash(unit.as_ref())))
    }

    #[inline]
    fn answer(&self, args: &A, unit: Option<u64>) -> Result<T, AllFailed<E>> {
        let choice = self.core.choose(unit);
        match self.run(args, &choice) {
            Ok(value) => {
                self.core.finish(&choice, true, || self.texts(&value), true);
                Ok(value)
            }
            Err(cause) => self.fall_back(args, &choice, cause),
        }
    }

    #[inline]
    fn run(&self, args: &A, choice: &Choice) -> Result<T, Cause<E>> {
        let function = &self.functions[choice.variant];
        match catch_unwind(AssertUnwindSafe(|| function(args))) {
            Ok(result) => result.map_err(Cause::Error),
            Err(payload) => Err(Cause::Panic(panic_message(payload))),
        }
    }

    #[cold]
    fn fall_back(&self, args: &A, choice: &Choice, cause: Cause<E>) -> Result<T, AllFailed<E>> {
        let only = choice.variant == 0;
        self.core.finish(choice, false, || failed(&cause), only);
        let mut failures = vec![self.failure(choice, cause)];
        if !only {
            let fallback = self.core.fall_back(choice);
            match self.run(args, &fallback) {
                Ok(value) => {
                    self.core.finish(&fallback, true, || self.texts(&value), true);
                    return Ok(value);
                }
                Err(cause) => {
                    self.core.finish(&fallback, false, || failed(&cause), true);
                    failures.push(self.failure(&fallback, cause));
                }
            }
        }
        Err(AllFailed { function: self.core.name.to_string(), failures })
    }
}

fn boxed<A: ?Sized + 'static, T: 'static, E: 'static, M>(variant: impl Variant<A, T, E, M>) -> Function<A, T, E> {
    Box::new(move |args| variant.call(args))
}

impl<A: ?Sized, T, E> fmt::Debug for Evolving<A, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Evolving").field("core", &self.core).finish_non_exhaustive()
    }
}
