//! The thread that writes: it takes events from the queue, makes lines of them, appends these to the log, and looks at
//! what others have appended.

use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::encode::{Encoder, dropped_line};
use super::medium::{Medium, Trouble, Work};
use super::queue::Record;
use super::seat::Seat;
use super::{Durability, Pending, Shared};

/// How long events may wait in this process where a log is written in large parts, whatever was asked for.
const HELD_MAX: Duration = Duration::from_secs(60);

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
    decisions: Vec<Pending>,
    /// Calls of functions to which the log was not told yet: they come behind what it has of them.
    held: Vec<Record>,
    /// Why it was not.
    untold: Trouble,
    /// Functions from which no calls come after those that are taken.
    closed: Vec<Arc<Seat>>,
    /// What did not succeed in this step, though the rest did.
    minor_trouble: Option<String>,
    /// When the last bytes were written that are not safe yet.
    unsafe_since: Option<Instant>,
    synced: Instant,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let (encoder, batch) = (Encoder::default(), Vec::new());
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
            held: Vec::new(),
            untold: Trouble::none(),
            closed: Vec::new(),
            minor_trouble: None,
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
            let result = self.guarded_step(round.is_some() || closing);
            let failed = result.is_err();
            match result {
                Ok(()) => {
                    self.shared.gate.set_trouble(self.minor_trouble.take());
                    if let Some(round) = round {
                        self.shared.gate.open(round, self.held.is_empty());
                    }
                }
                Err(error) => {
                    self.note_trouble(&error);
                    self.shared.gate.set_trouble(Some(error.to_string()));
                }
            }
            if closing {
                let since = *closing_since.get_or_insert_with(Instant::now);
                let patient = since.elapsed() < self.shared.options.wait_max;
                if (!failed && self.held.is_empty()) || !patient {
                    break;
                }
            }
            let pause = if failed { PAUSE } else { self.shared.place.tick() };
            if failed || !self.shared.awake.swap(false, Ordering::AcqRel) {
                std::thread::park_timeout(pause);
            }
        }
        self.count_what_is_left();
        self.shared.gate.close();
    }

    fn note_trouble(&self, error: &std::io::Error) {
        // Where it is too early to try again, nothing was tried.
        let tried = error.kind() != ErrorKind::WouldBlock;
        self.shared.failures.fetch_add(u64::from(tried), Ordering::Relaxed);
    }

    /// Counts what will not be written any more.
    fn count_what_is_left(&mut self) {
        let shared = self.shared.clone();
        let log = shared.log.lock();
        shared.queue.drain(&mut self.spare, &mut self.records);
        let lines =
            memchr::memchr_iter(b'\n', &self.batch).count() + self.records.len() + self.held.len() - self.encoded;
        shared.dropped.fetch_add(lines as u64 + log.held_lines(), Ordering::Relaxed);
    }

    /// A step that a panic in a strategy, which hears what others write, does not end for good.
    fn guarded_step(&mut self, make_safe: bool) -> std::io::Result<()> {
        let step = catch_unwind(AssertUnwindSafe(|| self.step(make_safe)));
        step.unwrap_or_else(|_| Err(std::io::Error::other("a strategy panicked when it heard the log")))
    }

    /// Writes all there is, makes it safe where asked or due, and looks for news.
    fn step(&mut self, make_safe: bool) -> std::io::Result<()> {
        let shared = self.shared.clone();
        let mut log = shared.log.lock();
        // What was left by a step that failed goes first, and is not all there is.
        self.write_all(&mut **log)?;
        if let Err(error) = self.tell_late(&mut **log) {
            self.note_trouble(&error);
            self.minor_trouble = Some(error.to_string());
        }
        self.collect();
        if !self.has_work() {
            self.decisions.append(&mut log.look(&shared)?);
        }
        self.write_all(&mut **log)?;
        self.forget_closed();
        let since = self.unsafe_since.map(|_| self.synced.elapsed());
        let due = match (shared.place.durability, since) {
            (_, None) => false,
            (Durability::EachEvent, _) => true,
            (Durability::Every(span), Some(since)) => make_safe || since >= span,
            (Durability::OnClose, Some(since)) => make_safe || (log.held_lines() > 0 && since >= HELD_MAX),
        };
        if due {
            let result = log.sync(&shared);
            shared.written_bytes.store(log.written_bytes(), Ordering::Relaxed);
            result?;
            self.unsafe_since = None;
            self.synced = Instant::now();
        }
        Ok(())
    }

    /// Tells functions what the log has of them that could not be read when they took their places.
    fn tell_late(&mut self, log: &mut dyn Medium) -> std::io::Result<()> {
        let shared = self.shared.clone();
        let is_untold = |seat: &&Arc<Seat>| !seat.is_told() && !seat.is_closed();
        let untold = shared.seats.read().iter().flatten().filter(is_untold).cloned().collect::<Vec<_>>();
        if untold.is_empty() {
            return Ok(());
        }
        self.untold.check()?;
        let told = log.look(&shared).and_then(|mut follows| {
            self.decisions.append(&mut follows);
            for seat in &untold {
                self.decisions.append(&mut shared.tell(log, seat)?);
            }
            Ok(())
        });
        self.untold.note(told)
    }

    /// Lets strategies hear of calls that they did not hear of when these were made. Calls whose functions are still to be
    /// told what the log has of them are held back, as many as fit.
    fn hear_late(&mut self) {
        if self.held.is_empty() && !self.records.iter().any(|record| record.unheard) {
            return;
        }
        let shared = self.shared.clone();
        let seats = shared.seats.read().clone();
        self.held.append(&mut self.records);
        for record in std::mem::take(&mut self.held) {
            let seat = seats.get(record.seat as usize).and_then(Option::as_ref).filter(|_| record.unheard);
            match seat.filter(|seat| !seat.is_closed()) {
                Some(seat) if !seat.is_told() && self.held.len() < shared.options.events_max => self.held.push(record),
                Some(seat) if !seat.is_told() => {
                    shared.queue.release(&record);
                    seat.drop_call(record.variant);
                }
                seat => {
                    let follows = seat.filter(|seat| seat.is_free()).and_then(|seat| seat.hear_call(&record));
                    self.decisions.append(&mut shared.pending(&mut follows.into_iter().collect()));
                    self.records.push(record);
                }
            }
        }
    }

    fn write_all(&mut self, log: &mut dyn Medium) -> std::io::Result<()> {
        while self.has_work() {
            self.fill_batch(log.batch_bytes_max(&self.shared));
            self.write_batch(log)?;
        }
        Ok(())
    }

    fn has_work(&self) -> bool {
        !self.batch.is_empty() || self.encoded < self.records.len() || !self.decisions.is_empty()
    }

    /// Takes what is in the queue, when all that was taken before is written.
    fn collect(&mut self) {
        self.records.clear();
        self.encoded = 0;
        self.closed = self.closed_seats();
        self.shared.queue.drain(&mut self.spare, &mut self.records);
        // Events of a thread stay in their order.
        self.records.sort_by_key(|record| record.at);
        self.hear_late();
        self.learn();
        self.tell_dropped();
        let mut decisions = self.shared.decisions.lock();
        self.decisions.append(&mut decisions);
    }

    /// Functions from which no calls come after those that are in the queue now.
    fn closed_seats(&self) -> Vec<Arc<Seat>> {
        let seats = self.shared.seats.read();
        seats.iter().flatten().filter(|seat| seat.is_closed()).cloned().collect()
    }

    /// Gets to know functions that are new.
    fn learn(&mut self) {
        let seats = self.shared.seats.read();
        seats.iter().skip(self.learnt).flatten().for_each(|seat| self.encoder.learn(seat));
        self.learnt = seats.len();
    }

    fn tell_dropped(&mut self) {
        let Writer { shared, batch, .. } = self;
        let seats = shared.seats.read();
        for seat in seats.iter().flatten() {
            seat.take_dropped(|variant, count| {
                shared.dropped.fetch_add(count, Ordering::Relaxed);
                dropped_line(&seat.function, variant, count, shared.options.clock.now(), batch);
            });
        }
    }

    /// Lets go of functions that were closed before what is written now was taken.
    fn forget_closed(&mut self) {
        let closed = std::mem::take(&mut self.closed);
        if closed.is_empty() {
            return;
        }
        let mut seats = self.shared.seats.write();
        for seat in &closed {
            self.encoder.forget(seat);
            if let Some(place) = seats.get_mut(seat.id as usize) {
                *place = None;
            }
        }
        drop(seats);
        // What a strategy does when it is dropped is not done under a lock.
        drop(closed);
    }

    fn encode_next(&mut self) {
        let record = &self.records[self.encoded];
        self.encoder.call(record, &mut self.batch);
        self.shared.queue.release(record);
        self.encoded += 1;
    }

    fn fill_batch(&mut self, bytes_max: usize) {
        while self.encoded < self.records.len() && self.batch.len() <= bytes_max {
            self.encode_next();
        }
    }

    fn write_batch(&mut self, log: &mut dyn Medium) -> std::io::Result<()> {
        let is_last = self.encoded == self.records.len();
        let before = log.written_bytes();
        let mut trouble = None;
        let (lines, decisions) = (&mut self.batch, &mut self.decisions);
        let result = log.write(&self.shared, &mut Work { lines, decisions, is_last, trouble: &mut trouble });
        if trouble.is_some() {
            self.shared.failures.fetch_add(1, Ordering::Relaxed);
            self.minor_trouble = trouble;
        }
        if log.written_bytes() > before || log.held_lines() > 0 {
            self.unsafe_since.get_or_insert_with(Instant::now);
        }
        self.shared.written_bytes.store(log.written_bytes(), Ordering::Relaxed);
        result
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.shared.gate.set_trouble(Some("the writer has stopped".into()));
        }
        self.shared.gate.close();
    }
}
