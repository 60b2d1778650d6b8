"""The four calls: what composes, what never happens, and that the trader is a pure function of its events."""

import copy
import os
import pickle
import subprocess
import sys
import typing
from dataclasses import replace
from itertools import count
from pathlib import Path
from random import Random

import msgspec
import pytest

from domain.commands import Alert, Cancel, Connect, Modify, Place, QueryOrder, Request, Route, Subscribe
from domain.events import (
    AccountMargin,
    AnyEvent,
    BboChanged,
    BookReported,
    ClockSync,
    Feed,
    FeedDown,
    Fill,
    KillReset,
    OpenOrdersReported,
    OrderStatus,
    OrderUpdate,
    Reason,
    Refused,
    Restored,
    StopRequested,
    TradesPrinted,
    Woke,
)
from domain.units import USD, Epoch, InstrumentId, Ns, RequestId, Side, Usd
from orchestrator.config import TraderConfig
from orchestrator.core import Orchestrator
from orchestrator.desk.desk import DeskConfig
from orchestrator.desk.quote_engine import Step
from orchestrator.desk.sanity import DataQualityConfig
from orchestrator.risk.ladder import StalenessConfig
from orchestrator.risk.limits import LimitsConfig
from orchestrator.risk.watch import RiskConfig
from tests.orchestrator.desks import AT_ONCE
from tests.orchestrator.messages import BTC, BUY, ETH, MID, SELL, TICK, bbo, book, cloid, fill, ms, requests, s, trades
from tests.orchestrator.tiny_venue import QUICK, Stage, noisy, quoting

ROOT = Path(__file__).resolve().parents[2]


def events_of(stage: Stage) -> list[tuple[Ns, AnyEvent]]:
    """What went in."""
    return [(at, entry) for at, entry in stage.story if isinstance(entry, typing.get_args(AnyEvent))]


def decisions(core: Orchestrator, events) -> list[list]:
    """What comes out."""
    out = []
    for now, event in events:
        core.apply(event, now)
        out.append(core.decide(now))
    return out


def eventful(seed: int = 5) -> Stage:
    """A run with a bit of everything: moves, fills, faults, gaps, strays, a drift, a kill and a stop."""
    rng = Random(seed)
    stage = Stage(max_position=2_000)
    noisy(stage, rng, level=0.1)
    stage.mid_after = lambda mid: mid + rng.choice((-3, -1, 0, 1, 3)) * TICK
    stage.begin()
    for second in range(3, 40, 2):
        stage.at(s(second), stage.venue.take, rng.choice((BUY, SELL)), rng.randrange(1, 20))
        stage.at(s(second), stage.venue.print_trade, MID + rng.randrange(-20, 20) * TICK)
    stage.at(s(12), stage.venue.cut, Feed.USER)
    stage.at(s(18), stage.venue.stray, BUY, MID - 300 * TICK, 10)
    stage.at(s(24), stage.venue.cut, Feed.MARKET)
    stage.at(s(28), stage.venue.adjust, ETH, 11)
    stage.run(s(40))
    stage.core.kill_switch.latch("test")  # the one thing here that no event brings
    stage._take(KillReset("a person"))
    stage.run(s(50))
    stage.stop()
    return stage.run(s(65))


# --- the calls ----------------------------------------------------------------------------------


def test_every_event_has_a_handler():
    """EL-06, EL-07: each kind of message reaches one; none is unknown to the core."""
    core = Orchestrator(QUICK, (ETH,))
    assert set(core._handlers) == set(typing.get_args(AnyEvent))


