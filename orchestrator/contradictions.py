"""Settings of which each is possible and which cannot be meant together: all of them are named before anything starts.

What a single number may be its bounds say, beside the number. Nothing here runs with the trader.
"""

from collections.abc import Iterator
from itertools import pairwise
from math import ceil

from domain.errors import Problem
from domain.limits import VenueLimits
from domain.units import NS_PER_S, Usd
from orchestrator.budget.backoff import BackoffConfig
from orchestrator.budget.pacer import PacingConfig
from orchestrator.budget.proactive import BudgetConfig
from orchestrator.budget.tiers import QuotaAwareConfig
from orchestrator.config import TraderConfig
from orchestrator.core import MARKET_KINDS, USER_CHANNELS
from orchestrator.reconcile.band import ToleranceConfig
from orchestrator.reconcile.table import ReconcileConfig
from strategy.smoothing import SmootherConfig

USUAL = BudgetConfig()
EXACT = 1e-9
"""Shares are decimal fractions: their sum is 1 to the last digit but one."""


def limits_problems(config: TraderConfig, venue: VenueLimits, told: str) -> list[Problem]:
    """Limits that contradict each other, by their paths below the trader's own settings.

    ``venue``: what the trader reckons with where its settings name no limits; ``told`` is the path of those.
    """
    desk, budget = config.desk, config.budget
    problems = [*_of_reconcile(desk.reconcile, desk.accumulator.fallback_ms), *_of_smoother(desk.engine.smoother)]
    if desk.quota_aware is not None:
        problems += _of_tiers(desk.quota_aware)
    rejections = desk.rejections
    if rejections is not None and rejections.backoff_s > rejections.backoff_max_s:
        problems.append(
            _at_most("desk.rejections.backoff_s", rejections.backoff_s, rejections.backoff_max_s, "backoff_max_s")
        )
    if budget is not None:
        problems += _of_backoff("budget.rate_limited", budget.rate_limited)
        problems += _of_backoff("budget.exhausted", budget.exhausted)
        limits, path = (venue, told) if budget.limits is None else (budget.limits, "budget.limits")
        problems += _of_share(budget.share, limits, path)
        if budget.limits is not None:
            problems += allowance_problems(path, limits)
        if budget.pacing is not None:
            problems += _of_pacing(budget.pacing, limits)
    return problems


def allowance_problems(path: str, limits: VenueLimits, traded: Usd = Usd(0)) -> Iterator[Problem]:
    """An account with that volume, in micro-USD, that may neither place nor cancel, or whose orders may not rest."""
    address, orders = limits.address, limits.open_orders
    if address.cancel_cap(traded) == 0:
        yield Problem(f"{path}.address.initial", str(address.initial), "an allowance, or cancels beyond it")
    if orders.most == 0:
        yield Problem(f"{path}.open_orders.most", "0", "at least 1 order that may rest")
    elif orders.cap(traded) == 0:
        yield Problem(f"{path}.open_orders.initial", str(orders.initial), "at least 1 order that may rest")


def deaf_problems(path: str, limits: VenueLimits, instruments: int) -> Iterator[Problem]:
    """Fewer subscriptions, or messages to ask for them, than a trader of so many instruments has channels."""
    channels, socket = len(USER_CHANNELS) + len(MARKET_KINDS) * instruments, limits.socket
    for key, most in (("subscriptions", socket.subscriptions), ("messages", socket.messages)):
        if most < channels:
            yield Problem(f"{path}.socket.{key}", str(most), f"at least {channels}, one for each channel")


def _of_share(share: float, limits: VenueLimits, path: str) -> Iterator[Problem]:
    """A share of a limit that is less than one: quotes would wait for ever. To blame is what is unusually small."""
    whole = {f"{path}.socket.messages": limits.socket.messages, f"{path}.ip.weight": limits.ip.weight}
    nothing = {key: most for key, most in whole.items() if int(most * share) == 0}
    small = [key for key, most in nothing.items() if int(most * USUAL.share) == 0]
    for key in small:
        yield Problem(key, str(nothing[key]), f"at least {ceil(1 / share)}, of which budget.share ({share:g}) makes 1")
    if len(small) < len(nothing):
        parts = " and of ".join(f"{key} ({most})" for key, most in nothing.items() if key not in small)
        yield Problem("budget.share", f"{share:g}", f"what makes at least 1 of {parts}")


