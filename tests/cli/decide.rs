//! `tc promote`, `tc rollback`, `tc weight`: what is written, and when nothing is.

use std::io::Write as _;
use std::path::Path;

use expect_test::{Expect, expect};
use serde_json::Value;

use super::{call, folder, json, run, seen, tc, tc_of_nobody};

/// Two functions, one with two variants and one with three, in that order.
fn log() -> String {
    let at = |second: u32| format!("2026-06-01T00:00:{second:02}");
    let pay = [("v1", 0), ("v2", 1), ("v1", 2)].map(|(variant, second)| call("pay", variant, &at(second), 1.0, None));
    let rank = [("v1", 3), ("v2", 4), ("v3", 5)].map(|(variant, second)| call("rank", variant, &at(second), 1.0, None));
    pay.into_iter().chain(rank).collect()
}

fn store() -> (tempfile::TempDir, std::path::PathBuf) {
    folder(&[("evolution.jsonl", log().as_bytes())])
}

/// What was added to the log.
fn added(store: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(store.join("evolution.jsonl")).expect("a log");
    let added = text.strip_prefix(&log()).expect("nothing else was changed");
    added.lines().map(|line| serde_json::from_str(line).expect("a record")).collect()
}

/// What is printed, with the store's name left out, and what is added to the log, with its time left out.
#[track_caller]
fn check(store: &Path, arguments: &[&str], expected: Expect) {
    let before = added(store).len();
    let output = run(tc(arguments).arg("-s").arg(store).env("TC_BY", "ada"));
    let mut text = seen(&output).replace(&store.display().to_string(), "STORE");
    for mut record in added(store).into_iter().skip(before) {
        assert!(record["timestamp"].as_str().expect("a time").ends_with("+00:00"));
        record.as_object_mut().expect("an object").shift_remove("timestamp");
        text += &format!("+ {record}\n");
    }
    expected.assert_eq(&text);
}

/// What `tc status` says below its table.
fn forced(store: &Path) -> String {
    let output = run(tc(&["status", "pay", "-s"]).arg(store));
    let ages = |line: &str| line.replace(" 1s ago", " 0s ago").replace(" 2s ago", " 0s ago");
    seen(&output).lines().last().map(ages).unwrap_or_default()
}

#[test]
fn who_decides_is_known() {
    let (_keep, store) = store();
    run(tc(&["promote", "pay", "v2", "-y", "-s"]).arg(&store).env("USER", "ada"));
    run(tc(&["promote", "pay", "v2", "-y", "-s"]).arg(&store).env("USER", ""));
    let by = |index: usize| added(&store)[index]["by"].as_str().expect("somebody").to_string();
    assert!(by(0).starts_with("ada@"), "{}", by(0));
    assert!(!by(1).starts_with('@') && !by(1).is_empty(), "{}", by(1));
    let answer = json(tc(&["status", "pay", "--json", "-s"]).arg(&store));
    let forced = &answer["items"][0]["forced"];
    assert_eq!(
        (&forced["decision"], &forced["variant"], &forced["shares"]["v2"]),
        (&"promotion".into(), &"v2".into(), &1.0.into())
    );
    assert!(forced["since"].as_str().is_some_and(|since| since.ends_with('Z')));
}

