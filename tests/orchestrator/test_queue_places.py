"""Places in queues: against a level whose orders are known, and from the messages of a desk."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.events import BboChanged, BookReported, OrderStatus, PublicTrade
from domain.orders import InFlight, OrderState, TrackedOrder
from domain.units import Ns, Oid, Px, Side, Sz, Tid, Tif
from orchestrator.desk.desk import DeskConfig
from orchestrator.desk.queue_places import QueuePlaces, Standing
from orchestrator.reconcile.band import QueueValueConfig, ToleranceConfig
from orchestrator.reconcile.table import ReconcileConfig
from tests.orchestrator.desks import AT_ONCE, Bench
from tests.orchestrator.messages import BUY, ETH, MID, TICK, cloid, ms, update

PX = Px(1_000)


def ours(number: int = 1, side: Side = BUY, px: int = PX, sz: int = 10) -> TrackedOrder:
    made = TrackedOrder(ETH.id, cloid(number), side, Px(px), Sz(sz), Tif.ALO, Ns(0))
    made.oid, made.state, made.in_flight = Oid(number), OrderState.OPEN, InFlight.NONE
    return made


class Level:
    """Messages about the level at PX, and what the estimate makes of them."""

    def __init__(self, side: Side = BUY):
        self.places, self.side, self.order, self.tid = QueuePlaces(), side, ours(side=side), 0
        self.live = {}

    def book(self, at: int, sz: int | None, *, last: int = -10):
        """A snapshot with better levels beside PX; None: it has no level there; it ends at ``last`` from PX."""
        rows = [(2, 70), (0, sz), (-1, 50), (last, 40)]
        levels = [(Px(PX + self.side * off), Sz(n), 1) for off, n in rows if n is not None and off >= last]
        self._report(at, levels)

    def far_book(self, at: int):
        """A snapshot that ends before PX."""
        self._report(at, [(Px(PX + self.side * 2), Sz(70), 1), (Px(PX + self.side), Sz(30), 1)])

    def _report(self, at: int, levels):
        bids, asks = (tuple(levels), ()) if self.side is BUY else ((), tuple(levels))
        self.places.on_book(BookReported(ETH.id, Ns(at), Ns(at), bids, asks))

    def top(self, at: int, px: int, sz: int):
        level = (Px(px), Sz(sz), 1)
        bid, ask = (level, None) if self.side is BUY else (None, level)
        self.places.on_top(BboChanged(ETH.id, Ns(at), Ns(at), bid, ask))

    def trade(self, at: int, sz: int, *, off: int = 0, side: Side | None = None):
        self.tid += 1
        taker = self.side.opposite if side is None else side
        self.places.on_trade(PublicTrade(taker, Px(PX + self.side * off), Sz(sz), Tid(self.tid), Ns(at)))

    def rest(self, at: int, order: TrackedOrder | None = None):
        order = order or self.order
        self.live[order.cloid] = order
        self.places.on_rest(order, Ns(at), self.live)

    @property
    def standing(self) -> Standing | None:
        return self.places.of(self.order.cloid)


@pytest.fixture(params=Side, ids=["bid", "ask"])
def level(request):
    return Level(request.param)


def test_what_stood_there_is_ahead(level):
    """At the acknowledgement all of it, and of the level ours is the rest."""
    level.book(1, 30)
    level.rest(2)
    assert level.standing == (30, 40)


def test_our_own_lots_are_not_ahead_of_us(level):
    """A snapshot of after our arrival holds our order; one that stood there before is no stranger's either."""
    level.book(3, 40)
    level.rest(2)
    assert level.standing == (30, 40)
    level.places.on_gone(level.order.cloid)
    assert level.standing is None
    other = ours(2, level.side)
    level.rest(1, other)
    level.rest(2)
    assert level.standing == (20, 40)


def test_a_price_that_nobody_stands_at_has_no_queue(level):
    """Inside what is seen, an empty level is known to be empty."""
    level.book(1, None)
    level.rest(2)
    assert level.standing == (0, 10)


