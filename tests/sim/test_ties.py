"""Ties: by chance or by priority, the same in every process, and never against an order that things have."""

from collections import defaultdict
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.units import NS_PER_S, Ns
from sim.environment import Environment
from sim.latency import Constant
from sim.links import Link, LinkConfig
from sim.rng import Streams
from sim.ties import FIRST_COME, SWEEP_AT_LEAST, TOP, ByChance, ByPriority, PriorityTies, RandomTies, environment_of

OTHERS = [RandomTies(), PriorityTies(changes_per_minute=6_000.0), PriorityTies(changes_per_minute=0.0)]
ALL = [FIRST_COME, *OTHERS]


LAMBDA, REST = 3, 7
"""Things of a plan that have no line: a function inside another one, and a message with a connection of its own."""


class Actor:
    """Puts things off and notes when they come."""

    def __init__(self, env, seen, name):
        self.env, self.seen, self.name = env, seen, name

    def note(self, what):
        self.seen.append((self.env.now, self.name, what))


class Other(Actor):
    """Another kind of actor, which has a name of its own in draws."""


def play(ties, seed, plan):
    """What happens where things are put off one after the other: (by whom, for how long)."""
    env, seen = environment_of(ties, seed), []
    actors = [Actor(env, seen, "a"), Other(env, seen, "b")]
    for number, (who, delay) in enumerate(plan):
        if who in (0, 1):
            env.call_in(delay, actors[who].note, number)
        elif who == 2:
            env.timeout(delay).callbacks.append(lambda _, number=number: seen.append((env.now, "simpy", number)))
        elif who == LAMBDA:
            env.call_at(env.now + delay, lambda number=number: seen.append((env.now, None, number)))
        elif who == REST:
            env.call_in_line(None, env.now + delay, seen.append, (delay, None, number))
        else:
            env.call_in_line(("link", who), env.now + delay, seen.append, (delay, who, number))
    env.run()
    return seen, env.reordered


PLAN = st.lists(st.tuples(st.integers(0, REST), st.integers(0, 2)), max_size=40)


@pytest.mark.parametrize("ties", ALL, ids=lambda ties: ties.kind)
@given(plan=PLAN, seed=st.integers(0, 50))
def test_everything_happens_once_at_its_time_and_lines_keep_their_order(ties, plan, seed):
    """Protects causality: who has an order of its own keeps it, whatever is drawn; time never goes back."""
    seen, _ = play(ties, seed, plan)
    assert sorted(number for _, _, number in seen) == list(range(len(plan)))
    assert [time for time, _, _ in seen] == sorted(time for time, _, _ in seen)
    lines = defaultdict(list)
    for time, who, number in seen:
        assert plan[number][1] == time
        if who is not None:
            lines[time, who].append(number)
    assert all(numbers == sorted(numbers) for numbers in lines.values())


@given(plan=PLAN, seed=st.integers(0, 50))
def test_the_default_is_first_come_first_served(plan, seed):
    """Protects every journal that was ever written: nothing is drawn, nothing reordered."""
    seen, reordered = play(FIRST_COME, seed, plan)
    assert [number for _, _, number in seen] == sorted(range(len(plan)), key=lambda i: (plan[i][1], i))
    assert reordered == 0
    assert type(environment_of(FIRST_COME, seed)) is Environment


@pytest.mark.parametrize("ties", OTHERS, ids=lambda ties: ties.kind)
def test_a_seed_is_an_order_and_another_seed_another_one(ties):
    """Protects repeatability, and that there is something to find: all orders of two things come about."""
    plan = [(0, 1), (1, 1), (2, 1), (4, 1), (5, 1)]
    orders = {tuple(number for _, _, number in play(ties, seed, plan)[0]) for seed in range(60)}
    assert play(ties, 3, plan) == play(ties, 3, plan)
    assert len(orders) > 30
    assert {order.index(0) < order.index(1) for order in orders} == {True, False}
    assert all((play(ties, seed, plan)[1] > 0) == (order(ties, seed, plan) != [0, 1, 2, 3, 4]) for seed in range(20))


def order(ties, seed, plan):
    """As the calls came; a simpy event is not counted among what was reordered."""
    calls = [number for _, who, number in play(ties, seed, plan)[0] if who != "simpy"]
    return [0, 1, 2, 3, 4] if calls == sorted(calls) else calls


@pytest.mark.parametrize("ties", OTHERS, ids=lambda ties: ties.kind)
@pytest.mark.parametrize("more", [(6, 1), (LAMBDA, 0), (REST, 0)])
def test_one_thing_more_leaves_the_order_of_the_others(ties, more):
    """Protects shrinking: a fault that is left out moves nobody else's turn, also where it came before them."""
    plan = [(0, 1), (1, 1), (2, 2), (LAMBDA, 1), (4, 1), (REST, 1), (5, 1), (REST, 2), (LAMBDA, 1), (REST, 1), (4, 2)]
    for seed in range(20):
        without = [number for _, _, number in play(ties, seed, plan)[0]]
        behind = [number for _, _, number in play(ties, seed, [*plan, more])[0] if number < len(plan)]
        before = [number - 1 for _, _, number in play(ties, seed, [more, *plan])[0] if number]
        assert behind == before == without


