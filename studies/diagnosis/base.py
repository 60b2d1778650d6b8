"""Playbooks: complaints, each with its steps in order; a step asks one question of what is recorded.

The first step that explains the complaint is its cause. What later steps find as well may follow from it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from domain.units import NS_PER_S, Ns
from studies.diagnosis.recorded import Recorded
from studies.diagnosis.spans import Span, total

SHOWN = 3
"""Pieces of evidence of one kind that are told one by one."""


class Verdict(StrEnum):
    """What became of a step's question."""

    FINE = "fine"
    CAUSE = "this is it"
    ALSO = "also"
    """Found behind the cause: a consequence of it, or a second one."""
    UNRECORDED = "not recorded"
    """Nothing was found, and the trader's state is not told for all of the journal."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One thing that the journal shows."""

    text: str
    record: int | None = None
    """Number of the journal's record, counted from 0; None for a sum over all of it."""
    at: Ns | None = None
    """Time of that record."""

    def __str__(self) -> str:
        """One line for people."""
        if self.record is None or self.at is None:
            return self.text
        return f"#{self.record} at {self.at / NS_PER_S:.3f} s: {self.text}"


@dataclass(frozen=True, slots=True)
class Found:
    """The answer of a step: whether it explains the complaint, and what it saw."""

    explains: bool
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """One row of a playbook's table."""

    id: str
    name: str
    question: str
    resolution: tuple[str, ...]
    """What to do about it, a sentence for each case."""
    look: Callable[[Recorded], Found]


@dataclass(frozen=True, slots=True)
class Playbook:
    """One complaint."""

    name: str
    title: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """What one step says of one journal."""

    step: Step
    verdict: Verdict
    evidence: tuple[Evidence, ...]

    @property
    def shown_by(self) -> int | None:
        """The record that its evidence names first."""
        return next((each.record for each in self.evidence if each.record is not None), None)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one playbook says of one journal."""

    playbook: Playbook
    findings: tuple[Finding, ...]

    @property
    def cause(self) -> Finding | None:
        """The step that explains the complaint; None where none does."""
        return next((each for each in self.findings if each.verdict is Verdict.CAUSE), None)

    def with_more(self, seen: Mapping[str, Evidence]) -> "Outcome":
        """The same with one more piece of evidence behind that of its cause, by the id of the step."""
        cause = self.cause
        if cause is None or cause.step.id not in seen:
            return self
        fuller = replace(cause, evidence=(*cause.evidence, seen[cause.step.id]))
        return replace(self, findings=tuple(fuller if each is cause else each for each in self.findings))


def walk(playbook: Playbook, recorded: Recorded) -> Outcome:
    """Ask every step, in order."""
    findings: list[Finding] = []
    has_cause = False
    for step in playbook.steps:
        found = step.look(recorded)
        if found.explains:
            verdict = Verdict.ALSO if has_cause else Verdict.CAUSE
            has_cause = True
        else:
            verdict = Verdict.FINE if recorded.parted is None else Verdict.UNRECORDED
        findings.append(Finding(step, verdict, found.evidence))
    return Outcome(playbook, tuple(findings))


def fine(text: str) -> Found:
    """Nothing here; what was looked at."""
    return Found(explains=False, evidence=(Evidence(text),))


def told(spans: Sequence[Span], what: str) -> tuple[Evidence, ...]:
    """The longest spans one by one, in the order of time, behind their sum; nothing without any."""
    if not spans:
        return ()
    longest = sorted(spans, key=lambda span: span.begin - span.end)[:SHOWN]
    head = Evidence(f"{what}: {total(spans):.1f} s in {len(spans)} {'stretch' if len(spans) == 1 else 'stretches'}")
    return (head, *(_of_span(span) for span in sorted(longest, key=lambda span: span.begin)))


def _of_span(span: Span) -> Evidence:
    return Evidence(f"{span.who}: {span.why}, for {span.seconds:.1f} s", span.first, span.begin)
