//! Folders.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use temporal_code::stores::{
    Batch, Due, Error, FileOptions, FileStore, Kind, Line, Name, Position, Queue, Store, Token,
};
use temporal_code::testing::contract::Medium;
use temporal_code::{Timestamp, store_contract};

const RUNS: Kind = Kind::new("runs");

struct Folder {
    root: PathBuf,
    _folder: tempfile::TempDir,
}

impl Folder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Folder { root: folder.path().join("store"), _folder: folder }
    }

    fn store(&self) -> FileStore {
        FileStore::create(&self.root, FileOptions::default()).unwrap()
    }

    fn log(&self, key: &str) -> PathBuf {
        self.root.join("runs").join(format!("{key}.jsonl"))
    }
}

#[async_trait]
impl Medium for Folder {
    async fn open(&self) -> Result<Arc<dyn Store>, Error> {
        Ok(Arc::new(FileStore::create(&self.root, FileOptions::default())?))
    }
}

mod contract {
    use super::*;

    store_contract!(async { Folder::new() });
}

fn token(bits: u64) -> Token {
    Token::from_bits(bits)
}

fn lines(texts: &[&str]) -> Vec<Line> {
    texts.iter().map(|text| Line::of(&serde_json::json!({ "text": text })).unwrap()).collect()
}

fn name(id: &str) -> Name {
    Name::new(RUNS, id).unwrap()
}

async fn texts(store: &dyn Store, log: &Name) -> Vec<String> {
    let page = store.read(log, 0, usize::MAX).await.unwrap();
    let text =
        |line: &[u8]| serde_json::from_slice::<serde_json::Value>(line).unwrap()["text"].as_str().unwrap().to_owned();
    page.lines().map(|(_, line)| text(line)).collect()
}

fn corrupt(result: Result<impl std::fmt::Debug, Error>) -> String {
    match result {
        Err(Error::Corrupt { place, problem }) => format!("{place}: {problem}"),
        other => panic!("not corrupt: {other:?}"),
    }
}

#[tokio::test]
async fn a_store_is_plain_files_that_other_programs_can_read() {
    let folder = Folder::new();
    let store = folder.store();
    let due = Due { queue: Queue::default(), at: Timestamp::from_micros(1_800_000_000_123_456), run: name("greet-1") };
    let start = Batch::new(token(255)).append(&name("greet-1"), Position::START, lines(&["start", "ü"])).put_due(due);
    store.apply(&start).await.unwrap();
    assert_eq!(fs::read_to_string(folder.root.join("store.json")).unwrap(), "{\"schema\":\"tc.store/1\"}\n");
    assert_eq!(
        fs::read_to_string(folder.log("greet-1")).unwrap(),
        "{\"seq\":1,\"token\":\"00000000000000ff\",\"more\":true,\"text\":\"start\"}\n\
         {\"seq\":2,\"token\":\"00000000000000ff\",\"text\":\"ü\"}\n"
    );
    let entry = folder.root.join("due/default/2027-01-15T08/2027-01-15T08:00:00.123456Z_runs.greet-1");
    assert_eq!(fs::read(entry).unwrap(), b"");
}

