"""Orders of ours over a recorded market: every assumption of `sim.liquidity.shadow`, one test each."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.events import BboChanged, BookReported, PublicTrade
from domain.units import AccountId, InstrumentId, Ns, Oid, Px, Side, Sz, Tid
from sim.liquidity.base import StopReason
from sim.liquidity.queue_models import FrontFirst, PowerShare, RiskAverse
from sim.liquidity.recorded_side import BOOK_DEPTH, UNKNOWN_DEPTH
from sim.liquidity.shadow import RECORDED, PassiveExecution, Shadow
from sim.recorded import Gap, RecordedTrade

COIN = InstrumentId("COIN")
US, OTHERS = AccountId("us"), AccountId("others of ours")


def ladder(levels):
    return tuple((Px(px), Sz(sz), 0) for px, sz in levels)


def book(time, bids, asks):
    return BookReported(COIN, Ns(time), Ns(time), ladder(bids), ladder(asks))


def top(time, bid, ask):
    return BboChanged(COIN, Ns(time), Ns(time), *ladder((bid, ask)))


def trade(time, side, px, sz):
    return RecordedTrade(PublicTrade(side, Px(px), Sz(sz), Tid(time), Ns(time)), Ns(time), is_replayed=False)


def shadow(*records, model=None, gaps=()):
    """A shadow at time 0 over a book of 10 lots at 99 and 98, 10 at 101 and 102."""
    start = book(0, [(99, 10), (98, 10)], [(101, 10), (102, 10)])
    made = Shadow(model or RiskAverse(), [start, *records], gaps=gaps, watched=[US, OTHERS])
    made.advance(Ns(0))
    return made


def rest(made, oid, side, px, sz, account=US):
    made.add(Oid(oid), account, side, Px(px), Sz(sz))


def taken(result):
    return [(maker.account, px, sz) for maker, px, sz in result.executions]


# --- resting orders -----------------------------------------------------------------------------


def test_trades_reach_us_only_through_the_queue_that_was_there():
    """A touch of the price is no fill: the sin of most paper trading."""
    made = shadow(trade(1, Side.SELL, 99, 8), trade(2, Side.SELL, 99, 5), trade(3, Side.SELL, 99, 9))
    rest(made, 1, Side.BUY, 99, 4)
    assert made.depth_ahead(Oid(1)) == 10
    assert made.advance(Ns(1)) == []
    assert made.depth_ahead(Oid(1)) == 2
    assert made.advance(Ns(2)) == [PassiveExecution(Oid(1), Px(99), Sz(3), Ns(2))]
    assert made.advance(Ns(3)) == [PassiveExecution(Oid(1), Px(99), Sz(1), Ns(3))]
    assert made.get(Oid(1)) is None


def test_a_trade_of_the_other_side_does_not_move_our_queue():
    """A buyer at our bid price met an ask; the bids stood still."""
    made = shadow(trade(1, Side.BUY, 99, 50))
    rest(made, 1, Side.BUY, 99, 4)
    assert made.advance(Ns(1)) == []
    assert made.depth_ahead(Oid(1)) == 10


@pytest.mark.parametrize("side", [Side.SELL, Side.BUY])
def test_a_trade_through_our_price_fills_us_up_to_its_size(side):
    """Whoever traded beyond our price would have met us first, whichever of the two was the taker."""
    made = shadow(trade(1, side, 97, 3))
    rest(made, 1, Side.BUY, 98, 4)
    assert made.advance(Ns(1)) == [PassiveExecution(Oid(1), Px(98), Sz(3), Ns(1))]


def test_a_trade_is_not_spent_twice():
    """Two orders, two accounts, one trade of 15: 10 lots were ahead of us, 4 and 1 are left for ours."""
    made = shadow(trade(1, Side.SELL, 99, 15))
    rest(made, 1, Side.BUY, 99, 4)
    rest(made, 2, Side.BUY, 99, 3, OTHERS)
    assert made.depth_ahead(Oid(2)) == 14
    assert made.advance(Ns(1)) == [
        PassiveExecution(Oid(1), Px(99), Sz(4), Ns(1)),
        PassiveExecution(Oid(2), Px(99), Sz(1), Ns(1)),
    ]


def test_the_lots_that_we_got_do_not_move_those_behind_us():
    """Six lots trade: two that were ahead, four of ours. Our second order, ten lots back, moves by two."""
    made = shadow(top(1, (99, 2), (101, 10)), top(3, (99, 10), (101, 10)), trade(5, Side.SELL, 99, 6))
    made.advance(Ns(1))
    rest(made, 1, Side.BUY, 99, 4)
    made.advance(Ns(3))
    rest(made, 2, Side.BUY, 99, 4, OTHERS)
    assert made.depth_ahead(Oid(2)) == 14
    assert made.advance(Ns(5)) == [PassiveExecution(Oid(1), Px(99), Sz(4), Ns(5))]
    assert made.depth_ahead(Oid(2)) == 8


def test_a_trade_that_ends_right_ahead_of_us_is_no_business_of_the_front():
    """Exactly the queue ahead: we are first now, and the front is not stopped for a match without a fill."""
    made = shadow(trade(1, Side.SELL, 99, 10))
    rest(made, 1, Side.BUY, 99, 4)
    assert made.execute(made.take_ops(Ns(1))).reason is StopReason.DONE
    assert made.depth_ahead(Oid(1)) == 0


def test_cancels_move_us_as_the_model_says():
    """The level falls from 30 to 20 with 10 of them ahead of us; a later rise stands behind us."""
    records = [top(1, (99, 30), (101, 10)), top(2, (99, 20), (101, 10)), top(3, (99, 90), (101, 10))]
    for model, ahead in ((RiskAverse(), 10), (PowerShare(1), 7), (FrontFirst(), 0)):
        made = shadow(*records, model=model)
        rest(made, 1, Side.BUY, 99, 4)
        made.advance(Ns(3))
        assert made.depth_ahead(Oid(1)) == ahead


def test_a_fall_that_trades_explain_is_not_counted_as_cancels_again():
    """Trade of 6, then the book says 4 instead of 10: nobody cancelled."""
    made = shadow(trade(1, Side.SELL, 99, 6), top(1, (99, 4), (101, 10)), model=FrontFirst())
    rest(made, 1, Side.BUY, 99, 4)
    made.advance(Ns(1))
    assert made.depth_ahead(Oid(1)) == 4


def test_alone_at_a_level_is_not_filled():
    """The queue that was ahead goes without a trade: we are first, no more."""
    made = shadow(top(1, (98, 10), (101, 10)))
    rest(made, 1, Side.BUY, 99, 4)
    assert made.advance(Ns(1)) == []
    assert made.depth_ahead(Oid(1)) == 0
    assert made.best_bid() == 99


def test_the_market_that_leaves_us_behind_fills_us():
    """The recorded asks come to rest below our bid: in full. Exactly at it: as much as rests there, once."""
    made = shadow(
        top(1, (97, 5), (99, 3)), top(2, (97, 5), (99, 3)), top(3, (97, 5), (99, 5)), top(4, (96, 5), (98, 1))
    )
    rest(made, 1, Side.BUY, 99, 40)
    assert made.advance(Ns(1)) == [PassiveExecution(Oid(1), Px(99), Sz(3), Ns(1))]
    assert made.advance(Ns(2)) == []
    assert made.advance(Ns(3)) == [PassiveExecution(Oid(1), Px(99), Sz(2), Ns(3))]
    assert made.advance(Ns(4)) == [PassiveExecution(Oid(1), Px(99), Sz(35), Ns(4))]


def test_an_order_beyond_the_recorded_levels_waits_for_its_level_to_be_seen():
    """Nothing is known there, so nothing is assumed in our favour; a trade through it still fills."""
    bids = [(99 - k, 10) for k in range(BOOK_DEPTH)]
    lower = [(98 - k, 7) for k in range(BOOK_DEPTH)]
    made = Shadow(
        RiskAverse(),
        [
            book(0, bids, [(101, 10)]),
            trade(1, Side.SELL, 79, 50),
            book(2, lower, [(101, 10)]),
            trade(3, Side.SELL, 78, 1),
        ],
        watched=[US],
    )
    made.advance(Ns(0))
    rest(made, 1, Side.BUY, 79, 4)
    assert made.depth_ahead(Oid(1)) == UNKNOWN_DEPTH
    assert made.advance(Ns(1)) == []
    made.advance(Ns(2))
    assert made.depth_ahead(Oid(1)) == 7
    assert made.advance(Ns(3)) == [PassiveExecution(Oid(1), Px(79), Sz(1), Ns(3))]


# --- the record's state -------------------------------------------------------------------------


def test_the_top_is_the_newer_of_book_and_top():
    """The book comes every half second, the top after every block that changed it."""
    made = shadow(top(5, (98, 3), (100, 2)))
    made.advance(Ns(5))
    assert made.levels(Side.BUY, 5) == [(98, 3, 0)]
    assert made.levels(Side.SELL, 5) == [(100, 2, 0), (101, 10, 0), (102, 10, 0)]
    made.see(book(4, [(99, 1)], [(100, 1)]))
    assert made.best_bid() == 98, "an older book must not undo a newer top"


def test_post_only_is_checked_against_the_newest_top():
    """A stale book would let an order rest that the venue rejects."""
    made = shadow(top(1, (98, 3), (100, 2)))
    assert not made.would_cross(Side.BUY, Px(100))
    made.advance(Ns(1))
    assert made.would_cross(Side.BUY, Px(100))
    assert not made.would_cross(Side.BUY, Px(99))
    rest(made, 1, Side.BUY, 99, 1, OTHERS)
    assert made.would_cross(Side.SELL, Px(99)), "an order of ours is in the way as well"


def test_nothing_executes_in_a_gap():
    """No data, no fill: neither our taker nor a trade that a replay reports later; the first book after it settles."""
    made = shadow(
        trade(5, Side.SELL, 90, 99),
        book(10, [(98, 10)], [(100, 10)]),
        gaps=[Gap(Ns(0), Ns(10))],
    )
    rest(made, 1, Side.BUY, 99, 4)
    assert made.advance(Ns(6)) == []
    assert made.is_dark
    assert taken(made.match(Side.BUY, Px(105), Sz(5), US)) == []
    rest(made, 2, Side.BUY, 101, 4)
    assert made.advance(Ns(10)) == [PassiveExecution(Oid(2), Px(101), Sz(4), Ns(10))]
    assert not made.is_dark
    assert taken(made.match(Side.BUY, Px(105), Sz(5), US)) == [(RECORDED, 100, 5)]


# --- takers of ours -----------------------------------------------------------------------------


def test_a_taker_walks_the_levels_and_leaves_the_record_alone():
    """Fills at the recorded prices, best first; the next different market is the recorded one."""
    made = shadow(book(1, [(99, 10)], [(103, 10)]))
    result = made.match(Side.BUY, Px(102), Sz(25), US)
    assert taken(result) == [(RECORDED, 101, 10), (RECORDED, 102, 10)]
    assert result.remaining == 5
    made.advance(Ns(1))
    assert made.levels(Side.SELL, 5) == [(103, 10, 0)]


def test_the_same_lots_are_not_taken_twice():
    """A snapshot that repeats the level holds the lots that we had; only what the record adds is new."""
    made = shadow(book(1, [(99, 10)], [(101, 10)]), book(2, [(99, 10)], [(101, 13)]))
    assert taken(made.match(Side.BUY, Px(101), Sz(6), US)) == [(RECORDED, 101, 6)]
    assert taken(made.match(Side.BUY, Px(101), Sz(6), US)) == [(RECORDED, 101, 4)]
    made.advance(Ns(1))
    assert taken(made.match(Side.BUY, Px(101), Sz(6), US)) == []
    made.advance(Ns(2))
    assert taken(made.match(Side.BUY, Px(101), Sz(6), US)) == [(RECORDED, 101, 3)]


def test_lots_taken_go_when_their_level_shrinks():
    """Six taken of ten; the level falls to four, which may all be ours, and grows to nine: five are new."""
    made = shadow(book(1, [(99, 10)], [(101, 4)]), book(2, [(99, 10)], [(101, 9)]))
    made.match(Side.BUY, Px(101), Sz(6), US)
    made.advance(Ns(1))
    assert taken(made.match(Side.BUY, Px(101), Sz(9), US)) == []
    made.advance(Ns(2))
    assert taken(made.match(Side.BUY, Px(101), Sz(9), US)) == [(RECORDED, 101, 5)]


def test_lots_taken_are_no_longer_ahead_of_us():
    """Who bought the front of a queue and then joins its back has only the rest ahead."""
    made = shadow()
    made.match(Side.BUY, Px(101), Sz(6), US)
    rest(made, 1, Side.SELL, 101, 5, OTHERS)
    assert made.depth_ahead(Oid(1)) == 4


def test_lots_taken_are_free_again_when_the_record_has_moved_past_them():
    """The recorded buyer took the front of the queue too: what the level holds after that is other people's."""
    made = shadow(trade(1, Side.BUY, 101, 6), book(1, [(99, 10)], [(101, 12)]))
    made.match(Side.BUY, Px(101), Sz(6), US)
    made.advance(Ns(1))
    assert taken(made.match(Side.BUY, Px(101), Sz(20), US)) == [(RECORDED, 101, 12)]


