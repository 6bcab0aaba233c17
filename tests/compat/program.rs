//! The program `tc` beside the real packages: what it shows of their runs, and what they make of what it writes.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use temporal_code::Timestamp;

use crate::filter::{histories, write_store};
use crate::support::{Process, folder, root, run, run_script, script, until};

#[cfg(feature = "redis")]
use crate::keys::{fill, server};
#[cfg(feature = "redis")]
use crate::server::RedisServer;

/// How long the program may wait for a worker of Python.
const TIMEOUT: &str = "170s";

/// A place where runs are: for the package's scripts its kind and place, for the program its address.
struct Place {
    kind: &'static str,
    place: String,
    store: String,
}

/// What the program printed.
#[derive(Debug)]
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

/// Runs the program as a user does, with nothing of the machine's own, and tells what was seen.
fn tc(store: &str, arguments: &[&str]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tc"));
    command.args(arguments).args(["-s", store]).current_dir(root()).env_clear().env("TZ", "UTC").stdin(Stdio::null());
    let Output { status, stdout, stderr } = command.output().expect("tc starts");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    let said = Said { code: status.code(), out: text(stdout), err: text(stderr) };
    println!("$ tc {} -s {store}\n{}{}[{:?}]\n", arguments.join(" "), said.out, said.err, said.code);
    said
}

impl Said {
    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    #[track_caller]
    fn done(self) -> Said {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }

    /// It was refused, for a reason that has these words.
    #[track_caller]
    fn refused(self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(self.out.is_empty(), "{self:?}");
        words.iter().for_each(|word| assert!(self.err.contains(word), "{word}: {self:?}"));
    }
}

impl Place {
    /// Where the package keeps runs in a folder; it makes what it needs.
    fn files(folder: &Path) -> Place {
        let place = folder.join("store").to_str().expect("UTF-8").to_owned();
        let calls = folder.join("none.json");
        std::fs::write(&calls, "[]").expect("written");
        run(script("client.py").arg("fs").arg(&place).arg(&calls));
        // A worker falls over a queue that is not there.
        std::fs::create_dir_all(Path::new(&place).join("schedules/default")).expect("made");
        Place { kind: "fs", store: place.clone(), place }
    }

    #[cfg(feature = "redis")]
    fn redis(server: &RedisServer) -> Place {
        let port = server.port().to_string();
        Place { kind: "redis", store: format!("redis://127.0.0.1:{port}/0"), place: port }
    }

    fn tc(&self, arguments: &[&str]) -> Said {
        tc(&self.store, arguments)
    }

    fn worker(&self) -> Process {
        Process::start(script("worker.py").args([self.kind, &self.place]))
    }

    /// Starts runs of `order` with the package's own client.
    fn orders(&self, folder: &Path, count: usize) -> Vec<String> {
        let now = Timestamp::now();
        let calls: Vec<Value> = (0..count)
            .map(|number| {
                let now = now.offset_micros(number as i64).to_string();
                json!({
                    "now": now.trim_end_matches('Z'), "queue": "default", "workflow": "order",
                    "uuid": format!("00000000-0000-4000-8000-00000000000{number}"),
                    "kwargs": {"order_id": number, "note": "Zoë"},
                })
            })
            .collect();
        let file = folder.join("calls.json");
        std::fs::write(&file, json!(calls).to_string()).expect("written");
        let runs = run(script("client.py").args([self.kind, &self.place]).arg(&file));
        runs.as_array().expect("runs").iter().map(|run| run.as_str().expect("an id").to_owned()).collect()
    }

    /// A run as `tc runs` lists it.
    fn listed(&self, run: &str) -> Value {
        let answer = self.tc(&["runs", "--json"]).done().json();
        assert_eq!((&answer["complete"], &answer["warnings"]), (&json!(true), &json!([])));
        let items = answer["items"].as_array().expect("items");
        items.iter().find(|item| item["run"] == *run).unwrap_or_else(|| panic!("no {run} in {items:?}")).clone()
    }

    /// Waits until a run waits for a message.
    fn waits(&self, run: &str) -> Value {
        until("the wait", || Some(self.listed(run)).filter(|run| run["status"] == "waiting"))
    }

    /// What the package's own client gives as the result.
    fn result(&self, run_id: &str) -> Value {
        run(script("result.py").args([self.kind, &self.place, run_id]))
    }
}

