"""The fold of a journal: what the next life of the trader must know of the earlier ones.

One pass, no core: what is asked of the core is only what stands in its recorded commands.
"""

from collections import OrderedDict, deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from domain.account_gate import AccountGate
from domain.alerts import KILL, STOPPED
from domain.commands import (
    TRADING,
    Alert,
    AnyCommand,
    Connect,
    Modify,
    Place,
    QueryFills,
    QueryQuota,
    RecordAdjustments,
    RecordForgiven,
    Request,
)
from domain.errors import ConfigError
from domain.events import (
    Adjustment,
    AnyEvent,
    ChannelKind,
    Feed,
    FeedDown,
    Fill,
    FillsReport,
    KillReset,
    NoncesReserved,
    NotSent,
    OrderUpdate,
    PositionsReport,
    PositionsReported,
    QuotaReport,
    Replied,
    Restored,
    RestoredLedger,
    RestoredOrder,
    RestoredQuota,
    Subscribed,
    Transfers,
)
from domain.ids import draw
from domain.limits import AddressLimits
from domain.liquidation import liquidation_in
from domain.transfers import TransferBook
from domain.units import InstrumentId, Ns, Pos, RequestId, Tid, Usd
from orchestrator.budget.quota_state import CumulativeQuotaState
from orchestrator.connectivity.feeds import MINUTE
from runtime import config
from runtime.journal_format import Decided, Opened, Record, Rescued, Took
from runtime.own_orders import KEPT, OwnOrders, fills_in

TIDS_KEPT = 10_000
"""Trade ids handed to the next life: the newest (the capacity of the core's deduplicator)."""


def fold(records: Iterable[Record], seed: int | None = None) -> Restored:
    """What the next life starts from; ``seed`` is needed only if the journal has no header yet."""
    state = Fold()
    for record in records:
        state.add(record)
    return state.restored(seed)


def life_seed_of(seed: int, life: int) -> int:
    """Seed of a life: ids and jitter of no two lives are the same."""
    return draw(seed, "life", life)


class _Ledger:
    """``position`` is that of opening and fills; the adjustments come on top."""

    __slots__ = ("adjustments", "cash", "fees", "opening", "opening_value", "position")

    def __init__(self, position: int = 0, cash: int = 0, fees: int = 0, opening: int = 0) -> None:
        self.adjustments: tuple[Adjustment, ...] = ()
        self.opening = opening
        self.opening_value: Usd | None = None
        self.position = position
        self.cash = cash
        self.fees = fees

    def book(self, fill: Fill) -> None:
        self.position += fill.side * fill.sz
        self.cash -= fill.side * fill.px * fill.sz + fill.fee
        self.fees += fill.fee

    def restored(self, instrument: InstrumentId) -> RestoredLedger:
        position = self.position + sum(adjustment.lots for adjustment in self.adjustments)
        return RestoredLedger(
            instrument,
            Pos(position),
            Usd(self.cash),
            Usd(self.fees),
            Pos(self.opening),
            self.adjustments,
            self.opening_value,
        )


