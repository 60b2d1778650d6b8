"""`makerlab diagnose`: orders that are not sent, stale quotes, a position that does not match: what of it, and why."""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from domain.errors import ConfigError, JournalError, Problem
from domain.units import NS_PER_S
from makerlab.exit_codes import ExitCode
from makerlab.figures import counted
from makerlab.output import log, print_json, progress, result_console
from runtime.config_check import suggestion
from scenarios.replaying import records_of
from scenarios.result import SCHEMA_VERSION
from studies.diagnosis.base import Evidence, Finding, Outcome, Playbook, Verdict
from studies.diagnosis.diagnosis import PLAYBOOKS, Diagnosis
from studies.diagnosis.diagnosis import diagnose as diagnosis_of

STYLES = {Verdict.FINE: "green", Verdict.CAUSE: "bold red", Verdict.ALSO: "yellow", Verdict.UNRECORDED: "dim"}


def diagnose(
    journal: Path,
    /,
    *,
    playbook: str | None = None,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Ask a journal why orders were not sent, why quotes were stale, why the position did not match.

    Each playbook asks its steps in order and names the first that explains the complaint, with the records of the
    journal that show it and what to do. Exit code 0: nothing is wrong; 1: a step is named; 6: none is, and the trader
    of this makerlab decides otherwise than the journal says, so that not everything could be asked.

    Parameters
    ----------
    journal
        A journal that a run has written (runs/SCENARIO-SEED/journal.mlj).
    playbook
        Only this one: orders, stale or position.
    as_json
        Print one JSON document.
    """
    chosen = _chosen(playbook, journal)
    with progress(f"diagnose {journal}") as tick:
        found = diagnosis_of(journal, chosen, tick)
    if found.end.torn:
        log(f"{journal}: {found.end}; what is before is diagnosed")
    if found.recorded.parted is not None:
        log(f"{journal}: the state of the trader is not told {found.recorded.parted}")
    if as_json:
        print_json(_document(journal, found))
    else:
        _print(result_console(), journal, found)
    if found.names_something:
        return ExitCode.FAILED
    return ExitCode.OK if found.recorded.parted is None else ExitCode.REPLAY_DIFFERS


def _chosen(name: str | None, journal: Path) -> tuple[Playbook, ...]:
    if name is None:
        return PLAYBOOKS
    chosen = tuple(playbook for playbook in PLAYBOOKS if playbook.name == name)
    if not chosen:
        names = [playbook.name for playbook in PLAYBOOKS]
        near = suggestion(name, names) or f" ({', '.join(names)})"
        problems = [Problem("--playbook", repr(name), f"a playbook{near}")]
        try:
            with records_of(journal):
                pass
        except ConfigError as error:
            problems = [*error.problems, *problems]
        except JournalError:
            pass  # there is a file; what is wrong in it is for a call that reads it
        raise ConfigError(problems)
    return chosen


# --- for people ---------------------------------------------------------------------------------


def _print(console: Console, journal: Path, found: Diagnosis) -> None:
    recorded = found.recorded
    lives, records = (
        ("1 life" if recorded.lives == 1 else f"{recorded.lives} lives"),
        counted(recorded.records, "record"),
    )
    console.print(f"{journal}: {records} of {lives}, to {recorded.end / NS_PER_S:.3f} s", markup=False, soft_wrap=True)
    for outcome in found.outcomes:
        console.print()
        _print_outcome(console, outcome)


def _print_outcome(console: Console, outcome: Outcome) -> None:
    cause = outcome.cause
    head = Text(f"{outcome.playbook.title}: ", style="bold")
    if cause is None:
        is_told = all(finding.verdict is Verdict.FINE for finding in outcome.findings)
        head.append("nothing wrong" if is_told else "nothing found in what is recorded", style="green")
        console.print(head)
    else:
        console.print(head.append(f"{cause.step.id} {cause.step.name}", style="bold red"))
        for evidence in cause.evidence:
            console.print(Text(f"  {evidence}"), soft_wrap=True)
        for sentence in cause.step.resolution:
            console.print(Text(f"  -> {sentence}"), soft_wrap=True)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_header=False)
    table.add_column("step", no_wrap=True)
    table.add_column("name", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    table.add_column("evidence", overflow="fold")
    for finding in outcome.findings:
        table.add_row(finding.step.id, finding.step.name, _verdict(finding), Text(_seen(finding)))
    console.print(table)


def _verdict(finding: Finding) -> Text:
    return Text(finding.verdict, style=STYLES[finding.verdict])


def _seen(finding: Finding) -> str:
    """What a step saw, in a line; of the cause all of it is told above."""
    return "" if finding.verdict is Verdict.CAUSE else str(finding.evidence[0])


# --- for programs -------------------------------------------------------------------------------


def _document(journal: Path, found: Diagnosis) -> dict[str, Any]:
    recorded, end = found.recorded, found.end
    return {
        "schema_version": SCHEMA_VERSION,
        "journal": {
            "path": str(journal),
            "records": recorded.records,
            "lives": recorded.lives,
            "events": recorded.events,
            "decisions": recorded.decisions,
            "instruments": recorded.instruments,
            "end_s": recorded.end / NS_PER_S,
            "offset": end.offset,
            "torn_bytes": end.torn,
        },
        "not_recorded": recorded.parted,
        "playbooks": [_outcome(outcome) for outcome in found.outcomes],
    }


def _outcome(outcome: Outcome) -> dict[str, Any]:
    cause = outcome.cause
    return {
        "name": outcome.playbook.name,
        "title": outcome.playbook.title,
        "cause": None if cause is None else cause.step.id,
        "steps": [_finding(finding) for finding in outcome.findings],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    step = finding.step
    return {
        "id": step.id,
        "name": step.name,
        "question": step.question,
        "verdict": finding.verdict,
        "evidence": [_evidence(each) for each in finding.evidence],
        "resolution": list(step.resolution),
    }


def _evidence(evidence: Evidence) -> dict[str, Any]:
    at = evidence.at
    return {"text": evidence.text, "record": evidence.record, "t_s": None if at is None else at / NS_PER_S}
