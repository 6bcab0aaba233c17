#![no_main]
//! Any lines as a history and as an inbox: no panic, and what is read is what serde_json reads and what is written again.
//!
//! The first byte says whether lines bring their header or get a sound one, so that their events are what is tried.

use libfuzzer_sys::fuzz_target;
use temporal_code::Timestamp;
use temporal_code::stores::{Header, Token};
use temporal_code::workflows::{Fold, InboxFold, RunState, WARNINGS_MAX, inbox_log, run_log};
use temporal_code::workflows::batches::{self, Stamp};

/// A line without its newline, with its header.
fn framed<'a>(data: &'a [u8], bare: bool) -> impl Iterator<Item = (Header, &'a [u8])> {
    let lines = data.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.enumerate().filter_map(move |(number, line)| {
        if !bare {
            return Some((Header::parse(line)?, line));
        }
        // A blank in front stands for a seal.
        let header = Header { seq: number as u64 + 1, token: Token::from_bits(7), more: false, sealed: line[0] == b' ' };
        Some((header, line))
    })
}

fn is_json_object(line: &[u8]) -> bool {
    std::str::from_utf8(line).is_ok()
        && serde_json::from_slice::<std::collections::BTreeMap<String, Box<serde_json::value::RawValue>>>(line).is_ok()
}

fn look(state: &RunState) {
    assert!(state.warnings().len() <= WARNINGS_MAX);
    let waiting = state.waiting_for();
    let _ = (state.status(), state.wake(), state.due(), waiting.events.len(), state.next_log());
    assert!(state.open_steps().count() <= state.steps().len());
    for step in state.steps() {
        assert_eq!(state.step(step.name(), step.n()), Some(step));
    }
}

fn history(data: &[u8], bare: bool) {
    let mut fold = Fold::new(run_log("r").expect("a name"));
    for (header, line) in framed(data, bare) {
        let before = fold.clone();
        let Ok(entry) = fold.line(header, line) else {
            assert!(fold.state().problem().is_some());
            break;
        };
        assert!(is_json_object(line), "{}", String::from_utf8_lossy(line));
        // What is read is written so that the same is read.
        if let Ok(written) = entry.line() {
            let mut again = before;
            let reread = again.line(header, written.as_str().as_bytes());
            assert_eq!(reread.as_ref(), Ok(&entry));
            assert!(again.state().steps().eq(fold.state().steps()));
            assert_eq!((again.state().status(), again.state().wake()), (fold.state().status(), fold.state().wake()));
        }
    }
    look(fold.state());
    // A sound state can be carried over, and is the same then.
    let stamp = Stamp { token: Token::from_bits(9), now: Timestamp::MIN };
    let mut sealed = fold.clone();
    if let Ok((_, next)) = batches::compact(&mut sealed, stamp, None, &[]) {
        assert!(next.state().steps().eq(fold.state().steps()));
        assert!(next.state().kept().eq(fold.state().kept()));
        look(next.state());
    }
}

fn inbox(data: &[u8], bare: bool) {
    let mut inbox = InboxFold::new(inbox_log("r").expect("a name"), 0);
    for (header, line) in framed(data, bare) {
        let mut again = inbox.clone();
        let Ok(entry) = inbox.line(header, line) else {
            assert!(inbox.problem().is_some());
            break;
        };
        assert!(is_json_object(line), "{}", String::from_utf8_lossy(line));
        if let Ok(written) = entry.line() {
            assert_eq!(again.line(header, written.as_str().as_bytes()).as_ref(), Ok(&entry));
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((mode, data)) = data.split_first() else { return };
    let bare = mode & 1 == 1;
    if mode & 2 == 2 {
        inbox(data, bare);
    } else {
        history(data, bare);
    }
});
