//! `tc fsck`: what it shows, what it asks, what it repairs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use expect_test::expect;
use serde_json::Value;

use super::{call, folder, json, root, run, seen, tc, tc_of_nobody};

fn start(run: &str) -> String {
    format!(
        "{{\"seq\":1,\"token\":\"00000000000000aa\",\"at\":\"2020-01-01T00:00:00Z\",\"type\":\"start\",\"v\":1,\
         \"run\":\"{run}\",\"workflow\":\"greet\",\"queue\":\"default\",\"input\":\"Ada\"}}\n"
    )
}

const CLAIM: &str = "{\"seq\":2,\"token\":\"00000000000000ab\",\"at\":\"2020-01-01T00:00:01Z\",\"type\":\"claim\",\
                     \"claim\":1,\"worker\":\"w\\u001b[31m\",\"until\":\"2020-01-01T00:01:00Z\"}\n";
const STOP: &str = "{\"seq\":3,\"token\":\"00000000000000ac\",\"sealed\":true,\"at\":\"2020-01-01T00:00:02Z\",\
                    \"type\":\"stop\",\"claim\":1,\"v\":1,\"ok\":1}\n";
const MESSAGE: &str = "{\"seq\":1,\"token\":\"00000000000000ad\",\"at\":\"2020-01-01T00:00:01Z\",\"type\":\"message\",\
                       \"id\":\"1\",\"event\":\"yes\",\"value\":true}\n";
const MARKER: &str = "{\"schema\":\"tc.store/1\"}\n";
const ENTRY: &str = "due/default/2020-01-01T00/2020-01-01T00:00:00.000001Z_runs";

/// A store with something wrong in each run but one.
fn store() -> (tempfile::TempDir, PathBuf) {
    let files = [
        ("store.json".to_owned(), MARKER.to_owned()),
        ("runs/pending.jsonl".to_owned(), start("pending")),
        ("runs/torn.jsonl".to_owned(), start("torn") + "{\"seq\":2,\"tok"),
        (format!("{ENTRY}.torn"), String::new()),
        ("runs/dead.jsonl".to_owned(), start("dead") + CLAIM),
        (format!("{ENTRY}.dead"), String::new()),
        ("runs/corrupt.jsonl".to_owned(), start("corrupt") + &CLAIM.replace("\"claim\":1", "\"claim\":7")),
        ("runs/sound.jsonl".to_owned(), start("sound") + CLAIM + STOP),
        ("inbox/=1B=5B31m.jsonl".to_owned(), MESSAGE.to_owned()),
    ];
    let files = files.iter().map(|(name, content)| (name.as_str(), content.as_bytes())).collect::<Vec<_>>();
    folder(&files)
}

/// `tc fsck` on the store in the folder that it runs in.
fn fsck(path: &Path, arguments: &[&str]) -> std::process::Command {
    let mut command = tc(&["fsck", "-s", "."]);
    command.args(arguments).current_dir(path);
    command
}

fn bytes(path: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(path).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(bytes(&path));
        } else {
            found.insert(path.clone(), std::fs::read(&path).expect("a file"));
        }
    }
    found
}

