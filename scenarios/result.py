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
    bound: float | str
    measured: float | str | None
    holds: bool


@dataclass(slots=True)
class Violation:
    """An invariant that did not hold, with the story of what was involved."""

    name: str
    t_s: float
    text: str
    keys: list[str] = field(default_factory=list)
    story: str = ""


@dataclass(slots=True)
class Pnl:
    """Money of the account in USD; total = spread + markout + inventory - fees."""

    total: float = 0.0
    spread: float = 0.0
    """Distance of our fills from the mid just before them."""
    markout: float = 0.0
    """Gross: what the mid did to us in the second after each fill."""
    inventory: float = 0.0
    """What the mid did to what we still held after that second."""
    fees: float = 0.0


@dataclass(slots=True)
class Markout:
    """Sum over fills in USD at one horizon (C-16)."""

    horizon_s: float
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
    end_usd: float = 0.0
    mean_abs_usd: float = 0.0
    max_abs_usd: float = 0.0
    max_of_limit_pct: float = 0.0
    """Largest absolute position as a share of the hard limit."""


@dataclass(slots=True)
class OrderCounts:
    """Actions that we sent, and what the venue refused of them."""

    placed: int = 0
    modified: int = 0
    cancelled: int = 0
    rejected: int = 0
    """Placements and modifies that the venue refused."""
    rejected_by_reason: dict[str, int] = field(default_factory=dict)
    cancels_refused: int = 0
    """Cancels of orders that were gone already."""


@dataclass(slots=True)
class Quoting:
    """Seconds, measured from the end of the start-up to the begin of the shutdown."""

    startup_s: float = 0.0
    observed_s: float = 0.0
    fresh_s: float = 0.0
    """Our newest market data is younger than the trader's stale limit."""
    two_sided_s: float = 0.0
    """A bid and an ask of ours rest at the venue."""
    two_sided_pct: float = 0.0
    """Of the observed time."""
    two_sided_of_fresh_pct: float = 0.0
    gated_s: dict[str, float] = field(default_factory=dict)
    """Time in which the trader did not want to quote, by its reason."""


@dataclass(slots=True)
class MarketFigures:
    """The part of the figures that belongs to one instrument."""

    fills: int = 0
    taker_fills: int = 0
    volume_usd: float = 0.0
    inventory: InventoryStats = field(default_factory=InventoryStats)
    quoting: Quoting = field(default_factory=Quoting)


@dataclass(slots=True)
class FaultFigures:
    """One fault and what it injected."""

    kind: str
    starts_at_s: float
    ends_at_s: float
    counts: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Metrics:
    """The figures of a run with a trader."""

    duration_s: float = 0.0
    blocks: int = 0
    pnl_usd: Pnl = field(default_factory=Pnl)
    markouts_usd: list[Markout] = field(default_factory=list)
    fills: int = 0
    taker_fills: int = 0
    volume_usd: float = 0.0
    orders: OrderCounts = field(default_factory=OrderCounts)
    races: int = 0
    """Cancels and modifies that a fill overtook between their sending and their taking effect."""
    race_fills: int = 0
    requests: int = 0
    requests_per_minute: float = 0.0
    actions_per_minute: float = 0.0
    feed_losses: int = 0
    data_gaps: int = 0
    """Stretches in which our market data was stale."""
    longest_data_gap_s: float = 0.0
    requoted_after_s: float | None = None
    """Longest time from a feed coming back until two-sided quotes rest again."""
    fills_recovered: int = 0
    """Fills that we learned of by query or by the snapshot of a new connection, not by their own message."""
    unknown_orders_at_end: int = 0
    resting_orders_at_end: int = 0
    position_difference: dict[str, float] = field(default_factory=dict)
    """Our position minus the venue's at the end, in size; nothing where they agree."""
    pnl_difference_usd: float = 0.0
    """Our cash minus the venue's at the end."""
    quoting: Quoting = field(default_factory=Quoting)
    """Of all instruments together: two-sided where each of them is."""
    cycles: int = 0
    faults: list[FaultFigures] = field(default_factory=list)
    alerts: dict[str, int] = field(default_factory=dict)
    """Alerts of the trader by name; their texts are in the journal and, from warnings on, in the log."""
    checks: dict[str, int] = field(default_factory=dict)
    """How often each invariant was evaluated."""
    markets: dict[str, MarketFigures] = field(default_factory=dict)


@dataclass(slots=True)
class Wall:
    """Measured with this machine's clock; differs from run to run."""

    run_s: float = 0.0
    speed_x: float = 0.0
    """Simulated seconds per second."""
    us_per_event: float = 0.0
    check_us_per_event: float | None = None
    cycle_us_p50: float | None = None
    cycle_us_p99: float | None = None


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
