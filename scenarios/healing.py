"""How soon the quotes are back: after a fault, after a lost connection; and what rested while the trader was dead."""

from domain.events import Feed
from domain.units import Ns
from scenarios.endurance import RecoveryTimes


class Healing:
    """One trader in one world. Tell it of faults, connections and deaths, and at every block what rests."""

    def __init__(self) -> None:
        """Nothing was wrong."""
        self.recoveries = RecoveryTimes()
        self.requoted: int | None = None
        """Longest time from connections that are back to both sides."""
        self.healed: int | None = None
        """Longest time without both sides since a fault was over; None before the first one."""
        self.resting_while_down: int | None = None
        """Longest time that orders of ours rested after the trader had died; None while it never has."""
        self.feed_losses = 0
        """Connections lost while the trader quoted."""
        self._faults = 0
        """Faults whose time is not over."""
        self._up: set[Feed] = set()
        self._back_since: Ns | None = None
        self._missing_since: Ns | None = None
        self._down_since: Ns | None = None

    def on_fault(self) -> None:
        """The time of a fault begins: what is missing in it is its own."""
        self._faults += 1
        self._missing_since = None

    def on_heal(self, *, is_stopped: bool) -> None:
        """The time of a fault is over: if it was the last one under way, both sides should come back and stay."""
        self._faults -= 1
        if not self._faults and not is_stopped:
            self.healed = self.healed or 0

    def on_up(self, feed: Feed, now: Ns) -> None:
        """A connection stands."""
        self._up.add(feed)
        if self.feed_losses and len(self._up) == len(Feed):
            self._back_since = now

    def on_down(self, feed: Feed, now: Ns, *, is_quoting: bool) -> None:
        """A connection ended; or an attempt did."""
        if feed in self._up and is_quoting:
            self.feed_losses += 1
            self.recoveries.lose(now)
        self._up.discard(feed)
        self._back_since = None

    def on_life(self, now: Ns, *, is_running: bool) -> None:
        """Whether the trader's process lives; one that is asked to stop is no death."""
        if is_running:
            self._down_since = None
        elif self._down_since is None:
            self._down_since = now

    def on_block(self, now: Ns, last_block: Ns, *, rests: bool, is_two_sided: bool, is_stopped: bool) -> None:
        """After each block: whether orders of ours rest, and on both sides of every instrument."""
        if self._back_since is not None and is_two_sided:
            self.requoted = max(self.requoted or 0, now - self._back_since)
            self._back_since = None
            self.recoveries.quote(now)
        if self.healed is not None:
            if self._faults or is_stopped or is_two_sided:
                self._missing_since = None
            else:
                if self._missing_since is None:
                    self._missing_since = last_block
                self.healed = max(self.healed, now - self._missing_since)
        if self._down_since is not None:
            was = self.resting_while_down or 0
            self.resting_while_down = max(was, now - self._down_since) if rests else was
