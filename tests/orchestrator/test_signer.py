"""The venue no longer takes our signature: what the trader does, what it leaves alone, and how it finds back."""

from dataclasses import replace
from itertools import pairwise

import pytest

from domain.commands import Cancel, Modify, Place, Request, ScheduleCancel
from domain.errors import IllegalTransition
from domain.events import Cancelled, OpenOrdersReport, Reason, Refused, Replied, Resting, Scheduled
from domain.lifecycle import step
from domain.units import Ns, Oid, RequestId
from orchestrator.connectivity.signer import GATE, TRANSITIONS, SignerConfig, SignerState, SignerWatch
from tests.orchestrator.desks import Bench
from tests.orchestrator.messages import MID, s
from tests.orchestrator.tiny_venue import QUICK, quoting

STRANGER = Refused(Reason.UNKNOWN_SIGNER, "User or API Wallet 0x1 does not exist.")
NO_SWITCH = replace(QUICK, dead_man=None, supervisor=None)
SIGNED = Place | Cancel | Modify | ScheduleCancel


def refusing(stage, result=STRANGER):
    """From now on this is what everything signed hears; None: the venue's own answers."""
    stage.venue.faults.answers = lambda action: result if isinstance(action, SIGNED) else None


def signed(stage, since):
    """(seconds since then, name of the action) of what was sent and signed."""
    return [
        ((at - since) / s(1), type(entry.actions[0]).__name__)
        for at, entry in stage.story
        if at >= since and isinstance(entry, Request) and isinstance(entry.actions[0], SIGNED)
    ]


def watch(tolerated=2):
    bench = Bench()
    alerts = []
    config = SignerConfig(tolerated=tolerated)
    return SignerWatch(config, bench.ledger, {}, alerts.append, is_switch_clear=lambda: True), alerts


@pytest.mark.parametrize(
    ("answers", "refused", "state", "alerts"),
    [
        ("x", 1, "trusted", ["signature_refused"]),
        ("xx", 2, "trusted", ["signature_refused"]),
        ("xxx", 3, "refused", ["signature_refused", "signer_refused"]),
        ("xx.x", 3, "trusted", ["signature_refused"]),
        ("xx?x", 3, "refused", ["signature_refused", "signer_refused"]),
        ("xx#x", 3, "refused", ["signature_refused", "signer_refused"]),
        ("xxxx", 4, "refused", ["signature_refused", "signer_refused"]),
        ("xxx.", 3, "trusted", ["signature_refused", "signer_refused", "signer_restored"]),
        ("xxxn", 3, "trusted", ["signature_refused", "signer_refused", "signer_restored"]),
    ],
)
def test_three_in_a_row_stop_us_and_one_that_was_read_lets_us_go(answers, refused, state, alerts):
    """Protects the count: x a stranger's, . accepted, n another refusal, ? a query's answer, # a full minute."""
    meant = {
        "x": STRANGER,
        ".": Resting(Oid(1), None),
        "n": Refused(Reason.NOT_OPEN, ""),
        "?": OpenOrdersReport(Ns(0), ()),
        "#": Refused(Reason.RATE_LIMITED, "HTTP 429: null"),
    }
    signer, told = watch()
    for n, answer in enumerate(answers):
        signer.hear(Replied(RequestId(n), Ns(n), (meant[answer],)), Ns(n))
    assert (signer.refused, signer.state.value) == (refused, state)
    assert [alert.name for alert in told] == alerts
    assert signer.gate == (GATE if state == "refused" else None)


@pytest.mark.parametrize("result", [Cancelled(), Scheduled()])
def test_any_action_that_was_carried_out_is_a_proof(result):
    """Protects the way back: a cancel or the switch proves as much as an order."""
    signer, _ = watch(tolerated=0)
    signer.hear(Replied(RequestId(1), Ns(1), (STRANGER,)), Ns(1))
    assert signer.state is SignerState.REFUSED
    signer.hear(Replied(RequestId(2), Ns(2), (result,)), Ns(2))
    assert signer.state is SignerState.TRUSTED


def test_an_answer_without_results_says_nothing():
    """Protects a garbled answer from being a proof of anything."""
    signer, told = watch()
    signer.hear(Replied(RequestId(1), Ns(1), ()), Ns(1))
    assert (signer.refused, told) == (0, [])


