//! Histories that end anywhere, and lines with any byte changed.

use temporal_code::stores::Header;
use temporal_code::workflows::{Fold, InboxFold, inbox_log};

use crate::model::run;
use crate::support::{dump, header, log};

/// A history with every kind of line that chance brought into one generation.
fn long_history() -> Vec<String> {
    let mut random = 7u64;
    let mut longest = Vec::new();
    for _ in 0..50 {
        let choices: Vec<u8> = std::iter::repeat_with(|| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 56) as u8
        })
        .take(300)
        .collect();
        let lines = run(&choices).swap_remove(0);
        if lines.len() > longest.len() {
            longest = lines;
        }
    }
    assert!(longest.len() > 20);
    longest
}

/// What a reader makes of bytes: whole lines are folded, a last one without its newline is not looked at.
fn read(bytes: &[u8]) -> (Fold, usize) {
    let mut fold = Fold::new(log());
    let mut lines = 0;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let Some(line) = line.strip_suffix(b"\n") else { break };
        let Some(header) = Header::parse(line) else { break };
        if fold.line(header, line).is_err() {
            break;
        }
        lines += 1;
    }
    (fold, lines)
}

#[test]
fn a_history_that_is_cut_at_any_byte_is_the_lines_before() {
    let lines = long_history();
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let dumps: Vec<String> = {
        let mut fold = Fold::new(log());
        let mut dumps = vec![dump(fold.state())];
        for line in &lines {
            fold.line(header(line), line.as_bytes()).expect("sound");
            dumps.push(dump(fold.state()));
        }
        dumps
    };
    for end in 0..=text.len() {
        let whole = text.as_bytes()[..end].iter().filter(|byte| **byte == b'\n').count();
        let (fold, read) = read(&text.as_bytes()[..end]);
        assert_eq!(read, whole);
        assert_eq!(dump(fold.state()), dumps[whole], "cut at byte {end}");
    }
}

/// A line that lost its end is no event, wherever it was cut.
#[test]
fn a_line_that_is_cut_is_refused() {
    let lines = long_history();
    let mut fold = Fold::new(log());
    for line in &lines {
        let header = header(line);
        for end in 0..line.len() {
            let mut fold = fold.clone();
            assert!(fold.line(header, &line.as_bytes()[..end]).is_err(), "{}", &line[..end]);
        }
        fold.line(header, line.as_bytes()).expect("sound");
    }
}

/// Whatever byte is changed: it is told, or the line says something else and nothing breaks.
#[test]
fn a_changed_byte_breaks_nothing() {
    let lines = long_history();
    let mut fold = Fold::new(log());
    for line in lines.iter().take(40) {
        let mut changed = line.clone().into_bytes();
        for at in 0..changed.len() {
            let kept = changed[at];
            for byte in [b'"', b'\\', b'{', b'}', b',', b':', b'0', b'9', b' ', 0, 0x1b, 0xff, kept ^ 1] {
                changed[at] = byte;
                if let Some(header) = Header::parse(&changed) {
                    let mut fold = fold.clone();
                    let told = fold.line(header, &changed).is_err();
                    assert_eq!(told, fold.state().problem().is_some());
                    let _ = (fold.state().status(), fold.state().wake(), dump(fold.state()));
                }
            }
            changed[at] = kept;
        }
        fold.line(header(line), line.as_bytes()).expect("sound");
    }
}

#[test]
fn an_inbox_that_is_cut_at_any_byte_is_the_lines_before() {
    let lines = [
        r#"{"seq":1,"token":"0000000000000001","at":"2026-11-22T04:00:00Z","type":"message","id":"m1","event":"yes","value":{"a":[1,"ü"]},"from":"tc"}"#,
        r#"{"seq":2,"token":"0000000000000002","at":"2026-11-22T04:00:01Z","type":"cancel","id":"c1","reason":"x"}"#,
        r#"{"seq":3,"token":"0000000000000003","at":"2026-11-22T04:00:02Z","type":"child_end","run":"c","id":"e","step":"s","n":1,"ok":null}"#,
        r#"{"seq":4,"token":"0000000000000004","sealed":true,"at":"2026-11-22T04:00:03Z","type":"turn"}"#,
    ];
    for line in lines {
        let header = header(line);
        for end in 0..line.len() {
            let mut inbox = InboxFold::new(inbox_log("greet-1").expect("a name"), header.seq - 1);
            assert!(inbox.line(header, &line.as_bytes()[..end]).is_err(), "{}", &line[..end]);
            assert!(inbox.problem().is_some());
        }
        let mut inbox = InboxFold::new(inbox_log("greet-1").expect("a name"), header.seq - 1);
        let entry = inbox.line(header, line.as_bytes()).expect("sound");
        // What was read is written as it was.
        assert!(line.ends_with(&entry.line().expect("a line").as_str()[1..]));
        assert_eq!(inbox.end().last.number(), header.seq);
    }
}
