//! The same through a store that fails, loses answers, is late, lies about lists, and dies.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::{Medium, Place, dense, insist, lines, one, token};
use crate::chance::mix;
use crate::store::testing::faults::{Call, Fault, FaultyStore};
use crate::store::{Batch, Due, Error, Position, Store};
use crate::time::Timestamp;

/// A fault in two calls of five, by the call's number and `seed`.
fn often(seed: u64) -> impl Fn(u64, Call<'_>) -> Fault + Send + Sync + 'static {
    move |number, call| {
        let draw = mix(seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15)) % 20;
        match (draw, call) {
            (0 | 1, _) => Fault::Before,
            (2 | 3, _) => Fault::After,
            (4 | 5, Call::Apply(_)) => Fault::Late(Duration::from_millis(5 + number % 30)),
            (6, _) => Fault::Slow(Duration::from_millis(2)),
            (7, Call::List) => Fault::Stale,
            _ => Fault::None,
        }
    }
}

/// The first try of each append loses its answer, by failing before, after, or by being late; the second tells.
pub async fn ambiguous_appends_land_once(medium: &dyn Medium) {
    let place = Place::new("ambiguous");
    let log = place.log("a");
    let late = Duration::from_millis(30);
    let mut end = Position::START;
    for (number, fault) in [Fault::Before, Fault::After, Fault::Late(late)].into_iter().cycle().take(9).enumerate() {
        let store =
            FaultyStore::new(medium.open().await.unwrap(), move |call, _| if call == 0 { fault } else { Fault::None });
        let batch = one(&log, end, &number.to_string());
        let error = store.apply(&batch).await.unwrap_err();
        assert!(error.retryable(), "{error:?}");
        end = store.apply(&batch).await.unwrap()[0];
        assert_eq!(end.number(), number as u64 + 1);
    }
    tokio::time::sleep(3 * late).await;
    let expected: Vec<String> = (0..9).map(|number| number.to_string()).collect();
    assert_eq!(dense(&*medium.open().await.unwrap(), &log).await, expected);
}

/// Writers that go through faults of all kinds: what was acknowledged is there once, what conflicted is not there at all.
pub async fn writers_through_faults_lose_nothing(medium: &dyn Medium) {
    const WRITERS: u64 = 4;
    let place = Arc::new(Place::new("faults"));
    let counter = Arc::new(AtomicU64::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let store = FaultyStore::new(medium.open().await.unwrap(), often(writer));
        let (place, counter) = (place.clone(), counter.clone());
        tasks.spawn(async move {
            let mut outcomes = Vec::new();
            let shared = place.log("shared");
            let (own, queue) = (place.log(&format!("own {writer}")), place.queue("q"));
            let mut own_end = Position::START;
            for _ in 0..12 {
                let text = format!("{writer} {}", counter.fetch_add(1, Ordering::Relaxed));
                let end = loop {
                    if let Ok(end) = store.end(&shared).await {
                        break end.last;
                    }
                };
                let due = Due { queue: queue.clone(), at: Timestamp::from_micros(1), run: shared.clone() };
                let batch = Batch::new(token()).append(&shared, end, lines(&[&text, "and"])).put_due(due);
                match insist(&store, &batch).await {
                    Ok(_) => outcomes.push((text, true)),
                    Err(Error::Conflict { .. }) => outcomes.push((text, false)),
                    Err(error) => panic!("{error:?}"),
                }
                own_end = insist(&store, &one(&own, own_end, "mine")).await.unwrap()[0];
            }
            assert_eq!(own_end.number(), 12);
            outcomes
        });
    }
    let outcomes: HashMap<String, bool> = tasks.join_all().await.into_iter().flatten().collect();
    // Late calls may still be on their way.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let store = medium.open().await.unwrap();
    let texts = dense(&*store, &place.log("shared")).await;
    let mut landed: Vec<&String> = texts.iter().step_by(2).collect();
    assert!(texts.iter().skip(1).step_by(2).all(|text| text == "and"), "{texts:?}");
    landed.sort_unstable();
    let mut acknowledged: Vec<&String> = outcomes.iter().filter(|(_, landed)| **landed).map(|(text, _)| text).collect();
    acknowledged.sort_unstable();
    assert_eq!(landed, acknowledged);
    assert!(!landed.is_empty());
    for writer in 0..WRITERS {
        assert_eq!(dense(&*store, &place.log(&format!("own {writer}"))).await.len(), 12);
    }
}

