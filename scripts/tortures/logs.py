"""Evolution logs: how they are written, and what is found in them."""

import collections
import datetime
import gzip
import json
import threading

# Calls that are older than this are old in every torture.
DELETED_AFTER = "30d"


def call(number, hours, function="f"):
    """The line of a call some hours ago, as the Python package writes it."""
    at = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=hours)
    record = {"event": "call", "function": function, "timestamp": at.isoformat(), "variant": f"v{number % 2 + 1}"}
    return json.dumps(record | {"value": str(number), "error": None, "latency_ms": 1.0, "success": True}) + "\n"


def append(log, line):
    """As the Python package does: without any lock."""
    with open(log, "a", encoding="utf-8") as file:
        file.write(line)


class Found:
    """What stands in some files of a log."""

    def __init__(self, *files):
        self.calls, self.decisions, self.torn = collections.Counter(), [], []
        for file in files:
            data = file.read_bytes() if file.exists() else b""
            try:
                data = gzip.decompress(data) if file.suffix == ".gz" else data
            except (EOFError, OSError) as error:
                data = f"{file.name}: {error}".encode()
            for line in data.split(b"\n"):
                self.add(line)

    def add(self, line):
        try:
            record = json.loads(line) if line else None
        except ValueError:
            self.torn.append(line)
            return
        if record and record["event"] == "call":
            self.calls[int(record["value"])] += 1
        elif record:
            self.decisions.append(record)

    def by(self, name):
        return sum(decision.get("by") == name for decision in self.decisions)

    def faults(self, once, never=(), torn=()):
        """What is lost, doubled, there although it must not be, or torn."""
        named = {
            "lost": [number for number in once if not self.calls[number]],
            "doubled": [number for number, count in self.calls.items() if count > 1],
            "not deleted": [number for number in never if self.calls[number]],
            "torn": [line[:200] for line in self.torn if line not in torn],
        }
        return "; ".join(f"{len(found)} {name}, as {found[:3]}" for name, found in named.items() if found)


def left_behind(folder):
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("."))


class Writer:
    """Appends calls without any lock until it is stopped."""

    def __init__(self, log, first):
        self.log, self.first, self.next, self.over = log, first, first, threading.Event()
        self.thread = threading.Thread(target=self.write)
        self.thread.start()

    def write(self):
        while not self.over.wait(0.001):
            append(self.log, call(self.next, 0))
            self.next += 1

    def stop(self):
        self.over.set()
        self.thread.join()
        return range(self.first, self.next)
