"""The rules about control, rates, bounds and liveness: green on what is sound, red once it is broken by hand."""

import ast
import re
from collections import deque
from inspect import getsource
from textwrap import dedent
from types import SimpleNamespace

import pytest
from msgspec.structs import replace

from domain.commands import Alert, Cancel, Connect, Modify, Place, QueryOrder, Route, ScheduleCancel, Severity
from domain.events import (
    BboChanged,
    Feed,
    FeedDown,
    FeedUp,
    InstrumentLimits,
    KillReset,
    OpenOrdersReport,
    OrderStatus,
    OrderStatusReport,
    Reason,
    Refused,
    Replied,
    Resting,
    Restored,
    RestoredOrder,
)
from domain.orders import Certainty, InFlight, OrderState, TrackedOrder
from domain.units import NS_PER_MS, USD, Ns, Side, Tif, seconds
from exchange_adapters.nonces import NonceSource
from orchestrator.connectivity import signer
from orchestrator.desk import unwinding
from orchestrator.desk.data_quality import QuoteGateReason
from orchestrator.desk.desk import STARTING, WARMING
from orchestrator.desk.terms import LimitsGate
from orchestrator.gate import TradingGate
from orchestrator.risk.monitors import MONITORS
from orchestrator.sync import foreign, watch
from scenarios.alert_names import ALERT_NAMES
from scenarios.invariants import bounded
from scenarios.invariants.alerting import ALERTS, QUIET
from scenarios.invariants.base import Bounds
from scenarios.invariants.limits import HardLimits, Sizes
from scenarios.invariants.liveness import BELOW_LOT, MAY_LAST, MISMATCH, RECOVERS, TURNED_AWAY, WHILE_IT_MOVES
from scenarios.invariants.rates import OF_A_STATE
from scenarios.invariants.without import WITHOUT
from scenarios.loader import library, load
from sim.faults import FAULTS
from tests.scenarios.bench import DECISION, ETH, Bench, S, answer, order_truth, resting, update
from tests.scenarios.runs import running_of


@pytest.fixture
def bench():
    return Bench()


def place(cloid="c1", px=100, sz=5, *, side=Side.BUY, reduce_only=False):
    return Place(ETH, cloid, side, px, sz, Tif.ALO, reduce_only)


def fault(kind="disconnect", *, is_active=False, starts_at=0, ends_at=0):
    return SimpleNamespace(kind=kind, is_active=is_active, starts_at=starts_at, ends_at=ends_at, injected=1, tally={})


def both_sides(bench, *, px=(99, 101)):
    """A bid and an ask that the venue and the trader agree on."""
    for oid, side, price in ((1, Side.BUY, px[0]), (2, Side.SELL, px[1])):
        bench.truth.rest.append(resting(oid, side, price, cloid=f"c{oid}"))
        bench.truth.orders[oid] = order_truth(oid, px=price, cloid=f"c{oid}")
        order = bench.order(f"c{oid}", side, price)
        order.advance(OrderState.OPEN, Ns(1))
        order.in_flight = InFlight.NONE
    bench.step()
    bench.block(updates=(update(1, cloid="c1"), update(2, cloid="c2")))


def test_a_sound_minute_breaks_nothing(bench):
    """Protects the red tests below: none of them may be red for another reason."""
    bench.scope.bounds = Bounds(stale=Ns(300 * S))
    for feed in Feed:
        bench.hear(FeedUp(feed, 1, 0))
    bench.hear(BboChanged(ETH, 1, 0, (99, 5, 1), (101, 5, 1)))
    both_sides(bench)
    bench.pass_time(200)
    assert bench.checker.violations == []
    counts = bench.checker.counts()
    assert [rule for rule in ("S24", "S28", "L1", "L2", "L6", "L8") if not counts[rule]] == []


# --- the kill ------------------------------------------------------------------------------------


def test_s23_placed_after_the_kill(bench):
    """Not in the decision that latches it, and not later; what reduces may go."""
    bench.belief.halt_reason = "a loss"
    bench.send(place("c1", reduce_only=True))
    assert "S23" not in bench.broken
    bench.send(Modify("c0", 9, place("c2")))
    assert bench.says("S23", "placed after the kill (a loss)")


def test_s23_announced_and_not_latched(bench):
    """What people are told is so, and in the same decision; anything else is a kill that was lifted on its way."""
    kill = Alert(Severity.CRITICAL, "kill", "a loss")
    bench.belief.halt_reason = "a loss"
    bench.step(commands=(kill,))
    assert "S23" not in bench.broken
    bench = Bench()
    bench.step(commands=(kill,))
    assert bench.says("S23", "announced and is not latched: a loss")


def test_s23_rests_after_the_kill(bench):
    """It takes its time, a fault may be in the way, and then it has to be gone."""
    both_sides(bench)
    bench.belief.halt_reason = "a loss"
    bench.scope.calm_since = None
    bench.pass_time(30)
    bench.scope.calm_since = Ns(30 * S)
    bench.pass_time(39)
    assert "S23" not in bench.broken
    bench.pass_time(43)
    assert bench.says("S23", "2 orders rest")


def test_s23_lifted_by_nobody(bench):
    """A kill ends by a person; an exception or a new state of the market is none."""
    bench.belief.halt_reason = "a loss"
    bench.pass_time(2)
    bench.belief.halt_reason = None
    bench.pass_time(3)
    assert bench.says("S23", "lifted by nobody")


def test_s23_a_person_lifts_it(bench):
    """That is what people are for."""
    bench.belief.halt_reason = "a loss"
    bench.pass_time(2)
    bench.belief.halt_reason = None
    bench.hear(KillReset("somebody"))
    bench.send(place())
    assert "S23" not in bench.broken


def test_s23_forgotten_by_the_next_life(bench):
    """The latch is written down, or it is worth nothing."""
    bench.belief.halt_reason = "a loss"
    bench.pass_time(2)
    bench.run.alerts["kill"] = 1
    bench.bind()
    bench.belief.halt_reason = "a loss"
    bench.hear(Restored(2, 0, kill="a loss"))
    assert "S23" not in bench.broken
    bench.bind()
    bench.hear(Restored(3, 0))
    assert bench.says("S23", "does not know that trading was killed")


def test_s23_what_never_left_is_known_to_nobody(bench):
    """A decision that could not be written down is not carried out: neither its kill nor the alert of it."""
    bench.belief.halt_reason = "a loss"
    bench.pass_time(2)
    bench.bind()
    bench.belief.halt_reason = None
    bench.hear(Restored(2, 0))
    assert "S23" not in bench.broken


