"""What the log of an evolving function says that was decided about it, followed as it grows.

Decisions are found in the log, and in those that were put aside (`evolution.jsonl.1`, `evolution-2026-06-01.jsonl.gz`; not
in those compressed with zstd). The last word counts:

- promotion: the variant gets all traffic; one that this program lacks is ignored, and the strategy decides
- rollback: the variant gets none; `to`, or the first variant if this program lacks it, gets all that no share is set for
- weight_change: the variant gets its share, the others divide the rest as before; where the shares that were set for
  others leave no room for it, they shrink in proportion
- release: all of this is forgotten

Decisions without `"forced": true` were made by strategies and force nothing.
"""

import gzip
import json
import os
import re
import zlib
from contextlib import suppress
from pathlib import Path

CALL = b'{"event": "call", '
PUT_ASIDE = re.compile(r"evolution[-_.:+\dTZ]*\.jsonl[-_.:+\dTZ]*(\.gz)?")
TIME = re.compile(rb'"timestamp": *"([^"]*)')
FIRST = object()


class Standing:
    """What is forced on a function: the fold of its forced decisions, in the order of the log."""

    def __init__(self):
        self.shares = {}  # those that are set, by variant; together not more than 1
        self.rest = None  # who gets what is left: a variant's name, or FIRST; None where the strategy says
        self.releases = 0  # how often the strategy was to start anew

    def apply(self, event):
        match event:
            case {"event": "release"}:
                self.shares, self.rest, self.releases = {}, None, self.releases + 1
            case {"event": "promotion", "variant": str(variant), "forced": True}:
                self.shares, self.rest = {}, variant
            case {"event": "rollback", "variant": str(variant), "forced": True}:
                self._set(variant, 0.0)
                self.rest = event["to"] if isinstance(event.get("to"), str) else FIRST
                self.shares.pop(self.rest, None)
            case {"event": "weight_change", "variant": str(variant), "new_weight": share, "forced": True}:
                if type(share) in (int, float) and 0 <= share <= 1:
                    self._set(variant, share)
                    self.rest = None if self.rest == variant else self.rest

    def _set(self, variant, share):
        self.shares.pop(variant, None)
        others, room = sum(self.shares.values()), 1.0 - share
        if others > room:
            self.shares = {name: other * room / others for name, other in self.shares.items()}
        self.shares[variant] = share

    def binds(self, names):
        """Whether anything is forced that a function with these variants can obey."""
        return self.rest is FIRST or self.rest in names or any(name in self.shares for name in names)

    def weights(self, names, own):
        """The weights that hold; `own` are those that the strategy gives."""
        set_here = [self.shares.get(name) for name in names]
        own = [max(weight, 0.0) if share is None else 0.0 for share, weight in zip(set_here, own)]
        if self.rest is not None:
            heir = names.index(self.rest) if self.rest in names else 0
        else:
            heir = set_here.index(None) if None in set_here and not any(own) else None
        if heir is not None:
            own = [float(index == heir) for index in range(len(names))]
        left = 1.0 - sum(share for share in set_here if share is not None)
        weights = [left * weight / sum(own) if share is None else share for share, weight in zip(set_here, own)]
        total = sum(weights)
        return [weight / total for weight in weights] if total > 0.0 else [1.0] + [0.0] * (len(names) - 1)


class Decisions:
    """The decisions about `function` in the folder `path`, and what `standing` is after them."""

    def __init__(self, path, function):
        self._folder, self._function = Path(path), function
        self.standing, self._file, self._offset = Standing(), None, 0

    def read(self):
        """Takes in what was appended to the log; all logs from the first on, where another file took its place."""
        log = self._folder / "evolution.jsonl"
        with open(log if log.exists() else os.devnull, "rb") as lines:
            status = os.fstat(lines.fileno())
            # The next file may get the number of one that was deleted: the first line tells them apart.
            file = (status.st_dev, status.st_ino, lines.readline(300))
            if file != self._file or status.st_size < self._offset:
                standing = Standing()
                for aside in put_aside(self._folder):
                    self._fold(standing, lines_of(aside))
                self.standing, self._file, self._offset = standing, file, 0
            lines.seek(self._offset)
            self._offset += self._fold(self.standing, lines)

    def _fold(self, standing, lines):
        """Folds in what was decided about our function; returns how many bytes of whole lines there were."""
        size = 0
        for line in lines:
            if not line.endswith(b"\n"):
                break
            size += len(line)
            if not line.startswith(CALL):
                with suppress(ValueError, RecursionError):  # `tc` tells which lines are broken
                    match json.loads(line.decode()):
                        case {"function": self._function} as event:
                            standing.apply(event)
        return size


def put_aside(folder):
    """The logs that were put aside, in time order."""
    logs = [log for log in folder.glob("evolution*") if log.name != "evolution.jsonl" and PUT_ASIDE.fullmatch(log.name)]
    # One that is just being compressed is there twice, and the copy has no end yet: without `.gz` it comes later here.
    once = {log.name.removesuffix(".gz"): log for log in sorted(logs, reverse=True)}
    return sorted(once.values(), key=first_time)


def lines_of(log):
    """The lines of a log, as far as it can be read."""
    with suppress(EOFError, zlib.error, gzip.BadGzipFile):
        with gzip.open(log) if log.suffix == ".gz" else open(log, "rb") as lines:
            yield from lines


def first_time(log):
    """The time of the first event, as the log has it: such texts sort as their times do."""
    times = (TIME.search(line) for line in lines_of(log))
    return next((time[1] for time in times if time), b"")
