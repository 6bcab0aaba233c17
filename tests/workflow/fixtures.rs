//! `fixtures/history/v1`: a store in a folder with runs in every state there is, and `fixtures/history/v1-corrupt`, the same
//! histories with something wrong. They are what version 1 of the format is: a later version must read them alike.
//!
//! `UPDATE_EXPECT=1 cargo test --test workflow fixtures` writes them anew.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use expect_test::expect_file;
use temporal_code::stores::{Batch, Due, FileOptions, FileStore, Queue, Store, Token};
use temporal_code::workflows::batches::{self, InboxEnd, Stamp, WorkerLease};
use temporal_code::workflows::{
    Call, Ending, Event, Fold, InboxBody, Message, Outcome, PutOff, RUNS, Request, Start, Status, fold_history,
    inbox_end, inbox_log, latest_generation, run_log,
};

use crate::scenario::{json, look, text};
use crate::support::{at, dump};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/history").join(name)
}

/// Files below a folder, but for what only wakes watchers.
pub(crate) fn files(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.file_name().is_some_and(|name| name != "wake") {
                let inside = path.strip_prefix(root).expect("inside").to_path_buf();
                found.insert(inside, fs::read(&path).expect("readable"));
            }
        }
    }
    found
}

/// Holds what was made against what is there, or puts it there.
pub(crate) fn hold_against(made: &BTreeMap<PathBuf, Vec<u8>>, root: &Path) {
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        let _ = fs::remove_dir_all(root);
        for (path, bytes) in made {
            let path = root.join(path);
            fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            fs::write(path, bytes).expect("written");
        }
    }
    let there = files(root);
    let names = |files: &BTreeMap<PathBuf, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&there), names(made), "UPDATE_EXPECT=1 writes them anew");
    for (path, bytes) in made {
        let same = there.get(path) == Some(bytes);
        assert!(same, "{} is not as it is written now; UPDATE_EXPECT=1 writes it anew", path.display());
    }
}

/// Runs in the making.
struct Maker {
    store: FileStore,
    tokens: u64,
}

impl Maker {
    fn stamp(&mut self) -> Stamp {
        self.tokens += 1;
        let now = at(0).offset_micros(i64::try_from(self.tokens).expect("few") * 1_250_000);
        Stamp { token: Token::from_bits(self.tokens), now }
    }

    async fn apply(&self, batch: Batch) {
        self.store.apply(&batch).await.expect("it lands");
    }

    async fn start(&mut self, start: Start<'static>) -> Fold {
        let mut fold = Fold::new(run_log(&start.run).expect("a name"));
        let batch = batches::start(&mut fold, self.stamp(), start, None).expect("a batch");
        self.apply(batch).await;
        fold
    }

    /// A run that somebody holds.
    async fn held(&mut self, run: &'static str, workflow: &'static str) -> Fold {
        let mut fold = self.start(Start::new(run, workflow, json("{\"name\":\"Zoë\",\"amount\":12.50}"))).await;
        self.claim(&mut fold).await;
        fold
    }

    async fn claim(&mut self, fold: &mut Fold) {
        let stamp = self.stamp();
        let hold = WorkerLease { worker: "host-7/4711/3f9a", until: stamp.now.offset_micros(30_000_000) };
        self.apply(batches::claim(fold, stamp, hold).expect("a batch")).await;
    }

    async fn commit(&mut self, fold: &mut Fold, events: Vec<Event<'static>>) {
        let batch = batches::commit(fold, self.stamp(), events).expect("a batch");
        self.apply(batch).await;
    }

    async fn served(&self, fold: &Fold) -> Vec<Due> {
        let due = self.store.due(&Queue::default(), None, at(1_000_000), 1_000).await.expect("entries");
        due.into_iter().filter(|due| due.run.key() == fold.state().log().key()).collect()
    }

    async fn release(&mut self, fold: &mut Fold, events: Vec<Event<'static>>, put_off: Option<PutOff<'static>>) {
        let (stamp, served) = (self.stamp(), self.served(fold).await);
        let batch = batches::release(fold, stamp, events, put_off, &served).expect("a batch");
        self.apply(batch).await;
    }

