"""What a block does with prices, funding and margin before anybody's action runs."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from domain.units import InstrumentId, Ns
from sim.venue.accounts import Ledger
from sim.venue.config import VenueConfig
from sim.venue.engine import Engine
from sim.venue.liquidation import Liquidations
from sim.venue.market import Market
from sim.venue.reports import Reports

Outside: TypeAlias = Callable[[InstrumentId], float | None]
"""Price of an instrument in the rest of the world, in base ticks; None where it trades nowhere else."""


def nowhere_else(_instrument: InstrumentId) -> float | None:
    """There is no outside."""
    return None


class Clearinghouse:
    """Prices first, then what is owed at them, then who cannot carry it."""

    def __init__(
        self,
        config: VenueConfig,
        markets: Mapping[InstrumentId, Market],
        engine: Engine,
        ledger: Ledger,
        reports: Reports,
    ) -> None:
        self.outside: Outside = nowhere_else
        self._markets = markets
        self._engine = engine
        self._ledger = ledger
        self._reports = reports
        self._liquidations = Liquidations(config.liquidation, engine, ledger)

    def begin_block(self, now: Ns) -> None:
        """Let time pass for all markets and accounts."""
        for name, market in self._markets.items():
            prices, funding = market.prices, market.funding
            if prices.is_due(now):
                prices.update(self.outside(name), market.liquidity, market.last_px, now)
            if funding is None:
                continue
            rate = funding.take_due(now)
            if rate is not None and prices.oracle is not None:
                for account in self._ledger.fund(name, prices.oracle, rate):
                    if account.id in self._engine.clients:
                        self._reports.cash_moved(self._engine.clients[account.id])
            funding.watch(market.liquidity, prices.oracle, now)
        self._liquidations.run(now)
