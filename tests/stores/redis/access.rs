//! Who is let in, and to what.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use temporal_code::Timestamp;
use temporal_code::stores::{
    Batch, Due, Error, Position, Queue, RedisAddress, RedisOptions, RedisStore, Store, Watched,
};

use super::{dense, name, one, push, token};
use crate::servers::redis::{RedisServer, Setup};

const PASSWORD: &str = "hunter2 %@/:#";

fn options(username: Option<&str>, password: Option<&str>) -> RedisOptions {
    let owned = |text: Option<&str>| text.map(str::to_owned);
    RedisOptions { username: owned(username), password: owned(password), ..RedisOptions::default() }
}

/// The error with all that is beneath it, as a program prints it, and as a developer does.
fn shown(error: &Error) -> String {
    let mut text = format!("{error} {error:?} {error:#?}");
    let mut source = std::error::Error::source(error);
    while let Some(below) = source {
        text.push_str(&format!(" {below} {below:?}"));
        source = below.source();
    }
    text
}

#[tokio::test]
async fn passwords_let_in_and_never_show() {
    let server = RedisServer::start();
    // By a command, because a setting of this harness has no blanks in it.
    set_password(&mut server.admin(), PASSWORD);
    let refused = [
        (options(None, None), "no password"),
        (options(None, Some("hunter3")), "another one"),
        (options(Some("nobody"), Some(PASSWORD)), "of nobody"),
    ];
    for (options, what) in refused {
        let error = RedisStore::open(&server.address(""), &options).await.unwrap_err();
        assert!(matches!(error, Error::Denied { .. }), "{what}: {error:?}");
        assert!(!shown(&error).contains("hunter"), "{}", shown(&error));
    }
    let given = options(None, Some(PASSWORD));
    let encoded = "hunter2%20%25%40%2F%3A%23";
    let in_address = RedisAddress::parse(&format!("redis://:{encoded}@127.0.0.1:{}", server.port())).unwrap();
    let wrong_in_address = RedisAddress::parse(&format!("redis://:hunter9@127.0.0.1:{}", server.port())).unwrap();
    let ways = [
        (server.address(""), given.clone()),
        (in_address, RedisOptions::default()),
        // What is given by itself goes first.
        (wrong_in_address, given),
    ];
    let mut end = Position::START;
    for (address, options) in ways {
        let store = RedisStore::open(&address, &options).await.unwrap();
        end = push(&store, &name("a"), end, "x").await;
        let watch = store.watch(Watched::Log(name("a"))).await.unwrap();
        let seen = format!("{store:?} {} {options:?} {address:?} {watch:?}", store.location());
        assert!(!seen.contains("hunter"), "{seen}");
    }
}

fn set_password(admin: &mut ::redis::Connection, password: &str) {
    let mut command = ::redis::cmd("CONFIG");
    let _: String = command.arg("SET").arg("requirepass").arg(password).query(admin).unwrap();
}

/// A password that is taken back while a store is open.
#[tokio::test]
async fn a_password_that_changes_is_noticed_and_forgiven() {
    let server = RedisServer::start();
    let store = server.open().await;
    let end = push(&store, &name("a"), Position::START, "x").await;
    let mut admin = server.admin();
    set_password(&mut admin, PASSWORD);
    let _: u64 = ::redis::cmd("CLIENT").arg("KILL").arg("TYPE").arg("normal").query(&mut admin).unwrap();
    let batch = one(&name("a"), end, "y");
    let denied = loop {
        match store.apply(&batch).await.unwrap_err() {
            error if error.retryable() => {}
            error => break error,
        }
    };
    assert!(matches!(denied, Error::Denied { .. }), "{denied:?}");
    set_password(&mut admin, "");
    assert_eq!(store.apply(&batch).await.unwrap()[0].number(), 2, "no error is for ever");
}

