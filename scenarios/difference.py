"""Where two journals of what should have been one run part: the record, and what it was in each."""

from itertools import zip_longest

from domain.units import NS_PER_S
from runtime.journal_format import Decided, Opened, Record, Rescued, Took
from runtime.journal_reader import Reader

SHOWN = 300
"""Characters of a record."""


def first_difference(one: bytes, other: bytes) -> str | None:
    """The first record in which two journals differ, as text; None where all are the same.

    Headers are not compared: they tell of paths and versions.
    """
    events = 0
    for index, (left, right) in enumerate(zip_longest(Reader(one), Reader(other))):
        if isinstance(left, Opened) and isinstance(right, Opened):
            continue
        if left != right:
            return f"record {index} (after {events} events): {_told(left)} | {_told(right)}"
        events += isinstance(left, Took)
    return None


def _told(record: Record | None) -> str:
    match record:
        case None:
            return "nothing: it ends"
        case Opened(header):
            return f"life {header.life} begins"
        case Took(now, event):
            text = f"{now / NS_PER_S:.9f} s event {event}"
        case Decided(now, commands) | Rescued(now, commands):
            text = f"{now / NS_PER_S:.9f} s commands {list(commands)}"
    return text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."
