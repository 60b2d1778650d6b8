"""The meters by themselves: what goes, what does not, and what is left afterwards."""

from collections import deque
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from domain.limits import AddressLimits, IpLimits, OpenOrderLimits, SocketLimits
from domain.units import NS_PER_S, USD, AccountId, Ns, Usd
from sim.venue.meters import AddressMeter, ConnectionMeter, IpMeter, OpenOrderCap, Window

NOTHING = Usd(0)


def at(seconds):
    return Ns(round(seconds * NS_PER_S))


# --- windows ------------------------------------------------------------------------------------


@given(steps=st.lists(st.tuples(st.integers(0, 30), st.integers(1, 9)), max_size=60))
def test_a_window_is_the_sum_of_what_is_younger(steps):
    """Protects the sliding minute, to the nanosecond, against a twin that sums everything anew."""
    window, now, past, peak = Window(Ns(60)), 0, [], 0
    for wait, amount in steps:
        now += wait
        window.add(amount, Ns(now))
        past.append((now, amount))
        used = sum(a for t, a in past if now - t < 60)
        peak = max(peak, used)
        assert window.used(Ns(now)) == used
    assert window.peak == peak
    assert window.used(Ns(now + 60)) == 0


# --- an IP address ------------------------------------------------------------------------------


def test_twelve_hundred_a_minute_and_not_one_more():
    """Protects the weight limit: 60 heavy questions fill a minute; what was refused is not counted."""
    meter = IpMeter(IpLimits())
    assert all(meter.admits(20, at(n / 2)) for n in range(60))
    assert not meter.admits(1, at(30))
    assert meter.refused == 1
    assert not meter.admits(1, Ns(at(60) - 1))
    assert meter.admits(20, at(60)), "the first one is a minute old"
    assert not meter.admits(20, at(60))
    assert meter.window.peak == 1_200


def test_an_answer_may_exceed_the_limit_and_then_all_wait():
    """Protects the surcharge after the answer: it cannot be refused any more, but it is remembered."""
    meter = IpMeter(IpLimits())
    assert meter.admits(1_190, at(0))
    meter.charge(100, at(1))
    assert meter.window.used(at(1)) == 1_290
    assert not meter.admits(1, at(59))
    assert meter.admits(1, at(60))


def test_a_squeezed_address_has_its_share():
    """Protects the neighbour on the same IP: only a part of the weight is left."""
    meter = IpMeter(IpLimits())
    meter.shares += [0.1, 0.5]
    assert [meter.admits(20, at(0)) for _ in range(7)] == [True] * 6 + [False]
    meter.shares.clear()
    assert meter.admits(20, at(0))


# --- sockets ------------------------------------------------------------------------------------


def test_ten_connections_and_thirty_new_ones_a_minute():
    """Protects both limits of connections: a hung-up one frees its place, not its turn."""
    meter = ConnectionMeter(SocketLimits())
    assert [meter.connect(at(0)) for _ in range(11)] == [True] * 10 + [False]
    for _ in range(20):
        meter.disconnect()
        assert meter.connect(at(1))
    meter.disconnect()
    assert not meter.connect(at(59.9)), "thirty were opened in this minute"
    assert meter.connect(at(60))
    assert (meter.connections, meter.refused_connections) == (10, 2)


def test_subscriptions_and_users_have_room_again_when_they_are_gone():
    """Protects the two counts of subscriptions: a thousand in all, ten accounts."""
    meter = ConnectionMeter(SocketLimits(subscriptions=14))
    users = [AccountId(f"user {n}") for n in range(11)]
    assert [meter.subscribe(user) for user in users] == [True] * 10 + [False]
    assert meter.subscribe(users[0])
    meter.unsubscribe(users[0])
    assert not meter.subscribe(users[10]), "the first user is still there by the other subscription"
    meter.unsubscribe(users[0])
    assert meter.subscribe(users[10])
    assert [meter.subscribe(None) for _ in range(5)] == [True] * 4 + [False]


def test_messages_and_posts_in_flight():
    """Protects the message rate and the number of requests without an answer."""
    meter = ConnectionMeter(SocketLimits())
    assert all(meter.message(at(0)) for _ in range(2_000))
    assert not meter.message(at(59))
    assert meter.message(at(60))
    assert [meter.post() for _ in range(101)] == [True] * 100 + [False]
    meter.answered()
    assert meter.post()
    assert (meter.in_flight_peak, meter.refused_posts, meter.refused_messages) == (100, 1, 1)


