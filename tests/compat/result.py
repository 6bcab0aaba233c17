"""Prints what the package's own client gives as the result of a run, as JSON: `result.py fs FOLDER RUN`, `result.py redis PORT RUN`."""

import asyncio
import json
import sys

from substantial import Conductor, FSBackend
from substantial.backends.redis import RedisBackend


async def main():
    kind, place, run_id = sys.argv[1:]
    backend = FSBackend(place) if kind == "fs" else RedisBackend("127.0.0.1", int(place))
    while True:
        try:
            told = {"ok": await Conductor(backend).run_for(run_id).result()}
        except json.JSONDecodeError:
            # The package writes its files in place: this one is just being written.
            await asyncio.sleep(0.1)
            continue
        except Exception as error:
            told = {"err": str(error)}
        break
    print(json.dumps(told))


asyncio.run(main())
