//! Listing many logs on each backend: names a second, and how much memory that takes beyond what the process had before.
//!
//! `cargo bench --bench store_list -- [LOGS] [files|redis|bucket|memory]…`; needs redis-server and moto, as the tests do. In a bucket of
//! moto 100,000 logs take some minutes to make.

#[allow(dead_code, reason = "the tests use more of it")]
#[path = "../tests/stores/servers/moto.rs"]
mod moto;
#[allow(dead_code, clippy::panic, clippy::unwrap_used, unreachable_pub, reason = "what helps tests fails them")]
#[path = "../tests/stores/servers/redis.rs"]
mod redis_server;

use std::sync::Arc;
use std::time::Instant;

use temporal_code::ThreadRandom;
use temporal_code::stores::{
    Batch, BucketAddress, BucketOptions, BucketStore, FileOptions, FileStore, Kind, LIST_PAGE, Line, MemoryStore, Name,
    Position, RetryPolicy, RetryingStore, Store, Token,
};

const RUNS: Kind = Kind::new("runs");

/// Logs that are made at the same time.
const TASKS: usize = 32;

fn name(number: usize) -> Name {
    Name::new(RUNS, &format!("greet-{number:07}")).expect("a name")
}

async fn fill(store: &Arc<dyn Store>, logs: usize) {
    let mut set = tokio::task::JoinSet::new();
    for task in 0..TASKS {
        let store = store.clone();
        set.spawn(async move {
            for number in (task..logs).step_by(TASKS) {
                let line = Line::of(&serde_json::json!({ "type": "start" })).expect("a line");
                let batch = Batch::new(Token::new(&ThreadRandom)).append(&name(number), Position::START, vec![line]);
                store.apply(&batch).await.expect("an append");
            }
        });
    }
    set.join_all().await;
}

/// All names, a page at a time; the next page is asked for behind the last name, and nothing else is kept.
async fn list(store: &dyn Store) -> usize {
    let (mut last, mut count): (Option<Name>, usize) = (None, 0);
    loop {
        let page = store.list(RUNS, "", last.as_ref(), LIST_PAGE).await.expect("a page");
        let is_behind = page.first().is_none_or(|first| Some(first) > last.as_ref());
        assert!(page.is_sorted() && is_behind, "in order, and none twice");
        count += page.len();
        match page.into_iter().next_back() {
            Some(name) => last = Some(name),
            None => return count,
        }
    }
}

/// A line of `/proc/self/status`, in kibibytes.
fn status(field: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

async fn measure(what: &str, store: Arc<dyn Store>, logs: usize) {
    let started = Instant::now();
    fill(&store, logs).await;
    let filled = started.elapsed();
    // From here the peak is counted anew.
    std::fs::write("/proc/self/clear_refs", "5").expect("Linux");
    let (before, started) = (status("VmRSS"), Instant::now());
    assert_eq!(list(&*store).await, logs);
    let listed = started.elapsed();
    let grown = status("VmHWM").saturating_sub(before);
    println!(
        "{what:<8} {logs:>9} made in {:>6.1} s; listed {:>9.0} a second, memory grew by {grown} KiB",
        filled.as_secs_f64(),
        logs as f64 / listed.as_secs_f64()
    );
}

async fn bucket(moto: &moto::Moto) -> Arc<dyn Store> {
    let settings = [
        ("AWS_ENDPOINT_URL".to_owned(), format!("http://127.0.0.1:{}", moto.port)),
        ("AWS_ACCESS_KEY_ID".to_owned(), "test".to_owned()),
        ("AWS_SECRET_ACCESS_KEY".to_owned(), "test".to_owned()),
    ];
    let address = BucketAddress::parse(&format!("s3://{}/bench", moto.new_bucket())).expect("an address");
    let store = BucketStore::open(&address, &settings, BucketOptions::default()).expect("a store");
    // moto is slow enough for requests to run out of time.
    Arc::new(RetryingStore::new(Arc::new(store), RetryPolicy::default(), Arc::new(ThreadRandom)))
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect::<Vec<_>>();
    let logs = arguments.iter().find_map(|text| text.parse().ok()).unwrap_or(100_000);
    let wanted = |name: &str| {
        let named = || arguments.iter().filter(|text| text.parse::<usize>().is_err());
        named().next().is_none() || named().any(|text| text == name)
    };
    // Twice the number of logs, so that what grows with it is seen.
    for logs in [logs / 2, logs] {
        if wanted("files") {
            let folder = tempfile::tempdir().expect("a folder");
            let store = FileStore::create(folder.path(), FileOptions::default()).expect("a store");
            measure("files", Arc::new(store), logs).await;
        }
        if wanted("redis") {
            let server = redis_server::Setup::forgetful().start();
            measure("redis", Arc::new(server.open().await), logs).await;
        }
        if wanted("bucket") {
            let moto = moto::Moto::start(moto::Serving::AtOnce);
            measure("bucket", bucket(&moto).await, logs).await;
        }
        if wanted("memory") {
            measure("memory", Arc::new(MemoryStore::new()), logs).await;
        }
    }
}
