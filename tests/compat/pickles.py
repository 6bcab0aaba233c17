"""Pickles of every protocol, and pickles put together by hand so that every opcode is there.

Prints JSON: of each case its name, protocol, bytes in hex, and the text that it has to be shown as. Fails if an opcode is
in none of them.
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


class Money:
    def __init__(self, amount=None, currency="EUR"):
        self.amount, self.currency = amount, currency


class Outer:
    class Inner:
        pass


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

# A value, what it is shown as, and the first protocol that shows it so.
OBJECTS = [
    ([SHARED, SHARED], repr([SHARED, SHARED]), 0),
    (CIRCLE, "[1, [...]]", 0),
    (RING, "{'self': {...}}", 0),
    (TUPLE_CIRCLE, "([(...)],)", 0),
    (ITSELF, "<__main__.Money() amount=<...>, currency='EUR'>", 0),
    (Money(9.5), "<__main__.Money() amount=9.5, currency='EUR'>", 0),
    (Money, "<__main__.Money>", 0),
    (Outer.Inner, "<__main__.Outer.Inner>", 0),
    (Outer.Inner(), "<__main__.Outer.Inner()>", 0),
    (print, "<builtins.print>", 0),
    (len, "<builtins.len>", 0),
    (Color.RED, "<__main__.Color(1)>", 0),
    (Point(1, 2), "<__main__.Point() x=1, y=2>", 0),
    (Items([1, 2]), "<__main__.Items() [1, 2]>", 0),
    (Pairs(a=1), "<__main__.Pairs() {'a': 1}>", 0),
    (Number(7), "<__main__.Number(7)>", 0),
    (Broken("no", 1), "<__main__.Broken('no', 1)>", 0),
    (ValueError("bad"), "<builtins.ValueError('bad')>", 0),
    (Named(1, "x"), "<__main__.Named(1, 'x')>", 2),
    (Keywords(1, second=2), "<__main__.Keywords(1, **{'second': 2})>", 4),
    (decimal.Decimal("1.20"), "<decimal.Decimal('1.20')>", 0),
    (fractions.Fraction(1, 3), "<fractions.Fraction(1, 3)>", 0),
    (ID, f"<uuid.UUID() int={2**100}>", 0),
    (pathlib.PurePosixPath("a"), "<pathlib.PurePosixPath('a')>", 0),
    (collections.OrderedDict(a=1), "<collections.OrderedDict() {'a': 1}>", 0),
    (collections.defaultdict(list, {"a": [1]}), "<collections.defaultdict(<builtins.list>) {'a': [1]}>", 0),
    (collections.Counter("aab"), "<collections.Counter({'a': 2, 'b': 1})>", 0),
    (collections.deque([1, 2], 5), "<collections.deque((), 5) [1, 2]>", 0),
    (complex(1, -2), "<builtins.complex(1.0, -2.0)>", 0),
    (range(3), "<builtins.range(0, 3, 1)>", 0),
    (functools.partial(int, "5"), "<functools.partial(<builtins.int>) state=(<builtins.int>, ('5',), {}, None)>", 0),
    (datetime.date(2026, 11, 2), "datetime.date(2026, 11, 2)", 0),
    (datetime.time(1, 2, 3, 4), "datetime.time(1, 2, 3, 4)", 0),
    (datetime.datetime(2026, 11, 22, 9, 5), "datetime.datetime(2026, 11, 22, 9, 5)", 0),
    (
        datetime.datetime(2026, 11, 22, 9, 5, 1, 999999, UTC),
        "datetime.datetime(2026, 11, 22, 9, 5, 1, 999999, tzinfo=<datetime.timezone(<datetime.timedelta(0, 0, 0)>)>)",
        0,
    ),
    (datetime.timedelta(1, 2, 3), "<datetime.timedelta(1, 2, 3)>", 0),
]
SLOTS = Slots()
SLOTS.a = 1
OBJECTS.append((SLOTS, "<__main__.Slots() a=1>", 2))

EXTENSION = 240
copyreg.add_extension("__main__", "Registered", EXTENSION)

# Bytes, and what they are shown as; none where that is Python's own repr.
HAND = [
    (b"I01\n.", None),
    (b"I00\n.", None),
    (b"I-5\n.", None),
    (b"I9223372036854775808\n.", None),
    (b"L12L\n.", None),
    (b"L-99999999999999999999L\n.", None),
    (b"\x8b\x01\x00\x00\x00\x85.", None),
    (b"\x8b\x00\x00\x00\x00.", None),
    (b"F1.5\n.", None),
    (b"F-inf\n.", None),
    (b"S'a\\x41\\n\\'\\101\\\\'\n.", None),
    (b'S"it\'s"\n.', None),
    (b"T\x03\x00\x00\x00abc.", None),
    (b"U\x03abc.", None),
    (b"U\x01\xff.", "b'\\xff'"),
    (b"Vna\xefve \\u6f22 \\U0001f600 \\\\u\n.", None),
    (b"\x8d\x03" + bytes(7) + b"abc.", None),
    (b"\x8e\x03" + bytes(7) + b"abc.", None),
    (b"\x96\x03" + bytes(7) + b"abc.", None),
    (b"X\x03\x00\x00\x00\xed\xa0\x80.", "'\ufffd'"),
    (b"(I1\nI2\nl.", None),
    (b"(I1\nI2\nd.", None),
    (b"(I1\nI2\nt.", None),
    (b"(I1\n\x91.", None),
    (b"]I1\na.", None),
    (b"}I1\nI2\ns.", None),
    (b"}(I1\nI2\nI3\nI4\nu.", None),
    (b"\x8f(I1\n\x90.", None),
    (b"I1\nI2\n0.", None),
    (b"I1\n(0.", None),
    (b"I1\n(I2\nI3\n1.", None),
    (b"I1\n2\x86.", None),
    (b"I7\np5\n0g5\n.", None),
    (b"I7\nq\x050h\x05.", None),
    (b"I7\nr\xff\xff\x00\x000j\xff\xff\x00\x00.", None),
    (b"I7\n\x940h\x00.", None),
    (b"\x82" + bytes([EXTENSION]) + b".", f"<extension {EXTENSION}>"),
    (b"\x83" + bytes([EXTENSION, 0]) + b".", f"<extension {EXTENSION}>"),
    (b"\x84" + bytes([EXTENSION, 0, 0, 0]) + b".", f"<extension {EXTENSION}>"),
    (b"Pabc\n.", "<persistent 'abc'>"),
    (b"(I1\nI2\ntQ.", "<persistent (1, 2)>"),
    (b"(I1\ni__main__\nMoney\n.", "<__main__.Money(1)>"),
    (b"(c__main__\nMoney\nI1\no.", "<__main__.Money(1)>"),
    (b"(c__main__\nMoney\no}U\x06amountI5\nsb.", "<__main__.Money() amount=5>"),
    (b"c__builtin__\nunicode\n.", "<builtins.str>"),
    (b"\x80\x02cexceptions\nKeyError\n.", "<builtins.KeyError>"),
    (b"\x80\x03c__main__\nMoney\n.", "<__main__.Money>"),
    (b"I1\n. what follows", None),
]

# Only with buffers from elsewhere can Python read these.
BUFFERS = [b"\x80\x05\x97.", b"\x80\x05\x97\x98."]


class Unpickler(pickle.Unpickler):
    def persistent_load(self, pid):
        return ("persistent", pid)


def main():
    cases = []

    def add(name, protocol, data, shown):
        cases.append({"name": name, "protocol": protocol, "pickle": data.hex(), "shown": shown})

    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        for value in PLAIN:
            for dumps in (pickle.dumps, pickle._dumps):
                add(repr(value)[:60], protocol, dumps(value, protocol), repr(value))
        for value, shown, first in OBJECTS:
            if protocol >= first:
                add(shown, protocol, pickle.dumps(value, protocol), shown)
                add(shown + " in Python", protocol, pickle._dumps(value, protocol), shown)
    for data, shown in HAND:
        value = Unpickler(io.BytesIO(data), errors="replace").load()
        add(repr(data), None, data, repr(value) if shown is None else shown)

    seen = {opcode.name for case in cases for opcode, _, _ in pickletools.genops(bytes.fromhex(case["pickle"]))}
    seen |= {opcode.name for data in BUFFERS for opcode, _, _ in pickletools.genops(data)}
    missing = {opcode.name for opcode in pickletools.opcodes} - seen
    assert not missing, f"in no pickle: {sorted(missing)}"
    json.dump({"cases": cases, "opcodes": [[ord(o.code), o.name] for o in pickletools.opcodes]}, sys.stdout)


main()
