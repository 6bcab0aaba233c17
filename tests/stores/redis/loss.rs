//! A server that loses what it had, or loses its connections: what is noticed, and what survives.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use temporal_code::Timestamp;
use temporal_code::stores::{Batch, Due, Error, Position, Queue, RedisOptions, RedisStore, Store, Watched};

use super::{dense, line, name, one, push, token};
use crate::servers::redis::{RedisServer, Setup};

/// Longest that a test waits for what comes sooner or later.
const PATIENCE: Duration = Duration::from_secs(60);

/// Makes the same call until it no longer fails in a retryable way.
async fn insist(store: &dyn Store, batch: &Batch) -> Result<Position, Error> {
    let started = std::time::Instant::now();
    loop {
        match store.apply(batch).await {
            Err(error) if error.retryable() && started.elapsed() < PATIENCE => {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            result => return result.map(|ends| ends[0]),
        }
    }
}

/// Waits until `count` has grown by `more`.
async fn grown(count: &AtomicUsize, more: usize) {
    let until = count.load(Ordering::SeqCst) + more;
    let waited = tokio::time::timeout(PATIENCE, async {
        while count.load(Ordering::SeqCst) < until {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    waited.await.expect("the writers go on");
}

/// Writers, each with a handle and a log of its own, that insist on every batch until they are told to stop.
struct Traffic {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicUsize>,
    tasks: tokio::task::JoinSet<(String, Vec<String>, Option<Error>)>,
}

impl Traffic {
    async fn start(server: &RedisServer, writers: usize) -> Self {
        let (stop, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let mut tasks = tokio::task::JoinSet::new();
        for writer in 0..writers {
            let (store, stop, acknowledged) = (server.open().await, stop.clone(), acknowledged.clone());
            tasks.spawn(async move {
                let id = format!("w{writer}");
                let (log, mut end, mut texts) = (name(&id), Position::START, Vec::new());
                while !stop.load(Ordering::SeqCst) {
                    let text = format!("{writer} {}", texts.len());
                    let batch = Batch::new(token()).append(&log, end, vec![line(&text), line("and")]);
                    match insist(&store, &batch).await {
                        Ok(position) => end = position,
                        Err(error) => return (id, texts, Some(error)),
                    }
                    texts.extend([text, "and".to_owned()]);
                    acknowledged.fetch_add(1, Ordering::SeqCst);
                }
                (id, texts, None)
            });
        }
        Traffic { stop, acknowledged, tasks }
    }

    async fn stop(self) -> Vec<(String, Vec<String>, Option<Error>)> {
        self.stop.store(true, Ordering::SeqCst);
        self.tasks.join_all().await
    }
}

/// With a log that is synced before each answer, the server may be killed at any time: no line that was acknowledged is lost,
/// none is there twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_acknowledged_line_is_lost_when_the_server_is_killed() {
    let server = Setup::new().with("appendfsync", "always").start();
    let traffic = Traffic::start(&server, 6).await;
    for _ in 0..3 {
        grown(&traffic.acknowledged, 60).await;
        server.restart();
    }
    grown(&traffic.acknowledged, 30).await;
    let done = traffic.stop().await;
    let store = server.open().await;
    for (id, texts, error) in done {
        assert!(error.is_none(), "{id}: {error:?}");
        assert!(!texts.is_empty());
        assert_eq!(dense(&store, &name(&id)).await, texts, "{id}");
    }
}

/// A server without a log of its own forgets all when it is restarted in the middle of traffic: whoever was connected is told,
/// whatever they do, and goes on being told when others have begun a new store there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_forgot_is_refused_by_all_who_knew_it() {
    let server = Setup::forgetful().start();
    let reader = server.open().await;
    let traffic = Traffic::start(&server, 4).await;
    grown(&traffic.acknowledged, 40).await;
    assert!(!reader.list(super::KIND, "", None, 10).await.unwrap().is_empty());
    server.restart();
    for (id, _, error) in traffic.tasks.join_all().await {
        assert!(matches!(error, Some(Error::Lost { .. })), "{id}: {error:?}");
    }
    refused_everywhere(&reader).await;
    // Others begin anew, and write at least as many lines as there were.
    let other = server.open().await;
    let mut end = Position::START;
    for number in 0..200 {
        end = push(&other, &name("w0"), end, &number.to_string()).await;
    }
    refused_everywhere(&reader).await;
    assert_eq!(dense(&other, &name("w0")).await.len(), 200);
}

/// Every call but a watch says that the store is lost.
async fn refused_everywhere(store: &RedisStore) {
    let lost = |result: Result<(), Error>, what: &str| match result {
        Err(Error::Lost { place, .. }) => assert!(place.starts_with("redis://127.0.0.1:"), "{place}"),
        // The connection to the server that was killed.
        Err(error) if error.retryable() => panic!("{what} should have been tried again: {error}"),
        other => panic!("{what}: {other:?}"),
    };
    while matches!(store.queues().await, Err(error) if error.retryable()) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let queue = Queue::default();
    let due = Due { queue: queue.clone(), at: Timestamp::MIN, run: name("w0") };
    for log in [name("w0"), name("never")] {
        lost(store.apply(&one(&log, Position::START, "x")).await.map(drop), "append");
        lost(store.read(&log, 0, 1).await.map(drop), "read");
        lost(store.end(&log).await.map(drop), "end");
        lost(store.forget(&log).await, "forget");
    }
    lost(store.apply(&Batch::new(token()).put_due(due.clone())).await.map(drop), "put");
    lost(store.apply(&Batch::new(token()).drop_due(due)).await.map(drop), "drop");
    lost(store.list(super::KIND, "", None, 10).await.map(drop), "list");
    lost(store.due(&queue, None, Timestamp::MAX, 10).await.map(drop), "due");
    lost(store.queues().await.map(drop), "queues");
    lost(store.inspect(true).await.map(drop), "inspect");
}

/// Somebody who knows a line, with a handle that does not know of the loss, is told by the line's token.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_handle_notices_lines_that_were_replaced() {
    let server = Setup::forgetful().start();
    let log = name("a");
    let (first, second) = {
        let store = server.open().await;
        let first = push(&store, &log, Position::START, "one").await;
        (first, push(&store, &log, first, "two").await)
    };
    server.restart();
    let store = server.open().await;
    // Nothing there yet: the end is below what is known.
    assert!(matches!(store.apply(&one(&log, second, "three")).await, Err(Error::Lost { .. })));
    assert!(matches!(store.read(&log, 2, 1).await, Err(Error::Lost { .. })));
    let other = server.open().await;
    let end = push(&other, &log, Position::START, "another one").await;
    assert!(matches!(store.apply(&one(&log, first, "two")).await, Err(Error::Lost { .. })));
    push(&other, &log, end, "another two").await;
    let error = store.apply(&one(&log, second, "three")).await.unwrap_err();
    assert!(matches!(error, Error::Lost { .. }), "{error:?}");
    assert_eq!(dense(&store, &log).await, ["another one", "another two"]);
}

#[tokio::test]
async fn a_flushed_server_is_refused() {
    for command in ["FLUSHALL", "FLUSHDB", "DEL {tc}:store"] {
        let server = Setup::forgetful().start();
        let store = server.open().await;
        push(&store, &name("a"), Position::START, "one").await;
        server.run(command);
        refused_everywhere(&store).await;
    }
}

/// A server that is put back to an earlier state still has the store's id; the count of writes tells.
#[tokio::test]
async fn an_earlier_state_is_refused() {
    let server = Setup::forgetful().with("dbfilename", "dump.rdb").start();
    let store = server.open().await;
    let log = name("a");
    let end = push(&store, &log, Position::START, "one").await;
    server.run("SAVE");
    push(&store, &name("b"), Position::START, "elsewhere").await;
    server.restart();
    refused_everywhere(&store).await;
    // Somebody who connects now sees what there is, as good as it is, and may build on it.
    let new = server.open().await;
    assert_eq!(dense(&new, &log).await, ["one"]);
    push(&new, &log, end, "two").await;
    push(&new, &log, Position::at(2), "three").await;
}

/// A replica that never had anything becomes the primary.
#[tokio::test]
async fn a_failover_to_an_empty_replica_is_noticed() {
    let server = Setup::forgetful().start();
    let store = server.open().await;
    push(&store, &name("a"), Position::START, "one").await;
    let empty = Setup::forgetful().start();
    // It becomes the same as one that is empty, under the address that is known.
    server.run(&format!("REPLICAOF 127.0.0.1 {}", empty.port()));
    let synced = || format!("{:?}", server.run("INFO replication")).contains("master_link_status:up");
    let started = std::time::Instant::now();
    while !synced() {
        assert!(started.elapsed() < PATIENCE, "the replica does not come");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(matches!(store.end(&name("a")).await, Err(Error::Lost { .. })));
    server.run("REPLICAOF NO ONE");
    refused_everywhere(&store).await;
}

/// Connections are cut again and again while scripts run: with the same batch made again, each lands once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_batch_lands_once_when_connections_are_cut() {
    let server = RedisServer::start();
    let traffic = Traffic::start(&server, 6).await;
    let mut admin = server.admin();
    for _ in 0..40 {
        grown(&traffic.acknowledged, 10).await;
        let mut kill = ::redis::cmd("CLIENT");
        kill.arg("KILL").arg("TYPE").arg("normal").arg("SKIPME").arg("yes");
        let _: u64 = kill.query(&mut admin).unwrap();
    }
    let done = traffic.stop().await;
    let store = server.open().await;
    let mut all = BTreeSet::new();
    for (id, texts, error) in done {
        assert!(error.is_none(), "{id}: {error:?}");
        assert_eq!(dense(&store, &name(&id)).await, texts, "{id}");
        assert!(texts.iter().step_by(2).all(|text| all.insert(text.clone())));
    }
    assert!(all.len() >= 400);
    assert_eq!(store.inspect(false).await.unwrap(), []);
}

/// Half a failover: fewer replicas have a batch than are wanted. It has landed, but is not acknowledged until they do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_is_acknowledged_when_enough_replicas_have_it() {
    let server = RedisServer::start();
    let options =
        RedisOptions { replicas_min: 1, response_timeout: Duration::from_millis(600), ..RedisOptions::default() };
    let store = RedisStore::open(&server.address(""), &options).await.unwrap();
    let batch = one(&name("a"), Position::START, "one");
    let error = store.apply(&batch).await.unwrap_err();
    assert!(error.retryable(), "{error:?}");
    let why = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(why, "0 of 1 replicas have it");
    // Also for a handle that is new and whose connection has written nothing.
    let other = RedisStore::open(&server.address(""), &options).await.unwrap();
    assert!(other.apply(&batch).await.unwrap_err().retryable());
    let _replica = Setup::forgetful().with("replicaof", &format!("127.0.0.1 {}", server.port())).start();
    assert_eq!(insist(&store, &batch).await.unwrap().number(), 1);
    assert_eq!(dense(&store, &name("a")).await, ["one"]);
    assert_eq!(insist(&other, &one(&name("a"), Position::at(1), "two")).await.unwrap().number(), 2);
}

/// A server that no longer answers, but has not gone: no call waits without end, and all is well when it comes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_wait_is_without_end() {
    let server = RedisServer::start();
    let options = RedisOptions {
        connect_timeout: Duration::from_millis(300),
        response_timeout: Duration::from_millis(300),
        ..RedisOptions::default()
    };
    let store = RedisStore::open(&server.address(""), &options).await.unwrap();
    let end = push(&store, &name("a"), Position::START, "one").await;
    let mut watch = store.watch(Watched::Log(name("a"))).await.unwrap();
    server.pause();
    let batch = one(&name("a"), end, "two");
    let started = std::time::Instant::now();
    for _ in 0..3 {
        assert!(store.apply(&batch).await.unwrap_err().retryable());
        assert!(store.end(&name("a")).await.unwrap_err().retryable());
    }
    assert!(!watch.changed(Duration::from_millis(100)).await);
    let mut other = store.watch(Watched::Log(name("b"))).await.unwrap();
    assert!(RedisStore::open(&server.address(""), &options).await.unwrap_err().retryable());
    assert!(started.elapsed() < PATIENCE, "{:?}", started.elapsed());
    server.resume();
    assert_eq!(insist(&store, &batch).await.unwrap().number(), 2);
    assert_eq!(dense(&store, &name("a")).await, ["one", "two"]);
    // Both watches wake once the connection is back.
    assert!(watch.changed(PATIENCE).await && other.changed(PATIENCE).await);
}
