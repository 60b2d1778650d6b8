"""The trader's own counters, summed over its instruments and its lives.

A field of the result is a counter's name, but for `COUNTERS`.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import fields

from domain.instrument import Instrument
from domain.units import NS_PER_MS, NS_PER_S, Frac, to_bps
from orchestrator.desk.fill_tracker import ADVERSE_HORIZON
from orchestrator.metrics import DeskSnapshot, Snapshot
from scenarios.figures import Belief, TraderFigures

COUNTERS = {"race_fills_seen": "races"}
"""Counters whose name means something else among the figures of a run."""

_OF_DESK = {field.name for field in fields(DeskSnapshot)}


def trader_figures(lives: Sequence[Snapshot]) -> TraderFigures:
    """Sum the snapshots at the end of each life, the latest of which is the last."""
    figures = TraderFigures()
    if not lives:
        return figures
    for field in fields(TraderFigures):
        if field.name == "request_timeout_ms":
            continue
        counter = COUNTERS.get(field.name, field.name)
        sources = [desk for life in lives for desk in life.desks] if counter in _OF_DESK else lives
        values = [getattr(source, counter) for source in sources]
        setattr(figures, field.name, _total(values) if isinstance(values[0], dict) else sum(values))
    figures.request_timeout_ms = lives[-1].request_timeout / NS_PER_MS
    return figures


def belief(desk: DeskSnapshot, instrument: Instrument) -> Belief:
    """What a desk thought of its instrument."""
    quality = desk.fill_quality
    return Belief(
        fill_rate=quality.fill_rate,
        adverse_pct=None if quality.adverse_rate is None else 100.0 * quality.adverse_rate,
        gross_markout_bps=quality.gross_bps[ADVERSE_HORIZON],
        net_markout_bps=quality.net_bps[ADVERSE_HORIZON],
        markouts_known_pct=None if quality.coverage is None else 100.0 * quality.coverage,
        fill_latency_p50_ms=None if quality.latency_p50 is None else quality.latency_p50 / NS_PER_MS,
        fill_latency_p99_ms=None if quality.latency_p99 is None else quality.latency_p99 / NS_PER_MS,
        kappa=desk.kappa,
        kappa_sd=desk.kappa_sd,
        sigma_bps=None if desk.sigma is None else to_bps(Frac(desk.sigma)),
        jump_ratio=desk.jump_ratio,
        intensity=desk.intensity,
        intensity_sd=desk.intensity_sd,
        half_spread_bps=desk.half_spread_bps,
        at_floor_pct=100.0 * desk.quotes_at_floor / desk.quotes if desk.quotes else None,
        kappa_capped_pct=100.0 * desk.quotes_kappa_capped / desk.quotes if desk.quotes else None,
        data_age_s=None if desk.data_age is None else desk.data_age / NS_PER_S,
        since_last_cycle_s=None if desk.since_last_cycle is None else desk.since_last_cycle / NS_PER_S,
        accumulated_bps=desk.accumulated_bps,
        max_priority=int(desk.max_priority),
        adjusted_size=instrument.size(desk.adjusted_lots),
    )


def _total(counts: Sequence[dict[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for each in counts:
        total.update({str(name): count for name, count in each.items()})
    return dict(sorted(total.items()))
