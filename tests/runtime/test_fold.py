"""The fold: what the next life is told, against a naive twin, for every prefix of whole runs."""

from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from domain.commands import Alert, Connect, Modify, Place, QueryFills, Request, Route, Severity
from domain.events import (
    Channel,
    ChannelKind,
    Feed,
    FeedDown,
    Fill,
    FillsReport,
    KillReset,
    NotSent,
    OrderStatus,
    OrderUpdate,
    PositionEntry,
    PositionsReport,
    Reason,
    Refused,
    Replied,
    Restored,
    RestoredLedger,
    RestoredOrder,
    Subscribed,
)
from domain.units import NS_PER_S, Side
from runtime.fold import TIDS_KEPT, fold, life_seed_of
from runtime.journal_format import Decided, Header, Opened, Rescued, Took
from tests.runtime.toy import ToyCore, ToyRun

BEGIN = [Opened(Header(seed=9)), Took(0, Restored(1, life_seed_of(9, 1)))]


def fill(tid, side=Side.BUY, px=100, sz=1, fee=0, time=None, instrument="BTC"):
    return Fill(instrument, tid if time is None else time, 0, tid, 1, None, side, px, sz, fee, False, 0, 0)


def took(*events):
    return [Took(i, event) for i, event in enumerate(events)]


# --- the naive twin -----------------------------------------------------------------------------


def naive_fold(records):
    """As simple as it gets: collect everything, then look for the end of each intent among everything."""
    intents, dead = {}, set()
    for life in split_lives(records):
        asked = {}
        for record in life:
            for request in requests_of(record):
                asked[request.request_id] = request.actions
                intents |= {place.cloid: place for place in map(placement, request.actions) if place}
            if isinstance(record, Took) and isinstance(record.event, Replied | NotSent):
                dead |= refused(asked.get(record.event.request_id, ()), record.event)
    events = [record.event for record in records if isinstance(record, Took)]
    fills = {}
    for fill in (fill for event in events for fill in fills_of(event)):
        fills.setdefault(fill.tid, fill)
    ends = [e for e in events if isinstance(e, OrderUpdate) and e.status is not OrderStatus.OPEN]
    final = {end.cloid: end.sz - end.remaining for end in ends}
    filled, ledgers = defaultdict(int), defaultdict(lambda: [0, 0, 0])
    for fill in fills.values():
        filled[fill.cloid] += fill.sz
        ledger = ledgers[fill.instrument]
        ledger[0] += fill.side * fill.sz
        ledger[1] -= fill.side * fill.px * fill.sz + fill.fee
        ledger[2] += fill.fee
    still_open = [p for p in intents.values() if p.cloid not in dead and filled[p.cloid] < final.get(p.cloid, p.sz)]
    return still_open, dict(ledgers), list(fills)


def split_lives(records):
    begins = [i for i, record in enumerate(records) if isinstance(record, Opened)]
    return [records[i:j] for i, j in zip(begins, [*begins[1:], len(records)], strict=True)]


def requests_of(record):
    commands = record.commands if isinstance(record, Decided | Rescued) else ()
    return [command for command in commands if isinstance(command, Request)]


def placement(action):
    place = action.place if isinstance(action, Modify) else action
    return place if isinstance(place, Place) else None


def refused(actions, event):
    """Placements that certainly never were."""
    results = event.results if isinstance(event, Replied) else [Refused(Reason.OTHER, "")] * len(actions)
    pairs = zip(map(placement, actions), results, strict=False)
    return {place.cloid for place, result in pairs if place and isinstance(result, Refused)}


def fills_of(event):
    if isinstance(event, Replied):
        return [fill for result in event.results if isinstance(result, FillsReport) for fill in result.fills]
    return [event] if isinstance(event, Fill) else []


def run_with_crash(seed, crash_ms, loses_replies):
    """Two lives; the first one may crash, replies may get lost for a while."""
    run = ToyRun(seed=seed).start()
    run.run(0.5)
    run.venue.loses_replies = loses_replies
    run.run(0.5 + crash_ms / 1_000)
    run.driver.kill_trader()
    run.venue.loses_replies = False
    run.run(2.5)
    run.start().run(3.2)
    return run.records()


