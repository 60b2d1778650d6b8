"""What is seen of quote cycles from beside them, and that looking changes nothing."""

from itertools import pairwise
from types import SimpleNamespace

import pytest

from domain.instrument import Instrument
from domain.units import NS_PER_S, Frac, InstrumentId, Ns, Px, Sz
from orchestrator.desk import quote_engine
from orchestrator.desk.quote_engine import QuoteEngine, Step, Stop, Targets
from runtime.log import MemoryLog
from scenarios.loader import load
from scenarios.run import run_scenario
from strategy.glft import QuoteConfig, QuoteParams, compute_quote
from strategy.ladder import LadderLevel
from studies.churn.arms import arm_named
from studies.churn.rows import Row
from studies.churn.run import Task, carry_out
from studies.churn.watch import Watch

PARTS = ("mid", "kappa", "sigma", "skew", "grid", "rest")


@pytest.fixture(scope="module", params=["baseline", "stable"])
def done(request):
    """A run of each profile, watched."""
    return carry_out(Task(request.param, 0))


def test_a_watched_run_decides_the_same(done):
    """The journal is that of a run which nobody watches, and the row has its figures."""
    arm = arm_named(done.row.arm)
    result = run_scenario(load(arm.scenario, arm.overrides), 0, MemoryLog())
    assert done.row.digest == result.journal_digest
    metrics = result.metrics
    names = [name for name in Row.__struct_fields__ if hasattr(metrics, name)]
    assert len(names) > 8
    assert {name: getattr(done.row, name) for name in names if name not in ("timeline", "cycles")} == {
        name: getattr(metrics, name) for name in names if name not in ("timeline", "cycles")
    }
    assert list(done.row.timeline) == metrics.timeline


def test_nothing_stays_where_it_stood():
    before = vars(QuoteEngine)["compute"], vars(quote_engine)["compute_quote"]
    carry_out(Task("stable", 0))
    assert (vars(QuoteEngine)["compute"], vars(quote_engine)["compute_quote"]) == before


def test_each_change_is_that_of_the_targets_and_its_parts_add_up(done):
    """What moved is the difference of two prices in a row, whoever names its causes."""
    for side in ("bid", "ask"):
        moves = [move for move in done.moves if move.side == side]
        assert moves[0].moved_bps == 0
        for before, now in pairwise(moves):
            assert now.moved_bps == pytest.approx((now.target - before.target) / before.target * 1e4, abs=1e-6)
            assert now.moved_bps == pytest.approx(sum(getattr(now, f"by_{part}_bps") for part in PARTS), abs=1e-9)


def test_a_row_sums_up_its_moves(done):
    row, moves = done.row, done.moves
    assert len(moves) == 2 * row.cycles
    for name in ("moved", *(f"by_{part}" for part in PARTS)):
        total = sum(abs(getattr(move, f"{name}_bps")) for move in moves)
        assert getattr(row, f"{name}_bps") == pytest.approx(total)
    compared = moves[2:]
    assert row.still_share == pytest.approx(sum(not move.moved_bps for move in compared) / len(compared))
    assert row.headroom_first == moves[0].headroom == pytest.approx(0.07)
    assert row.headroom_least == min(move.headroom for move in moves)
    assert [mark.t_s for mark in row.path] == sorted(mark.t_s for mark in row.path)
    assert len(row.path) == 4  # one a minute, from the first quote at 70 s on


def test_targets_stand_on_what_the_formula_wanted(done):
    """A bid below it, an ask above, by less than a tick or a step of the grid."""
    for move in done.moves:
        off = (move.wanted - move.target) * (1 if move.side == "bid" else -1)
        assert -1e-6 <= off < max(move.grid_step, 0.1)
        assert abs(move.mid - move.fair) / move.mid * 1e4 <= 0.5 + 1e-9
    assert (done.moves[0].grid_step > 0) is arm_named(done.row.arm).is_stable


def test_the_incident_s_kappa_jitters_and_the_cure_s_does_not(done):
    kappas = {move.kappa for move in done.moves}
    assert kappas == ({1169.0} if arm_named(done.row.arm).is_stable else {1169.0, 1176.0, 1194.0})


def test_of_a_day_only_a_row_now_and_then_is_kept(monkeypatch):
    """The sums are of all cycles all the same."""
    whole = carry_out(Task("stable", 0))
    sparse = type(arm_named("stable"))(
        **{name: getattr(arm_named("stable"), name) for name in ("name", "group", "scenario", "overrides", "about")},
        every_s=60.0,
    )
    monkeypatch.setattr("studies.churn.run.arm_named", lambda _: sparse)
    thin = carry_out(Task("stable", 0))
    assert len(thin.moves) == 8
    assert thin.row == whole.row
    assert thin.moves[2:4] == [move for move in whole.moves if move.t_s == thin.moves[2].t_s]


class Engine:
    """Of an engine, what is looked at."""

    instrument = Instrument(id=InstrumentId("ETH"), sz_decimals=4)
    grid = None


def test_a_cycle_without_targets_parts_two_changes():
    """What quotes did not follow is no move: after a gate the target begins anew."""
    quote = {fair: compute_quote(given(fair), CONFIG) for fair in (200_000.0, 200_400.0)}
    outcomes = [wants(quote[200_000.0]), wants(quote[200_400.0]), Stop(Step.RISK, "gate"), wants(quote[200_000.0])]
    watch = Watch("stable", 0)
    formula, cycle = (patch.make for patch in watch.place.patches)
    looked_at = formula(compute_quote)
    compute = cycle(lambda _, *__: outcomes.pop(0))
    market = SimpleNamespace(mid=200_000.0)
    for second, fair in enumerate((200_000.0, 200_400.0, 200_400.0, 200_000.0)):
        looked_at(given(fair), CONFIG)
        compute(Engine(), market, None, None, Ns(second * NS_PER_S), None, None, 0.5 - second / 10)
    assert [(move.t_s, move.side, round(move.moved_bps)) for move in watch.moves] == [
        (0.0, "bid", 0),
        (0.0, "ask", 0),
        (1.0, "bid", 20),
        (1.0, "ask", 20),
        (3.0, "bid", 0),
        (3.0, "ask", 0),
    ]
    assert (watch.cycles, watch.compared, watch.still) == (3, 2, 0)
    assert (watch.headroom_first, watch.headroom_least) == (0.5, pytest.approx(0.2))


CONFIG = QuoteConfig(gamma=0.5)


def given(fair):
    return QuoteParams(fair=fair, q=0.0, gamma=0.5, kappa=1_176.0, sigma=Frac(1.2e-4), maker_fee=Frac(1.5e-4))


def wants(quote):
    bid, ask = LadderLevel(Px(int(quote.bid)), Sz(500)), LadderLevel(Px(int(quote.ask) + 1), Sz(500))
    return Targets((bid,), (ask,), quote, 1.0, {})
