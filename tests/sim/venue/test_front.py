"""The venue's front: batches and classes, background flow between requests, expiry, digests, recorded markets."""

import pytest

from domain.commands import Modify, Place, QueryPositions, Request, Route
from domain.events import BboChanged, Cancelled, Executed, PublicTrade, Reason, Refused, Resting
from domain.units import AccountId, Cloid, Epoch, InstrumentId, Ns, Oid, Px, RequestId, Sz, Tid, Usd
from sim.liquidity.base import NOBODY, OpKind
from sim.liquidity.queue_models import PowerShare
from sim.liquidity.shadow import Shadow
from sim.recorded import RecordedTrade
from sim.venue.batches import Window, class_of
from sim.venue.config import ActionClass, ClassOrder, Reference, VenueConfig
from sim.venue.front import PrimedOrder, Venue
from sim.venue.market import trade_id
from tests.sim.venue.exchange import (
    ALO,
    ANN,
    BLOCK,
    BOB,
    BUY,
    COIN,
    CROWD,
    GTC,
    IOC,
    SELL,
    Exchange,
    cancel,
    cloid,
    modify,
    place,
)


@pytest.mark.parametrize(
    ("actions", "expected"),
    [
        ((), ActionClass.PASSIVE),
        ((place(BUY, 1, 1), place(BUY, 1, 1)), ActionClass.PASSIVE),
        ((place(BUY, 1, 1), place(BUY, 1, 1, GTC)), ActionClass.TAKER),
        ((place(BUY, 1, 1, IOC),), ActionClass.TAKER),
        ((cancel(1), cancel(2)), ActionClass.CANCEL),
        ((modify(1, BUY, 1, 1),), ActionClass.PASSIVE),
        ((modify(1, BUY, 1, 1, GTC),), ActionClass.TAKER),
    ],
)
def test_the_class_of_a_request(actions, expected):
    """Protects the table of classes: one GTC or IOC drags the whole request; a modify counts as what it places."""
    assert class_of(Request(RequestId(1), Route.SOCKET, Epoch(1), None, actions)) is expected


# --- order inside a block -----------------------------------------------------------------------


def test_a_cancel_beats_a_taker_of_its_batch_whoever_came_first():
    """Protects the cancel-fill race: the taker arrived first and finds nothing."""
    ex = Exchange()
    ex.run(ANN, place(SELL, 100, 5))
    taker = ex.send(BOB, place(BUY, 100, 5, IOC), after=1)
    cancelled = ex.send(ANN, cancel(1), after=900)
    published = ex.block((BUY, 100, 5, IOC))
    assert ex.results(published, cancelled) == (Cancelled(),)
    assert ex.results(published, taker)[0].reason is Reason.IOC_NO_MATCH
    assert ex.fills == []


def test_a_post_only_order_meets_what_a_cancel_of_its_batch_would_remove():
    """Protects the finer half of the class order, which the recorded blocks show as well."""
    for order, is_rejected in ((ClassOrder.VENUE, True), (ClassOrder.CANCELS_FIRST, False)):
        ex = Exchange(class_order=order)
        ex.run(ANN, place(SELL, 100, 5))
        ex.send(ANN, cancel(1), after=1)
        number = ex.send(BOB, place(BUY, 100, 5), after=2)
        (result,) = ex.results(ex.block(), number)
        assert isinstance(result, Refused) is is_rejected


def test_a_mixed_request_waits_for_the_takers():
    """Protects that a post-only order beside a GTC loses its early turn."""
    ex = Exchange()
    ex.send(ANN, place(BUY, 100, 1), place(BUY, 90, 1, GTC), after=1)
    ex.send(BOB, place(BUY, 100, 2), after=2)
    ex.block()
    assert ex.queue(BUY, 100) == [(BOB, 2), (ANN, 1)]


def test_arrival_decides_inside_a_class():
    """Protects arrival order, which is queue order."""
    ex = Exchange()
    ex.send(ANN, place(BUY, 100, 1), after=1)
    ex.send(BOB, place(BUY, 100, 2), after=1)
    ex.send(ANN, place(BUY, 100, 3), after=2)
    ex.block()
    assert ex.queue(BUY, 100) == [(ANN, 1), (BOB, 2), (ANN, 3)]


