"""What came out of a run: figures, expectations, violations; one JSON document for machines.

Everything but ``wall`` and ``files`` is a function of commit, scenario and seed: two runs of the same
give the same document. ``wall`` holds what was measured with a clock of this machine.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from scenarios.trace import Trace

SCHEMA_VERSION = 1
"""Of the result document; it grows without notice, but what is in it keeps its meaning."""

HORIZONS_S = (0.5, 1.0, 2.0, 5.0)
"""Markout horizons (C-16); the second is the one of the P&L split."""
SPLIT_HORIZON_S = 1.0


class Ended(StrEnum):
    """How a run ended."""

    COMPLETED = "completed"
    HALTED = "halted"
    """By the trader's own kill switch."""
    VIOLATED = "violated"
    """Stopped because too many invariants did not hold."""
    FAILED = "failed"
    """Our bug: an exception in the trader; the safety net cancelled what was live."""


@dataclass(slots=True)
class Outcome:
    """One expectation: what was wanted and what was measured."""

    name: str
    """What was measured, without `_min` or `_max`."""
    bound: float | str
    """What was asked for, as text."""
    measured: float | str | None
    """What came out; null where there was nothing to measure, which does not hold."""
    holds: bool
    """Whether the one meets the other."""


@dataclass(slots=True)
class Violation:
    """An invariant that did not hold, with the story of what was involved."""

    name: str
    """Id of the invariant."""
    t_s: float
    """When it was found, in seconds of the run."""
    text: str
    """What was found and what should have been."""
    keys: list[str] = field(default_factory=list)
    """Orders and trades involved, by client id or trade id."""
    story: str = ""
    """What the journal says of them; empty from the sixth violation on."""


@dataclass(slots=True)
class Pnl:
    """Money of the account in USD; total = spread + markout + inventory - fees."""

    total: float = 0.0
    """Change of the account's cash at the venue, plus positions at the mid."""
    spread: float = 0.0
    """Distance of our fills from the mid just before them."""
    markout: float = 0.0
    """Gross: what the mid did to us in the second after each fill."""
    inventory: float = 0.0
    """What the mid did to what we still held after that second."""
    fees: float = 0.0
    """Paid to the venue; negative is a rebate."""


@dataclass(slots=True)
class Markout:
    """Sum over fills in USD at one horizon (C-16)."""

    horizon_s: float
    """Seconds after the fill at which the mid is looked at."""
    gross: float = 0.0
    """Against the mid at the fill."""
    net: float = 0.0
    """Against the price of the fill."""
    adverse_pct: float = 0.0
    """Share of fills whose gross markout is negative."""


@dataclass(slots=True)
class InventoryStats:
    """Position of one instrument."""

    end_size: float = 0.0
    """At the end, in units of the instrument; negative is short."""
    end_usd: float = 0.0
    """The same, valued at the mid."""
    mean_abs_usd: float = 0.0
    """Absolute value at the mid, averaged over the observed time."""
    max_abs_usd: float = 0.0
    """Largest absolute value at the mid."""
    max_of_limit_pct: float = 0.0
    """Largest absolute position as a share of the hard limit."""


@dataclass(slots=True)
class OrderCounts:
    """Actions that we sent, and what the venue refused of them."""

    placed: int = 0
    """New orders, those of modifies not counted."""
    modified: int = 0
    """Modifies: cancel and new order in one."""
    cancelled: int = 0
    """Cancels; that they were sent, not that they worked."""
    rejected: int = 0
    """Placements and modifies that the venue refused."""
    rejected_by_reason: dict[str, int] = field(default_factory=dict)
    """The same by the venue's reason."""
    cancels_refused: int = 0
    """Cancels of orders that were gone already."""


