//! What a store in a bucket costs, in requests and in time, beside the bare requests that it is made of.
//!
//! Run by hand: `cargo bench --bench store_object -- [APPENDS]`. It runs against moto on this machine, so the times say what
//! is added to a request and not how long a request takes somewhere else.

#[allow(dead_code, reason = "the tests use more of it")]
#[path = "../tests/stores/servers/moto.rs"]
mod moto;

use std::time::{Duration, Instant};

use object_store::aws::AmazonS3Builder;
use object_store::path::Path;
use object_store::{ClientOptions, ObjectStore, PutMode, PutOptions};
use temporal_code::stores::{
    Batch, BucketAddress, BucketOptions, BucketStore, Due, Kind, Line, Name, Position, Queue, Store, Token,
};
use temporal_code::{ThreadRandom, Timestamp};

use moto::{Moto, Serving};

const SAMPLES: usize = 300;

fn open(moto: &Moto, bucket: &str) -> BucketStore {
    let settings = [
        ("AWS_ENDPOINT_URL".to_owned(), format!("http://127.0.0.1:{}", moto.port)),
        ("AWS_ACCESS_KEY_ID".to_owned(), "test".to_owned()),
        ("AWS_SECRET_ACCESS_KEY".to_owned(), "test".to_owned()),
    ];
    let address = BucketAddress::parse(&format!("s3://{bucket}/bench")).expect("an address");
    BucketStore::open(&address, &settings, BucketOptions::default()).expect("a store")
}

fn name(id: &str) -> Name {
    Name::new(Kind::new("runs"), id).expect("an id")
}

fn line(number: u64) -> Line {
    Line::of(&serde_json::json!({ "at": "2026-11-22T04:34:16Z", "type": "save", "step": number })).expect("a line")
}

fn batch() -> Batch {
    Batch::new(Token::new(&ThreadRandom))
}

/// Median of times, in milliseconds.
fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1_000.0
}

/// Prints what one call took and cost.
async fn measure<T, E: std::fmt::Debug>(
    what: &str,
    store: &BucketStore,
    call: impl Future<Output = Result<T, E>>,
) -> T {
    let (before, start) = (store.requests(), Instant::now());
    let result = call.await.expect(what);
    let (time, requests) = (start.elapsed(), store.requests().since(&before));
    println!("{what:<44} {:>9.2} ms  {requests}", time.as_secs_f64() * 1_000.0);
    result
}

/// The request that an append is, without a store.
async fn bare(moto: &Moto, bucket: &str) -> f64 {
    let client = AmazonS3Builder::new()
        .with_endpoint(format!("http://127.0.0.1:{}", moto.port))
        .with_bucket_name(bucket)
        .with_access_key_id("test")
        .with_secret_access_key("test")
        .with_client_options(ClientOptions::new().with_allow_http(true))
        .build()
        .expect("a client");
    let mut times = Vec::new();
    for number in 0..SAMPLES {
        let (path, start) = (Path::from(format!("bare/{number:020}.jsonl")), Instant::now());
        let options = PutOptions::from(PutMode::Create);
        client.put_opts(&path, "x".repeat(120).into(), options).await.expect("a put");
        times.push(start.elapsed());
    }
    median(times)
}

async fn appends(store: &BucketStore, log: &Name, count: usize) -> (f64, Position) {
    let (mut times, mut end) = (Vec::new(), Position::START);
    for number in 0..count {
        let (batch, start) = (batch().append(log, end, vec![line(number as u64)]), Instant::now());
        end = store.apply(&batch).await.expect("an append")[0];
        times.push(start.elapsed());
    }
    (median(times), end)
}

async fn whole(store: &BucketStore, log: &Name) -> Result<u64, temporal_code::stores::Error> {
    let mut after = 0;
    loop {
        let page = store.read(log, after, 1 << 20).await?;
        after = page.end().last.number();
        if !page.has_more() {
            return Ok(after);
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let many: usize = std::env::args().filter_map(|argument| argument.parse().ok()).next().unwrap_or(5_000);
    let moto = Moto::start(Serving::AtOnce);
    let bucket = moto.new_bucket();
    let store = open(&moto, &bucket);
    measure(
        "first write of a new store",
        &store,
        store.apply(&batch().append(&name("first"), Position::START, vec![line(1)])),
    )
    .await;
    let due = Due { queue: Queue::default(), at: Timestamp::from_micros(1), run: name("start") };
    let start = batch().append(&name("start"), Position::START, vec![line(1)]).put_due(due.clone());
    let ends = measure("start: history and due", &store, store.apply(&start)).await;
    let next = Due { at: Timestamp::from_micros(2), ..due.clone() };
    let commit = batch().append(&name("start"), ends[0], vec![line(2)]).put_due(next).drop_due(due);
    measure("commit: append, put due, drop due", &store, store.apply(&commit)).await;
    println!();
    let bare = bare(&moto, &bucket).await;
    let (append, _) = appends(&store, &name("sample"), SAMPLES).await;
    println!("median of {SAMPLES}: a bare conditional put {bare:.2} ms, an append {append:.2} ms");
    for count in [1, 100, many] {
        println!();
        let log = name(&format!("log-{count}"));
        appends(&store, &log, count).await;
        let reader = open(&moto, &bucket);
        measure(&format!("end of {count} appends, no folds"), &reader, reader.end(&log)).await;
        let reader = open(&moto, &bucket);
        measure(&format!("read of {count} appends, no folds"), &reader, whole(&reader, &log)).await;
        measure(&format!("read of {count} appends by a writer, which folds"), &store, whole(&store, &log)).await;
        let reader = open(&moto, &bucket);
        measure(&format!("end of {count} appends, folded"), &reader, reader.end(&log)).await;
        let reader = open(&moto, &bucket);
        measure(&format!("read of {count} appends, folded"), &reader, whole(&reader, &log)).await;
        measure("read at the end that is known", &reader, reader.read(&log, count as u64, 1 << 20)).await;
        measure("end that is known", &reader, reader.end(&log)).await;
    }
    println!();
    measure("list of 6 logs", &store, store.list(Kind::new("runs"), "", None, 1_000)).await;
    let inspected = measure("inspect", &store, store.inspect(false)).await;
    assert_eq!(inspected, []);
}
