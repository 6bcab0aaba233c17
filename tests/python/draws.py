"""Runs the real package's strategies over given draws and times.

    draws.py CASES

CASES is a JSON file: a list of objects with

    strategy   [class, arguments]
    variants   how many, named v1, v2, ...
    draws      what random.random returns, in this order
    times      microseconds since the epoch, one for each call
    fails      for each call: 1 if v1 fails, 2 if all others do, 3 if all do, 0 if none does

Prints a JSON list: for each case the variants that were run, in order, those run as a fallback included.
"""

import datetime
import json
import pathlib
import sys
from unittest import mock

from temporal_code import strategy as package
from temporal_code.decorators import EvolvingFunction
from temporal_code.tracker import EvolutionTracker

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


class Clock(datetime.datetime):
    """Stands where it is set."""

    micros = 0

    @classmethod
    def now(cls, tz=None):
        return EPOCH + datetime.timedelta(microseconds=cls.micros)


def run(case):
    name, arguments = case["strategy"]
    seen, fails = [], 0

    def answer(number):
        def variant():
            seen.append(number)
            if fails & (1 if number == 1 else 2):
                raise TimeoutError("as told")
            return number

        return variant

    strategy = getattr(package, name)(**arguments)
    function = EvolvingFunction(answer(1), strategy, name="f", tracker=EvolutionTracker())
    for number in range(2, case["variants"] + 1):
        function.variant(f"v{number}")(answer(number))
    with mock.patch("random.random", iter(case["draws"]).__next__):
        for Clock.micros, fails in zip(case["times"], case["fails"]):
            try:
                function()
            except RuntimeError:
                assert fails & 1
    return seen


def main():
    with mock.patch.object(package, "datetime", Clock):
        print(json.dumps([run(case) for case in json.loads(pathlib.Path(sys.argv[1]).read_text())]))


if __name__ == "__main__":
    main()
