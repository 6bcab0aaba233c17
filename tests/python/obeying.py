"""A service whose function obeys by examples/python/obey.py. It does what it is told on standard input, a line at a time:

    obeying.py FOLDER STRATEGY [LOOK_EVERY_S]

    calls N     makes that many calls; prints how many each variant answered, a JSON object
    weights     prints the variants' weights, a JSON list
    fail, mend  v3 raises from now on, or no more
    withdraw    v2 is made inactive

The function is `pay`, its variants are v1, v2 and v3. STRATEGY is `ab`, which gives half to v1 and half to v2, or `canary`,
which gives all to v3 and decides after 20 calls.
"""

import collections
import json
import pathlib
import random
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "examples/python"))

import obey
from temporal_code import ABTestStrategy, CanaryStrategy, EvolutionTracker, evolving


def main():
    random.seed(20261122)
    folder, strategy = sys.argv[1:3]
    obey.LOOK_EVERY_S = float(sys.argv[3]) if len(sys.argv) > 3 else obey.LOOK_EVERY_S
    strategies = {"ab": ABTestStrategy([0.5, 0.5, 0.0]), "canary": CanaryStrategy(1.0, promote_after=20)}
    strategy = obey.Obeying(strategies[strategy], folder, "pay")
    fails = False

    @evolving(strategy=strategy, name="pay", tracker=EvolutionTracker(folder))
    def pay():
        return "v1"

    pay.variant("v2")(lambda: "v2")

    @pay.variant("v3")
    def pay_v3():
        if fails:
            raise TimeoutError("too late")
        return "v3"

    for order in sys.stdin:
        match order.split():
            case ["calls", count]:
                print(json.dumps(collections.Counter(pay() for _ in range(int(count)))), flush=True)
            case ["weights"]:
                strategy.update_weights(pay.variants)
                print(json.dumps([variant.weight for variant in pay.variants]), flush=True)
            case ["fail" | "mend" as word]:
                fails = word == "fail"
                print("null", flush=True)
            case ["withdraw"]:
                pay.variants[1].active = False
                print("null", flush=True)


if __name__ == "__main__":
    main()
