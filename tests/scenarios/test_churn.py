"""Churn from outside: the time line, cycles that sent nothing, modifies and pairs, calls for each fill."""

from itertools import pairwise

import pytest

from domain.commands import Alert, Cancel, Modify, Place, QueryQuota, Request, Route, Severity
from domain.units import InstrumentId, Ns, Side, Tif, seconds
from runtime.journal_format import Decided
from scenarios.churn import ROWS, Churn
from scenarios.figures import TimelineRow
from scenarios.medians import medians
from scenarios.runner import run
from scenarios.traffic import Traffic
from tests.scenarios.runs import PLAIN, result_of, running_of

ETH, BTC = InstrumentId("ETH"), InstrumentId("BTC")
BUY, SELL = Side.BUY, Side.SELL


class Bench:
    """Decisions that are sent at once, and fills."""

    def __init__(self, duration_s=300):
        self.traffic = Traffic()
        self.churn = Churn(self.traffic, seconds(duration_s))
        self.requests = 0

    def decide(self, t, *actions, cycled=(ETH,)):
        self.requests += 1
        commands = [Alert(Severity.INFO, "x", ""), Request(self.requests, Route.SOCKET, 1, None, actions)]
        self.churn.on_cycles(cycled, commands, seconds(t))
        self.send(t, *actions)

    def send(self, t, *actions):
        self.churn.pass_to(seconds(t))
        self.traffic.on_sent(Request(self.requests, Route.SOCKET, 1, None, actions))

    def fill(self, t):
        self.churn.pass_to(seconds(t))
        self.traffic.on_fill("c")

    def stop(self, t):
        self.churn.on_stop(seconds(t))
        return self.churn.figures()


def place(cloid, side=BUY, instrument=ETH):
    return Place(instrument, cloid, side, 100, 1, Tif.ALO)


def cancel(cloid, instrument=ETH):
    return Cancel(instrument, cloid)


def modify(old, new, side=BUY):
    return Modify(old, 1, place(new, side))


@pytest.fixture
def bench():
    return Bench()


# --- the time line ------------------------------------------------------------------------------


def test_a_row_holds_what_had_happened_by_its_minute(bench):
    """What happens at the moment itself counts, what comes a nanosecond later does not; the stop has its own row."""
    bench.decide(59, place("a"), place("b", SELL))
    bench.send(60, cancel("a"))
    bench.churn.pass_to(Ns(seconds(60) + 1))
    bench.fill(60.000000001)
    bench.send(200, place("c"))
    assert bench.stop(230).timeline == [
        TimelineRow(60.0, 2, 1, 0),
        TimelineRow(120.0, 2, 1, 1),
        TimelineRow(180.0, 2, 1, 1),
        TimelineRow(230.0, 3, 1, 1),
    ]


def test_a_stop_on_the_minute_is_one_row(bench):
    """Five minutes are five rows."""
    bench.decide(300, place("a"))
    figures = bench.stop(300)
    assert [row.t_s for row in figures.timeline] == [60, 120, 180, 240, 300]
    assert figures.timeline[-1].placed == 1


def test_the_shutdown_is_no_churn(bench):
    """What is cancelled at the end, by whom ever it is asked for, is in no figure of it; nor is a fill of that time."""
    bench.decide(0, place("a"))
    bench.fill(1)
    figures = bench.stop(60)
    bench.send(61, cancel("a"))
    bench.fill(61)
    bench.decide(200, place("b"), cancel("a"))
    assert bench.stop(300) == figures
    assert (figures.calls_per_fill, figures.calls_per_min, figures.zero_action_share) == (1, 1, 0)


@pytest.mark.parametrize(("hours", "every_s"), [(0.9, 60), (1, 60), (1.1, 120), (24, 1_440)])
def test_long_runs_have_fewer_rows_evenly_spaced(hours, every_s):
    """A day has a row every 24 minutes, and none has more rows than an hour."""
    bench = Bench(3_600 * hours)
    rows = bench.stop(3_600 * hours).timeline
    assert len(rows) <= ROWS
    assert {late.t_s - early.t_s for early, late in pairwise(rows[:-1])} == {every_s}
    assert rows[-1].t_s == pytest.approx(3_600 * hours)


# --- cycles -------------------------------------------------------------------------------------


def test_cycles_count_from_the_first_placement(bench):
    """A warm-up is no patience; questions are no actions; the cycle of the first placement is the first one."""
    for t in range(10):
        bench.decide(t)
    bench.decide(10, place("a"))
    bench.decide(16, QueryQuota())
    bench.decide(22, modify("a", "b"))
    bench.decide(28)
    assert bench.stop(60).zero_action_share == 2 / 4


