//! Stores in buckets.

mod damage;
mod faults;
mod requests;
mod unfit;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use temporal_code::random::ThreadRandom;
use temporal_code::store::contract::Medium;
use temporal_code::store::{
    Batch, BucketAddress, BucketOptions, BucketStore, Error, Kind, Line, Name, Position, Store, Token,
};
use temporal_code::store_contract;

use crate::servers::moto::{Moto, request};

const RUNS: Kind = Kind::new("runs");

/// A secret that must not be seen anywhere.
const SECRET: &str = "hunter2hunter2hunter2";

/// A bucket of a server on this machine, and where in it the store is.
#[derive(Clone, Debug)]
struct Place {
    port: u16,
    bucket: String,
}

impl Place {
    /// A new bucket of moto.
    fn new() -> Self {
        let moto = Moto::shared();
        Place { port: moto.port, bucket: moto.new_bucket() }
    }

    /// The same bucket, by another way.
    fn through(&self, port: u16) -> Self {
        Place { port, ..self.clone() }
    }

    fn open(&self) -> BucketStore {
        self.open_with(&[], Duration::from_secs(30))
    }

    fn open_with(&self, more: &[(&str, &str)], request_timeout: Duration) -> BucketStore {
        let endpoint = format!("http://127.0.0.1:{}", self.port);
        let settings =
            [("AWS_ENDPOINT_URL", endpoint.as_str()), ("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", SECRET)];
        let settings: Vec<(String, String)> =
            settings.iter().chain(more).map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let address = BucketAddress::parse(&format!("s3://{}/pre/fix", self.bucket)).unwrap();
        let options = BucketOptions { request_timeout, poll_every: Duration::from_millis(150), ..Default::default() };
        BucketStore::open(&address, &settings, options).unwrap()
    }

    fn object(&self, method: &str, key: &str, body: &[u8]) -> (u16, Vec<u8>) {
        request(self.port, method, &format!("/{}/pre/fix/{key}", self.bucket), &[], body)
    }

    /// Writes an object past all stores.
    fn put(&self, key: &str, body: &[u8]) {
        assert_eq!(self.object("PUT", key, body).0, 200);
    }

    /// What an object is; none if it is not there.
    fn get(&self, key: &str) -> Option<Vec<u8>> {
        let (status, body) = self.object("GET", key, b"");
        (status == 200).then_some(body)
    }

    /// Removes an object past all stores.
    fn delete(&self, key: &str) {
        assert_eq!(self.object("DELETE", key, b"").0, 204);
    }
}

struct Bucket(Place);

#[async_trait]
impl Medium for Bucket {
    async fn open(&self) -> Result<Arc<dyn Store>, Error> {
        Ok(Arc::new(self.0.open()))
    }

    /// More than a page of a list, and not many more: moto takes milliseconds for a request.
    fn scale(&self) -> usize {
        1_100
    }
}

mod contract {
    use super::*;

    store_contract!(async { Bucket(Place::new()) });
}

fn token() -> Token {
    Token::new(&ThreadRandom)
}

fn log(id: &str) -> Name {
    Name::new(RUNS, id).unwrap()
}

fn line(text: &str) -> Line {
    Line::of(&serde_json::json!({ "text": text })).unwrap()
}

fn one(log: &Name, after: Position, text: &str) -> Batch {
    Batch::new(token()).append(log, after, vec![line(text)])
}

async fn push(store: &BucketStore, log: &Name, after: Position, text: &str) -> Position {
    store.apply(&one(log, after, text)).await.unwrap()[0]
}

/// Appends `count` lines, each by itself.
async fn push_many(store: &BucketStore, log: &Name, mut end: Position, count: usize) -> Position {
    for _ in 0..count {
        end = push(store, log, end, "x").await;
    }
    end
}

/// The numbers of the lines of a log, read in pages of at least `bytes`.
async fn numbers(store: &BucketStore, log: &Name, bytes: usize) -> Vec<u64> {
    let (mut found, mut after) = (Vec::new(), 0);
    loop {
        let page = store.read(log, after, bytes).await.unwrap();
        found.extend(page.lines().map(|(header, _)| header.seq));
        if !page.has_more() {
            return found;
        }
        after = page.end().last.number();
    }
}

fn dense(count: u64) -> Vec<u64> {
    (1..=count).collect()
}

/// The key of an append behind the prefix of the store.
fn key(log: &Name, first: u64) -> String {
    format!("{}/{}/{}/{first:020}.jsonl", log.kind(), log.key(), log.generation())
}
