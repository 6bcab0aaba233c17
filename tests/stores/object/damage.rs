//! Objects that others removed, changed and added.

use temporal_code::stores::{Batch, BucketStore, Error, Finding, Position, Store};

use super::{Place, dense, key, line, log, numbers, one, push_many, token};

/// A log of five appends; the third has three lines: 1, 2, 3–5, 6, 7.
async fn five(place: &Place, id: &str) -> BucketStore {
    let store = place.open();
    let a = log(id);
    let end = push_many(&store, &a, Position::START, 2).await;
    let three = Batch::new(token()).append(&a, end, vec![line("a"), line("b"), line("c")]);
    let end = store.apply(&three).await.unwrap()[0];
    push_many(&store, &a, end, 2).await;
    store
}

/// Reading by a new handle fails and says where.
async fn corrupt(place: &Place, id: &str, expected: &str) {
    let store = place.open();
    let error = match store.read(&log(id), 0, 1 << 20).await {
        Err(error) => error,
        Ok(page) => panic!("{page:?}"),
    };
    assert!(matches!(error, Error::Corrupt { .. }) && error.to_string().contains(expected), "{error}");
}

async fn findings(place: &Place, repair: bool) -> Vec<Finding> {
    let found = place.open().inspect(repair).await.unwrap();
    assert!(found.iter().all(|finding| finding.place.starts_with("s3://bucket-")), "{found:?}");
    assert!(found.iter().all(|finding| !format!("{finding:?}").contains('\u{1b}')), "{found:?}");
    found
}

/// One thing is found, at this place, and nothing is repaired.
async fn found(place: &Place, at: &str, problem: &str) {
    for repair in [false, true] {
        let found = findings(place, repair).await;
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].place.contains(at) && found[0].problem.contains(problem), "{found:?}");
        assert!(found[0].remedy.is_none() && !found[0].repaired, "{found:?}");
    }
}

#[tokio::test]
async fn an_append_that_is_missing_is_noticed() {
    let place = Place::new();
    let writer = five(&place, "a").await;
    place.delete(&key(&log("a"), 3));
    corrupt(&place, "a", "line 3 is missing").await;
    found(&place, "000000006.jsonl", "lines 3 to 5 are missing").await;
    // What is in front of it is there, and what stands behind it as well.
    let page = place.open().read(&log("a"), 0, 1).await.unwrap();
    assert_eq!((page.lines().count(), page.has_more()), (1, true));
    let page = place.open().read(&log("a"), 5, 1 << 20).await.unwrap();
    assert_eq!(page.lines().count(), 2);
    assert!(matches!(place.open().read(&log("a"), 3, 1).await, Err(Error::Corrupt { .. })));
    assert_eq!(writer.end(&log("a")).await.unwrap().last.number(), 7);
}

#[tokio::test]
async fn an_end_that_is_missing_is_lost_for_who_knew_it() {
    let place = Place::new();
    let writer = five(&place, "a").await;
    place.delete(&key(&log("a"), 7));
    assert!(matches!(writer.end(&log("a")).await, Err(Error::Lost { .. })));
    let writer = five(&place, "b").await;
    place.delete(&key(&log("b"), 7));
    assert!(matches!(writer.read(&log("b"), 0, 1 << 20).await, Err(Error::Lost { .. })));
    let fresh = place.open();
    assert!(matches!(fresh.read(&log("a"), 7, 1).await, Err(Error::Lost { .. })));
    assert!(matches!(fresh.apply(&one(&log("a"), Position::at(7), "x")).await, Err(Error::Lost { .. })));
    assert_eq!(numbers(&fresh, &log("a"), 1 << 20).await, dense(6));
    // A whole log is gone.
    let writer = five(&place, "c").await;
    for first in [1, 2, 3, 6, 7] {
        place.delete(&key(&log("c"), first));
    }
    assert!(matches!(writer.end(&log("c")).await, Err(Error::Lost { .. })));
    assert_eq!(findings(&place, false).await, []);
}

