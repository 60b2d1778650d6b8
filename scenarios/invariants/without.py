"""Rules of the specification that have no counterpart here, whole or in part, with the reason."""

from typing import NamedTuple


class Without(NamedTuple):
    """A rule, or a part of one, that no run checks."""

    id: str
    what: str
    """The part; the whole rule where the words say so."""
    why: str
    """Why nothing of it can be compared here, or where it is looked at instead."""


WITHOUT: tuple[Without, ...] = (
    Without(
        "S12",
        "one writer for each signer",
        "a run has one process; that a journal takes one writer is tested in `tests/runtime`",
    ),
    Without(
        "S15",
        "value and margin of all instruments together",
        "the hard limit of each instrument is what is judged; margin is the venue's own check at each "
        "placement and match, and its refusals are counted",
    ),
    Without("S19", "position mode", "the venue has one: positions of both sides are netted"),
    Without("S19", "read back within a time", "terms count from the latest answer of this life, however old it is"),
    Without(
        "S20",
        "of clock, reference price and reconciliation",
        "there is one clock and one source of prices; quotes wait for a reconciliation under the name `resync`",
    ),
    Without(
        "S20",
        "old data with fresh stamps",
        "what is restamped looks new to everybody; S15 and S18 hold meanwhile",
    ),
    Without(
        "S21",
        "absent key and absent surface",
        "reports of the port are complete or do not come; what a missing one leaves behind is compared by S1 and L2",
    ),
    Without(
        "S24",
        "connections of other processes",
        "there is one process; what others use of an address is a fault, and is excused",
    ),
    Without(
        "S27",
        "memory of the process, and the time of a step",
        "both are of the machine, not of the run: `benchmarks/` measures them",
    ),
    Without(
        "S27",
        "what is dropped where a queue is full",
        "the one queue is the inbox: newer books replace unseen ones, and a full one ends the life by name (S28)",
    ),
    Without(
        "S28",
        "no bytes kill the process",
        "there are no bytes before a wire codec; arbitrary events are tested by themselves",
    ),
    Without("S29", "the whole rule: no secret in any sink", "nothing here holds a key"),
    Without(
        "S30",
        "a crash at every event",
        "not inside one run: `tests/scenarios/test_crashes.py` crashes runs at the worst of them",
    ),
    Without(
        "L5",
        "where nobody trades",
        "taking needs somebody to take from: time without both sides of a book does not count",
    ),
    Without(
        "L8",
        "each task by itself",
        "the trader is one state machine without tasks; its process and its safety net are looked at",
    ),
    Without(
        "E10",
        "the whole rule: one table of semantics",
        "`tests/sim/venue` and the contract of the adapters, `tests/adapter_contract`, ask for it",
    ),
    Without(
        "E11",
        "the whole rule: the model against a naive twin",
        "tests of the book and the venue against naive ones, not a run",
    ),
)
"""By id. Everything else of the specification is among the rules."""
