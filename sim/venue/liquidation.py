"""Liquidation: what the venue does with an account that is worth less than its maintenance margin.

First orders into the book; of large positions only a part, then the whole. What is still too thin then goes to
the liquidator with its margin, at the mark. A loss beyond the margin is closed against those who gained by it,
at the mark before (auto-deleveraging), and what even that leaves open the liquidator pays.
"""

from collections.abc import Sequence
from math import ceil

from domain.events import LiquidationMethod, Reason
from domain.units import AccountId, InstrumentId, Ns, Px, Sz, Usd
from sim.venue.accounts import Account, Ledger
from sim.venue.config import LiquidationConfig
from sim.venue.engine import Engine
from sim.venue.reports import Client


class Liquidations:
    """Looks at every account that needs margin, once a block."""

    def __init__(self, config: LiquidationConfig, engine: Engine, ledger: Ledger) -> None:
        self.config = config
        self._engine = engine
        self._margins = engine.margins
        self._ledger = ledger
        self._whole_until: dict[AccountId, Ns] = {}
        """Until when an account's positions are liquidated whole."""

    def run(self, now: Ns) -> None:
        """Liquidate whom the marks of this block leave short of margin."""
        margins = self._margins
        for client in self._engine.clients.values():
            account = client.account
            if account.margin is None or not any(account.positions.values()):
                continue
            for name in [name for name, pos in account.positions.items() if pos and account.is_isolated(name)]:
                if margins.isolated_value(account, name) < margins.maintenance_of(account, name):
                    self._liquidate(client, [name], now)
            names = margins.cross(account)
            if names and margins.value(account) < margins.maintenance(account):
                self._liquidate(client, names, now)

    def _liquidate(self, client: Client, names: Sequence[InstrumentId], now: Ns) -> None:
        """One isolated position, or all cross ones."""
        account, engine = client.account, self._engine
        is_isolated, free = account.is_isolated(names[0]), account.free_cash
        engine.cancel_all(client, Reason.LIQUIDATED, names[0] if is_isolated else None)
        for name, lots in self._to_sell(account, names, now):
            engine.liquidate(client, name, lots, self._margins.mark(name))
        left = [name for name in names if account.position(name)]
        value, needed = self._worth(account, names)
        if left and value < 0:
            self._deleverage(client, left)
        elif left and value < self.config.backstop_share * needed:
            self._hand_over(client, left)
        if is_isolated:
            self._cover(account, names[0], Usd(free - account.free_cash))
        elif not self._margins.cross(account):
            self._cover(account, names[0], Usd(-account.free_cash))

    def _worth(self, account: Account, names: Sequence[InstrumentId]) -> tuple[Usd, Usd]:
        """(what stands behind these positions, their maintenance margin)."""
        margins, name = self._margins, names[0]
        if account.is_isolated(name):
            return margins.isolated_value(account, name), margins.maintenance_of(account, name)
        return margins.value(account), margins.maintenance(account)

    def _to_sell(self, account: Account, names: Sequence[InstrumentId], now: Ns) -> list[tuple[InstrumentId, Sz]]:
        """Which lots go into the book: of large positions a part, unless there was such a part not long ago."""
        config, is_whole = self.config, now < self._whole_until.get(account.id, Ns(0))
        orders = []
        for name in names:
            lots = abs(account.position(name))
            if not is_whole and self._margins.notional(account, name) > config.partial_above:
                lots = ceil(lots * config.partial_share)
                self._whole_until[account.id] = Ns(now + config.cooldown)
            orders.append((name, Sz(lots)))
        return orders

    # --- what the book did not take -------------------------------------------------------------

    def _hand_over(self, client: Client, names: Sequence[InstrumentId]) -> None:
        """The liquidator takes positions at their marks, and all the margin behind them."""
        account, pool = client.account, self._ledger.liquidator()
        value, _ = self._worth(account, names)
        for name in names:
            mark, lots = self._margins.mark(name), Sz(abs(account.position(name)))
            self._engine.close_out(client, name, mark, lots, LiquidationMethod.BACKSTOP, pool)
        self._ledger.move(account, pool, names[0], value)

    def _deleverage(self, client: Client, names: Sequence[InstrumentId]) -> None:
        """Close positions against those of the other side, the most profitable first, at the mark before."""
        account, engine = client.account, self._engine
        for name in names:
            prices = engine.markets[name].prices
            px = prices.last_mark or self._margins.mark(name)
            for other in self._opponents(client, name):
                lots = Sz(min(abs(account.position(name)), abs(other.account.position(name))))
                if lots:
                    engine.close_out(client, name, px, lots, LiquidationMethod.ADL, other)
            if rest := abs(account.position(name)):
                engine.close_out(client, name, px, Sz(rest), LiquidationMethod.ADL, self._ledger.crowd)

    def _opponents(self, client: Client, name: InstrumentId) -> list[Client]:
        """Accounts with a position of the other side, by profit ratio times leverage, the highest first."""
        side = client.account.position(name)
        others = [other for other in self._engine.clients.values() if other.account.position(name) * side < 0]
        mark = self._margins.mark(name)
        return sorted(others, key=lambda other: (-self._rank(other.account, name, mark), other.account.id))

    def _rank(self, account: Account, name: InstrumentId, mark: Px) -> float:
        entry = account.entry_price(name) or float(mark)
        ratio = mark / entry if account.position(name) > 0 else entry / mark
        value = self._margins.value(account)
        return ratio * self._margins.notional(account, name) / value if value > 0 else float("inf")

    def _cover(self, account: Account, name: InstrumentId, debt: Usd) -> None:
        """The liquidator pays what no margin answers for any more: nobody owes the venue money."""
        if debt > 0:
            self._ledger.move(self._ledger.liquidator(), account, name, debt)
