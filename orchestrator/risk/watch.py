"""Risk of the whole account: builds the states, asks the monitors, keeps halts and stances (RK-01, RK-11, RK-25).

It looks once a decision, at the instruments to which something happened. What comes of it is a stance for each desk:
whether it may quote, what of it, how wide and how big; and the one kill switch of the account. It sends nothing.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from domain.commands import Alert, Severity
from domain.events import Fill, OrderUpdate, Reason, Refused, Replied, Restored
from domain.units import Frac, InstrumentId, Ns, Sz, Usd, millis, seconds
from orchestrator.desk.desk import Desk
from orchestrator.risk.aggregator import AggregatedRisk, aggregate
from orchestrator.risk.assessment import RiskLevel
from orchestrator.risk.halt import Halt, HaltConfig
from orchestrator.risk.kill_switch import KillSwitch
from orchestrator.risk.limits import LimitsConfig, RiskLimits
from orchestrator.risk.liquidation import LiquidationWatch
from orchestrator.risk.margin import MarginTracker
from orchestrator.risk.monitors import Monitor, MonitorsConfig, monitors_of
from orchestrator.risk.monitors.cascade import CascadeConfig
from orchestrator.risk.monitors.margin import MarginMonitor
from orchestrator.risk.monitors.position import PositionMonitor
from orchestrator.risk.monitors.rate_limit import RateLimitConfig
from orchestrator.risk.monitors.staleness import DataStalenessMonitor
from orchestrator.risk.monitors.velocity import VelocityConfig
from orchestrator.risk.stance import Stance
from orchestrator.risk.state import ProfitAndLoss, RiskState, Trail

TOO_MANY = frozenset((Reason.RATE_LIMITED, Reason.TOO_MANY_IN_FLIGHT))
"""Refusals of a request for being one too many."""

SHRINKERS = frozenset((PositionMonitor.name, MarginMonitor.name))
"""Monitors that find the position itself too large."""

STOOD_STILL = seconds(10)
WAKING = seconds(1)
"""After so long without a look it was us who stood still: what waits to be read is read before old data halts."""

LOOK_EVERY = millis(500)
"""Without a reason risk looks so often, and only where there is an event at all."""

NOTICEABLE = 2e-4
"""A move of the mid by more than this share of it is a reason to look at once."""

DOUBTFUL = 0.01
"""A mid that is further than this share from the one before needs several messages to be believed."""

BELIEVED_AFTER = 3

TELL_AGAIN = seconds(60)
"""A concern that comes back is told again after so long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskConfig(MonitorsConfig):
    """The monitors, one table each, and how a halt ends."""

    halt: HaltConfig = field(default_factory=HaltConfig)
    limits: LimitsConfig | None = field(default_factory=LimitsConfig)
    """Limits of the whole account in money."""
    liquidation_kills: bool = True
    """Whether a liquidation of the account kills (C-19)."""


class RateErrors:
    """Refusals of the latest while."""

    def __init__(self, window: Ns) -> None:
        """None yet."""
        self._window = window
        self._times: deque[Ns] = deque()

    def add(self, now: Ns) -> None:
        """One more."""
        self._times.append(now)

    def count(self, now: Ns) -> int:
        """How many are not old yet."""
        times = self._times
        while times and now - times[0] >= self._window:
            times.popleft()
        return len(times)

    def next_change(self) -> Ns | None:
        """When the oldest is forgotten."""
        return Ns(self._times[0] + self._window) if self._times else None


