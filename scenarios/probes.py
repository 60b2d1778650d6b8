"""What a trader can be put to when its run is over: names only, `scenarios.examination` knows how each is done."""

from enum import StrEnum


class Probe(StrEnum):
    """One trial; several come in the order in which they stand here, each after the one before is over."""

    STALE_DATA = "stale_data"
    """No market data come any more: quotes must leave, and be back when there are data again."""
    KILL = "kill"
    """The venue takes out an order for lack of margin: the kill switch must latch, and nothing may rest soon after."""
    RESTART = "restart"
    """The process of a trader that is killed dies and comes again: it must know, and place nothing."""
    LEAKS = "leaks"
    """Some seconds after the trader's orderly end nothing of it may be left at the venue, on its way, or in a timer."""


PASSED = "passed"
FAILED = "failed"
NOT_HELD = "not held: "
"""What becomes of a trial; after the last one comes why the trader was in no state for it."""
