//! Nodes of a cluster: all keys of a store are in one slot.

use std::time::{Duration, Instant};

use temporal_code::Timestamp;
use temporal_code::stores::{Batch, Due, Error, Position, Queue, RedisOptions, RedisStore, Store, Watched};

use super::{KIND, dense, line, name, one, push, token};
use crate::servers::redis::{RedisServer, Setup};

fn node() -> RedisServer {
    Setup::new().with("cluster-enabled", "yes").start()
}

/// Waits until a node serves its slots.
async fn serving(server: &RedisServer) {
    let started = Instant::now();
    while !format!("{:?}", server.run("CLUSTER INFO")).contains("cluster_state:ok") {
        assert!(started.elapsed() < Duration::from_secs(60), "the cluster does not come up");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Everything that a store does, with scripts that may touch only the keys that they name.
async fn all_works(store: &RedisStore) {
    let (a, b) = (name("a"), name("b"));
    let due = Due { queue: Queue::new("q").unwrap(), at: Timestamp::from_micros(1), run: a.clone() };
    let start = Batch::new(token())
        .append(&a, Position::START, vec![line("a1"), line("a2")])
        .append(&b, Position::START, vec![line("b1")])
        .put_due(due.clone());
    let ends = store.apply(&start).await.unwrap();
    let end = push(store, &a, ends[0], "a3").await;
    assert_eq!(dense(store, &a).await, ["a1", "a2", "a3"]);
    assert_eq!(store.list(KIND, "", None, 9).await.unwrap(), [a.clone(), b]);
    assert_eq!(store.due(&due.queue, None, Timestamp::MAX, 9).await.unwrap(), std::slice::from_ref(&due));
    assert_eq!(store.queues().await.unwrap(), std::slice::from_ref(&due.queue));
    store.apply(&Batch::new(token()).seal(&a, end, vec![line("end")]).drop_due(due)).await.unwrap();
    assert!(store.queues().await.unwrap().is_empty());
    store.forget(&a).await.unwrap();
    assert!(store.end(&a).await.unwrap().sealed);
    assert_eq!(store.inspect(true).await.unwrap(), []);
}

#[tokio::test]
async fn a_cluster_of_one_node_holds_a_store() {
    let server = node();
    let error = RedisStore::open(&server.address(""), &RedisOptions::default()).await.unwrap_err();
    assert!(error.retryable(), "it serves no slots yet: {error:?}");
    server.run("CLUSTER ADDSLOTSRANGE 0 16383");
    serving(&server).await;
    let store = server.open().await;
    all_works(&store).await;
    let other = RedisStore::open(&server.address("?prefix=other"), &RedisOptions::default()).await.unwrap();
    all_works(&other).await;
    let error = RedisStore::open(&server.address("/1"), &RedisOptions::default()).await.unwrap_err();
    assert!(matches!(&error, Error::Unfit { problem, .. } if problem.contains("only database 0")), "{error:?}");
}

/// Of two nodes, the one that is asked sends to the other; and back, when the slot has moved.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_is_found_on_the_node_that_has_it() {
    let (one_node, two_node) = (node(), node());
    let slot: u16 = ::redis::cmd("CLUSTER").arg("KEYSLOT").arg("{tc}:store").query(&mut one_node.admin()).unwrap();
    one_node.run("CLUSTER ADDSLOTSRANGE 0 8191");
    two_node.run("CLUSTER ADDSLOTSRANGE 8192 16383");
    one_node.run(&format!("CLUSTER MEET 127.0.0.1 {}", two_node.port()));
    serving(&one_node).await;
    serving(&two_node).await;
    let (owner, asked) = if slot < 8192 { (&one_node, &two_node) } else { (&two_node, &one_node) };
    let store = asked.open().await;
    let mut watch = store.watch(Watched::Log(name("x"))).await.unwrap();
    let end = push(&owner.open().await, &name("x"), Position::START, "one").await;
    assert!(watch.changed(Duration::from_secs(30)).await, "announcements reach all nodes");
    let end = push(&store, &name("x"), end, "two").await;
    let held: u64 = ::redis::cmd("DBSIZE").query(&mut owner.admin()).unwrap();
    assert!(held >= 3);

    // The slot moves to the node that was asked first, keys and all.
    let id = |server: &RedisServer| ::redis::cmd("CLUSTER").arg("MYID").query::<String>(&mut server.admin()).unwrap();
    let (owner_id, asked_id) = (id(owner), id(asked));
    asked.run(&format!("CLUSTER SETSLOT {slot} IMPORTING {owner_id}"));
    owner.run(&format!("CLUSTER SETSLOT {slot} MIGRATING {asked_id}"));
    let keys: Vec<String> =
        ::redis::cmd("CLUSTER").arg("GETKEYSINSLOT").arg(slot).arg(100).query(&mut owner.admin()).unwrap();
    let (first, rest) = keys.split_first().unwrap();
    let move_key = |key: &String| owner.run(&format!("MIGRATE 127.0.0.1 {} {key} 0 5000", asked.port()));
    move_key(first);
    // In between, scripts can be run nowhere.
    let batch = Batch::new(token()).append(&name("x"), end, vec![line("three")]).append(
        &name("new"),
        Position::START,
        vec![line("n")],
    );
    let error = store.apply(&batch).await.unwrap_err();
    assert!(error.retryable(), "{error:?}");
    rest.iter().for_each(|key| drop(move_key(key)));
    for server in [asked, owner] {
        server.run(&format!("CLUSTER SETSLOT {slot} NODE {asked_id}"));
    }
    let ends = store.apply(&batch).await.unwrap();
    assert_eq!(ends[0].number(), 3);
    assert_eq!(dense(&owner.open().await, &name("x")).await, ["one", "two", "three"]);
    assert_eq!(store.inspect(true).await.unwrap(), []);
    let ahead = one(&name("x"), ends[0], "four");
    owner.open().await.apply(&ahead).await.unwrap();
    assert_eq!(store.apply(&ahead).await.unwrap()[0].number(), 4);
}