class Fold:
    """The fold under way: add records in order, then ask for the sum."""

    def __init__(self) -> None:
        self._seed: int | None = None
        self._life = 0
        self._now = Ns(0)
        self._orders = OwnOrders()
        self._ledgers: dict[InstrumentId, _Ledger] = {}
        self._tids: dict[Tid, Ns] = {}
        self._before_opening: list[Fill] | None = []
        """Fills seen before the venue first stated a position: some may be history of the account."""
        self._opened_at = Ns(-1)
        self._cursor = _FillsCursor()
        self._transfers = TransferBook()
        self._quota = _Quota()
        self._kill: str | None = None
        self._forgiven = Usd(0)
        self._booked_until = Ns(-1)
        self._has_placed = False
        self._gate = _gate()
        """What the core did not believe is not handed on."""
        self._nonces_from = 0
        self._is_stopped = True
        self._liquidated: str | None = None
        """What was heard of a liquidation since the last decision."""
        self._connects: deque[Ns] = deque()
        """When it was tried to connect, within a minute before the last record."""

    def add(self, record: Record) -> None:
        """Take in the next record."""
        if not isinstance(record, Opened):
            self._now = record.now
        match record:
            case Took(now, event):
                self._took(event, now)
            case Decided(now, commands):
                self._liquidated = None
                self._sent(commands, now)
                self._heed(commands)
            case Rescued(now, commands):
                self._sent(commands, now)
                self._is_stopped = False
            case Opened(header):
                self._seed = header.seed
                self._quota.limits = _limits_in(header.config)

    def restored(self, seed: int | None = None) -> Restored:
        """First event of the next life."""
        life = self._life + 1
        root = self._seed if self._seed is not None else seed
        if root is None:
            raise ValueError("a journal without header: the seed must be given")
        forgotten = list(self._tids.items())[:-TIDS_KEPT]
        return Restored(
            life=life,
            life_seed=life_seed_of(root, life),
            orders=tuple(
                RestoredOrder(
                    order.instrument,
                    order.cloid,
                    order.side,
                    order.px,
                    order.sz,
                    self._time_left(order.expires_at),
                    tuple(order.tids.items()),
                )
                for order in self._orders.unsettled()
                if order.cloid is not None
            ),
            ledgers=tuple(ledger.restored(instrument) for instrument, ledger in sorted(self._ledgers.items())),
            tids=tuple(self._tids)[-TIDS_KEPT:],
            # A fill that the next life would not recognise must not be asked for again.
            # What the account had before us is not asked for at all.
            fills_since=Ns(max([self._cursor.time, self._opened_at, *(time for _, time in forgotten)])),
            kill=self._kill,
            clean_stop=self._is_stopped,
            opened_at=self._opened_at,
            transfers=_listed(self._transfers.booked),
            transfers_stated=None if self._transfers.stated is None else _listed(self._transfers.stated),
            transfers_as_of=self._transfers.as_of,
            fills_until=self._booked_until,
            forgiven=self._forgiven,
            nonces_from=self._nonces_from,
            liquidated=self._liquidated,
            connects=tuple(Ns(self._now - at) for at in self._connects if self._now - at < MINUTE),
            is_unread=self._before_opening is not None and not self._has_placed and life > 1,
            quota=self._quota.known,
        )

    def _time_left(self, expires_at: Ns | None) -> Ns | None:
        """No life begins before the last one's record, so no more than this is left of an expiry then."""
        return None if expires_at is None else Ns(max(expires_at - self._now, 0))

    # --- inputs ---------------------------------------------------------------------------------

    def _took(self, event: AnyEvent, now: Ns) -> None:
        if isinstance(event, Restored):
            self._gate = _gate()  # another process: its clock is not that of the one before
        if not self._gate.admits(event, now):
            return
        if isinstance(event, Restored):
            event = self._gate.restored(event, now)
            self._start_life(event)
            self._connects = deque(Ns(now - age) for age in event.connects)
        elif isinstance(event, KillReset):
            self._kill = None
        elif isinstance(event, NoncesReserved):
            self._nonces_from = max(self._nonces_from, event.below)
        if isinstance(event, OrderUpdate | Replied):
            self._liquidated = self._liquidated or liquidation_in(event)
        self._take_transfers(event)
        self._cursor.seen(event)
        self._quota.seen(event)
        self._orders.seen(event, now)
        for fill in fills_in(event):
            if fill.tid not in self._tids:
                self._tids[fill.tid] = fill.exch_time
                self._booked_until = max(self._booked_until, fill.exch_time)
                self._book(fill)
        if self._before_opening is not None and isinstance(event, Replied):
            match event.results:
                case (PositionsReport() as report, *_):
                    self._open(report, self._before_opening)

    def _take_transfers(self, event: AnyEvent) -> None:
        match event:
            case PositionsReported(exch_time=as_of, transfers=transfers):
                self._transfers.take(transfers, as_of)
            case Replied(results=results):
                for result in results:
                    if isinstance(result, PositionsReport):
                        self._transfers.take(result.transfers, result.as_of)
            case _:
                pass

    def _book(self, fill: Fill) -> None:
        if fill.exch_time <= self._opened_at:
            return  # part of what the account had before us
        self._liquidated = self._liquidated or liquidation_in(fill)
        self._ledgers.setdefault(fill.instrument, _Ledger()).book(fill)
        if self._before_opening is None:
            self._quota.state.on_traded(Usd(fill.px * fill.sz))
        else:
            self._before_opening.append(fill)

    def _open(self, report: PositionsReport, fills: Sequence[Fill]) -> None:
        """The first statement is where the first life begins: what came before it is in it."""
        self._before_opening = None
        self._ledgers = {
            entry.instrument: _Ledger(entry.position, opening=entry.position) for entry in report.positions
        }
        self._opened_at = report.as_of
        for fill in fills:
            self._book(fill)

    def _start_life(self, event: Restored) -> None:
        """What the life was told is the truth for it, also where a lost tail told us less."""
        self._life = event.life
        self._is_stopped = False
        self._kill, self._liquidated = event.kill, event.liquidated
        self._before_opening = [] if event.is_opening else None
        self._opened_at = event.opened_at
        self._nonces_from = max(self._nonces_from, event.nonces_from)
        self._ledgers = {}
        if event.is_unread:
            self._tids.clear()
            return
        for told in event.ledgers:
            adjusted = sum(adjustment.lots for adjustment in told.adjustments)
            ledger = _Ledger(told.position - adjusted, told.cash, told.fees, told.opening)
            ledger.adjustments, ledger.opening_value = told.adjustments, told.opening_value
            self._ledgers[told.instrument] = ledger
        self._forgiven = event.forgiven
        self._booked_until = event.fills_until
        self._transfers.restore(event.transfers, event.transfers_stated, event.transfers_as_of)
        for tid in event.tids:
            self._tids.setdefault(tid, event.fills_since)

    # --- decisions ------------------------------------------------------------------------------

    def _sent(self, commands: Sequence[AnyCommand], now: Ns) -> None:
        for command in commands:
            self._orders.sent(command, now)
            self._cursor.sent(command)
            self._quota.sent(command, now)
            self._has_placed = self._has_placed or _places(command)
            if isinstance(command, Connect):
                self._connects.append(now)
                while now - self._connects[0] >= MINUTE:
                    self._connects.popleft()

    def _heed(self, commands: Sequence[AnyCommand]) -> None:
        for command in commands:
            if isinstance(command, Alert):
                if command.name == KILL:
                    self._kill = command.text
                elif command.name == STOPPED:
                    self._is_stopped = True
            elif isinstance(command, RecordAdjustments):
                ledger = self._ledgers.setdefault(command.instrument, _Ledger())
                ledger.adjustments, ledger.opening_value = command.adjustments, command.opening_value
            elif isinstance(command, RecordForgiven):
                self._forgiven = command.pnl


