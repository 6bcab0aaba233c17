//! Stores on files that are not as the fixture: runs without links, many schedules, other queues.

use std::path::Path;

use temporal_code::foreign::substantial::{SUBSTANTIAL_SCHEDULES_MAX, SubstantialFiles, WorkerZone};
use temporal_code::stores::Error;

use crate::support::folder;

fn made(root: &Path) -> SubstantialFiles {
    ["runs", "schedules", "leases"].iter().for_each(|name| std::fs::create_dir_all(root.join(name)).unwrap());
    SubstantialFiles::open(root, WorkerZone::utc()).unwrap()
}

fn put(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

#[test]
fn only_what_the_package_made_is_a_store() {
    let folder = folder();
    assert!(!SubstantialFiles::detect(folder.path()));
    assert!(!SubstantialFiles::detect(&folder.path().join("nowhere")));
    assert!(matches!(SubstantialFiles::open(folder.path(), WorkerZone::utc()), Err(Error::Unfit { .. })));
    made(folder.path());
    assert!(SubstantialFiles::detect(folder.path()));
}

#[test]
fn runs_are_found_by_links_histories_and_schedules() {
    let folder = folder();
    let (root, files) = (folder.path(), made(folder.path()));
    put(&root.join("links/runs/flow/a-1"), "a-1");
    put(&root.join("runs/b-1/events"), "{}");
    put(&root.join("schedules/other/2026-01-01T00:00:00/c-1"), "{}");
    put(&root.join("runs/d-1/logs/2026-01-01T00:00:00"), "{}");
    let listed = files.runs(None, None, 10).unwrap();
    let shown: Vec<_> = listed.items.iter().map(|l| (l.run.as_str(), l.workflow.as_str(), l.linked)).collect();
    assert_eq!(shown, [("a-1", "flow", true), ("b-1", "b", false), ("c-1", "c", false), ("d-1", "d", false)]);
    assert_eq!(files.runs(Some("c"), None, 10).unwrap().items.len(), 1);
    assert_eq!(files.runs(Some("flow"), None, 10).unwrap().items.len(), 1);
    let found = files.read(&["a-1", "c-1", "nobody", "d-1"]).unwrap();
    assert_eq!(found[0].workflow, "flow");
    assert_eq!((found[1].schedules[0].queue.as_str(), found[1].schedules_count), ("other", 1));
    assert!(found[2].is_nothing() && !found[1].is_nothing());
    assert_eq!((found[3].replays_count, found[3].reading.is_none()), (1, true));
}

#[test]
fn of_many_schedules_the_first_are_kept_and_all_are_counted() {
    let folder = folder();
    let (root, files) = (folder.path(), made(folder.path()));
    let count = 5 * SUBSTANTIAL_SCHEDULES_MAX;
    for number in 0..count {
        put(&root.join(format!("schedules/default/2026-01-01T00:00:00.{number:06}/a-1")), "");
    }
    let found = files.read(&["a-1"]).unwrap().remove(0);
    assert_eq!((found.schedules.len(), found.schedules_count), (SUBSTANTIAL_SCHEDULES_MAX, count as u64));
    assert_eq!(found.schedules[0].at.to_string(), "2026-01-01T00:00:00Z");
    assert!(found.schedules.is_sorted_by_key(|schedule| schedule.at));
    assert_eq!(
        found.schedules[SUBSTANTIAL_SCHEDULES_MAX - 1].at.micros() % 1_000_000,
        SUBSTANTIAL_SCHEDULES_MAX as i64 - 1
    );
}
