//! Lists of logs, and the due index.
//!
//! Both are lists of keys, in the order in which object stores list them. A list of logs names folders, so that it costs a
//! request for a thousand logs, however many appends they have.

use bytes::Bytes;

use super::Shared;
use super::bucket::Query;
use super::layout::{DUE, behind_log, kind_start, queue_start};
use crate::store::name::encode;
use crate::store::{Due, Error, Kind, Name, Queue};
use crate::time::Timestamp;

impl Shared {
    pub(super) async fn list(
        &self,
        kind: Kind,
        start: &str,
        after: Option<&Name>,
        limit: usize,
    ) -> Result<Vec<Name>, Error> {
        let folder = kind_start(kind);
        let after = after.map(|after| after.of_kind(kind));
        let query = Query {
            start: format!("{folder}{}", encode(start)),
            after: after.as_ref().map(behind_log),
            folders: true,
            limit: Some(limit),
        };
        let (mut names, mut next) = (Vec::new(), None);
        while names.len() < limit {
            let page = self.bucket.list(&query, next).await?;
            let found = page.folders.iter().filter_map(|path| Name::from_key(kind, path.strip_prefix(&folder)?));
            let wanted = found.filter(|name| after.as_ref().is_none_or(|after| name > after));
            names.extend(wanted.take(limit - names.len()));
            next = page.next;
            if next.is_none() {
                break;
            }
        }
        Ok(names)
    }

    pub(super) async fn put_due(&self, due: &Due) -> Result<(), Error> {
        self.bucket.put(&due_key(due), Bytes::new()).await
    }

    pub(super) async fn drop_due(&self, due: &Due) -> Result<(), Error> {
        self.bucket.delete(&due_key(due)).await
    }

    pub(super) async fn due(
        &self,
        queue: &Queue,
        after: Option<&Due>,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<Due>, Error> {
        let start = queue_start(queue);
        let after = after.map(due_key);
        let query = Query { start: start.clone(), after: after.clone(), limit: Some(limit), ..Query::default() };
        let (mut found, mut next) = (Vec::new(), None);
        while found.len() < limit {
            let page = self.bucket.list(&query, next).await?;
            // Some providers begin a list where they like.
            let behind = |key: &str| after.as_deref().is_none_or(|after| key > after);
            for (key, _) in page.objects.iter().filter(|(key, _)| behind(key)) {
                // `inspect` tells of what is no entry.
                let Some(due) = key.strip_prefix(&start).and_then(|entry| Due::from_entry(queue, entry)) else {
                    continue;
                };
                if due.at > now || found.len() == limit {
                    return Ok(found);
                }
                found.push(due);
            }
            next = page.next;
            if next.is_none() {
                break;
            }
        }
        Ok(found)
    }

    pub(super) async fn queues(&self) -> Result<Vec<Queue>, Error> {
        let query = Query { start: DUE.to_owned(), folders: true, ..Query::default() };
        let (mut queues, mut next) = (Vec::new(), None);
        loop {
            let page = self.bucket.list(&query, next).await?;
            queues.extend(page.folders.iter().filter_map(|path| Queue::from_key(path.strip_prefix(DUE)?)));
            next = page.next;
            if next.is_none() {
                // Folders are in the order of their names with a `/` behind them.
                queues.sort_unstable();
                return Ok(queues);
            }
        }
    }

    /// What a queue has on the first page of its list.
    pub(super) async fn first_entries(&self, queue: &Queue) -> Result<Vec<String>, Error> {
        let query = Query { start: queue_start(queue), ..Query::default() };
        Ok(self.bucket.list(&query, None).await?.objects.into_iter().map(|(key, _)| key).collect())
    }
}

fn due_key(due: &Due) -> String {
    format!("{}{}", queue_start(&due.queue), due.to_entry())
}
