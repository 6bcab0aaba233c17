//! Stores on files as they should not be, and as they are for a moment while a worker writes.

use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use temporal_code::Timestamp;
use temporal_code::foreign::substantial::{StoredRun, SubstantialFiles, SubstantialReading, WorkerZone};
use temporal_code::stores::Error;
use temporal_code::workflows::RunFilter;

use crate::support::{copy, fixtures, folder, runs_at};

const WAITER: &str = "waiter-6b5ade46-c793-4430-8338-0791e675a118";

fn store(root: &Path) -> SubstantialFiles {
    copy(&fixtures().join("fs"), root);
    SubstantialFiles::open(root, WorkerZone::utc()).unwrap()
}

#[test]
fn a_history_that_is_being_written_is_read_when_it_is_whole() {
    let folder = folder();
    let root = folder.path().join("store");
    let files = store(&root);
    let path = root.join("runs").join(WAITER).join("events");
    let whole = std::fs::read(&path).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                // As Python does it: emptied, written in parts, then left alone.
                std::fs::write(&path, b"").unwrap();
                std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
                std::thread::sleep(std::time::Duration::from_millis(3));
                std::fs::write(&path, &whole).unwrap();
                std::thread::sleep(std::time::Duration::from_millis(9));
            }
        });
        let mut wholes = 0;
        for _ in 0..40 {
            let reading = files.reading(WAITER).unwrap().unwrap();
            match reading.misread {
                None => wholes += 1,
                Some(misread) => assert!(misread.torn),
            }
        }
        stop.store(true, Ordering::Relaxed);
        assert!(wholes > 30, "{wholes}");
    });
}

#[test]
fn a_history_that_stays_torn_is_told() {
    let folder = folder();
    let root = folder.path().join("store");
    let files = store(&root);
    let path = root.join("runs").join(WAITER).join("events");
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() - 3]).unwrap();
    let found = files.read(&[WAITER]).unwrap().remove(0);
    assert_eq!(found.history().events, 2);
    assert!(found.warnings[0].contains("half written") && found.warnings[0].contains(WAITER), "{:?}", found.warnings);
    let status = found.status(&WorkerZone::utc(), Timestamp::from_micros(0));
    assert_eq!(status.status.as_str(), "corrupt");
    assert!(status.because.contains("ends too early"), "{}", status.because);
}

#[test]
fn names_lead_nowhere_else() {
    let folder = folder();
    let root = folder.path().join("store");
    let files = store(&root);
    let (long, odd) = ("x".repeat(256), "a\0b");
    for bad in ["", ".", "..", "../store/runs/x", "a/b", "/etc", odd, long.as_str()] {
        assert!(matches!(files.read(&[bad]), Err(Error::Invalid { .. })), "{bad}");
        assert!(matches!(files.reading(bad), Err(Error::Invalid { .. })), "{bad}");
    }
    for hostile in ["\u{1b}[31mred", "'; rm -rf", "\u{202e}x", "*"] {
        assert!(files.read(&[hostile]).unwrap()[0].is_nothing());
    }
}

