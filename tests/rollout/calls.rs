//! One call: which variant answers, what is logged, what the caller gets.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use temporal_code::functions::{AbTest, Cause, Evolving, Manual, Scheduled, Tracker};
use temporal_code::testing::Draws;
use temporal_code::{ManualClock, SeededRandom};

use super::support::{Last, count, folder, records, time};

fn half(number: &i32) -> Result<i32, String> {
    if number % 2 == 0 { Ok(number / 2) } else { Err(format!("{number} is odd")) }
}

#[test]
fn the_first_variant_answers_for_one_that_fails() {
    let folder = folder();
    let tracker = Tracker::open(folder.path()).expect("a log");
    let function = Evolving::fallible("half", |number: &i32| Ok::<_, String>(number / 2))
        .variant("v2", half)
        .strategy(Last)
        .tracker(&tracker);
    assert_eq!((function.call(&8), function.call(&7)), (Ok(4), Ok(3)));
    tracker.close().expect("closed");
    let records = records(folder.path());
    let told = records.iter().map(|record| {
        let part = |key: &str| record.get(key).map_or(String::new(), ToString::to_string);
        ["variant", "success", "error", "value", "weight", "fallback"].map(part).join(" ")
    });
    let expected =
        [r#""v2" true null null 1.0 "#, r#""v2" false "7 is odd" null 1.0 "#, r#""v1" true null null  true"#];
    assert_eq!(told.collect::<Vec<_>>(), expected);
}

#[test]
fn a_panic_is_a_failure_like_another() {
    let function = Evolving::new("f", |n: &u8| *n).variant("v2", |n: &u8| {
        assert!(*n < 5, "{n} is too much");
        n + 100
    });
    let function = function.strategy(Last);
    assert_eq!((function.call(&1), function.call(&5)), (Ok(101), Ok(5)));
    let stats = function.stats();
    assert_eq!((stats.variants[1].calls, stats.variants[1].success_rate), (2, 0.5));
    assert_eq!((stats.variants[0].calls, stats.variants[0].success_rate), (1, 1.0));
}

#[test]
fn when_all_fail_each_cause_is_told() {
    let function =
        Evolving::fallible("pay", |_: &()| Err::<(), _>("first is down")).variant("v2", |_: &()| -> Result<(), &str> {
            panic!("second {}", "exploded");
        });
    let function = function.strategy(Last);
    let error = function.call(&()).expect_err("both fail");
    assert_eq!(error.to_string(), "All variants failed for pay: panicked: second exploded");
    assert_eq!(error.source().map(ToString::to_string).as_deref(), Some("v1: first is down"));
    let causes =
        error.failures.iter().map(|failure| (failure.variant.as_str(), failure.cause.clone())).collect::<Vec<_>>();
    assert_eq!(causes, [("v2", Cause::Panic("second exploded".into())), ("v1", Cause::Error("first is down"))]);

    let only = Evolving::fallible("pay", |_: &()| Err::<(), _>("down"));
    let error = only.call(&()).expect_err("it fails");
    assert_eq!((error.to_string().as_str(), error.failures.len()), ("All variants failed for pay: down", 1));
    assert!(error.source().is_none());
}

#[test]
fn what_printing_a_value_or_error_does_is_no_harm() {
    struct Odd;
    impl std::fmt::Display for Odd {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            panic!("no")
        }
    }
    struct Value;
    impl std::fmt::Debug for Value {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            panic!("no")
        }
    }
    let folder = folder();
    let tracker = Tracker::open(folder.path()).expect("a log");
    let function = Evolving::fallible("f", |_: &str| Ok(Value)).variant("v2", |_: &str| Err(Odd));
    let function = function.strategy(Last).log_values().tracker(&tracker);
    assert!(function.call("x").is_ok());
    tracker.close().expect("closed");
    let records = records(folder.path());
    assert_eq!(records[0]["error"], "(it panicked while it was printed)");
    assert_eq!(records[1]["value"], "(it panicked while it was printed)");
}

