"""Calls functions that log with the real temporal-code, as a service would, when told to.

    writer.py FOLDER NAME

For each number on standard input, makes that many calls and prints how many it made in all. The value of each call is
`NAME-N`, N counted from 0: every event can be told from every other. No call fails, so each is one line. With a number
`N/MS`, sleeps up to so many milliseconds between calls.
"""

import random
import sys
import time

from temporal_code import ABTestStrategy, EvolutionTracker, evolving


def main():
    folder, name = sys.argv[1:]
    tracker = EvolutionTracker(folder)
    made = 0

    @evolving(strategy=ABTestStrategy(), name=f"live.{name}", tracker=tracker)
    def live():
        return f"{name}-{made}"

    live.variant("v2")(lambda: f"{name}-{made}")

    for order in sys.stdin:
        count, _, pause_ms = order.partition("/")
        for _ in range(int(count)):
            live()
            made += 1
            if pause_ms:
                time.sleep(random.random() * int(pause_ms) / 1000)
        print(made, flush=True)


if __name__ == "__main__":
    main()
