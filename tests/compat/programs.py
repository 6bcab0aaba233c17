"""Runs programs with the real durable-python.

programs.py run FOLDER: leaves the states of all kinds of instances in the folder, and prints as JSON what they wait for or
returned, and what their variables are.

programs.py live FOLDER: saves one large state after another until its input ends.

programs.py greet FOLDER INSTANCE NAME: runs the program `greet` until it pauses or ends, and prints as JSON which.

programs.py protocols FILE FOLDER: writes the state in a file in every protocol of pickles.
"""

import asyncio
import json
import pickle
import sys
from pathlib import Path

import cloudpickle
import flows
from durable import DiskStateStore, DurableBackend, PauseForEventException, make_durable

# Instance, program, arguments, how often it is run.
RUNS = [
    ("greet-paused", flows.greet, ("Ada",), 1),
    ("greet-done", flows.greet, ("Ada",), 2),
    ("values-first", flows.values, ([1, 2],), 1),
    ("values-second", flows.values, ([1, 2],), 2),
    ("nested", flows.outer, (4,), 1),
    ("returned", flows.outer, (4,), 2),
    ("loop", flows.loop, (["a", "b"],), 1),
    ("branch-big", flows.branch, (9,), 1),
    ("branch-small", flows.branch, (1,), 1),
    ("failed", flows.fails, (1,), 2),
    ("indirect", flows.indirect, (1,), 1),
    ("pair", flows.pair, (1,), 1),
    ("nothing", flows.nothing, (1,), 1),
    ("captured", flows.captured, (1,), 1),
    ("odd \x1b[31m\n‮ name", flows.greet, ("Ada",), 1),
]


async def run(folder):
    outcomes = {}
    for instance, program, arguments, times in RUNS:
        for _ in range(times):
            backend = DurableBackend(DiskStateStore(folder))
            outcome = {}
            try:
                result = await make_durable(program)(*arguments, orchestration_backend=backend, instance_id=instance)
                outcome["result"] = repr(result)
            except PauseForEventException as pause:
                outcome["event"] = pause.event
            except Exception as error:
                outcome["error"] = repr(error)
        state = pickle.loads(Path(folder, f"{instance}.pkl").read_bytes())
        frames = []
        for call in state["call_stack"]["calls"]:
            block = call["code_blocks"][0]
            variables = cloudpickle.loads(block["locals"])
            variables.pop("current_call", None)
            frames.append(
                {
                    "function": block["fn_ref"]["module"] + "." + block["fn_ref"]["qualname"],
                    "checkpoint": variables["checkpoint"],
                    "variables": {name: repr(value) for name, value in variables.items()},
                }
            )
        outcomes[instance] = outcome | {"frames": frames}
    return outcomes


async def live(folder, out):
    store = DiskStateStore(folder)
    backend = DurableBackend(DiskStateStore(folder))
    try:
        await make_durable(flows.greet)("x" * 300_000, orchestration_backend=backend, instance_id="live")
    except PauseForEventException:
        pass
    state = await store.load("live")
    print("ready", file=out, flush=True)
    ended = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    while not ended.done():
        await store.save("live", state)


async def greet(folder, instance, name):
    backend = DurableBackend(DiskStateStore(folder))
    try:
        program = make_durable(flows.greet)
        return {"result": await program(name, orchestration_backend=backend, instance_id=instance)}
    except PauseForEventException as pause:
        return {"event": pause.event}


def protocols(file, folder):
    state = pickle.loads(Path(file).read_bytes())
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        state["instance_id"] = f"protocol-{protocol}"
        Path(folder, f"protocol-{protocol}.pkl").write_bytes(pickle.dumps(state, protocol))
    return pickle.HIGHEST_PROTOCOL + 1


if __name__ == "__main__":
    out, sys.stdout = sys.stdout, sys.stderr
    if sys.argv[1] == "run":
        json.dump(asyncio.run(run(sys.argv[2])), out)
    elif sys.argv[1] == "greet":
        json.dump(asyncio.run(greet(*sys.argv[2:])), out)
    elif sys.argv[1] == "protocols":
        json.dump(protocols(*sys.argv[2:]), out)
    else:
        asyncio.run(live(sys.argv[2], out))
