//! Stores in buckets.

mod damage;
mod faults;
#[cfg(feature = "cli")]
mod profiles;
mod requests;
mod unfit;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use temporal_code::stores::{
    Batch, BucketAddress, BucketOptions, BucketStore, Error, Kind, Line, Name, Position, Store, Token,
};
use temporal_code::testing::contract::Medium;
use temporal_code::{ThreadRandom, store_contract};

use crate::servers::moto::{Moto, request};
use crate::servers::s3_proxy::{Fault, Proxy};
use crate::servers::s3s::S3s;

const RUNS: Kind = Kind::new("runs");

/// A secret that must not be seen anywhere.
const SECRET: &str = "hunter2hunter2hunter2";

/// A bucket of a server on this machine, and where in it the store is.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    port: u16,
    bucket: String,
}

impl Place {
    /// A new bucket of moto.
    pub(crate) fn new() -> Self {
        let moto = Moto::shared();
        Place { port: moto.port, bucket: moto.new_bucket() }
    }

    /// The same bucket, by another way.
    fn through(&self, port: u16) -> Self {
        Place { port, ..self.clone() }
    }

    pub(crate) fn open(&self) -> BucketStore {
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

/// s3s-fs, made atomic by letting one write pass at a time: another S3 than moto, which checks every signature.
struct OnFolder {
    place: Place,
    _proxy: Proxy,
    server: S3s,
}

impl OnFolder {
    async fn new() -> Self {
        let server = S3s::start("bucket", "test", SECRET);
        let proxy = Proxy::start(server.port).await;
        proxy.plan(|seen| if seen.method == "PUT" { Fault::Alone } else { Fault::None });
        let place = Place { port: proxy.port, bucket: "bucket".to_owned() };
        OnFolder { place, _proxy: proxy, server }
    }

    /// Writes an object past all stores.
    fn put(&self, key: &str, body: &[u8]) {
        let path = self.path(key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, body).unwrap();
    }

    fn path(&self, key: &str) -> std::path::PathBuf {
        self.server.folder.path().join("bucket/pre/fix").join(key)
    }
}

#[async_trait]
impl Medium for OnFolder {
    async fn open(&self) -> Result<Arc<dyn Store>, Error> {
        Ok(Arc::new(self.place.open()))
    }

    fn scale(&self) -> usize {
        2_500
    }
}

mod contract {
    use super::*;

    store_contract!(async { Bucket(Place::new()) });
}

macro_rules! on_s3s {
    ($($module:ident: $name:ident,)*) => {
        mod on_s3s {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    temporal_code::testing::contract::$module::$name(&super::OnFolder::new().await).await;
                }
            )*
        }
    };
}

on_s3s!(
    appends: lines_are_numbered_and_come_back,
    appends: what_was_written_comes_back_byte_for_byte,
    appends: of_many_writers_of_one_number_one_wins,
    appends: the_same_batch_again_changes_nothing,
    appends: large_lines_pass_and_larger_ones_are_refused,
    seals: a_forgotten_log_keeps_its_numbers,
    names: hostile_ids_have_places_of_their_own,
    names: lists_are_in_order_and_whole,
    names: lists_go_over_page_boundaries,
    appends: a_log_of_many_appends_is_read_over_pages,
    due: entries_come_in_order_when_their_time_has_come,
    due: entries_are_put_and_dropped_once,
    due: queues_do_not_mix,
);

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
