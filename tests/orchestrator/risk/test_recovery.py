"""The way out of a position that does not shrink: it always ends, and never passes zero (RS-12..18, T-21)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.units import Ns, Pos, Side, Sz
from orchestrator.risk.recovery import RecoveryConfig, RecoveryManager, RecoveryState
from tests.orchestrator.messages import ETH, MID, s

NORMAL, TAKING, COOLDOWN = RecoveryState


class Bench:
    """A manager, its alerts, and a position that an attempt shrinks by what the test lets it fill."""

    def __init__(self, position: int = 1_000, **changes) -> None:
        self.alerts = []
        self.manager = RecoveryManager(RecoveryConfig(**changes), ETH, self.alerts.append)
        self.position = position
        self.sent = []
        self.look(0)

    def look(self, now: float, *, is_reducing: bool = True) -> bool:
        return self.manager.check(Pos(self.position), s(now), is_reducing=is_reducing)

    def refuse(self, times: int, now: float = 0) -> None:
        for _ in range(times):
            self.manager.record_rejection("Too many open orders.", s(now))

    def attempt(self, now: float, *, fills: int = 0, unsafe: int = 0):
        """Look, and send what is due."""
        self.look(now)
        order = self.manager.should_send_ioc(Pos(self.position), MID, Sz(unsafe), s(now))
        if order is not None:
            self.manager.record_sent(s(now))
            self.sent.append((now, *order))
            self.position += order[0] * min(fills, order[1])
        return order


def test_the_third_refusal_in_a_row_escalates():
    """RS-13: two are bad luck; one that is accepted begins the count anew; each is told once."""
    bench = Bench()
    bench.refuse(2)
    bench.manager.record_success()
    bench.refuse(2)
    assert (bench.manager.state, bench.look(1)) == (NORMAL, True)
    bench.refuse(1)
    assert (bench.manager.state, bench.look(1)) == (TAKING, False)
    assert [(a.name, a.text) for a in bench.alerts] == [
        ("position_stuck", "ETH: 3 reducing orders in a row refused, the last: Too many open orders.")
    ]


def test_a_position_that_does_not_become_smaller_is_stuck():
    """L5, storm, seed 1262: its orders are accepted, and the market runs away from all of them for minutes."""
    bench = Bench(1_000)
    bench.look(50, is_reducing=False)
    assert bench.look(100)
    assert bench.manager.deadline() == s(160)
    bench.position = 990
    assert bench.look(150), "some of it went"
    assert bench.manager.deadline() == s(210)
    bench.position = 1_100
    assert bench.look(200), "what grows makes no progress, and takes none back"
    assert bench.look(209.9)
    assert not bench.look(210)
    assert [alert.text for alert in bench.alerts] == ["ETH: not smaller for 60 s"]
    assert bench.manager.escalations == 1
    assert bench.attempt(210.1, fills=1_100) is not None


def test_the_time_in_which_nothing_could_be_sent_does_not_count():
    """S25: an outage uses up no patience, however often there is one, and wakes nobody while it lasts."""
    bench = Bench(1_000)
    for at in (50, 59):
        assert bench.look(at)
    assert (bench.manager.deadline(), bench.manager.deadline(is_barred=True)) == (s(60), None)
    for at in (60, 100, 110):
        assert bench.manager.check(Pos(1_000), s(at), is_reducing=True, is_barred=True)
    assert bench.manager.deadline() == s(111)
    assert bench.look(110.9)
    assert not bench.look(111)


def test_a_start_over_the_limit_gets_the_same_patience():
    """What has to shrink at the first look has had no time yet; switched off there is all the time of the world."""
    manager = RecoveryManager(RecoveryConfig(), ETH, lambda _: None)
    assert manager.check(Pos(1_000), s(500), is_reducing=True)
    assert manager.deadline() == s(560)
    manager = RecoveryManager(RecoveryConfig(patience_s=None), ETH, lambda _: None)
    assert all(manager.check(Pos(1_000), s(at), is_reducing=True) for at in (0, 1_000))
    assert manager.deadline() is None


@pytest.mark.parametrize(("position", "is_reducing"), [(1_000, False), (0, True)])
def test_nothing_is_stuck_that_need_not_shrink(position, is_reducing):
    """T-21: flat, or inside its limit, there is nothing to take."""
    bench = Bench(position)
    bench.look(0, is_reducing=is_reducing)
    bench.refuse(9)
    bench.manager.escalate("nothing", s(0))
    assert (bench.manager.state, bench.manager.runs) == (NORMAL, 0)
    assert bench.attempt(1) is None


SIZES = (
    # position, mid, lots of one attempt
    (1_000, MID, 250),
    (-1_000, MID, 250),
    (10, MID, 3),
    (3, MID, 1),
    (1, MID, 1),
    (1_000, 2_000, 1_000),  # 0.2 USD a unit: a share is worth less than the venue takes, so is the whole
    (1_000, 20_000, 500),  # a quarter is worth 5 USD: raised to 10
)


@pytest.mark.parametrize(("position", "px", "lots"), SIZES)
def test_the_size_of_an_attempt(position, px, lots):
    """C-26: a quarter, at least what makes an order, at most all of it, on the side that reduces."""
    bench = Bench(position)
    bench.refuse(3)
    order = bench.manager.should_send_ioc(Pos(position), px, Sz(0), Ns(1))
    assert order == (Side.SELL if position > 0 else Side.BUY, lots)


def test_a_position_below_the_least_size_is_flat():
    """C-26: of an instrument with finer lots what is below the least size is not traded away."""
    fine = ETH.__class__(ETH.id, sz_decimals=5)
    manager = RecoveryManager(RecoveryConfig(), fine, lambda _: None)
    assert manager.min_lots == 100
    manager.check(Pos(99), s(0), is_reducing=True)
    for _ in range(3):
        manager.record_rejection("no", s(0))
    assert manager.state is NORMAL
    manager.check(Pos(100), s(0), is_reducing=True)
    for _ in range(3):
        manager.record_rejection("no", s(0))
    assert manager.state is TAKING


def test_three_attempts_five_seconds_apart_then_half_a_minute():
    """RS-14, RS-17: whether an attempt is refused, fills nothing or is never answered makes no difference (T-21)."""
    bench = Bench()
    bench.refuse(3)
    for tenth in range(1, 600):
        bench.attempt(tenth / 10)
        if bench.manager.state is not TAKING:
            break
    assert [now for now, *_ in bench.sent] == pytest.approx([0.1, 5.1, 10.1])
    assert (bench.manager.state, tenth / 10, bench.manager.exhausted) == (COOLDOWN, 15.1, 1)
    assert [a.name for a in bench.alerts] == ["position_stuck", "recovery_exhausted"]
    bench.refuse(5, 20)
    assert bench.look(45.0) is True
    assert bench.manager.state is COOLDOWN
    bench.look(45.1)
    assert bench.manager.state is NORMAL
    assert bench.manager.rejections == 5  # they count: the position still has to shrink


def test_success_ends_it_after_two_seconds():
    """RS-15, RS-17: inside its limit again it is over, and the next affair begins with a new count."""
    bench = Bench()
    bench.refuse(3)
    assert bench.attempt(1, fills=250) == (Side.SELL, 250)
    bench.look(1.2, is_reducing=False)
    assert (bench.manager.state, bench.manager.exhausted) == (COOLDOWN, 0)
    assert bench.manager.deadline() == s(3.2)
    bench.look(3.2, is_reducing=False)
    assert (bench.manager.state, bench.manager.deadline(), bench.manager.rejections) == (NORMAL, None, 0)


def test_what_could_turn_the_position_around_holds_it_back_and_cannot_do_so_for_ever():
    """T-21: an order of ours that is not reduce-only may fill beside it; the affair has a deadline of its own."""
    bench = Bench()
    bench.refuse(3)
    assert bench.attempt(1, unsafe=751) is None
    bench.manager.hold(s(1))
    assert bench.manager.deadline() == s(1.25)
    assert bench.attempt(1.25, unsafe=750) == (Side.SELL, 250)
    late = Bench()
    late.refuse(3)
    late.look(19.9)
    assert late.manager.state is TAKING
    late.look(20)
    assert (late.manager.state, late.manager.exhausted) == (COOLDOWN, 1)


def test_nothing_to_place_is_stuck_at_once():
    """RS-19: the filter says that the reducing side is empty."""
    bench = Bench()
    bench.manager.escalate("no order can reduce the position of 10", s(0))
    bench.manager.escalate("again", s(0))
    assert (bench.manager.state, bench.manager.runs, bench.manager.escalations) == (TAKING, 1, 1)
    assert bench.manager.cause == "no order can reduce the position of 10"


@given(
    position=st.integers(-5_000, 5_000),
    events=st.lists(
        st.tuples(
            st.sampled_from(("refuse", "accept", "escalate", "attempt")), st.integers(0, 400), st.integers(0, 20)
        ),
        max_size=120,
    ),
)
def test_in_any_order_of_events_it_only_shrinks_and_always_ends(position, events):
    """T-21: |position| never grows, never changes sign, and no stretch without quotes is longer than its bound."""
    bench, now, since = Bench(position), 0.0, None
    for kind, fills, wait in events:
        now += wait / 4
        before = bench.position
        bench.look(now)
        if kind == "refuse":
            bench.refuse(1, now)
        elif kind == "accept":
            bench.manager.record_success()
        elif kind == "escalate":
            bench.manager.escalate("empty", s(now))
        else:
            bench.attempt(now + 1e-6, fills=fills)
        assert abs(bench.position) <= abs(before)
        assert bench.position * before >= 0
        assert bench.manager.attempts <= bench.manager.config.max_attempts
        if bench.manager.skips_quoting:
            since = now if since is None else since
            assert now - since <= 20.001
        else:
            since = None
