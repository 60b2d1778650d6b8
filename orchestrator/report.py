"""Reads a desk into its frozen numbers."""

from typing import Any

from domain.orders import Certainty, TrackedOrder
from domain.units import Ns, Side, to_bps
from orchestrator.desk.desk import Desk
from orchestrator.desk.execution import GateReason
from orchestrator.desk.uptime import ONE_SIDED, TWO_SIDED
from orchestrator.metrics import DeskSnapshot, OrderSnapshot
from orchestrator.risk.state import RiskState


def order_snapshot(order: TrackedOrder, now: Ns) -> OrderSnapshot:
    """The numbers of one order at ``now``."""
    return OrderSnapshot(
        cloid=order.cloid,
        oid=order.oid,
        side=order.side,
        px=order.px,
        sz=order.sz,
        filled=order.filled,
        fills=order.fill_count(),
        average_px=order.average_fill_price(),
        state=order.state,
        certainty=order.certainty,
        age=order.age(now),
        since_last_fill=order.time_since_last_fill(now),
    )


def desk_snapshot(desk: Desk, now: Ns) -> DeskSnapshot:
    """The numbers of one desk at ``now``."""
    return DeskSnapshot(
        **_account(desk),
        **_exposure(desk),
        **_estimates(desk),
        **_gates(desk, now),
        **_orders(desk, now),
        **_cycles(desk, now),
    )


def _account(desk: Desk) -> dict[str, Any]:
    """Position and money."""
    inventory, mid = desk.inventory, desk.market.mid
    return {
        "instrument": desk.instrument.id,
        "mid": mid,
        "position": inventory.position,
        "position_limit": desk.limit.lots,
        "cash": inventory.cash,
        "fees": inventory.fees,
        "realized": inventory.realized,
        "unrealized": 0.0 if mid is None else inventory.unrealized(mid),
        "volume": inventory.volume,
        "fills": inventory.fills,
        "taker_fills": desk.fill_tracker.taker_fills,
        "bought": desk.fill_tracker.bought,
        "sold": desk.fill_tracker.sold,
        "adjusted_lots": inventory.adjusted_lots,
        "restatements": inventory.restatements,
        "undone_lots": inventory.undone_lots,
    }


def _exposure(desk: Desk) -> dict[str, Any]:
    """What rests, what may still fill, and where the position could end."""
    tracker, position = desk.tracker, desk.inventory.position
    resting = [order for order in tracker.orders.values() if order.is_resting]
    bids = [order.px for order in resting if order.side is Side.BUY]
    asks = [order.px for order in resting if order.side is Side.SELL]
    pending_bid, pending_ask = tracker.pending_exposure()
    worst_min, worst_max = tracker.worst_case_positions(position)
    fillable_bid, fillable_ask = tracker.fillable_exposure()
    state = RiskState(
        desk.instrument.id,
        position,
        mid=desk.market.mid,
        pending_bid=pending_bid,
        pending_ask=pending_ask,
        fillable_bid=fillable_bid,
        fillable_ask=fillable_ask,
    )
    return {
        "best_own_bid": max(bids, default=None),
        "best_own_ask": min(asks, default=None),
        "n_bids": len(bids),
        "n_asks": len(asks),
        "pending_bid": pending_bid,
        "pending_ask": pending_ask,
        "fillable_bid": fillable_bid,
        "fillable_ask": fillable_ask,
        "worst_case_min": worst_min,
        "worst_case_max": worst_max,
        "worst_case_usd": state.worst_case_position_value(),
        "is_book_balanced": state.is_book_balanced(),
    }


def _estimates(desk: Desk) -> dict[str, Any]:
    """What the strategy is told."""
    engine, time, targets = desk.engine, desk.market.time, desk.targets
    intensity = engine.intensity
    smoother = engine.smoother
    return {
        "kappa": engine.kappa_effective(time),
        "kappa_sd": engine.kappa.sd(time),
        "sigma": engine.sigma(time),
        "jump_ratio": engine.volatility.jump_ratio(),
        "intensity": None if intensity is None else intensity.value(time),
        "intensity_sd": None if intensity is None else intensity.sd(time),
        "half_spread_bps": None if targets is None else to_bps(targets.quote.half_spread),
        "quotes": engine.quotes,
        "quotes_at_floor": engine.quotes_at_floor,
        "quotes_kappa_capped": engine.quotes_kappa_capped,
        "inputs_suppressed": {} if smoother is None else dict(smoother.suppressed),
        "regime_changes": 0 if smoother is None else smoother.regime_changes,
        "grid_epochs": 0 if engine.grid is None else engine.grid.epoch,
    }


