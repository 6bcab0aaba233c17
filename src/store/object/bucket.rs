//! Objects of a bucket under one prefix: the few things that can be done with them, and what it means when they fail.

use std::error::Error as _;
use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use object_store::client::HttpError;
use object_store::list::{PaginatedListOptions, PaginatedListResult};
use object_store::path::Path;
use object_store::{
    Attribute, AttributeValue, Extensions, GetOptions, GetRange, ObjectStoreExt as _, PutMode, PutOptions, PutPayload,
};

use super::connect::Client;
use super::wire::{Answer, Requests, Ticket};
use crate::store::{BucketAddress, Error};

/// Most objects that one page of a list has, in every protocol.
pub(super) const PAGE_OBJECTS_MAX: usize = 1_000;

/// A page has at most a thousand keys of at most a kilobyte, each with some hundred bytes about it; escapes and what
/// providers add are generously allowed for.
const PAGE_BYTES_MAX: usize = 8 << 20;

/// Longest answer to a write.
const SMALL_BYTES_MAX: usize = 64 << 10;

/// What became of a write that must not overwrite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Created {
    /// The object is what was written.
    Done,
    /// There was an object with this key before: perhaps the same, from a request whose answer was lost.
    Exists,
}

/// What to list.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query {
    /// What keys begin with, behind the store's prefix.
    pub(crate) start: String,
    /// Only keys behind this one.
    pub(crate) after: Option<String>,
    /// Whether what follows a `/` behind `start` is left out and named once.
    pub(crate) folders: bool,
    /// At most so many; none for as many as a page has.
    pub(crate) limit: Option<usize>,
}

/// One page of a list, in order.
#[derive(Debug, Default)]
pub(crate) struct Listed {
    /// Keys behind the store's prefix, and sizes in bytes.
    pub(crate) objects: Vec<(String, u64)>,
    /// What stands before the `/`, if folders were asked for.
    pub(crate) folders: Vec<String>,
    /// Names that cannot be asked for, likewise, which are in nobody's way; those of folders end in a `/`.
    pub(crate) odd: Vec<String>,
    /// Where the next page goes on; none if there is none.
    pub(crate) next: Option<String>,
}

/// What a failed request means, by the answer to it.
enum Meaning {
    Exists,
    Absent,
    Error(Error),
}

impl Meaning {
    /// The error of a request that nothing but an absent object can answer so; `absent` is what that means.
    fn unless_absent<T>(self, bucket: &Bucket, doing: &str, absent: Result<T, Error>) -> Result<T, Error> {
        match self {
            Meaning::Absent => absent,
            Meaning::Exists => Err(bucket.unexpected(doing)),
            Meaning::Error(error) => Err(error),
        }
    }
}

/// The bucket, and what keys begin with.
#[derive(Clone)]
pub(crate) struct Bucket {
    client: Client,
    address: BucketAddress,
    /// The prefix and a `/`, or nothing.
    root: String,
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.address, f)
    }
}

impl Bucket {
    pub(super) fn new(client: Client, address: BucketAddress) -> Self {
        let root = if address.prefix().is_empty() { String::new() } else { format!("{}/", address.prefix()) };
        Bucket { client, address, root }
    }

    pub(crate) fn address(&self) -> &BucketAddress {
        &self.address
    }

    /// Where requests go, for comparison only.
    pub(super) fn endpoint(&self) -> &str {
        &self.client.endpoint
    }

    pub(super) fn requests(&self) -> Requests {
        *self.client.counters.lock()
    }

    /// An object's name in messages.
    pub(crate) fn place(&self, key: &str) -> String {
        format!("{}://{}/{}{key}", self.address.provider().scheme(), self.address.bucket(), self.root)
    }

    fn path(&self, key: &str) -> Result<Path, Error> {
        // Keys are made of checked parts.
        Path::parse(format!("{}{key}", self.root)).map_err(|e| Error::invalid("key of an object", e.to_string()))
    }

    /// Writes an object if there is none with this key.
    pub(crate) async fn create(&self, key: &str, body: Bytes) -> Result<Created, Error> {
        match self.write(key, body, PutMode::Create).await {
            Ok(()) => Ok(Created::Done),
            Err(Meaning::Exists) => Ok(Created::Exists),
            Err(Meaning::Absent) => Err(self.no_bucket()),
            Err(Meaning::Error(error)) => Err(error),
        }
    }

    /// Writes an object, whatever was there.
    pub(crate) async fn put(&self, key: &str, body: Bytes) -> Result<(), Error> {
        let written = self.write(key, body, PutMode::Overwrite).await;
        // That it exists is no precondition that was asked for: something in between is confused.
        let doing = || format!("writing {}", self.place(key));
        written.or_else(|meaning| meaning.unless_absent(self, &doing(), Err(self.no_bucket())))
    }

