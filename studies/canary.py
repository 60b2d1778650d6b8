"""The canary of a search: a world with a bug planted in the trader, which the search has to report.

A search that reports nothing has either found nothing or cannot see. This tells the two apart: the world goes the whole
way of any other one, from its drawing to what is written of it.
"""

from scenarios.drawing import SHORTEST_S, WARM_UP_S, draw
from scenarios.failure import Failure
from scenarios.swarm import Seen, look_at
from studies.sabotage import installed
from studies.sabotages.fills import NO_DEDUPLICATION

SEED = 1
"""Whose world it is."""
RULES = frozenset(("S1", "S2", "S3", "S5"))
"""Rules of which one must be broken, and be the first that is: the planted bug books fills twice."""


def sing() -> tuple[Seen, Failure | None]:
    """Look at the canary's world: some time of it is full of fills that are told twice."""
    drawn = draw(SEED, SHORTEST_S)
    told_twice = {"kind": "duplicate", "at_s": WARM_UP_S, "duration_s": 30.0, "share": 1.0}
    tree = {**drawn.tree, "extends": "eth-volatile", "faults": [told_twice]}
    with installed(NO_DEDUPLICATION):
        return look_at(tree, SEED, drawn)


def is_heard(seen: Seen) -> bool:
    """Whether what was planted was reported for what it is."""
    return bool(seen.failed) and seen.failed[0].name in RULES