class DeskRisk:
    """What is remembered of one instrument: its state, the assessment of it, its halt."""

    def __init__(self, desk: Desk, config: RiskConfig) -> None:
        """Nothing is known."""
        self.desk = desk
        self.halt = Halt(config.halt)
        self.is_calm = True
        """Whether nothing has to be looked at again before something happens."""
        self.pnl = 0.0
        """Cash, and position at the latest mid that we believe, in micro-USD; at its cost before the first."""
        self.is_marked = False
        """Whether such a mid values all of it, or there is nothing to value."""
        self.limit_value = 0.0
        self._velocity_s = (config.velocity or VelocityConfig()).window_s
        self._velocity = Trail(seconds(self._velocity_s))
        self._displacement = Trail(seconds((config.cascade or CascadeConfig()).window_s))
        self._mid2: int | None = None
        self._mark = 0.0
        """The latest mid that we believe; 0 before the first."""
        self._doubted = 0.0
        self._doubts = 0
        """Messages in a row that put the mid at about a new place."""
        self._messages = 0
        self._noticeable = 0.0
        self._look_at = Ns(0)
        self._fills = -1
        self._position = 0
        self._revision = -1
        self._limit = 0
        self._pending = (Sz(0), Sz(0))
        self._fillable = (Sz(0), Sz(0))

    def is_due(self, now: Ns) -> bool:
        """Whether to look: after a while, or at once where the position changed or the mid moved noticeably."""
        desk = self.desk
        mid2, known, inventory = desk.market.mid2, self._mid2, desk.inventory
        return not (
            now < self._look_at
            and inventory.fills == self._fills
            and inventory.position == self._position
            and desk.limit.lots == self._limit
            and (mid2 == known or (mid2 is not None and known is not None and abs(mid2 - known) <= self._noticeable))
        )

    def take_in(self, now: Ns) -> None:
        """Read what may have changed."""
        desk = self.desk
        mid2, inventory, tracker = desk.market.mid2, desk.inventory, desk.tracker
        if tracker.revision != self._revision:
            self._revision = tracker.revision
            self._pending = tracker.pending_exposure()
            self._fillable = tracker.fillable_exposure()
        if mid2 is None:
            self._velocity.restart()
            self._displacement.restart()
        else:
            self._noticeable = mid2 * NOTICEABLE
            self._believe(mid2 / 2, desk.market.n_taken)
        if self._mark and not inventory.awaits_mark:
            self.pnl, self.is_marked = inventory.cash + inventory.position * self._mark, True
        elif not self._mark:
            self.pnl, self.is_marked = float(inventory.cash + inventory.cost), not inventory.position
        self.limit_value = desk.limit.lots * self._mark
        self._mid2, self._fills, self._position, self._limit = (
            mid2,
            inventory.fills,
            inventory.position,
            desk.limit.lots,
        )
        self._look_at = Ns(now + 1 if self._doubts else now + LOOK_EVERY)

    def _believe(self, mid: float, messages: int) -> None:
        """A mid far from the last one is a mark only when several messages say so: one may be garbage (C-06)."""
        mark = self._mark
        if not mark or abs(mid - mark) <= DOUBTFUL * mark:
            self._mark, self._doubts = mid, 0
            return
        if self._doubts and messages == self._messages:
            return
        self._messages = messages
        is_same = self._doubts and abs(mid - self._doubted) <= DOUBTFUL * self._doubted
        self._doubts = self._doubts + 1 if is_same else 1
        self._doubted = mid
        if self._doubts >= BELIEVED_AFTER:
            self._mark, self._doubts = mid, 0

    def state(
        self,
        account: ProfitAndLoss,
        limits_value: float,
        rate_errors: int,
        now: Ns,
        margin: MarginTracker | None,
        margin_used: float | None,
        attempts: int,
    ) -> RiskState:
        """The state of this moment."""
        desk, mid2 = self.desk, self._mid2
        market = desk.market
        velocity = displacement = Frac(0.0)
        mid = None
        if mid2 is not None:
            mid = mid2 / 2
            fast, far = self._velocity, self._displacement
            if self._doubts:
                velocity, displacement = fast.glance(mid, market.time), far.glance(mid, market.time)
            else:
                velocity, displacement = fast.distance(mid, market.time), far.distance(mid, market.time)
            velocity = Frac(velocity / self._velocity_s)
        return RiskState(
            desk.instrument.id,
            desk.inventory.position,
            desk.limit.lots,
            mid,
            market.ladder_age(now),
            velocity,
            displacement,
            *self._pending,
            *self._fillable,
            not self._doubts,
            account.loss,
            account.drawdown,
            limits_value,
            rate_errors,
            desk.instrument.sz_scale,
            None if margin is None else margin.most(desk.instrument.id),
            margin_used,
            market.sanity.streak,
            max(attempts, market.gaps),
        )


