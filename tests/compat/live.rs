//! A worker of the package at work, which our client starts runs for and sends messages to.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use temporal_code::Timestamp;
use temporal_code::foreign::substantial::{
    PlannedEvent, StoredRun, SubstantialClient, SubstantialFiles, SubstantialStop, WorkerZone,
};
use temporal_code::workflows::{Json, Status};

use crate::support::{PATIENCE, Process, folder, run, script, until};

async fn status(client: &SubstantialClient, run: &str) -> (Status, StoredRun) {
    let found = client.read(&[run]).await.unwrap().remove(0);
    assert_eq!(found.warnings, Vec::<String>::new());
    (found.status(&WorkerZone::utc(), Timestamp::now()).status, found)
}

/// Waits until a run stands so.
async fn reaches(client: &SubstantialClient, run: &str, wanted: Status) -> StoredRun {
    let started = std::time::Instant::now();
    loop {
        let (status, found) = status(client, run).await;
        if status == wanted {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "it is {status}: {found:#?}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

async fn start(client: &SubstantialClient, workflow: &str, kwargs: &str) -> PlannedEvent {
    let kwargs = Json::parse(kwargs).unwrap();
    client.start(workflow, &kwargs, "default", rand(), Timestamp::now()).await.unwrap()
}

/// Bits that differ from run to run.
fn rand() -> u128 {
    let state = RandomState::new();
    u128::from(state.hash_one(1)) << 64 | u128::from(state.hash_one(2))
}

async fn send(client: &SubstantialClient, run: &str, name: &str, value: &str) {
    client.send(run, name, &Json::parse(value).unwrap(), "default", Timestamp::now()).await.unwrap();
}

/// What the package's client and ours give as the result: the same.
async fn result(client: &SubstantialClient, kind: &str, place: &str, name: &str) -> Value {
    let wait = client.wait(name, std::time::Duration::from_millis(100));
    let outcome = tokio::time::timeout(PATIENCE, wait).await.expect("it ends").unwrap();
    let theirs = run(script("result.py").args([kind, place, name]));
    let value = |payload: &temporal_code::foreign::substantial::SubstantialPayload| {
        payload.json().unwrap().read::<Value>().unwrap()
    };
    let ours = match &outcome {
        SubstantialStop::Ok(payload) => json!({"ok": value(payload)}),
        SubstantialStop::Err(payload) => json!({"err": value(payload)}),
        SubstantialStop::Unsaid => unreachable!(),
    };
    assert_eq!(ours, theirs);
    ours
}

/// A run that waits, is sent a message, and ends.
pub(crate) async fn order_is_approved(client: &SubstantialClient, kind: &str, place: &str) -> String {
    let run = start(client, "order", r#"{"order_id": 21, "note": "Zoë"}"#).await.run;
    let waiting = reaches(client, &run, Status::Waiting).await;
    assert_eq!(waiting.workflow, "order");
    assert_eq!(client.result(&run).await.unwrap(), None);
    send(client, &run, "approve", r#"{"by": "Ada", "amount": 12.5}"#).await;
    let result = result(client, kind, place, &run).await;
    assert_eq!(result, json!({"ok": {"number": 42, "note": "Zoë", "said": {"by": "Ada", "amount": 12.5}}}));
    let (status, found) = status(client, &run).await;
    assert_eq!(status, Status::Completed);
    let history = found.history();
    assert!(!history.corrupt && history.problems.is_empty(), "{:?}", history.problems);
    run
}

/// A run that fails when it is told to go on.
pub(crate) async fn charge_is_declined(client: &SubstantialClient, kind: &str, place: &str) {
    let run = start(client, "charge", "{}").await.run;
    reaches(client, &run, Status::Waiting).await;
    send(client, &run, "go", "null").await;
    assert_eq!(result(client, kind, place, &run).await, json!({"err": "RuntimeError: card declined"}));
    let (status, found) = status(client, &run).await;
    assert_eq!(status, Status::Failed);
    assert!(found.history().life().unwrap().steps[0].attempts.len() >= 2);
}

fn is_made(root: &Path) -> Option<()> {
    SubstantialFiles::detect(root).then_some(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_on_files_takes_what_we_write() {
    let folder = folder();
    let root = folder.path().join("store");
    let mut worker = Process::start(script("worker.py").arg("fs").arg(&root));
    until("the store", || is_made(&root));
    let client = SubstantialClient::Files(Arc::new(SubstantialFiles::open(&root, WorkerZone::utc()).unwrap()));
    // The worker falls over a queue that is not there, so it is started when there is one; as its users do.
    drop(worker);
    std::fs::create_dir_all(root.join("schedules/default")).unwrap();
    worker = Process::start(script("worker.py").arg("fs").arg(&root));
    let run = order_is_approved(&client, "fs", root.to_str().unwrap()).await;
    assert!(worker.runs());
    let listed = client.runs(Some("order"), None, 10).await.unwrap();
    assert!(listed.items.iter().any(|listed| listed.run == run && listed.linked));
}