def test_each_kind_of_message_is_taken_in_once():
    """EL-06: book, trades, fills, own orders: counted where they arrive."""
    stage = quoting()
    desk, market = stage.desk, stage.desk.market
    before = (market.n_books, market.n_quotes, market.n_trades, stage.core.fills.applied, desk.accumulator.stats.total)
    now = stage.now
    for event in (
        book([MID - 5 * TICK], [MID + 5 * TICK], now),
        bbo(MID - 5 * TICK, MID + 5 * TICK, now),
        trades((9_001, MID, now), time=now),
        fill(9_002, BUY, 1, MID, at=now),
    ):
        stage._take(event)
    after = (market.n_books, market.n_quotes, market.n_trades, stage.core.fills.applied, desk.accumulator.stats.total)
    assert [b - a for a, b in zip(before, after, strict=True)] == [1, 1, 1, 1, 4]


def test_messages_of_other_instruments_are_counted_and_left_alone():
    """EL-07: nothing breaks, nothing is booked."""
    stage = quoting()
    stranger = InstrumentId("DOGE")
    for event in (
        bbo(1, 2, stage.now, instrument=BTC),
        book([1], [2], stage.now, instrument=BTC),
        trades((1, 5, 1), time=1, instrument=BTC),
        fill(1, BUY, 5, 100, instrument=stranger),
    ):
        stage._take(event)
    assert stage.core.unknown_instrument == 4
    assert stage.desk.inventory.position == 0


def test_nothing_is_decided_before_the_first_event():
    """The first event of a life is Restored; before it there is nothing to connect for."""
    core = Orchestrator(QUICK, (ETH,))
    core.apply(Restored(1, 7), Ns(0))
    assert core.decide(Ns(0)) == [Connect(Feed.MARKET), Connect(Feed.USER)]


def test_a_wake_up_without_a_reason_does_nothing():
    """Late and repeated wake-ups are harmless."""
    stage = quoting()
    for offset in range(50):
        stage.core.apply(Woke(), stage.now)
        assert stage.core.decide(Ns(stage.now + offset)) == []


def test_an_event_of_an_unknown_type_is_counted_and_dropped():
    """EL-07: the loop goes on."""
    stage = quoting()
    stage.core.apply("what is this", stage.now)
    assert stage.core.decide(stage.now) == []
    assert stage.core.unknown_events == 1


def test_the_clock_of_the_venue_reaches_every_desk():
    """C-04: from then on what was long on its way is old when it arrives, in every instrument."""
    stage = quoting(instruments=(ETH, BTC))
    stage._take(ClockSync(-s(20), Ns(0)))  # what the venue stamps now, it made 20 s from now: so this shows as future
    for instrument in (ETH, BTC):
        before = stage.core.desks[instrument.id].market.n_future
        stage._take(bbo(1, 2, stage.now, instrument=instrument))
        assert stage.core.desks[instrument.id].market.n_future == before + 1
    stage._take(ClockSync(s(20), Ns(0)))  # and this as 20 s late
    for instrument in (ETH, BTC):
        stage._take(bbo(MID - TICK, MID + TICK, stage.now, instrument=instrument))
        stage.core.decide(stage.now)
        assert stage.core.desks[instrument.id].gate == "stale_data"


def test_subscriptions_cover_every_channel_of_every_instrument():
    stage = Stage(instruments=(ETH, BTC)).begin()
    stage.run(s(1))
    subscribed = [entry.channel for _, entry in stage.story if isinstance(entry, Subscribe)]
    assert len(subscribed) == len(set(subscribed)) == 2 * 3 + 3


def test_two_instruments_are_quoted_side_by_side():
    """Market, orders and inventory exist per instrument; a fill of one does not touch the other."""
    stage = quoting(instruments=(ETH, BTC))
    assert stage.is_two_sided(ETH)
    assert stage.is_two_sided(BTC)
    stage.venue.take(SELL, 5, instrument=BTC)
    stage.run_for(s(2))
    positions = {name: desk.inventory.position for name, desk in stage.core.desks.items()}
    assert positions == {"ETH": 0, "BTC": 5}
    assert stage.is_agreed()


