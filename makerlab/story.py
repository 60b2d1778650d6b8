"""`makerlab story`: everything that a journal knows of one order, or which orders it knows."""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from domain.errors import ConfigError, Problem
from makerlab.output import log
from runtime.journal_reader import Reader
from runtime.order_list import order_lines
from runtime.story import story as story_of
from scenarios.replaying import read_bytes


def story(
    journal: Path,
    order: str | None = None,
    /,
    *,
    fills: Annotated[bool, Parameter(name="--fills", negative="")] = False,
) -> int:
    """Tell the life of one order, or list the orders of a journal.

    With an order: its generations, requests, statuses and fills, a line each. Without one: each order of
    the journal in a line, with the ids by which its story can be asked for.

    Parameters
    ----------
    journal
        A journal that a run has written (runs/SCENARIO-SEED/journal.mlj).
    order
        The venue's order id, the id of one of its trades, or its client id or the first digits of that.
    fills
        List only orders that traded.
    """
    if order is not None and fills:
        raise ConfigError([Problem("--fills", f"the order {order!r} as well", "one of them")])
    records = Reader(read_bytes(journal))
    lines = story_of(records, order) if order is not None else order_lines(records, with_fills=fills)
    for line in lines:
        sys.stdout.write(line + "\n")
    if order is None:
        log(f"Next: makerlab story {journal} OID tells the life of one order" if lines else "no orders")
    return 0
