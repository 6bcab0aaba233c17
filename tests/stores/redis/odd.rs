//! Keys that are not as a store makes them, and what is large or hostile.

use temporal_code::Timestamp;
use temporal_code::stores::{
    Batch, Due, Error, Finding, InvalidName, Kind, LINE_BYTES_MAX, Line, Name, Position, Queue, RedisOptions,
    RedisStore, Store,
};

use super::{KIND, dense, line, name, one, push, token};
use crate::servers::redis::{RedisServer, Setup};

fn due(id: &str) -> Due {
    Due { queue: Queue::default(), at: Timestamp::from_micros(1), run: name(id) }
}

fn raw(server: &RedisServer, words: &[&[u8]]) {
    let mut command = ::redis::Cmd::new();
    for word in words {
        command.arg(*word);
    }
    command.exec(&mut server.admin()).unwrap();
}

/// Whatever holds something of another type is named, and nothing else goes wrong.
#[tokio::test]
async fn a_key_of_another_type_is_named() {
    let server = RedisServer::start();
    let store = server.open().await;
    push(&store, &name("good"), Position::START, "x").await;
    for (key, make) in [
        ("{tc}:log:runs/bad", "SET {tc}:log:runs/bad x"),
        ("{tc}:due:default", "SADD {tc}:due:default x"),
        ("{tc}:names:bad", "HSET {tc}:names:bad a b"),
        ("{tc}:queues", "RPUSH {tc}:queues x"),
    ] {
        server.run(make);
        let other = server.open().await;
        let log = name("bad");
        let results = match key {
            "{tc}:log:runs/bad" => vec![
                other.apply(&one(&log, Position::START, "x")).await.map(drop),
                other.apply(&one(&log, Position::at(1), "x")).await.map(drop),
                other.read(&log, 0, 1).await.map(drop),
                other.end(&log).await.map(drop),
                other.forget(&log).await,
            ],
            "{tc}:due:default" => vec![
                other.apply(&Batch::new(token()).put_due(due("good"))).await.map(drop),
                other.apply(&Batch::new(token()).drop_due(due("good"))).await.map(drop),
                other.due(&Queue::default(), None, Timestamp::MAX, 9).await.map(drop),
            ],
            "{tc}:names:bad" => {
                let log = Name::new(Kind::new("bad"), "x").unwrap();
                let appended = other.apply(&one(&log, Position::START, "x")).await.map(drop);
                assert_eq!(other.end(&log).await.unwrap().last, Position::START);
                vec![appended, other.list(Kind::new("bad"), "", None, 9).await.map(drop)]
            }
            _ => vec![other.queues().await.map(drop)],
        };
        for result in results {
            let error = result.unwrap_err();
            assert!(matches!(&error, Error::Corrupt { place, .. } if place == key), "{key}: {error:?}");
        }
        let findings = other.inspect(true).await.unwrap();
        assert!(findings.iter().any(|finding| finding.place == key && !finding.repaired), "{key}: {findings:?}");
        server.run(&format!("DEL {key}"));
    }
    assert_eq!(store.inspect(false).await.unwrap(), []);
    assert_eq!(dense(&store, &name("good")).await, ["x"]);
    // The store's own key: nobody can say which store this is.
    server.run("RENAME {tc}:store kept");
    server.run("SET {tc}:store x");
    let error = store.end(&name("good")).await.unwrap_err();
    assert!(matches!(&error, Error::Corrupt { place, .. } if place == "{tc}:store"), "{error:?}");
    assert!(RedisStore::open(&server.address(""), &RedisOptions::default()).await.is_err());
}

#[tokio::test]
async fn a_store_of_another_schema_is_left_alone() {
    let server = RedisServer::start();
    let store = server.open().await;
    let end = push(&store, &name("a"), Position::START, "x").await;
    for schema in ["tc.store/2", "", "\u{1b}[31m"] {
        server.run("DEL {tc}:log:runs/a");
        raw(&server, &[b"HSET", b"{tc}:store", b"schema", schema.as_bytes()]);
        let error = RedisStore::open(&server.address(""), &RedisOptions::default()).await.unwrap_err();
        assert!(matches!(error, Error::Unfit { .. }) && !error.to_string().contains('\u{1b}'), "{error:?}");
        for after in [Position::START, end] {
            assert!(matches!(store.apply(&one(&name("a"), after, "y")).await, Err(Error::Unfit { .. })));
        }
    }
}

