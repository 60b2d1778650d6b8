"""What a journal says of churn: the figures that its run measured, from the record and a trader beside it.

The record says what was sent and what the venue told of it. The trader beside it is fed the same, and knows what the
recorded one wanted. Four things are not in a journal: when a command left, which is a little after its decision; where
an order stood in its queue; what the venue did while a connection was lost, if the trader was never told; and what was
earned, for P&L and markouts are measured at the venue's own prices, of which a trader is told only some.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from domain.commands import AnyCommand
from domain.errors import ConfigError, JournalError, Problem
from domain.events import (
    AnyEvent,
    NotSent,
    OpenOrdersReport,
    OpenOrdersReported,
    OrderStatus,
    OrderStatusReport,
    OrderUpdate,
    Reason,
    Replied,
    StopRequested,
)
from domain.instrument import Instrument
from domain.units import NS_PER_S, InstrumentId, Ns, Oid, RequestId, Side, Sz, Tid
from orchestrator.core import Orchestrator
from runtime.fold import Fold
from runtime.journal_format import Decided, Header, Opened, Record, Rescued, Took
from runtime.journal_reader import End, Reader
from runtime.own_orders import fills_in
from runtime.version import makerlab_version
from scenarios.churn import Churn
from scenarios.figures import TimelineRow
from scenarios.lag import Lag, RestingOrder
from scenarios.replaying import core_of, records_of
from scenarios.traffic import Traffic

OFTEN = 1_000
"""Records between two words of how far the reading is."""
PASSES = 2
"""How often a journal is read: once for what the venue did, once for what the trader did meanwhile."""

Tick = Callable[[float], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalFigures:
    """What one journal says, under the names that `Metrics` has for it; all of it up to the orderly shutdown."""

    duration_s: float
    """Time to the stop that was asked for, or to the last record."""
    placed: int
    """New orders that were sent, those of modifies not counted."""
    modified: int
    """Modifies that were sent."""
    cancelled: int
    """Cancels that were sent."""
    filled: int
    """Matches of our orders at the venue."""
    calls_per_min: float | None
    """Placements, modifies and cancels for each minute since the first placement; None without any."""
    cancels_per_cycle: float | None
    """Cancels for each quote cycle that had targets, as in a row of the study; None where those are not known."""
    cancel_fill_ratio: float | None
    """Cancels for each fill; None without fills."""
    calls_per_fill: float | None
    """Placements, modifies and cancels for each fill; None without fills."""
    modify_share: float | None
    """Modifies, of modifies and pairs of a cancel and a placement of one side in one decision; None without."""
    zero_action_share: float | None
    """Quote cycles that sent nothing, of those from the first placement on; None where they are not known."""
    queue_kept_share: float | None
    """Orders that a latch of 1 bp would have replaced, and that stayed; None where that is not known."""
    quote_error_bps: float | None
    """How far orders were from what the strategy wanted, over time; None where that is not known."""
    quote_error_beyond_bps: float | None
    """What of it was beyond the latch."""
    edge_least_bps: float | None
    """Least distance from the mid of an order that was left where it was."""
    two_sided_pct: float | None
    """Time with a bid and an ask of ours in every instrument, of the time since quotes were first allowed."""
    timeline: list[TimelineRow]
    """Placed, cancelled and filled at each minute and at the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalChurn:
    """One journal, read."""

    header: Header
    """Of its first life."""
    lives: int
    instruments: tuple[InstrumentId, ...]
    """What its traders traded."""
    parted: str | None
    """From where on, and why, nobody knows what the recorded trader wanted; None: it is known to the end."""
    figures: JournalFigures


def read_journal(path: Path, tick: Tick = lambda _: None) -> JournalChurn:
    """Read one journal; raises ConfigError, with a problem that names the file, for what is none or cannot be told."""
    try:
        with records_of(path) as records:
            heard = _hear(_telling(records, 0, tick))
            _refuse_torn(records.end)
            reading = _Reading(heard)
            for index, record in enumerate(_telling(records, 1, tick)):
                reading.take(index, record)
    except JournalError as error:
        found = str(error).removeprefix(f"{path}: ")
        raise ConfigError([Problem(str(path), found, "a whole journal that this makerlab can read")]) from error
    return reading.finish()


def _refuse_torn(end: End) -> None:
    """A part of a run is no run to compare with: it would have sent less, and filled less."""
    if end.torn:
        raise JournalError(str(end))


def _telling(records: Reader, done: int, tick: Tick) -> Iterator[Record]:
    for number, record in enumerate(records):
        if number % OFTEN == 0:
            end = records.end
            tick((done + end.offset / (end.offset + end.torn)) / PASSES)
        yield record


# --- what the venue did, by its own time --------------------------------------------------------


@dataclass(slots=True)
class _Moment:
    """A block of the venue, as far as the trader was told of it."""

    updates: list[OrderUpdate] = field(default_factory=list)
    listed: Mapping[Oid, RestingOrder] | None = None
    """All that rested after it, where the venue stated that."""
    fills: int = 0


