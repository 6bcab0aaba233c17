//! `tc show` on every run there is, on runs of which something is unusual, and what it gives to programs.

use expect_test::expect;
use serde_json::Value;
use unicode_width::UnicodeWidthStr as _;

use super::hostile::steers;
use super::show::{item, show};
use super::{folder, json, root, run, seen, tc};

/// All stores of runs among the fixtures.
const STORES: [&str; 5] = [
    "fixtures/runs",
    "fixtures/history/v1",
    "fixtures/history/v1-corrupt",
    "fixtures/substantial-0.1/fs",
    "fixtures/durable-python",
];

/// The runs of a store.
fn runs(store: &str) -> Vec<String> {
    let answer = json(&mut tc(&["runs", "--json", "-s", store]));
    let items = answer["items"].as_array().expect("items");
    items.iter().map(|item| item["run"].as_str().expect("an id").to_owned()).collect()
}

#[test]
fn which_run() {
    let prefix = |text: &str| {
        seen(&run(tc(&["show", "-s", "fixtures/runs", "-o", "csv", "-n1", "--", text]).env("COLUMNS", "80")))
    };
    assert!(prefix("order-9").starts_with("run,seq,"), "{}", prefix("order-9"));
    assert!(prefix("imp").contains("import-13"), "{}", prefix("imp"));
    expect![[r#"
        ! error: several runs begin with `orde`
        ! hint: `order-1`, `order-10`, `order-11 \u{202e}1-redro\u{2069}\n\u{1b}[31m`, `order-1/ship/1`, `order-2` and others
        [exit 2]
    "#]].assert_eq(&prefix("orde"));
    expect![[r#"
        ! error: no run `oder-1` in fixtures/runs
        ! hint: did you mean `order-1` or `order-10` or `order-2`?
        [exit 2]
    "#]]
    .assert_eq(&prefix("oder-1"));
    expect![[r#"
        ! error: no run `` in fixtures/runs
        ! hint: `tc runs` lists the runs there are
        [exit 2]
    "#]]
    .assert_eq(&prefix(""));
    expect![[r#"
        ! error: invalid value 'many' for '--limit <N>': give a whole number such as 20, or `all`
        ! 
        ! For more information, try '--help'.
        [exit 2]
    "#]]
    .assert_eq(&seen(&run(&mut tc(&["show", "-s", "fixtures/runs", "order-1", "-n", "many"]))));
}

#[test]
fn the_last_events() {
    let history = |arguments: &[&str]| {
        let answer = json(&mut show("fixtures/runs", "order-1", &[&["--json"], arguments].concat()));
        let events = answer["items"][0]["history"].as_array().expect("events").clone();
        (
            events.iter().map(|event| event["seq"].as_u64().expect("a number")).collect::<Vec<_>>(),
            answer["complete"].clone(),
        )
    };
    assert_eq!(history(&["-n", "3"]), (vec![20, 21, 22], Value::from(true)));
    assert_eq!(history(&["-n", "0"]), (vec![], Value::from(true)));
    for all in [&["-n", "all"][..], &[]] {
        assert_eq!(history(all), ((1..=22).collect(), Value::from(true)));
    }
    let text = seen(&run(&mut show("fixtures/runs", "order-1", &["-n", "2"])));
    let (_, end) = text.split_once("History\n").expect("a history");
    let (end, _) = end.split_once("\nInbox").expect("an inbox");
    expect![[r#"
        20 events come before these: -n N shows the last N, -n all shows all
        SEQ  TIME                         ELAPSED  TYPE  CHANGE
         21  2026-11-20T07:00:11.194027Z      +2h  log   info: delivered
         22  2026-11-20T07:00:11.194027Z      +2h  stop  the run completes: {"receipt":"R-1041","shipped":true}
    "#]]
    .assert_eq(end);
}

/// What a line of the store says stands in JSON as it stood there.
#[test]
fn json_is_what_the_store_says() {
    let output = run(&mut show("fixtures/runs", "order-1", &["--json"]));
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let lines = std::fs::read_to_string(root().join("fixtures/runs/runs/order-1.jsonl")).expect("a history");
    assert!(lines.lines().all(|line| text.contains(line)), "{text}");
    let continued = item("fixtures/runs", "stock-2");
    let generations = continued["history"].as_array().expect("events").iter().map(|event| event["generation"].as_u64());
    assert!(generations.clone().any(|generation| generation == Some(2)), "{continued}");
    // A compensation that is to be tried again is why the run is.
    assert_eq!(item("fixtures/runs", "order-9")["error"]["type"], "Busy");
    let corrupt = json(&mut show("fixtures/runs", "import-13", &["--json"]));
    assert_eq!(corrupt["complete"], false);
    expect![[r#"[{"seq":4,"problem":"the run starts a second time","corrupt":true}]"#]]
        .assert_eq(&corrupt["items"][0]["problems"].to_string());
}

/// Every run of every store, on terminals of several widths and in every form: it is shown, whatever its state; nothing is
/// wider than the terminal, nothing steers it, and JSON is JSON.
#[test]
fn every_run_is_shown() {
    let mut shown = 0;
    for store in STORES {
        let mut names = runs(store);
        names.retain(|name| !name.contains('\0'));
        assert!(!names.is_empty(), "{store}");
        for name in names {
            for width in [40usize, 80, 160] {
                let mut command = tc(&["show", "-s", store, "-n", "all"]);
                let output = run(command.args(["--", &name]).env("COLUMNS", width.to_string()));
                let text = seen(&output);
                assert!(output.status.success(), "{store} {name:?}\n{text}");
                let wide: Vec<&str> =
                    text.lines().filter(|line| !line.starts_with('!') && line.width() > width).collect();
                assert!(wide.is_empty(), "{store} {name:?} {width}\n{wide:#?}");
                assert_eq!(steers(&text), None, "{store} {name:?}");
            }
            for form in ["json", "jsonl", "csv", "markdown"] {
                let output = run(&mut show(store, &name, &["-o", form]));
                assert!(output.status.success(), "{store} {name:?} {form}\n{}", seen(&output));
                // CSV that goes to a program carries texts as they are.
                assert!(form == "csv" || steers(&seen(&output)).is_none(), "{store} {name:?} {form}");
                if form.starts_with("json") {
                    let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
                    let item = if form == "json" { &answer["items"][0] } else { &answer };
                    assert_eq!(item["run"], *name);
                    assert!(item["history"].is_array() && item["state"].is_object() && item["problems"].is_array());
                }
            }
            shown += 1;
        }
    }
    assert!(shown > 80, "{shown}");
}

fn event(seq: u64, at: u64, rest: &str) -> String {
    let time = format!("2026-01-01T{:02}:{:02}:{:02}Z", at / 3_600, at / 60 % 60, at % 60);
    format!("{{\"seq\":{seq},\"token\":\"{seq:016x}\",\"at\":\"{time}\",{rest}}}\n")
}

/// A worker that was stopped: its claim runs out, and long after that another takes the run.
#[test]
fn a_worker_that_died() {
    let history = [
        event(1, 0, "\"type\":\"start\",\"v\":1,\"run\":\"r\",\"workflow\":\"w\",\"queue\":\"q\",\"input\":null"),
        event(2, 1, "\"type\":\"claim\",\"claim\":1,\"worker\":\"one\",\"until\":\"2026-01-01T00:00:31Z\""),
        event(3, 9_000, "\"type\":\"claim\",\"claim\":2,\"worker\":\"two\",\"until\":\"2026-01-01T02:30:30Z\""),
        event(4, 9_010, "\"type\":\"save\",\"claim\":2,\"step\":\"a\",\"n\":1,\"value\":1,\"took_us\":4000000").replace("\"at\"", "\"more\":true,\"at\""),
        event(5, 9_010, "\"type\":\"save\",\"claim\":2,\"step\":\"b\",\"n\":1,\"value\":2,\"took_us\":6000000").replace("0000000000000005", "0000000000000004"),
        event(6, 9_015, "\"type\":\"wait\",\"claim\":2,\"step\":\"c\",\"n\":1,\"until\":\"2026-01-02T00:00:00Z\",\"for\":[\"x\",\"y\"]").replace("\"at\"", "\"more\":true,\"at\""),
        event(7, 9_015, "\"type\":\"release\",\"claim\":2").replace("0000000000000007", "0000000000000006"),
    ];
    let marker = "{\"schema\":\"tc.store/1\"}\n";
    let (_keep, path) = folder(&[("store.json", marker.as_bytes()), ("runs/r.jsonl", history.concat().as_bytes())]);
    let output = run(tc(&["show", "r", "-s", ".", "--tz", "utc"]).current_dir(&path).env("COLUMNS", "80"));
    let text = seen(&output);
    // The lines above tell how long ago it was.
    let (_, text) = text.split_once("Timeline\n").expect("a timeline");
    expect![[r#"
                         +0s            +15s            +30s         +2h 30m
                         ├────────────────────────────────┤┄ 2h 29m ┄├────────────────┤
        worker           •████████████████████████████████×          ██████████████████
        a#1     done                                                 █████
        b#1     done                                                     ████████
        c#1     waiting                                                               ░▸
        █ at work   ░ waits   × failed   • sent   ▸ goes on

        Steps
        STEP  KIND  STATE    TOOK  VALUE OR ERROR
        a#1   save  done       4s  1
        b#1   save  done       6s  2
        c#1   wait  waiting        for x or y, until 2026-01-02 00:00:00

        History
        SEQ  TIME        ELAPSED  TYPE     CHANGE
             2026-01-01
          1  00:00:00        +0s  start    w starts with null
          2  00:00:01        +1s  claim    one takes the run until 00:00:31
                                           ⋯ 2h 29m
          3  02:30:00    +2h 30m  claim    two takes the run until 02:30:30
          4  02:30:10    +2h 30m  save     a#1 is done: 1 (4.0 s)
          5  02:30:10    +2h 30m  save     b#1 is done: 2 (6.0 s)
          6  02:30:15    +2h 30m  wait     c#1 waits for x or y until 2026-01-02
                                           00:00:00
          7  02:30:15    +2h 30m  release  the worker lets go of the run
    "#]]
    .assert_eq(text);
}

/// What cannot be read is shown as that.
#[test]
fn a_damaged_file() {
    let whole = std::fs::read(root().join("fixtures/durable-python/greet-1.pkl")).expect("a file");
    let (_keep, path) = folder(&[("half.pkl", &whole[..whole.len() / 2]), ("whole.pkl", &whole)]);
    let output = run(tc(&["show", "half", "-s", ".", "--time", "iso"]).current_dir(&path));
    let text = seen(&output);
    let is_time = |line: &&str| ["half", "started", "updated"].iter().any(|name| line.starts_with(name));
    let text: String = text.lines().filter(|line| !is_time(line)).map(|line| format!("{line}\n")).collect();
    expect![[r#"
        corrupt  ./half.pkl: byte 2: FRAME: the pickle ends in the middle
        store    ., of durable-python
    "#]]
    .assert_eq(&text);
    let answer = json(tc(&["show", "half", "-s", ".", "--json"]).current_dir(&path));
    assert_eq!((&answer["complete"], &answer["items"][0]["status"]), (&Value::from(false), &Value::from("corrupt")));
}

/// A run of a thousand steps, most of which are over.
#[test]
fn many_steps() {
    let mut history =
        event(1, 0, "\"type\":\"start\",\"v\":1,\"run\":\"many\",\"workflow\":\"w\",\"queue\":\"q\",\"input\":null");
    history += &event(2, 1, "\"type\":\"claim\",\"claim\":1,\"worker\":\"w\",\"until\":\"2026-01-01T20:00:00Z\"");
    let wait = "\"type\":\"wait\",\"claim\":1,\"step\":\"first\",\"n\":1,\"for\":[\"never\"]";
    history += &event(3, 2, wait);
    for step in 0..1_000 {
        let rest = format!("\"type\":\"save\",\"claim\":1,\"step\":\"step\",\"n\":{},\"value\":{step}", step + 1);
        history += &event(4 + step, 3 + step * 10, &rest);
    }
    let marker = "{\"schema\":\"tc.store/1\"}\n";
    let (_keep, path) = folder(&[("store.json", marker.as_bytes()), ("runs/many.jsonl", history.as_bytes())]);
    let store = path.to_str().expect("UTF-8");
    let text = seen(&run(show(store, "many", &[]).env("COLUMNS", "80")));
    assert!(text.lines().all(|line| line.width() <= 80), "{text}");
    assert!(text.lines().count() < 250, "{text}");
    assert!(text.contains("961 more steps are not drawn") && text.contains("901 more steps are not shown"), "{text}");
    assert!(text.contains("953 events come before these"), "{text}");
    // What it waits for is among what is shown, though it came first.
    assert_eq!(text.matches("first#1").count(), 2, "{text}");
}
