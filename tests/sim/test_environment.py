"""Virtual time: callbacks and simpy events share one order, whatever they do to each other."""

import pytest
import simpy
from hypothesis import given
from hypothesis import strategies as st

from sim.environment import Environment


class NaiveEnvironment(simpy.Environment):
    """The twin: every callback is a simpy Timeout, as simpy alone would have it."""

    class Handle:
        def __init__(self, event, callback):
            self.event, self.callback = event, callback

        def cancel(self):
            if self.event.callbacks is not None and self.callback in self.event.callbacks:
                self.event.callbacks.remove(self.callback)

    def call_at(self, time, fn, *args):
        return self.call_in(time - self.now, fn, *args)

    def call_in(self, delay, fn, *args):
        event = self.timeout(delay)

        def callback(_event):
            fn(*args)

        event.callbacks.append(callback)
        return self.Handle(event, callback)


# A program is a list of instructions; each one that runs may schedule further ones, cancel an earlier one,
# start a process or succeed an event. Times are small so that ties are the rule.
DELAY = st.integers(0, 3)
INSTRUCTION = st.recursive(
    st.one_of(
        st.tuples(st.just("note")),
        st.tuples(st.just("cancel"), st.integers(0, 20)),
        st.tuples(st.just("timeout"), DELAY),
        st.tuples(st.just("process"), st.lists(DELAY, max_size=3)),
        st.tuples(st.just("succeed")),
    ),
    lambda inner: st.tuples(st.just("call"), DELAY, st.lists(inner, max_size=3)),
    max_leaves=25,
)


def play(env, program, until):  # noqa: C901 - one arm for each instruction
    """Run a program; what happened, in order, with its time."""
    seen, handles, numbers = [], [], iter(range(10_000))

    def process(name, delays):
        for delay in delays:
            yield env.timeout(delay)
            seen.append((env.now, "process", name))

    def carry_out(instruction):
        name = next(numbers)
        kind, *rest = instruction
        match kind:
            case "call":
                handles.append(env.call_in(rest[0], do_all, name, rest[1]))
            case "cancel":
                if handles:
                    handles[rest[0] % len(handles)].cancel()
            case "timeout":
                env.timeout(rest[0]).callbacks.append(lambda _: seen.append((env.now, "timeout", name)))
            case "process":
                env.process(process(name, rest[0]))
            case "succeed":
                event = env.event()
                event.callbacks.append(lambda _: seen.append((env.now, "event", name)))
                event.succeed()
        seen.append((env.now, kind, name))

    def do_all(name, instructions):
        seen.append((env.now, "called", name))
        for instruction in instructions:
            carry_out(instruction)

    do_all(-1, program)
    for at in until:
        env.run(until=env.now + at)
        seen.append((env.now, "stopped", -1))
    env.run()
    return seen


@given(st.lists(INSTRUCTION, max_size=12), st.lists(st.integers(1, 4), max_size=3))
def test_the_order_is_that_of_simpy_alone(program, until):
    """Protects determinism across the two kinds: a cheap callback never runs before or after its turn."""
    assert play(Environment(), program, until) == play(NaiveEnvironment(), program, until)


def test_ties_run_first_in_first_out_across_kinds():
    """Protects the tie rule that everything else relies on: at one time, who was scheduled first goes first."""
    env, seen = Environment(), []
    env.call_at(5, seen.append, "a")
    env.timeout(5).callbacks.append(lambda _: seen.append("b"))
    env.call_in(5, seen.append, "c")
    env.run()
    assert seen == ["a", "b", "c"]


def test_run_stops_before_what_is_due_at_that_time():
    """Protects that two runs joined at a time equal one run: nothing is done twice or left out."""
    env, seen = Environment(), []
    for time in (9, 10, 11):
        env.call_at(time, seen.append, time)
    env.run(until=10)
    assert (env.now, seen) == (10, [9])
    env.run(until=12)
    assert seen == [9, 10, 11]


def test_a_timer_moved_at_every_event_does_not_fill_the_heap():
    """Protects memory over long runs: cancelled calls far in the future are swept out."""
    env, seen = Environment(), []
    timer = env.call_at(10**15, seen.append, "never")
    for i in range(50_000):
        timer.cancel()
        timer = env.call_at(10**15 + i, seen.append, "kept")
    assert len(env._queue) < 3_000
    env.run()
    assert seen == ["kept"]


def test_an_error_in_a_callback_leaves_the_clock_usable():
    """Protects the safety net: after our bug was raised the world can still be asked and run."""
    env, seen = Environment(), []
    env.call_at(1, int, "not a number")
    env.call_at(20, seen.append, "later")
    with pytest.raises(ValueError, match="invalid literal"):
        env.run(until=10)
    env.run(until=30)
    assert (env.now, seen) == (30, ["later"])


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda env: env.call_at(-1, print), ValueError),
        (lambda env: env.call_in(-1, print), ValueError),
        (lambda env: env.timeout(0.5), TypeError),
        (lambda env: env.run(until=0), ValueError),
        (lambda env: env.run(until=1.5), ValueError),
    ],
)
def test_what_is_no_time_raises(call, error):
    """Protects integer time: a float or a moment in the past is a bug of ours and must not pass."""
    with pytest.raises(error):
        call(Environment())


def test_peek_sees_the_next_live_call():
    """Protects drivers that ask when to wake: a cancelled timer is no reason."""
    env = Environment()
    env.call_at(3, print).cancel()
    env.call_at(7, print)
    assert env.peek() == 7
