//! What the tests share: the interpreter, its scripts, and `tc`.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// A folder that is gone when the test is over.
pub(crate) fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// The interpreter, with the package.
fn python() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = std::env::var_os("TC_PYTHON").map_or_else(|| root.join(".venv/bin/python"), PathBuf::from);
    let message = "run scripts/setup, or set TC_PYTHON to an interpreter that has temporal-code 0.1.0";
    assert!(python.exists(), "these tests need Python: there is no {}: {message}", python.display());
    python
}

/// A script of this folder, ready to run.
fn script(name: &str) -> Command {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python").join(name);
    let mut command = Command::new(python());
    command.arg(path).env("PYTHONDONTWRITEBYTECODE", "1").env("PYTHONUTF8", "1");
    command
}

/// Runs a script and returns the JSON that it prints.
pub(crate) fn run_script<S: AsRef<OsStr>>(name: &str, arguments: impl IntoIterator<Item = S>) -> Value {
    let output = script(name).args(arguments).output().expect("the interpreter runs");
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("the script prints JSON")
}

/// `tc`, away from the surroundings of whoever runs the tests.
pub(crate) fn tc(store: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tc"));
    command.arg("--store").arg(store).stdin(Stdio::null());
    for name in ["TC_STORE", "TC_PAGER", "PAGER", "COLUMNS", "NO_COLOR"] {
        command.env_remove(name);
    }
    command
}

/// The JSON that a run of `tc` printed, which must have ended with one of these exit codes.
pub(crate) fn json_of(command: &mut Command, codes: &[i32]) -> Value {
    let output = command.output().expect("tc runs");
    let (code, told) = (output.status.code(), describe(command, &output));
    assert!(code.is_some_and(|code| codes.contains(&code)), "{told}");
    let json = serde_json::from_slice(&output.stdout);
    assert!(json.is_ok(), "{told}");
    json.unwrap_or_default()
}

fn describe(command: &Command, output: &Output) -> String {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    format!("{command:?}: {}\n{out}{err}", output.status)
}

/// The items of such JSON, which must be complete and without a warning.
pub(crate) fn items(json: &Value) -> &[Value] {
    assert_eq!(
        (&json["complete"], &json["warnings"]),
        (&Value::from(true), &Value::from(Vec::<Value>::new())),
        "{json}"
    );
    json["items"].as_array().expect("items")
}

/// A number that counts something.
pub(crate) fn count(value: &Value) -> u64 {
    assert!(value.is_u64(), "no count: {value}");
    value.as_u64().unwrap_or_default()
}

/// A text.
pub(crate) fn text(value: &Value) -> &str {
    assert!(value.is_string(), "no text: {value}");
    value.as_str().unwrap_or_default()
}

/// A script that does what it is told, a line for each order, and answers each with a line.
pub(crate) struct Talk {
    pub(crate) child: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Talk {
    pub(crate) fn start<S: AsRef<OsStr>>(name: &str, arguments: impl IntoIterator<Item = S>) -> Talk {
        let mut command = script(name);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the interpreter runs");
        let orders = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().expect("a pipe"));
        Talk { child, orders, answers }
    }

    pub(crate) fn tell(&mut self, order: &str) {
        writeln!(self.orders.as_mut().expect("a pipe"), "{order}").expect("it listens");
    }

    /// Its next line.
    pub(crate) fn hear(&mut self) -> String {
        let mut answer = String::new();
        let length = self.answers.read_line(&mut answer).expect("it answers");
        assert!(length > 0, "it ended early");
        answer.trim().to_string()
    }

    /// Has no more orders for it, and waits for it to end.
    pub(crate) fn end(mut self) {
        drop(self.orders.take());
        let started = Instant::now();
        let status = loop {
            match self.child.try_wait().expect("a child") {
                Some(status) => break status,
                None => assert!(started.elapsed() < Duration::from_secs(60), "it does not end"),
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        assert!(status.success());
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        // It has ended already, unless the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A process that makes calls when told to: `writer.py`.
pub(crate) struct Writer {
    talk: Talk,
    pub(crate) name: String,
    ordered: u64,
}

impl Writer {
    pub(crate) fn start(folder: &Path, name: &str) -> Writer {
        let talk = Talk::start("writer.py", [folder.as_os_str(), name.as_ref()]);
        Writer { talk, name: name.into(), ordered: 0 }
    }

    /// Has it make so many calls, with pauses of up to so many milliseconds, and does not wait for them.
    pub(crate) fn order(&mut self, calls: u64, pause_ms: u64) {
        let pause = if pause_ms > 0 { format!("/{pause_ms}") } else { String::new() };
        self.talk.tell(&format!("{calls}{pause}"));
        self.ordered += calls;
    }

    /// Waits until all calls that were ordered are made.
    pub(crate) fn wait(&mut self) {
        while self.talk.hear().parse() != Ok(self.ordered) {}
    }

    /// Waits for it to do what was ordered and to end; returns how many calls it made.
    pub(crate) fn finish(mut self) -> u64 {
        self.wait();
        self.talk.end();
        self.ordered
    }
}

/// Checks that of each writer every call is there once, and nothing else; `found` says how often each value is there.
pub(crate) fn assert_each_once(found: &BTreeMap<String, u64>, made: &[(String, u64)]) {
    let wanted = made.iter().flat_map(|(name, calls)| (0..*calls).map(move |n| (format!("{name}-{n}"), 1)));
    let wanted = wanted.collect::<BTreeMap<_, _>>();
    let missing = wanted.keys().filter(|value| !found.contains_key(*value)).collect::<Vec<_>>();
    let repeated = found.iter().filter(|(_, count)| **count != 1).collect::<Vec<_>>();
    let foreign = found.keys().filter(|value| !wanted.contains_key(*value)).collect::<Vec<_>>();
    assert!(
        missing.is_empty() && repeated.is_empty() && foreign.is_empty(),
        "of {} calls: missing {missing:?}, not once {repeated:?}, never made {foreign:?}",
        wanted.len()
    );
}
