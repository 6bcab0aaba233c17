//! Redis: the contract of all stores, and what only a Redis can do to one.

mod access;
mod cluster;
mod loss;
mod odd;
mod watches;

use std::sync::Arc;

use async_trait::async_trait;
use temporal_code::stores::{Batch, Error, Kind, Line, Name, Position, Store, Token};
use temporal_code::testing::contract::Medium;
use temporal_code::{ThreadRandom, store_contract};

use crate::servers::redis::RedisServer;

const KIND: Kind = Kind::new("runs");

struct Redis(RedisServer);

#[async_trait]
impl Medium for Redis {
    async fn open(&self) -> Result<Arc<dyn Store>, Error> {
        Ok(Arc::new(self.0.open().await))
    }
}

mod contract {
    use super::*;

    store_contract!(async { Redis(RedisServer::start()) });
}

fn name(id: &str) -> Name {
    Name::new(KIND, id).unwrap()
}

fn token() -> Token {
    Token::new(&ThreadRandom)
}

fn line(text: &str) -> Line {
    Line::of(&serde_json::json!({ "text": text })).unwrap()
}

/// A batch that appends one line.
fn one(log: &Name, after: Position, text: &str) -> Batch {
    Batch::new(token()).append(log, after, vec![line(text)])
}

/// Appends one line to an end that is known.
async fn push(store: &dyn Store, log: &Name, after: Position, text: &str) -> Position {
    store.apply(&one(log, after, text)).await.unwrap()[0]
}

/// The texts of a log, whose numbers are 1, 2, 3 ….
async fn dense(store: &dyn Store, log: &Name) -> Vec<String> {
    let page = store.read(log, 0, usize::MAX).await.unwrap();
    let lines: Vec<_> = page.lines().collect();
    assert_eq!(
        lines.iter().map(|(header, _)| header.seq).collect::<Vec<_>>(),
        (1..=lines.len() as u64).collect::<Vec<_>>()
    );
    let text =
        |line: &[u8]| serde_json::from_slice::<serde_json::Value>(line).unwrap()["text"].as_str().unwrap().to_owned();
    lines.into_iter().map(|(_, line)| text(line)).collect()
}
