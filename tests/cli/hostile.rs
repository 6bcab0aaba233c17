//! Names and texts that try to steer the terminal, or to break out of the format.

use serde_json::Value;

use super::{run, seen, tc};

const LOG: &str = "fixtures/corrupt/hostile-names.jsonl";

fn names() -> Vec<String> {
    let output = run(&mut tc(&["status", "--json", "-s", LOG]));
    let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let items = answer["items"].as_array().expect("items");
    items.iter().map(|item| item["function"].as_str().expect("a name").to_string()).collect()
}

/// Whether text could do anything to a terminal but show itself.
pub(super) fn steers(text: &str) -> Option<char> {
    text.chars().find(|c| {
        (c.is_control() && *c != '\n')
            || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    })
}

#[test]
fn nothing_steers_the_terminal() {
    let names = names();
    assert!(names.iter().any(|name| name.contains('\u{1b}')), "the log is hostile");
    for format in ["table", "json", "jsonl", "markdown"] {
        let mut commands = vec![vec!["status"], vec!["history", "--limit", "all"], vec!["events", "call"], vec![]];
        for name in &names {
            commands.push(vec!["status", "--", name]);
            commands.push(vec!["history", "--", name]);
            commands.push(vec!["summary", "--", name]);
            commands.push(vec!["report", "--", name]);
        }
        for command in commands.into_iter().filter(|command| !command.iter().any(|word| word.contains('\0'))) {
            let output = run(tc(&["-s", LOG, "-o", format]).args(&command));
            let text = seen(&output);
            assert_eq!(steers(&text), None, "{format} {command:?}");
            assert_ne!(output.status.code(), None, "{command:?}");
        }
    }
}

/// CSV is for programs, and carries the text of the log: but not to a terminal.
#[test]
fn csv_steers_no_terminal() {
    for arguments in ["status", "history --limit all", "events call"] {
        let typed = format!("{} {arguments} -s {LOG} -o csv", env!("CARGO_BIN_EXE_tc"));
        let mut command = std::process::Command::new("script");
        let on_terminal = run(command.args(["-qec", &typed, "/dev/null"]).current_dir(super::root()));
        let text = seen(&on_terminal).replace('\r', "");
        assert!(text.contains("\\u{1b}[31mred"), "{text}");
        assert_eq!(steers(&text), None, "{arguments}: {text}");
        let piped = run(tc(&["-s", LOG, "-o", "csv"]).args(arguments.split(' ')));
        assert!(seen(&piped).contains("\u{1b}[31mred"), "{}", seen(&piped));
    }
}

#[test]
fn names_in_errors_are_harmless() {
    for name in ["\u{1b}[31mx", "a\nb", "\u{9b}2J", "\u{202e}x"] {
        for json in [&[][..], &["--json"]] {
            let output = run(tc(&["status", "-s", "fixtures/demo"]).args(json).args(["--", name]));
            assert_eq!(steers(&seen(&output)), None, "{name:?}");
            assert_eq!(output.status.code(), Some(2));
            assert!(output.stderr.iter().filter(|byte| **byte == b'\n').count() <= 2);
        }
    }
}

#[test]
fn json_says_exactly_what_the_log_says() {
    let names = names();
    for name in names.iter().filter(|name| !name.is_empty() && !name.contains('\0')) {
        let output = run(tc(&["history", "--json", "-s", LOG, "--"]).arg(name));
        let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let items = answer["items"].as_array().expect("items");
        assert!(!items.is_empty() && items.iter().all(|item| item["function"] == **name), "{name:?}");
    }
}

#[test]
fn json_is_standard_whatever_python_wrote() {
    for log in ["nan", "hostile-names", "glued", "bom-crlf", "nul", "not-utf8"] {
        let path = format!("fixtures/corrupt/{log}.jsonl");
        let output = run(&mut tc(&["history", "--limit", "all", "--json", "-s", &path]));
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{log}: {error}"));
        assert!(answer["items"].as_array().is_some_and(|items| !items.is_empty()), "{log}");
    }
}
