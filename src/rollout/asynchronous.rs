//! Functions that evolve, called from tasks.

use std::convert::Infallible;
use std::fmt::{self, Display};
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;

use super::answer::{AllFailed, Cause, Fallible, Plain, panic_message};
use super::builder::{failed, shared_methods};
use super::core::{Choice, Core};
use super::unit;
use crate::tracker::queue::Texts;

type Answer<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;
type Function<A, T, E> = Box<dyn Fn(A) -> Answer<T, E> + Send + Sync>;

/// A function that can be a variant: `Fn(A) -> impl Future<Output = T>`, or `Output = Result<T, E>` where variants may
/// fail. `M` tells which, and is inferred.
pub trait AsyncVariant<A, T, E, M>: Send + Sync + 'static {
    /// Calls it.
    fn call(&self, args: A) -> impl Future<Output = Result<T, E>> + Send + 'static;
}

impl<A, T, F, R> AsyncVariant<A, T, Infallible, Plain> for F
where
    F: Fn(A) -> R + Send + Sync + 'static,
    R: Future<Output = T> + Send + 'static,
{
    fn call(&self, args: A) -> impl Future<Output = Result<T, Infallible>> + Send + 'static {
        let answer = self(args);
        async { Ok(answer.await) }
    }
}

impl<A, T, E, F, R> AsyncVariant<A, T, E, Fallible> for F
where
    F: Fn(A) -> R + Send + Sync + 'static,
    R: Future<Output = Result<T, E>> + Send + 'static,
{
    fn call(&self, args: A) -> impl Future<Output = Result<T, E>> + Send + 'static {
        self(args)
    }
}

/// As [`Evolving`](super::Evolving), with variants that are asynchronous, for any executor. Arguments are given by value, and
/// cloned for calls that may need a fallback.
///
/// A call that is dropped before it ends, as by a timeout, counts as a failure, `cancelled`: a variant that hangs is not to
/// look good.
///
/// ```
/// use temporal_code::functions::{AsyncEvolving, Canary};
///
/// let fetch = AsyncEvolving::fallible("fetch", |id: u32| async move { Ok(format!("page {id}")) })
///     .variant("v2", |id: u32| async move { if id > 9 { Err("no such page") } else { Ok(format!("page {id}, faster")) } })
///     .strategy(Canary::new().weight(1.0));
/// let page = async { fetch.call(12).await };
/// assert_eq!(tokio::runtime::Runtime::new().unwrap().block_on(page).unwrap(), "page 12");
/// ```
pub struct AsyncEvolving<A, T, E = Infallible> {
    core: Core,
    functions: Vec<Function<A, T, E>>,
    show: Option<fn(&T) -> String>,
}

impl<A: Clone + Send + 'static, T: Send + 'static> AsyncEvolving<A, T, Infallible> {
    /// A function whose variants always return, unless they panic. This one is `v1`, and gets all calls until a strategy, or
    /// somebody with `tc`, says otherwise.
    pub fn new(name: &str, v1: impl AsyncVariant<A, T, Infallible, Plain>) -> Self {
        AsyncEvolving::with(name, v1)
    }
}

impl<A: Clone + Send + 'static, T: Send + 'static, E: Display + Send + 'static> AsyncEvolving<A, T, E> {
    /// A function whose variants return a `Result`: an `Err` makes the first variant answer.
    pub fn fallible(name: &str, v1: impl AsyncVariant<A, T, E, Fallible>) -> Self {
        AsyncEvolving::with(name, v1)
    }

    shared_methods!(AsyncVariant);

    /// Calls the variant that the strategy picks and, if it fails, the first one.
    ///
    /// # Errors
    /// Both failed, or the first was picked and failed.
    pub async fn call(&self, args: A) -> Result<T, AllFailed<E>> {
        self.answer(args, None).await
    }

    /// As [`AsyncEvolving::call`], with the same variant for the same unit, such as a user.
    ///
    /// # Errors
    /// As [`AsyncEvolving::call`].
    pub async fn call_for(&self, unit: impl AsRef<[u8]>, args: A) -> Result<T, AllFailed<E>> {
        let unit = unit::hash(unit.as_ref());
        self.answer(args, Some(unit)).await
    }

    async fn answer(&self, args: A, unit: Option<u64>) -> Result<T, AllFailed<E>> {
        let choice = self.core.choose(unit);
        let only = choice.variant == 0;
        let (args, spare) = if only { (args, None) } else { (args.clone(), Some(args)) };
        let cause = match self.run(args, choice).await {
            Ok(value) => return Ok(value),
            Err(cause) => cause,
        };
        let mut failures = vec![self.failure(&choice, cause)];
        if let Some(args) = spare {
            let fallback = self.core.fall_back(&choice);
            match self.run(args, fallback).await {
                Ok(value) => return Ok(value),
                Err(cause) => failures.push(self.failure(&fallback, cause)),
            }
        }
        Err(AllFailed { function: self.core.name.to_string(), failures })
    }

    /// Runs a variant to its end, and takes in what came of it.
    async fn run(&self, args: A, choice: Choice) -> Result<T, Cause<E>> {
        let mut watch = Watch { core: &self.core, choice, ended: false };
        let result = self.catch(args, &choice).await;
        watch.ended = true;
        match &result {
            Ok(value) => self.core.finish(&choice, true, || self.texts(value), false),
            Err(cause) => self.core.finish(&choice, false, || failed(cause), false),
        }
        self.core.safe().await;
        result
    }

    async fn catch(&self, args: A, choice: &Choice) -> Result<T, Cause<E>> {
        let panicked = |payload: Box<dyn std::any::Any + Send>| Cause::Panic(panic_message(payload));
        let begin = || (self.functions[choice.variant])(args);
        let mut answer = catch_unwind(AssertUnwindSafe(begin)).map_err(panicked)?;
        let ended = poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(context))) {
            Ok(poll) => poll.map(|result| result.map_err(Cause::Error)),
            Err(payload) => std::task::Poll::Ready(Err(panicked(payload))),
        });
        ended.await
    }
}

fn boxed<A: 'static, T: 'static, E: 'static, M>(variant: impl AsyncVariant<A, T, E, M>) -> Function<A, T, E> {
    Box::new(move |args| Box::pin(variant.call(args)))
}

/// Tells of a call that is dropped before it ends.
struct Watch<'a> {
    core: &'a Core,
    choice: Choice,
    ended: bool,
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if !self.ended {
            let cancelled = || Texts { error: Some("cancelled".into()), value: None };
            self.core.finish(&self.choice, false, cancelled, false);
        }
    }
}

impl<A, T, E> fmt::Debug for AsyncEvolving<A, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncEvolving").field("core", &self.core).finish_non_exhaustive()
    }
}