def test_s23_a_life_that_could_not_begin_has_lifted_nothing(bench):
    """On a full disk not even what the lives before left is taken in: such a life withdraws and ends."""
    bench.belief.halt_reason = "a loss"
    bench.pass_time(2)
    bench.run.alerts["kill"] = 1
    bench.bind()
    bench.belief.halt_reason = None
    bench.pass_time(4)
    assert "S23" not in bench.broken
    bench.bind()
    bench.hear(Restored(2, 0))
    assert bench.says("S23", "does not know that trading was killed")


def test_s23_nobody_is_told(bench):
    """Who is told nothing does not look; and the next life may not know."""
    bench.belief.halt_reason = "a loss"
    bench.pass_time(2)
    assert "S23" not in bench.broken
    bench.pass_time(100)
    assert bench.says("S23", "nobody was told of a kill")


def test_s23_the_switch_that_did_not_fire(bench):
    """What the venue was asked to cancel at a time is gone then; a switch that is put off is another time."""
    both_sides(bench)
    bench.truth.due = 10 * S
    bench.pass_time(8)
    bench.truth.due = 20 * S
    bench.pass_time(15)
    assert "S23" not in bench.broken
    bench.truth.due = None
    bench.pass_time(25)
    assert "S23" not in bench.broken, "taken back"
    bench.truth.due = 30 * S
    bench.pass_time(33)
    assert bench.says("S23", "after the dead-man switch")


def test_s23_the_switch_that_fired_and_cancelled_nothing(bench):
    """The venue forgets the time in the block in which it fires: what rests then from before is left over."""
    bench.truth.due = 10 * S + S // 2
    bench.pass_time(9)
    bench.truth.rest.append(resting())
    bench.pass_time(10)
    compared = bench.checker.counts()["S23"]
    bench.truth.due = None
    bench.pass_time(11)
    assert bench.checker.counts()["S23"] == compared + 1
    assert bench.says("S23", "1 orders rest after the dead-man switch")


def test_s23_the_switch_that_fired(bench):
    """What came after its time is not its business, and a new time is another affair."""
    bench.truth.due = 10 * S
    bench.pass_time(9)
    bench.truth.rest.append(replace(resting(), placed_at=Ns(10 * S)))
    bench.truth.due = 30 * S
    bench.pass_time(20)
    assert "S23" not in bench.broken


# --- the process ---------------------------------------------------------------------------------


def test_s28_gone_without_a_word(bench):
    """A crash fault starts it again; otherwise somebody has to know why it is gone."""
    bench.run.is_running, bench.run.is_between_lives = False, True
    bench.pass_time(10)
    assert "S28" not in bench.broken
    bench.run.is_between_lives = False
    bench.pass_time(20)
    assert bench.says("S28", "nobody has said why")


@pytest.mark.parametrize(
    ("alerts", "rest", "words"),
    [({}, [], "nobody was told"), ({"core_failed": 1}, [resting()], "left 1 orders"), ({"core_failed": 1}, [], None)],
)
def test_s28_an_end_by_failure(bench, alerts, rest, words):
    """It has a name, people were told, and nothing is left."""
    bench.run.is_running, bench.run.failure, bench.run.alerts = False, "core_failed", alerts
    bench.truth.rest = rest
    bench.pass_time(10)
    assert ("S28" in bench.broken) is (words is not None)
    assert words is None or bench.says("S28", words)


def test_s28_asleep_behind_its_deadline(bench):
    """Whoever wants to be woken and is not is dead and does not know it."""
    bench.belief.next_deadline = lambda: Ns(2 * S)
    bench.pass_time(6)
    assert "S28" not in bench.broken
    bench.pass_time(10)
    assert bench.says("S28", "sleeps")


def test_s30_a_life_that_does_not_know_what_rests(bench):
    """The journal tells it every order that may rest."""
    bench.truth.rest = [resting(1, cloid="c1"), resting(2, cloid="c2")]
    bench.hear(Restored(1, 0))
    assert "S30" not in bench.broken, "the first life has no past"
    bench.hear(Restored(2, 0, (RestoredOrder(ETH, "c1", Side.BUY, 100, 5),)))
    assert bench.says("S30", "order 2")
    assert bench.checker.n_violations == 1


def test_l8_no_reason_and_no_quotes(bench):
    """The trader says that something is in the way, and the desk knows of nothing."""
    bench.belief.phase = "resync"
    bench.desk.gate = "resync"
    bench.pass_time(10)
    assert "L8" not in bench.broken
    bench.desk.gate = None
    bench.pass_time(20)
    assert bench.says("L8", "the trader says: resync")


@pytest.mark.parametrize("why", ["nothing", "in flight", "in doubt", "full", "held back", "gated", "standing still"])
def test_l8_quotes_that_are_nowhere(bench, why):
    """Who says that it quotes has orders there, or on their way, or no room: also while a fault strikes."""
    bench.scope.calm_since = None
    for number, side in enumerate(Side):
        if why in {"in flight", "in doubt"}:
            order = bench.order(f"c{number}", side, 99 + 2 * number)
            order.in_flight = InFlight.PLACE if why == "in flight" else InFlight.NONE
            order.certainty = Certainty.UNKNOWN if why == "in doubt" else Certainty.KNOWN
    if why == "full":
        bench.desk.limit.capacity = lambda side, position: 0
    bench.scope.is_held_back = lambda name, side, now: why == "held back"
    bench.desk.gate = "resync" if why == "gated" else None
    bench.belief.phase = bench.desk.gate or "quoting"
    bench.pass_time(60, deciding=why != "standing still")
    assert "L8" not in bench.broken
    bench.pass_time(65, deciding=why != "standing still")
    assert bench.says("L8", "no ask", "says that it quotes") is (why == "nothing")


def test_l8_something_without_a_name(bench):
    """Every state has one."""
    bench.belief.phase = ""
    bench.pass_time(1)
    assert bench.says("L8", "without a name")


# --- rates ---------------------------------------------------------------------------------------


def test_s24_turned_away(bench):
    """By a limit that the trader knows and that nobody else uses up; looked at every five seconds."""
    bench.pass_time(5)
    bench.truth.refused = {"open_orders": 3}
    bench.pass_time(10)
    assert "S24" not in bench.broken, "that is no question of how much is asked"
    bench.truth.squeezed, bench.truth.refused = True, {"messages": 1}
    bench.pass_time(15)
    assert "S24" not in bench.broken, "others use it up"
    bench.truth.squeezed = False
    bench.pass_time(120)
    bench.truth.squeezed = True
    bench.block(now=Ns(121 * S + 300))
    bench.truth.squeezed, bench.truth.refused = False, {"messages": 2}
    bench.pass_time(130)
    assert "S24" not in bench.broken, "a moment of it was enough"
    bench.pass_time(245)
    assert "S24" not in bench.broken
    bench.truth.refused = {"messages": 3}
    bench.pass_time(250)
    assert bench.says("S24", "1 requests met the limit of messages")


