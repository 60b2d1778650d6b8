"""Questions are answered from a copy of the venue that is behind, now more, now less."""

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Generic, Literal, TypeVar

from annotated_types import Interval
from msgspec.structs import replace

from domain.events import (
    AnyResult,
    Fill,
    FillsReport,
    OpenOrder,
    OpenOrdersReport,
    OrderStatusReport,
    OrderUpdate,
    PositionEntry,
    PositionsReport,
    Replied,
    Transfers,
)
from domain.units import AccountId, Cloid, Ns, Usd, seconds
from sim.envelope import Envelope, LinkName, Parcel, RequestKind
from sim.faults.base import Injected, Range, prepare, tamper
from sim.faults.timing import THROUGHOUT, Timing
from sim.feed import Session
from sim.world import World

T = TypeVar("T")

_SWEEP_AT_LEAST = 64
"""Values that are kept in any case: sweeping has to be worth it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StaleQueries:
    """Answers to queries show the past. Each draws how far, so that a later one may show an earlier state.

    An order placed in the meantime is unknown, one that has ended is open, a fill is missing, a position is the
    old one. The streams are not touched.
    """

    kind: Literal["stale_queries"] = "stale_queries"
    """Names this fault."""
    at_s: Annotated[float, Interval(ge=0, le=1e9)] = 10.0
    """When it begins, in seconds of the run."""
    duration_s: Annotated[float, Interval(gt=0, le=1e6)] = 60.0
    """Seconds in which it can strike; a strike under way ends with them."""
    when: Timing = THROUGHOUT
    """When it strikes in that time."""
    share: Annotated[float, Interval(gt=0, le=1)] = 0.7
    """Share of the answers that are stale; the others show the present."""
    lag_s: Annotated[float, Interval(gt=0, le=60)] = 3.0
    """How far behind they are at most; each is drawn evenly up to it."""
    is_stamped: bool = True
    """Whether lists and statuses of orders say of when they are (`as_of`); otherwise they claim to be of now.
    Positions always say it, as they do on the venue; fills carry times of their own."""

    ranges: ClassVar[Mapping[str, Range]] = {"lag_s": Range(0.1, 60.0), "share": Range(0.1, 1.0)}
    figures: ClassVar[tuple[str, ...]] = ("different", "stale")

    def install(self, world: World, session: Session) -> Injected:
        """Counts `different` answers, which the present would have given otherwise, of all `stale` ones."""
        injected = prepare(self, world, session, "different")
        dice, lags = injected.dice(world, "stale"), injected.dice(world, "lag")
        past = _Past(world, session.account, seconds(self.lag_s))

        def judge(envelope: Envelope) -> tuple[Parcel, ...] | None:
            events = envelope.payload
            if envelope.kind is not RequestKind.QUERY or not isinstance(events, tuple | list):
                return None
            reply = events[0]
            if not isinstance(reply, Replied) or dice() >= self.share:
                return None
            then = Ns(max(world.env.now - seconds(lags() * self.lag_s), 0))
            results = tuple(past.answer(result, then) for result in reply.results)
            injected.counts["stale"] += 1
            injected.counts["different"] += results != tuple(_stamped(result, then) for result in reply.results)
            if not self.is_stamped:
                results = tuple(_claiming_now(result, world.env.now) for result in results)
            return (Parcel(Ns(0), (replace(reply, results=results),)),)

        return tamper(injected, world, session, (LinkName.REPLY,), judge, self.when)


class _History(Generic[T]):
    """Values by the time from which they held, as far back as anybody may ask."""

    def __init__(self, before: T, reach: Ns) -> None:
        self._times: list[Ns] = []
        self._values: list[T] = []
        self._before = before
        self._reach = reach
        self._sweep_above = _SWEEP_AT_LEAST

    def add(self, now: Ns, value: T) -> None:
        self._times.append(now)
        self._values.append(value)
        if len(self._times) > self._sweep_above:
            gone = bisect_right(self._times, now - self._reach) - 1  # one that held at the farthest time stays
            if gone > 0:
                del self._times[:gone], self._values[:gone]
            self._sweep_above = max(_SWEEP_AT_LEAST, 2 * len(self._times))

    @property
    def last(self) -> Ns:
        """When it changed last."""
        return self._times[-1]

    def at(self, then: Ns) -> T:
        i = bisect_right(self._times, then)
        return self._values[i - 1] if i else self._before


class _Past:
    """What an account looked like lately, ``reach`` back at most."""

    def __init__(self, world: World, account: AccountId, reach: Ns) -> None:
        self._venue = world.venue
        self._account = account
        self._reach = reach
        self._orders = _History[tuple[OpenOrder, ...]]((), reach)
        self._money = _History[tuple[tuple[PositionEntry, ...], Usd, tuple[Transfers, ...]]](((), Usd(0), ()), reach)
        self._statuses = OrderedDict[Cloid, _History[OrderUpdate | None]]()
        self._is_touched, self._cash = True, Usd(0)
        self._note(0, Ns(0))
        world.on_block.append(self._note)
        world.venue.taps.on_update.append(self._on_update)
        world.venue.taps.on_fill.append(self._on_fill)

    def _note(self, _block: int, now: Ns) -> None:
        money = self._venue.accounts[self._account]
        if not self._is_touched and money.cash == self._cash:
            return
        self._is_touched, self._cash = False, money.cash
        self._orders.add(now, self._venue.resting(self._account))
        self._money.add(now, (self._venue.margins.entries(money), money.cash, money.transferred()))

    def _on_update(self, account: AccountId, update: OrderUpdate) -> None:
        if account != self._account:
            return
        self._is_touched = True
        if update.cloid is None:
            return
        statuses, now = self._statuses, update.exch_time
        statuses.setdefault(update.cloid, _History(None, self._reach)).add(now, update)
        statuses.move_to_end(update.cloid)
        while next(iter(statuses.values())).last < now - self._reach:  # as it was then it still is
            statuses.popitem(last=False)

    def _on_fill(self, account: AccountId, _fill: Fill) -> None:
        self._is_touched = self._is_touched or account == self._account

    def answer(self, result: AnyResult, then: Ns) -> AnyResult:
        """The same answer as of then; what has no past is left as it is."""
        match result:
            case OpenOrdersReport():
                return OpenOrdersReport(then, self._orders.at(then))
            case PositionsReport():
                positions, cash, transfers = self._money.at(then)
                return PositionsReport(then, positions, cash, transfers)
            case FillsReport(fills=fills, is_complete=is_complete):
                known = tuple(fill for fill in fills if fill.exch_time <= then)
                return FillsReport(then, known, is_complete or len(known) < len(fills))
            case OrderStatusReport(update=OrderUpdate(cloid=cloid)) if cloid is not None and cloid in self._statuses:
                return OrderStatusReport(then, self._statuses[cloid].at(then))
            case _:
                return _stamped(result, then)


def _claiming_now(result: AnyResult, now: Ns) -> AnyResult:
    return result if isinstance(result, PositionsReport) else _stamped(result, now)


def _stamped(result: AnyResult, then: Ns) -> AnyResult:
    match result:
        case OpenOrdersReport() | PositionsReport() | FillsReport() | OrderStatusReport():
            return replace(result, as_of=then)
        case _:
            return result
