"""Why a side has no order, and how the quotes were looked after: read off the trader after each decision."""

from dataclasses import dataclass

from domain.orders import Certainty, OrderState
from domain.units import Ns, Side, millis
from orchestrator.connectivity.requests import RequestLedger
from orchestrator.core import Orchestrator
from orchestrator.desk.desk import ON_BOOK, Desk
from orchestrator.desk.quote_engine import Step
from studies.diagnosis.spans import Spans

UNANSWERED = "a placement waits for its answer"
REDUCE_ONLY = "the position may only be reduced"
MONEY = "the account's margin leaves no room"
LIMIT = "the position is at its own limit"
REJECTIONS = "the side waits after refusals"
SIGNER = "the signature is refused"
NO_NEW_LEVELS = "old market data, so no new level"
NOT_SENT = "wanted and not sent"
STOPPED = "the cycle stops at "
"""Followed by step and reason: why a side has no order although no gate is closed."""
NOT_BEGUN = STOPPED + "none yet"
"""No cycle has ended yet."""

LATE = millis(7_500.0)
"""Quotes of which a side was not looked at for longer than this are stale: the fallback and a half (EA-08)."""
WAITING = "events wait, and no cycle runs"
SILENCE = millis(10_000.0)
"""Market data that is older is a stale reading (C-04)."""
SILENT = "no market data"


@dataclass(slots=True)
class WarmUp:
    """The way of one instrument to its first quotes in one life."""

    instrument: str
    timeout: Ns
    """After this the priors stand in for what is missing."""
    data: tuple[int, Ns] | None = None
    """Record and time of the first sound mid."""
    quoted: tuple[int, Ns] | None = None
    """Of the first quotes."""
    missing: str | None = None
    """The input without which they were made, or that is still missing."""
    trades: int = 0
    """Of the market, seen until then."""


