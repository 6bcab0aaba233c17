//! `tc fsck` on servers.

use std::process::{Command, Output, Stdio};

use temporal_code::stores::{BucketAddress, BucketOptions, BucketStore, Store};
use temporal_code::workflows::{inbox_log, run_log};

use crate::damaged::Damaged;
use crate::servers::moto::Moto;
use crate::servers::redis::{RedisServer, Setup};

/// `tc` with these arguments and no setting of the machine's own.
fn tc(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tc"));
    command.args(arguments).env_clear().env("TZ", "UTC").stdin(Stdio::null());
    command
}

/// Standard output, standard error behind it, and the exit code.
fn seen(output: &Output, place: &str) -> String {
    let mut text = String::from_utf8(output.stdout.clone()).expect("UTF-8");
    for line in String::from_utf8(output.stderr.clone()).expect("UTF-8").lines() {
        text += &format!("! {line}\n");
    }
    text += &format!("[exit {}]\n", output.status.code().expect("it ended"));
    text.replace(place, "STORE")
}

/// A run that nothing leads to, and a message for one that is not there.
async fn misfortunes(store: std::sync::Arc<dyn Store>) {
    let damaged = Damaged::on(store);
    damaged.run("pending", &[], false).await;
    let message = r#"{"type":"message","id":"1","event":"x","value":1}"#;
    damaged.append(&inbox_log("nobody").expect("a name"), &[message], false).await;
    damaged.run("fine", &[], false).await;
    damaged.due(&run_log("fine").expect("a name"), 1).await;
}

const EMPTY: &str = "! error: no workflow runs here: STORE\n\
                     ! hint: fsck looks at stores of workflow runs; evolution logs are read, damage and all, by `tc status`\n\
                     [exit 2]\n";

const FOUND: &str = r#"{"schema":"tc.fsck/1","complete":true,"warnings":[],"items":[
{"store":"STORE","place":"runs/pending","problem":"it is pending, has to be looked at by 2026-11-22T04:00:01.000001Z, and nothing leads to it","remedy":"put an entry at 2026-11-22T04:00:01.000001Z in queue default","repaired":false,"unread":null},
{"store":"STORE","place":"inbox/nobody","problem":"it is an inbox of 1 line, and there is no such run","remedy":null,"repaired":false,"unread":null}
]}
[exit 1]
"#;

fn check(tc: &dyn Fn(&[&str]) -> Command, place: &str) {
    let run = |arguments: &[&str]| seen(&tc(arguments).output().expect("tc starts"), place);
    assert_eq!(run(&["fsck", "--json"]), FOUND);
    assert_eq!(run(&["fsck", "--json"]), FOUND, "looking changes nothing");
    let refused = run(&["fsck", "--repair"]);
    assert!(refused.starts_with("! error: repairing needs --yes") && refused.ends_with("[exit 2]\n"), "{refused}");
    let repaired = run(&["fsck", "--repair", "--yes"]);
    assert!(
        repaired.contains("2 runs looked at, 0 ended: 1 repaired, 1 left for a person to decide.\n[exit 1]\n"),
        "{repaired}"
    );
    let again = run(&["fsck", "--repair", "--yes"]);
    assert!(again.contains("2 runs looked at, 0 ended: 1 finding.\n[exit 1]\n"), "{again}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis() {
    let server = RedisServer::start();
    let url = format!("redis://127.0.0.1:{}", server.port());
    let place = format!("{url}/0");
    let tc = |arguments: &[&str]| {
        let mut command = tc(arguments);
        command.env("TC_STORE", &url);
        command
    };
    let run = |arguments: &[&str]| seen(&tc(arguments).output().expect("tc starts"), &place);
    assert_eq!(run(&["fsck"]), EMPTY);
    // An evolution log is no store of runs.
    server.run("XADD {tc}:evolution * lines {\"event\":\"call\"}");
    assert_eq!(run(&["fsck"]), EMPTY);
    misfortunes(std::sync::Arc::new(server.open().await)).await;
    check(&tc, &place);
    server.kill();
    let gone = run(&["fsck", "-q"]);
    assert!(gone.starts_with("! error: ") && gone.ends_with("[exit 2]\n"), "{gone}");
}

#[tokio::test]
async fn a_redis_that_wants_a_password() {
    let server = Setup::new().with("requirepass", "secret").login("default", "secret").start();
    let url = format!("redis://127.0.0.1:{}", server.port());
    let fsck = |password: &str| {
        let output = tc(&["fsck", "-s", &url]).env("REDIS_PASSWORD", password).output().expect("tc starts");
        output.status.code()
    };
    assert_eq!((fsck(""), fsck("wrong"), fsck("secret")), (Some(4), Some(4), Some(2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket() {
    let moto = Moto::shared();
    let url = format!("s3://{}/pre", moto.new_bucket());
    let endpoint = format!("http://127.0.0.1:{}", moto.port);
    let settings = [("AWS_ENDPOINT_URL", &*endpoint), ("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")];
    let tc = |arguments: &[&str]| {
        let mut command = tc(arguments);
        command.envs(settings).env("TC_STORE", &url);
        command
    };
    assert_eq!(seen(&tc(&["fsck"]).output().expect("tc starts"), &url), EMPTY);
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let address = BucketAddress::parse(&url).expect("an address");
    let store = BucketStore::open(&address, &settings, BucketOptions::default()).expect("a store");
    misfortunes(std::sync::Arc::new(store)).await;
    check(&tc, &url);
    let output = tc(&["fsck", "-s", "s3://there-is-none"]).output().expect("tc starts");
    assert_eq!(output.status.code(), Some(2), "{}", seen(&output, &url));
}
