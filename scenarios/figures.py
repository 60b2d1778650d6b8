"""What a run measured, by part: money, orders, quotes, the trader's own counters, what the venue allowed."""

from dataclasses import dataclass, field

HORIZONS_S = (0.5, 1.0, 2.0, 5.0)
"""Markout horizons (C-16); the second is the one of the P&L split."""
SPLIT_HORIZON_S = 1.0


@dataclass(slots=True)
class Pnl:
    """Money of the account in USD; total = spread + markout + inventory - fees + transfers."""

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
    transfers: float = 0.0
    """Funding received less paid, less what liquidations took."""


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
    """After the shutdown, in units of the instrument; negative is short."""
    end_usd: float = 0.0
    """The same, valued at the mid."""
    mean_abs_usd: float = 0.0
    """Absolute value at the mid, averaged over the observed time."""
    max_abs_usd: float = 0.0
    """Largest absolute value at the mid."""
    over_limit_s: float = 0.0
    """Longest time for which it was at its hard limit or beyond."""
    max_of_limit_pct: float = 0.0
    """Largest absolute position as a share of the hard limit."""


@dataclass(slots=True)
class TimelineRow:
    """What had been sent, and what had traded, by a moment of the run: sums from its begin."""

    t_s: float = 0.0
    """The moment, in seconds of the run; what happened at it counts."""
    placed: int = 0
    """New orders that were sent, those of modifies not counted."""
    cancelled: int = 0
    """Cancels that were sent."""
    filled: int = 0
    """Matches of our orders at the venue."""


@dataclass(slots=True)
class OrderCounts:
    """Actions that we sent, what the venue refused of them, and how orders ended.

    The shutdown is included, but for a run with trials: there all of these are of the time before the first.
    """

    placed: int = 0
    """New orders that were sent, those of modifies not counted."""
    modified: int = 0
    """Modifies (cancel and new order in one) that were sent, not that they worked."""
    cancelled: int = 0
    """Cancels that were sent, not that they worked."""
    ended_modified: int = 0
    """Orders that a modify replaced at the venue."""
    ended_cancelled: int = 0
    """Orders that ended cancelled at the venue: by us, its dead-man switch or one of its rules."""
    ended_filled: int = 0
    """Orders that ended filled."""
    unended: int = 0
    """Those of which no end is known: placed and modified, and neither refused nor replaced, cancelled or filled."""
    resting: int = 0
    """Those of them that rest at the venue; the others are under way, or were lost on theirs."""
    rejected: int = 0
    """Placements and modifies that the venue refused."""
    rejected_by_reason: dict[str, int] = field(default_factory=dict)
    """The same by the venue's reason."""
    modifies_refused: int = 0
    """Those of them that were modifies."""
    cancels_refused: int = 0
    """Cancels that the venue refused: of orders that were gone already, or because of a limit."""


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
class Belief:
    """What the trader thought of one instrument when the shutdown began."""

    kappa: float | None = None
    """Decay of fills with depth, in 1/fraction of the price, as used."""
    kappa_sd: float = 0.0
    """Its standard deviation, before the ceiling."""
    sigma_bps: float | None = None
    """Volatility, in bps per square root of a second."""
    jump_ratio: float | None = None
    """Realized over bipower variance: about 1 without jumps; null where nothing moved."""
    intensity: float | None = None
    """Trades per second of one side; null in the model that does not read it."""
    intensity_sd: float | None = None
    """Its standard deviation."""
    half_spread_bps: float | None = None
    """Wanted distance of the best quotes from their middle; null where nothing was quoted."""
    at_floor_pct: float | None = None
    """Share of this life's quotes whose half-spread was not the formula's but the least: fee, tick or minimum."""
    kappa_capped_pct: float | None = None
    """Share of them for which the estimate of kappa was cut at its ceiling; both null without any."""
    data_age_s: float | None = None
    """Age of the market data."""
    since_last_cycle_s: float | None = None
    """Time since the last quote cycle; null before the first."""
    accumulated_bps: float = 0.0
    """Move of the mid since both sides were last looked at."""
    max_priority: int = 0
    """The most urgent cause of a cycle in this life."""
    fill_rate: float | None = None
    """Fills per order placed, over the latest fills; null without any."""
    adverse_pct: float | None = None
    """Share of those fills after which the mid was worse a second later."""
    gross_markout_bps: float | None = None
    """Mean move of the mid in our favour within the second after them."""
    net_markout_bps: float | None = None
    """The mid a second later against the prices of the fills, in our favour."""
    markouts_known_pct: float | None = None
    """Share of the fills older than a second whose mid after it is known."""
    fill_latency_p50_ms: float | None = None
    """From the venue's stamp of a fill to its receipt: half of them took longer."""
    fill_latency_p99_ms: float | None = None
    """One in a hundred took longer."""
    adjusted_size: float = 0.0
    """Held because the venue says so, explained by no fill."""


