//! Names and lists of them.

use super::{KIND, Medium, Place, dense, lines, push, token};
use crate::store::{Batch, Kind, Name, Position, Store};

/// Ids that would go elsewhere if they were taken for paths, keys, patterns or terminal text.
const HOSTILE: &[&str] = &[
    "../../x",
    "..",
    ".",
    "a/b",
    "a//b",
    "a",
    "a/",
    "A",
    "a\nb",
    "a\r\nb",
    "a\0b",
    "\u{1b}[31mred",
    "a*b",
    "a?b",
    "a[b]c",
    "{a}",
    "}{",
    "a b",
    " a",
    "a%2Fb",
    "a=2Fb",
    "a,2",
    "a.jsonl",
    ".hidden",
    "-rf",
    "~",
    "$(x)",
    "été",
    "e\u{301}te\u{301}",
    "раураl",
    "paypal",
    "\u{202e}abc",
    "con",
    "a\\b",
    "a:b",
    "\u{feff}",
];

/// Each of many ids that are easily mistaken for others has a log of its own, and comes back from a list as it was.
pub async fn hostile_ids_have_places_of_their_own(medium: &dyn Medium) {
    let store = medium.open().await.unwrap();
    let place = Place::new("hostile");
    let kind = Kind::new("hostile");
    // As they are, for a medium that others have not used; and with a prefix, to be told from those of other runs.
    for prefix in ["", place.prefix()] {
        for id in HOSTILE {
            let log = Name::new(kind, &format!("{prefix}{id}")).unwrap();
            let end = store.end(&log).await.unwrap().last;
            push(&*store, &log, end, id).await;
        }
    }
    let reader = medium.open().await.unwrap();
    for id in HOSTILE {
        let log = Name::new(kind, &format!("{}{id}", place.prefix())).unwrap();
        assert_eq!(dense(&*reader, &log).await, [*id], "{log}");
    }
    let mut found: Vec<String> =
        reader.list(kind, place.prefix(), None, 1_000).await.unwrap().iter().map(Name::id).collect();
    let mut expected: Vec<String> = HOSTILE.iter().map(|id| format!("{}{id}", place.prefix())).collect();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
}

async fn create(store: &dyn Store, name: &Name) {
    let batch = Batch::new(token()).append(name, Position::START, lines(&["x"]));
    store.apply(&batch).await.unwrap();
}

/// Lists are in the order of names, whatever order they were made in, from anywhere and with any beginning.
pub async fn lists_are_in_order_and_whole(medium: &dyn Medium) {
    let (store, place) = (medium.open().await.unwrap(), Place::new("order"));
    let ids = [
        "b", "a", "a-b", "a.b", "a_b", "ab", "a0", "aa", "a/b", "a b", "Z", "z", "é", "a-", "a1", "a10", "a2", "-", "_",
    ];
    let mut names: Vec<Name> = ids.iter().map(|id| place.log(id)).collect();
    for name in &names {
        create(&*store, name).await;
    }
    names.sort();
    let store = medium.open().await.unwrap();
    assert_eq!(store.list(KIND, place.prefix(), None, 100).await.unwrap(), names);
    for (at, name) in names.iter().enumerate() {
        assert_eq!(store.list(KIND, place.prefix(), Some(name), 100).await.unwrap(), names[at + 1..], "behind {name}");
        assert_eq!(
            store.list(KIND, place.prefix(), Some(name), 2).await.unwrap(),
            names[at + 1..].iter().take(2).cloned().collect::<Vec<_>>()
        );
    }
    for start in ["a", "a-", "a1", "é", "nothing", "a b"] {
        let start = format!("{}{start}", place.prefix());
        let expected: Vec<Name> = names.iter().filter(|name| name.id().starts_with(&start)).cloned().collect();
        assert_eq!(store.list(KIND, &start, None, 100).await.unwrap(), expected, "{start}");
    }
    // From behind a name that is not there.
    let between = place.log("a3");
    let expected: Vec<Name> = names.iter().filter(|name| **name > between).cloned().collect();
    assert_eq!(store.list(KIND, place.prefix(), Some(&between), 100).await.unwrap(), expected);
    assert!(store.list(KIND, place.prefix(), None, 0).await.unwrap().is_empty());
}

/// More logs than any medium lists at a time come in pages, each once.
pub async fn lists_go_over_page_boundaries(medium: &dyn Medium) {
    let (store, place) = (medium.open().await.unwrap(), Place::new("paged"));
    let count = medium.scale();
    let mut tasks = tokio::task::JoinSet::new();
    for part in 0..16 {
        let (store, names) =
            (store.clone(), (part..count).step_by(16).map(|n| place.log(&format!("{n:06}"))).collect::<Vec<_>>());
        tasks.spawn(async move {
            for name in names {
                create(&*store, &name).await;
            }
        });
    }
    tasks.join_all().await;
    let expected: Vec<Name> = (0..count).map(|number| place.log(&format!("{number:06}"))).collect();
    for limit in [count / 7 + 1, 999, 1_000, 1_001, count, 10 * count] {
        let mut found: Vec<Name> = Vec::new();
        loop {
            let page = store.list(KIND, place.prefix(), found.last(), limit).await.unwrap();
            assert!(page.len() <= limit);
            let last = page.len() < limit;
            found.extend(page);
            if last {
                break;
            }
        }
        assert_eq!(found.len(), count, "in pages of {limit}");
        assert!(found == expected, "in pages of {limit}");
    }
}

/// Logs of the same id and another kind are other logs.
pub async fn kinds_do_not_mix(medium: &dyn Medium) {
    let (store, place) = (medium.open().await.unwrap(), Place::new("kinds"));
    let one = place.log("a");
    let other = one.of_kind(Kind::new("contractx"));
    create(&*store, &one).await;
    assert!(store.list(other.kind(), place.prefix(), None, 10).await.unwrap().is_empty());
    assert_eq!(store.end(&other).await.unwrap().last, Position::START);
    create(&*store, &other).await;
    assert_eq!(store.list(KIND, place.prefix(), None, 10).await.unwrap(), [one]);
    assert_eq!(store.list(other.kind(), place.prefix(), None, 10).await.unwrap(), [other]);
}
