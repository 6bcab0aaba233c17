//! Stores that break the contract, each in one way: the contract must notice.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use temporal_code::Timestamp;
use temporal_code::stores::{
    Append, Batch, Due, End, Error, Finding, Kind, Line, MemoryStore, Name, Op, Page, Position, Queue, Store, Token,
    Watch, Watched,
};
use temporal_code::testing::contract::{self, Medium};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Broken {
    TellsTwoWinners,
    ForgetsTokens,
    IgnoresTokensOfPositions,
    TakesLostForConflict,
    AppendsWhereverTheEndIs,
    DoesBatchesBackwards,
    StopsInTheMiddleOfAnAppend,
    LosesALineOnReading,
    SealsNothing,
    FreesNumbers,
    ForgetsWhatIsNotSealed,
    MixesGenerations,
    MixesKinds,
    MixesUpperAndLowerCase,
    ListsBackwards,
    ListsAThousandAtMost,
    ListsWithTheNameBefore,
    IsDueEarly,
    IsDueInAnyOrder,
    IsDueFromTheFirst,
    DropsNothing,
    MixesQueues,
    NeverWakes,
}

/// A store in memory with one fault.
#[derive(Clone, Debug)]
struct BrokenStore {
    inner: MemoryStore,
    how: Broken,
    forgotten: Arc<Mutex<HashSet<Name>>>,
    batches: Arc<Mutex<u64>>,
}

impl BrokenStore {
    fn name(&self, name: &Name) -> Name {
        match self.how {
            Broken::MixesKinds => name.of_kind(contract::KIND),
            Broken::MixesGenerations => name.in_generation(1),
            Broken::MixesUpperAndLowerCase => {
                Name::new(name.kind(), &name.id().to_lowercase()).unwrap().in_generation(name.generation())
            }
            Broken::FreesNumbers if self.forgotten.lock().unwrap().contains(name) => {
                Name::new(name.kind(), &format!("{} anew", name.id())).unwrap()
            }
            _ => name.clone(),
        }
    }

    fn queue(&self, queue: &Queue) -> Queue {
        if self.how == Broken::MixesQueues { Queue::default() } else { queue.clone() }
    }

    /// The page of the first few lines behind `after`, as a store would give it that holds no more.
    async fn first_lines(&self, log: &Name, after: u64, count: usize) -> Result<Page, Error> {
        let other = MemoryStore::new();
        let whole = self.inner.read(&self.name(log), 0, usize::MAX).await?;
        let lines = whole.lines().take(after as usize + count).map(|(_, text)| {
            let value: serde_json::Value = serde_json::from_slice(text).unwrap();
            Line::of(&serde_json::json!({ "text": value["text"] })).unwrap()
        });
        for (number, line) in lines.enumerate() {
            let batch = Batch::new(Token::from_bits(1)).append(log, Position::at(number as u64), vec![line]);
            other.apply(&batch).await?;
        }
        other.read(log, after, usize::MAX).await
    }

    async fn op(&self, op: &Op) -> Option<Op> {
        match op {
            Op::Append(append) => {
                let log = self.name(&append.log);
                let after = match self.how {
                    Broken::IgnoresTokensOfPositions => Position::at(append.after.number()),
                    Broken::AppendsWhereverTheEndIs => self.inner.end(&log).await.unwrap().last,
                    _ => append.after,
                };
                let seal = append.seal && self.how != Broken::SealsNothing;
                Some(Op::Append(Append { log, after, lines: append.lines.clone(), seal }))
            }
            Op::PutDue(due) => Some(Op::PutDue(Due { queue: self.queue(&due.queue), ..due.clone() })),
            Op::DropDue(_) if self.how == Broken::DropsNothing => None,
            Op::DropDue(due) => Some(Op::DropDue(Due { queue: self.queue(&due.queue), ..due.clone() })),
        }
    }
}

#[async_trait]
impl Store for BrokenStore {
    fn location(&self) -> String {
        "broken".to_owned()
    }

