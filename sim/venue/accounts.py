"""Money: cash, positions, their cost and fees, in integers, so that everything adds up to the micro-USD.

Cash is raw cash: a buy pays its notional, a sale receives it, a fee goes to the pool. So nothing is
created: the positions of all sum to zero for each instrument, and cash plus fee pool equals what was
deposited (invariant S6); money that no fill brings is a transfer from one account to another. What an account
is worth is a matter of marks (`margin.py`). Everybody who is not watched shares one account, the crowd, which
pays no fees.
"""

from collections.abc import Mapping

from domain.errors import InvariantViolation
from domain.events import Transfers
from domain.instrument import Instrument
from domain.transfers import OWNER
from domain.units import AccountId, FeeRate, InstrumentId, Pos, Px, Side, Sz, Usd, fee_of
from sim.liquidity.base import NOBODY
from sim.venue.config import MarginTerms
from sim.venue.funding import payment

NO_LIMIT = Sz(2**53)
"""Largest position of an account that was given no limit."""

LIQUIDATOR = AccountId("liquidator")
"""Takes over what nobody else took of liquidated accounts; it exists from the first time on."""


class Account:
    """What one account owns.

    A position's cost is an integer in micro-USD. A closing fill takes its share of it, rounded down to
    a whole micro-USD, and the rest stays, so that the closed profits of a round trip sum to its cash
    flow exactly. The entry price is cost over size: unchanged by closing fills but for that rounding,
    reset where a fill crosses zero.
    """

    def __init__(
        self,
        account: AccountId,
        deposit: Usd = Usd(0),
        *,
        maker_fee: FeeRate | None = None,
        taker_fee: FeeRate | None = None,
        max_position: Mapping[InstrumentId, Sz] | None = None,
        traded: Usd = Usd(0),
        margin: MarginTerms | None = None,
    ) -> None:
        self.id = account
        self.deposited = deposit
        """Paid in less taken out by the owner."""
        self.opened_with = deposit
        self.cash = deposit
        self.fees_paid = Usd(0)
        self.closed_pnl = Usd(0)
        """Profit of what was closed, before fees."""
        self.positions: dict[InstrumentId, Pos] = {}
        self.costs: dict[InstrumentId, Usd] = {}
        """What the open position cost (long) or brought in (short); never negative."""
        self.traded = traded
        """Value of all that it traded, maker and taker, in its whole life: what allowances grow with."""
        self.margin = margin
        """None: its positions need no margin."""
        self.isolated: dict[InstrumentId, Usd] = {}
        """Part of the cash that belongs to an isolated position: its margin less what the position cost."""
        self.transfers: dict[InstrumentId, Usd] = {}
        """What moved the cash other than fills, by instrument, over the account's whole life."""
        self.maker_fee = maker_fee
        self.taker_fee = taker_fee
        self._max_position = dict(max_position or {})

    @property
    def free_cash(self) -> Usd:
        """Cash that does not belong to an isolated position."""
        return Usd(self.cash - sum(self.isolated.values())) if self.isolated else self.cash

    def is_isolated(self, instrument: InstrumentId) -> bool:
        """Whether a position in it has its own margin."""
        return self.margin is not None and instrument in self.margin.isolated

    def position(self, instrument: InstrumentId) -> Pos:
        """Signed position in lots."""
        return self.positions.get(instrument, Pos(0))

    def entry_price(self, instrument: InstrumentId) -> float | None:
        """Average price of the open position in base ticks."""
        pos = self.position(instrument)
        return self.costs[instrument] / abs(pos) if pos else None

    def max_position(self, instrument: InstrumentId) -> Sz:
        """Largest absolute position that it may hold."""
        return self._max_position.get(instrument, NO_LIMIT)

    def reducible(self, instrument: InstrumentId, side: Side) -> Sz:
        """Lots by which an order of that side can shrink the position."""
        return Sz(max(-side * self.position(instrument), 0))

    def fee_rate(self, instrument: Instrument, *, is_taker: bool) -> FeeRate:
        """Its own rate, or the instrument's."""
        own = self.taker_fee if is_taker else self.maker_fee
        if own is not None:
            return own
        return instrument.taker_fee if is_taker else instrument.maker_fee

    def transferred(self) -> tuple[Transfers, ...]:
        """Sums of the transfers, in the order in which each instrument first had one; what the owner moved last."""
        moved = tuple(Transfers(name, total) for name, total in self.transfers.items())
        by_owner = self.moved_by_owner
        return (*moved, Transfers(OWNER, by_owner)) if by_owner else moved

    @property
    def moved_by_owner(self) -> Usd:
        """What the owner paid in since the account was opened, less what was taken out."""
        return Usd(self.deposited - self.opened_with)

    def deposit(self, amount: Usd) -> None:
        """The owner pays in; negative is taken out."""
        self.cash = Usd(self.cash + amount)
        self.deposited = Usd(self.deposited + amount)

    def transfer(self, instrument: InstrumentId, amount: Usd) -> None:
        """Receive money that no fill brings; negative is paid. An isolated position's margin bears its own."""
        self.cash = Usd(self.cash + amount)
        self.transfers[instrument] = Usd(self.transfers.get(instrument, 0) + amount)
        if self.is_isolated(instrument) and self.position(instrument):
            self.isolated[instrument] = Usd(self.isolated.get(instrument, 0) + amount)

    def trade(
        self, instrument: InstrumentId, side: Side, px: Px, sz: Sz, fee: Usd, leverage: int = 1
    ) -> tuple[Pos, Usd]:
        """Book one side of a match; the position before it and the profit of what it closed.

        ``leverage`` says how much margin moves into a position that is isolated.
        """
        before = self.positions.get(instrument, 0)
        after = before + side * sz
        cost = self.costs.get(instrument, 0)
        pnl = 0
        if before * side >= 0:
            cost += px * sz
        else:
            size = abs(before)
            closed = min(sz, size)
            share = cost * closed // size
            pnl = -side * (px * closed - share)
            cost = cost - share if sz <= size else px * (sz - size)
        if self.is_isolated(instrument):
            self._move_margin(instrument, side, px, sz, leverage)
        self.positions[instrument] = Pos(after)
        self.costs[instrument] = Usd(cost)
        self.cash = Usd(self.cash - side * px * sz - fee)
        self.fees_paid = Usd(self.fees_paid + fee)
        self.closed_pnl = Usd(self.closed_pnl + pnl)
        return Pos(before), Usd(pnl)

    def _move_margin(self, instrument: InstrumentId, side: Side, px: Px, sz: Sz, leverage: int) -> None:
        """Closing frees the margin in proportion, with its profit or loss; opening ties up initial margin."""
        before, own = self.position(instrument), self.isolated.get(instrument, 0)
        closed = min(sz, abs(before)) if before * side < 0 else 0
        if closed:
            own -= own * closed // abs(before)
        opened = sz - closed
        own += -(-px * opened // leverage) - side * px * opened
        if before + side * sz:
            self.isolated[instrument] = Usd(own)
        else:
            self.isolated.pop(instrument, None)


class Ledger:
    """All accounts, the crowd and the fee pool."""

    def __init__(self) -> None:
        self.accounts: dict[AccountId, Account] = {}
        self.crowd = Account(NOBODY)
        self.fee_pool = Usd(0)

    def open(self, account: Account) -> None:
        """Take an account in; ValueError if there is one of that name, or the venue needs it."""
        if account.id in self.accounts or account.id in (NOBODY, LIQUIDATOR):
            raise ValueError(f"account {account.id!r} exists already")
        self.accounts[account.id] = account

    def charge(self, account: Account, instrument: Instrument, notional: Usd, *, is_taker: bool) -> Usd:
        """Fee of one side of a match, paid into the pool; the account's own cash follows in `trade`."""
        fee = fee_of(notional, account.fee_rate(instrument, is_taker=is_taker))
        self.fee_pool = Usd(self.fee_pool + fee)
        return fee

    def endow(self, account: Account, instrument: InstrumentId, position: Pos, px: Px) -> None:
        """Give an account a position at a price, out of the crowd's: an input of replays and tests."""
        if position:
            side = Side.BUY if position > 0 else Side.SELL
            sz = Sz(abs(position))
            account.trade(instrument, side, px, sz, Usd(0))
            self.crowd.trade(instrument, side.opposite, px, sz, Usd(0))

    def liquidator(self) -> Account:
        """The account that takes over what is left of liquidated ones; it has credit."""
        if LIQUIDATOR not in self.accounts:
            self.accounts[LIQUIDATOR] = Account(LIQUIDATOR)
        return self.accounts[LIQUIDATOR]

    def move(self, giver: Account, taker: Account, instrument: InstrumentId, amount: Usd) -> None:
        """Money from one account to another; negative goes the other way."""
        giver.transfer(instrument, Usd(-amount))
        taker.transfer(instrument, amount)

    def open_interest(self, instrument: InstrumentId) -> Sz:
        """Lots of all long positions, which are those of all short ones."""
        everybody = (*self.accounts.values(), self.crowd)
        return Sz(sum(max(account.position(instrument), 0) for account in everybody))

    def fund(self, instrument: InstrumentId, oracle: Px, rate: int) -> list[Account]:
        """Pay funding on every position in an instrument; who received or paid. The crowd is the other side."""
        moved = []
        for account in self.accounts.values():
            amount = payment(account.position(instrument), oracle, rate)
            if amount:
                self.move(self.crowd, account, instrument, amount)
                moved.append(account)
        return moved

    def check(self) -> None:
        """Raise InvariantViolation unless positions sum to zero and money to what was deposited (S6)."""
        everybody = [*self.accounts.values(), self.crowd]
        for name in dict.fromkeys(name for account in everybody for name in account.positions):
            total = sum(account.position(name) for account in everybody)
            if total:
                raise InvariantViolation("S6", f"positions in {name} sum to {total} lots, not to zero")
        cash = sum(account.cash for account in everybody)
        deposits = sum(account.deposited for account in everybody)
        if cash + self.fee_pool != deposits:
            text = f"cash {cash} and fee pool {self.fee_pool} do not sum to the deposits, {deposits}"
            raise InvariantViolation("S6", text)
        paid = sum(account.fees_paid for account in everybody)
        if paid != self.fee_pool:
            raise InvariantViolation("S6", f"fees paid are {paid}, the pool holds {self.fee_pool}")
