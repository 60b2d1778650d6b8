"""Exposure: the hard limit in the worst case, reduce-only, no crossing of ourselves (S15-S17).

At the venue counts what rests there and what of ours may still arrive; in our books whatever may still fill.
"""

from collections.abc import Mapping, Sequence
from itertools import chain, product

from domain.commands import AnyCommand, Modify, Place, Request
from domain.events import Fill, OrderStatus, Reason
from domain.orders import InFlight
from domain.units import NS_PER_S, Cloid, InstrumentId, Ns, Px, Side, Sz
from scenarios.invariants.base import Block, Invariant, Scope, Step
from scenarios.invariants.orders import Lifecycle
from scenarios.invariants.sending import placements
from scenarios.invariants.views import DeskView


class Sides:
    """What of ours may fill in one instrument."""

    __slots__ = ("ask", "asks", "bid", "bids", "cloids")

    def __init__(self) -> None:
        self.bids = 0
        """Lots."""
        self.asks = 0
        self.bid: tuple[int, Cloid] | None = None
        """The highest, with its id."""
        self.ask: tuple[int, Cloid] | None = None
        """The lowest."""
        self.cloids: list[Cloid] = []

    def add(self, side: Side, px: Px, lots: Sz, cloid: Cloid) -> None:
        """One order."""
        self.cloids.append(cloid)
        if side > 0:
            self.bids += lots
            if self.bid is None or px > self.bid[0]:
                self.bid = px, cloid
        else:
            self.asks += lots
            if self.ask is None or px < self.ask[0]:
                self.ask = px, cloid


class Exposure:
    """Both sides of every instrument, summed up once for the rules that judge them."""

    def __init__(self, lives: Lifecycle) -> None:
        """``lives`` knows when an order changed."""
        self._lives = lives
        self._in_books: dict[InstrumentId, Sides] = {}
        self._as_of = -1
        self._at_venue: dict[InstrumentId, Sides] = {}
        self._block: Block | None = None

    def in_books(self, scope: Scope) -> Mapping[InstrumentId, Sides]:
        """Whatever may still fill as the trader knows it."""
        if self._as_of != self._lives.changes:
            self._as_of = self._lives.changes
            self._in_books = {}
            for name, desk in scope.belief.desks.items():
                self._in_books[name] = sides = Sides()
                for cloid, order in desk.tracker.orders.items():
                    if lots := order.fillable:
                        sides.add(order.side, order.px, lots, cloid)
        return self._in_books

    def at_venue(self, block: Block, scope: Scope) -> Mapping[InstrumentId, Sides]:
        """What rests at the venue, and what was sent and the venue has not seen."""
        if self._block is not block:
            self._block = block
            self._at_venue = {name: Sides() for name in scope.belief.desks}
            for rest in block.resting.values():
                if rest.cloid and rest.instrument in self._at_venue:  # without an id it is a stranger's
                    self._at_venue[rest.instrument].add(rest.side, rest.px, rest.remaining, rest.cloid)
            for name, desk in scope.belief.desks.items():
                for cloid, order in desk.tracker.orders.items():
                    if order.oid is None and order.fillable and scope.truth.order_of(cloid) is None:
                        self._at_venue[name].add(order.side, order.px, order.fillable, cloid)
        return self._at_venue


def _places(commands: Sequence[AnyCommand]) -> bool:
    return any(isinstance(c, Request) and isinstance(c.actions[0], Place | Modify) for c in commands)


BOOKS = "our books"
VENUE = "the venue"


