//! Calls from tasks.

use std::time::Duration;

use temporal_code::functions::{AsyncEvolving, Durability, Tracker};

use super::support::{Last, folder, records};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_are_answered_like_threads() {
    let folder = folder();
    let tracker = Tracker::open(folder.path()).expect("a log");
    let function = AsyncEvolving::fallible("fetch", |id: u32| async move { Ok::<_, String>(id) })
        .variant("v2", |id: u32| async move {
            tokio::time::sleep(Duration::from_millis(1)).await;
            match id % 3 {
                0 => Err(format!("{id} is missing")),
                1 => panic!("{id} is odd"),
                _ => Ok(id + 1_000),
            }
        })
        .strategy(Last)
        .log_values()
        .tracker(&tracker);
    let function = std::sync::Arc::new(function);
    let calls = (0..30).map(|id| {
        let function = function.clone();
        tokio::spawn(async move { function.call_for(id.to_string(), id).await })
    });
    for (id, call) in calls.collect::<Vec<_>>().into_iter().enumerate() {
        let expected = if id % 3 == 2 { id as u32 + 1_000 } else { id as u32 };
        assert_eq!(call.await.expect("no panic"), Ok(expected));
    }
    tracker.flushed().await.expect("written");
    let records = records(folder.path());
    assert_eq!(records.len(), 50);
    assert!(
        records
            .iter()
            .filter(|record| record["variant"] == "v2")
            .all(|record| record["latency_ms"].as_f64() >= Some(1.0))
    );
    assert_eq!(records.iter().filter(|record| record["fallback"] == true).count(), 20);
}

#[tokio::test]
async fn all_failing_is_one_error() {
    let function = AsyncEvolving::fallible("f", |_: ()| async { Err::<(), _>("first") })
        .variant("v2", |_: ()| async { Err("second") })
        .strategy(Last);
    let error = function.call(()).await.expect_err("both fail");
    assert_eq!((error.to_string().as_str(), error.failures.len()), ("All variants failed for f: second", 2));
    let panics = |_: ()| -> std::future::Ready<Result<(), &str>> { panic!("before there is a future") };
    let error = AsyncEvolving::fallible("f", panics).call(()).await.expect_err("it panics");
    assert_eq!(error.to_string(), "All variants failed for f: panicked: before there is a future");
}

#[tokio::test]
async fn a_call_that_is_given_up_counts_as_failed() {
    let folder = folder();
    let tracker = Tracker::open(folder.path()).expect("a log");
    let function = AsyncEvolving::new("f", |_: ()| async {}).variant("v2", |_: ()| std::future::pending::<()>());
    let function = function.strategy(Last).tracker(&tracker);
    assert!(tokio::time::timeout(Duration::from_millis(20), function.call(())).await.is_err());
    tracker.close().expect("closed");
    let records = records(folder.path());
    assert_eq!((records.len(), &records[0]["error"], &records[0]["variant"]), (1, &"cancelled".into(), &"v2".into()));
    assert!(records[0]["latency_ms"].as_f64() >= Some(20.0));
}

#[tokio::test]
async fn an_event_is_safe_when_its_call_returns_if_so_asked() {
    let folder = folder();
    let tracker = Tracker::options().durability(Durability::EachEvent).open(folder.path()).expect("a log");
    let function = AsyncEvolving::new("f", |_: ()| async {}).tracker(&tracker);
    for calls in 1..=20 {
        function.call(()).await.expect("an answer");
        assert_eq!(records(folder.path()).len(), calls);
    }
    assert_eq!(tracker.health().late, 0);
}
