"""Where the money comes from: the spread at each fill, what the mid did afterwards, fees; the rest is inventory."""

from collections import deque
from collections.abc import Iterator

from domain.events import Fill
from domain.units import USD, Ns, seconds
from scenarios.figures import HORIZONS_S, SPLIT_HORIZON_S, Markout, Pnl

HORIZONS = tuple(seconds(horizon) for horizon in HORIZONS_S)
_SPLIT = HORIZONS_S.index(SPLIT_HORIZON_S)
Due = tuple[Ns, int, int, float]
"""When a markout is taken, the signed lots, their price, and the mid at the fill."""


class MarkoutQueue:
    """Fills of one instrument whose markouts are not due yet; one queue for each horizon."""

    def __init__(self) -> None:
        """No fills."""
        self._queues: tuple[deque[Due], ...] = tuple(deque() for _ in HORIZONS)

    def add(self, fill: Fill, mid: float) -> None:
        """Look at this fill again after each horizon."""
        signed = fill.side * fill.sz
        for horizon, queue in zip(HORIZONS, self._queues, strict=True):
            queue.append((Ns(fill.exch_time + horizon), signed, fill.px, mid))

    def due(self, now: Ns | None) -> Iterator[tuple[int, Due]]:
        """Those that are due, by horizon; all that are left where no time is given."""
        for i, queue in enumerate(self._queues):
            while queue and (now is None or queue[0][0] <= now):
                yield i, queue.popleft()


class Earnings:
    """Sums over all instruments, in micro-USD."""

    def __init__(self) -> None:
        """No fills."""
        self.forced = 0
        """Fills of liquidations."""
        self._spread = 0.0
        self._fees = 0
        self._gross, self._net = [0.0] * len(HORIZONS), [0.0] * len(HORIZONS)
        self._adverse, self._measured = [0] * len(HORIZONS), [0] * len(HORIZONS)

    def on_fill(self, fill: Fill, mid: float) -> None:
        """A fill at this mid, in base ticks."""
        self.forced += fill.liquidation is not None
        self._spread += fill.side * fill.sz * (mid - fill.px)
        self._fees += fill.fee

    def settle(self, queue: MarkoutQueue, now: Ns, before: float | None, mid: float | None) -> None:
        """Markouts that are due, at the mid that stood at their moment: ``before`` this block, or now."""
        for i, (due, signed, px, mid0) in queue.due(now):
            then = before if now > due and before is not None else mid
            self._book(i, signed, px, mid0, mid0 if then is None else then)

    def close(self, queue: MarkoutQueue, mid: float | None) -> None:
        """What is not due at the end is valued at the last mid."""
        for i, (_, signed, px, mid0) in queue.due(None):
            self._book(i, signed, px, mid0, mid0 if mid is None else mid)

    def split(self, total: float, transfers: int) -> Pnl:
        """What the account won, by where it came from; both in micro-USD."""
        total, fees = total / USD, self._fees / USD
        spread, markout, moved = self._spread / USD, self._gross[_SPLIT] / USD, transfers / USD
        return Pnl(total, spread, markout, total - spread - markout + fees - moved, fees, moved)

    def markouts(self) -> list[Markout]:
        """By horizon."""
        return [self._markout(i) for i in range(len(HORIZONS))]

    def _book(self, i: int, signed: int, px: int, mid0: float, mid: float) -> None:
        gross = signed * (mid - mid0)
        self._gross[i] += gross
        self._net[i] += signed * (mid - px)
        self._adverse[i] += gross < 0
        self._measured[i] += 1

    def _markout(self, i: int) -> Markout:
        share = 100.0 * self._adverse[i] / self._measured[i] if self._measured[i] else 0.0
        return Markout(HORIZONS_S[i], self._gross[i] / USD, self._net[i] / USD, share)