#[tokio::test]
async fn what_is_no_append_is_corrupt() {
    let place = Place::new();
    five(&place, "a").await;
    let third = key(&log("a"), 3);
    let good = place.get(&third).unwrap();
    let lines: Vec<&[u8]> = good.split_inclusive(|byte| *byte == b'\n').collect();
    let deep = format!("{{\"seq\":3,\"token\":\"00000000000000ff\",\"a\":{}\n", "[".repeat(100_000));
    let damaged: Vec<(Vec<u8>, &str)> = vec![
        (b"garbage".to_vec(), "byte 0"),
        (b"\x1b[31m\n".to_vec(), "byte 0"),
        (good[..good.len() - 1].to_vec(), "not a whole append"),
        (good[..good.len() / 2].to_vec(), "not a whole append"),
        ([lines[0], lines[2]].concat(), "line 5"),
        ([lines[1], lines[2]].concat(), "line 4"),
        (deep.into_bytes(), "not a line of a log"),
    ];
    for (damage, expected) in damaged {
        place.put(&third, &damage);
        corrupt(&place, "a", expected).await;
        found(&place, "000000003.jsonl", expected).await;
        // Its number stays taken, and so does every other.
        let store = place.open();
        for after in 0..7 {
            assert!(store.apply(&one(&log("a"), Position::at(after), "x")).await.is_err(), "behind {after}");
        }
    }
    place.put(&third, &good);
    assert_eq!(findings(&place, false).await, []);
    assert_eq!(numbers(&place.open(), &log("a"), 1).await, dense(7));
    // An append that goes further than the next begins.
    place.put(&key(&log("a"), 4), b"{\"seq\":4,\"token\":\"00000000000000ff\",\"a\":1}\n");
    corrupt(&place, "a", "the append before it goes to line 5").await;
    found(&place, "000000004.jsonl", "the append before it goes to line 5").await;
}

#[tokio::test]
async fn nothing_follows_a_seal() {
    let place = Place::new();
    let store = place.open();
    let end = push_many(&store, &log("a"), Position::START, 2).await;
    store.apply(&Batch::new(token()).seal(&log("a"), end, vec![line("seal")])).await.unwrap();
    place.put(&key(&log("a"), 4), b"{\"seq\":4,\"token\":\"00000000000000ff\",\"a\":1}\n");
    corrupt(&place, "a", "follows a seal").await;
    found(&place, "000000004.jsonl", "sealed before, by line 3").await;
    // Who knows the seal is not led astray.
    assert!(matches!(store.apply(&one(&log("a"), Position::at(3), "x")).await, Err(Error::Sealed { last: 3, .. })));
    assert!(matches!(store.apply(&one(&log("a"), Position::at(4), "x")).await, Err(Error::Lost { .. })));
}

#[tokio::test]
async fn forgetting_that_was_cut_off_reads_as_done_and_can_be_finished() {
    let place = Place::new();
    let store = five(&place, "a").await;
    store.apply(&Batch::new(token()).seal(&log("a"), Position::at(7), vec![line("8"), line("seal")])).await.unwrap();
    let reader = place.open();
    assert_eq!(numbers(&reader, &log("a"), 1 << 20).await, dense(9));
    // The process died behind the first object.
    place.put(&key(&log("a"), 1), b"");
    assert_eq!(numbers(&place.open(), &log("a"), 1).await, [8, 9]);
    let half = findings(&place, true).await;
    assert!(half.len() == 1 && half[0].problem.contains("forget it again"), "{half:?}");
    store.forget(&log("a")).await.unwrap();
    assert_eq!(findings(&place, false).await, []);
    for first in [1, 2, 3, 6, 7] {
        assert_eq!(place.get(&key(&log("a"), first)).unwrap(), b"");
    }
    for handle in [&store, &reader, &place.open()] {
        assert_eq!(numbers(handle, &log("a"), 1 << 20).await, [8, 9]);
        for (after, expected) in [(1, vec![8, 9]), (3, vec![8, 9]), (4, vec![8, 9]), (8, vec![9]), (9, vec![])] {
            let page = handle.read(&log("a"), after, 1 << 20).await.unwrap();
            assert_eq!(page.lines().map(|(header, _)| header.seq).collect::<Vec<_>>(), expected, "behind {after}");
        }
        assert!(matches!(handle.read(&log("a"), 10, 1).await, Err(Error::Lost { .. })));
    }
    // Objects of a log that is not sealed must not be empty.
    five(&place, "b").await;
    place.put(&key(&log("b"), 2), b"");
    corrupt(&place, "b", "is empty").await;
    found(&place, "runs/b/1/", "not sealed").await;
}

