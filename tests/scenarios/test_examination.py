"""The trials at the end of a run: each comes about in a sound world, and each finds what it is there to find."""

from dataclasses import fields

import pytest
from msgspec.structs import replace

from domain.commands import Place, Request
from domain.errors import ConfigError
from domain.events import Feed
from domain.units import NS_PER_S, Side
from exchange_adapters.simulated import KeepAlive
from makerlab.figures import sections
from makerlab.swarm import silence
from orchestrator.risk.kill_switch import KillSwitch
from orchestrator.risk.liquidation import LiquidationWatch
from runtime.log import MemoryLog
from scenarios import examination
from scenarios.assemble import Running
from scenarios.build import build
from scenarios.drawing import draw
from scenarios.examination import TIMERS_LEFT
from scenarios.loader import load, load_tree
from scenarios.probes import Probe
from scenarios.result import Ended, Metrics
from scenarios.runner import run
from sim.venue.hands import Hands
from tests.scenarios.runs import result_of

ALL = tuple(Probe)
DURATION_S = 60.0
CANCELS_LOST = {
    "kind": "request_lost",
    "at_s": DURATION_S - 1.0,
    "duration_s": 1e6,
    "share": 1.0,
    "requests": ["cancel"],
}
"""From just before the end on no cancel reaches the venue any more."""


@pytest.fixture(autouse=True)
def quiet():
    """What the traders alert is no news to a test."""
    silence()


def tried(*probes, extends="eth-volatile", duration_s=DURATION_S, seed=7, **more):
    """A run that is put to some trials, with its result."""
    expect = dict.fromkeys(("fills_min", "rejected_pct_max", "two_sided_of_fresh_pct_min"), "off")
    tree = {
        "extends": extends,
        "name": "tried",
        "duration_s": duration_s,
        "probes": [str(probe) for probe in probes],
        "expect": expect,
        **more,
    }
    running = build(load_tree(tree, "tried"), seed, MemoryLog())
    return running, run(running, seed)


def judged(result):
    """What the run says of its trials as a whole: what was measured, and whether that holds."""
    return next((each.measured, each.holds) for each in result.expectations if each.name == "trials")


def found(result):
    return {(violation.name, violation.text.split(":")[0]) for violation in result.violations}


@pytest.mark.parametrize("extends", ["eth-volatile", "two-markets"])
def test_a_sound_trader_passes_all_of_them(extends):
    """Withdraws and comes back, is killed, stays killed over a death, and leaves nothing."""
    running, result = tried(*ALL, extends=extends)
    assert tuple(running.probed) == ALL
    assert result.metrics.probes == dict.fromkeys(map(str, ALL), "passed")
    assert judged(result) == ("all", True)
    assert result.violations == []
    assert (result.ended, result.reason) == (Ended.COMPLETED, None), "a kill on trial is no end of the run"
    assert [end.how for end in running.driver.ends] == ["killed", "stopped"]
    assert running.trader.core.halt_reason.startswith("liquidation: ETH order")
    assert running.truth.resting() == ()


def test_the_figures_of_a_run_are_those_before_its_trials():
    """Uptime, gates and counts belong to the run: a trial that takes the quotes away is not the trader's failing."""
    plain, tried_out = tried()[1].metrics, tried(*ALL)[1].metrics
    assert plain.quoting.two_sided_pct == tried_out.quoting.two_sided_pct
    assert plain.quoting.gated_s == tried_out.quoting.gated_s
    assert plain.trader == tried_out.trader
    assert plain.duration_s == tried_out.duration_s


