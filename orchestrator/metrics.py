"""Frozen numbers for screens, results and tests; pulled, never pushed."""

from dataclasses import dataclass

from domain.orders import Certainty, OrderState
from domain.units import Bps, Cloid, InstrumentId, Ns, Oid, Pos, Px, Side, Sz, Usd
from orchestrator.connectivity.supervisor import SupervisorStats
from orchestrator.desk.fill_tracker import FillQuality
from orchestrator.sync.auditor import AuditResult


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderSnapshot:
    """One order at one moment."""

    cloid: Cloid
    oid: Oid | None
    side: Side
    px: Px
    sz: Sz
    filled: Sz
    fills: int
    average_px: float
    """Average price of its fills in base ticks; its own price without any."""
    state: OrderState
    certainty: Certainty
    age: Ns
    since_last_fill: Ns | None


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
    taker_fills: int
    bought: Sz
    sold: Sz
    adjusted_lots: Pos
    """Held because the venue says so, explained by no fill."""
    restatements: int
    """How often the venue's position replaced ours."""
    undone_lots: int
    """Lots of such corrections that a late fill has explained."""
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
    worst_case_usd: Usd | None
    """Largest exposure that may come, at the mid (RK-07); None without a mid."""
    is_book_balanced: bool
    """Whether our resting bids and asks are about equal (RK-08)."""
    kappa: float | None
    kappa_sd: float
    """Standard deviation of the estimate of kappa, before its ceiling."""
    sigma: float | None
    jump_ratio: float | None
    """Realized over bipower variance: what of the moves were jumps; None where nothing moved."""
    intensity: float | None
    """Trades per second of one side; None in the model that does not read it."""
    intensity_sd: float | None
    half_spread_bps: float | None
    quotes: int
    """Quotes computed in this life."""
    quotes_at_floor: int
    """Those whose half-spread was the least allowed one, not the formula's."""
    quotes_kappa_capped: int
    """Those for which the estimate of kappa was cut at its ceiling."""
    inputs_suppressed: dict[str, int]
    """Cycles in which an input of the quote had changed and was held where it was, by input."""
    regime_changes: int
    """Changes of volatility that made the inputs follow at once."""
    grid_epochs: int
    """How often the grid under the ladder got a new step or anchor."""
    gate: str | None
    """Why nothing is quoted; None while quoting."""
    risk_level: str
    """The worst that any monitor says."""
    risk_reasons: tuple[str, ...]
    spread_factor: float
    """How much wider risk makes the half-spread (MT-08)."""
    size_factor: float
    reach: dict[str, Sz]
    """Lots up to which the position may grow on each side: our own limit, the venue's, the account's (MG-07)."""
    recovery: str | None
    """State of the way out of a position that has to shrink; None where there is none."""
    recoveries: int
    """How often such a position was stuck."""
    recovery_iocs: int
    """Orders by which it was reduced at once."""
    recoveries_exhausted: int
    """How often they did not suffice."""
    recovery_escalations: int
    """Those recoveries that began because no reducing order could be placed at all (RS-19), or none of them filled."""
    position_utilization: float
    """Absolute position as a share of its limit; 0 while that is not known (MT-14)."""
    halts: int
    """How often a monitor halted this desk."""
    side_rejections: dict[str, int]
    """Answers that refused the orders of a side, by side (RL-23)."""
    waiting_sides: tuple[str, ...]
    """Sides that wait after refusals."""
    fill_quality: FillQuality
    data_age: Ns | None
    """Of the market data: since its receipt, and its way before where the venue's clock is known."""
    data_anomalies: dict[str, int]
    """What was wrong with market data, by `channel:kind`."""
    sequence_gap_max: int
    """Most numbered messages that were missing in a row."""
    futile_orders: int
    """Orders that were refused so often for the same reason that they were left alone."""
    data_future: int
    """Messages and trades stamped in the future: not used."""
    unknown_orders: int
    active_orders: int
    """Orders whose lifecycle has not ended."""
    stale_orders: int
    """Resting orders without a fill for long."""
    net_pending: Pos
    """Resting bids minus resting asks, in lots."""
    resting_bid: Usd
    resting_ask: Usd
    orders: tuple[OrderSnapshot, ...]
    """Every order that is live or not settled, oldest first."""
    placed: int
    modified: int
    cancels_sent: int
    cancelled: int
    rejected: int
    expired: int
    """Orders that came to the venue too late to be taken."""
    filled: int
    races: int
    late_fills: int
    """Fills after the end of their order that its final size did not announce, or that came too late."""
    stuck: int
    """Placements that were unacknowledged for too long."""
    modify_fallback: int
    """Refused modifies that became a cancel and a placement."""
    late_events: int
    """Statuses of orders that came after their end, or about a generation that is no more: nothing follows."""
    overfilled: int
    """Orders that traded more than their size."""
    illegal_steps: int
    """Steps of an order that its lifecycle does not have."""
    cycles: int
    cycles_by_cause: dict[str, int]
    cycles_one_sided: int
    """Cycles that touched the orders of one side only."""
    events_total: int
    """What the accumulator of the desk has seen (EA-10)."""
    events_filtered: int
    """Those of it that went along with a cycle of another one."""
    events_pending: int
    """Those since the last cycle."""
    since_last_cycle: Ns | None
    accumulated_bps: Bps
    """Net displacement of the mid since the last cycle of both sides."""
    max_priority: int
    """The most urgent cause of a cycle so far."""
    stale_quote_alarms: int
    """How often a side with quotes was not looked at for too long (EA-08)."""
    stops_by_reason: dict[str, int]
    actions_generated: int
    """Of quote cycles; each is sent, latched or gated (MT-36)."""
    actions_sent: int
    actions_gated: dict[str, int]
    churn_spirals: int
    """How often orders moved much and filled little for many cycles (CH-40)."""
    actions_latched: int
    """Orders that stayed although their targets had moved a little."""
    kept_by_layer: dict[str, int]
    """What kept quotes where they were, by layer; 0 where a layer is off (CH-34)."""
    cycles_untouched: int
    """Those of both sides in which every order stood exactly at its target: nothing was compared (CH-16)."""
    actions_paced: dict[str, int]
    """Those that the pace of the account held back, by how urgent they were (RL-18)."""
    actions_refused: dict[str, int]
    two_sided_ns: Ns
    one_sided_ns: Ns
    gated_ns: dict[str, Ns]


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The whole trader at one moment."""

    now: Ns
    phase: str
    kill: str | None
    kills: int
    """How often this life latched the kill switch."""
    life: int
    desks: tuple[DeskSnapshot, ...]
    requests_sent: int
    actions_sent: int
    requests_silent: int
    requests_late: int
    requests_not_sent: int
    requests_in_flight: int
    """Without an answer, and their time is not up."""
    replies_unknown: int
    """Answers to requests that we did not send, or that were answered already."""
    request_timeout: Ns
    quota_used: int
    """Actions of the account's allowance, as far as we know; 0 without a budget."""
    quota_left: int
    quota_reports: int
    """The venue's statements of it that were believed."""
    quota_reports_kept_out: int
    """Those that cannot be true."""
    messages_counted: int
    """All messages by socket of this life, as the venue should have counted them."""
    weight_counted: int
    """All weight by REST of this life, as the venue should have counted it."""
    fills_applied: int
    fills_duplicate: int
    fills_crowded_out: int
    """Fills that waited for the first stated position longer than there was room: taken for part of it."""
    unknown_events: int
    """Messages of a kind that nobody takes."""
    feed_downs: int
    feed_silences: int
    """Those of them for which the connection was silent, and nobody had closed it."""
    connection: SupervisorStats | None
    """What the supervisor of the connections says; None without one."""
    supervisor_events: dict[str, int]
    """Its checks by what they found."""
    circuits: dict[str, str]
    """State of the circuit breaker of each way to the venue."""
    circuits_opened: dict[str, int]
    """How often each of them opened."""
    requests_by_way: dict[str, int]
    """Requests by what they relied on: the socket, REST for actions, REST for questions."""
    requests_held: int
    """Requests that were not sent because no way was left for them."""
    resyncs: int
    orders_vanished: int
    """Orders that had rested and that the venue no longer knew in any way."""
    orphans_cancelled: int
    """Orders that only the venue knew, beyond their grace."""
    orphans_cleared: int
    """Those that turned out to be known, or gone, within it (RS-20)."""
    position_syncs: int
    """Comparisons of the position that a trigger led to."""
    position_sync_failures: int
    """Questions for it that were not answered; each is asked again (RS-03)."""
    position_syncs_postponed: int
    """Those that waited, because the venue was asked too much already."""
    position_drifts: int
    """Statements of the venue that differed for longer than the grace."""
    sync_triggers: dict[str, int]
    """Why positions were compared, by trigger (RS-02)."""
    drift_causes: dict[str, int]
    """What was behind such differences (RS-07)."""
    audits: int
    audits_with_issues: int
    """Those that found or cleaned up something."""
    order_lists_read: int
    """Lists of the open orders that audits asked for."""
    cancels_resent: int
    """Cancels without effect that were sent once more (RS-24)."""
    audit: AuditResult | None
    """What the latest audit found; None before the first (RS-21)."""
    sync_score: float
    """How fresh our knowledge of the account is, from 1 to 0 (CN-12)."""
    sync_state: str | None
    """What the score means; None where it is not kept."""
    times_degraded: int
    """How often it was no longer healthy."""
    times_unsynced: int
    """How often it was so bad that nothing was quoted."""
    unmatched_fills: int
    foreign_fills: int
    """Those of orders without any client id: somebody else trades on the account."""
    owner_moved: Usd
    """What the owner paid in since the first statement, less what was taken out."""
    signatures_refused: int
    """Requests that the venue took for a stranger's."""
    signer_outages: int
    """How often so many of them came in a row that nothing more was signed."""
    account_value: Usd | None
    """Of the account at the mark, as the venue said last; None where positions need no margin, or before that."""
    margin_used: float | None
    """Share of it that positions tie up at present (MG-01)."""
    margin_reports: int
    """Answers of the venue on margin and limits."""
    gross_usd: Usd | None
    """Value of all positions at our mids; None where the limits in money are off."""
    forced_fills_seen: int
    """Fills by which the venue closed a position of ours, as we were told."""
    dead_man: str | None
    """What we know of the venue's dead-man switch; None where we do not use it."""
    dead_man_asked: int
    """Times that were asked for, each renewal included."""
    dead_man_refused: int
    """Answers that this account may not use it."""
    dead_man_returned: int
    """Requests to take it back."""
    dead_man_fired: int
    """Triggers that we were told of."""
    messages_refused: dict[str, int]
    """Messages of the account that cannot be true, by what was wrong with them."""
    analytics_errors: dict[str, int]
    """Failures of what only looks on, by the name of the hook."""