#[tokio::test]
async fn a_page_may_begin_within_an_append() {
    let place = Place::new();
    five(&place, "a").await;
    for after in 0..=7 {
        let page = place.open().read(&log("a"), after, 1 << 20).await.unwrap();
        let expected: Vec<u64> = (after + 1..=7).collect();
        assert_eq!(page.lines().map(|(header, _)| header.seq).collect::<Vec<_>>(), expected, "behind {after}");
        assert_eq!(page.end().last.number(), 7);
    }
    // And nothing is appended there, nor behind the end.
    let store = place.open();
    for after in [3, 4] {
        let error = store.apply(&one(&log("a"), Position::at(after), "x")).await.unwrap_err();
        assert!(matches!(error, Error::Conflict { actual: 7, .. }), "{error:?}");
    }
    // Also not by who holds a line of it for its end.
    let page = store.read(&log("a"), 2, 1).await.unwrap();
    let (header, _) = page.lines().next().unwrap();
    let error = place.open().apply(&one(&log("a"), Position::behind(header), "x")).await.unwrap_err();
    assert!(matches!(error, Error::Conflict { expected: 3, actual: 7, .. }), "{error:?}");
    let last_is_long = log("b");
    let long = Batch::new(token()).append(&last_is_long, Position::START, vec![line("a"), line("b"), line("c")]);
    store.apply(&long).await.unwrap();
    let page = place.open().read(&last_is_long, 2, 1).await.unwrap();
    assert_eq!(page.lines().map(|(header, _)| header.seq).collect::<Vec<_>>(), [3]);
    assert!(matches!(
        place.open().apply(&one(&last_is_long, Position::at(2), "x")).await,
        Err(Error::Conflict { expected: 2, actual: 3, .. })
    ));
    assert_eq!(findings(&place, false).await, []);
}

#[tokio::test]
async fn strange_objects_are_found_and_otherwise_left_alone() {
    let place = Place::new();
    five(&place, "a").await;
    let strange = [
        "note.txt",
        "runs",
        "runs/a",
        "runs/a/1/note.txt",
        "runs/a/1/00000000000000000000.jsonl",
        "runs/a/1/x/00000000000000000001.jsonl",
        "runs/a/01/00000000000000000001.jsonl",
        "runs/=2f/1/00000000000000000001.jsonl",
        "Runs/a/1/00000000000000000001.jsonl",
        "due/default/never",
        "due/x",
        "store.jsonl",
        "runs/%E2%80%AE/1/x",
    ];
    for key in strange {
        place.put(key, b"x");
    }
    place.put("store.probe/0000/0", b"x");
    assert_eq!(numbers(&place.open(), &log("a"), 1).await, dense(7));
    assert_eq!(place.open().list(super::RUNS, "", None, 9).await.unwrap(), [log("a")]);
    assert_eq!(place.open().queues().await.unwrap(), [temporal_code::stores::Queue::default()]);
    assert_eq!(place.open().due(&Default::default(), None, temporal_code::Timestamp::MAX, 9).await.unwrap(), []);
    let found = findings(&place, false).await;
    assert_eq!(found.len(), strange.len() + 1, "{found:#?}");
    assert_eq!(found.iter().filter(|finding| finding.remedy.is_some()).count(), 1);
    assert!(found.iter().all(|finding| finding.place.is_ascii()), "{found:#?}");
    // What only tried out the bucket can go; everything else is for a person to decide.
    assert_eq!(findings(&place, true).await.iter().filter(|finding| finding.repaired).count(), 1);
    assert_eq!(findings(&place, true).await.len(), strange.len());
    // A name with an empty part cannot be asked for. It is told of, and in nobody's way; what stands for a folder is nothing.
    place.put("runs//hunter%1B[31m", b"x");
    place.put("runs/none/", b"");
    assert_eq!(place.open().list(super::RUNS, "", None, 1).await.unwrap(), [log("a")]);
    let found = findings(&place, false).await;
    let odd = found.iter().filter(|finding| finding.place.contains("runs//hunter"));
    assert_eq!((found.len(), odd.count()), (strange.len() + 1, 1), "{found:#?}");
    assert!(found.iter().all(|finding| finding.place.is_ascii()), "{found:#?}");
    assert_eq!(numbers(&place.open(), &log("a"), 1).await, dense(7));
}
