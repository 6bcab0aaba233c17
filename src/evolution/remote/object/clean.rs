//! Deleting segments, and emptying decisions.

use std::io::Read as _;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use super::fetch::{AT_ONCE, patiently};
use super::list::Segments;
use super::names::{DECISIONS, decision, number_of};
use super::read::{Decisions, SegmentPieces, list_decisions, whole};
use super::shared::Shared;
use crate::evolution::piece::{Content, Reading, store_error};
use crate::evolution::remote::clean::{Counter, Plan};
use crate::store::Error;
use crate::store::object::{Created, EVOLUTION};
use crate::time::Timestamp;

/// Largest segment that is read to be counted or archived, in (decompressed) bytes.
const SEGMENT_BYTES_MAX: u64 = 256 << 20;

/// What could go of segments and decisions. Copies of logs are not ours to delete.
pub(super) fn plans(shared: &Arc<Shared>, older_than: Option<Timestamp>) -> Result<Vec<Plan>, Error> {
    let plans = [plan_segments(shared, older_than)?, plan_decisions(shared, older_than)?];
    Ok(plans.into_iter().filter(|plan| plan.counts.bytes > 0 || plan.counts.unreadable > 0).collect())
}

fn plan_segments(shared: &Arc<Shared>, older_than: Option<Timestamp>) -> Result<Plan, Error> {
    let mut counter = Counter::new(shared.name_of(EVOLUTION), older_than);
    let reading = Reading::default();
    // Those that have a younger event stay as they are; how many events they have their names say.
    let (mut young, mut segments) = (Segments::new(shared, &reading)?, Segments::new(shared, &reading)?);
    if let Some(limit) = older_than {
        while let Some(listed) = young.next()? {
            if listed.segment.last >= limit {
                counter.young(listed.size, listed.segment.lines);
            }
        }
        segments = segments.older_than(limit);
    }
    let mut pieces = SegmentPieces::new(shared, segments.with_copies(), false);
    while let Some((listed, content)) = pieces.next_segment()? {
        match lines_of(content)? {
            Some(lines) => counter.part(|| listed.key, &lines),
            None => counter.lost(|| listed.key),
        }
    }
    // The same segment put twice is one, and goes with its copies.
    let mut plan = counter.finish();
    plan.parts.extend(pieces.copies().filter(|_| plan.counts.fate.deletes()).map(|copy| copy.key));
    Ok(plan)
}

fn plan_decisions(shared: &Arc<Shared>, older_than: Option<Timestamp>) -> Result<Plan, Error> {
    let mut counter = Counter::new(shared.name_of(DECISIONS), older_than);
    let numbers = list_decisions(shared)?.into_iter().filter(|(_, size)| *size > 0).collect();
    let mut decisions = Decisions::new(shared, numbers);
    while let Some((number, content)) = decisions.next()? {
        match lines_of(content)? {
            Some(lines) => counter.part(|| decision(number), &lines),
            None => counter.lost(|| decision(number)),
        }
    }
    Ok(counter.finish())
}

/// All of an object's lines; none if it cannot be read to its end.
fn lines_of(content: Content) -> Result<Option<Vec<u8>>, Error> {
    let packed = match content.lines() {
        Ok(lines) => return Ok(Some(lines)),
        Err(packed) => packed,
    };
    let mut lines = Vec::new();
    match packed.and_then(|reader| reader.take(SEGMENT_BYTES_MAX + 1).read_to_end(&mut lines)) {
        Ok(_) => Ok((lines.len() as u64 <= SEGMENT_BYTES_MAX).then_some(lines)),
        Err(error) if store_error(&error).is_some() => Err(Error::unavailable("reading a segment", error)),
        // What is damaged is not for us to throw away.
        Err(_) => Ok(None),
    }
}

/// The lines of an object; none if it is gone.
pub(super) fn read_part(shared: &Shared, part: &str) -> Result<Option<Vec<u8>>, Error> {
    lines_of(whole(shared.begin_fetch(part, SEGMENT_BYTES_MAX))?)
}

/// Deletes the segments that a plan names, and empties the decisions.
pub(super) fn delete(shared: &Shared, plan: &Plan) -> Result<(), Error> {
    let (bucket, parts) = (shared.bucket(), plan.parts.clone());
    shared.worker.run(async move {
        let delete = |part: String| {
            let bucket = bucket.clone();
            async move {
                match number_of(&part) {
                    // A number once given is never free again.
                    Some(_) => patiently(|| bucket.put(&part, Bytes::new())).await,
                    None => patiently(|| bucket.delete(&part)).await,
                }
            }
        };
        stream::iter(parts.into_iter().map(delete)).buffer_unordered(AT_ONCE).try_collect::<()>().await
    })?;
    if plan.parts.iter().any(|part| number_of(part).is_some()) {
        tell_that_decisions_changed(shared)?;
    }
    Ok(())
}

/// An empty object as the next decision, so that all who follow read them anew.
fn tell_that_decisions_changed(shared: &Shared) -> Result<(), Error> {
    let mut next = list_decisions(shared)?.last().map_or(1, |(number, _)| number + 1);
    let store = shared.store.clone();
    shared.worker.run(async move {
        store.prove().await?;
        // Others may decide just now: who follows hears of these, and then of what follows them.
        loop {
            let key = decision(next);
            if patiently(|| store.bucket().create(&key, Bytes::new())).await? == Created::Done {
                return Ok(());
            }
            next += 1;
        }
    })
}
