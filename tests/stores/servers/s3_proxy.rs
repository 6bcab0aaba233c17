//! A proxy before an S3 server that does to requests and answers what networks and servers do.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What is done to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// It is not forwarded; the answer is this status and code.
    Answer(u16, &'static str),
    /// It is forwarded; half of the answer's body comes, and the connection is closed.
    HalfBody,
    /// It is forwarded, and the answer waits.
    Slow(Duration),
    /// The connection is closed before it is forwarded.
    CloseBefore,
    /// It is forwarded; the connection is closed in place of an answer.
    CloseAfter,
    /// The connection is closed, and it is forwarded this much later.
    Late(Duration),
    /// It is delivered twice; the second answer comes back.
    Twice,
    /// The answer is the one that the same request had when nothing was done to it; the first time, its own.
    Stale,
    /// Sent elsewhere, where there is an answer.
    Redirect(u16),
    /// An answer without an end.
    Endless,
    /// The answer is a page for people, and says that all is well.
    Html,
    /// The answer has no `ETag`.
    Nameless,
    /// What forbids to overwrite is left out.
    Overwrite,
    /// It is looked whether there is an object, and this much later it is written.
    LookThenWrite(Duration),
    /// No two of these are forwarded at the same time.
    Alone,
}

/// A request, as a plan sees it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    /// With the query.
    pub(crate) target: String,
    /// It must not overwrite.
    pub(crate) is_create: bool,
}

impl Seen {
    pub(crate) fn is_list(&self) -> bool {
        self.target.contains("list-type=2")
    }
}

type Plan = Box<dyn FnMut(&Seen) -> Fault + Send>;

struct State {
    plan: Plan,
    count: usize,
    /// Answers by request.
    before: HashMap<String, Vec<u8>>,
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// The proxy; it ends when it is dropped.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Proxy {
    /// A proxy before the server at `upstream`, which changes nothing yet.
    pub(crate) async fn start(upstream: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = State { plan: Box::new(|_| Fault::None), count: 0, before: HashMap::new(), turn: Arc::default() };
        let state = Arc::new(Mutex::new(state));
        let shared = state.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = shared.clone();
                // A client that goes away is none of the proxy's business.
                tokio::spawn(async move { serve(stream, upstream, &state).await.ok() });
            }
        });
        Proxy { port, state, task }
    }

    /// From now on, requests suffer what `plan` says.
    pub(crate) fn plan(&self, plan: impl FnMut(&Seen) -> Fault + Send + 'static) {
        let mut state = self.state.lock().unwrap();
        state.plan = Box::new(plan);
        state.count = 0;
    }

    /// The first request that `wanted` accepts suffers `fault`; all others pass.
    pub(crate) fn once(&self, fault: Fault, wanted: impl Fn(&Seen) -> bool + Send + 'static) {
        let mut done = false;
        self.plan(move |seen| {
            if !done && wanted(seen) {
                done = true;
                return fault;
            }
            Fault::None
        });
    }

    /// Nothing more is done to requests. How many there were since the plan was set.
    pub(crate) fn calm(&self) -> usize {
        let count = self.state.lock().unwrap().count;
        self.plan(|_| Fault::None);
        count
    }
}

/// One request, and its answer; then the connection is closed.
async fn serve(mut client: TcpStream, upstream: u16, state: &Mutex<State>) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    let Some((request, seen)) = read_request(&mut client).await? else { return Ok(()) };
    let fault = {
        let mut state = state.lock().unwrap();
        state.count += 1;
        (state.plan)(&seen)
    };
    let key = format!("{} {}", seen.method, seen.target);
    match fault {
        Fault::CloseBefore => return Ok(()),
        Fault::Answer(status, code) => {
            return client.write_all(&failure(status, code, &seen.method)).await;
        }
        Fault::Html => return client.write_all(&answer("200 OK", HTML)).await,
        Fault::Redirect(status) => {
            let there = format!(
                "HTTP/1.1 {status} Elsewhere\r\nLocation: http://127.0.0.1:{upstream}/elsewhere\r\nContent-Length: 0\r\n\
                 Connection: close\r\n\r\n"
            );
            return client.write_all(there.as_bytes()).await;
        }
        Fault::Endless => return pour(&mut client).await,
        Fault::Late(delay) => {
            tokio::spawn(async move {
                tokio::time::sleep(delay).await;
                forward(upstream, &request).await
            });
            return Ok(());
        }
        _ => {}
    }
    let mut answer = match fault {
        Fault::Overwrite => forward(upstream, &without_condition(&request)).await?,
        Fault::LookThenWrite(delay) => {
            let look = forward(upstream, &look(&request)).await?;
            tokio::time::sleep(delay).await;
            match look.get(9..12) {
                Some(b"404") => forward(upstream, &without_condition(&request)).await?,
                _ => failure(412, "PreconditionFailed", "PUT"),
            }
        }
        Fault::Alone => {
            let turn = state.lock().unwrap().turn.clone();
            let _turn = turn.lock().await;
            forward(upstream, &request).await?
        }
        _ => forward(upstream, &request).await?,
    };
    if fault == Fault::Twice {
        answer = forward(upstream, &request).await?;
    }
    match fault {
        Fault::CloseAfter => return Ok(()),
        Fault::Stale => answer = state.lock().unwrap().before.entry(key).or_insert(answer).clone(),
        Fault::Slow(delay) => tokio::time::sleep(delay).await,
        Fault::Nameless => answer = without_header(&answer, "etag:"),
        Fault::HalfBody => {
            let head = head_end(&answer).unwrap_or(answer.len());
            answer.truncate(head + (answer.len() - head) / 2);
        }
        _ => _ = state.lock().unwrap().before.insert(key, answer.clone()),
    }
    client.write_all(&answer).await?;
    client.shutdown().await
}

