"""`makerlab story`: everything that a journal knows of one order."""

import sys
from pathlib import Path

from runtime.journal_reader import Reader
from runtime.story import story as story_of
from scenarios.replaying import read_bytes


def story(journal: Path, order: str, /) -> int:
    """Tell the life of one order: its generations, requests, statuses and fills, a line each.

    Parameters
    ----------
    journal
        A journal that a run has written (runs/SCENARIO-SEED/journal.mlj).
    order
        Client id of the order or its first digits, the venue's order id, or the id of one of its trades.
    """
    for line in story_of(Reader(read_bytes(journal)), order):
        sys.stdout.write(line + "\n")
    return 0