@dataclass(slots=True)
class MarketFigures:
    """The part of the figures that belongs to one instrument."""

    fills: int = 0
    """Matches of our orders at the venue."""
    taker_fills: int = 0
    """Those in which our order took."""
    volume_usd: float = 0.0
    """Price times size of all fills."""
    maker_fee_pct: float = 0.0
    """What the account pays for a fill as maker, in percent of its value; negative is a rebate."""
    taker_fee_pct: float = 0.0
    """The same as taker."""
    inventory: InventoryStats = field(default_factory=InventoryStats)
    """What we held in it."""
    quoting: Quoting = field(default_factory=Quoting)
    """How long we quoted in it."""
    belief: Belief | None = None
    """What the trader thought of it at the end; null where it had failed."""


@dataclass(slots=True)
class FaultFigures:
    """One fault and what it injected."""

    kind: str
    """Its name in scenario files."""
    starts_at_s: float
    """When it began, in seconds of the run."""
    ends_at_s: float
    """When it ended."""
    injected: int = 0
    """How often it did what it is for: that one of its counts which its entry in the reference names first."""
    counts: dict[str, int] = field(default_factory=dict)
    """What it did, in its own words; each fault's entry in the reference says which."""


@dataclass(slots=True)
class TraderFigures:
    """The trader's own counters up to the shutdown: sums over its instruments and its lives."""

    cycles_by_cause: dict[str, int] = field(default_factory=dict)
    """Quote cycles by what made them due."""
    cycles_one_sided: int = 0
    """Those that touched the orders of one side only."""
    events_total: int = 0
    """Events that count towards a cycle: mids, trades, what became of our orders."""
    events_filtered: int = 0
    """Those that went along with the cycle of another one."""
    events_pending: int = 0
    """Those since the last cycle, at the end."""
    stale_quote_alarms: int = 0
    """How often a side with quotes was not looked at for too long."""
    stops_by_reason: dict[str, int] = field(default_factory=dict)
    """Cycles that ended before anything was sent, by `step:reason`. `reconcile:unchanged` is the good one."""
    actions_generated: int = 0
    """What the quote cycles wanted: cancels, modifies, placements, and each order that was let lag instead of them."""
    actions_sent: int = 0
    """Those of them that were handed to the connection."""
    actions_gated: dict[str, int] = field(default_factory=dict)
    """Those that were held back, by reason; with the ones that were sent and latched they are all."""
    churn_spirals: int = 0
    """How often the trader found that orders moved much and filled little for many cycles."""
    inputs_suppressed: dict[str, int] = field(default_factory=dict)
    """Cycles in which an input of the quote had changed and was held where it was, by input."""
    regime_changes: int = 0
    """Changes of volatility that made these inputs follow at once."""
    grid_epochs: int = 0
    """How often the grid under the ladder got a new step or anchor."""
    actions_paced: dict[str, int] = field(default_factory=dict)
    """Actions that the pace of the account held back, by how urgent they were."""
    quota_reports: int = 0
    """Statements of the venue about the account's allowance that were believed."""
    quota_reports_kept_out: int = 0
    """Those that cannot be true: the trader's own count went on."""
    actions_latched: int = 0
    """Orders that stayed where they were although their targets had moved a little, over all quote cycles; each is one
    action that was wanted."""
    kept_by_layer: dict[str, int] = field(default_factory=dict)
    """What kept quotes where they were, by layer: inputs that the `smoother` held, orders that stayed on their point of
    the `grid`, by the `latch`, or for their place in the `queue`, modifies that came too soon (`debounce`), and actions
    that the pace of the account held back (`pacing`)."""
    cycles_untouched: int = 0
    """Quote cycles of both sides in which every order stood exactly at its target: nothing had to be compared."""
    halts: int = 0
    """How often a risk monitor pulled the quotes of an instrument."""
    side_rejections: dict[str, int] = field(default_factory=dict)
    """Answers that refused all orders of a side, by side; refusals for a price, lateness or frequency not counted."""
    actions_refused: dict[str, int] = field(default_factory=dict)
    """Placements, modifies and cancels that the venue refused, by its reason, as the trader was told."""
    expired: int = 0
    """Orders that came to the venue too late to be taken, and so never rested."""
    race_fills_seen: int = 0
    """Fills of orders whose cancel or modify was under way, as the trader was told; `race_fills` is the truth."""
    late_fills: int = 0
    """Fills after the end of their order that its final size did not announce, or that came too late."""
    stuck: int = 0
    """Placements that were unacknowledged for too long."""
    modify_fallback: int = 0
    """Refused modifies that became a cancel and a placement."""
    late_events: int = 0
    """Statuses of orders that came after their end, or about a generation that is no more: nothing follows."""
    overfilled: int = 0
    """Orders that traded more than their size."""
    illegal_steps: int = 0
    """Steps of an order that its lifecycle does not have: the venue said something unexpected."""
    data_future: int = 0
    """Market data stamped in the future, and therefore not used."""
    data_anomalies: dict[str, int] = field(default_factory=dict)
    """What was wrong with market data, by `channel:kind`."""
    futile_orders: int = 0
    """Orders that were refused so often for the same reason that they were left alone for a while."""
    requests_by_way: dict[str, int] = field(default_factory=dict)
    """Requests by what they relied on: the socket, REST for actions (`rest`), REST for questions (`info`)."""
    requests_held: int = 0
    """Requests that were not sent because no way was left for them: every circuit was open."""
    circuits_opened: dict[str, int] = field(default_factory=dict)
    """How often the circuit breaker of each of those ways opened."""
    supervisor_events: dict[str, int] = field(default_factory=dict)
    """Checks of the connections, by what they found."""
    requests_sent: int = 0
    """Requests that were decided up to the shutdown, queries included."""
    requests_silent: int = 0
    """Those without an answer up to their deadline: anything may have happened."""
    requests_late: int = 0
    """Those answered after their deadline."""
    requests_not_sent: int = 0
    """Those that certainly never left."""
    replies_unknown: int = 0
    """Answers to requests that were not sent, or that were answered already."""
    request_timeout_ms: float = 0.0
    """How long the trader waited for an answer at the end: it adapts to what it measures."""
    fills_applied: int = 0
    """Fills that were booked up to the shutdown: `fills` also counts those that came during it."""
    fills_duplicate: int = 0
    """Fills that were told again, by a query or another message, and not booked again."""
    fills_crowded_out: int = 0
    """Fills that waited for the first stated position longer than there was room: taken for part of it."""
    unknown_events: int = 0
    """Messages of a kind that nobody takes."""
    unmatched_fills: int = 0
    """Fills of orders that the trader did not know."""
    foreign_fills: int = 0
    """Those of them whose order nobody of ours can have placed: somebody else trades on the account."""
    signatures_refused: int = 0
    """Requests that the venue took for a stranger's."""
    signer_outages: int = 0
    """How often so many of them came in a row that nothing more was signed for a while."""
    feed_downs: int = 0
    """Connections that ended, those at the shutdown and failed attempts not counted."""
    feed_silences: int = 0
    """Those of them for which the connection was silent, and nobody had closed it."""
    resyncs: int = 0
    """Comparisons with the venue's own lists, after a gap or a doubt."""
    position_drifts: int = 0
    """Times at which the venue stated another position than the trader's, and went on to."""
    drift_causes: dict[str, int] = field(default_factory=dict)
    """What was behind them, as far as could be told."""
    sync_triggers: dict[str, int] = field(default_factory=dict)
    """Why positions were compared although nothing had been lost, by what suggested it."""
    position_syncs: int = 0
    """Comparisons that these led to: several may be answered by one."""
    position_sync_failures: int = 0
    """Those that the venue did not answer; each is tried again."""
    position_syncs_postponed: int = 0
    """How often one waited because the venue was asked too much already."""
    audits: int = 0
    """Looks at all orders, whether or not anything seemed wrong."""
    audits_with_issues: int = 0
    """Those that found or cleaned up something."""
    order_lists_read: int = 0
    """Lists of the open orders that they asked for."""
    cancels_resent: int = 0
    """Cancels without effect that they sent once more."""
    times_degraded: int = 0
    """How often what was known of the account had become old."""
    times_unsynced: int = 0
    """How often it was so old that nothing was quoted."""
    restatements: int = 0
    """How often the venue's position replaced ours."""
    orphans_cancelled: int = 0
    """Orders of ours that only the venue knew, and that were cancelled."""
    orphans_cleared: int = 0
    """Those that turned out to be known, or gone, before that."""
    orders_vanished: int = 0
    """Orders that had rested and that the venue no longer knew in any way."""
    kills: int = 0
    """How often the kill switch was latched."""
    recoveries: int = 0
    """How often a position that had to shrink was stuck: its reducing orders were refused, or none could be placed."""
    recovery_iocs: int = 0
    """Reduce-only orders that took, to shrink it all the same."""
    recoveries_exhausted: int = 0
    """How often they did not suffice, and a pause followed."""
    recovery_escalations: int = 0
    """Those that began because no reducing order could be placed."""
    margin_reports: int = 0
    """Answers of the venue on margin and limits."""
    forced_fills_seen: int = 0
    """Fills by which the venue closed a position, as the trader was told; `forced_fills` is the truth."""
    dead_man_asked: int = 0
    """Requests to set or to put off the venue's dead-man switch."""
    dead_man_refused: int = 0
    """Those that the venue refused because this account may not: too little traded, or fired too often today."""
    dead_man_returned: int = 0
    """Requests to take it back, because nothing rests any more."""
    dead_man_fired: int = 0
    """How often it fired, as far as a living trader was told by the orders that it ended."""
    messages_refused: dict[str, int] = field(default_factory=dict)
    """Messages of the account that cannot be true and were not believed, by what was wrong with them."""
    analytics_errors: dict[str, int] = field(default_factory=dict)
    """Failures of what only looks on, such as statistics, by its name; none of them reaches the trading."""