    async fn apply(&self, batch: &Batch) -> Result<Vec<Position>, Error> {
        batch.check()?;
        let token = if self.how == Broken::ForgetsTokens {
            let mut batches = self.batches.lock().unwrap();
            *batches += 1;
            Token::from_bits(*batches)
        } else {
            batch.token()
        };
        let mut ops = Vec::new();
        for op in batch.ops() {
            ops.extend(self.op(op).await);
        }
        if self.how == Broken::DoesBatchesBackwards {
            ops.reverse();
        }
        let mut ends = Vec::new();
        // One at a time, which the contract allows.
        for op in ops {
            match self.inner.apply(&Batch::new(token).with(op)).await {
                Ok(end) => ends.extend(end),
                Err(Error::Lost { .. }) if self.how == Broken::TakesLostForConflict => {
                    return Err(Error::Conflict {
                        log: batch.appends().next().unwrap().log.clone(),
                        expected: 1,
                        actual: 0,
                    });
                }
                Err(Error::Conflict { .. }) if self.how == Broken::TellsTwoWinners => {
                    let append = batch.appends().next().unwrap();
                    return Ok(vec![Position::at(append.after.number() + append.lines.len() as u64)]);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(ends)
    }

    async fn read(&self, log: &Name, after: u64, bytes: usize) -> Result<Page, Error> {
        let page = self.inner.read(&self.name(log), after, bytes).await?;
        let count = page.lines().count();
        match self.how {
            Broken::StopsInTheMiddleOfAnAppend if count > 1 => self.first_lines(log, after, 1).await,
            Broken::LosesALineOnReading if count > 30 => self.first_lines(log, after, count - 1).await,
            _ => Ok(page),
        }
    }

    async fn end(&self, log: &Name) -> Result<End, Error> {
        self.inner.end(&self.name(log)).await
    }

    async fn list(&self, kind: Kind, start: &str, after: Option<&Name>, limit: usize) -> Result<Vec<Name>, Error> {
        let kind = if self.how == Broken::MixesKinds { contract::KIND } else { kind };
        let limit = if self.how == Broken::ListsAThousandAtMost { limit.min(1_000) } else { limit };
        let mut names = self.inner.list(kind, start, after, limit).await?;
        match self.how {
            Broken::ListsBackwards => names.reverse(),
            Broken::ListsWithTheNameBefore => names.splice(..0, after.cloned()).for_each(drop),
            _ => {}
        }
        Ok(names)
    }

    async fn due(&self, queue: &Queue, after: Option<&Due>, now: Timestamp, limit: usize) -> Result<Vec<Due>, Error> {
        let now = if self.how == Broken::IsDueEarly { now.offset_micros(1) } else { now };
        let after = after.filter(|_| self.how != Broken::IsDueFromTheFirst);
        let after = after.map(|after| Due { queue: self.queue(queue), ..after.clone() });
        let mut due = self.inner.due(&self.queue(queue), after.as_ref(), now, limit).await?;
        if self.how == Broken::IsDueInAnyOrder {
            due.reverse();
        }
        Ok(due)
    }

    async fn queues(&self) -> Result<Vec<Queue>, Error> {
        self.inner.queues().await
    }

    async fn watch(&self, what: Watched) -> Result<Box<dyn Watch>, Error> {
        match self.how {
            Broken::NeverWakes => Ok(Box::new(Asleep)),
            _ => self.inner.watch(what).await,
        }
    }

    async fn forget(&self, log: &Name) -> Result<(), Error> {
        match self.inner.forget(&self.name(log)).await {
            Err(_) if self.how == Broken::ForgetsWhatIsNotSealed => Ok(()),
            result => {
                self.forgotten.lock().unwrap().insert(log.clone());
                result
            }
        }
    }

    async fn inspect(&self, _repair: bool) -> Result<Vec<Finding>, Error> {
        Ok(Vec::new())
    }
}

#[derive(Debug)]
struct Asleep;

#[async_trait]
impl Watch for Asleep {
    async fn changed(&mut self, at_most: Duration) -> bool {
        tokio::time::sleep(at_most).await;
        false
    }
}

#[async_trait]
impl Medium for BrokenStore {
    async fn open(&self) -> Result<Arc<dyn Store>, Error> {
        Ok(Arc::new(self.clone()))
    }
}

/// Whether this test of the contract fails for a store that is broken so.
macro_rules! notices {
    ($how:ident, $module:ident::$test:ident) => {{
        let how = Broken::$how;
        let store = BrokenStore { inner: MemoryStore::new(), how, forgotten: Arc::default(), batches: Arc::default() };
        let test = tokio::spawn(async move { contract::$module::$test(&store).await });
        assert!(test.await.is_err(), "{} does not notice a store that {how:?}", stringify!($test));
    }};
}

#[tokio::test(start_paused = true)]
async fn the_contract_notices_what_is_broken() {
    notices!(TellsTwoWinners, appends::of_many_writers_of_one_number_one_wins);
    notices!(TellsTwoWinners, faulty::writers_through_faults_lose_nothing);
    notices!(ForgetsTokens, appends::the_same_batch_again_changes_nothing);
    notices!(ForgetsTokens, appends::the_same_batch_twice_at_once_lands_once);
    notices!(ForgetsTokens, faulty::ambiguous_appends_land_once);
    notices!(IgnoresTokensOfPositions, appends::a_line_that_was_replaced_is_noticed);
    notices!(TakesLostForConflict, appends::an_end_below_what_was_known_is_lost);
    notices!(AppendsWhereverTheEndIs, appends::of_many_writers_of_one_number_one_wins);
    notices!(AppendsWhereverTheEndIs, faulty::stale_lists_lead_to_no_second_winner);
    notices!(DoesBatchesBackwards, appends::a_batch_stops_at_its_first_conflict);
    notices!(StopsInTheMiddleOfAnAppend, appends::lines_of_one_append_stay_together);
    notices!(LosesALineOnReading, appends::a_log_of_many_appends_is_read_over_pages);
    notices!(SealsNothing, seals::a_sealed_log_takes_nothing);
    notices!(FreesNumbers, seals::a_forgotten_log_keeps_its_numbers);
    notices!(ForgetsWhatIsNotSealed, seals::only_sealed_logs_are_forgotten);
    notices!(MixesGenerations, seals::generations_are_logs_of_their_own);
    notices!(MixesKinds, names::kinds_do_not_mix);
    notices!(MixesUpperAndLowerCase, names::hostile_ids_have_places_of_their_own);
    notices!(ListsBackwards, names::lists_are_in_order_and_whole);
    notices!(ListsAThousandAtMost, names::lists_go_over_page_boundaries);
    notices!(ListsWithTheNameBefore, names::lists_are_in_order_and_whole);
    notices!(IsDueEarly, due::entries_come_in_order_when_their_time_has_come);
    notices!(IsDueInAnyOrder, due::entries_come_in_order_when_their_time_has_come);
    notices!(IsDueFromTheFirst, due::many_entries_are_gone_through_in_pages);
    notices!(DropsNothing, due::entries_are_put_and_dropped_once);
    notices!(MixesQueues, due::queues_do_not_mix);
    notices!(NeverWakes, watches::a_watch_wakes_for_its_log);
    notices!(NeverWakes, watches::a_watch_wakes_for_its_queue);
}
