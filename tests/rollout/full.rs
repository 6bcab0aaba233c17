//! A disk that is full for a while.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::child::{Part, acknowledged};
use super::crash::events;
use super::support::folder;

/// Runs the test `name` of this program, which is ignored otherwise, where it may mount a disk of its own at `disk`.
fn with_small_disk(name: &str, disk: &Path) {
    std::fs::create_dir(disk).expect("a folder");
    let mount = format!("mount -t tmpfs -o size=1m none '{}' && exec \"$0\" \"$@\"", disk.display());
    let mut command = Command::new("unshare");
    // Whoever is not root may mount in a name space of their own.
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", &mount]);
    command.arg(std::env::current_exe().expect("this program"));
    command.args(["--exact", name, "--ignored", "--test-threads=1"]).env("TC_TEST_DISK", disk);
    let output = command.output().expect("unshare runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn trackers_on_a_full_disk_tear_no_line_and_lose_nothing_acknowledged() {
    let folder = folder();
    with_small_disk("full::fill_and_empty", &folder.path().join("disk"));
}

/// Not a test by itself: it needs a small disk.
#[test]
#[ignore = "it is started by another test"]
fn fill_and_empty() {
    let Some(disk) = std::env::var_os("TC_TEST_DISK") else { return };
    let disk = Path::new(&disk);
    let acks = |number: u32| disk.with_file_name(format!("{number}.acks"));
    let parts = ["each", "every", "every"].into_iter().zip(0..);
    let parts = parts.map(|(durability, number)| Part { number, durability, calls: 0, rotate: 0, pause_us: 300 });
    let mut children = parts.map(|part| part.start(disk, &acks(part.number))).collect::<Vec<_>>();
    for _ in 0..4 {
        std::thread::sleep(Duration::from_millis(100));
        let mut filler = std::fs::File::create(disk.join("filler")).expect("a file");
        while filler.write(&[b'x'; 997]).is_ok_and(|count| count > 0) {}
        std::thread::sleep(Duration::from_millis(200));
        drop(filler);
        std::fs::remove_file(disk.join("filler")).expect("removed");
    }
    std::thread::sleep(Duration::from_millis(300));
    for child in &mut children {
        child.kill().expect("killed");
        child.wait().expect("gone");
    }
    let (seen, broken) = events(disk);
    // One may have died within a line.
    assert!(broken <= children.len(), "{broken} broken lines");
    let log = std::fs::read_to_string(disk.join("evolution.jsonl")).expect("a log");
    let torn = log.lines().rev().skip(1).filter(|line| serde_json::from_str::<serde_json::Value>(line).is_err());
    assert_eq!(torn.count(), 0, "a line that was begun and not ended");
    for number in 0..3 {
        let safe = acknowledged(&acks(number));
        assert!(safe > 0, "{number} wrote nothing");
        let lost = (0..safe).find(|call| !seen.contains_key(&format!("{number}-{call}")));
        assert_eq!(lost, None, "of {safe} calls of {number}");
    }
}
