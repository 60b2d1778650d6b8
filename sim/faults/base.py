"""What every fault is: a frozen config with bounds, whose `install` makes it happen to one session.

A fault changes the world only through what sessions, links and the world offer to faults. It counts what it
injected, so that a report can say whether the scenario met what it was written for. It knows no trader.

Adding one: a file here with a frozen dataclass (`kind`, `at_s`, `duration_s`, `when` where it can strike more
than once, bounds, a docstring below each field, `ranges` within which a random search may draw, `figures`, the
names of its counts, `needs_crowd = True` where it can do nothing over a recording, whose market goes on) and
`install`; its name in `FAULTS`, in `AnyFault` and in `__all__` of this package; then
`makerlab schema > scenarios/scenario.schema.json`.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import ClassVar, NamedTuple, Protocol

from domain.events import AnyEvent, Channel, ChannelKind, Reason
from domain.units import NS_PER_S, InstrumentId, Ns, seconds
from sim.disk import Disk
from sim.envelope import Envelope, LinkName, Parcel, RequestKind
from sim.faults.timing import THROUGHOUT, Aimed, AtPoint, Dice, Schedule, Throughout, Timing, listen
from sim.feed import Process, Session
from sim.world import World

STRIKES = "strikes"
"""What every fault counts that can strike more than once."""


class Range(NamedTuple):
    """Values of a field that a random search draws from, evenly or evenly in their logarithm."""

    low: float
    high: float
    is_log: bool = True


class Injected:
    """What a fault did to a session; for the report."""

    __slots__ = (
        "_lingers",
        "_meters",
        "_readings",
        "_site",
        "counts",
        "ends_at",
        "is_striking",
        "kind",
        "main",
        "starts_at",
        "strike_ends_at",
        "strike_now",
        "will_restart",
    )

    def __init__(self, kind: str, starts_at: Ns, ends_at: Ns, *, main: str | None = None, site: str = "") -> None:
        self.kind = kind
        self.starts_at = starts_at
        self.ends_at = ends_at
        self.is_striking = False
        """Whether it is at work now; between two strikes it is not."""
        self.will_restart = False
        """Whether its strike is over and it is about to see to a process that has ended."""
        self.strike_ends_at = starts_at
        """End of the strike under way, or of the last one."""
        self.counts: Counter[str] = Counter()
        """What was counted as it happened, and in the strikes that are over; all of it: `tally`."""
        self.main = main
        """The count that says how often it did what it is for; None: all of them together."""
        self.strike_now: Callable[[], None] | None = None
        """Let it strike here, whichever point it waits for; None: it waits for none."""
        self._site = site
        self._lingers: Callable[[], bool] | None = None
        self._meters: dict[str, Callable[[], int]] = {}
        self._readings: dict[str, int] = {}

    @property
    def injected(self) -> int:
        """How often it did what it is for."""
        tally = self.tally
        return tally.total() if self.main is None else tally[self.main]

    @property
    def tally(self) -> Counter[str]:
        """All counts so far, also of a strike under way."""
        tally = self.counts.copy()
        self._read_into(tally)
        return tally

    def follow(self, name: str, meter: Callable[[], int]) -> None:
        """Count under this name by how much a meter of the world rises in each strike."""
        self._meters[name] = meter

    def begin(self, ends_at: Ns) -> None:
        """A strike begins."""
        self.is_striking = True
        self.strike_ends_at = ends_at
        self._readings = {name: meter() for name, meter in self._meters.items()}

    def end(self) -> None:
        """The strike is over."""
        self.is_striking = False
        self._read_into(self.counts)
        self._readings = {}

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

    def _read_into(self, counts: Counter[str]) -> None:
        for name, start in self._readings.items():
            counts[name] += self._meters[name]() - start


class Fault(Protocol):
    """A fault's config."""

    ranges: ClassVar[Mapping[str, Range]]
    """Fields that a random search draws, from where."""
    figures: ClassVar[tuple[str, ...]]
    """Names of its counts; one that can strike more than once has `STRIKES`, too."""

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
    """The record of a fault that is not armed yet: it knows its window, and its name in draws.

    ``main`` names the count that says how often the fault did what it is for (None: all together).
    """
    starts_at = Ns(max(seconds(fault.at_s), world.env.now))
    name = f"{fault.kind}@{fault.at_s:g}"
    if session is not None:
        twin = session.fault_sites[name]
        session.fault_sites[name] += 1
        name = f"{session.name}/{name}#{twin}"
    ends_at = Ns(starts_at + seconds(fault.duration_s))
    return Injected(fault.kind, starts_at, ends_at, main=main, site=f"fault/{name}")


