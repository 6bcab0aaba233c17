"""Damaged logs and runs, and what reading commands do with them."""

import concurrent.futures
import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import threading

from tortures.session import FIXTURES, HANGS_AFTER, ROOT, last_line

CPU_SECONDS, MEMORY = 2.0, 200 << 20
ANY_STORE = [[], ["status"]]
OF_LOGS = [*ANY_STORE, ["history"], ["history", "-n", "1000", "--failed"], ["events"], ["events", "call"], ["events", "--since", "2h"]]
OF_LOGS += [["clean", "--older-than", "1d", "--dry-run"], ["clean", "--dry-run"]]
OF_FUNCTIONS = [["summary", "@"], ["report", "@"], ["history", "@", "50"], ["status", "@"], ["promote", "@", "v2", "--dry-run"]]
OF_FUNCTIONS += [["rollback", "@", "--dry-run"], ["weight", "@", "v2", "30%", "--dry-run"], ["report", "@", "--since", "90d"]]
OF_STORES = [*ANY_STORE, ["runs"], ["runs", "--sort", "since"], ["fsck"], ["runs", "--where", '{"gt": 1}']]
OF_RUNS = [["show", "@"], ["show", "@", "-n", "all"], ["replay", "@"], ["result", "@"]]


class Corpus:
    """Something to be damaged: a folder, and what to ask about it."""

    def __init__(self, name, folder, commands, named, names):
        self.name, self.folder, self.commands, self.named, self.names = name, folder, commands, named, names
        self.files = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file() and path.suffix != ".py")

    def ask(self, rng):
        if rng.random() < 0.5:
            return rng.choice(self.commands)
        name = rng.choice(self.names)
        return [name if word == "@" else word for word in rng.choice(self.named)]


def zstd_frame(data):
    """A frame of stored blocks, which needs no compressor."""
    blocks = [data[at : at + 100_000] for at in range(0, len(data), 100_000)] or [b""]
    out = b"\x28\xb5\x2f\xfd\x80\x58" + len(data).to_bytes(4, "little")
    for number, block in enumerate(blocks):
        out += (len(block) << 3 | (number == len(blocks) - 1)).to_bytes(3, "little") + block
    return out


def corpora(session):
    """Logs of all writers, plain and compressed, and runs of every format."""
    logs = {path.stem: path.read_bytes() for path in [*FIXTURES.glob("corrupt/*.jsonl"), FIXTURES / "evolution/evolution.jsonl"]}
    for shape in ("python", "readme", "compact", "long", "evolving", "more", "mixed"):
        path = session.scratch / shape
        subprocess.run([sys.executable, ROOT / "scripts/make-log", "--shape", shape, "60000", path], check=True)
        logs[shape] = path.read_bytes()
    found = []
    for name, data in logs.items():
        known = re.findall(rb'"function": ?"([^"\\\0-]+)"', data)
        names = sorted({name.decode(errors="ignore") for name in known[:50]} - {""}) or ["f"]
        for ending, packed in (("", data), (".gz", gzip.compress(data, mtime=0)), (".zst", zstd_frame(data))):
            folder = session.folder(f"log-{name}{ending}")
            (folder / f"evolution.jsonl{ending}").write_bytes(packed)
            found.append(Corpus(f"{name}{ending}", folder, OF_LOGS, OF_FUNCTIONS, names))
    for name in ("runs", "history/v1", "history/v1-corrupt", "substantial-0.1/fs", "durable-python"):
        folder = session.folder("fixture-" + name.replace("/", "-"), FIXTURES / name)
        ids = [path.name.removesuffix(".jsonl").removesuffix(".pkl") for path in [*folder.glob("runs/*"), *folder.glob("*.pkl")]]
        found += [Corpus(name, folder, OF_STORES, OF_RUNS, ids)] * 5
    return found


def flip(data, rng, _other):
    for _ in range(rng.choice((1, 1, 3, 30))):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return data


def cut(data, rng, _other):
    return data[: rng.randrange(len(data))]


def removed(data, rng, _other):
    at = rng.randrange(len(data))
    return data[:at] + data[at + rng.choice((1, 4, 50, 500)) :]


def repeat(data, rng, _other):
    at = rng.randrange(len(data))
    piece = data[at : at + rng.choice((1, 9, 100, 2000))]
    return data[:at] + piece * rng.choice((2, 5, 100)) + data[at:]


def splice(data, rng, other):
    return data[: rng.randrange(len(data))] + other[rng.randrange(len(other)) :]


def bytes_put_in(data, rng, _other):
    at = rng.randrange(len(data))
    piece = rng.choice((b"\0", b"\xff" * 8, b"\xff\xff\xff\x7f", b"\n", b"\xed\xa0\x80", b'"', b"\\u", b"\x1b[2J", b"\xe2\x80\xae", b"(", b"]"))
    return data[:at] + piece * rng.choice((1, 1, 20)) + data[at + rng.choice((0, len(piece))) :]


HUGE = (b"9" * 400, b"1e308", b"-1e400", b"18446744073709551616", b"9223372036854775807", b"-0", b"0.1e-9999999999", b"NaN", b"-1", b"4294967295")


def numbers_made_large(data, rng, _other):
    found = list(re.finditer(rb"\d+", data)) or [re.match(rb"", data)]
    at = rng.choice(found).span()
    return data[: at[0]] + rng.choice(HUGE) + data[at[1] :]


