"""Data: nothing is quoted on old or unsound markets, and what stands on them is withdrawn (S20, S21).

What the trader may know is followed here from the messages that were handed to it: a second, plainer reading of the
same stream. Times are the run's own, so that no estimate of a clock is believed.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence

from domain.commands import AnyCommand, Cancel, Modify, Request
from domain.events import (
    BboChanged,
    BookReported,
    ClockSync,
    Feed,
    FeedDown,
    FeedUp,
    OpenOrder,
)
from domain.units import NS_PER_S, Cloid, InstrumentId, Ns, Oid, Px, Tif
from scenarios.invariants.base import Invariant, Scope, Step
from scenarios.invariants.sending import placements
from scenarios.invariants.ways import is_awake

FUTURE = Ns(5 * NS_PER_S)
"""A stamp further ahead is an error of its maker; less is left to clocks that differ."""
CLOCKS = Ns(2 * NS_PER_S)
"""How much older data may be than the trader can tell: the error of its estimate of the venue's clock."""
ASKED_LATELY = Ns(15 * NS_PER_S)
"""A cancel that left within this is on its way, lost or refused: it will be repeated."""
CANCELS_KEPT = 5_000


class Seen:
    """The market of one instrument as it was handed over, on the present connection."""

    __slots__ = ("ask", "bid", "heard_at", "is_sound", "lost_at", "stamp")

    def __init__(self) -> None:
        self.stamp = Ns(-1)
        """The newest stamp; it never goes back on one connection."""
        self.heard_at: Ns | None = None
        """When a newer stamp than before came; None: nothing came on this connection."""
        self.bid: Px | None = None
        self.ask: Px | None = None
        self.is_sound = False
        """Whether the newest state has both sides and is not crossed."""
        self.lost_at = Ns(0)
        """Since when nothing is known, where nothing is."""

    def forget(self, now: Ns) -> None:
        """The connection is gone; so is what came on it."""
        if self.heard_at is not None:
            self.heard_at, self.is_sound, self.lost_at = None, False, now


class Delivered:
    """What was handed over of every market, and which connections are up. Shared by S20, S21, L1 and L2."""

    def __init__(self, instruments: tuple[InstrumentId, ...]) -> None:
        self.seen = {name: Seen() for name in instruments}
        self.clock_error = Ns(0)
        self.user_down_since: Ns | None = Ns(0)
        """Since when the account's connection has been down; None while it is up."""
        self._user_epoch = 0

    def begin_life(self, now: Ns) -> None:
        """A new process has heard nothing."""
        for seen in self.seen.values():
            seen.forget(now)
        self.user_down_since = now

    def take(self, event: BboChanged | BookReported, now: Ns) -> None:
        """A state of a market: one that is impossible, older than the last or from the future is none."""
        seen = self.seen.get(event.instrument)
        if seen is None:
            return
        stamp = event.exch_time
        if stamp > now + FUTURE or (seen.heard_at is not None and stamp < seen.stamp):
            return
        if type(event) is BboChanged:
            bid, ask = event.bid, event.ask
        else:
            book: BookReported = event  # type: ignore[assignment]
            bid = book.bids[0] if book.bids else None
            ask = book.asks[0] if book.asks else None
        if (bid is not None and (bid[0] <= 0 or bid[1] <= 0)) or (ask is not None and (ask[0] <= 0 or ask[1] <= 0)):
            return
        if stamp > seen.stamp or seen.heard_at is None:
            seen.stamp, seen.heard_at = stamp, now
        seen.bid = None if bid is None else bid[0]
        seen.ask = None if ask is None else ask[0]
        seen.is_sound = bid is not None and ask is not None and bid[0] < ask[0]

    def hear(self, step: Step) -> None:
        """Connections come and go."""
        match step.event:
            case FeedUp(feed=Feed.USER, epoch=epoch):
                self._user_epoch = epoch
                self.user_down_since = None
            case FeedDown(feed=Feed.USER, epoch=epoch) if epoch >= self._user_epoch and self.user_down_since is None:
                self.user_down_since = step.now
            case FeedUp(feed=Feed.MARKET) | FeedDown(feed=Feed.MARKET):
                for seen in self.seen.values():
                    seen.forget(step.now)
            case ClockSync(error=error):
                self.clock_error = error
            case _:
                pass

    def age(self, name: InstrumentId, now: Ns) -> Ns | None:
        """Time since the newest stamp, or since it came where that is more; None without any data."""
        seen = self.seen[name]
        return None if seen.heard_at is None else Ns(now - min(seen.stamp, seen.heard_at))