@dataclass(slots=True)
class _Heard:
    """What a journal tells in its own time, sooner or later."""

    header: Header
    instruments: dict[InstrumentId, Instrument]
    """Those of all lives."""
    moments: dict[Ns, _Moment]
    unsent: set[RequestId]
    """Requests that had expired before they could leave."""
    stop: tuple[int, Ns]
    """The record at which the shutdown begins, and when."""


def _hear(records: Iterable[Record]) -> _Heard:
    fold, moments, unsent, told = Fold(), dict[Ns, _Moment](), set[RequestId](), dict[tuple[Tid, Oid], Ns]()
    header: Header | None = None
    instruments: dict[InstrumentId, Instrument] = {}
    stop: tuple[int, Ns] | None = None
    index, now = -1, Ns(0)
    for index, record in enumerate(records):
        fold.add(record)
        if isinstance(record, Opened):
            header, stop = header or record.header, None
            instruments = {each.id: each for each in record.header.instruments} | instruments
            continue
        if header is None:
            raise JournalError(f"record {index} stands before any header: nothing to rebuild the trader from")
        now = record.now
        if not isinstance(record, Took):
            continue
        event = record.event
        if isinstance(event, StopRequested):
            stop = stop or (index, now)
        elif isinstance(event, NotSent) and event.reason is Reason.EXPIRED:
            unsent.add(event.request_id)
        for fill in fills_in(event):
            told.setdefault((fill.tid, fill.oid), fill.exch_time)
        _note_orders(event, moments)
    if header is None or not instruments:
        raise JournalError("its header names no instrument: there is nothing to compare")
    opened_at = fold.restored().opened_at
    for at in told.values():
        if at > opened_at:
            moments.setdefault(at, _Moment()).fills += 1
    return _Heard(header, instruments, dict(sorted(moments.items())), unsent, stop or (index + 1, now))


def _note_orders(event: AnyEvent, moments: dict[Ns, _Moment]) -> None:
    if isinstance(event, OrderUpdate):
        moments.setdefault(event.exch_time, _Moment()).updates.append(event)
    elif isinstance(event, OpenOrdersReported):
        moments.setdefault(event.exch_time, _Moment()).listed = {order.oid: order for order in event.orders}
    elif isinstance(event, Replied):
        for result in event.results:
            if isinstance(result, OrderStatusReport) and result.update is not None:
                moments.setdefault(result.update.exch_time, _Moment()).updates.append(result.update)
            elif isinstance(result, OpenOrdersReport):
                moments.setdefault(result.as_of, _Moment()).listed = {order.oid: order for order in result.orders}


class _Rest:
    """What of ours rests at the venue, moment by moment."""

    def __init__(self, instruments: Sequence[InstrumentId]) -> None:
        self.orders: dict[Oid, RestingOrder] = {}
        self._instruments = instruments
        self._ended: set[Oid] = set()
        self._measured_to: Ns | None = None
        self._began = Ns(0)
        self._two_sided = 0

    def begin(self, now: Ns) -> None:
        """Quotes are allowed from now on; a second time says nothing."""
        if self._measured_to is None:
            self._began = self._measured_to = now

    def measure_to(self, now: Ns) -> None:
        """Sum up what stood since the last look."""
        if self._measured_to is not None:
            self._two_sided += (now - self._measured_to) * self._is_two_sided()
            self._measured_to = now

    def take(self, moment: _Moment) -> None:
        for update in moment.updates:
            if update.status is not OrderStatus.OPEN:
                self._ended.add(update.oid)
                self.orders.pop(update.oid, None)
        for update in moment.updates:  # news of one block may come in any order: what has ended does not begin again
            if update.oid not in self._ended:
                self.orders[update.oid] = update
        if moment.listed is not None:
            self.orders = {oid: order for oid, order in moment.listed.items() if oid not in self._ended}

    @property
    def two_sided_pct(self) -> float | None:
        if self._measured_to is None or self._measured_to == self._began:
            return None
        return 100.0 * self._two_sided / (self._measured_to - self._began)

    def _is_two_sided(self) -> bool:
        stand = {(order.instrument, order.side) for order in self.orders.values()}
        return all((name, side) in stand for name in self._instruments for side in Side)


class _NoQueues:
    """A journal does not say who is ahead of whom."""

    def place_of(self, instrument: InstrumentId, oid: Oid) -> tuple[Sz, Sz] | None:
        del instrument, oid
        return None


# --- what the trader did meanwhile --------------------------------------------------------------


