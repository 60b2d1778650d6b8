"""Liveness: what was disturbed heals, both sides agree again, nothing waits for ever (L1-L5).

Looked at once a second. Time counts while no fault is at work and the trader's process lives, from the last progress
on: what gets better may take longer than what stands still. A run whose faults never pause is judged where they do.
"""

from collections import OrderedDict, deque
from itertools import chain

from domain.commands import AnyCommand, Cancel, Request
from domain.events import OpenOrder, OrderStatus
from domain.orders import Certainty, InFlight, OrderState, TrackedOrder
from domain.units import NS_PER_S, Cloid, InstrumentId, Ns, Oid, Px, Side
from scenarios.invariants.base import Block, Invariant, Scope, Step
from scenarios.invariants.data import Delivered
from scenarios.invariants.limits import price_of
from scenarios.invariants.orders import Lifecycle
from scenarios.invariants.rates import METERS
from scenarios.invariants.sending import differing_terms
from scenarios.invariants.views import DeskView, OrderTruth
from scenarios.invariants.ways import Mark, Ways

BOOKS_EVERY = Ns(10 * NS_PER_S)
"""Between two looks at what the trader has of the books."""
BOOKS_FROM = Ns(7 * NS_PER_S)
"""From then on the venue's best prices are remembered, to be compared with."""
CANCELS_KEPT = 5_000

UNDER_WAY = frozenset((OrderState.PENDING_NEW, OrderState.CANCEL_PENDING, OrderState.CANCEL_CONFIRMED))
"""States that something must follow."""
ON_BOOK = frozenset((OrderState.OPEN, OrderState.PARTIALLY_FILLED))

MAY_LAST = frozenset(("kill", "loss", "drawdown", "position", "margin"))
"""Reasons not to quote that are decisions, of risk or of a person: they may last."""
WHILE_IT_MOVES = frozenset(("velocity", "cascade"))
"""Those that may last as long as the venue's own price has just run (`MOVED`)."""
MISMATCH = "limits_mismatch"
"""May last as long as the venue's terms are other than ours."""
BELOW_LOT = "limit_below_lot"
"""May last as long as config and venue leave less than a lot."""
TURNED_AWAY = "rate_limit"
"""Counts from the last request that the venue turned away for being too many, whatever was in the way at that time:
each of them halts anew (RK-18)."""
RECOVERS = frozenset(
    (
        "starting",
        "warming",
        "stopping",
        "resync",
        "unsynced",
        "user_feed_down",
        "market_feed_down",
        "no_data",
        "stale_data",
        "crossed_book",
        "empty_book",
        "price_jump",
        "frozen_book",
        "staleness",
        "recovery",
        "limits_doubted",
        "signer_refused",
        "foreign_hand",
    )
)
"""Those that a fault, or the trader's own work, brings and its end must take away. So must it every one that stands
nowhere here: an excuse has to be named."""

MOVED = 0.01
"""A price that was this share of it higher or lower within `RAN_WITHIN` has run."""
RAN_WITHIN = 180
"""In seconds: an average of a minute forgets a run of 20 % within so many."""


class Patience:
    """Since when something has been missing, with what is no fault of the trader's left out."""

    __slots__ = ("since",)

    def __init__(self) -> None:
        self.since: Ns | None = None

    def waited(self, scope: Scope, now: Ns, *, is_missing: bool) -> Ns:
        """How long it has been missing while all else was well; 0 while it is not."""
        run, calm = scope.run, scope.calm_since
        if not is_missing or calm is None or run is None or not run.is_running or run.is_stopping:
            self.since = None
            return Ns(0)
        if self.since is None:
            self.since = now
        return Ns(now - self.since)


