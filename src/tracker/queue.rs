//! Events on their way from callers to the writer: a bounded queue in shards, so that callers do not meet.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::{Mutex, MutexGuard};

use crate::time::Timestamp;

/// One call, as small as it can be.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) at: Timestamp,
    pub(crate) latency_ns: u64,
    /// The hash of the unit for whom it was made.
    pub(crate) unit: Option<u64>,
    /// Texts, where there are any.
    pub(crate) texts: Option<Box<Texts>>,
    /// Which function, and which of its variants.
    pub(crate) seat: u32,
    pub(crate) variant: u32,
    pub(crate) success: bool,
    /// The strategy did not hear of it: what the log has of the function was not known yet.
    pub(crate) unheard: bool,
    pub(crate) chosen: Chosen,
}

/// How a variant came to be called: with a share of traffic in millionths, or because another variant had failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chosen(u32);

impl Chosen {
    /// Another variant had failed.
    pub(crate) const FALLBACK: Chosen = Chosen(u32::MAX);

    /// With this share, 0 to 1.
    #[inline]
    pub(crate) fn with_weight(weight: f64) -> Self {
        Chosen((weight.min(1.0) * 1e6 + 0.5) as u32)
    }

    /// The share in millionths; `None` for a fallback.
    #[inline]
    pub(crate) fn millionths(self) -> Option<u32> {
        (self != Chosen::FALLBACK).then_some(self.0)
    }
}

/// What a call says in words.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    pub(crate) error: Option<Box<str>>,
    pub(crate) value: Option<Box<str>>,
}

impl Texts {
    pub(crate) fn bytes(&self) -> usize {
        let length = |text: &Option<Box<str>>| text.as_ref().map_or(0, |text| text.len());
        length(&self.error) + length(&self.value)
    }
}

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pushed {
    Kept,
    /// It was kept, and the writer had better come.
    Filling,
    /// There is no room.
    Full,
}

/// A shard for itself in the cache.
#[repr(align(128))]
#[derive(Debug, Default)]
struct Shard(Mutex<Vec<Record>>);

#[derive(Debug)]
pub(crate) struct Queue {
    shards: Box<[Shard]>,
    /// Most records in a shard.
    shard_max: usize,
    /// Bytes of texts in the queue and with the writer.
    text_bytes: AtomicUsize,
    text_bytes_max: usize,
}

/// Most shards; more threads than that share them.
const SHARDS_MAX: usize = 64;

/// A number of each thread's own, which no other thread ever has.
pub(crate) fn thread_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: Cell<usize> = const { Cell::new(usize::MAX) };
    }
    let number = NUMBER.try_with(|number| {
        if number.get() == usize::MAX {
            number.set(NEXT.fetch_add(1, Ordering::Relaxed));
        }
        number.get()
    });
    // A thread that is ending.
    number.unwrap_or_else(|_| NEXT.fetch_add(1, Ordering::Relaxed))
}

