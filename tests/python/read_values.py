"""Reads logs, without tc and without the package's own reader: prints a JSON object of each value and how often it is there.

    read_values.py FOLDER...

Reads every *.jsonl and *.jsonl.gz in the folders, not in folders below. A line that does not parse is an error.
"""

import collections
import gzip
import json
import pathlib
import sys


def lines_of(path):
    data = path.read_bytes()
    data = gzip.decompress(data) if path.suffix == ".gz" else data
    return data.decode().split("\n")


def main():
    counts = collections.Counter()
    for folder in map(pathlib.Path, sys.argv[1:]):
        for path in sorted([*folder.glob("*.jsonl"), *folder.glob("*.jsonl.gz")]):
            counts.update(json.loads(line)["value"].strip("'") for line in lines_of(path) if line)
    print(json.dumps(counts))


if __name__ == "__main__":
    main()
