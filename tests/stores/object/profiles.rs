//! The program finds credentials where AWS's own tools have them.

use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::SECRET;
use crate::servers::moto::Moto;
use crate::servers::s3s::S3s;

/// A home folder with the files of AWS's tools.
fn home(config: &str, credentials: &str) -> TempDir {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join(".aws")).unwrap();
    for (name, text) in [("config", config), ("credentials", credentials)] {
        std::fs::write(home.path().join(".aws").join(name), text).unwrap();
    }
    home
}

/// What `tc status` prints of a store, with these variables and no others.
fn tc_status(store: &str, home: &TempDir, environment: &[(&str, &str)]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tc"));
    command.args(["status", "--store", store]).current_dir(home.path()).env_clear().env("HOME", home.path());
    let output = command.envs([("PATH", "/usr/bin:/bin")]).envs(environment.iter().copied()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(!text.contains("hunter2"), "{text}");
    text + &format!("[exit {}]", output.status.code().unwrap())
}

const GOOD: &str = "error: no evolution log at s3://bucket/x";
const DENIED: &str = "[exit 4]";

#[test]
fn credentials_are_those_of_the_profile() {
    let server = S3s::start("bucket", "own-id", SECRET);
    let keys = |id: &str, secret: &str| format!("aws_access_key_id = {id}\naws_secret_access_key = {secret}\n");
    let (own, other) = (keys("own-id", SECRET), keys("other-id", "hunter2other"));
    let printed = format!(r#"{{"Version": 1, "AccessKeyId": "own-id", "SecretAccessKey": "{SECRET}"}}"#);
    let endpoint = format!("http://127.0.0.1:{}", server.port);
    let config = format!(
        "[default]\nregion = us-east-1\nendpoint_url = {endpoint}\n[profile dev]\nendpoint_url = {endpoint}\n\
         [profile keys]\nservices = local\nendpoint_url = http://127.0.0.1:1\n{own}[services local]\ns3 =\n  endpoint_url = \
         {endpoint}\n[profile process]\nendpoint_url = {endpoint}\ncredential_process = echo '{printed}'\n\
         [profile fails]\nendpoint_url = {endpoint}\ncredential_process = echo {SECRET}; echo {SECRET} >&2; exit 3\n\
         [profile odd]\nendpoint_url = {endpoint}\ncredential_process = echo '{{\"Version\": 2}}'\n\
         [profile sso]\nsso_session = corp\nsso_account_id = 1\n[profile role]\nrole_arn = arn:aws:iam::1:role/x\n\
         source_profile = dev\n{own}[profile partial]\nendpoint_url = {endpoint}\naws_access_key_id = own-id\n"
    );
    let home = home(&config, &format!("[default]\n{other}[dev]\n{own}"));
    let good_file = home.path().join("other-credentials");
    std::fs::write(&good_file, format!("[default]\n{own}")).unwrap();
    let good_file = good_file.to_str().unwrap();
    let (id, secret) = (("AWS_ACCESS_KEY_ID", "own-id"), ("AWS_SECRET_ACCESS_KEY", SECRET));
    let (wrong_id, wrong_secret) = (("AWS_ACCESS_KEY_ID", "other-id"), ("AWS_SECRET_ACCESS_KEY", "hunter2other"));
    let profile = |name: &'static str| ("AWS_PROFILE", name);
    let no_metadata = ("AWS_EC2_METADATA_DISABLED", "true");
    for (environment, expected) in [
        (&[profile("dev")][..], GOOD),
        (&[("AWS_DEFAULT_PROFILE", "dev")], GOOD),
        (&[profile("keys")], GOOD),
        (&[profile("process")], GOOD),
        (&[("AWS_SHARED_CREDENTIALS_FILE", good_file)], GOOD),
        (&[("AWS_SHARED_CREDENTIALS_FILE", "~/other-credentials")], GOOD),
        (&[], DENIED),
        // What the environment says goes before what the files say.
        (&[id, secret], GOOD),
        (&[profile("dev"), wrong_id, wrong_secret], DENIED),
        (&[profile("dev"), ("AWS_ENDPOINT_URL", "http://127.0.0.1:1")], "Connection refused"),
        (&[profile("nobody"), id, secret, ("AWS_ENDPOINT_URL", &endpoint)], GOOD),
        (&[profile("nobody")], "there is no profile `nobody` of AWS in "),
        (&[profile("sso")], "has its credentials by single sign-on, which tc cannot do"),
        (&[profile("role")], "by assuming a role, which tc cannot do\nhint: eval \"$(aws configure export-credentials"),
        (&[profile("fails")], "the credential_process of the profile `fails` of AWS failed: exit status: 3"),
        (&[profile("odd")], "printed no credentials of version 1"),
        (&[profile("partial")], "Missing SecretAccessKey"),
        (
            &[("AWS_CONFIG_FILE", "/nowhere"), ("AWS_SHARED_CREDENTIALS_FILE", "/nowhere"), no_metadata],
            "no credentials",
        ),
    ] {
        let text = tc_status("s3://bucket/x", &home, environment);
        assert!(text.contains(expected), "{environment:?}: {text}");
        assert!(!text.contains("REDIS"), "{text}");
        let is_denied = text.ends_with(DENIED);
        assert_eq!(
            is_denied && text.contains("AWS_ACCESS_KEY_ID"),
            is_denied && !text.contains("the profile `"),
            "{text}"
        );
    }
}

#[test]
fn the_region_and_the_endpoint_are_those_of_the_profile() {
    let moto = Moto::shared();
    let bucket = moto.new_bucket();
    let store = format!("s3://{bucket}/x");
    let config = format!("[profile dev]\nregion = mars 1\nendpoint_url = http://127.0.0.1:{}\n", moto.port);
    let home = home(
        &config,
        &format!("[dev]\naws_access_key_id = x\naws_secret_access_key = {SECRET}\naws_session_token = y\n"),
    );
    let text = tc_status(&store, &home, &[("AWS_PROFILE", "dev")]);
    assert!(text.contains("invalid AWS_REGION: it is no name of a region"), "{text}");
    let text = tc_status(&store, &home, &[("AWS_PROFILE", "dev"), ("AWS_REGION", "us-east-1")]);
    assert!(text.contains("no evolution log at"), "{text}");
}

#[test]
fn a_machine_that_does_not_answer_is_not_waited_for() {
    let home = home("", "");
    // It is connected to, and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let there = format!("http://{}", silent.local_addr().unwrap());
    let asked = Instant::now();
    let text = tc_status("s3://bucket/x", &home, &[("AWS_METADATA_ENDPOINT", &there)]);
    assert!(text.contains("no credentials: no service of this machine") && text.contains(DENIED), "{text}");
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    silent.set_nonblocking(true).unwrap();
    assert!(silent.accept().is_ok() && silent.accept().is_err(), "it was asked once");
    let text =
        tc_status("s3://bucket/x", &home, &[("AWS_METADATA_ENDPOINT", &there), ("AWS_EC2_METADATA_DISABLED", "TRUE")]);
    assert!(text.contains("AWS_EC2_METADATA_DISABLED forbids") && text.contains(DENIED), "{text}");
    assert!(silent.accept().is_err(), "it was not asked");
}

#[test]
fn hints_name_what_applies() {
    let home = home("", "");
    let keys =
        [("AWS_ACCESS_KEY_ID", "x"), ("AWS_SECRET_ACCESS_KEY", SECRET), ("AWS_ENDPOINT_URL", "http://127.0.0.1:1")];
    let text = tc_status("s3://bucket/x", &home, &keys);
    assert!(text.contains("Connection refused") && !text.contains("hint"), "{text}");
    let text = tc_status("redis://127.0.0.1:1", &home, &keys);
    assert!(text.contains("Connection refused") && !text.contains("hint"), "{text}");
}
