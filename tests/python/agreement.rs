//! What `tc` says of a log is what the package that wrote it says.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::support::{count, folder, items, json_of, run_script, tc, text};

#[test]
fn tc_agrees_with_the_package_that_wrote_the_log() {
    let log = folder();
    let truth = run_script("write_log.py", [log.path()]);
    let truth = truth.as_array().expect("a list");

    let status = json_of(tc(log.path()).args(["status", "--json"]), &[0]);
    assert_eq!(items(&status).len(), truth.len());
    let mut fallbacks = 0;
    for function in truth {
        let name = text(&function["name"]);
        let same = |item: &&Value| item["function"] == function["name"];
        let item = items(&status).iter().find(same).expect(name);
        check_function(item, function);
        fallbacks += check_summary(log.path(), name, function);
        check_report(log.path(), name, function);
    }
    check_events(log.path(), truth);

    // The log does not mark fallbacks: they are known by their time, and a busy machine blurs it.
    let wanted = truth.iter().map(|function| count(&function["fallbacks"])).sum::<u64>();
    assert!(fallbacks * 5 >= wanted * 4, "{fallbacks} of {wanted} fallbacks");
}

/// Counts, times and variants against `tracker.summary` and `Variant.stats`.
fn check_function(item: &Value, truth: &Value) {
    let summary = &truth["summary"];
    let name = text(&truth["name"]);
    assert_eq!(item["calls"], summary["total_calls"], "{name}");
    assert_eq!(item["promotions"], summary["total_promotions"], "{name}");
    assert_eq!(item["rollbacks"], summary["total_rollbacks"], "{name}");
    assert_eq!(item["weight_changes"], truth["weight_changes"], "{name}");
    assert_eq!(text(&item["first_event"]), utc(&summary["first_event"]), "{name}");
    assert_eq!(text(&item["last_event"]), utc(&summary["last_event"]), "{name}");

    let variants = item["variants"].as_array().expect("variants");
    let mut names = variants.iter().map(|variant| text(&variant["variant"])).collect::<Vec<_>>();
    let seen = summary["variants_seen"].as_array().expect("variants_seen");
    let mut seen = seen.iter().map(text).collect::<Vec<_>>();
    names.sort_unstable();
    seen.sort_unstable();
    assert_eq!(names, seen, "{name}");
    for stats in truth["stats"].as_array().expect("stats") {
        match variants.iter().find(|variant| variant["variant"] == stats["name"]) {
            Some(variant) => check_variant(variant, stats),
            None => assert_eq!(count(&stats["calls"]), 0, "{name}: {stats}"),
        }
    }
}

fn check_variant(variant: &Value, stats: &Value) {
    assert_eq!(variant["calls"], stats["calls"], "{variant}");
    if count(&stats["calls"]) == 0 {
        // The package says 1.0 and 0 ms of a variant that was never called.
        assert_eq!(
            (&variant["success_rate"], &variant["latency_ms"]["mean"]),
            (&Value::Null, &Value::Null),
            "{variant}"
        );
        return;
    }
    let rate = variant["success_rate"].as_f64().expect("a rate");
    assert_eq!(format!("{rate:.4}").parse().ok(), stats["success_rate"].as_f64(), "{variant}");
    // Both are off the true mean by 0.005 at most: the package rounds its mean, and each latency in the log is rounded.
    let (ours, theirs) = (variant["latency_ms"]["mean"].as_f64(), stats["avg_latency_ms"].as_f64());
    let apart = (ours.expect("a mean") - theirs.expect("a mean")).abs();
    assert!(apart <= 0.01 + 1e-9, "{apart}: {variant} {stats}");
}

/// Errors by message; returns how many calls are known to have answered another variant's failure.
fn check_summary(log: &Path, name: &str, truth: &Value) -> u64 {
    let json = json_of(tc(log).args(["summary", "--json", "--", name]), &[0]);
    let item = &items(&json)[0];
    check_function(item, truth);
    let mut fallbacks = 0;
    for variant in item["variants"].as_array().expect("variants") {
        let errors = variant["errors"].as_array().expect("errors").iter();
        let errors = errors.map(|error| (text(&error["error"]), count(&error["count"]))).collect::<BTreeMap<_, _>>();
        let wanted = &truth["errors"][text(&variant["variant"])];
        let wanted = wanted.as_object().into_iter().flatten().map(|(error, times)| (error.as_str(), count(times)));
        assert_eq!(errors, wanted.collect(), "{name}");
        fallbacks += count(&variant["fallback_calls"]);
    }
    assert!(fallbacks <= count(&truth["fallbacks"]), "{name}: {fallbacks}");
    fallbacks
}