@settings(max_examples=25)
@given(st.integers(0, 50), st.integers(1, 900), st.booleans(), st.data())
def test_any_prefix_equals_the_naive_fold(seed, crash_ms, loses_replies, data):
    """Protects the next life: wherever the journal ends, it is told exactly what the records show."""
    records = run_with_crash(seed, crash_ms, loses_replies)
    cut = data.draw(st.integers(2, len(records)))
    prefix = records[:cut]
    restored = fold(prefix)
    still_open, ledgers, tids = naive_fold(prefix)
    assert {o.cloid: (o.side, o.px, o.sz) for o in restored.orders} == {
        p.cloid: (p.side, p.px, p.sz) for p in still_open
    }
    assert {e.instrument: [e.position, e.cash, e.fees] for e in restored.ledgers} == ledgers
    assert list(restored.tids) == tids
    assert restored.life == 1 + sum(isinstance(r, Took) and isinstance(r.event, Restored) for r in prefix)
    assert restored.life_seed == life_seed_of(seed, restored.life)


@settings(max_examples=25)
@given(st.integers(0, 50), st.integers(1, 900), st.booleans(), st.data())
def test_folding_the_fold_changes_nothing(seed, crash_ms, loses_replies, data):
    """Protects crash loops: a life that dies at once hands on what it was given, whatever that was."""
    records = run_with_crash(seed, crash_ms, loses_replies)
    prefix = records[: data.draw(st.integers(0, len(records)))]
    once = fold(prefix, seed)
    last = max((record.now for record in prefix if not isinstance(record, Opened)), default=0)
    rest = [Opened(Header(seed=seed)), Took(last, once)]
    for records in ([*prefix, *rest], rest):
        again = fold(records)
        assert again == Restored(
            life=once.life + 1,
            life_seed=life_seed_of(seed, once.life + 1),
            orders=once.orders,
            ledgers=once.ledgers,
            tids=once.tids,
            fills_since=once.fills_since,
            kill=once.kill,
            clean_stop=False,
            fills_until=once.fills_until,
            is_unread=once.is_opening,
            connects=once.connects,
            quota=once.quota,
        )


# --- the parts ----------------------------------------------------------------------------------


def test_the_first_life():
    """Protects the very first start: nothing open, nothing known, cleanly stopped by definition."""
    assert fold([], seed=9) == Restored(1, life_seed_of(9, 1))
    with pytest.raises(ValueError, match="seed"):
        fold([])


def test_ledgers():
    """Protects the books: every trade once, cash after fees, per instrument."""
    events = [
        fill(1, Side.BUY, 100, 3, 7),
        fill(2, Side.SELL, 110, 2, -1),
        fill(1, Side.BUY, 100, 3, 7),
        fill(3, Side.SELL, 5, 4, 2, instrument="AAA"),
    ]
    assert fold([*BEGIN, *took(*events)]).ledgers == (
        RestoredLedger("AAA", -4, 18, 2),
        RestoredLedger("BTC", 1, -86, 6),
    )


def test_trade_ids_are_bounded_and_not_asked_for_again():
    """Protects against double booking: a trade whose id was dropped lies before the cursor."""
    events = [fill(tid) for tid in range(1, TIDS_KEPT + 6)]
    restored = fold([*BEGIN, Took(1, FeedDown(Feed.USER, 1, Reason.OTHER, 0)), *took(*events)])
    assert restored.tids == tuple(range(6, TIDS_KEPT + 6))
    assert restored.fills_since == 5


def test_kill_is_latched_until_a_person_resets_it():
    """Protects RK-19: a restart does not lift a kill."""
    kill = Decided(5, (Alert(Severity.CRITICAL, "kill", "drawdown 5 %"),))
    assert fold([*BEGIN, kill]).kill == "drawdown 5 %"
    assert fold([*BEGIN, kill, Took(6, KillReset("me"))]).kill is None
    again = [*BEGIN, kill, Opened(Header(seed=9)), Took(7, fold([*BEGIN, kill]))]
    assert fold(again).kill == "drawdown 5 %"
    assert fold([*again, Took(8, KillReset("me"))]).kill is None


