"""What came out of a run: figures, expectations, violations; one JSON document for machines.

Everything but ``wall`` and ``files`` is a function of commit, scenario and seed: two runs of the same
give the same document. ``wall`` holds what was measured with a clock of this machine.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from scenarios.figures import (
    AllowanceFigures,
    EnduranceFigures,
    FaultFigures,
    Growth,
    MarketFigures,
    Markout,
    OrderCounts,
    Pnl,
    Quoting,
    Recoveries,
    TimelineRow,
    TraderFigures,
)
from scenarios.medians import medians
from scenarios.trace import Trace

SCHEMA_VERSION = 1
"""Of the result document; it grows without notice, but what is in it keeps its meaning."""


MAX_SEED = 2**63 - 1
"""The journal keeps it in 64 bits."""


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
    rule: str = ""
    """What must hold."""


@dataclass(slots=True)
class Metrics:
    """The figures of a run with a trader.

    Where trials were asked for they end before the first of them, and before the shutdown; but for `probes`, `checks`
    and what both sides are to agree on in the end.
    """

    duration_s: float = 0.0
    """Simulated time up to the shutdown: less than planned where a run was halted."""
    blocks: int = 0
    """Blocks that the venue ran."""
    pnl_usd: Pnl = field(default_factory=Pnl)
    """What the account won or lost, and by what."""
    markouts_usd: list[Markout] = field(default_factory=list)
    """Where the mid went after our fills."""
    fills: int = 0
    """Matches of our orders at the venue, in all instruments, those during the shutdown included."""
    taker_fills: int = 0
    """Those in which our order took."""
    gross_usd_max: float = 0.0
    """Largest value of all positions together, long and short added up, at the marks."""
    short_of_margin_s: float = 0.0
    """Longest time in which the positions tied up more initial margin than the account was worth."""
    forced_fills: int = 0
    """Those by which the venue closed a position of ours: the account was short of margin."""
    volume_usd: float = 0.0
    """Price times size of all fills."""
    orders: OrderCounts = field(default_factory=OrderCounts)
    """What we sent and what was refused."""
    timeline: list[TimelineRow] = field(default_factory=list)
    """Placed, cancelled and filled at each minute and at the stop; of runs beyond an hour 60 moments, evenly spaced."""
    zero_action_share: float | None = None
    """Share of the quote cycles, from the first placement on, in which nothing was sent for their instrument; cycles in
    which nothing may be quoted do not count. Null without any."""
    modify_share: float | None = None
    """Modifies as a share of modifies and pairs: a cancel and a placement of one side in one decision. Null without."""
    cancel_fill_ratio: float | None = None
    """Cancels that were sent, up to the shutdown, for each fill; null without fills."""
    calls_per_fill: float | None = None
    """Placements, modifies and cancels that were sent, up to the shutdown, for each fill; null without fills."""
    calls_per_min: float | None = None
    """The same for each minute since the first placement; null without any."""
    quote_error_bps: float | None = None
    """How far orders at the venue were from what the strategy wanted there, before grid and tick, in bps: each from
    the nearest target that is its own, over time and levels. Null where nothing rested that was wanted."""
    quote_error_beyond_bps: float | None = None
    """What of it was beyond the latch of its direction, toward the market or away from it, the place in the queue
    apart."""
    queue_kept_share: float | None = None
    """Of the orders that a plain rule (a latch of 1 bp) would have replaced in a cycle of both sides, the share that
    was left where it was. Null without any."""
    edge_least_bps: float | None = None
    """Least distance, in bps, from the mid that the trader saw of an order that it left where it was in a cycle of both
    sides; that mid is not smoothed, and negative is beyond it. Null where none was left."""
    queue_place_error: float | None = None
    """Where the trader estimates places in queues: median difference between the lots ahead of an order by its
    reckoning and the venue's, once a cycle, as a share of the level. Null where it does not, or where the venue has no
    queue."""
    queue_place_unknown_share: float | None = None
    """Share of the resting orders, counted once a cycle, of which it could not tell the place."""
    races: int = 0
    """Cancels and modifies that a fill overtook between their sending and their taking effect."""
    race_fills: int = 0
    """Fills in those races; one order may have several."""
    requests: int = 0
    """Messages to the venue: batches of placements, cancels or modifies, and queries; with those of the shutdown."""
    requests_per_minute: float = 0.0
    """Those up to the shutdown per simulated minute."""
    actions_per_minute: float = 0.0
    """Placements, cancels, modifies and queries up to the shutdown per minute: a request may hold several."""
    allowances: AllowanceFigures = field(default_factory=AllowanceFigures)
    """What was used of the venue's limits."""
    feed_losses: int = 0
    """Established connections that were lost between the first quotes and the shutdown."""
    data_gaps: int = 0
    """Stretches in which our market data was stale."""
    longest_data_gap_s: float = 0.0
    """Longest time from fresh market data of an instrument to the next, of those counted above."""
    recoveries: Recoveries | None = None
    """How soon quotes stood again after lost connections; null where none was lost."""
    endurance: EnduranceFigures | None = None
    """What the run kept in memory; null unless it is an endurance run."""
    requoted_after_s: float | None = None
    """Longest time from a feed coming back until two-sided quotes rest again."""
    healed_after_s: float | None = None
    """Longest time without quotes on both sides from the end of a fault on, the time of faults not counted."""
    resting_while_down_s: float | None = None
    """Longest time from a death of the trader to the last block in which an order of ours rested; null without one."""
    fills_recovered: int = 0
    """Fills that we learned of by query or by the snapshot of a new connection, not by their own message."""
    position_wrong_s: float = 0.0
    """Longest time for which the trader's position was not the venue's: from a fill until it was booked."""
    unknown_orders_at_end: int = 0
    """Orders that the trader still believed open, or was unsure of, at the end."""
    resting_orders_at_end: int = 0
    """Orders of ours that rested at the venue at the end."""
    position_difference: dict[str, float] = field(default_factory=dict)
    """Our position minus the venue's at the end, in size; nothing where they agree."""
    adjustments_left: dict[str, float] = field(default_factory=dict)
    """Corrections of our position at the end that no fill has explained, in size; nothing where all are."""
    pnl_difference_usd: float = 0.0
    """Our cash minus the venue's at the end."""
    quoting: Quoting = field(default_factory=Quoting)
    """Of all instruments together: two-sided where each of them is."""
    cycles: int = 0
    """Quote cycles of the trader up to the shutdown, all instruments."""
    trader: TraderFigures = field(default_factory=TraderFigures)
    """What the trader counted itself: why it quoted, why not, what it held back, what was not answered."""
    faults: list[FaultFigures] = field(default_factory=list)
    """What each fault did, in the file's order."""
    alerts: dict[str, int] = field(default_factory=dict)
    """Alerts of the trader by name; their texts are in the journal and, from warnings on, in the log."""
    probes: dict[str, str] = field(default_factory=dict)
    """What became of each trial at the end: `passed`, `failed`, or `not held: ` and why."""
    checks: dict[str, int] = field(default_factory=dict)
    """How often each invariant compared something; with 0 it had nothing to compare, and its silence says nothing."""
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
    resident_mb: Growth | None = None
    """Memory of the process in MB; null unless it is an endurance run."""
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
    traceback: str | None = None
    """Where in our code it failed; None where it did not, or where no exception was the cause."""
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
            "traceback": self.traceback,
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
    """Return the one document of several runs: a summary, the medians of their figures, and each run's own document.

    The medians of one scenario stand under ``metrics``, as in the document of one run; those of several under
    ``medians``, by scenario.
    """
    runs = [result.document() for result in results]
    figures: dict[str, list[dict[str, Any]]] = {}
    for run in runs:
        figures.setdefault(run["scenario"], []).append(run["metrics"])
    by_scenario = {scenario: medians(of_one) for scenario, of_one in figures.items()}
    return {
        "schema_version": SCHEMA_VERSION,
        "holds": all(result.holds for result in results),
        "total": len(results),
        "failed": sum(not result.holds for result in results),
        **({"medians": by_scenario} if len(by_scenario) > 1 else {"metrics": by_scenario[results[0].scenario]}),
        "runs": runs,
    }
