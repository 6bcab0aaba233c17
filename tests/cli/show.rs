//! `tc show`: where a run stands, its life as a timeline, its steps, its history, what it was told.

use std::process::Command;

use expect_test::{Expect, expect};
use serde_json::Value;
use unicode_width::UnicodeWidthStr as _;

use super::{json, run, seen, tc};

pub(super) fn show(store: &str, run: &str, arguments: &[&str]) -> Command {
    let mut command = tc(&["show", "-s", store, "--time", "iso", "--tz", "utc"]);
    command.args(arguments).args(["--", run]);
    command
}

#[track_caller]
fn check(width: usize, store: &str, name: &str, expected: Expect) {
    let text = seen(&run(show(store, name, &[]).env("COLUMNS", width.to_string())));
    assert!(text.lines().all(|line| line.width() <= width), "{text}");
    expected.assert_eq(&text);
}

/// What `-o json` says of a run.
pub(super) fn item(store: &str, name: &str) -> Value {
    let mut answer = json(&mut show(store, name, &["--json"]));
    assert_eq!((&answer["schema"], answer["items"].as_array().map(Vec::len)), (&Value::from("tc.show/1"), Some(1)));
    answer["items"][0].take()
}

#[test]
fn a_run_that_is_completed() {
    check(
        100,
        "fixtures/runs",
        "order-1",
        expect![[r#"
        order-1  completed since 2026-11-20T07:00:11.194027Z
        result    {"receipt":"R-1041","shipped":true}
        workflow  order, queue default
        input     {"item":"book","pieces":1,"amount":12.5}
        started   2026-11-20T05:00:00.119380Z
        ended     2026-11-20T07:00:11.194027Z, after 2h
        history   22 events, taken 4 times by a worker
        store     fixtures/runs, of tc

        Timeline
                          +0s                        +5s                        +10m 9s  +15m 9s      +2h
                          ├─────────────────────────────────────────────┤┄ 10m ┄├─┤┄ 5m ┄├─┤┄ 1h 45m ┄├───┤
        worker            •██████████████████████████████████████████████       ███       ██          █████
        reserve#1   done    █
        charge#1    done    ████████████████████████████×░░░░░░░░░░████
        ship#1      done                                              ░░░┄┄┄┄┄┄┄░░░┄┄┄┄┄┄░░░┄┄┄┄┄┄┄┄┄┄░░░░░
        pack#1      done                                                ░┄┄┄┄┄┄┄░░░
        handover#1  done                                                          ░┄┄┄┄┄┄░░░
        messages                                                                         •
        █ at work   ░ waits   × failed   • sent

        Steps
        STEP        KIND   STATE  ATTEMPTS    TOOK  VALUE OR ERROR
        now#1       value  done                     2026-11-20T05:00:00.218740Z
        reserve#1   save   done               12ms  {"shelf":"B4"}
        charge#1    save   done          2    7.5s  {"receipt":"R-1041","amount":12.5}
        ship#1      child  done                 2h  order-1/ship/1, shipped
        pack#1      sleep  done             10m 1s
        handover#1  wait   done                 5m  {"by":"Ada"}

        History
        SEQ  TIME                          ELAPSED  TYPE       CHANGE
          1  2026-11-20T05:00:00.119380Z       +0s  start      order starts with
                                                               {"item":"book","pieces":1,"amount":12.5}
          2  2026-11-20T05:00:00.218740Z     +99ms  claim      shop-1/4711 takes the run until
                                                               2026-11-20T05:00:30.119380Z
          3  2026-11-20T05:00:05.524520Z     +5.4s  value      now#1 is "2026-11-20T05:00:00.218740Z"
          4  2026-11-20T05:00:05.524520Z     +5.4s  save       reserve#1 is done: {"shelf":"B4"} (12 ms)
          5  2026-11-20T05:00:05.524520Z     +5.4s  log        info: reserved
          6  2026-11-20T05:00:05.524520Z     +5.4s  save       charge#1 fails at attempt 1, next at
                                                               2026-11-20T05:00:07.218740Z: Timeout: no
                                                               answer within 5 s (5.0 s)
          7  2026-11-20T05:00:08.050035Z     +7.9s  save       charge#1 is done at attempt 2:
                                                               {"receipt":"R-1041","amount":12.5} (412 ms)
          8  2026-11-20T05:00:08.050035Z     +7.9s  log        info: charged
          9  2026-11-20T05:00:08.153122Z       +8s  child      ship#1 begins the run order-1/ship/1
         10  2026-11-20T05:00:08.373270Z     +8.2s  sleep      pack#1 sleeps until
                                                               2026-11-20T05:10:08.153122Z
         11  2026-11-20T05:00:08.373270Z     +8.2s  release    the worker lets go of the run
                                                               ⋯ 10m 1s idle
         12  2026-11-20T05:10:09.530654Z   +10m 9s  claim      shop-2/112 takes the run until
                                                               2026-11-20T05:10:39.373270Z
         13  2026-11-20T05:10:09.682801Z   +10m 9s  wake       pack#1 is over
         14  2026-11-20T05:10:09.682801Z   +10m 9s  wait       handover#1 waits for handed over
         15  2026-11-20T05:10:09.682801Z   +10m 9s  release    the worker lets go of the run
                                                               ⋯ 5m idle
         16  2026-11-20T05:15:10.145209Z  +15m 10s  claim      shop-1/4711 takes the run until
                                                               2026-11-20T05:15:39.955917Z
         17  2026-11-20T05:15:10.215299Z  +15m 10s  receive    message handed over comes: {"by":"Ada"};
                                                               handover#1 has what it waited for
         18  2026-11-20T05:15:10.215299Z  +15m 10s  release    the worker lets go of the run
                                                               ⋯ 1h 45m idle
         19  2026-11-20T07:00:10.824671Z       +2h  claim      shop-1/4711 takes the run until
                                                               2026-11-20T07:00:40.726164Z
         20  2026-11-20T07:00:11.194027Z       +2h  child_end  ship#1 completes: "shipped"
         21  2026-11-20T07:00:11.194027Z       +2h  log        info: delivered
         22  2026-11-20T07:00:11.194027Z       +2h  stop       the run completes:
                                                               {"receipt":"R-1041","shipped":true}

        Inbox
        SEQ  SENT                         TYPE       NAME            FROM    TAKEN  VALUE
          1  2026-11-20T05:15:09.955917Z  message    handed over     till-1  taken  {"by":"Ada"}
          2  2026-11-20T07:00:10.726164Z  child_end  order-1/ship/1          taken  shipped
    "#]],
    );
}

#[test]
fn a_run_on_a_narrow_terminal() {
    check(
        60,
        "fixtures/runs",
        "refund-1",
        expect![[r#"
        refund-1  retrying since 2026-11-22T03:58:45.958405Z
        waits for  the next attempt at 2026-11-22T04:07:00Z, which
                   has passed, but no worker has taken the run yet
        after      HttpError: 503 Service Unavailable
        workflow   refund, queue default
        input      {"receipt":"R-1040"}
        started    2026-11-22T03:58:30.281199Z
        updated    2026-11-22T03:58:45.958405Z
        history    5 events, taken once by a worker
        store      fixtures/runs, of tc

        Timeline
                              +0s                   +10s
                              ├───────────────────────────────────┤
        worker                •████████████████████████████████████
        pay back#1  retrying  ████████████×░░░░░░░░░░░████████████×▸
        █ at work   ░ waits   × failed   • sent   ▸ goes on

        Steps
        STEP        STATE     VALUE OR ERROR
        pay back#1  retrying  next at 2026-11-22T04:07:00Z,
                              HttpError: 503 Service Unavailable

        History
        SEQ  CHANGE
          1  refund starts with {"receipt":"R-1040"}
          2  shop-1/4711 takes the run until
             2026-11-22T03:59:00.281199Z
          3  pay back#1 fails at attempt 1, next at
             2026-11-22T03:58:40.424614Z: HttpError: 503 Service
             Unavailable (5.0 s)
          4  pay back#1 fails at attempt 2, next at
             2026-11-22T04:07:00Z: HttpError: 503 Service
             Unavailable (5.0 s)
          5  the worker lets go of the run
    "#]],
    );
}

#[test]
fn a_run_that_is_cancelled() {
    check(
        120,
        "fixtures/runs",
        "order-10",
        expect![[r#"
        order-10  cancelled since 2026-11-21T11:00:01.416324Z
        because   found a cheaper one
        workflow  order, queue default
        input     {"item":"sofa","amount":900}
        started   2026-11-21T08:00:00.011547Z
        ended     2026-11-21T11:00:01.416324Z, after 3h
        history   12 events, taken 2 times by a worker
        store     fixtures/runs, of tc

        Timeline
                                   +0s          +200ms          +3h
                                   ├─────────────────────┤┄ 3h ┄├─────────────────────────────────────────────────────────────┤
        worker                     •            ██████████                                █████████████████████████████████████
        reserve#1        done                   ██                                                                            █
        charge#1         done                    █████████                                                                    █
        delivery date#1  given up                        ░┄┄┄┄┄┄░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░
        cancel                                                  •
        █ at work   ░ waits   • sent

        Steps
        STEP             KIND  STATE      TOOK  VALUE OR ERROR
        reserve#1        save  done       14ms  {"shelf":"A9"}; compensation done
        charge#1         save  done      102ms  {"receipt":"R-1039"}; compensation done
        delivery date#1  wait  given up         for date

        History
        SEQ  TIME                         ELAPSED  TYPE          CHANGE
          1  2026-11-21T08:00:00.011547Z      +0s  start         order starts with {"item":"sofa","amount":900}
          2  2026-11-21T08:00:00.200529Z   +188ms  claim         shop-1/4711 takes the run until 2026-11-21T08:00:30.011547Z
          3  2026-11-21T08:00:00.330255Z   +318ms  save          reserve#1 is done: {"shelf":"A9"} (14 ms)
          4  2026-11-21T08:00:00.330255Z   +318ms  save          charge#1 is done: {"receipt":"R-1039"} (102 ms)
          5  2026-11-21T08:00:00.330255Z   +318ms  wait          delivery date#1 waits for date
          6  2026-11-21T08:00:00.330255Z   +318ms  release       the worker lets go of the run
                                                                 ⋯ 3h idle
          7  2026-11-21T11:00:00.916509Z      +3h  claim         shop-2/112 takes the run until 2026-11-21T11:00:30.536030Z
          8  2026-11-21T11:00:01.221171Z      +3h  cancel        it is asked to end by customer: found a cheaper one
          9  2026-11-21T11:00:01.221171Z      +3h  revert        what was done is compensated: Cancelled: found a cheaper one
         10  2026-11-21T11:00:01.416324Z      +3h  compensation  the compensation of charge#1 is done: null
         11  2026-11-21T11:00:01.416324Z      +3h  compensation  the compensation of reserve#1 is done: null
         12  2026-11-21T11:00:01.416324Z      +3h  stop          the run is cancelled: found a cheaper one

        Inbox
        SEQ  SENT                         TYPE    FROM      TAKEN  VALUE
          1  2026-11-21T11:00:00.536030Z  cancel  customer  taken  found a cheaper one
    "#]],
    );
}

#[test]
fn a_run_that_waits_and_goes_on_in_another_generation() {
    check(
        100,
        "fixtures/runs",
        "stock-2",
        expect![[r#"
        stock-2  waiting since 2026-11-21T00:00:01.649894Z
        waits for  delivered
        workflow   stock, queue default
        input      {"shelf":"C3"}
        started    2026-11-21T00:00:00.015380Z
        updated    2026-11-21T00:00:01.649894Z
        history    12 events, taken 2 times by a worker, generation 2
        store      fixtures/runs, of tc

        Timeline
                             +0s                    +500ms                  +1s                    +1.5s
                             ├────────────────────────────────────────────────────────────────────────────┤
        worker               •                                                         ████████████████████
        delivery#1  waiting                                                                               ░▸
        messages                         •                         •
        █ at work   ░ waits   • sent   ▸ goes on

        Steps
        STEP        KIND  STATE    VALUE OR ERROR
        open#1      save  done     {"count":"stock-2"}
        count#1     wait  done     11
        delivery#1  wait  waiting  for delivered

        History
        SEQ  TIME                         ELAPSED  TYPE     CHANGE
          8  2026-11-21T00:00:01.254109Z    +1.2s  compact  what led here is put together
        2.1  2026-11-21T00:00:01.254109Z    +1.2s  start    the run goes on in generation 2
        2.2  2026-11-21T00:00:01.254109Z    +1.2s  claim    shop-1/4711 takes the run until
                                                            2026-11-21T00:00:31.254109Z
        2.3  2026-11-21T00:00:01.649894Z    +1.6s  wait     delivery#1 waits for delivered
        2.4  2026-11-21T00:00:01.649894Z    +1.6s  release  the worker lets go of the run

        Inbox
        SEQ  SENT                         TYPE     NAME     FROM    TAKEN  VALUE
          1  2026-11-21T00:00:00.276761Z  message  counted  till-2  taken  11
        2.1  2026-11-21T00:00:00.824418Z  message  counted  till-1  taken  12
        1 message is kept: the run does not wait for such a message yet.
    "#]],
    );
}

/// An attempt is not drawn before the worker took the run, however long it says that it took.
#[test]
fn attempts_are_within_claims() {
    let text = seen(&run(show("fixtures/history/v1", "retrying-1", &[]).env("COLUMNS", "80")));
    let (_, text) = text.split_once("Timeline\n").expect("a timeline");
    let (text, _) = text.split_once("\nSteps").expect("steps");
    expect![[r#"
                            +0s            +1s            +2s             +3s
                            ├─────────────────────────────────────────────────────────┤
        worker              •                  ████████████████████████████████████████
        charge#1  retrying                     ███████████████████×███████████████████×▸
        █ at work   ░ waits   × failed   • sent   ▸ goes on
    "#]]
    .assert_eq(text);
}

#[test]
fn a_message_that_no_worker_took() {
    let text = seen(&run(show("fixtures/runs", "order-8", &[]).env("COLUMNS", "80")));
    assert!(text.contains("inbox      paid: sent, but no worker has taken it yet\n"), "{text}");
}

#[test]
fn hostile_texts() {
    check(
        90,
        "fixtures/runs",
        "order-11",
        expect![[r#"
        order-11 \u{202e}1-redro\u{2069}\n\u{1b}[31m  failed since 2026-11-22T02:00:01.622796Z
        error     \u{1b}[41mDeclined: card declined\n\u{1b}[2Jall \u{202e}doog\nhint: There is no
                  end to it. There is no end to it. There is no end to it. There is no end to it.
                  There is no end to it. There is no end to it. There is no end to it. There is no
                  end to it. There is no end to it. There is no end to it. There is no end to it.
                  There is no end to it. There is no end to it. There is no end to it. There is no
                  end to it. There… (3,499 characters; -o json shows all of them)
        workflow  order, queue default
        input     null
        started   2026-11-22T02:00:00.305824Z
        ended     2026-11-22T02:00:01.622796Z, after 1.3s
        history   4 events, taken once by a worker
        store     fixtures/runs, of tc

        Timeline
                          +0s                       +500ms                     +1s
                          ├─────────────────────────────────────────────────────────────────────┤
        worker            •                ██████████████████████████████████████████████████████
        charge#1  failed                         ███████████████████████████████████████████████×
        █ at work   ░ waits   × failed   • sent

        Steps
        STEP      KIND  STATE    TOOK  VALUE OR ERROR
        charge#1  save  failed  874ms  \u{1b}[41mDeclined: card declined\n\u{1b}[2Jall
                                       \u{202e}doog\nhint: There is no end to it. There is no end
                                       to it. There is no end to it. There is no end to it. There
                                       is no end to it. There is no end to it. There is no end to
                                       it. There is no end to it. There is no end to it. There is…

        History
        SEQ  TIME                         ELAPSED  TYPE   CHANGE
          1  2026-11-22T02:00:00.305824Z      +0s  start  order starts with null
          2  2026-11-22T02:00:00.629903Z   +324ms  claim  shop-1/4711 takes the run until
                                                          2026-11-22T02:00:30.305824Z
          3  2026-11-22T02:00:01.622796Z    +1.3s  save   charge#1 fails for good:
                                                          \u{1b}[41mDeclined: card
                                                          declined\n\u{1b}[2Jall
                                                          \u{202e}doog\nhint: There is no end to
                                                          it. There is no end to it. There is no…
          4  2026-11-22T02:00:01.622796Z    +1.3s  stop   the run fails: \u{1b}[41mDeclined: card
                                                          declined\n\u{1b}[2Jall
                                                          \u{202e}doog\nhint: There is no end to
                                                          it. There is no end to it. There is no
                                                          end to it. There is no end to it. There…
    "#]],
    );
}

#[test]
fn a_corrupt_history() {
    check(
        100,
        "fixtures/history/v1-corrupt",
        "wake-of-no-sleep",
        expect![[r#"
            wake-of-no-sleep  corrupt since 2026-11-22T04:00:05Z
            corrupt   event 8: it wakes pause#1, which does not sleep
            held by   host-7/4711/3f9a since 2026-11-22T04:00:03.750000Z, until 2026-11-22T04:02:00Z, which has
                      passed: any worker may take the run
            workflow  greet, queue default
            input     {"name":"Zoë","amount":12.50}
            started   2026-11-22T04:00:02.500000Z
            updated   2026-11-22T04:00:05Z
            history   7 events, taken once by a worker
            store     fixtures/history/v1-corrupt, of tc

            Timeline
                           +0s             +500ms           +1s             +1.5s            +2s
                           ├──────────────────────────────────────────────────────────────────────────────────┤
            worker   held  •                                        ███████████████████████████████████████████▸
            greet#1  done                                                                                   ███
            █ at work   ░ waits   • sent   ▸ goes on

            Steps
            STEP      KIND   STATE  TOOK  VALUE OR ERROR
            now#1     value  done         2026-11-22T04:00:05.123456Z
            random#1  value  done         0.25
            greet#1   save   done   48ms  Hello, Zoë

            History
            SEQ  TIME                         ELAPSED  TYPE   CHANGE
              1  2026-11-22T04:00:02.500000Z      +0s  start  greet starts with {"name":"Zoë","amount":12.50}
              2  2026-11-22T04:00:03.750000Z    +1.2s  claim  host-7/4711/3f9a takes the run until
                                                              2026-11-22T04:00:33.750000Z
              3  2026-11-22T04:00:05Z           +2.5s  value  now#1 is "2026-11-22T04:00:05.123456Z"
              4  2026-11-22T04:00:05Z           +2.5s  value  random#1 is 0.25
              5  2026-11-22T04:00:05Z           +2.5s  save   greet#1 is done: "Hello, Zoë" (48 ms)
              6  2026-11-22T04:00:05Z           +2.5s  log    info: greeted "Zoë"\n
              7  2026-11-22T04:00:05Z           +2.5s  renew  the worker keeps the run until
                                                              2026-11-22T04:02:00Z
        "#]],
    );
}

#[test]
fn a_run_of_substantial() {
    check(
        100,
        "fixtures/substantial-0.1/fs",
        "example-b",
        expect![[r#"
            example-b76493b9-66f2-46ed-990e-dc5279fee57a  completed since 2026-11-21T21:49:40.582583Z
            result    {"name":"Ada","result":50.0}
            because   event 8 ends it with a result
            workflow  example
            input     {"name":"Ada","factor":0.25}
            started   2026-11-21T21:49:22.854594Z
            ended     2026-11-21T21:49:40.582583Z, after 17s
            history   8 events
            store     fixtures/substantial-0.1/fs, of substantial

            Timeline
                            +0s                    +5s                    +10s                   +15s
                            ├─────────────────────────────────────────────────────────────────────────────────┤
            run             ░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░
            sleep 2   done  ░░░░░░
            messages                      •                                                                •
            ░ waits   • sent

            Steps
            STEP            KIND     STATE  VALUE OR ERROR
            step 1          save     done   100
            sleep 2         sleep    done
            step 3          save     done   25.0
            message by      receive  done   2
            step 4          save     done   50.0
            message cancel  receive  done   null

            History
            SEQ  TIME                         ELAPSED  TYPE   CHANGE
              1  2026-11-21T21:49:22.854594Z      +0s  start  the run starts with {"name":"Ada","factor":0.25}
              2                                        save   step 1 is done: 100
              3                                        sleep  sleep 2 lasts until 2026-11-21T21:49:24.049608Z
              4                                        save   step 3 is done: 25.0
              5  2026-11-21T21:49:26.068750Z    +3.2s  send   message `by` comes: 2
              6                                        save   step 4 is done: 50.0
              7  2026-11-21T21:49:40.076117Z     +17s  send   message `cancel` comes: null
              8                                        stop   the run completes: {"name":"Ada","result":50.0}

            Inbox
            SEQ  SENT                         TYPE     NAME    TAKEN  VALUE
              5  2026-11-21T21:49:26.068750Z  message  by      taken  2
              7  2026-11-21T21:49:40.076117Z  message  cancel  taken  null
        "#]],
    );
}

/// When the files of durable-python were made and changed depends on the machine.
#[test]
fn a_call_stack() {
    let output = run(show("fixtures/durable-python", "parent-1", &[]).env("COLUMNS", "80"));
    let text = seen(&output);
    let is_time = |line: &&str| ["parent-1", "started", "updated"].iter().any(|name| line.starts_with(name));
    let text: String = text.lines().filter(|line| !is_time(line)).map(|line| format!("{line}\n")).collect();
    expect![[r#"
        waits for  child-ok
        because    it waits at `raise PauseForEventException('child-ok')`
        workflow   flows.parent
        store      fixtures/durable-python, of durable-python

        Call stack
        flows.parent
            x = 5
            a = 6
          stands at line 12 of the transformed code:
              9      call_stack.push(FunctionCall(child, kwargs=_convert_args_to_kwargs…
             10  if checkpoint < 2:
             11      checkpoint = 2
          →  12      raise CheckpointException(checkpoint, locals())
             13  return b + 100
        flows.child
          returns to b of its caller
            x = 6
            y = 12
          stands at line 9 of the transformed code:
              6      y = x * 2
              7  if checkpoint < 1:
              8      checkpoint = 1
          →   9      raise PauseForEventException('child-ok')
             10  return y
    "#]]
    .assert_eq(&text);
    let item = item("fixtures/durable-python", "parent-1");
    let frames = serde_json::to_string_pretty(&item["frames"]).expect("JSON");
    expect![[r#"
        [
          {
            "function": "flows.parent",
            "variables": {
              "x": 5,
              "a": 6
            },
            "checkpoint": 2,
            "statement": "b = await child(a)",
            "line": 12,
            "pass": null,
            "certain": true,
            "returns_to": [],
            "finished": false,
            "exhausted": true,
            "blocks_done": 0,
            "blocks_to_come": 0,
            "variables_left_out": 0
          },
          {
            "function": "flows.child",
            "variables": {
              "x": 6,
              "y": 12
            },
            "checkpoint": 1,
            "statement": "raise PauseForEventException('child-ok')",
            "line": 9,
            "pass": null,
            "certain": true,
            "returns_to": [
              "b"
            ],
            "finished": false,
            "exhausted": false,
            "blocks_done": 0,
            "blocks_to_come": 0,
            "variables_left_out": 0
          }
        ]"#]]
    .assert_eq(&frames);
}

#[test]
fn markdown_and_csv() {
    let text = seen(&run(&mut show("fixtures/runs", "greet-1", &["-o", "markdown"])));
    expect![[r###"
        ## `greet-1`: waiting since 2026-11-22T02:30:00.385503Z

        | fact | value |
        | --- | --- |
        | waits for | allow |
        | workflow | greet, queue default |
        | input | Ada |
        | started | 2026-11-22T02:30:00.228159Z |
        | updated | 2026-11-22T02:30:00.385503Z |
        | history | 5 events, taken once by a worker |
        | store | fixtures/runs, of tc |

        ### Timeline

        ```text
                               +0s                    +50ms                   +100ms
                               ├──────────────────────────────────────────────────────────────────────────┤
        worker                 •                           ████████████████████████████████████████████████
        compose#1     done                                                                              ███
        permission#1  waiting                                                                             ░▸
        █ at work   ░ waits   • sent   ▸ goes on
        ```

        ### Steps

        | step | kind | state | took | value or error |
        | --- | --- | --- | ---: | --- |
        | compose#1 | save | done | 3ms | Hello, Ada |
        | permission#1 | wait | waiting |  | for allow |

        ### History

        | seq | time | elapsed | type | change |
        | ---: | --- | ---: | --- | --- |
        | 1 | 2026-11-22T02:30:00.228159Z | +0s | start | greet starts with "Ada" |
        | 2 | 2026-11-22T02:30:00.287039Z | +58ms | claim | shop-1/4711 takes the run until 2026-11-22T02:30:30.228159Z |
        | 3 | 2026-11-22T02:30:00.385503Z | +157ms | save | compose#1 is done: "Hello, Ada" (3 ms) |
        | 4 | 2026-11-22T02:30:00.385503Z | +157ms | wait | permission#1 waits for allow |
        | 5 | 2026-11-22T02:30:00.385503Z | +157ms | release | the worker lets go of the run |
    "###]].assert_eq(&text);
    let text = seen(&run(&mut show("fixtures/runs", "greet-1", &["-o", "csv"])));
    expect![[r#"
        run,seq,at,type,step,n,event,value,error,other
        greet-1,1,2026-11-22T02:30:00.228159Z,start,,,,,,"{""token"":""5f78ce8d12ce2181"",""v"":1,""workflow"":""greet"",""queue"":""default"",""id"":""request of greet-1"",""input"":""Ada""}"
        greet-1,2,2026-11-22T02:30:00.287039Z,claim,,,,,,"{""token"":""ae546899df78ab25"",""claim"":1,""worker"":""shop-1/4711"",""until"":""2026-11-22T02:30:30.228159Z""}"
        greet-1,3,2026-11-22T02:30:00.385503Z,save,compose,1,,"""Hello, Ada""",,"{""token"":""6f6afe5baf7a69e1"",""more"":true,""claim"":1,""took_us"":3137}"
        greet-1,4,2026-11-22T02:30:00.385503Z,wait,permission,1,,,,"{""token"":""6f6afe5baf7a69e1"",""more"":true,""claim"":1,""for"":[""allow""]}"
        greet-1,5,2026-11-22T02:30:00.385503Z,release,,,,,,"{""token"":""6f6afe5baf7a69e1"",""claim"":1}"
    "#]].assert_eq(&text);
}
