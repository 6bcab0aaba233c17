//! Eight processes promote and roll back the same function at once: every decision that was acknowledged was made on the state
//! that its author saw.
//!
//! Each decision has a number of its own in its reason, behind that of the one that its author saw last. In the log each must
//! stand directly behind that one. `tc rollback` without a variant takes back what its author saw promoted, which tells the
//! same of the program.

use std::collections::HashSet;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use temporal_code::functions::{Evolving, Tracker};
use temporal_code::logs::{Change, DecideError, Decider, Decision};
use temporal_code::stores::{Address, Settings};

use crate::ground::{Ground, exit, json, run, seen};

const PROCESSES: usize = 8;

/// Each so many decisions of a process are made with the program.
const PROGRAM_EVERY: usize = 25;

/// Starts a process that makes so many decisions, and writes to the file `acks` which ones stand.
fn start(ground: &Ground, number: usize, rounds: usize, acks: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", "race::play", "--ignored", "--nocapture", "--test-threads=1"]);
    command.env("TC_TEST_RACER", format!("{number} {rounds}")).env("TC_TEST_ACKS", acks);
    command.env("TC_TEST_STORE", &ground.url).envs(ground.environment());
    command.stdout(Stdio::null()).spawn().expect("a child")
}

/// Not a test: what a process does. Without its part it does nothing.
#[test]
#[ignore = "it is started by other tests"]
fn play() {
    let Ok(part) = std::env::var("TC_TEST_RACER") else { return };
    let (number, rounds) = part.split_once(' ').expect("two numbers");
    let acks = std::env::var_os("TC_TEST_ACKS").expect("a file");
    let mut racer = Racer {
        number: number.into(),
        store: std::env::var("TC_TEST_STORE").expect("a store"),
        acks: OpenOptions::new().append(true).create(true).open(acks).expect("a file"),
        attempts: 0,
        lost: 0,
    };
    let rounds = rounds.parse().expect("a number");
    let mut view = racer.look();
    for round in 0..rounds {
        if round % PROGRAM_EVERY == 2 {
            racer.decide_with_the_program();
        } else {
            racer.decide(&mut view);
        }
        // Some go on with what they know, and some look again.
        if round % 3 == 0 {
            view = racer.look();
        }
    }
    writeln!(racer.acks, "lost {}", racer.lost).expect("told");
}

struct Racer {
    number: String,
    store: String,
    acks: std::fs::File,
    attempts: u64,
    lost: u64,
}

/// Somebody who has looked, and the last decision that was seen.
struct View {
    decider: Decider,
    last: Option<Decision>,
}

impl Racer {
    fn look(&self) -> View {
        let address = Address::parse(&self.store).expect("an address");
        let decider = Decider::open(&address, &Settings::from_environment(std::env::vars()), "f").expect("a log");
        let last = decider.standing().expect("readable").last().cloned();
        View { decider, last }
    }

    fn next_id(&mut self) -> String {
        self.attempts += 1;
        format!("{}-{}", self.number, self.attempts)
    }

    /// Promotes a variant that nobody else has or, if one was promoted, perhaps rolls that back, until that stands.
    fn decide(&mut self, view: &mut View) {
        loop {
            let id = self.next_id();
            let decision = next(&id, view.last.as_ref(), self.attempts.is_multiple_of(3));
            match view.decider.decide(decision.clone()) {
                Ok(()) => {
                    view.last = Some(decision);
                    return writeln!(self.acks, "made {id}").expect("acknowledged");
                }
                Err(DecideError::Conflict { mut made, .. }) => {
                    view.last = made.pop();
                    self.lost += 1;
                }
                Err(error) => panic!("{error:?}"),
            }
        }
    }

    /// The same with the program, which may find nothing to roll back.
    fn decide_with_the_program(&mut self) {
        loop {
            let id = self.next_id();
            let variant = format!("v{id}");
            let rollback = ["rollback", "f"].as_slice();
            let arguments =
                if self.attempts.is_multiple_of(2) { rollback } else { &["promote", "f", &variant, "--force"] };
            let mut command = crate::ground::tc(arguments);
            command.args(["--yes", "--reason", &id]).env("TC_STORE", &self.store);
            command.envs(std::env::vars().filter(|(name, _)| name.starts_with("AWS_")));
            let output = run(&mut command);
            match output.status.code() {
                Some(0) => return writeln!(self.acks, "made {id}").expect("acknowledged"),
                Some(5) => {
                    assert!(
                        seen(&output).contains(" meanwhile") && seen(&output).contains(" by "),
                        "{}",
                        seen(&output)
                    );
                    self.lost += 1;
                }
                Some(2) => {
                    // Nothing is to be rolled back, or the file was just being put aside.
                    let expected = ["is to be rolled back?", "No such file"];
                    assert!(expected.iter().any(|words| seen(&output).contains(words)), "{}", seen(&output));
                }
                _ => panic!("{}", seen(&output)),
            }
        }
    }
}

