//! Histories that cannot be, written by hand: what is said of each, and where.

use expect_test::{Expect, expect};

use crate::folds::{BOOK, CHARGE, CHILD, CLAIM, REVERT, START, UNBOOK, UNCHARGE, WAIT};
use crate::support::{fold, framed, header, history, log};

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
        expect!["line 1: it was written by a newer version, in version 2 of the format: this one reads version 1"],
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
            "line 3: what ship#1 begins: it was written by a newer version, in version 2 of the format: this one reads version 1"
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
        expect!["line 3: it was written by a newer version, if by any: this one does not know the type `teleport`"],
    );
    refused(&[r#"{"claim":1}"#], expect!["line 3: it has no `type`"]);
    refused(&[r#"{"type":"log","claim":1,"claim":1,"n":1,"text":"x"}"#], expect!["line 3: it has `claim` twice"]);
    refused(
        &[r#"{"type":"log","claim":1,"n":1,"text":"\ud800"}"#],
        expect![[r#"line 3: its `text` is not a string: "\ud800""#]],
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
        expect!["line 3: it was written by a newer version, in version 9 of the format: this one reads version 1"],
    );
    refused(
        &[r#"{"type":"stop","claim":1,"v":1,"ok":1,"workflow":"other"}"#],
        expect!["line 3: it names another workflow than the start does"],
    );
    let hostile = format!(r#"{{"type":"{}\u001b]0;x\u0007","claim":1}}"#, "x".repeat(100_000));
    refused(
        &[&hostile],
        expect![
            "line 3: it was written by a newer version, if by any: this one does not know the type `xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…`"
        ],
    );
}
