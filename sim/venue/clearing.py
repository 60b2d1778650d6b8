"""One match: money and positions of both sides, its trade id, its fills, its line on the public tape."""

from enum import Enum

from domain.events import Fill
from domain.units import AccountId, InstrumentId, Ns, Oid, Px, Side, Sz, Tid, Usd
from sim.venue.accounts import Account, Ledger
from sim.venue.margin import leverage_of
from sim.venue.market import Market
from sim.venue.orders import NO_TIME, OwnOrder
from sim.venue.reports import Client, Reports


class Role(Enum):
    """What a side of a match did."""

    TAKER = "taker"
    MAKER = "maker"
    ASSIGNED = "assigned"
    """Nothing: the venue closed its position outside the book, free of fees."""


class Clearing:
    """Books matches. A side that is nobody's order belongs to the crowd."""

    def __init__(self, ledger: Ledger, reports: Reports) -> None:
        self.ledger = ledger
        self.reports = reports
        self.clients: dict[AccountId, Client] = {}
        self.moved: dict[tuple[AccountId, InstrumentId], None] = {}
        """Positions that changed and were not looked at since, in the order of their first change."""

    def match(
        self,
        market: Market,
        side: Side,
        px: Px,
        sz: Sz,
        taker: OwnOrder | Oid,
        maker: OwnOrder | Oid,
        now: Ns,
    ) -> None:
        """Book an execution of ``sz`` lots; ``side`` is the taker's. An id stands for an order of the crowd."""
        own_taker = taker if isinstance(taker, OwnOrder) else None
        own_maker = maker if isinstance(maker, OwnOrder) else None
        taker_oid = taker.oid if isinstance(taker, OwnOrder) else taker
        maker_oid = maker.oid if isinstance(maker, OwnOrder) else maker
        if own_taker is None and own_maker is None:
            market.print_trade(side, px, sz, taker_oid, maker_oid, now)
            return
        tid = market.print_own_trade(side, px, sz, taker_oid, maker_oid, now)
        self._book(market, own_taker, side, px, sz, tid, now, Role.TAKER)
        self._book(market, own_maker, side.opposite, px, sz, tid, now, Role.MAKER)

    def assign(self, market: Market, px: Px, order: OwnOrder, other: OwnOrder | Account, now: Ns) -> None:
        """Close a position outside the book: all of ``order`` against another account, free of fees, untold."""
        other_oid = other.oid if isinstance(other, OwnOrder) else Oid(0)
        buyer, seller = (order.oid, other_oid) if order.side > 0 else (other_oid, order.oid)
        tid, sz = market.new_tid(buyer, seller), order.sz
        self._book(market, order, order.side, px, sz, tid, now, Role.ASSIGNED)
        if isinstance(other, OwnOrder):
            self._book(market, other, other.side, px, sz, tid, now, Role.ASSIGNED)
        else:
            other.trade(market.instrument.id, order.side.opposite, px, sz, Usd(0))

    def _book(
        self,
        market: Market,
        order: OwnOrder | None,
        side: Side,
        px: Px,
        sz: Sz,
        tid: Tid,
        now: Ns,
        role: Role,
    ) -> None:
        instrument = market.instrument
        if order is None:
            self.ledger.crowd.trade(instrument.id, side, px, sz, Usd(0))
            return
        client = self.clients[order.account]
        account = client.account
        is_taker, fee = role is Role.TAKER, Usd(0)
        if role is not Role.ASSIGNED:
            fee = self.ledger.charge(account, instrument, Usd(px * sz), is_taker=is_taker)
        leverage = leverage_of(account.margin, instrument)
        start_position, closed_pnl = account.trade(instrument.id, side, px, sz, fee, leverage)
        account.traded = Usd(account.traded + px * sz)
        order.filled = Sz(order.filled + sz)
        self.moved[account.id, instrument.id] = None
        fill = Fill(
            instrument.id,
            now,
            NO_TIME,
            tid,
            order.oid,
            order.cloid,
            side,
            px,
            sz,
            fee,
            is_taker,
            start_position,
            closed_pnl,
            order.liquidation,
        )
        self.reports.filled(client, fill)
