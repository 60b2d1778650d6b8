"""`makerlab story`: everything that a journal knows of one order, or which orders it knows."""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from domain.errors import ConfigError, Problem
from domain.orders import OrderState, state_named
from makerlab.output import log
from runtime.order_list import order_lines
from runtime.story import story as story_of
from scenarios.replaying import records_of


def story(
    journal: Path,
    order: str | None = None,
    /,
    *,
    fills: Annotated[bool, Parameter(name="--fills", negative="")] = False,
    state: str | None = None,
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
    state
        List only orders that the journal leaves in this state, by any of its names: open or Resting,
        partially_filled or PartialFill, cancelled, ...
    """
    if order is not None and (fills or state is not None):
        option = "--fills" if fills else "--state"
        raise ConfigError([Problem(option, f"the order {order!r} as well", "one of them")])
    wanted = None if state is None else state_named(state)
    if state is not None and wanted is None:
        raise ConfigError([Problem("--state", repr(state), "one of " + ", ".join(OrderState))])
    with records_of(journal) as records:
        lines = story_of(records, order) if order is not None else order_lines(records, with_fills=fills, state=wanted)
    if records.end.torn:
        log(f"{journal}: {records.end}; what is before is told")
    for line in lines:
        sys.stdout.write(line + "\n")
    if order is None:
        log(f"Next: makerlab story {journal} OID tells the life of one order" if lines else "no orders")
    return 0
