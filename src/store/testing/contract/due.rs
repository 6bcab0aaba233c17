//! The index of what is due when.

use super::{Medium, Place, dense, lines, token};
use crate::store::{Batch, Due, Position};
use crate::time::Timestamp;

fn at(second: i64) -> Timestamp {
    Timestamp::from_micros(1_800_000_000_000_000 + second * 1_000_000)
}

/// What is due comes earliest first, and what is not yet due does not come.
pub async fn entries_come_in_order_when_their_time_has_come(medium: &dyn Medium) {
    let (store, place) = (medium.open().await.unwrap(), Place::new("due"));
    let queue = place.queue("q");
    let entry = |time: Timestamp, run: &str| Due { queue: queue.clone(), at: time, run: place.log(run) };
    let far = [
        Timestamp::MIN,
        at(-4_000_000_000),
        at(0).offset_micros(-1),
        at(0),
        at(0).offset_micros(1),
        at(1),
        at(90_000),
        Timestamp::MAX,
    ];
    let mut entries: Vec<Due> = far.iter().enumerate().map(|(n, time)| entry(*time, &format!("r{n}"))).collect();
    entries.push(entry(at(0), "../r"));
    entries.push(Due { run: place.log("r3").in_generation(2), ..entry(at(0), "r3") });
    for due in entries.iter().rev() {
        store.apply(&Batch::new(token()).put_due(due.clone())).await.unwrap();
    }
    let store = medium.open().await.unwrap();
    let found = store.due(&queue, None, Timestamp::MAX, 100).await.unwrap();
    assert!(found.iter().map(|due| due.at).is_sorted(), "{found:?}");
    let mut sorted = found.clone();
    sorted.sort();
    entries.sort();
    assert_eq!(sorted, entries, "each comes as it was put");
    for now in far {
        let due = store.due(&queue, None, now, 100).await.unwrap();
        assert_eq!(due.len(), entries.iter().filter(|entry| entry.at <= now).count(), "at {now}");
        assert!(due.iter().all(|entry| entry.at <= now));
        let few = store.due(&queue, None, now, 2).await.unwrap();
        assert_eq!(few, due[..due.len().min(2)], "the earliest, at {now}");
    }
}

/// Who goes through entries page by page meets each once, in the same order, also if the last of a page is dropped meanwhile.
pub async fn many_entries_are_gone_through_in_pages(medium: &dyn Medium) {
    let (store, place) = (medium.open().await.unwrap(), Place::new("pages"));
    let queue = place.queue("q");
    for (hour, second) in [(0, 0), (0, 0), (0, 1), (1, 0), (30, 0)] {
        let ids = ["a", "a-b", "a.b", "a/b", "aa", "b"].map(|id| format!("{id}{second}"));
        let entries = ids.map(|id| Due { queue: queue.clone(), at: at(hour * 3600 + second), run: place.log(&id) });
        let put = entries.into_iter().fold(Batch::new(token()), Batch::put_due);
        store.apply(&put).await.unwrap();
    }
    let last = at(2 * 3600);
    let all = store.due(&queue, None, last, 100).await.unwrap();
    assert_eq!(all.len(), 18, "{all:?}");
    for limit in [1, 4, 18, 100] {
        let (mut found, mut after) = (Vec::new(), None);
        while found.len() <= all.len() {
            let page = store.due(&queue, after.as_ref(), last, limit).await.unwrap();
            assert!(page.len() <= limit);
            let Some(end) = page.last().cloned() else { break };
            found.extend(page);
            store.apply(&Batch::new(token()).drop_due(end.clone())).await.unwrap();
            after = Some(end);
        }
        assert_eq!(found, all, "in pages of {limit}");
        let put = all.iter().cloned().fold(Batch::new(token()), Batch::put_due);
        store.apply(&put).await.unwrap();
    }
}

/// The same entry may be put and dropped again and again.
pub async fn entries_are_put_and_dropped_once(medium: &dyn Medium) {
    let (store, place) = (medium.open().await.unwrap(), Place::new("once"));
    let (queue, run) = (place.queue("q"), place.log("r"));
    let now = Due { queue: queue.clone(), at: at(0), run: run.clone() };
    let later = Due { at: at(10), ..now.clone() };
    let put = Batch::new(token()).put_due(now.clone()).put_due(now.clone()).put_due(later.clone());
    store.apply(&put).await.unwrap();
    store.apply(&put).await.unwrap();
    assert_eq!(store.due(&queue, None, at(10), 9).await.unwrap(), [now.clone(), later.clone()]);
    let drop = Batch::new(token()).drop_due(now.clone()).drop_due(now.clone());
    store.apply(&drop).await.unwrap();
    store.apply(&drop).await.unwrap();
    assert_eq!(medium.open().await.unwrap().due(&queue, None, at(10), 9).await.unwrap(), std::slice::from_ref(&later));
    store.apply(&Batch::new(token()).drop_due(later).put_due(now.clone())).await.unwrap();
    assert_eq!(store.due(&queue, None, at(10), 9).await.unwrap(), std::slice::from_ref(&now));
    store.apply(&Batch::new(token()).drop_due(now)).await.unwrap();
    assert!(store.due(&queue, None, Timestamp::MAX, 9).await.unwrap().is_empty());
}

/// Queues have their own entries, whatever they are called, and are listed while they have any.
pub async fn queues_do_not_mix(medium: &dyn Medium) {
    let (store, place) = (medium.open().await.unwrap(), Place::new("queues"));
    let names = ["a", "a/b", "../a", "b", "a b", "ü"];
    for name in names {
        let due = Due { queue: place.queue(name), at: at(0), run: place.log(name) };
        store.apply(&Batch::new(token()).put_due(due)).await.unwrap();
    }
    let store = medium.open().await.unwrap();
    for name in names {
        let found = store.due(&place.queue(name), None, at(0), 9).await.unwrap();
        assert_eq!(found.iter().map(|due| due.run.clone()).collect::<Vec<_>>(), [place.log(name)], "{name}");
    }
    let queues = store.queues().await.unwrap();
    assert!(queues.is_sorted());
    for name in names {
        assert!(queues.contains(&place.queue(name)), "{name}");
    }
    assert!(store.due(&place.queue("empty"), None, Timestamp::MAX, 9).await.unwrap().is_empty());
}

/// A batch may append and change what is due, in any order; all of it is done.
pub async fn one_batch_appends_and_sets_what_is_due(medium: &dyn Medium) {
    let (store, place) = (medium.open().await.unwrap(), Place::new("both"));
    let (queue, run, child) = (place.queue("q"), place.log("r"), place.log("c"));
    let first = Due { queue: queue.clone(), at: at(0), run: run.clone() };
    let start = Batch::new(token()).append(&run, Position::START, lines(&["start"])).put_due(first.clone());
    let end = store.apply(&start).await.unwrap()[0];
    let next = Due { at: at(60), ..first.clone() };
    let commit = Batch::new(token())
        .append(&run, end, lines(&["save", "sleep"]))
        .append(&child, Position::START, lines(&["start"]))
        .put_due(next.clone())
        .put_due(Due { run: child.clone(), ..first.clone() })
        .drop_due(first);
    let ends = store.apply(&commit).await.unwrap();
    assert_eq!(ends.iter().map(|end| end.number()).collect::<Vec<_>>(), [3, 1]);
    let store = medium.open().await.unwrap();
    assert_eq!(dense(&*store, &run).await, ["start", "save", "sleep"]);
    let due = store.due(&queue, None, at(60), 9).await.unwrap();
    assert_eq!(due, [Due { queue, at: at(0), run: child }, next]);
}
