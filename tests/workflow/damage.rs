//! Damage made on purpose, on every medium: what is found, what is repaired, and that nothing else changes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use expect_test::expect;
use tempfile::TempDir;
use temporal_code::store::{FileOptions, FileStore, Name, Store, Token};
use temporal_code::workflow::FsckSummary;
use temporal_code::workflow::batches::{self, Stamp, WorkerLease};
use temporal_code::workflow::{Event, Fold, INBOX, Json, RUNS, Start, inbox_log, run_log};

use crate::damaged::{CLAIM, Damaged, RELEASE, WAIT};
use crate::scenario::{look, text};
use crate::support::at;

/// A medium with a store on it, to be opened anew as another process would.
enum Ground {
    Files(TempDir),
    #[cfg(feature = "redis")]
    Redis(crate::servers::redis::RedisServer),
    #[cfg(feature = "object-store")]
    Bucket(String),
}

impl Ground {
    fn files() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        FileStore::create(folder.path(), FileOptions::default()).expect("a store");
        Ground::Files(folder)
    }

    #[cfg(feature = "redis")]
    fn redis() -> Self {
        Ground::Redis(crate::servers::redis::Setup::forgetful().start())
    }

    #[cfg(feature = "object-store")]
    fn bucket() -> Self {
        Ground::Bucket(crate::servers::moto::Moto::shared().new_bucket())
    }

    async fn open(&self) -> Arc<dyn Store> {
        match self {
            Ground::Files(folder) => Arc::new(FileStore::open(folder.path(), FileOptions::default()).expect("a store")),
            #[cfg(feature = "redis")]
            Ground::Redis(server) => Arc::new(server.open().await),
            #[cfg(feature = "object-store")]
            Ground::Bucket(bucket) => {
                use temporal_code::store::{BucketAddress, BucketOptions, BucketStore};
                let endpoint = format!("http://127.0.0.1:{}", crate::servers::moto::Moto::shared().port);
                let settings = [
                    ("AWS_ENDPOINT_URL", endpoint.as_str()),
                    ("AWS_ACCESS_KEY_ID", "test"),
                    ("AWS_SECRET_ACCESS_KEY", "test"),
                ];
                let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
                let address = BucketAddress::parse(&format!("s3://{bucket}/pre")).expect("an address");
                Arc::new(BucketStore::open(&address, &settings, BucketOptions::default()).expect("a store"))
            }
        }
    }

    /// What is found, with or without repair, and the text of it without what is of this machine.
    async fn look(&self, repair: bool) -> (String, FsckSummary) {
        let (findings, summary) = look(&*self.open().await, repair, at(30)).await;
        let mut said = text(&findings);
        match self {
            Ground::Files(folder) => said = said.replace(&folder.path().display().to_string(), "FOLDER"),
            #[cfg(feature = "redis")]
            Ground::Redis(_) => {}
            #[cfg(feature = "object-store")]
            Ground::Bucket(bucket) => said = said.replace(bucket, "BUCKET"),
        }
        (said, summary)
    }

    /// Runs that are sound, in three appends of two lines each.
    async fn make(&self, runs: &[&str]) {
        let store = self.open().await;
        for (number, run) in runs.iter().enumerate() {
            let mut fold = Fold::new(run_log(run).expect("a name"));
            let mut token = number as u64 * 16;
            let mut stamp = || {
                token += 1;
                Stamp { token: Token::from_bits(token), now: at(1) }
            };
            let hold = Some(WorkerLease { worker: "w", until: at(3_600) });
            let start = Start::new(*run, "greet", Json::null());
            store.apply(&batches::start(&mut fold, stamp(), start, hold).expect("a batch")).await.expect("it lands");
            for round in [1, 3] {
                let log = |n: u64| Event::Log { n, text: "said".into(), level: None };
                let batch = batches::commit(&mut fold, stamp(), vec![log(round), log(round + 1)]).expect("a batch");
                store.apply(&batch).await.expect("it lands");
            }
        }
    }

    /// The lines of all logs, by their names; without those that are damaged.
    async fn logs(&self) -> BTreeMap<String, Vec<u8>> {
        let store = self.open().await;
        let mut logs = BTreeMap::new();
        for kind in [RUNS, INBOX] {
            for first in store.list(kind, "", None, 1_000).await.expect("names") {
                let mut log = first;
                while let Some(lines) = lines(&*store, &log).await {
                    logs.insert(log.to_string(), lines);
                    log = log.next_generation();
                }
            }
        }
        logs
    }

    /// Repairs, and sees to it that no line of a sound log is lost by that. The second time nothing is left to repair, and
    /// what is left to a person is returned.
    async fn repair(&self) -> String {
        let before = self.logs().await;
        let (found, _) = self.look(false).await;
        let (repaired, summary) = self.look(true).await;
        assert!(summary.repaired > 0);
        let promised = found.lines().filter(|line| line.contains(" -> ")).count() as u64;
        assert_eq!(summary.repaired, promised, "all that can be repaired is, and nothing else\n{found}\n{repaired}");
        let after = self.logs().await;
        for (log, lines) in &before {
            assert!(after.get(log).is_some_and(|now| now.starts_with(lines)), "{log} lost lines");
        }
        let (left, summary) = self.look(true).await;
        assert_eq!(summary.repaired, 0, "{left}");
        assert_eq!(self.look(true).await.0, left);
        assert_eq!(self.logs().await, after);
        left
    }
}

