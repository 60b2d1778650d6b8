"""The contract is able to fail: each broken adapter turns the numbers red that are there for it."""

import re
from pathlib import Path

import pytest
from msgspec.structs import replace

from domain.events import ChannelKind, ClockSync, Reason, Subscribed
from domain.units import Ns
from exchange_adapters.nonces import NonceSource
from exchange_adapters.simulated import SimulatedAdapter
from sim.feed import Session
from sim.venue.dead_man import DeadMan
from tests.adapter_contract import test_contract
from tests.adapter_contract.harness import SimulatedHarness, Trader

FOLDER = Path(__file__).parent
NUMBERS = {
    int(found.group(1)): test
    for name, test in vars(test_contract).items()
    if (found := re.match(r"test_ac(\d+)_", name))
}


def sink_inside_submit(monkeypatch):
    monkeypatch.setattr(Session, "_soon", Session._hand_over)


def epochs_stand_still(monkeypatch):
    shake = Session._shake_hands

    def shake_hands(self, state):
        state.epoch = 0
        shake(self, state)

    monkeypatch.setattr(Session, "_shake_hands", shake_hands)


def reconnects_by_itself(monkeypatch):
    notice = Session._notice

    def notice_and_connect(self, state, epoch, reason):
        notice(self, state, epoch, reason)
        self.connect(state.feed)

    monkeypatch.setattr(Session, "_notice", notice_and_connect)


def keeps_subscriptions(monkeypatch):
    cut = Session.cut

    def cut_but_keep(self, feed, reason, **how):
        channels = dict(self.feeds[feed].channels)
        cut(self, feed, reason, **how)
        self.feeds[feed].channels.update(channels)

    monkeypatch.setattr(Session, "cut", cut_but_keep)


def nothing_is_lost(monkeypatch):
    def deliver(self, _state, _epoch, events):
        for event in events:
            self._hand_over(event)

    monkeypatch.setattr(Session, "_deliver", deliver)


def sends_into_a_dead_feed(monkeypatch):
    def request(self, request, nonce):
        self._arrive(None, self.world.env.now, self.life, nonce, request)

    monkeypatch.setattr(Session, "request", request)


def promises_too_much(monkeypatch):
    hand_over = Session._hand_over

    def promise(self, event):
        hand_over(self, replace(event, has_snapshot=True) if isinstance(event, Subscribed) else event)

    monkeypatch.setattr(Session, "_hand_over", promise)


def replays_orders(monkeypatch):
    subscribe = Session._subscribe_at_venue

    def subscribe_and_replay(self, state, epoch, channel):
        subscribe(self, state, epoch, channel)
        if channel.kind is ChannelKind.ORDER_UPDATES:
            orders = self.world.venue.resting(self.account)
            updates = [self.world.venue.order(self.account, order.oid).update() for order in orders]
            self._carry(state, channel, updates)

    monkeypatch.setattr(Session, "_subscribe_at_venue", subscribe_and_replay)


def overtakes(monkeypatch):
    def carry(self, state, _channel, events):
        env = self.world.env
        self.counts["carried"] += 1
        env.call_in(37_000_000 * self.counts["carried"] % 200_000_000, self._deliver, state, state.epoch, events)

    monkeypatch.setattr(Session, "_carry", carry)


def forgets_when_it_was_sent(monkeypatch):
    arrive = Session._arrive
    monkeypatch.setattr(
        Session, "_arrive", lambda self, epoch, _, life, *rest: arrive(self, epoch, self.world.env.now, life, *rest)
    )


def never_puts_off(monkeypatch):
    """The first time that is set stays, whatever is set later."""
    set_at = DeadMan.set

    def set_once(self, at, now, traded):
        return None if self.at is not None and at is not None else set_at(self, at, now, traded)

    monkeypatch.setattr(DeadMan, "set", set_once)


def no_notice(monkeypatch):
    monkeypatch.setattr(Session, "_notice", lambda *_: None)


def wrong_reason(monkeypatch):
    notice = Session._notice
    monkeypatch.setattr(
        Session, "_notice", lambda self, state, epoch, _: notice(self, state, epoch, Reason.CLOSED_BY_US)
    )


def believes_the_way_back_takes_no_time(monkeypatch):
    """An offset from the venue's stamp and the moment of its arrival, as if it had taken no time: wrong by the way."""
    made = "exchange_adapters.simulated.clock_sync"
    monkeypatch.setattr(made, lambda sent, venue, received: ClockSync(Ns(venue - received), Ns(0)))


def compares_no_clocks(monkeypatch):
    monkeypatch.setattr(SimulatedAdapter, "start", lambda self, sink: self.session.open(sink))


def never_pings(monkeypatch):
    monkeypatch.setattr("exchange_adapters.simulated.KeepAlive", lambda *_: None)


def hears_no_pong(monkeypatch):
    monkeypatch.setattr(Session, "_pong", lambda *_: None)


def stamps_nothing(monkeypatch):
    monkeypatch.setattr(
        Session, "_hand_over", lambda self, event: self.sink and self.sink(replace(event, recv_time=Ns(1)))
    )


def signs_by_the_wall_clock(monkeypatch):
    monkeypatch.setattr(NonceSource, "next", lambda self, now_ms: now_ms)


def begins_anew(monkeypatch):
    """A life that knows nothing of where the last one ended."""
    begin = NonceSource.__init__
    monkeypatch.setattr(NonceSource, "__init__", lambda self, first=0: begin(self))


BROKEN = {
    sink_inside_submit: 1,
    epochs_stand_still: 2,
    reconnects_by_itself: 7,
    keeps_subscriptions: 12,
    nothing_is_lost: 43,
    sends_into_a_dead_feed: 40,
    promises_too_much: 10,
    replays_orders: 14,
    overtakes: 51,
    forgets_when_it_was_sent: 33,
    never_puts_off: 34,
    no_notice: 6,
    wrong_reason: 6,
    stamps_nothing: 50,
    believes_the_way_back_takes_no_time: 53,
    compares_no_clocks: 53,
    never_pings: 54,
    hears_no_pong: 54,
    signs_by_the_wall_clock: 55,
    begins_anew: 55,
}


@pytest.mark.parametrize(("breaks", "number"), BROKEN.items(), ids=lambda value: getattr(value, "__name__", None))
def test_a_broken_adapter_goes_red(monkeypatch, breaks, number):
    """Protects the suite itself: a contract that nothing can violate says nothing."""
    breaks(monkeypatch)
    case = NUMBERS[number]
    arguments = {mark.args[0]: mark.args[1][0] for mark in getattr(case, "pytestmark", ())}
    with pytest.raises((AssertionError, ValueError)):  # unpacking one event of none is red, too
        case(Trader(SimulatedHarness()), **arguments)


def test_the_table_lists_every_number():
    """Protects the README: whoever writes an adapter reads the numbers there."""
    listed = re.findall(r"^\| AC-(\d+) \|", (FOLDER / "README.md").read_text(), re.MULTILINE)
    assert [int(number) for number in listed] == sorted(NUMBERS)
