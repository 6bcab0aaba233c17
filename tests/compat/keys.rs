//! Stores of the package on a real Redis.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use temporal_code::foreign::substantial::{SubstantialClient, SubstantialRedis, WorkerZone};
use temporal_code::stores::{Error, RedisAddress, RedisOptions};

use crate::live::{charge_is_declined, order_is_approved};
use crate::server::{RedisServer, Setup};
use crate::support::{Process, at, fixtures, folder, line, run, script};
use crate::written::{calls, do_calls};

pub(crate) fn server() -> RedisServer {
    Setup::forgetful().start()
}

fn open(server: &RedisServer, zone: WorkerZone) -> SubstantialRedis {
    let address = RedisAddress::parse(&format!("redis://127.0.0.1:{}/0", server.port())).unwrap();
    SubstantialRedis::new(&address, &RedisOptions::default(), zone).unwrap()
}

/// Puts the fixture into a server.
pub(crate) fn fill(server: &RedisServer) {
    let text = std::fs::read_to_string(fixtures().join("redis.json")).unwrap();
    let entries: Vec<Value> = serde_json::from_str(&text).unwrap();
    let mut admin = server.admin();
    for entry in &entries {
        let (key, value) = (entry["key"].as_str().unwrap(), &entry["value"]);
        match entry["type"].as_str().unwrap() {
            "string" => redis::cmd("SET").arg(key).arg(value.as_str().unwrap()).exec(&mut admin).unwrap(),
            "list" => {
                for item in value.as_array().unwrap() {
                    redis::cmd("RPUSH").arg(key).arg(item.as_str().unwrap()).exec(&mut admin).unwrap();
                }
            }
            "zset" => {
                for pair in value.as_array().unwrap() {
                    let (member, score) = (pair[0].as_str().unwrap(), pair[1].to_string());
                    redis::cmd("ZADD").arg(key).arg(score).arg(member).exec(&mut admin).unwrap();
                }
            }
            other => panic!("{other}"),
        }
    }
}

/// All that a server holds.
fn dump(server: &RedisServer) -> BTreeMap<String, Vec<String>> {
    let mut admin = server.admin();
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query(&mut admin).unwrap();
    let mut held = BTreeMap::new();
    for key in keys {
        let kind: String = redis::cmd("TYPE").arg(&key).query(&mut admin).unwrap();
        let mut values = match kind.as_str() {
            "string" => vec![redis::cmd("GET").arg(&key).query::<String>(&mut admin).unwrap()],
            "list" => redis::cmd("LRANGE").arg(&key).arg(0).arg(-1).query(&mut admin).unwrap(),
            "zset" => redis::cmd("ZRANGE").arg(&key).arg(0).arg(-1).arg("WITHSCORES").query(&mut admin).unwrap(),
            other => panic!("{other}"),
        };
        values.insert(0, kind);
        held.insert(key, values);
    }
    held
}

