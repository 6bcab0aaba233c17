//! Stores that are not as they should be.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use expect_test::Expect;
use temporal_code::stores::{Batch, Due, Line, MemoryStore, Name, Queue, Store, Token};
use temporal_code::workflows::run_log;

use crate::scenario::{look, text};
use crate::support::at;

/// A store into which lines are put as they are, good or bad.
pub(crate) struct Damaged {
    pub(crate) store: Arc<dyn Store>,
    tokens: AtomicUsize,
}

impl Damaged {
    pub(crate) fn new() -> Self {
        Damaged::on(Arc::new(MemoryStore::new()))
    }

    pub(crate) fn on(store: Arc<dyn Store>) -> Self {
        Damaged { store, tokens: AtomicUsize::new(0) }
    }

    pub(crate) fn token(&self) -> Token {
        Token::from_bits(self.tokens.fetch_add(1, Ordering::Relaxed) as u64)
    }

    pub(crate) async fn append(&self, log: &Name, bodies: &[&str], sealed: bool) {
        let end = self.store.end(log).await.expect("an end").last;
        let body = |(number, body): (usize, &&str)| {
            let second = end.number() + number as u64 + 1;
            let line = format!("{{\"at\":\"2026-11-22T04:00:{second:02}Z\",{}", &body[1..]);
            Line::new(&line).expect("a line")
        };
        let lines: Vec<Line> = bodies.iter().enumerate().map(body).collect();
        let batch = Batch::new(self.token());
        let batch = if sealed { batch.seal(log, end, lines) } else { batch.append(log, end, lines) };
        self.store.apply(&batch).await.expect("it lands");
    }

    pub(crate) async fn run(&self, run: &str, bodies: &[&str], sealed: bool) {
        let start = format!(
            r#"{{"type":"start","v":1,"run":{},"workflow":"greet","queue":"default","input":null}}"#,
            serde_json::to_string(run).expect("JSON")
        );
        let bodies: Vec<&str> = std::iter::once(&*start).chain(bodies.iter().copied()).collect();
        self.append(&run_log(run).expect("a name"), &bodies, sealed).await;
    }

    pub(crate) async fn due(&self, log: &Name, second: i64) {
        self.due_in("default", log, second).await;
    }

    pub(crate) async fn due_in(&self, queue: &str, log: &Name, second: i64) {
        let due = Due { queue: Queue::new(queue).expect("a queue"), at: at(second), run: log.clone() };
        self.store.apply(&Batch::new(self.token()).put_due(due)).await.expect("it lands");
    }

    pub(crate) async fn check(&self, expected: Expect) {
        expected.assert_eq(&text(&look(&*self.store, false, at(30)).await.0));
    }
}

pub(crate) const CLAIM: &str = r#"{"type":"claim","claim":1,"worker":"w1","until":"2026-11-22T04:00:20Z"}"#;
pub(crate) const RELEASE: &str = r#"{"type":"release","claim":1}"#;
pub(crate) const WAIT: &str = r#"{"type":"wait","claim":1,"step":"by","n":1,"for":["by"]}"#;