@dataclass(slots=True)
class Quoting:
    """Seconds, measured from the end of the start-up to the begin of the shutdown."""

    startup_s: float = 0.0
    """Until the first quote was allowed; the whole time where none was, and ``observed_s`` is 0."""
    observed_s: float = 0.0
    """From then to the begin of the shutdown: what ``two_sided_pct`` is a share of."""
    fresh_s: float = 0.0
    """Our newest market data is younger than the trader's stale limit."""
    two_sided_s: float = 0.0
    """A bid and an ask of ours rest at the venue."""
    two_sided_pct: float = 0.0
    """Of the observed time."""
    two_sided_of_fresh_pct: float = 0.0
    """Share of the time with fresh market data in which a bid and an ask of ours rest."""
    gated_s: dict[str, float] = field(default_factory=dict)
    """Time in which the trader did not want to quote, by its reason."""


@dataclass(slots=True)
class MarketFigures:
    """The part of the figures that belongs to one instrument."""

    fills: int = 0
    """Matches of our orders at the venue."""
    taker_fills: int = 0
    """Those in which our order took."""
    volume_usd: float = 0.0
    """Price times size of all fills."""
    inventory: InventoryStats = field(default_factory=InventoryStats)
    """What we held in it."""
    quoting: Quoting = field(default_factory=Quoting)
    """How long we quoted in it."""


@dataclass(slots=True)
class FaultFigures:
    """One fault and what it injected."""

    kind: str
    """Its name in scenario files."""
    starts_at_s: float
    """When it began, in seconds of the run."""
    ends_at_s: float
    """When it ended."""
    counts: dict[str, int] = field(default_factory=dict)
    """What it did, in its own words; each fault's entry in the reference says which."""


@dataclass(slots=True)
class Metrics:
    """The figures of a run with a trader."""

    duration_s: float = 0.0
    """Simulated time up to the shutdown: less than planned where a run was halted."""
    blocks: int = 0
    """Blocks that the venue ran."""
    pnl_usd: Pnl = field(default_factory=Pnl)
    """What the account won or lost, and by what."""
    markouts_usd: list[Markout] = field(default_factory=list)
    """Where the mid went after our fills."""
    fills: int = 0
    """Matches of our orders at the venue, in all instruments."""
    taker_fills: int = 0
    """Those in which our order took."""
    volume_usd: float = 0.0
    """Price times size of all fills."""
    orders: OrderCounts = field(default_factory=OrderCounts)
    """What we sent and what was refused."""
    races: int = 0
    """Cancels and modifies that a fill overtook between their sending and their taking effect."""
    race_fills: int = 0
    """Fills in those races; one order may have several."""
    requests: int = 0
    """Messages to the venue: batches of placements, cancels or modifies, and queries."""
    requests_per_minute: float = 0.0
    """The same per simulated minute."""
    actions_per_minute: float = 0.0
    """Placements, cancels, modifies and queries per simulated minute: a request may hold several."""
    feed_losses: int = 0
    """Established connections that were lost between the first quotes and the shutdown."""
    data_gaps: int = 0
    """Stretches in which our market data was stale."""
    longest_data_gap_s: float = 0.0
    """Longest time between two market data of an instrument, of those counted above."""
    requoted_after_s: float | None = None
    """Longest time from a feed coming back until two-sided quotes rest again."""
    fills_recovered: int = 0
    """Fills that we learned of by query or by the snapshot of a new connection, not by their own message."""
    unknown_orders_at_end: int = 0
    """Orders that the trader still believed open, or was unsure of, at the end."""
    resting_orders_at_end: int = 0
    """Orders of ours that rested at the venue at the end."""
    position_difference: dict[str, float] = field(default_factory=dict)
    """Our position minus the venue's at the end, in size; nothing where they agree."""
    pnl_difference_usd: float = 0.0
    """Our cash minus the venue's at the end."""
    quoting: Quoting = field(default_factory=Quoting)
    """Of all instruments together: two-sided where each of them is."""
    cycles: int = 0
    """Quote cycles of the trader's last life, all instruments."""
    faults: list[FaultFigures] = field(default_factory=list)
    """What each fault did, in the file's order."""
    alerts: dict[str, int] = field(default_factory=dict)
    """Alerts of the trader by name; their texts are in the journal and, from warnings on, in the log."""
    checks: dict[str, int] = field(default_factory=dict)
    """How often each invariant was evaluated."""
    markets: dict[str, MarketFigures] = field(default_factory=dict)
    """Part of these figures by instrument."""