/// The recommendation, word for word, over the variants that the log names.
fn check_report(log: &Path, name: &str, truth: &Value) {
    let json = json_of(tc(log).args(["report", "--json", "--", name]), &[0, 1, 8]);
    let item = &items(&json)[0];
    let (ours, theirs) = (text(&item["recommendation"]), text(&truth["seen"]));
    if ours != theirs {
        // A mean just beside a half millisecond is rounded the other way when taken from rounded latencies.
        let means =
            truth["stats"].as_array().expect("stats").iter().filter_map(|stats| stats["avg_latency_ms"].as_f64());
        let near = means.filter(|mean| (mean.fract() - 0.5).abs() < 0.011).map(|mean| mean.floor());
        let same = near.map(|down| (format!("{down}ms"), format!("{}ms", down + 1.0)));
        let same = same.filter(|(down, up)| ours.replace(down, up) == theirs.replace(down, up)).count();
        assert!(same > 0, "{name}: {ours} instead of {theirs}");
    }
    // A variant that was never called, nor decided on, is not in the log: then, and only then, the package may differ.
    let unseen = truth["stats"].as_array().map(Vec::len) != item["variants"].as_array().map(Vec::len);
    assert!(unseen || truth["seen"] == truth["report"]["recommendation"], "{name}");
}

/// Events of each type, in all and of each function.
fn check_events(log: &Path, truth: &[Value]) {
    let types = [
        ("call", "/summary/total_calls"),
        ("promotion", "/summary/total_promotions"),
        ("rollback", "/summary/total_rollbacks"),
        ("weight_change", "/weight_changes"),
    ];
    let all = json_of(tc(log).args(["events", "--json"]), &[0]);
    assert_eq!(items(&all).len(), types.len());
    for (kind, pointer) in types {
        let wanted = truth
            .iter()
            .map(|function| (text(&function["name"]), function.pointer(pointer).map(count).expect("a count")));
        let wanted = wanted.filter(|(_, count)| *count > 0).collect::<BTreeMap<_, _>>();
        let item = items(&all).iter().find(|item| item["event"] == kind).expect(kind);
        assert_eq!(count(&item["count"]), wanted.values().sum::<u64>(), "{kind}");

        let each = json_of(tc(log).args(["events", kind, "--json"]), &[0]);
        let each = items(&each).iter().map(|item| (text(&item["function"]), count(&item["count"])));
        assert_eq!(each.collect::<BTreeMap<_, _>>(), wanted, "{kind}");
    }
}

/// The package's time as `tc` prints it.
fn utc(time: &Value) -> String {
    let time = text(time).strip_suffix("+00:00").expect("a time in UTC");
    time.to_string() + "Z"
}

#[test]
fn tc_reads_lines_that_the_package_s_own_reader_loses() {
    let log = folder();
    let truth = run_script("odd_lines.py", [log.path()]);
    let (written, broken) = (count(&truth["written"]), count(&truth["with_a_separator"]));
    assert!(broken > 0);

    let status = json_of(tc(log.path()).args(["status", "--json"]), &[0]);
    assert_eq!(count(&items(&status)[0]["calls"]), written);
    // Its reader splits text at every character that Unicode calls a line's end; JSON Lines end at `\n` alone.
    assert_eq!(count(&truth["loaded"]), written - broken);
}

/// How many fallbacks `tc` found in the log of so many threads, how many of them are some, and how many there are.
fn fallbacks_of(threads: &str) -> (u64, u64, u64) {
    let log = folder();
    let truth = run_script("threads.py", [log.path().as_os_str(), threads.as_ref(), "400".as_ref()]);
    let json = json_of(tc(log.path()).args(["report", "threaded", "--json"]), &[0, 1, 8]);
    let variants = items(&json)[0]["variants"].as_array().expect("variants").iter();
    let of = |pointer: &str| {
        let counts = variants.clone().map(|variant| variant.pointer(pointer).map(count).expect("a count"));
        counts.sum::<u64>()
    };
    let (found, right) = (of("/fallback/calls"), of("/fallback/calls") - of("/fallback/successes"));
    let wanted = count(&truth["fallbacks"]);
    assert_eq!(of("/calls") + found, count(&truth["requests"]) + wanted);
    // Every fallback fails, and no other call of its variant does.
    assert_eq!(of("/failures") + right, 2 * wanted);
    (found, right, wanted)
}

#[test]
fn fallbacks_of_one_thread_are_told_from_calls() {
    let (found, right, wanted) = fallbacks_of("1");
    assert_eq!(found, right);
    // On a machine that is busy with something else, some begin later than a fallback is looked for: up to 7 in 100 seen.
    assert!(found <= wanted && found * 5 >= wanted * 4, "{found} of {wanted}");
}

#[test]
fn fallbacks_of_many_threads_are_counted() {
    let (found, right, wanted) = fallbacks_of("8");
    // Those that begin too late are more where threads wait for each other: up to 10 in 100 seen on a busy machine.
    assert!(found <= wanted && found * 5 >= wanted * 4, "{found} of {wanted}");
    // With eight threads another call may begin nearer to a failure than its fallback does and be taken for it: 83 in 100
    // were right when this was written, and fewer on a busy machine.
    assert!(right * 3 >= wanted * 2, "{right} of {wanted}");
}
