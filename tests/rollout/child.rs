//! Processes that write a log until they are killed: this test program, started again to play a part.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use temporal_code::functions::{AbTest, Durability, Evolving, Tracker, TrackerOptions};

/// What a child is to do.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    /// Its number, which its events carry.
    pub(crate) number: u32,
    /// `each`, `every` or `close`.
    pub(crate) durability: &'static str,
    /// Calls that it makes; without end if 0.
    pub(crate) calls: u64,
    /// Rotation, in bytes; none if 0.
    pub(crate) rotate: u64,
    /// Microseconds between calls.
    pub(crate) pause_us: u64,
}

impl Part {
    /// Starts a child that writes to the log in `folder`, and what it knows to be safe to the file `acks`.
    pub(crate) fn start(&self, folder: &Path, acks: &Path) -> Child {
        self.command(folder, acks).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("a child")
    }

    pub(crate) fn command(&self, folder: &Path, acks: &Path) -> Command {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.args(["--exact", "child::play", "--ignored", "--nocapture", "--test-threads=1"]);
        let part = [self.number.to_string(), self.durability.into(), self.calls.to_string(), self.rotate.to_string()];
        command.env("TC_TEST_PART", part.join(" ") + &format!(" {}", self.pause_us));
        command.env("TC_TEST_FOLDER", folder).env("TC_TEST_ACKS", acks);
        command
    }
}

fn options(durability: &str, rotate: u64) -> TrackerOptions {
    let options = Tracker::options().durability(match durability {
        "each" => Durability::EachEvent,
        "every" => Durability::Every(Duration::from_millis(5)),
        _ => Durability::OnClose,
    });
    if rotate > 0 { options.rotate_at_bytes(rotate) } else { options }
}

/// Not a test: what a child does. Without its part it does nothing.
#[test]
#[ignore = "it is started by other tests"]
fn play() {
    let Ok(part) = std::env::var("TC_TEST_PART") else { return };
    let part = part.split(' ').collect::<Vec<_>>();
    let number = |index: usize| part[index].parse::<u64>().expect("a number");
    let (me, durability, calls, rotate, pause) = (number(0), part[1], number(2), number(3), number(4));
    let folder = std::env::var_os("TC_TEST_FOLDER").expect("a folder");
    let mut acks = OpenOptions::new()
        .append(true)
        .create(true)
        .open(std::env::var_os("TC_TEST_ACKS").expect("a file"))
        .expect("a file");
    let mut call = 0;
    while calls == 0 || call < calls {
        let tracker = options(durability, rotate).open(&folder).expect("a log");
        let function = Evolving::new("count", |id: &String| id.clone()).variant("v2", |id: &String| id.clone());
        let function = function.strategy(AbTest::even()).log_values().tracker(&tracker);
        // A life of this tracker; on-close durability promises nothing before its end.
        for _ in 0..if durability == "close" { 50 } else { u64::MAX } {
            if calls > 0 && call == calls {
                break;
            }
            function.call(&format!("{me}-{call}")).expect("an answer");
            call += 1;
            if durability == "each" || (durability == "every" && call.is_multiple_of(20)) {
                let safe = durability == "each" || tracker.flush(Duration::from_secs(60)).is_ok();
                if safe && tracker.health().late == 0 {
                    writeln!(acks, "{call}").expect("acknowledged");
                }
            }
            if pause > 0 {
                std::thread::sleep(Duration::from_micros(pause));
            }
        }
        drop(function);
        tracker.close().expect("closed");
        writeln!(acks, "{call}").expect("acknowledged");
    }
}

/// How many calls a child knows to be safe.
pub(crate) fn acknowledged(acks: &Path) -> u64 {
    let text = std::fs::read_to_string(acks).unwrap_or_default();
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().last().map_or(0, |line| line.parse().expect("a number"))
}