def test_cycles_come_from_triggers_and_not_from_messages():
    """EL-08, EL-09: every message is handed to the accumulator, and few of them make a cycle."""
    stage = quoting()
    before = stage.desk.accumulator.stats.total
    for number in range(2_000):
        stage.later(ms(5 * number), stage.venue.quote, MID + number % 2 * TICK)
    stage.run_for(s(10))
    desk = stage.desk
    assert desk.accumulator.stats.total - before >= 2_000
    assert desk.cycles == desk.accumulator.stats.reconciles
    assert 10 / 5 <= desk.cycles <= 10 / 0.1 + 5


def test_one_fill_by_three_ways_moves_the_position_once():
    """FL-05, reliability 1-5: the stream, the snapshot after a reconnect, and the fills query."""
    stage = quoting()
    stage.venue.faults.doubles = lambda event: isinstance(event, Fill)
    stage.venue.take(SELL, 13)
    stage.run_for(s(1))
    stage.venue.cut(Feed.USER)
    stage.run_for(s(8))
    heard = [entry for _, entry in stage.story if isinstance(entry, Fill)]
    assert len(heard) == 2 + 1  # twice by the stream, once by the snapshot
    assert stage.core.fills.duplicates == 2 + 1  # and once more by the query
    assert (stage.desk.inventory.position, stage.desk.inventory.fills) == (13, 1)
    assert stage.is_agreed()


@pytest.mark.slow
def test_ten_thousand_modifies_lose_nothing():
    """OL-24: each gives the order another id; fills in flight find their orders, and no order is left behind."""
    desk = DeskConfig(engine=AT_ONCE, size_tolerance=0.0)
    stage = quoting(config=TraderConfig(desk=desk, budget=None, dead_man=None), max_position=4_000, up=ms(60))
    number = 0
    while stage.desk.tracker.counters.modified < 10_000:
        for side in Side:
            stage.venue.take(side, 1 + number % 4)
            stage.later(ms(100 + number % 100), stage.venue.take, side, 1 + number % 3)
        stage.run_for(ms(240))
        number += 1
    stage.run_for(s(5))
    told = stage.core.snapshot()
    assert told.desks[0].races > 4_000
    assert told.fills_applied == len(stage.venue.fills)
    assert (told.orphans_cancelled, told.unmatched_fills, told.position_drifts) == (0, 0, 0)
    assert stage.desk.inventory.position == stage.venue.position()
    assert stage.is_agreed()


def test_a_cold_start_always_comes_to_quotes():
    """QE-13, C-05: two hundred markets without one trade: first quote by the time-out, and quoting goes on."""
    for seed in range(200):
        rng = Random(seed)
        stage = Stage(TraderConfig(), up=ms(rng.randrange(1, 200)), down=ms(rng.randrange(1, 200)))
        stage.mid_after = lambda mid, rng=rng: mid + rng.choice((-2, 0, 2)) * TICK
        stage.begin().run(s(32))
        assert stage.is_two_sided(), seed
        stage.run_for(s(20))
        assert stage.is_two_sided(), seed


def stopped_at(step: Step) -> dict[str, int]:
    """What a whole trader counts that is brought to end its cycles at a step."""
    calm = RiskConfig(velocity=None, cascade=None)
    if step is Step.WARM_UP:
        stage = Stage(TraderConfig()).begin()
    elif step is Step.LADDER:
        stage = Stage(TraderConfig(desk=DeskConfig(engine=replace(AT_ONCE, level_notional_usd=1.0)))).begin()
    else:
        desk = replace(QUICK.desk, data_quality=DataQualityConfig(max_jump=None, max_deviation=None))
        stage = quoting(config=replace(QUICK, desk=desk, risk=calm, supervisor=None))
    if step is Step.ESTIMATORS:
        stage.desk.engine.kappa._trades = float("nan")
    elif step is Step.RISK:
        stage.venue.cut(Feed.USER)
    elif step is Step.STRATEGY:
        stage.later(ms(1), stage._take, bbo(1, 2, stage.now))
    elif step is Step.EXECUTE:
        refusal = Refused(Reason.MARGIN, "")
        stage.venue.faults.answers = lambda action: refusal if isinstance(action, Place) else None
        for order in stage.venue.resting():
            stage.venue._end(order, OrderStatus.CANCELED, None)
    stage.run_for(s(8))
    return stage.desk.stops


