"""The whole front against its naive twin: random streams of requests, flow and blocks, everything said compared.

A stream is drawn as bytes, eight for a step, as in the tests of the book. Prices and sizes are few, so that
orders meet, positions flip, and reduce-only orders have something to give up.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.commands import Cancel, Modify, Place, Request, Route
from domain.events import Executed, Refused, Replied, Resting
from domain.instrument import Instrument
from domain.limits import AddressLimits, OpenOrderLimits, VenueLimits
from domain.units import AccountId, Cloid, Epoch, FeeRate, InstrumentId, Ns, Oid, Pos, Px, RequestId, Side, Sz, Tif, Usd
from sim.liquidity.base import OpKind
from sim.liquidity.book import Book
from sim.venue.config import ModifyPlace, VenueConfig
from sim.venue.front import Venue
from tests.sim.venue.naive_venue import NaiveVenue

ANN, BOB, CROWD = AccountId("ann"), AccountId("bob"), AccountId("crowd of others")
ONE = Instrument(
    InstrumentId("ONE"), 0, asset=1, min_notional=Usd(150), maker_fee=FeeRate(-3_000_000), taker_fee=FeeRate(9_000_000)
)
TWO = Instrument(InstrumentId("TWO"), 0, asset=2, min_notional=Usd(0))
NAMES = [ONE.id, ONE.id, TWO.id]
PRICES = [*[97, 98, 99, 100, 101, 102, 103] * 7, 99, 100, 101, 0, 900, 123_456]
SIZES = [*range(1, 9), *range(1, 9), *range(1, 9), *range(1, 5), 0, -1]
TIFS = [Tif.GTC, Tif.ALO, Tif.IOC, Tif.ALO, Tif.GTC]
STREAMS = st.binary(min_size=8 * 24, max_size=8 * 60)
BLOCK = 1_000


POOR = VenueLimits(
    address=AddressLimits(initial=9, usd_per_action=Usd(300), limited_interval=Ns(700), stale_cost=3),
    open_orders=OpenOrderLimits(initial=4, most=4, reduce_only_below=3),
)


def run(stream, *, size_down_keeps, n_batches, taker_delay, limits=None):
    """Both venues through a stream; they are compared after each block."""
    keeps = ModifyPlace.SIZE_DOWN if size_down_keeps else ModifyPlace.NEVER
    config = VenueConfig(modify_keeps_place=keeps, batches_per_block=n_batches, taker_delay=Ns(taker_delay))
    venue = Venue([ONE, TWO], config, {ONE.id: Book(), TWO.id: Book()}, limits)
    twin = NaiveVenue(
        [ONE, TWO],
        [ANN, BOB],
        size_down_keeps=size_down_keeps,
        n_batches=n_batches,
        taker_delay=taker_delay,
        limits=None if limits is None else (9, 300, 700, 3, 4, 3),
    )
    heard = Heard(venue)
    for account in (ANN, BOB):
        venue.open_account(account, Usd(0))
    # A market to begin with, and positions on both sides.
    for account, position in ((ANN, 6), (BOB, -5)):
        venue.endow(account, ONE.id, Pos(position), Px(100))
        twin.endow(account, ONE.id, position, 100)
    first = [(OpKind.PLACE, Oid(10**9 + k), CROWD, *rest, Tif.ALO) for k, rest in enumerate(START)]
    flow = {ONE.id: first, TWO.id: [(op[0], Oid(op[1] + 1_000), *op[2:]) for op in first]}
    blocks, now, request = 0, 0, 0
    for step in [stream[i : i + 8] for i in range(0, len(stream) - 7, 8)]:
        what = step[0] % 16
        if what < 3 or not blocks:
            blocks += 1
            for each in (venue, twin):
                each.run_block(Ns(blocks * BLOCK), flow)
            assert_same(venue, twin, heard)
            flow, now = {}, blocks * BLOCK
        elif what < 6:
            flow.setdefault(NAMES[step[1] % 3], []).append(op_of(step, 2 * 10**9 + request))
            request += 1
        else:
            request += 1
            now = min(now + step[7] % 250, (blocks + 1) * BLOCK)
            account = BOB if step[1] % 2 else ANN
            actions = tuple(action_of(part, twin, request, account) for part in parts_of(step))
            expires_at = Ns(now + step[6] * 8) if step[6] > 200 else None
            message = Request(RequestId(request), Route.SOCKET, Epoch(1), None, actions)
            for each in (venue, twin):
                each.submit(account, message, Ns(now), expires_at)
    for _ in range(3):
        blocks += 1
        for each in (venue, twin):
            each.run_block(Ns(blocks * BLOCK), {})
        assert_same(venue, twin, heard)
    return venue, twin


START = [(Side.BUY, Px(99), Sz(4)), (Side.BUY, Px(98), Sz(6)), (Side.SELL, Px(101), Sz(4)), (Side.SELL, Px(102), Sz(6))]


def parts_of(step):
    """One to three actions of a request; none at all where the bytes say so."""
    if step[1] == 255:
        return []
    rotated = [bytes(step[i:]) + bytes(step[:i]) for i in (2, 5, 3)]
    return rotated[: 1 + (step[1] // 2) % 3]


def action_of(part, twin, number, account):
    name = NAMES[part[0] % 3] if part[0] < 250 else InstrumentId("???")
    side = Side.BUY if part[1] % 2 else Side.SELL
    reduce_only = part[4] // 5 % 3 == 0
    closes = reduce_only and part[1] < 200
    if closes:
        side = Side.SELL if twin.position(account, name) > 0 else Side.BUY
    cloid = Cloid(f"0x{part[5] % 8:032x}") if part[5] % 3 == 0 else Cloid(f"0x{number:016x}{part[6]:016x}")
    px, sz = Px(PRICES[part[2] % len(PRICES)]), Sz(SIZES[part[3] % len(SIZES)])
    tif = TIFS[part[4] % len(TIFS)]
    if closes and part[1] < 120:  # where it can rest behind other orders of the account
        px, tif = Px(100 - side * (1 + part[2] % 3)), Tif.ALO
    place = Place(name, cloid, side, px, sz, tif, reduce_only)
    # Ids of orders that rest now, or of the last ones of all: some of each are gone or somebody else's.
    known = [o["oid"] for o in twin.queue if o["own"]] or [o["oid"] for o in twin.orders[-6:]] or [1]
    oid = Oid(known[part[6] % len(known)])
    kind = part[7] % 8
    if kind < 4:
        return place
    if kind < 6:
        return Cancel(name, oid=oid) if part[5] % 3 else Cancel(name, cloid=cloid)
    old = next((o for o in twin.orders if o["oid"] == oid), None)
    if old is not None and part[1] % 4 < 3:  # same place, other size
        place = Place(
            old["name"], cloid, Side(old["side"]), Px(old["px"]), sz, tif, old["ro"] if part[2] % 4 else reduce_only
        )
    return Modify(cloid, oid, place)


def op_of(step, oid):
    kind = OpKind([0, 0, 0, 0, 1, 2][step[2] % 6])
    side = Side.BUY if step[3] % 2 else Side.SELL
    px = Px(97 + step[4] % 7)
    if kind is not OpKind.PLACE:
        oid = 10**9 + step[5] % 4 if step[1] % 3 < 2 else 10**9 + 1_000 + step[5] % 4
    return (kind, Oid(oid), CROWD, side, px, Sz(1 + step[6] % 12), TIFS[step[7] % 5])


class Heard:
    """What the venue said, as the twin says it."""

    def __init__(self, venue):
        self.updates, self.fills, self.replies, self.tape = [], [], [], []
        self.ends, self.numbers, self.tids = {}, {}, {}
        self.venue = venue
        venue.taps.on_update.append(self.update)
        venue.taps.on_fill.append(self.fill)
        venue.taps.on_terminal.append(lambda order: self.ends.update({order.oid: self.ends.get(order.oid, 0) + 1}))

    def update(self, account, u):
        reason = u.reason and u.reason.value
        self.updates.append((u.instrument, account, u.oid, u.cloid, u.remaining, u.status.value, reason))

    def fill(self, account, f):
        row = (f.instrument, account, f.oid, int(f.side), f.px, f.sz, f.fee, f.is_taker, f.start_position, f.closed_pnl)
        self.fills.append(row)
        self.tids.setdefault(f.tid, []).append(f)

    def drain(self):
        told = {"updates": [], "fills": []}
        for account, channel, events, number in self.venue.drain():
            if account is not None:
                assert number == self.numbers.get(account, 0) + 1, "publications to an account have no gap"
                self.numbers[account] = number
            for event in events:
                name = type(event).__name__
                if isinstance(event, Replied):
                    assert channel is None
                    self.replies.append((account, event.request_id, [result_of(r) for r in event.results]))
                elif name == "TradesPrinted":
                    self.tape += [(int(t.side), t.px, t.sz) for t in event.trades]
                elif name in {"OrderUpdate", "Fill"}:
                    told["updates" if name == "OrderUpdate" else "fills"].append((account, event))
        return told


def result_of(result):
    if isinstance(result, Refused):
        return result.reason.value
    if isinstance(result, Resting):
        return ("resting", result.oid)
    return ("executed", result.oid, result.filled) if isinstance(result, Executed) else "cancelled"


def assert_same(venue, twin, heard):
    updates, fills = len(twin.updates), len(twin.fills)
    told = heard.drain()
    # Between two requests instruments do not wait for each other, so each has an order of its own.
    for name in (ONE.id, TWO.id):
        assert [u for u in heard.updates if u[0] == name] == [u for u in twin.updates if u[0] == name]
        assert [f for f in heard.fills if f[0] == name] == [f for f in twin.fills if f[0] == name]
    assert len(told["updates"]) == updates - getattr(twin, "told_updates", 0), "each status is published once"
    assert len(told["fills"]) == fills - getattr(twin, "told_fills", 0), "each fill is published once"
    twin.told_updates, twin.told_fills = updates, fills
    assert {a: venue.actions_of(a).used for a in (ANN, BOB)} == {a: sent["used"] for a, sent in twin.sent.items()}
    assert sorted(heard.replies, key=lambda r: r[1]) == sorted(twin.replies, key=lambda r: r[1])
    assert sorted(heard.tape) == sorted(twin.tape)
    assert venue.next_oid == twin.oid
    venue.check()
    assert venue.ledger.fee_pool == twin.pool
    for name in (ONE.id, TWO.id):
        book = venue.liquidity(name)
        book.validate()
        assert [(o.side, o.px, o.account, o.sz) for s in Side for o in book.orders(s)] == twin.dump(name)
    for account in (ANN, BOB):
        money, ours = twin.money[account], venue.accounts[account]
        assert (ours.cash, ours.fees_paid, ours.closed_pnl) == (money["cash"], money["fees"], money["pnl"])
        assert {k: v for k, v in ours.positions.items() if v} == {k: v for k, v in money["pos"].items() if v}
        assert [(o.oid, o.cloid, o.sz, o.remaining) for o in venue.resting(account)] == twin.listed(account)
        for name in (ONE.id, TWO.id):
            reducing = [o for o in venue.resting(account) if o.reduce_only and o.instrument == name]
            assert all(o.side * ours.position(name) < 0 for o in reducing)
            assert sum(o.remaining for o in reducing) <= abs(ours.position(name))
    assert heard.ends == {o["oid"]: o["ends"] for o in twin.orders if o["ends"]}
    assert all(n == 1 for n in heard.ends.values())
    for fills_of_tid in heard.tids.values():
        assert len(fills_of_tid) <= 2
        assert len({(f.px, f.sz, f.exch_time, f.instrument) for f in fills_of_tid}) == 1
        assert len({f.is_taker for f in fills_of_tid}) == len({f.side for f in fills_of_tid}) == len(fills_of_tid)


@pytest.mark.parametrize(
    ("size_down_keeps", "n_batches", "taker_delay", "limits"),
    [(False, 1, 0, None), (True, 2, 0, None), (False, 2, 1_500, None), (False, 1, 0, POOR), (True, 2, 700, POOR)],
)
@settings(max_examples=600)
@given(stream=STREAMS)
def test_everything_said_is_what_the_twin_says(size_down_keeps, n_batches, taker_delay, limits, stream):
    """Statuses, fills, replies, queues, money and ids of the front are those of the rules, in the same order.

    Protects batches and class order, every check, matching against watched accounts, self-trade prevention,
    modifies, reduce-only trims, fees, positions, the one terminal event of an order and conservation; and, with
    accounts that may do little, what is turned away and what it costs.
    """
    run(stream, size_down_keeps=size_down_keeps, n_batches=n_batches, taker_delay=taker_delay, limits=limits)
