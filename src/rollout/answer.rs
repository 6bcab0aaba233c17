//! What a call comes to, and the functions that variants can be.

use std::any::Any;
use std::convert::Infallible;
use std::error::Error;
use std::fmt::{self, Debug, Display};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Why a variant gave no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause<E> {
    /// It returned this error.
    Error(E),
    /// It panicked, with this message.
    Panic(String),
}

impl<E: Display> Display for Cause<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Error(error) => Display::fmt(error, f),
            Cause::Panic(message) => write!(f, "panicked: {message}"),
        }
    }
}

/// A variant that gave no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure<E> {
    /// Its name.
    pub variant: String,
    /// Why.
    pub cause: Cause<E>,
}

impl<E: Display> Display for Failure<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.variant, self.cause)
    }
}

impl<E: Debug + Display> Error for Failure<E> {}

/// No variant gave an answer: neither the one that was chosen nor, if that was another, the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllFailed<E> {
    /// The function.
    pub function: String,
    /// The variants that were tried, in that order; one at least.
    pub failures: Vec<Failure<E>>,
}

/// `All variants failed for NAME: ERROR`, with the error of the variant that was chosen, as the Python package says it.
impl<E: Display> Display for AllFailed<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "All variants failed for {}", self.function)?;
        match self.failures.first() {
            Some(failure) => write!(f, ": {}", failure.cause),
            None => Ok(()),
        }
    }
}

/// Its source is what the fallback failed with; what the chosen variant failed with is in its own message.
impl<E: Debug + Display + 'static> Error for AllFailed<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.failures.get(1).map(|failure| failure as &(dyn Error + 'static))
    }
}

/// Marks functions that fail by panicking alone.
#[derive(Debug)]
pub enum Plain {}
/// Marks functions that return a `Result`.
#[derive(Debug)]
pub enum Fallible {}

/// A function that can be a variant: `Fn(&A) -> T`, or `Fn(&A) -> Result<T, E>` where variants may fail. `M` tells which,
/// and is inferred.
pub trait Variant<A: ?Sized, T, E, M>: Send + Sync + 'static {
    /// Calls it.
    ///
    /// # Errors
    /// What the function fails with.
    fn call(&self, args: &A) -> Result<T, E>;
}

impl<A: ?Sized, T, F: Fn(&A) -> T + Send + Sync + 'static> Variant<A, T, Infallible, Plain> for F {
    #[inline]
    fn call(&self, args: &A) -> Result<T, Infallible> {
        Ok(self(args))
    }
}

impl<A: ?Sized, T, E: Display, F: Fn(&A) -> Result<T, E> + Send + Sync + 'static> Variant<A, T, E, Fallible> for F {
    #[inline]
    fn call(&self, args: &A) -> Result<T, E> {
        self(args)
    }
}

/// The message of a panic.
pub(super) fn panic_message(payload: Box<dyn Any + Send>) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_string());
    let message = text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "(no message)".into());
    discard(payload);
    message
}

/// Drops what a panic threw, which may panic again.
pub(super) fn discard(payload: Box<dyn Any + Send>) {
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(again);
    }
}
