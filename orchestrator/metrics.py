"""Frozen numbers for screens, results and tests; pulled, never pushed."""

from dataclasses import dataclass

from domain.units import InstrumentId, Ns, Pos, Px, Sz, Usd


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskSnapshot:
    """One instrument at one moment."""

    instrument: InstrumentId
    mid: float | None
    """In base ticks."""
    position: Pos
    position_limit: Sz
    cash: Usd
    fees: Usd
    realized: Usd
    unrealized: float
    """In micro-USD, at the mid."""
    volume: Usd
    fills: int
    best_own_bid: Px | None
    best_own_ask: Px | None
    n_bids: int
    n_asks: int
    pending_bid: Sz
    pending_ask: Sz
    fillable_bid: Sz
    fillable_ask: Sz
    worst_case_min: Pos
    worst_case_max: Pos
    kappa: float | None
    sigma: float | None
    half_spread_bps: float | None
    gate: str | None
    """Why nothing is quoted; None while quoting."""
    data_age: Ns | None
    unknown_orders: int
    placed: int
    modified: int
    cancels_sent: int
    cancelled: int
    rejected: int
    filled: int
    races: int
    late_fills: int
    cycles: int
    cycles_by_cause: dict[str, int]
    stops_by_reason: dict[str, int]
    actions_sent: int
    actions_gated: dict[str, int]
    two_sided_ns: Ns
    one_sided_ns: Ns
    gated_ns: dict[str, Ns]


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The whole trader at one moment."""

    now: Ns
    phase: str
    kill: str | None
    life: int
    desks: tuple[DeskSnapshot, ...]
    requests_sent: int
    actions_sent: int
    requests_silent: int
    requests_late: int
    requests_not_sent: int
    request_timeout: Ns
    fills_applied: int
    fills_duplicate: int
    feed_downs: int
    resyncs: int
    position_drifts: int
    orphans_cancelled: int
    unmatched_fills: int
