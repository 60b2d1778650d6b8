"""Margin: what an account is worth at the mark, what its positions tie up, and whether an order is too large.

Cross positions share the account's money; an isolated one has its own (`Account.isolated`), and nothing else
answers for it. Only an account with margin terms is checked: recorded accounts and the crowd have credit
without end.
"""

from collections.abc import Mapping

from domain.events import PositionEntry, Refused
from domain.instrument import Instrument
from domain.units import InstrumentId, Px, Side, Sz, Usd
from sim.venue import texts
from sim.venue.accounts import Account
from sim.venue.config import MarginTerms
from sim.venue.market import Market


class Margins:
    """Sums over the positions of one account after another, at the marks of all markets."""

    def __init__(self, markets: Mapping[InstrumentId, Market]) -> None:
        self._markets = markets

    # --- what there is --------------------------------------------------------------------------

    def mark(self, name: InstrumentId) -> Px:
        """The mark price; before there is one the last trade, and before that nothing."""
        market = self._markets[name]
        mark = market.prices.mark
        return mark if mark is not None else market.last_px or Px(0)

    def cross(self, account: Account) -> list[InstrumentId]:
        """Instruments with an open cross position."""
        return [name for name, pos in account.positions.items() if pos and not account.is_isolated(name)]

    def value(self, account: Account) -> Usd:
        """Account value: money outside isolated positions, and every cross position at its mark."""
        return Usd(account.free_cash + sum(account.position(name) * self.mark(name) for name in self.cross(account)))

    def isolated_value(self, account: Account, name: InstrumentId) -> Usd:
        """What an isolated position is worth with its own money."""
        return Usd(account.isolated.get(name, 0) + account.position(name) * self.mark(name))

    # --- what it ties up ------------------------------------------------------------------------

    def notional(self, account: Account, name: InstrumentId) -> Usd:
        """Absolute value of a position at its mark."""
        return Usd(abs(account.position(name)) * self.mark(name))

    def leverage(self, account: Account, name: InstrumentId) -> int:
        """The leverage that the account has chosen, and the instrument allows."""
        return leverage_of(account.margin, self._markets[name].instrument)

    def initial(self, account: Account) -> Usd:
        """Initial margin of all cross positions: value at the mark over leverage, rounded up."""
        return Usd(
            sum(-(-self.notional(account, name) // self.leverage(account, name)) for name in self.cross(account))
        )

    def maintenance(self, account: Account) -> Usd:
        """Maintenance margin of all cross positions."""
        return Usd(sum(self.maintenance_of(account, name) for name in self.cross(account)))

    def maintenance_of(self, account: Account, name: InstrumentId) -> Usd:
        """Maintenance margin of one position."""
        return self._markets[name].instrument.maintenance(self.notional(account, name))

    # --- what follows ---------------------------------------------------------------------------

    def error(self, account: Account, name: InstrumentId, side: Side, px: Px, lots: Sz) -> Refused | None:
        """Why a trade of that many lots at that price is not allowed, None if it is.

        What shrinks a position without turning it around always is. The new position counts at the mark;
        a price worse than the mark is a loss at once, a better one no gain.
        """
        if account.margin is None:
            return None
        before = account.position(name)
        after = before + side * lots
        if before * side < 0 and after * side <= 0:
            return None
        instrument, mark = self._markets[name].instrument, self.mark(name) or px
        leverage = leverage_of(account.margin, instrument)
        value, most = abs(after) * mark, instrument.most_value(leverage)
        if most is not None and value > most:
            return texts.above_max_position(instrument)
        loss = max(side * (px - mark), 0) * lots
        opens = min(lots, abs(after))
        if account.is_isolated(name):
            free = self.value(account) - self.initial(account)
            freed = max(self.isolated_value(account, name), 0) if before * side < 0 else 0
            is_enough = -(-opens * max(mark, px) // leverage) + loss <= free + freed
        else:
            own = -(-self.notional(account, name) // leverage)
            others = self.initial(account) - own
            is_enough = others - (-value // leverage) + loss <= self.value(account)
        return None if is_enough else texts.insufficient_margin(instrument)

    def entries(self, account: Account) -> tuple[PositionEntry, ...]:
        """Open positions, in the order in which they were first opened."""
        return tuple(
            PositionEntry(name, pos, self.liquidation_price(account, name))
            for name, pos in account.positions.items()
            if pos
        )

    def liquidation_price(self, account: Account, name: InstrumentId) -> float | None:
        """Mark, in base ticks, at which a position would be liquidated if nothing else moved; None: at none.

        ``price - side x available / size / (1 - l x side)``, where l is the maintenance rate at that price.
        """
        position = account.position(name)
        if not position or account.margin is None:
            return None
        if account.is_isolated(name):
            available = self.isolated_value(account, name) - self.maintenance_of(account, name)
        else:
            available = self.value(account) - self.maintenance(account)
        side, size, mark = (1 if position > 0 else -1), abs(position), self.mark(name)
        instrument = self._markets[name].instrument
        tiers = list(instrument.tiers)
        ends: list[float] = [float(bound) for bound, _ in tiers[1:]]
        ends.append(float("inf"))
        deduction, rate_below = 0.0, 1 / (2 * instrument.max_leverage)
        # Maintenance is linear inside a tier: solve there, and take the tier that holds its own answer.
        excess = available + self.maintenance_of(account, name)
        for (bound, leverage), end in zip(tiers, ends, strict=True):
            rate = 1 / (2 * leverage)
            deduction += bound * (rate - rate_below)
            rate_below = rate
            price = mark - side * (excess - size * mark * rate + deduction) / size / (1 - rate * side)
            if bound <= price * size < end:
                return price
        return None


def leverage_of(terms: MarginTerms | None, instrument: Instrument) -> int:
    """What the terms say, at most what the instrument allows; without any choice that most."""
    chosen = None if terms is None else terms.leverage
    return instrument.max_leverage if chosen is None else min(chosen, instrument.max_leverage)