def test_s24_others_between_two_blocks(bench):
    """A venue that stands still makes no block in which it could be seen (found by seed 2438)."""
    squeeze = fault("shared_ip")
    bench.run.faults.append(squeeze)
    bench.pass_time(125)
    squeeze.injected, bench.truth.refused = 2, {"messages": 1}
    bench.pass_time(130)
    assert "S24" not in bench.broken
    bench.pass_time(250)
    bench.truth.refused = {"messages": 2}
    bench.pass_time(255)
    assert bench.says("S24", "1 requests met the limit of messages")


def test_s24_numbers_that_the_trader_does_not_have(bench):
    """It can only keep to what it knows."""
    bench.scope.is_limited = False
    bench.truth.refused = {"messages": 2}
    bench.pass_time(30)
    assert "S24" not in bench.broken


def test_s24_cancels_behind_placements(bench):
    """What takes risk away goes first."""
    requests = [bench.send(place("c1"), leaves=False), bench.send(Cancel(ETH, "c1"), leaves=False)]
    assert "S24" not in bench.broken
    bench.step(commands=(requests[1], requests[0]))
    assert "S24" not in bench.broken
    bench.step(commands=requests)
    assert bench.says("S24", "wait behind placements")


def refuse(bench, action, n, *, reason=Reason.MIN_NOTIONAL, every=1):
    """Send the same again and again; each is refused before the next one leaves."""
    for _ in range(n):
        request = bench.send(action, now=bench.t + every * S)
        bench.hear(Replied(request.request_id, 0, (Refused(reason, "no"),)))


@pytest.mark.parametrize("action", [place(), Modify("c1", 1, place("c2")), Cancel(ETH, "c1"), ScheduleCancel(9)])
def test_s25_a_fourth_time(bench, action):
    """Whatever it is: three times no is no."""
    refuse(bench, action, 3)
    assert "S25" not in bench.broken
    refuse(bench, action, 1)
    assert bench.says("S25", "refused 4 times")


@pytest.mark.parametrize("reason", [Reason.NOT_OPEN, Reason.MISSING_CLOID])
def test_s25_one_refusal_of_many(bench, reason):
    """One answer to many cancels is meant for all of them only where it speaks of the payload (`storm`, seed 13)."""
    for _ in range(3):
        request = bench.send(Cancel(ETH, "c1"), Cancel(ETH, "c2"), now=bench.t + S)
        bench.hear(Replied(request.request_id, 0, (Refused(reason, "no"),)))
    refuse(bench, Cancel(ETH, "c2"), 1, reason=reason)
    assert ("S25" in bench.broken) is (reason is Reason.MISSING_CLOID)


def test_s25_after_a_minute(bench):
    """Then it may be tried again."""
    refuse(bench, place(), 3)
    bench.t += 61 * S
    refuse(bench, place(), 3)
    assert "S25" not in bench.broken


@pytest.mark.parametrize(
    ("action", "answer"),
    [
        (place(), Resting(1, "c1")),
        (Cancel(ETH, "c1"), OrderStatusReport(0, update(1, cloid="c1"))),
        (Cancel(ETH, "c1"), OpenOrdersReport(0, (resting(1, cloid="c1"),))),
    ],
    ids=["accepted", "said to be open", "listed"],
)
def test_s25_in_a_row(bench, action, answer):
    """What the venue says otherwise in between begins a new row."""
    refuse(bench, action, 3, reason=Reason.NOT_OPEN)
    question = action if isinstance(action, Place) else QueryOrder("c1")
    request = bench.send(question, now=bench.t + S)
    bench.hear(Replied(request.request_id, 0, (answer,)))
    refuse(bench, action, 3, reason=Reason.NOT_OPEN)
    assert "S25" not in bench.broken
    refuse(bench, action, 1, reason=Reason.NOT_OPEN)
    assert "S25" in bench.broken


@pytest.mark.parametrize("reason", sorted(OF_A_STATE))
def test_s25_what_a_state_forbids(bench, reason):
    """Other prices, the same answer: as long as the venue is halted, any of them is futile."""
    for n in range(20):
        refuse(bench, place(px=60 + n), 1, reason=reason)
    assert "S25" not in bench.broken
    refuse(bench, place(px=99), 1, reason=reason)
    assert bench.says("S25", "21 requests refused within a minute", str(reason))


def test_s25_what_a_state_forbids_now_and_then(bench):
    """Twenty a minute, for ever: nobody else would know that the state is over. What speaks of the book is no state."""
    levels = [place(f"c{n}", px=60 + n) for n in range(9)]
    for _ in range(60):
        request = bench.send(*levels, now=bench.t + 3 * S)
        bench.hear(Replied(request.request_id, 0, (Refused(Reason.HALTED, "no"),) * 9))
    for n in range(60):
        refuse(bench, place(px=60 + n), 1, reason=Reason.POST_ONLY_WOULD_CROSS)
    assert "S25" not in bench.broken


@pytest.mark.parametrize(
    ("reason", "market", "is_broken"),
    [
        (Reason.UNKNOWN_SIGNER, "SOL", False),
        (Reason.HALTED, ETH, False),
        (Reason.CANCEL_ONLY, ETH, False),
        (Reason.HALTED, "SOL", True),
        (Reason.POST_ONLY_MODE, ETH, True),
        (Reason.OPEN_INTEREST, ETH, True),
    ],
)
def test_s25_an_order_that_is_taken(bench, reason, market, is_broken):
    """Then the key is right and the refusals were bad luck, and that market is open again: the next time is another.

    Of a state in which some orders are taken it says nothing (found by seed 1314: a market that closed twice).
    """
    for n in range(11):
        refuse(bench, place(px=60 + n), 2, reason=reason)
        request = bench.send(replace(place(px=80 + n), instrument=market), now=bench.t + S)
        bench.hear(Replied(request.request_id, 0, (Resting(n, "c1"),)))
    assert ("S25" in bench.broken) is is_broken


def test_s25_an_order_that_left_before_is_taken(bench):
    """What was under way when the market closed may be answered late: of the market as it is now it says nothing."""
    early = bench.send(place(px=50))
    for n in range(20):
        refuse(bench, place(px=60 + n), 1, reason=Reason.HALTED)
    bench.hear(Replied(early.request_id, 0, (Resting(1, "c1"),)))
    assert "S25" not in bench.broken
    refuse(bench, place(px=99), 1, reason=Reason.HALTED)
    assert bench.says("S25", "21 requests refused within a minute")


