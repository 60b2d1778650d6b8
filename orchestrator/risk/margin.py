"""The account's margin: asked for, carried on between the answers, and shared out among the instruments (MG-01..09).

The venue says what the account is worth, what is tied up, and at which leverage (never hardcoded). From that follows
what each instrument may add, so that sizes shrink before the venue would have to refuse (MG-05). Between two answers
our own fills and the mids carry the figures on; the venue's word replaces them with the next answer.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated

from annotated_types import Interval

from domain.commands import Alert, QueryLimits, Severity
from domain.events import AccountMargin, AnyResult, LimitsReport, MarginMode, NotSent, Reason, Refused, Replied
from domain.units import InstrumentId, Ns, Pos, Side, Sz, seconds
from orchestrator.budget.proactive import BudgetGate
from orchestrator.connectivity.requests import Pending, RequestLedger
from orchestrator.desk.desk import Desk
from orchestrator.fills import FillProcessor
from orchestrator.risk.exchange_limits import AgeingConfig, ExchangePositionLimits, ExpectedMargin

NO_END = float("inf")
MIN_REFRESH = seconds(1)
"""After a refusal the venue is asked at once, but not more often than so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginConfig:
    """How near the account's margin we go, and what it should look like."""

    buffer: Annotated[float, Interval(gt=0, le=1)] = 0.8
    """Share of the available margin that new positions may tie up: 100 USD at 10x carry 800 USD more."""
    refresh_s: Annotated[float, Interval(gt=0, le=1e6)] = 10.0
    """The venue is asked so often, in seconds."""
    ageing: AgeingConfig = field(default_factory=AgeingConfig)
    leverage: Annotated[int, Interval(ge=1, le=1_000)] | None = None
    """What the account should be set to in every instrument, or as much of it as that allows; off: whatever it is set
    to. Another one at the venue closes the instrument (MG-08)."""
    mode: MarginMode | None = None
    """How positions should be margined; off: whatever it is set to. Instruments of other builders (with a colon in
    their name) are isolated in any case (MG-02)."""


class _Share:
    """What is carried on of one instrument since the last answer."""

    __slots__ = ("desk", "exchange", "needed", "pnl", "px")

    def __init__(self, desk: Desk, exchange: ExchangePositionLimits) -> None:
        self.desk = desk
        self.exchange = exchange
        self.px = 0.0
        """Latest mid; 0 before the first."""
        self.needed = 0.0
        """Margin of the position of the last answer."""
        self.pnl = 0.0
        """Worth of cash and position at the last answer."""

    def look(self) -> None:
        """Take in the mid; what was told before the first one is carried on from there."""
        mid = self.desk.market.mid
        if mid is None:
            return
        is_first = not self.px
        self.px = mid
        if is_first:
            self.carry_on_from(self.desk.inventory.position)

    def carry_on_from(self, position: Pos) -> None:
        """The venue's word stands for now, and for that position."""
        self.needed, self.pnl = self.need(position), self.worth()

    def worth(self) -> float:
        """Cash and position at the latest mid, in micro-USD."""
        return self.desk.inventory.cash + self.desk.inventory.position * self.px

    def need(self, position: Pos) -> float:
        """Initial margin of a position at the latest mid."""
        leverage = self.exchange.leverage
        return 0.0 if leverage is None else abs(position) * self.px / leverage

    def grown(self) -> float:
        """What of the available margin the time since the last answer took (negative) or gave."""
        tied = self.need(self.desk.inventory.position) - self.needed
        has_own_worth = self.exchange.is_isolated or self.desk.inventory.awaits_mark
        return -tied if has_own_worth else self.worth() - self.pnl - tied


