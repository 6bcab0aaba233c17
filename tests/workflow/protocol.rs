//! Crashes between any two parts of any batch: nothing is lost, `fsck` says what is unfinished, and it can be finished.

use std::fmt::Write as _;

use expect_test::expect;
use temporal_code::stores::{Error, Store};

use crate::scenario::{life, look, store_of, text};
use crate::support::at;

#[tokio::test]
async fn a_whole_life_leaves_nothing_to_find() {
    // By a clock that stands still, too: times of a history rise all the same.
    for tick_us in [1_000_000, 1, 0] {
        let world = life(tick_us).await;
        for done in 0..=world.batches.len() {
            let store = store_of(&world.batches[..done], None).await;
            let (findings, summary) = look(&store, false, at(60)).await;
            let last = done.checked_sub(1).map_or("nothing", |last| world.batches[last].0);
            assert_eq!(text(&findings), "", "after {last}, with ticks of {tick_us} µs");
            assert_eq!(summary.corrupt, 0);
        }
    }
}

#[tokio::test]
async fn every_prefix_of_every_batch_is_safe() {
    let world = life(1_000_000).await;
    let mut said = String::new();
    for (number, (name, batch)) in world.batches.iter().enumerate() {
        for parts in 1..batch.ops().len() {
            let before = &world.batches[..number];
            let store = store_of(before, Some(batch.prefix(parts))).await;
            let (findings, summary) = look(&store, false, at(60)).await;
            assert_eq!(summary.corrupt, 0, "{name}, {parts} parts");
            assert!(findings.iter().all(|finding| finding.remedy.is_some()), "{name}: {}", text(&findings));
            let _ = write!(said, "{name}, {parts} of {}:\n{}", batch.ops().len(), text(&findings));

            // The process lives, and does the same again: as if nothing had happened.
            store.apply(batch).await.expect("the same batch again");
            assert_eq!(text(&look(&store, false, at(60)).await.0), "", "{name}, {parts} parts, again");
            for (later, batch) in &world.batches[number + 1..] {
                store.apply(batch).await.unwrap_or_else(|error| panic!("{later} after {name}: {error}"));
            }

            // The process dies, and somebody repairs.
            let store = store_of(before, Some(batch.prefix(parts))).await;
            let (dry, _) = look(&store, false, at(60)).await;
            for round in 0.. {
                let (repaired, _) = look(&store, true, at(60)).await;
                if round == 0 {
                    let told = |findings: &[temporal_code::stores::Finding]| {
                        findings
                            .iter()
                            .map(|finding| (finding.place.clone(), finding.problem.clone()))
                            .collect::<Vec<_>>()
                    };
                    assert_eq!(told(&repaired), told(&dry), "a dry run shows what a repair does");
                }
                if repaired.is_empty() {
                    break;
                }
                assert!(repaired.iter().all(|finding| finding.repaired), "{name}: {}", text(&repaired));
                assert!(round < 3, "{name}: {}", text(&repaired));
            }
            // Who comes back from the dead finds the work done, or is refused; neither breaks anything.
            match store.apply(batch).await {
                Ok(_) | Err(Error::Conflict { .. } | Error::Sealed { .. }) => {}
                Err(error) => panic!("{name}: {error}"),
            }
            assert_eq!(look(&store, true, at(60)).await.1.corrupt, 0);
            look(&store, true, at(60)).await;
            assert_eq!(text(&look(&store, false, at(60)).await.0), "", "{name}, {parts} parts, repaired");
        }
    }
    expect![[r#"
        start, 1 of 2:
        runs/order-1: it is pending, has to be looked at by 2026-11-22T04:00:01.000001Z, and nothing leads to it -> put an entry at 2026-11-22T04:00:01.000001Z in queue default
        commit with a child, 1 of 3:
        runs/order-1: it has begun runs/order-1=2Fship=2F1 as ship#1, which is not there -> begin it with the line that its parent carries
        commit with a child, 2 of 3:
        runs/order-1=2Fship=2F1: it is pending, has to be looked at by 2026-11-22T04:00:04.000001Z, and nothing leads to it -> put an entry at 2026-11-22T04:00:04.000001Z in queue default
        release while a child runs, 1 of 2:
        release to sleep, 1 of 3:
        release to sleep, 2 of 3:
        send what is not waited for, 1 of 2:
        look, 1 of 2:
        release to wait, 1 of 2:
        send what is waited for, 1 of 2:
        runs/order-1=2Fship=2F1: line 1 of its inbox is the message `go` that it waits for, and nothing leads to it -> put an entry at 2026-11-22T04:00:12.000001Z in queue default
        continue and hold, 1 of 4:
        runs/order-1=2Fship=2F1: the run goes on in generation 2, which is not there -> begin it with the line that the seal carries
        continue and hold, 2 of 4:
        continue and hold, 3 of 4:
        compact and let go, 1 of 4:
        runs/order-1=2Fship=2F1,2: the run goes on in generation 3, which is not there -> begin it with the line that the seal carries
        compact and let go, 2 of 4:
        compact and let go, 3 of 4:
        release to be put off, 1 of 3:
        release to be put off, 2 of 3:
        cancel, 1 of 2:
        runs/order-1=2Fship=2F1,3: line 2 of its inbox is a request to cancel, and nothing leads to it -> put an entry at 2026-11-22T04:00:18.000002Z in queue default
        stop of the child, 1 of 5:
        runs/order-1: its child runs/order-1=2Fship=2F1 has ended, and it was not told -> tell it
        stop of the child, 2 of 5:
        runs/order-1: line 1 of its inbox is the end of its child `order-1/ship/1`, and nothing leads to it -> put an entry at 2026-11-22T04:00:20.000001Z in queue default
        runs/order-1=2Fship=2F1,3: it has ended, and the due index leads to it at 2026-11-22T04:00:18.000002Z in queue default -> drop the entry
        runs/order-1=2Fship=2F1,3: it has ended, and the due index leads to it at 2026-11-22T04:15:00.000003Z in queue default -> drop the entry
        stop of the child, 3 of 5:
        runs/order-1=2Fship=2F1,3: it has ended, and the due index leads to it at 2026-11-22T04:00:18.000002Z in queue default -> drop the entry
        runs/order-1=2Fship=2F1,3: it has ended, and the due index leads to it at 2026-11-22T04:15:00.000003Z in queue default -> drop the entry
        stop of the child, 4 of 5:
        runs/order-1=2Fship=2F1,3: it has ended, and the due index leads to it at 2026-11-22T04:15:00.000003Z in queue default -> drop the entry
        stop, 1 of 2:
        runs/order-1: it has ended, and the due index leads to it at 2026-11-22T04:00:20.000001Z in queue default -> drop the entry
    "#]].assert_eq(&said);
}

/// The parts of a batch may come long after the first of them, or a second time: nothing that is needed is lost by it.
#[tokio::test]
async fn the_rest_of_a_batch_may_come_at_any_time() {
    let mut checked = 0;
    for tick_us in [1_000_000, 0] {
        let world = life(tick_us).await;
        for (number, (name, batch)) in world.batches.iter().enumerate() {
            for parts in 1..=batch.ops().len() {
                for until in number + 1..world.batches.len() {
                    let store = store_of(&world.batches[..number], Some(batch.prefix(parts))).await;
                    let mut landed = true;
                    for (_, later) in &world.batches[number + 1..=until] {
                        landed = landed && store.apply(later).await.is_ok();
                    }
                    // Some do not come before what is missing, such as the first claim of a child that was not begun.
                    if !landed {
                        continue;
                    }
                    checked += 1;
                    store.apply(batch).await.expect("the rest");
                    let later = world.batches[until].0;
                    let (findings, summary) = look(&store, false, at(60)).await;
                    assert_eq!(summary.corrupt, 0, "{name}, {parts} parts, then {later}");
                    // Entries too many, of runs that have ended, are all that may be left.
                    let harmless = |problem: &str| problem.contains("it has ended, and the due index leads to it");
                    let all = findings.iter().all(|finding| harmless(&finding.problem));
                    assert!(all, "{name}, {parts} parts, then {later}: {}", text(&findings));
                }
            }
        }
    }
    assert!(checked > 500, "{checked}");
}
