"""The trader's process dies, and another one begins where the journal ends."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Interval

from sim.faults.base import Injected, Range, launch, prepare
from sim.faults.timing import THROUGHOUT, Aimed, Timing
from sim.feed import Process, Session
from sim.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Crash:
    """The process is killed at the begin of a strike and started anew at its end.

    What it knew is lost but for its journal; its connections break; its orders rest on, and fill.
    """

    kind: Literal["crash"] = "crash"
    """Names this fault."""
    at_s: Annotated[float, Interval(ge=0, le=1e9)] = 10.0
    """When it begins, in seconds of the run."""
    duration_s: Annotated[float, Interval(gt=0, le=1e6)] = 5.0
    """Seconds in which it can strike; a strike under way ends with them."""
    when: Timing = THROUGHOUT
    """When it strikes in that time."""

    ranges: ClassVar[Mapping[str, Range]] = {"duration_s": Range(0.1, 300.0)}
    figures: ClassVar[tuple[str, ...]] = ("crashes", "resting")

    def install(self, world: World, session: Session) -> Injected:
        """Counts `crashes`, and `resting` orders that were left alone at those moments."""
        injected = prepare(self, world, session, "crashes")
        return die_and_return(injected, world, session, self.when)


def die_and_return(
    injected: Injected,
    world: World,
    session: Session,
    when: Timing,
    on_death: Callable[[Process], None] = lambda _: None,
) -> Injected:
    """Kill the process at the begin of each strike and start it at its end; ``on_death``: what else happens to it.

    Where it is aimed at something that is being sent, that leaves first: it is under way when the process is dead.
    """
    is_ours = False

    def begin(_: Injected) -> None:
        if isinstance(when, Aimed):
            world.env.call_in(0, die)
        else:
            die()

    def die() -> None:
        nonlocal is_ours
        process = session.process
        is_ours = process is not None and process.is_running
        if process is not None and is_ours:
            injected.counts["resting"] += len(world.venue.resting(session.account))
            injected.counts["crashes"] += 1
            process.kill_trader()
            on_death(process)

    def end(_: Injected) -> None:
        if session.process is not None and is_ours:
            session.process.start_trader()

    return launch(injected, world, begin, end, session=session, when=when)