def test_a_trader_names_each_of_the_seven_steps_that_end_its_cycles():
    """QE-08: brought about from outside, where any of them can be: by the market, the account, the venue's answers."""
    found = {step: {name for name in stopped_at(step) if name.startswith(f"{step}:")} for step in Step}
    assert all(found.values()), found
    assert len(set().union(*found.values())) >= len(Step) == 7


# --- kill ---------------------------------------------------------------------------------------


def trading_after(stage: Stage, name: str) -> list:
    """Placements and modifies decided after an alert."""
    at = next(index for index, (_, entry) in enumerate(stage.story) if isinstance(entry, Alert) and entry.name == name)
    return [
        action
        for _, entry in stage.story[at:]
        if isinstance(entry, Request)
        for action in entry.actions
        if isinstance(action, Place | Modify)
    ]


@pytest.mark.parametrize(("lots", "is_killed"), [(795, False), (805, True)])
def test_a_position_beyond_twice_its_limit_kills(lots, is_killed):
    """RK-20: 1.99 times only reduces, 2.01 times kills: cancels, announces, places nothing more."""
    stage = quoting(max_position=400)
    stage._take(fill(9_000, BUY, lots, MID, at=stage.now, oid=99_999))
    stage.venue.positions[ETH.id] = lots
    stage.run_for(s(20))
    assert (stage.core.halt_reason is not None) is is_killed
    if is_killed:
        assert [alert.text for alert in stage.told("kill")] == ["position runaway: ETH 8.05, limit 4"]
        assert trading_after(stage, "kill") == []
        assert stage.venue.resting() == []
    else:
        assert {order.place.side for order in stage.venue.resting()} == {SELL}


def test_a_position_that_the_venue_states_kills_as_well():
    """RK-20: it does not matter whether a fill or a statement moved it there."""
    stage = quoting(max_position=400)
    stage.venue.adjust(ETH, 900)
    stage.run_for(s(20))
    assert stage.core.halt_reason is not None
    assert stage.venue.resting() == []


def test_a_life_that_begins_beyond_twice_the_limit_places_nothing():
    """RK-20 at the start: the position was read before the limit was known."""
    stage = Stage(max_position=400)
    stage.venue.positions[ETH.id] = -900
    stage.begin().run(s(10))
    assert stage.core.halt_reason is not None
    assert stage.actions(Place) == []


def test_a_kill_cancels_what_was_in_flight():
    """S23: an order on its way when the latch falls does not stay."""
    stage = Stage(max_position=400).begin()
    stage.run_until(lambda: stage.actions(Place))
    stage.core.kill_switch.latch("test")
    stage._take(Woke())
    stage.run_for(s(5))
    assert stage.venue.resting() == []
    assert trading_after(stage, "kill") == []


def test_a_kill_with_unanswered_placements_ends_with_an_empty_book():
    """S23, reliability 42: the replies are lost too; the status query finds the orders, and they go."""
    stage = Stage(max_position=400)
    left = [1]

    def fate(request):
        if isinstance(request.actions[0], Place) and left[0]:
            left[0] -= 1
            return "mute"
        return None

    stage.venue.faults.fate = fate
    stage.venue.faults.drops = lambda event: isinstance(event, OrderUpdate)
    stage.begin()
    stage.run_until(lambda: stage.actions(Place))
    stage.core.kill_switch.latch("test")
    stage._take(Woke())
    stage.run_for(s(10))
    assert stage.venue.resting() == []


def test_only_a_person_lifts_the_kill():
    """RK-19: no event of the market, of the account or of a connection does."""
    stage = quoting()
    stage.core.kill_switch.latch("test")
    stage._take(Woke())
    stage.venue.cut(Feed.USER)
    stage.venue.cut(Feed.MARKET)
    stage.run_for(s(30))
    assert (stage.core.phase, stage.venue.resting()) == ("kill", [])
    stage._take(KillReset("the operator"))
    stage.run_for(s(3))
    assert stage.core.phase == "quoting"
    assert stage.is_two_sided()
    assert "kill_reset" in stage.alerts