fn next(id: &str, last: Option<&Decision>, rolls_back: bool) -> Decision {
    let promoted = last.filter(|last| rolls_back && last.change == Change::Promote).map(|last| last.variant.clone());
    let seen = last.map_or("nothing", id_of);
    let (change, variant) = match promoted {
        Some(variant) => (Change::Rollback { to: Some("v1".into()) }, variant),
        None => (Change::Promote, format!("v{id}")),
    };
    let (by, reason) = (Some("racer".into()), Some(format!("{id} behind {seen}")));
    Decision { function: "f".into(), variant, change, at: None, forced: true, by, reason }
}

/// A decision's own number.
fn id_of(decision: &Decision) -> &str {
    decision.reason.as_deref().and_then(|reason| reason.split(' ').next()).expect("a reason")
}

/// Runs the race, and returns the numbers of the decisions that were acknowledged.
fn run_race(ground: &Ground, rounds: usize) -> HashSet<String> {
    let scale = std::env::var("TC_TEST_RACE_SCALE").map_or(1, |scale| scale.parse().expect("a number"));
    let folder = tempfile::tempdir().expect("a folder");
    let acks = |number: usize| folder.path().join(number.to_string());
    let children = (0..PROCESSES).map(|number| start(ground, number, rounds * scale, &acks(number)));
    for mut child in children.collect::<Vec<_>>() {
        assert!(child.wait().expect("ended").success());
    }
    let told = (0..PROCESSES).map(|number| std::fs::read_to_string(acks(number)).expect("acknowledgements"));
    let told = told.collect::<String>();
    let made = told.lines().filter_map(|line| line.strip_prefix("made ").map(str::to_string)).collect::<HashSet<_>>();
    let lost = told.lines().filter_map(|line| line.strip_prefix("lost ")?.parse::<u64>().ok()).sum::<u64>();
    assert_eq!(made.len(), PROCESSES * rounds * scale);
    assert!(lost > 0, "nobody met anybody");
    made
}

/// Checks that each decision stands directly behind the one that its author saw.
fn check(ground: &Ground, made: &HashSet<String>) {
    let decisions = decisions(ground);
    let mut last: Option<&Decision> = None;
    for decision in &decisions {
        assert!(made.contains(id_of(decision)), "{decision:?} was not acknowledged");
        let before = last.map_or("nothing", id_of);
        if let Some((_, seen)) = decision.reason.as_deref().and_then(|reason| reason.split_once(" behind ")) {
            assert_eq!(seen, before, "{decision:?}");
        }
        if matches!(decision.change, Change::Rollback { .. }) {
            let promoted = last.filter(|last| last.change == Change::Promote).map(|last| &last.variant);
            assert_eq!(promoted, Some(&decision.variant), "{decision:?} behind {last:?}");
        }
        last = Some(decision);
    }
    assert_eq!(decisions.len(), made.len());
}

/// All decisions in the order of the log.
fn decisions(ground: &Ground) -> Vec<Decision> {
    if let Some(files) = ground.files() {
        let text = files.iter().map(|file| std::fs::read_to_string(file).expect("a log")).collect::<String>();
        return text.lines().filter_map(Decision::parse).collect();
    }
    let answer = json(&mut ground.tc(&["history", "f", "-n", "all", "--json"]));
    let items = answer["items"].as_array().expect("items");
    items.iter().filter_map(|item| Decision::parse(&item.to_string())).collect()
}

fn race(ground: &Ground, rounds: usize) {
    check(ground, &run_race(ground, rounds));
}

#[test]
fn in_a_file() {
    race(&Ground::folder(), 125);
}

#[test]
fn in_a_file_that_is_put_aside_again_and_again() {
    let ground = Ground::folder();
    let tracker = Tracker::options().rotate_at_bytes(100_000).open(&ground.url).expect("a log");
    let function = Evolving::new("f", |n: &u64| *n).tracker(&tracker);
    let (over, is_over) = std::sync::mpsc::channel::<()>();
    let put_aside = || ground.files().is_some_and(|files| files.len() > 2);
    let made = std::thread::scope(|scope| {
        let (function, put_aside) = (&function, &put_aside);
        let calls = scope.spawn(move || {
            while is_over.recv_timeout(Duration::from_micros(500)) == Err(RecvTimeoutError::Timeout) {
                function.call(&1).expect("an answer");
            }
            // Where the race was over sooner than the file was full.
            while !put_aside() {
                function.call(&1).expect("an answer");
            }
        });
        let made = run_race(&ground, 25);
        drop(over);
        calls.join().expect("calls");
        made
    });
    tracker.close().expect("closed");
    check(&ground, &made);
    assert!(put_aside());
    assert_eq!(exit(&mut ground.tc(&["status", "--strict"])), 0);
}

#[test]
fn on_redis() {
    race(&Ground::redis(), 50);
}

#[test]
fn in_a_bucket() {
    race(&Ground::bucket(), 4);
}