def _gates(desk: Desk, now: Ns) -> dict[str, Any]:
    """What stands between the desk and its quotes."""
    inventory, waits, counters = desk.inventory, desk.rejections, desk.tracker.counters
    return {
        "gate": desk.gate,
        "risk_level": desk.risk.max_severity.name.lower(),
        "risk_reasons": tuple(concern.reason for concern in desk.risk.concerns),
        "spread_factor": desk.risk.spread_factor,
        "size_factor": desk.risk.size_factor,
        "reach": {side.name.lower(): desk.limit.effective(side) for side in Side},
        **_recovery(desk),
        "position_utilization": abs(inventory.position) / desk.limit.lots if desk.limit.lots else 0.0,
        "halts": desk.halts,
        "side_rejections": {} if waits is None else {side.name.lower(): waits.sides[side].total for side in Side},
        "waiting_sides": () if waits is None else tuple(s.name.lower() for s in Side if waits.should_skip(s, now)),
        "fill_quality": desk.fill_tracker.quality(counters.placed),
        "data_age": desk.market.age(now),
        "data_future": desk.market.n_future,
        "data_anomalies": desk.market.sanity.anomalies.by_name(),
        "sequence_gap_max": desk.market.sanity.anomalies.largest_gap,
        "futile_orders": 0 if desk.futile is None else desk.futile.opened,
    }


def _recovery(desk: Desk) -> dict[str, Any]:
    """The way out of a position that is too large."""
    recovery = desk.unwinding.recovery
    return {
        "recovery": None if recovery is None else recovery.state.value,
        "recoveries": 0 if recovery is None else recovery.runs,
        "recovery_iocs": 0 if recovery is None else recovery.iocs,
        "recoveries_exhausted": 0 if recovery is None else recovery.exhausted,
        "recovery_escalations": 0 if recovery is None else recovery.escalations,
    }


def _orders(desk: Desk, now: Ns) -> dict[str, Any]:
    """Every order, and what became of those before."""
    tracker, counters = desk.tracker, desk.tracker.counters
    resting_bid, resting_ask = tracker.resting_notional()
    return {
        "active_orders": len(tracker.active_orders()),
        "stale_orders": len(tracker.stale_orders(now)),
        "net_pending": tracker.net_pending_change(),
        "resting_bid": resting_bid,
        "resting_ask": resting_ask,
        "orders": tuple(order_snapshot(order, now) for order in tracker.orders.values()),
        "unknown_orders": sum(o.certainty is Certainty.UNKNOWN for o in tracker.orders.values()),
        "placed": counters.placed,
        "modified": counters.modified,
        "cancels_sent": counters.cancels_sent,
        "cancelled": counters.cancelled,
        "rejected": counters.rejected,
        "expired": counters.expired,
        "filled": counters.filled,
        "races": counters.races,
        "late_fills": counters.late_fills,
        "stuck": counters.stuck,
        "modify_fallback": counters.modify_fallback,
        "late_events": counters.late_events,
        "overfilled": counters.overfilled,
        "illegal_steps": counters.illegal,
    }


def _cycles(desk: Desk, now: Ns) -> dict[str, Any]:
    """How often the desk looked, why, what it did, and how long it was where."""
    accumulator, execution, labels = desk.accumulator, desk.execution, desk.uptime.totals(now)
    return {
        "cycles": desk.cycles,
        "cycles_by_cause": {str(k): n for k, n in accumulator.stats.by_cause.items()},
        "cycles_one_sided": accumulator.stats.one_sided,
        "events_total": accumulator.stats.total,
        "events_filtered": accumulator.stats.filtered,
        "events_pending": accumulator.pending,
        "since_last_cycle": accumulator.since_last(now),
        "accumulated_bps": accumulator.accumulated_bps,
        "max_priority": accumulator.stats.max_priority,
        "stale_quote_alarms": desk.stale_quote_alarms,
        "stops_by_reason": dict(desk.stops),
        "actions_generated": execution.actions_generated,
        "actions_sent": execution.actions_sent,
        "actions_gated": {str(k): n for k, n in execution.actions_gated.items()},
        "churn_spirals": 0 if desk.churn is None else desk.churn.spirals,
        "actions_latched": execution.actions_latched,
        "kept_by_layer": _kept(desk),
        "cycles_untouched": desk.planner.untouched,
        "actions_paced": {} if execution.policy is None else execution.policy.by_name(),
        "actions_refused": {str(k): n for k, n in desk.outcomes.refusals.items()},
        "two_sided_ns": labels.get(TWO_SIDED, Ns(0)),
        "one_sided_ns": labels.get(ONE_SIDED, Ns(0)),
        "gated_ns": {k.removeprefix("gated:"): v for k, v in labels.items() if k.startswith("gated:")},
    }


def _kept(desk: Desk) -> dict[str, int]:
    """What kept quotes where they were, by layer."""
    execution, smoother, grid = desk.execution, desk.engine.smoother, desk.planner.grid
    return {
        "smoother": 0 if smoother is None else sum(smoother.suppressed.values()),
        "grid": 0 if grid is None else grid.preserved,
        "latch": execution.actions_latched - execution.actions_queued,
        "queue": execution.actions_queued,
        "debounce": execution.actions_gated.get(GateReason.DEBOUNCE, 0),
        "pacing": execution.actions_gated.get(GateReason.PACING, 0),
    }
