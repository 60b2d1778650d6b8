"""One run that dies at every point at which that makes a difference, each time in a copy of the world.

The run goes on in this process as if nothing were; at each point the process forks, and in the child the trader dies
there, begins anew after a while and is watched to the end. What a child finds is what `makerlab run` finds with the
same fault written into the scenario (`when = { kind = "at_point", ... }`): that is how a failure is repeated.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from time import perf_counter
from typing import Any

import msgspec

from domain.errors import ConfigError, JournalError, Problem
from domain.units import NS_PER_S, seconds
from runtime import config
from runtime.fold import fold
from runtime.journal_format import Took
from runtime.log import Log, MemoryLog
from runtime.own_orders import fills_in
from scenarios.assemble import Running
from scenarios.brood import Brood
from scenarios.build import build
from scenarios.failure import Failed, Failure, failure_of, plain
from scenarios.loader import load, load_tree
from scenarios.result import Ended, RunResult
from scenarios.runner import run
from scenarios.schema import Scenario
from scenarios.swarm import failures_in
from sim.points import Point

MARGIN_S = 3.0
"""Of simulated time behind the moment by which a trader must have healed."""

LONGEST_S = 1e6
"""Of the window of a fault."""

TORN_KEPT = 0.5
"""Share of the unsynced bytes that a torn journal has left."""

CRASH, JOURNAL, PROCESS = "crash", "journal", "process"
"""What fails where no rule and no expectation does: the death itself, the journal at the end, the child."""

UNBOUNDED = 1e18
"""What no figure gets to."""

_NEVER = 10**9
"""The number of a point that no run gets to."""


class Loss(StrEnum):
    """What a death takes of the journal besides the memory of the process."""

    NONE = "none"
    """The process dies, the machine goes on: all that was written is there."""
    UNSYNCED = "unsynced"
    """The power fails: what was not synced is lost."""
    TORN = "torn"
    """Half of that is there, so that a record may be torn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A scenario and how it dies."""

    source: str
    """The scenario: a name or a file."""
    overrides: tuple[str, ...] = ()
    seed: int = 0
    loss: Loss = Loss.NONE
    down_s: float = 2.0
    """From a death to the next life."""
    every: int = 1
    """Of the points each n-th."""
    only: str | None = None
    """The one point to die at, by its name; None: all of them."""

    def scenario(self) -> Scenario:
        """The world without any death of ours; ConfigError where nothing can die in it, or nothing could heal."""
        scenario = load(self.source, self.overrides)
        if scenario.market.is_blocks:
            raise ConfigError([Problem(f"{self.source}: market.recording", scenario.name, "a world with a trader")])
        if scenario.duration_s <= self.room_s(scenario):
            want = f"more than {self.room_s(scenario):g}: after a death there must be time to heal (checks.heal_ms)"
            raise ConfigError([Problem(f"{self.source}: duration_s", f"{scenario.duration_s:g}", want)])
        return scenario

    def room_s(self, scenario: Scenario) -> float:
        """No death in the last seconds: there would be no time to heal."""
        return self.down_s + scenario.checks.heal_ms / 1_000 + MARGIN_S

    def tree(self, point: Point, number: int) -> dict[str, Any]:
        """The scenario file in which the trader dies at one point.

        The scenario's own bounds are for a run without a death: here all invariants must hold, and what always must.
        """
        scenario = self.scenario()
        death: dict[str, Any] = {"kind": "crash"}
        if self.loss is not Loss.NONE:
            kept = TORN_KEPT if self.loss is Loss.TORN else 0.0
            death = {"kind": "torn_journal", "kept_min": kept, "kept_max": kept}
        death |= {
            "at_s": 0.0,
            "duration_s": min(scenario.duration_s - self.room_s(scenario) + self.down_s, LONGEST_S),
            "when": {"kind": "at_point", "point": str(point), "number": number, "for_s": self.down_s},
        }
        resolved = config.resolved(scenario)
        return {
            "extends": self.source,
            **config.override(self.overrides).data,
            "faults": [*(plain(fault) for fault in resolved["faults"]), death],
            "expect": _unbounded(resolved["expect"]),
        }

    def build(self, point: Point, number: int, log: Log) -> Running:
        """The run in which the trader dies at one point."""
        return build(load_tree(self.tree(point, number), f"{self.source} that dies"), self.seed, log)

    def wants(self, death: "Death") -> bool:
        """Whether it is to die there."""
        return death.name == self.only if self.only is not None else death.index % self.every == 0


class Death(msgspec.Struct, kw_only=True):
    """One death and what became of the run after it."""

    index: int
    """Of the point, from 0 on."""
    point: Point
    number: int
    """Which point of this kind."""
    t_s: float
    """When."""
    failed: list[Failed] = []
    lost_bytes: int = 0
    """What the journal lost."""
    digests: tuple[str, str] = ("", "")
    """Of the journal and of the world, at the end."""
    run_s: float = 0.0
    """Seconds of this machine from the death to the end of the run."""

    @property
    def name(self) -> str:
        """The point, as people write it."""
        return f"{self.point}-{self.number}"

    @property
    def shows_in_a_run(self) -> bool:
        """Whether `makerlab run` finds it, too: it has no look at the journal, nor at how a process ended."""
        return any(failed.name not in (CRASH, JOURNAL, PROCESS) for failed in self.failed)


OnDeath = Callable[[Death, Failure | None], None]


def look(plan: Plan) -> tuple[RunResult, list[Death]]:
    """Run the scenario as it is; with every point at which it could die."""
    scenario = plan.scenario()
    running = build(scenario, plan.seed, MemoryLog())
    points: list[Death] = []
    _tap(running, plan.room_s(scenario), points.append)
    return run(running, plan.seed), points


def die_again(plan: Plan, point: Point, number: int) -> tuple[str, str]:
    """Run the scenario file of one death from its start; returns the digests of journal and world."""
    return _digests(run(plan.build(point, number, MemoryLog()), plan.seed))


def raised(error: Exception) -> str:
    """What fails where a run is ended by an exception."""
    return f"exception {type(error).__name__}"


def sweep(plan: Plan, most: int, on_death: OnDeath) -> RunResult:
    """Die at every point (or every n-th), in at most ``most`` processes at a time; returns the run without a death.

    ``on_death`` hears of each as soon as it is known, in no certain order, and with all that repeats it where something
    failed.
    """
    scenario = plan.scenario()
    log = MemoryLog()
    running = plan.build(Point.TOLD, _NEVER, log)
    under_way: dict[int, Death] = {}

    def on_word(index: int, word: bytes | str) -> None:
        death = under_way.pop(index)
        if isinstance(word, bytes):
            on_death(*msgspec.json.decode(word, type=tuple[Death, Failure | None]))
            return
        death.failed = [Failed(PROCESS, f"it ended without a word: {word}", death.t_s)]
        on_death(death, failure_of(plan.tree(death.point, death.number), plan.seed, death.failed, "", b""))

    with Brood(most, on_word) as brood:
        here = _Here()

        def on_point(death: Death) -> None:
            if brood.is_child or not plan.wants(death):
                return
            under_way[death.index] = death
            if brood.fork(death.index):
                here.death, here.began = death, perf_counter()
                strike = running.injected[-1].strike_now
                assert strike is not None  # noqa: S101 - the last fault is ours, and waits for a point
                strike()

        _tap(running, plan.room_s(scenario), on_point)
        try:
            result = run(running, plan.seed)
            if here.death is not None:
                _judge(here.death, running, result)
        except Exception as error:
            if here.death is None:
                raise
            here.death.failed = [Failed(raised(error), str(error))]
        if here.death is not None:
            here.death.run_s = perf_counter() - here.began
            brood.hand_in(_word(plan, here.death, log.read()))
        brood.gather()
    return result


@dataclass(slots=True)
class _Here:
    """What is another thing in each process."""

    death: Death | None = None
    """The one of this child; None in the parent."""
    began: float = 0.0


def _tap(running: Running, room_s: float, on_point: Callable[[Death], None]) -> None:
    """Hear of every point of a run but those of its last seconds, with its index."""
    env, until = running.world.env, running.setup.duration - seconds(room_s)
    count = 0

    def tap(point: Point, number: int) -> None:
        nonlocal count
        if env.now < until:
            count += 1
            on_point(Death(index=count - 1, point=point, number=number, t_s=env.now / NS_PER_S))

    running.session.on_point.append(tap)


def _digests(result: RunResult) -> tuple[str, str]:
    return result.journal_digest or "", result.world_digest or ""


# --- in a child ---------------------------------------------------------------------------------


def _judge(death: Death, running: Running, result: RunResult) -> None:
    injected = running.injected[-1]
    death.digests = _digests(result)
    death.lost_bytes = injected.tally["lost_bytes"]
    death.failed = failures_in(result)
    if result.ended is Ended.HALTED and not running.setup.expect.halted:
        death.failed.append(Failed("ended", f"halted: {result.reason}"))
    if injected.tally["crashes"] != 1:
        death.failed.append(Failed(CRASH, f"it died {injected.tally['crashes']} times, and was to die once"))
    if result.ended is Ended.COMPLETED:
        death.failed += (Failed(JOURNAL, text) for text in journal_problems(running))


def journal_problems(running: Running) -> Iterable[str]:
    """Where the journal of a run that has ended in order says anything else than the venue (S30)."""
    account = running.session.account
    told = fold(running.journal.records())
    held = {ledger.instrument: ledger.position for ledger in told.ledgers if ledger.position}
    true = {name: lots for name, lots in running.world.venue.accounts[account].positions.items() if lots}
    if held != true:
        yield f"positions {held}, the venue says {true}"
    if told.orders or not told.clean_stop:
        how = "an orderly end" if told.clean_stop else "no orderly end"
        yield f"it tells of {how} with {len(told.orders)} open orders, and none is open"
    taken = (record.event for record in running.journal.records() if isinstance(record, Took))
    booked = {fill.tid for event in taken for fill in fills_in(event)}
    traded = {fill.tid for fill in running.world.venue.fills(account)}
    if booked != traded:
        yield f"fills missing: {sorted(traded - booked)}, fills that never were: {sorted(booked - traded)}"


def _word(plan: Plan, death: Death, journal: bytes) -> bytes:
    if not death.failed:
        return msgspec.json.encode((death, None))
    tree = plan.tree(death.point, death.number)
    try:
        failure = failure_of(tree, plan.seed, death.failed, death.digests[0], journal)
    except JournalError as error:
        death.failed.append(Failed(JOURNAL, f"it cannot be read: {error}"))
        failure = failure_of(tree, plan.seed, death.failed, death.digests[0], b"")
    return msgspec.json.encode((death, failure))


def _unbounded(expect: dict[str, Any]) -> dict[str, Any]:
    """The expectations of a scenario without its bounds: a table can only be laid over."""
    free: dict[str, Any] = {
        key: "off" for key, value in expect.items() if key.endswith(("_min", "_max")) and value is not None
    }
    free |= {key: True for key in ("halted", "adjustments_left") if expect[key]}
    if expect["alerted"]:
        free["alerted"] = []
    for key, bound in (("least", -UNBOUNDED), ("most", UNBOUNDED)):
        if expect[key]:
            free[key] = dict.fromkeys(expect[key], bound)
    return free
