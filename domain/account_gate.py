"""What cannot be true of our account is not believed: sizes of nothing, prices below zero, moments to come.

A message of the account that says such a thing is left out as a whole, as one that cannot be read is: its facts may be
true or not, so the account is asked. An answer that says it counts as no answer. Each is counted by what was wrong.
(What market data may say is judged in `desk.sanity`.)
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from msgspec.structs import replace

from domain.commands import Alert, Severity
from domain.events import (
    AccountMargin,
    Adjustment,
    AnyEvent,
    AnyResult,
    ClockSync,
    Executed,
    Fill,
    FillsReport,
    InstrumentLimits,
    LimitsReport,
    OpenOrder,
    OpenOrdersReport,
    OpenOrdersReported,
    OrderStatusReport,
    OrderUpdate,
    PositionEntry,
    PositionsReport,
    PositionsReported,
    QuotaReport,
    Replied,
    Restored,
    RestoredLedger,
    RestoredOrder,
    RestoredQuota,
    Transfers,
)
from domain.units import Ns, Usd, seconds

MAX_LOTS = 1 << 53
"""No position and no order is larger: beyond it a float no longer tells two sizes apart."""
MAX_VALUE = 10**18
"""Micro-USD, a million millions of USD: nothing is worth more, and sums of it fit into the journal's 64 bits."""
MAX_AHEAD = seconds(3_600)
"""The venue's stamps are not further than this ahead of its clock, as far as we know it."""
MAX_TIME = 1 << 62
"""Nanoseconds: no stamp of any clock of this century is later."""
TELL_AGAIN = seconds(60)
STAMPS = ("fills_since", "fills_until", "opened_at", "transfers_as_of")
"""Moments that earlier lives hand on."""


class AccountGate:
    """Looks at every message of the account before anybody believes it."""

    def __init__(self, alert: Callable[[Alert], None]) -> None:
        """Nothing was wrong, and the venue's clock is not known."""
        self.refused: dict[str, int] = {}
        """Messages that were left out, by what was wrong with them."""
        self._alert = alert
        self._latest: Ns | None = None
        self._offset: Ns | None = None
        self._tell_at = Ns(0)
        self._checks: dict[type, Callable[[Any], str | None]] = {
            Fill: self._fill,
            OrderUpdate: self._update,
            PositionsReported: self._positions,
            OpenOrdersReported: self._orders,
            Replied: self._reply,
        }

    def admits(self, event: AnyEvent, now: Ns) -> bool:
        """Whether to believe that this was said; counts and tells why not."""
        check = self._checks.get(type(event))
        if check is None:
            if type(event) is ClockSync and abs(event.offset) < MAX_TIME:
                self._offset = event.offset
            return True
        self._latest = None if self._offset is None else Ns(now + self._offset + MAX_AHEAD)
        wrong = check(event)
        if wrong is None:
            return True
        self._note(f"{type(event).__name__}: {wrong}", now)
        return False

    def restored(self, event: Restored, now: Ns) -> Restored:
        """What earlier lives hand on, without what cannot be: a journal is written by us, and read by anybody.

        Of an account that nobody has read there is nothing to hand on.
        """
        if event.is_unread:
            return Restored(
                event.life,
                event.life_seed,
                kill=event.kill,
                clean_stop=event.clean_stop,
                nonces_from=event.nonces_from,
                is_unread=True,
                liquidated=event.liquidated,
                connects=event.connects,
                quota=_possible(event.quota),
            )
        orders = tuple(order for order in event.orders if _order_of_life(order) is None)
        ledgers = tuple(ledger for ledger in event.ledgers if _ledger(ledger) is None)
        transfers = tuple(entry for entry in event.transfers if abs(entry.total) <= MAX_VALUE)
        stated = event.transfers_stated
        if stated is not None and any(abs(entry.total) > MAX_VALUE for entry in stated):
            stated = None
        left_out = len(event.orders) + len(event.ledgers) - len(orders) - len(ledgers)
        if left_out:
            self._note(f"Restored: {left_out} orders and ledgers", now)
        forgiven = event.forgiven if abs(event.forgiven) <= MAX_VALUE else Usd(0)
        bounded = {name: _bounded(getattr(event, name)) for name in STAMPS}
        return replace(
            event,
            orders=orders,
            ledgers=ledgers,
            transfers=transfers,
            transfers_stated=stated,
            forgiven=forgiven,
            quota=_possible(event.quota),
            **bounded,
        )

    # --- messages -------------------------------------------------------------------------------

    def _fill(self, fill: Fill) -> str | None:
        if not 0 < fill.sz <= MAX_LOTS:
            return "size"
        if fill.px <= 0 or fill.px * fill.sz > MAX_VALUE:
            return "price"
        if abs(fill.fee) > fill.px * fill.sz:
            return "fee"
        return self._stamp(fill.exch_time)

    def _update(self, update: OrderUpdate) -> str | None:
        return _order(update.px, update.sz, update.remaining) or self._stamp(update.exch_time)

    def _positions(self, event: PositionsReported) -> str | None:
        return _statement(event.positions, event.transfers) or self._stamp(event.exch_time)

    def _orders(self, event: OpenOrdersReported) -> str | None:
        return _listed(event.orders) or self._stamp(event.exch_time)

    def _reply(self, event: Replied) -> str | None:
        return _first(self._result(result) for result in event.results)

    def _result(self, result: AnyResult) -> str | None:  # noqa: PLR0911 - a table of results
        match result:
            case FillsReport(fills=fills):
                return _first(map(self._fill, fills)) or self._stamp(result.as_of)
            case OpenOrdersReport(orders=orders):
                return _listed(orders) or self._stamp(result.as_of)
            case PositionsReport(positions=positions, transfers=transfers):
                return _statement(positions, transfers) or self._stamp(result.as_of)
            case OrderStatusReport(update=update):
                return (None if update is None else self._update(update)) or self._stamp(result.as_of)
            case LimitsReport(limits=limits, margin=margin):
                return _first(map(_limit, limits)) or _margin(margin) or self._stamp(result.as_of)
            case Executed(filled=filled):
                return None if 0 <= filled <= MAX_LOTS else "size"
            case QuotaReport(used=used, cap=cap):
                return "allowance" if min(used, cap) < 0 else None
            case _:
                return None

    def _stamp(self, time: Ns) -> str | None:
        if not 0 <= time < MAX_TIME or (self._latest is not None and time > self._latest):
            return "stamp"
        return None

    # --- inside ---------------------------------------------------------------------------------

    def _note(self, what: str, now: Ns) -> None:
        self.refused[what] = self.refused.get(what, 0) + 1
        if now >= self._tell_at:
            self._tell_at = Ns(now + TELL_AGAIN)
            self._alert(Alert(Severity.WARNING, "impossible_message", f"not believed: {what}"))


