//! Appending and reading.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Medium, Place, all, dense, insist, line, lines, one, push, token};
use crate::store::{Batch, End, Error, LINE_BYTES_MAX, Line, Position, Store};

/// Lines get the numbers 1, 2, 3 …, and are read from any of them.
pub async fn lines_are_numbered_and_come_back(medium: &dyn Medium) {
    let (store, place) = (medium.open().await.unwrap(), Place::new("numbered"));
    let log = place.log("a");
    assert_eq!(store.end(&log).await.unwrap(), End::START);
    assert!(store.read(&log, 0, 1).await.unwrap().text().is_empty());
    let first = push(&*store, &log, Position::START, "one").await;
    assert_eq!(first.number(), 1);
    let both = store.apply(&Batch::new(token()).append(&log, first, lines(&["two", "three"]))).await.unwrap();
    assert_eq!(both[0].number(), 3);
    assert_eq!(store.end(&log).await.unwrap(), End { last: both[0], sealed: false });
    assert_eq!(dense(&*store, &log).await, ["one", "two", "three"]);
    let page = store.read(&log, 1, 1 << 20).await.unwrap();
    assert_eq!(page.lines().map(|(header, _)| header.seq).collect::<Vec<_>>(), [2, 3]);
    let page = store.read(&log, 3, 1 << 20).await.unwrap();
    assert_eq!((page.text().len(), page.end().last, page.has_more()), (0, both[0], false));
    // A caller that knows only the number may go on as well.
    push(&*store, &log, Position::at(3), "four").await;
    assert_eq!(dense(&*store, &log).await.len(), 4);
}

/// Bodies are not changed: spaces, escapes, large numbers, any Unicode.
pub async fn what_was_written_comes_back_byte_for_byte(medium: &dyn Medium) {
    let (store, place) = (medium.open().await.unwrap(), Place::new("bytes"));
    let log = place.log("a");
    let bodies = [
        r#"{"a":  1e400, "b":12345678901234567890123 }"#,
        r#"{"é":"\u001b[31m\ud83d\ude00 \u0000 \\ \"","x":"𝒳 ẍ"}"#,
        "{\"u\":\"\u{2028}\u{85}\u{feff}\"}",
        r#"{"seq ":"]]}","":{"seq":9,"token":"x"}}"#,
    ];
    let given: Vec<Line> = bodies.iter().map(|body| Line::new(body).unwrap()).collect();
    store.apply(&Batch::new(token()).append(&log, Position::START, given)).await.unwrap();
    let page = medium.open().await.unwrap().read(&log, 0, 1 << 20).await.unwrap();
    let found: Vec<&[u8]> = page.lines().map(|(_, line)| line).collect();
    assert_eq!(found.len(), bodies.len());
    for (found, body) in found.iter().zip(bodies) {
        let end = &body.as_bytes()[1..];
        assert!(found.ends_with(end.trim_ascii_start()), "{}", String::from_utf8_lossy(found));
    }
}

/// Of 32 writers that race for one number, one wins, and every other is told that it has not.
pub async fn of_many_writers_of_one_number_one_wins(medium: &dyn Medium) {
    const WRITERS: usize = 32;
    let place = Place::new("race");
    let log = place.log("a");
    let mut stores: Vec<Arc<dyn Store>> = Vec::new();
    for _ in 0..8 {
        stores.push(medium.open().await.unwrap());
    }
    let mut end = Position::START;
    for round in 0..12 {
        let barrier = Arc::new(tokio::sync::Barrier::new(WRITERS));
        let mut tasks = tokio::task::JoinSet::new();
        for writer in 0..WRITERS {
            let (store, barrier) = (stores[writer % stores.len()].clone(), barrier.clone());
            let batch = one(&log, end, &format!("{round} {writer}"));
            tasks.spawn(async move {
                barrier.wait().await;
                (writer, insist(&*store, &batch).await)
            });
        }
        let mut winners = Vec::new();
        while let Some(done) = tasks.join_next().await {
            match done.unwrap() {
                (writer, Ok(ends)) => winners.push((writer, ends[0])),
                (_, Err(Error::Conflict { expected, actual, .. })) => {
                    assert_eq!((expected, actual), (end.number(), end.number() + 1));
                }
                (_, Err(error)) => panic!("round {round}: {error:?}"),
            }
        }
        assert_eq!(winners.len(), 1, "round {round}: {winners:?}");
        let (winner, position) = winners[0];
        let texts = dense(&*stores[round % 8], &log).await;
        assert_eq!(texts.len(), round + 1);
        assert_eq!(texts[round], format!("{round} {winner}"), "what is there is what the winner wrote");
        end = position;
    }
}