impl Queue {
    /// A queue for so many events and bytes of texts.
    pub(crate) fn new(events_max: usize, text_bytes_max: usize) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let shards = (2 * cores).next_power_of_two().min(SHARDS_MAX);
        let shard_max = events_max.div_ceil(shards).max(1);
        let shards = (0..shards).map(|_| Shard::default()).collect();
        Queue { shards, shard_max, text_bytes: AtomicUsize::new(0), text_bytes_max }
    }

    /// Adds a record. It goes to its thread's own shard, or where there is room.
    #[inline]
    pub(crate) fn push(&self, mut record: Record) -> Pushed {
        if record.texts.is_some() && !self.make_room_for(&record) {
            // Failures have texts and successes mostly none: to drop the event would flatter the variant.
            record.texts = None;
        }
        let home = thread_number();
        for step in 0..self.shards.len() {
            let Some(mut shard) = self.try_shard(home + step) else { continue };
            if shard.len() < self.shard_max {
                return self.keep(&mut shard, record);
            }
        }
        // Every shard is full, or just in other hands; those hold it for nanoseconds.
        let shard = &self.shards[home & (self.shards.len() - 1)];
        let mut shard = shard.0.lock();
        if shard.len() < self.shard_max {
            return self.keep(&mut shard, record);
        }
        drop(shard);
        self.release(&record);
        Pushed::Full
    }

    #[inline]
    fn try_shard(&self, index: usize) -> Option<MutexGuard<'_, Vec<Record>>> {
        self.shards[index & (self.shards.len() - 1)].0.try_lock()
    }

    #[inline]
    fn keep(&self, shard: &mut Vec<Record>, record: Record) -> Pushed {
        shard.push(record);
        if shard.len() >= self.shard_max.div_ceil(2) { Pushed::Filling } else { Pushed::Kept }
    }

    #[cold]
    fn make_room_for(&self, record: &Record) -> bool {
        let bytes = record.texts.as_ref().map_or(0, |texts| texts.bytes());
        let before = self.text_bytes.fetch_add(bytes, Ordering::Relaxed);
        let fits = before.saturating_add(bytes) <= self.text_bytes_max;
        if !fits {
            self.text_bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
        fits
    }

    /// Says that a record's texts are no longer held.
    #[inline]
    pub(crate) fn release(&self, record: &Record) {
        if let Some(texts) = &record.texts {
            self.text_bytes.fetch_sub(texts.bytes(), Ordering::Relaxed);
        }
    }

    /// Moves all records to the end of `records`, those of a thread in their order.
    pub(crate) fn drain(&self, spare: &mut Vec<Record>, records: &mut Vec<Record>) {
        for shard in &self.shards {
            std::mem::swap(&mut *shard.0.lock(), spare);
            records.append(spare);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(seat: u32, text: Option<&str>) -> Record {
        let texts = text.map(|text| Box::new(Texts { error: Some(text.into()), value: None }));
        let (at, chosen) = (Timestamp::from_micros(0), Chosen::FALLBACK);
        Record { at, latency_ns: 0, unit: None, texts, seat, variant: 0, success: true, unheard: false, chosen }
    }

    #[test]
    fn records_stay_small() {
        assert!(size_of::<Record>() <= 56, "{}", size_of::<Record>());
    }

    #[test]
    fn it_holds_so_many_and_no_more() {
        let queue = Queue::new(64, 10);
        let pushed = (0..100).map(|seat| queue.push(record(seat, None))).collect::<Vec<_>>();
        let room = queue.shards.len() * queue.shard_max;
        assert!((64..100).contains(&room));
        assert!(pushed[..room].iter().all(|pushed| *pushed != Pushed::Full));
        assert!(pushed[room..].iter().all(|pushed| *pushed == Pushed::Full));
        let (mut spare, mut records) = (Vec::new(), Vec::new());
        queue.drain(&mut spare, &mut records);
        assert_eq!(records.len(), room);
        assert_ne!(queue.push(record(0, None)), Pushed::Full);
    }

    #[test]
    fn texts_are_bounded_too() {
        let queue = Queue::new(64, 10);
        assert_ne!(queue.push(record(0, Some("123456"))), Pushed::Full);
        assert_ne!(queue.push(record(0, Some("12345"))), Pushed::Full);
        assert_ne!(queue.push(record(0, Some("1234"))), Pushed::Full);
        let (mut spare, mut records) = (Vec::new(), Vec::new());
        queue.drain(&mut spare, &mut records);
        let texts = records.iter().map(|record| record.texts.is_some());
        assert_eq!(texts.collect::<Vec<_>>(), [true, false, true]);
        records.iter().for_each(|record| queue.release(record));
        assert_ne!(queue.push(record(0, Some("1234567890"))), Pushed::Full);
    }

    #[test]
    fn each_thread_keeps_its_order_and_nothing_is_lost() {
        let queue = Queue::new(1 << 20, 0);
        let threads = 8;
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| (0..10_000).for_each(|n| assert_ne!(queue.push(record(n, None)), Pushed::Full)));
            }
        });
        let (mut spare, mut records) = (Vec::new(), Vec::new());
        queue.drain(&mut spare, &mut records);
        assert_eq!(records.len(), 10_000 * threads);
        let total = records.iter().map(|record| u64::from(record.seat)).sum::<u64>();
        assert_eq!(total, threads as u64 * 9_999 * 10_000 / 2);
    }
}