    async fn write(&self, key: &str, body: Bytes, mode: PutMode) -> Result<(), Meaning> {
        let ticket = Ticket::new(SMALL_BYTES_MAX);
        let mut options = PutOptions { mode, extensions: extensions(&ticket), ..PutOptions::default() };
        options.attributes.insert(Attribute::ContentType, AttributeValue::from("application/x-ndjson"));
        let path = self.path(key).map_err(Meaning::Error)?;
        match self.client.objects.put_opts(&path, PutPayload::from(body), options).await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.meaning(&format!("writing {}", self.place(key)), &error, &ticket.answer())),
        }
    }

    /// The object with this key; none if there is none.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if it has more than `bytes_max` bytes.
    pub(crate) async fn get(&self, key: &str, bytes_max: u64) -> Result<Option<Bytes>, Error> {
        let too_long = || {
            let problem = format!("it has more than {bytes_max} bytes, which is more than was written");
            Error::corrupt(self.place(key), problem)
        };
        self.read(key, None, bytes_max, too_long).await
    }

    /// Some bytes of the object with this key, as many as it has of them, perhaps none; none if there is no object.
    pub(crate) async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Option<Bytes>, Error> {
        let too_long = || self.unexpected(&format!("reading {}", self.place(key)));
        self.read(key, Some(GetRange::Bounded(range.clone())), range.end - range.start, too_long).await
    }

    async fn read(
        &self,
        key: &str,
        range: Option<GetRange>,
        bytes_max: u64,
        too_long: impl FnOnce() -> Error,
    ) -> Result<Option<Bytes>, Error> {
        let ticket = Ticket::new(usize::try_from(bytes_max).unwrap_or(usize::MAX));
        let is_part = range.is_some();
        let options = GetOptions { range, extensions: extensions(&ticket), ..GetOptions::default() };
        let path = self.path(key)?;
        let result = match self.client.objects.get_opts(&path, options).await {
            Ok(result) => result.bytes().await,
            Err(error) => Err(error),
        };
        let (answer, doing) = (ticket.answer(), || format!("reading {}", self.place(key)));
        match result {
            Ok(body) => Ok(Some(body)),
            Err(_) if answer.too_long => Err(too_long()),
            // It is shorter than where the range begins.
            Err(_) if is_part && answer.status == Some(416) => Ok(Some(Bytes::new())),
            Err(error) => self.meaning(&doing(), &error, &answer).unless_absent(self, &doing(), Ok(None)),
        }
    }

    /// Whether there is an object with this key.
    pub(crate) async fn has(&self, key: &str) -> Result<bool, Error> {
        let ticket = Ticket::new(SMALL_BYTES_MAX);
        let options = GetOptions { head: true, extensions: extensions(&ticket), ..GetOptions::default() };
        match self.client.objects.get_opts(&self.path(key)?, options).await {
            Ok(_) => Ok(true),
            Err(error) => {
                let doing = format!("looking for {}", self.place(key));
                self.meaning(&doing, &error, &ticket.answer()).unless_absent(self, &doing, Ok(false))
            }
        }
    }

    /// Removes an object, if it is there.
    pub(crate) async fn delete(&self, key: &str) -> Result<(), Error> {
        let doing = || format!("removing {}", self.place(key));
        match self.client.objects.delete(&self.path(key)?).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            // No ticket goes with a removal; the crate tells the few cases that matter.
            Err(error) => {
                let denied = matches!(
                    error,
                    object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. }
                );
                let reason = self.client.secrets.clean(&transport(&error).unwrap_or("it was refused".to_owned()));
                Err(if denied { Error::denied(doing(), reason) } else { Error::unavailable(doing(), reason) })
            }
        }
    }

    /// One page of a list. `next` is where the page before said that it goes on.
    pub(crate) async fn list(&self, query: &Query, next: Option<String>) -> Result<Listed, Error> {
        let ticket = Ticket::for_list(PAGE_BYTES_MAX);
        let prefix = format!("{}{}", self.root, query.start);
        let options = PaginatedListOptions {
            offset: query.after.as_ref().map(|after| format!("{}{after}", self.root)),
            delimiter: query.folders.then_some("/".into()),
            max_keys: query.limit.filter(|limit| *limit < PAGE_OBJECTS_MAX),
            page_token: next,
            extensions: extensions(&ticket),
        };
        let doing = || format!("listing {}", self.place(&query.start));
        match self.client.lists.list_paginated(Some(&prefix), options).await {
            Ok(page) => {
                let own = |name: String| name.strip_prefix(&self.root).map(str::to_owned);
                let odd = ticket.answer().odd.into_iter().filter_map(own);
                let odd = odd.filter(|name| name.len() > query.start.len() && name.starts_with(&query.start)).collect();
                Ok(Listed { odd, ..self.listed(query, page)? })
            }
            Err(error) => {
                let meaning = self.meaning(&doing(), &error, &ticket.answer());
                meaning.unless_absent(self, &doing(), Err(self.no_bucket()))
            }
        }
    }

    /// Takes off the prefix, and holds the server to what was asked for.
    fn listed(&self, query: &Query, page: PaginatedListResult) -> Result<Listed, Error> {
        let own = |path: &Path| path.as_ref().strip_prefix(&self.root).map(str::to_owned);
        let wanted = |key: &String| {
            key.starts_with(&query.start) && query.after.as_ref().is_none_or(|after| key.as_str() > after.as_str())
        };
        let objects: Vec<(String, u64)> = page
            .result
            .objects
            .iter()
            .filter_map(|object| Some((own(&object.location)?, object.size)))
            .filter(|(key, _)| wanted(key))
            .collect();
        let folders: Vec<String> = page.result.common_prefixes.iter().filter_map(own).collect();
        let folder_order = |a: &String, b: &String| a.bytes().chain([b'/']).lt(b.bytes().chain([b'/']));
        if !objects.is_sorted_by(|a, b| a.0 < b.0) || !folders.is_sorted_by(folder_order) {
            return Err(self.unfit("it does not list objects in the order of their names"));
        }
        Ok(Listed { objects, folders, odd: Vec::new(), next: page.page_token })
    }

    /// What the answer to a request that failed means.
    fn meaning(&self, doing: &str, error: &object_store::Error, answer: &Answer) -> Meaning {
        let reason = |text: String| self.client.secrets.clean(&text);
        let Some(status) = answer.status else {
            let text = transport(error).unwrap_or_else(|| error.to_string());
            // Nothing has ever been sent: no credentials are to be had. Later on, they could not be renewed just now.
            let error = if answer.sent || self.requests().total() > self.requests().others {
                Error::unavailable(doing, reason(text))
            } else {
                Error::denied(doing, reason(format!("no credentials: {text}")))
            };
            return Meaning::Error(error);
        };
        let said = reason(said(answer, status));
        Meaning::Error(match (status, answer.code.as_str()) {
            // Part of the answer was lost, or it was not one.
            (200..300, _) => {
                let text = transport(error).unwrap_or("the answer makes no sense".to_owned());
                Error::unavailable(doing, reason(text))
            }
            (304 | 412, _) | (409, "BlobAlreadyExists") => return Meaning::Exists,
            (404, "NoSuchBucket" | "ContainerNotFound") => self.no_bucket(),
            (404, _) => return Meaning::Absent,
            (401 | 403, _) | (400, "ExpiredToken" | "InvalidToken" | "TokenRefreshRequired") => {
                Error::denied(doing, said)
            }
            (300..400, _) => self.unfit(&format!("it is elsewhere, in another region or at another endpoint: {said}")),
            (408 | 409 | 425 | 429, _) | (400, "RequestTimeout" | "IncompleteBody" | "BadDigest") => {
                Error::unavailable(doing, said)
            }
            (501 | 505, _) => self.unfit(&said),
            (500.., _) => Error::unavailable(doing, said),
            _ => self.unfit(&format!("{doing}: {said}")),
        })
    }

    fn no_bucket(&self) -> Error {
        self.unfit(&format!("there is no bucket `{}`", self.address.bucket()))
    }

    fn unexpected(&self, doing: &str) -> Error {
        Error::unavailable(doing, "the answer belongs to another request")
    }

    pub(super) fn unfit(&self, problem: &str) -> Error {
        Error::Unfit { place: self.address.to_string(), problem: problem.to_owned() }
    }

    /// The store contradicts itself, which passes.
    pub(super) fn behind(&self, doing: &str, what: String) -> Error {
        Error::unavailable(doing, what)
    }
}

fn extensions(ticket: &Ticket) -> Extensions {
    let mut extensions = Extensions::new();
    extensions.insert(ticket.clone());
    extensions
}

fn said(answer: &Answer, status: u16) -> String {
    let mut text = format!("the answer was {status}");
    for (separator, part) in [(" ", &answer.code), (": ", &answer.message)] {
        if !part.is_empty() {
            text.push_str(separator);
            text.push_str(part);
        }
    }
    text
}

/// What went wrong on the way, from the outermost cause that is not about the request itself, without addresses.
fn transport(error: &object_store::Error) -> Option<String> {
    let mut cause = error.source();
    while let Some(found) = cause {
        if found.is::<HttpError>() {
            let mut text = String::new();
            let mut inner = found.source();
            while let Some(part) = inner {
                if !text.is_empty() {
                    text.push_str(": ");
                }
                text.push_str(&part.to_string());
                inner = part.source();
            }
            return Some(text);
        }
        cause = found.source();
    }
    None
}
