"""Folds sequences of decisions with examples/python/obey.py.

    fold.py CASES

CASES is a JSON file: a list of objects with `lines` (of a log), `variants` (names), and `own` (the strategy's weights). For
each prints what `Obeying` for the function `f` makes of them: the weights, or null where the strategy decides; first for a
log that was there at the start, then for one that grew line by line. Both lists are printed as one JSON array.
"""

import json
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "examples/python"))

import obey
from temporal_code.strategy import RolloutStrategy
from temporal_code.variant import Variant


class Own(RolloutStrategy):
    """Gives weights that it is told, and never the last word."""

    def __init__(self, weights):
        self.weights = weights

    def update_weights(self, variants):
        for variant, weight in zip(variants, self.weights):
            variant.weight = weight

    def select(self, variants):
        return None


def weights(strategy, names):
    variants = [Variant(name, None) for name in names]
    chosen = strategy.select(variants)
    assert chosen is None or chosen.weight > 0.0, chosen
    return chosen and [variant.weight for variant in variants]


def at_start(case, folder):
    (folder / "evolution.jsonl").write_text("".join(case["lines"]), newline="")
    return weights(obey.Obeying(Own(case["own"]), folder, "f"), case["variants"])


def growing(case, folder):
    strategy = obey.Obeying(Own(case["own"]), folder, "f")
    with open(folder / "evolution.jsonl", "w", newline="") as log:
        for line in case["lines"]:
            # In two parts: what has no end yet is not read.
            for part in line[:7], line[7:]:
                log.write(part)
                log.flush()
                found = weights(strategy, case["variants"])
    return found if case["lines"] else weights(strategy, case["variants"])


def run(fold, case):
    with tempfile.TemporaryDirectory() as folder:
        return fold(case, pathlib.Path(folder))


def main():
    obey.LOOK_EVERY_S = 0.0
    cases = json.loads(pathlib.Path(sys.argv[1]).read_text())
    print(json.dumps([[run(fold, case) for case in cases] for fold in (at_start, growing)]))


if __name__ == "__main__":
    main()
