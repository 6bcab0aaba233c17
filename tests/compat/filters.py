"""Answers filters about runs as the package substantial does: cases from a file, answers to standard output, as JSON.

The input is {"stores": [folder or port of a Redis], "filters": [text]}. For each run of each store (it has one workflow, `w`) and each
filter there are two answers: that of the package (true, false, "error", or "none" for a run that the package leaves out), and what
the package's own operators answer if each is asked by itself, about values and times as JSON has them (true, false, "error").
"""

import asyncio
import contextlib
import io
import json
import sys
from datetime import datetime, timezone
from fractions import Fraction
from functools import total_ordering

import orjson
from substantial import Conductor, FSBackend
from substantial.backends.redis import RedisBackend
from substantial.filters import Err, Ok, SearchResult, eval_expr, eval_term

ORDERED = ("eq", "gt", "gte", "lt", "lte")


def as_time(text):
    """A datetime for a text that is one, as a Python program would give it."""
    if not isinstance(text, str):
        return text
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return text
    return time if time.tzinfo else time.replace(tzinfo=timezone.utc)


def with_times(value):
    if isinstance(value, list):
        return [with_times(item) for item in value]
    if not isinstance(value, dict):
        return value
    out = {}
    for key, item in value.items():
        if key in ("started_at", "ended_at") and isinstance(item, dict):
            out[key] = {op: as_time(term) if op in ORDERED else term for op, term in item.items()}
        else:
            out[key] = with_times(item) if key in ("and", "or", "not") else item
    return out


def answer(result, query):
    if not isinstance(result, SearchResult):
        return result
    try:
        return bool(eval_expr(result, query))
    except Exception:
        return "error"


@total_ordering
class Flag:
    """True or false, which in JSON are no numbers."""

    def __init__(self, value):
        self.value = value

    def __eq__(self, other):
        return isinstance(other, Flag) and self.value == other.value

    def __lt__(self, other):
        return self.value < other.value if isinstance(other, Flag) else NotImplemented

    def __hash__(self):
        return hash(self.value)


def as_json(value):
    """A value of which numbers are of one type, and flags of another."""
    if isinstance(value, bool):
        return Flag(value)
    if isinstance(value, (int, float)):
        return Fraction(value)
    if isinstance(value, list):
        return [as_json(item) for item in value]
    return {key: as_json(item) for key, item in value.items()} if isinstance(value, dict) else value


def as_it_is(run_id, record):
    """The run as it is now: what it has ended with, if it has, and its times, if they are written down."""
    run = SearchResult(run_id, None, None, None)
    events = record.events if record else []
    if not events or not events[0].is_set("start"):
        return run
    recorded = lambda event: event.at if event.at.timestamp() else None
    for event in events:
        if event.is_set("start"):
            run = SearchResult(run_id, None, recorded(event), None)
        if event.is_set("stop"):
            run.ended_at = recorded(event)
            failed = event.stop.is_set("err")
            payload = event.stop.err if failed else event.stop.ok if event.stop.is_set("ok") else b"null"
            try:
                value = as_json(orjson.loads(payload))
            except ValueError:
                value = shown(payload)
            run.result = Err(value) if failed else Ok(value) if value is not None else None
    return run


def shown(payload):
    """Bytes as Python prints them, always in single quotes."""
    names = {9: "\\t", 10: "\\n", 13: "\\r", 39: "\\'", 92: "\\\\"}
    plain = lambda byte: chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}"
    return "b'" + "".join(names.get(byte) or plain(byte) for byte in payload) + "'"


def mended_term(run, operator, term):
    if operator == "lte":
        return mended_term(run, "lt", term) or mended_term(run, "eq", term)
    return eval_term(run, {operator: term})


def mended_time(run_id, time, operator, term):
    if operator in ORDERED:
        return mended_term(SearchResult(run_id, Ok(time) if time else None, None, None), operator, as_time(term))
    text = time and time.isoformat().replace("+00:00", "Z")
    return mended_term(SearchResult(run_id, Ok(text) if text else None, None, None), operator, as_json(term))


def mended(run, query):
    """Whether all members of a query hold, each by itself."""
    for operator, value in query.items():
        if operator in ("and", "or"):
            holds = (all if operator == "and" else any)(mended(run, part) for part in value)
        elif operator == "not":
            holds = not mended(run, value)
        elif operator in ("started_at", "ended_at"):
            holds = all(mended_time(run.run_id, getattr(run, operator), *term) for term in value.items())
        else:
            holds = mended_term(run, operator, as_json(value))
        if not holds:
            return False
    return True


def mended_answer(run, query):
    try:
        return mended(run, query)
    except Exception:
        return "error"


async def results_of(place):
    """What the package finds of each run, and the run as it is, by its id."""
    backend = RedisBackend("127.0.0.1", place) if isinstance(place, int) else FSBackend(place)
    conductor = Conductor(backend)
    found = {}
    for run_id in await backend.read_workflow_links("w"):
        result = "none"

        async def only(_, run_id=run_id):
            return [run_id]

        conductor.filters.related_runs = only
        try:
            for result in await conductor.filters.list_results("w"):
                pass
        except Exception:
            result = "error"
        found[run_id] = (result, as_it_is(run_id, await backend.read_events(run_id)))
    return found


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        cases = json.load(file)
    answers = []
    with contextlib.redirect_stdout(io.StringIO()):
        for place in cases["stores"]:
            for run_id, (result, run) in sorted(asyncio.run(results_of(place)).items()):
                for text in cases["filters"]:
                    query = orjson.loads(text)
                    answers.append([run_id, text, answer(result, with_times(query)), mended_answer(run, query)])
    json.dump(answers, sys.stdout)


main()
