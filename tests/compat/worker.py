"""A worker of the package substantial, as its users write one: `worker.py fs FOLDER` or `worker.py redis PORT`."""

import sys

from substantial import Conductor, Context, FSBackend, workflow
from substantial.agent import Agent
from substantial.backends.redis import RedisBackend


@workflow()
async def order(ctx: Context, order_id, note):
    number = await ctx.save(lambda: order_id * 2)
    said = await ctx.receive("approve")
    return {"number": number, "note": note, "said": said}


@workflow()
async def double(ctx: Context, number):
    return await ctx.save(lambda: number * 2)


def decline():
    raise RuntimeError("card declined")


@workflow()
async def charge(ctx: Context):
    await ctx.receive("go")
    await ctx.save(decline)


def main():
    kind, place = sys.argv[1:]
    backend = FSBackend(place) if kind == "fs" else RedisBackend("127.0.0.1", int(place))
    conductor = Conductor(backend)
    conductor.register(order)
    conductor.register(charge)
    conductor.register(double)
    Agent(backend, "default").run_sync()


main()