/// Lists that no store writes: each is told, none is read as if it were whole, and none makes a panic.
#[tokio::test]
async fn lists_that_are_no_logs_are_corrupt() {
    let good = r#"{"seq":1,"token":"00000000000000aa","a":1}"#;
    let cases: &[(&str, &[&[u8]])] = &[
        ("junk", &[b"junk"]),
        ("empty", &[b""]),
        ("not UTF-8", &[b"\xff\xfe{}"]),
        ("number 0", &[br#"{"seq":0,"token":"00000000000000aa","a":1}"#]),
        ("a huge number", &[br#"{"seq":18446744073709551615,"token":"00000000000000aa","a":1}"#]),
        ("a number with an exponent", &[br#"{"seq":1e3,"token":"00000000000000aa","a":1}"#]),
        ("a short token", &[br#"{"seq":1,"token":"aa","a":1}"#]),
        ("no end", &[br#"{"seq":1,"token":"00000000000000aa","a":1"#]),
        ("a gap", &[good.as_bytes(), br#"{"seq":3,"token":"00000000000000aa","a":1}"#]),
        ("twice", &[good.as_bytes(), good.as_bytes()]),
        ("not whole", &[br#"{"seq":1,"token":"00000000000000aa","more":true,"a":1}"#]),
        ("a newline", &[br#"{"seq":1,"token":"00000000000000aa","a":
1}"#]),
        ("two in one", &[b"{\"seq\":1,\"token\":\"00000000000000aa\",\"a\":1}\n{\"seq\":2,\"token\":\"00000000000000aa\",\"a\":1}"]),
        (
            "behind a seal",
            &[br#"{"seq":1,"token":"00000000000000aa","sealed":true,"a":1}"#, br#"{"seq":2,"token":"00000000000000aa","a":1}"#],
        ),
        ("junk in the middle", &[good.as_bytes(), b"junk", br#"{"seq":3,"token":"00000000000000aa","a":1}"#]),
    ];
    let server = RedisServer::start();
    let store = server.open().await;
    for (what, lines) in cases {
        server.run("DEL {tc}:log:runs/a");
        let mut words: Vec<&[u8]> = vec![b"RPUSH", b"{tc}:log:runs/a"];
        words.extend(*lines);
        raw(&server, &words);
        let log = name("a");
        // In the order of a reader's calls; one of them sees it, and none sees a log that is fine.
        let read = store.read(&log, 0, usize::MAX).await;
        assert!(matches!(read, Err(Error::Corrupt { .. } | Error::Lost { .. })), "{what}: {read:?}");
        let findings = store.inspect(true).await.unwrap();
        assert!(
            findings.iter().any(|found| found.place.ends_with("runs/a") && !found.repaired),
            "{what}: {findings:?}"
        );
        for after in [Position::START, Position::at(1), Position::at(u64::MAX)] {
            let _ = store.apply(&one(&log, after, "x")).await;
            let _ = store.read(&log, after.number(), 1).await;
        }
        let _ = (store.end(&log).await, store.forget(&log).await);
    }
}

/// A log by another program may have blanks in its headers: it is read and continued.
#[tokio::test]
async fn headers_with_blanks_are_understood() {
    let server = RedisServer::start();
    let store = server.open().await;
    let log = name("a");
    raw(&server, &[b"RPUSH", b"{tc}:log:runs/a", br#" {"seq" : 1,	"token": "00000000000000aa" , "text":"one"}"#]);
    let end = store.end(&log).await.unwrap();
    assert_eq!((end.last.number(), end.sealed), (1, false));
    let other = Position::behind(temporal_code::stores::Header {
        seq: 1,
        token: temporal_code::stores::Token::from_bits(0xab),
        more: false,
        sealed: false,
    });
    assert!(matches!(store.apply(&one(&log, other, "two")).await, Err(Error::Lost { .. })));
    push(&store, &log, end.last, "two").await;
    assert_eq!(dense(&store, &log).await, ["one", "two"]);
    raw(
        &server,
        &[b"RPUSH", b"{tc}:log:runs/a", br#"{"seq": 3, "token": "00000000000000aa", "sealed": true, "text":"3"}"#],
    );
    assert!(matches!(store.apply(&one(&log, Position::at(3), "four")).await, Err(Error::Sealed { last: 3, .. })));
    raw(
        &server,
        &[b"RPUSH", b"{tc}:log:runs/b", br#"{"seq": 1, "token": "00000000000000aa", "more" :true , "text":"3"}"#],
    );
    assert!(matches!(store.apply(&one(&name("b"), Position::at(1), "x")).await, Err(Error::Corrupt { .. })));
}

/// Lines that somebody took away in front are lost lines, unless the log is sealed and may forget them.
#[tokio::test]
async fn lines_that_are_missing_in_front_are_lost() {
    let server = RedisServer::start();
    let store = server.open().await;
    let log = name("a");
    let mut end = Position::START;
    for number in 1..=5 {
        end = push(&store, &log, end, &number.to_string()).await;
    }
    server.run("LTRIM {tc}:log:runs/a 2 -1");
    assert!(matches!(store.read(&log, 0, 1).await, Err(Error::Lost { .. })));
    assert!(matches!(store.read(&log, 1, 1).await, Err(Error::Lost { .. })));
    assert_eq!(store.read(&log, 2, 1 << 20).await.unwrap().lines().count(), 3);
    assert_eq!(store.inspect(true).await.unwrap().len(), 1);
    store.apply(&Batch::new(token()).seal(&log, end, vec![line("seal")])).await.unwrap();
    store.forget(&log).await.unwrap();
    let page = store.read(&log, 0, 1).await.unwrap();
    assert_eq!(page.lines().map(|(header, _)| header.seq).collect::<Vec<_>>(), [6]);
    assert_eq!(store.inspect(false).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_lines_and_many_lines_pass() {
    let server = RedisServer::start();
    let store = server.open().await;
    let log = name("large");
    let largest = "x".repeat(LINE_BYTES_MAX - 200);
    let four = vec![line(&largest), line("a"), line(&largest), line(&largest)];
    let end = store.apply(&Batch::new(token()).append(&log, Position::START, four)).await.unwrap()[0];
    let end = push(&store, &log, end, &largest).await;
    push(&store, &log, end, "small").await;
    let reader = server.open().await;
    let texts = dense(&reader, &log).await;
    assert_eq!(
        texts.iter().map(String::len).collect::<Vec<_>>(),
        [largest.len(), 1, largest.len(), largest.len(), largest.len(), 5]
    );
    // One that asks for little gets the whole append, and no more.
    let page = reader.read(&log, 0, 1).await.unwrap();
    assert_eq!((page.lines().count(), page.has_more()), (4, true));
    let page = reader.read(&log, 4, 1).await.unwrap();
    assert_eq!((page.lines().count(), page.has_more()), (1, true));

    let many = name("many");
    let mut end = Position::START;
    let mut expected = 0;
    for count in [999, 1_000, 1_001, 2_000, 100_000] {
        let lines: Vec<Line> = (0..count).map(|number| line(&number.to_string())).collect();
        let batch = Batch::new(token()).append(&many, end, lines);
        end = store.apply(&batch).await.unwrap()[0];
        assert_eq!(store.apply(&batch).await.unwrap()[0], end);
        expected += count;
        assert_eq!(end.number(), expected);
    }
    assert_eq!(dense(&reader, &many).await.len() as u64, expected);
    let page = reader.read(&many, 4_999, 1).await.unwrap();
    assert_eq!((page.lines().count(), page.has_more()), (1, true), "the last line of an append");
    assert_eq!(reader.read(&many, 5_000, 1).await.unwrap().lines().count(), 100_000);
    assert_eq!(store.inspect(false).await.unwrap(), []);
}

/// A long log comes in pages that the server gives in pieces; one that is forgotten meanwhile makes no gap in a page.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_log_is_read_in_pieces_and_forgotten_in_pieces() {
    let server = RedisServer::start();
    let store = server.open().await;
    let log = name("long");
    let text = "x".repeat(1_000);
    let mut end = Position::START;
    for _ in 0..60 {
        let lines: Vec<Line> = (0..500).map(|_| line(&text)).collect();
        end = store.apply(&Batch::new(token()).append(&log, end, lines)).await.unwrap()[0];
    }
    store.apply(&Batch::new(token()).seal(&log, end, vec![line("seal")])).await.unwrap();
    let page = store.read(&log, 0, usize::MAX).await.unwrap();
    assert_eq!((page.lines().count(), page.has_more(), page.end().sealed), (30_001, false, true));
    let page = store.read(&log, 29_000, 100_000).await.unwrap();
    assert!(page.has_more() && page.text().len() < 1_100_000, "{}", page.text().len());
    let reader = server.open().await;
    let log_there = log.clone();
    let reading = tokio::spawn(async move {
        let mut pages = 0;
        loop {
            let page = reader.read(&log_there, 0, usize::MAX).await.unwrap();
            let numbers: Vec<u64> = page.lines().map(|(header, _)| header.seq).collect();
            assert!(numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]), "no gap in a page");
            pages += 1;
            if numbers == [30_001] {
                return pages;
            }
        }
    });
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    store.forget(&log).await.unwrap();
    assert!(reading.await.unwrap() >= 1);
    assert_eq!(store.inspect(false).await.unwrap(), []);
}

/// Ids are text from outside; what is too long is refused before anything is sent.
#[tokio::test]
async fn hostile_ids_stay_in_their_keys() {
    let server = RedisServer::start();
    let store = server.open().await;
    let ids = [
        "../../x",
        "a\nb",
        "}{",
        "{other}",
        "a\r\nFLUSHALL\r\n",
        "раураl",
        "paypal",
        "\u{202e}",
        "*",
        "a\0b",
        "x,2",
        ":",
    ];
    for id in ids {
        push(&store, &name(id), Position::START, id).await;
        store.apply(&Batch::new(token()).put_due(due(id))).await.unwrap();
    }
    let keys: Vec<String> = ::redis::cmd("KEYS").arg("*").query(&mut server.admin()).unwrap();
    assert_eq!(keys.len(), ids.len() + 4);
    for key in keys {
        assert!(key.starts_with("{tc}:") && key.bytes().all(|byte| byte.is_ascii_graphic()), "{key}");
    }
    for id in ids {
        assert_eq!(dense(&store, &name(id)).await, [id]);
    }
    assert_eq!(store.due(&Queue::default(), None, Timestamp::MAX, 99).await.unwrap().len(), ids.len());
    assert!(matches!(Name::new(KIND, &"x".repeat(10_000)), Err(InvalidName { .. })));
    assert!(matches!(Queue::new(&"x".repeat(10_000)), Err(InvalidName { .. })));
    assert_eq!(store.inspect(false).await.unwrap(), []);
}

/// Junk in an index hides nothing behind it.
#[tokio::test]
async fn junk_in_an_index_is_passed_over_and_found() {
    let server = RedisServer::start();
    let store = server.open().await;
    push(&store, &name("m"), Position::START, "x").await;
    store.apply(&Batch::new(token()).put_due(due("m"))).await.unwrap();
    let mut admin = server.admin();
    let mut junk = ::redis::pipe();
    for number in 0..2_500 {
        junk.cmd("ZADD").arg("{tc}:names:runs").arg(0).arg(format!("/{number:05}\u{1b}")).ignore();
        junk.cmd("ZADD").arg("{tc}:due:default").arg(0).arg(format!("0000-junk-{number:05}\u{1b}")).ignore();
    }
    junk.cmd("ZADD").arg("{tc}:due:default").arg(0).arg(b"0001\xff\xfe").ignore();
    junk.cmd("ZADD").arg("{tc}:queues").arg(0).arg("a/b").ignore();
    junk.exec(&mut admin).unwrap();
    assert_eq!(store.list(KIND, "", None, 1).await.unwrap(), [name("m")]);
    assert_eq!(store.due(&Queue::default(), None, Timestamp::MAX, 1).await.unwrap(), [due("m")]);
    assert_eq!(store.queues().await.unwrap(), [Queue::default()]);
    let findings = store.inspect(true).await.unwrap();
    assert!((1..=2_000).contains(&findings.len()), "{}", findings.len());
    assert!(findings.iter().all(|finding| !finding.problem.contains('\u{1b}') && !finding.repaired));
}

/// Indexes that do not say what is there are found, and made right where nothing is lost by it.
#[tokio::test]
async fn indexes_are_repaired() {
    let server = RedisServer::start();
    let store = server.open().await;
    for id in ["a", "b", "c"] {
        push(&store, &name(id), Position::START, id).await;
        push(&store, &name(id).next_generation(), Position::START, id).await;
    }
    store.apply(&Batch::new(token()).put_due(due("a"))).await.unwrap();
    assert_eq!(store.inspect(true).await.unwrap(), []);
    server.run("ZREM {tc}:names:runs b/");
    server.run("DEL {tc}:log:runs/c");
    server.run("DEL {tc}:queues");
    server.run("ZADD {tc}:queues 0 nothing");
    server.run("SET {tc}:whatever x");
    let places = |findings: &[Finding]| findings.iter().map(|found| found.place.clone()).collect::<Vec<_>>();
    let found = store.inspect(false).await.unwrap();
    let expected = ["{tc}:due:default", "{tc}:log:runs/b", "{tc}:names:runs", "{tc}:queues", "{tc}:whatever"];
    assert_eq!(places(&found), expected, "{found:?}");
    assert!(found.iter().all(|finding| !finding.repaired));
    assert_eq!(found.iter().filter(|finding| finding.remedy.is_some()).count(), 4);
    assert_eq!(store.list(KIND, "", None, 9).await.unwrap(), [name("a"), name("c")], "looking changes nothing");
    let mended = store.inspect(true).await.unwrap();
    assert_eq!(places(&mended), expected);
    assert_eq!(mended.iter().filter(|finding| finding.repaired).count(), 4);
    assert_eq!(places(&store.inspect(true).await.unwrap()), ["{tc}:whatever"]);
    assert_eq!(store.list(KIND, "", None, 9).await.unwrap(), [name("a"), name("b")]);
    assert_eq!(store.queues().await.unwrap(), [Queue::default()]);
    // The store's key alone is gone.
    server.run("DEL {tc}:store {tc}:whatever");
    let new = server.open().await;
    assert_eq!(places(&new.inspect(true).await.unwrap()), ["{tc}:store"]);
}

/// A server whose memory is full says so and has done nothing; one that throws keys away is not written to.
#[tokio::test]
async fn a_full_server_is_told_from_one_that_throws_away() {
    let server = RedisServer::start();
    let store = server.open().await;
    let end = push(&store, &name("a"), Position::START, "x").await;
    server.run("CONFIG SET maxmemory 1mb");
    for batch in [
        one(&name("a"), end, "y"),
        one(&name("b"), Position::START, "y"),
        one(&name("b"), Position::START, "y").put_due(due("b")),
    ] {
        let error = store.apply(&batch).await.unwrap_err();
        assert!(error.retryable() && error.to_string().contains("memory is full"), "{error:?}");
    }
    assert_eq!(dense(&store, &name("a")).await, ["x"]);
    assert_eq!(store.list(KIND, "", None, 9).await.unwrap(), [name("a")]);
    for (policy, refused) in
        [("allkeys-lru", true), ("allkeys-random", true), ("volatile-lru", false), ("noeviction", false)]
    {
        let server = Setup::new().with("maxmemory", "100mb").with("maxmemory-policy", policy).start();
        let store = server.open().await;
        match store.apply(&one(&name("a"), Position::START, "x")).await {
            Err(Error::Unfit { problem, .. }) if refused => assert!(problem.contains(policy)),
            Ok(_) if !refused => {}
            other => panic!("{policy}: {other:?}"),
        }
        assert!(store.read(&name("a"), 0, 1).await.is_ok(), "reading is not refused");
    }
    let unlimited = Setup::new().with("maxmemory-policy", "allkeys-lru").start();
    push(&unlimited.open().await, &name("a"), Position::START, "x").await;
}

/// A script that runs without end stops everybody, and everybody is told so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_server_is_unavailable() {
    let server = Setup::new().with("busy-reply-threshold", "50").start();
    let store = server.open().await;
    let end = push(&store, &name("a"), Position::START, "x").await;
    let mut admin = server.admin();
    let busy = std::thread::spawn(move || {
        let result: Result<::redis::Value, _> = ::redis::cmd("EVAL").arg("while true do end").arg(0).query(&mut admin);
        result.unwrap_err()
    });
    let batch = one(&name("a"), end, "y");
    let error = loop {
        // Until the other script has begun, all is well.
        match store.queues().await {
            Ok(_) => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
            Err(error) => break error,
        }
    };
    assert!(error.retryable(), "{error:?}");
    assert!(store.apply(&batch).await.unwrap_err().retryable());
    server.run("SCRIPT KILL");
    busy.join().unwrap();
    assert_eq!(store.apply(&batch).await.unwrap()[0].number(), 2);
}

/// The scripts are gone from the server: they are sent again.
#[tokio::test]
async fn scripts_that_were_flushed_are_sent_again() {
    let server = RedisServer::start();
    let store = server.open().await;
    let log = name("a");
    let mut end = Position::START;
    for number in 0..4 {
        server.run("SCRIPT FLUSH");
        end = push(&store, &log, end, &number.to_string()).await;
        server.run("SCRIPT FLUSH");
        assert_eq!(dense(&store, &log).await.len(), number + 1);
    }
}
