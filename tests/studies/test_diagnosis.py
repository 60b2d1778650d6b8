"""The playbooks against injected causes, the neighbours of each, and journals of runs in which nothing is wrong."""

import re
from dataclasses import replace

import pytest
from msgspec import structs

from domain.commands import Alert, Place, QueryOrder, Request, Route, Severity
from domain.errors import JournalError
from domain.events import (
    BboChanged,
    Feed,
    FeedDown,
    NotSent,
    OrderStatus,
    OrderStatusReport,
    OrderUpdate,
    Reason,
    Replied,
    Resting,
    StopRequested,
    Woke,
)
from domain.units import Ns, Side, Tif
from orchestrator.core import Orchestrator
from runtime.journal_format import Opened, Rescued, Took
from runtime.journal_reader import Reader
from scenarios.replaying import core_of
from studies.diagnosis.base import Verdict, walk
from studies.diagnosis.diagnosis import PLAYBOOKS
from studies.diagnosis.orders import LONG_S
from studies.diagnosis.quoting import LIMIT, NOT_BEGUN, NOT_SENT, STOPPED
from studies.diagnosis.recorded import read
from studies.diagnosis.requests import Requests
from studies.diagnosis.spans import Span, Spans, total
from studies.sabotage import Patch, installed, instead, sabotage
from tests.scenarios.runs import PLAIN
from tests.studies.causes import (
    CAUSES,
    CLEAN,
    CONSEQUENCES,
    NOT_FOLLOWED,
    World,
    diagnosis_of,
    fault,
    journal_of,
    named,
)

S = 1_000_000_000
STEPS = {step.id: step for playbook in PLAYBOOKS for step in playbook.steps}
HEALTHY_DUPLICATES = World("a doubled feed", faults=(fault("duplicate", 10, 40, 'share = 1.0, channels = ["fills"]'),))

STRANGER = World(
    "a stranger whose orders no status tells of",
    100,
    ("checks.in_flight_ms=30000",),
    (
        fault("foreign_fills", 55, 1, 'rests = true, away_bps = 30, usd = 400.0, when = {kind = "throughout"}'),
        fault("message_loss", 40, 55, 'share = 1.0, channels = ["order_updates"]'),
    ),
    base="eth-quiet",
)


def words(outcomes, step):
    """Everything that a step says, in one text."""
    return "\n".join(str(e) for o in outcomes for each in o.findings if each.step.id == step for e in each.evidence)


# --- the confusion matrix -----------------------------------------------------------------------


@pytest.mark.parametrize("cause", CAUSES)
def test_a_cause_is_named_and_no_other(cause):
    """A row of the matrix: of the fifteen steps exactly this one; what is behind it is a consequence."""
    recorded, outcomes = diagnosis_of(CAUSES[cause])
    assert recorded.parted is None
    assert named(outcomes, Verdict.CAUSE) == [cause], CAUSES[cause].what
    assert named(outcomes, Verdict.ALSO) == CONSEQUENCES.get(cause, [])
    assert re.search(r"#\d+ at \d+\.\d{3} s: ", words(outcomes, cause)), "evidence stands in the journal"


@pytest.mark.parametrize("name", CLEAN)
def test_nothing_is_wrong_with_a_clean_journal(name):
    recorded, outcomes = diagnosis_of(CLEAN[name])
    assert recorded.parted is None
    assert set(recorded.fills.all), "nobody traded: not much of a journal"
    assert named(outcomes, Verdict.FINE) == list(STEPS)


def test_each_step_has_a_cause_and_the_table_is_whole():
    """Protects the matrix from a step that nobody injects, and the answers from one without a resolution."""
    assert list(STEPS) == list(CAUSES) == [f"DG-{n:02}" for n in range(7, 22)]
    assert all(step.question.endswith("?") and all(step.resolution) for step in STEPS.values())


