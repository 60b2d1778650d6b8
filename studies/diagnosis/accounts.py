"""What the venue stated of our positions and orders against what we believed, and whether our own books agree."""

from dataclasses import dataclass

from domain.events import AnyEvent, PositionEntry, PositionsReport, PositionsReported, Replied
from domain.units import InstrumentId, Ns, Pos
from orchestrator.core import Orchestrator
from orchestrator.desk.desk import Desk
from orchestrator.desk.fill_tracker import ADVERSE_HORIZON, HORIZONS, FillQuality
from orchestrator.sync.auditor import AuditResult
from orchestrator.sync.statements import differing
from studies.diagnosis.spans import Spans


@dataclass(frozen=True, slots=True)
class Quality:
    """What the fills of one instrument are said to be worth."""

    instrument: str
    old: int
    """Fills after which a second has passed: what the mid did then should be known."""
    known: int
    """Those of them of which it is."""
    figures: FillQuality


@dataclass(frozen=True, slots=True)
class Kept:
    """What the tracker of fills has kept of one life, beside what was booked."""

    record: int
    at: Ns
    applied: int
    """Fills that moved a position."""
    tracked: int
    """Those that the trackers heard of."""
    window: int
    """How many a tracker keeps."""
    qualities: tuple[Quality, ...]
    errors: dict[str, int]
    """Failures of what only looks on, by the name of the hook."""


class Accounts:
    """Statements, audits, trackers."""

    def __init__(self) -> None:
        """Nothing was read."""
        self.statements = 0
        """Positions that the venue stated."""
        self.mismatches = Spans()
        """Of an instrument: that its position is not the stated one."""
        self.audits: list[tuple[int, AuditResult]] = []
        """All of them, with their record."""
        self.restated: list[tuple[int, Ns, str, Pos]] = []
        """Where the venue's position replaced ours: record, time, instrument, lots that no fill explains."""
        self.kept: list[Kept] = []
        """Of each life, at its last look."""
        self._stated: tuple[tuple[PositionEntry, ...], Ns] | None = None
        self._restatements: dict[InstrumentId, int] = {}
        self._audit: AuditResult | None = None
        self._latest: tuple[int, Ns, Orchestrator] | None = None

    def begin(self) -> None:
        """A new life compares anew."""
        self._stated = self._audit = None
        self._restatements.clear()

    def take(self, record: int, now: Ns, event: AnyEvent, core: Orchestrator | None) -> None:
        """Look for statements."""
        del record, now
        stated: PositionsReported | PositionsReport | None = None
        if isinstance(event, PositionsReported):
            stated, as_of = event, event.exch_time
        elif isinstance(event, Replied):
            stated = next((each for each in event.results if isinstance(each, PositionsReport)), None)
            as_of = Ns(-1) if stated is None else stated.as_of
        if stated is None:
            return
        self.statements += 1
        is_newer = self._stated is None or as_of > self._stated[1]
        if core is not None and core.start_up.is_done and is_newer:
            self._stated = (stated.positions, as_of)

    def look(self, record: int, now: Ns, core: Orchestrator) -> None:
        """After a decision."""
        self._compare(record, now, core)
        auditor = core.sync.auditor
        if auditor is not None and auditor.last is not None and auditor.last is not self._audit:
            self._audit = auditor.last
            self.audits.append((record, auditor.last))
        self._latest = (record, now, core)

    def close(self, now: Ns) -> None:
        """Nothing more is told of this life."""
        self.mismatches.close(now)
        if self._latest is not None:
            self.kept.append(_kept(*self._latest))
            self._latest = None

    def _compare(self, record: int, now: Ns, core: Orchestrator) -> None:
        for name, desk in core.desks.items():
            inventory = desk.inventory
            if inventory.restatements > self._restatements.get(name, 0):
                self._restatements[name] = inventory.restatements
                self.restated.append((record, now, name, inventory.adjusted_lots))
        if self._stated is None:
            return
        found = differing(core.desks, core.fills, *self._stated)
        for name, desk in core.desks.items():
            wrong = None if not found or name not in found else _difference(desk, found[name])
            self.mismatches.note(name, wrong, record, now)


def _difference(desk: Desk, theirs: Pos) -> str:
    return f"ours less the venue's is {desk.instrument.format_size(Pos(desk.inventory.position - theirs))}"


def _kept(record: int, now: Ns, core: Orchestrator) -> Kept:
    desks = core.desks.values()
    return Kept(
        record,
        now,
        core.fills.applied,
        sum(len(desk.fill_tracker.records) for desk in desks),
        core.config.desk.fill_tracker.window,
        tuple(_quality(desk) for desk in desks),
        dict(core.analytics.errors),
    )


def _quality(desk: Desk) -> Quality:
    tracker, time = desk.fill_tracker, desk.market.time
    old = [record for record in tracker.records if record.time + HORIZONS[ADVERSE_HORIZON] <= time]
    known = sum(record.mids_after[ADVERSE_HORIZON] is not None for record in old)
    return Quality(desk.instrument.id, len(old), known, tracker.quality(desk.tracker.counters.placed))
