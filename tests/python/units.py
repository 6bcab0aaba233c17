"""Chooses variants for units by the hash that the documentation of `temporal_code::rollout` states, and nothing else.

    units.py CASES

CASES is a JSON file: a list of objects with `function`, `variants`, `weights` and `units`. Prints a JSON list: for each case
the pairs of each unit's hash, in hexadecimal, and its variant.
"""

import json
import math
import pathlib
import sys

ALL_BITS = 2**64 - 1


def fnv_1a(data):
    state = 0xCBF29CE484222325
    for byte in data:
        state = (state ^ byte) * 0x100000001B3 & ALL_BITS
    return state


def spread(bits):
    bits = (bits ^ bits >> 30) * 0xBF58476D1CE4E5B9 & ALL_BITS
    bits = (bits ^ bits >> 27) * 0x94D049BB133111EB & ALL_BITS
    return bits ^ bits >> 31


def text_hash(data):
    return spread(fnv_1a(data))


def choose(function, variants, weights, unit):
    def distance(variant, weight):
        data = function.encode() + b"\0" + variant.encode() + b"\0" + unit.to_bytes(8, "little")
        u = ((text_hash(data) >> 11) + 0.5) / 2**53
        return -math.log(u) / weight

    return min((distance(variant, weight), variant) for variant, weight in zip(variants, weights) if weight > 0.0)[1]


def main():
    found = []
    for case in json.loads(pathlib.Path(sys.argv[1]).read_text()):
        hashes = [text_hash(unit.encode()) for unit in case["units"]]
        names = case["function"], case["variants"], case["weights"]
        found.append([(f"{unit:016x}", choose(*names, unit)) for unit in hashes])
    print(json.dumps(found))


if __name__ == "__main__":
    main()