@pytest.mark.parametrize(
    ("cause", "said"),
    [
        ("DG-07", ": the side waits after refusals, for "),
        ("DG-08", "never arrived: the venue does not know it"),
        ("DG-09", "risk_velocity: ETH moves 6.0% a second"),
        ("DG-11", "our margin mode isolated, the venue's cross"),
        ("DG-14", "market: no prices of ETH on a live connection"),
        ("DG-15", "kappa missing (0 trades of the market seen); first quotes after 30"),
        ("DG-16", "the cycle ends at estimators:sigma"),
        ("DG-17", "orders of ours that the venue does not list"),
        ("DG-18", "s after it was told as canceled (#"),
        ("DG-19", ": booked again, first with #"),
        ("DG-20", ": not by its channel"),
        ("DG-21", "were not tracked: the call at a fill is missing"),
    ],
)
def test_the_evidence_says_which_side_order_monitor_or_input(cause, said):
    _, outcomes = diagnosis_of(CAUSES[cause])
    assert said in words(outcomes, cause)


@pytest.mark.parametrize(
    ("cause", "said"),
    [
        ("DG-07", " of 10000 left; 0 refusals as too many of late; ETH: waiting "),
        ("DG-08", "socket on, fallback off, time-out "),
        ("DG-09", "kill switch open; ETH: halt, gate velocity, ETH moves 6.0% a second"),
        ("DG-10", " in doubt, 0 stuck so far; latest audit in step"),
        ("DG-11", "leverage any, mode isolated expected; own limit 3."),
        ("DG-12", " events wait, mid "),
        ("DG-13", "gate crossed_book, best "),
        ("DG-14", "market data 10.0 s old"),
        ("DG-15", "kappa not ready, sigma ready, limits known; confidence 0.00"),
        ("DG-16", "sigma nan, raw kappa "),
        ("DG-17", "latest audit not in step, "),
        ("DG-18", "0 fills without an order; ETH: "),
        ("DG-19", " of 10000 trade ids remembered; "),
        ("DG-20", " of it corrected 0; "),
        ("DG-21", "fill rate not known, adverse not known, latency p50 none and p99 none"),
    ],
)
def test_the_last_evidence_is_the_trader_at_that_moment(cause, said):
    """The fields that each row asks for: as they were when the cause showed, not at the end."""
    _, outcomes = diagnosis_of(CAUSES[cause])
    found = next(outcome.cause for outcome in outcomes if outcome.cause is not None)
    first = next(each for each in found.evidence if each.record is not None)
    assert said in found.evidence[-1].text
    last = found.evidence[-1]
    assert last.record >= first.record
    assert last.at == first.at, "the first decision from there on"


# --- what looks like a cause and is none --------------------------------------------------------


def test_a_doubled_feed_that_is_deduplicated_is_told_and_is_no_cause():
    """The guard did its work: the position is right."""
    recorded, outcomes = diagnosis_of(HEALTHY_DUPLICATES)
    assert named(outcomes, Verdict.CAUSE) == []
    assert len(recorded.fills.repeated()) > 3
    assert f"{len(recorded.fills.repeated())} fills were told again" in words(outcomes, "DG-19")


def test_a_side_without_orders_at_the_limit_that_we_chose_is_as_it_should_be():
    """Nothing that may add to the position is missing: it is not wanted."""
    recorded, outcomes = diagnosis_of(World("a small limit", 90, ("trader.desk.engine.max_position_usd=600", PLAIN)))
    assert total(recorded.quoting.bare.of(LIMIT.__eq__)) > LONG_S
    assert named(outcomes, Verdict.CAUSE) == []


def test_a_connection_that_is_back_at_once_is_nothing_to_explain():
    """Without orders for less than two seconds, a round trip each for the connection and the account."""
    recorded, outcomes = diagnosis_of(World("a cut", faults=(fault("disconnect", 30, 1, 'feeds = ["user"]'),)))
    assert 1.0 < total(recorded.quoting.gates.of("user_feed_down".__eq__)) < LONG_S
    assert named(outcomes, Verdict.CAUSE) == []


def test_mids_that_no_tracker_hears_of_are_named_like_fills():
    """The other half of DG-21: without the call at a mid, adverse selection is not measured."""
    _, outcomes = diagnosis_of(World("the hook at a mid removed", missing=NOT_FOLLOWED))
    assert named(outcomes, Verdict.CAUSE) == ["DG-21"]
    assert "the call at a mid is missing" in words(outcomes, "DG-21")


def test_a_muted_socket_is_named_before_its_connection_is_given_up():
    """What was sent did not arrive: that tells it from an answer that is withheld, while no way is closed yet."""
    _, outcomes = diagnosis_of(replace(CAUSES["DG-08"], seconds=35))
    assert named(outcomes, Verdict.CAUSE) == ["DG-08"]
    assert "no way to send an order" not in words(outcomes, "DG-08")