#[tokio::test]
async fn a_log_torn_at_every_byte_of_its_last_append_loses_nothing_else() {
    let folder = Folder::new();
    let store = folder.store();
    let log = name("a");
    let first =
        store.apply(&Batch::new(token(1)).append(&log, Position::START, lines(&["one", "two"]))).await.unwrap()[0];
    let whole_before = fs::read(folder.log("a")).unwrap();
    store.apply(&Batch::new(token(2)).append(&log, first, lines(&["three", "four ü"]))).await.unwrap();
    let whole = fs::read(folder.log("a")).unwrap();
    for length in whole_before.len()..whole.len() {
        fs::write(folder.log("a"), &whole[..length]).unwrap();
        let store = folder.store();
        assert_eq!(store.end(&log).await.unwrap().last, first, "cut at {length}");
        assert_eq!(texts(&store, &log).await, ["one", "two"]);
        assert_eq!(fs::read(folder.log("a")).unwrap().len(), length, "reading mends nothing");
        store.apply(&Batch::new(token(3)).append(&log, first, lines(&["new"]))).await.unwrap();
        assert_eq!(texts(&store, &log).await, ["one", "two", "new"]);
        assert!(fs::read(folder.log("a")).unwrap().starts_with(&whole_before));
        assert!(store.inspect(false).await.unwrap().is_empty());
    }
    // As a crash of the machine may leave it: the length is there, some of the bytes are not.
    for zeros in 1..whole.len() - whole_before.len() {
        let mut torn = whole.clone();
        let from = whole.len() - zeros;
        torn[from..].fill(0);
        fs::write(folder.log("a"), &torn).unwrap();
        assert_eq!(texts(&folder.store(), &log).await, ["one", "two"], "{zeros} zeros");
    }
    let mut torn = whole.clone();
    torn[whole_before.len()..whole.len() - 9].fill(0);
    fs::write(folder.log("a"), &torn).unwrap();
    assert_eq!(texts(&folder.store(), &log).await, ["one", "two"]);
}

#[tokio::test]
async fn inspect_shows_a_torn_end_and_mends_it_when_asked() {
    let folder = Folder::new();
    let store = folder.store();
    let log = name("a");
    store.apply(&Batch::new(token(1)).append(&log, Position::START, lines(&["one"]))).await.unwrap();
    let whole = fs::read(folder.log("a")).unwrap();
    fs::write(folder.log("a"), [&whole[..], b"{\"seq\":2,\"tok"].concat()).unwrap();
    let found = store.inspect(false).await.unwrap();
    assert!(found.len() == 1 && !found[0].repaired && found[0].remedy.is_some(), "{found:?}");
    assert!(found[0].place.ends_with("runs/a.jsonl"));
    let found = store.inspect(true).await.unwrap();
    assert!(found.len() == 1 && found[0].repaired);
    assert_eq!(fs::read(folder.log("a")).unwrap(), whole);
    assert!(store.inspect(true).await.unwrap().is_empty());
}

#[tokio::test]
async fn damage_in_the_middle_is_told_with_its_place_and_never_written_over() {
    let folder = Folder::new();
    let store = folder.store();
    let log = name("a");
    let mut end = Position::START;
    for number in 1..=5u64 {
        end = store.apply(&Batch::new(token(number)).append(&log, end, lines(&["text"]))).await.unwrap()[0];
    }
    let whole = fs::read_to_string(folder.log("a")).unwrap();
    let good: Vec<&str> = whole.lines().collect();
    let with = |change: &dyn Fn(&mut Vec<String>)| {
        let mut lines: Vec<String> = good.iter().map(|line| (*line).to_owned()).collect();
        change(&mut lines);
        fs::write(folder.log("a"), lines.join("\n") + "\n").unwrap();
    };
    with(&|lines| lines[2] = "garbage".to_owned());
    let told = corrupt(store.read(&log, 0, usize::MAX).await);
    assert!(
        told.ends_with(&format!("runs/a.jsonl: line 3 at byte {} is not a line of a log", 2 * (good[0].len() + 1))),
        "{told}"
    );
    assert_eq!(store.inspect(true).await.unwrap().len(), 1);
    assert!(fs::read_to_string(folder.log("a")).unwrap().contains("garbage"));

    with(&|lines| _ = lines.remove(2));
    let told = corrupt(store.read(&log, 0, usize::MAX).await);
    assert!(told.contains("line 4 at byte") && told.contains("where line 3 should"), "{told}");
    assert!(corrupt(store.read(&log, 2, usize::MAX).await).contains("line 3 is missing"));

    with(&|lines| lines.swap(1, 3));
    assert!(corrupt(store.read(&log, 0, usize::MAX).await).contains("where line 2 should"));

    with(&|lines| lines[4] = "garbage".to_owned());
    let told = corrupt(store.end(&log).await);
    assert!(told.contains("the last line"), "{told}");
    corrupt(store.apply(&Batch::new(token(9)).append(&log, end, lines(&["more"]))).await);
    assert!(fs::read_to_string(folder.log("a")).unwrap().ends_with("garbage\n"));

    with(&|lines| lines[1] = lines[1].replacen("\"text\"", "\"sealed\":true,\"text\"", 1));
    assert!(corrupt(store.read(&log, 0, usize::MAX).await).contains("line 3 at byte"));
}

