"""How far orders lag behind targets, from outside: distances over time, places that were kept, places as estimated."""

from types import SimpleNamespace

import pytest

from domain.commands import Cancel, Modify, Place, Request, Route
from domain.events import OpenOrder
from domain.instrument import Instrument
from domain.orders import InFlight, OrderState, TrackedOrder
from domain.units import InstrumentId, Ns, Oid, Px, Side, Sz, Tif, seconds
from orchestrator.reconcile.band import Band
from scenarios.lag import Lag
from scenarios.runner import run
from strategy.ladder import LadderLevel
from tests.scenarios.runs import running_of

ETH = InstrumentId("ETH")
BUY, SELL = Side.BUY, Side.SELL
MID = 100_000
"""One basis point is ten ticks."""


class Bench:
    """A desk and a venue that tests write by hand."""

    def __init__(self):
        self.truth = SimpleNamespace(place_of=lambda name, oid: self.places.get(oid))
        self.places: dict = {}
        self.told: dict = {}
        self.lag = Lag(self.truth, {ETH: Instrument(ETH, 4)})
        self.orders: dict = {}
        self.latch = Band(2.0, 0.5)
        self.estimates = True

    def order(self, number, px, side=BUY, **state):
        made = TrackedOrder(ETH, f"c{number}", side, Px(px), Sz(5), Tif.ALO, Ns(0))
        made.oid, made.state, made.in_flight = Oid(number), OrderState.OPEN, InFlight.NONE
        for name, value in state.items():
            setattr(made, name, value)
        self.orders[made.cloid] = made
        return made

    def block(self, t, *resting):
        """``resting``: (side, price) of what rests at the venue; nothing at all: nothing has changed."""
        rows = {
            number: OpenOrder(ETH, Oid(number), None, side, Px(px), Sz(1), Sz(1), Tif.ALO, False, Ns(0))
            for number, (side, px) in enumerate(resting)
        }
        self.lag.on_block(rows or None, seconds(t))

    def cycle(self, t, bids=(), asks=(), *actions, is_full=True, wants=True):
        """``bids`` and ``asks``: what the strategy wants, each on a point of its grid ten ticks further out."""
        levels = {
            side: [LadderLevel(Px(raw - side * 10), Sz(5)) for raw in raws]
            for side, raws in ((BUY, bids), (SELL, asks))
        }
        raws = {level.px: level.px + side * 10 for side, rows in levels.items() for level in rows}
        targets = SimpleNamespace(raws=raws, of=levels.__getitem__) if wants else None
        planner = SimpleNamespace(
            places=SimpleNamespace(of=self.told.get) if self.estimates else None, latch_of=lambda side, px: self.latch
        )
        desk = SimpleNamespace(
            targets=targets,
            planner=planner,
            tracker=SimpleNamespace(orders=self.orders),
            market=SimpleNamespace(bid=(MID - 5, 1, 1), ask=(MID + 5, 1, 1)),
        )
        commands = [Request(1, Route.SOCKET, 1, None, actions)] if actions else []
        self.lag.on_cycle(ETH, desk, commands, seconds(t), is_full=is_full)

    def stop(self, t):
        self.lag.on_stop(seconds(t))
        return self.lag.figures()


@pytest.fixture
def bench():
    return Bench()


# --- distances ----------------------------------------------------------------------------------


def test_errors_are_weighted_by_time_and_orders(bench):
    """A bid 1 bp too far out for 10 s, then 4 bps for 5 s; beside it an ask that is exact for the last 5 s."""
    bench.block(0, (BUY, 99_900))
    bench.cycle(0, [99_910])
    bench.block(4)
    bench.cycle(10, [99_940], [100_100])
    bench.block(10, (BUY, 99_900), (SELL, 100_100))
    figures = bench.stop(15)
    assert figures.quote_error_bps == pytest.approx((1 * 10 + 4 * 5 + 0 * 5) / 20, rel=1e-2)
    assert figures.quote_error_beyond_bps == pytest.approx((4 - 2) * 5 / 20, rel=1e-2)


def test_the_best_is_compared_with_the_best(bench):
    """In whatever order the venue lists them; an order without a target is no error, nor a target without an order."""
    bench.block(0, (BUY, 99_700), (BUY, 99_900), (BUY, 99_500), (SELL, 100_300))
    bench.cycle(0, [99_910, 99_720], [100_300, 100_500])
    assert bench.stop(10).quote_error_bps == pytest.approx((1 + 2 + 0) / 3, rel=1e-2)


@pytest.mark.parametrize("side", [BUY, SELL])
@pytest.mark.parametrize(
    ("resting", "wanted", "error"),
    [
        pytest.param((20, 30), (10, 20, 30), 0, id="the best is filled"),
        pytest.param((10, 30), (10, 20, 30), 0, id="the middle one is filled"),
        pytest.param((21,), (10, 20, 30), 1, id="one is left"),
        pytest.param((10, 20, 30), (20, 31), 1 / 2, id="the best is not wanted any more"),
        pytest.param((2, 10, 20, 30, 40), (11, 30, 42), 3 / 3, id="more orders than targets"),
        pytest.param((12, 14), (10, 13, 30), 3 / 2, id="two want the same one"),
        pytest.param((10, 20), (20, 30), 10, id="as many as are wanted"),
    ],
)
def test_an_order_is_compared_with_a_target_of_its_own(bench, side, resting, wanted, error):
    """Distances from the mid in bps; a target whose order is gone does not put those further out a level off."""
    bench.block(0, *((side, MID - side * bps * 10) for bps in resting))
    prices = [MID - side * bps * 10 for bps in wanted]
    bench.cycle(0, *((prices, []) if side is BUY else ([], prices)))
    assert bench.stop(10).quote_error_bps == pytest.approx(error, rel=1e-2, abs=1e-9)


