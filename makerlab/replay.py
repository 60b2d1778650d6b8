"""`makerlab replay`: does the code of today decide what the journal says?"""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from makerlab.figures import counted
from makerlab.output import print_json, result_console
from scenarios.replaying import replay_file
from scenarios.result import SCHEMA_VERSION


def replay(journal: Path, /, *, as_json: Annotated[bool, Parameter(name="--json", negative="")] = False) -> int:
    """Feed a journal to the trader again and compare every decision.

    Exit code 0: every decision is identical; 6: the first difference is printed. A journal that was cut
    off replays up to its last whole record.

    Parameters
    ----------
    journal
        A journal that a run has written (runs/SCENARIO-SEED/journal.mlj).
    as_json
        Print one JSON document.
    """
    done, end = replay_file(journal)
    if as_json:
        print_json(
            {
                "schema_version": SCHEMA_VERSION,
                "identical": True,
                "lives": done.lives,
                "events": done.events,
                "decisions": done.decisions,
                "commands": done.commands,
                "failures": done.failures,
                "undecided": done.undecided,
                "journal": {"records": end.records, "offset": end.offset, "torn_bytes": end.torn},
            }
        )
        return 0
    console = result_console()
    decisions, commands = counted(done.decisions, "decision"), counted(done.commands, "command")
    console.print(f"identical: {decisions} with {commands} on {counted(done.events, 'event')}")
    for failure in done.failures:
        console.print(f"the core failed as recorded: {failure}", markup=False)
    if done.undecided:
        console.print(f"without a recorded decision at the end: {counted(done.undecided, 'event')}")
    console.print(f"journal {end}", markup=False)
    return 0
