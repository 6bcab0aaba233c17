//! The reading commands on sound logs, in every form of output.

use expect_test::expect;

use super::{call, check, check_at, folder, json, run, seen, tc};

const DEMO: &str = "fixtures/demo";

#[test]
fn status_at_several_widths() {
    let arguments = ["status", "--store", DEMO, "--time", "iso"];
    check(
        &arguments,
        expect![[r#"
        FUNCTION         CALLS   SHARE  SUCCESS    MEAN     P50     P95     P99  PROMOTED  ROLLBACKS  WEIGHTS                   LAST EVENT
        get_pricing        450             100%  0.43ms  0.37ms  0.49ms  3.82ms         -          -        -  2026-11-21T23:39:13.657282Z
          v2               450    100%     100%  0.43ms  0.37ms  0.49ms  3.82ms                                2026-11-21T23:39:13.657282Z
        greeting           456           94.52%  0.72ms  0.57ms  1.07ms  4.05ms         1          -        -  2026-11-21T23:39:13.657431Z
          v1               228  50.00%   91.67%  0.75ms  0.57ms  1.58ms  4.95ms                                2026-11-21T23:39:13.653367Z
          casual           228  50.00%   97.37%  0.68ms  0.57ms  0.98ms  3.95ms                                2026-11-21T23:39:13.656779Z
        process_payment    458           96.07%  1.42ms  1.24ms  2.15ms  6.78ms         -          1        -  2026-11-21T23:39:13.657388Z
          v1               401  87.55%   97.51%  1.45ms  1.29ms  2.11ms  6.78ms                                2026-11-21T23:39:13.655776Z
          v2                57  12.45%   85.96%  1.22ms  0.94ms  3.16ms  8.22ms                                2026-11-21T23:39:13.640513Z
        rank_results       450             100%  1.63ms  1.29ms  4.42ms  6.78ms         -          -        1  2026-11-21T23:39:13.654809Z
          v1               201  44.67%     100%  2.21ms  1.79ms  5.34ms  7.11ms                                2026-11-21T23:39:13.639231Z
          v2               249  55.33%     100%  1.17ms  0.99ms  2.28ms  5.28ms                                2026-11-21T23:39:13.654809Z
    "#]],
    );
    check_at(
        80,
        &arguments,
        expect![[r#"
        FUNCTION         CALLS   SHARE  SUCCESS     P95  PROMOTED  ROLLBACKS
        get_pricing        450             100%  0.49ms         -          -
          v2               450    100%     100%  0.49ms
        greeting           456           94.52%  1.07ms         1          -
          v1               228  50.00%   91.67%  1.58ms
          casual           228  50.00%   97.37%  0.98ms
        process_payment    458           96.07%  2.15ms         -          1
          v1               401  87.55%   97.51%  2.11ms
          v2                57  12.45%   85.96%  3.16ms
        rank_results       450             100%  4.42ms         -          -
          v1               201  44.67%     100%  5.34ms
          v2               249  55.33%     100%  2.28ms
        not shown at this width: mean, p50, p99, weights, last event
    "#]],
    );
    check_at(
        40,
        &arguments,
        expect![[r#"
        FUNCTION         CALLS  SUCCESS
        get_pricing        450     100%
          v2               450     100%
        greeting           456   94.52%
          v1               228   91.67%
          casual           228   97.37%
        process_payment    458   96.07%
          v1               401   97.51%
          v2                57   85.96%
        rank_results       450     100%
          v1               201     100%
          v2               249     100%
        not shown at this width: share, mean, p…
    "#]],
    );
}

#[test]
fn status_of_one_function() {
    check(
        &["status", "greeting", "-s", DEMO, "-o", "markdown", "--time", "iso"],
        expect![[r#"
            | function | calls | share | success | mean | p50 | p95 | p99 | promoted | rollbacks | weights | last event |
            | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
            | greeting | 456 |  | 94.52% | 0.72ms | 0.57ms | 1.07ms | 4.05ms | 1 | - | - | 2026-11-21T23:39:13.657431Z |
            | &emsp;v1 | 228 | 50.00% | 91.67% | 0.75ms | 0.57ms | 1.58ms | 4.95ms |  |  |  | 2026-11-21T23:39:13.653367Z |
            | &emsp;casual | 228 | 50.00% | 97.37% | 0.68ms | 0.57ms | 0.98ms | 3.95ms |  |  |  | 2026-11-21T23:39:13.656779Z |
        "#]],
    );
    check(
        &["status", "greeting", "-s", DEMO, "-o", "csv"],
        expect![[r#"
            function,calls,promotions,rollbacks,weight_changes,other_events,dropped_calls,forced.decision,forced.variant,forced.to,forced.since,forced.by,forced.reason,first_event,last_event,variant,variant.calls,successes,failures,success_rate,share,fallback_calls,latency_ms.mean,latency_ms.p50,latency_ms.p90,latency_ms.p95,latency_ms.p99,latency_ms.max,first_seen,last_seen
            greeting,456,1,0,0,0,0,,,,,,,2026-11-21T23:39:11.503931Z,2026-11-21T23:39:13.657431Z,v1,228,209,19,0.9166666666666666,0.5,6,0.754518,0.569344,0.913408,1.581056,4.947968,8.26,2026-11-21T23:39:11.503931Z,2026-11-21T23:39:13.653367Z
            greeting,456,1,0,0,0,0,,,,,,,2026-11-21T23:39:11.503931Z,2026-11-21T23:39:13.657431Z,casual,228,222,6,0.9736842105263158,0.5,0,0.677325,0.569344,0.888832,0.978944,3.948544,4.66,2026-11-21T23:39:11.519839Z,2026-11-21T23:39:13.656779Z
        "#]],
    );
    check(
        &["status", "greeting", "-s", DEMO, "-o", "jsonl"],
        expect![[r#"
            {"function":"greeting","calls":456,"promotions":1,"rollbacks":0,"weight_changes":0,"other_events":0,"dropped_calls":0,"forced":null,"first_event":"2026-11-21T23:39:11.503931Z","last_event":"2026-11-21T23:39:13.657431Z","variants":[{"variant":"v1","calls":228,"successes":209,"failures":19,"success_rate":0.9166666666666666,"share":0.5,"fallback_calls":6,"latency_ms":{"mean":0.754518,"p50":0.569344,"p90":0.913408,"p95":1.581056,"p99":4.947968,"max":8.26},"first_seen":"2026-11-21T23:39:11.503931Z","last_seen":"2026-11-21T23:39:13.653367Z"},{"variant":"casual","calls":228,"successes":222,"failures":6,"success_rate":0.9736842105263158,"share":0.5,"fallback_calls":0,"latency_ms":{"mean":0.677325,"p50":0.569344,"p90":0.888832,"p95":0.978944,"p99":3.948544,"max":4.66},"first_seen":"2026-11-21T23:39:11.519839Z","last_seen":"2026-11-21T23:39:13.656779Z"}]}
        "#]],
    );
}

#[test]
fn history() {
    check_at(
        100,
        &["history", "process_payment", "5", "-s", DEMO],
        expect![[r#"
            TIME                 FUNCTION         VARIANT  EVENT        LATENCY  DETAIL
            2026-11-21 23:39:13  process_payment  v1       ok            2.20ms  {'paid': 446}
            2026-11-21 23:39:13  process_payment  v1       ok            1.41ms  {'paid': 447}
            2026-11-21 23:39:13  process_payment  v1       ok            0.84ms  {'paid': 448}
            2026-11-21 23:39:13  process_payment  v1       ok            0.82ms  {'paid': 449}
            2026-11-21 23:39:13  process_payment  v2       rolled back           success rate below 95 %
        "#]],
    );
    check(
        &["history", "-n", "2", "-s", DEMO, "-o", "jsonl"],
        expect![[r#"
        {"event":"rollback","function":"process_payment","variant":"v2","reason":"success rate below 95 %","timestamp":"2026-11-21T23:39:13.657388+00:00","source":{"file":"fixtures/demo/evolution.jsonl","line":1816,"offset":367476}}
        {"event":"promotion","function":"greeting","variant":"casual","timestamp":"2026-11-21T23:39:13.657431+00:00","source":{"file":"fixtures/demo/evolution.jsonl","line":1817,"offset":367632}}
    "#]],
    );
    check(
        &["history", "pay", "1", "-s", DEMO, "--failed", "--variant", "v2", "--tz", "+05:30"],
        expect![[r#"
            TIME                 FUNCTION         VARIANT  EVENT   LATENCY  DETAIL
            2026-11-22 05:09:13  process_payment  v2       FAILED   1.40ms  gateway timeout "é" after 30 s
            No function is named `pay`: these have it in their names.
        "#]],
    );
    check(
        &["history", "-s", DEMO, "--event", "weight_change", "--time", "iso"],
        expect![[r#"
        TIME                         FUNCTION      VARIANT  EVENT   LATENCY  DETAIL
        2026-11-21T23:39:11.500239Z  rank_results  v2       weight           50.00% → 57.00%
    "#]],
    );
    check(
        &["history", "greeting", "0", "-s", DEMO],
        expect![[r#"
        No events.
    "#]],
    );
    check(
        &["history", "greeting", "3", "-s", DEMO, "--until", "2020-01-01"],
        expect![[r#"
        No events in this span of time. The last event was at 2026-11-21 23:39:13.
    "#]],
    );
}

#[test]
fn history_tells_what_json_cannot_say_apart() {
    let log = r#"{"event": "call", "function": "f\ud800", "variant": "v1", "timestamp": "2026-06-01T00:00:00", "success": true,
        "latency_ms": NaN, "value": [NaN, null, "nan", -Infinity, "\ud800", {"$repr": 1}], "score": NaN}"#;
    let (_keep, path) = folder(&[("a.jsonl", (log.replace('\n', " ") + "\n").as_bytes())]);
    let shown = |format: &str| {
        String::from_utf8(run(tc(&["history", "-o", format, "-s"]).arg(path.join("a.jsonl"))).stdout).expect("UTF-8")
    };
    let item: serde_json::Value = serde_json::from_str(&shown("jsonl")).expect("JSON");
    let nan = serde_json::json!({"$repr": "nan"});
    let half = serde_json::json!({"$repr": r#""\ud800""#});
    let value = serde_json::json!([nan, null, "nan", {"$repr": "-inf"}, half, {"$$repr": 1}]);
    assert_eq!((&item["value"], &item["score"]), (&value, &nan));
    // What the format has stays what it is.
    assert_eq!((&item["latency_ms"], &item["function"]), (&serde_json::Value::Null, &"f\u{fffd}".into()));
    assert!(shown("csv").contains(r#"{""score"":{""$repr"":""nan""}}"#), "{}", shown("csv"));
}

#[test]
fn history_prefers_the_exact_name() {
    let log = [
        call("rank", "v1", "2026-06-01T00:00:00", 1.0, None),
        call("rank_results", "v1", "2026-06-01T00:00:01", 1.0, None),
    ];
    let (_keep, path) = folder(&[("a.jsonl", log.concat().as_bytes())]);
    let items = |name: &str| {
        let answer = json(tc(&["history", name, "--json", "-s"]).arg(path.join("a.jsonl")));
        answer["items"].as_array().expect("items").iter().map(|item| item["function"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(items("rank"), ["rank"]);
    assert_eq!(items("ran"), ["rank", "rank_results"]);
    assert_eq!(items("results"), ["rank_results"]);
}

#[test]
fn events() {
    check(
        &["events", "-s", DEMO],
        expect![[r#"
        EVENT          COUNT
        call           1,814
        promotion          1
        rollback           1
        weight_change      1
    "#]],
    );
    check(
        &["events", "call", "-s", DEMO],
        expect![[r#"
        FUNCTION         COUNT
        process_payment    458
        greeting           456
        get_pricing        450
        rank_results       450
    "#]],
    );
    check(
        &["events", "-s", DEMO, "--json"],
        expect![[r#"
        {"schema":"tc.events/1","complete":true,"warnings":[],"items":[
        {"event":"call","count":1814},
        {"event":"promotion","count":1},
        {"event":"rollback","count":1},
        {"event":"weight_change","count":1}
        ]}
    "#]],
    );
    check(
        &["events", "weight_change", "-s", "fixtures/corrupt/one-line.jsonl"],
        expect![[r#"
        No events of type weight_change.
    "#]],
    );
}

#[test]
fn summary() {
    check_at(
        120,
        &["summary", "process_payment", "-s", DEMO],
        expect![[r#"
            process_payment: 458 calls, 2026-11-21 23:39:11 to 23:39:13
            0 promotions, 1 rollback, 0 weight changes

            VARIANT  CALLS   SHARE  SUCCESS    MEAN     P50     P90     P95     P99     MAX  LAST SEEN
            v1         401  87.55%   97.51%  1.45ms  1.29ms  1.86ms  2.11ms  6.78ms  9.38ms  2026-11-21 23:39:13
            v2          57  12.45%   85.96%  1.22ms  0.94ms  1.61ms  3.16ms  8.22ms  8.22ms  2026-11-21 23:39:13
            not shown at this width: first seen
            8 calls of `v1` answered a request that another variant had failed, 8 with success.

            VARIANT  FAILURES  ERROR
            v1             10  card declined
            v2              7  gateway timeout "é" after 30 s
            v2              1  card declined
        "#]],
    );
    check(
        &["summary", "process_payment", "-s", DEMO, "--json"],
        expect![[r#"
            {"schema":"tc.summary/1","complete":true,"warnings":[],"items":[
            {"function":"process_payment","calls":458,"promotions":0,"rollbacks":1,"weight_changes":0,"other_events":0,"dropped_calls":0,"forced":null,"first_event":"2026-11-21T23:39:11.503288Z","last_event":"2026-11-21T23:39:13.657388Z","variants":[{"variant":"v1","calls":401,"successes":391,"failures":10,"success_rate":0.9750623441396509,"share":0.8755458515283843,"fallback_calls":8,"latency_ms":{"mean":1.45409,"p50":1.286144,"p90":1.859584,"p95":2.113536,"p99":6.782976,"max":9.38},"errors":[{"error":"card declined","count":10}],"first_seen":"2026-11-21T23:39:11.503288Z","last_seen":"2026-11-21T23:39:13.655776Z"},{"variant":"v2","calls":57,"successes":49,"failures":8,"success_rate":0.8596491228070176,"share":0.12445414847161572,"fallback_calls":0,"latency_ms":{"mean":1.216842,"p50":0.937984,"p90":1.613824,"p95":3.162112,"p99":8.22,"max":8.22},"errors":[{"error":"gateway timeout \"é\" after 30 s","count":7},{"error":"card declined","count":1}],"first_seen":"2026-11-21T23:39:11.530299Z","last_seen":"2026-11-21T23:39:13.640513Z"}]}
            ]}
        "#]],
    );
}

#[test]
fn report() {
    check_at(
        80,
        &["report", "greeting", "-s", DEMO],
        expect![[r#"
            greeting, baseline `v1`, 2026-11-21 23:39:11 to 23:39:13

            VARIANT  CALLS  FAILED  SUCCESS  95% INTERVAL        MEAN     P50     P95
            v1         222      19   91.44%  87.02% to 94.45%  0.76ms  0.57ms  1.58ms
            casual     228       6   97.37%  94.38% to 98.79%  0.68ms  0.57ms  0.98ms
            not shown at this width: p99
            6 calls of `v1` answered a request that another variant had failed, 6 with
            success.

            COMPARED       SUCCESS  95% INTERVAL         MEAN    P50    P95
            casual to v1  +5.93 pp  +1.68 to +10.57 pp  ×0.89  ×1.00  ×0.62
            pp: percentage points. The intervals are good for one look: who looks again and
            again, and acts on the first clear one, is misled more often.

            Verdict: promote casual: `casual` succeeds 5.93 points more often than `v1`, 95%
            interval for one look +1.68 to +10.57.
            Original rule: Recommend 'casual': 97.4% success, 1ms avg
        "#]],
    );
    check_at(
        80,
        &["report", "process_payment", "-s", DEMO],
        expect![[r#"
            process_payment, baseline `v1`, 2026-11-21 23:39:11 to 23:39:13

            VARIANT  CALLS  FAILED  SUCCESS  95% INTERVAL        MEAN     P50     P95
            v1         393      10   97.46%  95.38% to 98.61%  1.46ms  1.29ms  2.11ms
            v2          57       8   85.96%  74.68% to 92.71%  1.22ms  0.94ms  3.16ms
            not shown at this width: p99
            8 calls of `v1` answered a request that another variant had failed, 8 with
            success.

            COMPARED    SUCCESS  95% INTERVAL         MEAN    P50    P95
            v2 to v1  -11.49 pp  -22.84 to -4.43 pp  ×0.84  ×0.73  ×1.50
            pp: percentage points. The intervals are good for one look: who looks again and
            again, and acts on the first clear one, is misled more often.

            Verdict: rollback v2: `v2` succeeds 11.49 points less often than `v1`, 95%
            interval for one look -22.84 to -4.43.
            Original rule: Recommend 'v1': 97.5% success, 1ms avg
            [exit 1]
        "#]],
    );
    check_at(
        80,
        &["report", "rank_results", "-s", DEMO, "--baseline", "v2"],
        expect![[r#"
            rank_results, baseline `v2`, 2026-11-21 23:39:11 to 23:39:13

            VARIANT  CALLS  FAILED  SUCCESS  95% INTERVAL      MEAN     P50     P95     P99
            v1         201       0     100%  98.12% to 100%  2.21ms  1.79ms  5.34ms  7.11ms
            v2         249       0     100%  98.48% to 100%  1.17ms  0.99ms  2.28ms  5.28ms

            COMPARED   SUCCESS  95% INTERVAL        MEAN    P50    P95
            v1 to v2  +0.00 pp  -1.88 to +1.52 pp  ×1.89  ×1.82  ×2.35
            pp: percentage points. The intervals are good for one look: who looks again and
            again, and acts on the first clear one, is misled more often.

            Verdict: inconclusive: `v1` succeeds as often as `v2`, 95% interval for one look
            -1.88 to +1.52: there may be no difference.
            Original rule: Recommend 'v2': 100.0% success, 1ms avg
            [exit 8]
        "#]],
    );
    check_at(
        80,
        &["report", "get_pricing", "-s", DEMO],
        expect![[r#"
            get_pricing, baseline `v2`, 2026-11-21 23:39:11 to 23:39:13

            VARIANT  CALLS  FAILED  SUCCESS  95% INTERVAL      MEAN     P50     P95     P99
            v2         450       0     100%  99.15% to 100%  0.43ms  0.37ms  0.49ms  3.82ms

            Verdict: inconclusive: only `v2` was called: nothing to compare.
            Original rule: Recommend 'v2': 100.0% success, 0ms avg
            [exit 8]
        "#]],
    );
    check(
        &["report", "greeting", "-s", DEMO, "--json"],
        expect![[r#"
            {"schema":"tc.report/1","complete":true,"warnings":[],"items":[
            {"function":"greeting","variants":[{"variant":"v1","calls":222,"successes":203,"failures":19,"success_rate":0.9144144144144144,"success_interval":{"low":0.8702054035712601,"high":0.9445254300002943,"level":0.95,"method":"wilson, one look"},"share":0.49333333333333335,"latency_ms":{"mean":0.757117,"p50":0.569344,"p90":0.913408,"p95":1.581056,"p99":4.947968,"max":8.26},"fallback":{"calls":6,"successes":6}},{"variant":"casual","calls":228,"successes":222,"failures":6,"success_rate":0.9736842105263158,"success_interval":{"low":0.9437865065636558,"high":0.9878846496597619,"level":0.95,"method":"wilson, one look"},"share":0.5066666666666667,"latency_ms":{"mean":0.677325,"p50":0.569344,"p90":0.888832,"p95":0.978944,"p99":3.948544,"max":4.66},"fallback":{"calls":0,"successes":0}}],"baseline":"v1","comparisons":[{"variant":"casual","success":{"difference":0.05926979611190142,"low":0.016836955506399187,"high":0.10570350274095314,"level":0.95,"method":"newcombe, one look"},"latency":{"mean_ratio":0.8946100227961622,"p50_ratio":1.0,"p95_ratio":0.6191708640209025},"concurrent":true}],"sample_ratio":{"tested":false,"reason":"the log does not say what split was meant","observed":{"v1":0.49333333333333335,"casual":0.5066666666666667}},"recommendation":"Recommend 'casual': 97.4% success, 1ms avg","verdict":{"decision":"promote","variant":"casual","reason":"`casual` succeeds 5.93 points more often than `v1`, 95% interval for one look +1.68 to +10.57"}}
            ]}
        "#]],
    );
    check(
        &["report", "greeting", "-s", DEMO, "-o", "markdown"],
        expect![[r#"
            Verdict: promote casual: \`casual\` succeeds 5.93 points more often than \`v1\`, 95% interval for one look +1.68 to +10.57.\
            Original rule: Recommend 'casual': 97.4% success, 1ms avg

            greeting, baseline \`v1\`, 2026-11-21 23:39:11 to 23:39:13

            | variant | calls | failed | success | 95% interval | mean | p50 | p95 | p99 |
            | --- | ---: | ---: | ---: | --- | ---: | ---: | ---: | ---: |
            | v1 | 222 | 19 | 91.44% | 87.02% to 94.45% | 0.76ms | 0.57ms | 1.58ms | 4.95ms |
            | casual | 228 | 6 | 97.37% | 94.38% to 98.79% | 0.68ms | 0.57ms | 0.98ms | 3.95ms |

            6 calls of \`v1\` answered a request that another variant had failed, 6 with success.

            | compared | success | 95% interval | mean | p50 | p95 |
            | --- | ---: | --- | ---: | ---: | ---: |
            | casual to v1 | +5.93 pp | +1.68 to +10.57 pp | ×0.89 | ×1.00 | ×0.62 |

            pp: percentage points. The intervals are good for one look: who looks again and again, and acts on the first clear one, is misled more often.
        "#]],
    );
}

#[test]
fn a_switch_at_a_date_is_no_experiment() {
    let mut log = String::new();
    for n in 0..60 {
        let variant = if n < 30 { "v1" } else { "v2" };
        log += &call("pricing", variant, &format!("2026-06-01T00:00:{n:02}"), 1.0, (n % 10 == 0).then_some("x"));
    }
    let (_keep, path) = folder(&[("evolution.jsonl", log.as_bytes())]);
    let output = run(tc(&["report", "pricing", "-s"]).arg(&path));
    assert!(
        seen(&output).contains("Verdict: invalid: before/after comparison, not an experiment"),
        "{}",
        seen(&output)
    );
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn few_calls_are_not_judged() {
    let mut log = String::new();
    for n in 0..49 {
        let variant = if n < 20 { "v1" } else { "v2" };
        log += &call("f", variant, "2026-06-01T00:00:00", 1.0, (variant == "v2").then_some("x"));
    }
    let (_keep, path) = folder(&[("evolution.jsonl", log.as_bytes())]);
    let answer = json(tc(&["report", "f", "--json", "-s"]).arg(&path));
    assert_eq!(answer["items"][0]["verdict"]["decision"], "inconclusive");
    assert_eq!(answer["items"][0]["recommendation"], "Insufficient data (min 20 calls, need 30+)");
}

#[test]
fn time_ranges_and_zones() {
    let log =
        (0..24).map(|hour| call("f", "v1", &format!("2026-06-01T{hour:02}:30:00"), 1.0, None)).collect::<String>();
    let (_keep, path) = folder(&[("evolution.jsonl", log.as_bytes())]);
    let calls = |arguments: &[&str]| {
        let answer = json(tc(&["status", "--json", "-s"]).arg(&path).args(arguments));
        answer["items"][0]["calls"].as_u64().unwrap_or(0)
    };
    assert_eq!(calls(&[]), 24);
    assert_eq!(calls(&["--since", "2026-06-01T12:30:00Z"]), 12);
    assert_eq!(calls(&["--until", "2026-06-01T12:30:00Z"]), 12);
    assert_eq!(calls(&["--since", "2026-06-01 06:00", "--until", "2026-06-01 07:00"]), 1);
    assert_eq!(calls(&["--since", "2026-06-01 06:00", "--tz", "Asia/Tokyo"]), 24);
    assert_eq!(calls(&["--since", "2026-06-01 19:00", "--tz", "Asia/Tokyo"]), 14);
    assert_eq!(calls(&["--since", "2026-06-02"]), 0);
    assert_eq!(calls(&["--since", "now"]), 0);
}

#[test]
fn events_without_a_time_are_told_when_time_matters() {
    let log = call("f", "v1", "2026-06-01T00:00:00", 1.0, None) + &call("f", "v1", "yesterday", 1.0, None);
    let (_keep, path) = folder(&[("evolution.jsonl", log.as_bytes())]);
    let answer = json(tc(&["status", "--json", "-s"]).arg(&path));
    assert_eq!((&answer["complete"], &answer["items"][0]["calls"]), (&true.into(), &2.into()));
    let answer = json(tc(&["status", "--json", "--since", "2026-01-01", "-s"]).arg(&path));
    assert_eq!((&answer["complete"], &answer["items"][0]["calls"]), (&false.into(), &1.into()));
    assert_eq!(answer["warnings"][0]["message"], "1 event without a readable time left out");
}

#[test]
fn colour_is_for_terminals_and_for_those_who_ask() {
    let escapes = |command: &mut std::process::Command| run(command).stdout.contains(&0x1b);
    let status = ["status", "-s", DEMO];
    assert!(!escapes(&mut tc(&status)));
    assert!(escapes(tc(&status).args(["--color", "always"])));
    assert!(escapes(tc(&status).args(["--color", "always"]).env("NO_COLOR", "1")));
    assert!(!escapes(tc(&status).args(["--color", "never"])));
}

#[test]
fn a_closed_pipe_is_no_error() {
    use std::process::Stdio;
    let mut child = tc(&["history", "--limit", "all", "-s", DEMO]).stdout(Stdio::piped()).spawn().expect("tc starts");
    drop(child.stdout.take());
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}

#[test]
fn sixty_thousand_variants_take_no_minutes() {
    let log = (0..60_000).map(|n| super::call("f", &format!("v{n}"), "2026-06-01T00:00:00", 1.5, None));
    let (_keep, path) = super::folder(&[("evolution.jsonl", log.collect::<String>().as_bytes())]);
    let mut times = Vec::new();
    for arguments in [&["events"][..], &["status"], &["summary", "f"]] {
        let start = std::time::Instant::now();
        let output = super::run(super::tc(arguments).current_dir(&path).args(["-s", "."]));
        assert!(output.status.success());
        times.push(start.elapsed());
    }
    // What is printed takes longer than what is not, but no longer than a few times as long.
    assert!(times.iter().all(|time| *time < times[0] * 12 + std::time::Duration::from_secs(5)), "{times:?}");
}

/// Some kilobytes of a compressed log can hold gigabytes of events.
#[test]
fn of_events_that_are_too_large_the_beginnings_are_shown() {
    let large = call("f", "v1", "2026-06-01T00:00:00", 1.0, Some(&"x".repeat(10 << 20)));
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).expect("an encoder");
    for _ in 0..30 {
        std::io::Write::write_all(&mut encoder, large.as_bytes()).expect("packed");
    }
    let (_keep, path) = folder(&[("large.jsonl.zst", &encoder.finish().expect("packed"))]);
    let mut command = std::process::Command::new("prlimit");
    command.args(["--as=600000000", env!("CARGO_BIN_EXE_tc"), "history", "--json", "-s", "large.jsonl.zst"]);
    let answer = json(command.current_dir(&path));
    let items = answer["items"].as_array().expect("items");
    assert_eq!((items.len(), &answer["complete"]), (20, &false.into()));
    assert!(
        items.iter().all(|item| item["function"] == "f" && item["error"].as_str().is_some_and(|it| it.len() < 300))
    );
    assert_eq!(
        answer["warnings"][0]["message"],
        "20 events are longer than 4 MiB: of each only the beginnings are here"
    );
}
