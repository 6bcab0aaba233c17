"""Several at once on one log: those who decide, and those who clean."""

import collections
import json
import signal
import subprocess
import threading
import time

from tortures.logs import DELETED_AFTER, Found, Writer, call, left_behind
from tortures.session import HANGS_AFTER, last_line, refused


def at_once(commands):
    """Runs all at the same time; how each ended."""
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for command in commands]
    outputs = [process.communicate(timeout=HANGS_AFTER) for process in running]
    return [subprocess.CompletedProcess(process.args, process.returncode, *output) for process, output in zip(running, outputs)]


DECIDERS = 8


def deciding(number, rng, condition):
    """One author's decision."""
    kinds = [["promote", "f", f"v{number % 2 + 1}"], ["weight", "f", "v2", f"{number + 1}%"], ["rollback", "f", "v2"]]
    return [*rng.choice(kinds), *condition, "--yes", "--by", f"author-{number}"]


def unseen(decisions):
    """A change of weight whose author did not see the decision before it; there are two variants."""
    share = None
    for decision in decisions:
        kind, variant = decision["event"], decision["variant"]
        if kind == "weight_change":
            if abs(decision["old_weight"] - share) > 1e-9:
                yield f"{decision} was made when v2 had {share}"
            share = decision["new_weight"]
        else:
            share = float((kind == "promotion") == (variant == "v2"))


def decisions(session):
    for number, rng in session.rounds(20):
        folder = session.folder("decisions")
        log = folder / "evolution.jsonl"
        old, young = range(500), range(500, 1000)
        log.write_text("".join([*(call(n, 60 * 24) for n in old), *(call(n, 1) for n in young)]))
        session.do(["promote", "f", "v1", "--yes", "--by", "first"], folder)
        last, cleaning, writing = rng.random() < 0.5, rng.random() < 0.4, rng.random() < 0.5
        condition = ["--if-last", Found(log).decisions[-1]["timestamp"], *["--ignore-calls"] * writing] if last else []
        commands = [deciding(n, rng, condition) for n in range(DECIDERS)]
        if cleaning:
            commands[0] = ["clean", "--older-than", DELETED_AFTER, "--yes"]
        writer = Writer(log, 1000) if writing else None
        done = at_once(session.command(command, folder) for command in commands)
        cleaned = cleaning and done[0].returncode == 0
        once = [*young, *(writer.stop() if writer else []), *([] if cleaned else old)]
        where = f"round {number}{', --if-last' * last}{', a cleaning' * cleaning}{', a writer' * writing}"
        for fault in judged(Found(log), done[cleaning:], range(cleaning, DECIDERS), last, cleaned, once):
            session.problem(where, fault, folder)
        for process in done:
            session.counts[f"exits with {process.returncode}"] += 1
            if process.returncode not in (0, 5):
                session.problem(where, next(refused(process)), folder)


def judged(found, done, authors, last, cleaned, once):
    """What does not hold after a race of authors."""
    won = [author for author, process in zip(authors, done) if process.returncode == 0]
    for author in authors:
        if found.by(f"author-{author}") != (author in won):
            yield f"author {author} {'won' if author in won else 'lost'}, and has {found.by(f'author-{author}')} decisions in the log"
    # Whoever sees that the log was replaced decides nothing.
    if last and len(won) != 1 and not (cleaned and not won):
        yield f"with --if-last {len(won)} won: {[last_line(process.stderr) for process in done]}"
    if not won and not cleaned:
        yield "nobody won"
    yield from unseen(found.decisions)
    if faults := found.faults(once):
        yield faults


AGES, EVENTS, HOURS = (150, 100, 50), 4000, 200


class Follower:
    """`tc history -f`, which begins at the last event."""

    def __init__(self, session, log):
        command = session.command(["history", "-f", "-n", "1"], log, "--output", "jsonl")
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.seen, self.ready = collections.Counter(), threading.Event()
        self.thread = threading.Thread(target=self.read)
        self.thread.start()
        self.ready.wait(HANGS_AFTER)
        # The first event comes before it looks for others.
        time.sleep(0.1)

    def read(self):
        for line in self.process.stdout:
            event = json.loads(line)
            if "value" in event:
                self.seen[int(event["value"])] += 1
            self.ready.set()

    def stop(self, wanted):
        """What it printed; what it has not printed after some seconds it never would."""
        until = time.monotonic() + 10
        while time.monotonic() < until and not all(self.seen[number] for number in wanted):
            time.sleep(0.02)
        self.process.send_signal(signal.SIGINT)
        self.thread.join()
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()
        return self.seen


def cleans(session):
    age = [HOURS * (EVENTS - number) / EVENTS + 0.1 for number in range(EVENTS)]
    lines = [call(number, age[number]) for number in range(EVENTS)]
    for number, rng in session.rounds(10):
        folder = session.folder("cleans")
        log = folder / "evolution.jsonl"
        log.write_text("".join(lines))
        follower, writer = Follower(session, log), Writer(log, EVENTS)
        ages = [*AGES, *rng.choices(AGES, k=rng.randrange(3))]
        done = at_once(session.command(["clean", "--older-than", f"{a}h", "--yes"], log) for a in ages)
        written = writer.stop()
        seen = follower.stop(written)
        won = [a for a, process in zip(ages, done) if process.returncode == 0]
        # An hour, because the log was made a while ago.
        limit = min(won, default=HOURS)
        young = [n for n in range(EVENTS) if age[n] < limit - 1]
        gone = [n for n in range(EVENTS) if age[n] > limit + 1]
        found = [Found(log).faults([*young, *written], never=gone)]
        found += [f"exits with {p.returncode}: {last_line(p.stderr)}" for p in done if p.returncode not in (0, 5)]
        found += [] if won else ["nobody won"]
        found += [f"{left_behind(folder)} are left"] if left_behind(folder) else []
        wrong = {n: seen[n] for n in [*range(EVENTS - 1), *written] if seen[n] != (n in written)}
        found += [f"{len(wrong)} were followed wrongly, as {list(wrong.items())[:3]}"] if wrong else []
        for fault in filter(None, found):
            session.problem(f"round {number}, ages {ages}, won {won}", fault, folder)
        session.counts.update({"cleanings": len(ages), "cleanings done": len(won), "events written meanwhile": len(written)})
