//! Processes that write to a store until they are killed: this test program, started again to play a part.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use temporal_code::stores::{
    Batch, Due, Error, FileOptions, FileStore, Kind, Line, Name, Position, Queue, Store, Token,
};
use temporal_code::{ThreadRandom, Timestamp};

pub(crate) const RUNS: Kind = Kind::new("runs");

/// The command of a child that appends to `root` and writes each acknowledged append to `acks`.
pub(crate) fn command(root: &Path, acks: &Path, me: u32) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "child::play", "--ignored", "--nocapture", "--test-threads=1"]);
    command.env("TC_TEST_ROOT", root).env("TC_TEST_ACKS", acks).env("TC_TEST_ME", me.to_string());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

pub(crate) fn start(root: &Path, acks: &Path, me: u32) -> Child {
    command(root, acks, me).spawn().unwrap()
}

/// Not a test: what a child does. Without its part it does nothing.
#[test]
#[ignore = "it is started by other tests"]
fn play() {
    let Some(root) = std::env::var_os("TC_TEST_ROOT") else { return };
    let me = std::env::var("TC_TEST_ME").unwrap();
    let acks = OpenOptions::new().append(true).create(true).open(std::env::var_os("TC_TEST_ACKS").unwrap()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let store = FileStore::create(Path::new(&root), FileOptions::default()).unwrap();
    runtime.block_on(write_until_killed(&store, &me, acks));
}

async fn write_until_killed(store: &dyn Store, me: &str, mut acks: std::fs::File) {
    let (own, shared) = (Name::new(RUNS, &format!("own {me}")).unwrap(), Name::new(RUNS, "shared").unwrap());
    let mut own_end = store.end(&own).await.unwrap().last;
    for number in 0u64.. {
        let text = format!("{me} {number} {}", "x".repeat((number as usize * 37) % 300));
        let (log, end) = match number % 3 {
            0 => (&shared, store.end(&shared).await.unwrap().last),
            _ => (&own, own_end),
        };
        match store.apply(&batch(log, end, &text)).await {
            Ok(ends) => {
                if log == &own {
                    own_end = ends[0];
                }
                // In one write, which being killed does not tear.
                acks.write_all(format!("{}\t{}\t{text}\n", log.id(), ends[0].number()).as_bytes()).unwrap();
            }
            Err(Error::Conflict { .. }) => {}
            // A full disk: the test looks for what was acknowledged.
            Err(error) if error.retryable() => std::process::exit(3),
            Err(error) => panic!("{error:?}"),
        }
    }
}

fn batch(log: &Name, end: Position, text: &str) -> Batch {
    let line = |text: &str| Line::of(&serde_json::json!({ "text": text })).unwrap();
    let due = Due { queue: Queue::default(), at: Timestamp::from_micros(end.number() as i64), run: log.clone() };
    Batch::new(Token::new(&ThreadRandom)).append(log, end, vec![line("first"), line(text)]).put_due(due)
}