/// Writers that read and try again after each conflict each get all their lines in, once.
pub async fn writers_in_contention_lose_nothing(medium: &dyn Medium) {
    const EACH: usize = 10;
    let place = Place::new("contention");
    let log = place.log("a");
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 0..6 {
        let (store, log) = (medium.open().await.unwrap(), log.clone());
        tasks.spawn(async move {
            for number in 0..EACH {
                let mut end = store.end(&log).await.unwrap().last;
                loop {
                    match insist(&*store, &one(&log, end, &format!("{writer} {number}"))).await {
                        Ok(_) => break,
                        Err(Error::Conflict { .. }) => end = store.end(&log).await.unwrap().last,
                        Err(error) => panic!("{error:?}"),
                    }
                }
            }
        });
    }
    tasks.join_all().await;
    let texts = dense(&*medium.open().await.unwrap(), &log).await;
    assert_eq!(texts.len(), 6 * EACH);
    for writer in 0..6 {
        let mine: Vec<_> = texts.iter().filter(|text| text.starts_with(&format!("{writer} "))).collect();
        let expected: Vec<_> = (0..EACH).map(|number| format!("{writer} {number}")).collect();
        assert_eq!(mine, expected.iter().collect::<Vec<_>>(), "in the order in which they were written");
    }
}

/// A batch that has landed may be applied again at any time, by anybody: it is known by its token.
pub async fn the_same_batch_again_changes_nothing(medium: &dyn Medium) {
    let (store, place) = (medium.open().await.unwrap(), Place::new("again"));
    let (a, b) = (place.log("a"), place.log("b"));
    let batch = Batch::new(token()).append(&a, Position::START, lines(&["a1", "a2"])).append(
        &b,
        Position::START,
        lines(&["b1"]),
    );
    let ends = store.apply(&batch).await.unwrap();
    assert_eq!(store.apply(&batch).await.unwrap(), ends);
    push(&*store, &a, ends[0], "a3").await;
    let other = medium.open().await.unwrap();
    assert_eq!(other.apply(&batch).await.unwrap(), ends, "also after others went on");
    assert_eq!(dense(&*other, &a).await, ["a1", "a2", "a3"]);
    assert_eq!(dense(&*other, &b).await, ["b1"]);
    // The same lines with another token are another append.
    let same_text = Batch::new(token()).append(&b, Position::START, lines(&["b1"]));
    assert!(matches!(other.apply(&same_text).await, Err(Error::Conflict { expected: 0, actual: 1, .. })));
}

/// A request that is delivered twice lands once, and both answers say that it landed.
pub async fn the_same_batch_twice_at_once_lands_once(medium: &dyn Medium) {
    let place = Place::new("twice");
    let log = place.log("a");
    let mut end = Position::START;
    for round in 0..10 {
        let batch = Arc::new(one(&log, end, &format!("{round}")));
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..4 {
            let (store, batch) = (medium.open().await.unwrap(), batch.clone());
            tasks.spawn(async move { insist(&*store, &batch).await.unwrap()[0] });
        }
        let ends = tasks.join_all().await;
        assert!(ends.iter().all(|found| *found == ends[0]));
        end = ends[0];
    }
    assert_eq!(dense(&*medium.open().await.unwrap(), &log).await.len(), 10);
}