class RiskWatch:
    """Every desk and the account, looked at once a decision."""

    def __init__(
        self,
        config: RiskConfig,
        desks: Mapping[InstrumentId, Desk],
        kill_switch: KillSwitch,
        alert: Callable[[Alert], None],
        margin: MarginTracker | None = None,
        attempts: Callable[[], int] = int,
    ) -> None:
        """Switch on what the config has; ``attempts``: how often in a row the market feed could not be had."""
        self.monitors: tuple[Monitor, ...] = monitors_of(config)
        self.account = ProfitAndLoss()
        self.desks = {name: DeskRisk(desk, config) for name, desk in desks.items()}
        self.rate_errors = RateErrors(seconds((config.rate_limit or RateLimitConfig()).window_s))
        self.limits = None if config.limits is None else RiskLimits(config.limits, desks)
        self.liquidation = LiquidationWatch(kill_switch, alert, kills=config.liquidation_kills)
        self._margin = margin
        self._kill_switch = kill_switch
        self._alert = alert
        self._attempts = attempts
        self._looked_at = Ns(0)
        self._waking_until = Ns(0)
        self._staleness = next((each for each in self.monitors if isinstance(each, DataStalenessMonitor)), None)
        self._risks = list(self.desks.values())
        self._all_are_due = False
        self._wake_at: Ns | None = None
        """When to look in any case, as of the last look."""
        self._told: dict[tuple[InstrumentId, str], tuple[RiskLevel, Ns]] = {}
        if config.position is not None:
            for desk in desks.values():
                desk.limit.soft_share = config.position.soft_share
                desk.limit.proactive_share = config.position.proactive_share

    # --- events ---------------------------------------------------------------------------------

    def begin(self, restored: Restored) -> None:
        """What earlier lives hand on."""
        self.account.begin(restored.forgiven)
        self.liquidation.begin(restored.liquidated)

    def on_replied(self, event: Replied, now: Ns) -> None:
        """Count a request that was turned away for being too many; read what is said of margin and liquidation."""
        self.liquidation.hear(event)
        for result in event.results:
            if self._margin is not None:
                self._margin.hear(result, now)
            if type(result) is Refused and result.reason in TOO_MANY:
                self.rate_errors.add(now)
                self._all_are_due = True
                return

    def on_update(self, event: OrderUpdate, now: Ns) -> None:
        """A status of an order of ours."""
        self.liquidation.hear(event)
        if event.reason is Reason.MARGIN and self._margin is not None:
            self._margin.on_refused(now)

    def on_fill(self, fill: Fill) -> None:
        """A new fill."""
        self.liquidation.on_fill(fill)

    def on_kill_reset(self, now: Ns) -> None:
        """A person has looked: losses and halts count from here."""
        self.account.forgive(now)
        for risk in self.desks.values():
            risk.halt.forgive()
        self._told.clear()
        self._all_are_due = True

    # --- decisions ------------------------------------------------------------------------------

    def look(self, now: Ns) -> None:
        """Look where something happened; desks get their stance, the kill switch its reason."""
        if now - self._looked_at > STOOD_STILL:
            self._waking_until = Ns(now + WAKING)
        self._looked_at = now
        if self._all_are_due or (self._wake_at is not None and now >= self._wake_at):
            due = self._risks
        else:
            due = [risk for risk in self._risks if risk.is_due(now)]
            if not due:
                return
        self._all_are_due = False
        for risk in due:
            risk.take_in(now)
        errors = self.rate_errors.count(now)
        is_marked = all(risk.is_marked for risk in self._risks)
        self.account.update(sum(risk.pnl for risk in self._risks), now, is_marked=is_marked)
        limits_value = sum(risk.limit_value for risk in self._risks)
        if self._margin is not None:
            self._margin.look()
        if self.limits is not None:
            self.limits.look()
        margin_used = None if self._margin is None else self._margin.usage()
        attempts = max(self._attempts(), now < self._waking_until)
        for risk in due:
            state = risk.state(self.account, limits_value, errors, now, self._margin, margin_used, attempts)
            found = aggregate([monitor.assess(state) for monitor in self.monitors])
            if found.max_severity > RiskLevel.NORMAL or not risk.is_calm:
                self._act(risk, found, now)
        self._wake_at = self._next_wake(now)

    def deadline(self) -> Ns | None:
        """When to look even if nothing happens."""
        return self._wake_at

    def figures(self) -> dict[str, Any]:
        """What of the account belongs into a snapshot."""
        margin = self._margin
        told = None if margin is None else margin.margin
        return {
            "account_value": None if told is None else told.value,
            "margin_used": None if margin is None else margin.usage(),
            "margin_reports": 0 if margin is None else margin.reports,
            "gross_usd": None if self.limits is None else Usd(round(self.limits.gross())),
            "forced_fills_seen": self.liquidation.forced_fills,
        }

    # --- inside ---------------------------------------------------------------------------------

    def _next_wake(self, now: Ns) -> Ns | None:
        """Data grows old, a halt may end, refusals are forgotten."""
        times = [self.rate_errors.next_change(), self._waking_until if now < self._waking_until else None]
        for risk in self._risks:
            times.append(risk.halt.deadline())
            known_at = risk.desk.market.known_at
            if self._staleness is not None and known_at is not None:
                times.append(self._staleness.next_look(known_at, now))
        return min((time for time in times if time is not None), default=None)

    def _act(self, risk: DeskRisk, found: AggregatedRisk, now: Ns) -> None:
        """Announce, kill, halt or let go, and tell the desk."""
        desk, halt = risk.desk, risk.halt
        name = desk.instrument.id
        for concern in found.concerns:
            self._tell(name, concern.monitor, concern.level, concern.reason, now)
        for reason in found.kill_reasons:
            self._kill_switch.latch(reason)
        if found.max_severity is RiskLevel.HALT:
            halting = {concern.monitor for concern in found.concerns if concern.level is RiskLevel.HALT}
            if halt.halts(halt.cause if halt.cause in halting else found.worst.monitor, now):
                self._kill_switch.latch(f"halted too often within an hour: {found.worst.reason}")
        elif halt.is_halted and halt.calms(found.load_of(halt.causes), now):
            self._alert(Alert(Severity.INFO, "risk_recovered", f"{name} may quote again"))
        risk.is_calm = not found.concerns and not halt.is_halted
        must_shrink = any(c.level >= RiskLevel.REDUCE_ONLY and c.monitor in SHRINKERS for c in found.concerns)
        factors = (found.spread_factor, found.size_factor)
        stance = Stance(halt.cause, found.reduce_only, *factors, must_shrink, adds_levels=found.adds_levels)
        desk.risk, desk.halts = found, halt.count
        if stance != desk.stance:
            desk.take_stance(stance, now)

    def _tell(self, name: InstrumentId, monitor: str, level: RiskLevel, reason: str, now: Ns) -> None:
        """Once, and again where it becomes worse, or comes back after a while."""
        key = (name, monitor)
        told = self._told.get(key)
        if told is None or level > told[0] or now >= told[1]:
            self._alert(Alert(Severity.WARNING, f"risk_{monitor}", reason))
            told = (level, now)
        self._told[key] = (told[0], Ns(now + TELL_AGAIN))
