"""`makerlab scenarios`: what can be run without writing a file."""

from typing import Annotated

from cyclopts import Parameter
from rich import box
from rich.table import Table

from makerlab.output import print_json, result_console
from scenarios.loader import library, load
from scenarios.result import SCHEMA_VERSION
from scenarios.schema import TO_THE_END_S, Scenario


def list_scenarios(*, as_json: Annotated[bool, Parameter(name="--json", negative="")] = False) -> int:
    """List the built-in scenarios.

    Parameters
    ----------
    as_json
        Print one JSON document instead of a table.
    """
    scenarios = [load(name) for name in library()]
    if as_json:
        rows = [
            {
                "name": s.name,
                "description": s.description,
                "duration_s": s.duration_s if s.duration_s < TO_THE_END_S else None,
                "recording": s.market.recording,
                "market": s.market.title,
                "faults": [fault.kind for fault in s.faults],
            }
            for s in scenarios
        ]
        print_json({"schema_version": SCHEMA_VERSION, "scenarios": rows})
        return 0
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("scenario", no_wrap=True, style="bold")
    table.add_column("market", no_wrap=True)
    table.add_column("simulated", justify="right", no_wrap=True)
    table.add_column("what happens", overflow="fold")
    for s in scenarios:
        table.add_row(s.name, s.market.title, simulated(s), s.description)
    result_console().print(table)
    return 0


def simulated(scenario: Scenario) -> str:
    """How much time a run simulates; of a recorded scenario the duration is only an upper bound."""
    return f"{scenario.duration_s:g} s" if scenario.market.recording is None else "to the end of the record"
