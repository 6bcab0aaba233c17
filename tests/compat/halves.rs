//! Starts and messages that fail in the middle: what is there then, what is said of it, and that the same again goes well.

use std::path::Path;
use std::sync::Arc;

use temporal_code::foreign::substantial::{SubstantialClient, SubstantialFiles, WorkerZone};
use temporal_code::workflows::{ClientError, Delivery, Json, OutgoingMessage, RunClient, Runs, StartRequest};
use temporal_code::{SystemClock, ThreadRandom};

use crate::support::{Process, folder, script};

async fn start(client: &SubstantialClient) -> Result<Delivery, ClientError> {
    let (runs, input) = (Runs::Substantial(client.clone(), "".into()), Json::parse(r#"{"number": 21}"#).unwrap());
    let start = StartRequest { workflow: "double", input: &input, queue: "default", run: None, key: None };
    RunClient::new(&runs, &SystemClock, &ThreadRandom).start(start).await
}

async fn send(client: &SubstantialClient, run: &str) -> Result<Delivery, ClientError> {
    let (runs, value) = (Runs::Substantial(client.clone(), "".into()), Json::null());
    let message = OutgoingMessage { event: "hello", value: &value, key: None, from: None };
    RunClient::new(&runs, &SystemClock, &ThreadRandom).send(run, message).await
}

async fn listed(client: &SubstantialClient) -> usize {
    client.runs(None, None, 10).await.unwrap().items.len()
}

/// The package's worker does what was started.
async fn ends(client: &SubstantialClient, run: &str) {
    let wait = client.wait(run, std::time::Duration::from_millis(50));
    let ended = tokio::time::timeout(crate::support::PATIENCE, wait).await.expect("it ends").unwrap();
    assert!(format!("{ended:?}").contains("42"), "{ended:?}");
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// In the place of each folder that is written to lies a file: the writes before it have happened, and nothing is left of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_on_files_leaves_nothing_behind() {
    let folder = folder();
    let root = folder.path();
    ["runs", "leases", "schedules/default", "links/runs/double"]
        .iter()
        .for_each(|name| std::fs::create_dir_all(root.join(name)).unwrap());
    let client = SubstantialClient::Files(Arc::new(SubstantialFiles::open(root, WorkerZone::utc()).unwrap()));
    for obstacle in ["schedules/default", "links/runs/double"] {
        let place = root.join(obstacle);
        std::fs::remove_dir(&place).unwrap();
        std::fs::write(&place, "").unwrap();
        let failed = start(&client).await;
        assert!(matches!(failed, Err(ClientError::Store(_))), "{failed:?}");
        std::fs::remove_file(&place).unwrap();
        std::fs::create_dir(&place).unwrap();
        assert_eq!(listed(&client).await, 0, "{obstacle}");
        assert_eq!(names(&root.join("schedules/default")), [""; 0], "{obstacle}");
        assert!(names(root).iter().all(|name| !name.starts_with(".tc-")), "{obstacle}");
    }
    let run = start(&client).await.unwrap().run;
    let _worker = Process::start(script("worker.py").arg("fs").arg(root));
    ends(&client, &run).await;
}

#[cfg(feature = "redis")]
mod redis {
    use std::io::{Read as _, Write as _};
    use std::net::{Shutdown, TcpListener, TcpStream};
    use std::process::Command;
    use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

    use temporal_code::foreign::substantial::SubstantialRedis;
    use temporal_code::stores::{RedisAddress, RedisOptions};

    use super::*;
    use crate::keys::server;

    fn open(port: u16) -> SubstantialClient {
        let address = RedisAddress::parse(&format!("redis://127.0.0.1:{port}/0")).unwrap();
        let redis = SubstantialRedis::new(&address, &RedisOptions::default(), WorkerZone::utc()).unwrap();
        SubstantialClient::Redis(Arc::new(redis))
    }

    const HEALTHY: u8 = 0;
    /// What writes does not come to the server.
    const LOSE_WRITE: u8 = 1;
    /// The answer to what writes does not come back.
    const LOSE_ANSWER: u8 = 2;
    /// And nothing is answered then.
    const LOSE_ALL: u8 = 3;

    /// Stands between a client and a server, and loses what it is told to.
    fn between(port: u16, fault: Arc<AtomicU8>) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let own = listener.local_addr().unwrap().port();
        let is_over = Arc::new(AtomicBool::new(false));
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let is_lost = is_over.load(Ordering::SeqCst) && fault.load(Ordering::SeqCst) == LOSE_ALL;
                if let (Ok(client), false) = (client, is_lost) {
                    let (fault, is_over) = (fault.clone(), is_over.clone());
                    std::thread::spawn(move || carry(client, port, &fault, &is_over));
                }
            }
        });
        own
    }

    /// One connection, until something of it is lost.
    fn carry(mut client: TcpStream, port: u16, fault: &AtomicU8, is_over: &AtomicBool) {
        let mut server = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let (mut back, mut answers) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        let is_cut = Arc::new(AtomicBool::new(false));
        let cut = is_cut.clone();
        let answering = std::thread::spawn(move || {
            let mut held = [0; 65_536];
            while let Ok(read @ 1..) = answers.read(&mut held) {
                if cut.load(Ordering::SeqCst) || back.write_all(&held[..read]).is_err() {
                    break;
                }
            }
            let _ = back.shutdown(Shutdown::Both);
        });
        let mut held = [0; 65_536];
        while let Ok(read @ 1..) = client.read(&mut held) {
            let fault = fault.load(Ordering::SeqCst);
            let is_hit = fault != HEALTHY && held[..read].windows(4).any(|part| part == b"EVAL");
            is_cut.store(is_hit, Ordering::SeqCst);
            is_over.store(is_hit && fault == LOSE_ALL, Ordering::SeqCst);
            let is_passed_on = (!is_hit || fault != LOSE_WRITE) && server.write_all(&held[..read]).is_ok();
            if is_hit || !is_passed_on {
                break;
            }
        }
        // The answer to what was written ends the other half.
        if !is_cut.load(Ordering::SeqCst) || fault.load(Ordering::SeqCst) == LOSE_WRITE {
            let _ = server.shutdown(Shutdown::Both);
        }
        let _ = answering.join();
    }

    /// What `tc` says and its exit code.
    fn tc(port: u16, words: &[&str]) -> (Option<i32>, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tc"));
        let store = format!("redis://127.0.0.1:{port}/0");
        command.args(words).args(["--store", &store, "--format", "substantial", "--color", "never"]);
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    }

    /// The server allows a part of the commands: nothing leads to what is not there.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_the_server_refuses_in_the_middle_leads_nobody_astray() {
        let server = server();
        let client = open(server.port());
        for refused in ["set", "zadd"] {
            server.run(&format!("ACL SETUSER default -{refused}"));
            let failed = start(&client).await;
            assert!(matches!(failed, Err(ClientError::Store(_))), "{failed:?}");
            server.run(&format!("ACL SETUSER default +{refused}"));
            assert_eq!(listed(&client).await, 0, "{refused}");
            assert_eq!(client_queue(&server), [""; 0], "{refused}");
        }
        let run = start(&client).await.unwrap().run;
        let _worker = Process::start(script("worker.py").args(["redis", &server.port().to_string()]));
        ends(&client, &run).await;
    }

    fn client_queue(server: &crate::server::RedisServer) -> Vec<String> {
        ::redis::from_redis_value(server.run("ZRANGE substantial:/schedules:/default 0 -1")).unwrap()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_is_known_of_a_failure_is_told() {
        let server = server();
        let fault = Arc::new(AtomicU8::new(HEALTHY));
        let port = between(server.port(), fault.clone());
        let (client, sure) = (open(port), open(server.port()));
        let first = start(&client).await.unwrap().run;
        // The answer is lost, and a look finds what was written.
        fault.store(LOSE_ANSWER, Ordering::SeqCst);
        let second = start(&client).await.unwrap().run;
        send(&client, &second).await.unwrap();
        assert_eq!((listed(&sure).await, client_queue(&server).len()), (2, 3));
        // Nothing was written, as far as a look can tell.
        fault.store(LOSE_WRITE, Ordering::SeqCst);
        for failed in [start(&client).await, send(&client, &first).await] {
            assert!(matches!(failed, Err(ClientError::Unsure { landed: Some(false), .. })), "{failed:?}");
        }
        assert_eq!((listed(&sure).await, client_queue(&server).len()), (2, 3));
        let (exit, said) = tc(port, &["send", &first, "hello"]);
        assert!(said.contains("nothing was seen to be delivered to double-") && exit == Some(2), "{exit:?} {said}");
        assert!(said.contains("sending again does no harm"), "{said}");
        // It was written, and nobody can look.
        fault.store(LOSE_ALL, Ordering::SeqCst);
        let (exit, said) = tc(port, &["start", "double", r#"{"number": 21}"#]);
        assert!(said.contains("whether it was delivered to double-") && exit == Some(2), "{exit:?} {said}");
        assert!(said.contains("`tc runs` tells whether it is there"), "{said}");
        fault.store(HEALTHY, Ordering::SeqCst);
        // The same again, and the package goes on with all of it.
        send(&client, &first).await.unwrap();
        let _worker = Process::start(script("worker.py").args(["redis", &server.port().to_string()]));
        for listed in sure.runs(None, None, 10).await.unwrap().items {
            ends(&sure, &listed.run).await;
        }
        assert_eq!(listed(&sure).await, 3);
    }
}
