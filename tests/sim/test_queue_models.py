"""Queue models: how much of a recorded level stands ahead of us."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.units import AccountId, Oid, Px, Side, Sz
from sim.liquidity.book import Book
from sim.liquidity.queue_models import FrontFirst, OrderChanged, OrderQueues, PowerShare, RiskAverse

PX = Px(100)
MODELS = [RiskAverse(), PowerShare(0.5), PowerShare(1), PowerShare(3), PowerShare(20), FrontFirst()]

lots = st.integers(1, 50)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("trade"), lots),
        st.tuples(st.just("fall"), lots),
        st.tuples(st.just("rise"), lots),
    ),
    max_size=30,
)


def walk(model, level, changes):
    """The lots ahead after each change of a level that we joined at its back."""
    place = model.join(Side.BUY, PX, level)
    seen = [place.ahead]
    for kind, n in changes:
        if kind == "trade":
            traded = min(n, level)
            place.pass_by(min(traded, place.ahead))
            level -= traded
        else:
            after = level + n if kind == "rise" else max(level - n, 0)
            place.resize(level, after)
            level = after
        seen.append(place.ahead)
    return seen, level


@pytest.mark.parametrize(
    ("model", "ahead"),
    [
        (RiskAverse(), 60),
        (PowerShare(1), 60 - 12),  # 60 of 100 are ahead, and so are 12 of 20 cancelled lots
        (PowerShare(2), 47),  # 36/52 of 20 = 13.85 leave from ahead: 46.15, a part of a lot counts as one
        (FrontFirst(), 40),
    ],
)
def test_who_cancelled(model, ahead):
    """The one question in which the models differ, in numbers that can be checked by hand.

    We join 60 lots, 40 come behind us, 20 of the 100 are cancelled.
    """
    place = model.join(Side.BUY, PX, 60)
    place.resize(60, 100)
    place.resize(100, 80)
    assert place.ahead == ahead


@pytest.mark.parametrize("model", MODELS)
@given(start=st.integers(0, 100), changes=steps)
def test_the_queue_ahead_never_grows_and_never_exceeds_the_level(model, start, changes):
    """Nobody gets in front of a resting order, and nobody stands where there is no size."""
    seen, level = walk(model, start, changes)
    assert all(after <= before for before, after in pairwise(seen))
    assert 0 <= seen[-1] <= level


@given(start=st.integers(0, 100), changes=steps)
def test_risk_averse_is_last_and_front_first_is_first(start, changes):
    """The two ends bracket every power: that is what makes them the ends.

    (Powers among themselves have no order: a larger one moves us faster while most of the queue is ahead of
    us, and slower afterwards.)
    """
    slow, _ = walk(RiskAverse(), start, changes)
    fast, _ = walk(FrontFirst(), start, changes)
    for model in MODELS[1:-1]:
        between, _ = walk(model, start, changes)
        assert all(a >= b >= c for a, b, c in zip(slow, between, fast, strict=True))


@given(exponent=st.floats(0.1, 20), front=st.floats(0, 1e12), back=st.floats(0, 1e12))
def test_the_share_is_a_probability_for_any_size(exponent, front, back):
    """Large lots to a large power must not overflow."""
    assert 0 <= PowerShare(exponent).share_behind(front, back) <= 1


@given(
    ops=st.lists(
        st.tuples(st.sampled_from(["add", "cancel", "reduce", "match"]), st.integers(0, 10**6), lots), max_size=60
    ),
    join_at=st.integers(0, 59),
)
def test_the_exact_model_equals_the_reference_book(ops, join_at):
    """The exact model is the truth that the others are measured with, so it must agree with the specification.

    Random orders, cancels, reductions and takers at one price; our order rests in the book itself, and the
    model, told of all orders but ours, must say the book's `depth_ahead` after every step.
    """
    book, model = Book(), OrderQueues()
    alive: list[Oid] = []
    place = None
    ours = Oid(10**9)

    def tell(oid, sz):
        model.apply(OrderChanged(Side.BUY, PX, oid, sz))

    for i, (kind, pick, n) in enumerate(ops):
        if i == join_at:
            place = model.join(Side.BUY, PX, model.size(Side.BUY, PX))
            book.add(ours, AccountId("us"), Side.BUY, PX, Sz(1_000_000))
        oid = alive[pick % len(alive)] if alive else None
        if kind == "add":
            alive.append(Oid(i + 1))
            book.add(Oid(i + 1), AccountId("them"), Side.BUY, PX, Sz(n))
            tell(Oid(i + 1), Sz(n))
        elif kind == "match":
            for maker, _, _ in book.match(Side.SELL, PX, Sz(n)).executions:
                if maker.oid != ours:
                    tell(maker.oid, maker.sz)
        elif oid is not None:
            by = book.get(oid).sz if kind == "cancel" else min(Sz(n), book.get(oid).sz)
            tell(oid, book.reduce(oid, by).sz)
        alive = [oid for oid in alive if book.get(oid)]
        if place is not None:
            assert place.ahead == book.depth_ahead(ours)


def test_an_order_that_grows_goes_to_the_back():
    """Otherwise an order that comes back bigger would be counted ahead of us."""
    queues = OrderQueues()
    queues.apply(OrderChanged(Side.BUY, PX, Oid(1), Sz(5)))
    queues.apply(OrderChanged(Side.BUY, PX, Oid(2), Sz(7)))
    place = queues.join(Side.BUY, PX, 12)
    queues.apply(OrderChanged(Side.BUY, PX, Oid(1), Sz(6)))
    queues.apply(OrderChanged(Side.BUY, PX, Oid(2), Sz(3)))
    assert place.ahead == 3
