"""`makerlab scenarios`: what can be run without writing a file."""

from collections.abc import Iterable
from typing import Annotated

from cyclopts import Parameter
from rich import box
from rich.table import Table

from makerlab.output import print_json, result_console
from scenarios.incidents import INCIDENTS, NOT_REPEATED
from scenarios.loader import library, load
from scenarios.result import SCHEMA_VERSION
from scenarios.schema import TO_THE_END_S, Scenario


def list_scenarios(
    *,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
    incidents: Annotated[bool, Parameter(name="--incidents", negative="")] = False,
) -> int:
    """List the built-in scenarios.

    Parameters
    ----------
    incidents
        List what has gone wrong in real systems instead, and which scenarios repeat it.
    as_json
        Print one JSON document instead of a table.
    """
    scenarios = [load(name) for name in library()]
    if incidents:
        return _list_incidents(covering(scenarios), as_json=as_json)
    if as_json:
        rows = [
            {
                "name": s.name,
                "description": s.description,
                "duration_s": s.duration_s if s.duration_s < TO_THE_END_S else None,
                "recording": s.market.recording,
                "market": s.market.title,
                "faults": [fault.kind for fault in s.faults],
                "covers": list(s.covers),
                "soak": s.soak,
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


def covering(scenarios: Iterable[Scenario]) -> dict[str, list[str]]:
    """Scenarios by the incidents that they repeat, every incident in the order of the list."""
    found: dict[str, list[str]] = {name: [] for name in INCIDENTS}
    for scenario in scenarios:
        for name in scenario.covers:
            found[name].append(scenario.name)
    return found


def _list_incidents(by_scenarios: dict[str, list[str]], *, as_json: bool) -> int:
    if as_json:
        rows = [
            {"id": name, **incident._asdict(), "scenarios": by_scenarios[name], "not_repeated": NOT_REPEATED.get(name)}
            for name, incident in INCIDENTS.items()
        ]
        print_json({"schema_version": SCHEMA_VERSION, "incidents": rows})
        return 0
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("incident", no_wrap=True, style="bold")
    table.add_column("what happened", overflow="fold", ratio=3)
    table.add_column("scenarios", overflow="fold", ratio=2)
    for name, incident in INCIDENTS.items():
        repeated = ", ".join(by_scenarios[name]) or f"none: {NOT_REPEATED.get(name, 'not yet')}"
        table.add_row(name, f"{incident.what} ({incident.source})", repeated)
    result_console().print(table)
    return 0


def simulated(scenario: Scenario) -> str:
    """How much time a run simulates; of a recorded scenario the duration is only an upper bound."""
    return f"{scenario.duration_s:g} s" if scenario.market.recording is None else "to the end of the record"
