"""Links: first in, first out on a channel, alike at nearly the same time, slower while a fault says so."""

from statistics import correlation, mean, median, pstdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.commands import Route
from domain.units import NS_PER_MS, Ns, millis
from sim.environment import Environment
from sim.latency import Constant, LogNormal, Quantiles, Recording
from sim.links import Link, LinkConfig, Slowdown, Weather, constant_links
from sim.rng import Streams

RECORDED = LinkConfig(latency=Quantiles(table=Recording.FEED_BTC_2025_09), jitter_ms=20.0)


def link(config, *, seed=1, name="link"):
    env = Environment()
    return env, Link(env, Streams(seed), name, config)


@given(st.lists(st.tuples(st.integers(0, 200), st.sampled_from("abc")), max_size=60), st.integers(0, 5))
def test_a_channel_is_first_in_first_out_and_complete(sendings, seed):
    """Protects state that is overwritten: on one channel no message is overtaken, and none is lost."""
    env, way = link(RECORDED, seed=seed)
    sent, arrived = {"a": [], "b": [], "c": []}, {"a": [], "b": [], "c": []}
    at = 0
    for number, (gap, channel) in enumerate(sendings):
        at += gap * NS_PER_MS
        env.call_at(at, lambda c=channel, n=number: (sent[c].append(n), way.send(c, arrived[c].append, n)))
    env.run()
    assert arrived == sent


def test_channels_are_independent():
    """Protects the venue's freedom: what one block says on two channels arrives in either order."""
    env, way = link(RECORDED)
    arrived = []
    for i in range(40):
        env.call_at(i * 10**9, lambda i=i: [way.send(c, arrived.append, (i, c)) for c in "ab"])
    env.run()
    first = [c for i, c in arrived if (i, "b" if c == "a" else "a") not in arrived[: arrived.index((i, c))]]
    assert {"a", "b"} == set(first)


def test_by_rest_a_message_may_overtake():
    """Protects REST: its requests are separate connections, and so are their answers."""
    env, way = link(LinkConfig(latency=Constant(ms=10), weather_ms=None, jitter_ms=100.0))
    arrived = []
    for i in range(20):
        env.call_at(i * NS_PER_MS, way.send, Route.REST, arrived.append, i)
    env.run()
    assert sorted(arrived) == list(range(20)) != arrived


def test_what_arrives_has_the_distribution_of_the_model():
    """Protects the figures: order and weather leave the recorded median alone and the tail in bounds."""
    env, way = link(LinkConfig(latency=Quantiles(table=Recording.FEED_BTC_2025_09)))
    took = []

    def send(at):
        way.send("bbo", lambda: took.append((env.now - at) / NS_PER_MS))

    for i in range(60_000):
        env.call_at(i * 68 * NS_PER_MS, send, i * 68 * NS_PER_MS)
    env.run()
    took.sort()
    # Behind a slow message the next ones wait: see the module for how much that lifts the upper quantiles.
    assert median(took) == pytest.approx(356.7, rel=0.04)
    assert 520.7 < took[int(0.9 * len(took))] < 1.25 * 520.7
    assert 957.1 < took[int(0.99 * len(took))] < 1.75 * 957.1


def test_weather_is_standard_normal_and_forgets():
    """Protects the model: normal at every moment, alike for neighbours, independent soon after."""
    weather = Weather(Streams(3), "w", millis(500))
    levels = [weather(Ns(i * 50 * NS_PER_MS)) for i in range(60_000)]
    assert mean(levels) == pytest.approx(0, abs=0.05)
    assert pstdev(levels) == pytest.approx(1, abs=0.03)
    assert correlation(levels[:-10], levels[10:]) == pytest.approx(0.3, abs=0.06)
    assert abs(correlation(levels[:-20], levels[20:])) < 0.05


def test_weather_depends_on_time_alone():
    """Protects paired studies: one message more does not change what the others meet."""
    one, other = (Weather(Streams(3), "w", millis(500)) for _ in range(2))
    for i in range(1_000):
        one(Ns(i * 977 * NS_PER_MS))
    assert one(Ns(5 * 10**9)) == other(Ns(5 * 10**9))
    assert one(Ns(5 * 10**9)) != Weather(Streams(4), "w", millis(500))(Ns(5 * 10**9))


def test_slowdowns_add_up_and_go():
    """Protects overlapping faults: each undoes its own part and nothing else."""
    _, way = link(LinkConfig(latency=Constant(ms=10), weather_ms=None))
    factor, extra = Slowdown(factor=3.0), Slowdown(extra=millis(7))
    way.slowdowns += [factor, extra]
    assert way.latency(Ns(0)) == millis(37)
    way.slowdowns.remove(factor)
    assert way.latency(Ns(0)) == millis(17)
    way.slowdowns.remove(extra)
    assert way.latency(Ns(0)) == millis(10)


def test_without_weather_the_median_is_met():
    """Protects tests of one latency: constant links are constant."""
    _, way = link(LinkConfig(latency=LogNormal(median_ms=30.0, sigma=1.0), weather_ms=None))
    assert {way.latency(Ns(i)) for i in range(10)} == {millis(30)}
    assert constant_links(5.0, rest_ms=9.0).order_rest.latency == Constant(ms=9.0)