def test_s25_what_is_no_repetition(bench):
    """Another price is another request; a moment's refusal says nothing of the next moment."""
    for px in range(95, 105):
        refuse(bench, place(px=px), 1)
    refuse(bench, place(), 10, reason=Reason.POST_ONLY_WOULD_CROSS)
    requests = [bench.send(place()) for _ in range(6)]
    for request in requests:
        bench.hear(Replied(request.request_id, 0, (Refused(Reason.MARGIN, "no"),)))
    assert "S25" not in bench.broken, "all of them were under way before the first answer"


def test_s26_too_often(bench):
    """The venue counts connections, too."""
    most = bench.truth.limits.socket.new_connections
    for _ in range(most):
        bench.step(commands=(Connect(Feed.USER),))
    assert "S26" not in bench.broken
    bench.step(commands=(Connect(Feed.USER),))
    assert bench.says("S26", f"{most + 1} attempts")


def test_s26_without_chance(bench):
    """Two waits alike to the nanosecond: everybody who was thrown out comes back at the same moment."""
    for wait in (1_000, 1_500, 1_500):
        bench.hear(FeedDown(Feed.USER, 1, Reason.OTHER, 0))
        assert "S26" not in bench.broken
        bench.t += wait - 1
        bench.step(commands=(Connect(Feed.USER),))
    assert bench.says("S26", "no chance in them")


