"""What came of the runs of the churn study, as plain values: one `Row` a run, one `Move` a cycle and side.

A figure is None where there was nothing to measure; a ratio to fills is None without any, and counts as more than every
number where a middle is taken. Knows neither files nor tables.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from scenarios.figures import TimelineRow


class Mark(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a run stood at a moment."""

    t_s: float
    """In seconds of the run."""
    headroom: float
    """Share of the allowance of actions that was left, by the trader's own count."""


class Row(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One arm with one seed. Names that `makerlab run --json` has under `metrics` mean the same here."""

    arm: str
    seed: int
    digest: str | None
    """Of the journal: equal ones mean equal inputs and equal decisions."""
    ended: str
    """`completed`, or what ended it before."""
    violations: int
    """Of invariants."""
    # --- what was sent, up to the shutdown
    placed: int
    cancelled: int
    modified: int
    fills: int
    """Matches at the venue before the shutdown, those with which the ratios are made."""
    cycles: int
    """Quote cycles that had targets."""
    cancels_per_cycle: float | None
    zero_action_share: float | None
    modify_share: float | None
    queue_kept_share: float | None
    cancel_fill_ratio: float | None
    calls_per_fill: float | None
    calls_per_min: float | None
    # --- how near the orders were
    quote_error_bps: float | None
    quote_error_beyond_bps: float | None
    edge_least_bps: float | None
    queue_place_unknown_share: float | None
    two_sided_pct: float
    """Of the time from the first moment at which quotes were allowed."""
    # --- money
    pnl_total_usd: float
    spread_usd: float
    fees_usd: float
    volume_usd: float
    markout_1s_bps: float | None
    """Of a fill after one second, against its price, fees not taken off; None without fills."""
    # --- what held orders back, and the allowance
    latched: int
    """Orders that stayed although their target was elsewhere, once a cycle."""
    suppressed: int
    """Inputs that changed and were not handed on, once a cycle."""
    paced: int
    """Actions that the allowance held back."""
    actions_used: int
    actions_cap: int
    headroom_first: float | None
    """Share of the allowance that was left at the first targets, by the trader's own count."""
    headroom_least: float | None
    headroom_end: float
    """By the venue's count, after the shutdown."""
    refused_by_limits: int
    """Messages that the venue turned away for its limits."""
    # --- what moved the targets: sums over cycles and sides of the absolute change, in bps
    moved_bps: float
    by_mid_bps: float
    by_kappa_bps: float
    by_sigma_bps: float
    by_skew_bps: float
    by_grid_bps: float
    """Of grid and tick: the price stands on a point, the formula's does not."""
    by_rest_bps: float
    """What is left of each change, so that they add up: two inputs at once, a derived gamma."""
    still_share: float | None
    """Share of those cycles and sides whose target was where it had been in the cycle before."""
    timeline: tuple[TimelineRow, ...]
    """Placed, cancelled and filled at each minute."""
    path: tuple[Mark, ...]
    """The allowance once a minute, and less often in long runs."""


class Move(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The best target of one side in one cycle, and by what it differs from that of the cycle before.

    The parts add up to `moved_bps` (`by_rest_bps` is one of them). They are all 0 in a first cycle, and after one
    without targets. + is up, and all are in bps of the target before.
    """

    arm: str
    seed: int
    t_s: float
    side: str
    """`bid` or `ask`."""
    target: float
    """Its price, in USD."""
    wanted: float
    """What the formula gave, before grid and tick."""
    mid: float
    """What the trader saw."""
    fair: float
    """What the formula was given: the mid, or what the smoother made of it."""
    kappa: float
    """What the formula was given, in 1/fraction."""
    sigma_bps: float
    """What the formula was given, per square-root second."""
    skew_bps: float
    """By how much inventory lowers both prices."""
    half_spread_bps: float
    headroom: float
    """Share of the allowance of actions that was left."""
    grid_step: float
    """Between two points, in USD; 0 without a grid."""
    moved_bps: float = 0.0
    by_mid_bps: float = 0.0
    by_kappa_bps: float = 0.0
    by_sigma_bps: float = 0.0
    by_skew_bps: float = 0.0
    by_grid_bps: float = 0.0
    by_rest_bps: float = 0.0


class Terms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which code computed a run: two runs under different terms are of different studies."""

    format: int
    """Of these rows."""
    version: str
    commit: str | None
    """None outside a working tree; `+` at its end: with changes that are not committed."""
    sources: str
    """Digest of all that decides what a run computes."""


@dataclass(frozen=True, slots=True)
class Study:
    """Everything that is known, in the order of arms and seeds."""

    rows: Sequence[Row]
    moves: Sequence[Move]
    terms: Terms

    def of(self, arm: str) -> list[Row]:
        """The rows of one arm, by seed; empty where it was not run."""
        return [row for row in self.rows if row.arm == arm]

    @property
    def seeds(self) -> int:
        """How many of them the arms have that have most."""
        counts = [len(self.of(name)) for name in dict.fromkeys(row.arm for row in self.rows)]
        return max(counts, default=0)