#[tokio::test]
async fn every_run_of_the_fixture_stands_as_it_did() {
    let server = server();
    fill(&server);
    let redis = open(&server, WorkerZone::utc());
    assert!(redis.detect().await.unwrap());
    let runs = redis.runs(None, None, 100).await.unwrap();
    assert!(!runs.more && runs.warnings.is_empty() && runs.items.iter().all(|listed| listed.linked));
    let names: Vec<&str> = runs.items.iter().map(|listed| listed.run.as_str()).collect();
    let found = redis.read(&names).await.unwrap();
    assert!(found.iter().all(|found| found.warnings.is_empty()));
    let now = at("2026-11-21T21:50:10Z");
    let lines: String = found.iter().map(|found| line(found, now) + "\n").collect();
    expect_test::expect![[r#"
        cancels: cancelled; 2 events, 1 steps, 0 messages, 0 problems, 0 schedules; it has not ended, and nothing leads to it, as when a run is cancelled from inside
        doomed: failed; 4 events, 1 steps, 0 messages, 0 problems, 0 schedules; event 4 ends it with an error
        example: waiting Message { not: [] }; 4 events, 2 steps, 0 messages, 0 problems, 1 schedules; the last replay found that something it waits for had not come
        example: completed; 8 events, 3 steps, 2 messages, 0 problems, 0 schedules; event 8 ends it with a result
        flaky: retrying RetryAt(Some(Timestamp(1795470562997729))); 2 events, 1 steps, 0 messages, 0 problems, 1 schedules; step 1 failed, and attempt 2 is next
        sleeper: sleeping Until(Timestamp(1797889763174118)); 5 events, 3 steps, 0 messages, 0 problems, 1 schedules; sleep 4 lasts until 2026-12-21T21:49:23.174118Z
        waiter: waiting Message { not: [] }; 2 events, 1 steps, 0 messages, 0 problems, 1 schedules; the last replay found that something it waits for had not come
        waiter: completed; 4 events, 1 steps, 1 messages, 0 problems, 0 schedules; event 4 ends it with a result
    "#]].assert_eq(&lines);
    assert_eq!(redis.workflows(None, 2).await.unwrap().items, ["cancels", "doomed"]);
    assert_eq!(redis.queues(None, 2).await.unwrap().items, ["default"]);
    let page = redis.runs(Some("waiter"), Some(names[names.len() - 2]), 1).await.unwrap();
    assert_eq!((page.items.len(), page.more), (1, false));
}

#[tokio::test]
async fn keys_are_those_of_the_package() {
    let (theirs, ours) = (server(), server());
    let (calls, folder) = (calls(), folder());
    let file = folder.path().join("calls.json");
    std::fs::write(&file, serde_json::to_string(&calls).unwrap()).unwrap();
    // Two hours ahead of UTC: POSIX counts to the west.
    run(script("client.py").env("TZ", "XXX-2").arg("redis").arg(theirs.port().to_string()).arg(&file));
    let client = SubstantialClient::Redis(Arc::new(open(&ours, WorkerZone::new(|_| 7200))));
    do_calls(&client, &calls, 7200).await;
    let (theirs, ours) = (dump(&theirs), dump(&ours));
    assert_eq!(theirs, ours);
    assert!(ours.len() > 2 * calls.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_on_redis_takes_what_we_write() {
    let server = server();
    let port = server.port().to_string();
    let mut worker = Process::start(script("worker.py").arg("redis").arg(&port));
    let client = SubstantialClient::Redis(Arc::new(open(&server, WorkerZone::utc())));
    order_is_approved(&client, "redis", &port).await;
    charge_is_declined(&client, "redis", &port).await;
    assert!(worker.runs());
}

#[tokio::test]
async fn a_key_of_another_type_is_named_and_the_rest_is_read() {
    let server = server();
    fill(&server);
    let redis = open(&server, WorkerZone::utc());
    let run = "waiter-084e6495-32ab-4fb9-902e-b272c7d88516";
    let change = |key: &str| {
        let mut admin = server.admin();
        redis::cmd("DEL").arg(key).exec(&mut admin).unwrap();
        redis::cmd("HSET").arg(key).arg("a").arg("b").exec(&mut admin).unwrap();
    };
    let whole = redis.read(&[run]).await.unwrap().remove(0);
    let keys = [
        format!("substantial:/{run}:/2026-11-21T21:49:53.093805"),
        format!("substantial:/lease:/{run}"),
        format!("substantial:/2026-11-21T21:50:03.093805:/{run}"),
        format!("substantial:/runs:/{run}:/logs"),
        "substantial:/schedules:/default".to_owned(),
    ];
    for key in &keys {
        change(key);
        let found = redis.read(&[run]).await.unwrap().remove(0);
        assert!(found.warnings.iter().any(|warning| warning.contains(key.as_str())), "{key}: {:?}", found.warnings);
        assert_eq!(found.reading, whole.reading, "{key}");
    }
    change(&format!("substantial:/runs:/{run}:/events"));
    let found = redis.read(&[run]).await.unwrap().remove(0);
    assert!(found.reading.is_none() && found.warnings.iter().any(|warning| warning.contains(":/events")));
    let Err(error @ Error::Corrupt { .. }) = redis.reading(run).await else { panic!("it is a hash") };
    assert!(error.to_string().contains(run), "{error}");
    change("substantial:/links:/runs:/waiter");
    let runs = redis.runs(None, None, 100).await.unwrap();
    // Those of the broken list are still known by their histories.
    assert_eq!((runs.items.len(), runs.warnings.len()), (8, 2), "{:?}", runs.warnings);
}

#[tokio::test]
async fn hostile_keys_are_not_followed() {
    let server = server();
    let mut admin = server.admin();
    let redis = open(&server, WorkerZone::utc());
    assert!(!redis.detect().await.unwrap());
    redis::cmd("SET").arg("other").arg("secret").exec(&mut admin).unwrap();
    redis::cmd("SET").arg("substantial:/runs:/w-1:/events").arg("{\"events\": [").exec(&mut admin).unwrap();
    redis::cmd("RPUSH").arg("substantial:/runs:/w-1:/logs").arg("other").exec(&mut admin).unwrap();
    for member in ["other", "substantial:/ref_:/w-1:/\u{1b}[31m", "substantial:/ref_:/w-1:/2026-01-01T00:00:00"] {
        redis::cmd("ZADD").arg("substantial:/schedules:/q").arg(0).arg(member).exec(&mut admin).unwrap();
    }
    redis::cmd("SET").arg("substantial:/lease:/w-1").arg("soon").exec(&mut admin).unwrap();
    let found = redis.read(&["w-1"]).await.unwrap().remove(0);
    assert!(found.warnings.len() >= 5, "{:#?}", found.warnings);
    assert!(found.warnings.iter().all(|warning| !warning.contains("secret") && !warning.contains('\u{1b}')));
    assert!(redis.read(&["a:/b"]).await.is_err() && redis.reading("").await.is_err());
    assert_eq!(redis.runs(None, None, 0).await.unwrap().items, []);
}
