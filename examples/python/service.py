"""A service to try `tc` on: it calls a function a hundred times a second and says who answered.

    python service.py [FOLDER]

The log is in FOLDER, `evolution_logs` if not given. Ctrl-C ends it.
"""

import collections
import random
import signal
import sys
import time

from obey import Obeying
from temporal_code import ABTestStrategy, EvolutionTracker, evolving

FOLDER = sys.argv[1] if len(sys.argv) > 1 else "evolution_logs"
strategy = Obeying(ABTestStrategy(), FOLDER, "greeting")


@evolving(strategy=strategy, name="greeting", tracker=EvolutionTracker(FOLDER))
def greeting(name):
    return f"Hello, {name}", "v1"


@greeting.variant("v2")
def greeting_v2(name):
    if random.random() < 0.2:
        raise TimeoutError("no idea what to say")
    return f"Hi, {name}!", "v2"


def serve():
    while True:
        answers = collections.Counter()
        for _ in range(100):
            _, variant = greeting("Ada")
            answers[variant] += 1
            time.sleep(0.01)
        told = ", ".join(f"{variant} {answers[variant]:3}" for variant in ("v1", "v2"))
        print(f"{time.strftime('%H:%M:%S')}  answered by {told}", flush=True)


if __name__ == "__main__":
    # Shells let jobs in the background ignore this signal.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        serve()
    except KeyboardInterrupt:
        print()