class SaneBook(Invariant):
    """S21: nothing is quoted in a market whose newest state is crossed, one-sided or empty, or that was not seen yet.

    An order that takes what it gets and leaves nothing is no quote.
    """

    id = "S21"
    rule = "no placement on a book that is crossed, empty, or not seen since its connection came up"

    def __init__(self, scope: Scope) -> None:
        """Own what S20, L1 and L2 read."""
        super().__init__(scope)
        self.delivered = Delivered(tuple(scope.instruments))

    def on_life(self) -> None:
        """Another process has heard nothing."""
        self.delivered.begin_life(self.scope.now)

    def on_data(self, step: Step) -> None:
        """Follow the market."""
        self.delivered.take(step.event, step.now)  # type: ignore[arg-type]

    def on_news(self, step: Step) -> None:
        """Follow the connections."""
        self.delivered.hear(step)

    def on_commands(self, step: Step) -> None:
        """Look at the market of each placement."""
        for place, _, _ in placements(step.commands):
            seen = self.delivered.seen.get(place.instrument)
            if seen is None or place.tif is Tif.IOC:
                continue
            self.compared += 1
            if seen.heard_at is None:
                self.fail(f"placed in {place.instrument}, of which nothing was heard on this connection", place.cloid)
            elif not seen.is_sound:
                top = f"best bid {seen.bid}, best ask {seen.ask}"
                self.fail(f"placed in {place.instrument}, whose book is not sound: {top}", place.cloid)


class StaleMeansWithdrawn(Invariant):
    """S20: on old data, or with the account's connection down, nothing opens a position and what rests is cancelled.

    Being cancelled means: a cancel has left lately. Whether it arrives is another question (L4, S23). It is judged
    only once the trader has had the time for it and has decided since, and not while it stands still: then it can do
    nothing, nor repeat what it did before. What the latest decision cancels is about to leave: a process makes the
    next one when it has carried out the last.
    """

    id = "S20"
    rule = "on data older than the trader's limit, or without its user feed, nothing is opened and all is cancelled"

    def __init__(self, scope: Scope, delivered: Delivered) -> None:
        """Nothing rests."""
        super().__init__(scope)
        self._delivered = delivered
        self._asked: OrderedDict[Cloid | Oid, Ns] = OrderedDict()
        self._leaving: tuple[Ns, frozenset[Cloid | Oid]] = (Ns(-1), frozenset())
        """When commands were decided last, and what of ours they take out."""

    def on_sent(self, command: AnyCommand, now: Ns) -> None:
        """Note each attempt to take an order out; what has left is about to leave no more."""
        left = frozenset(_taken_out((command,)))
        if left:
            decided_at, leaving = self._leaving
            self._leaving = decided_at, leaving - left
        for key in left:
            self._asked[key] = now
            self._asked.move_to_end(key)
        while len(self._asked) > CANCELS_KEPT:
            self._asked.popitem(last=False)

    def on_commands(self, step: Step) -> None:
        """Nothing is placed on what is old."""
        now, bounds, delivered = step.now, self.scope.bounds, self._delivered
        self._leaving = now, frozenset(_taken_out(step.commands))
        for place, _, _ in placements(step.commands):
            if place.reduce_only:
                continue
            age = delivered.age(place.instrument, now) if place.instrument in delivered.seen else None
            self.compared += 1
            if age is not None and age > bounds.stale + CLOCKS + delivered.clock_error:
                self.fail(f"placed in {place.instrument} on data {age / NS_PER_S:.1f} s old", place.cloid)
            if delivered.user_down_since is not None:
                self.fail(f"placed in {place.instrument} while the account's connection is down", place.cloid)

    def on_second(self, now: Ns) -> None:
        """Whatever rests on old data must have been asked to go."""
        run = self.scope.run
        if run is None or not run.is_running or not is_awake(self.scope, now):
            return
        bounds, delivered = self.scope.bounds, self._delivered
        late: dict[InstrumentId, str] = {}
        for name in self.scope.belief.desks:
            seen = delivered.seen[name]
            since, room = (seen.lost_at, 0) if seen.heard_at is None else (seen.stamp, bounds.stale)
            if self._is_overdue(Ns(since + room + delivered.clock_error), now):
                late[name] = f"its data are {(now - since) / NS_PER_S:.1f} s old"
            down = delivered.user_down_since
            if down is not None and self._is_overdue(down, now):
                late[name] = f"the account's connection is down for {(now - down) / NS_PER_S:.1f} s"
        if late:
            desks = self.scope.belief.desks
            for order in self.scope.truth.resting():
                if order.instrument not in late or order.reduce_only:
                    continue
                if desks[order.instrument].tracker.find(order.cloid, order.oid) is None:
                    continue  # somebody else's, or forgotten: how long that may last is S11's
                self._judge(order, late[order.instrument], now)

    def _is_overdue(self, since: Ns, now: Ns) -> bool:
        """Whether the trader has had its time to withdraw, and has decided at its end or later."""
        until = since + self.scope.bounds.withdraw + CLOCKS
        return now > until and self.scope.decided_at >= until

    def _judge(self, order: OpenOrder, why: str, now: Ns) -> None:
        self.compared += 1
        names = [name for name in (order.oid, order.cloid) if name is not None]
        decided_at, leaving = self._leaving
        if decided_at == self.scope.decided_at and not leaving.isdisjoint(names):
            return
        asked = max((self._asked[name] for name in names if name in self._asked), default=None)
        if asked is None or now - asked > ASKED_LATELY:
            self.fail(f"order {order.oid} rests in {order.instrument} and nobody cancels it: {why}", order.cloid or "")


def _taken_out(commands: Sequence[AnyCommand]) -> Iterator[Cloid | Oid]:
    """Both ids of every order that is to be cancelled or modified."""
    for command in commands:
        if type(command) is Request:
            for action in command.actions:
                if isinstance(action, Cancel | Modify):
                    yield from (key for key in (action.cloid, action.oid) if key is not None)