def ranks_of(seed, more=()):
    """What three lines get in turn over some minutes, with more of one of them or of another one in between."""
    ranks, got = ByPriority(seed, changes_per_minute=1.0), []
    for second in range(300):
        name = "abc"[second % 3]
        for late, line in more:
            if second % 7 == late:
                ranks.rank(second * NS_PER_S - NS_PER_S // 2, second * NS_PER_S, line, line)
        got.append(ranks.rank(second * NS_PER_S, second * NS_PER_S, name, name))
    return got, ranks


def test_one_thing_more_leaves_it_to_the_same_lines_to_fall():
    """Protects shrinking under priorities: who falls, and when, hangs on names and the seed alone."""
    falls = spared = 0
    for seed in range(40):
        alone, _ = ranks_of(seed)
        falls += max(alone) >= TOP
        assert ranks_of(seed, [(3, "b")])[0] == alone
        beside, ranks = ranks_of(seed, [(0, "x")])
        if ranks._ranks["x"] < TOP:
            spared += 1
            assert beside == alone, "a line more moves nobody, unless it is the one that falls"
    assert falls > 30
    assert spared > 5


def test_priorities_fall_for_good():
    """PCT: without changes two lines always come in one order; a change can turn it, and it stays turned."""
    stays, falls = set(), 0
    for seed in range(40):
        env = environment_of(PriorityTies(changes_per_minute=0.0), seed)
        assert len({first_of_two(env) for _ in range(50)}) == 1
        stays.add(first_of_two(env))
        env = environment_of(PriorityTies(changes_per_minute=60.0), seed)
        firsts = [first_of_two(env, apart=100_000_000) for _ in range(200)]
        falls += len(set(firsts)) == 2
        assert sum(one != other for one, other in pairwise(firsts)) < 40
    assert stays == {"a", "b"}
    assert falls > 35


def first_of_two(env, apart=1_000):
    seen = []
    env.call_in_line("a", env.now + apart, seen.append, "a")
    env.call_in_line("b", env.now + apart, seen.append, "b")
    env.run(until=env.now + apart + 1)
    return seen[0]


@pytest.mark.parametrize("ties", ALL, ids=lambda ties: ties.kind)
def test_a_link_keeps_the_order_of_a_channel_and_of_nothing_else(ties):
    """Messages of one channel that arrive together arrive in order; two channels are two lines."""
    orders = set()
    for seed in range(30):
        env, seen = environment_of(ties, seed), []
        link = Link(env, Streams(seed), "user", LinkConfig(latency=Constant(ms=1.0), weather_ms=None))
        for number in range(4):
            link.send("fills", seen.append, ("fills", number))
            link.send("orders", seen.append, ("orders", number))
        env.run()
        for channel in ("fills", "orders"):
            assert [number for name, number in seen if name == channel] == [0, 1, 2, 3]
        orders.add(tuple(seen))
    assert len(orders) == 1 if ties is FIRST_COME else len(orders) > 1


@pytest.mark.parametrize("ties", ALL, ids=lambda ties: ties.kind)
def test_cancelled_calls_do_nothing_and_owners_are_named(ties):
    """Protects the leak check: what waits is counted by who put it off, and what was cancelled waits no more."""
    env = environment_of(ties, 1)
    seen = []
    actor = Actor(env, seen, "a")
    env.call_in(5, actor.note, 1).cancel()
    env.call_in(7, actor.note, 2)
    env.call_in(9, print)
    assert env.owners()[Actor] == 1
    env.run(until=8)
    assert seen == [(7, "a", 2)]
    assert env.owners()[Actor] == 0


@pytest.mark.parametrize("ties", OTHERS, ids=lambda ties: ties.kind)
def test_what_is_no_time_raises(ties):
    """As first come, first served does."""
    env = environment_of(ties, 1)
    env.run(until=10)
    for wrong in (
        lambda: env.call_at(9, print),
        lambda: env.call_in(-1, print),
        lambda: env.call_in_line("a", 9, print),
    ):
        with pytest.raises(ValueError, match="cannot"):
            wrong()
    with pytest.raises(TypeError):
        env.timeout(0.5)


def test_the_memory_of_ties_is_bounded():
    """Only what is still to come is remembered."""
    ranks = ByChance(1)
    for time in range(20_000):
        ranks.rank(time, Ns(time + 5), "line", "line")
        ranks.rank(time, Ns(time + 5), None, "rest")
    assert len(ranks._last) + len(ranks._counts) <= SWEEP_AT_LEAST + 1