def test_a_cycle_is_idle_if_nothing_is_sent_for_its_own_instrument(bench):
    """Two instruments in one decision are two cycles."""
    bench.decide(1, place("a"), place("z", instrument=BTC), cycled=(ETH, BTC))
    bench.decide(2, cancel("z", BTC), cycled=(ETH, BTC))
    bench.decide(3, cancel("a"), cycled=(BTC,))
    assert bench.stop(60).zero_action_share == 2 / 5


# --- modifies and pairs -------------------------------------------------------------------------


def test_a_pair_is_a_cancel_and_a_placement_of_one_side_in_one_decision(bench):
    """Two cancels and one placement are one pair; of different sides, or apart in time, they are none."""
    bench.decide(0, place("a"), place("b"), place("c", SELL), place("d", SELL))
    bench.decide(1, cancel("a"), cancel("b"), place("e"))  # one
    bench.decide(2, cancel("c"), place("f"))  # none
    bench.decide(3, cancel("f"))
    bench.decide(4, place("g"))  # none, each by itself
    bench.decide(5, modify("e", "h"))
    bench.decide(6, cancel("h"), place("i"))  # one: what a modify placed has a side, too
    bench.decide(7, cancel("z", BTC), place("j"))  # none: nobody knows what it was
    assert bench.stop(60).modify_share == 1 / 3


def test_pairs_are_of_one_instrument(bench):
    """A bid that goes in one market is not replaced by one that comes in another."""
    bench.decide(0, place("a"), place("z", instrument=BTC))
    bench.decide(1, cancel("a"), place("y", instrument=BTC), modify("z", "x"))
    assert bench.stop(60).modify_share == 1


# --- ratios -------------------------------------------------------------------------------------


def test_ratios_are_of_what_was_sent_and_traded(bench):
    """Calls are placements, modifies and cancels; minutes count from the first placement."""
    bench.decide(30, place("a"), place("b", SELL))
    bench.decide(36, modify("a", "c"))
    bench.decide(42, cancel("b"), place("d", SELL), QueryQuota())
    bench.fill(50)
    bench.fill(51)
    figures = bench.stop(150)
    assert (figures.cancel_fill_ratio, figures.calls_per_fill, figures.calls_per_min) == (1 / 2, 5 / 2, 5 / 2)


def test_without_fills_or_quotes_there_is_no_number(bench):
    """Never a made-up one: null says that there was nothing to divide by."""
    bench.decide(0)
    figures = bench.stop(60)
    assert figures.timeline == [TimelineRow(60.0, 0, 0, 0)]
    nothing = (figures.zero_action_share, figures.modify_share, figures.cancel_fill_ratio, figures.calls_per_fill)
    assert (*nothing, figures.calls_per_min) == (None,) * 5


# --- whole runs ---------------------------------------------------------------------------------


def test_a_run_counts_what_its_journal_holds():
    """The same figures from the records of the decisions up to the stop: another way to the same numbers."""
    running = running_of("modifies", 90, PLAIN)
    metrics = run(running, 7).metrics
    stop = metrics.timeline[-1]
    assert stop.t_s == metrics.duration_s == 90
    decisions = [
        (record.now, [a for c in record.commands if isinstance(c, Request) for a in c.actions])
        for record in running.journal.records()
        if isinstance(record, Decided) and record.now < seconds(90)
    ]
    sent = [action for _, actions in decisions for action in actions]
    places, modifies, cancels = ([a for a in sent if isinstance(a, kind)] for kind in (Place, Modify, Cancel))
    calls = len(places) + len(modifies) + len(cancels)
    assert (stop.placed, stop.cancelled) == (len(places), len(cancels))
    assert min(stop.placed, stop.cancelled, stop.filled, len(modifies)) > 5
    assert (metrics.cancel_fill_ratio, metrics.calls_per_fill) == (len(cancels) / stop.filled, calls / stop.filled)
    began = next(now for now, actions in decisions if any(isinstance(action, Place) for action in actions))
    assert metrics.calls_per_min == pytest.approx(calls / ((seconds(90) - began) / seconds(60)))
    sides = {each.cloid: each.side for each in (*places, *(modify.place for modify in modifies))}
    pairs = 0
    for _, actions in decisions:
        for side in Side:
            gone = sum(isinstance(a, Cancel) and sides.get(a.cloid) is side for a in actions)
            pairs += min(gone, sum(isinstance(a, Place) and a.side is side for a in actions))
    assert pairs > 5
    assert metrics.modify_share == len(modifies) / (len(modifies) + pairs)


def test_cycles_behind_a_gate_do_not_count():
    """While nothing may be quoted nothing can be left alone; and the trader counts the same idle cycles itself."""
    metrics = result_of("disconnect-storm", 120).metrics
    stops = metrics.trader.stops_by_reason
    gated = sum(count for why, count in stops.items() if why.startswith(("warm_up:", "risk:")))
    assert gated > 50
    idle = stops["reconcile:unchanged"] + stops.get("execute:all_gated", 0)
    assert metrics.zero_action_share == pytest.approx(idle / (metrics.cycles - gated))