class MarginTracker:
    """One account, all its instruments."""

    def __init__(
        self,
        config: MarginConfig,
        ledger: RequestLedger,
        desks: Mapping[InstrumentId, Desk],
        fills: FillProcessor,
        alert: Callable[[Alert], None],
    ) -> None:
        """Nothing is known; every desk gets the venue's bound to its limit."""
        self.config = config
        self.margin: AccountMargin | None = None
        """As last reported; None: not yet, or credit without end."""
        self.reports = 0
        self._ledger = ledger
        self._fills = fills
        self._alert = alert
        self._shares = {name: _Share(desk, ExchangePositionLimits(config.ageing)) for name, desk in desks.items()}
        self._every = seconds(config.refresh_s)
        self._as_of = Ns(-1)
        self._told_at = Ns(0)
        self._ask_at: Ns | None = Ns(0)
        self._doubted_at = dict.fromkeys(desks, Ns(-self._every))
        self._is_short = False
        """Whether people know that nothing is available."""
        for share in self._shares.values():
            share.desk.limit.bounds.append(share.exchange)
            share.desk.limit.weighers.append(partial(self._weigh, share))
            share.desk.terms.expected = self._expected(share.desk)
            share.desk.outcomes.on_wrong_form = partial(self._doubt, share.desk)

    def _expected(self, desk: Desk) -> ExpectedMargin:
        """How an instrument should be set up at the venue."""
        leverage = self.config.leverage
        if leverage is not None:
            leverage = min(leverage, desk.instrument.max_leverage)
        return ExpectedMargin(leverage, MarginMode.ISOLATED if ":" in desk.instrument.id else self.config.mode)

    def _doubt(self, desk: Desk, now: Ns) -> None:
        """An order was refused for its form: once an interval, the terms are asked for at once."""
        if now - self._doubted_at[desk.instrument.id] >= self._every:
            self._doubted_at[desk.instrument.id] = now
            desk.terms.doubt()
            if self._ask_at is not None:
                self._ask_at = now

    # --- what follows ---------------------------------------------------------------------------

    def look(self) -> None:
        """Take in the mids of all instruments."""
        for share in self._shares.values():
            share.look()

    def available(self) -> float:
        """Margin that nothing ties up, in micro-USD: the last answer, and what happened up to the last look."""
        if self.margin is None:
            return NO_END
        free = self.margin.value - self.margin.used
        return free + sum(share.grown() for share in self._shares.values())

    def usage(self) -> float | None:
        """Share of the account's value that is tied up; None where nothing needs margin."""
        margin = self.margin
        if margin is None:
            return None
        available = self.available()
        tied = margin.used + sum(s.need(s.desk.inventory.position) - s.needed for s in self._shares.values())
        value = available + tied
        return tied / value if value > 0 else NO_END if tied > 0 else 0.0

    def most(self, name: InstrumentId) -> Sz | None:
        """Lots that the venue allows at all in an instrument, whatever the account is worth; None: not known."""
        share = self._shares[name]
        return share.exchange.most(share.px) if share.px and share.exchange.limits is not None else None

    def _weigh(self, share: _Share, now: Ns) -> None:
        """What one desk asks before it quotes; every instrument may tie up an equal part of what is free."""
        self.look()
        leverage, position = share.exchange.leverage, share.desk.inventory.position
        if not share.px:
            return
        addable = openable = NO_END
        if leverage is not None:
            free, buffer = self.available() / len(self._shares), self.config.buffer
            addable = max(free, 0.0) * buffer * leverage
            openable = max(free + share.need(position), 0.0) * buffer * leverage
        share.exchange.update(position, share.px, addable, openable, now)

    # --- facts ----------------------------------------------------------------------------------

    def hear(self, result: AnyResult, now: Ns) -> None:
        """Anything that the venue answers to anybody."""
        if isinstance(result, LimitsReport):
            self._take(result, now)
        elif isinstance(result, Refused) and result.reason is Reason.MARGIN:
            self.on_refused(now)

    def _take(self, report: LimitsReport, now: Ns) -> None:
        """From here on what happens is carried on."""
        if report.as_of <= self._as_of:
            return
        told = {limits.instrument: limits for limits in report.limits if limits.instrument in self._shares}
        moved = {name: self._fills.moved_since(name, report.as_of) for name in self._shares}
        if any(lots is None for lots in moved.values()):
            return  # so many fills on its way here that it cannot be carried on: the next one can
        self._as_of, self._told_at = report.as_of, now
        self.margin = report.margin
        self.reports += 1
        if self._ask_at is not None:
            self._ask_at = Ns(now + self._every)
        for name, share in self._shares.items():
            if name in told:
                share.exchange.take(told[name], now)
            share.look()
            share.carry_on_from(Pos(share.desk.inventory.position - (moved[name] or 0)))
        for share in self._shares.values():
            self._make_room(share.desk, now)
        self._tell()

    def _make_room(self, desk: Desk, now: Ns) -> None:
        """Where more may fill than the account's money carries now, the quotes are due for a look."""
        desk.limit.weigh(now)
        position = desk.inventory.position
        fillable = zip(Side, desk.tracker.fillable_exposure(), strict=True)
        if any(lots > desk.limit.capacity(side, position) for side, lots in fillable):
            desk.accumulator.on_gate(now)

    def _tell(self) -> None:
        """Tell people once that the money is used up, until it is not."""
        usage = self.usage()
        was_short, self._is_short = self._is_short, usage is not None and usage >= 1.0
        if self._is_short and not was_short:
            text = f"positions tie up {usage:.0%} of the account's value: nothing can be added"
            self._alert(Alert(Severity.WARNING, "margin_used_up", text))

    def on_refused(self, now: Ns) -> None:
        """The venue says that the money does not suffice: what we know of it is old."""
        if self._ask_at is not None and now >= self._told_at + MIN_REFRESH:
            self._ask_at = now

    # --- decisions ------------------------------------------------------------------------------

    def decide(self, now: Ns) -> None:
        """Ask if it is time and there is room for a question."""
        if self._ask_at is None or now < self._ask_at:
            return
        if self._ledger.gate(1, now) is BudgetGate.RATE_LIMIT:
            self._ask_at = self._ledger.opens_at(now, is_question=True)
            return
        self._ask_at = None
        self._ledger.send((QueryLimits(tuple(self._shares)),), self, now)

    def deadline(self) -> Ns | None:
        """When to ask again; None while an answer is awaited."""
        return self._ask_at

    # --- answers (Owner) ------------------------------------------------------------------------

    def on_reply(self, pending: Pending, event: Replied, now: Ns) -> None:
        """What it says was taken in, as every such answer is, whoever asked."""
        del event
        if not pending.is_overdue:
            self._ask_at = Ns(now + self._every)

    def on_not_sent(self, pending: Pending, event: NotSent, now: Ns) -> None:
        """Another time."""
        del pending, event
        self._ask_at = Ns(now + self._every)

    def on_silence(self, pending: Pending, now: Ns) -> None:
        """Another time."""
        del pending
        self._ask_at = Ns(now + self._every)