def test_attempts_to_connect_are_handed_on_from_life_to_life():
    """S26, storm, seed 1158: by their age at the last record, for a minute; the safety net's count like the core's."""
    second = NS_PER_S
    records = [
        *BEGIN,
        Decided(5 * second, (Connect(Feed.MARKET),)),
        Decided(40 * second, (Connect(Feed.USER),)),
        Rescued(50 * second, (Connect(Feed.USER),)),
        Took(70 * second, KillReset("me")),
    ]
    told = fold(records)
    assert told.connects == (30 * second, 20 * second)
    unread = structs.replace(told, life=3, is_unread=True)
    for restored in (told, unread):
        again = [*records, Opened(Header(seed=9)), Took(7 * second, restored), Decided(17 * second, ())]
        assert fold(again).connects == (40 * second, 30 * second), "the next life has a clock of its own"


def test_a_clean_stop_is_what_the_core_said_last():
    """Protects the next start-up: after anything but an orderly stop it must look closer."""
    stopped = Decided(5, (Alert(Severity.INFO, "stopped", ""),))
    assert not fold(BEGIN).clean_stop
    assert fold([*BEGIN, stopped]).clean_stop
    assert fold([*BEGIN, stopped, Took(6, fill(1))]).clean_stop
    assert not fold([*BEGIN, stopped, Rescued(6, ())]).clean_stop
    assert not fold([*BEGIN, stopped, *BEGIN]).clean_stop


def test_an_orderly_run_leaves_nothing():
    """Protects the fold against orders that never end: after a clean stop with every message, none is open."""
    run = ToyRun(seed=11).start().run(4)
    run.driver.request_stop("end")
    run.run(8)
    restored = fold(run.records())
    assert restored.orders == ()
    assert restored.clean_stop
    assert restored.ledgers[0].position == run.venue.position


def test_an_intent_survives_a_crash_before_it_left():
    """Protects S13: decided is enough; whether it left is for the next life to find out."""
    request = Request(1, Route.SOCKET, 1, 2 * NS_PER_S, (Place("BTC", "0xa", Side.SELL, 100, 5, "alo"),))
    intent = RestoredOrder("BTC", "0xa", Side.SELL, 100, 5, 2 * NS_PER_S)
    assert fold([*BEGIN, Decided(3, (request,))]).orders == (intent,)


def test_an_intent_is_handed_on_with_its_fills():
    """Protects S10 over a restart: the next life knows the fills by their ids and never books them again."""
    request = Request(1, Route.SOCKET, 1, None, (Place("BTC", "0xa", Side.BUY, 100, 50, "alo"),))
    filled = structs.replace(fill(1, sz=3), cloid="0xa")
    (intent,) = fold([*BEGIN, Decided(1, (request,)), Took(2, filled)]).orders
    assert intent.fills == ((1, 3),)


@pytest.mark.parametrize(("at_s", "left_s"), [(0.5, 1.5), (2, 0), (60, 0)])
def test_the_next_life_is_told_how_long_an_intent_may_still_be_on_its_way(at_s, left_s):
    """Protects S9: a placement under way at the crash is not taken for lost before it can no longer arrive."""
    request = Request(1, Route.SOCKET, 1, 2 * NS_PER_S, (Place("BTC", "0xa", Side.SELL, 100, 5, "alo"),))
    last = Took(round(at_s * NS_PER_S), fill(1))
    (intent,) = fold([*BEGIN, Decided(0, (request,)), last]).orders
    assert intent.expires_in == left_s * NS_PER_S
    for_ever = Request(1, Route.SOCKET, 1, None, request.actions)
    assert fold([*BEGIN, Decided(0, (for_ever,)), last]).orders[0].expires_in is None


