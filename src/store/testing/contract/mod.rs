//! What every store must do, as functions that fail where one does not. Each may be run on a store that holds other things.
//!
//! ```
//! use std::sync::Arc;
//! use temporal_code::testing::contract;
//! use temporal_code::stores::{Error, MemoryStore, Store};
//!
//! #[derive(Debug)]
//! struct Memory(MemoryStore);
//!
//! #[async_trait::async_trait]
//! impl contract::Medium for Memory {
//!     async fn open(&self) -> Result<Arc<dyn Store>, Error> {
//!         Ok(Arc::new(self.0.clone()))
//!     }
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! contract::appends::lines_are_numbered_and_come_back(&Memory(MemoryStore::new())).await;
//! # });
//! ```
#![allow(clippy::unwrap_used, clippy::panic, reason = "a contract that is broken has to fail its test")]

pub mod appends;
pub mod due;
pub mod faulty;
pub mod names;
pub mod seals;
pub mod watches;

use std::sync::Arc;

use async_trait::async_trait;

use crate::chance::ThreadRandom;
use crate::store::{Batch, Error, Kind, Line, Name, Position, Queue, Store, Token};

/// The kind of the logs that the contract makes.
pub const KIND: Kind = Kind::new("contract");

/// Something that keeps logs, which any number of processes may open.
#[async_trait]
pub trait Medium: Send + Sync {
    /// Another handle, as another process would have it: it shares nothing with those before but the medium.
    async fn open(&self) -> Result<Arc<dyn Store>, Error>;

    /// How many logs and lines a test may make where many are the point, on a medium that is not slow.
    fn scale(&self) -> usize {
        2_500
    }
}

/// Names of logs that no other test has.
#[derive(Debug)]
pub(super) struct Place {
    prefix: String,
}

impl Place {
    pub(super) fn new(test: &str) -> Self {
        Place { prefix: format!("{test}-{}-", token()) }
    }

    pub(super) fn log(&self, id: &str) -> Name {
        Name::new(KIND, &format!("{}{id}", self.prefix)).unwrap()
    }

    pub(super) fn queue(&self, name: &str) -> Queue {
        Queue::new(&format!("{}{name}", self.prefix)).unwrap()
    }

    /// What the ids of this place begin with.
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }
}

pub(super) fn token() -> Token {
    Token::new(&ThreadRandom)
}

pub(super) fn line(text: &str) -> Line {
    Line::of(&serde_json::json!({ "text": text })).unwrap()
}

pub(super) fn lines(texts: &[&str]) -> Vec<Line> {
    texts.iter().map(|text| line(text)).collect()
}

/// A batch that appends one line.
pub(super) fn one(log: &Name, after: Position, text: &str) -> Batch {
    Batch::new(token()).append(log, after, vec![line(text)])
}

/// Appends one line to the end that is known, and returns the new one.
pub(super) async fn push(store: &dyn Store, log: &Name, after: Position, text: &str) -> Position {
    store.apply(&one(log, after, text)).await.unwrap()[0]
}

/// All that a log holds: numbers and texts, read in pages of at least `bytes`.
pub(super) async fn all(store: &dyn Store, log: &Name, bytes: usize) -> Vec<(u64, String)> {
    let mut found = Vec::new();
    let mut after = 0;
    loop {
        let page = store.read(log, after, bytes).await.unwrap();
        for (header, line) in page.lines() {
            let value: serde_json::Value = serde_json::from_slice(line).unwrap();
            assert_eq!(value["seq"], header.seq, "the header says what the line says");
            found.push((header.seq, value["text"].as_str().unwrap_or_default().to_owned()));
        }
        assert_eq!(page.lines().last().map_or(after, |(header, _)| header.seq), page.end().last.number());
        if !page.has_more() {
            return found;
        }
        assert!(page.end().last.number() > after, "a page that has more behind it is not empty");
        after = page.end().last.number();
    }
}

/// The texts of a log whose numbers are 1, 2, 3 ….
pub(super) async fn dense(store: &dyn Store, log: &Name) -> Vec<String> {
    let found = all(store, log, 1 << 16).await;
    let numbers: Vec<u64> = found.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, (1..=found.len() as u64).collect::<Vec<_>>(), "numbers of {log} are dense");
    found.into_iter().map(|(_, text)| text).collect()
}

/// Makes the same call until it no longer fails in a retryable way, as everybody does who stands on a store.
pub(super) async fn insist(store: &dyn Store, batch: &Batch) -> Result<Vec<Position>, Error> {
    let mut tries = 0u32;
    loop {
        match store.apply(batch).await {
            Err(error) if error.retryable() && tries < 200 => {
                tries += 1;
                tokio::time::sleep(std::time::Duration::from_millis(u64::from(tries.min(20)))).await;
            }
            result => return result,
        }
    }
}

/// Runs all tests of the contract for one medium, each as a test of its own, in a module of their names.
///
/// The argument is an expression that makes a future of something that implements [`Medium`], anew for each test.
#[macro_export]
macro_rules! store_contract {
    ($medium:expr) => {
        $crate::store_contract!(@ $medium,
            appends: lines_are_numbered_and_come_back,
            appends: what_was_written_comes_back_byte_for_byte,
            appends: of_many_writers_of_one_number_one_wins,
            appends: writers_in_contention_lose_nothing,
            appends: the_same_batch_again_changes_nothing,
            appends: the_same_batch_twice_at_once_lands_once,
            appends: lines_of_one_append_stay_together,
            appends: a_batch_stops_at_its_first_conflict,
            appends: an_end_below_what_was_known_is_lost,
            appends: a_line_that_was_replaced_is_noticed,
            appends: large_lines_pass_and_larger_ones_are_refused,
            appends: pages_are_whole_and_bounded,
            appends: a_log_of_many_appends_is_read_over_pages,
            appends: every_handle_sees_what_was_acknowledged,
            seals: a_sealed_log_takes_nothing,
            seals: a_forgotten_log_keeps_its_numbers,
            seals: only_sealed_logs_are_forgotten,
            seals: generations_are_logs_of_their_own,
            names: hostile_ids_have_places_of_their_own,
            names: lists_are_in_order_and_whole,
            names: lists_go_over_page_boundaries,
            names: kinds_do_not_mix,
            due: entries_come_in_order_when_their_time_has_come,
            due: many_entries_are_gone_through_in_pages,
            due: entries_are_put_and_dropped_once,
            due: queues_do_not_mix,
            due: one_batch_appends_and_sets_what_is_due,
            watches: a_watch_wakes_for_its_log,
            watches: a_watch_wakes_for_its_queue,
            watches: a_watch_without_a_change_ends_at_its_bound,
            faulty: ambiguous_appends_land_once,
            faulty: writers_through_faults_lose_nothing,
            faulty: a_crash_between_any_two_parts_leaves_a_prefix,
            faulty: stale_lists_lead_to_no_second_winner,
        );
    };
    (@ $medium:expr, $($module:ident: $name:ident,)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let medium = $medium.await;
                $crate::testing::contract::$module::$name(&medium).await;
            }
        )*
    };
}
