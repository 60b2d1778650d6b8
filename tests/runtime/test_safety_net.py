"""The safety net: whatever the core does, in the end nothing of ours rests at the venue."""

import pytest

from domain.commands import Alert, Cancel, Connect, Place, Request, Route, Severity
from domain.events import Feed, FeedDown, FeedUp, OrderStatus, OrderUpdate, Reason, Restored, RestoredOrder, Woke
from domain.units import NS_PER_MS, NS_PER_S, Side, Tif
from exchange_adapters.base import Capabilities
from runtime.driver import CORE_FAILED, JOURNAL_FAILED, SUBMIT_FAILED
from runtime.journal_format import Decided, Rescued, Took
from runtime.log import FileLog, MemoryLog
from runtime.safety_net import ORDERS_LEFT, SafetyNet, SafetyNetConfig
from tests.runtime.toy import EXPIRY, ToyCore, ToyRun

MS, S = NS_PER_MS, NS_PER_S


def capabilities(*routes, max_actions=2):
    return Capabilities(
        name="x", routes=frozenset(routes), channels=frozenset(), snapshots=frozenset(), max_actions=max_actions
    )


# --- whole runs ---------------------------------------------------------------------------------


@pytest.mark.parametrize("in_decide", [False, True])
@pytest.mark.parametrize("k", [1, 2, 3, 5, 8, 13, 14, 15, 16, 17, 18, 19, 20, 21, 34, 55, 89, 144, 233, 377])
def test_a_core_that_raises_leaves_no_resting_order(k, in_decide):
    """Protects the account from our own bugs: at whatever event the core breaks, every order goes."""
    run = ToyRun(seed=41, core=lambda: ToyCore(fail_at=k, fail_in_decide=in_decide)).start().run(20)
    assert not run.driver.is_running
    assert run.driver.failure.name == CORE_FAILED
    assert "planted" in run.driver.failure.text
    assert run.driver.failure.error is RuntimeError
    assert "RuntimeError: planted" in run.driver.failure.traceback
    assert run.venue.resting() == []
    assert run.alerts[0].name == CORE_FAILED
    assert ORDERS_LEFT not in [a.name for a in run.alerts]
    placed = [time for time, c in run.venue.received if isinstance(c, Request) and isinstance(c.actions[0], Place)]
    failed_at = next(r.now for r in run.records() if isinstance(r, Rescued))
    assert all(time <= failed_at for time in placed)


def test_it_is_in_the_journal():
    """Protects the reconstruction: the reason first, then every cancel, and the fills that came meanwhile."""
    run = ToyRun(seed=41, core=lambda: ToyCore(fail_at=200)).start().run(20)
    records = run.records()
    first = next(i for i, r in enumerate(records) if isinstance(r, Rescued))
    assert records[first].commands[0] == Alert(Severity.CRITICAL, CORE_FAILED, "RuntimeError: planted at event 200")
    assert all(isinstance(r, Rescued | Took) for r in records[first:])
    sent = [c for r in records[first:] if isinstance(r, Rescued) for c in r.commands if isinstance(c, Request)]
    at_venue = [c for _, c in run.venue.received if isinstance(c, Request) and c.request_id >= 1 << 40]
    assert sent == at_venue
    assert sent


@pytest.mark.parametrize("trouble", ["loses_replies", "rejects_sockets", "user_down", "slow_places"])
def test_it_works_when_the_venue_is_difficult(trouble):
    """Protects L4: lost answers, a dead socket, a lost feed, an overtaking cancel: one working way is enough."""
    run = ToyRun(seed=43, core=lambda: ToyCore(fail_at=150))

    def plant(now, events, commands):
        if run.driver.failure is None and run.cores[-1].n_events == 149:
            run.venue.loses_replies = trouble == "loses_replies"
            run.venue.rejects_sockets = trouble == "rejects_sockets"
            if trouble == "user_down":
                run.venue.cut(Feed.USER)

    if trouble == "slow_places":
        run.venue.place_delay = 300 * MS
    run.driver.taps.append(plant)
    run.start().run(30)
    assert run.driver.failure.name == CORE_FAILED
    assert run.venue.resting() == []