def launch(
    injected: Injected,
    world: World,
    begin: Callable[[Injected], None],
    end: Callable[[Injected], None],
    *,
    session: Session | None = None,
    when: Timing = THROUGHOUT,
) -> Injected:
    """Schedule what happens at the begin and at the end of each strike, and keep the fault's record.

    An aimed fault needs the session whose moments it waits for.
    """

    def start(ends_at: Ns) -> None:
        injected.begin(ends_at)
        if not isinstance(when, Throughout):
            injected.counts[STRIKES] += 1
        begin(injected)
        if session is not None:
            for tap in tuple(session.on_strike):
                tap(injected)

    def stop() -> None:
        injected.end()
        end(injected)

    window = injected.starts_at, injected.ends_at
    schedule = Schedule(when, world, injected.dice(world, "when"), window, start, stop)
    if isinstance(when, Aimed | AtPoint) and session is None:
        raise ValueError(f"{injected.kind} waits for a moment, and nobody says of which session")
    if isinstance(when, AtPoint) and session is not None:
        injected.strike_now = schedule.strike_now
        session.on_point.append(lambda *point: schedule.strike_now() if point == (when.point, when.number) else None)
    if isinstance(when, Aimed) and session is not None:
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


def distort(
    injected: Injected,
    world: World,
    session: Session,
    share: float,
    change: Callable[[AnyEvent], AnyEvent],
    when: Timing,
) -> Injected:
    """Change the events of a share of the messages of market data, of those to which the change makes a difference."""
    dice = injected.dice(world, "message")

    def judge(envelope: Envelope) -> tuple[Parcel, ...] | None:
        events = envelope.payload
        if not isinstance(events, tuple | list):
            return None
        changed = tuple(change(event) for event in events)
        if changed == tuple(events) or dice() >= share:
            return None
        injected.counts["messages"] += 1
        return (Parcel(Ns(0), changed),)

    return tamper(injected, world, session, (LinkName.MARKET_DATA,), judge, when)


def is_chosen(
    envelope: Envelope, channels: Collection[ChannelKind], dice: Dice, share: float, counts: Counter[str], main: str
) -> bool:
    """Draw whether a message is hit, if it is an answer or of one of some channels; count it, and its kind."""
    channel = envelope.channel
    kind = channel.kind if isinstance(channel, Channel) else None
    if (kind is not None and kind not in channels) or dice() >= share:
        return False
    counts[main] += 1
    counts["replies" if kind is None else str(kind)] += 1
    return True


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
    be written is started at the end, or when it has withdrawn: somebody has seen to the disk.
    """

    def disk_of() -> Disk | None:
        return session.process.disk if session.process is not None else None

    def start(_: Injected) -> None:
        disk = disk_of()
        if disk is not None:
            begin(disk)
            injected.linger(lambda: disk.free_at > world.env.now)

    def stop(_: Injected) -> None:
        process = session.process
        if process is None or process.disk is None:
            return
        end(process.disk)
        see_to(process)

    def see_to(process: Process) -> None:
        """Start what has ended; who still takes its orders back will end, however long that takes."""
        injected.will_restart = process.has_lost_journal and process.is_running
        if injected.will_restart:
            world.env.call_in(NS_PER_S, see_to, process)
        elif process.has_lost_journal:
            injected.counts["restarts"] += 1
            process.start_trader()

    if injected.main is not None:
        injected.follow(injected.main, lambda: 0 if (disk := disk_of()) is None else disk.counts[counts])
    return launch(injected, world, start, stop, session=session, when=when)


def throw_switch(
    injected: Injected,
    world: World,
    session: Session,
    when: Timing,
    *,
    hold: Callable[[int], None],
    reason: Reason,
    names: Collection[InstrumentId] | None = None,
) -> Injected:
    """Hold the venue in a state that is not its everyday one from the begin of each strike to its end.

    ``hold`` adds to the number of those who hold it: of the venue, or of each of some instruments (``names``), and so
    it is counted. Of the trader's orders there those are counted as `refused` that are not taken for that state; they
    carry ``reason``, which may have other causes, too.
    """
    refused, where = world.venue.switches.refused, tuple(world.instruments) if names is None else tuple(names)
    thrown = injected.main

    def begin(_: Injected) -> None:
        hold(1)
        if thrown is not None:
            injected.counts[thrown] += 1 if names is None else len(names)

    def end(_: Injected) -> None:
        hold(-1)

    injected.follow("refused", lambda: sum(refused[session.account, name, reason] for name in where))
    return launch(injected, world, begin, end, session=session, when=when)


DATA_LINKS = (LinkName.MARKET_DATA, LinkName.USER_DATA)
REQUEST_LINKS = (LinkName.ORDER_SOCKET, LinkName.ORDER_REST)
