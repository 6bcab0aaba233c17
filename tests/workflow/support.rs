//! Histories written by hand, and states as text.

use std::fmt::Write as _;

use temporal_code::Timestamp;
use temporal_code::stores::{Header, Name};
use temporal_code::workflows::{
    Compensation, Ending, Fold, Outcome, Problem, RunState, Step, StepState, Wait, WaitState, run_log,
};

/// The run that hand-written histories are of.
pub(crate) const RUN: &str = "greet-1";

pub(crate) fn log() -> Name {
    run_log(RUN).expect("a name")
}

/// 2026-11-22T04:00:00Z and so many seconds.
pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::parse(b"2026-11-22T04:00:00Z").expect("a time").offset_micros(second * 1_000_000)
}

/// A line as a store keeps it: the body gets a header, and a time if it has none. Line `seq` is of second `seq`.
pub(crate) fn framed(seq: u64, body: &str, sealed: bool) -> String {
    let seal = if sealed { "\"sealed\":true," } else { "" };
    // What is nested has a time of its own.
    let outer = body.split("\"start\":{").next().unwrap_or_default();
    let time = if outer.contains("\"at\":") {
        String::new()
    } else {
        format!("\"at\":\"{}\",", at(i64::try_from(seq).unwrap()))
    };
    format!("{{\"seq\":{seq},\"token\":\"{seq:016x}\",{seal}{time}{}", &body.trim()[1..])
}

/// Lines numbered from 1, sealed where their type seals.
pub(crate) fn history(bodies: &[&str]) -> Vec<String> {
    let seals =
        |body: &str| ["stop", "continue", "compact"].iter().any(|kind| body.contains(&format!("\"type\":\"{kind}\"")));
    bodies.iter().enumerate().map(|(at, body)| framed(at as u64 + 1, body, seals(body))).collect()
}

pub(crate) fn header(line: &str) -> Header {
    Header::parse(line.as_bytes()).unwrap_or_else(|| panic!("no header: {line}"))
}

/// Folds lines until one is refused.
pub(crate) fn fold(log: Name, lines: &[String]) -> (Fold, Result<(), Problem>) {
    let mut fold = Fold::new(log);
    for line in lines {
        if let Err(problem) = fold.line(header(line), line.as_bytes()) {
            return (fold, Err(problem));
        }
    }
    (fold, Ok(()))
}

/// All that a state says, a fact a line.
pub(crate) fn dump(state: &RunState) -> String {
    let mut text = String::new();
    let time = |at: Option<Timestamp>| at.map_or("-".to_owned(), |at| at.to_string()[11..].to_owned());
    let _ = write!(text, "{} {}", state.status(), time(state.wake()));
    let waiting = state.waiting_for();
    for event in &waiting.events {
        let _ = write!(text, " event:{event}");
    }
    for child in &waiting.children {
        let _ = write!(text, " child:{child}");
    }
    if waiting.until.is_some() {
        let _ = write!(text, " until:{}", time(waiting.until));
    }
    if waiting.retry_at.is_some() {
        let _ = write!(text, " retry_at:{}", time(waiting.retry_at));
    }
    text.push('\n');
    if let Some(problem) = state.problem() {
        let _ = writeln!(text, "  {:?}: {problem}", problem.kind);
    }
    for warning in state.warnings() {
        let _ = writeln!(text, "  warning: line {}: {}", warning.seq, warning.what);
    }
    let _ = writeln!(
        text,
        "  {} events, life {}, {} to {}, ended {}",
        state.events(),
        state.life(),
        time(state.started_at()),
        time(state.updated_at()),
        time(state.ended_at())
    );
    if let Some(begun) = state.begun() {
        let _ = writeln!(
            text,
            "  {} {} in {} by {:?} for {:?}",
            begun.workflow, begun.input, begun.queue, begun.id, begun.parent
        );
    }
    if let Some(claim) = state.claim() {
        let _ = writeln!(text, "  claim {} by {} until {}", claim.number, claim.worker, time(Some(claim.until)));
    }
    if let Some(put_off) = state.put_off() {
        let _ = writeln!(text, "  put off until {}: {:?}", time(Some(put_off.retry_at)), put_off.error);
    }
    state.steps().for_each(|step| dump_step(&mut text, step));
    for message in state.kept() {
        let _ = writeln!(text, "  kept {} {} = {}", message.id, message.event, message.value);
    }
    let inbox = state.inbox();
    let _ = writeln!(text, "  inbox {}:{}, {} logs", inbox.generation, inbox.seq, state.logs());
    if let Some(request) = state.cancel() {
        let _ = writeln!(text, "  cancel {} {:?} {:?}", request.id, request.reason, request.from);
    }
    if state.is_reverting() || state.compensations_left() > 0 {
        let next = state.next_compensation().map(|step| step.call().to_string());
        let _ = writeln!(
            text,
            "  {} to compensate, next {next:?}, reverting: {}",
            state.compensations_left(),
            state.is_reverting()
        );
    }
    match state.ending() {
        Some(Ending::Ok(value)) => _ = writeln!(text, "  ok {value}"),
        Some(Ending::Failed(error)) => _ = writeln!(text, "  error {error}"),
        Some(Ending::Cancelled(reason)) => _ = writeln!(text, "  cancelled {reason:?}"),
        None => {}
    }
    if let Some(next) = state.next_log() {
        let _ = writeln!(text, "  goes on in {next}");
    }
    text
}

fn dump_step(text: &mut String, step: &Step) {
    let state = match step.state() {
        StepState::Saved { attempts, outcome: Outcome::Retry { error, at } } => {
            format!("failed {attempts} times, {error}, again at {at}")
        }
        StepState::Saved { attempts, outcome: Outcome::Done(value) } => format!("= {value} in attempt {attempts}"),
        StepState::Saved { attempts, outcome: Outcome::Failed(error) } => {
            format!("failed for good after {attempts}, {error}")
        }
        StepState::Value(value) => format!("is {value}"),
        StepState::Sleeping(until) => format!("sleeps until {until}"),
        StepState::Slept(until) => format!("slept until {until}"),
        StepState::Wait(wait) => dump_wait(wait),
        StepState::Child(child) => format!("child {} ended {:?}", child.run(), child.ending()),
        StepState::Revert(over) => format!("revert, over: {over}"),
    };
    let compensation = match step.compensation() {
        None => String::new(),
        Some(Compensation::Ready) => "; can be compensated".to_owned(),
        Some(Compensation::Run { attempts, outcome: Outcome::Retry { error, at } }) => {
            format!("; compensation failed {attempts} times, {error}, again at {at}")
        }
        Some(Compensation::Run { attempts, outcome: Outcome::Done(value) }) => {
            format!("; compensated = {value} in attempt {attempts}")
        }
        Some(Compensation::Run { attempts, outcome: Outcome::Failed(error) }) => {
            format!("; compensation failed after {attempts}, {error}")
        }
    };
    let _ = writeln!(text, "  {} {state}{compensation}", step.call());
}

fn dump_wait(wait: &Wait) -> String {
    let events: Vec<&str> = wait.events().collect();
    let state = match wait.state() {
        WaitState::Open => "waits",
        WaitState::Done => "waited",
        WaitState::TimedOut => "waited too long",
    };
    let messages: Vec<String> = wait.messages().iter().map(|m| format!("{}={}", m.event, m.value)).collect();
    format!("{state} for {events:?} until {:?}, got {messages:?}", wait.until().map(|at| at.to_string()))
}