class ExposureLimit(Invariant):
    """S15: if everything of a side fills, the position is still inside the limit; unknown orders count in full.

    Our own books are judged when they changed, after the trader has decided. Where the venue has corrected the
    position, fills that are in it already still count as fillable: then our books are judged when something is placed.

    The limit is reckoned from the config with the venue's price and terms; a trader that sets itself less keeps less.

    What others do to the position (its owner, a deleveraging, a settlement) nobody foresees who has orders under way:
    a side may be over the limit by that much until it was inside once more. So may what is left of an earlier life, by
    as much as the limit of the new one is smaller: it follows the price.
    """

    id = "S15"
    rule = "|position + everything of a side that may still fill| <= limit, at the venue and in our books"

    def __init__(self, scope: Scope, exposure: Exposure, lives: Lifecycle) -> None:
        """Remember the limit: a new life learns it late, and it holds all the same."""
        super().__init__(scope)
        self._exposure = exposure
        self._lives = lives
        self._limits: dict[InstrumentId, Sz] = {}
        self._looked_at: tuple[int, int] | None = None
        self._by_others: dict[tuple[str, InstrumentId, Side], tuple[int, Ns]] = {}
        """Lots by which others moved the position, there or as we know it, and when they did last."""
        self._unlearned: set[InstrumentId] = set()
        """Limits that the present life has not learned yet."""

    def on_life(self) -> None:
        """Another life works out limits of its own."""
        self._unlearned = set(self._limits)

    def on_fills(self, step: Step) -> None:
        """What others did is told."""
        self._note_others(step.fills, BOOKS, step.now)

    def on_decision(self, step: Step) -> None:
        """Look at our books after each decision, if anything in them changed."""
        state = (self._lives.changes, self.scope.belief.fills.applied)
        if state == self._looked_at and not step.commands:
            return
        self._looked_at = state
        exposed = self._exposure.in_books(self.scope)
        for name, desk in self.scope.belief.desks.items():
            limit = self._limit_of(name, desk)
            if not limit:
                continue
            if desk.inventory.adjustments and not _places(step.commands):
                continue
            self._judge(name, desk.inventory.position, exposed[name], limit, (BOOKS, step.now))

    def on_ours(self, block: Block) -> None:
        """Look at the venue where something of ours changed."""
        self._note_others(block.fills, VENUE, block.now)
        exposed = self._exposure.at_venue(block, self.scope)
        for name, desk in self.scope.belief.desks.items():
            limit = self._limit_of(name, desk)
            if limit:
                self._judge(name, self.scope.truth.position(name), exposed[name], limit, (VENUE, block.now))

    def _limit_of(self, name: InstrumentId, desk: DeskView) -> Sz:
        """The limit that holds; one that the trader sets itself must not be above what it may be."""
        allowed = self.scope.limits.reckoned(name)
        if allowed is not None and desk.limit.lots > allowed:
            own, most = self.size(name, desk.limit.lots), self.size(name, allowed)
            self.fail(f"the trader's limit is {own}, config and venue allow {most}")
        before = self._limits.get(name, Sz(0))
        limit = self._limits[name] = self.scope.limits.of(name, desk)
        if desk.limit.lots and name in self._unlearned:
            self._unlearned.discard(name)
            if limit < before:
                for where, side in product((BOOKS, VENUE), Side):
                    self._push((where, name, side), before - limit, self.scope.now)
        return limit

    def _note_others(self, fills: Sequence[Fill], where: str, now: Ns) -> None:
        for fill in fills:
            if not fill.cloid:  # every order of ours has an id of ours
                self._push((where, fill.instrument, fill.side), fill.sz, now)

    def _push(self, key: tuple[str, InstrumentId, Side], lots: int, now: Ns) -> None:
        self._by_others[key] = self._by_others.get(key, (0, now))[0] + lots, now

    def _is_over(self, seen: tuple[str, Ns], name: InstrumentId, side: Side, worst: int) -> bool:
        """Whether a side goes further over the limit (``worst`` lots) than others have pushed it."""
        where, now = seen
        pushed = self._by_others.get((where, name, side))
        if worst <= 0:
            if pushed is not None and now - pushed[1] > self.scope.bounds.limbo:
                del self._by_others[where, name, side]
            return False
        return pushed is None or worst > pushed[0]

    def _judge(self, name: InstrumentId, position: int, sides: Sides, limit: Sz, seen: tuple[str, Ns]) -> None:
        self.compared += 1
        bids, asks = sides.bids, sides.asks
        too_long = self._is_over(seen, name, Side.BUY, position + bids - limit if bids else 0)
        too_short = self._is_over(seen, name, Side.SELL, asks - position - limit if asks else 0)
        if too_long or too_short:
            held, most = self.size(name, position), self.size(name, limit)
            may = f"bids of {self.size(name, bids)} and asks of {self.size(name, asks)} may still fill"
            self.fail(f"we hold {held}, {may}, the limit is {most} ({seen[0]})", *sides.cloids)


WITHDRAWN = Ns(15 * NS_PER_S)
"""What adds to a position is on its way out so soon after only reducing is allowed."""


