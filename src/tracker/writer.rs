//! The thread that writes: it takes events from the queue, makes lines of them, appends these to the log, and looks at
//! what others have appended.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use super::encode::{Encoder, dropped_line};
use super::queue::Record;
use super::seat::Seat;
use super::{Durability, Log, Shared};
use crate::evolution::append::WriteError;
use crate::evolution::decision::Decision;

/// How many bytes are written at a time: others are let in between.
const BATCH_BYTES: usize = 1 << 18;

/// How long nothing is tried after an error.
const PAUSE: Duration = Duration::from_millis(100);

pub(super) struct Writer {
    shared: Arc<Shared>,
    encoder: Encoder,
    /// Functions whose lines the encoder can make.
    learnt: usize,
    spare: Vec<Record>,
    /// Records that were taken from the queue, and how many of them are encoded.
    records: Vec<Record>,
    encoded: usize,
    /// Lines to be written.
    batch: Vec<u8>,
    decisions: Vec<Decision>,
    /// When the last bytes were written that are not safe yet.
    unsafe_since: Option<Instant>,
    synced: Instant,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let (encoder, batch) = (Encoder::default(), Vec::with_capacity(2 * BATCH_BYTES));
        let (spare, records, decisions) = (Vec::new(), Vec::new(), Vec::new());
        Writer {
            shared,
            encoder,
            learnt: 0,
            spare,
            records,
            encoded: 0,
            batch,
            decisions,
            unsafe_since: None,
            synced: Instant::now(),
        }
    }

    /// Works until the tracker is closed and all is written, or that cannot be done in time.
    pub(super) fn run(mut self) {
        let mut closing_since: Option<Instant> = None;
        loop {
            let closing = self.shared.closing.load(Ordering::Acquire);
            let round = self.shared.gate.wanted();
            let result = self.step(round.is_some() || closing);
            let failed = result.is_err();
            match result {
                Ok(()) => {
                    self.shared.gate.set_trouble(None);
                    if let Some(round) = round {
                        self.shared.gate.open(round);
                    }
                }
                Err(error) => {
                    self.shared.failures.fetch_add(1, Ordering::Relaxed);
                    self.shared.gate.set_trouble(Some(error.to_string()));
                }
            }
            if closing {
                let since = *closing_since.get_or_insert_with(Instant::now);
                let patient = since.elapsed() < self.shared.options.wait_max;
                if !failed || !patient {
                    break;
                }
            }
            let pause = if failed { PAUSE } else { self.shared.options.tick() };
            if failed || !self.shared.awake.swap(false, Ordering::AcqRel) {
                std::thread::park_timeout(pause);
            }
        }
        self.shared.gate.close();
    }

    /// Writes all there is, makes it safe where asked or due, and looks for news.
    fn step(&mut self, make_safe: bool) -> std::io::Result<()> {
        self.collect();
        let shared = self.shared.clone();
        let mut log = shared.log.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.has_work() {
            self.look(&mut log)?;
        }
        while self.has_work() {
            self.fill_batch();
            self.write_batch(&mut log)?;
        }
        let since = self.unsafe_since.map(|_| self.synced.elapsed());
        let due = match (shared.options.durability, since) {
            (_, None) => false,
            (Durability::EachEvent, _) => true,
            (Durability::Every(span), Some(since)) => make_safe || since >= span,
            (Durability::OnClose, _) => make_safe,
        };
        if due {
            log.appender.sync()?;
            self.unsafe_since = None;
            self.synced = Instant::now();
        }
        Ok(())
    }

    fn has_work(&self) -> bool {
        !self.batch.is_empty() || self.encoded < self.records.len() || !self.decisions.is_empty()
    }

    /// Takes what is in the queue, once all that was taken before is written.
    fn collect(&mut self) {
        if self.encoded == self.records.len() {
            self.records.clear();
            self.encoded = 0;
            let closed = self.closed_seats();
            self.shared.queue.drain(&mut self.spare, &mut self.records);
            // Events of a thread stay in their order.
            self.records.sort_by_key(|record| record.at);
            self.learn();
            if !closed.is_empty() {
                self.forget(&closed);
            }
        }
        if self.batch.is_empty() {
            self.tell_dropped();
        }
        let mut decisions = self.shared.decisions.lock().unwrap_or_else(PoisonError::into_inner);
        self.decisions.append(&mut decisions);
    }

    /// Functions from which no calls come after those that are in the queue now.
    fn closed_seats(&self) -> Vec<Arc<Seat>> {
        let seats = self.shared.seats.read().unwrap_or_else(PoisonError::into_inner);
        seats.iter().flatten().filter(|seat| seat.is_closed()).cloned().collect()
    }

    /// Gets to know functions that are new.
    fn learn(&mut self) {
        let seats = self.shared.seats.read().unwrap_or_else(PoisonError::into_inner);
        seats.iter().skip(self.learnt).flatten().for_each(|seat| self.encoder.learn(seat));
        self.learnt = seats.len();
    }

    fn tell_dropped(&mut self) {
        let Writer { shared, batch, .. } = self;
        let seats = shared.seats.read().unwrap_or_else(PoisonError::into_inner);
        for seat in seats.iter().flatten() {
            seat.take_dropped(|variant, count| {
                shared.dropped.fetch_add(count, Ordering::Relaxed);
                dropped_line(&seat.function, variant, count, shared.options.clock.now(), batch);
            });
        }
    }

    /// Lets go of functions that are closed, once their last calls are lines.
    fn forget(&mut self, closed: &[Arc<Seat>]) {
        while self.encoded < self.records.len() {
            self.encode_next();
        }
        self.tell_dropped();
        let mut seats = self.shared.seats.write().unwrap_or_else(PoisonError::into_inner);
        for seat in closed {
            self.encoder.forget(seat);
            if let Some(place) = seats.get_mut(seat.id as usize) {
                *place = None;
            }
        }
    }

    fn encode_next(&mut self) {
        let record = &self.records[self.encoded];
        self.encoder.call(record, &mut self.batch);
        self.shared.queue.release(record);
        self.encoded += 1;
    }

    fn fill_batch(&mut self) {
        while self.encoded < self.records.len() && self.batch.len() < BATCH_BYTES {
            self.encode_next();
        }
    }

    fn write_batch(&mut self, log: &mut Log) -> std::io::Result<()> {
        let Log { appender, memory } = log;
        let mut news = self.shared.reader(memory);
        let now = self.shared.options.clock.now();
        let mut session = appender.lock(&mut news)?;
        news.caught_up();
        self.decisions.append(&mut news.decisions);
        session.rotate_if_due(&self.shared.options.rotation, self.batch.len(), now)?;
        if self.encoded == self.records.len() {
            self.shared.settle(&mut self.decisions, &mut self.batch);
        }
        let result = session.write(&self.batch, &mut news);
        drop(session);
        self.decisions.append(&mut news.decisions);
        let written = match &result {
            Ok(()) => self.batch.len(),
            Err(WriteError { written, .. }) => *written,
        };
        if written > 0 {
            self.unsafe_since.get_or_insert_with(Instant::now);
            self.shared.written_bytes.fetch_add(written as u64, Ordering::Relaxed);
        }
        self.batch.drain(..written);
        result.map_err(|error| error.cause)
    }

    fn look(&mut self, log: &mut Log) -> std::io::Result<()> {
        let Log { appender, memory } = log;
        let mut news = self.shared.reader(memory);
        appender.look(&mut news)?;
        news.caught_up();
        self.decisions.append(&mut news.decisions);
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.gate.close();
    }
}