#[test]
fn a_table_where_it_fits() {
    let (_keep, path) = store();
    let before = bytes(&path);
    expect![[r#"
        PLACE              PROBLEM                                                                                     REMEDY
        ./runs/torn.jsonl  its last 13 bytes are a torn append, never acknowledged                                     cut them off, as the next writer would
        runs/corrupt       line 2: claim 7 stands where claim 1 should                                                 for a person to decide
        runs/dead          claim 1 by `w\u{1b}[31m` was over at 2020-01-01T00:01:00Z, and nobody took the run          for a person to decide
        runs/pending       it is pending, has to be looked at by 2020-01-01T00:00:00.000001Z, and nothing leads to it  put an entry at 2020-01-01T00:00:00.000001Z in queue default
        inbox/=1B=5B31m    it is an inbox of 1 line, and there is no such run                                          for a person to decide
        5 runs looked at, 1 ended: 5 findings.
        --repair would repair 2 without losing anything.
        [exit 1]
    "#]].assert_eq(&seen(&run(&mut fsck(&path, &[]))));
    assert_eq!(bytes(&path), before, "looking changes nothing");
    expect![[r#"
        | place | problem | remedy |
        | --- | --- | --- |
        | ./runs/torn.jsonl | its last 13 bytes are a torn append, never acknowledged | cut them off, as the next writer would |
        | runs/corrupt | line 2: claim 7 stands where claim 1 should | for a person to decide |
        | runs/dead | claim 1 by \`w\\u{1b}\[31m\` was over at 2020-01-01T00:01:00Z, and nobody took the run | for a person to decide |
        | runs/pending | it is pending, has to be looked at by 2020-01-01T00:00:00.000001Z, and nothing leads to it | put an entry at 2020-01-01T00:00:00.000001Z in queue default |
        | inbox/=1B=5B31m | it is an inbox of 1 line, and there is no such run | for a person to decide |

        5 runs looked at, 1 ended: 5 findings.\
        \--repair would repair 2 without losing anything.
        [exit 1]
    "#]].assert_eq(&seen(&run(&mut fsck(&path, &["-o", "markdown"]))));
}

#[test]
fn paragraphs_where_it_does_not() {
    let (_keep, path) = store();
    let text = seen(&run(fsck(&path, &[]).env("COLUMNS", "60")));
    assert!(text.lines().all(|line| line.chars().count() <= 60), "{text}");
    expect![[r#"
        ./runs/torn.jsonl
          its last 13 bytes are a torn append, never acknowledged
          cut them off, as the next writer would

        runs/corrupt
          line 2: claim 7 stands where claim 1 should
          for a person to decide

        runs/dead
          claim 1 by `w\u{1b}[31m` was over at 2020-01-01T00:01:00Z,
          and nobody took the run
          for a person to decide

        runs/pending
          it is pending, has to be looked at by
          2020-01-01T00:00:00.000001Z, and nothing leads to it
          put an entry at 2020-01-01T00:00:00.000001Z in queue
          default

        inbox/=1B=5B31m
          it is an inbox of 1 line, and there is no such run
          for a person to decide

        5 runs looked at, 1 ended: 5 findings.
        --repair would repair 2 without losing anything.
        [exit 1]
    "#]]
    .assert_eq(&text);
}

#[test]
fn for_programs() {
    let (_keep, path) = store();
    expect![[r#"
        {"schema":"tc.fsck/1","complete":true,"warnings":[],"items":[
        {"store":".","place":"./runs/torn.jsonl","problem":"its last 13 bytes are a torn append, never acknowledged","remedy":"cut them off, as the next writer would","repaired":false,"unread":null},
        {"store":".","place":"runs/corrupt","problem":"line 2: claim 7 stands where claim 1 should","remedy":null,"repaired":false,"unread":null},
        {"store":".","place":"runs/dead","problem":"claim 1 by `w\\u{1b}[31m` was over at 2020-01-01T00:01:00Z, and nobody took the run","remedy":null,"repaired":false,"unread":null},
        {"store":".","place":"runs/pending","problem":"it is pending, has to be looked at by 2020-01-01T00:00:00.000001Z, and nothing leads to it","remedy":"put an entry at 2020-01-01T00:00:00.000001Z in queue default","repaired":false,"unread":null},
        {"store":".","place":"inbox/=1B=5B31m","problem":"it is an inbox of 1 line, and there is no such run","remedy":null,"repaired":false,"unread":null}
        ]}
        [exit 1]
    "#]].assert_eq(&seen(&run(&mut fsck(&path, &["--json"]))));
    expect![[r#"
        store,place,problem,remedy,repaired,unread
        .,./runs/torn.jsonl,"its last 13 bytes are a torn append, never acknowledged","cut them off, as the next writer would",false,
        .,runs/corrupt,line 2: claim 7 stands where claim 1 should,,false,
        .,runs/dead,"claim 1 by `w\u{1b}[31m` was over at 2020-01-01T00:01:00Z, and nobody took the run",,false,
        .,runs/pending,"it is pending, has to be looked at by 2020-01-01T00:00:00.000001Z, and nothing leads to it",put an entry at 2020-01-01T00:00:00.000001Z in queue default,false,
        .,inbox/=1B=5B31m,"it is an inbox of 1 line, and there is no such run",,false,
        [exit 1]
    "#]].assert_eq(&seen(&run(&mut fsck(&path, &["-o", "csv"]))));
}

#[test]
fn it_asks_only_people() {
    let (_keep, path) = store();
    let before = bytes(&path);
    expect![[r#"
        ! error: repairing needs --yes where nobody can be asked
        ! hint: see what would be repaired without --repair
        [exit 2]
    "#]]
    .assert_eq(&seen(&run(&mut fsck(&path, &["--repair"]))));
    expect![[r#"
        ! error: the following required arguments were not provided:
        !   --repair
        ! 
        ! Usage: tc fsck --repair --store <STORE> --yes
        ! 
        ! For more information, try '--help'.
        [exit 2]
    "#]]
    .assert_eq(&seen(&run(&mut fsck(&path, &["--yes"]))));
    assert_eq!(bytes(&path), before);
}

#[test]
fn it_repairs_what_loses_nothing() {
    let (_keep, path) = store();
    let before = bytes(&path);
    let answer = json(&mut fsck(&path, &["--repair", "--yes", "--json"]));
    let repaired = |answer: &Value, what: bool| {
        let items = answer["items"].as_array().expect("items").clone();
        let items = items.into_iter().filter(|item| item["repaired"] == what);
        items.map(|item| item["place"].as_str().expect("a place").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(repaired(&answer, true), ["./runs/torn.jsonl", "runs/pending"]);
    let left = repaired(&answer, false);
    assert_eq!(left, ["runs/corrupt", "runs/dead", "inbox/=1B=5B31m"]);
    let mut expected = before.clone();
    expected.insert(path.join("runs/torn.jsonl"), start("torn").into_bytes());
    let entry = path.join(format!("{ENTRY}.pending"));
    expected.insert(entry, Vec::new());
    expected.insert(path.join("due/default/wake"), b".".to_vec());
    assert!(bytes(&path) == expected, "{:?}", bytes(&path).keys());
    // The second time there is nothing to do.
    let output = run(&mut fsck(&path, &["--repair", "--yes", "--json"]));
    assert_eq!(output.status.code(), Some(1));
    let again = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((repaired(&again, true), repaired(&again, false)), (Vec::new(), left));
    assert!(bytes(&path) == expected);
    for file in ["runs/corrupt.jsonl", "runs/dead.jsonl", "inbox/=1B=5B31m.jsonl"] {
        std::fs::remove_file(path.join(file)).expect("removed");
    }
    std::fs::remove_file(path.join(format!("{ENTRY}.dead"))).expect("removed");
    expect![[r#"
        3 runs looked at, 1 ended: nothing is wrong.
    "#]]
    .assert_eq(&seen(&run(&mut fsck(&path, &[]))));
}

#[test]
fn all_repaired_is_success() {
    let files = [("store.json", MARKER.as_bytes()), ("runs/pending.jsonl", &start("pending").into_bytes())];
    let (_keep, path) = folder(&files);
    expect![[r#"
        PLACE         PROBLEM                                                                                     REMEDY
        runs/pending  it is pending, has to be looked at by 2020-01-01T00:00:00.000001Z, and nothing leads to it  done: put an entry at 2020-01-01T00:00:00.000001Z in queue default
        1 run looked at, 0 ended: 1 finding, all repaired.
    "#]].assert_eq(&seen(&run(&mut fsck(&path, &["--repair", "--yes"]))));
    expect![[r#"
        1 run looked at, 0 ended: nothing is wrong.
    "#]]
    .assert_eq(&seen(&run(&mut fsck(&path, &["--repair", "--yes"]))));
}

#[test]
fn where_there_are_no_runs() {
    let log = call("f", "v1", "2020-01-01T00:00:00", 1.0, None);
    let (_keep, path) = folder(&[("evolution.jsonl", log.as_bytes()), ("new/store.json", MARKER.as_bytes())]);
    expect![[r#"
        ! error: no workflow runs here: .
        ! hint: fsck looks at stores of workflow runs; evolution logs are read, damage and all, by `tc status`
        [exit 2]
    "#]]
    .assert_eq(&seen(&run(&mut fsck(&path, &[]))));
    for store in ["evolution.jsonl", "-", "nowhere"] {
        let output = run(tc(&["fsck", "-s", store]).current_dir(&path));
        assert_eq!(output.status.code(), Some(2), "{store}: {}", seen(&output));
    }
    // One that says that it is a store, and into which nothing was put yet, is sound.
    expect![[r#"
        0 runs looked at, 0 ended: nothing is wrong.
    "#]]
    .assert_eq(&seen(&run(tc(&["fsck", "-s", "new"]).current_dir(&path))));
    std::fs::write(path.join("new/store.json"), "{\"schema\":\"tc.store/9\"}\n").expect("written");
    expect![[r#"
        ! error: new cannot be used as a store: store.json is of version 9, and this program knows 1: a newer one is needed
        [exit 2]
    "#]].assert_eq(&seen(&run(tc(&["fsck", "-s", "new"]).current_dir(&path))));
}

#[test]
fn several_stores() {
    let (_keep, path) = store();
    let (_other, sound) =
        folder(&[("store.json", MARKER.as_bytes()), ("runs/x.jsonl", (start("x") + CLAIM + STOP).as_bytes())]);
    let answer = json(fsck(&path, &["--json", "-s"]).arg(&sound));
    let items = answer["items"].as_array().expect("items");
    assert!(items.len() == 5 && items.iter().all(|item| item["store"] == "."), "{answer}");
}

/// The histories that the format's tests keep: each corrupt twin is named, and nothing of the sound ones is.
#[test]
fn fixtures_are_told_apart() {
    let wrong = json(&mut tc(&["fsck", "--json", "-s", "fixtures/history/v1-corrupt"]));
    let places = wrong["items"].as_array().expect("items").iter();
    let places = places.map(|item| item["place"].as_str().expect("a place").to_owned()).collect::<Vec<_>>();
    for run in std::fs::read_dir(root().join("fixtures/history/v1-corrupt/runs")).expect("runs") {
        let run = run.expect("a run").path();
        let run = run.file_stem().and_then(|stem| stem.to_str()).expect("a name");
        assert!(places.iter().any(|place| place.contains(run)), "{run}: {places:?}");
    }
    let sound = json(&mut tc(&["fsck", "--json", "-s", "fixtures/history/v1"]));
    for item in sound["items"].as_array().expect("items") {
        // Nobody works there: claims are over.
        assert!(item["problem"].as_str().expect("a problem").contains("nobody took the run"), "{item}");
    }
}

/// One log that may not be read, one that is no file at all, and a folder: all else is looked at.
#[test]
fn what_cannot_be_read_is_named_and_the_rest_is_checked() {
    use std::os::unix::fs::PermissionsExt as _;
    let close = |path: &Path| std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o000)).expect("set");
    let (_keep, path) = store();
    close(&path.join("runs/sound.jsonl"));
    let _socket = std::os::unix::net::UnixListener::bind(path.join("runs/socket.jsonl")).expect("a socket");
    let look = |arguments: &[&str]| run(&mut tc_of_nobody(&path, &[&["fsck", "-s", "."], arguments].concat()));
    let answer: Value = serde_json::from_slice(&look(&["--json"]).stdout).expect("JSON");
    let unread = |answer: &Value| {
        let items = answer["items"].as_array().expect("items").iter().filter(|item| !item["unread"].is_null());
        items.map(|item| format!("{} {}", item["place"], item["unread"]).replace('"', "")).collect::<Vec<_>>()
    };
    assert_eq!(unread(&answer), ["./runs/socket.jsonl unavailable", "./runs/sound.jsonl denied"]);
    assert_eq!((&answer["complete"], answer["items"].as_array().map(Vec::len)), (&Value::Bool(false), Some(7)));
    let text = seen(&look(&[]));
    for words in ["6 runs looked at", ": 5 findings", "2 places could not be read", "Permission denied", "[exit 1]"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    // Without its due entries nobody knows whether a run is led to.
    close(&path.join("due"));
    close(&path.join("inbox"));
    let text = seen(&look(&[]));
    assert!(text.contains("7 places") && !text.contains("nothing leads to it"), "{text}");
    for file in ["corrupt", "dead", "torn", "socket"] {
        std::fs::remove_file(path.join(format!("runs/{file}.jsonl"))).expect("removed");
    }
    let output = look(&[]);
    assert_eq!(output.status.code(), Some(4), "{}", seen(&output));
    assert!(seen(&output).contains("nothing is wrong in what could be read"), "{}", seen(&output));
}