#[test]
fn any_text_is_logged_so_that_every_reader_understands() {
    let texts =
        ["plain", "é ☃ 🎈", "a\"b\\c", "\n\r\t\u{8}\u{c}\0\u{1f}\u{7f}", "\u{85}\u{2028}\u{2029}", "\u{1b}[31m"];
    let folder = folder();
    let tracker = Tracker::open(folder.path()).expect("a log");
    for text in texts {
        let function = Evolving::fallible(text, |text: &str| Err::<String, _>(text.to_string()));
        assert!(function.tracker(&tracker).call(text).is_err());
        let function = Evolving::new("echo", |text: &str| text.to_string()).log_values().tracker(&tracker);
        assert_eq!(function.call(text).as_deref(), Ok(text));
    }
    tracker.close().expect("closed");
    let records = records(folder.path());
    for (pair, text) in records.chunks(2).zip(texts) {
        assert_eq!((&pair[0]["function"], &pair[0]["error"]), (&text.into(), &text.into()));
        assert_eq!(pair[1]["value"], format!("{text:?}"));
    }
    assert_eq!(records.len(), 2 * texts.len());
}

#[test]
fn long_texts_are_cut() {
    let folder = folder();
    let tracker = Tracker::open(folder.path()).expect("a log");
    let function = Evolving::fallible("f", |_: &()| Err::<(), _>("é".repeat(100_000))).tracker(&tracker);
    assert!(function.call(&()).is_err());
    tracker.close().expect("closed");
    let error = records(folder.path())[0]["error"].as_str().expect("text").to_string();
    assert!(error.len() < 5_000 && error.ends_with("é…"));
}

#[test]
fn a_name_given_twice_gets_the_later_function() {
    let function = Evolving::new("f", |_: &()| 1).variant("v2", |_: &()| 2).variant("v2", |_: &()| 3).strategy(Last);
    assert_eq!((function.call(&()), function.stats().variants.len()), (Ok(3), 2));
    let function = function.variant("v1", |_: &()| 4).strategy(Manual);
    assert_eq!(function.call(&()), Ok(4));
}

#[test]
fn statistics_tell_what_the_original_tells() {
    let clock = Arc::new(ManualClock::new(time("06-01")));
    let function = Evolving::new("greeting", |_: &()| "hi").metadata("author", "ada");
    let function = function.variant("v2", |_: &()| "hello").metadata("author", "bob").metadata("ticket", "7");
    let function = function
        .strategy(AbTest::split([0.75, 0.25]))
        .clock(clock.clone())
        .random(Arc::new(Draws::new([0.5, 0.8, 0.9, 0.1])));
    for _ in 0..8 {
        function.call(&()).expect("an answer");
    }
    clock.advance(Duration::from_secs(7_200));
    assert_eq!((function.name(), function.age()), ("greeting", Duration::from_secs(7_200)));
    let stats = function.stats();
    assert_eq!((stats.function.as_str(), stats.strategy.as_str()), ("greeting", "ABTestStrategy"));
    let [v1, v2] = stats.variants.as_slice() else { panic!("two variants") };
    assert_eq!((v1.calls, v1.weight, v1.success_rate, v1.active), (4, 0.75, 1.0, true));
    assert_eq!((v2.calls, v2.weight, v2.avg_latency_ms), (4, 0.25, 0.0));
    assert_eq!((&*v1.metadata["author"], &*v2.metadata["ticket"]), ("ada", "7"));
    assert!(function.summary().expect("no log to fail").is_none());
}

