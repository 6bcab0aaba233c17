"""Pickles of plain values, and damaged ones, with what Python reads of them.

Gets the name of a file with JSON: {"seed": …, "values": [VALUE…]}, where a VALUE is [type, content]. Prints JSON:
{"pickles": [[index of the value, protocol, hex]…], "damaged": [[hex, VALUE or null]…]}, where null is an error.

What reads the damaged ones is Python's own reader in Python. It calls nothing that a damaged pickle could do harm with.
"""

import io
import json
import pickle
import random
import struct
import sys

from opcodes import CURRENT

DAMAGED_OF_EACH = 18
DEPTH_MAX = 100


def build(value):
    kind, content = value
    match kind:
        case "none":
            return None
        case "bool" | "str":
            return content
        case "int":
            return int(content)
        case "float":
            return struct.unpack(">d", bytes.fromhex(content))[0]
        case "bytes":
            return bytes.fromhex(content)
        case "bytearray":
            return bytearray.fromhex(content)
        case "list":
            return [build(item) for item in content]
        case "tuple":
            return tuple(build(item) for item in content)
        case "set":
            return {build(item) for item in content}
        case "frozenset":
            return frozenset(build(item) for item in content)
        case "dict":
            return {build(key): build(item) for key, item in content}
    raise ValueError(kind)


class NotPlain(Exception):
    pass


def describe(value, depth=0):
    if depth > DEPTH_MAX:
        raise NotPlain
    deeper = depth + 1
    match value:
        case None:
            return ["none", None]
        case bool():
            return ["bool", value]
        case int():
            if abs(value) >= 10**4300:
                raise NotPlain
            return ["int", str(value)]
        case float():
            return ["float", struct.pack(">d", value).hex()]
        case str():
            if any("\ud800" <= c <= "\udfff" for c in value):
                plain = value.replace("\\", "\\\\").replace("'", "\\'")
                return ["surrogates", "".join(f"\\u{ord(c):04x}" if "\ud800" <= c <= "\udfff" else c for c in plain)]
            return ["str", value]
        case bytes():
            return ["bytes", value.hex()]
        case bytearray():
            return ["bytearray", value.hex()]
        case list() | tuple():
            return [type(value).__name__, [describe(item, deeper) for item in value]]
        case set() | frozenset():
            return [type(value).__name__, sorted((describe(item, deeper) for item in value), key=json.dumps)]
        case dict():
            return ["dict", [[describe(key, deeper), describe(item, deeper)] for key, item in value.items()]]
    raise NotPlain


class Reader(pickle._Unpickler):
    """Python's reader, of protocols 4 and 5 alone."""

    dispatch = {byte: load for byte, load in pickle._Unpickler.dispatch.items() if byte in CURRENT}

    def load_proto(self):
        if self.read(1)[0] not in (4, 5):
            raise pickle.UnpicklingError

    dispatch[pickle.PROTO[0]] = load_proto

    def find_class(self, module, name):
        found = super().find_class(module, name) if (module, name) in ALLOWED else None
        if found is None:
            raise NotPlain
        return found

    def persistent_load(self, pid):
        raise NotPlain


ALLOWED = {("builtins", "bytearray")}


def damage(data, chance):
    """A few changed bytes, a cut, or a piece that is there twice."""
    data = bytearray(data)
    for _ in range(chance.choice([1, 1, 2, 5])):
        at = chance.randrange(len(data))
        match chance.randrange(5):
            case 0:
                data[at] = chance.randrange(256)
            case 1:
                data[at] = chance.choice(bytes(CURRENT))
            case 2:
                del data[at:]
            case 3:
                del data[at : at + chance.randrange(1, 5)]
            case 4:
                end = at + chance.randrange(1, 20)
                data[end:end] = data[at:end]
        if not data:
            break
    return bytes(data)


def read(data):
    """What Python reads: a value, None for an error, or nothing where this is no question."""
    if b"\x96" in data or b"\x8a" in data and len(data) > 10_000:
        return ["skip"]
    if data[:1] != pickle.PROTO:
        return [None]
    try:
        return [describe(Reader(io.BytesIO(data)).load())]
    except (NotPlain, RecursionError):
        return ["skip"]
    except Exception:
        return [None]


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        request = json.load(file)
    chance = random.Random(request["seed"])
    pickles, damaged = [], []
    for index, value in enumerate(request["values"]):
        value = build(value)
        for protocol in range(4, pickle.HIGHEST_PROTOCOL + 1):
            in_c, in_python = pickle.dumps(value, protocol), pickle._dumps(value, protocol)
            pickles += [[index, protocol, in_c.hex()], [index, protocol, in_python.hex()]]
            for _ in range(DAMAGED_OF_EACH):
                data = damage(in_c, chance)
                result = read(data)
                if result != ["skip"]:
                    damaged.append([data.hex(), result[0]])
    json.dump({"pickles": pickles, "damaged": damaged}, sys.stdout)


main()