def test_an_order_that_only_the_venue_knew_is_named_although_no_audit_saw_it():
    """It was found and cancelled between two of them; people were told."""
    recorded, outcomes = diagnosis_of(STRANGER)
    assert named(outcomes, Verdict.CAUSE) == ["DG-17"]
    assert all(audit.orphan_orders == 0 for _, audit in recorded.accounts.audits)
    assert ": ETH SELL " in words(outcomes, "DG-17")


def test_a_kill_is_named_however_soon_the_journal_ends():
    _, outcomes = diagnosis_of(World("a loss", 60, base="risk-loss"))
    assert named(outcomes, Verdict.CAUSE) == ["DG-09"]
    assert "kill: loss of " in words(outcomes, "DG-09")


# --- a journal of another trader ----------------------------------------------------------------


def test_where_the_trader_decides_otherwise_nothing_is_called_fine():
    """The state behind that record is not what the trader had; the record itself still speaks."""
    world = CAUSES["DG-19"]
    recorded = read(Reader(journal_of(world)), core_of)
    outcomes = [walk(playbook, recorded) for playbook in PLAYBOOKS]
    assert re.match(r"from record \d+ at \d+\.\d+ s on: the trader of this makerlab decides otherwise", recorded.parted)
    assert named(outcomes, Verdict.FINE) == []
    assert "DG-20" in named(outcomes, Verdict.CAUSE)
    assert len(named(outcomes, Verdict.UNRECORDED)) > 10


def test_a_trader_that_fails_in_replay_ends_what_is_told_of_its_life():
    """A bug that the running code has and the recorded one had not."""

    def fails(*_):
        raise ZeroDivisionError("no such luck")

    journal = journal_of(World("a lively market", 40))
    with installed(sabotage("it fails at a fill", Patch(Orchestrator, "_on_fill", instead(fails)))):
        recorded = read(Reader(journal), core_of)
    assert recorded.parted.endswith("s on: replayed, the trader fails with ZeroDivisionError: no such luck")
    assert len(recorded.fills.all) > 1, "the rest of the record is read all the same"


def test_what_the_safety_net_does_ends_it_too_but_not_at_the_end():
    """After a stop that was asked for it only looks after what is left."""
    header, alert = next(iter(Reader(journal_of(World("a start", 2))))), Alert(Severity.CRITICAL, "core_failed", "why")
    rescued = Rescued(Ns(S), (alert,))
    asked = Took(Ns(S), StopRequested("end"))
    failed = read([header, rescued], core_of)
    assert failed.parted == "from record 1 at 1.000 s on: the safety net acts in the trader's place"
    assert failed.alerts == {"core_failed": [(1, S, "why")]}
    assert read([header, asked, rescued], core_of).parted is None


def test_what_no_header_names_is_refused():
    """Nothing is known of such an instrument: neither its ticks nor what is traded in it."""
    header = next(iter(Reader(journal_of(World("a start", 2)))))
    top = Took(Ns(S), BboChanged("DOGE", Ns(S), Ns(S), None, None))
    with pytest.raises(
        JournalError, match=r"record 1 is market data of DOGE, which its header does not name \(it names ETH\)"
    ):
        read([header, top], core_of)
    with pytest.raises(JournalError, match="record 0 stands before any header"):
        read([top], core_of)
    with pytest.raises(JournalError, match="names no instrument"):
        read([Opened(structs.replace(header.header, instruments=()))], core_of)


# --- what steps ask -----------------------------------------------------------------------------


def test_a_stretch_ends_with_its_reason_and_what_is_so_for_all_counts_once():
    spans = Spans()
    for who in ("ETH bid", "ETH ask"):
        spans.note(who, "why", 1, Ns(1 * S))
        spans.note(who, "why", 2, Ns(2 * S))
    spans.note("ETH bid", "other", 3, Ns(3 * S))
    spans.note("ETH bid", None, 4, Ns(4 * S))
    spans.close(Ns(5 * S))
    spans.close(Ns(9 * S))
    assert spans.over == [
        Span("ETH bid", "why", 1, Ns(1 * S), Ns(3 * S)),
        Span("ETH bid", "other", 3, Ns(3 * S), Ns(4 * S)),
        Span("ETH ask", "why", 1, Ns(1 * S), Ns(5 * S)),
    ]
    assert total(spans.of("why".__eq__)) == 4.0, "of the side that waited longest, not of both together"
    assert total([]) == 0.0