def test_trades_take_from_the_front(level):
    """At our price against our side; of the other side, or at a worse price for them, they say nothing."""
    level.book(1, 30)
    level.rest(2)
    level.trade(3, 12)
    assert level.standing == (18, 28)
    level.trade(4, 5, side=level.side)
    level.trade(4, 5, off=2)
    assert level.standing == (18, 28)
    level.book(5, 28)
    assert level.standing == (18, 28)
    level.trade(6, 25)
    assert level.standing == (0, 10)


def test_a_trade_beyond_our_price_leaves_nothing_ahead(level):
    level.book(1, 30)
    level.rest(2)
    level.trade(3, 1, off=-1)
    assert level.standing.ahead == 0


def test_what_is_cancelled_goes_in_proportion(level):
    """30 ahead and 30 behind: of 20 that go away without trades 10 were ahead; never less than there can be."""
    level.book(1, 30)
    level.rest(2)
    level.book(3, 70)
    assert level.standing == (30, 70)
    level.book(4, 50)
    assert level.standing == (20, 50)
    level.book(5, 11)
    assert level.standing == (1, 11)
    level.book(6, 10)
    assert level.standing == (0, 10)


@pytest.mark.parametrize("is_late", [False, True], ids=["trades first", "snapshot first"])
def test_trade_and_snapshot_of_one_block_in_either_order(level, is_late):
    """What traded is not taken for cancelled because its print came later, and is not counted twice."""
    level.book(1, 30)
    level.rest(2)
    level.book(3, 70)
    if is_late:
        level.book(4, 50)
        level.trade(4, 20)
    else:
        level.trade(4, 20)
        level.book(4, 50)
    assert level.standing == (10, 50)
    level.book(5, 50)
    assert level.standing == (10, 50)


def test_the_same_said_twice_is_heard_once(level):
    """Top and snapshot of one block, then its trades: they are still those of before both."""
    level.book(1, 30)
    level.rest(2)
    level.book(3, 70)
    level.top(4, PX, 50)
    level.book(4, 50)
    level.trade(4, 20)
    assert level.standing == (10, 50)


def test_trades_of_before_what_was_seen_count_for_nothing(level):
    level.book(5, 30)
    level.rest(6)
    level.trade(5, 20)
    assert level.standing == (30, 40)


def test_a_top_tells_as_much_as_a_snapshot(level):
    """Of the best level; of another one it says nothing."""
    level.book(1, 30)
    level.rest(2)
    level.top(3, PX, 25)
    assert level.standing == (15, 25)
    level.top(4, PX + 2 * level.side, 5)
    assert level.standing == (15, 25)


@pytest.mark.parametrize(("top_at", "ahead"), [(1, 40), (3, 30)])
def test_of_top_and_snapshot_the_newer_counts_at_the_acknowledgement(level, top_at, ahead):
    level.top(top_at, PX, 30)
    level.book(2, 40)
    level.rest(4)
    assert level.standing.ahead == ahead


def test_beyond_what_is_seen_nobody_knows(level):
    """No place is made up: not at the acknowledgement, and not while a level is out of sight."""
    level.far_book(1)
    level.rest(2)
    assert level.standing is None
    level.trade(3, 5)
    assert level.standing is None
    level.book(4, 35)
    assert level.standing == (25, 35), "now all that stands there is taken for ahead"
    level.far_book(5)
    assert level.standing is None
    level.trade(6, 5)
    level.book(7, 60)
    assert level.standing == (20, 60), "what was ahead can only have become less"


def test_a_lost_feed_makes_places_unknown_until_the_next_snapshot(level):
    level.book(1, 30)
    level.rest(2)
    level.places.on_gap()
    assert level.standing is None
    level.book(9, 25)
    assert level.standing == (15, 25)