#[tokio::test]
async fn what_stands_in_the_place_of_a_log_is_not_followed() {
    let folder = Folder::new();
    let store = folder.store();
    store.apply(&Batch::new(token(1)).append(&name("a"), Position::START, lines(&["one"]))).await.unwrap();
    let outside = folder.root.parent().unwrap().join("outside");
    fs::write(&outside, "precious\n").unwrap();
    std::os::unix::fs::symlink(&outside, folder.log("link")).unwrap();
    fs::create_dir(folder.log("folder")).unwrap();
    let made = std::process::Command::new("mkfifo").arg(folder.log("pipe")).status().unwrap();
    assert!(made.success());
    for id in ["link", "folder", "pipe"] {
        corrupt(store.read(&name(id), 0, 1).await);
        corrupt(store.apply(&Batch::new(token(2)).append(&name(id), Position::START, lines(&["x"]))).await);
    }
    assert_eq!(fs::read_to_string(outside).unwrap(), "precious\n");
    let found = store.inspect(false).await.unwrap();
    assert_eq!(found.len(), 3, "{found:?}");
    assert_eq!(texts(&store, &name("a")).await, ["one"]);
}

#[tokio::test]
async fn a_folder_that_is_no_store_is_not_made_one_by_mistake() {
    let folder = Folder::new();
    let unfit = |result: Result<FileStore, Error>| match result {
        Err(Error::Unfit { place, problem }) => format!("{place}: {problem}"),
        other => panic!("{other:?}"),
    };
    let told = unfit(FileStore::open(&folder.root, FileOptions::default()));
    assert!(told.contains("store.json"), "{told}");
    assert!(!folder.root.exists());
    // As substantial has it.
    fs::create_dir_all(folder.root.join("runs/greet-1")).unwrap();
    let told = unfit(FileStore::create(&folder.root, FileOptions::default()));
    assert!(told.contains("another program"), "{told}");
    fs::write(folder.root.join("store.json"), "{\"schema\":\"tc.store/2\"}").unwrap();
    let told = unfit(FileStore::open(&folder.root, FileOptions::default()));
    assert!(told.contains("version 2") && told.contains("newer"), "{told}");
    for bad in ["", "{}", "[", "{\"schema\":\"other/1\"}", "{\"schema\":\"tc.store/-1\"}", "{\"schema\":1}"] {
        fs::write(folder.root.join("store.json"), bad).unwrap();
        unfit(FileStore::open(&folder.root, FileOptions::default()));
        unfit(FileStore::create(&folder.root, FileOptions::default()));
    }
}

#[tokio::test]
async fn a_log_that_became_shorter_is_lost() {
    let folder = Folder::new();
    let store = folder.store();
    let log = name("a");
    let mut end = Position::START;
    for number in 1..=3u64 {
        end = store.apply(&Batch::new(token(number)).append(&log, end, lines(&["text"]))).await.unwrap()[0];
    }
    let whole = fs::read_to_string(folder.log("a")).unwrap();
    let two: String = whole.lines().take(2).map(|line| format!("{line}\n")).collect();
    let more = |end| Batch::new(token(9)).append(&name("a"), end, lines(&["more"]));
    fs::write(folder.log("a"), &two).unwrap();
    assert!(matches!(store.apply(&more(end)).await, Err(Error::Lost { .. })));
    assert!(matches!(store.read(&log, 3, 1).await, Err(Error::Lost { .. })));
    // A backup was put back, and others went on from there.
    let other = folder.store();
    other.apply(&Batch::new(token(7)).append(&log, Position::at(2), lines(&["other"]))).await.unwrap();
    assert!(matches!(store.apply(&more(end)).await, Err(Error::Lost { .. })));
    fs::remove_file(folder.log("a")).unwrap();
    assert!(matches!(store.apply(&more(end)).await, Err(Error::Lost { .. })));
    assert!(!Path::new(&folder.log("a")).exists());
}