def test_it_gives_up_in_time_and_says_what_is_left():
    """Protects against waiting for ever: when no way works, people hear which orders may rest."""
    run = ToyRun(seed=44, core=lambda: ToyCore(fail_at=200)).start().run(1)
    run.venue.submit = lambda command: None
    run.venue.trade = lambda order, sz: None
    run.venue.cut(Feed.USER)
    seconds = 1
    while run.driver.is_running:
        run.run(seconds := seconds + 0.1)
    assert run.alerts[-1].name == ORDERS_LEFT
    resting = [order.place.cloid for order in run.venue.resting()]
    assert resting
    assert all(cloid in run.alerts[-1].text for cloid in resting)
    failed_at = next(r.now for r in run.records() if isinstance(r, Rescued))
    assert run.driver.ends[-1].at - failed_at == pytest.approx(10 * S, abs=10 * MS)


def test_a_refused_command_ends_the_core_too():
    """Protects the port: a command that no correct trader makes is our bug, and what followed it never leaves."""

    class Wrong(ToyCore):
        def decide(self, now):
            out = super().decide(now)
            if self.n_events > 100:
                out.insert(0, self._request())
            return out

    run = ToyRun(seed=45, core=Wrong).start().run(20)
    assert run.driver.failure.name == SUBMIT_FAILED
    assert "an empty request" in run.driver.failure.text
    assert run.venue.resting() == []


def test_an_adapter_that_cannot_reserve_nonces_ends_the_core_too():
    """Protects the port: nothing signed leaves without a nonce that the journal knows, and the orders still go."""
    run = ToyRun(seed=45).start().run(5)
    reserve, calls = run.driver._adapter.reserve_nonces, []

    def fails_once():
        calls.append(1)
        if len(calls) == 1:
            raise OSError(5, "no clock")
        return reserve()

    run.driver._adapter.reserve_nonces = fails_once
    run.run(20)
    assert run.driver.failure.name == SUBMIT_FAILED
    assert "no clock" in run.driver.failure.text
    assert run.venue.resting() == []


class FullDisk(MemoryLog):
    """Fails from a size on."""

    def append(self, data):
        if len(self._data) > 20_000:
            raise OSError(28, "No space left on device")
        super().append(data)


def test_a_journal_that_cannot_be_written_stops_the_trader():
    """Protects the write-ahead rule under a full disk: without a record nothing is placed; cancels still leave."""
    run = ToyRun(seed=46, log=FullDisk()).start().run(20)
    assert run.driver.failure.name == JOURNAL_FAILED
    assert run.venue.resting() == []
    decided = {c.actions for r in run.records() if isinstance(r, Decided) for c in r.commands if isinstance(c, Request)}
    left = {c.actions for _, c in run.venue.received if isinstance(c, Request) and not isinstance(c.actions[0], Cancel)}
    assert left <= decided


def test_the_journal_file_is_complete_afterwards(tmp_path):
    """Protects the evidence: when the driver has stopped, everything is in the file."""
    log = FileLog(tmp_path / "journal")
    run = ToyRun(seed=41, core=lambda: ToyCore(fail_at=200), log=log).start().run(20)
    assert not run.driver.is_running
    assert (tmp_path / "journal").read_bytes() == log.read()
    log.close()


def test_unresolved_intents_of_an_earlier_life_are_cancelled_too():
    """Protects a crash loop: a life that fails at its first event takes along what the one before left."""
    cores = iter([ToyCore(), ToyCore(fail_at=3)])
    run = ToyRun(seed=47, core=lambda: next(cores)).start().run(1)
    run.driver.kill_trader()
    assert run.venue.resting()
    run.start().run(30)
    assert run.driver.failure.name == CORE_FAILED
    assert run.venue.resting() == []


# --- the machine --------------------------------------------------------------------------------