/// All lines of a log; none if it has none, or is damaged.
async fn lines(store: &dyn Store, log: &Name) -> Option<Vec<u8>> {
    let (mut lines, mut after) = (Vec::new(), 0);
    loop {
        let page = store.read(log, after, 1 << 20).await.ok()?;
        lines.extend_from_slice(page.text());
        after = page.end().last.number();
        if !page.has_more() {
            return Some(lines).filter(|lines| !lines.is_empty());
        }
    }
}

/// Everything that can be wrong with runs, whatever they are kept on.
async fn misfortunes(store: Arc<dyn Store>) {
    let damaged = Damaged::on(store.clone());
    let start = |run: &str, parent: &str| {
        format!(
            r#"{{"at":"2026-11-22T04:00:02Z","type":"start","v":1,"run":"{run}","workflow":"sub","queue":"default","input":null,"parent":{{"run":"{parent}","queue":"default","step":"sub","n":1}}}}"#
        )
    };
    let child = |run: &str, parent: &str| {
        format!(r#"{{"type":"child","claim":1,"run":"{run}","step":"sub","n":1,"start":{}}}"#, start(run, parent))
    };
    let stop = r#"{"type":"stop","claim":1,"v":1,"ok":1}"#;
    let sleep = r#"{"type":"sleep","claim":1,"step":"s","n":1,"until":"2026-11-25T00:00:00Z"}"#;
    damaged.run("pending", &[], false).await;
    damaged.run("asleep", &[CLAIM, sleep, RELEASE], false).await;
    damaged.run("mail", &[CLAIM, WAIT, RELEASE], false).await;
    let mail = r#"{"type":"message","id":"1","event":"by","value":1}"#;
    damaged.append(&inbox_log("mail").expect("a name"), &[mail], false).await;
    damaged.run("ended", &[CLAIM, stop], true).await;
    damaged.due(&run_log("ended").expect("a name"), 1).await;
    damaged.run("mother", &[CLAIM, &child("mother/1", "mother"), RELEASE], false).await;
    damaged.run("father", &[CLAIM, &child("father/1", "father"), RELEASE], false).await;
    let behind_at = start("father/1", "father").replace(r#""at":"2026-11-22T04:00:02Z","#, "");
    damaged.append(&run_log("father/1").expect("a name"), &[&behind_at, CLAIM, stop], true).await;
    let mut fold = Fold::new(run_log("moved").expect("a name"));
    let stamp = |token| Stamp { token: Token::from_bits(token), now: at(1) };
    let hold = Some(WorkerLease { worker: "w", until: at(3_600) });
    let begin = Start::new("moved", "greet", Json::null());
    store.apply(&batches::start(&mut fold, stamp(1_000), begin, hold).expect("a batch")).await.expect("it lands");
    let (batch, _) = batches::continue_using(&mut fold, stamp(1_001), Vec::new(), ("greet", Json::null()), None, &[])
        .expect("a batch");
    store.apply(&batch.prefix(1)).await.expect("it lands");
    // What is for a person to decide.
    damaged.append(&inbox_log("nobody").expect("a name"), &[mail], false).await;
    damaged.due(&run_log("gone").expect("a name"), 5).await;
    damaged.run("dead", &[&CLAIM.replace("04:00:20", "03:00:00")], false).await;
    damaged.due(&run_log("dead").expect("a name"), 1).await;
    damaged.run("corrupt", &[CLAIM, CLAIM], false).await;
    damaged.due_in("elsewhere", &run_log("pending").expect("a name"), 1).await;
}

/// What is found of them, on every medium.
const FOUND: &str = r#"runs/corrupt: line 3: claim 1 stands where claim 2 should
runs/asleep: it is sleeping, has to be looked at by 2026-11-25T00:00:00.000004Z, and nothing leads to it -> put an entry at 2026-11-25T00:00:00.000004Z in queue default
runs/dead: claim 1 by `w1` was over at 2026-11-22T03:00:00Z, and nobody took the run
runs/ended: it has ended, and the due index leads to it at 2026-11-22T04:00:01Z in queue default -> drop the entry
runs/father: its child runs/father=2F1 has ended, and it was not told -> tell it
runs/mail: line 1 of its inbox is the message `by` that it waits for, and nothing leads to it -> put an entry at 2026-11-22T04:00:00.000001Z in queue default
runs/mother: it has begun runs/mother=2F1 as sub#1, which is not there -> begin it with the line that its parent carries
runs/moved: the run goes on in generation 2, which is not there -> begin it with the line that the seal carries
runs/pending: the due index leads to it at 2026-11-22T04:00:01Z in queue elsewhere, but it is of queue default
runs/pending: it is pending, has to be looked at by 2026-11-22T04:00:01.000001Z, and nothing leads to it -> put an entry at 2026-11-22T04:00:01.000001Z in queue default
runs/gone: the due index leads to it at 2026-11-22T04:00:05Z in queue default, and there is no such run
inbox/nobody: it is an inbox of 1 line, and there is no such run
"#;

/// What of that is left to a person.
const LEFT: &str = r#"runs/corrupt: line 3: claim 1 stands where claim 2 should
runs/dead: claim 1 by `w1` was over at 2026-11-22T03:00:00Z, and nobody took the run
runs/pending: the due index leads to it at 2026-11-22T04:00:01Z in queue elsewhere, but it is of queue default
runs/gone: the due index leads to it at 2026-11-22T04:00:05Z in queue default, and there is no such run
inbox/nobody: it is an inbox of 1 line, and there is no such run
"#;

async fn is_told_and_repaired(ground: &Ground) {
    ground.make(&["sound-1", "sound-2"]).await;
    assert_eq!(ground.look(false).await.0, "");
    misfortunes(ground.open().await).await;
    assert_eq!(ground.look(false).await.0, FOUND);
    assert_eq!(ground.repair().await, LEFT);
}

#[tokio::test]
async fn runs_in_a_folder() {
    is_told_and_repaired(&Ground::files()).await;
}

#[cfg(feature = "redis")]
#[tokio::test]
async fn runs_in_a_redis() {
    is_told_and_repaired(&Ground::redis()).await;
}

#[cfg(feature = "object-store")]
#[tokio::test]
async fn runs_in_a_bucket() {
    is_told_and_repaired(&Ground::bucket()).await;
}

/// Files below a folder.
fn files(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_symlink() || path.is_file() {
                found.insert(path.clone(), fs::read(&path).unwrap_or_default());
            } else {
                folders.push(path);
            }
        }
    }
    found
}

