"""Circuit breakers, and the ways that requests take: what is left alone, what is tried, what always goes."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.commands import Cancel, Place, QueryOpenOrders, Request, Route, ScheduleCancel
from domain.events import Cancelled, NotSent, Reason, Replied
from domain.units import Epoch, Ns, Px, RequestId, Sz, Tif
from orchestrator.budget.proactive import BudgetGate
from orchestrator.connectivity.breaker import TRANSITIONS, BreakerConfig, BreakerState, CircuitBreaker
from orchestrator.connectivity.requests import RequestLedger, RequestsConfig
from orchestrator.connectivity.routes import Dependency, RoutesConfig
from tests.orchestrator.messages import BUY, ETH, cloid, live_feed, ms, s
from tests.orchestrator.test_requests import Diary
from tests.orchestrator.tiny_venue import quoting

S, D = BreakerState, Dependency
PLACE = Place(ETH.id, cloid(1), BUY, Px(100), Sz(1), Tif.ALO)
CANCEL = Cancel(ETH.id, cloid(1))
QUERY = QueryOpenOrders()


def failing(breaker: CircuitBreaker, times: int, begin: Ns = Ns(0)) -> Ns:
    """So many requests, one after the other, that nobody answers; when the last was given up."""
    now = begin
    for number in range(times):
        breaker.on_sent(RequestId(number), now)
        breaker.on_failure(RequestId(number), now, Ns(now + s(1)))
        now = Ns(now + s(1))
    return now


def test_the_table_leaves_no_state_for_ever():
    assert set(TRANSITIONS) == set(S)
    assert all(S.CLOSED in targets for state, targets in TRANSITIONS.items() if state is not S.CLOSED)


def test_it_opens_after_five_failures_and_probes_once_in_thirty_seconds():
    """CN-17: ten minutes of a dead dependency: five calls, then one each half minute; one answer closes it."""
    breaker, sent, now = CircuitBreaker(BreakerConfig(), "rest"), [], Ns(0)
    while now < s(600):
        if breaker.is_closed or breaker.is_due(now):
            number = RequestId(len(sent))
            sent.append(now)
            breaker.on_sent(number, now)
            breaker.on_failure(number, now, Ns(now + s(1)))
        now = Ns(now + s(1))
    assert sent[:5] == [s(0), s(1), s(2), s(3), s(4)]
    assert [late - early for early, late in pairwise(sent[5:])] == [s(31)] * (len(sent) - 6)
    assert sent[5] == s(35)
    assert (breaker.opened, breaker.state) == (1, S.OPEN)
    assert breaker.last_failure is not None
    now = breaker.probe_at()
    breaker.on_sent(RequestId(99), now)
    assert (breaker.state, breaker.is_due(now)) == (S.HALF_OPEN, False)
    breaker.on_success(now)
    assert (breaker.state, breaker.failure_count) == (S.CLOSED, 0)


@pytest.mark.parametrize(("failures", "state"), [(4, S.CLOSED), (5, S.OPEN)])
def test_the_threshold(failures, state):
    breaker = CircuitBreaker(BreakerConfig(), "rest")
    failing(breaker, failures)
    assert (breaker.state, breaker.failure_count) == (state, failures)


def test_what_was_under_way_together_counts_once():
    """Ten orders lost in one second of darkness are one failure."""
    breaker = CircuitBreaker(BreakerConfig(), "socket")
    for number in range(10):
        breaker.on_sent(RequestId(number), Ns(0))
    for number in range(10):
        breaker.on_failure(RequestId(number), Ns(0), s(1))
    assert (breaker.state, breaker.failure_count) == (S.CLOSED, 1)


def test_a_success_in_between_begins_the_count_anew():
    breaker = CircuitBreaker(BreakerConfig(), "socket")
    now = failing(breaker, 4)
    breaker.on_success(now)
    failing(breaker, 4, now)
    assert breaker.is_closed


def test_a_probe_that_never_left_may_be_repeated_at_once():
    breaker = CircuitBreaker(BreakerConfig(), "socket")
    now = Ns(failing(breaker, 5) + s(30))
    breaker.on_sent(RequestId(50), now)
    breaker.on_lost(RequestId(50), now)
    assert breaker.is_due(now)


@given(st.lists(st.tuples(st.sampled_from(["send", "answer", "silence", "lost", "wait"]), st.integers(0, 40))))
def test_any_sequence_keeps_it_in_its_table(sequence):
    """Whatever comes in whatever order: no error, at most one probe, never stuck without a time to try."""
    breaker, now, sent = CircuitBreaker(BreakerConfig(failures=2), "x"), Ns(0), {}
    for what, number in sequence:
        request = RequestId(number)
        if what == "wait":
            now = Ns(now + s(number))
        elif what == "send" and (breaker.is_closed or breaker.is_due(now)):
            sent[request] = now
            breaker.on_sent(request, now)
        elif request in sent:
            at = sent.pop(request)
            if what == "answer":
                breaker.on_success(now)
            elif what == "silence":
                breaker.on_failure(request, at, now)
            elif what == "lost":
                breaker.on_lost(request, now)
        if breaker.state is S.OPEN:
            assert breaker.probe_at() is not None


# --- ways ----------------------------------------------------------------------------------------


class Ways:
    """A ledger whose dependencies answer or do not, as the test says."""

    def __init__(self, **routes):
        self.feed, self.told = live_feed(), []
        config = RequestsConfig(timeout_ms=1_000, routes=RoutesConfig(**routes))
        self.ledger = RequestLedger(config, self.feed, alert=lambda alert: self.told.append(alert.name))
        self.diary, self.now, self.dead = Diary(), Ns(0), set()

    def ask(self, action) -> str | None:
        """Send one, wait for what becomes of it; the way that it took."""
        pending = self.ledger.send((action,), self.diary, self.now)
        left, self.ledger.outbox[:] = list(self.ledger.outbox), []
        if left:
            (request,) = left
            assert isinstance(request, Request)
            way = Dependency.SOCKET if request.route is Route.SOCKET else None
            way = way or (Dependency.INFO if action is QUERY else Dependency.REST)
            if way not in self.dead:
                self.now = Ns(self.now + ms(100))
                self.ledger.on_replied(Replied(request.request_id, self.now, (Cancelled(),)), self.now)
                return way.value
        self.now = pending.deadline
        self.ledger.expire(self.now)
        return way.value if left else None


def test_everything_goes_by_socket_while_it_answers():
    """EX-01."""
    ways = Ways()
    assert {ways.ask(action) for action in (PLACE, CANCEL, QUERY) * 20} == {"socket"}
    assert ways.ledger.routes.sent == {D.SOCKET: 60, D.REST: 0, D.INFO: 0}


def test_a_muted_socket_is_left_after_one_request_and_then_probed():
    """EX-02, C-29: the first costs its time-out; the others go by REST at once, with the circuit open all of them."""
    ways = Ways()
    ways.dead = {D.SOCKET}
    taken = []
    while ways.now < s(150):
        taken.append(ways.ask(PLACE))
    assert taken[0] == "socket"
    assert set(taken[1:50]) == {"rest"}
    assert taken.count("socket") in range(7, 10)  # five with the doubt of 10 s between them, then every 30 s
    assert ways.told == ["circuit_open"]
    ways.dead = set()
    ways.now = Ns(ways.now + s(30))
    assert ways.ask(PLACE) == "socket"  # the probe
    ways.now = Ns(ways.now + s(10))
    assert {ways.ask(PLACE) for _ in range(20)} == {"socket"}
    assert ways.told == ["circuit_open", "circuit_closed"]


def test_cancels_never_probe_where_another_way_works():
    """L4: a cancel is not what a dead way is tried with."""
    ways = Ways()
    ways.dead = {D.SOCKET}
    while ways.ledger.routes.breakers[D.SOCKET].is_closed:
        ways.ask(PLACE)
    ways.now = Ns(ways.now + s(60))
    assert [ways.ask(CANCEL) for _ in range(5)] == ["rest"] * 5
    assert ways.ask(PLACE) == "socket"


@pytest.mark.parametrize("action", [CANCEL, ScheduleCancel(None)])
def test_cancels_go_whatever_is_open(action):
    """L4: with every circuit open placements and questions wait, cancels try each way in turn."""
    ways = Ways()
    ways.dead = set(D)
    for _ in range(60):
        ways.ask(PLACE)
        ways.ask(QUERY)
    assert {breaker.is_closed for breaker in ways.ledger.routes.breakers.values()} == {False}
    assert {ways.ask(action) for _ in range(6)} == {"socket", "rest"}
    assert ways.ask(PLACE) is None
    assert ways.ledger.gate(1, ways.now) is BudgetGate.NO_ROUTE
    assert ways.ledger.n_held > 0
    ways.dead = {D.SOCKET}
    while ways.ask(action) != "rest":
        pass
    assert ways.ledger.routes.breakers[D.REST].is_closed  # its answer closed the circuit


def test_questions_and_actions_fail_by_themselves():
    """CN-17: one breaker for each dependency."""
    ways = Ways(socket=False)
    ways.dead = {D.INFO}
    for _ in range(10):
        ways.ask(QUERY)
    assert not ways.ledger.routes.breakers[D.INFO].is_closed
    assert ways.ask(PLACE) == "rest"


def test_what_is_held_is_told_as_not_sent_once_and_soon():
    """Nothing is dropped silently: whoever asked hears it, and tries again at its own pace."""
    ways = Ways()
    ways.dead = set(D)
    while ways.ask(QUERY) is not None:
        pass
    heard, now = len(ways.diary.heard), ways.now
    ways.ledger.send((QUERY,), ways.diary, now)
    assert ways.ledger.outbox == []
    assert ways.ledger.deadline() == now + ms(100)
    ways.ledger.expire(Ns(now + ms(100)))
    ways.ledger.expire(Ns(now + ms(200)))
    assert [what for what, *_ in ways.diary.heard[heard:]] == ["not_sent"]


def test_a_lost_connection_says_nothing_of_the_socket():
    """Its requests are silent, and no failures: on the next connection all is as new but for the doubt."""
    ways = Ways()
    for number in range(10):
        ways.ledger.send((PLACE,), ways.diary, s(number))
        ways.ledger.on_user_feed_down(s(number))
    assert ways.ledger.routes.breakers[D.SOCKET].failure_count == 0


def test_a_new_connection_is_tried_at_once():
    ways = Ways()
    ways.dead = {D.SOCKET}
    while ways.ledger.routes.breakers[D.SOCKET].is_closed:
        ways.ask(PLACE)
    assert ways.ask(PLACE) == "rest"
    ways.ledger.routes.on_user_feed_live(ways.now)
    assert ways.ask(PLACE) == "socket"


@pytest.mark.parametrize(
    ("routes", "is_live", "place", "cancel"),
    [
        ({}, True, "socket", "socket"),
        ({}, False, "rest", "rest"),
        ({"socket": False}, True, "rest", "rest"),
        ({"fallback": False}, True, "socket", "socket"),
        ({"fallback": False}, False, None, "rest"),
        ({"fallback": False, "socket": False}, True, "rest", "rest"),
    ],
)
def test_the_switches(routes, is_live, place, cancel):
    """EX-04: without the fallback placements wait for the socket; cancels and questions never do."""
    ways = Ways(**routes)
    ways.feed.is_live = is_live
    assert (ways.ask(PLACE), ways.ask(CANCEL)) == (place, cancel)


def test_without_breakers_a_dead_way_is_tried_for_ever():
    ways = Ways(breaker=None, socket=False)
    ways.dead = {D.REST}
    assert [ways.ask(PLACE) for _ in range(20)] == ["rest"] * 20
    assert ways.told == []


def test_not_sent_is_no_failure():
    ways = Ways()
    for number in range(1, 20):
        ways.ledger.send((PLACE,), ways.diary, s(number))
        ways.ledger.on_not_sent(NotSent(RequestId(number), Reason.STALE_EPOCH, s(number)), s(number))
    assert ways.ledger.routes.breakers[D.SOCKET].is_closed


# --- in the trader -------------------------------------------------------------------------------


def test_a_venue_that_answers_nothing_is_left_alone_and_comes_back():
    """CN-17, L4, L1: for minutes nothing is answered; requests thin out, and when it answers again quotes stand."""
    stage = quoting()
    stage.run_for(s(2))
    stage.venue.faults.fate = lambda request: "lost"
    stage.mid_after = lambda mid: mid + (1 if (stage.now // s(1)) % 2 else -1) * ETH.tick_at(mid) * 40
    stage.run_for(s(120))
    calm = stage.core.ledger.n_sent
    stage.run_for(s(120))
    assert stage.core.ledger.n_sent - calm < 80
    assert stage.core.snapshot().circuits["info"] != "closed"
    stage.venue.faults.fate = lambda request: None
    stage.mid_after = lambda mid: mid
    stage.run_for(s(90))
    assert stage.is_two_sided()
    assert stage.is_agreed()
    assert Epoch(1) < stage.venue.epochs[stage.core.user_feed.feed]
