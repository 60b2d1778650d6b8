"""Whole worlds from a number: market, ways, the trader's own settings, and which faults strike when and how hard.

Every choice is drawn at a site of its own from the seed, so that a new fault, or a new setting, leaves the other
choices of a seed as they were. What comes out is a scenario like any other: a table that can be written to a file.

After swarm testing (Groce et al., ISSTA 2012): half of the faults are off in each world, because some bugs are only
met while another fault does not hide them; a few worlds have all of them, and a few have none.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import EnumMeta, StrEnum
from functools import cache
from math import exp, log
from typing import Any, Literal, get_args, get_origin, get_type_hints

from domain.events import Feed
from domain.ids import uniform
from runtime import config
from scenarios.loader import SHELF
from scenarios.probes import Probe
from sim.envelope import LinkName
from sim.faults import FAULTS, Fault, Range
from sim.faults.crash import Crash
from sim.faults.disconnect import Disconnect
from sim.faults.duplicate import Duplicate
from sim.faults.fill_before_ack import FillBeforeAck
from sim.faults.fsync_failure import FsyncFailure
from sim.faults.journal_full import JournalFull
from sim.faults.owner_transfers import OwnerTransfers
from sim.faults.paging import Paging
from sim.faults.reorder import Reorder
from sim.faults.reply_lost import ReplyLost
from sim.faults.request_lost import RequestLost
from sim.faults.slow_handler import SlowHandler
from sim.faults.slow_journal import SlowJournal
from sim.faults.stale_queries import StaleQueries
from sim.faults.stall import Stall
from sim.faults.terminal_before_fill import TerminalBeforeFill
from sim.faults.timing import Moment
from sim.faults.torn_journal import TornJournal
from sim.points import Point
from sim.ties import FirstComeTies, PriorityTies, RandomTies

VERSION = 7
"""Of the drawing: the same seed gives another world in another version."""

WARM_UP_S = 40.0
"""No fault before: every run begins with a trader that quotes."""
HEAL_S = 120.0
"""No fault in the last seconds: what was broken must be whole again by then."""
SHORTEST_S = WARM_UP_S + HEAL_S + 30.0
"""Of a drawn world: there must be time for faults."""

LONGEST_FAULT_S = 600.0
"""No fault has a longer window."""
TURN_S = 1_800.0
"""In longer worlds each fault that is on comes once in such a time, on average."""

ALL_ON = 0.10
"""Share of the worlds in which every fault is on."""
NONE_ON = 0.05
"""Share of those in which none is."""
PATH_OFF = 0.30
"""Share of those in which exactly one way to recover is switched off."""
BY_CHANCE = 0.50
"""Share of the faults that strike by chance."""
AIMED = 0.30
"""Share of those that strike at a moment; the others strike all the time, deaths at a point of the process."""
TURNED = 0.25
"""Chance of a setting to be drawn, unless it says another one; else it stays as shipped."""
CHOSEN = 0.5
"""Chance of each field of a fault that chooses (a shape, some channels) to be drawn; else it stays as usual."""

PAIRED = 0.30
"""Share of the worlds with faults that have a pair of them: the second one strikes while the first one is at work."""
FIRST = (Stall().kind, SlowJournal().kind, Disconnect().kind)
"""What may be first: news wait unread, decisions wait for the disk, somebody recovers."""
SECOND = (Crash().kind, TornJournal().kind)

DEATHS = (Crash().kind, TornJournal().kind, JournalFull().kind, FsyncFailure().kind)
"""Faults that end the process: whoever starts it again does not do so every other second."""
DISKS = (JournalFull().kind, FsyncFailure().kind)
"""Those of them that take the disk away, and start the process again when it is back."""
DISK_S = (15.0, 60.0)
"""Longer than the safety net may take: a process that still cancels cannot be started."""
DEATHS_PER_MINUTE = (0.3, 2.0)
DEATHS_REST_S = (20.0, 120.0)
STARTED_S = 30.0
"""So long after its begin a life has read all that it needs, where the ways are sound."""
STRIKE_S = (0.2, 15.0)
"""How long a strike lasts."""
DOWN_S = (0.2, 60.0)
"""Longer than the venue's dead-man switch waits."""
POINTS_PER_S = {Point.TOLD: 15.0, Point.WRITTEN: 25.0, Point.SYNCED: 0.6, Point.SENDING: 0.8}
"""How often the process comes to each point, about; more often in a lively market."""

