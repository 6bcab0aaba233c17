//! Deleting entries of both streams.

use std::sync::Arc;

use ::redis::{Value, cmd};

use super::super::Place;
use super::super::clean::{Cleaner, Counter, Plan};
use super::page::Range;
use super::read::RedisPieces;
use super::{RedisSite, Shared};
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

impl RedisSite {
    /// The stream that a plan is for, and an entry of it.
    fn key_of(&self, plan: &str) -> &str {
        let is_calls = plan == self.shared.name_of(&self.shared.calls);
        if is_calls { &self.shared.calls } else { &self.shared.decisions }
    }
}

impl Cleaner for RedisSite {
    fn read(&self, plan: &Plan, part: &str) -> Result<Option<Vec<u8>>, Error> {
        let Some(place) = Place::parse(part) else { return Ok(None) };
        let range = Range { to: place, count: 1, ..Range::from(place) };
        let page = self.shared.page(self.key_of(&plan.name), range, None)?;
        Ok((page.count > 0).then_some(page.text))
    }

    fn delete(&self, plan: &Plan) -> Result<(), Error> {
        for some in plan.parts.chunks(TOGETHER_MAX) {
            let mut command = cmd("XDEL");
            command.arg(self.key_of(&plan.name)).arg(some);
            self.shared.ask(command, "cleaning an evolution log")?;
        }
        Ok(())
    }
}
