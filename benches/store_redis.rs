//! What an append to a store in Redis costs beside a bare call of a script that does one RPUSH and checks nothing: on the same
//! server, over the same kind of connection, with lines of the same size, in turns.
//!
//! `cargo bench --bench store_redis -- [SECONDS] [always|everysec|no]`; needs redis-server.

use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::{AsyncConnectionConfig, Client, ConnectionAddr, IntoConnectionInfo};
use temporal_code::ThreadRandom;
use temporal_code::stores::{Batch, Kind, Line, Name, Position, RedisStore, Store, Token};

#[allow(dead_code, clippy::panic, clippy::unwrap_used, unreachable_pub, reason = "what helps tests fails them")]
#[path = "../tests/stores/servers/redis.rs"]
mod server;

/// Bytes of a line, about those of a step's result.
const LINE_BYTES: usize = 300;

/// Appends of one turn.
const TURN: usize = 6_400;

const BARE: &str = "return redis.call('RPUSH', KEYS[1], ARGV[1])";

#[derive(Clone)]
enum Side {
    Store(RedisStore),
    Bare(MultiplexedConnection, String),
}

fn body() -> Line {
    Line::of(&serde_json::json!({ "type": "step", "result": "x".repeat(LINE_BYTES - 80) })).expect("a line")
}

/// `count` appends to a log that has none, one after the other.
async fn appends(side: Side, log: String, count: usize) {
    let line = body();
    match side {
        Side::Store(store) => {
            let name = Name::new(Kind::new("runs"), &log).expect("a name");
            let mut end = Position::START;
            for _ in 0..count {
                let batch = Batch::new(Token::new(&ThreadRandom)).append(&name, end, vec![line.clone()]);
                end = store.apply(&batch).await.expect("an append")[0];
            }
        }
        Side::Bare(mut connection, hash) => {
            let key = format!("{{bare}}:log:runs/{log}");
            for number in 0..count {
                let text = format!("{{\"seq\":{number},\"token\":\"0123456789abcdef\",{}", &line.as_str()[1..]);
                let mut command = redis::cmd("EVALSHA");
                command.arg(&hash).arg(1).arg(&key).arg(text);
                command.exec_async(&mut connection).await.expect("a call");
            }
        }
    }
}

/// Appends a second of one turn.
async fn turn(side: &Side, tasks: usize, number: usize) -> f64 {
    let started = Instant::now();
    let mut set = tokio::task::JoinSet::new();
    for task in 0..tasks {
        set.spawn(appends(side.clone(), format!("{tasks}-{number}-{task}"), TURN / tasks));
    }
    set.join_all().await;
    TURN as f64 / started.elapsed().as_secs_f64()
}

/// Microseconds of processor that the server and this process have used.
fn processor(server: &server::RedisServer) -> [f64; 2] {
    let info: String = redis::cmd("INFO").arg("cpu").query(&mut server.admin()).expect("an answer");
    let field = |name: &str| {
        let found = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        found.and_then(|text| text.trim().parse::<f64>().ok()).unwrap_or(0.0)
    };
    // Behind the name in brackets: the 12th and 13th field, in hundredths of a second.
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
    let here: f64 = fields.filter_map(|text| text.parse::<f64>().ok()).sum();
    [(field("used_cpu_user") + field("used_cpu_sys")) * 1e6, here * 1e4]
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

async fn bare(port: u16) -> Side {
    let info = ConnectionAddr::Tcp("127.0.0.1".to_owned(), port).into_connection_info().expect("an address");
    let info = info.set_tcp_settings(TcpSettings::default().set_nodelay(true));
    let config = AsyncConnectionConfig::new().set_response_timeout(Some(Duration::from_secs(10)));
    let client = Client::open(info).expect("a client");
    let mut connection = client.get_multiplexed_async_connection_with_config(&config).await.expect("a connection");
    let mut load = redis::cmd("SCRIPT");
    let hash = load.arg("LOAD").arg(BARE).query_async(&mut connection).await.expect("a hash");
    Side::Bare(connection, hash)
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect::<Vec<_>>();
    let seconds = arguments.first().and_then(|text| text.parse().ok()).unwrap_or(20);
    let durable = arguments.get(1).map_or("no", String::as_str);
    let setup =
        if durable == "no" { server::Setup::forgetful() } else { server::Setup::new().with("appendfsync", durable) };
    let server = setup.start();
    let sides = [Side::Store(server.open().await), bare(server.port()).await];
    for tasks in [1, 32] {
        let (mut rates, mut ratios) = ([Vec::new(), Vec::new()], Vec::new());
        let mut used = [[0.0; 2]; 2];
        let started = Instant::now();
        let mut number = 0;
        while started.elapsed() < Duration::from_secs(seconds) {
            let mut pair = [0.0; 2];
            // Who goes first changes, so that neither always has the other's garbage to collect.
            for at in [number % 2, 1 - number % 2] {
                let before = processor(&server);
                pair[at] = turn(&sides[at], tasks, number).await;
                let after = processor(&server);
                (0..2).for_each(|place| used[at][place] += after[place] - before[place]);
                rates[at].push(pair[at]);
            }
            ratios.push(pair[0] / pair[1]);
            number += 1;
        }
        let [store, bare] = rates.each_mut().map(|rates| median(rates));
        println!(
            "appendfsync {durable}, {tasks} at a time: store {store:.0}/s, bare {bare:.0}/s, {:.1} % (median of {number} turns)",
            100.0 * median(&mut ratios)
        );
        let each = |at: usize, place: usize| used[at][place] / (number * TURN) as f64;
        println!(
            "  processor time of one: store {:.1} us (server) + {:.1} us (here), bare {:.1} us + {:.1} us",
            each(0, 0),
            each(0, 1),
            each(1, 0),
            each(1, 1)
        );
    }
}
