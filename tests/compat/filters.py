"""Answers filters about runs as the package substantial does: cases from a file, answers to standard output, as JSON.

The input is {"stores": [folder or port of a Redis], "filters": [text]}. For each run of each store (it has one workflow, `w`) and each
filter there is one answer: true, false, "error", or "none" for a run that the package leaves out.
"""

import asyncio
import contextlib
import io
import json
import sys
from datetime import datetime, timezone

import orjson
from substantial import Conductor, FSBackend
from substantial.backends.redis import RedisBackend
from substantial.filters import SearchResult, eval_expr

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


async def results_of(place):
    """What the package finds of each run, by its id."""
    backend = RedisBackend("127.0.0.1", place) if isinstance(place, int) else FSBackend(place)
    conductor = Conductor(backend)
    found = {}
    for run_id in await backend.read_workflow_links("w"):
        found[run_id] = "none"

        async def only(_, run_id=run_id):
            return [run_id]

        conductor.filters.related_runs = only
        try:
            results = await conductor.filters.list_results("w")
        except Exception:
            found[run_id] = "error"
            continue
        for result in results:
            found[run_id] = result
    return found


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        cases = json.load(file)
    answers = []
    with contextlib.redirect_stdout(io.StringIO()):
        for place in cases["stores"]:
            for run_id, result in sorted(asyncio.run(results_of(place)).items()):
                for text in cases["filters"]:
                    query = with_times(orjson.loads(text))
                    answers.append([run_id, text, answer(result, query)])
    json.dump(answers, sys.stdout)


main()
