"""Writes an evolution log with the real temporal-code, by every strategy, and prints what the package knows of it.

    write_log.py FOLDER

Prints a JSON list, one object a function: `name`; `summary`, `stats` and `report` as the package gives them; `seen`, its
recommendation over the variants that the log names (it does not name one that was never called); `errors` of each variant with their counts; `fallbacks`, the
number of calls that the package made because another variant had failed; `weight_changes`.
"""

import collections
import json
import random
import sys
import time
from datetime import datetime, timedelta, timezone

from temporal_code import ABTestStrategy, CanaryStrategy, EvolutionTracker, GradualStrategy, evolving, scheduled, temporal

SEED = 20261121
ODD = [
    "naïve café ☕ 東京 🚀",
    'quote " backslash \\ slash / tab \t',
    "two\nlines\r\n",
    "\x1b[31mred\x1b[0m \x00\x01\x7f",
    "line\u2028paragraph\u2029next\u0085",
    '{"event": "call", "function": "forged", "success": false}',
    "",
]


class Odd:
    """A value whose repr is any text: the package logs what repr says."""

    def __init__(self, text):
        self.text = text

    def __repr__(self):
        return self.text


class Function:
    """A function under evolution, and what the package alone does not remember of it."""

    def __init__(self, evolving_function):
        self.it = evolving_function
        self.fallbacks = 0
        self.weight_changes = 0

    def call(self, times):
        """Calls it so many times; a request that fails is no error here."""
        first = self.it.variants[0]
        for _ in range(times):
            before, others = first.call_count, sum(v.call_count for v in self.it.variants[1:])
            try:
                self.it()
            except RuntimeError as error:
                assert str(error).startswith(f"All variants failed for {self.it.name}: ")
            both = sum(v.call_count for v in self.it.variants[1:]) > others and first.call_count > before
            self.fallbacks += both


def body(sleep_ms=0.0, failing=0.0, value=None, error="failed"):
    """A variant's body: sleeps, then fails in that share of calls, else returns the value."""

    def run():
        if sleep_ms:
            time.sleep(sleep_ms / 1000)
        if random.random() < failing:
            raise ValueError(random.choice(error) if isinstance(error, list) else error)
        return random.choice(value) if isinstance(value, list) else value

    return run


def make(strategy, tracker, name, first, **others):
    made = evolving(strategy=strategy, name=name, tracker=tracker)(first)
    for variant, run in others.items():
        made.variant(variant)(run)
    return Function(made)


def ago(**span):
    return (datetime.now(timezone.utc) - timedelta(**span)).isoformat()


def gradual(tracker):
    """Half-way through its week; the new variant fails now and then."""
    half = make(
        GradualStrategy(start=ago(days=3.5), duration_days=7), tracker, "rank_results",
        body(value=["['a', 'b']", 7]), v2=body(failing=0.2, error="connection reset by peer"),
    )
    half.call(400)
    for old, new in [(0.1, 0.25), (0.25, 0.5), (0.5, 1e-7)]:
        tracker.record_weight_change("rank_results", "v2", old, new)
        half.weight_changes += 1
    return half


def canaries(tracker):
    """One that is good and promoted, one that is bad and rolled back, each with the decision logged as a service would."""
    good = make(CanaryStrategy(0.3, 50, 0.95), tracker, "svc.Payment.charge", body(sleep_ms=1), v2=body())
    good.call(300)
    assert good.it._strategy.is_promoted
    tracker.record_promotion(good.it.name, "v2")
    bad = make(CanaryStrategy(0.3, 40, 0.95), tracker, "process_payment", body(), v2=body(failing=0.5, error=ODD))
    bad.call(300)
    assert bad.it._strategy.is_rolled_back
    tracker.record_rollback(bad.it.name, "v2", 'success "50%" below\nthreshold ✗')
    tracker.record_rollback(bad.it.name, "v2", "")
    return [good, bad]


def experiments(tracker):
    """A/B tests: unequal, of three variants, on latency alone, too small, and one whose variants all fail."""
    unequal = make(ABTestStrategy([0.8, 0.2]), tracker, "greeting", body(failing=0.3), casual=body(failing=0.02))
    unequal.call(600)
    three = make(
        ABTestStrategy(), tracker, "three ways\t(naïve) ☕", body(failing=0.4), v2=body(failing=0.15), v10=body(failing=0.02)
    )
    three.call(600)
    slow = make(ABTestStrategy(), tracker, "-dash", body(sleep_ms=3, value=1), quick=body(value=2))
    slow.call(160)
    small = make(ABTestStrategy([0.9, 0.1]), tracker, 'small "quoted" \\ name', body(), v2=body())
    small.call(45)
    failing = make(ABTestStrategy(), tracker, "all\x1b[31mfail\n", body(failing=1), v2=body(sleep_ms=1, failing=1, error=ODD))
    failing.call(80)
    return [unequal, three, slow, small, failing]


def odd_texts(tracker):
    """Values and errors that are hard to read, and a qualified name with `<locals>` in it."""

    def local():
        return Odd(random.choice(ODD))

    made = Function(evolving(strategy=ABTestStrategy(), tracker=tracker)(local))
    made.it.variant("東京 \"2\"")(body(failing=0.5, value=[Odd(text) for text in ODD], error=ODD))
    made.call(300)
    assert "<locals>" in made.it.name
    return made


def by_date(tracker):
    """Switched yesterday; a schedule whose middle entry rules; one that has not begun, with a promotion of a variant
    that was never called."""
    switched = Function(scheduled(ago(days=1), name="get_pricing", tracker=tracker)(body()))
    switched.it.variant("v2")(body(value="tiered"))
    switched.call(50)
    phases = [(ago(days=9), "v1"), (ago(days=2), "v2"), (ago(days=-5), "v3")]
    phased = Function(temporal(phases, name="pricing.v3", tracker=tracker)(body()))
    phased.it.variant("v2")(body(failing=0.3))
    phased.it.variant("v3")(body())
    phased.call(120)
    waiting = Function(temporal([(ago(days=-1), "v2")], name="not yet", tracker=tracker)(body()))
    waiting.it.variant("v2")(body())
    waiting.call(35)
    tracker.record_promotion("not yet", "v2")
    return [switched, phased, waiting]


def account(function, tracker):
    """What is known of a function."""
    name, variants = function.it.name, function.it.variants
    errors = collections.defaultdict(collections.Counter)
    for event in tracker.get_history(name, "call", limit=10**9):
        if not event["success"]:
            errors[event["variant"]][event["error"]] += 1
    recommend = ABTestStrategy().report
    summary = tracker.summary(name)
    return {
        "name": name,
        "summary": summary,
        "stats": [variant.stats() for variant in variants],
        "report": recommend(variants),
        "seen": recommend([variant for variant in variants if variant.name in summary["variants_seen"]])["recommendation"],
        "errors": errors,
        "fallbacks": function.fallbacks,
        "weight_changes": function.weight_changes,
    }


def main():
    random.seed(SEED)
    tracker = EvolutionTracker(sys.argv[1])
    functions = [gradual(tracker), *canaries(tracker), *experiments(tracker), odd_texts(tracker), *by_date(tracker)]
    print(json.dumps([account(function, tracker) for function in functions]))


if __name__ == "__main__":
    main()