#[tokio::test]
async fn a_user_without_rights_is_told_so() {
    let server = RedisServer::start();
    server.run("ACL SETUSER all on >hunter2 ~{tc}:* &{tc}:* +@all");
    server.run("ACL SETUSER nothing on >hunter2");
    server.run("ACL SETUSER reader on >hunter2 ~{tc}:* &{tc}:* +@read +@connection +evalsha +eval");
    server.run("ACL SETUSER elsewhere on >hunter2 ~{other}:* &* +@all");
    server.run("ACL SETUSER deaf on >hunter2 ~{tc}:* resetchannels +@all");
    server.run("ACL SETUSER mute on >hunter2 ~{tc}:* resetchannels +@all -publish -info");
    let open = async |user: &str| RedisStore::open(&server.address(""), &options(Some(user), Some("hunter2"))).await;
    let denied = |result: Result<(), Error>, what: &str| match result {
        Err(error) if matches!(error, Error::Denied { .. }) => assert!(!shown(&error).contains("hunter"), "{what}"),
        other => panic!("{what}: {other:?}"),
    };
    let log = name("a");
    let store = open("all").await.unwrap();
    let end = push(&store, &log, Position::START, "one").await;
    denied(open("nothing").await.map(drop), "nothing");
    denied(open("elsewhere").await.map(drop), "elsewhere");
    // One who may only read reads, and what it writes is not done in part.
    let reader = open("reader").await.unwrap();
    assert_eq!(dense(&reader, &log).await, ["one"]);
    let due = Due { queue: Queue::default(), at: Timestamp::MIN, run: log.clone() };
    denied(reader.apply(&one(&log, end, "two")).await.map(drop), "append");
    denied(reader.apply(&Batch::new(token()).put_due(due.clone())).await.map(drop), "put");
    denied(reader.apply(&one(&name("b"), Position::START, "one")).await.map(drop), "new log");
    assert_eq!(dense(&store, &log).await, ["one"]);
    assert_eq!(store.list(super::KIND, "", None, 9).await.unwrap(), std::slice::from_ref(&log));
    assert!(store.queues().await.unwrap().is_empty());
    // One who may not listen is told; one who may not announce writes all the same.
    let deaf = open("deaf").await.unwrap();
    denied(deaf.watch(Watched::Log(log.clone())).await.map(drop), "watch");
    let mute = open("mute").await.unwrap();
    let end = push(&mute, &log, end, "two").await;
    mute.apply(&Batch::new(token()).put_due(due)).await.unwrap();
    push(&deaf, &log, end, "three").await;
    assert_eq!(dense(&mute, &log).await, ["one", "two", "three"]);
}

/// If one right of those that a batch needs is missing, what is done is a prefix, and the batch can be finished later.
#[tokio::test]
async fn a_right_that_is_missing_in_the_middle_leaves_a_prefix() {
    let server = RedisServer::start();
    server.run("ACL SETUSER partly on >hunter2 ~* &* +@all -zadd");
    let store = server.open().await;
    let (log, queue) = (name("a"), Queue::default());
    let end = push(&store, &log, Position::START, "one").await;
    let due = Due { queue: queue.clone(), at: Timestamp::MIN, run: log.clone() };
    let batch = Batch::new(token()).append(&log, end, vec![super::line("two")]).put_due(due.clone());
    let partly = RedisStore::open(&server.address(""), &options(Some("partly"), Some("hunter2"))).await.unwrap();
    assert!(matches!(partly.apply(&batch).await, Err(Error::Denied { .. })));
    assert!(matches!(partly.apply(&one(&name("b"), Position::START, "x")).await, Err(Error::Denied { .. })));
    assert_eq!(store.end(&name("b")).await.unwrap().last, Position::START, "no log that no list names");
    assert!(store.due(&queue, None, Timestamp::MAX, 9).await.unwrap().is_empty());
    store.apply(&batch).await.unwrap();
    assert_eq!(dense(&store, &log).await, ["one", "two"]);
    assert_eq!(store.due(&queue, None, Timestamp::MAX, 9).await.unwrap(), [due]);
    assert_eq!(store.inspect(false).await.unwrap(), []);
}

