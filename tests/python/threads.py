"""Calls one function from many threads, with the real temporal-code, and prints how many calls were a fallback.

    threads.py FOLDER THREADS CALLS

Each request sleeps and computes a little. A fifth of those to `v2` fail, and are made again with `v1`: what the log does not
say, and this script knows. `v1` fails in these calls too, and in no other, so that a call taken for a fallback shows by
its success that it was none. Prints a JSON object: `requests`, `fallbacks`.
"""

import json
import random
import sys
import threading
import time

from temporal_code import ABTestStrategy, EvolutionTracker, evolving

SEED = 20261121
HERE = threading.local()
LOCK = threading.Lock()
TRUTH = {"requests": 0, "fallbacks": 0}


def work():
    time.sleep(random.random() * 0.003)
    sum(range(2000))


def requests(function, count):
    for _ in range(count):
        HERE.failed = False
        try:
            function()
        except RuntimeError:
            assert HERE.failed
        with LOCK:
            TRUTH["requests"] += 1
            TRUTH["fallbacks"] += HERE.failed


def main():
    random.seed(SEED)
    folder, threads, calls = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])

    @evolving(strategy=ABTestStrategy(), name="threaded", tracker=EvolutionTracker(folder))
    def threaded():
        work()
        if HERE.failed:
            raise TimeoutError("too late again")
        return 1

    @threaded.variant("v2")
    def threaded_v2():
        work()
        if random.random() < 0.2:
            HERE.failed = True
            raise TimeoutError("too late")
        return 2

    running = [threading.Thread(target=requests, args=(threaded, calls)) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    print(json.dumps(TRUTH))


if __name__ == "__main__":
    main()
