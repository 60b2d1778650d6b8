"""When faults strike: all the time, by chance, at a moment; draws that nobody else's shift."""

from dataclasses import dataclass, field, fields
from typing import ClassVar, Literal, get_type_hints

import pytest
from annotated_types import Interval

from domain.commands import QueryOpenOrders
from domain.events import Fill, Replied
from domain.units import NS_PER_S, seconds
from runtime import config
from scenarios.schema import Scenario
from sim.faults import FAULTS, Disconnect, LatencySpike, ReplyLost
from sim.faults.base import Injected, launch, prepare
from sim.faults.timing import THROUGHOUT, Aimed, Dice, Moment, Poisson
from tests.sim.fault_trader import ME, Trader


@dataclass(frozen=True, kw_only=True)
class Bell:
    """Notes when it strikes; does nothing."""

    kind: Literal["bell"] = "bell"
    at_s: float = 10.0
    duration_s: float = 60.0
    when: object = THROUGHOUT
    rung: list = field(default_factory=list)
    ranges: ClassVar = {}

    def install(self, world, session):
        def begin(injected):
            self.rung.append((world.env.now, injected.strike_ends_at))

        injected = prepare(self, world, session, None)
        return launch(injected, world, begin, lambda _: None, session=session, when=self.when)


def strikes(bell):
    return [(round(start / NS_PER_S, 2), round((end - start) / NS_PER_S, 2)) for start, end in bell.rung]


def test_throughout_is_once_from_end_to_end():
    """Protects scripted faults: one strike, exactly the window."""
    bell = Bell()
    trader = Trader(bell, start=9)
    trader.until(100)
    assert strikes(bell) == [(10.0, 60.0)]


def test_poisson_strikes_have_their_rate_and_end_with_the_window():
    """Protects random faults: about as many as asked for, none over the end, never two at once."""
    bell = Bell(duration_s=600, when=Poisson(per_minute=30.0, for_s=0.5))
    trader = Trader(bell)
    trader.world.env.run(until=seconds(650))
    assert 180 < len(bell.rung) < 300  # a mean of 2.5 s from one to the next
    assert all(later[0] >= earlier[1] for earlier, later in zip(bell.rung, bell.rung[1:], strict=False))
    assert max(end for _, end in bell.rung) <= seconds(610)
    assert trader.injected[0].counts["strikes"] == len(bell.rung)


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (Moment.PLACEMENT_SENT, [12.0]),
        (Moment.CANCEL_SENT, [13.0]),
        (Moment.QUERY_SENT, [14.0]),
        (Moment.CONNECTED, [17.0]),
    ],
)
def test_an_aimed_fault_strikes_at_its_moment(moment, expected):
    """Protects the worst moments: it strikes when the message leaves, or when the feed is up, and at nothing else."""
    bell = Bell(when=Aimed(at=moment, for_s=0.5))
    trader = Trader(bell)
    trader.until(12)
    order = trader.rest()
    trader.until(13)
    trader.cancel(order)
    trader.until(14)
    trader.ask(QueryOpenOrders())
    trader.until(16.7)  # a handshake takes 300 ms
    trader.connect()
    trader.until(30)
    assert strikes(bell) == [(at, 0.5) for at in expected]


def test_an_aimed_fault_strikes_with_the_fill():
    """Protects lost fills: the news of the fill leaves after the strike has begun."""
    loss = Bell(when=Aimed(at=Moment.FILLED, for_s=0.5, rest_s=0))
    trader = Trader(loss)
    trader.hit(trader.rest())
    trader.wait(1)
    assert loss.rung[0][0] == trader.of(Fill)[0].exch_time


def test_the_message_that_is_aimed_at_is_hit_itself():
    """Protects aim: the answer to the very query that set the fault off is lost."""
    trader = Trader(ReplyLost(share=1.0, when=Aimed(at=Moment.QUERY_SENT, for_s=1.0, rest_s=10.0)))
    assert trader.ask(QueryOpenOrders()) is None
    trader.wait(1)
    assert trader.ask(QueryOpenOrders()) is not None  # it rests
    trader.wait(10)
    assert trader.ask(QueryOpenOrders()) is None
    assert len(trader.of(Replied)) == 1
    assert trader.injected[0].counts == {"strikes": 2, "lost": 2, "query": 2}


