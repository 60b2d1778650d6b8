"""How good our fills are: where the mid went after each, how often quotes fill, how late we hear of it (FL-10..17).

It only looks on. All times are the venue's, so what a fill is worth does not depend on when it reached us. The queue
position at a fill is not here: the trader has no model of the queue.
"""

from bisect import bisect_left
from collections import deque
from dataclasses import dataclass, field
from math import ceil
from typing import Annotated

from annotated_types import Interval

from domain.events import Fill
from domain.units import NS_PER_MS, NS_PER_S, Bps, Ns, Px, Side, Sz, Tid

HORIZONS = tuple(Ns(n * NS_PER_MS) for n in (500, 1_000, 2_000, 5_000))
"""After a fill (C-16); the second says whether it was adverse (FL-13)."""
ADVERSE_HORIZON = 1

MIDS_KEPT = 1_024
"""Latest changes of the mid, for fills of which we hear late."""

TOO_LATE = Ns(5 * NS_PER_S)
"""A mid so much later than its horizon, as after a gap, says nothing about the fill."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FillTrackerConfig:
    """How much is remembered."""

    window: Annotated[int, Interval(ge=1, le=1_000_000_000)] = 1_000
    """Fills over which shares and averages are taken: the latest (FL-17)."""


@dataclass(slots=True)
class FillRecord:
    """One fill and what came of it (FL-15)."""

    tid: Tid
    time: Ns
    """Of the venue."""
    side: Side
    px: Px
    sz: Sz
    latency: Ns
    """From the venue's stamp to its receipt."""
    quotes: int
    """Orders placed until then, modifies included."""
    mid: float | None
    """Just before the fill; None where we did not know one."""
    mids_after: list[float | None] = field(default_factory=lambda: [None] * len(HORIZONS))
    """At each horizon; None until then, and where nobody knew."""

    def gross(self, horizon: int) -> Bps | None:
        """What the mid did to us since just before the fill, in bps; negative is adverse (C-16)."""
        after = self.mids_after[horizon]
        if after is None or self.mid is None:
            return None
        return Bps(self.side * (after / self.mid - 1.0) * 1e4)

    def net(self, horizon: int) -> Bps | None:
        """The mid then against the price that we got, in bps."""
        after = self.mids_after[horizon]
        return None if after is None else Bps(self.side * (after / self.px - 1.0) * 1e4)


@dataclass(frozen=True, slots=True)
class FillQuality:
    """Shares and averages over the latest fills; None where there is nothing to average."""

    fill_rate: float | None
    """Fills per order placed, both of the same stretch of time (T-20)."""
    adverse_rate: float | None
    """Share of fills after which the mid was worse a second later (FL-13)."""
    latency_p50: Ns | None
    latency_p99: Ns | None
    gross_bps: tuple[float | None, ...]
    """Mean gross markout at each horizon."""
    net_bps: tuple[float | None, ...]
    """Mean net markout at each horizon."""
    coverage: float | None
    """Share of fills older than a second whose mid after a second is known (FL-14)."""


class FillTracker:
    """The latest fills of one instrument and the mids that they wait for."""

    def __init__(self, config: FillTrackerConfig) -> None:
        """No fill yet."""
        self.records: deque[FillRecord] = deque(maxlen=config.window)
        self.bought = Sz(0)
        """Lots of all fills of this life, whatever the window."""
        self.sold = Sz(0)
        """Lots, likewise."""
        self.taker_fills = 0
        """Fills of this life in which we took: with post-only quotes there should be none."""
        self._times: deque[Ns] = deque(maxlen=MIDS_KEPT)
        self._mids: deque[float] = deque(maxlen=MIDS_KEPT)
        self._mid = 0.0
        self._time = Ns(-1)
        self._pending: list[list[FillRecord]] = [[] for _ in HORIZONS]
        self._next_due: Ns | None = None

    def on_mid(self, mid: float, time: Ns) -> None:
        """A sound mid; ``time`` is the venue's."""
        if mid != self._mid:
            self._mid = mid
            self._times.append(time)
            self._mids.append(mid)
        self._time = time
        if self._next_due is not None and time >= self._next_due:
            self._settle(mid, time)

    def on_gap(self) -> None:
        """The feed was lost: mids of before and after do not go together."""
        self._times.clear()
        self._mids.clear()
        self._mid = 0.0

    def on_fill(self, fill: Fill, quotes: int) -> None:
        """A new fill, with the number of orders placed until now."""
        if fill.side is Side.BUY:
            self.bought = Sz(self.bought + fill.sz)
        else:
            self.sold = Sz(self.sold + fill.sz)
        self.taker_fills += fill.is_taker
        time = fill.exch_time
        latency = Ns(max(fill.recv_time - time, 0))
        record = FillRecord(
            fill.tid, time, fill.side, fill.px, fill.sz, latency, quotes, self._mid_at(time, before=True)
        )
        self.records.append(record)
        for index, horizon in enumerate(HORIZONS):
            due = Ns(time + horizon)
            if due <= self._time:
                record.mids_after[index] = self._mid_at(due, before=False)
            else:
                self._pending[index].append(record)
                if self._next_due is None or due < self._next_due:
                    self._next_due = due

    def quality(self, quotes: int) -> FillQuality:
        """Over the window; ``quotes`` is the number of orders placed until now."""
        records = self.records
        placed = quotes - records[0].quotes if records else 0
        adverse = [gross < 0 for record in records if (gross := record.gross(ADVERSE_HORIZON)) is not None]
        latencies = sorted(record.latency for record in records)
        old = [record for record in records if record.time + HORIZONS[ADVERSE_HORIZON] <= self._time]
        known = sum(record.mids_after[ADVERSE_HORIZON] is not None for record in old)
        return FillQuality(
            fill_rate=len(records) / placed if placed > 0 else None,
            adverse_rate=sum(adverse) / len(adverse) if adverse else None,
            latency_p50=_percentile(latencies, 0.5),
            latency_p99=_percentile(latencies, 0.99),
            gross_bps=tuple(_mean([record.gross(i) for record in records]) for i in range(len(HORIZONS))),
            net_bps=tuple(_mean([record.net(i) for record in records]) for i in range(len(HORIZONS))),
            coverage=known / len(old) if old else None,
        )

    # --- inside ---------------------------------------------------------------------------------

    def _mid_at(self, time: Ns, *, before: bool) -> float | None:
        """The mid in force at a moment, or just before it; None where we do not know so far back."""
        index = bisect_left(self._times, time if before else time + 1)
        return self._mids[index - 1] if index else None

    def _settle(self, mid: float, time: Ns) -> None:
        """Whose horizon has come gets this mid, the first since then (FL-16)."""
        earliest: Ns | None = None
        for index, horizon in enumerate(HORIZONS):
            waiting = []
            for record in self._pending[index]:
                due = Ns(record.time + horizon)
                if due > time:
                    waiting.append(record)
                    if earliest is None or due < earliest:
                        earliest = due
                elif time - due <= TOO_LATE:
                    record.mids_after[index] = mid
            self._pending[index] = waiting
        self._next_due = earliest


def _mean(values: list[Bps | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _percentile(ordered: list[Ns], share: float) -> Ns | None:
    """The smallest value that at least this share does not exceed."""
    return ordered[max(ceil(share * len(ordered)) - 1, 0)] if ordered else None