@dataclass(slots=True)
class Wall:
    """Measured with this machine's clock; differs from run to run."""

    run_s: float = 0.0
    """The whole run, in seconds."""
    speed_x: float = 0.0
    """Simulated seconds per second."""
    us_per_event: float = 0.0
    """The same by the events that the trader took in, in µs: market, venue and checks included."""
    check_us_per_event: float | None = None
    """Part of it that the invariants took; null where nothing was checked."""
    cycle_us_p50: float | None = None
    """Median time of a decision of the trader in which it computed quotes, in µs."""
    cycle_us_p99: float | None = None
    """The same, exceeded by one in a hundred."""


@dataclass(slots=True)
class RunResult:
    """Everything that one run gives back; picklable, so that runs can be spread over processes."""

    scenario: str
    seed: int
    ended: Ended = Ended.COMPLETED
    reason: str | None = None
    journal_digest: str | None = None
    """None where there is no trader: a check against a record."""
    world_digest: str | None = None
    events: int = 0
    expectations: list[Outcome] = field(default_factory=list)
    metrics: Metrics | dict[str, Any] = field(default_factory=Metrics)
    violations: list[Violation] = field(default_factory=list)
    n_violations: int = 0
    wall: Wall = field(default_factory=Wall)
    files: dict[str, str] = field(default_factory=dict)
    trace: Trace | None = None
    overrides: tuple[str, ...] = ()
    """What was laid over the scenario by ``--set``, as it was given."""
    recording: str | None = None
    """Name of the recorded market; None for a synthetic one."""

    @property
    def title(self) -> str:
        """What was run: the scenario, its seed, what was set differently."""
        title = f"{self.scenario}, seed {self.seed}"
        return f"{title}, with {', '.join(self.overrides)}" if self.overrides else title

    @property
    def holds(self) -> bool:
        """Whether everything that was expected came true."""
        return all(outcome.holds for outcome in self.expectations)

    def document(self) -> dict[str, Any]:
        """Return the result as plain JSON data.

        The figures of a record check (no trader) stand at the top level too: there they are the
        result.
        """
        metrics = msgspec.to_builtins(self.metrics)
        extra = metrics if isinstance(self.metrics, dict) else {}
        return {
            "schema_version": SCHEMA_VERSION,
            "scenario": self.scenario,
            "seed": self.seed,
            "overrides": list(self.overrides),
            "recording": self.recording,
            "journal_digest": self.journal_digest,
            "world_digest": self.world_digest,
            "events": self.events,
            "ended": str(self.ended),
            "reason": self.reason,
            "holds": self.holds,
            "expectations": msgspec.to_builtins(self.expectations),
            "violations": msgspec.to_builtins(self.violations),
            "metrics": metrics,
            "wall": msgspec.to_builtins(self.wall),
            "files": dict(self.files),
            **extra,
        }

    def write(self, folder: Path) -> Path:
        """Write ``result.json`` and return its path."""
        path = folder / "result.json"
        path.write_bytes(msgspec.json.format(msgspec.json.encode(self.document()), indent=2) + b"\n")
        return path


def envelope(results: list[RunResult]) -> dict[str, Any]:
    """Return the one document of several runs: a summary and each run's own document."""
    return {
        "schema_version": SCHEMA_VERSION,
        "holds": all(result.holds for result in results),
        "total": len(results),
        "failed": sum(not result.holds for result in results),
        "runs": [result.document() for result in results],
    }