# --- the incident -------------------------------------------------------------------------------

INCIDENT = {60: (0, 0, 0), 120: (8, 6, 0), 180: (26, 24, 0), 240: (42, 42, 0), 300: (60, 58, 0)}
"""CH-02: placed, cancelled and filled by the second, as they were written down."""


def test_the_incident_happens_again():
    """SC-1, CH-01, CH-02: nothing in the first minute, then both quotes anew almost every cycle, and nobody fills."""
    runs = [result_of("churn-baseline", 300, seed=seed) for seed in range(3)]
    assert all(run.holds for run in runs)
    middle = medians([run.document()["metrics"] for run in runs])
    rows = {row["t_s"]: (row["placed"], row["cancelled"], row["filled"]) for row in middle["timeline"]}
    assert list(rows) == list(INCIDENT)
    assert rows[60] == INCIDENT[60]
    for at in (180, 240, 300):
        *wanted, nobody = INCIDENT[at]
        *sent, filled = rows[at]
        assert sent == pytest.approx(wanted, rel=0.25), at
        assert filled == nobody
    assert middle["zero_action_share"] < 0.3
    assert middle["modify_share"] == 0
    assert 25 < middle["calls_per_min"] < 45


def test_the_incident_quotes_by_its_own_numbers():
    """Every six seconds both sides, 10 bps away by the recorded kappas, from 70 s on; 7 % of the allowance are left."""
    running = running_of("churn-baseline", 120, seed=1)
    metrics = run(running, 1).metrics
    assert metrics.quoting.startup_s == pytest.approx(71, abs=1)
    began = next(row for row in metrics.timeline if row.placed)
    assert began.t_s == 120
    causes = metrics.trader.cycles_by_cause
    assert sum(causes.values()) == 20
    assert metrics.trader.cycles_one_sided == 0
    belief = metrics.markets["ETH"].belief
    assert belief.kappa in (1_169, 1_176, 1_194)
    assert belief.half_spread_bps == pytest.approx(1e4 / belief.kappa + 1.5, abs=0.01)
    assert metrics.alerts["quota_low"] == 1
    used = metrics.allowances
    assert 9_300 < used.actions_used < 9_400
    assert used.actions_cap == 10_000


# --- ten times the load, and modifies in every disorder -----------------------------------------


def test_ten_times_the_load_meets_no_limit():
    """RL-01, RL-08, C-11: with the pace and the venue's own numbers nothing is turned away, and both sides rest."""
    result = result_of("churn-load", 180, seed=0)
    assert result.holds
    assert result.metrics.allowances.refused == {}
    assert result.metrics.quoting.two_sided_of_fresh_pct > 98
    assert result.metrics.trader.kept_by_layer["pacing"] > 500


def test_ten_times_the_load_with_wrong_numbers_meets_them():
    """So the scenario can fail: nobody slows down, and the trader thinks that it may do a hundred times as much."""
    wrong = (
        "trader.budget.pacing=off",
        "trader.desk.quota_aware=off",
        "trader.budget.limits.address.initial=1_000_000",
    )
    result = result_of("churn-load", 180, *wrong, seed=0)
    failed = {each.name for each in result.expectations if not each.holds}
    assert {"orders.rejected_by_reason.quota_exhausted", "allowances.actions_used"} <= failed


# --- what is said of the allowance --------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "by"), [("too_rich", 1_000_000), ("too_rich", 500), ("too_many", 500), ("backwards", 20)]
)
def test_a_lie_about_the_allowance_does_not_last(what, by):
    """Whether it was believed meanwhile or not: a minute or two after it the trader's count is the venue's again."""
    lie = f'faults=[{{kind="false_quota",at_s=40,duration_s=70,what="{what}",by={by}}}]'
    running = running_of("false-quota", 200, lie, seed=1)
    result = run(running, 1)
    budget, truth = running.trader.core.budget, result.metrics.allowances
    assert result.metrics.faults[0].injected >= 1
    assert budget.cap == truth.actions_cap
    assert truth.actions_used <= budget.used <= truth.actions_used + 50, "more only by what was on its way"
    assert budget.quota.doubt is None


def test_the_count_of_actions_outlives_a_crash():
    """No answer tells the second life what was used: it goes on with the first one's count, and that is the venue's."""
    crash = '{kind="crash",at_s=60,duration_s=5}, {kind="false_quota",at_s=55,duration_s=94,what="missing"}'
    running = running_of("crash", 150, f"faults=[{crash}]", "venue.actions_used=9900", seed=1)
    truth = run(running, 1).metrics.allowances
    core = running.trader.core
    assert core.life == 2
    assert core.budget.quota.reports == 0
    assert (core.budget.used, core.budget.cap) == (truth.actions_used, truth.actions_cap)
