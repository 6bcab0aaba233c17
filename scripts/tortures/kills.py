"""Changing commands that are killed at a system call."""

import collections
import itertools
import json
import random
import re
import shutil
import signal

from tortures.logs import DELETED_AFTER, Found, append, call, left_behind
from tortures.session import FIXTURES, Impossible, last_line, refused

CHANGING = (
    "openat mkdirat write pwrite64 flock fsync fdatasync ftruncate fallocate fchmod fchown copy_file_range linkat "
    "renameat renameat2 unlinkat mkdir rename unlink rmdir link symlink utimensat fsetxattr sendto".split()
)
OLD, YOUNG, TORN, AFTER = range(150), range(150, 300), b'{"event": "call", "function": "f", "time', 1000


class LogCase:
    """A command that changes an evolution log."""

    def __init__(self, name, *args, torn=False):
        self.name, self.args, self.torn = name, [*args, "--yes"], torn
        self.cleans, self.archives = args[0] == "clean", "--archive" in args

    def make(self, session):
        folder = session.folder("log")
        log = folder / "evolution.jsonl"
        decided = {"event": "promotion", "function": "f", "variant": "v1", "timestamp": "2026-01-01T00:00:00+00:00", "forced": True}
        lines = [json.dumps(decided | {"by": "first"}) + "\n"]
        lines += [call(number, 60 * 24) for number in OLD] + [call(number, 1) for number in YOUNG]
        log.write_bytes("".join(lines).encode() + (TORN if self.torn else b""))
        return folder

    def command(self, session, folder):
        return session.command([*self.args, *([] if self.cleans else ["--by", "killed"])], folder, "--json")

    def faults(self, folder, more=(), again=False):
        """What may never be so, neither when it was killed nor later."""
        log = Found(folder / "evolution.jsonl")
        # An archive whose time stands last in the name of a leftover is being made, and the next cleaning makes it anew.
        def unfinished(archive):
            return any(name.endswith(archive.name.removeprefix("evolution-").removesuffix(".jsonl.gz")) for name in left_behind(folder))

        archives = Found(*(path for path in folder.glob("archive/*.gz") if again or not unfinished(path)))
        found = [log.faults([*YOUNG, *more], torn=[TORN] * self.torn)]
        # Between the archive and the new log there is a moment in which old events stand in both.
        if lost := [number for number in OLD if not (log.calls + archives.calls)[number]]:
            found.append(f"{len(lost)} old ones are lost" if self.archives or not self.cleans else "")
        if again and self.cleans:
            found.append(log.faults([], never=OLD, torn=[TORN]))
            found.append(archives.faults(OLD, never=YOUNG, torn=[TORN]) if self.archives else "")
            found.append(f"{left_behind(folder)} are left" if left_behind(folder) else "")
        # The next decision of somebody else takes its place, and it may be deleted.
        if not log.by("first") and not log.by("next"):
            found.append("a decision that stands is lost")
        return [fault for fault in found if fault]

    def after(self, session, folder, killed, rng):
        """What does not hold after the kill, and when others and the same command went on."""
        yield from self.faults(folder)
        decided = Found(folder / "evolution.jsonl").by("killed")
        if not self.cleans and not bool(killed.stdout) <= decided <= 1:
            yield f"the decision is there {decided} times, and {'was' if killed.stdout else 'was not'} acknowledged"
        more = []
        if rng.random() < 0.5 and not self.torn:
            append(folder / "evolution.jsonl", call(AFTER, 0))
            more = [AFTER]
        if rng.random() < 0.7:
            yield from refused(session.do(["promote", "f", "v1", "--yes", "--by", "next"], folder))
            yield from self.faults(folder, more)
        yield from refused(session.run(self.command(session, folder)))
        yield from self.faults(folder, more, again=True)
        read = session.do(["status"], folder, "--json")
        if read.returncode != 0 or (not self.torn and b'"warnings":[]' not in read.stdout):
            yield f"afterwards `tc status` says {read.stdout[:300]} {last_line(read.stderr)}"