def test_a_failed_core_leaves_what_the_safety_net_could_not_settle():
    """Protects the life after a failure: fills that came while the safety net worked are in the books."""
    run = ToyRun(seed=12, core=lambda: ToyCore(fail_at=300)).start().run(15)
    restored = fold(run.records())
    assert sum(ledger.position for ledger in restored.ledgers) == run.venue.position
    assert restored.orders == ()
    assert not restored.clean_stop


# --- the cursor ---------------------------------------------------------------------------------

SUBSCRIBED = Subscribed(Channel(ChannelKind.FILLS), 1, True, 0)
DOWN = FeedDown(Feed.USER, 1, Reason.CLOSED_BY_VENUE, 0)


def query(number, since):
    return Decided(1, (Request(number, Route.SOCKET, 1, None, (QueryFills(since),)),))


def answer(number, *fills, is_complete=True):
    return Took(2, Replied(number, 0, (FillsReport(0, fills, is_complete),)))


CURSORS = [
    ("the stream of the first life", took(SUBSCRIBED, fill(1, time=50)), 50),
    ("not past a gap", took(SUBSCRIBED, fill(1, time=50), DOWN, SUBSCRIBED, fill(2, time=90)), 50),
    (
        "again when a query has closed the gap",
        [*took(fill(1, time=50), DOWN, SUBSCRIBED, fill(3, time=90)), query(1, 40), answer(1, fill(2, time=70))],
        90,
    ),
    (
        "not by a query that does not reach back",
        [*took(fill(1, time=50), DOWN, SUBSCRIBED, fill(3, time=90)), query(1, 60), answer(1)],
        50,
    ),
    (
        "only so far by a query asked while the stream was down",
        [*took(fill(1, time=50), DOWN), query(1, 40), answer(1, fill(2, time=70)), *took(SUBSCRIBED, fill(3, time=90))],
        70,
    ),
    (
        "only so far by one page",
        [
            *took(fill(1, time=50), DOWN, SUBSCRIBED, fill(9, time=99)),
            query(1, 40),
            answer(1, fill(2, time=70), is_complete=False),
        ],
        70,
    ),
    (
        "page after page",
        [
            *took(fill(1, time=50), DOWN, SUBSCRIBED),
            query(1, 40),
            answer(1, fill(2, time=70), is_complete=False),
            query(2, 70),
            answer(2, fill(3, time=80)),
            *took(fill(4, time=85)),
        ],
        85,
    ),
    (
        "not by an answer to a question from before another gap",
        [
            *took(fill(1, time=50), DOWN, SUBSCRIBED),
            query(1, 40),
            *took(DOWN, SUBSCRIBED),
            answer(1),
            *took(fill(2, time=90)),
        ],
        50,
    ),
]


@pytest.mark.parametrize(("what", "records", "expected"), CURSORS, ids=[row[0] for row in CURSORS])
def test_the_cursor_moves(what, records, expected):
    """Protects S1: the next life asks from a time up to which no fill can be missing."""
    assert fold([*BEGIN, *records]).fills_since == expected


def test_the_cursor_of_a_later_life_starts_with_a_gap():
    """Protects fills of the time between two lives."""
    begin = [*BEGIN, Opened(Header(seed=9)), Took(1, Restored(2, 0, fills_since=40))]
    assert fold([*begin, *took(SUBSCRIBED, fill(1, time=90))]).fills_since == 40
    closed = [*begin, *took(SUBSCRIBED), query(1, 30), answer(1), *took(fill(1, time=90))]
    assert fold(closed).fills_since == 90


def test_history_of_the_account_is_not_our_profit():
    """Fills that the first stated position already contains move neither position nor cash of the next life."""
    stated = PositionsReport(200, (PositionEntry("BTC", 7),), 0)
    records = took(
        Restored(1, 5),
        fill(1, fee=2, time=100),
        fill(2, fee=2, sz=3, time=300),
        Replied(1, 210, (stated,)),
        fill(1, fee=2, time=100),
    )
    restored = fold(records, seed=1)
    assert restored.ledgers == (RestoredLedger("BTC", 10, -302, 2, 7),)
    assert restored.tids == (1, 2)
