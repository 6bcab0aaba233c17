//! Every opcode, every protocol, and what hostile pickles try.

use std::time::{Duration, Instant};

use temporal_code::foreign::pickle::{JsonLimits, Limits, Pickle, PickleError, PickleErrorKind, ShowLimits, Value};

use crate::support::{bytes_of, run_script};

/// Enough for whatever the script makes.
const ALL: ShowLimits = ShowLimits { chars_max: 1 << 20, depth_max: 100, items_max: 10_000 };

/// What no reading and no showing may take, in a build that is not optimized and on a machine that does other things.
const LONG: Duration = Duration::from_secs(20);

fn read(bytes: &[u8]) -> Result<Pickle<'_>, PickleError> {
    Pickle::read(bytes, &Limits::default())
}

fn shown(bytes: &[u8]) -> String {
    let pickle = read(bytes).expect("a pickle");
    pickle.show(pickle.root(), &ShowLimits::default()).text
}

#[test]
fn what_python_writes_is_shown_as_python_prints_it() {
    let answer = run_script("pickles.py", [""; 0]);
    let cases = answer["cases"].as_array().expect("cases");
    assert!(cases.len() > 800, "{}", cases.len());
    for case in cases {
        let bytes = bytes_of(&case["pickle"]);
        let (name, protocol) = (&case["name"], &case["protocol"]);
        let pickle = read(&bytes).unwrap_or_else(|error| panic!("{name} in {protocol}: {error}"));
        let shown = pickle.show(pickle.root(), &ALL);
        assert_eq!(Some(&*shown.text), case["shown"].as_str(), "{name} in {protocol}");
        assert!(shown.complete, "{name}");
        if let Some(protocol) = protocol.as_u64() {
            // Protocols 0 and 1 do not say which they are.
            assert_eq!(u64::from(pickle.protocol()), if protocol < 2 { 0 } else { protocol });
            assert_eq!(pickle.length(), bytes.len());
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
    assert_eq!(opcodes.len(), 68);
    for byte in 0..=255u8 {
        let name = opcodes.iter().find(|opcode| opcode[0] == byte).and_then(|opcode| opcode[1].as_str());
        // On an empty stack and without an argument most opcodes fail, and the others find that nothing follows.
        match read(&[byte]) {
            Ok(_) => unreachable!("{byte:#x} is no pickle"),
            Err(error) if error.at == 0 => {
                assert_eq!(error.opcode, name, "{byte:#x}");
                assert_eq!(error.kind == PickleErrorKind::UnknownOpcode, name.is_none(), "{byte:#x}");
            }
            Err(error) => {
                assert_eq!((error.at, error.kind), (1, PickleErrorKind::Truncated));
                assert!(name.is_some());
            }
        }
    }
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    let cases: [(&[u8], &str); 41] = [
        (b"", "byte 0: the pickle ends in the middle"),
        (b"\x80", "byte 0: PROTO: the pickle ends in the middle"),
        (b"\x80\x06.", "byte 0: PROTO: protocol 6 is newer than 5, the newest known"),
        (b"N", "byte 1: the pickle ends in the middle"),
        (b"NN\xff", "byte 2: no pickle has the byte 0xff here"),
        (b".", "byte 0: STOP: there is nothing on the stack that it could take"),
        (b"(.", "byte 1: STOP: there is nothing on the stack that it could take"),
        (b"0", "byte 0: POP: there is nothing on the stack that it could take"),
        (b"2", "byte 0: DUP: there is nothing on the stack that it could take"),
        (b"N(2", "byte 2: DUP: there is nothing on the stack that it could take"),
        (b"N(q\0", "byte 2: BINPUT: there is nothing on the stack that it could take"),
        (b"]t.", "byte 1: TUPLE: there is no mark on the stack"),
        (b"N1", "byte 1: POP_MARK: there is no mark on the stack"),
        (b"N\x86.", "byte 1: TUPLE2: there is nothing on the stack that it could take"),
        (b"N(N\x86.", "byte 3: TUPLE2: there is nothing on the stack that it could take"),
        (b"](a", "byte 2: APPEND: there is nothing on the stack that it could take"),
        (b"(Nd.", "byte 2: DICT: a key has no value"),
        (b"}(Nu.", "byte 3: SETITEMS: a key has no value"),
        (b"h\x05.", "byte 0: BINGET: nothing was put to place 5 of the memo"),
        (b"j\xff\xff\xff\xff.", "byte 0: LONG_BINGET: nothing was put to place 4294967295 of the memo"),
        (b"g-1\n.", "byte 0: GET: its place in the memo is not a number"),
        (b"Np99999999999999999999\n.", "byte 1: PUT: its place in the memo is not a number"),
        (b"I1x\n.", "byte 0: INT: its number is not an integer"),
        (b"I\n.", "byte 0: INT: its number is not an integer"),
        (b"Fabc\n.", "byte 0: FLOAT: its number is not a float"),
        (b"\x8b\xff\xff\xff\xff.", "byte 0: LONG4: its length is below zero"),
        (b"T\xff\xff\xff\xff.", "byte 0: BINSTRING: its length is below zero"),
        (b"B\xff\xff\xff\xffabc.", "byte 0: BINBYTES: the pickle ends in the middle"),
        (b"\x8e\xff\xff\xff\xff\xff\xff\xff\xffabc.", "byte 0: BINBYTES8: the pickle ends in the middle"),
        (b"\x96\0\0\0\0\x01\0\0\0abc.", "byte 0: BYTEARRAY8: the pickle ends in the middle"),
        (b"\x95\0\0\0\0\x01\0\0\0N.", "byte 0: FRAME: the pickle ends in the middle"),
        (b"\x8c\x01\xff.", "byte 0: SHORT_BINUNICODE: its string is not UTF-8"),
        (b"V\\u12\n.", "byte 0: UNICODE: its string has an escape that is cut or no character"),
        (b"V\\U00110000\n.", "byte 0: UNICODE: its string has an escape that is cut or no character"),
        (b"Sabc\n.", "byte 0: STRING: its string is not in quotes"),
        (b"S'\\xg1'\n.", "byte 0: STRING: its string has an escape that is none"),
        (b"NN\x93.", "byte 2: STACK_GLOBAL: the names of its module and class are not strings"),
        (b"\x82\0.", "byte 0: EXT1: its code is not above zero"),
        (b"N}b.", "byte 2: BUILD: it restores the state of None"),
        (b"NNa.", "byte 2: APPEND: it adds to None"),
        (b"\x80\x05\x97.", "byte 2: NEXT_BUFFER: its bytes are in a buffer outside of the pickle"),
    ];
    for (bytes, message) in cases {
        let error = read(bytes).expect_err(message);
        assert_eq!(error.to_string(), message, "{}", bytes.escape_ascii());
    }
    assert_eq!(read(b"\x80\x05\x97.").unwrap_err().kind, PickleErrorKind::Unsupported);
    assert_eq!(read(b"h\x05.").unwrap_err().kind, PickleErrorKind::Memo);
}

#[test]
fn nothing_is_called() {
    let file = std::env::temp_dir().join(format!("compat-called-{}", std::process::id()));
    let bytes = format!("cos\nsystem\n(S'touch {}'\ntR.", file.display());
    assert_eq!(shown(bytes.as_bytes()), format!("<os.system('touch {}')>", file.display()));
    assert!(!file.exists());
    assert_eq!(shown(b"c\x1b[31m\nx\xe2\x80\xae\n."), "<\\x1b[31m.x\\u202e>");
}

#[test]
fn limits_hold() {
    let error = |bytes: &[u8], limits: &Limits| {
        let error = Pickle::read(bytes, limits).expect_err("too much");
        assert_eq!(error.kind, PickleErrorKind::Limit, "{error}");
        error.to_string()
    };
    let few = Limits { values_max: 100, memo_max: 50, copied_bytes_max: 1_000, bytes_max: 10_000 };
    assert_eq!(error(&[b'N'; 10_001], &few), "byte 0: NONE: it has more than 10000 bytes");
    assert_eq!(error(&b"N0".repeat(101), &few), "byte 200: NONE: it has more than 100 values");
    assert_eq!(error(&[b'('; 60], &few), "byte 50: MARK: more than 50 values are on the stack");
    let memo = (0..60).flat_map(|place| [b'q', place]);
    let memo: Vec<u8> = std::iter::once(b'N').chain(memo).collect();
    assert_eq!(error(&memo, &few), "byte 101: BINPUT: more than 50 values are in the memo");
    // The same items, over and over.
    let shared = [b"]q\0".as_slice(), &b"(h\0h\0h\0h\0h\0l0".repeat(30)].concat();
    assert_eq!(error(&shared, &few), "byte 222: LIST: it has more than 100 values");
    // A text that is short here is made into bytes, over and over.
    let call = b"c_codecs\nencode\nq\0X\x80\0\0\0";
    let text =
        [call.as_slice(), &[b'x'; 128], b"q\x01X\x06\0\0\0latin1q\x02000", &b"h\0h\x01h\x02\x86R0".repeat(20)].concat();
    assert!(error(&text, &few).ends_with("REDUCE: more than 1000 bytes would be copied"));
    let digits = format!("I{}\n.", "9".repeat(5_000));
    assert_eq!(error(digits.as_bytes(), &few), "byte 0: INT: its number is too long");
}

/// Lists of which each holds the one before several times: `fold` of them would be as many values as there are atoms.
fn laughs(fold: u8) -> Vec<u8> {
    let mut bytes = b"\x8c\x02ha\x94".to_vec();
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
    assert!(pickle.to_json(pickle.root(), &JsonLimits::default()).is_none());
    let bytes = laughs(3);
    let small = read(&bytes).expect("a pickle");
    assert_eq!(small.to_json(small.root(), &JsonLimits::default()).expect("JSON").text().matches("ha").count(), 1_000);

    // An object with a million fields that stands in a list a thousand times.
    let mut bytes = b"\x80\x04]\x94(c__main__\nMoney\n)\x81}(".to_vec();
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
    let lists = [b"]".repeat(deep), b"a".repeat(deep - 1), b".".to_vec()].concat();
    let tuples = [b"N".to_vec(), b"\x85".repeat(deep), b".".to_vec()].concat();
    let marks = [b"(".repeat(deep), b"t".repeat(deep), b".".to_vec()].concat();
    let builds = [b"cm\nC\n)\x81".repeat(90_000), b"b".repeat(89_999), b".".to_vec()].concat();
    for bytes in [lists, tuples, marks, builds] {
        let pickle = read(&bytes).expect("a pickle");
        let shown = pickle.show(pickle.root(), &ShowLimits::default());
        assert!(!shown.complete && shown.text.contains('…'), "{}", shown.text);
        assert!(pickle.to_json(pickle.root(), &JsonLimits::default()).is_none());
        drop(pickle);
    }
    assert_eq!(shown(b"]\x94h\0a."), "[[...]]");
    assert_eq!(shown(b"cm\nC\n)\x81\x94h\0b."), "<m.C() state=<...>>");
    assert!(began.elapsed() < LONG, "{:?}", began.elapsed());
}

#[test]
fn values_can_be_looked_up() {
    let bytes = b"\x80\x04}(\x8c\x01a](K\x01K\x02e\x8c\x01aC\x02hiu.";
    let pickle = read(bytes).expect("a pickle");
    let bytes_value = pickle.key(pickle.root(), "a").expect("a key");
    // Of equal keys the last counts.
    assert!(matches!(pickle.get(bytes_value), Value::Bytes(bytes) if bytes.as_ref() == b"hi"));
    assert_eq!(pickle.offset(bytes_value), 17);
    let Value::Bytes(held) = pickle.get(bytes_value) else { unreachable!() };
    assert_eq!(pickle.place(held), Some(19));
    assert_eq!(pickle.place(b"hi elsewhere"), None);
    assert!(pickle.key(pickle.root(), "b").is_none());
    assert!(pickle.key(bytes_value, "a").is_none());
}

#[test]
fn json_is_made_of_plain_values_only() {
    let json = |bytes: &[u8]| {
        let pickle = read(bytes).expect("a pickle");
        pickle.to_json(pickle.root(), &JsonLimits { bytes_max: 100 }).map(|json| json.text().to_owned())
    };
    assert_eq!(
        json(b"}(\x8c\x01a(K\x01G?\xf0\0\0\0\0\0\0N\x88\x89)]}lVx\"\\u000a\n(I99999999999999999999\ntu.").unwrap(),
        r#"{"a":[1,1.0,null,true,false,[],[],{}],"x\"\n":[99999999999999999999]}"#
    );
    for not_plain in [
        b"}K\x01K\x02s.".as_slice(),
        b"Fnan\n.",
        b"Finf\n.",
        b"C\x01a.",
        b"\x8f.",
        b"cm\nC\n.",
        b"]\x94h\0a.",
        b"(K\x01Pa\nt.",
    ] {
        assert_eq!(json(not_plain), None, "{}", not_plain.escape_ascii());
    }
    assert_eq!(json(&[b"X\xc8\0\0\0".as_slice(), &[b'x'; 200], b"."].concat()), None);
    assert_eq!(json(&[b"(".as_slice(), &b"K\x01".repeat(60), b"l."].concat()), None);
}
