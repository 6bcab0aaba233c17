//! The Python example obeys what `tc` decides, wherever the log goes meanwhile.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use temporal_code::functions::Tracker;

use crate::support::{Talk, count, folder, json_of, tc};

const NAMES: [&str; 3] = ["v1", "v2", "v3"];

/// A Python process with the function `pay`: `obeying.py`.
struct Service(Talk);

impl Service {
    fn start(folder: &Path, strategy: &str) -> Service {
        Service(Talk::start("obeying.py", [folder.as_os_str(), strategy.as_ref()]))
    }

    /// One that looks at the log with each call.
    fn watchful(folder: &Path, strategy: &str) -> Service {
        Service(Talk::start("obeying.py", [folder.as_os_str(), strategy.as_ref(), "0".as_ref()]))
    }

    fn ask(&mut self, order: &str) -> Value {
        self.0.tell(order);
        serde_json::from_str(&self.0.hear()).expect("JSON")
    }

    /// How many of so many calls each variant answers.
    fn calls(&mut self, calls: u64) -> [u64; 3] {
        let answers = self.ask(&format!("calls {calls}"));
        NAMES.map(|name| answers.get(name).map_or(0, count))
    }

    fn weights(&mut self) -> [f64; 3] {
        let weights = self.ask("weights");
        [0, 1, 2].map(|index| weights[index].as_f64().expect("a weight"))
    }
}

/// Has `tc` decide something about `pay`.
fn decide(folder: &Path, arguments: &[&str]) {
    let (command, rest) = arguments.split_first().expect("a command");
    json_of(tc(folder).args([command, "pay"]).args(rest).args(["--yes", "--force", "--json"]), &[0]);
}

/// How many calls of each variant the logs in a folder hold.
fn logged(folder: &Path) -> [u64; 3] {
    let status = json_of(tc(folder).args(["status", "--json"]), &[0]);
    let variants = status["items"][0]["variants"].as_array().cloned().unwrap_or_default();
    let calls = |name: &str| variants.iter().find(|variant| variant["variant"] == name).map(|it| count(&it["calls"]));
    NAMES.map(|name| calls(name).unwrap_or(0))
}

/// Whether shares are those wanted, as well as chance allows; one that is 0 is exactly so.
fn are_shares(calls: [u64; 3], wanted: [f64; 3], tolerance: f64) -> bool {
    let total = calls.iter().sum::<u64>() as f64;
    let near = |(calls, wanted): (&u64, &f64)| {
        if *wanted == 0.0 { *calls == 0 } else { (*calls as f64 / total - wanted).abs() < tolerance }
    };
    calls.iter().zip(&wanted).all(near)
}

/// Checks the shares of many calls, as the service and as the log tell them.
#[track_caller]
fn check_shares(service: &mut Service, folder: &Path, wanted: [f64; 3]) {
    let before = logged(folder);
    let calls = service.calls(2_000);
    // Five standard deviations.
    assert!(are_shares(calls, wanted, 0.056), "{calls:?}, not {wanted:?}");
    let after = logged(folder);
    assert_eq!([0, 1, 2].map(|variant| after[variant] - before[variant]), calls);
}

#[test]
fn each_decision_holds_within_a_second_and_after_a_restart() {
    let folder = folder();
    let log = folder.path().join("evolution.jsonl");
    let mut service = Service::start(folder.path(), "ab");
    service.calls(1);
    check_shares(&mut service, folder.path(), [0.5, 0.5, 0.0]);
    let decisions: [(&[&str], [f64; 3]); 8] = [
        (&["rollback", "v2"], [1.0, 0.0, 0.0]),
        (&["promote", "v2", "--reason", "it was the network"], [0.0, 1.0, 0.0]),
        (&["weight", "v3", "25%"], [0.0, 0.75, 0.25]),
        (&["weight", "v2", "25%"], [0.5, 0.25, 0.25]),
        (&["rollback", "v3", "--to", "v2"], [0.0, 1.0, 0.0]),
        (&["promote", "v9"], [0.5, 0.5, 0.0]),
        (&["promote", "v3"], [0.0, 0.0, 1.0]),
        (&["weight", "--release"], [0.5, 0.5, 0.0]),
    ];
    for (number, (arguments, wanted)) in decisions.into_iter().enumerate() {
        if number % 3 == 2 {
            fs::rename(&log, folder.path().join(format!("evolution.jsonl.{}", 9 - number))).expect("put aside");
        }
        let start = Instant::now();
        decide(folder.path(), arguments);
        while !are_shares(service.calls(100), wanted, 0.2) {
            assert!(start.elapsed() < Duration::from_secs(1), "{arguments:?}");
        }
        check_shares(&mut service, folder.path(), wanted);
        let mut restarted = Service::start(folder.path(), "ab");
        check_shares(&mut restarted, folder.path(), wanted);
        restarted.0.end();
    }
    service.0.end();
}