# --- an account ---------------------------------------------------------------------------------


def test_an_exhausted_account_sends_one_action_in_ten_seconds():
    """Protects the trickle: beyond the allowance a batch of n closes the way n times as long."""
    meter = AddressMeter(AddressLimits(), used=9_999)
    assert meter.admits(3, NOTHING, at(0), is_cancel=False), "one was left, and a batch goes as a whole"
    assert meter.used == 10_002
    assert meter.admits(1, NOTHING, at(0), is_cancel=False), "the first of the trickle"
    assert not meter.admits(1, NOTHING, at(9.9), is_cancel=False)
    assert meter.admits(2, NOTHING, at(10), is_cancel=False)
    assert not meter.admits(1, NOTHING, at(29.9), is_cancel=False)
    assert meter.admits(1, NOTHING, at(30), is_cancel=False)
    assert (meter.used, meter.refused) == (10_006, 2)


def test_volume_frees_an_exhausted_account():
    """Protects the way out: each dollar traded is an action more."""
    meter = AddressMeter(AddressLimits(), used=10_000)
    assert meter.admits(1, NOTHING, at(0), is_cancel=False)
    assert not meter.admits(1, Usd(USD), at(1), is_cancel=False)
    assert meter.admits(1, Usd(2 * USD), at(1), is_cancel=False)


def test_cancels_go_on_up_to_twice_the_allowance():
    """Protects the way home: an account that may place nothing can still withdraw everything (C-27)."""
    meter = AddressMeter(AddressLimits(), used=19_999)
    assert meter.admits(1, NOTHING, at(0), is_cancel=False)
    assert not meter.admits(1, NOTHING, at(1), is_cancel=False)
    meter.used = 19_999
    assert meter.admits(1, NOTHING, at(1), is_cancel=True)
    assert not meter.admits(1, NOTHING, at(2), is_cancel=True), "and then it trickles, too"


def test_a_stale_batch_counts_five_times():
    """Protects the price of a late expiresAfter: 5 for each action."""
    meter = AddressMeter(AddressLimits())
    assert meter.admits(4, NOTHING, at(0), is_cancel=False)
    meter.charge_stale(4)
    assert meter.used == 20


@given(
    sends=st.lists(
        st.tuples(st.integers(0, 40), st.integers(1, 6), st.booleans(), st.sampled_from([0, 0, 1, 5, 20])), max_size=60
    )
)
def test_what_goes_is_never_more_than_the_allowance_and_the_trickle(sends):
    """Protects the bound itself: beyond its allowance an account sends one action in ten seconds, on average."""
    limits = AddressLimits(initial=20)
    meter, now, traded, beyond = AddressMeter(limits), 0, 0, deque()
    for wait, n, is_cancel, volume in sends:
        now, traded = now + wait, traded + volume * USD
        before = meter.used
        is_beyond = before >= (limits.cancel_cap(Usd(traded)) if is_cancel else limits.cap(Usd(traded)))
        admitted = meter.admits(n, Usd(traded), at(now), is_cancel=is_cancel)
        assert meter.used == before + n * admitted
        assert admitted or is_beyond
        if admitted and is_beyond:
            beyond.append((now, n))
    assert all(later - earlier >= 10 * n for (earlier, n), (later, _) in pairwise(beyond))


# --- open orders --------------------------------------------------------------------------------


def test_a_thousand_orders_rest_and_from_then_on_none_that_reduces():
    """Protects the open-order cap: 1,000 rest; volume makes room, but not for reduce-only orders."""
    cap, rich = OpenOrderCap(OpenOrderLimits()), Usd(5_000_000 * USD)
    assert cap.admits(999, NOTHING, reduce_only=False, may_rest=True)
    assert not cap.admits(1_000, NOTHING, reduce_only=False, may_rest=True)
    assert cap.admits(1_000, NOTHING, reduce_only=False, may_rest=False), "an IOC does not rest"
    assert cap.admits(1_000, rich, reduce_only=False, may_rest=True)
    assert not cap.admits(1_000, rich, reduce_only=True, may_rest=False)
    assert cap.refused == 2
