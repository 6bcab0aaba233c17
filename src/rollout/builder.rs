//! What functions called from threads and functions called from tasks have in common.

use std::fmt::{Debug, Display, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::answer::Cause;
use super::core::{TEXT_BYTES_MAX, cut};
use crate::tracker::queue::Texts;

/// The methods that do not depend on how a variant is called.
macro_rules! shared_methods {
    ($variant:ident) => {
        fn with<M>(name: &str, v1: impl $variant<A, T, E, M>) -> Self {
            Self { core: Core::new(name), functions: vec![boxed(v1)], show: None }
        }

        /// Adds a variant. A name that is there already gets the new function.
        pub fn variant<M>(mut self, name: &str, function: impl $variant<A, T, E, M>) -> Self {
            let place = self.core.place(name);
            match self.functions.get_mut(place) {
                Some(old) => *old = boxed(function),
                None => self.functions.push(boxed(function)),
            }
            self
        }

        /// Notes something about the variant that was added last, such as who wrote it: for `stats`.
        pub fn metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
            if let Some(metadata) = self.core.metadata.last_mut() {
                metadata.insert(key.into(), value.into());
            }
            self
        }

        /// Sets what picks the variant.
        pub fn strategy(mut self, strategy: impl $crate::rollout::Strategy + 'static) -> Self {
            self.core.set_strategy(strategy);
            self
        }

        /// Writes calls to a log and obeys it. The clock is the tracker's from now on. A strategy that learns is told what the log
        /// has of the function; so this is best called last.
        pub fn tracker(mut self, tracker: &$crate::tracker::Tracker) -> Self {
            self.core.set_tracker(tracker);
            self
        }

        /// Sets where times come from. With a tracker set it there: [`Options::clock`](crate::tracker::Options::clock).
        pub fn clock(mut self, clock: std::sync::Arc<dyn $crate::clock::Clock>) -> Self {
            self.core.set_clock(clock);
            self
        }

        /// Sets where chance comes from.
        pub fn random(mut self, random: std::sync::Arc<dyn $crate::chance::Random>) -> Self {
            self.core.set_random(random);
            self
        }

        /// Logs values too, as their `Debug` form, cut after 4,096 bytes. Without it they are `null` in the log: to print every
        /// result takes time, and results may be nobody else's business.
        pub fn log_values(mut self) -> Self
        where
            T: std::fmt::Debug,
        {
            self.show = Some(|value| $crate::rollout::builder::debug_text(value));
            self
        }

        /// Its name.
        pub fn name(&self) -> &str {
            &self.core.name
        }

        /// What this process has seen of it.
        pub fn stats(&self) -> $crate::rollout::Stats {
            self.core.stats()
        }

        /// What the log has of it, in this process and others, now and before; `None` without a tracker, or without events.
        ///
        /// # Errors
        /// The log cannot be read.
        pub fn summary(&self) -> std::io::Result<Option<$crate::evolution::summary::FunctionSummary>> {
            self.core.summary()
        }

        /// How long ago it was made, in this process.
        pub fn age(&self) -> std::time::Duration {
            self.core.age()
        }

        /// Why its log could not be read when it was given its tracker, as long as that is so: it is looked at again and again.
        /// Until then its strategy learns nothing, and calls wait to be written, as many as fit.
        pub fn trouble(&self) -> Option<&$crate::tracker::OpenError> {
            self.core.trouble()
        }

        /// What is logged of a value.
        #[inline]
        fn texts(&self, value: &T) -> $crate::tracker::queue::Texts {
            $crate::rollout::builder::texts(self.show.map(|show| move || show(value)))
        }

        fn failure(
            &self,
            choice: &$crate::rollout::core::Choice,
            cause: $crate::rollout::Cause<E>,
        ) -> $crate::rollout::Failure<E> {
            $crate::rollout::Failure { variant: self.core.variants[choice.variant].to_string(), cause }
        }
    };
}

pub(super) use shared_methods;

/// What is logged of a value, if its printing is asked for.
#[inline]
pub(super) fn texts(show: Option<impl FnOnce() -> String>) -> Texts {
    Texts { error: None, value: show.map(shown) }
}

/// What is logged of a failure.
pub(super) fn failed<E: Display>(cause: &Cause<E>) -> Texts {
    Texts { error: Some(shown(|| cause.to_string())), value: None }
}

/// The beginning of a value's `Debug` form: of a large value no more is made than is kept.
pub(super) fn debug_text(value: &impl Debug) -> String {
    struct Beginning(String);
    impl Write for Beginning {
        fn write_str(&mut self, text: &str) -> std::fmt::Result {
            if self.0.len() > TEXT_BYTES_MAX {
                return Err(std::fmt::Error);
            }
            self.0.push_str(text);
            Ok(())
        }
    }
    let mut text = Beginning(String::new());
    // It ends early where enough was written.
    let _ = write!(text, "{value:?}");
    text.0
}

/// A text that somebody else's code makes.
fn shown(show: impl FnOnce() -> String) -> Box<str> {
    cut(catch_unwind(AssertUnwindSafe(show)).unwrap_or_else(|_| "(it panicked while it was printed)".into()))
}