#[tokio::test]
async fn damaged_files() {
    let ground = Ground::files();
    let Ground::Files(folder) = &ground else { return };
    let runs = ["torn", "zeros", "unfinished", "gap", "token", "garbage", "sound"];
    ground.make(&runs).await;
    let path = |name: &str| folder.path().join("runs").join(name);
    let log = |run: &str| path(&format!("{run}.jsonl"));
    let sound = files(folder.path());
    let append = |run: &str, bytes: &[u8]| {
        let mut content = fs::read(log(run)).expect("a log");
        content.extend_from_slice(bytes);
        fs::write(log(run), content).expect("written");
    };
    append("torn", b"{\"seq\":7,\"to");
    append("zeros", &[0; 100]);
    append("unfinished", b"{\"seq\":7,\"token\":\"00000000000000aa\",\"more\":true,\"at\":\"2026-11-22T04:00:02Z\"}\n");
    let edit = |run: &str, edit: &dyn Fn(&mut Vec<String>)| {
        let mut lines: Vec<String> = fs::read_to_string(log(run)).expect("a log").lines().map(str::to_owned).collect();
        edit(&mut lines);
        fs::write(log(run), lines.join("\n") + "\n").expect("written");
    };
    edit("gap", &|lines| _ = lines.remove(2));
    edit("token", &|lines| lines[3] = lines[3].replace("\"token\":\"0", "\"token\":\"f"));
    edit("garbage", &|lines| "hello".clone_into(&mut lines[1]));
    fs::write(path(".sound.forget"), "x").expect("written");
    fs::write(path("readme.txt"), "x").expect("written");
    fs::create_dir(log("folder")).expect("made");
    std::os::unix::fs::symlink("sound.jsonl", log("link")).expect("linked");
    let due = folder.path().join("due");
    fs::write(due.join("default/2026-11-22T04/nonsense"), "").expect("written");
    fs::create_dir(due.join("default/soon")).expect("made");
    fs::create_dir(due.join("no queue")).expect("made");
    let entry = |path: &PathBuf| path.to_string_lossy().ends_with("_runs.sound");
    let entry = sound.keys().find(|path| entry(path)).expect("an entry").file_name().expect("a name");
    fs::create_dir(due.join("default/2026-11-22T05")).expect("made");
    fs::write(due.join("default/2026-11-22T05").join(entry), "").expect("written");

    let damaged = files(folder.path());
    expect![[r#"
        FOLDER/due/default/2026-11-22T04/nonsense: it is not an entry, and does not belong here
        FOLDER/due/default/2026-11-22T05/2026-11-22T04:00:01.000001Z_runs.sound: it is in the folder of another hour
        FOLDER/due/default/soon: it is not an hour, and does not belong here
        FOLDER/due/no queue: it is not a queue, and does not belong here
        FOLDER/runs/.sound.forget: it was left by a process that died while it let go of a log -> remove it
        FOLDER/runs/folder.jsonl: it is not a file
        FOLDER/runs/gap.jsonl: line 4 at byte 294 stands where line 3 should
        FOLDER/runs/garbage.jsonl: line 2 at byte 164 is not a line of a log
        FOLDER/runs/link.jsonl: it is a link, which leads out of the store
        FOLDER/runs/readme.txt: it is not a log, and does not belong here
        FOLDER/runs/token.jsonl: line 4 at byte 423 is of another append than the line before, which says that its own goes on
        FOLDER/runs/torn.jsonl: its last 12 bytes are a torn append, never acknowledged -> cut them off, as the next writer would
        FOLDER/runs/unfinished.jsonl: its last 77 bytes are a torn append, never acknowledged -> cut them off, as the next writer would
        FOLDER/runs/zeros.jsonl: its last 100 bytes are a torn append, never acknowledged -> cut them off, as the next writer would
    "#]].assert_eq(&ground.look(false).await.0);
    assert!(files(folder.path()) == damaged, "looking changes nothing");
    expect![[r#"
        FOLDER/due/default/2026-11-22T04/nonsense: it is not an entry, and does not belong here
        FOLDER/due/default/2026-11-22T05/2026-11-22T04:00:01.000001Z_runs.sound: it is in the folder of another hour
        FOLDER/due/default/soon: it is not an hour, and does not belong here
        FOLDER/due/no queue: it is not a queue, and does not belong here
        FOLDER/runs/folder.jsonl: it is not a file
        FOLDER/runs/gap.jsonl: line 4 at byte 294 stands where line 3 should
        FOLDER/runs/garbage.jsonl: line 2 at byte 164 is not a line of a log
        FOLDER/runs/link.jsonl: it is a link, which leads out of the store
        FOLDER/runs/readme.txt: it is not a log, and does not belong here
        FOLDER/runs/token.jsonl: line 4 at byte 423 is of another append than the line before, which says that its own goes on
    "#]].assert_eq(&ground.repair().await);
    // What was repaired is as it was before the damage, all else as it was after.
    let after = files(folder.path());
    for (path, bytes) in &damaged {
        let run = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let mended = ["torn", "zeros", "unfinished"].contains(&run) && path.starts_with(folder.path().join("runs"));
        let expected = if mended { sound.get(path) } else { Some(bytes) };
        let gone = path.ends_with(".sound.forget");
        assert!(after.get(path) == expected.filter(|_| !gone), "{}", path.display());
    }
    assert_eq!(after.len(), damaged.len() - 1);
}

#[cfg(feature = "redis")]
mod in_redis {
    use ::redis::cmd;

    use super::*;

    fn log(run: &str) -> String {
        format!("{{tc}}:log:runs/{run}")
    }

    #[tokio::test]
    async fn damaged_keys() {
        let ground = Ground::redis();
        let Ground::Redis(server) = &ground else { return };
        ground.make(&["gap", "token", "garbage", "torn", "unfinished", "type", "unnamed", "sound"]).await;
        let mut admin = server.admin();
        let mut send = |words: &[&str]| {
            let mut command = cmd(words[0]);
            words[1..].iter().for_each(|word| _ = command.arg(word));
            command.query::<::redis::Value>(&mut admin).expect("an answer");
        };
        let mut reader = server.admin();
        let mut line =
            |run: &str, at: i64| -> String { cmd("LINDEX").arg(log(run)).arg(at).query(&mut reader).expect("a line") };
        send(&["LREM", &log("gap"), "1", &line("gap", 2)]);
        let other = line("token", 3).replace("\"token\":\"0", "\"token\":\"f");
        send(&["LSET", &log("token"), "3", &other]);
        send(&["LSET", &log("garbage"), "1", "hello\u{1b}"]);
        send(&["RPUSH", &log("torn"), "{\"seq\":7,\"to"]);
        send(&["RPUSH", &log("unfinished"), "{\"seq\":7,\"token\":\"00000000000000aa\",\"more\":true,\"at\":1}"]);
        send(&["SET", &log("type"), "x"]);
        send(&["ZREM", "{tc}:names:runs", "unnamed/"]);
        send(&["ZADD", "{tc}:names:runs", "0", "ghost/"]);
        send(&["ZADD", "{tc}:names:runs", "0", "no name"]);
        send(&["ZADD", "{tc}:queues", "0", "empty"]);
        send(&["ZADD", "{tc}:due:default", "0", "nonsense"]);
        send(&["SET", "{tc}:junk", "x"]);
        expect![[r#"
            runs/gap: one of its lines is not there
            {tc}:due:default: `nonsense` is not an entry of such a list
            {tc}:junk: no store makes such a key
            {tc}:log:runs/garbage: line 2 at byte 164 is not a line of a log
            {tc}:log:runs/token: line 4 at byte 423 is of another append than the line before, which says that its own goes on
            {tc}:log:runs/torn: its last line is not a line of a log
            {tc}:log:runs/type: it is a string where a list should be
            {tc}:log:runs/unfinished: its last append is not whole
            {tc}:log:runs/unnamed: no list names this log -> name it
            {tc}:names:runs: `no name` is not an entry of such a list
            {tc}:names:runs: ghost/: it names a log that has no lines: it was never written, deleted, or thrown away -> take the entry away
            {tc}:queues: empty: it names a queue that has no entries -> take the entry away
        "#]].assert_eq(&ground.look(false).await.0);
        expect![[r#"
            runs/gap: one of its lines is not there
            {tc}:due:default: `nonsense` is not an entry of such a list
            {tc}:junk: no store makes such a key
            {tc}:log:runs/garbage: line 2 at byte 164 is not a line of a log
            {tc}:log:runs/token: line 4 at byte 423 is of another append than the line before, which says that its own goes on
            {tc}:log:runs/torn: its last line is not a line of a log
            {tc}:log:runs/type: it is a string where a list should be
            {tc}:log:runs/unfinished: its last append is not whole
            {tc}:names:runs: `no name` is not an entry of such a list
        "#]].assert_eq(&ground.repair().await);
        assert!(ground.logs().await.contains_key("runs/unnamed"));
    }

    /// Where a list of runs or a queue cannot be read, it is told, once, and that not all was looked at.
    #[tokio::test]
    async fn damaged_lists() {
        for key in ["{tc}:names:runs", "{tc}:names:inbox", "{tc}:due:default", "{tc}:queues"] {
            let ground = Ground::redis();
            let Ground::Redis(server) = &ground else { return };
            ground.make(&["a", "b"]).await;
            let damaged = Damaged::on(ground.open().await);
            damaged.append(&inbox_log("a").expect("a name"), &[r#"{"type":"cancel","id":"1"}"#], false).await;
            let before = ground.logs().await;
            server.run(&format!("SET {key} x"));
            let (said, summary) = ground.look(true).await;
            assert!(summary.cut_short && summary.repaired == 0, "{key}: {said}");
            assert_eq!(said, format!("{key}: it is a string where a zset should be\n"));
            server.run(&format!("DEL {key}"));
            // What names logs and queues is made again from what is there.
            if key != "{tc}:due:default" {
                let (said, summary) = ground.look(true).await;
                assert!(!summary.cut_short && summary.repaired > 0, "{key}: {said}");
                assert_eq!(ground.look(true).await.0, "", "{key}");
            }
            assert_eq!(ground.logs().await, before);
        }
    }
}

#[cfg(feature = "object-store")]
mod in_a_bucket {
    use super::*;
    use crate::servers::moto::{Moto, request};

    #[tokio::test]
    async fn damaged_objects() {
        let ground = Ground::bucket();
        let Ground::Bucket(bucket) = &ground else { return };
        let runs = ["gap", "token", "garbage", "cut", "empty", "overlap", "fold", "sound"];
        ground.make(&runs).await;
        let object = |method: &str, key: &str, body: &[u8]| {
            let (status, body) = request(Moto::shared().port, method, &format!("/{bucket}/pre/{key}"), &[], body);
            assert!((200..300).contains(&status), "{method} {key}: {status}");
            body
        };
        let append = |run: &str, first: u64| format!("runs/{run}/1/{first:020}.jsonl");
        let edit = |key: &str, edit: &dyn Fn(String) -> String| {
            let body = String::from_utf8(object("GET", key, b"")).expect("UTF-8");
            object("PUT", key, edit(body).as_bytes());
        };
        object("DELETE", &append("gap", 3), b"");
        let second = |body: String| {
            let (first, second) = body.split_once('\n').expect("two lines");
            format!("{first}\n{}", second.replace("\"token\":\"0", "\"token\":\"f"))
        };
        edit(&append("token", 3), &second);
        edit(&append("garbage", 3), &|_| "hello\u{1b}\n".to_owned());
        edit(&append("cut", 5), &|body| body[..body.len() / 2].to_owned());
        edit(&append("empty", 5), &|_| String::new());
        edit(&append("overlap", 3), &|body| body);
        let third = object("GET", &append("overlap", 3), b"");
        object("PUT", &append("overlap", 4), &third);
        object("PUT", "runs/fold/1/-00000000000000000001-00000000000000000004.jsonl", b"{}\n");
        object("PUT", "runs/sound/1/readme", b"x");
        object("PUT", "alien/x", b"x");
        object("PUT", "store.probe/x", b"x");
        object("PUT", "due/default/nonsense", b"");
        expect![[r#"
            s3://BUCKET/pre/alien/x: no store makes such an object
            s3://BUCKET/pre/due/default/nonsense: no store makes such an object
            s3://BUCKET/pre/runs/cut/1/00000000000000000005.jsonl: what follows byte 0 is not a whole append
            s3://BUCKET/pre/runs/empty/1/: 1 of its objects are empty, and it is not sealed
            s3://BUCKET/pre/runs/fold/1/-00000000000000000001-00000000000000000004.jsonl: it is not what the appends are of which it should be a copy -> remove it
            s3://BUCKET/pre/runs/gap/1/00000000000000000005.jsonl: lines 3 to 4 are missing before it
            s3://BUCKET/pre/runs/garbage/1/00000000000000000003.jsonl: line 3 at byte 0 is not a line of a log
            s3://BUCKET/pre/runs/overlap/1/00000000000000000004.jsonl: the append before it goes to line 4
            s3://BUCKET/pre/runs/overlap/1/00000000000000000004.jsonl: line 3 at byte 0 stands where line 4 should
            s3://BUCKET/pre/runs/sound/1/readme: no store makes such an object
            s3://BUCKET/pre/runs/token/1/00000000000000000003.jsonl: line 4 at byte 127 is of another append than the line before, which says that its own goes on
            s3://BUCKET/pre/store.probe/x: it was left over when the bucket was tried out -> remove it
            runs/empty: it cannot be read from line 1 on: the last object of the log is empty
            runs/gap: it cannot be read from line 1 on: line 3 is missing
        "#]].assert_eq(&ground.look(false).await.0);
        expect![[r#"
            s3://BUCKET/pre/alien/x: no store makes such an object
            s3://BUCKET/pre/due/default/nonsense: no store makes such an object
            s3://BUCKET/pre/runs/cut/1/00000000000000000005.jsonl: what follows byte 0 is not a whole append
            s3://BUCKET/pre/runs/empty/1/: 1 of its objects are empty, and it is not sealed
            s3://BUCKET/pre/runs/gap/1/00000000000000000005.jsonl: lines 3 to 4 are missing before it
            s3://BUCKET/pre/runs/garbage/1/00000000000000000003.jsonl: line 3 at byte 0 is not a line of a log
            s3://BUCKET/pre/runs/overlap/1/00000000000000000004.jsonl: the append before it goes to line 4
            s3://BUCKET/pre/runs/overlap/1/00000000000000000004.jsonl: line 3 at byte 0 stands where line 4 should
            s3://BUCKET/pre/runs/sound/1/readme: no store makes such an object
            s3://BUCKET/pre/runs/token/1/00000000000000000003.jsonl: line 4 at byte 127 is of another append than the line before, which says that its own goes on
            runs/empty: it cannot be read from line 1 on: the last object of the log is empty
            runs/gap: it cannot be read from line 1 on: line 3 is missing
        "#]].assert_eq(&ground.repair().await);
    }
}
