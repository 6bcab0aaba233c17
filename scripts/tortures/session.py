"""What all kinds of torture share."""

import collections
import itertools
import pathlib
import random
import shutil
import signal
import subprocess
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
FIXTURES = ROOT / "fixtures"
HANGS_AFTER = 60
PROBLEMS_MAX = 20


class Impossible(Exception):
    """Something that is needed is not here."""


class Session:
    """What all kinds share: which program, chance, how long, and what did not hold."""

    def __init__(self, args):
        self.tc, self.args = str(args.tc.resolve()), args
        self.seed = args.seed if args.seed is not None else random.SystemRandom().randrange(10**9)
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix="tc-torture-"))
        self.began, self.counts, self.problems = time.monotonic(), collections.Counter(), 0
        self.lock = threading.Lock()

    def rounds(self, default):
        """Numbers and chances, one for each round, until the limit that was given is reached, else `default` rounds."""
        rounds = self.args.rounds or (None if self.args.seconds else default)
        for number in itertools.count():
            over = self.args.seconds and time.monotonic() - self.began > self.args.seconds
            if number == rounds or over or self.problems >= PROBLEMS_MAX:
                return
            self.counts["rounds"] += 1
            yield number, random.Random(f"{self.seed}/{number}")

    def folder(self, name, source=None):
        """A fresh folder, empty or a copy of `source`."""
        folder = self.scratch / name
        shutil.rmtree(folder, ignore_errors=True)
        if source is None:
            folder.mkdir()
        else:
            shutil.copytree(source, folder)
        return folder

    def command(self, args, store, *form):
        return [self.tc, *args, "--store", str(store), *form]

    def run(self, command, **options):
        """Runs to the end; what hangs counts as killed."""
        try:
            return subprocess.run(command, capture_output=True, timeout=HANGS_AFTER, stdin=subprocess.DEVNULL, **options)
        except subprocess.TimeoutExpired as hung:
            return subprocess.CompletedProcess(command, -signal.SIGALRM, hung.stdout or b"", hung.stderr or b"")

    def do(self, args, store, *form):
        return self.run(self.command(args, store, *form))

    def problem(self, where, what, folder=None):
        """Tells what did not hold, and keeps what it was seen in."""
        with self.lock:
            self.problems += 1
            print(f"DOES NOT HOLD  {where}: {what}", flush=True)
            if folder is not None:
                kept = self.scratch / f"kept-{self.problems}"
                (shutil.copytree if folder.is_dir() else shutil.copyfile)(folder, kept)
                print(f"               kept in {kept}", flush=True)

    def end(self):
        """Prints what was done; the exit code."""
        for path in self.scratch.iterdir():
            if not path.name.startswith("kept-"):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        if not any(self.scratch.iterdir()):
            self.scratch.rmdir()
        done = ", ".join(f"{count} {name}" for name, count in sorted(self.counts.items()))
        print(f"{self.args.kind}: {done}; {self.problems or 'nothing'} did not hold, seed {self.seed}")
        return 1 if self.problems else 0


def last_line(output):
    """The last line of what a program printed."""
    return output.decode(errors="replace").strip().rpartition("\n")[2][-300:]


def refused(done, accepted=(0,)):
    """What a command said that should have been done."""
    if done.returncode not in accepted:
        yield f"`tc {' '.join(done.args[1:])}` exits with {done.returncode}: {last_line(done.stderr)}"
