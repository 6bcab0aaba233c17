//! State folders of durable-python: those that came with the project, and fresh ones.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use expect_test::expect;
use serde_json::Value;
use temporal_code::foreign::durable_python::{
    DurableInstance, SavedState, SavedValue, StateDamage, StateDamageKind, StateFolder, StateLimits, StopPointKind,
};
use temporal_code::foreign::pickle::{PickleLimits, ShowLimits};
use temporal_code::workflows::Status;

use crate::support::{root, run_script, script};

fn fixtures() -> StateFolder {
    StateFolder::detect(&root().join("fixtures/durable-python")).expect("a folder").expect("one of durable-python")
}

fn instances(folder: &StateFolder) -> Vec<DurableInstance> {
    folder.instances(StateLimits::default()).expect("a folder").collect()
}

fn seen(value: &SavedValue) -> String {
    let json = value.json.as_ref().map_or("no JSON", |json| json.text());
    let json = if json.replace(": ", ":") == value.text { "the same in JSON" } else { json };
    format!("{}{} ({json})", value.text, if value.complete { "" } else { " and more" })
}

/// All that an instance says, a fact a line.
fn summary(instance: &DurableInstance) -> String {
    let mut text = format!("{:?} {}", instance.file.id, instance.status());
    let waiting = instance.waiting_for();
    waiting.events.iter().for_each(|event| write!(text, " for {event:?}").expect("a text grows"));
    text.push('\n');
    if let Some(result) = instance.result() {
        writeln!(text, "  result {}", seen(result)).expect("a text grows");
    }
    if let Some(damage) = instance.damage() {
        writeln!(text, "  damage {:?} at {:?}: {}", damage.kind, damage.at, damage.what).expect("a text grows");
    }
    let Ok(state) = &instance.state else { return text };
    for pending in &state.pending {
        writeln!(text, "  pending {} = {}", pending.name, seen(&pending.value)).expect("a text grows");
    }
    for frame in &state.frames {
        let (done, to_come) = (frame.blocks_done(), frame.blocks_to_come());
        write!(text, "  {} returns to {:?}, {done} done, {to_come} to come", frame.function, frame.returns_to)
            .expect("a text grows");
        writeln!(text, ", checkpoint {:?} of {:?}", frame.checkpoint, frame.blocks[0].checkpoints)
            .expect("a text grows");
        if let Some(stop) = &frame.stop {
            write!(text, "    line {}: {} => {:?}", stop.line, stop.statement, stop.kind).expect("a text grows");
            stop.pass.iter().for_each(|pass| write!(text, " in pass {pass}").expect("a text grows"));
            text.push_str(if stop.certain { "\n" } else { " perhaps\n" });
        }
        for variable in &frame.variables {
            writeln!(text, "    {} = {}", variable.name, seen(&variable.value)).expect("a text grows");
        }
    }
    text
}