#[tokio::test]
async fn databases_and_prefixes_are_stores_of_their_own() {
    let server = RedisServer::start();
    let mut stores = Vec::new();
    for rest in ["", "/1", "?prefix=other", "/1?prefix=tc:x"] {
        let store = RedisStore::open(&server.address(rest), &RedisOptions::default()).await.unwrap();
        push(&store, &name("a"), Position::START, rest).await;
        push(&store, &name(&format!("own{}", stores.len())), Position::START, "x").await;
        stores.push((rest, store));
    }
    for (at, (rest, store)) in stores.iter().enumerate() {
        assert_eq!(dense(store, &name("a")).await, [*rest]);
        let names = store.list(super::KIND, "", None, 9).await.unwrap();
        assert_eq!(names, [name("a"), name(&format!("own{at}"))]);
        assert_eq!(store.inspect(true).await.unwrap(), [], "{rest}");
    }
    let error = RedisStore::open(&server.address("/16"), &RedisOptions::default()).await.unwrap_err();
    assert!(matches!(&error, Error::Unfit { problem, .. } if problem.contains("no such database")), "{error:?}");
}

#[tokio::test]
async fn a_replica_is_read_and_not_written() {
    let server = RedisServer::start();
    let store = server.open().await;
    let end = push(&store, &name("a"), Position::START, "one").await;
    let replica = Setup::forgetful().with("replicaof", &format!("127.0.0.1 {}", server.port())).start();
    let started = std::time::Instant::now();
    let read = loop {
        // It answers before it has loaded what the primary sent.
        match RedisStore::open(&replica.address(""), &RedisOptions::default()).await {
            Ok(store) if store.end(&name("a")).await.is_ok_and(|found| found.last == end) => break store,
            Err(error) if !error.retryable() => panic!("{error:?}"),
            _ => assert!(started.elapsed() < Duration::from_secs(60)),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(dense(&read, &name("a")).await, ["one"]);
    for batch in [one(&name("a"), end, "two"), one(&name("b"), Position::START, "two")] {
        let error = read.apply(&batch).await.unwrap_err();
        assert!(matches!(&error, Error::Unfit { problem, .. } if problem.contains("read-only replica")), "{error:?}");
    }
    assert_eq!(dense(&read, &name("a")).await, ["one"]);
    // It is made the primary: the same handle writes.
    replica.run("REPLICAOF NO ONE");
    push(&read, &name("a"), end, "two").await;
}

#[tokio::test]
async fn what_is_no_redis_is_told_from_one_that_is_away() {
    let options = RedisOptions { connect_timeout: Duration::from_secs(2), ..RedisOptions::default() };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let address = RedisAddress::parse(&format!("redis://127.0.0.1:{port}")).unwrap();
    let server = tokio::spawn(async move {
        let answer = b"HTTP/1.1 400 Bad Request\r\n\r\n\x1b[31m";
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let _ = tokio::io::AsyncWriteExt::write_all(&mut socket, answer).await;
        }
    });
    let error = RedisStore::open(&address, &options).await.unwrap_err();
    assert!(matches!(error, Error::Unfit { .. } | Error::Unavailable { .. }), "{error:?}");
    assert!(!shown(&error).contains('\u{1b}'));
    let with_tls = RedisAddress::parse(&format!("rediss://127.0.0.1:{port}")).unwrap();
    let error = RedisStore::open(&with_tls, &options).await.unwrap_err();
    assert!(matches!(&error, Error::Unfit { problem, .. } if problem.contains("does not speak TLS")), "{error:?}");
    server.abort();
    let _ = server.await;
    let error = RedisStore::open(&address, &options).await.unwrap_err();
    assert!(matches!(&error, Error::Unavailable { doing, .. } if doing.contains(&port.to_string())), "{error:?}");
    let nowhere = RedisAddress::parse("redis://does-not-exist.invalid").unwrap();
    assert!(RedisStore::open(&nowhere, &options).await.unwrap_err().retryable());
    let socket = RedisAddress::parse("unix:///does/not/exist.sock").unwrap();
    assert!(RedisStore::open(&socket, &options).await.unwrap_err().retryable());
}

#[tokio::test]
async fn a_socket_is_as_good_as_a_port() {
    let server = Setup::new().with("unixsocket", "FOLDER/redis.sock").start();
    let path = server.folder().join("redis.sock");
    let address = RedisAddress::parse(&format!("unix://{}?prefix=s", path.display())).unwrap();
    let store = RedisStore::open(&address, &RedisOptions::default()).await.unwrap();
    let mut watch = store.watch(Watched::Log(name("a"))).await.unwrap();
    let other = RedisStore::open(&server.address("?prefix=s"), &RedisOptions::default()).await.unwrap();
    push(&other, &name("a"), Position::START, "one").await;
    assert!(watch.changed(Duration::from_secs(30)).await);
    assert_eq!(dense(&store, &name("a")).await, ["one"]);
}

/// Makes a certificate and its key, signed by `authority`, or by itself and good for signing others.
fn certificate(folder: &Path, file: &str, authority: Option<&str>) {
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let mut command = Command::new("openssl");
    command.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]);
    command.args(["-subj", &format!("/CN={file}"), "-keyout", &path(&format!("{file}.key"))]);
    command.args(["-out", &path(&format!("{file}.crt"))]);
    match authority {
        Some(by) => {
            command.args(["-CA", &path(&format!("{by}.crt")), "-CAkey", &path(&format!("{by}.key"))]);
            command.args(["-addext", "basicConstraints=critical,CA:FALSE", "-addext", "subjectAltName=DNS:localhost"]);
        }
        None => _ = command.args(["-addext", "keyUsage=critical,keyCertSign"]),
    }
    let made = command.output().expect("openssl, which scripts/setup installs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_trusts_whom_it_is_told_to() {
    let folder = tempfile::tempdir().unwrap();
    for (file, authority) in [("ca", None), ("server", Some("ca")), ("client", Some("ca")), ("stranger", None)] {
        certificate(folder.path(), file, authority);
    }
    let pem = |name: &str| Some(std::fs::read(folder.path().join(name)).unwrap());
    let setting = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    for authenticated in [false, true] {
        let server = Setup::new()
            .with("tls-cert-file", &setting("server.crt"))
            .with("tls-key-file", &setting("server.key"))
            .with("tls-ca-cert-file", &setting("ca.crt"))
            .with("tls-auth-clients", if authenticated { "yes" } else { "no" })
            .with("tls-port", "TLSPORT")
            .start();
        let address = RedisAddress::parse(&format!("rediss://localhost:{}", server.tls_port())).unwrap();
        let trusting = RedisOptions { ca_certificates: pem("ca.crt"), ..RedisOptions::default() };
        let known =
            RedisOptions { client_certificate: pem("client.crt"), client_key: pem("client.key"), ..trusting.clone() };
        let good = if authenticated { &known } else { &trusting };
        let store = RedisStore::open(&address, good).await.unwrap();
        let other = RedisStore::open(&address, good).await.unwrap();
        let mut watch = other.watch(Watched::Log(name("a"))).await.unwrap();
        let end = push(&store, &name("a"), Position::START, &"x".repeat(1 << 20)).await;
        assert!(watch.changed(Duration::from_secs(30)).await);
        push(&other, &name("a"), end, "two").await;
        assert_eq!(dense(&store, &name("a")).await.len(), 2);

        let unfit = |result: Result<RedisStore, Error>, part: &str| match result {
            Err(Error::Unfit { problem, .. }) => assert!(problem.contains(part), "{problem}"),
            other => panic!("{other:?}"),
        };
        unfit(RedisStore::open(&address, &RedisOptions::default()).await, "not trusted");
        let stranger = RedisOptions { ca_certificates: pem("stranger.crt"), ..good.clone() };
        unfit(RedisStore::open(&address, &stranger).await, "not trusted");
        // The certificate is for localhost.
        let by_number = RedisAddress::parse(&format!("rediss://127.0.0.1:{}", server.tls_port())).unwrap();
        unfit(RedisStore::open(&by_number, good).await, "not trusted");
        let plain_port = RedisAddress::parse(&format!("rediss://localhost:{}", server.port())).unwrap();
        // What a Redis takes a greeting of TLS for depends on its random bytes: a command, or the beginning of one.
        let hasty = RedisOptions { connect_timeout: Duration::from_secs(2), ..good.clone() };
        match RedisStore::open(&plain_port, &hasty).await {
            Err(Error::Unfit { problem, .. }) => assert!(problem.contains("does not speak TLS"), "{problem}"),
            Err(error) => assert!(error.retryable(), "{error:?}"),
            Ok(store) => panic!("{store:?}"),
        }
        let without_tls = RedisAddress::parse(&format!("redis://localhost:{}", server.tls_port())).unwrap();
        RedisStore::open(&without_tls, &RedisOptions::default()).await.unwrap_err();
        if authenticated {
            let error = RedisStore::open(&address, &trusting).await.unwrap_err();
            assert!(matches!(error, Error::Denied { .. }), "{error:?}");
        }
    }
}

