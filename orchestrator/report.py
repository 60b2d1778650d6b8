"""Reads a desk into its frozen numbers."""

from domain.orders import Certainty
from domain.units import Ns, Side, to_bps
from orchestrator.desk.desk import Desk
from orchestrator.desk.uptime import ONE_SIDED, TWO_SIDED
from orchestrator.metrics import DeskSnapshot


def desk_snapshot(desk: Desk, now: Ns) -> DeskSnapshot:
    """The numbers of one desk at ``now``."""
    tracker, inventory, counters = desk.tracker, desk.inventory, desk.tracker.counters
    resting = [order for order in tracker.orders.values() if order.is_resting]
    bids = [order.px for order in resting if order.side is Side.BUY]
    asks = [order.px for order in resting if order.side is Side.SELL]
    pending_bid, pending_ask = tracker.pending_exposure()
    fillable_bid, fillable_ask = tracker.fillable_exposure()
    worst_min, worst_max = tracker.worst_case_positions(inventory.position)
    mid = desk.market.mid
    labels = desk.uptime.totals(now)
    targets = desk.targets
    return DeskSnapshot(
        instrument=desk.instrument.id,
        mid=mid,
        position=inventory.position,
        position_limit=desk.limit.lots,
        cash=inventory.cash,
        fees=inventory.fees,
        realized=inventory.realized,
        unrealized=0.0 if mid is None else inventory.unrealized(mid),
        volume=inventory.volume,
        fills=inventory.fills,
        best_own_bid=max(bids, default=None),
        best_own_ask=min(asks, default=None),
        n_bids=len(bids),
        n_asks=len(asks),
        pending_bid=pending_bid,
        pending_ask=pending_ask,
        fillable_bid=fillable_bid,
        fillable_ask=fillable_ask,
        worst_case_min=worst_min,
        worst_case_max=worst_max,
        kappa=desk.engine.kappa_effective(desk.market.exch_time),
        sigma=desk.engine.sigma,
        half_spread_bps=None if targets is None else to_bps(targets.quote.half_spread),
        gate=desk.gate,
        data_age=desk.market.age(now),
        unknown_orders=sum(o.certainty is Certainty.UNKNOWN for o in tracker.orders.values()),
        placed=counters.placed,
        modified=counters.modified,
        cancels_sent=counters.cancels_sent,
        cancelled=counters.cancelled,
        rejected=counters.rejected,
        filled=counters.filled,
        races=counters.races,
        late_fills=counters.late_fills,
        cycles=desk.cycles,
        cycles_by_cause={str(k): n for k, n in desk.accumulator.stats.by_cause.items()},
        stops_by_reason=dict(desk.stops),
        actions_sent=desk.actions_sent,
        actions_gated={str(k): n for k, n in desk.actions_gated.items()},
        two_sided_ns=labels.get(TWO_SIDED, Ns(0)),
        one_sided_ns=labels.get(ONE_SIDED, Ns(0)),
        gated_ns={k.removeprefix("gated:"): v for k, v in labels.items() if k.startswith("gated:")},
    )
