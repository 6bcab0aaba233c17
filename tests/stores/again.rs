//! Whoever asks again after a failure in the middle: nothing is delivered twice, and something leads to the run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use temporal_code::stores::{Position, Store, Token};
use temporal_code::testing::faults::{Call as Asked, Fault, FaultyStore};
use temporal_code::workflows::batches::{self, Stamp, WorkerLease};
use temporal_code::workflows::{
    Call, ClientError, Delivery, Event, Fold, FsckOptions, FsckProgress, Json, OutgoingMessage, RunClient, Runs, Start,
    StartRequest, fsck, inbox_log, run_log,
};
use temporal_code::{SystemClock, ThreadRandom, Timestamp};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Request {
    Start,
    Send,
    Cancel,
}

impl Request {
    async fn make(self, store: Arc<dyn Store>, run: &str) -> Result<Delivery, ClientError> {
        let (runs, value) = (Runs::Own(store), Json::parse("true").unwrap());
        let client = RunClient::new(&runs, &SystemClock, &ThreadRandom);
        let key = Some("ticket-1");
        match self {
            Request::Start => {
                client
                    .start(StartRequest { workflow: "pay", input: &value, queue: "default", run: Some(run), key })
                    .await
            }
            Request::Send => {
                client.send(run, OutgoingMessage { event: "paid", value: &value, key, from: Some("tests") }).await
            }
            Request::Cancel => client.cancel(run, Some("too late"), key, Some("tests")).await,
        }
    }

    /// Makes the request when the first batch of it comes to `fault`.
    async fn fail(self, store: &Arc<dyn Store>, run: &str, fault: Fault) -> Result<Delivery, ClientError> {
        let first = AtomicBool::new(true);
        let plan = move |_, call: Asked<'_>| match call {
            Asked::Apply(_) if first.swap(false, Ordering::AcqRel) => fault,
            _ => Fault::None,
        };
        self.make(Arc::new(FaultyStore::new(store.clone(), plan)), run).await
    }
}

/// A run that waits for a message, and to which nothing leads but that.
async fn waiting(store: &dyn Store, run: &str) {
    let stamp = || Stamp { token: Token::new(&ThreadRandom), now: Timestamp::now() };
    let mut fold = Fold::new(run_log(run).unwrap());
    let start = Start::new(run, "pay", Json::parse("1").unwrap());
    store.apply(&batches::start(&mut fold, stamp(), start, None).unwrap()).await.unwrap();
    let served: Vec<_> = fold.state().due().into_iter().collect();
    let until = Timestamp::now().offset_micros(60_000_000);
    store.apply(&batches::claim(&mut fold, stamp(), WorkerLease { worker: "w", until }).unwrap()).await.unwrap();
    let wait =
        Event::Wait { call: Call::new("pay", 1), events: vec!["paid".into()], until: None, take: 0, done: false };
    store.apply(&batches::release(&mut fold, stamp(), vec![wait], None, &served).unwrap()).await.unwrap();
}

/// What `fsck` finds.
async fn findings(store: &dyn Store) -> Vec<String> {
    let mut found = Vec::new();
    let mut report = |progress: FsckProgress| {
        if let FsckProgress::Found(finding) = progress {
            found.push(format!("{}: {}", finding.place, finding.problem));
        }
    };
    let options = FsckOptions::new(Timestamp::now());
    fsck(store, &options, &ThreadRandom, &mut report).await.unwrap();
    found
}

async fn a_second_try_finishes_what_is_missing(store: Arc<dyn Store>) {
    for request in [Request::Start, Request::Send, Request::Cancel] {
        for parts in 0..=2 {
            let run = format!("{request:?}-{parts}");
            if request != Request::Start {
                waiting(&*store, &run).await;
            }
            let failed = request.fail(&store, &run, Fault::CrashAfter(parts)).await;
            assert!(matches!(failed, Err(ClientError::Unsure { landed: None, .. })), "{run}: {failed:?}");
            for attempt in 2..=3 {
                let delivered = request.make(store.clone(), &run).await.unwrap();
                assert_eq!(delivered.deduplicated, parts > 0 || attempt == 3, "{run}");
                assert_eq!(findings(&*store).await, [""; 0], "{run}, attempt {attempt}");
            }
            let log = if request == Request::Start { run_log(&run) } else { inbox_log(&run) };
            assert_eq!(store.end(&log.unwrap()).await.unwrap().last.number(), 1, "{run}");
        }
    }
}

async fn what_is_known_of_a_failure_is_told(store: Arc<dyn Store>) {
    for request in [Request::Start, Request::Send, Request::Cancel] {
        let (lost, failed) = (format!("{request:?}-lost"), format!("{request:?}-failed"));
        let is_start = request == Request::Start;
        for run in [&lost, &failed] {
            if !is_start {
                waiting(&*store, run).await;
            }
        }
        let log = |run: &str| if is_start { run_log(run) } else { inbox_log(run) }.unwrap();
        // The answer is lost, and a look finds the line.
        let delivered = request.fail(&store, &lost, Fault::After).await.unwrap();
        assert!(!delivered.deduplicated);
        assert_eq!(store.end(&log(&lost)).await.unwrap().last.number(), 1);
        // Nothing was done, as far as a look can tell.
        match request.fail(&store, &failed, Fault::Before).await {
            Err(ClientError::Unsure { landed: Some(false), id: Some(id), .. }) => assert_eq!(id, "ticket-1"),
            other => panic!("{request:?}: {other:?}"),
        }
        assert_eq!(store.end(&log(&failed)).await.unwrap().last, Position::START);
        request.make(store.clone(), &failed).await.unwrap();
        assert_eq!(findings(&*store).await, [""; 0], "{request:?}");
    }
}

macro_rules! on {
    ($medium:ident, $store:expr) => {
        mod $medium {
            use super::*;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn a_second_try_finishes_what_is_missing() {
                let (store, _server) = $store;
                super::a_second_try_finishes_what_is_missing(store).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn what_is_known_of_a_failure_is_told() {
                let (store, _server) = $store;
                super::what_is_known_of_a_failure_is_told(store).await;
            }
        }
    };
}

on!(memory, (Arc::new(temporal_code::stores::MemoryStore::new()) as Arc<dyn Store>, ()));
on!(files, {
    let folder = tempfile::tempdir().unwrap();
    let store = temporal_code::stores::FileStore::create(folder.path().join("store"), Default::default()).unwrap();
    (Arc::new(store) as Arc<dyn Store>, folder)
});
#[cfg(feature = "redis")]
on!(redis, {
    let server = crate::servers::redis::RedisServer::start();
    (Arc::new(server.open().await) as Arc<dyn Store>, server)
});
#[cfg(feature = "object-store")]
on!(bucket, (Arc::new(crate::object::Place::new().open()) as Arc<dyn Store>, ()));