STAYS = 0.15
"""Share of the worlds in which one failure stays for good."""
FOR_GOOD_S = 1e6
"""Longer than any run."""
BREAKER = "trader.requests.routes.breaker"
STAYING: tuple[dict[str, Any], ...] = (
    {"kind": RequestLost().kind, "share": 1.0, "links": [LinkName.ORDER_SOCKET.value]},
    {"kind": Disconnect().kind, "feeds": [Feed.USER.value]},
    {"kind": ReplyLost().kind, "share": 0.05},
    {"kind": Duplicate().kind, "share": 0.3},
    {"kind": Reorder().kind, "share": 0.2, "mean_s": 0.3},
    {"kind": FillBeforeAck().kind, "share": 0.3, "hold_ms": 1_500.0},
    {"kind": TerminalBeforeFill().kind, "share": 0.3, "hold_ms": 3_000.0},
    {"kind": StaleQueries().kind, "share": 0.5, "lag_s": 1.0},
    {"kind": Paging().kind, "page": 5, "overlap": 3},
    {"kind": SlowHandler().kind, "factor": 5.0},
)
"""Failures with which a trader can live: a socket that takes no request while REST does, an account's connection that
never comes back, and what is wrong with some messages only. Without circuit breakers nobody leaves a way that is dead,
so the first one is left out where they are off."""

TIES = (FirstComeTies().kind, RandomTies().kind, PriorityTies().kind)
"""In which order happens what is due at one time."""
TIES_CHANGE = Range(0.3, 60.0)
"""How often a minute priorities change, where they decide."""

MANY = 0.04
"""Share of the worlds with many instruments."""
INSTRUMENTS = Range(3, 20)
"""How many these have; their runs are shorter by as much as that is more than two."""
PROFILES_OF_MANY = ("eth-quiet", "eth-volatile", "alt-thin")
PRICES_OF_MANY = Range(150.0, 5_000.0)

PROBED = {Probe.STALE_DATA: 0.4, Probe.KILL: 0.4, Probe.RESTART: 0.7, Probe.LEAKS: 1.0}
"""In which share of the worlds each trial is held at the end; a trader that has to be killed for one must be."""

REGIMES = ("eth-quiet", "eth-volatile", "eth-stationary", "alt-thin", "two-markets")
"""Shipped scenarios without faults that a world can begin from."""


LAYERS = ("engine.smoother", "engine.grid", "reconcile.modify_first", "reconcile.tolerance", "quota_aware")
"""What the usual profile of the trader has against churn; some worlds lack one of them, some all."""


@dataclass(frozen=True, slots=True)
class Setting:
    """Something that is not a fault and differs between worlds: a key of the scenario and its values."""

    path: str
    values: Sequence[Any] | Range
    turned: float = TURNED
    """In which share of the worlds it is drawn."""


SETTINGS = (
    Setting("links.market_data.latency.median_ms", Range(5.0, 400.0)),
    Setting("links.user_data.latency.median_ms", Range(5.0, 1_000.0)),
    Setting("links.order_socket.latency.median_ms", Range(25.0, 400.0)),
    Setting("links.order_rest.latency.median_ms", Range(50.0, 1_500.0)),
    Setting("links.reply.latency.median_ms", Range(5.0, 1_000.0)),
    Setting("links.user_data.jitter_ms", (0.0,)),
    Setting("links.handshake_ms", Range(20.0, 5_000.0)),
    Setting("market.flow.drift_bps", Range(-1.0, 1.0, is_log=False)),
    Setting("venue.traded", (0, 5_000_000_000_000), turned=1.0),
    Setting("venue.cash", (60_000_000, 150_000_000, 1_000_000_000), turned=0.35),
    Setting("venue.rules.funding.interval", (60_000_000_000,), turned=0.5),
    Setting("venue.two_batches", Range(0.0, 1.0, is_log=False)),
    Setting("trader.desk.accumulator.debounce_ms", Range(10.0, 2_000.0)),
    Setting("trader.desk.engine.ladder.levels", (1, 2, 3, 5, 8)),
    Setting("trader.desk.engine.max_position_usd", (1_000, 3_000, 10_000, 30_000)),
    Setting("trader.desk.engine.level_notional_usd", (100, 500, 1_000)),
    Setting("trader.budget.share", (0.5, 0.8, 0.95)),
    Setting("trader.budget.pacing", ("off", {}), turned=0.2),
    Setting("trader.profile", ("stable", "stable", "stable", "plain"), turned=1.0),  # whatever is usual some day
    *(Setting(f"trader.desk.{layer}", ("off",), turned=0.1) for layer in LAYERS),
    Setting("trader.desk.reconcile.tolerance.queue_value", ({},), turned=0.1),
    Setting("trader.requests.routes.socket", (True, False)),
    Setting("trader.resync.overlap_s", Range(1.0, 60.0)),
    Setting("trader.sync.reconciliation.background_s", (5.0, 30.0)),
    Setting("trader.sync.audit.every_s", (2.0, 15.0)),
    Setting("trader.supervisor.check_s", (5.0, 30.0)),
    Setting("trader.risk.loss.limit_usd", Range(0.3, 30.0), turned=0.15),
    Setting("trader.desk.tracker.completed_kept", (10, 100, 1_000)),
    Setting("driver.thinking.median_us", Range(50.0, 20_000.0)),
)
"""What is turned besides the faults."""

