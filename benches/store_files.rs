//! What a store in a folder costs, beside the bare operations of the same disk in the same run.
//!
//! `cargo bench --bench store_files [-- FOLDER]`; the folder, by default the system's for temporary files, says which disk.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use temporal_code::ThreadRandom;
use temporal_code::stores::{Batch, FileOptions, FileStore, Kind, LIST_PAGE, Line, Name, Position, Store, Token};

const RUNS: Kind = Kind::new("runs");
const BODY: &str =
    r#"{"at":"2026-11-22T04:34:16.123456Z","type":"save","step":"charge","n":1,"result":{"id":"ch_1234","ok":true}}"#;
const ROUNDS: usize = 9;
const APPENDS: usize = 300;
const LOGS: usize = 8;
const EVENTS: usize = 1_000_000;
const NAMES: usize = 100_000;

fn main() {
    let folder =
        std::env::args().skip(1).find(|arg| !arg.starts_with("--")).map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = tempfile::tempdir_in(folder).expect("a folder");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_time().build().expect("a runtime");
    runtime.block_on(async {
        appends(folder.path()).await;
        reading(folder.path()).await;
        listing(folder.path()).await;
    });
}

fn name(id: &str) -> Name {
    Name::new(RUNS, id).expect("a name")
}

fn batch(log: &Name, end: Position) -> Batch {
    Batch::new(Token::new(&ThreadRandom)).append(log, end, vec![Line::new(BODY).expect("a line")])
}

fn median(mut spans: Vec<f64>) -> f64 {
    spans.sort_unstable_by(f64::total_cmp);
    spans[spans.len() / 2]
}

/// Appends a line of the same length and syncs; microseconds for each.
fn bare(file: &mut File, count: usize) -> f64 {
    let line = format!("{{\"seq\":12345,\"token\":\"0123456789abcdef\",{}\n", &BODY[1..]);
    let start = Instant::now();
    for _ in 0..count {
        file.write_all(line.as_bytes()).expect("written");
        file.sync_data().expect("synced");
    }
    start.elapsed().as_secs_f64() * 1e6 / count as f64
}

fn open(path: &Path) -> File {
    OpenOptions::new().append(true).create(true).open(path).expect("a file")
}

async fn in_turn(store: &FileStore, log: &Name, mut end: Position, count: usize) -> (Position, f64) {
    let start = Instant::now();
    for _ in 0..count {
        end = store.apply(&batch(log, end)).await.expect("appended")[0];
    }
    (end, start.elapsed().as_secs_f64() * 1e6 / count as f64)
}

async fn appends(folder: &Path) {
    let store = FileStore::create(folder.join("store"), FileOptions::default()).expect("a store");
    let mut file = open(&folder.join("bare"));
    let mut ends: Vec<Position> = Vec::new();
    for log in 0..=LOGS {
        ends.push(in_turn(&store, &name(&log.to_string()), Position::START, 1).await.0);
    }
    bare(&mut file, 10);
    let (mut alone, mut ours, mut many, mut bare_many) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        alone.push(bare(&mut file, APPENDS));
        let (end, each) = in_turn(&store, &name("0"), ends[0], APPENDS).await;
        (ends[0], _) = (end, ours.push(each));
        let start = Instant::now();
        let mut tasks = tokio::task::JoinSet::new();
        for (log, end) in ends.iter().copied().enumerate().skip(1) {
            let store = store.clone();
            tasks.spawn(async move { (log, in_turn(&store, &name(&log.to_string()), end, APPENDS).await.0) });
        }
        for (log, end) in tasks.join_all().await {
            ends[log] = end;
        }
        many.push(start.elapsed().as_secs_f64() * 1e6 / (LOGS * APPENDS) as f64);
        let start = Instant::now();
        let threads: Vec<_> = (0..LOGS)
            .map(|log| {
                let mut file = open(&folder.join(format!("bare {log}")));
                std::thread::spawn(move || bare(&mut file, APPENDS))
            })
            .collect();
        threads.into_iter().for_each(|thread| _ = thread.join());
        bare_many.push(start.elapsed().as_secs_f64() * 1e6 / (LOGS * APPENDS) as f64);
    }
    let (alone, ours, many, bare_many) = (median(alone), median(ours), median(many), median(bare_many));
    println!("synced appends               µs each    of append + fdatasync alone");
    println!("append + fdatasync alone    {alone:8.0}");
    println!("one log                     {ours:8.0}    {:4.0} %", 100.0 * alone / ours);
    println!("{LOGS} logs at once              {many:8.0}    {:4.0} %", 100.0 * alone / many);
    println!("append + fdatasync, {LOGS} files {bare_many:8.0}    {:4.0} %", 100.0 * alone / bare_many);
}

async fn reading(folder: &Path) {
    let store = FileStore::create(folder.join("store"), FileOptions::default()).expect("a store");
    let log = name("long");
    let path = folder.join("store/runs/long.jsonl");
    let mut file = std::io::BufWriter::new(open(&path));
    for number in 1..=EVENTS {
        // Three events an append.
        let more = if number % 3 == 0 || number == EVENTS { "" } else { "\"more\":true," };
        writeln!(file, "{{\"seq\":{number},\"token\":\"{:016x}\",{more}{}", number.div_ceil(3) * 7_919, &BODY[1..])
            .expect("written");
    }
    file.flush().expect("written");
    let bytes = std::fs::metadata(&path).expect("a log").len();
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let (mut after, mut events) = (0, 0);
        loop {
            let page = store.read(&log, after, 1 << 20).await.expect("a page");
            events += page.lines().filter(|(header, _)| header.seq > 0).count();
            after = page.end().last.number();
            if !page.has_more() {
                break;
            }
        }
        assert_eq!(events, EVENTS);
        ours.push(start.elapsed().as_secs_f64());
        let start = Instant::now();
        assert_eq!(std::fs::read(&path).expect("read").len() as u64, bytes);
        bare.push(start.elapsed().as_secs_f64());
    }
    let rate = |seconds: f64| bytes as f64 / 1e6 / seconds;
    println!("\na history of {EVENTS} events, {} MB    MB/s", bytes / 1_000_000);
    println!("read whole, without a look at it      {:6.0}", rate(median(bare)));
    println!("read in pages, each line's header seen {:5.0}", rate(median(ours)));
}

async fn listing(folder: &Path) {
    let logs = folder.join("store/listed");
    std::fs::create_dir(&logs).expect("a folder");
    for number in 0..NAMES {
        File::create(logs.join(format!("greet-{number}.jsonl"))).expect("a file");
    }
    let store = FileStore::open(folder.join("store"), FileOptions::default()).expect("a store");
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let (mut last, mut count) = (None, 0);
        loop {
            let page = store.list(Kind::new("listed"), "", last.as_ref(), LIST_PAGE).await.expect("a page");
            count += page.len();
            match page.last() {
                Some(name) => last = Some(name.clone()),
                None => break,
            }
        }
        assert_eq!(count, NAMES);
        ours.push(start.elapsed());
        let start = Instant::now();
        assert_eq!(std::fs::read_dir(&logs).expect("a folder").count(), NAMES);
        bare.push(start.elapsed());
    }
    let middle = |spans: Vec<Duration>| median(spans.iter().map(Duration::as_secs_f64).collect());
    let rate = |seconds: f64| NAMES as f64 / seconds;
    println!("\n{NAMES} names                       names/s");
    println!("read_dir alone, in no order       {:9.0}", rate(middle(bare)));
    println!("in order, {LIST_PAGE} at a time         {:9.0}", rate(middle(ours)));
}
