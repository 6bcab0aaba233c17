//! Hand-written histories: what they amount to.

use expect_test::{Expect, expect};

use crate::support::{dump, fold, framed, history, log};

pub(crate) const START: &str =
    r#"{"type":"start","v":1,"run":"greet-1","workflow":"greet","queue":"default","input":{"name":"Ada"}}"#;
pub(crate) const CLAIM: &str = r#"{"type":"claim","claim":1,"worker":"w1","until":"2026-11-22T04:10:00Z"}"#;

/// What `bodies` amount to after a start and a claim.
#[track_caller]
fn held(bodies: &[&str], expected: Expect) {
    let lines = history(&[&[START, CLAIM], bodies].concat());
    let (fold, _) = fold(log(), &lines);
    expected.assert_eq(&dump(fold.state()));
}

#[track_caller]
fn folded(bodies: &[&str], expected: Expect) {
    let (fold, _) = fold(log(), &history(bodies));
    expected.assert_eq(&dump(fold.state()));
}

#[test]
fn a_run_begins_is_taken_and_ends() {
    folded(
        &[],
        expect![[r#"
        pending -
          0 events, life 1, - to -, ended -
          inbox 1:0, 0 logs
    "#]],
    );
    folded(
        &[START],
        expect![[r#"
        pending 04:00:01Z
          1 events, life 1, 04:00:01Z to 04:00:01Z, ended -
          greet {"name":"Ada"} in default by None for None
          inbox 1:0, 0 logs
    "#]],
    );
    held(
        &[],
        expect![[r#"
        running 04:10:00Z
          2 events, life 1, 04:00:01Z to 04:00:02Z, ended -
          greet {"name":"Ada"} in default by None for None
          claim 1 by w1 until 04:10:00Z
          inbox 1:0, 0 logs
    "#]],
    );
    held(
        &[
            r#"{"type":"value","claim":1,"step":"now","n":1,"value":"2026-11-22T04:00:03Z"}"#,
            r#"{"type":"save","claim":1,"step":"greet","n":1,"value":{"text":"Hello, Ada"},"took_us":1234}"#,
            r#"{"type":"log","claim":1,"n":1,"text":"said hello","level":"info"}"#,
            r#"{"type":"stop","claim":1,"v":1,"ok":{"done":true},"workflow":"greet","started_at":"2026-11-22T04:00:01Z","events":6}"#,
        ],
        expect![[r#"
            completed -
              6 events, life 1, 04:00:01Z to 04:00:06Z, ended 04:00:06Z
              greet {"name":"Ada"} in default by None for None
              now#1 is "2026-11-22T04:00:03Z"
              greet#1 = {"text":"Hello, Ada"} in attempt 1
              inbox 1:0, 1 logs
              ok {"done":true}
        "#]],
    );
    held(
        &[r#"{"type":"stop","claim":1,"v":1,"error":{"type":"Oops","message":"no"}}"#],
        expect![[r#"
        failed -
          3 events, life 1, 04:00:01Z to 04:00:03Z, ended 04:00:03Z
          greet {"name":"Ada"} in default by None for None
          inbox 1:0, 0 logs
          error {"type":"Oops","message":"no"}
    "#]],
    );
    held(
        &[r#"{"type":"stop","claim":1,"v":1,"cancelled":true,"reason":"enough"}"#],
        expect![[r#"
        cancelled -
          3 events, life 1, 04:00:01Z to 04:00:03Z, ended 04:00:03Z
          greet {"name":"Ada"} in default by None for None
          inbox 1:0, 0 logs
          cancelled Some("enough")
    "#]],
    );
}

#[test]
fn what_is_not_known_is_left_alone_if_it_is_a_key() {
    folded(
        &[
            r#"{"colour":{"a":[1,2]},"type":"start","v":1,"run":"greet-1","workflow":"greet","queue":"q","id":"k-1","input":null,"parent":{"run":"p","queue":"default","step":"sub","n":2,"why":0}}"#,
        ],
        expect![[r#"
            pending 04:00:01Z
              1 events, life 1, 04:00:01Z to 04:00:01Z, ended -
              greet null in q by Some("k-1") for Some(Parent { run: "p", queue: "default", call: Call { step: "sub", n: 2 } })
              inbox 1:0, 0 logs
        "#]],
    );
}

#[test]
fn a_step_is_tried_again_until_it_has_a_result() {
    let fails = r#"{"type":"save","claim":1,"step":"charge","n":1,"error":{"type":"Timeout","message":"5 s"},"retry_at":"2026-11-22T04:00:30Z"}"#;
    held(
        &[fails, r#"{"type":"release","claim":1}"#],
        expect![[r#"
        retrying 04:00:30Z retry_at:04:00:30Z
          4 events, life 1, 04:00:01Z to 04:00:04Z, ended -
          greet {"name":"Ada"} in default by None for None
          charge#1 failed 1 times, {"type":"Timeout","message":"5 s"}, again at 2026-11-22T04:00:30Z
          inbox 1:0, 0 logs
    "#]],
    );
    held(
        &[
            fails,
            r#"{"type":"save","claim":1,"step":"charge","n":2,"value":2}"#,
            r#"{"type":"save","claim":1,"step":"charge","n":1,"attempt":2,"value":1}"#,
            r#"{"type":"save","claim":1,"step":"ship","n":1,"error":"lost"}"#,
        ],
        expect![[r#"
            running 04:10:00Z
              6 events, life 1, 04:00:01Z to 04:00:06Z, ended -
              greet {"name":"Ada"} in default by None for None
              claim 1 by w1 until 04:10:00Z
              charge#1 = 1 in attempt 2
              charge#2 = 2 in attempt 1
              ship#1 failed for good after 1, "lost"
              inbox 1:0, 0 logs
        "#]],
    );
}

#[test]
fn a_run_sleeps_and_wakes() {
    let sleep = r#"{"type":"sleep","claim":1,"step":"pause","n":1,"until":"2026-11-22T04:00:05Z"}"#;
    held(
        &[sleep],
        expect![[r#"
        running 04:10:00Z until:04:00:05Z
          3 events, life 1, 04:00:01Z to 04:00:03Z, ended -
          greet {"name":"Ada"} in default by None for None
          claim 1 by w1 until 04:10:00Z
          pause#1 sleeps until 2026-11-22T04:00:05Z
          inbox 1:0, 0 logs
    "#]],
    );
    held(
        &[sleep, r#"{"type":"release","claim":1}"#],
        expect![[r#"
        sleeping 04:00:05Z until:04:00:05Z
          4 events, life 1, 04:00:01Z to 04:00:04Z, ended -
          greet {"name":"Ada"} in default by None for None
          pause#1 sleeps until 2026-11-22T04:00:05Z
          inbox 1:0, 0 logs
    "#]],
    );
    held(
        &[
            sleep,
            r#"{"type":"renew","claim":1,"until":"2026-11-22T05:00:00Z"}"#,
            r#"{"type":"wake","claim":1,"step":"pause","n":1}"#,
        ],
        expect![[r#"
        running 05:00:00Z
          5 events, life 1, 04:00:01Z to 04:00:05Z, ended -
          greet {"name":"Ada"} in default by None for None
          claim 1 by w1 until 05:00:00Z
          pause#1 slept until 2026-11-22T04:00:05Z
          inbox 1:0, 0 logs
    "#]],
    );
}

#[test]
fn a_run_that_is_put_off_says_until_when() {
    held(
        &[r#"{"type":"release","claim":1,"retry_at":"2026-11-22T04:01:00Z"}"#],
        expect![[r#"
        pending 04:01:00Z retry_at:04:01:00Z
          3 events, life 1, 04:00:01Z to 04:00:03Z, ended -
          greet {"name":"Ada"} in default by None for None
          put off until 04:01:00Z: None
          inbox 1:0, 0 logs
    "#]],
    );
    held(
        &[r#"{"type":"release","claim":1,"retry_at":"2026-11-22T04:01:00Z","error":{"type":"Diverged"}}"#],
        expect![[r#"
            retrying 04:01:00Z retry_at:04:01:00Z
              3 events, life 1, 04:00:01Z to 04:00:03Z, ended -
              greet {"name":"Ada"} in default by None for None
              put off until 04:01:00Z: Some({"type":"Diverged"})
              inbox 1:0, 0 logs
        "#]],
    );
    held(
        &[
            r#"{"type":"release","claim":1,"retry_at":"2026-11-22T04:01:00Z"}"#,
            r#"{"type":"claim","claim":2,"worker":"w2","until":"2026-11-22T04:02:00Z"}"#,
        ],
        expect![[r#"
            running 04:02:00Z
              4 events, life 1, 04:00:01Z to 04:00:04Z, ended -
              greet {"name":"Ada"} in default by None for None
              claim 2 by w2 until 04:02:00Z
              inbox 1:0, 0 logs
        "#]],
    );
}

pub(crate) const WAIT: &str =
    r#"{"type":"wait","claim":1,"step":"approval","n":1,"for":["yes","no"],"until":"2026-11-22T04:05:00Z"}"#;

#[test]
fn messages_go_to_waits_or_are_kept() {
    held(
        &[WAIT, r#"{"type":"release","claim":1}"#],
        expect![[r#"
        waiting 04:05:00Z event:yes event:no until:04:05:00Z
          4 events, life 1, 04:00:01Z to 04:00:04Z, ended -
          greet {"name":"Ada"} in default by None for None
          approval#1 waits for ["yes", "no"] until Some("2026-11-22T04:05:00Z"), got []
          inbox 1:0, 0 logs
    "#]],
    );
    let mail = r#"{"type":"receive","claim":1,"inbox":1,"id":"m1","event":"mail","value":1,"from":"tc","sent_at":"2026-11-22T03:59:00Z"}"#;
    let yes = r#"{"type":"receive","claim":1,"inbox":2,"id":"m2","event":"yes","value":true,"step":"approval","n":1,"done":true}"#;
    held(
        &[WAIT, mail, yes],
        expect![[r#"
        running 04:10:00Z
          5 events, life 1, 04:00:01Z to 04:00:05Z, ended -
          greet {"name":"Ada"} in default by None for None
          claim 1 by w1 until 04:10:00Z
          approval#1 waited for ["yes", "no"] until Some("2026-11-22T04:05:00Z"), got ["yes=true"]
          kept m1 mail = 1
          inbox 1:2, 0 logs
    "#]],
    );
    held(
        &[WAIT, r#"{"type":"wake","claim":1,"step":"approval","n":1}"#],
        expect![[r#"
        running 04:10:00Z
          warning: line 4: it wakes approval#1 before its time, 2026-11-22T04:05:00Z
          4 events, life 1, 04:00:01Z to 04:00:04Z, ended -
          greet {"name":"Ada"} in default by None for None
          claim 1 by w1 until 04:10:00Z
          approval#1 waited too long for ["yes", "no"] until Some("2026-11-22T04:05:00Z"), got []
          inbox 1:0, 0 logs
    "#]],
    );
    held(
        &[
            r#"{"type":"receive","claim":1,"inbox":1,"id":"a","event":"x","value":1}"#,
            r#"{"type":"receive","claim":1,"inbox":2,"id":"b","event":"y","value":2}"#,
            r#"{"type":"receive","claim":1,"inbox":3,"id":"c","event":"x","value":3}"#,
            r#"{"type":"skip","claim":1,"inbox":4,"reason":"a child that ended before"}"#,
            r#"{"type":"turn","claim":1,"inbox":5}"#,
            r#"{"type":"receive","claim":1,"inbox":1,"id":"d","event":"x","value":4}"#,
            r#"{"type":"wait","claim":1,"step":"x","n":1,"for":["x"],"take":1,"done":true}"#,
            r#"{"type":"wait","claim":1,"step":"either","n":1,"for":["y","x","x"],"take":2,"done":true}"#,
            r#"{"type":"wait","claim":1,"step":"none","n":1,"for":["z"],"done":true}"#,
        ],
        expect![[r#"
            running 04:10:00Z
              11 events, life 1, 04:00:01Z to 04:00:11Z, ended -
              greet {"name":"Ada"} in default by None for None
              claim 1 by w1 until 04:10:00Z
              x#1 waited for ["x"] until None, got ["x=1"]
              either#1 waited for ["y", "x", "x"] until None, got ["y=2", "x=3"]
              none#1 waited for ["z"] until None, got []
              kept d x = 4
              inbox 2:1, 0 logs
        "#]],
    );
}

#[test]
fn a_wait_may_take_many_messages_until_what_it_waits_for_holds() {
    let wait = r#"{"type":"wait","claim":1,"step":"paid in full","n":1,"for":["paid"]}"#;
    let paid =
        r#"{"type":"receive","claim":1,"inbox":1,"id":"m1","event":"paid","value":5,"step":"paid in full","n":1}"#;
    held(
        &[wait, paid, r#"{"type":"release","claim":1}"#],
        expect![[r#"
        waiting - event:paid
          5 events, life 1, 04:00:01Z to 04:00:05Z, ended -
          greet {"name":"Ada"} in default by None for None
          paid in full#1 waits for ["paid"] until None, got ["paid=5"]
          inbox 1:1, 0 logs
    "#]],
    );
    held(
        &[wait, paid, r#"{"type":"ensure","claim":1,"step":"paid in full","n":1}"#],
        expect![[r#"
        running 04:10:00Z
          5 events, life 1, 04:00:01Z to 04:00:05Z, ended -
          greet {"name":"Ada"} in default by None for None
          claim 1 by w1 until 04:10:00Z
          paid in full#1 waited for ["paid"] until None, got ["paid=5"]
          inbox 1:1, 0 logs
    "#]],
    );
}

#[test]
fn two_waits_for_one_name() {
    let first = r#"{"type":"wait","claim":1,"step":"a","n":1,"for":["x"]}"#;
    let second = r#"{"type":"wait","claim":1,"step":"b","n":1,"for":["x"]}"#;
    held(
        &[
            first,
            second,
            r#"{"type":"receive","claim":1,"inbox":1,"id":"1","event":"x","value":1,"step":"b","n":1,"done":true}"#,
            r#"{"type":"receive","claim":1,"inbox":2,"id":"2","event":"x","value":2,"step":"a","n":1,"done":true}"#,
            r#"{"type":"receive","claim":1,"inbox":3,"id":"3","event":"x","value":3}"#,
        ],
        expect![[r#"
            running 04:10:00Z
              7 events, life 1, 04:00:01Z to 04:00:07Z, ended -
              greet {"name":"Ada"} in default by None for None
              claim 1 by w1 until 04:10:00Z
              a#1 waited for ["x"] until None, got ["x=2"]
              b#1 waited for ["x"] until None, got ["x=1"]
              kept 3 x = 3
              inbox 1:3, 0 logs
        "#]],
    );
}

pub(crate) const BOOK: &str = r#"{"type":"save","claim":1,"step":"book","n":1,"value":"b1","compensate":true}"#;
pub(crate) const CHARGE: &str = r#"{"type":"save","claim":1,"step":"charge","n":1,"value":"c1","compensate":true}"#;
pub(crate) const REVERT: &str = r#"{"type":"revert","claim":1,"step":"revert","n":1,"error":{"type":"NoRoom"}}"#;
pub(crate) const UNCHARGE: &str = r#"{"type":"compensation","claim":1,"step":"charge","n":1,"value":null}"#;
pub(crate) const UNBOOK: &str = r#"{"type":"compensation","claim":1,"step":"book","n":1,"value":null}"#;

#[test]
fn a_revert_compensates_the_last_first() {
    held(
        &[BOOK, CHARGE],
        expect![[r#"
        running 04:10:00Z
          4 events, life 1, 04:00:01Z to 04:00:04Z, ended -
          greet {"name":"Ada"} in default by None for None
          claim 1 by w1 until 04:10:00Z
          book#1 = "b1" in attempt 1; can be compensated
          charge#1 = "c1" in attempt 1; can be compensated
          inbox 1:0, 0 logs
          2 to compensate, next Some("charge#1"), reverting: false
    "#]],
    );
    held(
        &[BOOK, CHARGE, REVERT],
        expect![[r#"
        running 04:10:00Z
          5 events, life 1, 04:00:01Z to 04:00:05Z, ended -
          greet {"name":"Ada"} in default by None for None
          claim 1 by w1 until 04:10:00Z
          book#1 = "b1" in attempt 1; can be compensated
          charge#1 = "c1" in attempt 1; can be compensated
          revert#1 revert, over: false
          inbox 1:0, 0 logs
          2 to compensate, next Some("charge#1"), reverting: true
    "#]],
    );
    let fails =
        r#"{"type":"compensation","claim":1,"step":"charge","n":1,"error":"busy","retry_at":"2026-11-22T04:00:40Z"}"#;
    held(
        &[BOOK, CHARGE, REVERT, fails, r#"{"type":"release","claim":1}"#],
        expect![[r#"
        retrying 04:00:40Z retry_at:04:00:40Z
          7 events, life 1, 04:00:01Z to 04:00:07Z, ended -
          greet {"name":"Ada"} in default by None for None
          book#1 = "b1" in attempt 1; can be compensated
          charge#1 = "c1" in attempt 1; compensation failed 1 times, "busy", again at 2026-11-22T04:00:40Z
          revert#1 revert, over: false
          inbox 1:0, 0 logs
          2 to compensate, next Some("charge#1"), reverting: true
    "#]],
    );
    held(
        &[
            BOOK,
            CHARGE,
            REVERT,
            fails,
            r#"{"type":"compensation","claim":1,"step":"charge","n":1,"attempt":2,"error":"never"}"#,
            UNBOOK,
        ],
        expect![[r#"
            running 04:10:00Z
              8 events, life 1, 04:00:01Z to 04:00:08Z, ended -
              greet {"name":"Ada"} in default by None for None
              claim 1 by w1 until 04:10:00Z
              book#1 = "b1" in attempt 1; compensated = null in attempt 1
              charge#1 = "c1" in attempt 1; compensation failed after 2, "never"
              revert#1 revert, over: true
              inbox 1:0, 0 logs
        "#]],
    );
    held(
        &[r#"{"type":"revert","claim":1}"#],
        expect![[r#"
        running 04:10:00Z
          3 events, life 1, 04:00:01Z to 04:00:03Z, ended -
          greet {"name":"Ada"} in default by None for None
          claim 1 by w1 until 04:10:00Z
          inbox 1:0, 0 logs
    "#]],
    );
    // A step that fails for good may have had effects; what comes after a revert can be reverted again.
    held(
        &[
            r#"{"type":"save","claim":1,"step":"a","n":1,"error":"x","compensate":true}"#,
            REVERT,
            r#"{"type":"compensation","claim":1,"step":"a","n":1,"value":1}"#,
            BOOK,
            r#"{"type":"revert","claim":1}"#,
            UNBOOK,
        ],
        expect![[r#"
            running 04:10:00Z
              8 events, life 1, 04:00:01Z to 04:00:08Z, ended -
              greet {"name":"Ada"} in default by None for None
              claim 1 by w1 until 04:10:00Z
              a#1 failed for good after 1, "x"; compensated = 1 in attempt 1
              revert#1 revert, over: true
              book#1 = "b1" in attempt 1; compensated = null in attempt 1
              inbox 1:0, 0 logs
        "#]],
    );
}

pub(crate) const CHILD: &str = r#"{"type":"child","claim":1,"step":"ship","n":1,"run":"greet-1/ship/1","start":{"at":"2026-11-22T04:00:03Z","type":"start","v":1,"run":"greet-1/ship/1","workflow":"ship","queue":"default","input":1,"parent":{"run":"greet-1","queue":"default","step":"ship","n":1}}}"#;

#[test]
fn a_child_begins_and_its_end_comes_by_the_inbox() {
    held(
        &[CHILD, r#"{"type":"release","claim":1}"#],
        expect![[r#"
            waiting - child:greet-1/ship/1
              4 events, life 1, 04:00:01Z to 04:00:04Z, ended -
              greet {"name":"Ada"} in default by None for None
              ship#1 child greet-1/ship/1 ended None
              inbox 1:0, 0 logs
        "#]],
    );
    held(
        &[CHILD, r#"{"type":"child_end","claim":1,"step":"ship","n":1,"inbox":1,"ok":"shipped"}"#],
        expect![[r#"
            running 04:10:00Z
              4 events, life 1, 04:00:01Z to 04:00:04Z, ended -
              greet {"name":"Ada"} in default by None for None
              claim 1 by w1 until 04:10:00Z
              ship#1 child greet-1/ship/1 ended Some(Ok("shipped"))
              inbox 1:1, 0 logs
        "#]],
    );
    held(
        &[CHILD, r#"{"type":"child_end","claim":1,"step":"ship","n":1,"error":{"type":"Taken"}}"#],
        expect![[r#"
            running 04:10:00Z
              4 events, life 1, 04:00:01Z to 04:00:04Z, ended -
              greet {"name":"Ada"} in default by None for None
              claim 1 by w1 until 04:10:00Z
              ship#1 child greet-1/ship/1 ended Some(Failed({"type":"Taken"}))
              inbox 1:0, 0 logs
        "#]],
    );
}

#[test]
fn a_request_to_cancel_is_for_the_runs_code() {
    held(
        &[
            r#"{"type":"cancel","claim":1,"inbox":1,"id":"c1","reason":"too late","from":"tc"}"#,
            r#"{"type":"cancel","claim":1,"inbox":2,"id":"c2"}"#,
        ],
        expect![[r#"
            running 04:10:00Z
              4 events, life 1, 04:00:01Z to 04:00:04Z, ended -
              greet {"name":"Ada"} in default by None for None
              claim 1 by w1 until 04:10:00Z
              inbox 1:2, 0 logs
              cancel c1 Some("too late") Some("tc")
        "#]],
    );
}

#[test]
fn clocks_only_warn() {
    held(
        &[
            r#"{"type":"sleep","claim":1,"step":"pause","n":1,"until":"2026-11-22T05:00:00Z"}"#,
            r#"{"type":"wake","claim":1,"step":"pause","n":1}"#,
            r#"{"type":"log","claim":1,"n":1,"text":"x","at":"2026-11-22T04:00:00Z"}"#,
            r#"{"type":"claim","claim":2,"worker":"w2","until":"2026-11-22T04:00:00Z"}"#,
            r#"{"type":"claim","claim":3,"worker":"w2","until":"2026-11-22T04:00:00Z"}"#,
        ],
        expect![[r#"
            running 04:00:00Z
              warning: line 4: it wakes pause#1 before its time, 2026-11-22T05:00:00Z
              warning: line 5: its time is before that of a line before it
              warning: line 6: it overtakes claim 1, which held until 2026-11-22T04:10:00Z
              7 events, life 1, 04:00:01Z to 04:00:07Z, ended -
              greet {"name":"Ada"} in default by None for None
              claim 3 by w2 until 04:00:00Z
              pause#1 slept until 2026-11-22T05:00:00Z
              inbox 1:0, 1 logs
        "#]],
    );
    let lines = history(&[START, CLAIM]);
    let open_stop = framed(3, r#"{"type":"stop","claim":1,"v":1,"ok":1}"#, false);
    let (fold, _) = fold(log(), &[lines[0].clone(), lines[1].clone(), open_stop]);
    expect![[r#"
        completed -
          warning: line 3: the run ended, but the log is not sealed
          3 events, life 1, 04:00:01Z to 04:00:03Z, ended 04:00:03Z
          greet {"name":"Ada"} in default by None for None
          inbox 1:0, 0 logs
          ok 1
    "#]]
    .assert_eq(&dump(fold.state()));
    held(
        &[BOOK, CHARGE, REVERT, r#"{"type":"stop","claim":1,"v":1,"error":1}"#],
        expect![[r#"
        failed -
          warning: line 6: the run ended in the middle of a revert: 2 compensations were not run
          6 events, life 1, 04:00:01Z to 04:00:06Z, ended 04:00:06Z
          greet {"name":"Ada"} in default by None for None
          book#1 = "b1" in attempt 1; can be compensated
          charge#1 = "c1" in attempt 1; can be compensated
          revert#1 revert, over: false
          inbox 1:0, 0 logs
          2 to compensate, next Some("charge#1"), reverting: true
          error 1
    "#]],
    );
}

#[test]
fn a_forgotten_history_tells_its_end() {
    let stop = framed(
        9,
        r#"{"type":"stop","claim":4,"v":1,"ok":7,"workflow":"greet","started_at":"2026-11-22T04:00:01Z","events":30}"#,
        true,
    );
    let (known, result) = fold(log(), &[stop]);
    assert_eq!(result, Ok(()));
    assert!(known.state().is_forgotten());
    expect![[r#"
        completed -
          30 events, life 1, 04:00:01Z to 04:00:09Z, ended 04:00:09Z
          inbox 1:0, 0 logs
          ok 7
    "#]]
    .assert_eq(&dump(known.state()));
}
