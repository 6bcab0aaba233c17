//! What the tests share: the interpreter, and bytes in hex.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A script of this folder, ready to run.
pub(crate) fn script(name: &str) -> Command {
    let python = std::env::var_os("TC_PYTHON").map_or_else(|| root().join(".venv/bin/python"), PathBuf::from);
    let message = "run scripts/setup, or set TC_PYTHON to an interpreter that has the packages";
    assert!(python.exists(), "these tests need Python: there is no {}: {message}", python.display());
    let mut command = Command::new(python);
    command.arg(root().join("tests/compat").join(name)).env("PYTHONDONTWRITEBYTECODE", "1").env("PYTHONUTF8", "1");
    command
}

/// Runs a script and returns the JSON that it prints.
pub(crate) fn run_script<S: AsRef<OsStr>>(name: &str, arguments: impl IntoIterator<Item = S>) -> Value {
    let output = script(name).args(arguments).output().expect("the interpreter runs");
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("the script prints JSON")
}

/// Bytes written in hex.
pub(crate) fn bytes_of(hex: &Value) -> Vec<u8> {
    let digits = hex.as_str().expect("a text").as_bytes().chunks(2);
    digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("hex")).collect()
}

pub(crate) fn hex_of(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