/// A process dies between any two parts of a batch: what is left is a prefix, and the same batch finishes it.
pub async fn a_crash_between_any_two_parts_leaves_a_prefix(medium: &dyn Medium) {
    for crash in 0..=4 {
        let place = Place::new("crash");
        let (run, inbox, queue) = (place.log("run"), place.log("inbox"), place.queue("q"));
        let due = |second: i64| Due { queue: queue.clone(), at: Timestamp::from_micros(second), run: run.clone() };
        let before = medium.open().await.unwrap();
        let served = Batch::new(token()).put_due(due(1));
        before.apply(&served).await.unwrap();
        let batch = Batch::new(token())
            .append(&run, Position::START, lines(&["save", "stop"]))
            .append(&inbox, Position::START, lines(&["child"]))
            .put_due(due(2))
            .drop_due(due(1));
        let dying = FaultyStore::new(medium.open().await.unwrap(), move |_, _| Fault::CrashAfter(crash));
        assert!(dying.apply(&batch).await.is_err());
        assert!(dying.crashed() && dying.end(&run).await.is_err());
        let after = medium.open().await.unwrap();
        let state = (
            dense(&*after, &run).await.len(),
            dense(&*after, &inbox).await.len(),
            after.due(&queue, None, due(9).at, 9).await.unwrap().iter().map(|due| due.at.micros()).collect::<Vec<_>>(),
        );
        let expected = [(0, 0, vec![1]), (2, 0, vec![1]), (2, 1, vec![1]), (2, 1, vec![1, 2]), (2, 1, vec![2])];
        assert_eq!(state, expected[crash], "died after {crash} parts");
        after.apply(&batch).await.unwrap();
        assert_eq!(dense(&*after, &run).await, ["save", "stop"]);
        assert_eq!(dense(&*after, &inbox).await, ["child"]);
        assert_eq!(after.due(&queue, None, due(9).at, 9).await.unwrap(), [due(2)]);
    }
}

/// Workers that are told of what was due long ago claim by appending: one of them gets each number all the same.
pub async fn stale_lists_lead_to_no_second_winner(medium: &dyn Medium) {
    let place = Place::new("stale");
    let (run, queue) = (place.log("run"), place.queue("q"));
    let due = Due { queue: queue.clone(), at: Timestamp::from_micros(1), run: run.clone() };
    let start = Batch::new(token()).append(&run, Position::START, lines(&["start"])).put_due(due.clone());
    medium.open().await.unwrap().apply(&start).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for worker in 0..6 {
        let store = FaultyStore::new(medium.open().await.unwrap(), |_, call| match call {
            Call::List => Fault::Stale,
            _ => Fault::None,
        });
        let (queue, due) = (queue.clone(), due.clone());
        tasks.spawn(async move {
            let mut claimed = 0;
            for _ in 0..3 {
                // The first answer is fresh, those after are as old as the one before.
                for due in store.due(&queue, None, due.at, 9).await.unwrap() {
                    let claim = one(&due.run, Position::at(1), &format!("claim {worker}"));
                    if insist(&store, &claim).await.is_ok() {
                        claimed += 1;
                        store.apply(&Batch::new(token()).drop_due(due)).await.unwrap();
                    }
                }
            }
            claimed
        });
    }
    assert_eq!(tasks.join_all().await.iter().sum::<usize>(), 1);
    let store = medium.open().await.unwrap();
    assert_eq!(dense(&*store, &run).await.len(), 2);
    assert!(store.due(&queue, None, due.at, 9).await.unwrap().is_empty());
}
