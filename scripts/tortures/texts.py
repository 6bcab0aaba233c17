"""Texts about which JSON readers disagree."""

import json
import sys

from tortures.session import last_line

# Texts on which JSON readers do not agree, each the value of a member; what is right is what Python's own module says.
TEXTS = r'''
0 | -0 | 1 | -1 | 10 | 0.0 | -0.0 | 0e0 | 0E-0 | 1e5 | 1E5 | 1e+5 | 1e-5 | 1.5e007 | 1e0000000001 | 123456789012345678901234567890
1e400 | -1e400 | 1e-400 | 1e99999999999 | 0.1e-99999999999 | 9007199254740993 | 18446744073709551616 | -9223372036854775809
0.1000000000000000055511151231257827 | 5e-324 | 1.7976931348623159e308
01 | -01 | 00 | -00 | 00.5 | 1. | -1. | .5 | -.5 | 1.e1 | 1.5. | 1..5 | 1e | 1e+ | 1e- | 1E | 1ee5 | 1e5.5 | 1e+-5 | -- 1 | --1 | +1 | +0 | - | -
- 1 | 1 2 | 1_000 | 0x10 | 0b1 | 0o7 | 1f | 1n | 1L | 1,5 | -a | 1a | 0a | 1.a | 1ea | 12e | ~1 | (1) | 1; | 1/1 | 1/*c*/ | 1//c | 1#c
NaN | Infinity | -Infinity | -NaN | +NaN | nan | NAN | Nan | NaN1 | NaN0 | naN | inf | Inf | -inf | infinity | INFINITY | +Infinity | - Infinity
-Infinit | Infinit | Infinityy | --Infinity | 1.#QNAN | Na | N | I | -I
true | false | null | True | False | None | TRUE | NULL | nul | tru | fals | nulll | truee | true1 | true false | t | f | n | undefined | nil | yes
"" | " " | "a" | "\"" | "\\" | "\/" | "\b" | "\f" | "\n" | "\r" | "\t" | "\\u0041" | "\u0041" | "\u00e9" | "\u0000" | "\u001f" | "\u007f"
"\uFFFF" | "\uffff" | "\uD83D\uDE00" | "\ud83d\ude00" | "\uD800" | "\uDC00" | "\uDE00\uD83D" | "\uD800\uD800" | "\uD800\u0041" | "\uD800a"
"\uD800\n" | "\uD800\\" | "\uD800\"" | "\uDBFF\uDFFF" | "\uD83D\\uDE00" | "\uD83D\uDE0" | "\uD83D\u" | "\uD83D\x" | "\ud83dé"
"\u" | "\u1" | "\u12" | "\u123" | "\u12g4" | "\u 123" | "\u+123" | "\u-123" | "\u0x41" | "\u1_23" | "\u{41}" | "\U00000041" | "\uD83D\U0000DE00"
"\a" | "\v" | "\0" | "\x41" | "\'" | "\e" | "\ " | "\1" | "\é" | "\
" | "\" | "\\\" | "abc | abc" | 'a' | 'a" | "a' | `a` | ""a | ""a"" | """" | "a""b" | "a" "b" | "a"+"b" | b"a" | r"a" | u"a" | "é" | "😀" | "‮"
[] | [ ] | [1] | [1,2] | [1 ,2] | [ 1 , 2 ] | [[]] | [[],[]] | [1,[2,[3]]] | [1,] | [,1] | [,] | [1,,2] | [1 2] | [1:2] | [1;2] | [ | ] | [] ] | [1
[1}] | {1] | [1]] | [[1] | [NaN] | [nan] | [-Infinity,Infinity] | [true,null] | [True] | ["a] | ["a",] | ["a" | [...] | [1,2,...] | [*] | []a | [].
{} | { } | {"a":1} | { "a" : 1 } | {"a":1,"b":2} | {"a":1,"a":2} | {"":0} | {"\u0061":1,"a":2} | {"a":{}} | {"a":[]} | {"a":NaN} | {"\ud800":1}
{"a":1,} | {,} | {,"a":1} | {"a":1,,"b":2} | {"a"} | {"a":} | {:1} | {"a" 1} | {"a":1 "b":2} | {"a"::1} | {"a":1:2} | {"a","b"} | {"a"=1} | {"a"=>1}
{a:1} | {'a':1} | {1:1} | {null:1} | {true:1} | {NaN:1} | {[]:1} | {"a":1;"b":2} | { | } | {} } | {"a":1 | {"a":1]} | {"a | {"a" | {"a":1}} | {"a":1}/**/
{"__proto__":1} | {"a":"\uD800","a":"\uDC00"} | {"b":1 , "b" : [ ] } | {"\x":1} | {"a":01} | {"a":+1} | {"a":.1}
/**/1 | 1/**/ | // | # | <a> | &amp; | @ | $ | * | ? | = | \ | \u0031 | \n | ; | : | , | . | !
'''

