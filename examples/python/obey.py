"""Lets a function of the Python package temporal-code obey `tc promote`, `tc rollback` and `tc weight`.

    from obey import Obeying

    strategy = Obeying(ABTestStrategy(), "evolution_logs", "pay")

    @evolving(strategy=strategy, name="pay", tracker=EvolutionTracker("evolution_logs"))
    def pay(cents):
        ...

`tc` appends its decisions to the log that the tracker writes. `Obeying` reads what was appended, at most every 0.2
seconds and only when the function is called, and after a restart from the beginning. What decisions.py, which belongs to
this file, says that is forced holds; otherwise the wrapped strategy decides. After a release that one starts anew, its
variants active and their calls uncounted.

Nothing is needed but the package, and Python 3.10 or newer. Copy both files into your service.
"""

import random
import threading
import time
from contextlib import suppress

from decisions import Decisions
from temporal_code.strategy import RolloutStrategy

LOOK_EVERY_S = 0.2


class Obeying(RolloutStrategy):
    """Obeys what the log in the folder `path` says of `function`; where it says nothing, `strategy` decides."""

    def __init__(self, strategy, path, function):
        self.strategy, self._as_new = strategy, dict(vars(strategy))
        self._decisions, self._lock, self._looked = Decisions(path, function), threading.Lock(), 0.0
        self._own = []  # weights that were overruled: a strategy may not set each of them anew
        self._decisions.read()
        self._releases = self._decisions.standing.releases

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
                    self._decisions.read()
            standing = self._decisions.standing
            for variant, weight in zip(variants, self._own):
                variant.weight = weight
            self._own = []
            if standing.releases > self._releases:
                vars(self.strategy).update(self._as_new)
                for v in variants:
                    v.active, v._call_count, v._success_count, v._total_latency_ms = True, 0, 0, 0.0
            self._releases = standing.releases
            names = [variant.name for variant in variants]
            if not standing.binds(names):
                return None
            self.strategy.update_weights(variants)
            self._own = [variant.weight for variant in variants]
            weights = standing.weights(names, [v.weight if v.active else 0.0 for v in variants])
            for variant, weight in zip(variants, weights):
                variant.weight = weight
            return weights
