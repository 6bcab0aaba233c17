//! A redis-server of a test's own.

use std::io::ErrorKind;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ::redis::{Client, Connection, ConnectionAddr, IntoConnectionInfo, RedisConnectionInfo};
use rustix::process::{Pid, Signal};
use tempfile::TempDir;
use temporal_code::stores::{RedisAddress, RedisOptions, RedisStore};

/// How long a server may take to start, on a machine that has other things to do.
const START_MAX: Duration = Duration::from_secs(30);

/// How often another port is tried: another process may take one between its choice and its use.
const STARTS_MAX: usize = 5;

/// A server that is gone with this value.
pub(crate) struct RedisServer {
    child: Mutex<Child>,
    port: u16,
    tls_port: u16,
    folder: TempDir,
    settings: Vec<String>,
    login: Option<(String, String)>,
}

/// What to start.
#[derive(Default)]
pub(crate) struct Setup {
    settings: Vec<String>,
    login: Option<(String, String)>,
}

impl Setup {
    /// A server that writes a log of its own, synced each second.
    pub(crate) fn new() -> Self {
        Setup::default().with("appendonly", "yes")
    }

    /// A server that forgets all when it stops.
    pub(crate) fn forgetful() -> Self {
        Setup::default().with("appendonly", "no")
    }

    /// One more setting, as a configuration file has it; `TLSPORT` and `FOLDER` are replaced.
    #[must_use]
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.settings.push(format!("--{name}"));
        self.settings.extend(value.split(' ').map(str::to_owned));
        self
    }

    /// How the test itself logs in.
    #[allow(dead_code, reason = "not every test program needs it")]
    #[must_use]
    pub(crate) fn login(mut self, username: &str, password: &str) -> Self {
        self.login = Some((username.to_owned(), password.to_owned()));
        self
    }

    /// Starts it and waits until it answers.
    pub(crate) fn start(self) -> RedisServer {
        let folder = tempfile::tempdir().expect("a temporary folder");
        self.start_in(folder)
    }

    /// As [`Setup::start`], in a folder where something may be already.
    pub(crate) fn start_in(self, folder: TempDir) -> RedisServer {
        for _ in 1..STARTS_MAX {
            let (port, tls_port) = (free_port(), free_port());
            let shown = folder.path().to_str().expect("a path in UTF-8");
            let replaced = |text: &String| text.replace("TLSPORT", &tls_port.to_string()).replace("FOLDER", shown);
            let settings: Vec<String> = self.settings.iter().map(replaced).collect();
            let mut child = spawn(port, folder.path(), &settings);
            if answers(&mut child, port) {
                let login = self.login;
                return RedisServer { child: Mutex::new(child), port, tls_port, folder, settings, login };
            }
            stop(&mut child);
        }
        panic!("redis-server does not start with {:?}; its log is {}", self.settings, log(folder.path()));
    }
}

/// A port that is free now, and with it the one of a cluster's bus, ten thousand above.
fn free_port() -> u16 {
    loop {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        if port < 55_000 && TcpListener::bind(("127.0.0.1", port + 10_000)).is_ok() {
            return port;
        }
    }
}

fn spawn(port: u16, folder: &Path, settings: &[String]) -> Child {
    let mut command = Command::new("redis-server");
    command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", "", "--dir"]).arg(folder);
    command.args(["--logfile", "redis.log", "--enable-debug-command", "yes"]).args(settings);
    match command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn() {
        Ok(child) => child,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            panic!("there is no redis-server; scripts/setup installs it")
        }
        Err(error) => panic!("redis-server cannot be started: {error}"),
    }
}

/// Waits until the server answers, whatever it says; false if it has stopped.
fn answers(child: &mut Child, port: u16) -> bool {
    let started = Instant::now();
    while started.elapsed() < START_MAX {
        if child.try_wait().expect("a child").is_some() {
            return false;
        }
        if let Ok(mut connection) = connect(port, None) {
            let answer = ::redis::cmd("PING").query::<String>(&mut connection);
            // One that wants to know who asks has started as well.
            if answer.map_or_else(|error| error.code() == Some("NOAUTH"), |_| true) {
                return true;
            }
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    false
}

fn connect(port: u16, login: Option<&(String, String)>) -> ::redis::RedisResult<Connection> {
    let mut settings = RedisConnectionInfo::default();
    if let Some((username, password)) = login {
        settings = settings.set_username(username).set_password(password);
    }
    let info = ConnectionAddr::Tcp("127.0.0.1".to_owned(), port).into_connection_info()?.set_redis_settings(settings);
    Client::open(info)?.get_connection_with_timeout(START_MAX)
}

fn log(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("redis.log")).unwrap_or_else(|error| error.to_string())
}

fn stop(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

impl RedisServer {
    /// A server that writes a log of its own.
    pub(crate) fn start() -> Self {
        Setup::new().start()
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The port that `TLSPORT` stands for.
    pub(crate) fn tls_port(&self) -> u16 {
        self.tls_port
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The address with something behind the port.
    pub(crate) fn address(&self, rest: &str) -> RedisAddress {
        RedisAddress::parse(&format!("redis://127.0.0.1:{}{rest}", self.port)).expect("an address")
    }

    /// A handle as another process would have it.
    pub(crate) async fn open(&self) -> RedisStore {
        RedisStore::open(&self.address(""), &RedisOptions::default()).await.expect("a store")
    }

    /// A connection to do what no store does.
    pub(crate) fn admin(&self) -> Connection {
        connect(self.port, self.login.as_ref()).expect("a connection")
    }

    /// Sends a command whose words are separated by blanks.
    pub(crate) fn run(&self, command: &str) -> ::redis::Value {
        self.try_run(command).unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    pub(crate) fn try_run(&self, command: &str) -> ::redis::RedisResult<::redis::Value> {
        let mut words = command.split(' ');
        let mut request = ::redis::cmd(words.next().expect("a word"));
        for word in words {
            request.arg(word);
        }
        request.query(&mut self.admin())
    }

    /// Kills the process, as a crash of it would.
    pub(crate) fn kill(&self) {
        stop(&mut self.child.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Starts it again after [`RedisServer::kill`], with what is in its folder, and waits until it answers.
    pub(crate) fn revive(&self) {
        let mut child = spawn(self.port, self.folder(), &self.settings);
        assert!(answers(&mut child, self.port), "redis-server does not start again: {}", log(self.folder()));
        *self.child.lock().unwrap_or_else(PoisonError::into_inner) = child;
    }

    /// Stops it from doing anything, without ending it.
    pub(crate) fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on after [`RedisServer::pause`].
    pub(crate) fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        rustix::process::kill_process(Pid::from_child(&child), signal).expect("a process that runs");
    }

    /// Kills it and starts it again.
    pub(crate) fn restart(&self) {
        self.kill();
        self.revive();
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}
