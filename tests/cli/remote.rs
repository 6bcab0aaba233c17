//! Stores on servers: what may be read in part, what a server makes of them, and how they are reached.

use std::process::{Command, Output};

use serde_json::Value;
use temporal_code::stores::{BucketAddress, BucketOptions, BucketStore, Store, Token};
use temporal_code::workflows::batches::{self, Stamp};
use temporal_code::workflows::{Fold, Json, Start, run_log};
use temporal_code::{ThreadRandom, Timestamp};

use super::servers::moto::{Moto, request};
use super::servers::redis::{RedisServer, Setup};
use super::servers::s3_proxy::{Fault, Proxy};
use super::{root, run, seen, tc};

/// Starts runs of these ids.
async fn start(store: &dyn Store, runs: &[&str]) {
    for id in runs {
        let stamp = Stamp { token: Token::new(&ThreadRandom), now: Timestamp::now() };
        let mut fold = Fold::new(run_log(id).expect("a name"));
        let start = Start::new(*id, "greet", Json::parse("1").expect("JSON"));
        store.apply(&batches::start(&mut fold, stamp, start, None).expect("a batch")).await.expect("it lands");
    }
}

/// A bucket of moto's, in which runs are below `p`.
async fn bucket(runs: &[&str]) -> String {
    let moto = Moto::shared();
    let bucket = moto.new_bucket();
    let settings = bucket_settings(moto.port).map(|(name, value)| (name.to_owned(), value));
    let address = BucketAddress::parse(&format!("s3://{bucket}/p")).expect("an address");
    let store = BucketStore::open(&address, &settings, BucketOptions::default()).expect("a store");
    start(&store, runs).await;
    bucket
}