def _of_reconcile(config: ReconcileConfig, fallback_ms: float) -> Iterator[Problem]:
    path, first, tolerance = "desk.reconcile", config.modify_first, config.tolerance
    if config.modify_interval_ms > fallback_ms:
        yield _at_most(f"{path}.modify_interval_ms", config.modify_interval_ms, fallback_ms, "accumulator.fallback_ms")
    if first is not None and first.interval_ms > fallback_ms:
        yield _at_most(f"{path}.modify_first.interval_ms", first.interval_ms, fallback_ms, "accumulator.fallback_ms")
    if tolerance is not None:
        yield from _of_tolerance(f"{path}.tolerance", tolerance)
    if first is not None and tolerance is not None and first.max_price_bps < tolerance.floor_bps:
        want = f"at least {tolerance.floor_bps:g} (tolerance.floor_bps: beyond it an order is replaced)"
        yield Problem(f"{path}.modify_first.max_price_bps", f"{first.max_price_bps:g}", want)


def _of_tolerance(path: str, tolerance: ToleranceConfig) -> Iterator[Problem]:
    if tolerance.floor_bps > tolerance.cap_bps:
        yield _at_most(f"{path}.floor_bps", tolerance.floor_bps, tolerance.cap_bps, "cap_bps")
    if any(inner > outer for inner, outer in pairwise(tolerance.level_factors)):
        found = ", ".join(f"{factor:g}" for factor in tolerance.level_factors)
        yield Problem(f"{path}.level_factors", found, "no level with a smaller factor than one further in")
    if tolerance.front_share > tolerance.near_share:
        yield _at_most(f"{path}.front_share", tolerance.front_share, tolerance.near_share, "near_share")
    if tolerance.near_bonus > tolerance.front_bonus:
        yield _at_most(f"{path}.near_bonus", tolerance.near_bonus, tolerance.front_bonus, "front_bonus")


def _of_smoother(config: SmootherConfig | None) -> Iterator[Problem]:
    regime = None if config is None else config.regime
    if regime is None or regime.down / regime.rearm <= regime.up * regime.rearm:
        return
    low, high = regime.down / regime.rearm, regime.up * regime.rearm
    want = f"a band between down / rearm and up x rearm, not {low:g} to {high:g}"
    yield Problem("desk.engine.smoother.regime.rearm", f"{regime.rearm:g}", want)


def _of_tiers(config: QuotaAwareConfig) -> Iterator[Problem]:
    path = "desk.quota_aware"
    if config.widest_below >= config.widens_below:
        yield _below(f"{path}.widest_below", config.widest_below, config.widens_below, "widens_below")
    if config.best_only_below >= config.full_ladder_above:
        yield _below(f"{path}.best_only_below", config.best_only_below, config.full_ladder_above, "full_ladder_above")


def _of_backoff(path: str, config: BackoffConfig) -> Iterator[Problem]:
    if config.first_s > config.max_s:
        yield _at_most(f"{path}.first_s", config.first_s, config.max_s, "max_s")


def _of_pacing(config: PacingConfig, limits: VenueLimits) -> Iterator[Problem]:
    path, shares, impulse = "budget.pacing", sum(config.shares.values()), config.impulse
    if abs(shares - 1) > EXACT:
        yield Problem(f"{path}.modify_share, place_share, cancel_share", f"{shares:g} in all", "1 in all")
    if 3 * config.reserve >= 1:
        yield _below(f"{path}.reserve", config.reserve, 1 / 3, "for small drifts three times as much is kept")
    for kind, share in config.shares.items():
        if not share and not config.lendable:
            yield Problem(f"{path}.{kind}_share", "0", "more than 0, or `lendable`: none would ever go")
    stretch, name = max((config.window_s, "window_s"), (60.0, "a minute"))
    if config.horizon_s < stretch:
        yield Problem(f"{path}.horizon_s", f"{config.horizon_s:g}", f"at least {stretch:g} ({name})")
    messages = limits.socket.messages * 60 * NS_PER_S / limits.socket.window
    if config.per_minute is not None and config.per_minute > messages:
        yield _at_most(f"{path}.per_minute", config.per_minute, messages, "the venue's messages a minute")
    if impulse is None:
        return
    if impulse.start > impulse.most:
        yield _at_most(f"{path}.impulse.start", impulse.start, impulse.most, "most")
    if impulse.reserve >= impulse.most:
        yield _below(f"{path}.impulse.reserve", impulse.reserve, impulse.most, "most")
    elif impulse.most - impulse.reserve < 1:
        most = f"at least {impulse.reserve + 1:g} (reserve and one action)"
        yield Problem(f"{path}.impulse.most", f"{impulse.most:g}", most)


def _at_most(path: str, found: float, bound: float, name: str) -> Problem:
    return Problem(path, f"{found:g}", f"at most {bound:g} ({name})")


def _below(path: str, found: float, bound: float, name: str) -> Problem:
    return Problem(path, f"{found:g}", f"less than {bound:.6g} ({name})")
