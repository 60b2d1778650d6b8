"""Runs in which the process dies: the whole trader, the whole venue, and a hand on the switch.

`Deaths` is a fault like those of scenario files, only that a test says at what moment it strikes. It kills the process
(or cuts its power, and with it what the journal had not made safe) and starts it again after a while.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from domain.events import AnyEvent, Fill
from domain.units import Ns, seconds
from runtime.fold import fold
from runtime.journal_format import Took
from runtime.log import MemoryLog
from runtime.own_orders import fills_in
from scenarios.assemble import Running
from scenarios.build import setup_of, synthetic_world
from scenarios.loader import load
from scenarios.result import Ended, RunResult
from scenarios.runner import run
from sim.faults.base import Injected, prepare

WORLD = "eth-volatile"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deaths:
    """Kills when ``arm`` says so: it gets the run under way and the trigger, and calls the trigger at its moment."""

    arm: Callable[[Any, Callable[[], None]], None]
    times: int = 1
    """How often at most."""
    down_s: float = 1.0
    kept: float | None = None
    """Share of the unsynced end of the journal that is found again; None: the machine goes on, nothing is lost."""
    after_s: float = 0.0
    """No death before."""
    while_down: Callable[[Any], None] = lambda _: None
    """What happens in the first moment without a trader."""
    kind: str = "deaths"
    at_s: float = 0.0
    duration_s: float = 1e6
    ranges: ClassVar[dict] = {}
    box: list = field(default_factory=list)
    """Holds the run under way, which the world does not know."""

    def install(self, world, session) -> Injected:
        injected = prepare(self, world, session, "deaths")

        def begin() -> None:
            injected.is_striking = True
            injected.counts["deaths"] += 1
            session.process.kill_trader()
            if self.kept is not None:
                injected.counts["lost_bytes"] += session.process.disk.cut_power(self.kept)
            self.while_down(self.box[0])
            world.env.call_in(seconds(self.down_s), end)

        def end() -> None:
            session.process.start_trader()
            injected.is_striking = False

        def trigger() -> None:
            is_time = world.env.now >= seconds(self.after_s)
            if is_time and session.process.is_running and injected.counts["deaths"] < self.times:
                begin()

        world.env.call_at(0, lambda: self.arm(self.box[0], trigger))
        return injected


def run_with(*faults, duration_s: float = 60.0, seed: int = 7, overrides=(), log=None) -> tuple[Running, RunResult]:
    """A run of the usual world with these faults, to its end."""
    scenario = load(WORLD, [f"duration_s={duration_s}", "expect.fills_min=0", *overrides])
    setup = replace(setup_of(scenario), faults=faults)
    running = Running(setup, synthetic_world(scenario, seed), seed, log or MemoryLog())
    for fault in faults:
        if isinstance(fault, Deaths):
            fault.box.append(running)
    return running, run(running, seed)


def fills_of(running: Running) -> list[Fill]:
    """What the venue says that we traded, by trade id."""
    return sorted(running.world.venue.fills(running.session.account), key=lambda fill: fill.tid)


def booked(running: Running) -> list[int]:
    """Trade ids that the journal tells of."""
    taken = [record.event for record in running.journal.records() if isinstance(record, Took)]
    return sorted({fill.tid for event in taken for fill in fills_in(event)})


def assert_survived(running: Running, result: RunResult, context: object = "") -> None:
    """S1-S15 held at every event, and in the end the trader, its journal and the venue say the same."""
    metrics = result.metrics
    assert result.violations == [], f"{context}: {[v.text for v in result.violations]}"
    assert (result.ended, result.reason) == (Ended.COMPLETED, None), context
    assert (metrics.resting_orders_at_end, metrics.unknown_orders_at_end) == (0, 0), context
    assert (metrics.position_difference, metrics.pnl_difference_usd) == ({}, 0.0), context
    assert metrics.adjustments_left == {}, context
    account = running.world.venue.accounts[running.session.account]
    told = fold(running.journal.records())
    held = {ledger.instrument: ledger.position for ledger in told.ledgers if ledger.position}
    assert held == {name: lots for name, lots in account.positions.items() if lots}, context
    assert told.clean_stop, context
    assert told.orders == (), context
    assert booked(running) == [fill.tid for fill in fills_of(running)], context
    assert [end.how for end in running.driver.ends] == ["killed"] * (len(running.snapshots) - 1) + ["stopped"], context


# --- moments ------------------------------------------------------------------------------------


def on_event(matches: Callable[[AnyEvent], bool], *, skip: int = 0):
    """When such an event is at the door: delivered, and not taken in or written down yet."""

    def arm(running: Running, trigger: Callable[[], None]) -> None:
        seen = 0

        def look(event: AnyEvent, _now: Ns) -> None:
            nonlocal seen
            if matches(event):
                seen += 1
                if seen > skip:
                    trigger()

        running.session.on_deliver.append(look)

    return arm


def on_send(matches: Callable[[Any], bool], *, after: int = 1):
    """When such a command has left, a nanosecond later: it is on its way."""

    def arm(running: Running, trigger: Callable[[], None]) -> None:
        def look(command: Any, _now: Ns) -> None:
            if matches(command):
                running.world.env.call_in(after, trigger)

        running.session.on_send.append(look)

    return arm


def on_decision(matches: Callable[[Any], bool]):
    """When such a command is decided and written down, and has not left."""

    def arm(running: Running, trigger: Callable[[], None]) -> None:
        def look(_now: Ns, _events: tuple, commands: tuple) -> None:
            if any(matches(command) for command in commands):
                trigger()

        running.driver.taps.append(look)

    return arm


def once(condition: Callable[[Running], bool]):
    """After the first step at whose end a condition holds."""

    def arm(running: Running, trigger: Callable[[], None]) -> None:
        running.driver.taps.append(lambda *_: trigger() if condition(running) else None)

    return arm


def is_fill(event: AnyEvent) -> bool:
    return isinstance(event, Fill)
