"""Each monitor alone: a state in, a verdict out (RK-13..18, RK-20)."""

import pytest

from domain.units import NS_PER_S, USD, Frac, InstrumentId, Ns, Pos, Sz
from orchestrator.risk.aggregator import CALM, aggregate
from orchestrator.risk.assessment import FINE, Assessment, RiskLevel
from orchestrator.risk.ladder import StalenessConfig
from orchestrator.risk.monitors import MONITORS, MonitorsConfig, monitors_of
from orchestrator.risk.monitors.cascade import CascadeConfig, CascadeMonitor
from orchestrator.risk.monitors.drawdown import DrawdownConfig, DrawdownMonitor
from orchestrator.risk.monitors.loss import LossConfig, LossMonitor
from orchestrator.risk.monitors.position import PositionConfig, PositionMonitor
from orchestrator.risk.monitors.rate_limit import RateLimitConfig, RateLimitMonitor
from orchestrator.risk.monitors.staleness import DataStalenessMonitor
from orchestrator.risk.monitors.velocity import PriceVelocityMonitor, VelocityConfig
from orchestrator.risk.state import RiskState

ETH = InstrumentId("ETH")
NORMAL, WARNING, REDUCE_ONLY, HALT, KILL = RiskLevel

TABLE = [
    # RK-16: 79/81/101 % of the limit of 150 USD
    (LossMonitor(LossConfig()), {"loss": 0.79 * 150 * USD}, NORMAL),
    (LossMonitor(LossConfig()), {"loss": 0.81 * 150 * USD}, WARNING),
    (LossMonitor(LossConfig()), {"loss": 1.01 * 150 * USD}, KILL),
    # RK-22: 2 % of the value of the limits, 10,000 USD
    (DrawdownMonitor(DrawdownConfig()), {"drawdown": 159 * USD, "limits_value": 10_000 * USD}, NORMAL),
    (DrawdownMonitor(DrawdownConfig()), {"drawdown": 161 * USD, "limits_value": 10_000 * USD}, WARNING),
    (DrawdownMonitor(DrawdownConfig()), {"drawdown": 201 * USD, "limits_value": 10_000 * USD}, KILL),
    (DrawdownMonitor(DrawdownConfig()), {"drawdown": 201 * USD, "limits_value": 0.0}, NORMAL),
    # RK-13: 4.9 none, 5.1 pull, 15.1 kill
    (PriceVelocityMonitor(VelocityConfig()), {"velocity": 0.049}, NORMAL),
    (PriceVelocityMonitor(VelocityConfig()), {"velocity": 0.051}, HALT),
    (PriceVelocityMonitor(VelocityConfig()), {"velocity": 0.151}, KILL),
    (PriceVelocityMonitor(VelocityConfig()), {"velocity": 0.151, "is_believed": False}, HALT),
    (PriceVelocityMonitor(VelocityConfig(kill_pct_per_s=None)), {"velocity": 0.9}, HALT),
    # QM-34's numbers, on the price
    (CascadeMonitor(CascadeConfig()), {"displacement": 0.009}, NORMAL),
    (CascadeMonitor(CascadeConfig()), {"displacement": 0.011}, WARNING),
    (CascadeMonitor(CascadeConfig()), {"displacement": 0.019}, WARNING),
    (CascadeMonitor(CascadeConfig()), {"displacement": 0.021}, HALT),
    # RK-15, C-04
    (DataStalenessMonitor(StalenessConfig()), {"data_age": None}, NORMAL),
    (DataStalenessMonitor(StalenessConfig()), {"data_age": 5 * NS_PER_S}, NORMAL),
    (DataStalenessMonitor(StalenessConfig()), {"data_age": 5 * NS_PER_S + 1}, WARNING),
    (DataStalenessMonitor(StalenessConfig()), {"data_age": 30 * NS_PER_S}, WARNING),
    (DataStalenessMonitor(StalenessConfig()), {"data_age": 30 * NS_PER_S + 1}, HALT),
    (DataStalenessMonitor(StalenessConfig()), {"data_age": 999 * NS_PER_S, "reconnects": 6}, WARNING),
    (DataStalenessMonitor(StalenessConfig()), {"data_age": 999 * NS_PER_S, "reconnects": 7}, HALT),
    (DataStalenessMonitor(StalenessConfig(halt_s=None)), {"data_age": 999 * NS_PER_S}, WARNING),
    (DataStalenessMonitor(StalenessConfig(caution_s=None)), {"data_age": 29 * NS_PER_S}, NORMAL),
    # DQ-10
    (DataStalenessMonitor(StalenessConfig()), {"data_age": 0, "invalid_messages": 9}, NORMAL),
    (DataStalenessMonitor(StalenessConfig()), {"data_age": 0, "invalid_messages": 10}, WARNING),
    (DataStalenessMonitor(StalenessConfig(invalid_messages=None)), {"data_age": 0, "invalid_messages": 99}, NORMAL),
    # RK-17, RK-20: warned at 80 %, reducing from 100 %, 1.99x still, 2.01x killed
    (PositionMonitor(PositionConfig()), {"position": 79}, NORMAL),
    (PositionMonitor(PositionConfig()), {"position": -80}, WARNING),
    (PositionMonitor(PositionConfig()), {"position": 100}, REDUCE_ONLY),
    (PositionMonitor(PositionConfig()), {"position": -199}, REDUCE_ONLY),
    (PositionMonitor(PositionConfig()), {"position": 200}, REDUCE_ONLY),
    (PositionMonitor(PositionConfig()), {"position": -201}, KILL),
    (PositionMonitor(PositionConfig(kill_factor=None)), {"position": 999}, REDUCE_ONLY),
    (PositionMonitor(PositionConfig()), {"position": 999, "limit": 0}, NORMAL),
    # RK-09: exceeded only if everything fills: told, and nothing is blocked
    (PositionMonitor(PositionConfig()), {"position": 50, "fillable_bid": 50}, NORMAL),
    (PositionMonitor(PositionConfig()), {"position": 50, "fillable_bid": 51}, WARNING),
    (PositionMonitor(PositionConfig()), {"position": 50, "fillable_ask": 151}, WARNING),
    # RK-18
    (RateLimitMonitor(RateLimitConfig()), {"rate_errors": 1}, NORMAL),
    (RateLimitMonitor(RateLimitConfig()), {"rate_errors": 2}, REDUCE_ONLY),
    (RateLimitMonitor(RateLimitConfig()), {"rate_errors": 3}, HALT),
]