def test_how_every_order_ended_is_told():
    """What was placed is cancelled, filled or refused; where a trial follows some have no end yet, and that is said."""
    plain = {"profile": "plain"}  # a modified order ends, too
    orders = tried(trader=plain)[1].metrics.orders
    assert (orders.modified, orders.unended, orders.resting) == (0, 0, 0)
    assert orders.placed == orders.ended_cancelled + orders.ended_filled + orders.rejected
    _, result = tried(Probe.KILL, trader=plain)
    orders = result.metrics.orders
    assert orders.unended >= orders.resting > 0
    assert orders.placed == orders.ended_cancelled + orders.ended_filled + orders.rejected + orders.unended
    rows = {row.name: row for section in sections(result) for row in section.rows}
    assert (rows["without an end"].value, rows["filled"].value) == (str(orders.unended), str(orders.ended_filled))
    under_way = orders.unended - orders.resting
    assert rows["without an end"].note.startswith(f"{orders.resting} rested, {under_way} under way")
    assert rows["requests per minute"].note == f"{result.metrics.requests} in all, up to the first trial"
    assert (rows["kill"].value, rows["kill"].note) == ("passed", "")


def test_a_trial_that_is_not_held_is_told_and_fails_the_run():
    """A restart of a trader that nobody killed, a kill with nothing at rest: whoever asks for one hears of it."""
    _, result = tried(Probe.RESTART, Probe.LEAKS)
    assert result.metrics.probes == {
        "restart": "not held: the trader was not killed, neither in the run nor by the trial before",
        "leaks": "passed",
    }
    assert judged(result) == ("without restart", False)
    assert not result.holds
    _, result = tried(Probe.STALE_DATA, Probe.KILL, duration_s=10.0)
    nothing = "not held: nothing of the trader rested at the venue"
    assert result.metrics.probes == {"stale_data": nothing, "kill": nothing}
    assert judged(result) == ("without stale_data, kill", False)
    assert result.document()["metrics"]["probes"] == result.metrics.probes


def test_a_trial_may_be_left_out_where_that_is_said():
    """Drawn worlds say it: nobody knows beforehand what state their trader will be in."""
    assert draw(1, 300.0).tree["expect"]["trials_left_out"] is True
    tree = {"extends": "eth-quiet", "name": "x", "duration_s": DURATION_S, "probes": ["restart"]}
    running = build(
        load_tree({**tree, "expect": {"trials_left_out": True, "rejected_pct_max": "off"}}, "x"), 7, MemoryLog()
    )
    result = run(running, 7)
    assert judged(result) == ("without restart", True)
    assert result.holds


AT_THE_END = {
    "checks",
    "probes",
    "position_difference",
    "adjustments_left",
    "pnl_difference_usd",
    "resting_orders_at_end",
    "unknown_orders_at_end",
}
"""What both sides agree on, and what the rules looked at, is of the run with all its trials."""


def test_no_expectation_is_met_by_a_trial():
    """Fills, money, requests, alerts and what faults did: all are those before a trial kills, cuts and restarts."""
    (one, untried), (running, tried_out) = tried(Probe.RESTART), tried(*ALL)
    assert (one.probed, tuple(running.probed)) == ([], ALL), "nobody restarts a trader that was not killed"
    assert {"crash", "message_loss"} <= {injected.kind for injected in running.injected}
    assert running.alerts["kill"] == 2, "of the life that was killed, and of the one that came back"
    for field in fields(Metrics):
        if field.name not in AT_THE_END:
            assert getattr(tried_out.metrics, field.name) == getattr(untried.metrics, field.name), field.name
    assert tried_out.metrics.faults == []
    assert "kill" not in tried_out.metrics.alerts


def test_without_trials_nothing_is_done():
    """The default is the run that it always was."""
    assert load("eth-volatile").probes == ()
    running, result = tried()
    assert running.probed == []
    assert result.journal_digest == result_of("eth-volatile", DURATION_S).journal_digest


def test_quotes_that_stay_on_old_data_are_found():
    """Cancels that never arrive: whoever only looks at what was asked would not see it."""
    running, result = tried(Probe.STALE_DATA, faults=[CANCELS_LOST])
    assert running.probed == [Probe.STALE_DATA]
    assert result.metrics.probes == {"stale_data": "failed"}
    assert ("S20", "probe") in found(result)