class RunsCase:
    """A command that changes workflow runs of our own."""

    def __init__(self, name, *args, marked=0, accepted=(0,), damaged=False):
        self.name, self.args, self.accepted, self.damaged = name, list(args), accepted, damaged
        # How often the text `the-mark` is there at most, when the command was killed once and then done.
        self.marked = marked

    def make(self, session):
        folder = session.folder("runs", FIXTURES / "runs")
        if self.damaged:
            shutil.rmtree(folder / "due/default")
            for torn in ("runs/greet-1.jsonl", "runs/order-7.jsonl", "inbox/order-6.jsonl"):
                append(folder / torn, '{"seq":')
        return folder

    def command(self, session, folder):
        return session.command(self.args, folder, "--json")

    def after(self, session, folder, killed, rng):
        acknowledged = bool(killed.stdout) and self.marked > 0
        yield from self.kept(folder, acknowledged, self.marked)
        if rng.random() < 0.3:
            yield from refused(session.do(["send", "order-4", "anything", "1"], folder))
        if rng.random() < 0.3:
            yield from self.checked(session, session.folder("repaired", folder))
        yield from refused(session.run(self.command(session, folder)), self.accepted)
        yield from self.kept(folder, self.marked > 0, self.marked)
        yield from self.checked(session, folder)

    def kept(self, folder, least, most):
        """Whether all is there that was there before, and what the command wrote."""
        for before in [*FIXTURES.glob("runs/runs/*"), *FIXTURES.glob("runs/inbox/*")]:
            now = folder / before.relative_to(FIXTURES / "runs")
            if not now.exists() or not now.read_bytes().startswith(before.read_bytes()):
                yield f"{now.name} lost lines"
        marked = sum(path.read_bytes().count(b"the-mark") for part in ("runs", "inbox") for path in (folder / part).iterdir())
        if not least <= marked <= most:
            yield f"what was written is there {marked} times instead of {int(least)} to {most}"

    def checked(self, session, folder):
        """`tc fsck` finds nothing that it cannot repair, and nothing once it did."""
        found = problems(session.do(["fsck", "--repair", "--yes"], folder, "--json"))
        yield from (f"cannot be repaired: {item}" for item in found if not item["repaired"])
        yield from (f"still there after a repair: {item}" for item in problems(session.do(["fsck"], folder, "--json")))


class SubstantialCase:
    """A command that changes a store of substantial in files."""

    SOURCE = FIXTURES / "substantial-0.1/fs"

    def __init__(self, name, *args):
        self.name, self.args = name, list(args)

    def make(self, session):
        return session.folder("substantial", self.SOURCE)

    def command(self, session, folder):
        return session.command(self.args, folder, "--json")

    def after(self, session, folder, _killed, _rng):
        yield from self.kept(session, folder)
        yield from refused(session.run(self.command(session, folder)))
        yield from self.kept(session, folder)

    def kept(self, session, folder):
        for part in ("runs", "leases"):
            for before in (self.SOURCE / part).rglob("*"):
                now = folder / before.relative_to(self.SOURCE)
                if before.is_file() and (not now.exists() or now.read_bytes() != before.read_bytes()):
                    yield f"{now} was changed"
        ids = {path.name for path in (self.SOURCE / "runs").iterdir()}
        read = session.do(["runs"], folder, "--json")
        if read.returncode != 0 or not ids <= {item["run"] for item in json.loads(read.stdout)["items"]}:
            yield f"the runs are not read: {last_line(read.stderr)}"


def problems(done):
    """What `tc fsck` found beside what is wrong in the fixtures."""
    if done.returncode not in (0, 1):
        return [{"repaired": False, "fsck": last_line(done.stderr)}]
    return [item for item in json.loads(done.stdout)["items"] if item["place"] != "runs/import-13"]


