//! Decisions in a log: who gave a variant which traffic, and what stands of that now.

use std::collections::{BTreeMap, VecDeque};

use super::walk::Walker;
use crate::json::{self, Raw, push_string};
use crate::time::Timestamp;

/// What was decided about a function.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// The variant gets all traffic.
    Promote,
    /// The variant gets none; `to` gets it, or the first variant.
    Rollback {
        /// Who gets the traffic.
        to: Option<String>,
    },
    /// The variant's share of traffic is set; the others share the rest as before.
    Weight {
        /// The share until now, 0 to 1, as well as it is known.
        old: Option<f64>,
        /// The share from now on, 0 to 1.
        new: f64,
    },
    /// What was forced and what the strategy had decided is forgotten: the strategy starts anew.
    Release,
}

/// One decision.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// About which function.
    pub function: String,
    /// About which variant; empty for a release.
    pub variant: String,
    /// What.
    pub change: Change,
    /// When; `None` where the log has no readable time.
    pub at: Option<Timestamp>,
    /// Whether it overrules strategies. Decisions that strategies make do not.
    pub forced: bool,
    /// Who decided.
    pub by: Option<String>,
    /// Why.
    pub reason: Option<String>,
}

/// What the log calls a release; the Python package has no such event.
pub(crate) const RELEASE: &str = "release";

impl Decision {
    /// Reads a decision from an event's text, a JSON object; `None` for every other event, and for one that makes no sense,
    /// such as a weight of 7.
    ///
    /// ```
    /// use temporal_code::logs::{Change, Decision};
    /// let line = r#"{"event": "promotion", "function": "f", "variant": "v2", "forced": true, "by": "ada"}"#;
    /// let decision = Decision::parse(line).unwrap();
    /// assert_eq!((decision.change, decision.forced), (Change::Promote, true));
    /// ```
    pub fn parse(text: &str) -> Option<Decision> {
        let ([event, function, variant, at, reason, old_weight, new_weight, forced, by, to], _) = json::pick(
            text,
            0,
            ["event", "function", "variant", "timestamp", "reason", "old_weight", "new_weight", "forced", "by", "to"],
        )
        .ok()?;
        let text = |value: Option<Raw<'_>>| value.and_then(Raw::as_str).map(|text| text.into_owned());
        let words = |value| text(value).map(cut).filter(|words| !words.is_empty());
        let change = match event?.as_str()?.as_ref() {
            "promotion" => Change::Promote,
            "rollback" => Change::Rollback { to: text(to).filter(|to| to.len() <= NAME_BYTES_MAX) },
            "weight_change" => Change::Weight { old: old_weight.and_then(share), new: share(new_weight?)? },
            RELEASE => Change::Release,
            _ => return None,
        };
        let variant = if change == Change::Release { String::new() } else { text(variant)? };
        let function = text(function)?;
        if function.len().max(variant.len()) > NAME_BYTES_MAX {
            return None;
        }
        Some(Decision {
            function,
            variant,
            change,
            at: text(at).and_then(|text| Timestamp::parse(text.as_bytes())),
            forced: forced.and_then(Raw::as_bool) == Some(true),
            by: words(by),
            reason: words(reason),
        })
    }

    /// The line that records it, newline included: the keys of the Python package in its order, and ours behind them.
    pub fn to_line(&self) -> String {
        let mut line = Line::new();
        let (event, variant) = match self.change {
            Change::Promote => ("promotion", true),
            Change::Rollback { .. } => ("rollback", true),
            Change::Weight { .. } => ("weight_change", true),
            Change::Release => (RELEASE, false),
        };
        line.text("event", event);
        line.text("function", &self.function);
        if variant {
            line.text("variant", &self.variant);
        }
        let is_rollback = matches!(self.change, Change::Rollback { .. });
        if is_rollback {
            line.text("reason", self.reason.as_deref().unwrap_or_default());
        }
        if let Change::Weight { old, new } = self.change {
            // Python's program formats both as numbers.
            line.number("old_weight", old.unwrap_or(0.0));
            line.number("new_weight", new);
        }
        if let Some(at) = self.at {
            line.text("timestamp", &at.isoformat());
        }
        if self.forced {
            line.raw("forced", "true");
        }
        if let Some(by) = &self.by {
            line.text("by", by);
        }
        if let Some(reason) = self.reason.as_ref().filter(|_| !is_rollback) {
            line.text("reason", reason);
        }
        if let Change::Rollback { to: Some(to) } = &self.change {
            line.text("to", to);
        }
        line.end()
    }
}

