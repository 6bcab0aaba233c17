//! What goes wrong, and what is said of it.

use expect_test::expect;

use super::{call, check, folder, json, run, seen, tc, tc_of_nobody};

const DEMO: &str = "fixtures/demo";

#[test]
fn unknown_names() {
    check(
        &["status", "greting", "-s", DEMO],
        expect![[r#"
        ! error: no events of a function `greting` in fixtures/demo
        ! hint: did you mean `greeting` or `get_pricing`?
        [exit 2]
    "#]],
    );
    check(
        &["summary", "zzz", "-s", DEMO],
        expect![[r#"
        ! error: no events of a function `zzz` in fixtures/demo
        ! hint: `tc status` lists the functions there are
        [exit 2]
    "#]],
    );
    check(
        &["history", "zzz", "-s", DEMO],
        expect![[r#"
        ! error: no events of a function `zzz` in fixtures/demo
        ! hint: `tc status` lists the functions there are
        [exit 2]
    "#]],
    );
    check(
        &["history", "5", "-s", DEMO],
        expect![[r#"
        ! error: no events of a function `5`
        ! hint: for the last 5 events of all functions: tc history --limit 5
        [exit 2]
    "#]],
    );
    check(
        &["report", "greeting", "--baseline", "v9", "-s", DEMO],
        expect![[r#"
        ! error: `greeting` has no variant `v9`
        ! hint: there are v1, casual
        [exit 2]
    "#]],
    );
    check(
        &["events", "promotions", "-s", DEMO],
        expect![[r#"
        ! error: no events of type `promotions`
        ! hint: did you mean `promotion`?
        [exit 2]
    "#]],
    );
    check(
        &["man", "histroy"],
        expect![[r#"
        ! error: tc has no command `histroy`
        ! hint: did you mean `history`?
        [exit 2]
    "#]],
    );
}

#[test]
fn a_quiet_span_is_not_an_unknown_name() {
    check(
        &["report", "greeting", "--since", "2030-01-01", "-s", DEMO],
        expect![[r#"
        ! error: `greeting` has no events in this span of time
        ! hint: its last event was at 2026-11-21 23:39:13
        [exit 8]
    "#]],
    );
    check(
        &["report", "greetin", "--since", "2030-01-01", "-s", DEMO],
        expect![[r#"
        ! error: no events of a function `greetin` in fixtures/demo
        ! hint: did you mean `greeting` or `get_pricing`?
        [exit 2]
    "#]],
    );
}

#[test]
fn what_is_no_log_is_told() {
    check(
        &["status", "-s", "LICENSE-MIT"],
        expect![[r#"
            ! error: nothing in LICENSE-MIT can be read as an event
            ! caused by: line 1: text that is no part of an event
            [exit 2]
        "#]],
    );
    let answer = json(&mut tc(&["clean", "--yes", "--json", "-s", "LICENSE-MIT"]));
    assert_eq!(answer["items"][0]["action"], "keep");
}

#[test]
fn wrong_arguments() {
    check(
        &["history", "greeting", "many", "-s", DEMO],
        expect![[r#"
        ! error: `many` is not a number of events
        ! hint: give a whole number such as 20, or `all`; `tc history --limit 5` shows the last 5 of all functions
        [exit 2]
    "#]],
    );
    check(
        &["history", "greeting", "-1", "-s", DEMO],
        expect![[r#"
        ! error: unexpected argument '-1' found
        ! 
        !   tip: to pass '-1' as a value, use '-- -1'
        ! 
        ! Usage: tc history [OPTIONS] [FUNCTION] [N]
        ! 
        ! For more information, try '--help'.
        [exit 2]
    "#]],
    );
    check(
        &["status", "--since", "tomorrowish", "-s", DEMO],
        expect![[r#"
        ! error: --since `tomorrowish` is not a time
        ! hint: give 2h, 7d, yesterday, "yesterday 14:00", monday, 10:30, 2026-06-05, "2026-06-05 10:30", 2026-06-05T10:30:00Z or @1780655400
        [exit 2]
    "#]],
    );
    check(
        &["status", "--tz", "Europe/Pariss", "-s", DEMO],
        expect![[r#"
        ! error: `Europe/Pariss` is not a time zone
        ! hint: did you mean `Europe/Paris` or `Europe/Riga` or `Europe/Tiraspol`?
        [exit 2]
    "#]],
    );
    check(
        &["stauts"],
        expect![[r#"
            ! error: unrecognized subcommand 'stauts'
            ! 
            !   tip: some similar subcommands exist: 'start', 'status'
            ! 
            ! Usage: tc [OPTIONS] [COMMAND]
            ! 
            ! For more information, try '--help'.
            [exit 2]
        "#]],
    );
    check(
        &["history", "--follow", "-o", "csv", "-s", DEMO],
        expect![[r#"
        ! error: --follow cannot print csv
        ! hint: use a table, or -o jsonl
        [exit 2]
    "#]],
    );
}

#[test]
fn stores_that_are_not_there() {
    check(
        &["status", "-s", "fixtures/dem"],
        expect![[r#"
        ! error: no such file or folder: fixtures/dem
        ! hint: did you mean `demo`?
        [exit 2]
    "#]],
    );
    check(
        &["status", "-s", "fixtures"],
        expect![[r#"
        ! error: no evolution log in the folder fixtures
        ! hint: a log is a file named *.jsonl, perhaps rotated (.jsonl.1) or compressed (.gz, .zst)
        [exit 2]
    "#]],
    );
    check(
        &["status", "-s", "fixtures/nothing*.jsonl"],
        expect![[r#"
        ! error: no file fits the glob fixtures/nothing*.jsonl
        [exit 2]
    "#]],
    );
    check(
        &["status", "-s", "fixtures/[.jsonl"],
        expect![[r#"
        ! error: fixtures/[.jsonl is not a glob: Pattern syntax error near position 9: invalid range pattern
        [exit 2]
    "#]],
    );
    check(
        &["status", "-s", "redis://me:secret@/0"],
        expect![[r#"
            ! error: invalid address of a Redis: empty host
            [exit 2]
        "#]],
    );
    check(
        &["status", "-s", "ftp://localhost/x"],
        expect![[r#"
            ! error: invalid address of a store: `ftp://` is no kind of store
            [exit 2]
        "#]],
    );
}

#[test]
fn folders_of_other_packages_are_told() {
    let (_keep, path) = folder(&[("runs/a/events", b"{}"), ("schedules/default/x", b"")]);
    let output = run(tc(&["status"]).current_dir(&path).args(["-s", "."]));
    assert!(seen(&output).starts_with("! error: . holds workflow runs of substantial, and no evolution log\n"));
    let (_keep, path) = folder(&[("order-1.pkl", b"")]);
    let output = run(tc(&["status"]).current_dir(&path).args(["-s", "."]));
    assert!(seen(&output).starts_with("! error: . holds workflow runs of durable-python, and no evolution log\n"));
}

#[test]
fn no_store_near() {
    let (_keep, path) = folder(&[]);
    let output = run(tc(&["status"]).current_dir(&path));
    expect![[r#"
        ! error: no store: there is no folder evolution_logs or .tc here or above
        ! hint: name one with --store PATH or TC_STORE: a log file, a folder, a quoted glob, or - for standard input
        [exit 2]
    "#]]
    .assert_eq(&seen(&output));
    let output = run(tc(&[]).current_dir(&path));
    expect![[r#"
        tc shows what evolving functions and workflow runs did, from their logs.

        There is no store here: there is no folder evolution_logs or .tc here or above.

          tc --store PATH             look into a log file, a folder, or a quoted glob
          export TC_STORE=PATH        do so by default
          tc --help                   all commands

        A log is what temporal-code's EvolutionTracker("./evolution_logs") writes.
    "#]]
    .assert_eq(&seen(&output));
    let output = run(tc(&["--json"]).current_dir(&path));
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn errors_are_json_too() {
    for arguments in [
        &["status", "nope", "--json", "-s", DEMO][..],
        &["status", "-o", "json", "--bogus"],
        &["--output=json", "bogus"],
        &["status", "-ojsonl", "--bogus"],
        &["status", "--bogus", "--output", "jsonl"],
        &["status", "-o", "jsonl", "-s", "/nowhere"],
    ] {
        let output = run(&mut tc(arguments));
        assert_eq!(output.status.code(), Some(2));
        let text = String::from_utf8(output.stderr.clone()).expect("UTF-8");
        let error: serde_json::Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        for member in ["code", "message", "hint"] {
            assert!(error["error"].get(member).is_some(), "{member} {text}");
        }
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn skipped_lines_are_evidence() {
    check(
        &["events", "-s", "fixtures/corrupt/torn-tail.jsonl"],
        expect![[r#"
        EVENT          COUNT
        call             150
        promotion          1
        weight_change      1
        ! warning: fixtures/corrupt/torn-tail.jsonl: 1 line skipped
        !   line 153: not JSON: the line ends too early at column 82
    "#]],
    );
    check(
        &["events", "-s", "fixtures/corrupt/glued.jsonl", "--verbose"],
        expect![[r#"
            EVENT          COUNT
            call             150
            promotion          1
            rollback           1
            weight_change      1
            ! read: fixtures/corrupt/glued.jsonl
            ! warning: fixtures/corrupt/glued.jsonl: 19 lines skipped
            !   line 4: not JSON: expected `,` or `}` at column 90; whole events beside it were read
            !   line 5: not JSON: expected `:` at column 5; whole events beside it were read
            !   line 16: not JSON: expected `,` or `}` at column 66; whole events beside it were read
            !   line 18: not JSON: expected `,` or `}` at column 124; whole events beside it were read
            !   line 19: not JSON: expected `,` or `}` at column 87; whole events beside it were read
            !   line 21: not JSON: expected `,` or `}` at column 63; whole events beside it were read
            !   line 45: not JSON: expected `:` at column 173; whole events beside it were read
            !   line 48: not JSON: expected `:` at column 104; whole events beside it were read
            !   line 49: not JSON: expected `:` at column 122; whole events beside it were read
            !   line 52: not JSON: expected `:` at column 50; whole events beside it were read
            !   and 9 lines more
            ! warning: fixtures/corrupt/glued.jsonl: 14 lines with several events, all read
            !   line 24: several events on one line, all read
            !   line 26: several events on one line, all read
            !   line 38: several events on one line, all read
            !   line 56: several events on one line, all read
            !   line 61: several events on one line, all read
            !   line 73: several events on one line, all read
            !   line 80: several events on one line, all read
            !   line 83: several events on one line, all read
            !   line 84: several events on one line, all read
            !   line 85: several events on one line, all read
            !   and 4 lines more
        "#]],
    );
    check(
        &["events", "-s", "fixtures/corrupt/not-utf8.jsonl", "--quiet"],
        expect![[r#"
        EVENT      COUNT
        call         100
        promotion      1
        rollback       1
    "#]],
    );
    check(
        &["events", "-s", "fixtures/corrupt/truncated.jsonl.gz"],
        expect![[r#"
        EVENT  COUNT
        call     527
        ! warning: fixtures/corrupt/truncated.jsonl.gz: damaged or cut short, read up to line 527: incomplete deflate stream
    "#]],
    );
    let answer = json(&mut tc(&["events", "--json", "-s", "fixtures/corrupt/torn-tail.jsonl"]));
    assert_eq!(answer["complete"], false);
    assert_eq!(answer["warnings"][0]["places"][0]["line"], 153);
    let answer = json(&mut tc(&["events", "--json", "-s", "fixtures/corrupt/bom-crlf.jsonl"]));
    assert_eq!(answer["complete"], true);
}

#[test]
fn strict_makes_them_errors() {
    check(
        &["events", "--strict", "-s", "fixtures/corrupt/torn-tail.jsonl"],
        expect![[r#"
        ! error: fixtures/corrupt/torn-tail.jsonl:153: not JSON: the line ends too early at column 82
        ! hint: without --strict it is skipped and counted
        [exit 2]
    "#]],
    );
    check(
        &["events", "--strict", "-s", "fixtures/corrupt/glued.jsonl"],
        expect![[r#"
            ! error: fixtures/corrupt/glued.jsonl:4: not JSON: expected `,` or `}` at column 90; whole events beside it were read
            ! hint: without --strict it is skipped and counted
            [exit 2]
        "#]],
    );
    check(
        &["events", "--strict", "-s", "fixtures/corrupt/truncated.jsonl.gz"],
        expect![[r#"
        ! error: fixtures/corrupt/truncated.jsonl.gz: damaged or cut short, read up to line 527: incomplete deflate stream
        [exit 2]
    "#]],
    );
    check(
        &["history", "-n", "1", "--strict", "-s", "fixtures/corrupt/torn-tail.jsonl"],
        expect![[r#"
        ! error: fixtures/corrupt/torn-tail.jsonl:@29684: not JSON: the line ends too early at column 82
        ! hint: without --strict it is skipped and counted
        [exit 2]
    "#]],
    );
}

#[test]
fn a_full_disk_is_an_error() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("Linux has it");
    let output = tc(&["status", "-s", DEMO]).stdout(full).output().expect("tc starts");
    assert_eq!(
        seen(&output),
        "! error: cannot write to standard output\n! caused by: No space left on device (os error 28)\n[exit 2]\n"
    );
}

#[cfg(unix)]
#[test]
fn an_unreadable_log() {
    use std::os::unix::fs::PermissionsExt as _;
    let (_keep, path) = folder(&[("evolution.jsonl", b"{}\n")]);
    let log = path.join("evolution.jsonl");
    std::fs::set_permissions(&log, std::fs::Permissions::from_mode(0o000)).expect("set");
    let mut command = tc_of_nobody(&path, &["status", "-s", "evolution.jsonl"]);
    expect![[r#"
        ! error: cannot read evolution.jsonl
        ! caused by: Permission denied (os error 13)
        ! hint: you are not allowed to read it: look at its permissions
        [exit 2]
    "#]]
    .assert_eq(&seen(&run(&mut command)));
}

#[test]
fn only_what_may_be_an_event_is_a_loss() {
    let event = |hour: u32| call("f", "v1", &format!("2026-06-01T{hour:02}:00:00"), 1.0, None);
    let foreign = format!("INFO begun\n12:00 | {}{{\"level\": \"info\"}}\n{}", event(1), event(2));
    let torn = format!("{foreign}{}", &event(3)[..40]);
    let (_keep, path) = folder(&[("foreign.jsonl", foreign.as_bytes()), ("torn.jsonl", torn.as_bytes())]);
    let status = |log: &str| run(tc(&["status", "--strict", "--json", "-s", log]).current_dir(&path));
    let output = status("foreign.jsonl");
    assert_eq!(output.status.code(), Some(0), "{}", seen(&output));
    let answer = json(tc(&["status", "--json", "-s", "foreign.jsonl"]).current_dir(&path));
    assert_eq!((&answer["complete"], &answer["items"][0]["calls"]), (&true.into(), &2.into()), "{answer}");
    let warning = &answer["warnings"][0];
    assert_eq!(warning["message"], "3 lines with other text, from which no event is missing");
    assert_eq!(warning["places"][1]["problem"], "text that is no part of an event");
    let output = status("torn.jsonl");
    assert_eq!(output.status.code(), Some(2), "{}", seen(&output));
    assert!(seen(&output).contains("torn.jsonl:5: not JSON"), "{}", seen(&output));
    // What nothing can be missing from hides no loss behind it.
    let long = format!("{}{}", "INFO\n".repeat(100), &event(3)[..40]);
    std::fs::write(path.join("torn.jsonl"), format!("{}{long}", event(1))).expect("written");
    let output = status("torn.jsonl");
    assert!(seen(&output).contains("torn.jsonl:102: not JSON"), "{}", seen(&output));
}