/// Lines of one append are numbered in a row, and no page ends between them.
pub async fn lines_of_one_append_stay_together(medium: &dyn Medium) {
    let (store, place) = (medium.open().await.unwrap(), Place::new("together"));
    let log = place.log("a");
    let many: Vec<String> = (0..1_500).map(|number| number.to_string()).collect();
    let texts: Vec<&str> = many.iter().map(String::as_str).collect();
    let end = push(&*store, &log, Position::START, "first").await;
    let end = store.apply(&Batch::new(token()).append(&log, end, lines(&texts))).await.unwrap()[0];
    assert_eq!(end.number(), 1_501);
    push(&*store, &log, end, "last").await;
    let mut ends = Vec::new();
    let mut after = 0;
    loop {
        let page = store.read(&log, after, 1).await.unwrap();
        after = page.end().last.number();
        ends.push(after);
        if !page.has_more() {
            break;
        }
    }
    assert!(ends.iter().all(|end| [1, 1_501, 1_502].contains(end)), "{ends:?}");
    assert_eq!(dense(&*store, &log).await.len(), 1_502);
}

/// Parts behind one that conflicts are not done, and the one that conflicts is not done in part.
pub async fn a_batch_stops_at_its_first_conflict(medium: &dyn Medium) {
    let (store, place) = (medium.open().await.unwrap(), Place::new("stops"));
    let (a, b, c) = (place.log("a"), place.log("b"), place.log("c"));
    push(&*store, &b, Position::START, "b1").await;
    let batch = Batch::new(token())
        .append(&a, Position::START, lines(&["a1"]))
        .append(&b, Position::START, lines(&["x", "y"]))
        .append(&c, Position::START, lines(&["c1"]));
    let error = store.apply(&batch).await.unwrap_err();
    assert!(matches!(&error, Error::Conflict { log, expected: 0, actual: 1 } if *log == b), "{error:?}");
    assert!(!error.retryable());
    assert!(dense(&*store, &a).await.len() <= 1);
    assert_eq!(dense(&*store, &b).await, ["b1"]);
    assert_eq!(dense(&*store, &c).await, [""; 0]);
}

/// Whoever knows of a line that is no longer there is told so, and nothing is written.
pub async fn an_end_below_what_was_known_is_lost(medium: &dyn Medium) {
    let (store, place) = (medium.open().await.unwrap(), Place::new("lost"));
    let log = place.log("a");
    push(&*store, &log, Position::START, "one").await;
    let error = store.apply(&one(&log, Position::at(7), "eight")).await.unwrap_err();
    assert!(matches!(error, Error::Lost { .. }), "{error:?}");
    assert!(matches!(store.read(&log, 7, 1).await, Err(Error::Lost { .. })));
    let nothing = place.log("never");
    assert!(matches!(store.apply(&one(&nothing, Position::at(1), "x")).await, Err(Error::Lost { .. })));
    assert!(matches!(store.read(&nothing, 1, 1).await, Err(Error::Lost { .. })));
    assert_eq!(dense(&*store, &log).await, ["one"]);
    assert_eq!(dense(&*store, &nothing).await, [""; 0]);
}

/// Whoever knows another line at the end than the one that is there is told so: the log was lost and written anew.
pub async fn a_line_that_was_replaced_is_noticed(medium: &dyn Medium) {
    let (store, place) = (medium.open().await.unwrap(), Place::new("replaced"));
    let (old, new) = (place.log("old"), place.log("new"));
    let known = push(&*store, &old, Position::START, "one").await;
    push(&*store, &new, Position::START, "another").await;
    let error = store.apply(&one(&new, known, "two")).await.unwrap_err();
    assert!(matches!(error, Error::Lost { .. }), "{error:?}");
    assert_eq!(dense(&*medium.open().await.unwrap(), &new).await, ["another"]);
}

