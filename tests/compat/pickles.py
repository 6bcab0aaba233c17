"""Pickles of protocols 4 and 5, and pickles put together by hand so that every opcode of these is there.

Prints JSON: of each case its name, protocol, bytes in hex, and the text that it has to be shown as; one value in each older
protocol; and the opcodes. Fails if an opcode is in none of the cases, or if Python writes one that only older protocols have.
"""

import collections
import copyreg
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import io
import json
import pathlib
import pickle
import pickletools
import sys
import uuid

import cloudpickle
from opcodes import CURRENT


class Money:
    def __init__(self, amount=None, currency="EUR"):
        self.amount, self.currency = amount, currency


class Outer:
    class Inner:
        pass

    @classmethod
    def make(cls):
        return cls()


class Registered:
    pass


class Color(enum.Enum):
    RED = 1


class Slots:
    __slots__ = ("a", "b")


class Items(list):
    pass


class Pairs(dict):
    pass


class Number(int):
    pass


class Keywords:
    def __new__(cls, first, *, second):
        return super().__new__(cls)

    def __getnewargs_ex__(self):
        return (1,), {"second": 2}


class Broken(Exception):
    pass


@dataclasses.dataclass
class Point:
    x: int
    y: int


Named = collections.namedtuple("Named", "a b")

PLAIN = [
    None, True, False, 0, 1, -1, 255, 256, 65535, 65536, 2**31 - 1, 2**31, -(2**31), 2**63 - 1, 2**63, -(2**63),
    -(2**63) - 1, 2**64, 10**30, -(10**30), 10**600, 2**2040 - 1, -(2**2050),
    0.0, -0.0, 1.5, 0.1, 1e16, 1e-5, 1.7976931348623157e308, 5e-324, float("inf"), float("-inf"), float("nan"),
    "", "a", "it's", 'say "x"', "it's \"both\"", "two\nlines\t\\ and \r", "naïve 漢字 😀", "\x1b[31m\x00\x7f", "a\\u0041\\",
    "x" * 300, "é" * 70_000,
    b"", b"abc", b"it's", bytes(range(256)), b"x" * 300, b"y" * 70_000, bytearray(), bytearray(b"\x00abc\xff"),
    [], [1], [1, [2, [3, []]]], list(range(1500)), (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), ((),),
    {}, {1: 2}, {"a": {"b": None}, (1, "x"): [True]}, {str(i): i for i in range(1500)},
    set(), {1}, {1, 2, 3}, frozenset(), frozenset({5}), {frozenset({1})},
]  # fmt: skip

SHARED = [1, "shared text"]
CIRCLE = [1]
CIRCLE.append(CIRCLE)
RING = {}
RING["self"] = RING
ITSELF = Money()
ITSELF.amount = ITSELF

UTC = datetime.timezone.utc
ID = uuid.UUID(int=2**100)
TUPLE_CIRCLE = ([],)
TUPLE_CIRCLE[0].append(TUPLE_CIRCLE)

# A value, and what it is shown as.
OBJECTS = [
    ([SHARED, SHARED], repr([SHARED, SHARED])),
    (CIRCLE, "[1, [...]]"),
    (RING, "{'self': {...}}"),
    (TUPLE_CIRCLE, "([(...)],)"),
    (ITSELF, "<__main__.Money() amount=<...>, currency='EUR'>"),
    (Money(9.5), "<__main__.Money() amount=9.5, currency='EUR'>"),
    (Money, "<__main__.Money>"),
    (Outer.Inner, "<__main__.Outer.Inner>"),
    (Outer.Inner(), "<__main__.Outer.Inner()>"),
    (Outer.make, "<__main__.Outer.make>"),
    (Money(1).__init__, "<builtins.getattr(<__main__.Money() amount=1, currency='EUR'>, '__init__')>"),
    (print, "<builtins.print>"),
    (len, "<builtins.len>"),
    (Color.RED, "<__main__.Color(1)>"),
    (Point(1, 2), "<__main__.Point() x=1, y=2>"),
    (Items([1, 2]), "<__main__.Items() [1, 2]>"),
    (Pairs(a=1), "<__main__.Pairs() {'a': 1}>"),
    (Number(7), "<__main__.Number(7)>"),
    (Broken("no", 1), "<__main__.Broken('no', 1)>"),
    (ValueError("bad"), "<builtins.ValueError('bad')>"),
    (Named(1, "x"), "<__main__.Named(1, 'x')>"),
    (Keywords(1, second=2), "<__main__.Keywords(1, **{'second': 2})>"),
    (decimal.Decimal("1.20"), "<decimal.Decimal('1.20')>"),
    (fractions.Fraction(1, 3), "<fractions.Fraction(1, 3)>"),
    (ID, f"<uuid.UUID() int={2**100}>"),
    (pathlib.PurePosixPath("a"), "<pathlib.PurePosixPath('a')>"),
    (collections.OrderedDict(a=1), "<collections.OrderedDict() {'a': 1}>"),
    (collections.defaultdict(list, {"a": [1]}), "<collections.defaultdict(<builtins.list>) {'a': [1]}>"),
    (collections.Counter("aab"), "<collections.Counter({'a': 2, 'b': 1})>"),
    (collections.deque([1, 2], 5), "<collections.deque((), 5) [1, 2]>"),
    (complex(1, -2), "<builtins.complex(1.0, -2.0)>"),
    (range(3), "<builtins.range(0, 3, 1)>"),
    (functools.partial(int, "5"), "<functools.partial(<builtins.int>) state=(<builtins.int>, ('5',), {}, None)>"),
    (datetime.date(2026, 11, 2), "datetime.date(2026, 11, 2)"),
    (datetime.time(1, 2, 3, 4), "datetime.time(1, 2, 3, 4)"),
    (datetime.datetime(2026, 11, 22, 9, 5), "datetime.datetime(2026, 11, 22, 9, 5)"),
    (
        datetime.datetime(2026, 11, 22, 9, 5, 1, 999999, UTC),
        "datetime.datetime(2026, 11, 22, 9, 5, 1, 999999, tzinfo=<datetime.timezone(<datetime.timedelta(0, 0, 0)>)>)",
    ),
    (datetime.timedelta(1, 2, 3), "<datetime.timedelta(1, 2, 3)>"),
]
SLOTS = Slots()
SLOTS.a = 1
OBJECTS.append((SLOTS, "<__main__.Slots() a=1>"))