WAITER = "waiter-6b5ade46-c793-4430-8338-0791e675a118"
CASES = [
    LogCase("promote", "promote", "f", "v2"),
    LogCase("promote behind a torn line", "promote", "f", "v2", torn=True),
    LogCase("weight", "weight", "f", "v2", "25%"),
    LogCase("rollback", "rollback", "f", "v1", "--to", "v2"),
    LogCase("clean", "clean", "--older-than", DELETED_AFTER),
    LogCase("clean before a torn line", "clean", "--older-than", DELETED_AFTER, torn=True),
    LogCase("clean with an archive", "clean", "--older-than", DELETED_AFTER, "--archive"),
    RunsCase("send", "send", "greet-1", "allow", "the-mark", marked=2),
    RunsCase("send with a key", "send", "greet-1", "allow", "the-mark", "--idempotency-key", "k", marked=1),
    RunsCase("send behind a torn line", "send", "order-6", "allow", "the-mark", marked=2, damaged=True),
    RunsCase("start", "start", "order", "the-mark", "--id", "new-1", marked=1, accepted=(0, 5)),
    RunsCase("start with a key", "start", "order", "the-mark", "--idempotency-key", "k", marked=1),
    RunsCase("cancel", "cancel", "order-4", "--reason", "the-mark", "--yes", marked=2),
    RunsCase("cancel with a key", "cancel", "greet-1", "--reason", "the-mark", "--idempotency-key", "k", "--yes", marked=1),
    RunsCase("fsck --repair", "fsck", "--repair", "--yes", accepted=(0, 1), damaged=True),
    SubstantialCase("send to substantial", "send", WAITER, "allow", "1"),
    SubstantialCase("start in substantial", "start", "waiter", "{}"),
]


def strace(session, name, numbers, *options):
    """The beginning of a command line that traces calls, and kills at one of them."""
    inject = [f"--inject={name}:signal=SIGKILL:when={numbers}"] if numbers else []
    return ["strace", "-f", "-qq", f"--trace={name}", *inject, *options]


def calls_of(session, case):
    """Which call of each kind, counted for each thread, could change something."""
    trace = session.scratch / "trace"
    wanted = ",".join(f"?{name}" for name in CHANGING)
    folder = case.make(session)
    done = session.run([*strace(session, wanted, None, "-o", trace), *case.command(session, folder)])
    if not trace.exists() or not trace.stat().st_size:
        raise Impossible(f"strace cannot trace here: {last_line(done.stderr)}")
    seen, found = collections.Counter(), {}
    for line in trace.read_text(errors="replace").splitlines():
        match = re.match(r"(\d+) +(\w+)\((.*)", line)
        if match:
            seen[match[1], match[2]] += 1
            if match[2] != "openat" or re.search(r"O_WRONLY|O_RDWR|O_CREAT", match[3]):
                found[match[2], seen[match[1], match[2]]] = None
    return list(found)


def every_kill(session, rng):
    """Each case with each of its calls, a case after the other, each case's calls in any order."""
    left = {}
    queue = rng.sample(CASES, len(CASES))
    while queue:
        case = queue.pop(0)
        if case not in left:
            left[case] = calls_of(session, case)
            rng.shuffle(left[case])
        if left[case]:
            yield case, *left[case].pop()
            queue.append(case)


def kills(session):
    if not shutil.which("strace"):
        raise Impossible("there is no strace; scripts/setup installs it")
    chance = random.Random(session.seed)
    endless = itertools.chain.from_iterable(every_kill(session, chance) for _ in itertools.count())
    once = every_kill(session, chance)
    limited = session.args.rounds or session.args.seconds
    for (_, rng), (case, name, number) in zip(session.rounds(10**9), endless if limited else once):
        folder = case.make(session)
        killed = session.run([*strace(session, name, number, "-o", "/dev/null"), *case.command(session, folder)])
        session.counts["killed" if killed.returncode == -signal.SIGKILL else "ran to the end"] += 1
        for fault in case.after(session, folder, killed, rng):
            session.problem(f"{case.name}, killed at {name} {number}", fault, folder)
