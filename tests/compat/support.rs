//! What the tests share: the interpreter, its scripts, the fixtures, and bytes in hex.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use temporal_code::Timestamp;
use temporal_code::foreign::substantial::{StoredRun, SubstantialClient, SubstantialFiles, WorkerZone};
use temporal_code::workflows::Runs;

/// How long something may take that others do, on a machine that does a hundred other things.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The fixtures of the Python package `substantial`.
pub(crate) fn fixtures() -> PathBuf {
    root().join("fixtures/substantial-0.1")
}

pub(crate) fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// A script of this folder, to be run by an interpreter that has the packages.
pub(crate) fn script(name: &str) -> Command {
    let python = std::env::var_os("TC_PYTHON").map_or_else(|| root().join(".venv/bin/python"), PathBuf::from);
    let message = "run scripts/setup, or set TC_PYTHON to an interpreter that has the packages";
    assert!(python.exists(), "these tests need Python: there is no {}: {message}", python.display());
    let mut command = Command::new(python);
    command.arg(root().join("tests/compat").join(name));
    command.env("PYTHONDONTWRITEBYTECODE", "1").env("PYTHONUTF8", "1").env("TZ", "UTC").stdin(Stdio::null());
    command
}

/// Runs a script and returns the JSON that it prints.
pub(crate) fn run(command: &mut Command) -> Value {
    let output = command.output().expect("the interpreter runs");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("the script prints JSON")
}

/// Runs a script with arguments and returns the JSON that it prints.
pub(crate) fn run_script<S: AsRef<OsStr>>(name: &str, arguments: impl IntoIterator<Item = S>) -> Value {
    run(script(name).args(arguments))
}

/// Bytes written in hex.
pub(crate) fn bytes_of(hex: &Value) -> Vec<u8> {
    let digits = hex.as_str().expect("a text").as_bytes().chunks(2);
    digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("hex")).collect()
}

pub(crate) fn hex_of(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A process that is gone with this value.
pub(crate) struct Process(Child);

impl Process {
    pub(crate) fn start(command: &mut Command) -> Process {
        Process(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the interpreter runs"))
    }

    /// Whether it still runs.
    pub(crate) fn runs(&mut self) -> bool {
        self.0.try_wait().expect("a child").is_none()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until something is there.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "{what} did not come");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The runs of a store on files.
pub(crate) fn runs_at(root: &Path) -> Runs {
    let files = SubstantialFiles::open(root, WorkerZone::utc()).expect("a store");
    Runs::Substantial(SubstantialClient::Files(Arc::new(files)), "".into())
}

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

/// Copies a folder with all that is in it.
pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// One line about a run, without what differs between the fixtures on files and on Redis.
pub(crate) fn line(found: &StoredRun, now: Timestamp) -> String {
    let status = found.status(&WorkerZone::utc(), now);
    let history = found.history();
    let (steps, messages) = history.life().map_or((0, 0), |life| (life.steps.len(), life.sent.len()));
    let waits = status.waiting_for.map_or(String::new(), |waits| format!(" {waits:?}"));
    format!(
        "{}: {}{waits}; {} events, {steps} steps, {messages} messages, {} problems, {} schedules; {}",
        found.workflow, status.status, history.events, history.problems_count, found.schedules_count, status.because
    )
}