# What cannot stand in the list above: what a blank or a bar has a part in, control characters, and what is long.
MORE_TEXTS = [
    "", " ", "\t1\t", "\r1\r", " 1 ", "\f1", "1\f", "\v1", "\x001", "1\x00", "\x1f1", "\x7f1", "\xa01", "1\xa0", "\u20281", "\u30001", "\ufeff1", "1\ufeff",
    "\x851", "\u200b1", "|", '"|"', '"\t"', '"\x00"', '"\x01"', '"\x1f"', '"\x7f"', '"\x80"', '"\x85"', '"\u2028"', '"\u2029"', '"\ufeff"', '"\ufffe"',
    '"\uffff"', '"\U0010ffff"', '"\r"', '"\b"', '"\x1b[31m"', '"a\tb"', '"\\\t"', '{"\t":1}', '{"a\x00":1}', "[\t]", "[\r]", "[\f]", "[\xa0]", "{\t}",
    "{\u2003}", "[1\t,\t2]", "[1\v,2]", "\u0661", "\uff11", "1\u0660", "1e\u0661", "1.\u0661", "\u22121", "\u221e", '"\\u\u0661\u0661\u0661\u0661"',
    '"\\u\uff11\uff11\uff11\uff11"', "\u201ca\u201d", "9" * 300, "0." + "9" * 300, "1" + "0" * 5000, "0" * 300, '"' + "a" * 70_000 + '"',
    '"' + "\\u0041" * 9000 + '"', '"' + "a" * 70_000 + "\x01" + '"', "[" * 100 + "]" * 100, "[" * 900 + "]" * 900, "[" * 900 + "]" * 899,
    '{"a":' * 450 + "1" + "}" * 450, "[" * 200_000 + "]" * 200_000, '{"a":' * 200_000 + "1" + "}" * 200_000, "[" * 200_000, "[[],{}]" * 2,
    "[" + "1," * 5000 + "1]", "[" + "1," * 5000 + "]", '"' + "\\" * 1001 + '"', '"' + "\\" * 1000 + '"',
]  # fmt: skip


def texts():
    listed = {text.strip(" ") for line in TEXTS.splitlines() for text in line.split(" | ")}
    return sorted(listed | set(MORE_TEXTS))


def shaped(number, text, shape):
    """The line of a call of the function with this number, with a text as a value in it."""
    name, at = f"t{number:04}", '"timestamp": "2026-06-05T10:30:00.507299+00:00"'
    rest = '"error": null, "latency_ms": 1.5, "success": true}'
    if shape == "value":
        return f'{{"event": "call", "function": "{name}", {at}, "variant": "v1", "value": {text}, {rest}'
    if shape == "compact":
        line = f'{{"event":"call","function":"{name}","variant":"v1","success":true,"latency_ms":1.5,"value":{text},'
        return line + '"timestamp":"2026-06-05T10:30:00.507Z"}'
    if shape == "own key":
        return f'{{"own": {text}, "event": "call", "function": "{name}", {at}, "variant": "v1", "value": "1", {rest}'
    if shape == "last":
        return f'{{"event": "call", "function": "{name}", {at}, "variant": "v1", "value": "1", {rest[:-1]}, "own": {text}}}'
    return f'{{"event": "call", "function": "{name}", {at}, "variant": "v1", "value": [{{"a": [{text}]}}], {rest}'


SHAPES = ("value", "compact", "own key", "last", "within")


def is_read(line):
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def compare_json(session):
    # Python refuses longer numbers, lest they take time; that is no matter of JSON.
    sys.set_int_max_str_digits(0)
    known = texts()
    session.counts["texts"] = len(known)
    for number, rng in session.rounds(5 * len(SHAPES)):
        shape = SHAPES[number % len(SHAPES)]
        lines = [(at, text, shaped(at, text, shape)) for at, text in enumerate(known)]
        rng.shuffle(lines)
        log = session.folder("json") / "evolution.jsonl"
        # Good ones between them teach the fast reader the shape.
        good = [shaped(9999, "1", shape)] * rng.choice((1, 2, 20))
        log.write_bytes(b"".join(f"{line}\n".encode() for _, _, text in lines for line in [*good, text]))
        done = session.do(["events", "call"], log, "--json", "--threads", str(rng.choice((1, 2))))
        if done.returncode != 0:
            session.problem(f"round {number}, {shape}", last_line(done.stderr), log)
            continue
        read = {item["function"]: item["count"] for item in json.loads(done.stdout)["items"]}
        for at, text, line in lines:
            ours, theirs = read.get(f"t{at:04}", 0), int(is_read(line))
            session.counts["lines, accepted" if theirs else "lines, refused"] += 1
            if ours != theirs:
                what = f"Python {'reads' if theirs else 'refuses'} it, and tc counts {ours} events"
                session.problem(f"{shape}, {text[:60]!a} ({len(text)} characters)", what)