#[test]
fn a_promotion() {
    let (_keep, store) = store();
    check(
        &store,
        &["promote", "pay", "v2", "--yes", "--reason", "looks good"],
        expect![[r#"
            pay: v2 gets all traffic.
            Written to STORE/evolution.jsonl. Processes that follow the log obey within a second.
            + {"event":"promotion","function":"pay","variant":"v2","forced":true,"by":"ada","reason":"looks good"}
        "#]],
    );
    assert_eq!(forced(&store), "pay: v2 gets all traffic, forced by ada 0s ago: looks good");
    check(
        &store,
        &["promote", "pay", "v1", "-y", "--by", "bob"],
        expect![[r#"
            pay: v1 gets all traffic.
            Written to STORE/evolution.jsonl. Processes that follow the log obey within a second.
            + {"event":"promotion","function":"pay","variant":"v1","forced":true,"by":"bob"}
        "#]],
    );
}

#[test]
fn a_rollback() {
    let (_keep, store) = store();
    check(
        &store,
        &["rollback", "pay", "-y"],
        expect![[r#"
            pay: v2 gets no more traffic, v1 gets all of it.
            Written to STORE/evolution.jsonl. Processes that follow the log obey within a second.
            + {"event":"rollback","function":"pay","variant":"v2","reason":"","forced":true,"by":"ada","to":"v1"}
        "#]],
    );
    check(
        &store,
        &["rollback", "rank", "-y"],
        expect![[r#"
        ! error: which variant of `rank` is to be rolled back?
        ! hint: one of `v2`, `v3`
        [exit 2]
    "#]],
    );
    check(
        &store,
        &["rollback", "rank", "v3", "--to", "v2", "-y"],
        expect![[r#"
            rank: v3 gets no more traffic, v2 gets all of it.
            Written to STORE/evolution.jsonl. Processes that follow the log obey within a second.
            + {"event":"rollback","function":"rank","variant":"v3","reason":"","forced":true,"by":"ada","to":"v2"}
        "#]],
    );
    check(
        &store,
        &["rollback", "rank", "-y"],
        expect![[r#"
            rank: v2 gets no more traffic, v1 gets all of it.
            Written to STORE/evolution.jsonl. Processes that follow the log obey within a second.
            + {"event":"rollback","function":"rank","variant":"v2","reason":"","forced":true,"by":"ada","to":"v1"}
        "#]],
    );
    check(
        &store,
        &["rollback", "rank", "v1", "-y"],
        expect![[r#"
        ! error: `v1` cannot be rolled back to itself
        ! hint: say which variant gets the traffic: --to VARIANT
        [exit 2]
    "#]],
    );
}

#[test]
fn a_weight_after_all_traffic_went_to_another() {
    let (_keep, store) = store();
    run(tc(&["promote", "pay", "v1", "-y", "-s"]).arg(&store));
    check(
        &store,
        &["weight", "pay", "v2", "5%", "-y"],
        expect![[r#"
            pay: v2 gets 5.00% of traffic.
            Written to STORE/evolution.jsonl. Processes that follow the log obey within a second.
            + {"event":"weight_change","function":"pay","variant":"v2","old_weight":0.0,"new_weight":0.05,"forced":true,"by":"ada"}
        "#]],
    );
    check(
        &store,
        &["weight", "pay", "v1", "90%", "-y"],
        expect![[r#"
            pay: v1 gets 90.00% of traffic.
            Written to STORE/evolution.jsonl. Processes that follow the log obey within a second.
            + {"event":"weight_change","function":"pay","variant":"v1","old_weight":0.95,"new_weight":0.9,"forced":true,"by":"ada"}
        "#]],
    );
}

#[test]
fn a_weight() {
    let (_keep, store) = store();
    check(
        &store,
        &["weight", "pay", "v2", "25%", "-y", "-r", "slowly"],
        expect![[r#"
            pay: v2 gets 25.00% of traffic.
            Written to STORE/evolution.jsonl. Processes that follow the log obey within a second.
            + {"event":"weight_change","function":"pay","variant":"v2","old_weight":0.3333,"new_weight":0.25,"forced":true,"by":"ada","reason":"slowly"}
        "#]],
    );
    check(
        &store,
        &["weight", "pay", "v2", "0.5", "-y"],
        expect![[r#"
            pay: v2 gets 50.00% of traffic.
            Written to STORE/evolution.jsonl. Processes that follow the log obey within a second.
            + {"event":"weight_change","function":"pay","variant":"v2","old_weight":0.25,"new_weight":0.5,"forced":true,"by":"ada"}
        "#]],
    );
    assert_eq!(forced(&store), "pay: v2 gets 50.00%, forced by ada 0s ago");
    check(
        &store,
        &["weight", "pay", "--release", "-y"],
        expect![[r#"
            pay: its strategy decides again, and starts anew.
            Written to STORE/evolution.jsonl. Processes that follow the log obey within a second.
            + {"event":"release","function":"pay","forced":true,"by":"ada"}
        "#]],
    );
    check(
        &store,
        &["weight", "pay", "v2", "25", "-y"],
        expect![[r#"
        ! error: `25` is not a share of traffic
        ! hint: give 25% or 0.25; all of it is 100% or 1.0
        [exit 2]
    "#]],
    );
    check(
        &store,
        &["weight", "pay", "v2", "-y"],
        expect![[r#"
        ! error: the following required arguments were not provided:
        !   <SHARE>
        ! 
        ! Usage: tc weight --yes --store <STORE> <FUNCTION> <VARIANT> <SHARE>
        ! 
        ! For more information, try '--help'.
        [exit 2]
    "#]],
    );
}

#[test]
fn what_the_log_does_not_know_is_refused() {
    let (_keep, store) = store();
    check(
        &store,
        &["promote", "pya", "v2", "-y"],
        expect![[r#"
        ! error: no events of a function `pya` in STORE
        ! hint: `tc status` lists the functions there are; --force to decide it all the same
        [exit 2]
    "#]],
    );
    check(
        &store,
        &["promote", "rank", "v4", "-y"],
        expect![[r#"
        ! error: `rank` has no variant `v4` in the log
        ! hint: it has `v1`, `v2`, `v3`; --force to decide it all the same
        [exit 2]
    "#]],
    );
    check(
        &store,
        &["rollback", "pay", "v2", "--to", "w1", "-y"],
        expect![[r#"
        ! error: `pay` has no variant `w1` in the log
        ! hint: it has `v1`, `v2`; --force to decide it all the same
        [exit 2]
    "#]],
    );
    check(
        &store,
        &["promote", "pay", "", "-y", "--force"],
        expect![[r#"
        ! error: the name of a variant cannot be empty
        [exit 2]
    "#]],
    );
    check(
        &store,
        &["promote", "pay", "v4", "-y", "--force"],
        expect![[r#"
            pay: v4 gets all traffic.
            Written to STORE/evolution.jsonl. Processes that follow the log obey within a second.
            + {"event":"promotion","function":"pay","variant":"v4","forced":true,"by":"ada"}
        "#]],
    );
    check(
        &store,
        &["promote", "new", "v2", "-y", "--force"],
        expect![[r#"
            new: v2 gets all traffic.
            Written to STORE/evolution.jsonl. Processes that follow the log obey within a second.
            + {"event":"promotion","function":"new","variant":"v2","forced":true,"by":"ada"}
        "#]],
    );
}

#[test]
fn nobody_is_asked_without_a_terminal() {
    let (_keep, store) = store();
    check(
        &store,
        &["promote", "pay", "v2"],
        expect![[r#"
        ! error: a decision needs --yes where nobody can be asked
        ! hint: see the record that would be written with --dry-run; it would say that v2 gets all traffic
        [exit 2]
    "#]],
    );
    check(
        &store,
        &["promote", "pay", "v2", "--json"],
        expect![[r#"
        ! {"error":{"code":"needs_yes","message":"a decision needs --yes where nobody can be asked","hint":"see the record that would be written with --dry-run; it would say that v2 gets all traffic"}}
        [exit 2]
    "#]],
    );
}

#[test]
fn a_dry_run_prints_the_record() {
    let (_keep, store) = store();
    let output = run(tc(&["weight", "pay", "v2", "25%", "--dry-run", "-s"]).arg(&store));
    let record: Value = serde_json::from_slice(&output.stdout).expect("the record alone");
    assert_eq!(
        (&record["event"], &record["new_weight"], &record["forced"]),
        (&"weight_change".into(), &0.25.into(), &true.into())
    );
    let answer = json(tc(&["promote", "pay", "v2", "--dry-run", "--json", "-s"]).arg(&store));
    assert_eq!((&answer["schema"], &answer["items"][0]["dry_run"]), (&"tc.promote/1".into(), &true.into()));
    assert!(added(&store).is_empty());
    let answer = json(tc(&["promote", "pay", "v2", "--yes", "--json", "-s"]).arg(&store));
    let mut item = answer["items"][0].clone();
    assert_eq!(item.as_object_mut().expect("an object").remove("dry_run"), Some(false.into()));
    let log = store.join("evolution.jsonl").display().to_string();
    assert_eq!(item.as_object_mut().expect("an object").remove("log"), Some(log.into()));
    assert_eq!(added(&store), [item]);
}

#[test]
fn nothing_is_decided_when_the_log_moved() {
    let (_keep, store) = store();
    let exit = |arguments: &[&str]| run(tc(arguments).arg("-s").arg(&store)).status.code();
    let pay = |last: &str, more: &str| exit(&["promote", "pay", "v2", "-y", "--if-last", last, more]);
    // The last event of `pay` is in line 3; those behind it are of `rank`.
    for last in ["2", "2026-06-01T00:00:01Z", "7", "2026-05-01"] {
        assert_eq!(pay(last, "-q"), Some(5), "{last}");
        assert_eq!(exit(&["promote", "pay", "v2", "--dry-run", "--if-last", last]), Some(5), "{last}");
    }
    assert!(added(&store).is_empty());
    check(
        &store,
        &["promote", "pay", "v2", "-y", "--if-last", "2"],
        expect![[r#"
        ! error: STORE/evolution.jsonl:3: something happened to `pay` after line 2
        ! hint: see what happened: tc history pay
        [exit 5]
    "#]],
    );
    assert_eq!(exit(&["promote", "pay", "v2", "--dry-run", "--if-last", "3"]), Some(0));
    assert_eq!(pay("3", "-q"), Some(0));
    assert_eq!(pay("3", "-q"), Some(5), "the decision itself moved it");
    assert_eq!(pay("3", "--ignore-calls"), Some(5));
    assert_eq!(pay("7", "-q"), Some(0));
    let last = added(&store)[1]["timestamp"].as_str().expect("a time").to_string();
    assert_eq!(pay(&last, "-q"), Some(0), "as tc history shows it");
    assert_eq!(pay("2026-06-01T00:00:02Z", "--ignore-calls"), Some(5));
    assert_eq!(exit(&["promote", "rank", "v2", "-y", "--if-last", "1", "--ignore-calls"]), Some(0), "only calls since");
    assert_eq!(pay("soon", "-q"), Some(2));
    assert_eq!(added(&store).len(), 4);
}

#[test]
fn it_must_be_clear_which_log_is_meant() {
    let line = call("pay", "v1", "2026-06-01T00:00:00", 1.0, None);
    let line = line.as_bytes();
    let (_keep, several) = folder(&[("a.jsonl", line), ("b.jsonl", line)]);
    check_unchanged(&several, &["--store", "."], "the store has 2 logs: to which of them?");
    check_unchanged(&several, &["--store", "*.jsonl"], "the store has 2 logs: to which of them?");
    check_unchanged(&several, &["--store", "-"], "a decision cannot be appended to standard input");
    let packed = zstd::encode_all(line, 3).expect("compressed");
    let (_keep, packed) = folder(&[("a.jsonl.zst", &packed)]);
    check_unchanged(&packed, &["--store", "."], "is compressed: nothing can be appended to it");
    // Parts of a log that was put aside: the decision goes to the one that is written to.
    let (_keep, aside) = folder(&[("evolution-20260601T000000Z.jsonl", line), ("evolution.jsonl.1", line)]);
    let output = run(tc(&["promote", "pay", "v1", "-y", "-s"]).arg(&aside));
    assert!(output.status.success(), "{}", seen(&output));
    assert!(
        std::fs::read_to_string(aside.join("evolution.jsonl"))
            .expect("a new log")
            .starts_with(r#"{"event": "promotion""#)
    );
    // One that is named is meant.
    let output = run(tc(&["promote", "pay", "v1", "-y", "-s"]).arg(several.join("b.jsonl")));
    assert!(output.status.success(), "{}", seen(&output));
}

#[track_caller]
fn check_unchanged(store: &Path, arguments: &[&str], message: &str) {
    let sizes = || {
        let entries = std::fs::read_dir(store).expect("a folder").flatten();
        entries.map(|entry| entry.metadata().map_or(0, |metadata| metadata.len())).sum::<u64>()
    };
    let before = sizes();
    let output = run(tc(&["promote", "pay", "v1", "-y"]).args(arguments).current_dir(store));
    assert_eq!(output.status.code(), Some(2));
    assert!(seen(&output).contains(message), "{}", seen(&output));
    assert_eq!(sizes(), before);
}

/// Whatever its name is: nobody would read a line behind its content, and the content would be damaged.
#[test]
fn nothing_is_appended_to_what_is_compressed() {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(log().as_bytes()).expect("compressed");
    let zstd = zstd::encode_all(log().as_bytes(), 3).expect("compressed");
    let skippable = [b"\x50\x2a\x4d\x18\x03\0\0\0abc", &zstd[..]].concat();
    for packed in [gzip.finish().expect("compressed"), zstd, skippable] {
        let (_keep, store) = folder(&[("evolution.jsonl", &packed)]);
        for place in [".", "evolution.jsonl", "./*.jsonl"] {
            for decision in [&["promote", "pay", "v2"][..], &["rollback", "pay", "v1"], &["weight", "pay", "v2", "10%"]]
            {
                for flag in ["--force", "--if-last=7", "--reason=why"] {
                    let output = run(tc(decision).args(["-y", flag, "-s", place]).current_dir(&store));
                    assert_eq!(output.status.code(), Some(2), "{}", seen(&output));
                    assert!(seen(&output).contains("it is compressed") || seen(&output).contains("is compressed:"));
                    assert_eq!(std::fs::read(store.join("evolution.jsonl")).expect("a log"), packed);
                }
            }
        }
        let read = json(tc(&["status", "--json", "-s"]).arg(&store));
        assert_eq!(read["items"][0]["function"], "pay");
    }
}

#[test]
fn a_torn_end_is_mended_first() {
    let (_keep, store) = folder(&[("evolution.jsonl", format!("{}{{\"event\": \"call\", \"fun", log()).as_bytes())]);
    let output = run(tc(&["promote", "pay", "v2", "-y", "-s"]).arg(&store));
    assert!(output.status.success(), "{}", seen(&output));
    let text = std::fs::read_to_string(store.join("evolution.jsonl")).expect("a log");
    let last = text.lines().last().expect("lines");
    assert!(
        text.contains("\"fun\n{\"event\": \"promotion\"") && last.starts_with("{\"event\": \"promotion\""),
        "{text}"
    );
}

#[test]
#[cfg(unix)]
fn a_log_that_cannot_be_written_is_named() {
    use std::os::unix::fs::PermissionsExt as _;
    let (_keep, store) = store();
    let log = store.join("evolution.jsonl");
    std::fs::set_permissions(&log, std::fs::Permissions::from_mode(0o444)).expect("set");
    let output = run(&mut tc_of_nobody(&store, &["promote", "pay", "v2", "-y", "-s", "."]));
    assert_eq!(output.status.code(), Some(2), "{}", seen(&output));
    assert!(seen(&output).contains("error: cannot append to ./evolution.jsonl"), "{}", seen(&output));
    assert!(seen(&output).contains("Permission denied"));
}

#[test]
fn words_from_people_and_logs_are_harmless() {
    let name = "\u{1b}[31mpay";
    let (_keep, store) =
        folder(&[("evolution.jsonl", call("\\u001b[31mpay", "v1", "2026-06-01T00:00:00", 1.0, None).as_bytes())]);
    let output = run(tc(&["promote", name, "v1", "-y", "--reason", "a\nb\u{1b}[2J", "-s"]).arg(&store));
    assert!(output.status.success() && !seen(&output).contains('\u{1b}'), "{}", seen(&output));
    let text = std::fs::read_to_string(store.join("evolution.jsonl")).expect("a log");
    assert_eq!(text.lines().count(), 2);
    for arguments in [&["status"][..], &["history"], &["history", "--json"], &["promote", name, "v1", "--dry-run"]] {
        let output = run(tc(arguments).arg("-s").arg(&store));
        assert!(output.status.success() && !seen(&output).contains('\u{1b}'), "{}", seen(&output));
    }
}

#[test]
fn cleaning_keeps_decisions_that_stand() {
    let decision = |event: &str, variant: &str, rest: &str| {
        format!(
            "{{\"event\": \"{event}\", \"function\": \"pay\", \"variant\": \"{variant}\", \"timestamp\": \"2020-01-01T00:00:00+00:00\", \"forced\": true{rest}}}\n"
        )
    };
    let void = decision("promotion", "v1", "");
    let stands = decision("promotion", "v2", "") + &decision("weight_change", "v3", ", \"new_weight\": 0.1");
    let old = call("pay", "v1", "2020-01-01T00:00:00", 1.0, None);
    let young = call("pay", "v1", "2999-01-01T00:00:00", 1.0, None);
    let text = format!("{old}{void}{stands}{old}{young}");
    let (_keep, store) = folder(&[("evolution.jsonl", text.as_bytes())]);
    let answer = json(tc(&["clean", "--older-than", "30d", "-y", "--json", "-s"]).arg(&store));
    let item = &answer["items"][0];
    assert_eq!(
        (&item["events_deleted"], &item["events_kept"], &item["standing_decisions"]),
        (&3.into(), &3.into(), &2.into())
    );
    assert_eq!(std::fs::read_to_string(store.join("evolution.jsonl")).expect("a log"), format!("{stands}{young}"));
    // All that is left is old, but stands.
    std::fs::write(store.join("evolution.jsonl"), format!("{old}{stands}")).expect("written");
    let answer = json(tc(&["clean", "--older-than", "30d", "-y", "--json", "-s"]).arg(&store));
    assert_eq!(answer["items"][0]["action"], "shorten");
    assert_eq!(std::fs::read_to_string(store.join("evolution.jsonl")).expect("a log"), stands);
    let output = run(tc(&["clean", "--dry-run", "-s"]).arg(&store));
    assert!(seen(&output).contains("2 decisions that stand would go with it"), "{}", seen(&output));
    let released = format!(
        "{stands}{{\"event\": \"release\", \"function\": \"pay\", \"timestamp\": \"2020-01-01T00:00:00+00:00\", \"forced\": true}}\n{young}"
    );
    std::fs::write(store.join("evolution.jsonl"), released).expect("written");
    run(tc(&["clean", "--older-than", "30d", "-y", "-s"]).arg(&store));
    let left = std::fs::read_to_string(store.join("evolution.jsonl")).expect("a log");
    assert_eq!(left.lines().count(), 2, "{left}");
    assert!(left.starts_with("{\"event\": \"release\"") && left.ends_with(&young), "it may void what another log has");
    // What a strategy decided last stays too.
    let own = "{\"event\": \"rollback\", \"function\": \"pay\", \"variant\": \"v2\", \"reason\": \"r\", \"timestamp\": \"2020-01-01T00:00:00+00:00\"}\n";
    std::fs::write(store.join("evolution.jsonl"), format!("{}{own}{young}", own.replace("rollback", "promotion")))
        .expect("written");
    run(tc(&["clean", "--older-than", "30d", "-y", "-s"]).arg(&store));
    assert_eq!(std::fs::read_to_string(store.join("evolution.jsonl")).expect("a log"), format!("{own}{young}"));
}

/// Half a record would be glued to the next line of a writer that knows no locks.
#[test]
fn on_a_full_disk_nothing_is_begun() {
    let (_keep, path) = folder(&[("calls", call("f", "v2", "2026-06-01T00:00:00", 1.0, None).as_bytes())]);
    let script = "mkdir disk && mount -t tmpfs -o size=64k none disk && cd disk && \
                  while [ \"$(stat -c %s log.jsonl 2> /dev/null || echo 0)\" -lt 3900 ]; do cat ../calls >> log.jsonl; done && \
                  cp log.jsonl ../before && { dd if=/dev/zero of=filler bs=997 2> /dev/null; \"$0\" \"$@\"; }; code=$?; \
                  cmp log.jsonl ../before && rm filler && \"$0\" \"$@\" && tail -n +$(($(wc -l < ../before) + 1)) log.jsonl; exit $code";
    let mut command = std::process::Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script, env!("CARGO_BIN_EXE_tc")]);
    command.args(["promote", "f", "v2", "--yes", "-s", "log.jsonl"]).current_dir(&path);
    let output = run(&mut command);
    assert_eq!(output.status.code(), Some(2), "{}", seen(&output));
    assert!(seen(&output).contains("No space left"), "{}", seen(&output));
    assert_eq!(seen(&output).matches("\"event\": \"promotion\"").count(), 1, "{}", seen(&output));
}