EXTENSION = 240
copyreg.add_extension("__main__", "Registered", EXTENSION)

def by_name(module, name):
    """What names a class."""
    return b"".join(b"\x8c" + bytes([len(text)]) + text for text in (module, name)) + b"\x93"


# Bytes behind the protocol, and what they are shown as; none where that is Python's own repr.
HAND = [
    (b"\x8b\x01\x00\x00\x00\x85.", None),
    (b"\x8b\x00\x00\x00\x00.", None),
    (b"\x8d\x03" + bytes(7) + b"abc.", None),
    (b"\x8e\x03" + bytes(7) + b"abc.", None),
    (b"\x96\x03" + bytes(7) + b"abc.", None),
    (b"X\x03\x00\x00\x00\xed\xa0\x80.", "'\\ud800'"),
    (b"(K\x01K\x02t.", None),
    (b"(K\x01\x91.", None),
    (b"]K\x01a.", None),
    (b"}K\x01K\x02s.", None),
    (b"}(K\x01K\x02K\x03K\x04u.", None),
    (b"\x8f(K\x01\x90.", None),
    (b"K\x01K\x020.", None),
    (b"K\x01(0.", None),
    (b"K\x01(K\x02K\x031.", None),
    (b"K\x07\x940h\x00.", None),
    (b"K\x07\x940j\x00\x00\x00\x00.", None),
    (b"\x82" + bytes([EXTENSION]) + b".", f"<extension {EXTENSION}>"),
    (b"\x83" + bytes([EXTENSION, 0]) + b".", f"<extension {EXTENSION}>"),
    (b"\x84" + bytes([EXTENSION, 0, 0, 0]) + b".", f"<extension {EXTENSION}>"),
    (b"K\x01K\x02\x86Q.", "<persistent (1, 2)>"),
    (by_name(b"__main__", b"Money") + b")\x81}\x8c\x06amountK\x05sb.", "<__main__.Money() amount=5>"),
    (by_name(b"builtins", b"bytearray") + b"C\x02hi\x85R.", None),
    (by_name(b"builtins", b"bytearray") + b")R.", None),
    (by_name(b"builtins", b"KeyError") + b".", "<builtins.KeyError>"),
    (b"K\x01. what follows", None),
]

# Only with buffers from elsewhere can Python read these.
BUFFERS = [b"\x80\x05\x97.", b"\x80\x05\x97\x98."]


class Unpickler(pickle.Unpickler):
    def persistent_load(self, pid):
        return ("persistent", pid)


def by_value(start):
    """What cloudpickle keeps with all that it is made of."""

    class Local:
        size = start

        def twice(self):
            return 2 * self.size

    return [lambda n: n + start, Local, Local(), by_value]


def main():
    cases = []

    def add(name, protocol, data, shown):
        cases.append({"name": name, "protocol": protocol, "pickle": data.hex(), "shown": shown})

    for protocol in range(4, pickle.HIGHEST_PROTOCOL + 1):
        for value in PLAIN:
            for dumps in (pickle.dumps, pickle._dumps):
                add(repr(value)[:60], protocol, dumps(value, protocol), repr(value))
        for value, shown in OBJECTS:
            add(shown, protocol, pickle.dumps(value, protocol), shown)
            add(shown + " in Python", protocol, pickle._dumps(value, protocol), shown)
        add("by value", protocol, cloudpickle.dumps(by_value(7), protocol), None)
    seen = {opcode.name for case in cases for opcode, _, _ in pickletools.genops(bytes.fromhex(case["pickle"]))}
    assert seen <= set(CURRENT.values()), f"only of older protocols: {sorted(seen - set(CURRENT.values()))}"

    for data, shown in HAND:
        data = b"\x80\x04" + data
        value = Unpickler(io.BytesIO(data)).load()
        add(repr(data), None, data, repr(value) if shown is None else shown)
    seen |= {opcode.name for case in cases for opcode, _, _ in pickletools.genops(bytes.fromhex(case["pickle"]))}
    seen |= {opcode.name for data in BUFFERS for opcode, _, _ in pickletools.genops(data)}
    missing = set(CURRENT.values()) - seen
    assert not missing, f"in no pickle: {sorted(missing)}"
    older = [pickle.dumps({"who": "Ada"}, protocol).hex() for protocol in range(4)]
    json.dump({"cases": cases, "opcodes": list(CURRENT.items()), "older": older}, sys.stdout)


main()