@pytest.mark.parametrize("reason", [Reason.RATE_LIMITED, Reason.TOO_MANY_IN_FLIGHT, Reason.QUOTA_EXHAUSTED])
def test_s26_at_once_again(bench, reason):
    """Whoever was told that it is too much waits before the next placement; what reduces may go."""
    refused = bench.send(place("c1"))
    bench.hear(Replied(refused.request_id, 0, (Refused(reason, "no"),)))
    bench.send(place("c2", reduce_only=True), now=bench.t + S // 2)
    assert "S26" not in bench.broken
    bench.send(place("c3"), now=bench.t + S)
    assert "S26" not in bench.broken
    refused = bench.send(place("c4"))
    bench.hear(Replied(refused.request_id, 0, (Refused(reason, "no"),)))
    bench.send(place("c5"), now=bench.t + S // 2)
    assert bench.says("S26", "turned away for being too much")


def test_l7_turned_away_again_and_again(bench):
    """With nothing left each refusal costs as well: that is a spiral."""
    bench.truth.counted, bench.scope.is_limited = (10_000, 10_000), False
    bench.desk.gate = "quota"
    bench.pass_time(5)
    bench.truth.refused = {"actions": 6}
    bench.pass_time(10)
    assert "L7" not in bench.broken
    bench.truth.refused = {"actions": 7}
    bench.pass_time(15)
    assert bench.says("L7", "7 refusals")


def test_l7_gives_up(bench):
    """One action every ten seconds is granted, and it is taken while something is missing."""
    bench.truth.counted = (10_000, 10_000)
    bench.scope.is_held_back = lambda *_: True
    bench.pass_time(50)
    bench.truth.counted = (10_001, 10_000)
    bench.pass_time(110)
    assert "L7" not in bench.broken
    bench.pass_time(120)
    assert bench.says("L7", "no action for")


# --- bounds --------------------------------------------------------------------------------------


class Keeper:
    """Something that keeps things."""

    def __init__(self):
        self.things = deque()
        self.table = {}


@pytest.fixture
def keeper(bench, monkeypatch):
    """One that counts as a part of the venue."""
    monkeypatch.setattr(bounded, "is_ours", lambda value: isinstance(value, Keeper))
    bench.truth.kept = [Keeper()]
    return bench.truth.kept[0]


def test_s27_grows_without_an_end(bench, keeper):
    """A container nobody has named is small."""
    keeper.things.extend(range(bounded.ANYTHING))
    bench.checker.end(Ns(1))
    assert "S27" not in bench.broken
    keeper.things.append(0)
    bench.checker.end(Ns(2))
    assert bench.says("S27", "Keeper.things has 1201 entries")


def test_s27_looks_into_what_is_kept(bench, keeper, monkeypatch):
    """A container inside an object inside a container; a named one has its own cap."""
    inner = keeper.table[1] = Keeper()
    inner.things.extend(range(2_000))
    monkeypatch.setattr(bounded, "CAPS", {"Keeper.things": 2_000})
    bench.checker.end(Ns(1))
    assert "S27" not in bench.broken
    inner.things.append(0)
    bench.checker.end(Ns(2))
    assert bench.says("S27", "the cap is 2000")


@pytest.mark.parametrize(
    ("put", "words"),
    [
        (lambda keeper, many: keeper.things.append(many), "Keeper.things[] has 1201 entries"),
        (lambda keeper, many: keeper.table.update({1: many}), "Keeper.table[] has 1201 entries"),
        (lambda keeper, many: keeper.table.update({1: {"x": [many]}}), "Keeper.table[][][] has 1201 entries"),
        (lambda keeper, many: setattr(keeper, "table", (1, many)), "Keeper.table[] has 1201 entries"),
    ],
    ids=["in a queue", "in a map", "deep", "in a tuple"],
)
def test_s27_containers_in_containers(bench, keeper, put, words):
    """A queue for each instrument grows as well as one for all."""
    many = list(range(bounded.ANYTHING))
    put(keeper, many)
    bench.checker.end(Ns(1))
    assert "S27" not in bench.broken
    many.append(0)
    bench.checker.end(Ns(2))
    assert bench.says("S27", words)


def test_s27_all_that_a_process_of_ours_keeps():
    """Orders of the trader, its way to the venue, the venue itself."""
    order = TrackedOrder(ETH, "c1", Side.BUY, 100, 5, Tif.ALO, Ns(0))
    assert bounded.is_ours(order)
    assert bounded.is_ours(NonceSource())
    assert ("TrackedOrder", "fill_tids", 0) in set(bounded.containers(order))
    assert not any(bounded.is_ours(each) for each in (1, "text", Side.BUY, Bench, SimpleNamespace()))


def test_s27_in_a_run():
    """What grows in the trader, or between it and the venue, is seen wherever it is kept."""
    running = running_of("eth-volatile", 60)
    running.start()
    running.world.run(seconds(40))
    desk = next(iter(running.trader.core.desks.values()))
    order = next(iter(desk.tracker.orders.values()))
    desk.fill_tracker._pending[0].extend([None] * 50_000)
    order.fill_tids.extend(range(50_000))
    running.adapter.hoard = [0] * 50_000
    running.checker.end(running.world.env.now)
    found = {key for violation in running.checker.violations if violation.name == "S27" for key in violation.keys}
    assert found == {"FillTracker._pending[]", "TrackedOrder.fill_tids", "SimulatedAdapter.hoard"}


# --- liveness ------------------------------------------------------------------------------------


def one_side(bench):
    both_sides(bench)
    bench.truth.rest.pop()
    bench.truth.orders[2].status = OrderStatus.CANCELED
    bench.tracker.orders.pop("c2").advance(OrderState.CANCELLED, Ns(2))
    bench.block(updates=(update(2, OrderStatus.CANCELED, Reason.REQUESTED, "c2"),))


def test_l1_a_side_is_missing(bench):
    """A minute without it is a minute too long."""
    one_side(bench)
    bench.pass_time(60)
    assert "L1" not in bench.broken
    bench.pass_time(65)
    assert bench.says("L1", "no ask")


def test_l1_time_counts_from_the_last_fault(bench):
    """While something is wrong nothing is asked; from its end on a minute is given."""
    one_side(bench)
    bench.scope.calm_since = None
    bench.pass_time(100)
    bench.scope.calm_since = Ns(100 * S)
    bench.pass_time(155)
    assert "L1" not in bench.broken
    bench.pass_time(165)
    assert "L1" in bench.broken


def test_l1_progress_is_given_time(bench):
    """Both sides once, and the minute begins anew."""
    one_side(bench)
    bench.pass_time(50)
    bench.truth.rest.append(resting(3, Side.SELL, 101, cloid="c3"))
    bench.order("c3", Side.SELL, 101).advance(OrderState.OPEN, Ns(1))
    bench.step()
    bench.block(updates=(update(3, cloid="c3"),))
    bench.pass_time(55)
    bench.truth.rest.pop()
    bench.tracker.orders.pop("c3").advance(OrderState.CANCELLED, Ns(2))
    bench.block(updates=(update(3, OrderStatus.CANCELED, Reason.REQUESTED, "c3"),))
    bench.pass_time(110)
    assert "L1" not in bench.broken


@pytest.mark.parametrize("gate", sorted(MAY_LAST))
def test_l1_a_decision_is_no_lack(bench, gate):
    """Risk and a person may say no for as long as they like."""
    bench.desk.gate = gate
    bench.pass_time(200)
    assert "L1" not in bench.broken


@pytest.mark.parametrize("gate", [*sorted(RECOVERS), "warming: kappa", "a gate that nobody has named"])
def test_l1_what_a_fault_left_behind(bench, gate):
    """What was broken has to come back; an excuse that nobody has named is none."""
    bench.desk.gate = bench.belief.phase = gate
    bench.pass_time(70)
    assert bench.says("L1", f"it says: {gate}")


@pytest.mark.parametrize("gate", sorted(WHILE_IT_MOVES))
def test_l1_a_halt_lasts_no_longer_than_what_halted(bench, gate):
    """While the venue's price has just run; three minutes after it stood still the patience of L1 begins."""
    bench.desk.gate = bench.belief.phase = gate
    bench.pass_time(20)
    bench.truth.top = (110, 112)
    bench.pass_time(230)
    assert "L1" not in bench.broken
    bench.pass_time(270)
    assert bench.says("L1", f"it says: {gate}")


def test_l1_terms_excuse_while_they_differ(bench):
    """The venue's terms are other than ours: nobody can trade. Once they are ours again, there is a minute."""
    bench.desk.gate = bench.belief.phase = "limits_mismatch"
    bench.truth.stated = InstrumentLimits(ETH, 4, 100, 20, 1_000, px_step=10)
    bench.pass_time(200)
    assert "L1" not in bench.broken
    bench.truth.stated = InstrumentLimits(ETH, 4, 100, 20, 1_000)
    bench.pass_time(270)
    assert bench.says("L1", "it says: limits_mismatch")


@pytest.mark.parametrize(("most", "is_excused"), [(0, True), (1, False)])
def test_l1_a_limit_below_a_lot(bench, most, is_excused):
    """It is an excuse where the venue leaves less than a lot."""
    bench.scope.limits = HardLimits(1e6)
    bench.desk.gate = bench.belief.phase = "limit_below_lot"
    bench.truth.stated = InstrumentLimits(ETH, 4, 100, 20, most)
    bench.pass_time(100)
    assert ("L1" not in bench.broken) is is_excused


def test_l1_a_halt_for_too_many_requests_counts_from_the_last_of_them(bench):
    """A venue that goes on turning requests away is in the way; one that has stopped is not, a minute later."""
    bench.desk.gate = bench.belief.phase = "rate_limit"
    for second in range(30, 200, 30):
        bench.truth.refused = {"posts_in_flight": second}
        bench.pass_time(second)
    assert "L1" not in bench.broken
    bench.truth.refused = {"open_orders": 1, "posts_in_flight": 180}  # the last was seen at 151 s
    bench.pass_time(210)
    assert "L1" not in bench.broken
    bench.pass_time(215)
    assert bench.says("L1", "it says: rate_limit")


def test_l1_a_halt_for_too_many_requests_counts_so_whatever_was_said_meanwhile(bench):
    """Seed 3086 of a search: its questions were turned away and it said "unsynced"; only then it named the halt."""
    bench.desk.gate = bench.belief.phase = "unsynced"
    for second in range(1, 40):
        bench.truth.refused = {"ip_weight": second}
        bench.pass_time(second)
    bench.desk.gate = bench.belief.phase = "rate_limit"
    bench.pass_time(95)
    assert "L1" not in bench.broken
    bench.pass_time(105)
    assert bench.says("L1", "it says: rate_limit")


def test_l1_requests_turned_away_excuse_nothing_else(bench):
    """What is not the halt has its minute, whatever the venue turns away."""
    bench.desk.gate = bench.belief.phase = "unsynced"
    for second in range(1, 65):
        bench.truth.refused = {"ip_weight": second}
        bench.pass_time(second)
    assert bench.says("L1", "it says: unsynced")


def gates_of_the_trader():
    """Every name that the trader has for a reason not to quote."""
    words = {str(each) for kind in (QuoteGateReason, LimitsGate) for each in kind}
    words |= {monitor.name for monitor in MONITORS}
    words |= {signer.GATE, unwinding.GATE, watch.GATE, foreign.GATE, STARTING, WARMING}
    for method in (TradingGate.reason, TradingGate._picture):
        code = ast.walk(ast.parse(dedent(getsource(method))))
        words |= {node.value for node in code if isinstance(node, ast.Constant) and _is_word(node.value)}
    return words


def _is_word(value):
    return isinstance(value, str) and value.isidentifier()


def test_every_gate_of_the_trader_is_judged():
    """Each name stands in exactly one list: a new one must say whether it may last, and no list has a name too many."""
    lists = (MAY_LAST, WHILE_IT_MOVES, {MISMATCH, BELOW_LOT, TURNED_AWAY}, RECOVERS)
    assert gates_of_the_trader() == frozenset().union(*lists)
    assert sum(map(len, lists)) == len(gates_of_the_trader())


def test_l1_no_room_for_a_side(bench):
    """At the limit one side is all that can be quoted; refusals make a side wait."""
    one_side(bench)
    bench.desk.inventory.position = bench.desk.inventory.opening_position = -9
    bench.truth.positions[ETH] = -9
    bench.pass_time(100)
    assert "L1" not in bench.broken
    bench.desk.inventory.position = bench.desk.inventory.opening_position = 0
    bench.scope.is_held_back = lambda name, side, now: side is Side.SELL
    bench.pass_time(200)
    assert "L1" not in bench.broken


@pytest.mark.parametrize("why", ["nothing", "position", "margin", "gross"])
def test_l1_no_room_is_seen_at_the_venue(bench, why):
    """A trader that takes itself for full is believed where position, money or all positions show it."""
    one_side(bench)
    bench.scope.limits = HardLimits(1_000 / 1e6, 1.0)
    bench.scope.limits.look(bench.truth, bench.belief.desks)
    bench.desk.limit.capacity = lambda side, position: 0
    if why == "position":
        bench.truth.positions[ETH] = bench.desk.inventory.position = bench.desk.inventory.opening_position = -6
    bench.truth.tied_up = 0.6 if why == "margin" else 0.1
    bench.truth.worth = 600_000 if why == "gross" else 0
    bench.pass_time(70)
    assert ("L1" in bench.broken) is (why == "nothing")


@pytest.mark.parametrize(
    ("position", "side_lots", "gross", "is_excused"),
    [
        (-8, 2, 0, True),
        (-8, 9, 0, False),
        (-7, 2, 0, False),
        (-4, 9, 950_000, True),
        (-4, 9, 850_000, False),
        (4, 9, 950_000, False),
    ],
)
def test_l1_sizes_that_shrink_below_the_least_order(bench, position, side_lots, gross, is_excused):
    """Seed 593 of a search: room for five of the least orders, and a size that has shrunk to less than one (RK-22)."""
    one_side(bench)
    sizes = Sizes(side_usd=side_lots * 100 / USD, position_soft=0.7, gross_soft=0.7)
    bench.scope.limits = HardLimits(1_000 / USD, 1.0, sizes)
    bench.scope.limits.look(bench.truth, bench.belief.desks)
    bench.truth.positions[ETH] = bench.desk.inventory.position = bench.desk.inventory.opening_position = position
    bench.truth.worth = gross
    bench.pass_time(70)
    assert ("L1" not in bench.broken) is is_excused


def test_l1_sizes_shrink_for_nobody_whose_position_the_venue_does_not_show(bench):
    """What the trader takes for near its limit is far from it."""
    one_side(bench)
    bench.scope.limits = HardLimits(1_000 / USD, None, Sizes(side_usd=200 / USD, position_soft=0.7))
    bench.scope.limits.look(bench.truth, bench.belief.desks)
    bench.desk.inventory.position = bench.desk.inventory.opening_position = -8
    bench.pass_time(70)
    assert bench.says("L1", "no ask")


def test_l1_a_record_with_a_gap(bench):
    """Nobody can quote on a market that nobody has recorded."""
    bench.desk.gate = bench.belief.phase = "stale_data"
    bench.run.is_recorded = True
    bench.pass_time(70)
    assert "L1" not in bench.broken


def disagree_on_a_state(bench):
    bench.truth.orders[1].status = OrderStatus.CANCELED
    return "at the venue it is canceled"


def disagree_on_fills(bench):
    bench.truth.orders[1].filled = 2
    return "with 2 filled"


def disagree_on_a_price(bench):
    bench.truth.rest[0] = resting(1, px=98, cloid="c1")
    bench.truth.orders[1].px = 98
    return "5 lots at 98"


def one_that_only_we_have(bench):
    order = bench.order("c9", Side.BUY, 99)
    order.advance(OrderState.OPEN, Ns(bench.t))
    order.in_flight = InFlight.NONE
    return "the venue does not know it"


def one_that_only_the_venue_has(bench):
    bench.truth.rest.append(resting(9, cloid="c9"))
    return "is not among ours"


@pytest.mark.parametrize(
    "disagree",
    [
        disagree_on_a_state,
        disagree_on_fills,
        disagree_on_a_price,
        one_that_only_we_have,
        one_that_only_the_venue_has,
    ],
)
def test_l2_both_views_of_an_order(bench, disagree):
    """Once both sides have been quiet about it they say the same; before, news may be on its way."""
    both_sides(bench)
    bench.pass_time(20)
    words = disagree(bench)
    bench.step()
    bench.block(updates=(update(1, cloid="c1"), update(9, cloid="c9")))
    bench.pass_time(23)
    assert "L2" not in bench.broken
    bench.pass_time(30)
    assert bench.says("L2", words)


def test_l2_after_a_fault_there_is_time(bench):
    """A minute, as for everything else."""
    both_sides(bench)
    bench.scope.calm_since = Ns(5 * S)
    disagree_on_fills(bench)
    bench.pass_time(60)
    assert "L2" not in bench.broken
    bench.pass_time(70)
    assert "L2" in bench.broken


def test_l2_the_book_of_that_time(bench):
    """What the trader has of a moment is what the venue had at that moment."""
    bench.block(now=18 * S)
    bench.market.exch_time, bench.market.recv_time = Ns(18 * S), Ns(18 * S)
    bench.market.bid, bench.market.ask = (99, 5, 1), (101, 5, 1)
    bench.truth.top = (98, 102)
    bench.pass_time(21)
    assert "L2" not in bench.broken, "the venue has moved on since"
    bench.block(now=28 * S)
    bench.market.exch_time = Ns(28 * S)
    bench.pass_time(31)
    assert bench.says("L2", "our top of")


@pytest.mark.parametrize("state", [OrderState.PENDING_NEW, OrderState.CANCEL_PENDING, OrderState.CANCEL_CONFIRMED])
def test_l3_on_its_way_for_ever(bench, state):
    """Each of these states is followed by another one."""
    order = bench.order()
    for step in [OrderState.CANCEL_PENDING, OrderState.CANCEL_CONFIRMED]:
        if order.state is not state and state is not OrderState.PENDING_NEW:
            order.advance(step, Ns(1))
    bench.step()
    bench.pass_time(59)
    assert "L3" not in bench.broken
    bench.pass_time(62)
    assert bench.says("L3", f"has been {state}")


def rests_in_vain(bench):
    """An order that rests, and its cancel, which has left."""
    both_sides(bench)
    bench.tracker.orders["c1"].advance(OrderState.CANCEL_PENDING, Ns(1))
    bench.scope.calm_since = None
    bench.send(Cancel(ETH, "c1"))


def test_l4_a_cancel_that_does_nothing(bench):
    """The venue answers other things, so some way works."""
    rests_in_vain(bench)
    answer(bench, 60)
    assert "L4" not in bench.broken, "there is time"
    answer(bench, 70)
    assert bench.says("L4", "after its cancel")


def test_l4_while_no_way_works(bench):
    """Storm, seed 1037: the venue was down for a minute; time counts from when anything gets through again."""
    rests_in_vain(bench)
    answer(bench, 10)
    bench.pass_time(100)
    assert "L4" not in bench.broken, "nothing is answered at all"
    answer(bench, 115, every=2)
    assert "L4" not in bench.broken, "it answers again for some seconds"
    answer(bench, 130, every=5)
    assert "L4" in bench.broken


def ask(bench, route, *, is_answered):
    """A question on one way."""
    asked = bench.send(QueryOrder("c1"), route=route)
    if is_answered:
        bench.hear(Replied(asked.request_id, 0, ()))


def test_l4_while_every_way_that_was_asked_is_silent(bench):
    """Protects the rule (found by seed 546): both ways clogged just after an answer, and half a minute counted."""
    rests_in_vain(bench)
    for second in range(5, 45, 5):
        for route in Route:
            ask(bench, route, is_answered=True)
        bench.pass_time(second)
    for second in range(45, 80, 5):
        for route in Route:
            ask(bench, route, is_answered=False)
        bench.pass_time(second)
    assert "L4" not in bench.broken
    for second in range(80, 100, 5):
        ask(bench, Route.REST, is_answered=True)
        bench.pass_time(second)
    assert "L4" in bench.broken, "one of them answers again"


@pytest.mark.parametrize("silent", Route)
def test_l4_one_silent_way_excuses_nobody(bench, silent):
    """Protects what the rule is for: the other way answers, and every cancel leaves on the dead one."""
    rests_in_vain(bench)
    for second in range(5, 75, 5):
        for route in Route:
            ask(bench, route, is_answered=route is not silent)
        bench.pass_time(second)
    assert bench.says("L4", "after its cancel")


@pytest.mark.parametrize("results", [(), (Refused(Reason.RATE_LIMITED, "HTTP 429"),)])
def test_l4_who_does_not_ask_meets_no_silence(bench, results):
    """Protects the edge: an answer of any kind ends a wait, so who asks no more has the whole half minute counted."""
    rests_in_vain(bench)
    for second in range(5, 45, 5):
        ask(bench, Route.REST, is_answered=True)
        bench.pass_time(second)
    asked = bench.send(QueryOrder("c1"), route=Route.REST)
    bench.hear(Replied(asked.request_id, 0, results))
    bench.pass_time(66)
    assert "L4" in bench.broken


def test_l4_another_life_waits_for_no_answer_of_the_last(bench):
    """Protects the rule over a crash: what the dead process asked says nothing of the ways of the next."""
    rests_in_vain(bench)
    bench.pass_time(30)
    ask(bench, Route.REST, is_answered=True)
    ask(bench, Route.REST, is_answered=False)
    bench.bind()
    bench.send(Cancel(ETH, "c1"))
    bench.pass_time(59)
    for second in range(60, 100, 5):
        ask(bench, Route.REST, is_answered=True)
        bench.pass_time(second)
    assert "L4" in bench.broken


def test_l4_who_is_turned_away_has_no_way(bench):
    """Storm, seed 1092: that others use up our limits is told again and again."""
    rests_in_vain(bench)
    answer(bench, 200, every=2, results=(Refused(Reason.RATE_LIMITED, "HTTP 429"),))
    assert "L4" not in bench.broken


def test_l4_a_stranger_can_cancel_nothing(bench):
    """Protects the rule (found by seed 1521): an agent that expired asks and is answered, and what it signs is refused.

    Once it is taken for ours again time counts; and who no longer tries is not excused for ever.
    """
    rests_in_vain(bench)
    for second in range(10, 200, 10):
        bench.hear(Replied(0, 0, (Refused(Reason.UNKNOWN_SIGNER, "no such wallet"),)))
        answer(bench, second, every=2)
    assert "L4" not in bench.broken
    bench.hear(Replied(0, 0, (Refused(Reason.NOT_OPEN, "never placed"),)))
    answer(bench, 255)
    assert "L4" in bench.broken


def test_l4_a_stranger_who_no_longer_tries(bench):
    """The other half: the last refusal excuses for a minute and a half."""
    rests_in_vain(bench)
    bench.hear(Replied(0, 0, (Refused(Reason.UNKNOWN_SIGNER, "no such wallet"),)))
    answer(bench, 140, every=2)
    assert "L4" not in bench.broken
    answer(bench, 170, every=2)
    assert "L4" in bench.broken


def test_l4_who_stands_still_can_do_nothing(bench):
    """Storm, seed 1092: what is answered meanwhile waits, and so does the cancel."""
    rests_in_vain(bench)
    answer(bench, 50)
    bench.belief.next_deadline = lambda: Ns(52 * S)
    for second in range(60, 180, 10):
        bench.hear(Replied(0, 0, ()))
        bench.pass_time(second, deciding=False)
        bench.t = second * S
    assert "L4" not in bench.broken
    answer(bench, 200)
    assert "L4" in bench.broken


@pytest.mark.parametrize("deadline", [None, 1_000 * S])
def test_l4_who_has_nothing_to_do_stands_not_still(bench, deadline):
    """Protects the rule where decisions are rare: whoever is woken when it wants to be could act at any time."""
    bench.belief.next_deadline = lambda: deadline
    rests_in_vain(bench)
    for second in range(20, 100, 20):
        for _ in range(2):
            bench.hear(Replied(0, 0, ()))
        bench.pass_time(second - 1, deciding=False)
        bench.pass_time(second)
    assert bench.says("L4", "after its cancel")


def test_l4_a_cancel_that_was_given_up(bench):
    """The venue has said that the order rests, and it is wanted again."""
    both_sides(bench)
    bench.send(Cancel(ETH, "c1"))
    answer(bench, 100)
    assert "L4" not in bench.broken


def test_l5_a_position_that_does_not_shrink(bench):
    """Two minutes without progress."""
    bench.truth.positions[ETH] = bench.desk.inventory.position = bench.desk.inventory.opening_position = 8
    bench.desk.stance.must_shrink = True
    bench.desk.gate = "recovery"
    bench.pass_time(100)
    bench.truth.positions[ETH] = 7
    bench.pass_time(210)
    assert "L5" not in bench.broken
    bench.pass_time(225)
    assert bench.says("L5", "have to shrink")


@pytest.mark.parametrize("why", ["flat", "nobody there", "no need", "killed", "not heard"])
def test_l5_nothing_to_do(bench, why):
    """A rest too small for an order, an empty book, a position that may stay, and nobody who may trade."""
    bench.truth.positions[ETH] = 1 if why == "flat" else 8
    bench.belief.halt_reason = "loss: below its limit" if why == "killed" else None
    bench.run.has_lost_user_feed = why == "not heard"
    bench.truth.top = (None, 101) if why == "nobody there" else (99, 101)
    bench.desk.stance.must_shrink = why != "no need"
    bench.pass_time(300)
    assert "L5" not in bench.broken


@pytest.mark.parametrize("lasts", ["killed", "not heard"])
def test_l5_time_counts_once_somebody_may_trade_again(bench, lasts):
    """A person lifts the kill, the connection comes back: from then on there are two minutes."""
    bench.truth.positions[ETH] = 8
    bench.desk.stance.must_shrink = True
    bench.belief.halt_reason = "loss" if lasts == "killed" else None
    bench.run.has_lost_user_feed = lasts == "not heard"
    bench.pass_time(100)
    bench.belief.halt_reason, bench.run.has_lost_user_feed = None, False
    bench.pass_time(210)
    assert "L5" not in bench.broken
    bench.pass_time(230)
    assert bench.says("L5", "have to shrink")


def test_l6_a_doubt_that_nobody_settles(bench):
    """While a fault is at work it may last; afterwards not."""
    bench.order().certainty = Certainty.UNKNOWN
    bench.step()
    bench.scope.calm_since = None
    bench.pass_time(100)
    bench.scope.calm_since = Ns(100 * S)
    bench.pass_time(155)
    assert "L6" not in bench.broken
    bench.pass_time(165)
    assert bench.says("L6", "has been unknown")


# --- alerts --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("alert", "lasts", "is_broken"),
    [(None, 8, True), ("feed_silent", 8, False), ("dead_man_refused", 8, True), (None, 2, False)],
)
def test_l9_nobody_was_told(bench, alert, lasts, is_broken):
    """A connection that is dead for some seconds without a word is something to know of."""
    half_open = fault("half_open")
    bench.run.faults.append(half_open)
    bench.pass_time(10)
    half_open.is_active = True
    bench.pass_time(10 + lasts)
    half_open.is_active = False
    if alert is not None:
        bench.step(commands=(Alert(Severity.WARNING, alert, ""),))
    bench.pass_time(60 + lasts)
    assert "L9" not in bench.broken, "there is time for it"
    bench.pass_time(75 + lasts)
    assert ("L9" in bench.broken) is is_broken


@pytest.mark.parametrize("why", ["it did nothing", "nobody lived who could tell"])
def test_l9_nothing_to_tell(bench, why):
    """A fault that met nothing, or a process that was dead meanwhile."""
    half_open = fault("half_open", is_active=True)
    bench.run.faults.append(half_open)
    bench.pass_time(10)
    if why == "it did nothing":
        half_open.injected = 0
    bench.run.is_running, bench.run.is_between_lives = why == "it did nothing", True
    bench.pass_time(15)
    half_open.is_active, bench.run.is_running = False, True
    bench.pass_time(100)
    assert "L9" not in bench.broken


def test_l9_one_affair(bench):
    """What goes on and off is told once; after a pause it is another one."""
    half_open = fault("half_open")
    bench.run.faults.append(half_open)
    for began in (10, 60, 300):
        bench.pass_time(began)
        assert "L9" not in bench.broken
        half_open.is_active = True
        bench.pass_time(began + 8)
        half_open.is_active = False
        if began == 10:
            bench.step(commands=(Alert(Severity.WARNING, "feed_silent", ""),))
    bench.pass_time(400)
    assert bench.says("L9", "of 300 s") or bench.says("L9", "of 301 s")


@pytest.mark.parametrize("overlaps", [True, False])
def test_l9_a_fault_that_another_one_may_hide(bench, overlaps):
    """Storm, seed 1: a crossed book that nobody saw, since nothing was quoted; alone it must be told of."""
    half_open, other = fault("half_open"), fault("reply_lost")
    bench.run.faults += [half_open, other]
    bench.pass_time(10)
    half_open.is_active = True
    bench.pass_time(14)
    other.is_active = overlaps
    bench.pass_time(15)
    other.is_active = False
    bench.pass_time(20)
    half_open.is_active = False
    bench.pass_time(100)
    assert ("L9" in bench.broken) is not overlaps


@pytest.mark.parametrize(("refused", "is_broken"), [(19, False), (20, True)])
def test_l9_whoever_asks_for_nothing_notices_nothing(bench, refused, is_broken):
    """Of what refuses orders people hear where it refused orders of ours, in this strike."""
    bench.run.faults = [fault("cancel_only")]
    closed = bench.run.faults[0]
    closed.tally["refused"] = 1_000
    bench.pass_time(5)
    closed.is_active = True
    bench.pass_time(10)
    closed.tally["refused"] += refused
    bench.pass_time(30)
    closed.is_active = False
    bench.pass_time(100)
    assert ("L9" in bench.broken) is is_broken


def test_an_alert_that_a_quiet_fault_names_is_asked_for_in_its_scenarios():
    """A line that says "told of as" is a promise."""
    asked = {
        (fault.kind, name) for each in map(load, library()) for fault in each.faults for name in each.expect.alerted
    }
    named = {(kind, name) for kind, why in QUIET.items() for name in re.findall(r"`(\w+)`", why) if name in ALERT_NAMES}
    assert len(named) > 15
    assert named - asked == set()


def test_every_kind_of_fault_has_its_line():
    """Whoever adds a fault says what people hear of it, or why nothing."""
    kinds = {one().kind for one in FAULTS}
    assert kinds == set(ALERTS) | set(QUIET)
    assert not set(ALERTS) & set(QUIET)


def test_what_has_no_counterpart_has_a_reason():
    """The list is of the specification's rules, and says why."""
    assert all(row.what and row.why and row.id[0] in "SLE" for row in WITHOUT)


def test_without_a_run_around_nothing_is_asked_of_it():
    """Rules about processes and faults are silent where nobody knows of them."""
    bench = Bench()
    bench.scope.run = None
    bench.truth.rest = [resting()]
    bench.belief.halt_reason = "a loss"
    bench.hear(FeedUp(Feed.MARKET, 1, 0))
    bench.hear(BboChanged(ETH, NS_PER_MS, 0, None, None))
    bench.send(Cancel(ETH, "c10"), leaves=False)
    bench.hear(Replied(1, 0, (Resting(1, "c1"),)))
    bench.step(commands=DECISION)
    bench.pass_time(200)
    assert bench.broken <= {"S11", "S22", "E5"}