#[tokio::test]
async fn due_entries_that_are_not_ours_are_passed_over_and_told() {
    let folder = Folder::new();
    let store = folder.store();
    let due = Due { queue: Queue::default(), at: Timestamp::from_micros(0), run: name("a") };
    store.apply(&Batch::new(token(1)).put_due(due.clone())).await.unwrap();
    let hour = folder.root.join("due/default/1970-01-01T00");
    fs::write(hour.join("stray"), "").unwrap();
    fs::write(hour.join("1970-01-01T00:00:00.000000Z_runs.a=2F"), "").unwrap();
    fs::write(hour.join("1970-01-01T09:00:00.000000Z_runs.a"), "").unwrap();
    fs::create_dir(folder.root.join("due/default/1970-13-01T00")).unwrap();
    fs::create_dir(folder.root.join("due/a b")).unwrap();
    assert!(store.due(&Queue::default(), None, Timestamp::from_micros(1), 9).await.unwrap().contains(&due));
    let places: Vec<String> = store.inspect(false).await.unwrap().into_iter().map(|finding| finding.place).collect();
    for stray in ["stray", "1970-01-01T09:00:00.000000Z_runs.a", "1970-13-01T00", "a b"] {
        assert!(places.iter().any(|place| place.ends_with(stray)), "{stray} in {places:?}");
    }
}

#[tokio::test]
async fn no_link_leads_out_of_a_store() {
    let folder = Folder::new();
    let store = folder.store();
    store.apply(&Batch::new(token(1)).append(&name("a"), Position::START, lines(&["one"]))).await.unwrap();
    let outside = folder.root.parent().unwrap().join("outside");
    fs::create_dir(&outside).unwrap();
    let runs = folder.log("a").parent().unwrap().to_path_buf();
    fs::rename(&runs, outside.join("runs")).unwrap();
    fs::write(outside.join("runs/torn.jsonl"), "precious").unwrap();
    std::os::unix::fs::symlink(outside.join("runs"), &runs).unwrap();
    // Also for who never saw it as a folder.
    let other = FileStore::open(&folder.root, FileOptions::default()).unwrap();
    for store in [&store, &other] {
        let told = format!("{}", store.list(RUNS, "", None, 10).await.unwrap_err());
        assert!(told.contains("runs: it is a link"), "{told}");
        corrupt(store.read(&name("a"), 0, 1).await);
        for id in ["torn", "new"] {
            corrupt(store.apply(&Batch::new(token(2)).append(&name(id), Position::START, lines(&["x"]))).await);
        }
        corrupt(store.inspect(true).await);
    }
    assert_eq!(fs::read_to_string(outside.join("runs/torn.jsonl")).unwrap(), "precious");
    assert!(!outside.join("runs/new.jsonl").exists());
}

#[tokio::test]
async fn a_repair_cuts_no_file_that_has_no_sound_line() {
    let folder = Folder::new();
    let store = folder.store();
    store.apply(&Batch::new(token(1)).append(&name("a"), Position::START, lines(&["one"]))).await.unwrap();
    fs::write(folder.log("b"), "no line").unwrap();
    let found = store.inspect(true).await.unwrap();
    assert_eq!((found.len(), found[0].repaired), (1, false), "{found:?}");
    assert_eq!(fs::read_to_string(folder.log("b")).unwrap(), "no line");
}
