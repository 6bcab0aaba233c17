//! CSV for programs, and Markdown for renderers.

use serde_json::Value;

use super::{call, folder, run, seen, tc};

const DEMO: &str = "fixtures/demo";

#[test]
fn csv_carries_the_text_of_the_log_under_the_same_columns() {
    let errors = ["line one\nline two", "line one\\nline two", "tab\there", "soft\u{ad}hyphen", "\u{feff}bom", "a,b"];
    let formulas = ["=HYPERLINK(\"x\")", "+1", "-1", "@SUM(A1)", "'=1"];
    let failed = |error: &str| {
        let quoted = Value::from(error).to_string();
        call("f", "v1", "2026-06-01T00:00:00", 1.0, Some(quoted.trim_matches('"')))
    };
    let deep = format!(r#"{{"event": "deploy", "function": "f", "nested": {}{}}}"#, "[".repeat(500), "]".repeat(500));
    let log = errors.iter().chain(&formulas).map(|error| failed(error)).collect::<String>().repeat(4) + &deep + "\n";
    let (_keep, path) = folder(&[("a.jsonl", log.as_bytes())]);
    let log = path.join("a.jsonl").display().to_string();
    let table = |arguments: &[&str]| {
        let output = run(tc(arguments).args(["-o", "csv"]));
        assert!(output.status.success(), "{}", seen(&output));
        let mut reader = csv::Reader::from_reader(&*output.stdout);
        let header = reader.headers().expect("a header").iter().map(str::to_owned).collect::<Vec<_>>();
        let rows = reader.records().map(|row| row.expect("a row").iter().map(str::to_owned).collect::<Vec<_>>());
        (header, rows.collect::<Vec<_>>(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (header, rows, said) = table(&["history", "-s", &log]);
    let cells = |name: &str| {
        let column = header.iter().position(|column| column == name).expect("a column");
        rows.iter().map(|row| row[column].as_str()).collect::<Vec<_>>()
    };
    assert_eq!((rows.len(), said.as_str()), (45, ""), "all of them");
    assert_eq!(cells("error")[..6], errors, "as they were logged");
    let guarded = cells("error")[6..11].iter().map(|cell| cell.strip_prefix('\'').unwrap_or(cell)).collect::<Vec<_>>();
    assert_eq!(guarded, formulas, "no formulas, and all can be told apart");
    assert!(cells("other")[44].starts_with(r#"{"nested":[[["#), "{}", cells("other")[44]);
    assert_eq!(cells("other")[0], "");
    let (few, rows, said) = table(&["history", "-s", &log, "-n", "2"]);
    assert_eq!((few == header, rows.len()), (true, 2));
    assert!(said.contains("only the last 2 events"), "{said}");
    let (none, rows, _) = table(&["history", "f", "-s", &log, "--failed", "--variant", "v9"]);
    assert_eq!((none == header, rows.len()), (true, 0));
    for arguments in [
        &["status"][..],
        &["events"],
        &["summary", "greeting"],
        &["runs"],
        &["replay", "greet-1"],
        &["show", "greet-1"],
    ] {
        let of_runs = matches!(arguments[0], "runs" | "replay" | "show");
        let (header, ..) = table(&[arguments, &["-s", if of_runs { "fixtures/runs" } else { DEMO }]].concat());
        assert!(!header.is_empty() && header.iter().all(|name| !name.is_empty()), "{arguments:?}: {header:?}");
    }
}

#[test]
fn markdown_says_the_verdict_first_and_keeps_what_belongs_together() {
    let output = run(&mut tc(&["report", "greeting", "-s", DEMO, "-o", "markdown"]));
    assert!(seen(&output).starts_with("Verdict: promote casual"), "{}", seen(&output));
    let log = call("__call__", "[v](1)", "2026-06-01T00:00:00", 1.0, None);
    let (_keep, path) = folder(&[("a.jsonl", log.as_bytes())]);
    let output = seen(&run(tc(&["status", "-s", "a.jsonl", "-o", "markdown"]).current_dir(&path)));
    assert!(output.contains("| \\_\\_call\\_\\_ | 1 |") && output.contains("| &emsp;\\[v\\](1) | 1 |"), "{output}");
}