/// What `tc runs` prints of a store, with these variables and no others.
#[cfg(feature = "cli")]
fn tc_runs(store: &str, environment: &[(&str, &str)]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tc"));
    command.args(["runs", "--format", "tc", "--store", store]).env_clear().envs(environment.iter().copied());
    let output = command.output().unwrap();
    String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout)
}

#[cfg(feature = "cli")]
#[tokio::test]
async fn the_program_takes_certificates_from_where_others_have_them() {
    let folder = tempfile::tempdir().unwrap();
    for (file, authority) in [("ca", None), ("server", Some("ca")), ("client", Some("ca")), ("stranger", None)] {
        certificate(folder.path(), file, authority);
    }
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let pem = std::fs::read_to_string(folder.path().join("ca.crt")).unwrap();
    std::fs::create_dir(folder.path().join("certs")).unwrap();
    std::fs::copy(path("ca.crt"), path("certs/ca.pem")).unwrap();
    let (ca, stranger, folder_of_ca, cert, key) =
        (path("ca.crt"), path("stranger.crt"), path("certs"), path("client.crt"), path("client.key"));
    let start = |clients: &str| {
        let server =
            Setup::forgetful().with("tls-cert-file", &path("server.crt")).with("tls-key-file", &path("server.key"));
        server.with("tls-ca-cert-file", &ca).with("tls-auth-clients", clients).with("tls-port", "TLSPORT").start()
    };
    let server = start("no");
    let store = format!("rediss://localhost:{}", server.tls_port());
    let good = "0 runs were looked at";
    for (environment, expected) in [
        (&[("SSL_CERT_FILE", &*ca)][..], good),
        (&[("SSL_CERT_DIR", &folder_of_ca)], good),
        (&[("REDIS_CA_CERT", &ca)], good),
        (&[("REDIS_CA_CERT", &pem)], good),
        (&[("REDIS_CA_CERT", &ca), ("SSL_CERT_FILE", &stranger)], good),
        (
            &[("REDIS_CA_CERT", &stranger), ("SSL_CERT_FILE", &ca)],
            "hint: an authority of your own is named by REDIS_CA_CERT",
        ),
        (&[], "its certificate is not trusted"),
        (&[("SSL_CERT_FILE", "/nowhere")], "SSL_CERT_FILE and SSL_CERT_DIR name no certificate that can be read"),
        (&[("REDIS_CA_CERT", "/nowhere")], "cannot read the file that REDIS_CA_CERT names"),
        (&[("REDIS_CA_CERT", &ca), ("REDIS_CLIENT_CERT", &cert)], "its key, one is missing"),
    ] {
        let text = tc_runs(&store, environment);
        assert!(text.contains(expected), "{environment:?}: {text}");
    }
    let server = start("yes");
    let store = format!("rediss://localhost:{}", server.tls_port());
    let text = tc_runs(&store, &[("REDIS_CA_CERT", &ca), ("REDIS_CLIENT_CERT", &cert), ("REDIS_CLIENT_KEY", &key)]);
    assert!(text.contains(good), "{text}");
    let text = tc_runs(&store, &[("REDIS_CA_CERT", &ca)]);
    assert!(text.contains("REDIS_CLIENT_CERT and REDIS_CLIENT_KEY") && !text.contains("AWS"), "{text}");
}

#[cfg(feature = "cli")]
#[tokio::test]
async fn a_user_in_the_address_has_the_password_of_the_environment() {
    let server = Setup::forgetful().with("user", "ops on >hunter2 ~* &* +@all").start();
    let (store, password) = (format!("redis://ops@127.0.0.1:{}", server.port()), ("REDIS_PASSWORD", "hunter2"));
    for environment in [&[password][..], &[password, ("REDIS_USERNAME", "another")]] {
        let text = tc_runs(&store, environment);
        assert!(text.contains("0 runs were looked at"), "{text}");
    }
    let text = tc_runs(&store, &[("REDIS_PASSWORD", "hunter3")]);
    assert!(text.contains("hint: credentials for Redis come from REDIS_USERNAME and REDIS_PASSWORD"), "{text}");
}
