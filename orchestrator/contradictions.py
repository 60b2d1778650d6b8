"""Settings of which each is possible and which cannot be meant together: all of them are named before anything starts.

What a single number may be its bounds say, beside the number. Nothing here runs with the trader.
"""

from collections.abc import Iterator
from itertools import pairwise

from domain.errors import Problem
from domain.limits import VenueLimits
from domain.units import NS_PER_S
from orchestrator.budget.backoff import BackoffConfig
from orchestrator.budget.pacer import PacingConfig
from orchestrator.budget.tiers import QuotaAwareConfig
from orchestrator.config import TraderConfig
from orchestrator.reconcile.table import ReconcileConfig

EXACT = 1e-9
"""Shares are decimal fractions: their sum is 1 to the last digit but one."""


def limits_problems(config: TraderConfig) -> list[Problem]:
    """Limits that contradict each other, by their paths below the trader's own settings."""
    desk, budget = config.desk, config.budget
    problems = [*_of_reconcile(desk.reconcile, desk.accumulator.fallback_ms)]
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
        if budget.limits is not None:
            problems += allowance_problems("budget.limits", budget.limits)
        if budget.pacing is not None:
            problems += _of_pacing(budget.pacing, budget.limits or VenueLimits())
    return problems


def allowance_problems(path: str, limits: VenueLimits) -> Iterator[Problem]:
    """An account that may neither place nor cancel."""
    address = limits.address
    if address.cancel_cap_of(address.initial) == 0:
        yield Problem(f"{path}.address.initial", str(address.initial), "an allowance, or cancels beyond it")


def _of_reconcile(config: ReconcileConfig, fallback_ms: float) -> Iterator[Problem]:
    path, first, tolerance = "desk.reconcile", config.modify_first, config.tolerance
    if config.modify_interval_ms > fallback_ms:
        yield _at_most(f"{path}.modify_interval_ms", config.modify_interval_ms, fallback_ms, "accumulator.fallback_ms")
    if first is not None and first.interval_ms > fallback_ms:
        yield _at_most(f"{path}.modify_first.interval_ms", first.interval_ms, fallback_ms, "accumulator.fallback_ms")
    if tolerance is None:
        return
    path += ".tolerance"
    if tolerance.floor_bps > tolerance.cap_bps:
        yield _at_most(f"{path}.floor_bps", tolerance.floor_bps, tolerance.cap_bps, "cap_bps")
    if any(inner > outer for inner, outer in pairwise(tolerance.level_factors)):
        found = ", ".join(f"{factor:g}" for factor in tolerance.level_factors)
        yield Problem(f"{path}.level_factors", found, "no level with a smaller factor than one further in")


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
    messages = limits.socket.messages * 60 * NS_PER_S / limits.socket.window
    if config.per_minute > messages:
        yield _at_most(f"{path}.per_minute", config.per_minute, messages, "the venue's messages a minute")
    if impulse is None:
        return
    if impulse.start > impulse.most:
        yield _at_most(f"{path}.impulse.start", impulse.start, impulse.most, "most")
    if impulse.reserve >= impulse.most:
        yield _below(f"{path}.impulse.reserve", impulse.reserve, impulse.most, "most")


def _at_most(path: str, found: float, bound: float, name: str) -> Problem:
    return Problem(path, f"{found:g}", f"at most {bound:g} ({name})")


def _below(path: str, found: float, bound: float, name: str) -> Problem:
    return Problem(path, f"{found:g}", f"less than {bound:.6g} ({name})")
