"""Lets a function of the Python package temporal-code obey `tc promote`, `tc rollback` and `tc weight`.

    from obey import Obeying

    strategy = Obeying(ABTestStrategy(), "evolution_logs", "pay")

    @evolving(strategy=strategy, name="pay", tracker=EvolutionTracker("evolution_logs"))
    def pay(cents):
        ...

`tc` appends its decisions to the log that the tracker writes. `Obeying` reads what was appended, at most every 0.2
seconds and only when the function is called. After a restart it finds the decisions in the log again, and in the logs
that were put aside (`evolution.jsonl.1`, `evolution-2026-06-01.jsonl.gz`; it cannot read those compressed with zstd).

The last word counts:

- promotion: the variant gets all traffic; one that this program lacks is ignored, and the wrapped strategy decides
- rollback: the variant gets none; `to`, or the first variant if this program lacks it, gets all that no share is set for
- weight_change: the variant gets its share, the others divide the rest as before; where the shares that were set for
  others leave no room for it, they shrink in proportion
- release: all of this is forgotten; the wrapped strategy starts anew, its variants active and their calls uncounted

Decisions without `"forced": true` were made by strategies and force nothing.

Nothing is needed but the package, and Python 3.10 or newer. Copy this file into your service.
"""

import gzip
import json
import os
import random
import re
import threading
import time
import zlib
from contextlib import suppress
from pathlib import Path

from temporal_code.strategy import RolloutStrategy

LOOK_EVERY_S = 0.2
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


class Obeying(RolloutStrategy):
    """Obeys what the log in the folder `path` says of `function`; where it says nothing, `strategy` decides."""

    def __init__(self, strategy, path, function):
        self.strategy, self._as_new = strategy, dict(vars(strategy))
        self._folder, self._function, self._lock = Path(path), function, threading.Lock()
        self._own = []  # weights that were overruled: a strategy may not set each of them anew
        self._standing, self._file, self._offset, self._looked = Standing(), None, 0, 0.0
        self._read()
        self._releases = self._standing.releases

    def select(self, variants):
        weights = self._obey(variants)
        return random.choices(variants, weights)[0] if weights else self.strategy.select(variants)

    def update_weights(self, variants):
        if not self._obey(variants):
            self.strategy.update_weights(variants)

    def _obey(self, variants):
        """Sets the weights that are forced and returns them; None if the wrapped strategy is to decide."""
        with self._lock:
            if time.monotonic() - self._looked >= LOOK_EVERY_S:
                self._looked = time.monotonic()
                with suppress(OSError):  # what cannot be read now is read the next time
                    self._read()
            for variant, weight in zip(variants, self._own):
                variant.weight = weight
            self._own = []
            if self._standing.releases > self._releases:
                vars(self.strategy).update(self._as_new)
                for v in variants:
                    v.active, v._call_count, v._success_count, v._total_latency_ms = True, 0, 0, 0.0
            self._releases = self._standing.releases
            names = [variant.name for variant in variants]
            if not self._standing.binds(names):
                return None
            self.strategy.update_weights(variants)
            self._own = [variant.weight for variant in variants]
            weights = self._standing.weights(names, [v.weight if v.active else 0.0 for v in variants])
            for variant, weight in zip(variants, weights):
                variant.weight = weight
            return weights

    def _read(self):
        """Takes in what was appended to the log; all logs from the first on, where another file took its place."""
        log = self._folder / "evolution.jsonl"
        with open(log if log.exists() else os.devnull, "rb") as lines:
            status = os.fstat(lines.fileno())
            # The next file may get the number of one that was deleted: the first line tells them apart.
            file = (status.st_dev, status.st_ino, lines.readline(300))
            if file != self._file or status.st_size < self._offset:
                standing = Standing()
                for aside in sorted(filter(is_aside, self._folder.glob("evolution*")), key=first_time):
                    self._fold(standing, lines_of(aside))
                self._standing, self._file, self._offset = standing, file, 0
            lines.seek(self._offset)
            self._offset += self._fold(self._standing, lines)

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


def is_aside(path):
    return path.name != "evolution.jsonl" and PUT_ASIDE.fullmatch(path.name)


def lines_of(log):
    """The lines of a log, as far as it can be read: one that is just being compressed has no end."""
    with suppress(EOFError, zlib.error, gzip.BadGzipFile):
        with gzip.open(log) if log.suffix == ".gz" else open(log, "rb") as lines:
            yield from lines


def first_time(log):
    """The time of the first event, as the log has it: such texts sort as their times do."""
    times = (TIME.search(line) for line in lines_of(log))
    return next((time[1] for time in times if time), b"")
