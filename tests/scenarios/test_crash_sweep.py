"""A sweep: every death survived, each the one that its scenario file gives, the run itself as if nothing were (S30).

The whole of it, at every point of a minute, is `tox -e crashes`.
"""

import json

import pytest
from msgspec.structs import replace

from domain.errors import ConfigError
from runtime.log import MemoryLog
from scenarios.build import build
from scenarios.crashes import Loss, Plan, die_again, journal_problems, look, sweep
from scenarios.loader import load
from scenarios.runner import run
from scenarios.swarm import look_at
from sim.points import Point
from studies.sabotage import installed
from studies.sabotages.lives import NO_INTENTS, TORN_TAIL_IS_FATAL

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")

EVERYWHERE = "crash-everywhere"
RACES = 'faults=[{kind="cancel_race", at_s=4, duration_s=6, share=0.3, fill=0.5, requests=["modify", "cancel"]}]'
SHORT = ("duration_s=32", RACES)
"""Twelve seconds with deaths, and twenty to heal."""
FEW = ("duration_s=26", RACES)
"""Six seconds, in which it begins to quote."""


def deaths_of(plan, most=2):
    found = []
    result = sweep(plan, most, lambda *each: found.append(each))
    return result, sorted(found, key=lambda each: each[0].index)


def without_time(result, *left_out):
    document = result.document()
    return {key: value for key, value in document.items() if key not in ("wall", *left_out)}


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_death_at_every_twentieth_point_is_survived():
    """S1-S15 hold in every life, it comes to quote again, and journal, trader and venue agree in the end."""
    plan = Plan(source=EVERYWHERE, overrides=SHORT, every=20, loss=Loss.TORN)
    plain, points = look(plan)
    result, found = deaths_of(plan)
    assert [(death.name, death.failed) for death, _ in found if death.failed] == []
    assert [death.index for death, _ in found] == list(range(0, len(points), 20))
    assert len(found) > 25
    assert {death.point for death in points} == set(Point)
    assert sum(death.lost_bytes for death, _ in found) > 1_000
    assert len({death.digests for death, _ in found}) > len(found) / 2
    assert (result.journal_digest, result.world_digest) == (plain.journal_digest, plain.world_digest)


def test_the_run_that_forks_is_the_run_that_does_not():
    """To the last figure: what its children do is nothing to it."""
    plan = Plan(source=EVERYWHERE, overrides=FEW, every=60)
    result, found = deaths_of(plan)
    assert len(found) > 3
    armed = run(plan.build(Point.TOLD, 10**9, MemoryLog()), 0)
    assert without_time(result) == without_time(armed)
    plain = run(build(load(EVERYWHERE, FEW), 0, MemoryLog()), 0)
    ours, theirs = (without_time(each, "expectations", "holds") for each in (result, plain))
    assert ours["metrics"].pop("faults")[:-1] == theirs["metrics"].pop("faults")
    assert ours == theirs


@pytest.mark.parametrize("loss", Loss)
def test_a_death_is_that_of_its_scenario_file(loss):
    """What a fork found is found again from the start, by the number of its point."""
    plan = Plan(source=EVERYWHERE, overrides=FEW, every=89, seed=3, loss=loss)
    _, found = deaths_of(plan)
    assert (sum(death.lost_bytes for death, _ in found) > 0) is (loss is not Loss.NONE)
    last = {death.point: death for death, _ in found}
    assert {Point.TOLD, Point.WRITTEN} <= set(last)
    for death in last.values():
        assert die_again(plan, death.point, death.number) == death.digests


def test_what_is_found_does_not_depend_on_how_many_processes_look():
    """Children come home in any order, with the same news."""
    plan = Plan(source=EVERYWHERE, overrides=FEW, every=60)
    news = [
        [(death.name, death.t_s, death.failed, death.digests) for death, _ in deaths_of(plan, most)[1]]
        for most in (1, 3)
    ]
    assert news[0] == news[1]


def test_the_bounds_of_a_scenario_are_for_the_run_without_a_death():
    """Whether the world was met, and how well it went, is another question than whether a death is survived."""
    bounds = ('expect.alerted=["kill"]', 'expect.most={"fills"=1}', "expect.fills_min=10000")
    plan = Plan(source=EVERYWHERE, overrides=(*FEW, *bounds))
    assert len(plan.scenario().expect.least) == 1
    result = run(plan.build(Point.TOLD, 60, MemoryLog()), 0)
    assert result.metrics.faults[-1].injected == 1
    assert [outcome for outcome in result.expectations if not outcome.holds] == []
    halted = Plan(source=EVERYWHERE, overrides=(*FEW, "expect.halted=true"))
    assert halted.build(Point.TOLD, 60, MemoryLog()).setup.expect.halted, "how it is to end is no bound"


def test_a_trader_that_forgets_its_intents_is_found_and_found_again(tmp_path):
    """The harness can fail: without the record of its decisions no life knows the orders of the one before."""
    plan = Plan(source=EVERYWHERE, overrides=FEW, every=40)
    with installed(NO_INTENTS):
        _, found = deaths_of(plan)
        red = [(death, failure) for death, failure in found if death.failed]
        death, failure = next(each for each in red if each[1].name == "S30")
        path = failure.write(tmp_path)
        again = run(build(load(str(path.with_suffix(".toml"))), failure.seed, MemoryLog()), failure.seed)
    assert failure.repeat == f"makerlab run {path.with_suffix('.toml')} --seed 0"
    assert (again.journal_digest, again.world_digest) == death.digests
    assert again.violations[0].name == "S30"
    assert (failure.failed, failure.digest) == (death.failed, death.digests[0])
    assert failure.tail
    assert look_at(failure.scenario, failure.seed)[0].holds, "without the sabotage nothing fails"


def test_a_journal_that_nobody_can_read_is_a_finding():
    """Also where the child, asked for the tail of it, cannot tell."""
    plan = Plan(source=EVERYWHERE, overrides=FEW, every=120, loss=Loss.TORN)
    with installed(TORN_TAIL_IS_FATAL):
        _, found = deaths_of(plan)
    red = [failure for death, failure in found if death.lost_bytes]
    assert red
    assert all("JournalError" in json.dumps([each.text for each in failure.failed]) for failure in red)


def test_a_journal_that_disagrees_with_the_venue():
    """Protects the last look: a position that differs, and a fill that the journal does not tell of."""
    running = build(load(EVERYWHERE, FEW), 0, MemoryLog())
    run(running, 0)
    assert list(journal_problems(running)) == []
    venue, account = running.world.venue, running.session.account
    venue.accounts[account].positions[next(iter(running.world.instruments))] += 1
    venue.fills(account).append(replace(venue.fills(account)[-1], tid=4711))
    assert [text.split()[0] for text in journal_problems(running)] == ["positions", "fills"]


@pytest.mark.parametrize(
    ("source", "overrides", "text"),
    [
        (EVERYWHERE, ("duration_s=20", RACES), "duration_s: found 20, want more than 20: after a death"),
        ("hl-btc-l4", (), "market.recording: found hl-btc-l4, want a world with a trader"),
        ("crash-nowhere", (), "did you mean crash-everywhere"),
    ],
)
def test_a_world_in_which_nothing_can_die_or_heal_is_named(source, overrides, text):
    """Before anything runs."""
    with pytest.raises(ConfigError, match=text.replace("?", r"\?")):
        Plan(source=source, overrides=overrides).scenario()
