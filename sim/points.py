"""Where a process can die so that it makes a difference: between any two things that somebody else could notice.

Whatever else it does between two of them stands in its memory alone, and dies with it.
"""

from enum import StrEnum


class Point(StrEnum):
    """What a process has just done, or is about to do."""

    TOLD = "told"
    """An event is at its door: delivered, and neither taken in nor written down."""
    WRITTEN = "written"
    """It has added a record to its journal: an event before it takes it in, a decision before it is carried out."""
    SYNCED = "synced"
    """It has made its journal safe; what it decided has not left."""
    SENDING = "sending"
    """A command is about to leave; those before it have left."""


class Died(BaseException):
    """Raised through a process that was killed in the middle of something; whoever runs it catches it."""
