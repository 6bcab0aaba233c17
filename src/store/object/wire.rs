//! The requests themselves: each is sent once, counted, bounded in time and in what it may bring, and its answer is noted
//! as it came.
//!
//! The crate `object_store` says which requests are made and signs them; it would also make them again after a failure,
//! follow redirects, ask the environment for proxies, read answers of any length, and call several answers by one name.
//! All of that is decided here instead: its retries are off, this is the client that it is given, and what became of a
//! request is read from the [`Ticket`] that went along with it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt as _;
use object_store::ClientOptions;
use object_store::client::{
    ClientConfigKey, HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody,
    HttpService,
};
use parking_lot::Mutex;

use super::xml::{self, NotAList};
use crate::store::tls;

/// Longest answer to a request that is not for an object or a list.
const SMALL_ANSWER_BYTES_MAX: usize = 1 << 20;

/// How long the metadata service of a cloud may take, which is next to the machine.
const METADATA_MAX: Duration = Duration::from_secs(2);

/// Most that is read of an answer that tells of a failure.
const FAILURE_BYTES_MAX: usize = 64 << 10;

/// An idle connection is not used again after this long: servers close theirs after some twenty seconds, and a request
/// that meets the closing is lost.
const IDLE_MAX: Duration = Duration::from_secs(10);

/// How many requests were sent to a store, by what they cost. Requests that failed are counted as well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    /// Writes of an object.
    pub puts: u64,
    /// Reads of an object.
    pub gets: u64,
    /// Questions whether there is an object.
    pub heads: u64,
    /// Pages of lists.
    pub lists: u64,
    /// Removals of an object.
    pub deletes: u64,
    /// For credentials, and removals at Azure.
    pub others: u64,
}

impl Requests {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.by_word().iter().map(|(count, _)| count).sum()
    }

    /// How many of each, with the word for one.
    fn by_word(&self) -> [(u64, &'static str); 6] {
        [
            (self.puts, "put"),
            (self.gets, "get"),
            (self.heads, "head"),
            (self.lists, "list"),
            (self.deletes, "delete"),
            (self.others, "other"),
        ]
    }

    /// One more.
    fn count(&mut self, request: &HttpRequest, has_ticket: bool) {
        let query = request.uri().query().unwrap_or_default();
        let is_list = query.split('&').any(|part| matches!(part, "list-type=2" | "comp=list"));
        let counter = match request.method().as_str() {
            "DELETE" => &mut self.deletes,
            _ if !has_ticket => &mut self.others,
            "PUT" => &mut self.puts,
            "GET" if is_list => &mut self.lists,
            "GET" => &mut self.gets,
            "HEAD" => &mut self.heads,
            _ => &mut self.others,
        };
        *counter += 1;
    }

    /// Those since `before`.
    #[must_use]
    pub fn since(&self, before: &Requests) -> Self {
        Requests {
            puts: self.puts - before.puts,
            gets: self.gets - before.gets,
            heads: self.heads - before.heads,
            lists: self.lists - before.lists,
            deletes: self.deletes - before.deletes,
            others: self.others - before.others,
        }
    }
}

/// For people: `3 puts, 1 list`.
impl fmt::Display for Requests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (count, word) in self.by_word().into_iter().filter(|(count, _)| *count > 0) {
            write!(f, "{separator}{count} {word}{}", if count == 1 { "" } else { "s" })?;
            separator = ", ";
        }
        if separator.is_empty() { f.write_str("no requests") } else { Ok(()) }
    }
}

/// What became of one request.
#[derive(Clone, Debug, Default)]
pub(super) struct Answer {
    /// It was signed and given to the network.
    pub(super) sent: bool,
    /// The status of the answer; none if there was none.
    pub(super) status: Option<u16>,
    /// The word by which the server calls a failure, such as `NoSuchBucket`.
    pub(super) code: String,
    /// What the server says of it; not cleaned.
    pub(super) message: String,
    /// The answer was longer than what was asked for can be.
    pub(super) too_long: bool,
    /// Names in a list that were taken out of it.
    pub(super) odd: Vec<String>,
}

/// Goes along with a request, and comes back with its [`Answer`].
#[derive(Clone, Debug)]
pub(super) struct Ticket {
    bytes_max: usize,
    is_list: bool,
    answer: Arc<Mutex<Answer>>,
}

impl Ticket {
    /// For a request whose answer may be this long.
    pub(super) fn new(bytes_max: usize) -> Self {
        Ticket { bytes_max, is_list: false, answer: Arc::default() }
    }

    /// For a page of a list, and nothing else.
    pub(super) fn for_list(bytes_max: usize) -> Self {
        Ticket { is_list: true, ..Ticket::new(bytes_max) }
    }

    pub(super) fn answer(&self) -> Answer {
        self.answer.lock().clone()
    }

    fn note(&self, change: impl FnOnce(&mut Answer)) {
        change(&mut self.answer.lock());
    }
}

/// Makes the clients that `object_store` uses.
#[derive(Debug)]
pub(super) struct Connector {
    pub(super) counters: Arc<Mutex<Requests>>,
    pub(super) request_timeout: Duration,
    pub(super) connect_timeout: Duration,
    pub(super) proxy: Option<Proxy>,
    pub(super) allow_invalid_certificates: bool,
}

/// A proxy that the user named.
#[derive(Clone)]
pub(super) struct Proxy {
    pub(super) url: String,
    pub(super) excludes: Option<String>,
}

