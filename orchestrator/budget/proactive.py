"""What we have asked of the venue, counted as it counts, so that it never has to say no (RL-01, RL-02).

Cancels are never held back: only what places or modifies is asked here. The venue's own figures, where it states
them, replace ours.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated

from annotated_types import Interval

from domain.commands import TRADING, Cancel, QueryQuota, Request, Route
from domain.events import AnyResult, Executed, FillsReport, QuotaReport, Reason, Refused, Replied, Resting
from domain.limits import VenueLimits
from domain.units import Ns, Usd
from orchestrator.budget.backoff import Backoff, BackoffConfig
from orchestrator.budget.pacer import Allowance, BudgetPacer, Draft, PacingConfig
from orchestrator.budget.quota_state import CumulativeQuotaState
from orchestrator.budget.sliding import SlidingSum

SLACK = 10
"""Beyond the allowance we wait a tenth longer than the venue asks: messages do not all take the same time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetConfig:
    """How near the venue's limits we go."""

    limits: VenueLimits | None = None
    """What the venue allows. Without it the documented figures; a scenario hands over those of its venue."""
    share: Annotated[float, Interval(gt=0, le=1)] = 0.8
    """Share of what the venue allows (messages within a minute and requests without an answer by socket, weight within
    a minute by REST) that quotes may use; the rest is for cancels and queries."""
    low_actions: Annotated[int, Interval(ge=0, le=1_000_000_000)] = 1_000
    """With fewer actions left of the account's allowance than this people are warned."""
    ask_every_s: Annotated[float, Interval(gt=0, le=1e6)] = 600.0
    """The venue is asked what it counted, after the start-up and then so often, in seconds."""
    rate_limited: BackoffConfig = field(default_factory=BackoffConfig)
    """How long quotes wait after the venue turned a request away for its address."""
    exhausted: BackoffConfig = field(
        default_factory=lambda: BackoffConfig(first_s=30.0, factor=2.0, max_s=600.0, jitter=0.5)
    )
    """The same for the account's allowance, where the venue knows of less than we do."""
    pacing: PacingConfig | None = None
    """How the allowance is spread over time and over what is urgent; off: it is spent as it is wanted."""


class BudgetGate(StrEnum):
    """Why quotes are held back."""

    RATE_LIMIT = "rate_limit"
    """The share of the minute is used, or the venue has just turned something away."""
    QUOTA = "quota"
    """The allowance of the account is used: one action goes every so often."""
    NO_ROUTE = "no_route"
    """Whatever way it could take has failed again and again, and is left alone."""