def test_a_trader_that_does_not_kill_is_found(monkeypatch):
    """It heard of its liquidation, and trades on."""
    monkeypatch.setattr(LiquidationWatch, "_latch", lambda *_: None)
    _, result = tried(Probe.KILL)
    assert result.metrics.probes == {"kill": "failed"}
    assert found(result) == {("S23", "probe")}


def test_a_kill_that_the_trial_brings_about_is_its_own_whoever_told(monkeypatch):
    """Where it hears of its liquidation is its own affair: what counts is the reason that it gives."""
    monkeypatch.setattr(examination, "liquidation_in", lambda _: None)
    running, result = tried(Probe.KILL)
    assert running.probed == [Probe.KILL]
    assert result.ended is Ended.COMPLETED


def test_a_kill_for_another_reason_is_the_end_of_the_run(monkeypatch):
    """What risk finds while nobody is told of a liquidation is no trial's doing, and is told as what it is."""

    tree = {"extends": "eth-volatile", "name": "x", "duration_s": DURATION_S, "probes": ["kill"]}
    running = build(load_tree(tree, "x"), 7, MemoryLog())
    monkeypatch.setattr(Hands, "call_margin", lambda *_: running.trader.core.kill_switch.latch("drawdown: too deep"))
    result = run(running, 7)
    assert running.probed == []
    assert (result.ended, result.reason) == (Ended.HALTED, "drawdown: too deep")


def test_a_kill_that_leaves_orders_is_found():
    """Latched, and its cancels never arrive."""
    running, result = tried(Probe.KILL, faults=[CANCELS_LOST])
    assert running.probed == [Probe.KILL]
    assert ("S23", "probe") in found(result)


def test_a_kill_that_is_forgotten_is_found(monkeypatch):
    """The latch has to outlive the process."""
    monkeypatch.setattr(KillSwitch, "restore", lambda *_: None)
    running, result = tried(Probe.KILL, Probe.RESTART)
    assert running.probed == [Probe.KILL, Probe.RESTART]
    assert ("S23", "probe") in found(result)


def test_one_that_was_killed_in_the_run_is_restarted_too():
    """No trial killed it: it ends halted, as it would without; nobody tries to kill it twice."""
    running, result = tried(*ALL, extends="risk-loss", duration_s=300.0)
    assert running.probed == [Probe.RESTART, Probe.LEAKS]
    assert result.ended is Ended.HALTED
    assert result.violations == []


def test_what_is_left_behind_is_found():
    """An order after the end, a request that the venue forgot, timers without an owner."""
    tree = {"extends": "eth-volatile", "name": "x", "duration_s": 60.0, "probes": ["leaks"], "expect": {"fills_min": 0}}
    running = build(load_tree(tree, "x"), 7, MemoryLog())
    running.world._waiting[-1] = None
    sent = []
    running.session.on_send.append(lambda command, _: sent.append(command))
    running.world.env.call_in(NS_PER_S, place_again_after_the_end, running, sent)
    for _ in range(TIMERS_LEFT + 1):
        keeper = KeepAlive.__new__(KeepAlive)
        running.world.env.call_in(100 * NS_PER_S, keeper._on_overdue)
    violations = run(running, 7).violations
    assert "S11" in {violation.name for violation in violations}
    assert [violation.text for violation in violations if violation.name == "S27"] == [
        "leaks: 1 requests without an answer at the venue 15 s after the end",
        f"leaks: {TIMERS_LEFT + 1} timers wait 15 s after the end",
    ]


def place_again_after_the_end(running, sent):
    """An order of the trader rests once more, as if it had been under way all the time."""
    if running.driver.is_running:
        running.world.env.call_in(NS_PER_S, place_again_after_the_end, running, sent)
        return
    places = [action for command in sent if isinstance(command, Request) for action in command.actions]
    place = next(action for action in reversed(places) if isinstance(action, Place) and action.side is Side.BUY)
    running.world.venue.hands.soon(
        lambda: running.world.venue.hands.trade(running.session.account, replace(place, px=place.px - 1_000))
    )