/// Python starts runs and works on them; the program tells what they wait for, and lets them go on.
fn orders_of_python(place: &Place, folder: &Path) {
    let runs = place.orders(folder, 2);
    let _worker = place.worker();
    for run in &runs {
        let waiting = place.waits(run);
        assert_eq!(waiting["waiting_for"], json!({"event": null, "likely": [], "not": []}));
        assert_eq!((&waiting["workflow"], &waiting["format"]), (&json!("order"), &json!("substantial")));
        assert!(waiting["since"].is_string() && waiting["ended_at"].is_null(), "{waiting}");
    }
    let table = place.tc(&["runs"]).done().out;
    let rows = table.lines().filter(|line| line.contains("waiting") && line.contains("a message"));
    assert_eq!(rows.count(), 2, "{table}");
    let [first, second] = &runs[..] else { panic!("{runs:?}") };
    place.tc(&["result", first]).refused(8, &[first, "has not ended", "waiting"]);

    let send = ["approve", r#"{"by": "Bea"}"#, "--wait", "--timeout", TIMEOUT];
    let sent = place.tc(&[&["send", second], &send[..]].concat()).done();
    assert!(sent.out.contains(&format!("approve was sent to {second}.")) && sent.out.contains("taken"), "{sent:?}");
    // What the other was sent is likely what this one waits for.
    assert_eq!(place.listed(first)["waiting_for"], json!({"event": null, "likely": ["approve"], "not": []}));
    let table = place.tc(&["runs", "order", "--status", "waiting"]).done().out;
    assert!(table.contains(first) && table.contains("perhaps approve"), "{table}");

    let sent = place.tc(&["send", first, "approve", r#"{"by": "Ada"}"#, "--wait", "--timeout", TIMEOUT, "--json"]);
    assert_eq!(sent.done().json()["items"][0]["taken"], true);
    for (run, number, by) in [(first, 0, "Ada"), (second, 2, "Bea")] {
        let value = json!({"number": number, "note": "Zoë", "said": {"by": by}});
        assert_eq!(place.result(run), json!({"ok": value}));
        let result = place.tc(&["result", run]).done();
        assert_eq!(serde_json::from_str::<Value>(&result.out).expect("JSON"), value);
        assert_eq!(place.tc(&["result", run, "--json"]).done().json()["items"][0]["result"], value);
        let replay = place.tc(&["replay", run]).done();
        assert!(replay.out.contains("Sound: 4 events") && replay.out.contains("approve"), "{replay:?}");
        // What it was then, whoever holds it now and whatever came later.
        let then = place.tc(&["replay", run, "--at", "2", "--json"]).done().json()["items"][0]["state"].clone();
        assert_eq!((&then["status"], &then["holder"]), (&json!("running"), &Value::Null));
    }
    place.tc(&["replay", first, "--diff", first]).done();
    assert_eq!(place.tc(&["replay", first, "--diff", second]).code, Some(1));
    place.tc(&["replay", "--all"]).done();
}

/// The program starts runs, which a worker that knows nothing of it takes.
fn orders_of_the_program(place: &Place) {
    let start = ["start", "order", r#"{"order_id": 21, "note": "Zoë"}"#, "--format", "substantial"];
    let started = place.tc(&start).done();
    let run = started.out.trim_end();
    assert!(run.starts_with("order-") && !run.contains(char::is_whitespace), "{started:?}");
    assert_eq!(place.listed(run)["status"], "pending");
    let _worker = place.worker();
    place.waits(run);
    let late = place.tc(&["result", run, "--wait", "--timeout", "1s"]);
    late.refused(8, &[run, "has not ended yet"]);
    place.tc(&["send", run, "approve", r#"{"by": "Ada", "amount": 12.50}"#]).done();
    let result = place.tc(&["result", run, "--wait", "--timeout", TIMEOUT]).done();
    let value = json!({"number": 42, "note": "Zoë", "said": {"by": "Ada", "amount": 12.5}});
    assert_eq!(serde_json::from_str::<Value>(&result.out).expect("JSON"), value);
    assert_eq!(place.result(run), json!({"ok": value}));
    let doubled = place.tc(&["start", "double", r#"{"number": 21}"#, "--wait", "--timeout", TIMEOUT]).done();
    assert_eq!(doubled.out, "42\n");
    place.tc(&["replay", "--all"]).done();
}

/// What fails, and what cannot be.
fn what_is_refused(place: &Place) {
    let worker = place.worker();
    let run = place.tc(&["start", "charge", "--format", "substantial"]).done().out.trim_end().to_owned();
    place.waits(&run);
    for yes in [&["cancel", &run][..], &["cancel", &run, "--yes"]] {
        place.tc(yes).refused(2, &["cannot be cancelled from outside", "hint: "]);
    }
    let key = ["--idempotency-key", "once"];
    let no_key = ["no idempotency key", "hint: "];
    place.tc(&[&["send", &run, "go"], &key[..]].concat()).refused(2, &no_key);
    place.tc(&[&["start", "double", r#"{"number": 1}"#], &key[..]].concat()).refused(2, &no_key);
    place.tc(&["start", "double", "{}", "--id", "mine"]).refused(2, &["substantial names its runs itself"]);
    place.tc(&["start", "double", "[1]"]).refused(2, &["object"]);
    assert_eq!(place.tc(&["runs", "double", "--json"]).done().json()["items"], json!([]), "nothing began");

    place.tc(&["send", &run, "go", "null", "--wait", "--timeout", TIMEOUT]).done();
    let wait = ["result", &run, "--wait", "--timeout", TIMEOUT];
    place.tc(&wait).refused(1, &[&run, "failed", "RuntimeError: card declined"]);
    let failed = place.tc(&["result", &run, "--json"]);
    assert_eq!(failed.code, Some(1));
    let item = failed.json()["items"][0].clone();
    assert_eq!((&item["status"], &item["result"]), (&json!("failed"), &Value::Null));
    assert!(item["error"].to_string().contains("card declined"), "{item}");
    place.tc(&["send", &run, "go"]).refused(2, &["has already failed", "hint: "]);
    place.tc(&["replay", &run]).done();

    let mut near = run.clone();
    near.pop();
    near.push('x');
    place.tc(&["send", &near, "go"]).refused(2, &[&format!("no run `{near}`"), &format!("did you mean `{run}`?")]);
    for command in ["result", "replay", "send", "cancel"] {
        let more: &[&str] = if command == "send" { &["go"] } else { &[] };
        place.tc(&[&[command, "nothing-like-it"], more].concat()).refused(2, &["no run `nothing-like-it`", "hint: "]);
    }
    drop(worker);
}

/// Filters give the runs that the package's own give.
fn filters_agree(place: &Value, store: &str) {
    let filters = [
        r#"{"eq": 1}"#,
        r#"{"gt": 1}"#,
        r#"{"gte": 1.5}"#,
        r#"{"lt": "hello"}"#,
        r#"{"lte": 0}"#,
        r#"{"in": [1, "hello", null]}"#,
        r#"{"contains": 2}"#,
        r#"{"contains": "ell"}"#,
        r#"{"started_at": {"gt": "2026-11-21T21:49:22Z"}}"#,
        r#"{"ended_at": {"eq": null}}"#,
        r#"{"and": [{"gt": 0}, {"not": {"eq": 2}}]}"#,
        r#"{"or": [{"eq": 1}, {"eq": "hello"}, {"eq": true}]}"#,
        r#"{"not": {"in": [1, 2, 3]}}"#,
    ];
    let folder = folder();
    let cases = folder.path().join("cases.json");
    std::fs::write(&cases, json!({"stores": [place], "filters": filters}).to_string()).expect("written");
    let answers = run(script("filters.py").arg(&cases));
    let mut found = 0;
    for filter in filters {
        let holds = |answer: &&Value| answer[1] == filter && answer[3] == true;
        let theirs: Vec<&Value> = answers.as_array().expect("answers").iter().filter(holds).map(|a| &a[0]).collect();
        let answer = tc(store, &["runs", "--where", filter, "--json", "--format", "substantial"]).done().json();
        let ours: Vec<&Value> = answer["items"].as_array().expect("items").iter().map(|item| &item["run"]).collect();
        assert_eq!(ours, theirs, "{filter}");
        found += ours.len();
        let streamed = tc(store, &["runs", "--where", filter, "-o", "jsonl", "--format", "substantial"]).done().out;
        assert_eq!(streamed.lines().count(), ours.len());
    }
    assert!(found > 40, "{found}");
}

#[test]
fn a_run_of_python_on_files_is_seen_and_sent_to() {
    let folder = folder();
    orders_of_python(&Place::files(folder.path()), folder.path());
}

#[test]
fn a_worker_of_python_on_files_takes_what_the_program_starts() {
    let folder = folder();
    orders_of_the_program(&Place::files(folder.path()));
}

#[test]
fn what_fails_or_cannot_be_on_files() {
    let folder = folder();
    what_is_refused(&Place::files(folder.path()));
}

#[test]
fn filters_on_files() {
    let folder = folder();
    let store = folder.path().join("store");
    write_store(&store, &histories());
    filters_agree(&json!(store), store.to_str().expect("UTF-8"));
}

#[cfg(feature = "redis")]
mod redis_server {
    use super::*;

    #[test]
    fn a_run_of_python_on_redis_is_seen_and_sent_to() {
        let (server, folder) = (server(), folder());
        orders_of_python(&Place::redis(&server), folder.path());
    }

    #[test]
    fn a_worker_of_python_on_redis_takes_what_the_program_starts() {
        orders_of_the_program(&Place::redis(&server()));
    }

    #[test]
    fn what_fails_or_cannot_be_on_redis() {
        what_is_refused(&Place::redis(&server()));
    }

    #[test]
    fn filters_on_redis() {
        let server = server();
        let mut admin = server.admin();
        for (at, history) in histories().iter().enumerate() {
            let run = format!("w-{at:04}");
            redis::cmd("SET").arg(format!("substantial:/runs:/{run}:/events")).arg(history).exec(&mut admin).unwrap();
            redis::cmd("ZADD").arg("substantial:/links:/runs:/w").arg(0).arg(&run).exec(&mut admin).unwrap();
        }
        redis::cmd("ZADD").arg("substantial:/links:/runs:/w").arg(0).arg("w-none").exec(&mut admin).unwrap();
        filters_agree(&json!(server.port()), &Place::redis(&server).store);
    }

    /// Puts a key of another type in the place of each whose name has `part`.
    fn spoil(server: &RedisServer, part: &str) -> usize {
        let mut admin = server.admin();
        let keys: Vec<String> = redis::cmd("KEYS").arg(format!("*{part}*")).query(&mut admin).unwrap();
        for key in &keys {
            redis::cmd("DEL").arg(key).exec(&mut admin).unwrap();
            redis::cmd("HSET").arg(key).arg("a").arg("b").exec(&mut admin).unwrap();
        }
        keys.len()
    }

    #[test]
    fn ours_and_theirs_in_one_database_and_keys_of_another_type() {
        let server = server();
        let place = Place::redis(&server);
        place.tc(&["runs"]).refused(2, &["no workflow runs", "hint: "]);
        for run in ["order-1", "order-2", "order-3"] {
            place.tc(&["start", "order", r#"{"n": 1}"#, "--id", run, "--format", "tc"]).done();
        }
        // While there is one kind of store alone, it need not be named.
        assert_eq!(place.tc(&["start", "order", "--id", "order-4"]).done().out, "order-4\n");
        fill(&server);
        let listed = || {
            let answer = place.tc(&["runs", "--json"]).done().json();
            let items = answer["items"].as_array().expect("items").clone();
            (items, answer["complete"] == true, answer["warnings"].to_string())
        };
        let count = |items: &[Value], format: &str| items.iter().filter(|item| item["format"] == format).count();
        let (items, complete, _) = listed();
        assert_eq!((count(&items, "tc"), count(&items, "substantial"), complete), (4, 8, true));
        let table = place.tc(&["runs"]).done().out;
        assert!(table.contains("FORMAT") && table.contains("substantial"), "{table}");
        assert_eq!(place.tc(&["runs", "--format", "tc", "-o", "jsonl"]).done().out.lines().count(), 4);
        place.tc(&["start", "order"]).refused(2, &["(tc)", "(substantial)", "--format", &place.store]);
        place.tc(&["replay", "--all"]).done();
        let waiting = place.tc(&["runs", "--status", "waiting", "--json"]).done().json();
        let waiting = waiting["items"][0]["run"].as_str().expect("a run").to_owned();
        place.tc(&["send", &waiting, "hello", "1"]).done();
        place.tc(&["send", "order-1", "hello", "1"]).done();

        assert_eq!(spoil(&server, &format!("runs:/{waiting}:/events")), 1);
        let (items, complete, warnings) = listed();
        assert_eq!((count(&items, "tc"), count(&items, "substantial"), complete), (4, 8, false), "{warnings}");
        assert!(warnings.contains(&waiting), "{warnings}");
        let replayed = place.tc(&["replay", &waiting]);
        assert!(replayed.err.contains(&waiting), "{replayed:?}");

        assert!(spoil(&server, "runs/order-2") + spoil(&server, "runs.order-2") > 0, "no key of order-2");
        let (items, complete, warnings) = listed();
        assert!(count(&items, "tc") >= 3 && count(&items, "substantial") == 8, "{items:?}");
        assert!(items.iter().any(|item| item["run"] == "order-3" && item["status"] == "pending"), "{items:?}");
        let corrupt = items.iter().any(|item| item["run"] == "order-2" && item["status"] == "corrupt");
        assert!(corrupt || !complete && warnings.contains("order-2"), "{items:?} {warnings}");
        assert_ne!(place.tc(&["replay", "order-2"]).code, Some(0));
        assert_ne!(place.tc(&["result", "order-2"]).code, Some(0));
        place.tc(&["result", "order-3"]).refused(8, &["order-3 has not ended"]);
    }
}

#[test]
fn a_program_of_durable_python_is_seen_and_its_result_printed() {
    let parent = folder();
    let states = parent.path().join("states");
    std::fs::create_dir(&states).expect("made");
    let store = states.to_str().expect("UTF-8");
    let greet = || run_script("programs.py", ["greet", store, "greet-1", "Ada"]);
    assert_eq!(greet(), json!({"event": "allow"}));
    let runs = tc(store, &["runs", "--json"]).done().json();
    let item = &runs["items"][0];
    assert_eq!(runs["complete"], true);
    assert_eq!((&item["run"], &item["status"]), (&json!("greet-1"), &json!("waiting")));
    assert_eq!((&item["waiting_for"], &item["format"]), (&json!({"event": "allow"}), &json!("durable-python")));
    assert!(tc(store, &["runs"]).done().out.contains("allow"));
    tc(store, &["replay", "greet-1"]).done();
    tc(store, &["result", "greet-1"]).refused(8, &["greet-1 has not ended", "allow"]);
    let send = ["publish_event(\"allow\"", "hint: "];
    tc(store, &["send", "greet-1", "allow"]).refused(2, &send);
    tc(store, &["cancel", "greet-1", "--yes"]).refused(2, &["cannot be cancelled", "hint: "]);
    tc(store, &["start", "greet"]).refused(2, &["begins in a process of its own", "hint: "]);
    assert_eq!(greet(), json!({"result": "hello Ada"}));
    assert_eq!(tc(store, &["result", "greet-1"]).done().out, "\"hello Ada\"\n");
    assert_eq!(tc(store, &["result", "greet-1", "--raw", "--wait"]).done().out, "hello Ada\n");
    assert_eq!(tc(store, &["runs", "--json"]).done().json()["items"][0]["status"], "completed");
}

#[test]
fn states_of_every_kind_and_protocol() {
    let parent = folder();
    let states = parent.path().join("states");
    let store = states.to_str().expect("UTF-8");
    run_script("programs.py", ["run", store]);
    let first = states.join("greet-paused.pkl");
    let protocols = run_script("programs.py", ["protocols".as_ref(), first.as_os_str(), states.as_os_str()]);
    let answer = tc(store, &["runs", "--json"]).done().json();
    assert_eq!((&answer["complete"], &answer["warnings"]), (&json!(true), &json!([])));
    let items = answer["items"].as_array().expect("items");
    assert_eq!(items.len() as u64, 15 + protocols.as_u64().expect("a number"));
    for item in items {
        match item["run"].as_str().and_then(|run| run.strip_prefix("protocol-")).map(|protocol| protocol.parse::<u8>())
        {
            None => assert_ne!(item["status"], "corrupt", "{item}"),
            Some(Ok(4..)) => {
                let waits = (&json!("waiting"), &json!({"event": "allow"}));
                assert_eq!((&item["status"], &item["waiting_for"]), waits, "{item}");
            }
            Some(_) => {
                assert_eq!(item["status"], "corrupt", "{item}");
                let because = item["because"].as_str().expect("a reason");
                assert!(because.ends_with(": only protocols 4 and 5 are read"), "{because}");
            }
        }
    }
    (0..4).for_each(|old| std::fs::remove_file(states.join(format!("protocol-{old}.pkl"))).expect("removed"));
    let all = tc(store, &["replay", "--all"]).done().out;
    assert!(all.contains("all are sound"), "{all}");
}
