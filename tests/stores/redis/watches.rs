//! Watches, beyond what the contract asks of them.

use std::time::{Duration, Instant};

use temporal_code::Timestamp;
use temporal_code::stores::{Batch, Due, Position, Queue, Store, Watch, Watched};

use super::{name, push, token};
use crate::servers::redis::{RedisServer, Setup};

const PATIENCE: Duration = Duration::from_secs(30);

fn subscriptions(server: &RedisServer) -> usize {
    let found: Vec<String> = ::redis::cmd("PUBSUB").arg("CHANNELS").query(&mut server.admin()).unwrap();
    found.len()
}

/// One change wakes once: a handle's own announcement that comes back is not another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_wakes_each_watch_once() {
    let server = RedisServer::start();
    let (store, other) = (server.open().await, server.open().await);
    let (log, queue) = (name("a"), Queue::default());
    let mut watches = Vec::new();
    for handle in [&store, &store, &other] {
        watches.push(handle.watch(Watched::Log(log.clone())).await.unwrap());
    }
    let mut queue_watch = other.watch(Watched::Queue(queue.clone())).await.unwrap();
    let end = push(&store, &log, Position::START, "one").await;
    for watch in &mut watches {
        assert!(watch.changed(PATIENCE).await);
        assert!(!watch.changed(Duration::from_millis(200)).await, "woken twice");
    }
    // A batch that landed before announces nothing to others, nor does an entry that was there.
    let due = Due { queue, at: Timestamp::MIN, run: log.clone() };
    let put = Batch::new(token()).put_due(due);
    store.apply(&put).await.unwrap();
    assert!(queue_watch.changed(PATIENCE).await);
    store.apply(&put).await.unwrap();
    assert!(!queue_watch.changed(Duration::from_millis(200)).await);
    // Another log, of a name that begins the same, and another generation.
    push(&store, &name("ab"), Position::START, "x").await;
    push(&store, &log.next_generation(), Position::START, "x").await;
    assert!(!watches[2].changed(Duration::from_millis(200)).await);
    push(&other, &log, end, "two").await;
    for watch in &mut watches {
        assert!(watch.changed(PATIENCE).await);
    }
}

/// Channels are listened to as long as somebody watches, and all over one connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watches_that_end_are_taken_off() {
    let server = RedisServer::start();
    let store = server.open().await;
    let mut watches: Vec<Box<dyn Watch>> = Vec::new();
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..1_200 {
        let store = store.clone();
        tasks.spawn(async move { store.watch(Watched::Log(name(&format!("{}", number / 2)))).await.unwrap() });
    }
    while let Some(watch) = tasks.join_next().await {
        watches.push(watch.unwrap());
    }
    assert_eq!(subscriptions(&server), 600);
    let clients = format!("{:?}", server.run("CLIENT LIST TYPE pubsub"));
    assert_eq!(clients.matches("id=").count(), 1, "{clients}");
    let kept = watches.pop().unwrap();
    drop(watches);
    let settled = |count: usize| {
        let server = &server;
        async move {
            let started = Instant::now();
            while subscriptions(server) != count {
                assert!(started.elapsed() < PATIENCE, "{} are left", subscriptions(server));
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    };
    settled(1).await;
    // The store may go before its watches.
    drop(store);
    assert_eq!(subscriptions(&server), 1);
    drop(kept);
    settled(0).await;
}

/// The connection is cut: watches wake once when it is back, because nobody knows what was missed, and work again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_connection_comes_back() {
    let server = RedisServer::start();
    let (store, other) = (server.open().await, server.open().await);
    let log = name("a");
    let mut watch = store.watch(Watched::Log(log.clone())).await.unwrap();
    let mut end = Position::START;
    for _ in 0..3 {
        let killed: u64 =
            ::redis::cmd("CLIENT").arg("KILL").arg("TYPE").arg("pubsub").query(&mut server.admin()).unwrap();
        assert_eq!(killed, 1);
        assert!(watch.changed(PATIENCE).await, "it does not come back");
        end = push(&other, &log, end, "x").await;
        assert!(watch.changed(PATIENCE).await, "it is deaf");
    }
}

/// While the server is away, watches begin and end without an error; when it is back they work.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_away_is_waited_for() {
    let server = Setup::new().with("appendfsync", "always").start();
    let (store, other) = (server.open().await, server.open().await);
    let log = name("a");
    let end = push(&store, &log, Position::START, "x").await;
    let mut before = store.watch(Watched::Log(log.clone())).await.unwrap();
    server.kill();
    let mut during = store.watch(Watched::Log(log.clone())).await.unwrap();
    assert!(!during.changed(Duration::from_millis(100)).await);
    server.revive();
    assert!(before.changed(PATIENCE).await && during.changed(PATIENCE).await);
    while other.end(&log).await.is_err() {}
    push(&other, &log, end, "y").await;
    assert!(before.changed(PATIENCE).await && during.changed(PATIENCE).await);
}
