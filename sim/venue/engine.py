"""What an action does: place, cancel, modify, and the matches of background flow with watched accounts.

Matches are booked inside the walk, one by one, because the next may depend on them; the statuses of the
makers follow when the walk is over. It does not know batches, requests or publications.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from domain.commands import AnyAction, Cancel, Modify, Place
from domain.events import (
    AnyResult,
    Cancelled,
    Executed,
    LiquidationMark,
    LiquidationMethod,
    OrderStatus,
    Reason,
    Refused,
    Resting,
)
from domain.units import AccountId, Cloid, InstrumentId, Ns, Oid, Px, Side, Sz, Tif
from sim.liquidity.base import NOBODY, MatchResult, Op, RestingOrder, StopReason
from sim.venue import checks, texts
from sim.venue.accounts import Account, Ledger
from sim.venue.clearing import Clearing
from sim.venue.config import ModifyPlace, VenueConfig
from sim.venue.margin import Margins
from sim.venue.market import Market
from sim.venue.orders import OwnOrder
from sim.venue.reduce_only import cuts
from sim.venue.reports import Client, Reports
from sim.venue.switches import Switches

OidSource: TypeAlias = Callable[[AccountId, Place, Oid], Oid]
"""``(account, placement, next of the counter) -> id``: a replay tells the recorded ids through this."""


class _Touched:
    """Watched makers of a walk, in the order in which it met them."""

    __slots__ = ("executed", "refused")

    def __init__(self) -> None:
        self.executed: dict[OwnOrder, None] = {}
        self.refused: dict[OwnOrder, Reason] = {}
        """Those that the walk took out, with what they had left, and why."""


class Engine:
    """Carries out one action at a time."""

    def __init__(
        self,
        config: VenueConfig,
        markets: Mapping[InstrumentId, Market],
        ledger: Ledger,
        reports: Reports,
        switches: Switches,
        band: float = 0.95,
    ) -> None:
        self.config = config
        self.markets = markets
        self.reports = reports
        self.switches = switches
        self.band = band
        """Largest distance of an order price from the reference price, as a fraction of it."""
        self.margins = Margins(markets)
        self.clearing = Clearing(ledger, reports)
        self.clients = self.clearing.clients
        self.oid_source: OidSource | None = None
        self.next_oid = config.first_oid
        self.now = Ns(0)
        self._at_book: dict[Oid, OwnOrder] = {}
        """Resting orders of watched accounts by their id in the queue."""

    # --- actions --------------------------------------------------------------------------------

    def run(self, client: Client, action: AnyAction) -> AnyResult:
        """Carry out a trading action whose payload is valid."""
        match action:
            case Place():
                return self.place(client, action)
            case Cancel():
                return self.cancel(client, action)
            case Modify():
                return self.modify(client, action)
            case _:
                raise TypeError(f"not a trading action: {action}")

    def place(self, client: Client, place: Place) -> Resting | Executed | Refused:
        """Check, match, rest. A rejected order takes an id, too."""
        market = self.markets[place.instrument]
        order = self._new_order(client, place)
        error = self._error(client, market, place)
        if error is not None:
            self.switches.note(client.account.id, place, market.instrument, error)
            return self._reject(client, order, error)
        lots = checks.allowed_size(place, client.account)
        if place.tif is not Tif.ALO and market.liquidity.would_cross(place.side, place.px):
            return self._take(client, market, order, lots)
        if place.tif is Tif.IOC:
            return self._reject(client, order, texts.no_match(market.instrument))
        self.reports.accepted(client, order, self.now)
        self._rest(client, market, order, lots)
        self._trim()
        return Resting(order.oid, order.cloid)

    def cancel(self, client: Client, cancel: Cancel) -> Cancelled | Refused:
        """Take a resting order out."""
        oid = cancel.oid if cancel.cloid is None else None  # by the client id, if there is one
        order = client.orders.resting(cancel.instrument, oid, cancel.cloid)
        if order is None:
            return texts.not_open(self.markets[cancel.instrument].instrument)
        self._withdraw(order, Reason.REQUESTED)
        return Cancelled()

    def cancel_all(self, client: Client, reason: Reason, instrument: InstrumentId | None = None) -> None:
        """Take out every order of an account, or those of one instrument, oldest first."""
        for order in list(client.orders.open.values()):
            if instrument is None or order.instrument == instrument:
                self._withdraw(order, reason)

    def cancel_oldest(self, client: Client, reason: Reason) -> Oid | None:
        """Take out the oldest order of an account; None where it has none."""
        order = next(iter(client.orders.open.values()), None)
        if order is None:
            return None
        self._withdraw(order, reason)
        return order.oid

    def liquidate(self, client: Client, name: InstrumentId, lots: Sz, mark: Px) -> None:
        """Close so much of a position into the book, at whatever it pays inside the band around the mark.

        Nothing happens while the instrument is halted.
        """
        market, side = self.markets[name], _closing(client.account, name)
        if self.switches.halted[name]:
            return
        far = market.instrument.snap_up(mark * (1 + self.band)) if side > 0 else market.instrument.snap_down(1)
        order = self._forced(client, name, side, far, lots, LiquidationMark(LiquidationMethod.MARKET, mark))
        self._take(client, market, order, lots)
        self._trim()

    def close_out(
        self,
        client: Client,
        name: InstrumentId,
        px: Px,
        lots: Sz,
        method: LiquidationMethod,
        other: Client | Account,
    ) -> None:
        """Close so much of a position outside the book, against another account's."""
        market, side = self.markets[name], _closing(client.account, name)
        why = LiquidationMark(method, self.margins.mark(name))
        order = self._forced(client, name, side, px, lots, why)
        self.reports.accepted(client, order, self.now)
        if isinstance(other, Account):
            self.clearing.assign(market, px, order, other, self.now)
        else:
            opposite = self._forced(other, name, side.opposite, px, lots, why)
            self.reports.accepted(other, opposite, self.now)
            self.clearing.assign(market, px, order, opposite, self.now)
            self.reports.ended(other, opposite, OrderStatus.FILLED, None, self.now)
        self.reports.ended(client, order, OrderStatus.FILLED, None, self.now)
        self._trim()

    def modify(self, client: Client, modify: Modify) -> Resting | Executed | Refused:
        """Cancel the old order and place the new one, whose statuses come first (recorded).

        Where the old one is gone nothing happens and no id is taken. Where the new one is refused the
        old one is gone all the same, and the refused one has an id (recorded).
        """
        place = modify.place
        old = client.orders.resting(place.instrument, modify.oid, None)
        if old is None:
            return texts.CANNOT_MODIFY
        if self._keeps_place(client, old, place):
            return self._shrink(client, old, place)
        self._take_out(client, old)
        result = self.place(client, place)
        self.reports.ended(client, old, OrderStatus.CANCELED, Reason.REQUESTED, self.now)
        return texts.modify_new_leg(result) if isinstance(result, Refused) else result

    def run_flow(self, market: Market, ops: Sequence[Op]) -> None:
        """Background flow: long stretches in the liquidity, matches with watched accounts here."""
        market.is_touched = True
        execute, i = market.liquidity.execute, 0
        while True:
            stop = execute(ops, i)
            for n, maker, px, sz in stop.trades:
                op = ops[n]
                market.print_trade(op[3], px, sz, op[1], maker, self.now)
            if stop.reason is StopReason.DONE:
                return
            if stop.reason is StopReason.WATCHED_ACCOUNT:
                raise ValueError(f"background flow may not act for a watched account: {ops[stop.i]}")
            self._flow_takes(market, ops[stop.i])
            i = stop.i + 1

    def prime(self, client: Client, place: Place, oid: Oid, resting: Sz, placed_at: Ns) -> OwnOrder:
        """Let an order rest as if it had been placed long ago: no checks, no status, no news.

        What of its size does not rest counts as filled.
        """
        order = OwnOrder(client.account.id, oid, place, placed_at)
        order.filled = Sz(place.sz - resting)
        order.open(placed_at)
        client.orders.note(order)
        market = self.markets[place.instrument]
        self._enter(client, market, order, resting)
        self.next_oid = Oid(max(self.next_oid, oid + 1))
        return order

    # --- taking ---------------------------------------------------------------------------------

    def _take(self, client: Client, market: Market, order: OwnOrder, lots: Sz) -> Resting | Executed | Refused:
        market.is_touched = True
        result, touched = self._walk(market, order, lots, client.account.id)
        for maker in result.expired:
            own = self._at_book[maker.oid]
            self._forget(client, own)
            self.reports.ended(client, own, OrderStatus.CANCELED, Reason.SELF_TRADE, self.now)
        reply: Resting | Executed | Refused = Resting(order.oid, order.cloid)
        if order.filled:
            value = sum(px * sz for _, px, sz in result.executions)
            reply = Executed(order.oid, order.cloid, order.filled, value / order.filled)
        elif order.tif is Tif.IOC:
            reply = self._reject(client, order, texts.no_match(market.instrument))
        if not order.is_ended:
            self.reports.accepted(client, order, self.now)
            self._take_rest(client, market, order, result.remaining)
        self._settle(touched)
        return reply

    def _take_rest(self, client: Client, market: Market, order: OwnOrder, left: Sz) -> None:
        """What a taker does with what it did not match."""
        if not left or order.tif is Tif.IOC:
            self.reports.ended(client, order, OrderStatus.FILLED, None, self.now)
            return
        self._rest(client, market, order, left)
        if order.filled and self.config.partial_fill_updates:
            self.reports.shrunk(client, order, self.now)

    def _flow_takes(self, market: Market, op: Op) -> None:
        _, oid, account, side, px, sz, tif = op
        result, touched = self._walk(market, op, sz, NOBODY)
        if result.remaining and tif is not Tif.IOC:
            market.liquidity.add(oid, account, side, px, result.remaining)
        self._settle(touched)

    def _walk(self, market: Market, taker: OwnOrder | Op, lots: Sz, owner: AccountId) -> tuple[MatchResult, "_Touched"]:
        """Let a taker match, and book every execution at its match."""
        touched, match = _Touched(), self.clearing.match
        own_taker: OwnOrder | Oid
        if isinstance(taker, OwnOrder):
            own_taker, side, limit = taker, taker.side, taker.px
        else:
            own_taker, side, limit = taker[1], taker[3], taker[4]

        def admit(maker: RestingOrder, px: Px, sz: Sz) -> int:
            own = self._at_book.get(maker.oid)
            if own is None:
                match(market, side, px, sz, own_taker, maker.oid, self.now)
                return sz
            admitted = self._admitted(own, px, sz, touched)
            if admitted:  # one operation of a recorded market may fill orders of both sides
                match(market, own.side.opposite, px, admitted, own_taker, own, self.now)
            return admitted

        return market.liquidity.match(side, limit, lots, owner, admit), touched

    def _admitted(self, own: OwnOrder, px: Px, lots: Sz, touched: "_Touched") -> Sz:
        """The lots of a watched maker that may match.

        A reduce-only order never adds to the position; whose owner lacks margin for this match goes altogether.
        """
        admitted, account, why = lots, self.clients[own.account].account, Reason.REDUCE_ONLY_TRIMMED
        if own.reduce_only:
            admitted = min(lots, account.reducible(own.instrument, own.side))
        elif self.margins.error(account, own.instrument, own.side, px, lots) is not None:
            admitted, why = Sz(0), Reason.MARGIN
        if admitted:
            own.rest(Sz(own.resting - admitted))
            touched.executed[own] = None
        if admitted < lots:
            touched.refused[own] = why
        return admitted

    def _settle(self, touched: "_Touched") -> None:
        """Statuses of the watched makers of a walk; then what follows from the new positions."""
        for own in touched.executed:
            client = self.clients[own.account]
            self.reports.listing_changed(client)
            if not own.resting:
                self._forget(client, own)
                self.reports.ended(client, own, OrderStatus.FILLED, None, self.now)
            elif self.config.partial_fill_updates and own not in touched.refused:
                self.reports.shrunk(client, own, self.now)
        for own, why in touched.refused.items():
            client = self.clients[own.account]
            self._forget(client, own)
            self.reports.ended(client, own, OrderStatus.CANCELED, why, self.now)
        self._trim()

    # --- resting --------------------------------------------------------------------------------

    def _rest(self, client: Client, market: Market, order: OwnOrder, lots: Sz) -> None:
        self._enter(client, market, order, lots)
        self.reports.listing_changed(client)
        if order.reduce_only:
            self.clearing.moved[order.account, order.instrument] = None

    def _enter(self, client: Client, market: Market, order: OwnOrder, lots: Sz) -> None:
        market.is_touched = True
        market.liquidity.add(order.book_oid, order.account, order.side, order.px, lots)
        self._at_book[order.book_oid] = order
        order.rest(lots)
        client.orders.opened(order)
        client.order_cap.note(len(client.orders.open))

    def _withdraw(self, order: OwnOrder, reason: Reason) -> None:
        client = self.clients[order.account]
        self._take_out(client, order)
        self.reports.ended(client, order, OrderStatus.CANCELED, reason, self.now)

    def _take_out(self, client: Client, order: OwnOrder) -> None:
        market = self.markets[order.instrument]
        market.is_touched = True
        market.liquidity.remove(order.book_oid)
        self._forget(client, order)

    def _forget(self, client: Client, order: OwnOrder) -> None:
        """The queue no longer holds it."""
        del self._at_book[order.book_oid]
        client.orders.left(order)
        self.reports.listing_changed(client)

    def _trim(self) -> None:
        """Cut resting reduce-only orders down to the positions that changed in this action."""
        moved = self.clearing.moved
        while moved:
            account, instrument = next(iter(moved))
            del moved[account, instrument]
            client = self.clients[account]
            for order, lots in cuts(client.orders.reducing(instrument), client.account.position(instrument)):
                if lots == order.resting:
                    self._withdraw(order, Reason.REDUCE_ONLY_TRIMMED)
                else:
                    market = self.markets[instrument]
                    market.is_touched = True
                    market.liquidity.reduce(order.book_oid, lots)
                    order.rest(Sz(order.resting - lots))
                    self.reports.listing_changed(client)

    def _keeps_place(self, client: Client, old: OwnOrder, place: Place) -> bool:
        return (
            self.config.modify_keeps_place is ModifyPlace.SIZE_DOWN
            and (place.side, place.px, place.reduce_only) == (old.side, old.px, old.reduce_only)
            and place.sz <= old.resting
            and place.tif is not Tif.IOC
            and self._error(client, self.markets[place.instrument], place, n_leaving=1) is None
        )

    def _shrink(self, client: Client, old: OwnOrder, place: Place) -> Resting:
        """A modify that keeps its place: the queue knows the order by its old id."""
        market = self.markets[place.instrument]
        order = self._new_order(client, place)
        order.book_oid = old.book_oid
        if place.sz < old.resting:
            market.is_touched = True
            market.liquidity.reduce(old.book_oid, Sz(old.resting - place.sz))
        self._forget(client, old)
        self._at_book[order.book_oid] = order
        order.rest(place.sz)
        client.orders.opened(order)
        self.reports.accepted(client, order, self.now)
        self.reports.ended(client, old, OrderStatus.CANCELED, Reason.REQUESTED, self.now)
        return Resting(order.oid, order.cloid)

    # --- records --------------------------------------------------------------------------------

    def _new_order(self, client: Client, place: Place) -> OwnOrder:
        oid = self.next_oid
        if self.oid_source is not None:
            oid = self.oid_source(client.account.id, place, oid)
        self.next_oid = Oid(max(self.next_oid, oid + 1))
        order = OwnOrder(client.account.id, oid, place, self.now)
        client.orders.note(order)
        return order

    def _error(self, client: Client, market: Market, place: Place, n_leaving: int = 0) -> Refused | None:
        """Why an order is not taken: the venue's state, the account's open orders, then its own checks."""
        error = self.switches.refusal(place, market.instrument)
        if error is not None:
            return error
        n_open, may_rest = len(client.orders.open) - n_leaving, place.tif is not Tif.IOC
        traded = client.account.traded
        if not client.order_cap.admits(n_open, traded, reduce_only=place.reduce_only, may_rest=may_rest):
            return texts.too_many_open(market.instrument)
        error = checks.order_error(place, client.account, market, self.config)
        if error is not None or place.reduce_only:
            return error
        if self._adds_to_capped(client.account, place):
            return texts.open_interest_capped(market.instrument)
        return self.margins.error(client.account, place.instrument, place.side, place.px, place.sz)

    def _adds_to_capped(self, account: Account, place: Place) -> bool:
        cap, name = self.config.open_interest_cap, place.instrument
        if abs(account.position(name) + place.side * place.sz) <= abs(account.position(name)):
            return False
        if self.switches.capped[name]:
            return True
        return cap is not None and self.clearing.ledger.open_interest(name) * self.margins.mark(name) >= cap

    def _forced(
        self, client: Client, name: InstrumentId, side: Side, px: Px, lots: Sz, why: LiquidationMark
    ) -> OwnOrder:
        """An order that the venue itself places for an account."""
        order = self._new_order(client, Place(name, Cloid(""), side, px, lots, Tif.IOC, reduce_only=True))
        order.liquidation = why
        return order

    def _reject(self, client: Client, order: OwnOrder, error: Refused) -> Refused:
        self.reports.ended(client, order, OrderStatus.REJECTED, error.reason, self.now)
        return error


def _closing(account: Account, name: InstrumentId) -> Side:
    """The side that shrinks a position."""
    return Side.SELL if account.position(name) > 0 else Side.BUY