#[test]
fn the_fixtures() {
    let folder = fixtures();
    let all: String = instances(&folder).iter().map(summary).collect();
    expect![[r#"
        "greet-1" waiting for "allow"
          flows.greet returns to [], 0 done, 0 to come, checkpoint Some(1) of [1]
            line 9: raise PauseForEventException('allow') => Event(AwaitedEvent { name: Some("allow"), expression: "'allow'" })
            name = 'Ada' ("Ada")
        "greet-2" completed
          result 'hello Grace' ("hello Grace")
        "order-1" waiting for "approve"
          flows.order returns to [], 0 done, 0 to come, checkpoint Some(4) of [4]
            line 18: raise PauseForEventException('approve') => Event(AwaitedEvent { name: Some("approve"), expression: "'approve'" })
            customer = {'name': 'Ada', 'tier': 3} ({"name":"Ada","tier":3})
            items = ['pen', 'ink'] (["pen","ink"])
            total = 41.5 (the same in JSON)
            count = 2 (the same in JSON)
            price = <flows.Money() amount=41.5, currency='EUR'> (no JSON)
            note = 'naïve 漢字' ("naïve 漢字")
            stamp = (1, 2.5, None, True, b'\x00\xff', {'a', 'b'}) (no JSON)
        "order-3" completed
          result {'customer': 'Ada', 'count': 2, 'total': 49.8} ({"customer":"Ada","count":2,"total":49.8})
        "parent-1" waiting for "child-ok"
          flows.parent returns to [], 0 done, 0 to come, checkpoint Some(2) of [2]
            line 12: b = await child(a) => Call("child")
            x = 5 (the same in JSON)
            a = 6 (the same in JSON)
          flows.child returns to ["b"], 0 done, 0 to come, checkpoint Some(1) of [1]
            line 9: raise PauseForEventException('child-ok') => Event(AwaitedEvent { name: Some("child-ok"), expression: "'child-ok'" })
            x = 6 (the same in JSON)
            y = 12 (the same in JSON)
    "#]].assert_eq(&all);
}

#[test]
fn what_the_package_writes_now() {
    let parent = tempfile::tempdir().expect("a folder");
    let path = parent.path().join("states");
    let outcomes = run_script("programs.py", ["run".as_ref(), path.as_os_str()]);
    let folder = StateFolder::detect(&path).expect("a folder").expect("one of durable-python");
    let all = instances(&folder);
    let outcomes = outcomes.as_object().expect("outcomes");
    assert_eq!(all.len(), outcomes.len());
    for instance in &all {
        let outcome = &outcomes[&instance.file.id];
        agree(instance, outcome);
        assert!(instance.started_at.is_some() && instance.updated_at >= instance.started_at);
    }
    let some = ["values-second", "nested", "returned", "loop", "branch-small", "indirect", "captured", "odd"];
    let some = all.iter().filter(|instance| some.iter().any(|id| instance.file.id.starts_with(id)));
    // Where a lock lies in memory is never the same.
    let text: String =
        some.map(summary)
            .flat_map(|text| {
                text.lines()
                    .map(|line| {
                        if line.contains("_thread.lock") { "    lock = …\n".to_owned() } else { format!("{line}\n") }
                    })
                    .collect::<Vec<_>>()
            })
            .collect();
    expect![[r#"
        "branch-small" waiting for "small"
          flows.branch returns to [], 0 done, 0 to come, checkpoint Some(4) of [4]
            line 19: raise PauseForEventException('small') => Event(AwaitedEvent { name: Some("small"), expression: "'small'" })
            n = 1 (the same in JSON)
            m = 1 (the same in JSON)
        "captured" waiting for "captured"
          flows.captured returns to [], 0 done, 0 to come, checkpoint Some(1) of [1]
            line 9: raise PauseForEventException('captured') => Event(AwaitedEvent { name: Some("captured"), expression: "'captured'" })
            n = 1 (the same in JSON)
            parts = (<function elsewhere.by_value.<locals>.triple>, <class elsewhere.Local>, <elsewhere.Local() size=7>) (no JSON)
        "indirect" waiting
          flows.indirect returns to [], 0 done, 0 to come, checkpoint Some(0) of [0]
            line 6: answer = ask('deep') => Other
            n = 1 (the same in JSON)
        "loop" waiting for "a"
          flows.loop returns to [], 0 done, 0 to come, checkpoint Some(1) of [1]
            line 11: raise PauseForEventException(item) => Event(AwaitedEvent { name: Some("a"), expression: "item" }) in pass 0
            items = ['a', 'b'] (["a","b"])
            done = [] (the same in JSON)
            item = 'a' ("a")
        "nested" waiting for "inner-10"
          flows.outer returns to [], 0 done, 0 to come, checkpoint Some(2) of [2]
            line 12: b = await middle(more) => Call("middle")
            n = 4 (the same in JSON)
            more = 5 (the same in JSON)
          flows.middle returns to ["b"], 0 done, 0 to come, checkpoint Some(1) of [1]
            line 9: result = await inner(n) => Call("inner")
            n = 5 (the same in JSON)
          flows.inner returns to ["result"], 0 done, 0 to come, checkpoint Some(1) of [1]
            line 9: raise PauseForEventException(f'inner-{doubled}') => Event(AwaitedEvent { name: Some("inner-10"), expression: "f'inner-{doubled}'" })
            n = 5 (the same in JSON)
            doubled = 10 (the same in JSON)
        "odd \u{1b}[31m\n\u{202e} name" waiting for "allow"
          flows.greet returns to [], 0 done, 0 to come, checkpoint Some(1) of [1]
            line 9: raise PauseForEventException('allow') => Event(AwaitedEvent { name: Some("allow"), expression: "'allow'" })
            name = 'Ada' ("Ada")
        "returned" pending
          pending result = 10 (the same in JSON)
          flows.outer returns to [], 0 done, 0 to come, checkpoint Some(2) of [2]
            line 12: b = await middle(more) => Call("middle")
            n = 4 (the same in JSON)
            more = 5 (the same in JSON)
          flows.middle returns to ["b"], 0 done, 0 to come, checkpoint Some(1) of [1]
            line 9: result = await inner(n) => Call("inner")
            n = 5 (the same in JSON)
        "values-second" waiting for "it's \"shipped\" ☺"
          flows.values returns to [], 0 done, 0 to come, checkpoint Some(11) of [9, 11]
            line 39: raise durable.PauseForEventException(event='it\'s "shipped" ☺') => Event(AwaitedEvent { name: Some("it's \"shipped\" ☺"), expression: "'it\\'s \"shipped\" ☺'" })
            order = [1, 2] ([1,2])
            count = 2 (the same in JSON)
            price = <flows.Money() amount=9.5, currency='EUR'> (no JSON)
            note = 'naïve 漢字 \x1b[31m' ("naïve 漢字 \u001b[31m")
            stamp = (1, 2.5, None, True, b'\x00\xff', {'a'}, 1180591620717411303424) (no JSON)
            when = datetime.datetime(2026, 11, 22, 9, 5) (no JSON)
            exact = <decimal.Decimal('1.20')> (no JSON)
            lock = …
            total = 3 (the same in JSON)
    "#]].assert_eq(&text);
}

/// Whether an instance says what the package said.
fn agree(instance: &DurableInstance, outcome: &Value) {
    let told = summary(instance);
    let state = instance.state.as_ref().expect("a state");
    assert_eq!(state.instance_id.as_deref(), Some(&*instance.file.id));
    let frames = outcome["frames"].as_array().expect("frames");
    assert_eq!(state.frames.len(), frames.len(), "{told}");
    for (frame, wanted) in state.frames.iter().zip(frames) {
        assert_eq!(wanted["function"], frame.function.to_string());
        assert_eq!(wanted["checkpoint"].as_i64(), frame.checkpoint);
        let variables = wanted["variables"].as_object().expect("variables");
        assert_eq!(frame.variables.len(), variables.len() - 1, "all but the checkpoint\n{told}");
        for variable in &frame.variables {
            let repr = variables[&variable.name].as_str().expect("a text");
            // An object is printed by its own code.
            if !variable.value.text.contains('<') && !repr.starts_with("Decimal") {
                assert_eq!(variable.value.text, repr, "{told}");
            }
        }
    }
    let status = instance.status();
    match (outcome["event"].as_str(), outcome["result"].as_str()) {
        (Some(event), _) => {
            assert_eq!(status, Status::Waiting);
            // What a function raises that is called in turn is not in the code.
            if instance.file.id == "indirect" {
                assert!(state.event().is_none());
            } else {
                assert_eq!(instance.waiting_for().events, [event], "{told}");
            }
        }
        (None, Some(result)) if state.frames.is_empty() => {
            assert_eq!((status, instance.ended_at()), (Status::Completed, instance.updated_at));
            assert_eq!(instance.result().expect("a result").text, result);
        }
        // The package left the loop with calls on the stack.
        (None, Some(_)) => assert_eq!(status, Status::Pending),
        // It failed, and saved nothing.
        (None, None) => assert_eq!(status, Status::Waiting),
    }
}

#[test]
fn other_folders_are_not_taken_for_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let detect = || StateFolder::detect(folder.path()).expect("a folder").is_some();
    assert!(!detect());
    assert!(StateFolder::detect(&folder.path().join("none")).expect("no error").is_none());
    std::fs::write(folder.path().join("model.pkl"), b"\x80\x04]\x94.").expect("a file");
    std::fs::write(folder.path().join("empty.pkl"), b"").expect("a file");
    std::fs::create_dir(folder.path().join("folder.pkl")).expect("a folder");
    assert!(!detect());
    std::fs::copy(root().join("fixtures/durable-python/greet-1.pkl"), folder.path().join("x.pkl")).expect("a copy");
    assert!(detect());
    assert!(StateFolder::detect(&folder.path().join("x.pkl")).expect("no error").is_none());
}

#[test]
fn damaged_files_do_not_hide_the_others() {
    let folder = tempfile::tempdir().expect("a folder");
    let whole = std::fs::read(root().join("fixtures/durable-python/greet-1.pkl")).expect("a fixture");
    let put = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).expect("a file");
    put("1-whole.pkl", &whole);
    put("2-empty.pkl", b"");
    put("3-torn.pkl", &whole[..whole.len() / 2]);
    put("4-other.pkl", b"\x80\x04]\x94.");
    put("5-opcode.pkl", &[&whole[..11], b"\xff", &whole[12..]].concat());
    let mut inner = whole.clone();
    // The locals of the block: the second of the pickles that begin so.
    let at = memchr::memmem::find_iter(&whole, b"\x80\x05\x95C\x05").nth(1).expect("a nested pickle");
    inner[at + 11] = 0xff;
    put("6-inner.pkl", &inner);
    put("notes.txt", b"");
    std::fs::create_dir(folder.path().join("7-folder.pkl")).expect("a folder");
    std::os::unix::fs::symlink("nowhere", folder.path().join("8-link.pkl")).expect("a link");
    let made = std::process::Command::new("mkfifo").arg(folder.path().join("9-pipe.pkl")).status().expect("mkfifo");
    assert!(made.success());

    let folder = StateFolder::new(folder.path());
    let all = instances(&folder);
    let damage = |n: usize| all[n].damage().cloned().expect("damage");
    assert_eq!(all.len(), 9);
    assert_eq!(all[0].status(), Status::Waiting);
    assert!(all[1..].iter().all(|instance| instance.status() == Status::Corrupt));
    let found: Vec<(StateDamageKind, Option<u64>)> =
        (1..9).map(damage).map(|StateDamage { kind, at, .. }| (kind, at)).collect();
    let torn = |at| (StateDamageKind::Torn, Some(at));
    let unreadable = (StateDamageKind::Unreadable, None);
    assert_eq!(found[..2], [torn(0), torn(2)]);
    assert_eq!(
        found[2..5],
        [
            (StateDamageKind::Corrupt, Some(2)),
            (StateDamageKind::Corrupt, Some(11)),
            (StateDamageKind::Corrupt, Some(at as u64 + 11))
        ]
    );
    assert_eq!(found[5..], [unreadable; 3]);
    assert!(
        damage(3)
            .to_string()
            .ends_with("4-other.pkl: byte 2: there is a list, where a dict with `call_stack` has to be")
    );
    assert!(damage(5).to_string().ends_with(&format!(
        "6-inner.pkl: byte {}: `locals`: no pickle of protocol 4 or 5 has the byte 0xff here",
        at + 11
    )));
    // The rest of that one can be read.
    assert_eq!(all[5].state.as_ref().expect("a state").frames[0].function.to_string(), "flows.greet");
    assert!(all[5].waiting_for().events.is_empty());
    assert_eq!(folder.find("1-whole").expect("a folder").expect("a file"), all[0].file);
    for none in ["../durable-python/greet-1", "", "1-whole.pkl", "notes"] {
        assert_eq!(folder.find(none).expect("a folder"), None);
    }
}

#[test]
fn a_file_that_is_being_written_is_waited_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let whole = std::fs::read(root().join("fixtures/durable-python/greet-1.pkl")).expect("a fixture");
    let path = folder.path().join("greet-1.pkl");
    std::fs::write(&path, &whole[..100]).expect("a file");
    let folder = StateFolder::new(folder.path());
    let file = folder.find("greet-1").expect("a folder").expect("a file");
    let slow = std::thread::spawn(move || {
        for end in (500..whole.len()).step_by(1_000).chain([whole.len()]) {
            std::thread::sleep(Duration::from_millis(15));
            std::fs::write(&path, &whole[..end]).expect("a file");
        }
    });
    let instance = folder.read(&file, &StateLimits::default());
    slow.join().expect("it ends");
    assert_eq!(summary(&instance), summary(&folder.read(&file, &StateLimits::default())));
    assert_eq!(instance.status(), Status::Waiting);
}

#[test]
fn a_program_that_saves_all_the_time_is_never_seen_half() {
    let parent = tempfile::tempdir().expect("a folder");
    let path = parent.path().join("states");
    let mut live = script("programs.py");
    live.arg("live").arg(&path).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut live = live.spawn().expect("the interpreter runs");
    let mut ready = String::new();
    BufReader::new(live.stdout.take().expect("an output")).read_line(&mut ready).expect("a line");
    assert_eq!(ready, "ready\n");
    let folder = StateFolder::new(&path);
    let limits = StateLimits { show: ShowLimits { chars_max: 20, ..ShowLimits::default() }, ..StateLimits::default() };
    let mut inconclusive = 0;
    for _ in 0..30 {
        let instance = folder.instances(limits.clone()).expect("a folder").next().expect("an instance");
        match instance.damage() {
            None => assert_eq!(instance.waiting_for().events, ["allow"]),
            // It changed all the time while it was looked at.
            Some(damage) => {
                assert_eq!(damage.kind, StateDamageKind::Torn, "{damage}");
                inconclusive += 1;
            }
        }
    }
    live.stdin.take().expect("an input").write_all(b"end\n").expect("it listens");
    assert!(live.wait().expect("it ends").success());
    assert!(inconclusive <= 3, "{inconclusive} of 30");
}

#[test]
fn no_byte_of_a_file_is_trusted() {
    let path = Path::new("x.pkl");
    // Little is shown, since it is read often.
    let limits = StateLimits { show: ShowLimits { chars_max: 50, ..ShowLimits::default() }, ..StateLimits::default() };
    for name in ["greet-1", "order-1", "parent-1", "greet-2"] {
        let whole = std::fs::read(root().join(format!("fixtures/durable-python/{name}.pkl"))).expect("a fixture");
        let step = whole.len() / 400 + 1;
        for at in (0..whole.len()).step_by(step) {
            let cut = SavedState::read(path, &whole[..at], &limits).expect_err("it is cut");
            assert_eq!(cut.kind, StateDamageKind::Torn);
            for byte in [0, b'.', b'(', b'0', b'R', 0x94, 0xff] {
                let mut changed = whole.clone();
                changed[at] = byte;
                let (at, kind) = match SavedState::read(path, &changed, &limits) {
                    Ok(state) => state.damage.first().map_or((None, None), |damage| (damage.at, Some(damage.kind))),
                    Err(damage) => (damage.at, Some(damage.kind)),
                };
                assert!(at.is_none_or(|at| at <= whole.len() as u64), "{at:?}");
                assert!(kind.is_none_or(|kind| kind != StateDamageKind::Unreadable));
            }
        }
    }
}

#[test]
fn limits_hold() {
    let bytes = std::fs::read(root().join("fixtures/durable-python/parent-1.pkl")).expect("a fixture");
    let read = |limits: &StateLimits| SavedState::read(Path::new("x.pkl"), &bytes, limits);
    let one = read(&StateLimits { frames_max: 1, variables_max: 1, ..StateLimits::default() }).expect("a state");
    assert_eq!((one.frames.len(), one.frames_left_out), (1, 1));
    let frame = one.innermost().expect("a frame");
    assert_eq!((frame.function.qualname.as_str(), frame.variables.len(), frame.variables_left_out), ("child", 1, 1));
    assert_eq!(one.waiting_for().events, ["child-ok"]);

    let little = read(&StateLimits { text_bytes_max: 10, ..StateLimits::default() }).expect("a state");
    let frame = little.innermost().expect("a frame");
    assert!(frame.blocks[0].code.is_none() && frame.stop.is_none());
    assert!(little.frames.iter().flat_map(|frame| &frame.variables).map(|v| v.value.text.len()).sum::<usize>() < 40);

    let nested = read(&StateLimits { nested_bytes_max: 100, ..StateLimits::default() }).expect("a state");
    assert_eq!((nested.status(), nested.damage[0].kind), (Status::Corrupt, StateDamageKind::TooLarge));
    let small = PickleLimits { bytes_max: 100, ..PickleLimits::default() };
    let damage = read(&StateLimits { pickle: small.clone(), ..StateLimits::default() }).expect_err("too large");
    assert_eq!(damage.kind, StateDamageKind::TooLarge);
    let file = fixtures().find("parent-1").expect("a folder").expect("a file");
    let instance = fixtures().read(&file, &StateLimits { pickle: small, ..StateLimits::default() });
    assert!(instance.damage().expect("damage").what.ends_with("of at most 100 that are read"));
}

#[test]
fn a_call_is_known_by_its_statement() {
    let file = fixtures().find("parent-1").expect("a folder").expect("a file");
    let instance = fixtures().read(&file, &StateLimits::default());
    let state = instance.state.expect("a state");
    let stops: Vec<_> = state.frames.iter().filter_map(|frame| frame.stop.as_ref()).collect();
    assert_eq!(stops[0].statement, "b = await child(a)");
    assert_eq!(stops[0].kind, StopPointKind::Call("child".to_owned()));
    assert!(matches!(&stops[1].kind, StopPointKind::Event(event) if event.name.as_deref() == Some("child-ok")));
}