def test_a_taker_meets_our_own_orders_in_the_queue():
    """Another account of ours trades in its place in the queue; an order of the same account expires."""
    made = shadow(top(1, (99, 10), (101, 13)))
    rest(made, 1, Side.SELL, 101, 5, OTHERS)
    rest(made, 2, Side.SELL, 101, 5, US)
    made.advance(Ns(1))
    result = made.match(Side.BUY, Px(102), Sz(20), US)
    assert taken(result) == [(RECORDED, 101, 10), (OTHERS, 101, 5), (RECORDED, 101, 3), (RECORDED, 102, 2)]
    assert [order.oid for order in result.expired] == [2]
    assert made.get(Oid(1)) is None
    assert made.get(Oid(2)) is None


def test_a_refused_maker_leaves_and_the_trade_goes_on():
    """The front's margin check at the match: same contract as the reference book."""
    made = shadow(trade(1, Side.SELL, 98, 8))
    rest(made, 1, Side.BUY, 99, 5)
    rest(made, 2, Side.BUY, 99, 5, OTHERS)
    executions = made.advance(Ns(1), admit=lambda maker, _px, lots: 2 if maker.oid == 1 else lots)
    assert [(each.maker, each.sz) for each in executions] == [(1, 2), (2, 5)]
    assert made.get(Oid(1)) is None


