"""Figures by their path: what a scenario may ask for, what is measured, what is named as wrong."""

import inspect
import re
from pathlib import Path

import pytest

from domain.errors import ConfigError
from domain.events import ChannelKind
from orchestrator.desk.data_quality import QuoteGateReason
from orchestrator.desk.terms import LimitsGate
from orchestrator.risk.monitors import monitors_of
from orchestrator.risk.watch import RiskConfig
from orchestrator.sync.health import SyncState
from scenarios.alert_names import ALERT_NAMES
from scenarios.endurance import SIZES
from scenarios.expectations import Expect, evaluate
from scenarios.figures import FaultFigures, OrderCounts, TimelineRow, TraderFigures
from scenarios.figures_by_path import measure, wrong_step
from scenarios.invariants.alerting import ALERTS
from scenarios.loader import library, load
from scenarios.result import Metrics, RunResult
from sim.envelope import RequestKind
from sim.faults import FAULTS
from sim.faults.base import STRIKES
from sim.faults.crash import Crash
from tests.scenarios.runs import outcome, result_of, running_of

METRICS = Metrics(
    fills=3,
    healed_after_s=None,
    zero_action_share=0.75,
    timeline=[TimelineRow(60.0, 1, 1, 1)],
    orders=OrderCounts(modified=5, rejected_by_reason={"margin": 2}),
    trader=TraderFigures(),
    faults=[
        FaultFigures("crash", 0.0, 1.0, 2, {"crashes": 2, "resting": 7}),
        FaultFigures("crash", 5.0, 6.0, 1, {"crashes": 1}),
    ],
)


@pytest.mark.parametrize(
    ("path", "figure"),
    [
        ("fills", 3),
        ("orders.modified", 5),
        ("orders.rejected_by_reason.margin", 2),
        ("orders.rejected_by_reason.halted", 0),
        ("faults.crash.injected", 3),
        ("faults.crash.resting", 7),
        ("faults.crash.strikes", 0),
        ("faults.stall.stalls", None),
        ("healed_after_s", None),
        ("zero_action_share", 0.75),
        ("calls_per_fill", None),
        ("timeline", None),
        ("orders", None),
    ],
)
def test_a_figure_is_found_by_its_path(path, figure):
    """Counts of nothing are 0; what was not measured is no number, and faults of a kind are added up."""
    assert measure(METRICS, path) == figure


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        ("orders.modified", None),
        ("trader.actions_refused.not_open", None),
        ("markets.ETH.inventory.end_usd", None),
        ("healed_after_s", None),
        ("recoveries.max_s", None),
        ("faults.crash.resting", None),
        ("faults.stall.stalls", "stall: no fault of the scenario (crash)"),
        ("faults.crash", "faults: a kind of fault and one of its counts"),
        ("orders.modifed", "modifed: none of"),
        ("orders.modified.more", "more: nothing is below orders.modified"),
        ("orders", "orders: no number"),
        ("timeline", "timeline: no number"),
        ("timeline.0", "0: nothing is below timeline"),
    ],
)
def test_a_path_without_a_figure_is_named(path, wrong):
    """A typo would be an expectation that never holds, or one that always does."""
    found = wrong_step(path, {"crash": Crash.figures})
    assert found is None if wrong is None else found.startswith(wrong)


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        ("faults.crash.injected", None),
        ("faults.crash.crush", "crush: none of crashes, injected, resting"),
        ("faults.crash.strikes", "strikes: none of"),
        ("trader.actions_refused.typo", "typo: none of"),
        ("orders.rejected_by_reason.typo", "typo: none of"),
        ("alerts.sidewaits", "sidewaits: none of"),
        ("alerts.side_waits", None),
        ("checks.S99", "S99: none of"),
        ("endurance.sizes.order.peak", "order: none of calls"),
        ("endurance.sizes.orders.peak", None),
        ("markets.ETH.fills", None),
        ("markets.ETJ.fills", "ETJ: none of ETH"),
        ("position_difference.ETJ", "ETJ: none of ETH"),
        ("trader.drift_causes.anything", "anything: no bound from above"),
    ],
)
def test_a_bound_from_above_that_nothing_could_break(path, wrong):
    """What is never counted is never too much: a name that does not exist would hold for ever."""
    found = wrong_step(path, {"crash": Crash.figures}, {"ETH"}, is_most=True)
    assert found is None if wrong is None else found.startswith(wrong)


def test_free_names_may_be_asked_for_at_least():
    """A typo there never holds, and is seen at once."""
    assert wrong_step("trader.drift_causes.anything", {}) is None