class ReduceOnly(Invariant):
    """S16: a reduce-only order never adds to a position and never turns it round.

    Nor does anything that is placed while only reducing is allowed. What the venue holds is judged at each fill and
    with each move of the position; the trader's own rule where it places, and, where orders rest that would add, once
    it has had the time to withdraw them.
    """

    id = "S16"
    rule = "reduce-only orders only reduce, and so does everything that is placed while only reducing is allowed"

    def __init__(self, scope: Scope, exposure: Exposure) -> None:
        """Everything is allowed."""
        super().__init__(scope)
        self._exposure = exposure
        self._since: dict[InstrumentId, Ns] = {}

    def on_life(self) -> None:
        """Another process judges for itself."""
        self._since.clear()

    def on_commands(self, step: Step) -> None:
        """Look at each placement that may only reduce."""
        for place, _, _ in placements(step.commands):
            desk = self.scope.belief.desks.get(place.instrument)
            if desk is None or not (place.reduce_only or desk.limit.reduce_only):
                continue
            self.compared += 1
            room = max(-place.side * desk.inventory.position, 0)
            sides = self._exposure.in_books(self.scope)[place.instrument]
            total = sides.bids if place.side > 0 else sides.asks
            if total > room:
                held, wanted = (self.size(place.instrument, lots) for lots in (desk.inventory.position, total))
                text = f"we hold {held} and {wanted} of one side may fill, where only reducing is allowed"
                self.fail(text, place.cloid)

    def on_second(self, now: Ns) -> None:
        """What adds and rests must have been asked to go."""
        for name, desk in self.scope.belief.desks.items():
            if not desk.limit.reduce_only:
                self._since.pop(name, None)
            elif now - self._since.setdefault(name, now) > WITHDRAWN:
                self._check_left(name, desk, now)

    def _check_left(self, name: InstrumentId, desk: DeskView, now: Ns) -> None:
        """Look at orders that have rested all the time; between two looks more may have been allowed for a moment."""
        run = self.scope.run
        if run is None or not run.is_running or self.scope.calm_since is None:
            return
        position = desk.inventory.position
        for cloid, order in desk.tracker.orders.items():
            self.compared += 1
            if (
                now - order.state_changed_at <= WITHDRAWN
                or not order.is_resting
                or order.in_flight is not InFlight.NONE
            ):
                continue
            if order.side * position >= 0:
                held = self.size(name, position)
                self.fail(f"{order} rests and adds to {held}, where only reducing is allowed", cloid)

    def on_ours(self, block: Block) -> None:
        """Look at each fill of such an order, and at what of it rests."""
        for fill in block.fills:
            order = self.scope.truth.order(fill.oid)
            if order is None or not order.reduce_only:
                continue
            self.compared += 1
            before, after = fill.start_position, fill.start_position + fill.side * fill.sz
            if abs(after) >= abs(before) or before * after < 0:
                self.fail(
                    f"reduce-only order {fill.oid} took the position from {self.size(fill.instrument, before)} "
                    f"to {self.size(fill.instrument, after)}",
                    order.cloid or str(fill.tid),
                )
        self._check_resting(block)

    def _check_resting(self, block: Block) -> None:
        totals: dict[tuple[InstrumentId, Side], int] = {}
        for order in block.resting.values():
            if order.reduce_only:
                key = (order.instrument, order.side)
                totals[key] = totals.get(key, 0) + order.remaining
        for (name, side), total in totals.items():
            self.compared += 1
            position = self.scope.truth.position(name)
            if total > max(-side * position, 0):
                keys = [o.cloid or str(o.oid) for o in block.resting.values() if o.reduce_only and o.side is side]
                held = self.size(name, position)
                self.fail(f"reduce-only orders of {self.size(name, total)} rest against a position of {held}", *keys)


class NoSelfCross(Invariant):
    """S17: our highest bid stands below our lowest ask, orders in flight included; the venue never has to stop us."""

    id = "S17"
    rule = "own bids < own asks, in flight included; self-trade prevention is never used"

    def __init__(self, scope: Scope, exposure: Exposure, lives: Lifecycle) -> None:
        """Look again only where an order changed."""
        super().__init__(scope)
        self._exposure = exposure
        self._lives = lives
        self._looked_at: int | None = None

    def on_decision(self, step: Step) -> None:  # noqa: ARG002
        """Look at our books after each decision, if any order changed."""
        if self._lives.changes == self._looked_at:
            return
        self._looked_at = self._lives.changes
        for name, sides in self._exposure.in_books(self.scope).items():
            self._judge(name, sides, "in our books")

    def on_ours(self, block: Block) -> None:
        """The same at the venue; and it never had to keep us from trading with ourselves."""
        names = chain((update.cloid for update in block.updates), (fill.cloid for fill in block.fills))
        another_hand = None in names
        for update in block.updates:
            if update.status is OrderStatus.CANCELED:
                self.compared += 1
                if update.reason is Reason.SELF_TRADE and not another_hand:
                    self.fail(f"order {update.oid} was taken out by self-trade prevention", update.cloid or "")
        for name, sides in self._exposure.at_venue(block, self.scope).items():
            self._judge(name, sides, "at the venue")

    def _judge(self, name: InstrumentId, sides: Sides, where: str) -> None:
        bid, ask = sides.bid, sides.ask
        if bid is None or ask is None or not (bid[1] and ask[1]):
            return  # one of another hand has no client id
        self.compared += 1
        if bid[0] >= ask[0]:
            bid_px, ask_px = self.price(name, bid[0]), self.price(name, ask[0])
            self.fail(f"{name}: our bid at {bid_px} meets our ask at {ask_px} {where}", bid[1], ask[1])