@dataclass(slots=True)
class AllowanceFigures:
    """What the trader's account and its IP address used of what the venue allows."""

    rest_weight: int = 0
    """Weight of all requests by REST."""
    rest_weight_peak: int = 0
    """Most weight of REST requests within a minute."""
    rest_weight_limit: int = 0
    """Weight that is allowed."""
    messages: int = 0
    """All messages by socket: requests and subscriptions."""
    messages_peak: int = 0
    """Most messages by socket within a minute."""
    messages_limit: int = 0
    """Messages that are allowed."""
    posts_in_flight_peak: int = 0
    """Most requests by socket that waited for their answers at once."""
    posts_in_flight_limit: int = 0
    """Requests that may."""
    actions_used: int = 0
    """Orders, modifies and cancels of the account's life, those before the run included."""
    actions_cap: int = 0
    """Actions that its volume allows, at the end."""
    open_orders_peak: int = 0
    """Most orders that rested at once, as the venue counts them."""
    open_orders_cap: int = 0
    """Orders that may, at the end."""
    refused: dict[str, int] = field(default_factory=dict)
    """What was turned away, by the limit that did it."""
    prediction_off: dict[str, int] = field(default_factory=dict)
    """The trader's count less the venue's, of `actions`, `messages` and `weight`; nothing where they agree."""


@dataclass(slots=True)
class Recoveries:
    """From the loss of a connection until both sides rest again, over all losses while the trader quoted."""

    count: int = 0
    """Losses that were made good."""
    p50_s: float = 0.0
    """Half of them within this."""
    p90_s: float = 0.0
    """Nine in ten within this."""
    max_s: float = 0.0
    """All within this."""


@dataclass(slots=True)
class Growth:
    """A size over the time of a long run; it is flat if late is not more than early."""

    peak: float = 0.0
    """Largest at any look."""
    early: float = 0.0
    """Mean of the second quarter of the looks: what is bounded has filled up by then."""
    late: float = 0.0
    """Mean of the last quarter."""
    grown_pct: float = 0.0
    """By how much late is above early, in percent; negative if it shrank."""


@dataclass(slots=True)
class EnduranceFigures:
    """What an endurance run keeps, looked at between slices of the run."""

    looks: int = 0
    """How often."""
    sizes: dict[str, Growth] = field(default_factory=dict)
    """By name: `trader_bytes`, the whole state of the trader as plain data; `orders` it keeps, `ended_orders` among
    them; `requests` it waits for; `inbox`, the longest so far; `calls` that the world has yet to make."""