# --- outages ------------------------------------------------------------------------------------


def test_cancels_take_the_other_route_while_the_user_feed_is_down():
    """L4: what rests is withdrawn at once, over REST, and confirmed."""
    stage = quoting()
    stage.venue.cut(Feed.USER)
    stage.run_for(ms(120))
    sent = [entry for _, entry in stage.story if isinstance(entry, Request) and isinstance(entry.actions[0], Cancel)]
    assert {request.route for request in sent} == {Route.REST}
    assert stage.venue.resting() == []


def test_answers_lost_with_the_feed_are_not_waited_for():
    """S14, L6: what was in flight is unknown at once, and asked about by the other route, before its deadline."""
    stage = Stage().begin()
    stage.run_until(lambda: stage.actions(Place), step=ms(5))
    placed_at = stage.now
    stage.venue.cut(Feed.USER)
    stage.run_for(ms(150))
    asked = [e for _, e in stage.story if isinstance(e, Request) and isinstance(e.actions[0], QueryOrder)]
    assert len(asked) == 6
    assert {request.route for request in asked} == {Route.REST}
    assert stage.now < placed_at + s(1)
    stage.run_for(s(10))
    assert stage.is_agreed()
    assert stage.is_two_sided()


def test_requests_decided_before_the_loss_are_not_replayed_after_it():
    """S22, reliability 41: a request of an older connection is not sent, and its order never existed."""
    stage = quoting()
    start = stage.now
    stage.venue.quote(MID + 100 * TICK)
    stage.venue.cut(Feed.USER)  # the trader learns of it after it has decided on the move
    stage.run_for(s(10))
    arrived = {a.cloid for a in stage.venue.log if isinstance(a, Place)}
    not_sent = [e.request_id for _, e in stage.story if type(e).__name__ == "NotSent"]
    assert not_sent
    of_them = {
        a.cloid
        for _, e in stage.story
        if isinstance(e, Request) and e.request_id in not_sent
        for a in e.actions
        if isinstance(a, Place)
    }
    assert not of_them & arrived
    assert stage.actions(Place, since=start)
    assert stage.is_agreed()
    assert stage.is_two_sided()


def test_both_feeds_down_and_back():
    stage = quoting()
    for feed in Feed:
        stage.venue.cut(feed)
    stage.run_for(s(15))
    assert stage.is_two_sided()
    assert stage.is_agreed()
    assert stage.core.snapshot().feed_downs == 2


def test_fifty_disconnects_heal_by_themselves():
    """CN-13: always back to quoting, no step by hand."""
    stage = quoting()
    for number in range(50):
        stage.venue.cut(Feed.USER if number % 3 else Feed.MARKET)
        stage.run_for(s(6) + ms(137 * number % 900))
        assert stage.is_two_sided(), number
        assert stage.is_agreed()


def test_a_silent_feed_is_withdrawn_from_after_fifteen_seconds():
    """C-04, S20: the connection lives, the data does not move."""
    stage = quoting(config=replace(QUICK, risk=RiskConfig(staleness=StalenessConfig(caution_s=None))))
    stage.venue.tops, silent = {}, stage.venue.tops
    stage.run_for(s(14))
    assert stage.is_two_sided()
    stage.run_for(s(1.6))
    assert stage.venue.resting() == []
    assert stage.core.desks[ETH.id].gate == "stale_data"
    stage.venue.tops = silent
    stage.run_for(s(2))
    assert stage.is_two_sided()


