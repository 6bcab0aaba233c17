"""Programs for durable-python."""

import datetime
import decimal
import threading

import durable
from durable import PauseForEventException


class Money:
    def __init__(self, amount, currency):
        self.amount, self.currency = amount, currency


async def greet(name: str):
    print("waiting for permission to greet")
    raise PauseForEventException("allow")
    return f"hello {name}"


async def values(order):
    count = len(order)
    price = Money(9.5, "EUR")
    note = "naïve 漢字 \x1b[31m"
    stamp = (1, 2.5, None, True, b"\x00\xff", {"a"}, 2**70)
    when = datetime.datetime(2026, 11, 22, 9, 5)
    exact = decimal.Decimal("1.20")
    kind = Money
    double = lambda x: x * count
    lock = threading.Lock()
    raise PauseForEventException("approve")
    total = count + 1
    raise durable.PauseForEventException(event="it's \"shipped\" ☺")
    return {"count": count, "total": total}


async def inner(n):
    doubled = n * 2
    raise PauseForEventException(f"inner-{doubled}")
    return doubled


async def middle(n):
    result = await inner(n)
    return result


async def outer(n):
    more = n + 1
    b = await middle(more)
    return b


async def loop(items):
    done = []
    for item in items:
        raise PauseForEventException(item)
        done.append(item)
    return done


async def branch(n):
    """A docstring
    if checkpoint < 1:
        checkpoint = 1
        raise PauseForEventException('never')
    """
    m = n
    if m > 5:
        raise PauseForEventException("big")
    else:
        raise PauseForEventException("small")
    return m


async def fails(n):
    raise PauseForEventException("go")
    y = 1 / 0
    return y


def ask(question):
    raise PauseForEventException(question)


async def indirect(n):
    answer = ask("deep")
    return answer


async def pair(n):
    m = n + 1
    return n, m


async def nothing(n):
    m = n
    return 0


def by_value():
    """A function, a class and an object that are in no module that another process could import."""
    factor = 3

    def triple(x, by=factor):
        return x * factor

    class Local:
        def __init__(self):
            self.size = 7

    Local.__module__ = triple.__module__ = "elsewhere"
    return triple, Local, Local()


async def captured(n):
    parts = by_value()
    raise PauseForEventException("captured")
    return parts