def test_what_is_older_than_what_we_know_changes_nothing(level):
    """A snapshot from before our order came does not hold it."""
    level.book(1, 30)
    level.rest(5)
    level.book(4, 32)
    assert level.standing == (30, 40)
    level.book(8, 35)
    level.book(7, 90)
    assert level.standing == (25, 35)


def test_orders_that_are_gone_are_forgotten():
    level = Level()
    for number in range(50):
        order = ours(number)
        level.places.on_rest(order, Ns(number), {order.cloid: order})
    assert len(level.places._places) == 1


happenings = st.lists(
    st.tuples(st.sampled_from(["trade", "join", "leave", "look", "late"]), st.integers(1, 40)), max_size=40
)


@given(st.integers(0, 60), happenings)
def test_against_a_queue_whose_orders_are_known(stood, happens):
    """Exact while nobody cancels; with cancels never outside the level, and exact at its ends."""
    level, ahead, behind, cancelled = Level(), stood, 0, False
    level.book(1, stood or None)
    level.rest(2)
    at = 2
    for kind, wanted in happens:
        at += 1
        if kind == "join":
            behind += wanted
        elif kind == "leave":
            n = min(wanted, ahead + behind)
            gone = min(n // 2, ahead)
            ahead, behind = ahead - gone, max(behind - (n - gone), 0)
            cancelled = cancelled or n > 0
        elif kind == "look":
            level.book(at, ahead + behind + 10)
        else:
            n = min(wanted, ahead)
            ahead -= n
            if kind == "late":
                level.book(at, ahead + behind + 10)
            if n:
                level.trade(at, n)
        if kind in ("look", "late"):
            assert level.standing.level == ahead + behind + 10
        assert 0 <= level.standing.ahead <= level.standing.level - 10
        if not cancelled:
            assert level.standing.ahead == ahead


# --- a desk that asks for them ------------------------------------------------------------------


def placing(tolerance: ToleranceConfig | None) -> Bench:
    return Bench(DeskConfig(engine=AT_ONCE, reconcile=ReconcileConfig(tolerance=tolerance)))


@pytest.mark.parametrize(
    ("tolerance", "is_asked"),
    [
        (None, False),
        (ToleranceConfig(), True),
        (ToleranceConfig(front_bonus=0, near_bonus=0), False),
        (ToleranceConfig(front_bonus=0, near_bonus=0, queue_value=QueueValueConfig()), True),
    ],
)
def test_places_are_kept_only_where_something_depends_on_them(tolerance, is_asked):
    assert (placing(tolerance).desk.planner.places is not None) is is_asked


def test_a_desk_follows_its_orders():
    """From the book at the acknowledgement, over trades, to the end of the order; a lost feed hides them."""
    bench = placing(ToleranceConfig())
    bench.quote(0)
    bench.answer(ms(20))
    desk, places = bench.desk, bench.desk.planner.places
    bid = next(order for order in bench.resting() if order.side is BUY)

    def snapshot(at, own=0):
        levels = ((Px(MID - 5 * TICK), Sz(100), 1), (bid.px, Sz(30 + own), 1), (Px(bid.px - TICK), Sz(9), 1))
        desk.on_book(BookReported(ETH.id, at, at, levels, ((Px(MID + 5 * TICK), Sz(100), 1),)), at)

    snapshot(ms(30))
    assert places.of(bid.cloid) is None, "the venue has not said since when it rests"
    desk.on_update(update(bid, OrderStatus.OPEN, bid.oid, at=ms(10)), ms(40))
    assert places.of(bid.cloid) is not None
    snapshot(ms(50), bid.remaining)
    assert places.of(bid.cloid) == (max(30 - bid.remaining, 0), 30 + bid.remaining)
    desk.on_market_lost()
    assert places.of(bid.cloid) is None
    snapshot(ms(60), bid.remaining)
    assert places.of(bid.cloid) is not None
    desk.on_update(update(bid, OrderStatus.CANCELED, bid.oid, at=ms(70)), ms(70))
    assert places.of(bid.cloid) is None
    assert places.mean_trade is None
