//! One log that processes in both languages write at the same time.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use temporal_code::functions::{AbTest, Durability, Evolving, Tracker};

use crate::support::{Writer, assert_each_once, count, folder, items, json_of, tc};

/// What a child in Rust is to do; it is this program, started again.
struct Part {
    name: String,
    /// `each`, `every` or `close`: when events are safe.
    durability: &'static str,
    calls: u64,
    /// Rotation, in bytes; none if 0.
    rotate: u64,
    pause_us: u64,
}

impl Part {
    fn start(&self, folder: &Path) -> Child {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.args(["--exact", "together::play", "--ignored", "--nocapture", "--test-threads=1"]);
        let Part { name, durability, calls, rotate, pause_us } = self;
        command.env("TC_TEST_PART", format!("{name} {durability} {calls} {rotate} {pause_us}"));
        command.env("TC_TEST_FOLDER", folder).stdout(Stdio::null()).stderr(Stdio::inherit());
        command.spawn().expect("a child")
    }
}

/// Not a test: what a child does. Without its part it does nothing.
#[test]
#[ignore = "it is started by other tests"]
fn play() {
    let Ok(part) = std::env::var("TC_TEST_PART") else { return };
    let part = part.split(' ').collect::<Vec<_>>();
    let number = |index: usize| part[index].parse::<u64>().expect("a number");
    let (name, calls, rotate, pause) = (part[0], number(2), number(3), Duration::from_micros(number(4)));
    let options = Tracker::options().durability(match part[1] {
        "each" => Durability::EachEvent,
        "every" => Durability::Every(Duration::from_millis(5)),
        _ => Durability::OnClose,
    });
    let options = if rotate > 0 { options.rotate_at_bytes(rotate) } else { options };
    let tracker = options.open(std::env::var_os("TC_TEST_FOLDER").expect("a folder")).expect("a log");
    let function =
        Evolving::new(&format!("live.{name}"), |id: &String| id.clone()).variant("v2", |id: &String| id.clone());
    let function = function.strategy(AbTest::even()).log_values().tracker(&tracker);
    for call in 0..calls {
        function.call(&format!("{name}-{call}")).expect("an answer");
        std::thread::sleep(pause);
    }
    drop(function);
    tracker.close().expect("closed");
}

/// The writer of each line of the logs in a folder, in the order of the lines; no line may be broken.
fn lines(folder: &Path) -> Vec<String> {
    let mut values = Vec::new();
    let mut logs =
        fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("a log").path()).collect::<Vec<_>>();
    logs.sort();
    for log in logs {
        let text = fs::read_to_string(&log).expect("a log");
        assert!(text.ends_with('\n'), "{}", log.display());
        for line in text.split_terminator('\n') {
            let record = serde_json::from_str::<Value>(line);
            assert!(record.is_ok(), "{}: {line}", log.display());
            let value = record.expect("an event")["value"].as_str().expect("a value").to_string();
            values.push(value.trim_matches(['\'', '"']).to_string());
        }
    }
    values
}

/// Four writers in each language, some of those in Rust putting the log aside when it has so many bytes. Returns how many
/// logs there are in the end.
fn eight_processes(rotate: u64) -> usize {
    const CALLS: u64 = 1_500;
    let folder = folder();
    let mut writers = (0..4).map(|n| Writer::start(folder.path(), &format!("python{n}"))).collect::<Vec<_>>();
    writers.iter_mut().for_each(|writer| writer.order(10, 0));
    writers.iter_mut().for_each(Writer::wait);
    let part = |(n, durability)| {
        let (calls, rotate) = if durability == "each" { (CALLS / 5, 0) } else { (CALLS, rotate) };
        Part { name: format!("rust{n}"), durability, calls, rotate, pause_us: 400 }
    };
    let parts = ["each", "every", "close", "every"].into_iter().enumerate().map(part).collect::<Vec<_>>();
    let children = parts.iter().map(|part| part.start(folder.path())).collect::<Vec<_>>();
    writers.iter_mut().for_each(|writer| writer.order(CALLS, 1));
    let mut made = writers.into_iter().map(|writer| (writer.name.clone(), writer.finish())).collect::<Vec<_>>();
    for mut child in children {
        assert!(child.wait().expect("ended").success());
    }
    made.extend(parts.into_iter().map(|part| (part.name, part.calls)));

    let values = lines(folder.path());
    let mut found = BTreeMap::new();
    values.iter().for_each(|value| *found.entry(value.clone()).or_insert(0) += 1);
    assert_each_once(&found, &made);
    assert_mixed(&values);
    let status = json_of(tc(folder.path()).args(["status", "--json"]), &[0]);
    let counts = items(&status).iter().map(|item| (item["function"].to_string(), count(&item["calls"])));
    let wanted = made.iter().map(|(name, calls)| (format!("\"live.{name}\""), *calls));
    assert_eq!(counts.collect::<BTreeMap<_, _>>(), wanted.collect());
    fs::read_dir(folder.path()).expect("a folder").count()
}

/// Checks that both languages wrote at the same time: their lines are mixed.
fn assert_mixed(values: &[String]) {
    let turns = values.windows(2).filter(|pair| pair[0].starts_with('p') && pair[1].starts_with('r')).count();
    assert!(turns > 50, "{turns} turns");
}

#[test]
fn eight_processes_in_two_languages_share_a_log() {
    assert_eq!(eight_processes(0), 1);
}

#[test]
fn eight_processes_in_two_languages_share_a_log_that_is_put_aside() {
    let logs = eight_processes(150_000);
    assert!(logs > 5, "{logs} logs");
}
