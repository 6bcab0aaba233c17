//! Hand-written histories: what they amount to, and what is wrong with them.

use expect_test::{Expect, expect};

use crate::support::{dump, fold, framed, header, history, log};

const START: &str =
    r#"{"type":"start","v":1,"run":"greet-1","workflow":"greet","queue":"default","input":{"name":"Ada"}}"#;
const CLAIM: &str = r#"{"type":"claim","claim":1,"worker":"w1","until":"2026-11-22T04:10:00Z"}"#;

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

/// Why the last of `bodies`, after a start and a claim, is refused; those before are sound.
#[track_caller]
fn refused(bodies: &[&str], expected: Expect) {
    refused_lines(&history(&[&[START, CLAIM], bodies].concat()), expected);
}

#[track_caller]
fn refused_lines(lines: &[String], expected: Expect) {
    let (before, sound) = fold(log(), &lines[..lines.len() - 1]);
    assert_eq!(sound, Ok(()));
    let (after, result) = fold(log(), lines);
    let problem = result.expect_err("the last line is refused");
    assert_eq!(after.state().problem(), Some(&problem));
    // All else is as it was, and whatever follows is refused for the same reason.
    assert_eq!(after.state().position(), before.state().position());
    assert_eq!(after.state().events(), before.state().events());
    let mut again = after.clone();
    let next = framed(lines.len() as u64 + 1, r#"{"type":"release","claim":1}"#, false);
    assert_eq!(again.line(header(&next), next.as_bytes()).map(|_| ()), Err(problem.clone()));
    expected.assert_eq(&problem.to_string());
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

const WAIT: &str =
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

const BOOK: &str = r#"{"type":"save","claim":1,"step":"book","n":1,"value":"b1","compensate":true}"#;
const CHARGE: &str = r#"{"type":"save","claim":1,"step":"charge","n":1,"value":"c1","compensate":true}"#;
const REVERT: &str = r#"{"type":"revert","claim":1,"step":"revert","n":1,"error":{"type":"NoRoom"}}"#;
const UNCHARGE: &str = r#"{"type":"compensation","claim":1,"step":"charge","n":1,"value":null}"#;
const UNBOOK: &str = r#"{"type":"compensation","claim":1,"step":"book","n":1,"value":null}"#;

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

const CHILD: &str = r#"{"type":"child","claim":1,"step":"ship","n":1,"run":"greet-1/ship/1","start":{"at":"2026-11-22T04:00:03Z","type":"start","v":1,"run":"greet-1/ship/1","workflow":"ship","queue":"default","input":1,"parent":{"run":"greet-1","queue":"default","step":"ship","n":1}}}"#;

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

#[test]
fn order_of_lines() {
    refused_lines(&history(&[CLAIM]), expect!["line 1: a claim comes before the start"]);
    refused_lines(&history(&[START, START]), expect!["line 2: the run starts a second time"]);
    refused_lines(&[framed(2, CLAIM, false)], expect!["line 2: line 1 should stand here"]);
    refused_lines(&[framed(2, CLAIM, true)], expect!["line 2: the lines before it are missing"]);
    refused_lines(&[framed(1, START, true)], expect!["line 1: the log is sealed by a start: the run can never go on"]);
    let lines = history(&[START, CLAIM]);
    refused_lines(&[lines[0].clone(), framed(3, CLAIM, false)], expect!["line 3: line 2 should stand here"]);
    refused_lines(&[lines[0].clone(), lines[0].clone()], expect!["line 1: line 2 should stand here"]);
    refused_lines(
        &[lines[0].clone(), framed(2, CLAIM, true)],
        expect!["line 2: the log is sealed by a claim: the run can never go on"],
    );
    let stop = r#"{"type":"stop","claim":1,"v":1,"ok":1}"#;
    refused(&[stop, stop], expect!["line 4: it follows line 3, with which the run ended"]);
    let open = [lines[0].clone(), lines[1].clone(), framed(3, stop, false), framed(4, stop, true)];
    refused_lines(&open, expect!["line 4: it follows line 3, with which the run ended"]);
}

#[test]
fn starts_that_cannot_be() {
    let start = |from: &str, to: &str| history(&[&START.replace(from, to)]);
    refused_lines(
        &start("greet-1", "greet-2"),
        expect!["line 1: it is the history of `greet-2`, in the place of `greet-1`"],
    );
    refused_lines(
        &start("\"v\":1", "\"v\":2"),
        expect![
            "line 1: it is written in version 2 of the format, and this program reads version 1: a newer one is needed"
        ],
    );
    refused_lines(&start("\"v\":1", "\"v\":0"), expect!["line 1: there is no version 0 of the format"]);
    refused_lines(&start("\"v\":1,", ""), expect!["line 1: it has no `v`"]);
    refused_lines(&start("\"greet\"", "\"\""), expect!["line 1: its workflow has no name"]);
    refused_lines(&start("\"default\"", "\"\""), expect!["line 1: invalid queue id: it is empty"]);
    refused_lines(
        &start("\"v\":1", "\"v\":1,\"generation\":2"),
        expect!["line 1: it begins generation 2 in the place of 1"],
    );
    refused_lines(&start("\"v\":1", "\"v\":1,\"claim\":1"), expect!["line 1: a start has no claim"]);
    refused_lines(
        &start("\"v\":1", "\"v\":1,\"state\":{}"),
        expect!["line 1: the first generation carries a state over"],
    );
    refused_lines(
        &start("\"v\":1", "\"v\":1,\"parent\":{\"run\":\"\",\"queue\":\"q\",\"step\":\"s\",\"n\":1}"),
        expect!["line 1: its parent: invalid runs id: it is empty"],
    );
    refused_lines(
        &start("\"v\":1", "\"v\":1,\"parent\":{\"run\":\"p\",\"queue\":\"q\",\"step\":\"s\",\"n\":0}"),
        expect!["line 1: its `parent`: calls of a step are counted from 1"],
    );
    refused_lines(
        &start("\"v\":1", "\"v\":1,\"parent\":7"),
        expect!["line 1: its `parent`: invalid type: integer `7`, expected struct ParentFields at line 1 column 1"],
    );
}

#[test]
fn who_appends_holds_the_run() {
    let log_line = r#"{"type":"log","claim":1,"n":1,"text":"x"}"#;
    refused_lines(
        &history(&[START, log_line]),
        expect!["line 2: it was appended under claim 1, when nobody held the run"],
    );
    refused(&[r#"{"type":"log","n":1,"text":"x"}"#], expect!["line 3: it names no claim"]);
    refused(
        &[r#"{"type":"release","claim":1}"#, log_line],
        expect!["line 4: it was appended under claim 1, when nobody held the run"],
    );
    refused(
        &[r#"{"type":"claim","claim":2,"worker":"\u001b[31mw2","until":"2026-11-22T05:00:00Z"}"#, log_line],
        expect![[r#"line 4: it was appended under claim 1, when the run was held under claim 2 by `\u{1b}[31mw2`"#]],
    );
    refused(
        &[r#"{"type":"claim","claim":1,"worker":"w2","until":"2026-11-22T05:00:00Z"}"#],
        expect!["line 3: claim 1 stands where claim 2 should"],
    );
    refused(
        &[r#"{"type":"claim","claim":3,"worker":"w2","until":"2026-11-22T05:00:00Z"}"#],
        expect!["line 3: claim 3 stands where claim 2 should"],
    );
    refused(
        &[r#"{"type":"renew","claim":2,"until":"2026-11-22T05:00:00Z"}"#],
        expect!["line 3: it was appended under claim 2, when the run was held under claim 1 by `w1`"],
    );
}

#[test]
fn steps_are_told_of_once() {
    let save = r#"{"type":"save","claim":1,"step":"a","n":1,"value":1}"#;
    let fails = r#"{"type":"save","claim":1,"step":"a","n":1,"error":1,"retry_at":"2026-11-22T05:00:00Z"}"#;
    refused(&[save, save], expect!["line 4: a#1 has its result since line 3"]);
    refused(
        &[save, r#"{"type":"save","claim":1,"step":"a","n":1,"attempt":2,"value":1}"#],
        expect!["line 4: a#1 has its result since line 3"],
    );
    refused(
        &[r#"{"type":"save","claim":1,"step":"a","n":1,"error":1}"#, save],
        expect!["line 4: a#1 has failed for good since line 3"],
    );
    refused(
        &[save, r#"{"type":"value","claim":1,"step":"a","n":1,"value":1}"#],
        expect!["line 4: a#1 has its result since line 3"],
    );
    refused(
        &[r#"{"type":"value","claim":1,"step":"a","n":1,"value":1}"#, save],
        expect!["line 4: a#1 is a value since line 3"],
    );
    refused(
        &[r#"{"type":"save","claim":1,"step":"a","n":1,"attempt":2,"value":1}"#],
        expect!["line 3: attempt 2 at a#1 stands where attempt 1 should"],
    );
    refused(&[fails, fails], expect!["line 4: attempt 1 at a#1 stands where attempt 2 should"]);
    refused(
        &[fails, r#"{"type":"save","claim":1,"step":"a","n":1,"attempt":3,"value":1}"#],
        expect!["line 4: attempt 3 at a#1 stands where attempt 2 should"],
    );
    refused(
        &[fails, r#"{"type":"save","claim":1,"step":"a","n":1,"attempt":2,"value":1,"compensate":true}"#],
        expect!["line 4: whether a#1 can be compensated is told in two ways"],
    );
    refused(
        &[r#"{"type":"save","claim":1,"step":"a","n":0,"value":1}"#],
        expect!["line 3: calls of a step are counted from 1"],
    );
    refused(
        &[r#"{"type":"save","claim":1,"step":"a","n":1,"attempt":0,"value":1}"#],
        expect!["line 3: attempts are counted from 1"],
    );
    refused(&[r#"{"type":"save","claim":1,"step":"a","n":1}"#], expect!["line 3: it has neither `value` nor `error`"]);
    refused(
        &[r#"{"type":"save","claim":1,"step":"a","n":1,"value":1,"error":2}"#],
        expect!["line 3: it has a `value` beside an `error` or `retry_at`"],
    );
    refused(&[r#"{"type":"log","claim":1,"n":2,"text":"x"}"#], expect!["line 3: log 2 stands where log 1 should"]);
}

#[test]
fn sleeps_and_waits_that_cannot_be() {
    let sleep = r#"{"type":"sleep","claim":1,"step":"s","n":1,"until":"2026-11-22T04:00:01Z"}"#;
    let wake = r#"{"type":"wake","claim":1,"step":"s","n":1}"#;
    refused(&[wake], expect!["line 3: it wakes s#1, which does not sleep"]);
    refused(&[sleep, sleep], expect!["line 4: s#1 is a sleep since line 3"]);
    refused(&[sleep, wake, wake], expect!["line 5: it wakes s#1, which does not sleep"]);
    refused(
        &[r#"{"type":"sleep","claim":1,"step":"s","n":1,"until":"tomorrow"}"#],
        expect![[r#"line 3: its `until` is not a time: "tomorrow""#]],
    );
    refused(
        &[r#"{"type":"sleep","claim":1,"step":"s","n":1,"until":1800000000}"#],
        expect!["line 3: its `until` is not a time: 1800000000"],
    );
    let wait = r#"{"type":"wait","claim":1,"step":"s","n":1,"for":["x"]}"#;
    refused(&[wait, wake], expect!["line 4: the deadline of s#1 has passed, which has none"]);
    refused(&[wait, wait], expect!["line 4: s#1 is a wait since line 3"]);
    refused(&[sleep, r#"{"type":"ensure","claim":1,"step":"s","n":1}"#], expect!["line 4: s#1 is no open wait"]);
    refused(&[r#"{"type":"wait","claim":1,"step":"s","n":1,"for":[]}"#], expect!["line 3: s#1 waits for nothing"]);
    refused(
        &[r#"{"type":"wait","claim":1,"step":"s","n":1,"for":["x",1]}"#],
        expect![[r#"line 3: its `for` is not an array of names: ["x",1]"#]],
    );
    refused(
        &[r#"{"type":"wait","claim":1,"step":"s","n":1,"for":["x"],"take":1,"done":true}"#],
        expect!["line 3: s#1 takes 1 kept messages, and there are 0"],
    );
    let many = vec!["\"x\""; 101].join(",");
    refused(
        &[&format!(r#"{{"type":"wait","claim":1,"step":"s","n":1,"for":[{many}]}}"#)],
        expect!["line 3: it waits for more than 100 names"],
    );
}

#[test]
fn the_inbox_is_taken_line_by_line() {
    let mail = r#"{"type":"receive","claim":1,"inbox":1,"id":"m1","event":"yes","value":1}"#;
    refused(&[mail, mail], expect!["line 4: it takes line 1 of the inbox, and line 2 is the next"]);
    refused(
        &[r#"{"type":"skip","claim":1,"inbox":2}"#],
        expect!["line 3: it takes line 2 of the inbox, and line 1 is the next"],
    );
    refused(
        &[r#"{"type":"turn","claim":1,"inbox":1}"#, r#"{"type":"skip","claim":1,"inbox":2}"#],
        expect!["line 4: it takes line 2 of the inbox, and line 1 is the next"],
    );
    refused(&[WAIT, mail], expect!["line 4: a message `yes` is kept while a wait is open for it"]);
    refused(&[mail, WAIT], expect!["line 4: approval#1 waits for messages of which 1 are kept"]);
    refused(
        &[r#"{"type":"receive","claim":1,"inbox":1,"id":"m1","event":"yes","value":1,"done":true}"#],
        expect!["line 3: a message that is kept ends no wait"],
    );
    let to = r#"{"type":"receive","claim":1,"inbox":1,"id":"m1","event":"maybe","value":1,"step":"approval","n":1,"done":true}"#;
    refused(&[WAIT, to], expect!["line 4: approval#1 is given a message `maybe`, for which it does not wait"]);
    refused(&[to], expect!["line 3: approval#1 is no open wait"]);
    refused(
        &[WAIT, r#"{"type":"wake","claim":1,"step":"approval","n":1}"#, &to.replace("maybe", "yes")],
        expect!["line 5: approval#1 is no open wait"],
    );
}

#[test]
fn compensations_that_cannot_be() {
    refused(&[UNBOOK], expect!["line 3: it compensates book#1, which was never saved"]);
    refused(&[BOOK, UNBOOK], expect!["line 4: it compensates book#1, but no revert is under way"]);
    refused(
        &[BOOK, CHARGE, REVERT, UNBOOK],
        expect!["line 6: it compensates book#1 before charge#1, which came later"],
    );
    refused(&[BOOK, CHARGE, REVERT, UNCHARGE, UNCHARGE], expect!["line 7: it compensates charge#1 a second time"]);
    refused(&[BOOK, REVERT, REVERT], expect!["line 5: a revert begins while another is under way"]);
    refused(
        &[
            BOOK,
            r#"{"type":"save","claim":1,"step":"plain","n":1,"value":1}"#,
            REVERT,
            r#"{"type":"compensation","claim":1,"step":"plain","n":1,"value":1}"#,
        ],
        expect!["line 6: it compensates plain#1, which has no compensation"],
    );
    refused(
        &[BOOK, REVERT, r#"{"type":"compensation","claim":1,"step":"book","n":1,"attempt":2,"value":1}"#],
        expect!["line 5: attempt 2 at compensating book#1 stands where attempt 1 should"],
    );
    refused(
        &[
            BOOK,
            REVERT,
            UNBOOK,
            r#"{"type":"save","claim":1,"step":"late","n":1,"value":1,"compensate":true}"#,
            r#"{"type":"compensation","claim":1,"step":"late","n":1,"value":1}"#,
        ],
        expect!["line 7: it compensates late#1, but no revert is under way"],
    );
}

#[test]
fn children_that_cannot_be() {
    let end = r#"{"type":"child_end","claim":1,"step":"ship","n":1,"ok":1}"#;
    refused(&[end], expect!["line 3: the child of ship#1 ends, which never began"]);
    refused(&[CHILD, end, end], expect!["line 5: the child of ship#1 ends a second time"]);
    refused(&[CHILD, CHILD], expect!["line 4: ship#1 is a child since line 3"]);
    refused(
        &[BOOK, r#"{"type":"child_end","claim":1,"step":"book","n":1,"ok":1}"#],
        expect!["line 4: book#1 is a save, not a child"],
    );
    refused(
        &[&CHILD.replacen("greet-1/ship/1", "other", 1)],
        expect!["line 3: what ship#1 begins is not the first generation of `other`"],
    );
    refused(
        &[&CHILD.replace("\"parent\":{\"run\":\"greet-1\"", "\"parent\":{\"run\":\"greet-2\"")],
        expect!["line 3: what ship#1 begins does not name it as its parent"],
    );
    refused(
        &[&CHILD.replace("\"type\":\"start\"", "\"type\":\"claim\"")],
        expect!["line 3: what ship#1 begins: it has no `worker`"],
    );
    refused(
        &[&CHILD.replace("\"v\":1", "\"v\":2")],
        expect![
            "line 3: what ship#1 begins: it is written in version 2 of the format, and this program reads version 1: a newer one is needed"
        ],
    );
    refused(
        &[&CHILD.replace("greet-1/ship/1", &"x".repeat(300))],
        expect![
            "line 3: what ship#1 begins: invalid runs id: `xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…` takes 300 bytes as it is stored, more than 192"
        ],
    );
    refused(
        &[CHILD, r#"{"type":"child_end","claim":1,"step":"ship","n":1}"#],
        expect!["line 4: it has not exactly one of `ok`, `error` and `cancelled`"],
    );
    refused(
        &[CHILD, r#"{"type":"child_end","claim":1,"step":"ship","n":1,"ok":1,"cancelled":true}"#],
        expect!["line 4: it has not exactly one of `ok`, `error` and `cancelled`"],
    );
}

#[test]
fn lines_that_are_no_events() {
    refused(
        &[r#"{"type":"teleport","claim":1}"#],
        expect!["line 3: its type is `teleport`, which this program does not know: a newer one may be needed"],
    );
    refused(&[r#"{"claim":1}"#], expect!["line 3: it has no `type`"]);
    refused(&[r#"{"type":"log","claim":1,"claim":1,"n":1,"text":"x"}"#], expect!["line 3: it has `claim` twice"]);
    refused(
        &[r#"{"type":"log","claim":1,"n":1,"text":"\ud800"}"#],
        expect![[r#"line 3: its `text` is not a string: "\\ud800""#]],
    );
    refused(
        &[r#"{"type":"log","claim":1,"n":1,"text":"x","a":NaN}"#],
        expect!["line 3: it is not JSON: expected a value at byte 109"],
    );
    refused(
        &[r#"{"type":"log","claim":-1,"n":1,"text":"x"}"#],
        expect!["line 3: its `claim` is not a whole number: -1"],
    );
    refused(
        &[r#"{"type":"log","claim":1,"n":1,"text":"x","at":"yesterday"}"#],
        expect![[r#"line 3: its `at` is not a time: "yesterday""#]],
    );
    refused(
        &[r#"{"type":"stop","claim":1,"v":1,"ok":1,"error":2}"#],
        expect!["line 3: it has not exactly one of `ok`, `error` and `cancelled`"],
    );
    refused(
        &[r#"{"type":"stop","claim":1,"v":9,"ok":1}"#],
        expect![
            "line 3: it is written in version 9 of the format, and this program reads version 1: a newer one is needed"
        ],
    );
    refused(
        &[r#"{"type":"stop","claim":1,"v":1,"ok":1,"workflow":"other"}"#],
        expect!["line 3: it names another workflow than the start does"],
    );
    let hostile = format!(r#"{{"type":"{}\u001b]0;x\u0007","claim":1}}"#, "x".repeat(100_000));
    refused(
        &[&hostile],
        expect![
            "line 3: its type is `xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…`, which this program does not know: a newer one may be needed"
        ],
    );
}
