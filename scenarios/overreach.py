"""How far the account went, by the venue's own marks: value of all positions, and time in which its money was short."""

from typing import Protocol

from domain.units import Ns, Usd


class AccountView(Protocol):
    """The account as the venue reckons it."""

    def gross(self) -> Usd:
        """Value of all positions at their marks."""
        ...

    def margin_use(self) -> float:
        """Initial margin over the account's value; 0 where positions need none."""
        ...


class Overreach:
    """The worst of it so far."""

    def __init__(self, account: AccountView) -> None:
        """Nothing is held."""
        self.gross_max = Usd(0)
        """Largest value of all positions."""
        self.longest_short = Ns(0)
        """Longest time at a stretch in which the positions tied up more than the account was worth."""
        self._account = account
        self._since: Ns | None = None

    def on_block(self, now: Ns) -> None:
        """Look after a block."""
        gross = self._account.gross()
        self.gross_max = max(self.gross_max, gross)
        if not gross or self._account.margin_use() <= 1.0:
            self._since = None
            return
        if self._since is None:
            self._since = now
        self.longest_short = max(self.longest_short, Ns(now - self._since))