def test_a_market_that_fell_silent_is_subscribed_to_anew():
    """CN-13, DQ-17: the subscriptions of this connection are dead, those of the next one live; told once, counted."""
    stage = quoting(config=replace(QUICK, risk=RiskConfig(staleness=StalenessConfig(caution_s=None))))
    tops, stage.venue.tops = stage.venue.tops, {}
    stage.run_until(lambda: stage.venue.epochs[Feed.MARKET] == 2, within=s(23))
    assert stage.desk.market.mid2 is None  # what was known of the book is history
    stage.venue.tops = tops
    stage.run_for(s(5))
    assert stage.is_two_sided()
    assert stage.is_agreed()
    told = stage.core.snapshot()
    assert (told.feed_downs, told.feed_silences) == (1, 1)
    assert stage.alerts.count("feed_silent") == 1


def test_a_user_feed_that_answers_nothing_is_connected_anew():
    """CN-13: data come, requests by socket vanish; the account is compared, and quotes stand again."""
    stage, rng = quoting(), Random(3)
    stage.mid_after = lambda mid: mid + rng.choice((-4, 0, 4)) * TICK
    stage.venue.faults.fate = lambda request: (
        "lost" if (request.route, request.epoch) == (Route.SOCKET, Epoch(1)) else None
    )
    stage.run_until(lambda: stage.venue.epochs[Feed.USER] == 2, within=s(60))
    stage.run_for(s(10))
    assert stage.is_two_sided()
    told = stage.core.snapshot()
    assert (told.feed_downs, told.feed_silences, told.resyncs > 0) == (1, 1, True)
    assert stage.alerts.count("feed_silent") == 1


def test_lost_requests_and_a_quiet_market_are_no_silent_feeds():
    """CN-07: two of three answers are lost, books and trades came once at the beginning: nothing is connected anew."""
    stage, rng, lots = quoting(), Random(3), count()
    stage.mid_after = lambda mid: mid + rng.choice((-4, 0, 4)) * TICK
    stage.venue.faults.fate = lambda request: "lost" if request.route is Route.SOCKET and next(lots) % 3 else None
    stage.run_for(s(150))
    assert stage.core.snapshot().requests_silent > 10
    assert stage.venue.epochs == {Feed.MARKET: 1, Feed.USER: 1}


def test_a_connection_that_answers_no_ping_is_told_and_counted():
    """CN-09: the adapter says that it is dead; people hear of it."""
    stage = quoting()
    epoch = stage.core.user_feed.epoch
    stage.deliver(1, lambda at: FeedDown(Feed.USER, epoch, Reason.NO_PONG, at))
    stage.run_for(s(1))
    assert stage.core.snapshot().feed_silences == 1
    assert stage.alerts.count("feed_silent") == 1


# --- a pure function ----------------------------------------------------------------------------


def test_a_replay_decides_the_same():
    """Architecture 5: same events at the same times, same commands; nothing else goes in."""
    stage = eventful()
    events = [(at, e) for at, e in events_of(stage)]
    cut = next(i for i, (_, e) in enumerate(events) if isinstance(e, KillReset))
    first, second = (decisions(Orchestrator(QUICK, (ETH,)), events[:cut]) for _ in range(2))
    assert first == second
    recorded = [entry for at, entry in stage.story if entry in stage.commands and at < events[cut][0]]
    flat = [command for commands in first for command in commands]
    assert flat[: len(recorded)] == recorded


@pytest.mark.parametrize("how", ["pickle", "deepcopy"])
def test_a_copy_taken_at_any_moment_goes_on_the_same(how):
    """Crash tests fork the trader: a copy shares nothing and misses nothing."""
    events = events_of(eventful())
    whole = decisions(Orchestrator(QUICK, (ETH,)), events)
    core = Orchestrator(QUICK, (ETH,))
    for index, (now, event) in enumerate(events):
        if index % 97 == 0:
            twin = pickle.loads(pickle.dumps(core)) if how == "pickle" else copy.deepcopy(core)
            rest = events[index : index + 400]
            assert decisions(twin, rest) == whole[index : index + len(rest)]
            assert twin.next_deadline() is not None or twin.is_stopped
        core.apply(event, now)
        assert core.decide(now) == whole[index]


