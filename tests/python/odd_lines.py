"""Logs values with characters that Python's `str.splitlines` takes for the end of a line, and loads the log again.

    odd_lines.py FOLDER

Prints a JSON object: how many events were `written`, how many of them hold such a character (`with_a_separator`), and how
many the command line of temporal-code has `loaded`.
"""

import json
import pathlib
import sys

import tc_cli
from temporal_code import EvolutionTracker, VariantResult

# JSON escapes the control characters below U+0020, among them \v, \f and U+001C to U+001E; these it leaves as they are.
SEPARATORS = ["\u2028", "\u2029", "\x85"]
OTHERS = ["\u00a0", "\x0b", "\x0c", "\x1c", "\r", "\n", "\ufeff", "é"]


class Shown:
    """Its repr is any text."""

    def __init__(self, text):
        self.text = text

    def __repr__(self):
        return self.text


def main():
    folder = pathlib.Path(sys.argv[1])
    tracker = EvolutionTracker(folder)
    for character in SEPARATORS + OTHERS:
        tracker.record_call("odd", VariantResult("v1", value=Shown(f"before{character}after")))
        tracker.record_call("odd", VariantResult("v1", error=f"{character}{character}", success=False))
    loaded = len(tc_cli.load_events(folder / "evolution.jsonl"))
    written = 2 * len(SEPARATORS + OTHERS)
    print(json.dumps({"written": written, "with_a_separator": 2 * len(SEPARATORS), "loaded": loaded}))


if __name__ == "__main__":
    main()