/// Lines of a megabyte come back; what is longer than the limit is refused before anything is written.
pub async fn large_lines_pass_and_larger_ones_are_refused(medium: &dyn Medium) {
    let (store, place) = (medium.open().await.unwrap(), Place::new("large"));
    let log = place.log("a");
    let large = "x".repeat(1 << 20);
    let end = push(&*store, &log, Position::START, &large).await;
    push(&*store, &log, end, "small").await;
    assert_eq!(dense(&*store, &log).await, [large.as_str(), "small"]);
    assert!(matches!(Line::of(&[("x")]), Err(Error::Invalid { .. })));
    let too_large = serde_json::json!({ "text": "x".repeat(LINE_BYTES_MAX) });
    assert!(matches!(Line::of(&too_large), Err(Error::Invalid { .. })));
    let nothing = Batch::new(token()).append(&log, Position::at(2), Vec::new());
    assert!(matches!(store.apply(&nothing).await, Err(Error::Invalid { .. })));
    let twice = Batch::new(token()).append(&log, Position::at(2), vec![line("3")]).append(
        &log,
        Position::at(3),
        vec![line("4")],
    );
    assert!(matches!(store.apply(&twice).await, Err(Error::Invalid { .. })));
    assert_eq!(dense(&*store, &log).await.len(), 2);
}

/// A page has what was asked for and not much more, in whatever sizes a log is read.
pub async fn pages_are_whole_and_bounded(medium: &dyn Medium) {
    let (store, place) = (medium.open().await.unwrap(), Place::new("pages"));
    let log = place.log("a");
    let mut end = Position::START;
    for number in 0..40 {
        end = push(&*store, &log, end, &format!("{number} {}", "x".repeat(100 * (number % 7)))).await;
    }
    let whole = all(&*store, &log, usize::MAX >> 1).await;
    assert_eq!(whole.len(), 40);
    for bytes in [0, 1, 100, 1_000, 5_000] {
        assert_eq!(all(&*store, &log, bytes).await, whole, "in pages of {bytes} bytes");
    }
    let page = store.read(&log, 0, 300).await.unwrap();
    assert!(page.has_more() && page.text().len() < 300 + 1_000, "{}", page.text().len());
}

/// A log that was written in more appends than any medium gives at a time is read whole, from anywhere.
pub async fn a_log_of_many_appends_is_read_over_pages(medium: &dyn Medium) {
    let (store, place) = (medium.open().await.unwrap(), Place::new("many"));
    let log = place.log("a");
    let count = medium.scale() / 2;
    let mut end = Position::START;
    for number in 0..count {
        end = push(&*store, &log, end, &number.to_string()).await;
    }
    let reader = medium.open().await.unwrap();
    assert_eq!(reader.end(&log).await.unwrap().last, end);
    let texts = dense(&*reader, &log).await;
    assert_eq!(texts.len(), count);
    assert!(texts.iter().enumerate().all(|(number, text)| *text == number.to_string()));
    for after in [1, count / 3, count - 1] {
        let page = reader.read(&log, after as u64, 1).await.unwrap();
        assert_eq!(page.lines().next().map(|(header, _)| header.seq), Some(after as u64 + 1));
    }
    push(&*reader, &log, end, "more").await;
    assert_eq!(dense(&*store, &log).await.len(), count + 1);
}

/// What one handle acknowledged, another that is opened then sees, and can build upon.
pub async fn every_handle_sees_what_was_acknowledged(medium: &dyn Medium) {
    let place = Place::new("handles");
    let log = place.log("a");
    let mut end = Position::START;
    let mut seen = BTreeSet::new();
    for number in 0..8 {
        let store = medium.open().await.unwrap();
        assert_eq!(store.end(&log).await.unwrap().last.number(), end.number());
        assert_eq!(dense(&*store, &log).await.len(), number);
        end = push(&*store, &log, end, &number.to_string()).await;
        assert!(seen.insert(end.number()));
    }
}
