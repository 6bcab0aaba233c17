//! Logs that end, and those that go on under the same name.

use super::{KIND, Medium, Place, all, dense, line, lines, one, push, token};
use crate::store::{Batch, Error, Position, Store};

async fn sealed(store: &dyn Store, place: &Place) -> (crate::store::Name, Position) {
    let log = place.log("a");
    let mut end = Position::START;
    for number in 1..=4 {
        end = push(store, &log, end, &number.to_string()).await;
    }
    let end = store.apply(&Batch::new(token()).seal(&log, end, lines(&["5", "seal"]))).await.unwrap()[0];
    (log, end)
}

/// Every append to a sealed log is refused, wherever its writer believes the end to be.
pub async fn a_sealed_log_takes_nothing(medium: &dyn Medium) {
    let (store, place) = (medium.open().await.unwrap(), Place::new("sealed"));
    let (log, end) = sealed(&*store, &place).await;
    assert_eq!(end.number(), 6);
    for handle in [store, medium.open().await.unwrap()] {
        let found = handle.end(&log).await.unwrap();
        assert!(found.sealed && found.last == end);
        for after in [end, Position::at(6), Position::at(5), Position::at(4), Position::START] {
            let error = handle.apply(&one(&log, after, "more")).await.unwrap_err();
            assert!(matches!(error, Error::Sealed { last: 6, .. }), "after {after:?}: {error:?}");
        }
        assert_eq!(dense(&*handle, &log).await.len(), 6);
        let page = handle.read(&log, 0, 1 << 20).await.unwrap();
        assert_eq!(page.lines().filter(|(header, _)| header.sealed).map(|(h, _)| h.seq).collect::<Vec<_>>(), [6]);
    }
    // The seal itself, sent again, is known.
    let place = Place::new("sealed again");
    let (handle, log) = (medium.open().await.unwrap(), place.log("b"));
    let seal = Batch::new(token()).seal(&log, Position::START, vec![line("seal")]);
    let ends = handle.apply(&seal).await.unwrap();
    assert_eq!(handle.apply(&seal).await.unwrap(), ends);
}

/// When what a sealed log held is gone, its seal is there and its numbers are not free: a writer that was stopped for any
/// time is refused at each of them.
pub async fn a_forgotten_log_keeps_its_numbers(medium: &dyn Medium) {
    let (store, place) = (medium.open().await.unwrap(), Place::new("forgotten"));
    let (log, end) = sealed(&*store, &place).await;
    store.forget(&log).await.unwrap();
    store.forget(&log).await.unwrap();
    for handle in [store, medium.open().await.unwrap()] {
        let found = handle.end(&log).await.unwrap();
        assert_eq!((found.sealed, found.last), (true, end));
        assert_eq!(all(&*handle, &log, 1).await.last(), Some(&(6, "seal".to_owned())));
        assert!(
            all(&*handle, &log, 1 << 20).await.iter().all(|(number, _)| *number >= 5),
            "only the seal's append is left"
        );
        for after in 0..=6 {
            let error = handle.apply(&one(&log, Position::at(after), "stalled")).await.unwrap_err();
            assert!(matches!(error, Error::Sealed { last: 6, .. }), "after {after}: {error:?}");
        }
        assert_eq!(handle.list(KIND, place.prefix(), None, 10).await.unwrap(), std::slice::from_ref(&log));
    }
}

/// A log that others may still append to is not forgotten.
pub async fn only_sealed_logs_are_forgotten(medium: &dyn Medium) {
    let (store, place) = (medium.open().await.unwrap(), Place::new("unsealed"));
    let log = place.log("a");
    assert!(matches!(store.forget(&log).await, Err(Error::Invalid { .. })));
    push(&*store, &log, Position::START, "one").await;
    assert!(matches!(store.forget(&log).await, Err(Error::Invalid { .. })));
    assert_eq!(dense(&*store, &log).await, ["one"]);
}

/// The next generation begins at 1 and has nothing to do with the one before; a list names the log once.
pub async fn generations_are_logs_of_their_own(medium: &dyn Medium) {
    let (store, place) = (medium.open().await.unwrap(), Place::new("generations"));
    let (log, _) = sealed(&*store, &place).await;
    let next = log.next_generation();
    let batch = Batch::new(token()).append(&next, Position::START, lines(&["n1", "n2"]));
    store.apply(&batch).await.unwrap();
    store.forget(&log).await.unwrap();
    assert_eq!(dense(&*store, &next).await, ["n1", "n2"]);
    assert_eq!(store.end(&log.in_generation(3)).await.unwrap().last, Position::START);
    let handle = medium.open().await.unwrap();
    assert_eq!(handle.list(KIND, place.prefix(), None, 10).await.unwrap(), [log]);
    assert_eq!(dense(&*handle, &next).await, ["n1", "n2"]);
}
