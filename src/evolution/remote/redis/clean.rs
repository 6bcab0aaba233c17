//! Deleting entries of both streams.

use std::sync::Arc;

use ::redis::{Value, cmd};

use super::page::Range;
use super::read::RedisPieces;
use super::shared::Shared;
use crate::evolution::piece::Place;
use crate::evolution::remote::clean::{Counter, Plan};
use crate::store::Error;
use crate::time::Timestamp;

/// How many entries one command deletes: the server serves nobody else meanwhile.
const TOGETHER_MAX: usize = 500;

/// What could go of each stream that there is.
pub(super) fn plans(shared: &Arc<Shared>, older_than: Option<Timestamp>) -> Result<Vec<Plan>, Error> {
    let mut plans = Vec::new();
    for key in [&shared.calls, &shared.decisions] {
        if shared.ask(cmd("EXISTS").arg(key).to_owned(), "looking for an evolution log")? == Value::Int(1) {
            plans.push(plan(shared, key, older_than)?);
        }
    }
    Ok(plans)
}

fn plan(shared: &Arc<Shared>, key: &str, older_than: Option<Timestamp>) -> Result<Plan, Error> {
    let mut counter = Counter::new(shared.name_of(key), older_than);
    let range = Range { to: shared.end_of(key)?, ..Range::from(Place::default()) };
    let mut pages = RedisPieces::new(shared, key, range);
    while let Some(page) = pages.next_page()? {
        for (place, lines) in page.entries() {
            counter.part(|| place.to_string(), lines);
        }
    }
    Ok(counter.finish())
}

/// The stream that a plan is for.
fn key_of<'a>(shared: &'a Shared, plan: &Plan) -> &'a str {
    let is_calls = plan.name == shared.name_of(&shared.calls);
    if is_calls { &shared.calls } else { &shared.decisions }
}

/// The lines of an entry; none if it is gone.
pub(super) fn read_part(shared: &Shared, plan: &Plan, part: &str) -> Result<Option<Vec<u8>>, Error> {
    let Some(place) = Place::parse(part) else { return Ok(None) };
    let range = Range { to: place, count: 1, ..Range::from(place) };
    let page = shared.page(key_of(shared, plan), range, None)?;
    Ok((page.count > 0).then_some(page.text))
}

/// Deletes the entries that a plan names.
pub(super) fn delete(shared: &Shared, plan: &Plan) -> Result<(), Error> {
    for some in plan.parts.chunks(TOGETHER_MAX) {
        let mut command = cmd("XDEL");
        command.arg(key_of(shared, plan)).arg(some);
        shared.ask(command, "cleaning an evolution log")?;
    }
    Ok(())
}
