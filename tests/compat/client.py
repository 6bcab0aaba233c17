"""Does what it is told with the package's own client, at times and with ids that are given.

`client.py fs FOLDER CALLS` or `client.py redis PORT CALLS`, where CALLS is a file of JSON: a list of calls, each with `now` (naive) and
`queue`, and either `workflow`, `kwargs`, `uuid` or `run`, `name`, `value`.
"""

import asyncio
import contextlib
import datetime as real
import io
import json
import sys
import uuid

from substantial import Conductor, FSBackend, Workflow, conductor
from substantial.backends.redis import RedisBackend
from substantial.workflows import run


class Clock(real.datetime):
    given = None

    @classmethod
    def now(cls, tz=None):
        return real.datetime.fromisoformat(cls.given)


async def main():
    kind, place, calls = sys.argv[1:]
    backend = FSBackend(place) if kind == "fs" else RedisBackend("127.0.0.1", int(place))
    client = Conductor(backend)
    run.datetime = Clock
    with open(calls, encoding="utf-8") as file:
        calls = json.load(file)
    runs = []
    for call in calls:
        Clock.given = call["now"]
        if "workflow" in call:
            conductor.uuid4 = lambda: uuid.UUID(call["uuid"])
            started = await client.start(Workflow(call["workflow"], lambda ctx: None), call["kwargs"], call["queue"])
            runs.append(started.run_id)
        else:
            await client.run_for(call["run"], call["queue"]).send(call["name"], call["value"])
            runs.append(call["run"])
    return runs


with contextlib.redirect_stdout(io.StringIO()):
    done = asyncio.run(main())
print(json.dumps(done))