/// A folder with logs, and who watches them: a service in Python, and perhaps a program in Rust.
struct Scene {
    folder: TempDir,
    service: Service,
    tracker: Option<Tracker>,
}

impl Scene {
    fn new() -> Scene {
        let folder = folder();
        let service = Service::watchful(folder.path(), "ab");
        Scene { folder, service, tracker: None }
    }

    /// With a program in Rust, too.
    fn of_both() -> Scene {
        let scene = Scene::new();
        let tracker = Tracker::open(scene.folder.path()).expect("a log");
        Scene { tracker: Some(tracker), ..scene }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn log(&self) -> PathBuf {
        self.path("evolution.jsonl")
    }

    fn decide(&self, arguments: &[&str]) {
        decide(self.folder.path(), arguments);
    }

    /// Renames a log, and begins a new one with another function's call.
    fn rotate(&self, name: &str) {
        fs::rename(self.log(), self.path(name)).expect("renamed");
        self.append(&call());
    }

    fn append(&self, text: &str) {
        let log = OpenOptions::new().append(true).create(true).open(self.log());
        log.expect("a log").write_all(text.as_bytes()).expect("appended");
    }

    /// Checks what is obeyed now, and what would be after a restart, in both languages.
    #[track_caller]
    fn check(&mut self, wanted: [f64; 3]) {
        close(self.service.weights(), wanted);
        close(Service::watchful(self.folder.path(), "ab").weights(), wanted);
        close(self.restarted_tracker(), wanted);
        let start = Instant::now();
        let is_so = |tracker: &Tracker| are_close(weights_of(tracker), wanted);
        while !self.tracker.as_ref().is_none_or(is_so) {
            let found = self.tracker.as_ref().map(weights_of);
            assert!(start.elapsed() < Duration::from_secs(2), "a running tracker has {found:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// What a program in Rust obeys when it starts. It mends the log, so it is given a copy.
    fn restarted_tracker(&self) -> [f64; 3] {
        let copy = folder();
        for entry in fs::read_dir(self.folder.path()).expect("a folder").flatten() {
            fs::copy(entry.path(), copy.path().join(entry.file_name())).expect("copied");
        }
        let tracker = Tracker::open(copy.path()).expect("a log");
        let weights = weights_of(&tracker);
        tracker.close().expect("closed");
        weights
    }
}

/// The weights that a tracker's functions have.
fn weights_of(tracker: &Tracker) -> [f64; 3] {
    let mut weights = FREE;
    if let Some(forced) = tracker.standing("pay").resolve(&NAMES) {
        forced.overrule(&mut weights);
    }
    weights
}

fn are_close(weights: [f64; 3], wanted: [f64; 3]) -> bool {
    weights.iter().zip(&wanted).all(|(weight, wanted)| (weight - wanted).abs() < 1e-9)
}

#[track_caller]
fn close(weights: [f64; 3], wanted: [f64; 3]) {
    assert!(are_close(weights, wanted), "{weights:?}");
}

/// A call of another function, later each time.
fn call() -> String {
    let now = temporal_code::Timestamp::now().isoformat();
    format!(
        "{{\"event\": \"call\", \"function\": \"other\", \"timestamp\": \"{now}\", \"variant\": \"v1\", \"value\": \"1\", \
         \"error\": null, \"latency_ms\": 0.5, \"success\": true}}\n"
    )
}

fn gzip(arguments: &[&str], log: &Path) {
    assert!(Command::new("gzip").args(arguments).arg(log).status().expect("gzip runs").success());
}

const FREE: [f64; 3] = [0.5, 0.5, 0.0];
const V1: [f64; 3] = [1.0, 0.0, 0.0];
const V2: [f64; 3] = [0.0, 1.0, 0.0];
const V3: [f64; 3] = [0.0, 0.0, 1.0];

#[test]
fn decisions_are_found_in_logs_that_were_put_aside() {
    let mut scene = Scene::of_both();
    close(scene.service.weights(), FREE);
    scene.append(&call());
    scene.decide(&["promote", "v2"]);
    scene.check(V2);
    fs::rename(scene.log(), scene.path("evolution.jsonl.1")).expect("renamed");
    scene.check(V2);
    scene.append(&call());
    scene.check(V2);

    // Twice between two looks, with a decision in the log that was there only meanwhile, and in one at its very end.
    fs::rename(scene.path("evolution.jsonl.1"), scene.path("evolution.jsonl.3")).expect("renamed");
    scene.decide(&["weight", "v2", "25%"]);
    scene.rotate("evolution.jsonl.2");
    scene.decide(&["weight", "v3", "25%"]);
    scene.rotate("evolution.jsonl.1");
    scene.check([0.5, 0.25, 0.25]);

    // Whatever they are called.
    scene.decide(&["promote", "v1"]);
    scene.rotate("evolution-2026-06-03.jsonl");
    scene.decide(&["promote", "v3"]);
    scene.rotate("evolution-20260604T103000.5Z.jsonl");
    scene.check(V3);
    scene.decide(&["weight", "v2", "50%"]);
    scene.decide(&["weight", "v1", "25%"]);
    scene.check([0.25, 0.5, 0.25]);

    // What is compressed is a new file, perhaps with a new time, and was read before.
    gzip(&[], &scene.path("evolution.jsonl.3"));
    scene.rotate("evolution-2026-06-01.jsonl");
    scene.check([0.25, 0.5, 0.25]);
    gzip(&["--no-name"], &scene.path("evolution.jsonl.2"));
    let packed = OpenOptions::new().append(true).open(scene.path("evolution.jsonl.2.gz")).expect("a log");
    packed.set_modified(std::time::SystemTime::now()).expect("touched");
    scene.rotate("evolution-2026-06-02.jsonl");
    scene.check([0.25, 0.5, 0.25]);
}

#[test]
fn a_log_that_is_compressed_at_once_is_read_to_its_end() {
    let mut scene = Scene::of_both();
    scene.append(&call());
    close(scene.service.weights(), FREE);
    scene.decide(&["promote", "v2"]);
    scene.rotate("evolution.jsonl.1");
    gzip(&[], &scene.path("evolution.jsonl.1"));
    scene.check(V2);
    // Both are there while one is made of the other, which has no end yet.
    for (variant, share) in [("v1", "50%"), ("v2", "50%"), ("v3", "50%")] {
        scene.decide(&["weight", variant, share]);
    }
    fs::copy(scene.log(), scene.path("half")).expect("copied");
    gzip(&[], &scene.path("half"));
    let half = fs::read(scene.path("half.gz")).expect("a log");
    scene.decide(&["weight", "v3", "40%"]);
    fs::write(scene.path("evolution.jsonl.0.gz"), &half[..half.len() - 8]).expect("written");
    scene.rotate("evolution.jsonl.0");
    scene.check([0.25 / 0.9, 0.25 / 0.9, 0.4 / 0.9]);
    // Those that are damaged are read as far as they go.
    scene.decide(&["promote", "v3"]);
    fs::write(scene.path("evolution.jsonl.2.gz"), "not compressed").expect("written");
    fs::write(scene.path("evolution.jsonl.3.gz"), &half[..half.len() / 2]).expect("written");
    scene.rotate("evolution-1.jsonl");
    scene.check(V3);
}

#[test]
fn a_log_that_is_emptied_or_replaced_is_read_from_its_start() {
    let mut scene = Scene::new();
    scene.append(&call());
    scene.decide(&["promote", "v2"]);
    scene.append(&call().repeat(3));
    scene.check(V2);
    // As logrotate's copytruncate does it.
    fs::copy(scene.log(), scene.path("evolution.jsonl.1")).expect("copied");
    fs::write(scene.log(), "").expect("emptied");
    scene.check(V2);
    scene.decide(&["rollback", "v2", "--to", "v1"]);
    scene.check(V1);
    // Emptied, and longer than before at the next look.
    fs::copy(scene.log(), scene.path("evolution-2.jsonl")).expect("copied");
    fs::write(scene.log(), "").expect("emptied");
    scene.decide(&["promote", "v3"]);
    scene.append(&call().repeat(30));
    scene.check(V3);
    // Shortened, with the same beginning.
    let text = fs::read_to_string(scene.log()).expect("a log");
    let first = text.split_inclusive('\n').next().expect("a line");
    fs::write(scene.log(), first).expect("shortened");
    scene.decide(&["promote", "v1"]);
    scene.check(V1);
    // Written anew: another file that begins the same and is longer.
    let text = fs::read_to_string(scene.log()).expect("a log");
    let promotion = text.replace("\"v1\"", "\"v3\"");
    fs::write(scene.path("draft"), format!("{first}{}{}", promotion.replace(first, ""), call().repeat(9)))
        .expect("written");
    fs::rename(scene.path("draft"), scene.log()).expect("renamed");
    scene.check(V3);
    // In its place is what cannot be read.
    fs::remove_file(scene.log()).expect("removed");
    fs::create_dir(scene.log()).expect("a folder");
    close(scene.service.weights(), V3);
    fs::remove_dir(scene.log()).expect("removed");
    scene.append(&call());
    // Deleted: what is left counts, and the next file may have the same number.
    fs::remove_file(scene.log()).expect("removed");
    scene.check(V1);
    scene.append(&call());
    scene.decide(&["promote", "v2"]);
    scene.append(&call().repeat(100));
    scene.check(V2);
}

#[test]
fn cleaning_a_log_keeps_what_was_decided_unless_all_of_it_goes() {
    let mut scene = Scene::of_both();
    scene.append(&call());
    for (variant, share) in [("v1", "50%"), ("v2", "50%"), ("v3", "50%")] {
        scene.decide(&["weight", variant, share]);
    }
    scene.check([0.25, 0.25, 0.5]);
    std::thread::sleep(Duration::from_millis(1_100));
    json_of(tc(scene.folder.path()).args(["clean", "--older-than", "1s", "--yes", "--json"]), &[0]);
    scene.append(&call());
    scene.check([0.25, 0.25, 0.5]);
    json_of(tc(scene.folder.path()).args(["clean", "--yes", "--json"]), &[0]);
    scene.append(&call());
    scene.check(FREE);
}

#[test]
fn only_logs_and_whole_lines_are_read() {
    let mut scene = Scene::new();
    scene.append(&call());
    scene.decide(&["promote", "v2"]);
    let text = fs::read_to_string(scene.log()).expect("a log");
    let decision = text.split_inclusive('\n').nth(1).expect("the decision");
    fs::remove_file(scene.log()).expect("removed");
    for name in ["evolution.jsonl.bak", "evolution.jsonl.lock", "evolutionary.jsonl", ".evolution.jsonl", "x.jsonl"] {
        fs::write(scene.path(name), decision).expect("written");
    }
    fs::create_dir(scene.path("archive")).expect("a folder");
    fs::write(scene.path("archive/evolution.jsonl"), decision).expect("written");
    scene.append(&call());
    close(scene.service.weights(), FREE);
    close(Service::watchful(scene.folder.path(), "ab").weights(), FREE);
    for at in [1, decision.len() / 2, decision.len() - 1] {
        scene.append(&decision[..at]);
        close(scene.service.weights(), FREE);
        // Whoever wrote it died; the next one gives the line its end.
        scene.append("\n");
        close(scene.service.weights(), if at == decision.len() - 1 { V2 } else { FREE });
    }
}

#[test]
fn a_release_starts_the_strategy_anew() {
    let folder = folder();
    let mut service = Service::watchful(folder.path(), "canary");
    service.ask("fail");
    assert_eq!(service.calls(30), [30, 0, 0], "the first variant answers");
    close(service.weights(), V1);
    decide(folder.path(), &["promote", "v3"]);
    service.ask("mend");
    assert_eq!(service.calls(30), [0, 0, 30], "though the canary was rolled back");
    decide(folder.path(), &["weight", "v2", "100%"]);
    assert_eq!(service.calls(30), [0, 30, 0]);
    decide(folder.path(), &["weight", "--release"]);
    assert_eq!(service.calls(10), [0, 0, 10], "the canary is tried again");
    service.ask("fail");
    assert_eq!(service.calls(30), [30, 0, 0]);
    close(service.weights(), V1);
    decide(folder.path(), &["weight", "--release"]);
    service.ask("mend");
    assert_eq!(service.calls(30), [0, 0, 30]);
    service.ask("fail");
    assert_eq!(service.calls(30), [30, 0, 0]);
    close(service.weights(), V3);
    // It was promoted before. A new process knows nothing of that.
    let mut restarted = Service::watchful(folder.path(), "canary");
    close(restarted.weights(), V3);
    restarted.ask("fail");
    assert_eq!(restarted.calls(30), [30, 0, 0]);
    close(restarted.weights(), V1);
}

#[test]
fn an_inactive_variant_gets_nothing_unless_it_is_named() {
    let folder = folder();
    Service::watchful(folder.path(), "ab").calls(1);
    decide(folder.path(), &["weight", "--release"]);
    // The release was before this one started, so it makes nothing active.
    let mut service = Service::watchful(folder.path(), "ab");
    service.ask("withdraw");
    decide(folder.path(), &["weight", "v3", "20%"]);
    close(service.weights(), [0.8, 0.0, 0.2]);
    decide(folder.path(), &["promote", "v2"]);
    close(service.weights(), V2);
}

#[test]
fn the_demo_obeys_and_ends_with_ctrl_c() {
    let folder = folder();
    let logs = folder.path().join("evolution_logs");
    let mut demo = Talk::start("../../examples/python/service.py", [&logs]);
    assert!(demo.hear().contains("answered by v1"));
    json_of(tc(&logs).args(["promote", "greeting", "v2", "--yes", "--json"]), &[0]);
    json_of(tc(&logs).args(["rollback", "greeting", "v2", "--yes", "--json"]), &[0]);
    let start = Instant::now();
    while !demo.hear().ends_with("v1 100, v2   0") {
        assert!(start.elapsed() < Duration::from_secs(20));
    }
    let interrupt = Command::new("kill").arg("-INT").arg(demo.child.id().to_string()).status();
    assert!(interrupt.expect("kill runs").success());
    demo.end();
}