fn bucket_settings(port: u16) -> [(&'static str, String); 3] {
    let endpoint = format!("http://127.0.0.1:{port}");
    [("AWS_ENDPOINT_URL", endpoint), ("AWS_ACCESS_KEY_ID", "a".to_owned()), ("AWS_SECRET_ACCESS_KEY", "b".to_owned())]
}

fn on_bucket(port: u16, bucket: &str, arguments: &[&str]) -> Output {
    run(tc(arguments).args(["-s", &format!("s3://{bucket}/p")]).envs(bucket_settings(port)))
}

fn put(bucket: &str, key: &str) {
    let (status, _) = request(Moto::shared().port, "PUT", &format!("/{bucket}/{key}"), &[], b"");
    assert_eq!(status, 200, "{key}");
}

fn answer(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", seen(output)))
}

/// The places that could not be read.
fn unread(answer: &Value) -> Vec<&str> {
    let items = answer["items"].as_array().expect("items").iter().filter(|item| !item["unread"].is_null());
    items.map(|item| item["place"].as_str().expect("a place")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn markers_of_folders_are_nothing() {
    let bucket = bucket(&["a-1", "a-2"]).await;
    let port = Moto::shared().port;
    let commands: [&[&str]; 6] = [
        &["fsck"],
        &["runs", "--time", "iso"],
        &["show", "a-1", "--json"],
        &["replay", "--all"],
        &["runs", "--json"],
        &["status", "--json"],
    ];
    let before = commands.map(|command| seen(&on_bucket(port, &bucket, command)));
    assert!(before[0].contains("nothing is wrong") && before[1].contains("a-2"), "{before:?}");
    for folder in
        ["", "runs/", "runs/a-1/", "runs/a-1/1/", "runs/none/", "runs/none/1/", "inbox/", "inbox/none/", "due/"]
    {
        put(&bucket, &format!("p/{folder}"));
    }
    put(&bucket, "p/due/default/");
    for (command, before) in commands.iter().zip(before) {
        assert_eq!(seen(&on_bucket(port, &bucket, command)), before, "{command:?}");
    }
    let none = on_bucket(port, &bucket, &["show", "none"]);
    assert!(none.status.code() == Some(2) && seen(&none).contains("no run"), "{}", seen(&none));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_may_not_be_read_is_named_and_the_rest_is_checked() {
    let bucket = bucket(&["a-1", "a-2", "a-3"]).await;
    let proxy = Proxy::start(Moto::shared().port).await;
    proxy.plan(|seen| match seen.method == "GET" && !seen.is_list() && seen.target.contains("runs/a-2/") {
        true => Fault::Answer(403, "AccessDenied"),
        false => Fault::None,
    });
    let output = on_bucket(proxy.port, &bucket, &["fsck", "--json"]);
    let answer = answer(&output);
    let place = format!("s3://{bucket}/p/runs/a-2/1/00000000000000000001.jsonl");
    assert_eq!((unread(&answer), &answer["complete"]), (vec![place.as_str()], &Value::Bool(false)));
    let text = seen(&on_bucket(proxy.port, &bucket, &["fsck"]));
    for words in ["3 runs looked at", "nothing is wrong in what could be read", "1 place could not be read", "[exit 4]"]
    {
        assert!(text.contains(words), "{words}: {text}");
    }
    put(&bucket, "p/runs/a-3/1/x.jsonl");
    assert_eq!(on_bucket(proxy.port, &bucket, &["fsck"]).status.code(), Some(1));
}

fn on_redis(server: &RedisServer, user: &str, arguments: &[&str]) -> Output {
    let mut command: Command = tc(arguments);
    command.args(["-s", &format!("redis://127.0.0.1:{}", server.port())]);
    run(command.env("REDIS_USERNAME", user).env("REDIS_PASSWORD", "p"))
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_may_not_be_read_are_named_and_the_rest_is_checked() {
    let server = Setup::forgetful().start();
    start(&server.open().await, &["a-1", "b-1", "b-2", "a-2"]).await;
    server.run("ACL SETUSER some on >p +@all ~*:store ~*a-* ~*:names:* ~*:due:* ~*:queues");
    let output = on_redis(&server, "some", &["fsck", "--json"]);
    let found = answer(&output);
    assert_eq!(output.status.code(), Some(4), "{}", seen(&output));
    let places = unread(&found);
    assert!(places.len() == 2 && places.iter().all(|place| place.contains("b-")), "{found}");
    let text = seen(&on_redis(&server, "some", &["fsck"]));
    assert!(text.contains("4 runs looked at") && text.contains("2 places could not be read"), "{text}");
}

/// Every event in front of a damaged line is shown, also those of the same append, and the number is that of the line.
#[tokio::test(flavor = "multi_thread")]
async fn damage_on_servers_has_its_true_number() {
    let history =
        std::fs::read_to_string(root().join("fixtures/history/v1/runs/completed-1.jsonl")).expect("a fixture");
    let lines: Vec<&str> = history.lines().collect();
    let server = Setup::forgetful().start();
    start(&server.open().await, &["other"]).await;
    let bucket = bucket(&["other"]).await;
    let port = Moto::shared().port;
    for broken in 1..=lines.len() {
        let id = format!("broken-{broken}");
        let line =
            |at: usize| if at + 1 == broken { "no line".to_owned() } else { lines[at].replace("completed-1", &id) };
        let mut append = String::new();
        let mut first = 1;
        for (at, kept) in lines.iter().enumerate() {
            let mut push = ::redis::cmd("RPUSH");
            push.arg(format!("{{tc}}:log:runs/{id}")).arg(line(at)).exec(&mut server.admin()).expect("pushed");
            append += &(line(at) + "\n");
            if !kept.contains("\"more\":true") {
                let path = format!("/{bucket}/p/runs/{id}/1/{first:020}.jsonl");
                assert_eq!(request(port, "PUT", &path, &[], append.as_bytes()).0, 200);
                (append, first) = (String::new(), at + 2);
            }
        }
        let name = format!("{id}/");
        let mut named = ::redis::cmd("ZADD");
        named.arg("{tc}:names:runs").arg(0).arg(name).exec(&mut server.admin()).expect("named");
        for output in
            [on_redis(&server, "default", &["show", &id, "--json"]), on_bucket(port, &bucket, &["show", &id, "--json"])]
        {
            let item = answer(&output)["items"][0].clone();
            let shown = item["history"].as_array().expect("a history").len();
            assert_eq!((shown, &item["problems"][0]["seq"]), (broken - 1, &broken.into()), "{broken}: {item}");
        }
    }
}

/// One name that can be no run, among the links of a workflow and among the keys, does not end a list.
#[test]
fn odd_names_of_substantial_end_no_list() {
    let server = Setup::forgetful().start();
    for (run, member) in [("greet-1", "greet-1"), ("greet-2", "a:/b"), ("greet-3", "")] {
        let mut link = ::redis::cmd("ZADD");
        link.arg("substantial:/links:/runs:/greet").arg(0).arg(member).exec(&mut server.admin()).expect("linked");
        let mut set = ::redis::cmd("SET");
        set.arg(format!("substantial:/runs:/{run}:/events")).arg("{}").exec(&mut server.admin()).expect("set");
    }
    server.run("SET substantial:/runs:/:/events {}");
    let output = on_redis(&server, "default", &["runs", "--json"]);
    let found = answer(&output);
    let runs: Vec<&str> =
        found["items"].as_array().expect("items").iter().filter_map(|item| item["run"].as_str()).collect();
    assert_eq!((runs, &found["complete"]), (vec!["greet-1", "greet-2", "greet-3"], &Value::Bool(false)), "{found}");
    assert!(found["warnings"].to_string().contains("2 of its names can be no run"), "{found}");
}
