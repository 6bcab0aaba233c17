//! moto: S3 as its Python package imitates it, with buckets, lists in pages and writes that must not overwrite.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A server that ends with the tests.
#[derive(Debug)]
pub(crate) struct Moto {
    child: Child,
    pub(crate) port: u16,
}

/// Whether requests are served one at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Serving {
    /// One at a time, as if they were atomic: what S3 promises.
    Serial,
    /// As moto does it, which looks first and writes then.
    AtOnce,
}

/// The interpreter that has moto: that of `TC_PYTHON`, or of the environment that `scripts/setup` makes.
fn python() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/bin/python");
    std::env::var_os("TC_PYTHON").map_or(own, PathBuf::from)
}

impl Moto {
    pub(crate) fn start(serving: Serving) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stores/servers/serve_moto.py");
        let mut command = Command::new(python());
        command.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped());
        if serving == Serving::Serial {
            command.arg("serial");
        }
        let mut child = command.spawn().expect("Python with moto: see scripts/setup, or TC_PYTHON");
        let mut line = String::new();
        let output = child.stdout.take().expect("it is a pipe");
        BufReader::new(output).read_line(&mut line).expect("the port of moto");
        let port = line.trim().parse().expect("moto starts: see scripts/setup");
        Moto { child, port }
    }

    /// The server that tests share. It ends when its standard input is closed, which is when this process ends.
    pub(crate) fn shared() -> &'static Moto {
        static SHARED: OnceLock<Moto> = OnceLock::new();
        SHARED.get_or_init(|| Moto::start(Serving::Serial))
    }

    /// Makes a bucket that no other test has.
    pub(crate) fn new_bucket(&self) -> String {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let bucket = format!("bucket-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let (status, _) = request(self.port, "PUT", &format!("/{bucket}"), &[], b"");
        assert_eq!(status, 200);
        bucket
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One request past all stores: to make buckets, and to do to objects what no store does. Status and body.
pub(crate) fn request(port: u16, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> (u16, Vec<u8>) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("a server");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    // moto asks for a signature, and does not check it.
    head.push_str("Authorization: AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, ");
    head.push_str("SignedHeaders=host, Signature=0\r\n");
    head.push_str(&format!("Content-Type: application/octet-stream\r\nContent-Length: {}\r\n\r\n", body.len()));
    stream.write_all(head.as_bytes()).expect("a request");
    stream.write_all(body).expect("a body");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    let head_end = answer.windows(4).position(|part| part == b"\r\n\r\n").expect("a head") + 4;
    let status = std::str::from_utf8(&answer[9..12]).expect("a status").parse().expect("a number");
    (status, answer.split_off(head_end))
}
