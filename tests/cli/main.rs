//! The program as its user runs it: arguments, environment and files in; standard output, standard error and exit code
//! out. Expected texts are rewritten with `UPDATE_EXPECT=1 cargo test --test cli`.

#![allow(clippy::panic)]

mod clean;
mod decide;
mod errors;
mod follow;
mod forms;
mod fsck;
mod generated;
mod hostile;
mod layers;
mod limits;
mod read;
#[cfg(all(feature = "redis", feature = "object-store"))]
mod remote;
mod secrets;
#[cfg(all(feature = "redis", feature = "object-store"))]
#[allow(dead_code, clippy::unwrap_used, reason = "not every test program needs all of it")]
#[path = "../stores/servers/mod.rs"]
mod servers;
mod several;
mod show;
mod show_all;
mod store;
mod workflows;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use expect_test::Expect;
use serde_json::Value;

/// Where the repository is.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// `tc` with these arguments, in the repository, with no setting of the machine's own.
fn tc(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tc"));
    command.args(arguments).current_dir(root()).env_clear().env("TZ", "UTC").stdin(Stdio::null());
    command
}

/// `tc` in a folder as somebody who may do no more than others: root may do everything.
#[cfg(unix)]
fn tc_of_nobody(folder: &Path, arguments: &[&str]) -> Command {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    use std::os::unix::process::CommandExt as _;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).expect("set");
    if std::fs::metadata(folder).expect("a folder").uid() != 0 {
        let mut command = tc(arguments);
        command.current_dir(folder);
        return command;
    }
    // Nobody may not be able to reach the target folder of a build in a home folder. The copy is made by another program: a
    // process that is just being started elsewhere would keep a file busy that was written by this one.
    let copy = folder.join("tc");
    if !copy.exists() {
        let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_tc")).arg(&copy).status().expect("cp runs");
        assert!(copied.success());
    }
    std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o755)).expect("set");
    let mut command = Command::new(copy);
    command.args(arguments).current_dir(folder).env_clear().env("TZ", "UTC").stdin(Stdio::null()).uid(65_534);
    command
}

fn run(command: &mut Command) -> Output {
    command.output().expect("tc starts")
}

/// What a run printed, as a person would see it: standard output, standard error behind it, and the exit code if it is
/// not 0.
fn seen(output: &Output) -> String {
    let mut text = String::from_utf8(output.stdout.clone()).expect("UTF-8");
    for line in String::from_utf8(output.stderr.clone()).expect("UTF-8").lines() {
        text += &format!("! {line}\n");
    }
    match output.status.code() {
        Some(0) => {}
        Some(code) => text += &format!("[exit {code}]\n"),
        None => text += "[killed]\n",
    }
    text
}

#[track_caller]
fn check(arguments: &[&str], expected: Expect) {
    expected.assert_eq(&seen(&run(&mut tc(arguments))));
}

/// The same at a terminal's width.
#[track_caller]
fn check_at(width: usize, arguments: &[&str], expected: Expect) {
    expected.assert_eq(&seen(&run(tc(arguments).env("COLUMNS", width.to_string()))));
}

/// The JSON that a run printed.
#[track_caller]
fn json(command: &mut Command) -> Value {
    let output = run(command);
    let text = String::from_utf8(output.stdout.clone()).expect("UTF-8");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {}", seen(&output)))
}

/// A folder with these files.
fn folder(files: &[(&str, &[u8])]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, content) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("created");
        std::fs::write(path, content).expect("written");
    }
    let path = folder.path().to_path_buf();
    (folder, path)
}

/// A call as the Python package logs it.
fn call(function: &str, variant: &str, at: &str, latency_ms: f64, error: Option<&str>) -> String {
    let (value, error, success) = match error {
        None => ("\"1\"".to_string(), "null".to_string(), true),
        Some(error) => ("\"None\"".to_string(), format!("\"{error}\""), false),
    };
    format!(
        "{{\"event\": \"call\", \"function\": \"{function}\", \"timestamp\": \"{at}+00:00\", \"variant\": \"{variant}\", \
         \"value\": {value}, \"error\": {error}, \"latency_ms\": {latency_ms:?}, \"success\": {success}}}\n"
    )
}