/// Hands on the decisions in whole lines of a log.
pub(crate) fn each_decision(lines: &[u8], each: &mut dyn FnMut(Decision)) {
    Walker::default().lines(lines, |found| {
        if let Some(decision) = found.decision_text().and_then(Decision::parse) {
            each(decision);
        }
    });
}

/// A JSON object as Python prints it.
struct Line(Vec<u8>);

impl Line {
    fn new() -> Self {
        Line(vec![b'{'])
    }

    fn key(&mut self, key: &str) {
        if self.0.len() > 1 {
            self.0.extend_from_slice(b", ");
        }
        push_string(&mut self.0, key);
        self.0.extend_from_slice(b": ");
    }

    fn text(&mut self, key: &str, value: &str) {
        self.key(key);
        push_string(&mut self.0, value);
    }

    fn raw(&mut self, key: &str, value: &str) {
        self.key(key);
        self.0.extend_from_slice(value.as_bytes());
    }

    fn number(&mut self, key: &str, value: f64) {
        self.raw(key, &format!("{value:?}"));
    }

    fn end(mut self) -> String {
        self.0.extend_from_slice(b"}\n");
        String::from_utf8(self.0).unwrap_or_default()
    }
}

/// Longest name of a function or variant that something can be decided about, in bytes.
pub(crate) const NAME_BYTES_MAX: usize = 1 << 16;

/// Most bytes of who decided, and why, that are kept.
const WORDS_BYTES_MAX: usize = 1_000;

fn cut(mut words: String) -> String {
    if words.len() > WORDS_BYTES_MAX {
        words.truncate(words.floor_char_boundary(WORDS_BYTES_MAX));
        words.push('…');
    }
    words
}

/// A number from 0 to 1.
fn share(value: Raw<'_>) -> Option<f64> {
    value.as_number()?.parse().ok().filter(|share| (0.0..=1.0).contains(share))
}

/// Who gets what no share was set for.
#[derive(Clone, Debug, Default, PartialEq)]
enum Rest {
    /// The strategy says.
    #[default]
    Strategy,
    /// The first variant.
    First,
    /// This variant.
    Variant(String),
}

/// Most variants of a function whose shares are kept.
const SHARES_MAX: usize = 1_000;

/// What is forced on a function: the fold of its forced decisions, in the order of the log.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Standing {
    /// Shares that are set, 0 to 1; together not more than 1.
    shares: BTreeMap<String, f64>,
    rest: Rest,
    /// The decision that was forced last.
    last: Option<Decision>,
}

impl Standing {
    /// Takes one decision in. Those that strategies made force nothing.
    pub fn apply(&mut self, decision: &Decision) {
        if decision.change == Change::Release {
            *self = Standing::default();
            return;
        }
        if !decision.forced {
            return;
        }
        let variant = &decision.variant;
        match &decision.change {
            Change::Promote => {
                self.shares.clear();
                self.rest = Rest::Variant(variant.clone());
            }
            Change::Rollback { to } => {
                self.set_share(variant, 0.0);
                if let Some(to) = to {
                    self.shares.remove(to);
                }
                self.rest = to.clone().map_or(Rest::First, Rest::Variant);
            }
            Change::Weight { new, .. } => {
                self.set_share(variant, *new);
                if self.rest == Rest::Variant(variant.clone()) {
                    self.rest = Rest::Strategy;
                }
            }
            Change::Release => {}
        }
        self.last = Some(decision.clone());
    }

    /// Takes in what whole lines of a log say about a function.
    pub(super) fn apply_all(&mut self, function: &str, lines: &[u8]) {
        each_decision(lines, &mut |decision| {
            if decision.function == function {
                self.apply(&decision);
            }
        });
    }

    /// Sets one share; if the others would not fit beside it, they shrink in proportion.
    fn set_share(&mut self, variant: &str, share: f64) {
        let is_known = self.shares.remove(variant).is_some();
        if !is_known && self.shares.len() >= SHARES_MAX {
            return;
        }
        let (others, room) = (self.shares.values().sum::<f64>(), 1.0 - share);
        if others > room {
            self.shares.values_mut().for_each(|other| *other *= room / others);
        }
        self.shares.insert(variant.to_string(), share);
    }

