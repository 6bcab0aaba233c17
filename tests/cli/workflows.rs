//! The commands about workflow runs, on the store of a small shop and on stores of a test's own.

mod arguments;
mod damage;
mod deliver;
mod harmless;
mod packages;

use std::path::{Path, PathBuf};
use std::process::Output;

use expect_test::expect;
use serde_json::{Value, json};

use super::{check_at, root, run, seen, tc};

const SHOP: &str = "fixtures/runs";

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("made");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("copied");
        }
    }
}

/// A copy of a fixture, to be written to.
fn copy_of(fixture: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = folder.path().join("store");
    copy(&root().join(fixture), &store);
    (folder, store)
}

/// What the program does on a store.
fn on(store: impl AsRef<Path>, arguments: &[&str]) -> Output {
    run(tc(&["-s"]).arg(store.as_ref()).args(arguments))
}

/// The JSON that it prints, with any exit code.
#[track_caller]
fn answer(store: impl AsRef<Path>, arguments: &[&str]) -> Value {
    let output = on(store, &[arguments, &["--json"]].concat());
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", seen(&output)))
}

#[track_caller]
fn items(store: impl AsRef<Path>, arguments: &[&str]) -> Vec<Value> {
    let answer = answer(store, arguments);
    answer["items"].as_array().expect("items").clone()
}

/// The texts of a field.
fn texts<'a>(items: &'a [Value], field: &str) -> Vec<&'a str> {
    items.iter().map(|item| item[field].as_str().unwrap_or("-")).collect()
}

fn ids(items: &[Value]) -> Vec<&str> {
    texts(items, "run")
}

/// It ended with this exit code, and what it said has these words.
#[track_caller]
fn says(output: &Output, code: i32, words: &[&str]) {
    let seen = seen(output);
    assert_eq!(output.status.code(), Some(code), "{seen}");
    words.iter().for_each(|word| assert!(seen.contains(word), "{word:?}: {seen}"));
}