def depths_made_large(data, rng, _other):
    found = list(re.finditer(rb": ?(\"[^\"]*\"|\w+)", data)) or [re.match(rb"()", data)]
    at, depth = rng.choice(found).span(1), rng.choice((50, 128, 999, 1001, 50_000, 300_000))
    front, back = rng.choice(((b"[", b"]"), (b'{"a":', b"}"), (b"[", b""), (b"(", b"t")))
    return data[: at[0]] + front * depth + b"1" + back * depth + data[at[1] :]


MUTATIONS = (flip, flip, cut, removed, repeat, splice, bytes_put_in, numbers_made_large, numbers_made_large, depths_made_large)


def mutate(data, rng, other):
    """Damaged once, or a few times over."""
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        data = bytearray(rng.choice(MUTATIONS)(bytearray(data or b"\n"), rng, other or b"\n"))
    return bytes(data)


def mutant(session, corpus, rng, name):
    """A copy of a corpus of which a file is damaged, or has another name; what was done."""
    folder = session.scratch / name
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(corpus.folder, folder, copy_function=os.link)
    victim = folder / rng.choice(corpus.files)
    other = (corpus.folder / rng.choice(corpus.files)).read_bytes()
    if len(corpus.files) > 1 and rng.random() < 0.1:
        words = (b"\xff", b"..", b"=2F", b"=", b",2", b"9" * 30, b"T", b"_", b" ", b"=00", b"\n", b"Z")
        named = os.fsencode(victim.name)
        at = rng.randrange(len(named))
        os.rename(victim, os.path.join(os.fsencode(victim.parent), (named[:at] + rng.choice(words) + named[at + rng.randrange(3) :])[:250]))
        return folder, f"{victim.name} renamed"
    data = victim.read_bytes()
    if victim.name.endswith((".gz", ".zst")) and rng.random() < 0.4:
        # What comes out of the packing is damaged, not the packing.
        plain = (corpus.folder.parent / corpus.folder.name.removesuffix(".gz").removesuffix(".zst") / "evolution.jsonl").read_bytes()
        pack = gzip.compress if victim.suffix == ".gz" else zstd_frame
        data = pack(mutate(plain, rng, other))
    else:
        data = mutate(data, rng, other)
    # The copy is a link to the fixture, so it is replaced and not written to.
    victim.unlink()
    victim.write_bytes(data)
    return folder, f"{victim.name} mutated"


def measured(command, scratch):
    """How a command ended, and what it used of processor and memory."""
    with open(f"{scratch}.out", "w+b") as out, open(f"{scratch}.err", "w+b") as err:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        timer = threading.Timer(HANGS_AFTER, process.kill)
        timer.start()
        _, status, usage = os.wait4(process.pid, 0)
        timer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0), err.seek(0)
        return subprocess.CompletedProcess(command, process.returncode, out.read(), err.read()), usage


def refuse_constant(text):
    raise ValueError(f"{text} is no JSON")


def misbehaved(done, usage, form):
    """What a reading command may never do."""
    seconds, memory = usage.ru_utime + usage.ru_stime, usage.ru_maxrss << 10
    if done.returncode not in (0, 1, 2, 4, 5, 8) or b"panicked" in done.stderr:
        yield f"exits with {done.returncode}: {last_line(done.stderr)}"
    if seconds > CPU_SECONDS:
        yield f"took {seconds:.1f} s of a processor"
    if memory > MEMORY:
        yield f"took {memory >> 20} MB"
    # Tabs and newlines are the program's own; anything else below a blank would be the log's, as it is in CSV.
    if form not in ("csv", "json") and re.search(rb"[\x00-\x08\x0b-\x1f\x7f]", done.stdout + done.stderr):
        yield "prints a control character"
    if form == "json" and done.stdout:
        try:
            json.loads(done.stdout.decode("utf-8"), parse_constant=refuse_constant)
        except (ValueError, RecursionError) as error:
            yield f"prints no JSON: {error}"


def one_mutant(session, known, number, rng):
    corpus = rng.choice(known)
    name = f"mutant-{threading.get_ident()}"
    folder, what = mutant(session, corpus, rng, name)
    form = rng.choice(("json", "json", "table", "table", "csv", "markdown"))
    asked = [*corpus.ask(rng), "--output", form, *rng.choice(([], [], [], ["--strict"], ["--verbose"]))]
    command = session.command(asked, folder, "--no-pager")
    done, usage = measured(command, session.scratch / name)
    with session.lock:
        session.counts[f"exit with {done.returncode}"] += 1
    for fault in misbehaved(done, usage, form):
        session.problem(f"round {number}, {corpus.name}, {what}, tc {' '.join(asked)!a}", fault, folder)


def mutants(session):
    # A value as deep as Python reads may be printed, within what is around it.
    sys.setrecursionlimit(2000)
    known = corpora(session)
    with concurrent.futures.ThreadPoolExecutor(session.args.jobs) as pool:
        running = set()
        for number, rng in session.rounds(500):
            running.add(pool.submit(one_mutant, session, known, number, rng))
            if len(running) > session.args.jobs:
                over, running = concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_COMPLETED)
                for future in over:
                    future.result()
        for future in running:
            future.result()