#[test]
fn the_summary_is_that_of_the_log() {
    let folder = folder();
    let tracker = Tracker::open(folder.path()).expect("a log");
    let function = Evolving::fallible("half", |n: &i32| Ok(n / 2)).variant("v2", half).strategy(Last).tracker(&tracker);
    (0..10).for_each(|n| assert!(function.call(&n).is_ok()));
    let summary = function.summary().expect("readable").expect("calls");
    let [v1, v2] = summary.variants.as_slice() else { panic!("two variants") };
    assert_eq!((v1.primary.calls, v1.fallback.calls), (0, 5));
    assert_eq!((v2.primary.calls, v2.primary.successes, v2.errors.messages.len()), (10, 5, 5));
}

#[test]
fn the_same_unit_gets_the_same_variant() {
    let split = |share: f64| {
        let function = Evolving::new("rank", |_: &()| 1).variant("v2", |_: &()| 2);
        function.strategy(AbTest::split([1.0 - share, share]))
    };
    let users = (0..2_000).map(|n| format!("user-{n}")).collect::<Vec<_>>();
    let mut before = vec![1; users.len()];
    for step in 0..=10 {
        let function = split(f64::from(step) / 10.0);
        let answers = users.iter().map(|user| function.call_for(user, &()).expect("an answer")).collect::<Vec<_>>();
        let again = users.iter().map(|user| function.call_for(user.as_bytes(), &()).expect("an answer"));
        assert!(again.eq(answers.iter().copied()));
        // Who has moved to v2 stays there.
        assert!(before.iter().zip(&answers).all(|(before, now)| before <= now));
        let share = answers.iter().filter(|answer| **answer == 2).count() as f64 / users.len() as f64;
        assert!((share - f64::from(step) / 10.0).abs() < 0.05, "{share} at {step}");
        before = answers;
    }
}

#[test]
fn the_hash_of_a_unit_is_logged_and_the_same_in_every_version() {
    let folder = folder();
    let tracker = Tracker::open(folder.path()).expect("a log");
    let function = Evolving::new("rank", |_: &()| ()).strategy(Manual).tracker(&tracker);
    function.call_for("user-7", &()).expect("an answer");
    function.call(&()).expect("an answer");
    tracker.close().expect("closed");
    let records = records(folder.path());
    assert_eq!((&records[0]["unit"], records[1].get("unit")), (&"9e124c98a398664e".into(), None));
}

#[test]
fn many_threads_share_a_function() {
    let folder = folder();
    let tracker = Tracker::open(folder.path()).expect("a log");
    let function = Evolving::fallible("half", |n: &i32| Ok(n / 2)).variant("v2", half).tracker(&tracker);
    let function = function.strategy(AbTest::even()).random(Arc::new(SeededRandom::new(7)));
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| (0..1_000).for_each(|n| assert_eq!(function.call(&n), Ok(n / 2))));
        }
    });
    let stats = function.stats();
    let failures = stats.variants[1].calls as f64 * (1.0 - stats.variants[1].success_rate);
    tracker.close().expect("closed");
    let records = records(folder.path());
    assert_eq!(records.len() as u64, stats.variants[0].calls + stats.variants[1].calls);
    assert_eq!(records.len(), 16_000 + failures.round() as usize);
    assert_eq!(count(&records, "variant", "v2") as u64, stats.variants[1].calls);
}

#[test]
fn scheduled_phases_need_no_order_and_may_name_nobody() {
    let clock = Arc::new(ManualClock::new(time("05-31")));
    let function =
        Evolving::new("price", |_: &()| 1).variant("v2", |_: &()| 2).variant("v3", |_: &()| 3).clock(clock.clone());
    let phases = [(time("08-01"), "gone"), (time("06-01"), "v3"), (time("07-01"), "v2")];
    let function = function.strategy(Scheduled::new(phases));
    for (now, expected) in [("05-31", 1), ("06-01", 3), ("06-30T23:59:59", 3), ("07-01", 2), ("08-01", 1), ("12-01", 1)]
    {
        clock.set(time(now));
        assert_eq!(function.call(&()), Ok(expected), "{now}");
    }
}