def state(**changes) -> RiskState:
    return RiskState(**{"instrument": ETH, "limit": Sz(100), "mid": 1e6} | changes)


@pytest.mark.parametrize(("monitor", "changes", "level"), TABLE, ids=lambda value: getattr(value, "name", str(value)))
def test_where_each_monitor_draws_its_lines(monitor, changes, level):
    """One line a threshold; what is serious says why, in the monitor's name."""
    found = monitor.assess(state(**changes))
    assert found.level is level
    if level > NORMAL:
        assert found.monitor == monitor.name
        assert any(digit in found.reason for digit in "0123456789")


def test_the_warning_of_the_worst_case_names_the_side_and_what_is_pending():
    """RK-09."""
    reason = PositionMonitor(PositionConfig()).assess(state(position=50, fillable_bid=51, fillable_ask=7)).reason
    assert reason == "ETH 50 could exceed 100 long: pending bids 51, asks 7"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"position": -85}, "ETH -0.85, limit 1"),
        ({"position": 120}, "ETH 1.2, limit 1: reducing only"),
        ({"position": 201}, "position runaway: ETH 2.01, limit 1"),
        ({"position": -50, "fillable_ask": 151}, "ETH -0.5 could exceed 1 short: pending bids 0, asks 1.51"),
    ],
)
def test_reasons_are_in_the_units_of_the_instrument(changes, reason):
    """People read them, and nobody thinks in lots."""
    assert PositionMonitor(PositionConfig()).assess(state(sz_scale=100, **changes)).reason == reason


def test_every_monitor_in_the_tuple_has_a_table_of_its_name_and_can_be_switched_off():
    """No dormant monitor: the tuple, the config and what runs agree; "off" is None."""
    names = {monitor.name for monitor in MONITORS}
    assert names == set(MonitorsConfig.__dataclass_fields__)
    assert {monitor.name for monitor in monitors_of(MonitorsConfig())} == names
    for name in names:
        assert {monitor.name for monitor in monitors_of(MonitorsConfig(**{name: None}))} == names - {name}
    assert monitors_of(MonitorsConfig(**dict.fromkeys(names))) == ()


def test_monitors_are_asked_in_the_order_of_their_priorities():
    """RK-12: lower first, whatever their order in the tuple."""
    order = [monitor.name for monitor in monitors_of(MonitorsConfig())]
    assert order == ["loss", "drawdown", "velocity", "position", "margin", "cascade", "staleness", "rate_limit"]


# --- the state ----------------------------------------------------------------------------------


