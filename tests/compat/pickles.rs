//! Every opcode of protocols 4 and 5, what is said of older protocols, and what hostile pickles try.

use std::time::{Duration, Instant};

use temporal_code::foreign::pickle::{Pickle, PickleError, PickleErrorKind, PickleLimits, PickleValue, ShowLimits};

use crate::support::{bytes_of, run_script};

/// Enough for whatever the script makes.
const ALL: ShowLimits = ShowLimits { chars_max: 1 << 20, depth_max: 100, items_max: 10_000 };

/// What no reading and no showing may take, in a build that is not optimized and on a machine that does other things.
const LONG: Duration = Duration::from_secs(20);

/// What a pickle of protocol 4 begins with.
const PROTO: &[u8] = b"\x80\x04";

fn read(bytes: &[u8]) -> Result<Pickle<'_>, PickleError> {
    Pickle::read(bytes, &PickleLimits::default())
}

/// A pickle of protocol 4 that goes on with these bytes.
fn pickled(parts: &[&[u8]]) -> Vec<u8> {
    [&[PROTO], parts].concat().concat()
}

/// How a pickle of protocol 4 is shown that goes on with these bytes.
fn shown(bytes: &[u8]) -> String {
    let bytes = pickled(&[bytes]);
    let pickle = read(&bytes).expect("a pickle");
    pickle.show(pickle.root(), &ShowLimits::default()).text
}

/// What names a class.
fn class(module: &str, name: &str) -> Vec<u8> {
    let text = |text: &str| [&[0x8c, u8::try_from(text.len()).expect("short")], text.as_bytes()].concat();
    [text(module), text(name), vec![0x93]].concat()
}

#[test]
fn what_python_writes_is_shown_as_python_prints_it() {
    let answer = run_script("pickles.py", [""; 0]);
    let cases = answer["cases"].as_array().expect("cases");
    assert!(cases.len() > 350, "{}", cases.len());
    for case in cases {
        let bytes = bytes_of(&case["pickle"]);
        let (name, protocol) = (&case["name"], &case["protocol"]);
        let pickle = read(&bytes).unwrap_or_else(|error| panic!("{name} in {protocol}: {error}"));
        let shown = pickle.show(pickle.root(), &ALL);
        if let Some(wanted) = case["shown"].as_str() {
            assert_eq!(shown.text, wanted, "{name} in {protocol}");
        }
        assert!(shown.complete, "{name}");
        if let Some(protocol) = protocol.as_u64() {
            assert_eq!((u64::from(pickle.protocol()), pickle.length()), (protocol, bytes.len()));
        }
        for end in (0..pickle.length()).step_by(pickle.length() / 200 + 1) {
            let kind = read(&bytes[..end]).expect_err("it is cut").kind;
            assert_eq!(kind, PickleErrorKind::Truncated, "{name} in {protocol}, cut at {end}");
        }
    }
}

#[test]
fn every_opcode_has_its_name_and_nothing_else_has() {
    let answer = run_script("pickles.py", [""; 0]);
    let opcodes = answer["opcodes"].as_array().expect("opcodes");
    assert_eq!(opcodes.len(), 50);
    for byte in 0..=255u8 {
        let name = opcodes.iter().find(|opcode| opcode[0] == byte).and_then(|opcode| opcode[1].as_str());
        // On an empty stack and without an argument most opcodes fail, and the others find that nothing follows.
        match read(&pickled(&[&[byte]])) {
            Ok(_) => unreachable!("{byte:#x} is no pickle"),
            Err(error) if error.at == 2 => {
                assert_eq!(error.opcode, name, "{byte:#x}");
                assert_eq!(error.kind == PickleErrorKind::UnknownOpcode, name.is_none(), "{byte:#x}");
            }
            Err(error) => {
                assert_eq!((error.at, error.kind), (3, PickleErrorKind::Truncated));
                assert!(name.is_some());
            }
        }
    }
}