# --- properties ---------------------------------------------------------------------------------

PRICES = st.integers(95, 105)
sides = st.sampled_from([Side.BUY, Side.SELL])


@st.composite
def markets(draw):
    """Random records by time, sane book by book, wild from one to the next."""
    records = []
    for time in range(1, draw(st.integers(2, 25))):
        kind = draw(st.sampled_from(["trade", "trade", "top", "book"]))
        if kind == "trade":
            records.append(trade(time, draw(sides), draw(PRICES), draw(st.integers(1, 20))))
            continue
        bid = draw(st.integers(94, 104))
        ask = bid + draw(st.integers(1, 3))
        size = st.integers(1, 15)
        if kind == "top":
            records.append(top(time, (bid, draw(size)), (ask, draw(size))))
        else:
            records.append(
                book(time, [(bid - k, draw(size)) for k in range(3)], [(ask + k, draw(size)) for k in range(3)])
            )
    return records


actions = st.lists(st.tuples(st.sampled_from(["rest", "take"]), sides, PRICES, st.integers(1, 20)), max_size=12)


@given(records=markets(), plan=actions, model=st.sampled_from([RiskAverse(), PowerShare(2), FrontFirst()]))
def test_volume_is_conserved(records, plan, model):
    """No recorded lot fills two of our orders: per trade its size, per crossing what the order had left.

    Our orders come one after each record, so that they meet every state of the market.
    """
    made = Shadow(model, watched=[US, OTHERS])
    placed = Counter()
    filled = Counter()
    for i, record in enumerate(records):
        if isinstance(record, RecordedTrade):
            result = made.trade(record.trade)
            assert sum(sz for _, _, sz in result.executions) <= record.trade.sz
            assert all(
                record.trade.px <= px if maker.side is Side.BUY else record.trade.px >= px
                for maker, px, _ in result.executions
            ), "a trade fills only orders at its price or better"
        else:
            result = made.see(record)
        filled.update({maker.oid: 0 for maker, _, _ in result.executions})
        for maker, _, sz in result.executions:
            filled[maker.oid] += sz
        if i < len(plan):
            kind, side, px, sz = plan[i]
            if kind == "take":
                before = sum(size for at, size, _ in made.levels(side.opposite, 99) if (px - at) * side >= 0)
                result = made.match(side, Px(px), Sz(sz), US)
                got = sum(lots for _, _, lots in result.executions)
                assert got + result.remaining == sz
                assert got <= before, "a taker gets what is shown, no more"
                for maker, _, lots in result.executions:
                    if maker.account != RECORDED:
                        filled[maker.oid] += lots
            elif not made.would_cross(side, Px(px)):
                placed[i + 1] = sz
                rest(made, i + 1, side, px, sz, OTHERS if i % 2 else US)
    for oid, sz in placed.items():
        order = made.get(Oid(oid))
        assert filled[oid] <= sz
        assert order is None or order.sz == sz - filled[oid]


