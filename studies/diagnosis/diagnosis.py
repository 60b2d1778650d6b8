"""All playbooks, and their walk over the journal of a run."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from domain.errors import ConfigError, JournalError
from orchestrator.core import Orchestrator
from runtime.journal_format import Header, Record
from runtime.journal_reader import End, Reader
from runtime.version import makerlab_version
from scenarios.replaying import core_of, records_of
from studies.diagnosis.base import Evidence, Outcome, Playbook, walk
from studies.diagnosis.figures import figures_at
from studies.diagnosis.orders import ORDERS
from studies.diagnosis.position import POSITION
from studies.diagnosis.recorded import Recorded, read
from studies.diagnosis.stale import STALE

PLAYBOOKS: tuple[Playbook, ...] = (ORDERS, STALE, POSITION)
OFTEN = 1_000
"""Records between two words of how far the reading is."""


class Tick(Protocol):
    """What hears how far the reading is."""

    def __call__(self, done: float, /) -> None:
        """Say which fraction is done."""
        ...


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What the playbooks say of one journal."""

    recorded: Recorded
    end: End
    """Where its readable part ends."""
    outcomes: tuple[Outcome, ...]

    @property
    def names_something(self) -> bool:
        """Whether a step of any playbook is a cause."""
        return any(outcome.cause is not None for outcome in self.outcomes)


def diagnose(path: Path, playbooks: Sequence[Playbook] = PLAYBOOKS, tick: Tick = lambda _: None) -> Diagnosis:
    """Read a journal once and ask every step.

    ConfigError where there is no file, JournalError for what is no journal, or one of a trader that this makerlab does
    not have.
    """
    with records_of(path) as records:
        return ask(records, playbooks, tick)


def ask(records: Reader, playbooks: Sequence[Playbook] = PLAYBOOKS, tick: Tick = lambda _: None) -> Diagnosis:
    """The same for records that are there."""
    recorded = read(_telling(records, tick), _core_of)
    end = records.end
    outcomes = tuple(walk(playbook, recorded) for playbook in playbooks)
    return Diagnosis(recorded, end, _with_figures(outcomes, recorded, records))


def _with_figures(outcomes: tuple[Outcome, ...], recorded: Recorded, records: Iterable[Record]) -> tuple[Outcome, ...]:
    """Behind the evidence of each cause the trader's numbers of that moment, where this trader is the recorded one."""
    shown = {
        cause.step.id: record
        for outcome in outcomes
        if (cause := outcome.cause) is not None and (record := cause.shown_by) is not None
    }
    told = {step: at for step, at in shown.items() if recorded.parted_at is None or at < recorded.parted_at}
    figures = figures_at(records, _core_of, told)
    seen = {step: Evidence(text, record, at) for step, (record, at, text) in figures.items()}
    return tuple(outcome.with_more(seen) for outcome in outcomes)


def _telling(records: Reader, tick: Tick) -> Iterator[Record]:
    for number, record in enumerate(records):
        if number % OFTEN == 0:
            end = records.end
            tick(end.offset / (end.offset + end.torn))
        yield record


def _core_of(header: Header) -> Orchestrator:
    try:
        return core_of(header)
    except ConfigError as error:
        wrong = "; ".join(str(problem) for problem in error.problems)
        raise JournalError(
            f"its trader is one of makerlab {header.makerlab or 'unknown'}, this is {makerlab_version()}: {wrong}"
        ) from error
