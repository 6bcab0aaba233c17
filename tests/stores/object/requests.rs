//! What calls cost, in requests, and the folds that make reading cheap.

use temporal_code::Timestamp;
use temporal_code::stores::{Batch, BucketStore, Due, Error, Name, Position, Queue, Requests, Store, Watched};

use super::{OnFolder, Place, dense, key, line, log, numbers, one, push, push_many, token};

/// More appends than a page of a list has.
const MANY: u64 = 5_000;

/// What `call` costs.
async fn cost<T>(store: &BucketStore, call: impl Future<Output = Result<T, Error>>) -> (T, String) {
    let before = store.requests();
    let result = call.await.unwrap();
    (result, store.requests().since(&before).to_string())
}

/// Writes appends of one line each past all stores.
fn write_many(folder: &OnFolder, log: &Name, numbers: std::ops::RangeInclusive<u64>) {
    for number in numbers {
        folder.put(&key(log, number), text(number).as_bytes());
    }
}

fn text(number: u64) -> String {
    format!("{{\"seq\":{number},\"token\":\"{number:016x}\",\"text\":\"some text of a line\"}}\n")
}

/// The names of a log's folds.
fn folds(folder: &OnFolder, log: &Name) -> Vec<String> {
    let path = folder.path(&key(log, 1));
    let names = std::fs::read_dir(path.parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).filter(|n| n.starts_with('-')).collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn a_start_costs_two_writes_and_a_commit_one() {
    let place = Place::new();
    let queue = Queue::default();
    let due = |second: i64| Due { queue: queue.clone(), at: Timestamp::from_micros(second), run: log("a") };
    let store = place.open();
    let start = |log: &Name| Batch::new(token()).append(log, Position::START, vec![line("start")]).put_due(due(1));
    // The first write of all tries out the bucket, the first of a handle looks that somebody did.
    let (_, first) = cost(&store, store.apply(&start(&log("a")))).await;
    assert_eq!(first, "37 puts, 6 gets, 1 list, 5 deletes");
    let store = place.open();
    let (_, second) = cost(&store, store.apply(&start(&log("b")))).await;
    assert_eq!(second, "2 puts, 1 get");
    let (ends, third) = cost(&store, store.apply(&start(&log("c")))).await;
    assert_eq!(third, "2 puts");
    let commit = Batch::new(token())
        .append(&log("c"), ends[0], vec![line("save"), line("sleep")])
        .put_due(due(2))
        .drop_due(due(1));
    let (ends, commit) = cost(&store, store.apply(&commit)).await;
    assert_eq!(commit, "2 puts, 1 delete");
    let (_, append) = cost(&store, store.apply(&one(&log("c"), ends[0], "x"))).await;
    assert_eq!(append, "1 put");
    // Who has read to the end, or asked for it, needs no more.
    let reader = place.open();
    push(&reader, &log("other"), Position::START, "x").await;
    let (page, read) = cost(&reader, reader.read(&log("c"), 0, 1 << 20)).await;
    assert_eq!(read, "3 gets, 1 list");
    let (_, append) = cost(&reader, reader.apply(&one(&log("c"), page.end().last, "y"))).await;
    assert_eq!(append, "1 put");
    let (end, asked) = cost(&store, store.end(&log("c"))).await;
    assert_eq!(asked, "1 get, 1 list");
    let (_, append) = cost(&store, store.apply(&one(&log("c"), end.last, "z"))).await;
    assert_eq!(append, "1 put");
}

#[tokio::test]
async fn losing_a_race_and_not_knowing_cost_little_more() {
    let place = Place::new();
    let (winner, loser) = (place.open(), place.open());
    push(&loser, &log("a"), Position::START, "one").await;
    let end = winner.end(&log("a")).await.unwrap().last;
    push(&winner, &log("a"), end, "two").await;
    let before = loser.requests();
    assert!(matches!(loser.apply(&one(&log("a"), end, "late")).await, Err(Error::Conflict { actual: 2, .. })));
    assert_eq!(loser.requests().since(&before).to_string(), "1 put, 1 get, 1 head");
    // What has landed is known again, here and elsewhere.
    let batch = one(&log("b"), Position::START, "x");
    loser.apply(&batch).await.unwrap();
    let (_, here) = cost(&loser, loser.apply(&batch)).await;
    assert_eq!(here, "1 get");
    let (_, elsewhere) = cost(&winner, winner.apply(&batch)).await;
    assert_eq!(elsewhere, "1 put, 1 get");
    // A number that was never seen is looked at first, so that none is left out.
    let stranger = place.open();
    push(&stranger, &log("c"), Position::START, "x").await;
    let (_, cost_of_stranger) = cost(&stranger, stranger.apply(&one(&log("a"), Position::at(2), "x"))).await;
    assert_eq!(cost_of_stranger, "1 put, 1 get, 1 list");
    let before = stranger.requests();
    assert!(matches!(stranger.apply(&one(&log("a"), Position::at(9), "x")).await, Err(Error::Lost { .. })));
    assert_eq!(stranger.requests().since(&before).to_string(), "1 head, 1 list");
    assert_eq!(numbers(&stranger, &log("a"), 1).await, dense(3));
}

#[tokio::test]
async fn looking_again_costs_one_request_or_none() {
    let place = Place::new();
    let (writer, reader) = (place.open(), place.open());
    let end = push_many(&writer, &log("a"), Position::START, 3).await;
    assert_eq!(numbers(&reader, &log("a"), 1 << 20).await, dense(3));
    let (page, nothing_new) = cost(&reader, reader.read(&log("a"), 3, 1 << 20)).await;
    assert!(page.text().is_empty() && page.end().last == end && !page.has_more());
    assert_eq!(nothing_new, "1 get");
    let (_, same_end) = cost(&reader, reader.end(&log("a"))).await;
    assert_eq!(same_end, "1 list");
    push(&writer, &log("a"), end, "four").await;
    let (page, something_new) = cost(&reader, reader.read(&log("a"), 3, 1 << 20)).await;
    assert_eq!((page.lines().count(), something_new.as_str()), (1, "1 get, 1 list"));
    let (_, nothing) = cost(&reader, reader.read(&log("nothing"), 0, 1 << 20)).await;
    assert_eq!(nothing, "1 list");
    let seal = Batch::new(token()).seal(&log("a"), page.end().last, vec![line("seal")]);
    writer.apply(&seal).await.unwrap();
    for store in [&writer, &place.open()] {
        let sealed = store.end(&log("a")).await.unwrap();
        let (_, again) = cost(store, store.end(&log("a"))).await;
        let (_, read) = cost(store, store.read(&log("a"), sealed.last.number(), 1)).await;
        assert_eq!((again.as_str(), read.as_str()), ("no requests", "no requests"));
        let before = store.requests();
        assert!(store.apply(&one(&log("a"), sealed.last, "x")).await.is_err());
        assert!(store.requests().since(&before).total() <= 2, "a get to see whether it is the seal, and the marker");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_log_is_read_by_its_appends_first_and_then_by_folds() {
    let folder = OnFolder::new().await;
    let place = &folder.place;
    let long = log("long");
    write_many(&folder, &long, 1..=MANY);
    // Who only reads writes nothing.
    let reader = place.open();
    let (end, asked) = cost(&reader, reader.end(&long)).await;
    assert_eq!((end.last.number(), asked.as_str()), (MANY, "1 get, 5 lists"));
    let (page, read) = cost(&reader, reader.read(&long, 0, 1 << 20)).await;
    assert_eq!((page.end().last.number(), page.has_more()), (MANY, false));
    assert_eq!(read, format!("{MANY} gets, 5 lists"));
    assert_eq!(folds(&folder, &long), [""; 0]);
    // Who writes folds what it reads.
    let writer = place.open();
    push(&writer, &log("other"), Position::START, "x").await;
    let (_, read) = cost(&writer, writer.read(&long, 0, 1 << 20)).await;
    assert_eq!(read, format!("1 put, {MANY} gets, 5 lists"));
    let folded = folds(&folder, &long);
    assert_eq!(folded.len(), 1, "{folded:?}");
    assert!(folded[0].ends_with(&format!("-{:020}-{:020}.jsonl", 1, MANY - 1)), "all but the last: {folded:?}");
    // Everybody reads little then, in whatever pages.
    for bytes in [1 << 20, 10_000] {
        let reader = place.open();
        let before = reader.requests();
        assert_eq!(numbers(&reader, &long, bytes).await, dense(MANY));
        assert_eq!(reader.requests().since(&before).to_string(), "2 gets, 2 lists", "in pages of {bytes}");
    }
    let reader = place.open();
    let (end, asked) = cost(&reader, reader.end(&long)).await;
    assert_eq!((end.last.number(), asked.as_str()), (MANY, "1 get, 2 lists"));
    // From the middle as well.
    let reader = place.open();
    let (page, read) = cost(&reader, reader.read(&long, 500, 1 << 20)).await;
    assert_eq!((page.lines().next().unwrap().0.seq, page.end().last.number()), (501, MANY));
    assert_eq!(read, "2 gets, 3 lists");
    // And a log that goes on goes on.
    let end = push_many(&reader, &long, page.end().last, 3).await;
    assert_eq!(place.open().end(&long).await.unwrap().last, end);
    assert_eq!(numbers(&place.open(), &long, 100_000).await, dense(MANY + 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn folds_grow_into_larger_ones() {
    let folder = OnFolder::new().await;
    let place = &folder.place;
    let grown = log("grown");
    let writer = place.open();
    push(&writer, &log("other"), Position::START, "x").await;
    let page = text(512).len() * 64;
    write_many(&folder, &grown, 1..=512);
    // Read in pages of 64 appends, it is folded in as many folds.
    assert_eq!(numbers(&writer, &grown, page).await, dense(512));
    assert_eq!(folds(&folder, &grown).len(), 7);
    // A page of folds and appends makes one of both, if they are many.
    assert_eq!(numbers(&writer, &grown, 1 << 20).await, dense(512));
    let folded = folds(&folder, &grown);
    assert_eq!(folded.len(), 1, "{folded:?}");
    assert!(folded[0].ends_with(&format!("{:020}.jsonl", 511)), "{folded:?}");
    let reader = place.open();
    let before = reader.requests();
    assert_eq!(numbers(&reader, &grown, 1 << 20).await, dense(512));
    assert_eq!(reader.requests().since(&before).to_string(), "2 gets, 1 list");
    assert_eq!(writer.inspect(false).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fold_that_is_damaged_or_gone_is_done_without() {
    let folder = OnFolder::new().await;
    let place = &folder.place;
    let long = log("long");
    let writer = place.open();
    push(&writer, &log("other"), Position::START, "x").await;
    write_many(&folder, &long, 1..=80);
    assert_eq!(numbers(&writer, &long, 1 << 20).await, dense(80));
    let fold = format!("runs/long/1/{}", folds(&folder, &long).remove(0));
    let good = std::fs::read(folder.path(&fold)).unwrap();
    let third = good.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(2).unwrap().0;
    let short = text(1);
    let damaged: [&[u8]; 5] = [b"", b"\xff\x00garbage", &good[..good.len() / 2], &good[third + 1..], short.as_bytes()];
    for damage in damaged {
        folder.put(&fold, damage);
        assert_eq!(numbers(&writer, &long, 1 << 20).await, dense(80), "by who has seen the fold");
        assert_eq!(numbers(&place.open(), &long, 3_000).await, dense(80), "by who has not");
        let found = place.open().inspect(false).await.unwrap();
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].place.contains("/-0000") && found[0].remedy.is_some() && !found[0].repaired, "{found:?}");
    }
    assert!(writer.inspect(true).await.unwrap()[0].repaired);
    assert_eq!((folds(&folder, &long).len(), place.open().inspect(false).await.unwrap().len()), (0, 0));
    assert_eq!(numbers(&place.open(), &long, 1 << 20).await, dense(80));
    // One that claims more than there is does not hide the end.
    folder.put(
        &key(&long, 1).replace("000001.jsonl", "000001-00000000000000000900.jsonl").replace("/0000", "/-0000"),
        &good,
    );
    assert_eq!(place.open().end(&long).await.unwrap().last.number(), 80);
    assert_eq!(numbers(&place.open(), &long, 1 << 20).await, dense(80));
    assert_eq!(place.open().inspect(false).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_logs_costs_a_request_for_a_thousand() {
    let folder = OnFolder::new().await;
    for number in 0..1_250 {
        folder.put(&key(&log(&format!("{number:04}")), 1), text(1).as_bytes());
    }
    write_many(&folder, &log("0500"), 2..=40);
    let store = folder.place.open();
    let (names, all) = cost(&store, store.list(super::RUNS, "", None, usize::MAX)).await;
    assert_eq!((names.len(), all.as_str()), (1_250, "2 lists"));
    let (page, few) = cost(&store, store.list(super::RUNS, "", Some(&names[499]), 10)).await;
    assert_eq!((page.as_slice(), few.as_str()), (&names[500..510], "1 list"));
    let (page, some) = cost(&store, store.list(super::RUNS, "12", Some(&names[5]), 1_000)).await;
    assert_eq!((page.as_slice(), some.as_str()), (&names[1_200..], "1 list"));
    let (_, none) = cost(&store, store.list(super::RUNS, "", None, 0)).await;
    assert_eq!(none, "no requests");
}

#[tokio::test]
async fn what_is_due_is_listed_until_now() {
    let place = Place::new();
    let (store, queue) = (place.open(), Queue::default());
    for second in 0..20 {
        let due = Due { queue: queue.clone(), at: Timestamp::from_micros(second), run: log("a") };
        store.apply(&Batch::new(token()).put_due(due)).await.unwrap();
    }
    let (due, asked) = cost(&store, store.due(&queue, None, Timestamp::from_micros(9), 100)).await;
    assert_eq!((due.len(), asked.as_str()), (10, "1 list"));
    let (due, asked) = cost(&store, store.due(&queue, None, Timestamp::from_micros(9), 3)).await;
    assert_eq!((due.len(), asked.as_str()), (3, "1 list"));
    let (queues, asked) = cost(&store, store.queues()).await;
    assert_eq!((queues, asked.as_str()), (vec![queue], "1 list"));
}

#[tokio::test]
async fn watching_costs_one_cheap_request_for_each_look() {
    let place = Place::new();
    let (reader, writer) = (place.open(), place.open());
    let end = push(&writer, &log("a"), Position::START, "one").await;
    reader.end(&log("a")).await.unwrap();
    let before = reader.requests();
    let mut watch = reader.watch(Watched::Log(log("a"))).await.unwrap();
    assert!(!watch.changed(std::time::Duration::from_millis(700)).await);
    let looks = reader.requests().since(&before);
    assert!((1..=5).contains(&looks.heads) && looks.total() == looks.heads, "{looks}");
    push(&writer, &log("a"), end, "two").await;
    assert!(watch.changed(std::time::Duration::from_secs(20)).await);
    let mut quiet = true;
    for _ in 0..3 {
        quiet &= !watch.changed(std::time::Duration::from_millis(200)).await;
    }
    assert!(quiet, "it wakes once for one append, also if nobody reads it");
    // What the same process does wakes at once, without a request.
    let mut own = writer.watch(Watched::Log(log("b"))).await.unwrap();
    let waiting = tokio::spawn(async move { own.changed(std::time::Duration::from_secs(20)).await });
    push(&writer, &log("b"), Position::START, "x").await;
    assert!(waiting.await.unwrap());
}

#[tokio::test]
async fn forgetting_writes_each_append_once() {
    let place = Place::new();
    let store = place.open();
    let end = push_many(&store, &log("a"), Position::START, 30).await;
    store.apply(&Batch::new(token()).seal(&log("a"), end, vec![line("seal")])).await.unwrap();
    let (_, forgotten) = cost(&store, store.forget(&log("a"))).await;
    assert_eq!(forgotten, "30 puts, 3 lists");
    let (_, again) = cost(&store, store.forget(&log("a"))).await;
    assert_eq!(again, "3 lists");
    assert_eq!(Requests::default().total(), 0);
}