class _Reading:
    """The second pass: the measurements of a run, fed from its journal."""

    def __init__(self, heard: _Heard) -> None:
        self._heard = heard
        self._moments = iter(heard.moments.items())
        self._next = next(self._moments, None)
        self._names = tuple(heard.instruments)
        self._traffic = Traffic()
        self._stop_at, self._stop = heard.stop
        self._churn = Churn(self._traffic, self._stop)
        self._lag = Lag(_NoQueues(), heard.instruments)
        self._rest = _Rest(self._names)
        self._core: Orchestrator | None = None
        self._cycles: dict[InstrumentId, int] = {}
        self._wanting = 0
        """Quote cycles that had targets."""
        self._batch: list[AnyEvent] = []
        self._lives = 0
        self._now = Ns(0)
        self._parted: str | None = None

    def take(self, index: int, record: Record) -> None:
        if isinstance(record, Opened):
            self._begin(record.header)
        elif index < self._stop_at:
            self._now = record.now
            if isinstance(record, Took):
                self._batch.append(record.event)
                return
            self._pass_to(record.now)
            if isinstance(record, Decided):
                self._decide(index, record)
            else:
                self._part(index, "the safety net acts in the trader's place")
            self._send(record)

    def finish(self) -> JournalChurn:
        stop = self._stop
        self._pass_to(stop)
        self._rest.measure_to(stop)
        self._churn.on_stop(stop)
        self._lag.on_stop(stop)
        churn, lag, is_known = self._churn.figures(), self._lag.figures(), self._parted is None
        last = churn.timeline[-1]
        return JournalChurn(
            header=self._heard.header,
            lives=self._lives,
            instruments=self._names,
            parted=self._parted,
            figures=JournalFigures(
                duration_s=stop / NS_PER_S,
                placed=last.placed,
                modified=self._traffic.counts.modified,
                cancelled=last.cancelled,
                filled=last.filled,
                calls_per_min=churn.calls_per_min,
                cancels_per_cycle=last.cancelled / self._wanting if is_known and self._wanting else None,
                cancel_fill_ratio=churn.cancel_fill_ratio,
                calls_per_fill=churn.calls_per_fill,
                modify_share=churn.modify_share,
                zero_action_share=churn.zero_action_share if is_known else None,
                queue_kept_share=lag.queue_kept_share if is_known else None,
                quote_error_bps=lag.quote_error_bps if is_known else None,
                quote_error_beyond_bps=lag.quote_error_beyond_bps if is_known else None,
                edge_least_bps=lag.edge_least_bps if is_known else None,
                two_sided_pct=self._rest.two_sided_pct if is_known else None,
                timeline=churn.timeline,
            ),
        )

    # --- inside ---------------------------------------------------------------------------------

    def _begin(self, header: Header) -> None:
        if self._lives:
            self._lag.on_death(self._now)
        self._lives += 1
        self._core, self._batch = _core_of(header), []
        self._cycles = dict.fromkeys(self._core.desks, 0)

    def _pass_to(self, now: Ns) -> None:
        """Let the venue's blocks up to now happen."""
        while self._next is not None and self._next[0] <= now:
            at, moment = self._next
            self._churn.pass_to(at)
            self._rest.measure_to(at)
            self._rest.take(moment)
            self._lag.on_block(self._rest.orders, at)
            self._traffic.fills += moment.fills
            self._next = next(self._moments, None)

    def _decide(self, index: int, record: Decided) -> None:
        core, now = self._core, record.now
        batch, self._batch = self._batch, []
        if core is not None:
            try:
                for event in batch:
                    core.apply(event, now)
                decided = tuple(core.decide(now))
            except Exception as error:  # noqa: BLE001 - of whatever trader
                self._part(index, f"replayed, the trader fails with {type(error).__name__}: {error}")
            else:
                if decided != record.commands:
                    self._part(index, "the trader of this makerlab decides otherwise than the journal says")
        if self._core is None:
            self._churn.on_cycles((), record.commands, now)
        else:
            self._look(self._core, record.commands, now)

    def _look(self, core: Orchestrator, commands: Sequence[AnyCommand], now: Ns) -> None:
        desks = core.desks
        cycled = [name for name, desk in desks.items() if desk.cycles != self._cycles[name]]
        for name in cycled:
            self._cycles[name] = desks[name].cycles
            self._wanting += desks[name].targets is not None
            is_full = desks[name].accumulator.last_full == now
            self._lag.on_cycle(name, desks[name], commands, now, is_full=is_full)
        if cycled:
            self._churn.on_cycles([name for name in cycled if desks[name].gate is None], commands, now)
        if all(desk.gate is None for desk in desks.values()):
            self._rest.begin(now)

    def _send(self, record: Decided | Rescued) -> None:
        self._churn.pass_to(record.now)
        for command in record.commands:
            if getattr(command, "request_id", None) not in self._heard.unsent:
                self._traffic.on_sent(command)

    def _part(self, index: int, why: str) -> None:
        self._core = None
        if self._parted is None:
            self._parted = f"from record {index} at {self._now / NS_PER_S:.3f} s on: {why}"


def _core_of(header: Header) -> Orchestrator:
    try:
        return core_of(header)
    except ConfigError as error:
        wrong = "; ".join(map(str, error.problems))
        raise JournalError(
            f"a trader of makerlab {header.makerlab or 'unknown'} that {makerlab_version()} does not have ({wrong})"
        ) from error