    /// Whether nothing is forced.
    pub fn is_free(&self) -> bool {
        self.last.is_none()
    }

    /// The decision that was forced last.
    pub fn last(&self) -> Option<&Decision> {
        self.last.as_ref()
    }

    /// The share that is set for a variant, 0 to 1; `None` where others, or the strategy, decide.
    pub fn share(&self, variant: &str) -> Option<f64> {
        match &self.rest {
            Rest::Variant(name) if name == variant => Some(1.0 - self.shares.values().sum::<f64>()),
            _ => self.shares.get(variant).copied(),
        }
    }

    /// What this means for a function that has these variants; `None` when nothing is forced that it could obey. A share
    /// that is set for a variant it does not have goes to the rest.
    pub fn resolve<S: AsRef<str>>(&self, variants: &[S]) -> Option<Forced> {
        let place = |wanted: &str| variants.iter().position(|name| name.as_ref() == wanted);
        let shares = variants.iter().map(|name| self.shares.get(name.as_ref()).copied()).collect::<Vec<_>>();
        let pinned = match &self.rest {
            Rest::Strategy => None,
            Rest::First => Some(0),
            Rest::Variant(name) => match place(name) {
                Some(place) => Some(place),
                // A variant that this program does not have. What was taken from others must not come back to them.
                None if shares.iter().any(Option::is_some) => Some(0),
                None => return None,
            },
        };
        let obeys = !self.is_free() && !variants.is_empty() && (pinned.is_some() || shares.iter().any(Option::is_some));
        obeys.then_some(Forced { shares, pinned })
    }
}

/// Of the decisions about one function those that are not void after all of them, each as whatever is kept of it: the last
/// release, the forced ones that none behind them made void, and the last one that a strategy made.
#[derive(Clone, Debug)]
pub(crate) struct Lasting<T> {
    release: Option<T>,
    forced: VecDeque<T>,
    own: Option<T>,
}

impl<T> Default for Lasting<T> {
    fn default() -> Self {
        Lasting { release: None, forced: VecDeque::new(), own: None }
    }
}

impl<T> Lasting<T> {
    /// Takes the next decision in, kept as `item`.
    pub(crate) fn take(&mut self, decision: &Decision, item: T) {
        match (&decision.change, decision.forced) {
            // A release stays itself: logs that were put aside may hold what it made void.
            (Change::Release, _) => *self = Lasting { release: Some(item), ..Lasting::default() },
            (_, false) => self.own = Some(item),
            (change, true) => {
                if *change == Change::Promote {
                    self.forced.clear();
                }
                self.forced.push_back(item);
            }
        }
    }

    /// Lets go of forced decisions, the first ones, beyond so many.
    pub(crate) fn limit_forced(&mut self, most: usize) {
        let surplus = self.forced.len().saturating_sub(most);
        self.forced.drain(..surplus);
    }

    /// All of them, in an order that means the same.
    pub(crate) fn into_items(self) -> impl Iterator<Item = T> {
        self.release.into_iter().chain(self.forced).chain(self.own)
    }

    /// All of them.
    pub(crate) fn items(&self) -> impl Iterator<Item = &T> {
        self.release.iter().chain(&self.forced).chain(&self.own)
    }
}

/// What is forced on the variants of one program, by their places.
#[derive(Clone, Debug, PartialEq)]
pub struct Forced {
    shares: Vec<Option<f64>>,
    /// Who gets what no share was set for, if not the strategy says.
    pinned: Option<usize>,
}

impl Forced {
    /// The variant that gets all traffic, if one does.
    pub fn only(&self) -> Option<usize> {
        let mut weights = vec![0.0; self.shares.len()];
        let pinned = self.pinned.filter(|pinned| self.shares[*pinned].is_none());
        if pinned.is_none() && self.shares.iter().any(Option::is_none) {
            return None;
        }
        self.overrule(&mut weights);
        weights.iter().position(|weight| *weight >= 1.0)
    }

