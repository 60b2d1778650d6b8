"""Virtual time: simpy's environment, with cheap plain callbacks on the same heap.

Messages and timers are most of what happens in a simulated market, and a simpy event for each costs
an object, a list of callbacks and a closure. `call_at` puts a function and its arguments on the heap
instead, under the same key (time, priority, sequence) that simpy uses for its own events. So the two
kinds share one order by construction, and nothing has to be merged. Long-lived agents stay simpy
processes. Time is whole nanoseconds; this module does not know what happens in it.
"""

from collections import Counter
from collections.abc import Callable, Hashable
from heapq import heapify, heappop, heappush
from typing import Any, cast

import simpy
from simpy.core import Infinity, StopSimulation
from simpy.events import NORMAL, URGENT, Event, EventPriority

from domain.units import Ns

_SWEEP_AT_LEAST = 1_024


class Call:
    """A function on the heap. Cancelling forgets the function; the entry stays until its turn or the next sweep."""

    __slots__ = ("args", "fn")

    fn: Callable[..., object] | None
    args: tuple[Any, ...]

    def cancel(self) -> None:
        """Make the call do nothing; harmless when it has run or was cancelled before."""
        self.fn = None
        self.args = ()


class Environment(simpy.Environment):
    """simpy's environment in integer nanoseconds, with `call_at` and `call_in`."""

    _now: Ns  # simpy says int or float

    def __init__(self, initial_time: int = 0) -> None:
        super().__init__(initial_time)
        self._heap = cast("list[tuple[Any, int, int, Any]]", self._queue)
        self._number = self._eid.__next__
        self._sweep_above = _SWEEP_AT_LEAST
        self.reordered = 0
        """Calls before which one went that was scheduled after them for the same time; here there are none."""

    @property
    def now(self) -> Ns:
        """The time of what is happening."""
        return self._now

    def call_at(self, time: int, fn: Callable[..., object], *args: object) -> Call:
        """Call ``fn(*args)`` at a time, after everything that was scheduled for that time before."""
        if time < self._now:
            raise ValueError(f"cannot call at {time}: it is {self._now} already")
        return self._push(time, NORMAL, fn, args)

    def call_in(self, delay: int, fn: Callable[..., object], *args: object) -> Call:
        """Call ``fn(*args)`` after a delay."""
        if delay < 0:
            raise ValueError(f"a delay cannot be negative: {delay}")
        call = Call()  # `_push`, written out: this is the hottest line of a run
        call.fn = fn
        call.args = args
        heap = self._heap
        heappush(heap, (self._now + delay, NORMAL, self._number(), call))
        if len(heap) > self._sweep_above:
            self._sweep()
        return call

    def call_in_line(self, line: Hashable, time: int, fn: Callable[..., object], *args: object) -> Call:  # noqa: ARG002
        """Call ``fn(*args)`` at a time, after what was scheduled for that time in this line before; None: no line.

        Here everything goes in the order in which it was scheduled; `sim.ties` has other orders.
        """
        if time < self._now:
            raise ValueError(f"cannot call at {time}: it is {self._now} already")
        return self._push(time, NORMAL, fn, args)

    def schedule(self, event: Event, priority: EventPriority = NORMAL, delay: float = 0) -> None:
        """Schedule a simpy event; a delay that is not a whole number of nanoseconds is our bug."""
        if type(delay) is not int:
            raise TypeError(f"time is integer nanoseconds, got a delay of {delay!r}")
        super().schedule(event, priority, delay)

    @property
    def waiting(self) -> int:
        """Calls and events that are still to come, cancelled ones among them until they are swept away."""
        return len(self._heap)

    def owners(self) -> Counter[type]:
        """What waits, by the class of the object whose method is to be called."""
        calls = [item for _, _, _, item in self._heap if type(item) is Call and item.fn is not None]
        return Counter(type(getattr(self._wanted(call), "__self__", None)) for call in calls)

    def _wanted(self, call: Call) -> Callable[..., object] | None:
        """What somebody wanted to be called."""
        return call.fn

    # --- the loop -------------------------------------------------------------------------------

    def peek(self) -> float:
        """Time of the next thing that will happen; infinity when nothing will."""
        heap = self._heap
        while heap:
            item = heap[0][3]
            if type(item) is not Call or item.fn is not None:
                time: int = heap[0][0]
                return time
            heappop(heap)
        return Infinity

    def step(self) -> None:
        """Let the next thing happen; raises simpy's EmptySchedule when there is none."""
        heap = self._heap
        if not heap or type(heap[0][3]) is not Call:
            super().step()
            return
        time, _, _, call = heappop(heap)
        self._now = time
        if call.fn is not None:
            call.fn(*call.args)

    def run(self, until: float | Event | None = None) -> Any | None:  # noqa: ANN401 - simpy's signature
        """Run on; with a time, until just before everything that is due at that time (simpy's rule)."""
        if until is None or isinstance(until, Event):
            return super().run(until)
        if type(until) is not int or until <= self._now:
            raise ValueError(f"until must be an integer after {self._now}, got {until!r}")
        stop = self._push(until, URGENT, _stop, ())
        heap, process_event = self._heap, super().step
        try:
            while True:  # `step`, written out
                call = heap[0][3]
                if type(call) is not Call:
                    process_event()
                    continue
                self._now = heappop(heap)[0]
                fn = call.fn
                if fn is not None:
                    fn(*call.args)
        except StopSimulation:
            return None
        finally:
            stop.cancel()

    def _push(self, time: int, priority: int, fn: Callable[..., object], args: tuple[object, ...]) -> Call:
        call = Call()
        call.fn = fn
        call.args = args
        heap = self._heap
        heappush(heap, (time, priority, self._number(), call))
        if len(heap) > self._sweep_above:
            self._sweep()
        return call

    def _sweep(self) -> None:
        """Drop cancelled calls, so that a timer moved on at every event does not fill the memory."""
        heap = self._heap
        heap[:] = [entry for entry in heap if type(entry[3]) is not Call or entry[3].fn is not None]
        heapify(heap)
        self._sweep_above = max(_SWEEP_AT_LEAST, 2 * len(heap))


def _stop() -> None:
    raise StopSimulation(None)