def _first(found: Iterable[str | None]) -> str | None:
    return next((wrong for wrong in found if wrong is not None), None)


def _order(px: int, sz: int, remaining: int) -> str | None:
    if not 0 < sz <= MAX_LOTS or not 0 <= remaining <= sz:
        return "size"
    return "price" if px <= 0 or px * sz > MAX_VALUE else None


def _listed(orders: Sequence[OpenOrder]) -> str | None:
    return _first(_order(order.px, order.sz, order.remaining) for order in orders)


def _statement(positions: Sequence[PositionEntry], transfers: Sequence[Transfers]) -> str | None:
    if any(abs(entry.position) > MAX_LOTS for entry in positions):
        return "position"
    return "transfers" if any(abs(entry.total) > MAX_VALUE for entry in transfers) else None


def _limit(limits: InstrumentLimits) -> str | None:
    if not 0 <= limits.max_position <= MAX_LOTS:
        return "limit"
    leverages = [limits.max_leverage, *(most for _, most in limits.tiers)]
    if limits.leverage is not None:
        leverages.append(limits.leverage)
    if any(not 1 <= leverage <= MAX_LOTS for leverage in leverages):
        return "leverage"
    if any(not 0 <= bound <= MAX_VALUE for bound in (limits.min_notional, *(bound for bound, _ in limits.tiers))):
        return "limit"
    return None if all(1 <= step <= MAX_LOTS for step in (limits.px_step, limits.sz_step)) else "step"


def _margin(margin: AccountMargin | None) -> str | None:
    if margin is None:
        return None
    is_sound = abs(margin.value) <= MAX_VALUE and 0 <= margin.used <= MAX_VALUE and 0 <= margin.maintenance <= MAX_VALUE
    return None if is_sound else "margin"


def _order_of_life(order: RestoredOrder) -> str | None:
    if any(not 0 < sz <= MAX_LOTS for _, sz in order.fills):
        return "fills"
    if order.expires_in is not None and not 0 <= order.expires_in < MAX_TIME:
        return "expiry"
    return _order(order.px, order.sz, order.sz)


def _ledger(ledger: RestoredLedger) -> str | None:
    if abs(ledger.position) > MAX_LOTS or abs(ledger.opening) > MAX_LOTS:
        return "position"
    if max(map(abs, (ledger.cash, ledger.fees, ledger.opening_value or 0))) > MAX_VALUE:
        return "cash"
    return _first(map(_adjustment, ledger.adjustments))


def _adjustment(adjustment: Adjustment) -> str | None:
    px = adjustment.px
    if abs(adjustment.lots) > MAX_LOTS or not -1 <= adjustment.as_of < MAX_TIME:
        return "adjustment"
    return "adjustment" if px is not None and not 0 < px * max(abs(adjustment.lots), 1) <= MAX_VALUE else None


def _possible(quota: RestoredQuota | None) -> RestoredQuota | None:
    return quota if quota is not None and all(0 <= each <= MAX_VALUE for each in (quota.used, quota.traded)) else None


def _bounded(time: Ns) -> Ns:
    return Ns(min(max(time, -1), MAX_TIME))
