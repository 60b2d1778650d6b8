"""What every fault is: a frozen config with bounds, whose `install` makes it happen to one session.

A fault changes the world only through what sessions, links and the world offer to faults. It counts what it
injected, so that a report can say whether the scenario met what it was written for. It knows no trader.

Adding one: a file here with a frozen dataclass (`kind`, `at_s`, `duration_s`, `when` where it can strike more
than once, bounds, a docstring below each field, `ranges` within which a random search may draw) and `install`;
its name in `FAULTS`, in `AnyFault` and in `__all__` of this package; then
`makerlab schema > scenarios/scenario.schema.json`.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import ClassVar, NamedTuple, Protocol

from domain.units import Ns, seconds
from sim.disk import Disk
from sim.envelope import Envelope, LinkName, Parcel, RequestKind
from sim.faults.timing import THROUGHOUT, Aimed, Dice, Schedule, Throughout, Timing, listen
from sim.feed import Session
from sim.world import World


class Range(NamedTuple):
    """Values of a field that a random search draws from, evenly or evenly in their logarithm."""

    low: float
    high: float
    is_log: bool = True


class Injected:
    """What a fault did to a session; for the report."""

    __slots__ = (
        "_lingers",
        "_site",
        "counts",
        "ends_at",
        "is_striking",
        "kind",
        "main",
        "starts_at",
        "strike_ends_at",
    )

    def __init__(self, kind: str, starts_at: Ns, ends_at: Ns, *, main: str | None = None, site: str = "") -> None:
        self.kind = kind
        self.starts_at = starts_at
        self.ends_at = ends_at
        self.is_striking = False
        """Whether it is at work now; between two strikes it is not."""
        self.strike_ends_at = starts_at
        """End of the strike under way, or of the last one."""
        self.counts: Counter[str] = Counter()
        self.main = main
        """The count that says how often it did what it is for; None: all of them together."""
        self._site = site
        self._lingers: Callable[[], bool] | None = None

    @property
    def injected(self) -> int:
        """How often it did what it is for."""
        return self.counts.total() if self.main is None else self.counts[self.main]

    @property
    def is_active(self) -> bool:
        """Whether it strikes, or what it has done still holds."""
        return self.is_striking or (self._lingers is not None and self._lingers())

    def linger(self, lingers: Callable[[], bool]) -> None:
        """Say what tells whether a strike that is over still holds."""
        self._lingers = lingers

    def dice(self, world: World, what: str) -> Dice:
        """The draws of one decision of this fault."""
        return Dice(world.seed, f"{self._site}/{what}")


class Fault(Protocol):
    """A fault's config."""

    ranges: ClassVar[Mapping[str, Range]]
    """Fields that a random search draws, from where."""

    @property
    def kind(self) -> str:
        """Its name in scenario files."""
        ...

    @property
    def at_s(self) -> float:
        """When it begins, in seconds of the world."""
        ...

    @property
    def duration_s(self) -> float:
        """How long it lasts."""
        ...

    def install(self, world: World, session: Session) -> Injected:
        """Arm it; what is past already begins at once."""
        ...


class LosesRequests(Protocol):
    """A fault that loses messages by the kind of request that they belong to."""

    @property
    def requests(self) -> Collection[RequestKind]:
        """Which kinds."""
        ...

    @property
    def share(self) -> float:
        """Share of them that is lost."""
        ...

    @property
    def when(self) -> Timing:
        """When it strikes."""
        ...


def prepare(fault: Fault, world: World, session: Session | None, main: str | None) -> Injected:
    """The record of a fault that is not armed yet: it knows its window, and its name in draws."""
    starts_at = Ns(max(seconds(fault.at_s), world.env.now))
    name = f"{fault.kind}@{fault.at_s:g}"
    if session is not None:
        twin = session.fault_sites[name]
        session.fault_sites[name] += 1
        name = f"{session.name}/{name}#{twin}"
    ends_at = Ns(starts_at + seconds(fault.duration_s))
    return Injected(fault.kind, starts_at, ends_at, main=main, site=f"fault/{name}")