def test_the_state_without_orders_has_the_position_for_its_worst_cases():
    """RK-05."""
    plain = state(position=Pos(-30))
    assert (plain.worst_case_min_position, plain.worst_case_max_position) == (-30, -30)
    assert plain.net_pending_change == 0
    assert plain.is_book_balanced()


@pytest.mark.parametrize(
    ("bid", "ask", "long", "short"), [(50, 50, False, False), (101, 0, True, False), (0, 101, False, True)]
)
def test_worst_cases_count_what_may_still_fill(bid, ask, long, short):
    """RK-04, RK-06, RK-07, C-15."""
    some = state(fillable_bid=Sz(bid), fillable_ask=Sz(ask))
    assert (some.worst_case_exceeds_long(), some.worst_case_exceeds_short()) == (long, short)
    assert some.worst_case_exceeds_limits() == (long or short)
    assert some.worst_case_position_value() == max(bid, ask) * 1_000_000
    assert some._replace(mid=None).worst_case_position_value() is None


@pytest.mark.parametrize(("bid", "ask", "is_balanced"), [(1_099, 901, True), (1_101, 899, False), (899, 1_101, False)])
def test_balance_of_the_book(bid, ask, is_balanced):
    """RK-08: 9.9 and 10.1 % of all that rests."""
    some = state(pending_bid=Sz(bid), pending_ask=Sz(ask))
    assert some.is_book_balanced() is is_balanced
    assert some.net_pending_change == bid - ask


# --- together -----------------------------------------------------------------------------------

VERDICTS = [
    Assessment("cascade", WARNING, "c", 0.7, 1.5, 0.5),
    Assessment("rate_limit", HALT, "r", 1.2),
    Assessment("staleness", WARNING, "s", 0.3, 1.2, 0.4),
    Assessment("loss", KILL, "l"),
    Assessment("velocity", NORMAL, load=0.9),
    FINE,
]


def test_the_worst_of_all_and_every_reason():
    """RK-11: maximum of the levels, union of the reasons, the most careful of the factors."""
    whole = aggregate(VERDICTS)
    assert (whole.max_severity, whole.worst.monitor) == (KILL, "loss")
    assert whole.reduce_only
    assert whole.kill_reasons == ("l",)
    assert [each.monitor for each in whole.concerns] == ["cascade", "rate_limit", "staleness", "loss"]
    assert (whole.spread_factor, whole.size_factor) == (1.5, 0.4)
    assert [whole.load_of(names) for names in (("rate_limit",), ("cascade", "velocity"), ("x",))] == [1.2, 0.9, 0.0]


def test_the_order_of_the_monitors_does_not_matter():
    """RK-11: whoever speaks first, the same comes out."""
    figures = {
        (
            (whole := aggregate([*VERDICTS[n:], *VERDICTS[:n]])).worst,
            whole.load_of(("rate_limit", "cascade")),
            whole.spread_factor,
            whole.size_factor,
            frozenset(whole.concerns),
        )
        for n in range(len(VERDICTS))
    }
    assert len(figures) == 1


@pytest.mark.parametrize(
    ("level", "reduces", "kills"),
    [(WARNING, False, ()), (REDUCE_ONLY, True, ()), (HALT, True, ()), (KILL, True, ("y",))],
)
def test_what_each_level_asks_for(level, reduces, kills):
    whole = aggregate([Assessment("x", level, "y")])
    assert (whole.max_severity, whole.reduce_only, whole.kill_reasons) == (level, reduces, kills)


def test_of_two_that_are_as_bad_the_first_is_the_reason():
    """RK-12."""
    first, second = Assessment("x", HALT, "1"), Assessment("y", HALT, "2")
    assert [aggregate([first, second]).worst.monitor, aggregate([second, first]).worst.monitor] == ["x", "y"]


def test_nothing_to_say_is_calm():
    assert aggregate([FINE] * 7) is CALM


def test_the_load_below_a_threshold_is_kept_for_a_halt_to_read():
    """A velocity of 3 % a second is normal, but no end of a halt at 5 %."""
    assert PriceVelocityMonitor(VelocityConfig()).assess(state(velocity=Frac(0.03))).load == pytest.approx(0.6)


def test_when_old_data_says_something_new():
    """At the two thresholds, one nanosecond late; after the second never."""
    monitor = DataStalenessMonitor(StalenessConfig(halt_s=30))
    looks = [monitor.next_look(Ns((100 - age) * NS_PER_S), Ns(100 * NS_PER_S)) for age in (0, 5, 6, 30, 31)]
    assert looks == [105 * NS_PER_S + 1, 100 * NS_PER_S + 1, 124 * NS_PER_S + 1, 100 * NS_PER_S + 1, None]