#[test]
fn older_protocols_are_told_of() {
    let answer = run_script("pickles.py", [""; 0]);
    let older = answer["older"].as_array().expect("pickles");
    let said: Vec<String> = older.iter().map(|older| read(&bytes_of(older)).expect_err("old").to_string()).collect();
    let unnamed =
        "it names no protocol, so it is of protocol 0 or 1, if it is a pickle: only protocols 4 and 5 are read";
    assert_eq!(
        said,
        [
            format!("byte 0: MARK: {unnamed}"),
            format!("byte 0: EMPTY_DICT: {unnamed}"),
            "byte 0: PROTO: it is of protocol 2: only protocols 4 and 5 are read".to_owned(),
            "byte 0: PROTO: it is of protocol 3: only protocols 4 and 5 are read".to_owned(),
        ]
    );
    assert_eq!(read(b"no pickle").unwrap_err().to_string(), format!("byte 0: {unnamed}"));
    let newer = read(b"\x80\x06N.").unwrap_err();
    assert_eq!(newer.to_string(), "byte 0: PROTO: it is of protocol 6: only protocols 4 and 5 are read");
    assert_eq!(newer.kind, PickleErrorKind::Unsupported);
    // Nor does one change on the way.
    assert_eq!(read(b"\x80\x05\x80\x02N.").unwrap_err().at, 2);
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    assert_eq!(read(b"").unwrap_err().to_string(), "byte 0: the pickle ends in the middle");
    assert_eq!(read(b"\x80").unwrap_err().to_string(), "byte 0: PROTO: the pickle ends in the middle");
    let cases: [(&[u8], &str); 29] = [
        (b"", "byte 2: the pickle ends in the middle"),
        (b"N", "byte 3: the pickle ends in the middle"),
        (b"NN\xff", "byte 4: no pickle of protocol 4 or 5 has the byte 0xff here"),
        (b"I1\n.", "byte 2: no pickle of protocol 4 or 5 has the byte 0x49 here"),
        (b".", "byte 2: STOP: there is nothing on the stack that it could take"),
        (b"(.", "byte 3: STOP: there is nothing on the stack that it could take"),
        (b"0", "byte 2: POP: there is nothing on the stack that it could take"),
        (b"\x94", "byte 2: MEMOIZE: there is nothing on the stack that it could take"),
        (b"N(\x94", "byte 4: MEMOIZE: there is nothing on the stack that it could take"),
        (b"]t.", "byte 3: TUPLE: there is no mark on the stack"),
        (b"N1", "byte 3: POP_MARK: there is no mark on the stack"),
        (b"N\x86.", "byte 3: TUPLE2: there is nothing on the stack that it could take"),
        (b"N(N\x86.", "byte 5: TUPLE2: there is nothing on the stack that it could take"),
        (b"](a", "byte 4: APPEND: there is nothing on the stack that it could take"),
        (b"}(Nu.", "byte 5: SETITEMS: a key has no value"),
        (b"h\x05.", "byte 2: BINGET: nothing was put to place 5 of the memo"),
        (b"j\xff\xff\xff\xff.", "byte 2: LONG_BINGET: nothing was put to place 4294967295 of the memo"),
        (b"\x8b\xff\xff\xff\xff.", "byte 2: LONG4: its length is below zero"),
        (b"B\xff\xff\xff\xffabc.", "byte 2: BINBYTES: the pickle ends in the middle"),
        (b"\x8e\xff\xff\xff\xff\xff\xff\xff\xffabc.", "byte 2: BINBYTES8: the pickle ends in the middle"),
        (b"\x96\0\0\0\0\x01\0\0\0abc.", "byte 2: BYTEARRAY8: the pickle ends in the middle"),
        (b"\x95\0\0\0\0\x01\0\0\0N.", "byte 2: FRAME: the pickle ends in the middle"),
        (b"\x8c\x01\xff.", "byte 2: SHORT_BINUNICODE: its string is not UTF-8"),
        (b"NN\x93.", "byte 4: STACK_GLOBAL: the names of its module and class are not strings"),
        (b"\x82\0.", "byte 2: EXT1: its code is not above zero"),
        (b"N}b.", "byte 4: BUILD: it restores the state of None"),
        (b"NNa.", "byte 4: APPEND: it adds to None"),
        (b"NNNs.", "byte 5: SETITEM: it sets keys of None"),
        (b"\x97.", "byte 2: NEXT_BUFFER: its bytes are in a buffer outside of the pickle"),
    ];
    for (bytes, message) in cases {
        let error = read(&pickled(&[bytes])).expect_err(message);
        assert_eq!(error.to_string(), message, "{}", bytes.escape_ascii());
    }
    assert_eq!(read(b"\x80\x05\x97.").unwrap_err().kind, PickleErrorKind::Unsupported);
    assert_eq!(read(b"\x80\x05h\x05.").unwrap_err().kind, PickleErrorKind::Memo);
}

#[test]
fn nothing_is_called() {
    let file = std::env::temp_dir().join(format!("compat-called-{}", std::process::id()));
    let command = format!("touch {}", file.display());
    let argument = [&[0x8c, u8::try_from(command.len()).expect("short")], command.as_bytes()].concat();
    let call = [class("os", "system"), argument, b"\x85R.".to_vec()].concat();
    assert_eq!(shown(&call), format!("<os.system('{command}')>"));
    assert!(!file.exists());
    assert_eq!(shown(&[class("\x1b[31m", "x\u{202e}"), b".".to_vec()].concat()), "<\\x1b[31m.x\\u202e>");
}