@pytest.mark.parametrize("side", [BUY, SELL])
@pytest.mark.parametrize(("toward", "beyond"), [(0.4, 0), (1.5, 1), (3, 2.5), (-1.5, 0), (-3, 1)])
def test_the_latch_is_that_of_the_direction(bench, side, toward, beyond):
    """Half a bp toward the market, two away from it: what is between them is beyond the latch on one side only."""
    bench.block(0, (side, 100_000 + side * round(toward * 10)))
    bench.cycle(0, *(([100_000], []) if side is BUY else ([], [100_000])))
    figures = bench.stop(10)
    assert figures.quote_error_bps == pytest.approx(abs(toward))
    assert figures.quote_error_beyond_bps == pytest.approx(beyond)


def test_only_time_in_which_something_is_wanted_counts(bench):
    """Before the first targets, behind a gate, while the process is dead, and after the stop there is no error."""
    bench.block(0, (BUY, 99_900))
    bench.cycle(10, [99_910])
    bench.cycle(20, wants=False)
    bench.cycle(30, [99_910])
    bench.lag.on_death(seconds(40))
    bench.cycle(50, [99_910])
    assert bench.stop(60).quote_error_bps == pytest.approx(1.0, rel=1e-2)
    bench.cycle(70, [99_980])
    bench.block(90, (BUY, 99_000))
    assert bench.stop(100).quote_error_bps == pytest.approx(1.0, rel=1e-2)


def test_nothing_to_measure_is_no_number(bench):
    bench.cycle(0, [99_910])
    figures = bench.stop(10)
    assert (figures.quote_error_bps, figures.quote_error_beyond_bps, figures.edge_least_bps) == (None, None, None)
    assert (figures.queue_kept_share, figures.queue_place_error, figures.queue_place_unknown_share) == (None,) * 3


# --- places kept --------------------------------------------------------------------------------


def test_a_place_is_kept_where_the_plain_rule_would_have_moved(bench):
    """Three bids are more than a basis point from any target: one is left, one is cancelled, one is modified."""
    for number, px in enumerate((99_900, 99_895, 99_920, 99_925, 99_880)):
        bench.order(number, px)
    gone = Cancel(ETH, "c2")
    moved = Modify("c3", Oid(3), Place(ETH, "n", BUY, Px(99_900), Sz(5), Tif.ALO))
    bench.cycle(0, [99_900], [], gone, moved)
    assert bench.stop(10).queue_kept_share == 1 / 3


def test_what_was_touched_counts_although_it_is_not_free_any_more(bench):
    """After the decision its request is under way; an order that was busy before could not have been moved."""
    bench.order(1, 99_800, state=OrderState.CANCEL_PENDING, in_flight=InFlight.CANCEL)
    bench.order(2, 99_800, in_flight=InFlight.MODIFY)
    bench.order(3, 99_800)
    bench.cycle(0, [99_900], [], Cancel(ETH, "c1"))
    assert bench.stop(10).queue_kept_share == 1 / 2


@pytest.mark.parametrize(("is_full", "bids"), [(False, [99_900]), (True, [])], ids=["one side", "nothing wanted there"])
def test_cycles_that_do_not_ask_for_it_tell_nothing(bench, is_full, bids):
    """A cycle of one side leaves the other alone anyway; and where nothing is wanted nothing is replaced."""
    bench.order(1, 99_800)
    bench.cycle(0, bids, [100_100], is_full=is_full)
    assert bench.stop(10).queue_kept_share is None


def test_the_least_edge_is_of_what_was_left(bench):
    """Against the middle of what the trader saw; what was cancelled at once does not count."""
    bench.order(1, 99_900)
    bench.order(2, 100_070, SELL)
    bench.order(3, 99_990)
    bench.cycle(0, [99_900], [100_070], Cancel(ETH, "c3"))
    assert bench.stop(10).edge_least_bps == pytest.approx(7.0)


# --- places as estimated ------------------------------------------------------------------------


def test_estimates_are_compared_with_the_queue(bench):
    """Errors of 0, 10 and 30 % of the level have a median of 10; one place in four is not known."""
    for number in range(4):
        bench.order(number, 99_900)
        bench.places[number] = (20, 100)
    bench.told = {"c0": (20, 100), "c1": (30, 90), "c2": (50, 100)}
    bench.order(9, 99_900)
    bench.cycle(0, [99_900])
    figures = bench.stop(10)
    assert figures.queue_place_error == pytest.approx(0.1)
    assert figures.queue_place_unknown_share == 1 / 4


def test_a_trader_that_does_not_estimate_is_not_asked(bench):
    bench.estimates = False
    bench.order(1, 99_900)
    bench.places[1] = (20, 100)
    bench.cycle(0, [99_900])
    assert bench.stop(10).queue_place_unknown_share is None


# --- whole runs ---------------------------------------------------------------------------------


def test_a_calm_maker_keeps_its_places_within_its_latch():
    """All layers on: most places are kept, the error is some bps, hardly any of it beyond the latch; edges stay."""
    metrics = run(running_of("churn-stable", 300), 7).metrics
    assert metrics.queue_kept_share > 0.8
    assert 0 < metrics.quote_error_beyond_bps < 0.5 < metrics.quote_error_bps < 6
    assert metrics.edge_least_bps >= 2.5 - 1e-6
    assert metrics.checks["S32"] > 20


def test_a_plain_maker_is_where_it_wants_to_be():
    """Without layers nothing is kept, and the error is what the market moves between two cycles."""
    metrics = run(running_of("churn-baseline", 200), 7).metrics
    assert metrics.queue_kept_share < 0.3
    assert metrics.quote_error_bps < 3
    assert metrics.queue_place_unknown_share is None