def order(cloid, side=Side.BUY):
    return Place("BTC", cloid, side, 100, 5, Tif.ALO)


def update(cloid, oid, status):
    return OrderUpdate("BTC", 0, 0, oid, cloid, Side.BUY, 100, 5, 5, status)


def net_with(routes=(Route.SOCKET, Route.REST), **config):
    net = SafetyNet(SafetyNetConfig(**config), capabilities(*routes))
    net.seen(FeedUp(Feed.USER, 3, 0), 0)
    for number, cloid in enumerate(["0xa", "0xb", "0xc"], 1):
        net.sent(Request(number, Route.SOCKET, 3, EXPIRY, (order(cloid),)), 0)
    net.seen(update("0xb", 12, OrderStatus.OPEN), 0)
    return net


WHY = Alert(Severity.CRITICAL, CORE_FAILED, "x")


def cancels(commands):
    return [[(c.cloid, c.oid) for c in command.actions] for command in commands if isinstance(command, Request)]


def test_it_cancels_in_batches_by_client_id_and_oid_where_known():
    """Protects the form of the requests: what the adapter takes, with everything that is known."""
    net = net_with()
    net.take_over(WHY, 5 * S)
    commands = net.decide(5 * S)
    assert commands[0] == WHY
    assert cancels(commands) == [[("0xa", None), ("0xb", 12)], [("0xc", None)]]
    assert {(c.route, c.epoch, c.expires_in) for c in commands[1:]} == {(Route.SOCKET, 3, None)}
    assert net.decide(5 * S) == (), "a second call at the same time says nothing"
    assert net.next_deadline() == 6 * S


def test_it_repeats_by_the_other_route_and_only_what_is_left():
    """Protects L4: of two ways one may be dead."""
    net = net_with()
    net.take_over(WHY, 0)
    routes = []
    for second in range(3):
        commands = net.decide(second * S)
        routes += {c.route for c in commands if isinstance(c, Request)}
        net.seen(update("0xa" if second else "0xb", 12, OrderStatus.CANCELED), second * S)
    assert routes == [Route.SOCKET, Route.REST, Route.SOCKET]
    assert [o.cloid for o in net.live] == ["0xc"]


def test_it_connects_where_there_is_no_way():
    """Protects venues without a second route: the socket is opened again."""
    net = net_with(routes=(Route.SOCKET,))
    net.seen(FeedDown(Feed.USER, 3, Reason.CLOSED_BY_VENUE, 0), 0)
    net.take_over(WHY, 0)
    assert net.decide(0) == (WHY, Connect(Feed.USER))
    net.seen(FeedUp(Feed.USER, 4, 0), 1)
    assert [c.epoch for c in net.decide(1 * S)] == [4, 4]


def test_an_old_down_of_an_older_connection_is_ignored():
    """Protects the choice of the route: messages about the connection before this one change nothing."""
    net = net_with()
    net.seen(FeedDown(Feed.USER, 2, Reason.CLOSED_BY_VENUE, 0), 0)
    net.take_over(WHY, 0)
    assert net.decide(0)[1].route is Route.SOCKET


def test_without_orders_it_is_done_at_once():
    """Protects the end of a failed life in which nothing was placed."""
    net = SafetyNet(SafetyNetConfig(), capabilities(Route.REST))
    net.seen(Woke(), 0)
    net.take_over(WHY, 0)
    net.take_over(Alert(Severity.CRITICAL, "second", ""), 0)
    assert net.decide(0) == (WHY,)
    assert net.is_done
    assert net.next_deadline() is None


def test_restored_intents_are_live_from_the_start():
    """Protects the first seconds of a later life."""
    net = SafetyNet(SafetyNetConfig(), capabilities(Route.REST))
    net.seen(Restored(2, 0, (RestoredOrder("BTC", "0xa", Side.BUY, 100, 5),)), 0)
    net.take_over(WHY, 0)
    assert cancels(net.decide(0)) == [[("0xa", None)]]