/// Its address may hold a password.
impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Proxy")
    }
}

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let failed = |source: reqwest::Error| object_store::Error::Generic {
            store: "HTTP client",
            source: source.without_url().into(),
        };
        tls::choose_cryptography();
        let http = options.get_config_value(&ClientConfigKey::AllowHttp).is_some_and(|value| value == "true");
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .http1_only()
            .https_only(!http)
            .timeout(self.request_timeout)
            .connect_timeout(self.connect_timeout)
            .pool_idle_timeout(IDLE_MAX);
        if let Some(proxy) = &self.proxy {
            let excludes = proxy.excludes.as_deref().and_then(reqwest::NoProxy::from_string);
            builder = builder.proxy(reqwest::Proxy::all(&proxy.url).map_err(failed)?.no_proxy(excludes));
        }
        if self.allow_invalid_certificates {
            builder = builder.tls_danger_accept_invalid_certs(true);
        }
        let client = HttpClient::new(builder.build().map_err(failed)?);
        Ok(HttpClient::new(Wire { client, counters: self.counters.clone() }))
    }
}

/// Sends requests.
#[derive(Debug)]
struct Wire {
    client: HttpClient,
    counters: Arc<Mutex<Requests>>,
}

#[async_trait]
impl HttpService for Wire {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let ticket = request.extensions().get::<Ticket>().cloned();
        self.counters.lock().count(&request, ticket.is_some());
        let ticket = ticket.unwrap_or(Ticket::new(SMALL_ANSWER_BYTES_MAX));
        ticket.note(|answer| answer.sent = true);
        let answered = match is_for_machines(&request) {
            false => self.client.execute(request).await?,
            true => match tokio::time::timeout(METADATA_MAX, self.client.execute(request)).await {
                Ok(answered) => answered?,
                Err(_) => return Err(HttpError::new(HttpErrorKind::Timeout, NoMetadata)),
            },
        };
        let (parts, body) = answered.into_parts();
        let status = parts.status;
        ticket.note(|answer| answer.status = Some(status.as_u16()));
        if !status.is_success() {
            // The status decides. What else is said is read as far as it comes.
            let text = read_failure(body).await;
            ticket.note(|answer| (answer.code, answer.message) = xml::failure(&text));
            return Ok(HttpResponse::from_parts(parts, HttpResponseBody::from(text)));
        }
        match read_body(body, ticket.bytes_max).await {
            Ok(Some(bytes)) => {
                let body = checked(&ticket, bytes).map_err(|error| HttpError::new(HttpErrorKind::Decode, error))?;
                Ok(HttpResponse::from_parts(parts, HttpResponseBody::from(body)))
            }
            Ok(None) => {
                ticket.note(|answer| answer.too_long = true);
                Err(HttpError::new(HttpErrorKind::Decode, TooLong))
            }
            Err(error) => Err(error),
        }
    }
}

/// What was asked for: of a list, without names that cannot be asked for, which are noted.
fn checked(ticket: &Ticket, body: Bytes) -> Result<Bytes, NotAList> {
    if !ticket.is_list {
        return Ok(body);
    }
    let (kept, odd) = xml::sift(&body)?;
    ticket.note(|answer| answer.odd = odd);
    Ok(kept.into())
}

/// Whether what a cloud tells its own machines is asked for: elsewhere nobody answers.
fn is_for_machines(request: &HttpRequest) -> bool {
    let host = request.uri().host().unwrap_or_default();
    host.starts_with("169.254.")
        || host == "metadata.google.internal"
        || request.uri().path().starts_with("/latest/") && !request.extensions().get::<Ticket>().is_some()
}

#[derive(Debug, thiserror::Error)]
#[error("this machine has no credentials of its own: its metadata service does not answer")]
struct NoMetadata;

#[derive(Debug, thiserror::Error)]
#[error("the answer is longer than it can be")]
struct TooLong;

/// The whole body; none if it is longer than `bytes_max`.
async fn read_body(body: HttpResponseBody, bytes_max: usize) -> Result<Option<Bytes>, HttpError> {
    let mut stream = body.bytes_stream();
    let Some(first) = stream.next().await.transpose()? else { return Ok(Some(Bytes::new())) };
    let mut rest = Vec::new();
    while let Some(part) = stream.next().await.transpose()? {
        if rest.is_empty() {
            rest.extend_from_slice(&first);
        }
        if rest.len() + part.len() > bytes_max {
            return Ok(None);
        }
        rest.extend_from_slice(&part);
    }
    let body = if rest.is_empty() { first } else { rest.into() };
    Ok((body.len() <= bytes_max).then_some(body))
}

/// What an answer says that tells of a failure: its beginning, if it is cut off or too long.
async fn read_failure(body: HttpResponseBody) -> Vec<u8> {
    let mut stream = body.bytes_stream();
    let mut text = Vec::new();
    while let Some(Ok(part)) = stream.next().await {
        text.extend_from_slice(&part[..part.len().min(FAILURE_BYTES_MAX - text.len())]);
        if text.len() == FAILURE_BYTES_MAX {
            break;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_is_read_to_its_bound() {
        let body = || HttpResponseBody::from(vec![7u8; 100]);
        assert_eq!(read_body(body(), 100).await.unwrap().unwrap().len(), 100);
        assert_eq!(read_body(body(), 99).await.unwrap(), None);
        assert_eq!(read_body(HttpResponseBody::from(Vec::new()), 0).await.unwrap().unwrap().len(), 0);
        assert_eq!(read_failure(HttpResponseBody::from("x".repeat(1 << 20))).await.len(), FAILURE_BYTES_MAX);
    }

    #[test]
    fn counts_are_shown_for_people() {
        let requests = Requests { puts: 1, lists: 2, ..Requests::default() };
        assert_eq!(requests.to_string(), "1 put, 2 lists");
        assert_eq!(Requests::default().to_string(), "no requests");
        assert_eq!((requests.total(), requests.since(&requests).total()), (3, 0));
    }
}
