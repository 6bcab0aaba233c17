//! Waking those who wait.

use std::time::{Duration, Instant};

use super::{Medium, Place, push, token};
use crate::store::{Batch, Due, Position, Watched};
use crate::time::Timestamp;

/// Longest that a change may take to wake a watch which looks for itself at least this often.
const BOUND: Duration = Duration::from_secs(10);

/// A watch that began before an append, by another handle, wakes for it: also when the append came before the wait.
pub async fn a_watch_wakes_for_its_log(medium: &dyn Medium) {
    let (reader, writer, place) = (medium.open().await.unwrap(), medium.open().await.unwrap(), Place::new("watch"));
    let log = place.log("a");
    let mut end = Position::START;
    let mut watch = reader.watch(Watched::Log(log.clone())).await.unwrap();
    for number in 0..3 {
        end = push(&*writer, &log, end, "before the wait").await;
        assert!(watch.changed(BOUND).await, "append {number} before the wait was not noticed");
        let (writer, log) = (writer.clone(), log.clone());
        let append = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            push(&*writer, &log, end, "during the wait").await
        });
        // A medium may wake once too often, but not once too seldom.
        let started = Instant::now();
        while reader.end(&log_of(&place)).await.unwrap().last == end {
            watch.changed(BOUND).await;
            assert!(started.elapsed() < 2 * BOUND, "append {number} during the wait was not noticed");
        }
        end = append.await.unwrap();
    }
}

fn log_of(place: &Place) -> crate::store::Name {
    place.log("a")
}

/// A watch of a queue wakes for an entry that comes to it.
pub async fn a_watch_wakes_for_its_queue(medium: &dyn Medium) {
    let (reader, writer, place) = (medium.open().await.unwrap(), medium.open().await.unwrap(), Place::new("wake"));
    let queue = place.queue("q");
    let mut watch = reader.watch(Watched::Queue(queue.clone())).await.unwrap();
    for number in 0..3 {
        let at = Timestamp::from_micros(number);
        let put = Batch::new(token()).put_due(Due { queue: queue.clone(), at, run: place.log("r") });
        writer.apply(&put).await.unwrap();
        assert!(watch.changed(BOUND).await, "entry {number} was not noticed");
        assert_eq!(reader.due(&queue, None, at, 9).await.unwrap().len(), number as usize + 1);
    }
}

/// Nothing happens: the wait is over when its time is, not much before and not much after.
pub async fn a_watch_without_a_change_ends_at_its_bound(medium: &dyn Medium) {
    let (store, place) = (medium.open().await.unwrap(), Place::new("quiet"));
    let mut watch = store.watch(Watched::Log(place.log("a"))).await.unwrap();
    let started = Instant::now();
    while started.elapsed() < Duration::from_millis(300) {
        let before = Instant::now();
        let changed = watch.changed(Duration::from_millis(300)).await;
        assert!(before.elapsed() < BOUND);
        if !changed {
            assert!(before.elapsed() >= Duration::from_millis(250), "it ended early");
        }
    }
}