    async fn inbox(&self, run: &str) -> InboxEnd {
        let (log, end) = inbox_end(&self.store, &inbox_log(run).expect("a name")).await.expect("an end");
        InboxEnd { queue: Queue::default(), log, end: end.last }
    }

    async fn send(&mut self, run: &str, body: InboxBody<'static>) {
        let (stamp, inbox) = (self.stamp(), self.inbox(run).await);
        self.apply(batches::send(stamp, &inbox, body).expect("a batch")).await;
    }

    async fn stop(&mut self, fold: &mut Fold, events: Vec<Event<'static>>, ending: Ending<'static>) {
        let (stamp, served) = (self.stamp(), self.served(fold).await);
        let parent = fold.state().begun().and_then(|begun| begun.parent.clone());
        let parent = match parent {
            Some(parent) => Some(self.inbox(&parent.run).await),
            None => None,
        };
        let batch = batches::stop(fold, stamp, events, ending, parent.as_ref(), &served).expect("a batch");
        self.apply(batch).await;
    }
}

fn call(step: &'static str, n: u64) -> Call<'static> {
    Call::new(step, n)
}

fn saved(step: &'static str, value: &str) -> Event<'static> {
    let outcome = Outcome::Done(json(value));
    Event::Save { call: call(step, 1), attempt: 1, outcome, compensate: false, took_us: Some(48_211) }
}

fn reversible(step: &'static str, value: &str) -> Event<'static> {
    let outcome = Outcome::Done(json(value));
    Event::Save { call: call(step, 1), attempt: 1, outcome, compensate: true, took_us: Some(96_422) }
}

fn failed(step: &'static str, attempt: u64, retry_at: Option<i64>) -> Event<'static> {
    let error = json(r#"{"type":"Timeout","message":"no answer within 5 s"}"#);
    let outcome = match retry_at {
        Some(second) => Outcome::Retry { error, at: at(second) },
        None => Outcome::Failed(error),
    };
    Event::Save { call: call(step, 1), attempt, outcome, compensate: false, took_us: Some(5_000_113) }
}

fn wait(step: &'static str, event: &'static str, until: Option<i64>) -> Event<'static> {
    Event::Wait { call: call(step, 1), events: vec![event.into()], until: until.map(at), take: 0, done: false }
}

fn message(id: &'static str, event: &'static str, value: &str) -> Message<'static> {
    Message { id: id.into(), event: event.into(), value: json(value), from: Some("tc".into()), sent_at: None }
}

fn received(inbox: u64, message: Message<'static>, to: Option<Call<'static>>) -> Event<'static> {
    let done = to.is_some();
    Event::Receive { inbox, message: Message { sent_at: Some(at(3)), ..message }, to, done }
}

async fn make(root: &Path) {
    let store = FileStore::create(root, FileOptions::default()).expect("a store");
    let mut maker = Maker { store, tokens: 0 };
    unfinished(&mut maker).await;
    with_messages(&mut maker).await;
    finished(&mut maker).await;
    families(&mut maker).await;
    generations(&mut maker).await;
}

async fn unfinished(maker: &mut Maker) {
    let start = Start { id: Some("request-8a6e".into()), ..Start::new("pending-1", "greet", json("[1,null]")) };
    maker.start(start).await;
    let mut fold = maker.held("running-1", "greet").await;
    let events = vec![
        Event::Value { call: call("now", 1), value: json("\"2026-11-22T04:00:05.123456Z\"") },
        Event::Value { call: call("random", 1), value: json("0.25") },
        saved("greet", "\"Hello, Zoë\""),
        Event::Log { n: 1, text: "greeted \"Zoë\"\n".into(), level: Some("info".into()) },
        Event::Renew { until: at(120) },
    ];
    maker.commit(&mut fold, events).await;
    let mut fold = maker.held("sleeping-1", "remind").await;
    let sleep = Event::Sleep { call: call("pause", 1), until: at(30 * 86_400) };
    maker.release(&mut fold, vec![saved("note", "{}"), sleep], None).await;
    let mut fold = maker.held("retrying-1", "pay").await;
    maker.commit(&mut fold, vec![failed("charge", 1, Some(60))]).await;
    maker.release(&mut fold, vec![failed("charge", 2, Some(120))], None).await;
    let mut fold = maker.held("put-off-1", "pay").await;
    let error = json(r#"{"type":"Diverged","message":"`charge#1` is a sleep in the history"}"#);
    maker.release(&mut fold, Vec::new(), Some(PutOff { retry_at: at(300), error: Some(error) })).await;
    let mut fold = maker.held("reverting-1", "trip").await;
    let steps = vec![reversible("flight", "\"F1\""), reversible("hotel", "\"H1\""), failed("car", 1, None)];
    maker.commit(&mut fold, steps).await;
    let error = json(r#"{"type":"Busy","message":"try later"}"#);
    let outcome = Outcome::Retry { error, at: at(90) };
    let revert = Event::Revert { call: Some(call("revert", 1)), error: Some(json("{\"type\":\"NoCar\"}")) };
    let compensation = Event::Compensation { call: call("hotel", 1), attempt: 1, outcome };
    maker.release(&mut fold, vec![revert, compensation], None).await;
}

async fn with_messages(maker: &mut Maker) {
    let mut fold = maker.held("waiting-1", "approve").await;
    maker.send("waiting-1", InboxBody::Message(message("m-1", "comment", "\"nice\""))).await;
    let kept = received(1, message("m-1", "comment", "\"nice\""), None);
    maker.release(&mut fold, vec![kept, wait("approval", "approve", Some(86_400))], None).await;
    // One that came after the run was let go of, and one for which it does not wait.
    maker.send("waiting-1", InboxBody::Message(message("m-2", "comment", "\"again\""))).await;
    maker.send("waiting-1", InboxBody::Message(message("m-3", "approve", "{\"by\":\"Ada\"}"))).await;

    let mut fold = maker.held("ensuring-1", "collect").await;
    maker.release(&mut fold, vec![wait("paid in full", "paid", None)], None).await;
    maker.send("ensuring-1", InboxBody::Message(message("m-1", "paid", "5"))).await;
    maker.claim(&mut fold).await;
    let paid = received(1, message("m-1", "paid", "5"), Some(call("paid in full", 1)));
    let Event::Receive { inbox, message: paid, to, .. } = paid else { return };
    maker.release(&mut fold, vec![Event::Receive { inbox, message: paid, to, done: false }], None).await;

    let mut fold = maker.held("turned-1", "collect").await;
    maker.send("turned-1", InboxBody::Message(message("m-1", "paid", "5"))).await;
    let inbox = maker.inbox("turned-1").await;
    let batch = batches::turn(maker.stamp(), &inbox).expect("a batch");
    maker.apply(batch).await;
    maker.send("turned-1", InboxBody::Message(message("m-2", "paid", "6"))).await;
    let take = Event::Wait { call: call("paid", 1), events: vec!["paid".into()], until: None, take: 2, done: true };
    let events = vec![
        received(1, message("m-1", "paid", "5"), None),
        Event::Turn { inbox: 2 },
        received(1, message("m-2", "paid", "6"), None),
        take,
        wait("more", "more", None),
    ];
    maker.release(&mut fold, events, None).await;
}

async fn finished(maker: &mut Maker) {
    let mut fold = maker.held("completed-1", "approve").await;
    maker.release(&mut fold, vec![wait("approval", "approve", Some(60))], None).await;
    maker.send("completed-1", InboxBody::Message(message("m-1", "approve", "true"))).await;
    maker.claim(&mut fold).await;
    let approved = received(1, message("m-1", "approve", "true"), Some(call("approval", 1)));
    maker.stop(&mut fold, vec![approved], Ending::Ok(json(r#"{"approved":true,"by":[]}"#))).await;
    let mut fold = maker.held("failed-1", "pay").await;
    let events = vec![
        reversible("reserve", "3"),
        failed("charge", 1, None),
        Event::Revert { call: None, error: None },
        Event::Compensation { call: call("reserve", 1), attempt: 1, outcome: Outcome::Done(json("null")) },
    ];
    let ending = Ending::Failed(json(r#"{"type":"Timeout","message":"no answer within 5 s","step":"charge"}"#));
    maker.stop(&mut fold, events, ending).await;
    let mut fold = maker.held("cancelled-1", "remind").await;
    maker.release(&mut fold, vec![Event::Sleep { call: call("pause", 1), until: at(86_400) }], None).await;
    let request = Request { id: "c-1".into(), reason: Some("not needed any more".into()), from: Some("tc".into()) };
    maker.send("cancelled-1", InboxBody::Cancel(request.clone())).await;
    maker.claim(&mut fold).await;
    let ending = Ending::Cancelled(Some("not needed any more".into()));
    maker.stop(&mut fold, vec![Event::Cancel { inbox: 1, request }], ending).await;
    let mut fold = maker.held("forgotten-1", "greet").await;
    maker.stop(&mut fold, vec![saved("greet", "1")], Ending::Ok(json("1"))).await;
    maker.store.forget(fold.state().log()).await.expect("it is sealed");
}

async fn families(maker: &mut Maker) {
    let mut parent = maker.held("parent-1", "order").await;
    let mut children = Vec::new();
    for (step, run) in [("ship", "parent-1/ship/1"), ("bill", "parent-1/bill/1")] {
        let stamp = maker.stamp();
        let start = Start::new(run, step, json("[]"));
        let child = batches::child(parent.state(), stamp.now, call(step, 1), start).expect("a child");
        let batch = batches::commit(&mut parent, stamp, vec![child]).expect("a batch");
        maker.apply(batch).await;
        children.push(fold_history(&maker.store, &run_log(run).expect("a name")).await.expect("a history"));
    }
    maker.release(&mut parent, Vec::new(), None).await;
    maker.claim(&mut children[0]).await;
    maker.stop(&mut children[0], Vec::new(), Ending::Ok(json("\"shipped\""))).await;
    maker.claim(&mut parent).await;
    let ended = Event::ChildEnd { call: call("ship", 1), inbox: Some(1), ending: Ending::Ok(json("\"shipped\"")) };
    maker.release(&mut parent, vec![ended], None).await;
}

async fn generations(maker: &mut Maker) {
    let mut fold = maker.held("continued-1", "poll").await;
    maker.send("continued-1", InboxBody::Message(message("m-1", "later", "1"))).await;
    let events = vec![saved("fetch", "{\"cursor\":17}"), received(1, message("m-1", "later", "1"), None)];
    let (stamp, served) = (maker.stamp(), maker.served(&fold).await);
    let anew = ("poll", json("{\"cursor\":17}"));
    let made = batches::continue_using(&mut fold, stamp, events, anew, None, &served);
    maker.apply(made.expect("a batch").0).await;

    let mut fold = maker.held("compacted-1", "trip").await;
    maker.send("compacted-1", InboxBody::Message(message("m-1", "go", "1"))).await;
    let events = vec![
        failed("charge", 1, Some(60)),
        reversible("flight", "\"F1\""),
        saved("note", "{}"),
        Event::Value { call: call("uuid4", 1), value: json("\"8a6e0804-2bd0-4672-b79d-d97027f9071a\"") },
        Event::Log { n: 1, text: "on the way".into(), level: None },
        wait("go", "go", None),
        received(1, message("m-1", "go", "1"), Some(call("go", 1))),
        Event::Sleep { call: call("pause", 1), until: at(86_400) },
        wait("home", "home", Some(2 * 86_400)),
    ];
    maker.commit(&mut fold, events).await;
    let (stamp, served) = (maker.stamp(), maker.served(&fold).await);
    let (batch, _) = batches::compact(&mut fold, stamp, None, &served).expect("a batch");
    maker.apply(batch).await;
}

/// Each name is a run's id and says what is wrong; the lines are those of a sound run, changed.
fn corrupt(sound: &BTreeMap<PathBuf, Vec<u8>>) -> BTreeMap<PathBuf, Vec<u8>> {
    let lines = |run: &str| -> Vec<String> {
        let text = sound.get(&Path::new("runs").join(format!("{run}.jsonl"))).expect("a run");
        String::from_utf8(text.clone()).expect("UTF-8").lines().map(str::to_owned).collect()
    };
    type Change = fn(&mut Vec<String>);
    let twins: [(&str, &str, Change); 23] = [
        ("two-starts", "pending-1", |lines| {
            let again = lines[0].replace("\"seq\":1", "\"seq\":2");
            lines.push(again);
        }),
        ("stop-without-start", "forgotten-1", |lines| {
            lines[0] = lines[0].replace("\"seq\":4", "\"seq\":1");
        }),
        ("event-after-end", "completed-1", |lines| {
            let last = lines.len() - 1;
            lines[last] = lines[last].replace("\"sealed\":true,", "");
            let after = lines[last].replace(&format!("\"seq\":{}", last + 1), &format!("\"seq\":{}", last + 2));
            lines.push(after);
        }),
        ("gap", "running-1", |lines| _ = lines.remove(3)),
        ("two-appends-in-one", "running-1", |lines| {
            lines[4] = lines[4].replacen("\"token\":\"0", "\"token\":\"f", 1);
        }),
        ("line-twice", "running-1", |lines| lines.insert(3, lines[3].clone())),
        ("save-twice", "running-1", |lines| {
            let last = lines.len() as u64;
            let save = lines.iter().find(|line| line.contains("\"save\"")).expect("a save");
            let save = save.replace("\"more\":true,", "");
            let again = format!("{{\"seq\":{}{}", last + 1, &save[save.find(",\"token\"").expect("a token")..]);
            lines.push(again);
        }),
        ("attempt-skips", "retrying-1", |lines| {
            lines.iter_mut().for_each(|line| *line = line.replace("\"attempt\":2", "\"attempt\":3"));
        }),
        ("not-the-holder", "retrying-1", |lines| {
            lines.iter_mut().skip(2).for_each(|line| *line = line.replace("\"claim\":1", "\"claim\":2"));
        }),
        ("released-then-saved", "sleeping-1", |lines| {
            let last = lines.len() as u64;
            let save = r#""at":"2026-11-22T05:00:00Z","type":"save","claim":1,"step":"x","n":1,"value":1}"#;
            lines.push(format!("{{\"seq\":{},\"token\":\"00000000000000ff\",{save}", last + 1));
        }),
        ("compensation-out-of-turn", "reverting-1", |lines| {
            for line in lines.iter_mut().filter(|line| line.contains("\"compensation\"")) {
                *line = line.replace("\"hotel\"", "\"flight\"");
            }
        }),
        ("compensation-of-nothing", "reverting-1", |lines| {
            for line in lines.iter_mut().filter(|line| line.contains("\"compensation\"")) {
                *line = line.replace("\"hotel\"", "\"train\"");
            }
        }),
        ("inbox-skips", "waiting-1", |lines| {
            lines.iter_mut().for_each(|line| *line = line.replace("\"inbox\":1", "\"inbox\":2"));
        }),
        ("wake-of-no-sleep", "running-1", |lines| {
            let last = lines.len() as u64;
            let wake = r#""at":"2026-11-22T05:00:00Z","type":"wake","claim":1,"step":"pause","n":1}"#;
            lines.push(format!("{{\"seq\":{},\"token\":\"00000000000000ff\",{wake}", last + 1));
        }),
        ("child-ends-twice", "parent-1", |lines| {
            let last = lines.len() - 1;
            let end = lines.iter().find(|line| line.contains("\"child_end\"")).expect("an end").clone();
            let end = end.replace("\"inbox\":1", "\"inbox\":2");
            let token = end.find(",\"token\"").expect("a token");
            lines[last] = format!("{{\"seq\":{}{}", last + 1, end[token..].replace("\"more\":true,", ""));
        }),
        ("another-run", "pending-1", |lines| {
            lines[0] = lines[0].replace("\"run\":\"another-run\"", "\"run\":\"pending-2\"");
        }),
        ("newer-version", "pending-1", |lines| lines[0] = lines[0].replace("\"v\":1", "\"v\":2")),
        ("unknown-event", "running-1", |lines| {
            lines[4] = lines[4].replace("\"type\":\"save\"", "\"type\":\"teleport\"")
        }),
        ("no-json", "running-1", |lines| lines[4] = lines[4].replace("\"value\":", "\"value\":NaN,\"x\":")),
        ("no-time", "sleeping-1", |lines| {
            lines.iter_mut().for_each(|line| *line = line.replace("\"until\":\"2026-12", "\"until\":\"2026-13"));
        }),
        ("sealed-early", "sleeping-1", |lines| {
            let last = lines.len() - 1;
            lines[last] = lines[last].replacen(",\"at\"", ",\"sealed\":true,\"at\"", 1);
        }),
        ("seal-changes-state", "compacted-1", |lines| {
            let last = lines.len() - 1;
            lines[last] =
                lines[last].replace("\\\"F1\\\"", "\\\"F2\\\"").replace("\"value\":\"F1\"", "\"value\":\"F2\"");
        }),
        ("torn", "running-1", |lines| {
            let last = lines.len() - 1;
            let half = lines[last].len() / 2;
            lines[last].truncate(half);
        }),
    ];
    let mut made = BTreeMap::from([(PathBuf::from("store.json"), sound[Path::new("store.json")].clone())]);
    for (name, run, change) in twins {
        let mut lines: Vec<String> = lines(run).iter().map(|line| line.replace(run, name)).collect();
        change(&mut lines);
        let end = if name == "torn" { "" } else { "\n" };
        made.insert(Path::new("runs").join(format!("{name}.jsonl")), (lines.join("\n") + end).into_bytes());
    }
    made
}

/// One after another: what the first may write the others read.
#[tokio::test]
async fn version_1_stays_as_it_is() {
    version_1_is_written_as_it_was().await;
    version_1_is_read_as_it_was().await;
    corrupt_twins_are_told_apart().await;
}

async fn version_1_is_written_as_it_was() {
    let made = tempfile::tempdir().expect("a folder");
    make(made.path()).await;
    let sound = files(made.path());
    hold_against(&sound, &folder("v1"));
    hold_against(&corrupt(&sound), &folder("v1-corrupt"));
}

/// Opens a copy of a fixture, since looking at a store may leave locks and marks.
pub(crate) async fn opened(fixture: &Path) -> (tempfile::TempDir, FileStore) {
    let copy = tempfile::tempdir().expect("a folder");
    for (path, bytes) in files(fixture) {
        let path = copy.path().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, bytes).expect("written");
    }
    let store = FileStore::open(copy.path(), FileOptions::default()).expect("a store");
    (copy, store)
}

async fn version_1_is_read_as_it_was() {
    let (_copy, store) = opened(&folder("v1")).await;
    let mut said = String::new();
    let mut seen = Vec::new();
    for run in store.list(RUNS, "", None, 1_000).await.expect("runs") {
        let (log, _) = latest_generation(&store, &run).await.expect("a generation");
        let fold = fold_history(&store, &log).await.expect("a history");
        said += &format!("{log}: {}", dump(fold.state()));
        seen.push(fold.state().status());
    }
    expect_file!["../../fixtures/history/v1.txt"].assert_eq(&said);
    for status in Status::ALL.into_iter().filter(|status| !matches!(status, Status::Corrupt | Status::Parked)) {
        assert!(seen.contains(&status), "{status}");
    }
    let (findings, summary) = look(&store, false, at(10)).await;
    assert_eq!(text(&findings), "", "a sound store");
    assert_eq!(summary.runs, seen.len() as u64);
}

async fn corrupt_twins_are_told_apart() {
    let (copy, store) = opened(&folder("v1-corrupt")).await;
    let (findings, summary) = look(&store, false, at(10)).await;
    let said = text(&findings).replace(&copy.path().display().to_string(), "store");
    expect_file!["../../fixtures/history/v1-corrupt.txt"].assert_eq(&said);
    // A torn end was never acknowledged: the run before it is sound.
    assert_eq!((summary.runs, summary.corrupt), (23, 22));
}