#[test]
fn the_runs_of_a_shop() {
    check_at(
        120,
        &["runs", "-s", SHOP, "--tz", "utc", "--time", "iso"],
        expect![[r#"
            RUN                                  WORKFLOW               STATUS     SINCE                        DETAIL
            café 12/küche № 7                    größe ändern\u{1b}[7m  waiting    2026-11-22T01:00:00.506941Z  allow\u{202e}ton or…
            greet-1                              greet                  waiting    2026-11-22T02:30:00.385503Z  allow
            greet-2                              greet                  completed  2026-11-20T21:17:01.307532Z  "Hello, Zoë"
            import-13                            import                 corrupt    2026-11-21T13:00:03.895949Z  line 4: the run sta…
            nightly-report                       nightly-report         sleeping   2026-11-21T05:00:05.839518Z  wakes 2026-11-23T02…
            order-1                              order                  completed  2026-11-20T07:00:11.194027Z  {"receipt"…ed":true}
            order-10                             order                  cancelled  2026-11-21T11:00:01.416324Z  found a cheaper one
            order-11 \u{202e}1-redro\u{2069}\n…  order                  failed     2026-11-22T02:00:01.622796Z  \u{1b}[41mDeclined:…
            order-1/ship/1                       ship                   completed  2026-11-20T07:00:10.726164Z  "shipped"
            order-2                              order                  waiting    2026-11-21T02:00:01.004256Z  the end of order-2/…
            order-2/ship/1                       ship                   sleeping   2026-11-21T02:00:01.839235Z  wakes 2026-11-25T04…
            order-3                              order                  running    2026-11-22T03:57:00.494953Z
            order-4                              order                  waiting    2026-11-21T23:00:00.525641Z  paid or changed, de…
            order-5                              order                  failed     2026-11-20T22:00:01.826724Z  Broken: the mirror …
            order-6                              order                  waiting    2026-11-21T19:00:00.570554Z  paid
            order-7                              order                  pending    2026-11-22T03:59:40.301826Z
            order-8                              order                  waiting    2026-11-22T02:00:00.775909Z  paid, deadline 2026…
            order-9                              order                  retrying   2026-11-22T03:53:20.656768Z  next attempt 2026-1…
            refund-1                             refund                 retrying   2026-11-22T03:58:45.958405Z  next attempt 2026-1…
            refund-2                             refund                 failed     2026-11-21T16:00:01.205752Z  NotFound: there is …
            refund-3                             refund                 retrying   2026-11-22T03:50:00.931979Z  next attempt 2026-1…
            remind-1                             remind                 sleeping   2026-11-20T12:00:00.602417Z  wakes 2026-11-27T04…
            remind-2                             remind                 cancelled  2026-11-21T00:00:01.753676Z  not needed any more
            stock-1                              stock                  completed  2026-11-21T00:00:02.566541Z  {"shelf":"…eces":11}
            stock-2                              stock                  waiting    2026-11-21T00:00:01.649894Z  delivered
            subscription-1                       subscription           completed  2026-11-20T19:00:01.189319Z  {"months":2}
            survey-1                             survey                 waiting    2026-11-21T21:00:00.756550Z  answer, deadline 20…
            not shown at this width: started, events
            27 runs: 1 pending, 1 running, 3 sleeping, 8 waiting, 3 retrying, 5 completed, 3 failed, 2 cancelled, 1 corrupt
        "#]],
    );
}

#[test]
fn fields_of_runs() {
    let all = items(SHOP, &["runs"]);
    assert_eq!(all.len(), 27);
    let members = [
        "run",
        "workflow",
        "status",
        "since",
        "started_at",
        "updated_at",
        "ended_at",
        "waiting_for",
        "events",
        "format",
        "result",
        "error",
        "because",
    ];
    for item in &all {
        let item = item.as_object().expect("an object");
        assert!(members.iter().all(|member| item.contains_key(*member)), "{item:?}");
        assert_eq!(item["format"], "tc");
    }
    let some = items(SHOP, &["runs", "--status", "waiting,retrying"]);
    let wanted: Vec<Value> =
        all.iter().filter(|item| item["status"] == "waiting" || item["status"] == "retrying").cloned().collect();
    assert_eq!(some, wanted);
    assert_eq!(some.len(), 11);
    let of = |id: &str| {
        some.iter().find(|item| item["run"] == id).unwrap_or_else(|| panic!("no {id}"))["waiting_for"].clone()
    };
    assert_eq!(of("greet-1"), json!({"event": "allow"}));
    assert_eq!(of("order-2"), json!({"child": "order-2/ship/1"}));
    let order = of("order-4");
    assert_eq!((&order["events"], order["until"].is_string()), (&json!(["paid", "changed"]), true));
    assert_eq!(of("order-9"), json!({"retry_at": "2026-11-22T04:06:00Z"}));
    let corrupt = items(SHOP, &["runs", "--status", "corrupt"]);
    assert_eq!(corrupt[0]["because"], "line 4: the run starts a second time");
    let ended = items(SHOP, &["runs", "--status", "completed"]);
    assert!(ended.iter().all(|item| !item["result"].is_null() && item["ended_at"].is_string()), "{ended:?}");
    let failed = items(SHOP, &["runs", "--status", "failed"]);
    assert!(failed.len() == 3 && failed.iter().all(|item| !item["error"].is_null()), "{failed:?}");
}

#[test]
fn runs_are_chosen_and_sorted() {
    let all = items(SHOP, &["runs"]);
    let since = items(SHOP, &["runs", "--since", "2026-11-22T03:50:00Z"]);
    let later = |item: &&Value| item["updated_at"].as_str() >= Some("2026-11-22T03:50:00");
    assert_eq!(since, all.iter().filter(later).cloned().collect::<Vec<_>>());
    assert!(since.len() > 2 && since.len() < all.len());
    for (order, field, falls) in
        [("started", "started_at", true), ("updated", "updated_at", true), ("since", "since", false)]
    {
        let sorted = items(SHOP, &["runs", "--sort", order]);
        let times = texts(&sorted, field);
        let in_order = |pair: &[&str]| if falls { pair[0] >= pair[1] } else { pair[0] <= pair[1] };
        assert!(times.windows(2).all(in_order), "{order}: {times:?}");
        assert_eq!(sorted.len(), all.len());
        assert_eq!(items(SHOP, &["runs", "--sort", order, "-n", "4"]), sorted[..4]);
    }
    assert_eq!(items(SHOP, &["runs", "-n", "3"]), all[..3]);
    assert_eq!(items(SHOP, &["runs", "-n", "0"]), [] as [Value; 0]);
    let orders = items(SHOP, &["runs", "order"]);
    assert!(orders.len() == 11 && orders.iter().all(|item| item["workflow"] == "order"), "{:?}", ids(&orders));
    assert_eq!(items(SHOP, &["runs", "nothing"]), [] as [Value; 0]);
    let completed = items(SHOP, &["runs", "--where", r#"{"status": {"eq": "COMPLETED"}}"#]);
    assert_eq!(completed, items(SHOP, &["runs", "--status", "completed"]));
    assert_eq!(ids(&items(SHOP, &["runs", "--where", r#"{"eq": "shipped"}"#])), ["order-1/ship/1"]);
}

#[test]
fn every_form_lists_the_same_runs() {
    let all = items(SHOP, &["runs"]);
    let text = |format: &str| String::from_utf8(on(SHOP, &["runs", "-o", format]).stdout).expect("UTF-8");
    let lines: Vec<Value> = text("jsonl").lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines, all);
    let csv = text("csv");
    let mut rows = csv::Reader::from_reader(csv.as_bytes());
    assert_eq!(rows.headers().expect("a header").get(0), Some("run"));
    assert_eq!(rows.records().filter(|row| row.as_ref().is_ok_and(|row| row.len() > 10)).count(), all.len());
    let rows = text("markdown").lines().filter(|line| line.starts_with("| ")).count();
    assert_eq!(rows, all.len() + 2);
    let streamed = String::from_utf8(on(SHOP, &["runs"]).stdout).expect("UTF-8");
    assert_eq!(streamed.lines().count(), all.len() + 2, "a header and a summary\n{streamed}");
}

#[test]
fn the_replay_of_a_run_that_is_undone() {
    check_at(
        120,
        &["replay", "order-9", "-s", SHOP, "--tz", "utc", "--time", "iso"],
        expect![[r#"
            SEQ  TIME                         TYPE          CHANGE                                            STATE
              1  2026-11-22T03:53:20.359495Z  start         order starts with {"item":"clock","amount":75}    pending
              2  2026-11-22T03:53:20.528865Z  claim         shop-1/4711 takes the run until                   running
                                                            2026-11-22T03:53:50.359495Z
              3  2026-11-22T03:53:20.653176Z  save          reserve#1 is done: {"shelf":"A9"} (14 ms)
              4  2026-11-22T03:53:20.653176Z  save          charge#1 is done: {"receipt":"R-1039"} (102 ms)
              5  2026-11-22T03:53:20.656768Z  revert        what was done is compensated: Lost: the clock i…
              6  2026-11-22T03:53:20.656768Z  compensation  the compensation of charge#1 fails at attempt 1…
                                                            2026-11-22T04:06:00Z: Busy: the bank does not a…
              7  2026-11-22T03:53:20.656768Z  release       the worker lets go of the run                     retrying: next attempt
                                                                                                              2026-11-22T04:06:00Z
            Sound: 7 events, and the run is retrying: next attempt 2026-11-22T04:06:00Z: Busy: the bank does not answer.
        "#]],
    );
}

#[test]
fn the_replay_of_a_corrupt_run() {
    check_at(
        120,
        &["replay", "import-13", "-s", SHOP, "--tz", "utc", "--time", "iso"],
        expect![[r#"
            SEQ  TIME                         TYPE   CHANGE                                   STATE
              1  2026-11-21T13:00:00.261712Z  start  import starts with {"file":"stock.csv"}  pending
              2  2026-11-21T13:00:00.508712Z  claim  shop-1/4711 takes the run until          running
                                                     2026-11-21T13:00:30.261712Z
              3  2026-11-21T13:00:03.895949Z  save   read#1 is done: {"rows":4100} (3.1 s)
            event 4: the run starts a second time
            Corrupt: no worker can go on. 3 events could be folded up to there.
            [exit 1]
        "#]],
    );
}

#[test]
fn a_replay_is_of_all_events_or_up_to_one() {
    let whole = &items(SHOP, &["replay", "order-9"])[0];
    let steps = whole["steps"].as_array().expect("steps");
    assert_eq!((steps.len(), &whole["sound"], &whole["problems"]), (7, &json!(true), &json!([])));
    assert_eq!(
        steps.iter().map(|step| step["seq"].as_u64()).collect::<Vec<_>>(),
        (1..=7).map(Some).collect::<Vec<_>>()
    );
    assert_eq!(whole["state"]["status"], "retrying");
    for seq in 1..=7 {
        let at = &items(SHOP, &["replay", "order-9", "--at", &seq.to_string()])[0];
        assert_eq!((&at["steps"][0], at["steps"].as_array().map(Vec::len)), (&steps[seq - 1], Some(1)));
        assert_eq!(at["state"]["status"], steps[seq - 1]["status"]);
        // The time of an event is behind all that has the same time.
        let time = steps[seq - 1]["at"].as_str().expect("a time");
        let last = steps.iter().rposition(|step| step["at"].as_str() <= Some(time)).expect("an event");
        assert_eq!(items(SHOP, &["replay", "order-9", "--at", time])[0]["steps"][0], steps[last]);
    }
    let between = &items(SHOP, &["replay", "order-9", "--at", "2026-11-22T03:53:20.6Z"])[0];
    assert_eq!((&between["steps"][0]["seq"], &between["state"]["status"]), (&json!(2), &json!("running")));
    // A history of two generations.
    let second = &items(SHOP, &["replay", "stock-1"])[0];
    let generations: Vec<_> =
        second["steps"].as_array().expect("steps").iter().map(|step| &step["generation"]).collect();
    assert!(generations.contains(&&json!(2)), "{generations:?}");
    let at = &items(SHOP, &["replay", "stock-1", "--at", "2.1"])[0];
    assert_eq!((&at["steps"][0]["seq"], &at["steps"][0]["generation"]), (&json!(1), &json!(2)));
}

/// Programs may rely on names alone, but people compare lines.
#[test]
fn members_keep_their_order() {
    let output = on(SHOP, &["show", "order-4", "--json"]);
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let (run, rest) = text.split_once("\"history\":").expect("a history");
    let (_, rest) = rest.split_once("\"inbox\":").expect("an inbox");
    let keys = |text: &str| {
        let parts = text.split("\":").map(|part| part.rsplit('"').next().unwrap_or_default().to_owned());
        let mut keys: Vec<String> = parts.collect();
        keys.pop();
        keys.join(" ")
    };
    expect![[r#"
        schema complete warnings items run workflow status since started_at updated_at ended_at waiting_for event events until events format result error because
        seq at type id event value from taken inbox_problem state status waiting_for event events until input item amount queue parent life generation holder claims steps step kind state attempts first_at last_at until waits_for value error compensation kept cancel_requested cancel_reason reverting problems
    "#]].assert_eq(&format!("{}\n{}\n", keys(run), keys(rest)));
}

#[test]
fn where_two_runs_went_different_ways() {
    let itself = on(SHOP, &["replay", "order-9", "--diff", "order-9"]);
    says(&itself, 0, &["do not differ"]);
    let other = on(SHOP, &["replay", "order-9", "--diff", "order-3"]);
    says(&other, 1, &["order-9", "order-3", "differ", "clock", "desk"]);
    let item = &items(SHOP, &["replay", "order-9", "--diff", "order-3"])[0];
    assert_eq!((&item["run"], &item["other"], &item["differs"]), (&json!("order-9"), &json!("order-3"), &json!(true)));
    assert_eq!(item["sides"].as_array().map(Vec::len), Some(2));
    assert_eq!(items(SHOP, &["replay", "order-9", "--diff", "order-9"])[0]["differs"], false);
    says(&on(SHOP, &["replay", "order-9", "--diff", "nothing"]), 2, &["no run `nothing`"]);
}

#[test]
fn all_runs_are_folded() {
    let output = on(SHOP, &["replay", "--all"]);
    says(&output, 1, &["import-13", "the run starts a second time", "27 runs", "1 corrupt, 26 sound"]);
    let all = items(SHOP, &["replay", "--all"]);
    let corrupt: Vec<_> = all.iter().filter(|item| item["sound"] == false).collect();
    assert_eq!((all.len(), corrupt.len()), (27, 1));
    assert_eq!(corrupt[0]["problems"][0]["seq"], 4);
}

#[test]
fn results() {
    says(&on(SHOP, &["result", "greet-2"]), 0, &["\"Hello, Zoë\"\n"]);
    says(&on(SHOP, &["result", "greet-2", "--raw"]), 0, &["Hello, Zoë\n"]);
    says(&on(SHOP, &["result", "order-5"]), 1, &["order-5 failed", "Broken: the mirror is in pieces", "hint: "]);
    says(&on(SHOP, &["result", "order-10"]), 1, &["order-10 was cancelled", "found a cheaper one"]);
    says(&on(SHOP, &["result", "import-13"]), 1, &["import-13 is corrupt", "line 4"]);
    says(&on(SHOP, &["result", "greet-1"]), 8, &["greet-1 has not ended", "allow"]);
    says(&on(SHOP, &["result", "greet-1", "--wait", "--timeout", "1s"]), 8, &["has not ended yet"]);
    says(&on(SHOP, &["result", "greet"]), 2, &["several runs begin with `greet`", "`greet-1`", "`greet-2`"]);
    for (id, status, code) in [("order-5", "failed", 1), ("greet-1", "waiting", 8), ("greet-2", "completed", 0)] {
        let output = on(SHOP, &["result", id, "--json"]);
        let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!((&answer["items"][0]["status"], output.status.code()), (&json!(status), Some(code)));
    }
}
