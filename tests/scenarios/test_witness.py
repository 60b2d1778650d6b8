"""The situations of a search: each of them is counted where it happens, and nowhere else."""

from collections import Counter
from types import SimpleNamespace

import pytest

from domain.alerts import KILL
from domain.commands import Alert, Place, QueryFills, Request, Route, Severity
from domain.events import Feed, FeedDown, Reason, Restored
from domain.units import NS_PER_S, Side, Tif
from runtime.log import MemoryLog
from scenarios.build import build
from scenarios.loader import load, load_tree
from scenarios.runner import run
from scenarios.sometimes import SITUATIONS, Facts, meetings
from scenarios.witness import Witness

NAMES = [situation.name for situation in SITUATIONS]


def met_in(name, *overrides, seed=7):
    """What a run of a shipped scenario meets."""
    running = build(load(name, overrides), seed, MemoryLog())
    witness = Witness(running)
    result = run(running, seed)
    return meetings(witness, running, result.metrics)


def test_the_catalogue_names_each_once():
    """A name twice would hide one of the two."""
    assert len(set(NAMES)) == len(NAMES) == 82
    assert all(situation.what and not situation.what.endswith(".") for situation in SITUATIONS)


@pytest.mark.parametrize(
    ("scenario", "duration_s", "met", "not_met"),
    [
        (
            "fill-before-ack",
            90,
            {"fill_before_ack"},
            {"restart_with_orders", "killed", "adl_fill", "fill_while_down"},
        ),
        ("cancel-fill-race", 90, {"fill_overtakes_cancel", "fill_during_cancel"}, {"duplicate_fill", "forced_fill"}),
        ("duplicates", 90, {"duplicate_fill"}, {"crash_before_ack", "dead_man_fired"}),
        ("dead-man", 215, {"dead_man_fired", "restart_with_orders"}, {"quota_exhausted", "killed"}),
        ("risk-loss", 300, {"killed"}, {"restart_with_orders", "crash_before_send"}),
        ("tick-change", 120, {"grid_changed"}, {"halted_market", "too_many_requests"}),
        ("funding", 190, {"funding_booked"}, {"forced_fill"}),
        ("journal-full", 90, {"journal_lost"}, {"journal_waited"}),
        ("half-open-user", 220, {"no_pong"}, {"clock_was_wrong"}),
    ],
)
def test_a_scenario_meets_what_it_is_about(scenario, duration_s, met, not_met):
    """Scenarios that were written for one situation are the proof of its probe."""
    found = met_in(scenario, f"duration_s={duration_s}", "expect.healed_after_s_max=off")
    assert {name for name in met if not found[name]} == set()
    assert {name: found[name] for name in not_met if found[name]} == {}


def test_a_quiet_market_meets_little():
    """A probe that counts everywhere tells nothing."""
    found = met_in("eth-quiet", "duration_s=90")
    few = {"fill_after_end", "fill_during_cancel", "terminal_before_fill", "cancel_of_filled", "fill_overtakes_cancel"}
    few |= {"nonce_beside_clock", "data_conflated", "position_flipped", "partial_then_cancelled", "post_only_refused"}
    few |= {"self_cross_held_back", "limit_held_back", "limit_long", "limit_short", "fill_before_ack"}
    assert {name for name, count in found.items() if count} <= few


def test_listening_changes_nothing():
    """The same digests with and without a witness."""
    digests = []
    for is_watched in (True, False):
        running = build(load("crash", ["duration_s=130", "expect.healed_after_s_max=off"]), 3, MemoryLog())
        if is_watched:
            Witness(running)
        result = run(running, 3)
        digests.append((result.journal_digest, result.world_digest, result.events))
    assert digests[0] == digests[1]


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_met_where_nothing_happened(name):
    """Each is zero of a run that has no facts."""
    metrics = build(load("eth-quiet"), 1, MemoryLog()).observer.finish(0)
    situation = SITUATIONS[NAMES.index(name)]
    assert not situation.count(Facts(Counter(), metrics, {}, 0, 0))


def test_what_a_world_was_drawn_with_is_met_where_it_was_at_work():
    """Trials that came about, ties that were reordered, a failure that stayed and did something."""
    tree = {
        "extends": "two-markets",
        "name": "x",
        "duration_s": 60.0,
        "ties": {"kind": "random"},
        "probes": ["stale_data", "kill", "restart", "leaks"],
        "links": {"user_data": {"jitter_ms": 0.0}},
        "faults": [{"kind": "duplicate", "at_s": 10.0, "duration_s": 1e6}],
        "checks": {"despite": ["duplicate"]},
        "market": {"more": [{"profile": "eth-volatile", "instrument": {"name": f"A{i}", "asset": i}} for i in (2, 3)]},
        "expect": {"fills_min": "off"},
    }
    names = ("tie_reordered", "failure_stayed", "many_instruments", "probed_kill", "probed_restart", "probed_leaks")
    running = build(load_tree(tree, "x"), 7, MemoryLog())
    witness = Witness(running)
    met = meetings(witness, running, run(running, 7).metrics)
    assert {name: bool(met[name]) for name in (*names, "probed_stale_data")} == dict.fromkeys(
        (*names, "probed_stale_data"), True
    )
    plain = met_in("two-markets", "duration_s=60")
    assert not any(plain[name] for name in (*names, "probed_stale_data"))


# --- what is under way ------------------------------------------------------------------------------

PLACE = Place("ETH", "0x1", Side.BUY, 1, 1, Tif.ALO)
FILLS = QueryFills(0)
KILLED = Alert(Severity.CRITICAL, KILL, "")
LOST = FeedDown(Feed.USER, 1, Reason.NO_PONG, 0)
NEXT_LIFE = Restored(2, 7)
WAYS = ("kill_in_flight", "lost_in_recovery", "crash_before_send", "crash_before_ack", "restart_in_recovery")


@pytest.mark.parametrize("after_s", [1, 29, 31, 600])
@pytest.mark.parametrize(
    ("action", "has_left", "events", "commands", "met"),
    [
        (PLACE, True, (), (KILLED,), {"kill_in_flight"}),
        (FILLS, True, (), (KILLED,), set()),
        (FILLS, True, (LOST,), (), {"lost_in_recovery"}),
        (PLACE, True, (LOST,), (), set()),
        (PLACE, False, (NEXT_LIFE,), (), {"crash_before_send"}),
        (PLACE, True, (NEXT_LIFE,), (), {"crash_before_ack"}),
        (FILLS, True, (NEXT_LIFE,), (), {"restart_in_recovery"}),
    ],
)
def test_what_nobody_answers_for_long_is_not_under_way(action, has_left, events, commands, met, after_s):
    """A question that was lost minutes ago is no recovery that a kill, a loss or a death falls into.

    The next life begins long after the death: what was under way is told by the moment of that.
    """
    running = build(load("eth-quiet"), 1, MemoryLog())
    witness = Witness(running)
    request = Request("1", Route.SOCKET, 1, None, (action,))
    witness.step(10 * NS_PER_S, (), (request,))
    if has_left:
        witness._on_send(request, 10 * NS_PER_S)
    now = (10 + after_s) * NS_PER_S
    running.driver.ends.append(SimpleNamespace(at=now))
    witness.step(now + (100 * NS_PER_S if NEXT_LIFE in events else 0), events, commands)
    assert {name for name in WAYS if witness.met[name]} == (met if after_s < 30 else set())