def _placed(requests, cloid, at):
    place = Place("ETH", cloid, Side.BUY, 100, 1, Tif.ALO)
    requests.sent(1, Ns(at), Request(1, Route.SOCKET, 1, None, (place,)))


@pytest.mark.parametrize(
    ("event", "is_stuck"),
    [
        (Replied(1, Ns(0), (Resting(5, "0x1"),)), False),
        (NotSent(1, Reason.FEED_DOWN, Ns(0)), False),
        (OrderUpdate("ETH", Ns(0), Ns(0), 5, "0x1", Side.BUY, 100, 1, 1, OrderStatus.OPEN), False),
        (OrderUpdate("ETH", Ns(0), Ns(0), 5, "0x2", Side.BUY, 100, 1, 1, OrderStatus.OPEN), True),
        (Woke(), True),
    ],
)
def test_a_placement_is_stuck_until_anything_is_heard_of_it(event, is_stuck):
    """By its answer, by a status, or by the word that it was not sent; five seconds are too long (DG-10)."""
    requests = Requests()
    _placed(requests, "0x1", 0)
    requests.take(2, Ns(4 * S), event)
    assert bool(requests.stuck(Ns(6 * S))) is is_stuck
    late = Requests()
    _placed(late, "0x1", 0)
    late.take(2, Ns(5 * S + 1), event)
    assert [each.waited for each in late.stuck(Ns(6 * S))] == [None if is_stuck else 5 * S + 1]


def test_a_placement_that_the_venue_does_not_know_never_arrived():
    """What tells a muted socket from an answer that is withheld."""
    requests = Requests()
    _placed(requests, "0x1", 0)
    requests.sent(2, Ns(S), Request(2, Route.REST, 1, None, (QueryOrder("0x1"),)))
    requests.take(3, Ns(2 * S), Replied(2, Ns(0), (OrderStatusReport(Ns(0), None),)))
    assert requests.never_arrived == {"0x1": (3, 2 * S)}
    assert requests.told_when_asked == {}


@pytest.mark.parametrize("feed", Feed)
def test_a_placement_of_which_only_an_answer_tells_was_withheld(feed):
    """Neither a reply nor a status had come (DG-10); where its connection was lost, that explains it."""
    requests = Requests()
    _placed(requests, "0x1", 0)
    requests.take(1, Ns(0), FeedDown(feed, 1, Reason.CLOSED_BY_VENUE, Ns(0)))
    requests.sent(2, Ns(S), Request(2, Route.REST, 1, None, (QueryOrder("0x1"),)))
    update = OrderUpdate("ETH", Ns(0), Ns(0), 5, "0x1", Side.BUY, 100, 1, 1, OrderStatus.OPEN)
    requests.take(3, Ns(2 * S), Replied(2, Ns(0), (OrderStatusReport(Ns(0), update),)))
    requests.take(4, Ns(3 * S), Replied(2, Ns(0), (OrderStatusReport(Ns(0), update),)))
    assert requests.told_when_asked == ({} if feed is Feed.USER else {"0x1": (3, 2 * S)})
    assert requests.never_arrived == {}


@pytest.mark.parametrize(
    ("why", "seconds", "step"),
    [
        (NOT_SENT, 60, "DG-10"),
        (NOT_SENT, 5, None),
        (STOPPED + "risk:paused", 60, "DG-16"),
        (STOPPED + "risk:paused", 5, None),
        (NOT_BEGUN, 60, None),
    ],
)
def test_a_minute_without_orders_is_never_nothing_wrong(why, seconds, step):
    """A step owns what nothing holds back, and a cycle that stops anywhere; a moment of it is usual."""
    recorded, _ = diagnosis_of(CLEAN["eth-quiet"])
    over = recorded.quoting.bare.over
    spans = [Span(f"ETH {side}", why, 5, Ns(20 * S), Ns((20 + seconds) * S)) for side in ("bid", "ask")]
    over += spans
    try:
        outcomes = [walk(playbook, recorded) for playbook in PLAYBOOKS]
    finally:
        del over[-len(spans) :]
    assert named(outcomes, Verdict.CAUSE) == ([] if step is None else [step])
    assert step is None or why in words(outcomes, step)