def test_a_second_fault_comes_soon_after_the_first():
    """Protects trouble in pairs: within the time named, drawn, and not at its own strikes."""
    bell = Bell(duration_s=600, when=Aimed(at=Moment.OTHER_FAULT, for_s=0.1, within_s=2.0, rest_s=0))
    trader = Trader(bell, Disconnect(at_s=20, duration_s=1), Disconnect(at_s=40, duration_s=1), bell)
    trader.until(100)
    first = [start for start, _ in strikes(bell) if 20 <= start < 40]
    assert first
    assert all(20 <= start <= 26 for start in first)  # the two bells answer each other, once each way
    assert any(40 <= start <= 42 for start, _ in strikes(bell))
    assert len(bell.rung) < 100


def test_a_share_of_the_moments_is_hit():
    """Protects rates of aimed faults: about the share, the same in each run."""

    def rung():
        bell = Bell(duration_s=600, when=Aimed(at=Moment.QUERY_SENT, for_s=0.01, share=0.3, rest_s=0))
        trader = Trader(bell)
        for _ in range(100):
            trader.ask(QueryOpenOrders(), wait=0.3)
        return strikes(bell)

    first = rung()
    assert first == rung()
    assert 15 < len(first) < 50


def test_draws_depend_on_seed_name_and_count_alone():
    """Protects shrinking: a site gives the same numbers whatever else draws, and another site others."""
    one, two, other = Dice(1, "a"), Dice(1, "a"), Dice(1, "b")
    first = [one() for _ in range(100)]
    [other() for _ in range(7)]
    assert [two() for _ in range(100)] == first
    assert [other() for _ in range(100)] != first
    assert 0.4 < sum(first) / 100 < 0.6
    dice = Dice(3, "c")
    assert 0.8 < sum(dice.exponential(2.0) for _ in range(1_000)) / 2_000 < 1.2
    assert {dice.below(3) for _ in range(100)} == {0, 1, 2}


def test_the_name_of_a_fault_does_not_count_the_others():
    """Protects shrinking: a fault draws the same with and without faults of other kinds and times before it."""
    loss = ReplyLost(share=0.5, duration_s=30)
    sites = []
    for faults in ((loss,), (LatencySpike(), ReplyLost(at_s=20, duration_s=5), loss)):
        trader = Trader(*faults)
        dice = trader.injected[-1].dice(trader.world, "x")
        sites.append([dice() for _ in range(5)])
    assert sites[0] == sites[1]


def test_an_aim_needs_a_session():
    """Protects wiring: a fault that cannot hear its moment would never strike, and the run would look clean."""
    trader = Trader()
    injected = prepare(Bell(), trader.world, None, None)
    with pytest.raises(ValueError, match="bell waits for a moment"):
        launch(injected, trader.world, lambda _: None, lambda _: None, when=Aimed())


def test_activity_lingers_as_long_as_its_effect():
    """Protects the checks: the way is not sound while what a strike left behind still holds."""
    injected = Injected("x", seconds(1), seconds(2))
    assert not injected.is_active
    injected.linger(lambda: True)
    assert injected.is_active


@pytest.mark.parametrize("fault", FAULTS)
def test_ranges_for_searches_are_inside_the_bounds(fault):
    """Protects swarms: both ends of each range make a valid fault, which can be armed."""
    hints = get_type_hints(fault, include_extras=True)
    names = {field.name for field in fields(fault)}
    assert fault.ranges, "a fault without a range is never varied"
    for name, span in fault.ranges.items():
        assert name in names
        assert span.low < span.high
        assert not span.is_log or span.low > 0
        text = str(hints[name])
        assert "Interval" in text or Interval in map(type, hints[name].__metadata__)
    for end in ("low", "high"):
        entry = {"kind": fault().kind, "at_s": 1.0, "duration_s": 5.0}
        entry |= {name: getattr(span, end) for name, span in fault.ranges.items()}
        tree = {"name": "x", "duration_s": 10.0, "market": {"profile": "eth-quiet"}, "faults": [entry]}
        (made,) = config.build(Scenario, config.Tree(tree)).faults
        assert type(made) is fault
        trader = Trader(made, start=12)
        assert trader.world.venue.resting(ME) == ()
