"""What other hands than the trader's do to accounts and instruments: the owner, the venue's risk engine, its operators.

Whatever trades or prints does so inside a block, before anybody's action of it: `soon` keeps it until then.
"""

from collections.abc import Callable, Mapping

from msgspec.structs import replace

from domain.commands import Place
from domain.events import AnyResult, LiquidationMethod, Reason
from domain.instrument import Instrument
from domain.units import AccountId, InstrumentId, Oid, Sz, Usd
from sim.venue.accounts import Ledger
from sim.venue.config import MarginTerms
from sim.venue.engine import Engine
from sim.venue.layers import Layers
from sim.venue.market import Market
from sim.venue.reports import Reports


class Hands:
    """Acts of others, and what they find."""

    def __init__(
        self, engine: Engine, markets: Mapping[InstrumentId, Market], ledger: Ledger, reports: Reports
    ) -> None:
        """Nothing is under way."""
        self._engine = engine
        self._markets = markets
        self._ledger = ledger
        self._reports = reports
        self._acts: list[Callable[[], None]] = []
        self._terms: dict[AccountId, Layers[MarginTerms]] = {}
        self._listings: dict[InstrumentId, Layers[Instrument]] = {}

    def soon(self, act: Callable[[], None]) -> None:
        """Let something happen at the begin of the next block."""
        self._acts.append(act)

    def run(self) -> None:
        """The block has begun; what an act leaves for later waits for the next one."""
        acts, self._acts = self._acts, []
        for act in acts:
            act()

    # --- inside a block -------------------------------------------------------------------------

    def trade(self, account: AccountId, place: Place) -> AnyResult:
        """An order of the account that its trader knows nothing of: somebody trades by hand."""
        return self._engine.place(self._engine.clients[account], place)

    def deleverage(self, account: AccountId, name: InstrumentId, share: float) -> Sz:
        """Close a share of a position, rounded up, at the mark: the loss of somebody else had no other taker (ADL).

        Whoever has gained is chosen; a position without profit stays.
        """
        client = self._engine.clients[account]
        position, mark = client.account.position(name), self._engine.margins.mark(name)
        has_gained = position * mark > client.account.costs.get(name, 0) * (1 if position > 0 else -1)
        lots = Sz(min(-int(-abs(position) * share // 1), abs(position))) if has_gained else Sz(0)
        if lots:
            self._engine.close_out(client, name, mark, lots, LiquidationMethod.ADL, self._ledger.crowd)
        return lots

    def call_margin(self, account: AccountId) -> Oid | None:
        """Take out the oldest order of an account as of one that is short of margin; None where nothing rests.

        It comes to no more than that: the price turned, and the position stays.
        """
        return self._engine.cancel_oldest(self._engine.clients[account], Reason.LIQUIDATED)

    def settle(self, name: InstrumentId) -> int:
        """Cancel all orders of an instrument and close all positions in it at the mark; how many positions."""
        closed = 0
        mark = self._engine.margins.mark(name)
        for client in self._engine.clients.values():
            self._engine.cancel_all(client, Reason.DELISTED, name)
            if held := Sz(abs(client.account.position(name))):
                method, crowd = LiquidationMethod.SETTLEMENT, self._ledger.crowd
                self._engine.close_out(client, name, mark, held, method, crowd)
                closed += 1
        return closed

    def deposit(self, account: AccountId, amount: Usd) -> Usd:
        """The owner pays in, or takes out what is free at most; what moved."""
        client = self._engine.clients[account]
        if amount < 0 and client.account.margin is not None:
            margins = self._engine.margins
            free = margins.value(client.account) - margins.initial(client.account)
            amount = Usd(-min(-amount, max(free, 0)))
        client.account.deposit(amount)
        self._reports.cash_moved(client)
        return amount

    # --- at any time ----------------------------------------------------------------------------

    def choose_leverage(self, account: AccountId, leverage: int, by: object) -> bool:
        """Somebody sets the account's leverage, until `give_back_leverage`; not where it has credit without end."""
        own = self._engine.clients[account].account
        if own.margin is None:
            return False
        terms = self._terms.setdefault(account, Layers(own.margin))
        terms.put(by, MarginTerms(leverage=leverage, isolated=terms.base.isolated))
        own.margin = terms.top
        return True

    def give_back_leverage(self, account: AccountId, by: object) -> None:
        """Undo a `choose_leverage`; what another hand has set stands."""
        terms = self._terms.get(account)
        if terms is not None:
            terms.take(by)
            self._engine.clients[account].account.margin = terms.top

    def allow_leverage(self, name: InstrumentId, most: int, by: object) -> None:
        """The venue allows another leverage in an instrument, until `list_again`."""
        market = self._markets[name]
        listings = self._listings.setdefault(name, Layers(market.instrument))
        tiers = tuple(tier for tier in listings.base.margin_tiers if tier.max_leverage < most)
        listings.put(by, replace(listings.base, max_leverage=most, margin_tiers=tiers))
        market.instrument = listings.top

    def list_again(self, name: InstrumentId, by: object) -> None:
        """Undo an `allow_leverage`; what another hand has set stands."""
        listings = self._listings[name]
        listings.take(by)
        self._markets[name].instrument = listings.top

    def widen(self, name: InstrumentId, px_step: int, sz_step: int) -> None:
        """Wider ticks and lots, until `narrow`."""
        self._markets[name].px_steps.append(px_step)
        self._markets[name].sz_steps.append(sz_step)

    def narrow(self, name: InstrumentId, px_step: int, sz_step: int) -> None:
        """Undo one `widen`."""
        self._markets[name].px_steps.remove(px_step)
        self._markets[name].sz_steps.remove(sz_step)

    def dictate_funding(self, name: InstrumentId, hourly: float, by: object) -> bool:
        """Let funding accrue at a rate of an hour, within the venue's cap; whether the instrument has funding."""
        funding = self._markets[name].funding
        if funding is not None:
            funding.dictated.put(by, hourly)
        return funding is not None

    def free_funding(self, name: InstrumentId, by: object) -> None:
        """Undo one `dictate_funding`; what another hand dictates stands."""
        funding = self._markets[name].funding
        if funding is not None:
            funding.dictated.take(by)