#[test]
fn limits_hold() {
    let error = |bytes: &[u8], limits: &PickleLimits| {
        let error = Pickle::read(bytes, limits).expect_err("too much");
        assert_eq!(error.kind, PickleErrorKind::Limit, "{error}");
        error.to_string()
    };
    let few = PickleLimits { values_max: 100, memo_max: 50, copied_bytes_max: 1_000, bytes_max: 10_000 };
    assert_eq!(error(&[b'N'; 10_001], &few), "byte 0: NONE: it has more than 10000 bytes");
    assert_eq!(error(&pickled(&[&b"N0".repeat(101)]), &few), "byte 202: NONE: it has more than 100 values");
    assert_eq!(error(&pickled(&[&[b'('; 60]]), &few), "byte 52: MARK: more than 50 values are on the stack");
    let memo = pickled(&[b"N", &[0x94; 60]]);
    assert_eq!(error(&memo, &few), "byte 53: MEMOIZE: more than 50 values are in the memo");
    // The same items, over and over.
    let shared = pickled(&[b"]\x94", &b"(h\0h\0h\0h\0h\0t0".repeat(30)]);
    assert_eq!(error(&shared, &few), "byte 223: TUPLE: it has more than 100 values");
    // A text that is short here makes names of classes, over and over.
    let call = [class("builtins", "getattr"), b"\x94".to_vec(), class("m", "C"), b"\x94".to_vec()].concat();
    let name = [&b"X\x80\0\0\0"[..], &[b'x'; 128], b"\x94000"].concat();
    let text = pickled(&[&call, &name, &b"h\0h\x01h\x02\x86R0".repeat(20)]);
    assert!(error(&text, &few).ends_with("REDUCE: more than 1000 bytes would be copied"));
    // So do surrogates.
    let text = pickled(&[b"X\xed\x03\0\0", &b"\xed\xa0\x80xx".repeat(201), b"."]);
    assert!(error(&text, &few).ends_with("BINUNICODE: more than 1000 bytes would be copied"));
}

/// Lists of which each holds the one before several times: `fold` of them would be as many values as there are atoms.
fn laughs(fold: u8) -> Vec<u8> {
    let mut bytes = pickled(&[b"\x8c\x02ha\x94"]);
    for place in 0..fold {
        bytes.extend(b"](");
        bytes.extend([b'h', place].repeat(10));
        bytes.extend(b"e\x94");
    }
    bytes.push(b'.');
    bytes
}

#[test]
fn what_is_shared_does_not_explode() {
    let began = Instant::now();
    let bytes = laughs(80);
    let pickle = read(&bytes).expect("a pickle");
    let shown = pickle.show(pickle.root(), &ShowLimits { depth_max: 1_000, ..ShowLimits::default() });
    assert!(!shown.complete);
    assert_eq!(shown.text.chars().count(), 2_001);
    assert!(shown.text.starts_with("[[[[[[[") && shown.text.ends_with('…'));
    assert!(pickle.to_json(pickle.root(), 1 << 20).is_none());
    let bytes = laughs(3);
    let small = read(&bytes).expect("a pickle");
    assert_eq!(small.to_json(small.root(), 1 << 20).expect("JSON").text().matches("ha").count(), 1_000);

    // An object with a million fields that stands in a list a thousand times.
    let mut bytes = pickled(&[b"]\x94(", &class("__main__", "Money"), b")\x81}("]);
    bytes.extend(b"\x8c\x01aN".repeat(300_000));
    bytes.extend(b"ub\x94");
    bytes.extend(b"h\x01".repeat(100_000));
    bytes.extend(b"e.");
    let pickle = read(&bytes).expect("a pickle");
    let limits = ShowLimits { items_max: 3, ..ShowLimits::default() };
    let text = pickle.show(pickle.root(), &limits).text;
    let object = "<__main__.Money() a=None, a=None, a=None, … 299997 more>";
    assert_eq!(text, format!("[{object}, {object}, {object}, … 99998 more]"));
    assert!(began.elapsed() < LONG, "{:?}", began.elapsed());
}