def _gate() -> AccountGate:
    return AccountGate(lambda _: None)


def _places(command: AnyCommand) -> bool:
    return isinstance(command, Request) and any(isinstance(action, Place | Modify) for action in command.actions)


def _listed(sums: Mapping[InstrumentId, Usd]) -> tuple[Transfers, ...]:
    return tuple(Transfers(name, total) for name, total in sums.items())


def _limits_in(tree: Mapping[str, Any]) -> AddressLimits:
    """What a life reckoned with by its header, or the documented figures."""
    try:
        return config.build(AddressLimits, tree["budget"]["limits"]["address"])
    except (KeyError, TypeError, ConfigError):
        return AddressLimits()


class _Quota:
    """The account's allowance as the core counts it: by the same rules, from what it heard and sent."""

    def __init__(self) -> None:
        self.limits = AddressLimits()
        self.state = CumulativeQuotaState(self.limits)
        self._open: OrderedDict[RequestId, int] = OrderedDict()
        """Actions of requests that may not have left."""

    @property
    def known(self) -> RestoredQuota | None:
        used, traded = max(self.state.used, 0), self.state.traded
        return RestoredQuota(used, traded) if used or traded else None

    def sent(self, command: AnyCommand, now: Ns) -> None:
        if not isinstance(command, Request):
            return
        if isinstance(command.actions[0], QueryQuota):
            self.state.on_asked(now)
        elif isinstance(command.actions[0], TRADING):
            self.state.on_sent(len(command.actions), now)
            self._open[command.request_id] = len(command.actions)
            if len(self._open) > KEPT:
                self._open.popitem(last=False)

    def seen(self, event: AnyEvent) -> None:
        match event:
            case NotSent(request_id=request_id):
                self.state.on_not_sent(self._open.pop(request_id, 0))
            case Replied(request_id=request_id, results=results):
                self._open.pop(request_id, None)
                for result in results:
                    if isinstance(result, QuotaReport):
                        self.state.take(result)
            case Restored(quota=told):
                self._begin(told or self.known)
            case _:
                pass

    def _begin(self, told: RestoredQuota | None) -> None:
        """Journals of before this was handed on tell it all the same."""
        self.state = CumulativeQuotaState(self.limits)
        self._open.clear()
        if told is not None:
            self.state.continue_from(told)


class _FillsCursor:
    """Exchange time up to which we certainly have every fill.

    The stream moves it while nothing can be missing. A lost user feed or a new life leaves a gap;
    from then on only an answer to a query that reaches back to the cursor moves it, until a complete
    one that was asked while the stream was running again has closed the gap.
    """

    def __init__(self) -> None:
        self.time = Ns(0)
        self._latest = Ns(0)
        self._is_gapless = True
        self._is_streaming = False
        self._queries: OrderedDict[RequestId, tuple[Ns, bool]] = OrderedDict()

    def sent(self, command: AnyCommand) -> None:
        if isinstance(command, Request) and isinstance(command.actions[0], QueryFills):
            self._queries[command.request_id] = (command.actions[0].since, self._is_streaming)
            if len(self._queries) > KEPT:
                self._queries.popitem(last=False)

    def seen(self, event: AnyEvent) -> None:
        match event:
            case Fill(exch_time=time):
                self._latest = max(self._latest, time)
                if self._is_gapless:
                    self.time = self._latest
            case Replied(request_id=request_id, results=(FillsReport() as report, *_)):
                self._answered(request_id, report)
            case Subscribed(channel=channel) if channel.kind is ChannelKind.FILLS:
                self._is_streaming = True
            case FeedDown(feed=Feed.USER):
                self._lose()
            case Restored(life=life, fills_since=since):
                self._queries.clear()
                self._lose()
                self._is_gapless = life == 1
                self.time = self._latest = since
            case _:
                pass

    def _lose(self) -> None:
        self._is_gapless = self._is_streaming = False
        self._queries = OrderedDict((number, (since, False)) for number, (since, _) in self._queries.items())

    def _answered(self, request_id: RequestId, report: FillsReport) -> None:
        since, was_streaming = self._queries.pop(request_id, (None, False))
        newest = max((fill.exch_time for fill in report.fills), default=Ns(0))
        self._latest = max(self._latest, newest)
        if since is None or since > self.time:
            return
        if report.is_complete and was_streaming:
            self._is_gapless = True
            self.time = self._latest
        else:
            self.time = max(self.time, newest)