def test_background_flow_counts_as_spread_over_the_block():
    """Protects fairness between a trader and the crowd: who came in the middle stands in the middle."""
    ex = Exchange()
    ex.send(ANN, place(BUY, 100, 9), after=BLOCK // 2)
    ex.block(*[(BUY, 100, n, ALO) for n in (1, 2, 3, 4)])
    assert ex.queue(BUY, 100) == [(CROWD, 1), (CROWD, 2), (ANN, 9), (CROWD, 3), (CROWD, 4)]


def test_a_trader_shifts_nothing_in_the_order_of_the_flow():
    """Protects paired studies: the flow is sorted in the same way with and without requests."""
    flow = [(SELL, 101, 1, GTC), (BUY, 99, 2, ALO), (BUY, 101, 3, IOC), (SELL, 101, 4, ALO), (BUY, 99, 5, GTC)]
    tapes = []
    for with_request in (False, True):
        ex = Exchange()
        if with_request:
            ex.send(ANN, place(BUY, 50, 1), after=500)
        ex.block(*flow)
        tapes.append(([e for p in ex.published for e in p.events if not p.account], ex.queue(BUY, 99)))
    assert tapes[0][1] == tapes[1][1]
    assert [type(e).__name__ for e in tapes[0][0]] == [type(e).__name__ for e in tapes[1][0]]


def test_two_batches_run_one_after_the_other():
    """Protects batches: in the second one a cancel comes after the taker of the first."""
    for n_batches, filled in ((1, 0), (2, 5)):
        ex = Exchange()
        ex.run(ANN, place(SELL, 100, 5))
        ex.send(BOB, place(BUY, 100, 5, IOC), after=BLOCK // 2)
        ex.send(ANN, cancel(1), after=BLOCK // 2 + 1)
        ex.block(n_batches=n_batches)
        assert ex.position(BOB) == filled


def test_the_parts_of_a_window():
    """Protects the split of a block's time: a boundary belongs to the part that it closes."""
    window = Window(Ns(0), Ns(100), 2)
    assert [window.batch_of(Ns(t)) for t in (-5, 0, 1, 50, 51, 100)] == [0, 0, 0, 0, 1, 1]
    assert [window.rank(Ns(t), 10) for t in (-5, 0, 25, 50, 51, 75, 100)] == [0, 0, 5, 10, 0, 5, 10]


def test_takers_wait_longer_in_the_mempool():
    """Protects the speed bump: effective time is arrival plus the delay of the class."""
    ex = Exchange(taker_delay=Ns(2 * BLOCK))
    ex.block((SELL, 101, 5, ALO))
    number = ex.send(ANN, place(BUY, 101, 5, IOC), after=10)
    passive = ex.send(ANN, place(BUY, 99, 1), after=10)
    assert ex.results(ex.block(), passive) is not None
    assert ex.results(ex.block(), number) is None
    assert isinstance(ex.results(ex.block(), number)[0], Executed)


def test_blocks_go_forward():
    """Protects the block's window: time never stands still or runs back."""
    ex = Exchange()
    ex.block()
    with pytest.raises(ValueError, match="cannot follow"):
        ex.venue.run_block(ex.now)


# --- the payload --------------------------------------------------------------------------------

NAMELESS = Place(COIN.id, Cloid(""), BUY, Px(100), Sz(1), ALO)


@pytest.mark.parametrize(
    ("actions", "expected"),
    [
        ((), Refused(Reason.EMPTY_BATCH, "Batch is empty.")),
        ((NAMELESS,), Refused(Reason.MISSING_CLOID, "Order has no client order id.")),
        ((Modify(cloid(1), Oid(9), NAMELESS),), Refused(Reason.MISSING_CLOID, "Order has no client order id.")),
        ((place(BUY, 100, 0),), Refused(Reason.ZERO_SIZE, "Order has zero size.")),
        ((place(BUY, 100, -3),), Refused(Reason.INVALID_SIZE, "Order has invalid size.")),
        ((place(BUY, 123_456, 1),), Refused(Reason.INVALID_PRICE, "Order has invalid price.")),
        ((place(BUY, 0, 1),), Refused(Reason.INVALID_PRICE, "Order has invalid price.")),
        ((modify(9, BUY, 0, 1),), Refused(Reason.INVALID_PRICE, "Order has invalid price.")),
        (
            (place(BUY, 4, 1),),
            Refused(Reason.PRICE_TOO_FAR, "Order price cannot be more than 95% away from the reference price"),
        ),
        (
            (cancel(1, instrument=InstrumentId("NONE")),),
            Refused(Reason.UNKNOWN_INSTRUMENT, "Unknown asset NONE"),
        ),
    ],
)
def test_a_bad_payload_gets_one_error_and_does_nothing(actions, expected):
    """Protects pre-validation: one Refused for the batch, without the suffix, and no order of it is placed."""
    ex = Exchange()
    ex.block((BUY, 99, 5, ALO), (SELL, 101, 5, ALO))
    whole = (place(BUY, 98, 1), *actions, place(BUY, 97, 1)) if actions else ()
    assert ex.run(ANN, *whole) == (expected,)
    assert ex.said() == []
    assert ex.venue.next_oid == 1


def test_a_venue_that_takes_nameless_orders_is_a_setting():
    """The recorded market has them; there they rest like any other."""
    assert isinstance(Exchange(requires_cloid=False).run(ANN, NAMELESS)[0], Resting)


def test_the_band_has_two_ends_and_needs_a_reference():
    """Protects the price band: 5 to 195 around a middle of 100; before the first price there is none."""
    ex = Exchange()
    assert isinstance(ex.run(ANN, place(BUY, 1, 1))[0], Resting)
    ex.run(ANN, cancel(1))
    ex.block((BUY, 99, 5, ALO), (SELL, 101, 5, ALO))
    far = [isinstance(ex.run(ANN, place(SELL, px, 1))[0], Refused) for px in (195, 196)]
    low = [isinstance(ex.run(ANN, place(BUY, px, 1))[0], Refused) for px in (5, 4)]
    assert (far, low) == ([False, True], [False, True])


def test_the_reference_may_be_the_last_trade():
    """Protects the switch of the reference price: the middle of the book, or what traded last."""
    for reference, is_refused in ((Reference.MID, False), (Reference.LAST, True)):
        ex = Exchange(reference=reference)
        ex.block((BUY, 100, 1, ALO), (SELL, 100, 1, IOC))
        ex.block((BUY, 199, 5, ALO), (SELL, 201, 5, ALO))
        assert isinstance(ex.run(ANN, place(SELL, 210, 1))[0], Refused) is is_refused


@pytest.mark.parametrize("order", ClassOrder)
def test_a_class_order_names_every_class(order):
    """Protects the schedule: an order of classes that leaves one out would drop its actions."""
    assert sorted(order.classes) == list(ActionClass)


def test_a_request_that_executes_too_late_is_refused_as_a_whole():
    """Protects `expires_in`: counted to the block, given as a moment or as a duration from the arrival."""
    ex = Exchange()
    expired = (Refused(Reason.EXPIRED, "Action already expired"),)
    assert ex.run(ANN, place(BUY, 99, 1), place(BUY, 98, 1), expires_at=Ns(BLOCK - 1)) == expired
    assert len(ex.run(ANN, place(BUY, 99, 1), expires_at=Ns(2 * BLOCK))) == 1
    assert ex.resting(ANN) == [(1, 1)]
    assert ex.run(ANN, place(BUY, 99, 1), after=1, expires_in=Ns(BLOCK - 2)) == expired
    assert ex.run(ANN, place(BUY, 99, 1), after=1, expires_in=Ns(BLOCK - 1)) == (Resting(2, cloid(0)),)


def test_an_order_beyond_the_largest_position_is_rejected():
    """Protects the venue's own position limit: growing beyond it is refused, coming back is not."""
    ex = Exchange()
    tim = AccountId("tim")
    ex.venue.open_account(tim, Usd(0), max_position={COIN.id: Sz(5)})
    assert ex.run(tim, place(BUY, 99, 6))[0].reason is Reason.MARGIN
    assert isinstance(ex.run(tim, place(BUY, 99, 5))[0], Resting)
    ex.endow(tim, 9)
    assert ex.run(tim, place(BUY, 99, 1))[0].reason is Reason.MARGIN
    assert isinstance(ex.run(tim, place(SELL, 101, 12))[0], Resting)


def test_a_request_holds_actions_or_queries():
    """Protects the port's contract: a mixed request is our own bug and raises."""
    ex = Exchange()
    with pytest.raises(ValueError, match="not both"):
        ex.send(ANN, place(BUY, 99, 1), QueryPositions())


# --- flow ---------------------------------------------------------------------------------------


def test_flow_that_reaches_a_watched_order_fills_it():
    """Protects the hand-over between liquidity and front: makers of both kinds in one sweep, then the rest rests."""
    ex = Exchange()
    ex.block((SELL, 101, 2, ALO))
    ex.run(ANN, place(SELL, 101, 3))
    ex.block((SELL, 101, 4, ALO), (BUY, 101, 20, GTC), (SELL, 101, 1, IOC))
    assert [(f.oid, f.sz, f.is_taker) for _, f in ex.fills] == [(1, 3, False)]
    assert ex.queue(BUY, 101) == [(CROWD, 10)]
    assert ex.said(1) == [(ANN, 1, "filled", 0, None)]


def test_flow_may_not_act_for_a_watched_account():
    """Protects the checks: nobody gets round them by the back door."""
    ex = Exchange()
    op = (OpKind.PLACE, Oid(77), ANN, BUY, Px(99), Sz(1), ALO)
    with pytest.raises(ValueError, match="watched account"):
        ex.venue.run_block(Ns(BLOCK), {COIN.id: [op]})


# --- digest, ids, inputs ------------------------------------------------------------------------


def story(ex, *, sz=3):
    ex.block((SELL, 101, 2, ALO), (BUY, 99, 2, ALO))
    ex.run(ANN, place(BUY, 101, sz, GTC), place(BUY, 98, 1))
    ex.block((SELL, 98, 2, IOC))
    ex.block()
    return ex.venue.world_digest


def test_the_world_digest_is_a_function_of_what_happened():
    """Protects reproducibility: same world, same digest; one lot more, another digest."""
    assert story(Exchange()) == story(Exchange())
    assert story(Exchange()) != story(Exchange(), sz=4)
    ex = Exchange()
    before = ex.venue.world_digest
    ex.block()
    assert ex.venue.world_digest != before


def test_trade_ids_are_50_bits_of_both_order_ids():
    """Protects trade ids: buyer first, and another one should the same pair meet again."""
    assert trade_id(Oid(1), Oid(2)) != trade_id(Oid(2), Oid(1))
    assert len({trade_id(Oid(1), Oid(2), meeting) for meeting in range(100)}) == 100
    assert all(0 <= trade_id(Oid(a), Oid(b)) < 2**50 for a in range(20) for b in range(20))


def test_a_primed_order_rests_without_a_word():
    """Protects the start of a replay: queue order, ids and original sizes as given, and nothing said."""
    ex = Exchange()
    ex.venue.prime(
        [
            PrimedOrder(ANN, Oid(40), place(BUY, 99, 10), Sz(4)),
            PrimedOrder(NOBODY, Oid(41), place(BUY, 99, 3), Sz(3)),
            PrimedOrder(BOB, Oid(30), place(BUY, 99, 2), Sz(2)),
        ]
    )
    assert ex.queue(BUY, 99) == [(ANN, 4), (NOBODY, 3), (BOB, 2)]
    assert ex.said() == []
    assert ex.venue.next_oid == 41
    ex.run(ANN, cancel(40))
    assert ex.said() == [(ANN, 40, "canceled", 4, "requested")]


def test_ids_can_be_told_from_a_record():
    """Protects the hook of replays: told ids are used, and the counter never falls behind them."""
    ex = Exchange()
    ex.venue.tell_oids(lambda account, order, following: Oid(500) if account == ANN else following)
    assert ex.run(ANN, place(BUY, 99, 1)) == (Resting(500, cloid(0)),)
    assert ex.run(BOB, place(BUY, 98, 1)) == (Resting(501, cloid(0)),)


# --- a recorded market below the same front -----------------------------------------------------


def test_a_recorded_market_fills_through_the_front():
    """Protects the front over a record: its trades and what its tops imply fill orders of either side.

    The record has no order ids, so the same pair of ids meets more than once: trade ids differ all the same.
    """
    tops = [(0, (98, 5), (102, 5)), (2, (98, 5), (102, 5)), (3, (96, 5), (98, 5)), (4, (103, 5), (105, 5))]
    records = [BboChanged(COIN.id, Ns(time * BLOCK), Ns(0), (*bid, 1), (*ask, 1)) for time, bid, ask in tops]
    sale = PublicTrade(SELL, Px(99), Sz(2), Tid(0), Ns(2 * BLOCK))
    records.insert(1, RecordedTrade(sale, Ns(0), is_replayed=False))
    records.insert(2, RecordedTrade(sale, Ns(0), is_replayed=False))
    shadow = Shadow(PowerShare(2), records)
    venue = Venue([COIN], VenueConfig(), {COIN.id: shadow})
    venue.open_account(ANN, Usd(0))
    fills = []
    venue.taps.on_fill.append(lambda _, fill: fills.append(fill))
    for block in range(1, 5):
        if block == 1:
            actions = (place(BUY, 99, 9), place(SELL, 101, 4))
            venue.submit(ANN, Request(RequestId(1), Route.SOCKET, Epoch(1), None, actions), Ns(BLOCK // 2))
        venue.run_block(Ns(block * BLOCK), {COIN.id: shadow.take_ops(Ns(block * BLOCK))})
        venue.check()
    assert [(f.oid, f.side, f.px, f.sz, f.start_position) for f in fills] == [
        (1, BUY, 99, 2, 0),
        (1, BUY, 99, 2, 2),
        (1, BUY, 99, 5, 4),
        (2, SELL, 101, 4, 9),
    ]
    assert len({f.tid for f in fills}) == 4
    assert venue.accounts[ANN].position(COIN.id) == 5
    assert venue.resting(ANN) == ()
