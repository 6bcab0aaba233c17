//! Processes that die while they write to a folder, and disks that are full.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use temporal_code::stores::{FileOptions, FileStore, Kind, Queue, Store};
use temporal_code::{Random as _, SeededRandom, Timestamp};

use super::child::{self, RUNS};

/// Numbers and texts of all logs, which must be sound.
async fn logs(store: &dyn Store) -> HashMap<String, Vec<String>> {
    let mut logs = HashMap::new();
    for log in store.list(RUNS, "", None, 1_000).await.unwrap() {
        let page = store.read(&log, 0, usize::MAX).await.unwrap();
        let mut texts = Vec::new();
        for (header, line) in page.lines() {
            assert_eq!(header.seq, texts.len() as u64 + 1, "numbers of {log} are dense");
            assert_eq!(header.more, header.seq % 2 == 1, "appends of {log} are whole");
            let value: serde_json::Value = serde_json::from_slice(line).unwrap();
            texts.push(value["text"].as_str().unwrap().to_owned());
        }
        logs.insert(log.id(), texts);
    }
    logs
}

/// Every line that a child was told was written is where it was told. Returns how many there are.
async fn check_acknowledged(root: &Path, acks: &Path) -> usize {
    // First what was told, then what is there: a child may be going on.
    let acknowledged = fs::read_to_string(acks).unwrap_or_default();
    let store = FileStore::open(root, FileOptions::default()).unwrap();
    let logs = logs(&store).await;
    let mut count = 0;
    for ack in acknowledged.lines() {
        let [log, number, text] = ack.split('\t').collect::<Vec<_>>()[..] else { panic!("{ack}") };
        let number: usize = number.parse().unwrap();
        assert_eq!(
            logs[log].get(number - 1).map(String::as_str),
            Some(text),
            "line {number} of {log} was acknowledged"
        );
        count += 1;
    }
    count
}

fn size(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_when_eight_processes_are_killed_hundreds_of_times() {
    const ROUNDS: u32 = 200;
    let folder = tempfile::tempdir().unwrap();
    let (root, acks) = (folder.path().join("store"), folder.path().join("acks"));
    let chance = SeededRandom::new(7);
    for round in 0..ROUNDS {
        let before = size(&acks);
        let mut children: Vec<_> = (0..8).map(|me| child::start(&root, &acks, me)).collect();
        let started = Instant::now();
        while size(&acks) == before {
            assert!(started.elapsed() < Duration::from_secs(60), "no child was acknowledged anything");
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_micros((chance.uniform() * 20_000.0) as u64));
        for child in &mut children {
            child.kill().unwrap();
        }
        for child in &mut children {
            child.wait().unwrap();
        }
        if round % 20 == 0 {
            check_acknowledged(&root, &acks).await;
        }
    }
    let count = check_acknowledged(&root, &acks).await;
    assert!(count > ROUNDS as usize, "only {count} appends were acknowledged");
    let store = FileStore::open(&root, FileOptions::default()).unwrap();
    for finding in store.inspect(true).await.unwrap() {
        assert!(finding.repaired, "{finding:?}");
    }
    assert!(store.inspect(false).await.unwrap().is_empty());
    assert!(!store.due(&Queue::default(), None, Timestamp::MAX, 1).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_full_disk_loses_nothing_acknowledged_and_goes_on_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let (root, acks) = (folder.path().join("store"), folder.path().join("acks"));
    FileStore::create(&root, FileOptions::default()).unwrap();
    let play = child::command(&root, &acks, 1);
    // No file may grow beyond 64 kB: a write comes to its end in the middle of a line.
    let mut limited = Command::new("sh");
    limited.args(["-c", "trap '' XFSZ; exec prlimit --fsize=65536 \"$0\" \"$@\""]).arg(play.get_program());
    limited.args(play.get_args()).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    for (key, value) in play.get_envs() {
        limited.env(key, value.unwrap());
    }
    let status = limited.status().unwrap();
    assert_eq!(status.code(), Some(3), "it was told that the disk is full");
    let count = check_acknowledged(&root, &acks).await;
    assert!(count > 100, "{count}");
    let store = FileStore::open(&root, FileOptions::default()).unwrap();
    assert!(store.inspect(false).await.unwrap().is_empty(), "what could be written of the last append was taken back");
    // There is room again.
    let mut child = child::start(&root, &acks, 1);
    let started = Instant::now();
    while check_acknowledged(&root, &acks).await < count + 10 {
        assert!(started.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    check_acknowledged(&root, &acks).await;
}

/// As a user who may read a store and not write to it. Root may do anything, so the part is played by another user.
#[test]
fn a_folder_without_permission_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("store");
    FileStore::create(&root, FileOptions::default()).unwrap();
    fs::create_dir(root.join(Kind::new("runs").as_str())).unwrap();
    let readable = Command::new("chmod").args(["-R", "a+rX,go-w"]).arg(folder.path()).status().unwrap();
    assert!(readable.success());
    let program = folder.path().join("program");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let mut command = if rustix::process::geteuid().is_root() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&program);
        command
    } else {
        fs::set_permissions(root.join("runs"), std::os::unix::fs::PermissionsExt::from_mode(0o555)).unwrap();
        Command::new(&program)
    };
    command.args(["--exact", "crash::be_refused", "--ignored", "--nocapture", "--test-threads=1"]);
    let output = command.env("TC_TEST_ROOT", &root).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    assert!(told.contains("is not allowed") && told.contains("runs/a.jsonl"), "{told}");
}

/// Not a test: what the other user does.
#[test]
#[ignore = "it is started by another test"]
fn be_refused() {
    use temporal_code::stores::{Batch, Error, Line, Name, Position, Token};
    let Some(root) = std::env::var_os("TC_TEST_ROOT") else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let store = FileStore::open(Path::new(&root), FileOptions::default()).unwrap();
        let log = Name::new(RUNS, "a").unwrap();
        assert_eq!(store.end(&log).await.unwrap().last, Position::START);
        let line = Line::new("{\"a\":1}").unwrap();
        let error =
            store.apply(&Batch::new(Token::from_bits(1)).append(&log, Position::START, vec![line])).await.unwrap_err();
        assert!(matches!(error, Error::Denied { .. }), "{error:?}");
        println!("{error}");
    });
}