def arm(
    fault: Fault,
    world: World,
    begin: Callable[[Injected], None],
    end: Callable[[Injected], None],
    *,
    session: Session | None = None,
    when: Timing = THROUGHOUT,
    main: str | None = None,
) -> Injected:
    """Schedule what happens at the begin and at the end of each strike.

    ``main`` names the count that says how often the fault did what it is for (default: all together).
    An aimed fault needs the session whose moments it waits for.
    """
    return launch(prepare(fault, world, session, main), world, begin, end, session=session, when=when)


def launch(
    injected: Injected,
    world: World,
    begin: Callable[[Injected], None],
    end: Callable[[Injected], None],
    *,
    session: Session | None = None,
    when: Timing = THROUGHOUT,
) -> Injected:
    """`arm` for a fault whose record is made already, because its parts want to draw or to count."""

    def start(ends_at: Ns) -> None:
        injected.is_striking = True
        injected.strike_ends_at = ends_at
        if not isinstance(when, Throughout):
            injected.counts["strikes"] += 1
        begin(injected)
        if session is not None:
            for tap in tuple(session.on_strike):
                tap(injected)

    def stop() -> None:
        injected.is_striking = False
        end(injected)

    window = injected.starts_at, injected.ends_at
    schedule = Schedule(when, world, injected.dice(world, "when"), window, start, stop)
    if isinstance(when, Aimed):
        if session is None:
            raise ValueError(f"{injected.kind} is aimed, and nobody says at which session")
        listen(schedule, when.at, session, world, injected)
    return injected


Judge = Callable[[Envelope], Sequence[Parcel] | None]


def tamper(
    injected: Injected,
    world: World,
    session: Session,
    links: Sequence[LinkName],
    judge: Judge,
    when: Timing,
) -> Injected:
    """Let ``judge`` say what becomes of every message that is sent on some links during a strike."""

    def begin(_: Injected) -> None:
        for name in links:
            session.links[name].tampers.append(judge)

    def end(_: Injected) -> None:
        for name in links:
            session.links[name].tampers.remove(judge)

    return launch(injected, world, begin, end, session=session, when=when)


def lose(
    injected: Injected, world: World, session: Session, links: Sequence[LinkName], fault: LosesRequests
) -> Injected:
    """Lose a share of what belongs to some kinds of requests: what is asked, or what is answered, as the links say."""
    dice = injected.dice(world, "lost")

    def judge(envelope: Envelope) -> tuple[Parcel, ...] | None:
        if envelope.kind not in fault.requests or dice() >= fault.share:
            return None
        injected.counts["lost"] += 1
        injected.counts[str(envelope.kind)] += 1
        return ()

    return tamper(injected, world, session, links, judge, fault.when)


def trouble_disk(
    injected: Injected,
    world: World,
    session: Session,
    when: Timing,
    *,
    counts: str,
    begin: Callable[[Disk], None],
    end: Callable[[Disk], None],
) -> Injected:
    """Do something to the disk below the journal at the begin of each strike, and undo it at its end.

    ``counts``: the disk's count that the fault's main one follows. A process that ended because its journal could not
    be written is started at the end: somebody has seen to the disk.
    """
    had = 0

    def start(_: Injected) -> None:
        nonlocal had
        disk = session.process.disk if session.process is not None else None
        if disk is not None:
            had = disk.counts[counts]
            begin(disk)
            injected.linger(lambda: disk.free_at > world.env.now)

    def stop(_: Injected) -> None:
        process = session.process
        if process is None or process.disk is None:
            return
        end(process.disk)
        if injected.main is not None:
            injected.counts[injected.main] += process.disk.counts[counts] - had
        if process.has_lost_journal and not process.is_running:
            injected.counts["restarts"] += 1
            process.start_trader()

    return launch(injected, world, start, stop, session=session, when=when)


DATA_LINKS = (LinkName.MARKET_DATA, LinkName.USER_DATA)
REQUEST_LINKS = (LinkName.ORDER_SOCKET, LinkName.ORDER_REST)