class TwoSided(Invariant):
    """L1: a bid and an ask stand in every instrument again soon after the last fault, as far as limits allow.

    A side may be missing where the position leaves no room for it, as the venue sees it, where the venue refuses what
    the account cannot pay or send, and where risk or a person has decided so. Which reasons of the trader excuse it,
    and for how long, stands in `MAY_LAST` and below it; no other does.
    """

    id = "L1"
    rule = "within `heal` after the last fault both sides rest, unless a limit, risk or a person is in the way"

    def __init__(self, scope: Scope, delivered: Delivered) -> None:
        """Nothing is missing."""
        super().__init__(scope)
        self._delivered = delivered
        self._sides: dict[InstrumentId, set[Side]] = {}
        self._prices = {name: deque[float](maxlen=RAN_WITHIN) for name in scope.instruments}
        """One a second."""
        self._patience = {name: Patience() for name in scope.instruments}
        self._turned_away = 0
        self._turned_away_at = Ns(-1)
        """When the venue was seen to turn a request away last."""

    def on_ours(self, block: Block) -> None:
        """Which sides are at the market."""
        self._sides = {}
        for order in block.resting.values():
            self._sides.setdefault(order.instrument, set()).add(order.side)

    def on_second(self, now: Ns) -> None:
        """Look at every instrument."""
        refused = self.scope.truth.refusals()
        turned_away = sum(count for meter, count in refused.items() if meter in METERS)
        if turned_away > self._turned_away:
            self._turned_away_at = now
        self._turned_away = turned_away
        for name, desk in self.scope.belief.desks.items():
            self.compared += 1
            if price := price_of(self.scope.truth, name):
                self._prices[name].append(price)
            missing = self.missing(name)
            is_missing = bool(missing) and not self._is_excused(name, desk, missing, now)
            patience = self._patience[name]
            if desk.gate == TURNED_AWAY and patience.since is not None:
                patience.since = max(patience.since, self._turned_away_at)
            waited = patience.waited(self.scope, now, is_missing=is_missing)
            if waited > self.scope.bounds.heal:
                patience.since = None
                sides = " and no ".join("bid" if side is Side.BUY else "ask" for side in missing)
                why = f", it says: {desk.gate}" if desk.gate is not None else ""
                self.fail(f"{name}: no {sides} for {waited / NS_PER_S:.0f} s at {now / NS_PER_S:.0f} s{why}")

    def missing(self, name: InstrumentId) -> list[Side]:
        """Sides of an instrument without an order at the venue."""
        there = self._sides.get(name, ())
        return [side for side in Side if side not in there]

    def has_way(self, name: InstrumentId, desk: DeskView, side: Side, now: Ns) -> bool:
        """Whether nothing keeps an order of a side away: neither limits nor waits that refusals impose."""
        return not self._is_full(name, desk, side) and not self.scope.is_held_back(name, side, now)

    def _is_excused(self, name: InstrumentId, desk: DeskView, missing: list[Side], now: Ns) -> bool:
        if desk.gate is None:
            return not any(self.has_way(name, desk, side, now) for side in missing)
        run = self.scope.run
        if run is not None and run.has_lost_user_feed and desk.gate in RECOVERS:
            return True
        is_silent = run is not None and run.is_recorded and self._is_silent(name, now)
        return is_silent or self._may_last(name, desk, desk.gate, now)

    def _may_last(self, name: InstrumentId, desk: DeskView, gate: str, now: Ns) -> bool:
        """Whether a reason is one that may, and the venue shows its cause."""
        if gate in WHILE_IT_MOVES:
            prices = self._prices[name]
            return bool(prices) and max(prices) - min(prices) >= MOVED * min(prices)
        if gate == MISMATCH:
            told = self.scope.truth.terms(name)
            return bool(differing_terms(self.scope.instruments[name], told, desk.terms.expected))
        if gate == BELOW_LOT:
            return self.scope.limits.allowed(self.scope.truth, name) == 0
        if gate == TURNED_AWAY:
            return self._turned_away_at == now
        return gate in MAY_LAST

    def _is_full(self, name: InstrumentId, desk: DeskView, side: Side) -> bool:
        """Whether the position leaves no room for the least order of a side, and the venue shows why.

        Near a limit sizes shrink in proportion: there the least order is out of reach before the limit is.
        """
        instrument, mark = self.scope.instruments[name], self.scope.truth.mark(name)
        least = 1 if not mark else -(-instrument.min_notional // mark)
        limits, truth, position = self.scope.limits, self.scope.truth, desk.inventory.position
        if limits.room(truth, name, side * position, desk.limit.capacity(side, position)) >= 2 * least:
            return False
        return limits.is_used(truth, name, side)

    def _is_silent(self, name: InstrumentId, now: Ns) -> bool:
        """Whether a record has a gap: nobody can quote on nothing."""
        age = self._delivered.age(name, now)
        return age is None or age > self.scope.bounds.stale


class Agreement(Invariant):
    """L2: orders and book of the trader are the venue's at every quiet point: where nothing new was told for a while.

    Position and cash are compared by S1 and S5 whenever no fill is under way, and everything once more at the end.
    """

    id = "L2"
    rule = "an order that neither side has touched for `settle` is the same on both; the trader's top is the venue's"

    def __init__(self, scope: Scope, lives: Lifecycle) -> None:
        """Nothing was touched."""
        super().__init__(scope)
        self._live = lives.seen
        self._touched: OrderedDict[Oid, Ns] = OrderedDict()
        self._tops: dict[InstrumentId, dict[Ns, tuple[Px | None, Px | None]]] = {name: {} for name in scope.instruments}

    def on_ours(self, block: Block) -> None:
        """What the venue did to an order is news for a while."""
        touched = self._touched
        for oid in chain((update.oid for update in block.updates), (fill.oid for fill in block.fills)):
            touched[oid] = block.now
            touched.move_to_end(oid)
        while len(touched) > CANCELS_KEPT:
            touched.popitem(last=False)

    def on_block(self, block: Block) -> None:
        """Remember the top of each book, by the time that its messages will bear: for some seconds before a look."""
        now = block.now
        if now % BOOKS_EVERY >= BOOKS_FROM:
            best = self.scope.truth.best
            for name, tops in self._tops.items():
                tops[now] = best(name)

    def on_second(self, now: Ns) -> None:
        """Compare what is quiet; after a fault only what had its time to heal."""
        self._look(now)
        if now % BOOKS_EVERY < NS_PER_S:
            for tops in self._tops.values():
                tops.clear()

    def _look(self, now: Ns) -> None:
        run = self.scope.run
        calm = self.scope.calm_since
        if calm is None or run is None or not run.is_running or now - self._settled_from(calm) <= 0:
            return
        settle = self.scope.bounds.settle
        for order in self.scope.truth.resting():
            if now - max(self._touched.get(order.oid, order.placed_at), order.placed_at) > settle:
                self._compare_resting(order)
        for cloid, watched in self._live.items():
            if self._is_quiet(watched.order, now):
                self._compare_believed(cloid, watched.order)
        if now % BOOKS_EVERY < NS_PER_S and not run.is_recorded:
            self._compare_books()

    def _settled_from(self, calm: Ns) -> Ns:
        """From when on both must agree: at once in a run that nothing has disturbed."""
        return Ns(calm + self.scope.bounds.heal) if calm else self.scope.bounds.settle

    def _compare_resting(self, order: OpenOrder) -> None:
        self.compared += 1
        watched = self._live.get(order.cloid) if order.cloid is not None else None
        if watched is None:
            self.fail(f"order {order.oid} rests at the venue and is not among ours", order.cloid or "")
            return
        ours = watched.order
        if (ours.px, ours.sz, ours.side) != (order.px, order.sz, order.side):
            self.fail(f"{ours} is {order.sz} lots at {order.px} at the venue", order.cloid or "")

    def _is_quiet(self, order: TrackedOrder, now: Ns) -> bool:
        settle = self.scope.bounds.settle
        last = max(order.state_changed_at, order.last_fill_at or order.placed_at)
        return (
            order.state in ON_BOOK
            and order.in_flight is InFlight.NONE
            and order.certainty is Certainty.KNOWN
            and now - last > settle
        )

    def _compare_believed(self, cloid: Cloid, order: TrackedOrder) -> None:
        truth = self.scope.truth.order_of(cloid)
        self.compared += 1
        if truth is None:
            self.fail(f"{order}: the venue does not know it", cloid)
        elif self.scope.now - self._touched.get(truth.oid, Ns(0)) > self.scope.bounds.settle:
            self._compare_states(cloid, order, truth)

    def _compare_states(self, cloid: Cloid, order: TrackedOrder, truth: OrderTruth) -> None:
        if truth.status is not OrderStatus.OPEN or truth.filled != order.filled:
            self.fail(f"{order}: at the venue it is {truth.status} with {truth.filled} filled", cloid)

    def _compare_books(self) -> None:
        for name, desk in self.scope.belief.desks.items():
            market = desk.market
            top = self._tops[name].get(market.exch_time)
            if top is None or market.recv_time is None:
                continue
            self.compared += 1
            ours = (None if market.bid is None else market.bid[0], None if market.ask is None else market.ask[0])
            if ours != top:
                self.fail(f"{name}: our top of {market.exch_time} ns is {ours}, the venue's was {top}")


class NothingInLimbo(Invariant):
    """L3: no order stays on its way: what was asked for is answered, or asked about until it is."""

    id = "L3"
    rule = "while no fault is at work, no order is pending or being cancelled for longer than `limbo`"

    def __init__(self, scope: Scope, lives: Lifecycle) -> None:
        """Look at what S8 follows."""
        super().__init__(scope)
        self._live = lives.seen

    def on_second(self, now: Ns) -> None:
        """Look at how long each order has been in its state."""
        calm, run = self.scope.calm_since, self.scope.run
        if calm is None or run is None or not run.is_running:
            return
        for cloid, watched in self._live.items():
            order = watched.order
            if order.state not in UNDER_WAY:
                continue
            self.compared += 1
            waited = now - max(order.state_changed_at, calm)
            if waited > self.scope.bounds.limbo:
                self.fail(f"{order} has been {order.state} for {waited / NS_PER_S:.0f} s", cloid)


class CancelSucceeds(Invariant):
    """L4: a cancel works in the end if any way works: one dead way must not stand in the way of another.

    Time counts while the trader does not stand still and a way to the venue has shown lately that it works (`Ways`).
    """

    id = "L4"
    rule = "an order whose cancel left long ago does not rest, where a way to the venue has worked for that long since"

    def __init__(self, scope: Scope, ways: Ways) -> None:
        """Nothing was cancelled; ``ways`` goes on here, for S11 as well."""
        super().__init__(scope)
        self._asked: OrderedDict[Cloid, tuple[Ns, Mark]] = OrderedDict()
        self._ways = ways

    def on_life(self) -> None:
        """Another process has cancelled nothing."""
        self._asked.clear()
        self._ways.begin_life()

    def on_sent(self, command: AnyCommand, now: Ns) -> None:
        """Note the first cancel of each order."""
        self._ways.send(command, now)
        if type(command) is not Request or type(command.actions[0]) is not Cancel:
            return
        for action in command.actions:
            if type(action) is Cancel and action.cloid is not None and action.cloid not in self._asked:
                self._asked[action.cloid] = now, self._ways.mark()
        while len(self._asked) > CANCELS_KEPT:
            self._asked.popitem(last=False)

    def on_news(self, step: Step) -> None:
        """Count answers."""
        self._ways.hear(step.event, step.now)

    def on_second(self, now: Ns) -> None:
        """Look at what rests although it was cancelled."""
        self._ways.look(self.scope, now)
        run = self.scope.run
        if run is None or not run.is_running or not self._asked:
            return
        for order in self.scope.truth.resting():
            asked = self._asked.get(order.cloid) if order.cloid is not None else None
            if asked is None:
                continue
            self.compared += 1
            at, mark = asked
            if self._ways.is_longer(mark, self.scope.bounds.limbo) and self._is_wanted(order):
                self.fail(f"order {order.oid} rests {(now - at) / NS_PER_S:.0f} s after its cancel", order.cloid or "")

    def _is_wanted(self, order: OpenOrder) -> bool:
        """Whether the trader still wants it gone: it may have found that the cancel came to nothing and kept it."""
        desk = self.scope.belief.desks.get(order.instrument)
        ours = None if desk is None else desk.tracker.find(order.cloid, order.oid)
        return ours is None or ours.state not in ON_BOOK


class Shrinks(Invariant):
    """L5: a position that has to shrink does, step by step, until it is too small to be traded.

    Progress is a smaller position at the venue. What is smaller than twice the least order is taken for flat. Who is
    killed, or has lost the account's connection for good, may not trade: that time is left out.
    """

    id = "L5"
    rule = "while a position has to shrink and somebody is there to trade with, it becomes smaller every two minutes"

    def __init__(self, scope: Scope) -> None:
        """Nothing has to shrink."""
        super().__init__(scope)
        self._patience = {name: Patience() for name in scope.instruments}
        self._least: dict[InstrumentId, int] = {}

    def on_second(self, now: Ns) -> None:
        """Look at each position that has to shrink."""
        run, belief = self.scope.run, self.scope.belief
        may_trade = belief.halt_reason is None and (run is None or not run.has_lost_user_feed)
        for name, desk in belief.desks.items():
            held = abs(self.scope.truth.position(name))
            must = may_trade and desk.stance.must_shrink and self._is_tradable(name, held)
            if not must or held < self._least.get(name, held + 1):
                self._patience[name].since = None
            self._least[name] = held
            if not must:
                continue
            self.compared += 1
            waited = self._patience[name].waited(self.scope, now, is_missing=True)
            if waited > 2 * self.scope.bounds.heal:
                self._patience[name].since = None
                self.fail(f"{name}: {self.size(name, held)} held for {waited / NS_PER_S:.0f} s that have to shrink")

    def _is_tradable(self, name: InstrumentId, held: int) -> bool:
        mark, best = self.scope.truth.mark(name), self.scope.truth.best(name)
        return bool(mark) and None not in best and held * (mark or 0) > 2 * self.scope.instruments[name].min_notional