fn head_end(text: &[u8]) -> Option<usize> {
    Some(text.windows(4).position(|part| part == b"\r\n\r\n")? + 4)
}

/// The request as it is to be forwarded, on a connection of its own.
async fn read_request(client: &mut TcpStream) -> std::io::Result<Option<(Vec<u8>, Seen)>> {
    let mut text = Vec::new();
    let end = loop {
        if let Some(end) = head_end(&text) {
            break end;
        }
        if client.read_buf(&mut text).await? == 0 {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(&text[..end]).into_owned();
    let mut lines = head.lines();
    let mut first = lines.next().unwrap_or_default().split(' ');
    let (method, target) = (first.next().unwrap_or_default(), first.next().unwrap_or_default());
    let mut length = 0;
    let mut is_create = false;
    let mut forwarded = format!("{method} {target} HTTP/1.1\r\nConnection: close\r\n");
    for line in lines.filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().unwrap_or(0),
            "if-none-match" => is_create = value.trim() == "*",
            "connection" => continue,
            _ => {}
        }
        forwarded.push_str(&format!("{line}\r\n"));
    }
    forwarded.push_str("\r\n");
    while text.len() < end + length {
        if client.read_buf(&mut text).await? == 0 {
            return Ok(None);
        }
    }
    let seen = Seen { method: method.to_owned(), target: target.to_owned(), is_create };
    let mut request = forwarded.into_bytes();
    request.extend_from_slice(&text[end..]);
    Ok(Some((request, seen)))
}

async fn forward(upstream: u16, request: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut server = TcpStream::connect(("127.0.0.1", upstream)).await?;
    server.set_nodelay(true)?;
    server.write_all(request).await?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).await?;
    Ok(answer)
}

fn without_header(message: &[u8], name: &str) -> Vec<u8> {
    let end = head_end(message).unwrap_or(0);
    let head = String::from_utf8_lossy(&message[..end]).into_owned();
    let kept = head.split_inclusive("\r\n").filter(|line| !line.to_ascii_lowercase().starts_with(name));
    let mut changed = kept.collect::<String>().into_bytes();
    changed.extend_from_slice(&message[end..]);
    changed
}

/// The same request without the header that forbids to overwrite.
fn without_condition(request: &[u8]) -> Vec<u8> {
    without_header(request, "if-none-match:")
}

/// The question whether there is what a request is to write.
fn look(request: &[u8]) -> Vec<u8> {
    let end = head_end(request).unwrap_or(0);
    let head = String::from_utf8_lossy(&request[..end]).replacen("PUT", "HEAD", 1);
    without_header(&without_condition(head.as_bytes()), "content-length:")
}

fn failure(status: u16, code: &str, method: &str) -> Vec<u8> {
    let body = match (code, method) {
        ("", _) | (_, "HEAD") => String::new(),
        _ => format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>On purpose.</Message></Error>"),
    };
    answer(&format!("{status} Failure"), &body)
}

/// What a login of a network shows, or a server whose web pages are at the endpoint.
const HTML: &str = "<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body><p>Please.</p></body></html>\n";

fn answer(status: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}").into_bytes()
}

/// Goes on until the client has enough.
async fn pour(client: &mut TcpStream) -> std::io::Result<()> {
    client.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n").await?;
    let much = vec![b' '; 1 << 20];
    loop {
        client.write_all(&much).await?;
    }
}
