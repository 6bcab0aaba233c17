//! A place for one evolution log, on one of the servers, and `tc` and trackers that use it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use temporal_code::Timestamp;
use temporal_code::functions::{Tracker, TrackerOptions};
use temporal_code::stores::{Address, Settings};

use crate::servers::moto::{Moto, request};
use crate::servers::redis::{RedisServer, Setup};

/// How long something may take that is promised to be soon, on a machine that does a hundred other things.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Where a log is.
pub(crate) struct Ground {
    pub(crate) url: String,
    environment: Vec<(String, String)>,
    server: Server,
}

enum Server {
    Redis(RedisServer),
    /// The port of the server, and the bucket.
    Bucket(u16, String),
    /// None: a folder, which is gone with this value.
    Folder {
        _keep: tempfile::TempDir,
    },
}

impl Ground {
    /// A Redis that keeps what it acknowledged.
    pub(crate) fn redis() -> Self {
        Ground::on(Setup::new().with("appendfsync", "always"))
    }

    pub(crate) fn on(setup: Setup) -> Self {
        let server = setup.start();
        let url = format!("redis://127.0.0.1:{}", server.port());
        Ground { url, environment: Vec::new(), server: Server::Redis(server) }
    }

    /// A bucket of its own, on a server that all tests share.
    pub(crate) fn bucket() -> Self {
        let moto = Moto::shared();
        Ground::in_bucket(moto.port, moto.port, &moto.new_bucket())
    }

    /// A bucket that is reached by another port than the server's own.
    pub(crate) fn in_bucket(server: u16, port: u16, bucket: &str) -> Self {
        let pairs = [
            ("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}")),
            ("AWS_ACCESS_KEY_ID", "reader".into()),
            ("AWS_SECRET_ACCESS_KEY", "not-shown-anywhere".into()),
            ("AWS_REGION", "us-east-1".into()),
        ];
        let environment = pairs.map(|(name, value)| (name.to_string(), value)).to_vec();
        Ground { url: format!("s3://{bucket}/logs"), environment, server: Server::Bucket(server, bucket.to_string()) }
    }

    /// A folder of its own.
    pub(crate) fn folder() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let url = folder.path().to_str().expect("UTF-8").to_string();
        Ground { url, environment: Vec::new(), server: Server::Folder { _keep: folder } }
    }

    /// Every kind of place that is not a folder.
    pub(crate) fn all() -> impl Iterator<Item = Ground> {
        [Ground::redis as fn() -> Ground, Ground::bucket].into_iter().map(|make| make())
    }

    pub(crate) fn server(&self) -> &RedisServer {
        match &self.server {
            Server::Redis(server) => server,
            Server::Bucket(..) | Server::Folder { .. } => panic!("no Redis"),
        }
    }

    /// Writes an object, whatever was there.
    pub(crate) fn put(&self, key: &str, body: &[u8]) {
        let Server::Bucket(port, bucket) = &self.server else { panic!("no bucket") };
        let (status, answer) = request(*port, "PUT", &format!("/{bucket}/{key}"), &[], body);
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
    }

    /// An object.
    pub(crate) fn get(&self, key: &str) -> Vec<u8> {
        let Server::Bucket(port, bucket) = &self.server else { panic!("no bucket") };
        let (status, answer) = request(*port, "GET", &format!("/{bucket}/{key}"), &[], b"");
        assert_eq!(status, 200, "{key}");
        answer
    }

    /// The keys of all objects.
    pub(crate) fn keys(&self) -> Vec<String> {
        let Server::Bucket(port, bucket) = &self.server else { panic!("no bucket") };
        let (status, answer) = request(*port, "GET", &format!("/{bucket}?list-type=2&max-keys=1000"), &[], b"");
        assert_eq!(status, 200);
        let text = String::from_utf8(answer).expect("UTF-8");
        text.split("<Key>").skip(1).filter_map(|part| Some(part.split_once("</Key>")?.0.to_string())).collect()
    }

    pub(crate) fn environment(&self) -> impl Iterator<Item = (String, String)> + '_ {
        self.environment.iter().cloned()
    }

    pub(crate) fn address(&self) -> Address {
        Address::parse(&self.url).expect("an address")
    }

    /// A tracker that is quick to obey.
    pub(crate) fn tracker(&self) -> Tracker {
        self.open(Tracker::options())
    }

    pub(crate) fn open(&self, options: TrackerOptions) -> Tracker {
        options
            .poll_every(Duration::from_millis(100))
            .open_at(&self.address(), &Settings::from_environment(self.environment()))
            .expect("a log")
    }

    /// The files of a folder, those that were put aside first, in their order.
    pub(crate) fn files(&self) -> Option<Vec<PathBuf>> {
        let Server::Folder { .. } = &self.server else { return None };
        let entries = std::fs::read_dir(&self.url).expect("a folder");
        let mut files = entries.map(|entry| entry.expect("an entry").path()).collect::<Vec<_>>();
        files.sort();
        Some(files)
    }

    /// `tc` on this log.
    pub(crate) fn tc(&self, arguments: &[&str]) -> Command {
        let mut command = tc(arguments);
        command.envs(self.environment.iter().cloned()).env("TC_STORE", &self.url);
        command
    }

    /// Writes a log's lines as writers would, decisions where they belong: some entries or objects.
    pub(crate) fn write(&self, log: &str) {
        let is_call = |line: &&str| {
            !["promotion", "rollback", "weight_change", "release"]
                .iter()
                .any(|kind| line.contains(&format!("\"event\": \"{kind}\"")))
        };
        let calls = log.lines().filter(is_call).map(|line| format!("{line}\n")).collect::<Vec<_>>();
        let decisions = log.lines().filter(|line| !is_call(line)).map(|line| format!("{line}\n")).collect::<Vec<_>>();
        match &self.server {
            Server::Redis(server) => {
                let mut connection = server.admin();
                let mut add = |key: &str, lines: &str| {
                    let mut command = ::redis::cmd("XADD");
                    command.arg(key).arg("*").arg("lines").arg(lines);
                    command.query::<String>(&mut connection).expect("added");
                };
                calls.chunks(97).for_each(|chunk| add("{tc}:evolution", &chunk.concat()));
                decisions.iter().for_each(|line| add("{tc}:evolution:decisions", line));
            }
            Server::Folder { .. } => {
                std::fs::write(Path::new(&self.url).join("evolution.jsonl"), log).expect("written");
            }
            Server::Bucket(..) => {
                for (number, chunk) in calls.chunks(97).enumerate() {
                    let (key, body) = segment(number as u64, chunk);
                    self.put(&format!("logs/{key}"), &body);
                }
                for (number, line) in decisions.iter().enumerate() {
                    self.put(&format!("logs/evolution/decisions/{:012}.jsonl", number + 1), line.as_bytes());
                }
            }
        }
    }
}

