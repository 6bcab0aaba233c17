//! Stores on servers: what may be read in part, what a server makes of them, and how they are reached.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

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

/// What answers as a Redis with a few keys would whose scan takes so many steps; without an end if there are none.
fn scripted_redis(steps: Option<u64>) -> (u16, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let passes = Arc::new(AtomicU64::new(0));
    let counted = passes.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let passes = counted.clone();
            std::thread::spawn(move || answer_as_redis(stream, steps, &passes));
        }
    });
    (port, passes)
}

fn answer_as_redis(stream: TcpStream, steps: Option<u64>, passes: &AtomicU64) -> Option<()> {
    let mut writer = stream.try_clone().ok()?;
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    loop {
        let count: usize = lines.next()?.trim_start_matches('*').parse().ok()?;
        let words: Vec<String> = (0..count).filter_map(|_| lines.nth(1)).collect();
        let text = match words[0].to_ascii_uppercase().as_str() {
            "SCAN" => {
                let at: u64 = words[1].parse().ok()?;
                passes.fetch_add(u64::from(at == 0), Ordering::Relaxed);
                let is_last = steps.is_some_and(|steps| at + 1 >= steps);
                let next = (if is_last { 0 } else { at + 1 }).to_string();
                let key = "substantial:/runs:/greet-1:/events";
                let keys = if is_last { format!("*1\r\n${}\r\n{key}\r\n", key.len()) } else { "*0\r\n".to_owned() };
                format!("*2\r\n${}\r\n{next}\r\n{keys}", next.len())
            }
            "DBSIZE" => format!(":{}\r\n", steps.unwrap_or(7) * 1_000),
            "GETRANGE" if words[1].ends_with("events") => "$2\r\n{}\r\n".to_owned(),
            "GETRANGE" => "$0\r\n\r\n".to_owned(),
            "LRANGE" => "*0\r\n".to_owned(),
            "LLEN" | "EXISTS" => ":0\r\n".to_owned(),
            "EVALSHA" | "EVAL" => "-NOPERM not for you\r\n".to_owned(),
            _ => "+OK\r\n".to_owned(),
        };
        writer.write_all(text.as_bytes()).ok()?;
    }
}

#[test]
fn a_big_redis_is_looked_through_to_its_end_and_not_again_and_again() {
    let (port, passes) = scripted_redis(Some(3_000));
    let output = run(tc(&["runs", "--json", "-s"]).arg(format!("redis://127.0.0.1:{port}")));
    assert_eq!(answer(&output)["items"][0]["run"], "greet-1", "{}", seen(&output));
    // Whether there is anything, and then what.
    assert_eq!(passes.load(Ordering::Relaxed), 2);
}

#[test]
fn a_scan_without_an_end_is_an_error() {
    let (port, _) = scripted_redis(None);
    for format in ["auto", "substantial"] {
        let output = run(tc(&["runs", "--format", format, "-s"]).arg(format!("redis://127.0.0.1:{port}")));
        assert!(output.status.code() == Some(2) && seen(&output).contains("no end"), "{}", seen(&output));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_list_and_not_read_is_told_so() {
    let server = Setup::forgetful().start();
    start(&server.open().await, &["a-1", "b-1"]).await;
    server.run("ACL SETUSER lister on >p +@all ~*:store ~*:names:* ~*:due:* ~*:queues");
    let bucket = bucket(&["a-1", "b-1"]).await;
    let proxy = Proxy::start(Moto::shared().port).await;
    proxy.plan(|seen| match seen.method == "GET" && !seen.is_list() {
        true => Fault::Answer(403, "AccessDenied"),
        false => Fault::None,
    });
    for command in
        [&["runs"][..], &["runs", "--json"], &["runs", "-o", "jsonl"], &["show", "a-1"], &["replay", "--all"]]
    {
        for output in [on_redis(&server, "lister", command), on_bucket(proxy.port, &bucket, command)] {
            assert_eq!(output.status.code(), Some(4), "{command:?}: {}", seen(&output));
        }
    }
    // An answer that is no list is an error as well.
    proxy.plan(|seen| if seen.is_list() { Fault::Html } else { Fault::None });
    let output = on_bucket(proxy.port, &bucket, &["runs"]);
    assert!(output.status.code() == Some(2) && seen(&output).contains("not a list"), "{}", seen(&output));
}