def test_a_snapshot_leaves_no_trace():
    """T-18: margin and limits are worked out from the mids of the last decision, whoever asks and whenever."""
    limited = replace(QUICK, risk=RiskConfig(limits=LimitsConfig(gross_usd=100_000)))
    stage = Stage(limited, instruments=(ETH, BTC))
    stage.venue.margin, stage.venue.leverage = AccountMargin(Usd(120 * USD), Usd(40 * USD), Usd(20 * USD)), 10
    stage.begin()
    for second in range(4, 34):
        stage.run(s(second))
        stage.venue.quote(MID + second % 3 * TICK, instrument=BTC)  # less than risk looks at
        if second == 8:
            stage.venue.adjust(BTC, 20)
        stage.run_for(ms(60))
        before = pickle.dumps(stage.core)
        told = stage.core.snapshot(stage.now)
        assert pickle.dumps(stage.core) == before
    assert told.margin_used
    assert told.gross_usd


def test_looking_changes_nothing():
    """T-18: a trader whose snapshot is taken after every step decides the same."""
    events = events_of(eventful())
    core, watched = Orchestrator(QUICK, (ETH,)), Orchestrator(QUICK, (ETH,))
    for now, event in events:
        for each in (core, watched):
            each.apply(event, now)
        watched.snapshot()
        watched.snapshot(now)
        assert watched.next_deadline() == core.next_deadline()
        assert watched.decide(now) == core.decide(now)
        watched.snapshot(now)
    assert watched.snapshot() == core.snapshot()


def test_the_decisions_do_not_depend_on_the_hash_seed(tmp_path):
    """Same commit, config and events: the same bytes out of any process under any PYTHONHASHSEED."""
    events = events_of(eventful())
    (tmp_path / "events.json").write_bytes(msgspec.json.encode(events))
    script = f"""
import hashlib, msgspec
from domain.events import AnyEvent
from tests.orchestrator.messages import BTC, ETH
from tests.orchestrator.tiny_venue import QUICK
from orchestrator.config import TraderConfig
from orchestrator.core import Orchestrator
from orchestrator.desk.desk import DeskConfig
from tests.orchestrator.desks import AT_ONCE
events = msgspec.json.decode(open({str(tmp_path / "events.json")!r}, "rb").read(), type=list[tuple[int, AnyEvent]])
core, digest = Orchestrator(QUICK, (ETH, BTC)), hashlib.sha256()
for now, event in events:
    core.apply(event, now)
    digest.update(msgspec.json.encode(core.decide(now)))
    digest.update(repr(core.next_deadline()).encode())
digest.update(repr(core.snapshot()).encode())
print(len(events), digest.hexdigest())
"""
    printed = {
        subprocess.run(
            [sys.executable, "-c", script],
            cwd=ROOT,
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "31337")
    }
    assert len(printed) == 1
    assert int(printed.pop().split()[0]) == len(events) > 300


def test_the_snapshot_is_frozen_and_adds_up():
    stage = eventful()
    told = stage.core.snapshot()
    desk = told.desks[0]
    with pytest.raises(AttributeError):
        told.phase = "x"
    assert desk.position == stage.desk.inventory.position
    assert told.fills_applied == desk.fills
    assert desk.bought - desk.sold + desk.adjusted_lots == desk.position
    assert (desk.restatements, desk.taker_fills, desk.illegal_steps) == (1, 0, 0)
    assert desk.worst_case_min <= desk.position <= desk.worst_case_max
    live = sum(not order.is_terminal for order in stage.desk.tracker.orders.values())
    assert desk.cancelled + desk.filled + desk.rejected + live == len(stage.actions((Place, Modify)))
    assert told.requests_sent == len([e for e in stage.commands if isinstance(e, Request)])
    assert told.phase == "stopped"