class Quoting:
    """What became of the quotes of each instrument."""

    def __init__(self) -> None:
        """Nothing was read."""
        self.gates = Spans()
        """Of an instrument: the gate that is closed."""
        self.bare = Spans()
        """Of one side: why no order of it stands although no gate is closed."""
        self.late = Spans()
        """Of an instrument: that its quotes are not looked at."""
        self.silent = Spans()
        """Of an instrument: that its data is old."""
        self.warm_ups: list[WarmUp] = []
        self.stops: dict[tuple[str, str], list[tuple[int, Ns]]] = {}
        """Cycles that ended early, by instrument and `step:reason`."""
        self.anomalies: dict[tuple[str, str], list[tuple[int, Ns]]] = {}
        """Market data that cannot be true, by instrument and `channel:kind`."""
        self.supervised: dict[tuple[str, str], list[tuple[int, Ns]]] = {}
        """Checks of the connections, by nothing and what they found."""
        self.kappas: dict[str, tuple[float, float]] = {}
        """Of an instrument: the estimate of kappa at the end, and what of it is quoted with."""
        self.debounces: dict[str, float] = {}
        """Of an instrument: the configured least time between two cycles, in ms."""
        self._last: dict[tuple[str, str], int] = {}
        self._desks: dict[str, Desk] = {}
        """Of the life that is looked at."""
        self._stop: dict[str, str] = {}
        """Of an instrument: the last step that ended a cycle before it had quotes."""
        self._warming: dict[str, WarmUp] = {}

    def begin(self, core: Orchestrator) -> None:
        """A life begins: its counters are new."""
        self._last.clear()
        self._stop.clear()
        self._warming.clear()
        for name, desk in core.desks.items():
            timeout = Ns(round(desk.config.engine.warmup_timeout_s * 1e9))
            self._warming[name] = WarmUp(name, timeout)
            self.debounces[name] = desk.config.accumulator.debounce_ms
        self.warm_ups += self._warming.values()

    def close(self, now: Ns) -> None:
        """Nothing more is told of this life."""
        for spans in (self.gates, self.bare, self.late, self.silent):
            spans.close(now)
        for name, desk in self._desks.items():
            engine, time = desk.engine, desk.market.time
            self.kappas[name] = (engine.kappa.value(time), engine.kappa_effective(time))
        self._desks.clear()

    def look(self, record: int, now: Ns, core: Orchestrator) -> None:
        """After a decision."""
        for name, desk in core.desks.items():
            self._desks[name] = desk
            self.gates.note(name, desk.gate, record, now)
            self._count_stops(desk, record, now)
            for side in Side:
                word = "bid" if side is Side.BUY else "ask"
                why = None if desk.gate is not None else self._why_bare(desk, side, core.ledger, now)
                self.bare.note(f"{name} {word}", why, record, now)
            self.late.note(name, WAITING if _is_late(desk, now) else None, record, now)
            age = desk.market.ladder_age(now)
            self.silent.note(name, SILENT if age is not None and age > SILENCE else None, record, now)
            self._count_anomalies(desk, record, now)
            self._warm(desk, record, now)
        if core.supervisor is not None:
            counts = {str(event): n for event, n in core.supervisor.events.items()}
            self._count(self.supervised, "", counts, record, now)

    # --- inside ---------------------------------------------------------------------------------

    def _count_stops(self, desk: Desk, record: int, now: Ns) -> None:
        name = desk.instrument.id
        for stop in self._count(self.stops, name, desk.stops, record, now):
            if not stop.startswith((Step.RECONCILE, Step.EXECUTE)):
                self._stop[name] = stop

    def _count_anomalies(self, desk: Desk, record: int, now: Ns) -> None:
        name, found = desk.instrument.id, desk.market.sanity.anomalies
        if found.total != self._last.get((name, ""), 0):
            self._last[name, ""] = found.total
            self._count(self.anomalies, name, found.by_name(), record, now)

    def _count(
        self,
        into: dict[tuple[str, str], list[tuple[int, Ns]]],
        name: str,
        counts: dict[str, int],
        record: int,
        now: Ns,
    ) -> list[str]:
        """Keep where a count has grown; returns those."""
        grown = [key for key, n in counts.items() if n > self._last.get((name, key), 0)]
        for key in grown:
            self._last[name, key] = counts[key]
            into.setdefault((name, key), []).append((record, now))
        return grown

    def _warm(self, desk: Desk, record: int, now: Ns) -> None:
        warm = self._warming[desk.instrument.id]
        if warm.quoted is not None:
            return
        first = desk.engine.first_data
        if first is None:
            return
        if warm.data is None:
            warm.data = (record, now)
        warm.missing = desk.engine.missing_input(desk.market, first)  # as if no time had passed
        warm.trades = desk.market.n_trades
        if desk.targets is not None:
            warm.quoted = (record, now)

    def _why_bare(self, desk: Desk, side: Side, ledger: RequestLedger, now: Ns) -> str | None:
        """Why no order of a side stands or is on its way; None where one is."""
        orders = [order for order in desk.tracker.orders.values() if order.side is side]
        if any(order.state in ON_BOOK for order in orders):
            return None
        placed = [order for order in orders if order.state is OrderState.PENDING_NEW]
        if placed:
            is_unanswered = any(order.certainty is Certainty.UNKNOWN or order.is_stuck for order in placed)
            return UNANSWERED if is_unanswered else None
        if desk.targets is None:
            stop = self._stop.get(desk.instrument.id, "")
            return _why_no_room(desk, side) if stop.startswith(Step.LADDER) else (STOPPED + stop if stop else NOT_BEGUN)
        if not desk.targets.of(side):
            return _why_no_room(desk, side)
        return _why_not_sent(desk, side, ledger, now)


def _why_not_sent(desk: Desk, side: Side, ledger: RequestLedger, now: Ns) -> str:
    """What holds an order back that the quotes ask for."""
    if desk.rejections is not None and desk.rejections.should_skip(side, now):
        return REJECTIONS
    if ledger.is_barred:
        return SIGNER
    closed = ledger.gate(1, now)
    if closed is not None:
        return closed.value
    return NOT_SENT if desk.execution.adds_levels else NO_NEW_LEVELS


def _is_late(desk: Desk, now: Ns) -> bool:
    accumulator = desk.accumulator
    last = accumulator.last_full
    return desk.gate is None and last is not None and accumulator.pending > 0 and now - last > LATE


def _why_no_room(desk: Desk, side: Side) -> str:
    if desk.limit.reduce_only:
        return REDUCE_ONLY
    return MONEY if desk.limit.effective(side) < desk.limit.lots else LIMIT