@given(records=markets(), orders=st.lists(st.tuples(sides, PRICES, st.integers(1, 20)), max_size=6))
def test_trades_as_background_flow_do_what_advance_does(records, orders):
    """The two doors to one rule: the front's way (operations, stops, match) and the direct one."""
    start = book(0, [(99, 10), (98, 10)], [(101, 10), (102, 10)])
    direct = Shadow(PowerShare(2), [start, *records], watched=[US])
    front = Shadow(PowerShare(2), [start, *records], watched=[US])
    for made in (direct, front):
        made.advance(Ns(0))
        for oid, (side, px, sz) in enumerate(orders, start=1):
            if not made.would_cross(side, Px(px)):
                rest(made, oid, side, px, sz)
    for time in range(1, 26):
        expected = [(each.maker, each.px, each.sz) for each in direct.advance(Ns(time))]
        ops, i, seen = front.take_ops(Ns(time)), 0, []
        while (stop := front.execute(ops, i)).reason is not StopReason.DONE:
            assert stop.reason is StopReason.WATCHED_MAKER
            _, _, account, side, px, sz, _ = ops[stop.i]
            executions = front.match(side, px, sz, account).executions
            assert executions, "a stop without a fill costs the front a walk for nothing"
            seen += [(maker.oid, px, lots) for maker, px, lots in executions]
            i = stop.i + 1
        assert seen == expected
        assert all(direct.levels(side, 99) == front.levels(side, 99) for side in Side)