PATHS = (
    ("trader.dead_man", "the venue's dead-man switch"),
    ("links.ping_every_ms", "pings"),
    ("trader.supervisor", "the watchdog of the connections"),
    ("trader.sync.reconciliation", "comparing positions"),
    ("trader.sync.audit", "auditing orders"),
    (BREAKER, "the circuit breakers"),
)
"""Ways to recover of which one may be off: the others have to do."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """One drawn world."""

    seed: int
    tree: dict[str, Any]
    """A scenario file."""
    path_off: str | None = None
    """The way to recover that is switched off."""


class Sites:
    """Draws by site: the n-th draw of a site is the same whatever other sites there are."""

    def __init__(self, seed: int) -> None:
        """Nothing drawn yet."""
        self._seed = seed
        self._counts: dict[str, int] = {}

    def chance(self, site: str) -> float:
        """A number in [0, 1)."""
        count = self._counts[site] = self._counts.get(site, 0) + 1
        return uniform(self._seed, f"swarm/{site}", count)

    def within(self, site: str, low: float, high: float, *, is_log: bool = True) -> float:
        """A number in a range, of four digits: a person has to read it."""
        share = self.chance(site)
        if is_log and low > 0:
            value = exp(log(low) + share * (log(high) - log(low)))
        else:
            value = low + share * (high - low)
        return float(f"{value:.4g}")

    def one_of(self, site: str, values: Sequence[Any]) -> Any:  # noqa: ANN401 - whatever the values are
        """One of several, all alike."""
        return values[int(self.chance(site) * len(values))]

    def value(self, site: str, values: Sequence[Any] | Range) -> Any:  # noqa: ANN401 - a value of a scenario
        """A value of a setting or of a field."""
        if isinstance(values, Range):
            value = self.within(site, values.low, values.high, is_log=values.is_log)
            return round(value) if isinstance(values.low, int) else value
        return self.one_of(site, values)


def draw(seed: int, duration_s: float) -> Drawn:
    """Draw the world of a seed; at least ``SHORTEST_S`` long."""
    sites = Sites(seed)
    instruments = sites.value("instruments", INSTRUMENTS) if sites.chance("many") < MANY else None
    if instruments is not None:
        duration_s = max(SHORTEST_S, round(duration_s * 2 / instruments, 2))
    tree: dict[str, Any] = {
        "extends": sites.one_of("regime", REGIMES),
        "name": f"swarm-{seed}",
        "description": f"Drawn from seed {seed} by version {VERSION} of the drawing, {duration_s:g} s long.",
        "duration_s": duration_s,
    }
    for setting in SETTINGS:
        if sites.chance(f"{setting.path}/turned") < setting.turned:
            put(tree, setting.path, sites.value(setting.path, setting.values))
    path_off = None
    if sites.chance("path off") < PATH_OFF:
        key, path_off = sites.one_of("path", PATHS)
        put(tree, key, "off")
    if instruments is not None:
        tree["market"] = {**tree.get("market", {}), "more": [_market(sites, i) for i in range(2, instruments + 1)]}
    tree["ties"] = _ties(sites)
    tree["probes"] = [str(probe) for probe, share in PROBED.items() if sites.chance(f"probe/{probe}") < share]
    tree["faults"] = _faults(sites, duration_s)
    if sites.chance("stays") < STAYS:
        _let_stay(sites, tree)
    if "cash" in tree["venue"]:
        for fault in tree["faults"]:
            if fault["kind"] == OwnerTransfers().kind:  # who has nothing left rightly quotes nothing
                fault["usd"] = abs(fault["usd"])
    tree["expect"] = _expect(tree["extends"])
    return Drawn(seed, tree, path_off)


def _ties(sites: Sites) -> dict[str, Any]:
    kind = sites.one_of("ties", TIES)
    changes = {"changes_per_minute": sites.value("ties/changes", TIES_CHANGE)}
    return {"kind": kind} | (changes if kind == PriorityTies().kind else {})


def _market(sites: Sites, number: int) -> dict[str, Any]:
    """One more instrument, whose numbers no later one moves."""
    name = f"A{number}"
    price = sites.value(f"market/{name}/price", PRICES_OF_MANY)
    profile = sites.one_of(f"market/{name}/profile", PROFILES_OF_MANY)
    return {"profile": profile, "flow": {"fair_price": price}, "instrument": {"name": name, "asset": number}}


def _let_stay(sites: Sites, tree: dict[str, Any]) -> None:
    """One failure from some moment on for good; it takes the place of those of its kind."""
    has_breaker = tree.get("trader", {}).get("requests", {}).get("routes", {}).get("breaker") != "off"
    fault = sites.one_of("staying", STAYING if has_breaker else STAYING[1:])
    end_s = tree["duration_s"] - HEAL_S
    at_s = round(sites.within("staying/at_s", WARM_UP_S, end_s, is_log=False), 2)
    others = [other for other in tree["faults"] if other["kind"] != fault["kind"]]
    if fault["kind"] == Disconnect().kind:  # who begins without a connection never gets to what happened meanwhile
        by_s = at_s - STARTED_S
        others = [o for o in others if o["kind"] not in DEATHS or o["at_s"] + o["duration_s"] <= by_s]
    tree["faults"] = [*others, {**fault, "at_s": at_s, "duration_s": FOR_GOOD_S, "when": {"kind": "throughout"}}]
    tree["checks"] = {"despite": [fault["kind"]]}


def _expect(base: str) -> dict[str, Any]:
    """Only what holds in every run: the bounds of the base are for a world without faults.

    Nor does anybody know whether its trader will be in a state for the trials.
    """
    return {**dict.fromkeys(config.read(base, SHELF).data.get("expect", {}), "off"), "trials_left_out": True}


def put(tree: dict[str, Any], path: str, value: object) -> None:
    """Set ``a.b.c`` in a tree; what was no table on the way becomes one only if it is missing."""
    *above, last = path.split(".")
    for key in above:
        below = tree.setdefault(key, {})
        if not isinstance(below, dict):
            return  # it is switched off: there is nothing to set
        tree = below
    tree[last] = value


def _faults(sites: Sites, duration_s: float) -> list[dict[str, Any]]:
    mode = sites.chance("mode")
    if mode >= 1 - NONE_ON:
        return []
    turns = max(round(duration_s / TURN_S), 1)
    drawn = [
        _fault(kind, sites, duration_s - HEAL_S)
        for kind in FAULTS
        if sites.chance(f"{kind().kind}/on") < 1 / 2 or mode < ALL_ON
        for _ in range(turns)
    ]
    return drawn + _pair(sites, duration_s - HEAL_S) if sites.chance("pair") < PAIRED else drawn


def _pair(sites: Sites, end_s: float) -> list[dict[str, Any]]:
    """A fault, and a death in the middle of what it does; one in two lasts longer than the dead-man switch waits."""
    at_s = round(sites.within("pair/at_s", WARM_UP_S, max(end_s - LONGEST_FAULT_S, WARM_UP_S + 10), is_log=False), 2)
    window = {"at_s": at_s, "duration_s": round(min(end_s - at_s, LONGEST_FAULT_S), 2)}
    first: dict[str, Any] = {"kind": sites.one_of("pair/first", FIRST), **window}
    if first["kind"] == SlowJournal().kind:
        first["sync_ms"] = sites.within("pair/sync_ms", 500, 5_000)
    first["when"] = {"kind": "aimed", "at": "filled", "for_s": 6.0, "rest_s": 30.0}
    second = {"kind": sites.one_of("pair/second", SECOND), **window}
    down_s = sites.within("pair/for_s", 0.5, 5) if sites.chance("pair/long") < 1 / 2 else 45.0
    aim = {"kind": "aimed", "at": "other_fault", "within_s": 3.0, "for_s": down_s, "rest_s": 30.0}
    return [first, {**second, "when": aim}]


def _fault(kind: type[Fault], sites: Sites, end_s: float) -> dict[str, Any]:
    """One fault: where in the run, how long, how often, how hard."""
    usual = kind()
    name = usual.kind
    known = {field.name for field in fields(kind)}  # type: ignore[arg-type]  # every fault is a dataclass
    at_s = round(sites.within(f"{name}/at_s", WARM_UP_S, end_s - 10, is_log=False), 2)
    drawn: dict[str, Any] = {"kind": name, "at_s": at_s}
    length = sites.within(f"{name}/length", 10, max(min(end_s - at_s, LONGEST_FAULT_S), 10), is_log=False)
    for key, values in kind.ranges.items():
        drawn[key] = sites.value(f"{name}/{key}", values)
    for key, choices in _choices(kind):
        if sites.chance(f"{name}/{key}/chosen") < CHOSEN:
            drawn[key] = sites.one_of(f"{name}/{key}", choices)
    drawn["duration_s"] = round(min(drawn.get("duration_s", length), end_s - at_s), 2)
    if "ban_s" in drawn:  # it outlasts the strike, and has to be over in time, too
        drawn["ban_s"] = round(min(drawn["ban_s"], end_s - at_s - 1), 2)
        drawn["duration_s"] = round(min(drawn["duration_s"], end_s - at_s - drawn["ban_s"]), 2)
    if "when" in known:
        drawn["when"] = _death(name, sites, at_s, end_s) if name in DEATHS else _timing(name, sites)
    return drawn


@cache
def _choices(kind: type[Fault]) -> list[tuple[str, list[Any]]]:
    """Fields of a fault that are no numbers, with their values: what a shape may be, which channels are hit."""
    hints, usual = get_type_hints(kind), kind()
    found: list[tuple[str, list[Any]]] = []
    for field in fields(kind):  # type: ignore[arg-type]  # every fault is a dataclass
        hint = hints[field.name]
        if hint is bool:
            found.append((field.name, [False, True]))
        elif isinstance(hint, EnumMeta):
            members: list[StrEnum] = list(hint)
            found.append((field.name, [str(member) for member in members]))
        elif isinstance(one := next(iter(get_args(hint)), None), EnumMeta) or get_origin(one) is Literal:
            several = tuple(Feed) if one is Feed else getattr(usual, field.name)
            names = [str(member) for member in several]
            found.append((field.name, [*([name] for name in names), names]))
    return found


def _death(name: str, sites: Sites, at_s: float, end_s: float) -> dict[str, Any]:
    """By chance, aimed, or between two things that the process does at one time."""
    share = sites.chance(f"{name}/when")
    for_s = sites.within(f"{name}/for_s", *(DISK_S if name in DISKS else DOWN_S))
    if share < BY_CHANCE:
        return {"kind": "poisson", "per_minute": sites.within(f"{name}/per_minute", *DEATHS_PER_MINUTE), "for_s": for_s}
    if share < BY_CHANCE + AIMED:
        return _aimed(name, sites) | {"for_s": for_s, "rest_s": sites.within(f"{name}/rest_s", *DEATHS_REST_S)}
    point = sites.one_of(f"{name}/point", list(Point))
    number = sites.within(f"{name}/number", POINTS_PER_S[point] * at_s, POINTS_PER_S[point] * end_s, is_log=False)
    return {"kind": "at_point", "point": str(point), "number": max(round(number), 1), "for_s": for_s}


def _timing(name: str, sites: Sites) -> dict[str, Any]:
    """By chance, aimed, or all the time; a process stands still for as long as it may be dead."""
    share = sites.chance(f"{name}/when")
    for_s = sites.within(f"{name}/for_s", *(DOWN_S if name == Stall().kind else STRIKE_S))
    if share < BY_CHANCE:
        return {
            "kind": "poisson",
            "per_minute": sites.within(f"{name}/per_minute", 1, 30),
            "for_s": for_s,
        }
    if share < BY_CHANCE + AIMED:
        return _aimed(name, sites) | {"for_s": for_s}
    return {"kind": "throughout"}


def _aimed(name: str, sites: Sites) -> dict[str, Any]:
    return {
        "kind": "aimed",
        "at": str(sites.one_of(f"{name}/at", list(Moment))),
        "share": sites.within(f"{name}/moment", 0.1, 1),
        "within_s": sites.within(f"{name}/within_s", 0, 3, is_log=False),
    }