#[test]
fn links_are_not_followed() {
    let folder = folder();
    let root = folder.path().join("store");
    let files = store(&root);
    let outside = folder.path().join("outside");
    std::fs::create_dir_all(outside.join("logs")).unwrap();
    std::fs::write(outside.join("events"), r#"{"events": [{"start": {"kwargs": {"secret": 1}}}]}"#).unwrap();
    std::fs::write(outside.join("x-1"), r#"{"send": {"name": "secret"}}"#).unwrap();
    symlink(&outside, root.join("runs/x-1")).unwrap();
    std::fs::create_dir(root.join("runs/x-2")).unwrap();
    symlink(outside.join("events"), root.join("runs/x-2/events")).unwrap();
    symlink(outside.join("logs"), root.join("runs/x-2/logs")).unwrap();
    symlink(&outside, root.join("schedules/default/2026-01-01T00:00:00")).unwrap();
    symlink(&outside, root.join("schedules/linked")).unwrap();
    symlink(&outside, root.join("links/runs/linked")).unwrap();
    let found = files.read(&["x-1", "x-2"]).unwrap();
    for one in &found {
        assert!(one.reading.is_none() && one.schedules_count == 0 && !one.warnings.is_empty(), "{one:#?}");
        assert!(!format!("{one:?}").contains("secret"));
    }
    assert!(files.reading("x-1").is_err());
    let listed = files.runs(None, None, 100).unwrap();
    assert!(listed.items.iter().all(|listed| listed.run == "x-2" || !listed.run.starts_with('x')));
    assert!(listed.warnings.iter().any(|warning| warning.contains("links are not followed")), "{:?}", listed.warnings);
    // The root itself may be a link.
    symlink(&root, folder.path().join("root")).unwrap();
    assert!(SubstantialFiles::open(&folder.path().join("root"), WorkerZone::utc()).is_ok());
}

#[test]
fn what_is_no_file_does_not_hold_up() {
    let folder = folder();
    let root = folder.path().join("store");
    let files = store(&root);
    std::fs::create_dir_all(root.join("runs/p-1")).unwrap();
    let pipe = std::process::Command::new("mkfifo").arg(root.join("runs/p-1/events")).status().unwrap();
    assert!(pipe.success());
    std::fs::create_dir_all(root.join("runs/p-2/events")).unwrap();
    std::fs::write(root.join("runs/p-3"), "a file").unwrap();
    std::fs::create_dir_all(root.join("schedules/default/2026-01-01T00:00:00/p-1")).unwrap();
    for found in files.read(&["p-1", "p-2", "p-3"]).unwrap() {
        assert!(found.reading.is_none() && !found.warnings.is_empty(), "{found:?}");
    }
}

#[test]
fn names_that_are_not_the_packages_are_told_of() {
    let folder = folder();
    let root = folder.path().join("store");
    let files = store(&root);
    let odd = std::ffi::OsStr::from_bytes(b"\xff-1");
    std::fs::create_dir(root.join("runs").join(odd)).unwrap();
    std::fs::create_dir_all(root.join("schedules/default/tomorrow")).unwrap();
    std::fs::write(root.join("schedules/default/note.txt"), "").unwrap();
    std::fs::create_dir_all(root.join("schedules/default/2026-01-01T00:00:00")).unwrap();
    std::fs::write(root.join("schedules/default/2026-01-01T00:00:00").join(WAITER), "{\"send\": 1}").unwrap();
    let listed = files.runs(None, None, 100).unwrap();
    assert_eq!(listed.items.len(), 8);
    assert_eq!(listed.warnings.len(), 2, "{:?}", listed.warnings);
    let found = files.read(&[WAITER]).unwrap().remove(0);
    assert_eq!((found.schedules_count, found.warnings.len()), (2, 3), "{:?}", found.warnings);
    assert!(found.warnings.iter().any(|warning| warning.contains("`send` is not an object")));
}

#[tokio::test]
async fn filters_have_an_answer_for_damaged_histories() {
    let folder = folder();
    let root = folder.path().join("store");
    store(&root);
    let whole = std::fs::read(root.join("runs").join(WAITER).join("events")).unwrap();
    for at in 0..whole.len() {
        let mut text = whole.clone();
        text[at] = [0, b'"', b'{', b']', b'9', b'=', 0xff][at % 7];
        let run = root.join(format!("runs/damaged-{at}"));
        std::fs::create_dir(&run).unwrap();
        std::fs::write(run.join("events"), text).unwrap();
    }
    let runs = runs_at(&root);
    let ids = runs.ids(None, "", None, 10_000).await.unwrap().ids;
    let filter = r#"{"or": [{"contains": "a"}, {"started_at": {"lt": "2026-01-01"}}]}"#;
    let filter = RunFilter::parse(filter).unwrap();
    let looked = runs.look(&ids, Timestamp::MAX).await.unwrap().runs;
    assert_eq!(looked.len(), whole.len() + 8);
    assert!(looked.iter().all(|(_, run)| filter.holds(run.as_ref().unwrap()).is_ok()));
}

#[test]
fn a_changed_byte_never_does_worse_than_being_told() {
    let run = fixtures().join("fs/runs/example-b76493b9-66f2-46ed-990e-dc5279fee57a/events");
    let whole = std::fs::read(run).unwrap();
    let mut misread = 0;
    for at in 0..whole.len() {
        for byte in [0, b'"', b'\\', b'{', b'}', b'[', b',', b'-', b'9', b'=', 0x80, 0xff, whole[at] ^ 1] {
            let mut text = whole.clone();
            text[at] = byte;
            let reading = SubstantialReading::parse(&text);
            if let Some(wrong) = &reading.misread {
                assert!(wrong.byte <= text.len() && wrong.event.is_none_or(|event| event <= 8), "{at}: {wrong}");
                misread += 1;
            }
            let found = StoredRun { run: "example-1".to_owned(), reading: Some(reading), ..StoredRun::default() };
            let status = found.status(&WorkerZone::utc(), Timestamp::MAX);
            assert!(!status.because.contains(char::is_control), "{at}: {status:?}");
        }
    }
    assert!(misread > whole.len());
}