STAYS = (
    ({"kind": "request_lost", "share": 1.0, "links": ["order_socket"]}, True),
    ({"kind": "disconnect", "feeds": ["user"]}, False),
    ({"kind": "duplicate", "share": 0.3}, True),
)


@pytest.mark.parametrize(("fault", "quotes"), STAYS, ids=lambda value: value["kind"] if isinstance(value, dict) else "")
def test_liveness_is_judged_in_spite_of_what_stays(fault, quotes):
    """A way that never comes back: quotes rest where another one is left, and all else is judged in any case."""
    running, result = tried(
        Probe.LEAKS,
        duration_s=200.0,
        faults=[{**fault, "at_s": 40.0, "duration_s": 1e6}],
        checks={"despite": [fault["kind"]]},
    )
    assert result.violations == []
    assert (result.metrics.quoting.two_sided_pct > 50) is quotes
    assert running._scope.calm_since == 0
    assert result.metrics.checks["L2"] > 0
    assert result.metrics.checks["L3"] + result.metrics.checks["L1"] > 100


def test_a_killed_trader_is_not_waited_for_where_the_failure_stays():
    """What stays is never over: a run that waited for its end would go on with a trader that may do nothing."""
    twice = {"kind": "duplicate", "at_s": 1.0, "duration_s": 1e6, "share": 0.1}
    _, result = tried(extends="risk-loss", duration_s=300.0, faults=[twice], checks={"despite": ["duplicate"]})
    assert result.ended is Ended.HALTED
    assert result.metrics.duration_s < 250
    assert result.violations == []


@pytest.mark.parametrize(("kind", "is_lost"), [("disconnect", True), ("duplicate", False)])
def test_only_who_has_to_live_without_the_account_has_lost_it(kind, is_lost):
    """A cut of some seconds, in a world in which something else stays, is a cut of some seconds."""
    faults = [{"kind": kind, "at_s": 500.0, "duration_s": 1e6}]
    tree = {"extends": "eth-volatile", "name": "x", "faults": faults, "checks": {"despite": [kind]}}
    running = build(load_tree(tree, "x"), 7, MemoryLog())
    assert not running.has_lost_user_feed
    running.session.hold(Feed.USER)
    assert running.has_lost_user_feed is is_lost


def test_a_trader_that_does_not_come_back_is_found_although_something_stays():
    """Whoever does not quote while messages come twice has no excuse in that they do."""
    loses = {"kind": "request_lost", "at_s": 40.0, "duration_s": 1e6, "share": 1.0, "requests": ["place", "modify"]}
    _, blamed = tried(duration_s=200.0, faults=[loses], checks={"despite": ["request_lost"]})
    _, excused = tried(duration_s=200.0, faults=[loses])
    assert "L1" in {name for name, _ in found(blamed)}
    assert "L1" not in {name for name, _ in found(excused)}


def test_a_failure_that_is_not_there_cannot_stay():
    """A kind that the scenario does not have is a mistake, and is named."""
    with pytest.raises(ConfigError) as error:
        load("duplicates", ['checks.despite=["reorder"]'])
    (problem,) = error.value.problems
    assert problem.path == "duplicates: checks.despite[0]"
    assert problem.want == "the kind of a fault of this scenario (duplicate)"


def test_nobody_is_restarted_who_could_not_read_the_account(monkeypatch):
    """Seed 1626: a life without the account's connection never hears what was paid since the one before."""
    monkeypatch.setattr(Running, "has_lost_user_feed", True)
    running, result = tried(Probe.RESTART, extends="risk-loss", duration_s=300.0)
    assert result.metrics.probes == {"restart": "not held: the account's connection never comes back"}
    assert len(running.driver.ends) == 1
