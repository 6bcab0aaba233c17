//! Reading histories: every form that proto3's JSON allows, and every kind of nonsense.

use expect_test::expect;
use temporal_code::foreign::substantial::{
    EventBody, SUBSTANTIAL_EVENTS_MAX, SubstantialFold, SubstantialHistory, SubstantialPayload, SubstantialReading,
    SubstantialStop, UNKNOWN_FIELDS_MAX, read_event,
};
use temporal_code::workflows::VALUE_DEPTH_MAX;

fn events(list: &str) -> SubstantialReading {
    SubstantialReading::parse(format!("{{\"events\": [{list}]}}").as_bytes())
}

#[test]
fn forms_that_are_the_same() {
    let canonical = events(r#"{"save": {"id": 7, "value": "+/8=", "counter": 2}}"#);
    assert_eq!(canonical.misread, None);
    for same in [
        r#"{"save": {"id": "7", "value": "-_8", "counter": "2"}}"#,
        r#"{"save": {"counter": 2.0, "id": 7e0, "value": "+/8", "more": 1}}"#,
        r#"{"at": null, "save": {"id": 1, "id": 7, "value": "-_8=", "counter": 2}, "stop": null}"#,
        "\n{\t\"save\" :\r{ \"id\":7,\"value\":\"+\\/8=\",\"counter\":2}}",
    ] {
        assert_eq!(events(same), canonical, "{same}");
    }
    let compensation = events(r#"{"compensation": {"saveId": 2, "error": "x", "compensationResult": "MQ=="}}"#);
    assert_eq!(events(r#"{"compensation": {"save_id": 2, "error": "x", "compensation_result": "MQ"}}"#), compensation);
}

#[test]
fn what_is_left_out_is_at_its_default() {
    let reading =
        events(r#"{}, {"start": {}}, {"save": {}}, {"sleep": {}}, {"send": {}}, {"stop": {}}, {"compensation": {}}"#);
    assert_eq!(reading.misread, None);
    let events = reading.events;
    assert_eq!(events[0].body, None);
    assert!(matches!(&events[1].body, Some(EventBody::Start(kwargs)) if kwargs.json().unwrap().text() == "{}"));
    assert!(
        matches!(&events[2].body, Some(EventBody::Save { counter: 0, value, .. }) if *value == SubstantialPayload::default())
    );
    assert_eq!(events[5].body, Some(EventBody::Stop(SubstantialStop::Unsaid)));
    assert!(events[6].compensation.is_some());
}

#[test]
fn unknown_fields_are_kept_aside() {
    let reading =
        SubstantialReading::parse(br#"{"v": 2, "events": [{"at": "2026-01-01T00:00:00Z", "lease": {"x": [1]}}]}"#);
    assert_eq!(reading.unknown, [("v".into(), "2".into())]);
    assert_eq!(reading.events[0].unknown, [("lease".into(), "{\"x\": [1]}".into())]);
    let many: Vec<String> = (0..1_000).map(|n| format!("\"f{n}\": 0")).collect();
    let reading = events(&format!("{{{}}}", many.join(",")));
    assert_eq!(reading.events[0].unknown.len(), UNKNOWN_FIELDS_MAX);
}

#[test]
fn values_that_are_no_json_are_bytes() {
    let value = |text: &str| match events(text).events.remove(0).body {
        Some(EventBody::Stop(SubstantialStop::Ok(payload))) => payload,
        other => panic!("{other:?}"),
    };
    assert_eq!(value(r#"{"stop": {"ok": ""}}"#), SubstantialPayload::Bytes([].into()));
    assert_eq!(value(r#"{"stop": {"ok": "/w=="}}"#), SubstantialPayload::Bytes([0xff].into()));
    assert_eq!(value(r#"{"stop": {"ok": "Im8gayI="}}"#).text().as_deref(), Some("o k"));
    let deep = "[".repeat(VALUE_DEPTH_MAX + 1) + &"]".repeat(VALUE_DEPTH_MAX + 1);
    let reading = events(&format!("{{\"start\": {{\"kwargs\": {{\"a\": {deep}}}}}}}"));
    assert_eq!(reading.misread, None);
    assert!(matches!(&reading.events[0].body, Some(EventBody::Start(SubstantialPayload::Bytes(_)))));
    // What Python writes and JSON does not have.
    let reading = events(r#"{"start": {"kwargs": {"a": NaN, "b": "\ud800"}}}"#);
    let Some(EventBody::Start(kwargs)) = &reading.events[0].body else { panic!() };
    assert_eq!(kwargs.json().unwrap().text(), r#"{"a": {"$repr":"nan"}, "b": {"$repr":"\"\\ud800\""}}"#);
    let reading = events(r#"{"start": {"kwargs": {"a": [-Infinity, "NaN", null], "$repr": 1, "$$repr": 2}}}"#);
    let Some(EventBody::Start(kwargs)) = &reading.events[0].body else { panic!() };
    assert_eq!(kwargs.json().unwrap().text(), r#"{"a": [{"$repr":"-inf"}, "NaN", null], "$$repr": 1, "$$$repr": 2}"#);
    let result = "{\"stop\": {\"ok\": \"TmFO\"}}";
    assert_eq!(value(result).json().map(|json| json.text().to_owned()).as_deref(), Some(r#"{"$repr":"nan"}"#));
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let texts = [
        "",
        "[]",
        "{",
        "{} {}",
        "{\"events\": 1}",
        "{\"runId\": 1}",
        "{\"events\": [{}, 7]}",
        "{\"events\": [{}, {\"save\": {\"id\": -1}}]}",
        "{\"events\": [{\"save\": {\"id\": 4294967296}}]}",
        "{\"events\": [{\"save\": {\"id\": 1.5}}]}",
        "{\"events\": [{\"save\": {\"value\": \"é\"}}]}",
        "{\"events\": [{\"save\": {\"value\": 1}}]}",
        "{\"events\": [{\"at\": \"yesterday\"}]}",
        "{\"events\": [{\"start\": {\"kwargs\": []}}]}",
        "{\"events\": [{\"start\": {}, \"stop\": {}}]}",
        "{\"events\": [{\"stop\": {\"ok\": \"\", \"err\": \"\"}}]}",
        "{\"events\": [{} {}]}",
        "{\"events\": [{},]}",
        "{\"events\": [{}",
        "{\"events\": [{}], \"events\": [",
        "{1: 2}",
    ];
    let told: String = texts
        .iter()
        .map(|text| {
            let misread = SubstantialReading::parse(text.as_bytes()).misread.expect(text);
            format!("{misread}{}\n", if misread.torn { " (torn)" } else { "" })
        })
        .collect();
    expect![[r#"
        at byte 0: it ends too early (torn)
        at byte 0: it is not an object
        at byte 1: it ends too early (torn)
        at byte 3: more follows behind the history
        at byte 11: `events` is not a list
        at byte 10: `runId` is not a text
        event 2, at byte 16: the event is not an object
        event 2, at byte 32: `id` is not a whole number in its range
        event 1, at byte 28: `id` is not a whole number in its range
        event 1, at byte 28: `id` is not a whole number in its range
        event 1, at byte 31: `value` is not base64
        event 1, at byte 31: `value` is not a text
        event 1, at byte 19: `at` is not a time
        event 1, at byte 33: `kwargs` is not an object
        event 1, at byte 34: it is both `start` and `stop`
        event 1, at byte 39: it is both `ok` and `err`
        event 2, at byte 15: expected `,` or `]`
        event 2, at byte 15: expected a value
        event 2, at byte 14: it ends too early (torn)
        event 1, at byte 28: it ends too early (torn)
        at byte 1: a key is not in quotes
    "#]]
    .assert_eq(&told);
    let reading = SubstantialReading::parse(b"{\"events\": [{\"send\": {\"name\": \"\xff\"}}]}");
    assert_eq!(reading.misread.unwrap().to_string(), "event 1, at byte 31: it is not UTF-8");
}

#[test]
fn sizes_and_depths_are_bounded() {
    let many = events(&vec!["{}"; SUBSTANTIAL_EVENTS_MAX + 1].join(","));
    assert_eq!(many.events.len(), SUBSTANTIAL_EVENTS_MAX);
    assert!(many.misread.unwrap().what.contains("more than"));
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let deep = format!("{}1{}", open.repeat(2_000_000), close.repeat(2_000_000));
        assert!(SubstantialReading::parse(deep.as_bytes()).misread.is_some());
        assert!(events(&deep).misread.is_some());
        assert!(read_event(deep.as_bytes()).is_err());
    }
    let large = vec![b' '; temporal_code::foreign::substantial::SUBSTANTIAL_HISTORY_BYTES_MAX + 1];
    assert!(SubstantialReading::parse(&large).misread.unwrap().what.contains("larger"));
}

/// Folds events that are given in short: each effect on a line, then the problems.
fn told(list: &str) -> String {
    let reading = events(list);
    assert_eq!(reading.misread, None);
    let mut folded = SubstantialFold::default();
    let tell = |event| {
        folded.event(event);
        format!("{}\n", folded.history().last_change(event))
    };
    let mut told: String = reading.events.iter().map(tell).collect();
    let history = folded.into_history();
    history.problems.iter().for_each(|odd| told += &format!("! {odd}\n"));
    told + if history.corrupt { "corrupt" } else { "sound" }
}

#[test]
fn lives_follow_each_other() {
    expect![[r#"
        the run starts
        step 1 is done
        the run completes
        the run starts anew, in its life 2
        the run fails
        sound"#]]
    .assert_eq(&told(
        r#"{"start": {}}, {"save": {"id": 1, "value": "MQ==", "counter": -1}}, {"stop": {"ok": "MQ=="}},
           {"start": {}}, {"stop": {"err": "IngiCg=="}}"#,
    ));
}

#[test]
fn steps_are_tried_again() {
    expect![[r#"
        the run starts
        step 1 fails; attempt 2 is next
        step 1 fails; attempt 2 is next
        step 1 fails; attempt 3 is next
        step 1 is done at attempt 4
        sound"#]].assert_eq(&told(
        r#"{"start": {}}, {"save": {"id": 1, "value": "bnVsbA==", "counter": 2}},
           {"save": {"id": 1, "value": "bnVsbA==", "counter": 2}}, {"save": {"id": 1, "value": "bnVsbA==", "counter": 3}},
           {"save": {"id": 1, "value": "MQ==", "counter": -1}}"#,
    ));
}

#[test]
fn corrupt_histories_are_told_with_their_places() {
    expect![[r#"
        the run starts
        message `a` comes
        the run starts anew, in its life 2
        ! event 3: a second start: the one of event 1 has not stopped
        corrupt"#]]
    .assert_eq(&told(r#"{"start": {}}, {"send": {"name": "a"}}, {"start": {}}"#));
    expect![[r#"
        the run completes
        ! event 1: the first event is not a start
        ! event 1: a stop without a start
        corrupt"#]]
    .assert_eq(&told(r#"{"stop": {"ok": "MQ=="}}"#));
    expect![[r#"
        the run starts
        the run completes
        the run fails
        ! event 2: a stop that says neither `ok` nor `err`
        ! event 3: a stop without a start
        corrupt"#]]
    .assert_eq(&told(r#"{"start": {}}, {"stop": {}}, {"stop": {"err": "MQ=="}}"#));
    expect![[r#"
        message `early` comes
        the run starts anew, in its life 2
        ! event 1: the first event is not a start
        corrupt"#]]
    .assert_eq(&told(r#"{"send": {"name": "early"}}, {"start": {}}"#));
}

#[test]
fn odd_histories_are_sound() {
    expect![[r#"
        the run starts
        step 1 is done
        step 1 is done at attempt 2
        sleep 1 has no end
        step 2 fails; attempt 1 is next
        message `a\u{1b}[31m` comes
        message `a\u{1b}[31m` comes again, which no workflow sees
        nothing that is known
        the run completes
        message `late` comes
        a compensation runs, because step 9 failed
        ! event 3: step 1 again, which was done
        ! event 4: sleep 1 has the number of a step
        ! event 4: sleep 1 has no end
        ! event 5: a step whose counter is 1
        ! event 8: an event of a kind that is not known
        ! event 10: a message behind the end, which is event 9
        ! event 11: a compensation behind the end, which is event 9
        sound"#]].assert_eq(&told(
        r#"{"start": {}}, {"save": {"id": 1, "value": "MQ==", "counter": -1}}, {"save": {"id": 1, "counter": -1}},
           {"sleep": {"id": 1}}, {"save": {"id": 2, "counter": 1}}, {"send": {"name": "a\u001b[31m"}}, {"send": {"name": "a\u001b[31m"}},
           {}, {"stop": {"ok": "MQ=="}}, {"send": {"name": "late"}}, {"compensation": {"saveId": 9}}"#,
    ));
}

#[test]
fn problems_are_bounded_and_counted() {
    let reading = events(&vec!["{}"; 1_000].join(","));
    let history = SubstantialHistory::of(&reading);
    assert_eq!(history.problems.len(), temporal_code::foreign::substantial::SUBSTANTIAL_PROBLEMS_MAX);
    assert_eq!(history.problems_count, 1_001);
}