/// A segment as `docs/evolution-log.md` describes it: each third one is compressed in another way, or not.
fn segment(number: u64, lines: &[String]) -> (String, Vec<u8>) {
    let times = lines.iter().filter_map(|line| {
        let (_, rest) = line.split_once("\"timestamp\": \"")?;
        Timestamp::parse(rest.split_once('"')?.0.as_bytes())
    });
    let times = times.collect::<Vec<_>>();
    let now = Timestamp::now();
    let (first, last) = (times.iter().min().unwrap_or(&now), times.iter().max().unwrap_or(&now));
    let (folder, name) = name(*last, [*first, *last], number, lines.len());
    let text = lines.concat();
    let (ending, body) = match number % 3 {
        0 => (".jsonl", text.into_bytes()),
        1 => (".jsonl.gz", gzip(&text)),
        _ => (".jsonl.zst", zstd::encode_all(text.as_bytes(), 3).expect("compressed")),
    };
    (format!("{folder}{name}{ending}"), body)
}

fn name(put: Timestamp, [first, last]: [Timestamp; 2], number: u64, lines: usize) -> (String, String) {
    let stamp = |at: Timestamp| at.fixed_width().replace(['-', ':'], "");
    let (day, hour) = (&put.fixed_width()[..10], &put.fixed_width()[11..13]);
    let name = format!("{}_{}_{}_00000000000000aa-{number}_{lines}", stamp(put), stamp(first), stamp(last));
    (format!("evolution/{day}/{hour}/"), name)
}

/// A segment that was put at this time, compressed with zstd.
pub(crate) fn segment_at(put: &str, number: u64, text: &str) -> (String, Vec<u8>) {
    let put = Timestamp::parse(put.as_bytes()).expect("a time");
    let times = text
        .lines()
        .filter_map(|line| Timestamp::parse(line.split("\"timestamp\": \"").nth(1)?.split('"').next()?.as_bytes()));
    let times = times.collect::<Vec<_>>();
    let span = [*times.iter().min().expect("an event"), *times.iter().max().expect("an event")];
    let (folder, name) = name(put, span, number, times.len());
    (format!("{folder}{name}.jsonl.zst"), zstd::encode_all(text.as_bytes(), 3).expect("compressed"))
}

pub(crate) fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut encoder, text.as_bytes()).expect("written");
    encoder.finish().expect("finished")
}

/// `tc` with no setting of the machine's own.
pub(crate) fn tc(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tc"));
    command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).env_clear().env("TZ", "UTC").stdin(Stdio::null());
    command
}

/// What a run printed, and its exit code.
pub(crate) fn seen(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}{}[exit {:?}]", text(&output.stdout), text(&output.stderr), output.status.code())
}

#[track_caller]
pub(crate) fn run(command: &mut Command) -> Output {
    command.output().expect("tc starts")
}

/// The JSON that a run printed.
#[track_caller]
pub(crate) fn json(command: &mut Command) -> Value {
    let output = run(command);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", seen(&output)))
}

/// The exit code of a run.
#[track_caller]
pub(crate) fn exit(command: &mut Command) -> i32 {
    run(command).status.code().expect("an exit code")
}

/// Waits until something is so.
#[track_caller]
pub(crate) fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "{what} takes too long");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A log of the fixtures.
pub(crate) fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name);
    std::fs::read_to_string(path).expect("a fixture")
}
