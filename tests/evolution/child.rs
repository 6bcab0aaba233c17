//! Processes that write a log until they are killed: this test program, started again to play a part.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use temporal_code::functions::{AbTest, Durability, Evolving, Tracker};
use temporal_code::stores::{Address, Settings};

use crate::ground::Ground;

/// What a child is to do.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    /// Its number, which its events carry.
    pub(crate) number: u32,
    /// `each` or `every`.
    pub(crate) durability: &'static str,
    /// Calls that it makes; without end if 0.
    pub(crate) calls: u64,
    /// Microseconds between calls.
    pub(crate) pause_us: u64,
}

impl Part {
    /// Starts a child that writes to a log, and what it knows to be safe, and what it dropped, to the file `acks`.
    pub(crate) fn start(&self, ground: &Ground, acks: &Path) -> Child {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.args(["--exact", "child::play", "--ignored", "--nocapture", "--test-threads=1"]);
        command.env("TC_TEST_PART", format!("{} {} {} {}", self.number, self.durability, self.calls, self.pause_us));
        command.env("TC_TEST_STORE", &ground.url).env("TC_TEST_ACKS", acks).envs(ground.environment());
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("a child")
    }
}

/// Not a test: what a child does. Without its part it does nothing.
#[test]
#[ignore = "it is started by other tests"]
fn play() {
    let Ok(part) = std::env::var("TC_TEST_PART") else { return };
    let part = part.split(' ').collect::<Vec<_>>();
    let number = |index: usize| part[index].parse::<u64>().expect("a number");
    let (me, durability, calls, pause) = (number(0), part[1], number(2), number(3));
    let store = std::env::var("TC_TEST_STORE").expect("a store");
    let address = Address::parse(&store).expect("an address");
    let acks = std::env::var_os("TC_TEST_ACKS").expect("a file");
    let mut acks = OpenOptions::new().append(true).create(true).open(acks).expect("a file");
    let options = Tracker::options().wait_max(Duration::from_secs(60)).durability(match durability {
        "each" => Durability::EachEvent,
        _ => Durability::Every(Duration::from_millis(100)),
    });
    let tracker = options.open_at(&address, &Settings::from_environment(std::env::vars())).expect("a log");
    let function = Evolving::new("count", |id: &String| id.clone()).variant("v2", |id: &String| id.clone());
    let function = function.strategy(AbTest::even()).log_values().tracker(&tracker);
    let mut call = 0;
    while calls == 0 || call < calls {
        function.call(&format!("{me}-{call}")).expect("an answer");
        call += 1;
        if durability == "each" || call.is_multiple_of(500) {
            let safe = durability == "each" || tracker.flush(Duration::from_secs(60)).is_ok();
            if safe && tracker.health().late == 0 {
                writeln!(acks, "safe {call}").expect("acknowledged");
            }
        }
        if pause > 0 {
            std::thread::sleep(Duration::from_micros(pause));
        }
    }
    drop(function);
    let closed = tracker.close().is_ok();
    if closed {
        writeln!(acks, "safe {call}").expect("acknowledged");
    }
    writeln!(acks, "dropped {}", tracker.health().dropped).expect("told");
}

/// The last number that a child told under this word.
pub(crate) fn told(acks: &Path, word: &str) -> Option<u64> {
    let text = std::fs::read_to_string(acks).unwrap_or_default();
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().rev().find_map(|line| line.strip_prefix(word)?.trim().parse().ok())
}