def test_the_snapshot_shows_each_order_and_their_sums():
    """OL-04, OL-14..20, OL-26: what the tracker knows reaches a person."""
    stage = quoting()
    best = max((o for o in stage.venue.resting() if o.place.side is BUY), key=lambda o: o.place.px)
    stage.venue.take(SELL, 3)
    stage.run_until(lambda: stage.desk.inventory.position == 3, step=ms(1))
    desk = stage.core.snapshot().desks[0]
    assert desk.active_orders == len(desk.orders) == len(stage.desk.tracker.orders)
    resting = [order for order in desk.orders if order.state in ("open", "partially_filled")]
    bids = [order for order in resting if order.side is BUY]
    asks = [order for order in resting if order.side is SELL]
    assert desk.resting_bid == sum(order.px * (order.sz - order.filled) for order in bids) > 0
    assert desk.resting_ask == sum(order.px * (order.sz - order.filled) for order in asks) > 0
    assert desk.net_pending == sum(order.side * (order.sz - order.filled) for order in resting)
    (hit,) = (order for order in desk.orders if order.fills)
    assert (hit.oid, hit.filled, hit.average_px, hit.state) == (best.oid, 3, best.place.px, "partially_filled")
    assert hit.age > hit.since_last_fill == stage.now - next(at for at, e in stage.story if isinstance(e, Fill))
    assert desk.stale_orders == 0
    assert stage.core.snapshot(Ns(stage.now + s(700))).desks[0].stale_orders == len(resting)


def test_the_snapshot_counts_kills_and_what_is_under_way():
    stage = quoting()
    stage.venue.faults.fate = lambda request: "lost"
    stage.core.kill_switch.latch("test")
    stage.run_for(ms(600))
    told = stage.core.snapshot()
    assert (told.kill, told.kills) == ("test", 1)
    assert told.requests_in_flight > 0


def test_events_that_no_one_asked_for_are_harmless():
    """Answers to nobody, lists that were not subscribed to, the past: taken in without a word."""
    stage = quoting()
    said = len(stage.commands)
    stage._take(OpenOrdersReported(stage.now, stage.now, ()))
    stage._take(TradesPrinted(ETH.id, stage.now, stage.now, ()))
    stage._take(BboChanged(ETH.id, Ns(0), stage.now, None, None))
    stage._take(BookReported(ETH.id, Ns(0), stage.now, (), ()))
    assert len(stage.commands) == said
    assert stage.core.phase == "quoting"


def test_stopping_twice_and_killing_after_the_end_are_harmless():
    stage = quoting()
    stage.stop()
    stage.run_for(s(5))
    stage._take(StopRequested("again"))
    stage._take(KillReset("late"))
    assert stage.core.is_stopped


def test_request_ids_and_client_ids_never_repeat():
    """S12: within a life, over all owners; across lives by the seed."""
    stage = eventful()
    sent = [entry for entry in stage.commands if isinstance(entry, Request)]
    ids = [request.request_id for request in sent]
    assert ids == sorted(set(ids)) == [RequestId(n) for n in range(1, len(ids) + 1)]
    placed = [a.cloid if isinstance(a, Place) else a.place.cloid for a in stage.actions((Place, Modify))]
    assert len(placed) == len(set(placed))
    assert cloid(1) not in placed


def test_a_request_holds_actions_of_one_kind():
    """The port raises for a mixed or empty request."""
    for request in requests(eventful().commands):
        assert request.actions
        assert len({type(action) for action in request.actions}) == 1
        assert request.epoch >= Epoch(0)


def test_every_fill_of_the_venue_is_booked_once():
    """S1, S2, S5: after all of it, position, cash and fees are the venue's own."""
    stage = eventful()
    inventory = stage.desk.inventory
    ours = [f for f in stage.venue.fills if f.instrument == ETH.id]
    assert inventory.position == stage.venue.position()
    assert stage.core.fills.applied + stage.core.fills.before_opening == len({f.tid for f in ours})
    assert inventory.fees == sum(f.fee for f in ours)
    assert any(isinstance(entry, Fill) for _, entry in stage.story)