class ProactiveRateTracker:
    """One account behind one IP address."""

    def __init__(self, config: BudgetConfig) -> None:
        """Nothing sent."""
        self.config = config
        self.limits = limits = config.limits or VenueLimits()
        self.quota = CumulativeQuotaState(limits.address)
        """What the account has used of its allowance."""
        self.pacer = None if config.pacing is None else BudgetPacer(config.pacing, limits)
        """How fast the rest of it may be spent; None: as fast as somebody wants to."""
        self.messages = self.weight = 0
        """All messages by socket and all weight by REST of this life, as the venue should have counted them."""
        self.rate_limited = Backoff(config.rate_limited, "backoff/rate_limited")
        self.exhausted = Backoff(config.exhausted, "backoff/exhausted")
        self._messages = SlidingSum(limits.socket.window)
        self._weight = SlidingSum(limits.ip.window)
        self._messages_max = int(limits.socket.messages * config.share)
        self._weight_max = int(limits.ip.weight * config.share)
        self.posts_max = max(int(limits.socket.posts_in_flight * config.share), 1)
        """With so many requests by socket under way quotes wait for an answer."""
        self._trickle_at = Ns(0)
        """When the next action beyond the allowance may go."""

    @property
    def used(self) -> int:
        """Actions of the account, as far as we know."""
        return self.quota.used

    @property
    def traded(self) -> Usd:
        """Its volume in this life, and what the venue said was before."""
        return self.quota.traded

    @property
    def cap(self) -> int:
        """Actions that the account is allowed."""
        return self.quota.cap

    @property
    def headroom(self) -> int:
        """Actions left; 0 where none is."""
        return max(self.cap - self.used, 0)

    @property
    def is_low(self) -> bool:
        """Whether people should be warned."""
        return self.headroom < self.config.low_actions

    # --- facts ----------------------------------------------------------------------------------

    def on_sent(self, request: Request, now: Ns) -> None:
        """Count a request as the venue will."""
        actions = request.actions
        if request.route is Route.SOCKET:
            self.on_message(now)
        else:
            self._add_weight(self.limits.ip.weight_of(actions), now)
        if isinstance(actions[0], QueryQuota):
            self.quota.on_asked(now)
        if isinstance(actions[0], TRADING):
            is_cancel = isinstance(actions[0], Cancel)
            if self.used >= (self.limits.address.cancel_cap_of(self.cap) if is_cancel else self.cap):
                interval = self.limits.address.limited_interval
                self._trickle_at = Ns(now + len(actions) * (interval + interval // SLACK))
            self.quota.on_sent(len(actions), now)
            if self.pacer is not None:
                self.pacer.on_sent(request, now)

    def on_message(self, now: Ns) -> None:
        """Count a message by socket: a request, or a subscription."""
        self.messages += 1
        self._messages.add(1, now)

    def on_not_sent(self, request: Request, now: Ns) -> None:
        """It never reached the venue, which has not counted it."""
        if request.route is Route.SOCKET:
            self.messages -= 1
        else:
            self.weight -= self.limits.ip.weight_of(request.actions)
        if isinstance(request.actions[0], TRADING):
            self.quota.on_not_sent(len(request.actions))
            if self.pacer is not None:
                self.pacer.on_not_sent(request, now)

    def on_traded(self, value: Usd, now: Ns) -> None:
        """A fill of ours earns allowance."""
        self.quota.on_traded(value)
        if self.pacer is not None:
            self.pacer.on_traded(value, now)

    def on_replied(self, event: Replied, now: Ns) -> None:
        """What the venue made of a request."""
        for result in event.results:
            self._on_result(result, now)

    def _on_result(self, result: AnyResult, now: Ns) -> None:
        match result:
            case Refused(reason=Reason.RATE_LIMITED | Reason.TOO_MANY_IN_FLIGHT):
                self.rate_limited.hit(now)
            case Refused(reason=Reason.QUOTA_EXHAUSTED):
                self.exhausted.hit(now)
            case QuotaReport():
                self.quota.take(result)
            case FillsReport(fills=fills):
                self._add_weight(self.limits.ip.surcharge(len(fills)), now)
            case Resting() | Executed():
                self.rate_limited.success(now)
                self.exhausted.success(now)
            case _:
                self.rate_limited.success(now)

    def _add_weight(self, weight: int, now: Ns) -> None:
        self.weight += weight
        self._weight.add(weight, now)

    # --- decisions ------------------------------------------------------------------------------

    def draft(self, now: Ns) -> Draft | None:
        """What the third tier leaves a cycle to send; None where it is off."""
        if self.pacer is None:
            return None
        cancels = self.limits.address.cancel_cap_of(self.cap) - self.used
        return self.pacer.draft(Allowance(self.headroom, max(cancels, 0)), now)

    def gate(self, n_actions: int, route: Route, now: Ns, after: int = 0) -> BudgetGate | None:
        """Why a request of so many placements or modifies should not go now; None where it may.

        ``after`` so many other actions, which leave first.
        """
        if self.rate_limited.is_waiting(now):
            return BudgetGate.RATE_LIMIT
        if route is Route.SOCKET:
            is_full = self._messages.used(now) >= self._messages_max
        else:
            weight = 1 + n_actions // self.limits.ip.actions_per_weight
            is_full = self._weight.used(now) + weight > self._weight_max
        if is_full:
            return BudgetGate.RATE_LIMIT
        if self.exhausted.is_waiting(now):
            return BudgetGate.QUOTA
        if self.used + after + n_actions <= self.cap:
            return None
        return None if n_actions == 1 and now >= self._trickle_at else BudgetGate.QUOTA

    def opens_at(self, route: Route, now: Ns) -> Ns:
        """When a single action may go again, if nothing else is sent meanwhile."""
        opens_at = max(self.asks_at(route, now), self.exhausted.until)
        return max(opens_at, self._trickle_at) if self.used >= self.cap else opens_at

    def asks_at(self, route: Route, now: Ns) -> Ns:
        """The same for a question, which the allowance of the account does not count."""
        if route is Route.SOCKET:
            fits = self._messages.fits_at(self._messages_max - 1, now)
        else:
            fits = self._weight.fits_at(self._weight_max - 1, now)
        return max(now, self.rate_limited.until, fits)