#[test]
fn what_is_deep_neither_overflows_nor_lasts() {
    let began = Instant::now();
    let deep = 900_000;
    let lists = pickled(&[&b"]".repeat(deep), &b"a".repeat(deep - 1), b"."]);
    let tuples = pickled(&[b"N", &b"\x85".repeat(deep), b"."]);
    let marks = pickled(&[&b"(".repeat(deep), &b"t".repeat(deep), b"."]);
    let object = [class("m", "C"), b")\x81".to_vec()].concat();
    let builds = pickled(&[&object.repeat(90_000), &b"b".repeat(89_999), b"."]);
    for bytes in [lists, tuples, marks, builds] {
        let pickle = read(&bytes).expect("a pickle");
        let shown = pickle.show(pickle.root(), &ShowLimits::default());
        assert!(!shown.complete && shown.text.contains('…'), "{}", shown.text);
        assert!(pickle.to_json(pickle.root(), 1 << 20).is_none());
        drop(pickle);
    }
    assert_eq!(shown(b"]\x94h\0a."), "[[...]]");
    assert_eq!(shown(&[&object[..], b"\x94h\0b."].concat()), "<m.C() state=<...>>");
    assert!(began.elapsed() < LONG, "{:?}", began.elapsed());
}

#[test]
fn values_can_be_looked_up() {
    let bytes = b"\x80\x04}(\x8c\x01a](K\x01K\x02e\x8c\x01aC\x02hiu.";
    let pickle = read(bytes).expect("a pickle");
    let bytes_value = pickle.key(pickle.root(), "a").expect("a key");
    // Of equal keys the last counts.
    assert!(matches!(pickle.get(bytes_value), PickleValue::Bytes(b"hi")));
    assert_eq!(pickle.offset(bytes_value), 17);
    let PickleValue::Bytes(held) = pickle.get(bytes_value) else { unreachable!() };
    assert_eq!(pickle.place(held), Some(19));
    assert_eq!(pickle.place(b"hi elsewhere"), None);
    assert!(pickle.key(pickle.root(), "b").is_none());
    assert!(pickle.key(bytes_value, "a").is_none());
}

#[test]
fn json_is_made_of_plain_values_only() {
    let json = |bytes: &[u8]| {
        let bytes = pickled(&[bytes]);
        let pickle = read(&bytes).expect("a pickle");
        pickle.to_json(pickle.root(), 100).map(|json| json.text().to_owned())
    };
    let big = b"\x8a\x09\xff\xff\xe7\x89\x04\x23\xc7\x8a\x00";
    let plain = [&b"}(\x8c\x01a(K\x01G?\xf0\0\0\0\0\0\0N\x88\x89)]}t\x8c\x03x\"\n]"[..], big, b"au."].concat();
    assert_eq!(json(&plain).unwrap(), r#"{"a":[1,1.0,null,true,false,[],[],{}],"x\"\n":[9999999999999999999]}"#);
    let class = [class("m", "C"), b".".to_vec()].concat();
    for not_plain in [
        b"}K\x01K\x02s.".as_slice(),
        b"G\x7f\xf8\0\0\0\0\0\0.",
        b"G\x7f\xf0\0\0\0\0\0\0.",
        b"C\x01a.",
        b"\x8f.",
        &class,
        b"]\x94h\0a.",
        b"(K\x01\x8c\x01aQt.",
    ] {
        assert_eq!(json(not_plain), None, "{}", not_plain.escape_ascii());
    }
    assert_eq!(json(&[b"X\xc8\0\0\0".as_slice(), &[b'x'; 200], b"."].concat()), None);
    assert_eq!(json(&[b"(".as_slice(), &b"K\x01".repeat(60), b"t."].concat()), None);
}

/// Surrogates that stand alone, and the later one of two equal times, are told apart from others.
#[test]
fn what_json_cannot_say_is_told_apart() {
    let shown = |bytes: &[u8]| {
        let pickle = Pickle::read(bytes, &PickleLimits::default()).unwrap();
        (pickle.show(pickle.root(), &ShowLimits::default()).text, pickle.to_json(pickle.root(), 1_000).is_some())
    };
    let high = pickled(&[b"X\x05\0\0\0a'\xed\xa0\x80."]);
    assert_eq!(shown(&high), (r"'a\'\ud800'".to_owned(), false));
    assert!(shown(&pickled(&[b"X\x03\0\0\0\xef\xbf\xbd."])).1);
    let time = |month: u8| {
        let packed = [&b"C\x0a\x07\xea"[..], &[month], b"\x19\x02\x1e\0\0\0\0\x85R."].concat();
        shown(&pickled(&[&class("datetime", "datetime"), &packed])).0
    };
    assert_eq!(time(0x0a), "datetime.datetime(2026, 10, 25, 2, 30)");
    assert_eq!(time(0x8a), "datetime.datetime(2026, 10, 25, 2, 30, fold=1)");
    let key = pickled(&[b"}\x8c\x05$repr\x8c\x03nans."]);
    let pickle = Pickle::read(&key, &PickleLimits::default()).unwrap();
    assert_eq!(pickle.to_json(pickle.root(), 100).unwrap().text(), r#"{"$$repr":"nan"}"#);
}