    /// Turns the shares that the strategy gives, as many as there are variants, into those that hold.
    pub fn overrule(&self, weights: &mut [f64]) {
        let own = |index: usize, weights: &[f64]| {
            let free = self.shares.get(index).is_some_and(Option::is_none);
            if free { weights[index].max(0.0) } else { 0.0 }
        };
        let own_total = (0..weights.len()).map(|index| own(index, weights)).sum::<f64>();
        let rest = 1.0 - self.shares.iter().flatten().sum::<f64>();
        let first_free = || self.shares.iter().position(Option::is_none);
        let heir = self.pinned.or_else(|| if own_total > 0.0 { None } else { first_free() });
        for index in 0..weights.len() {
            weights[index] = match (self.shares.get(index).copied().flatten(), heir) {
                (Some(share), _) => share,
                (None, Some(heir)) => f64::from(u8::from(heir == index)) * rest,
                (None, None) => rest * own(index, weights) / own_total,
            };
        }
        let total = weights.iter().sum::<f64>();
        if total > 0.0 {
            weights.iter_mut().for_each(|weight| *weight /= total);
        } else if let Some(first) = weights.first_mut() {
            // All that could be given was withdrawn.
            *first = 1.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decision(variant: &str, change: Change) -> Decision {
        Decision {
            function: "f".into(),
            variant: variant.into(),
            change,
            at: Timestamp::parse(b"2026-06-05T10:30:00.5"),
            forced: true,
            by: Some("ada@host".into()),
            reason: Some("looks \"good\"\u{2028}".into()),
        }
    }

    fn weight(variant: &str, new: f64) -> Decision {
        decision(variant, Change::Weight { old: Some(0.1), new })
    }

    fn rollback(variant: &str, to: Option<&str>) -> Decision {
        decision(variant, Change::Rollback { to: to.map(str::to_string) })
    }

    fn standing(decisions: &[Decision]) -> Standing {
        let mut standing = Standing::default();
        decisions.iter().for_each(|decision| standing.apply(decision));
        standing
    }

    const NAMES: [&str; 3] = ["v1", "v2", "v3"];

    #[track_caller]
    fn check(decisions: &[Decision], own: [f64; 3], expected: Option<[f64; 3]>) {
        let forced = standing(decisions).resolve(&NAMES);
        assert_eq!(forced.is_some(), expected.is_some(), "{forced:?}");
        let (Some(forced), Some(expected)) = (forced, expected) else { return };
        let mut weights = own;
        forced.overrule(&mut weights);
        for (weight, expected) in weights.iter().zip(&expected) {
            assert!((weight - expected).abs() < 1e-12, "{weights:?}");
        }
        let only = forced.only();
        assert!(only.is_none_or(|only| weights[only] == 1.0), "{only:?} {weights:?}");
    }

    #[test]
    fn lines_say_what_was_decided_and_are_read_back() {
        let changes = [
            Change::Promote,
            Change::Rollback { to: None },
            Change::Rollback { to: Some("v1".into()) },
            Change::Weight { old: Some(0.25), new: 1.0 },
        ];
        for change in changes {
            let decision = decision("v2", change);
            let line = decision.to_line();
            assert!(line.ends_with("}\n") && line.is_ascii(), "{line}");
            assert_eq!(Decision::parse(&line), Some(decision));
        }
        let release = Decision { variant: String::new(), ..decision("", Change::Release) };
        assert_eq!(Decision::parse(&release.to_line()), Some(release));
        let line = r#"{"event": "rollback", "function": "f", "variant": "v2", "reason": "r", "timestamp": "2026-06-05T10:30:00.500000+00:00", "forced": true, "by": "b", "to": "v1"}"#;
        assert_eq!(Decision::parse(line).map(|decision| decision.to_line()), Some(format!("{line}\n")));
    }

    #[test]
    fn what_makes_no_sense_is_no_decision() {
        for line in [
            r#"{"event": "call", "function": "f", "variant": "v2"}"#,
            r#"{"event": "promotion", "function": "f"}"#,
            r#"{"event": "promotion", "function": 3, "variant": "v"}"#,
            r#"{"event": "weight_change", "function": "f", "variant": "v", "new_weight": 7}"#,
            r#"{"event": "weight_change", "function": "f", "variant": "v", "new_weight": NaN}"#,
            r#"{"event": "weight_change", "function": "f", "variant": "v", "new_weight": "1"}"#,
            r#"{"event": "promotion", "function": "f", "variant": "v""#,
        ] {
            assert_eq!(Decision::parse(line), None, "{line}");
        }
        let ours = r#"{"event": "promotion", "function": "f", "variant": "v", "forced": "true"}"#;
        assert_eq!(Decision::parse(ours).map(|decision| decision.forced), Some(false));
    }

    #[test]
    fn the_last_word_counts() {
        let own = [0.9, 0.0, 0.1];
        check(&[], own, None);
        check(&[decision("v2", Change::Promote)], own, Some([0.0, 1.0, 0.0]));
        check(&[decision("v2", Change::Promote), rollback("v2", None)], own, Some([1.0, 0.0, 0.0]));
        check(&[decision("v3", Change::Promote), rollback("v3", Some("v2"))], own, Some([0.0, 1.0, 0.0]));
        check(&[rollback("v1", Some("v2")), rollback("v2", Some("v1"))], own, Some([1.0, 0.0, 0.0]));
        check(&[weight("v3", 0.25)], own, Some([0.75, 0.0, 0.25]));
        check(&[weight("v2", 0.5)], own, Some([0.45, 0.5, 0.05]));
        check(&[weight("v2", 0.5), weight("v3", 0.2)], own, Some([0.3, 0.5, 0.2]));
        check(&[weight("v2", 0.8), weight("v3", 0.6)], own, Some([0.0, 0.4, 0.6]));
        check(&[decision("v2", Change::Promote), weight("v3", 0.1)], own, Some([0.0, 0.9, 0.1]));
        check(&[decision("v2", Change::Promote), weight("v2", 0.25)], own, Some([0.675, 0.25, 0.075]));
        check(&[rollback("v2", None), weight("v2", 0.5)], own, Some([0.5, 0.5, 0.0]));
        let release = decision("", Change::Release);
        check(&[decision("v2", Change::Promote), release], own, None);
    }

    #[test]
    fn odd_cases_still_have_an_answer() {
        // Decisions of strategies force nothing.
        check(&[Decision { forced: false, ..decision("v2", Change::Promote) }], [1.0, 0.0, 0.0], None);
        // A variant that this program lacks.
        check(&[decision("v9", Change::Promote)], [1.0, 0.0, 0.0], None);
        check(&[weight("v9", 0.5)], [1.0, 0.0, 0.0], None);
        check(&[weight("v9", 0.5), weight("v2", 0.2)], [1.0, 0.0, 0.0], Some([0.8, 0.2, 0.0]));
        check(&[rollback("v2", Some("v9"))], [0.5, 0.5, 0.0], Some([1.0, 0.0, 0.0]));
        check(&[weight("v2", 0.2), rollback("v1", Some("v9"))], [0.5, 0.5, 0.0], Some([0.0, 1.0, 0.0]));
        // The strategy gives nothing to those that the rest is for.
        check(&[weight("v3", 0.25)], [0.0, 0.0, 1.0], Some([0.75, 0.0, 0.25]));
        check(&[weight("v3", 0.0), weight("v1", 0.0), weight("v2", 0.0)], [1.0, 0.0, 0.0], Some([1.0, 0.0, 0.0]));
        assert_eq!(standing(&[decision("v2", Change::Promote)]).share("v2"), Some(1.0));
        let only = |decisions: &[Decision]| standing(decisions).resolve(&NAMES).and_then(|forced| forced.only());
        assert_eq!(only(&[decision("v2", Change::Promote)]), Some(1));
        assert_eq!(only(&[rollback("v2", None)]), Some(0));
        assert_eq!(only(&[weight("v2", 1.0)]), None, "the others may be given nothing, but are not withdrawn");
        assert_eq!(only(&[weight("v2", 0.5)]), None);
        assert_eq!(standing(&[weight("v2", 0.5)]).share("v1"), None);
    }

    #[test]
    fn taking_the_last_decisions_in_again_changes_nothing() {
        let all = [weight("v2", 0.5), decision("v3", Change::Promote), weight("v1", 0.1), rollback("v3", Some("v2"))];
        let once = standing(&all);
        for from in 0..all.len() {
            let mut again = once.clone();
            all[from..].iter().for_each(|decision| again.apply(decision));
            assert_eq!(again.resolve(&NAMES), once.resolve(&NAMES));
        }
    }
}