@pytest.mark.parametrize("wrong", [(SignerState.TRUSTED, SignerState.TRUSTED), (SignerState.REFUSED,) * 2])
def test_the_table_has_no_other_steps(wrong):
    """Protects the machine: neither state leads to itself."""
    with pytest.raises(IllegalTransition):
        step(TRANSITIONS, *wrong, "signer")


# --- in the trader --------------------------------------------------------------------------------


def test_a_key_that_expired():
    """Protects the whole story: told, nothing placed, tries that grow rare, orders that stay ours, and back."""
    stage = quoting(config=NO_SWITCH)
    resting = {order.place.cloid for order in stage.venue.resting()}
    refusing(stage)
    stage.venue.quote(MID + 200)
    since = stage.now
    stage.run_for(s(60))
    assert stage.core.phase == GATE
    assert len(stage.told("signer_refused")) == 1
    tries = signed(stage, since)
    assert 5 <= len(tries) <= 16
    late = [at for at, _ in tries if at > 20]
    assert all(after - before > 5 for before, after in pairwise(late))
    assert {name for at, name in tries if at > 10} == {"Cancel"}
    believed = {order.cloid for order in stage.core.desks["ETH"].tracker.orders.values()}
    assert resting <= believed, "a refused cancel ends no order"
    refusing(stage, None)
    stage.run_for(s(20))
    assert stage.core.phase == "quoting"
    assert stage.is_two_sided()
    assert stage.is_agreed()
    assert len(stage.told("signer_restored")) == 1
    figures = stage.core.snapshot()
    assert (figures.signer_outages, figures.signatures_refused) == (1, len([t for t in tries if t[0] >= 0]))


def test_where_nothing_rests_a_harmless_action_asks():
    """Protects the way back where there is nothing to cancel: the schedule that nobody set is taken back."""
    stage = quoting(config=NO_SWITCH)
    refusing(stage)
    stage.venue.quote(MID + 200)
    stage.run_for(s(5))
    for order in list(stage.venue.resting()):
        stage.venue._end(order, stage.venue.orders[order.oid].status.CANCELED, Reason.SCHEDULED)
    stage.run_for(s(15))
    since = stage.now
    stage.run_for(s(30))
    assert {name for _, name in signed(stage, since)} == {"ScheduleCancel"}
    refusing(stage, None)
    stage.run_for(s(20))
    assert stage.is_two_sided()


def test_bad_luck_now_and_then_stops_nobody():
    """Protects quoting: one refusal in three is told once, and what was refused is asked for again."""
    stage = quoting(config=NO_SWITCH)
    count = 0

    def now_and_then(action):
        nonlocal count
        if not isinstance(action, SIGNED):
            return None
        count += 1
        return STRANGER if count % 3 == 0 else None

    stage.venue.faults.answers = now_and_then
    for n in range(1, 31):
        stage.venue.quote(MID + 100 * (n % 2))
        stage.run_for(s(1))
    assert stage.core.phase == "quoting"
    assert stage.core.snapshot().signer_outages == 0
    assert len(stage.told("signature_refused")) == 1
    stage.venue.faults.answers = lambda action: None
    stage.run_for(s(5))
    assert stage.is_two_sided()
    assert stage.is_agreed()


def test_without_the_watch_it_asks_and_asks():
    """Protects the mechanism: switched off, cancels go out as fast as answers come."""

    def tries(config):
        stage = quoting(config=config)
        refusing(stage)
        stage.venue.quote(MID + 200)
        since = stage.now
        stage.run_for(s(60))
        return len(signed(stage, since))

    assert tries(replace(NO_SWITCH, signer=None)) > 3 * tries(NO_SWITCH)


def test_a_nonce_that_was_used_proves_nothing():
    """Protects ambiguity: what used it may have been this very request, so the order is in doubt until it is found."""
    bench = Bench()
    placed = bench.quote(s(1))
    assert {type(action) for action in placed} == {Place}
    bench.refuse(s(2), Refused(Reason.INVALID_NONCE, "Invalid nonce: duplicate nonce 7"))
    orders = list(bench.desk.tracker.orders.values())
    assert len(orders) == len(placed)
    assert {order.certainty.value for order in orders} == {"unknown"}
    assert bench.desk.outcomes.refusals == {Reason.INVALID_NONCE: len(bench.last)}