@pytest.mark.parametrize("kind", FAULTS, ids=lambda kind: kind.__module__.rpartition(".")[2])
def test_every_fault_names_its_counts(kind):
    """Those of its code are those of its list, and those of its description."""
    source = Path(inspect.getfile(kind)).read_text()
    counted = re.findall(r'(?:counts\[|follow\()"(\w+)"', source)
    said = re.findall(r"`(\w+)`", kind.install.__doc__)
    assert {*counted, *said} <= {*kind.figures}
    families = {*RequestKind, *ChannelKind} if "by its name" in kind.install.__doc__ else set()
    assert {*kind.figures} <= {*counted, *said, *families}


def test_counts_of_a_run_are_those_that_were_named():
    """Also where the name of a count is made as it goes."""
    declared = {kind().kind: {*kind.figures, STRIKES} for kind in FAULTS}
    figures = result_of("storm", 120).metrics.faults
    assert len({each.kind for each in figures if each.counts}) > 10
    assert [(each.kind, each.counts) for each in figures if not {*each.counts} <= declared[each.kind]] == []


def test_the_loader_takes_what_the_faults_of_the_scenario_count():
    """Each by its own list; strikes, where there can be several."""
    load("crash", ['expect.most={"faults.crash.crashes"=9}'])
    for typo in (
        '"faults.crash.typo"=0',
        '"alerts.sidewaits"=0',
        '"trader.actions_refused.typo"=0',
        '"markets.BTC.fills"=0',
    ):
        with pytest.raises(ConfigError, match="none of"):
            load("crash", [f"expect.most={{{typo}}}"])


def test_sizes_that_are_looked_at_are_those_that_can_be_asked_for():
    """A size with another name could not be asked for."""
    running = running_of("eth-quiet", 20)
    running.start()
    assert {*running.sizes()} == SIZES


def test_every_alert_of_the_code_has_its_name_in_the_list():
    """And every name that the list, the rule about alerts and the library ask for is one that the code can say."""
    said = set()
    for room in ("domain", "orchestrator", "runtime"):
        for path in Path(room).rglob("*.py"):
            source = path.read_text()
            said |= set(re.findall(r'Alert\(\s*Severity\.\w+,\s*"(\w+)"', source))
            said |= set(re.findall(r'_tell\(\s*Severity\.[^"]*?"(\w+)"', source))
            said |= set(re.findall(r'^(?:[A-Z_]+) = "(\w+)"$', source, re.MULTILINE)) & ALERT_NAMES
    said |= {*QuoteGateReason, LimitsGate.MISMATCH, LimitsGate.BELOW_LOT} | {f"sync_{state}" for state in SyncState}
    said |= {f"risk_{monitor.name}" for monitor in monitors_of(RiskConfig())}
    assert said - {"sync_healthy"} == ALERT_NAMES
    assert {name for told in ALERTS.values() for name in told.names} <= ALERT_NAMES
    assert {name for each in library() for name in load(each).expect.alerted} <= ALERT_NAMES


def test_least_and_most_are_expectations_of_their_own():
    """Each path is a line of the table with its own bound; on the bound it holds, without a figure it does not."""
    result = RunResult("name", 0, metrics=METRICS)
    least = {"orders.modified": 5, "fills": 4, "healed_after_s": 0}
    evaluated = evaluate(Expect(least=least, most={"orders.rejected_by_reason.margin": 1}), result)
    result.expectations = evaluated
    found = {name: (outcome(result, name).bound, outcome(result, name).holds) for name in least}
    assert found == {
        "orders.modified": (">= 5", True),
        "fills": (">= 4", False),
        "healed_after_s": (">= 0", False),
    }
    most = outcome(result, "orders.rejected_by_reason.margin")
    assert (most.bound, most.measured, most.holds) == ("<= 1", 2, False)


def test_a_file_with_a_wrong_path_does_not_load():
    """All of them are named, before anything runs."""
    with pytest.raises(ConfigError) as caught:
        load("eth-quiet", ['expect.least={"orders.modifed"=1,"faults.crash.crashes"=1}', 'covers=["A99"]'])
    lines = [str(problem) for problem in caught.value.problems]
    assert len(lines) == 3
    assert any("expect.least: found modifed: none of" in line for line in lines)
    assert any("crash: no fault of the scenario (none)" in line for line in lines)
    assert any('covers[0]: found "A99"' in line for line in lines)


def test_a_figure_keeps_its_whole_name():
    """`calls_per_min` is a figure and no bound: its last word stays; a bound's own name says what was measured."""
    result = RunResult("x", 0, metrics=Metrics(calls_per_min=4.0, fills=3))
    found = evaluate(Expect(fills_min=1, most={"calls_per_min": 5}), result)
    assert [(each.name, each.holds) for each in found[-2:]] == [("fills", True), ("calls_per_min", True)]
