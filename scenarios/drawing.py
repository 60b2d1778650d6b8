"""Whole worlds from a number: market, ways, the trader's own settings, and which faults strike when and how hard.

Every choice is drawn at a site of its own from the seed, so that a new fault, or a new setting, leaves the other
choices of a seed as they were. What comes out is a scenario like any other: a table that can be written to a file.

After swarm testing (Groce et al., ISSTA 2012): half of the faults are off in each world, because some bugs are only
met while another fault does not hide them; a few worlds have all of them, and a few have none.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from math import exp, log
from typing import Any

from domain.ids import uniform
from runtime import config
from scenarios.loader import SHELF
from sim.faults import FAULTS, Fault, Range
from sim.faults.timing import Moment

VERSION = 1
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
"""Share of those that strike at a moment; the others strike all the time."""
TURNED = 0.25
"""Chance of each setting to be drawn; else it stays as shipped."""

REGIMES = ("eth-quiet", "eth-volatile", "eth-stationary", "alt-thin", "two-markets")
"""Shipped scenarios without faults that a world can begin from."""


@dataclass(frozen=True, slots=True)
class Setting:
    """Something that is not a fault and differs between worlds: a key of the scenario and its values."""

    path: str
    values: Sequence[Any] | Range


SETTINGS = (
    Setting("links.market_data.latency.median_ms", Range(5.0, 400.0)),
    Setting("links.user_data.latency.median_ms", Range(5.0, 1_000.0)),
    Setting("links.order_socket.latency.median_ms", Range(25.0, 400.0)),
    Setting("links.order_rest.latency.median_ms", Range(50.0, 1_500.0)),
    Setting("links.reply.latency.median_ms", Range(5.0, 1_000.0)),
    Setting("links.handshake_ms", Range(20.0, 5_000.0)),
    Setting("venue.traded", (0, 5_000_000_000_000)),
    Setting("venue.two_batches", Range(0.0, 1.0, is_log=False)),
    Setting("trader.desk.accumulator.debounce_ms", Range(10.0, 2_000.0)),
    Setting("trader.desk.engine.ladder.levels", (1, 2, 3, 5, 8)),
    Setting("trader.desk.engine.max_position_usd", (1_000, 3_000, 10_000, 30_000)),
    Setting("trader.desk.engine.level_notional_usd", (100, 500, 1_000)),
    Setting("trader.budget.share", (0.5, 0.8, 0.95)),
    Setting("trader.resync.overlap_s", Range(1.0, 60.0)),
    Setting("trader.desk.tracker.completed_kept", (10, 100, 1_000)),
    Setting("driver.thinking.median_us", Range(50.0, 20_000.0)),
)
"""What is turned besides the faults."""

PATHS = (
    ("trader.dead_man", "the venue's dead-man switch"),
    ("links.ping_every_ms", "pings"),
    ("trader.budget", "the budget of requests"),
    ("trader.desk.rejections", "waiting after refusals"),
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
    tree: dict[str, Any] = {
        "extends": sites.one_of("regime", REGIMES),
        "name": f"swarm-{seed}",
        "description": f"Drawn from seed {seed} by version {VERSION} of the drawing, {duration_s:g} s long.",
        "duration_s": duration_s,
    }
    for setting in SETTINGS:
        if sites.chance(f"{setting.path}/turned") < TURNED:
            put(tree, setting.path, sites.value(setting.path, setting.values))
    path_off = None
    if sites.chance("path off") < PATH_OFF:
        key, path_off = sites.one_of("path", PATHS)
        put(tree, key, "off")
    tree["faults"] = _faults(sites, duration_s)
    tree["expect"] = _expect(tree["extends"])
    return Drawn(seed, tree, path_off)


def _expect(base: str) -> dict[str, Any]:
    """Only what holds in every run: the bounds of the base are for a world without faults."""
    return dict.fromkeys(config.read(base, SHELF).data.get("expect", {}), "off")


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
    return [
        _fault(kind, sites, duration_s - HEAL_S)
        for kind in FAULTS
        if sites.chance(f"{kind().kind}/on") < 1 / 2 or mode < ALL_ON
        for _ in range(turns)
    ]


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
    drawn["duration_s"] = round(min(drawn.get("duration_s", length), end_s - at_s), 2)
    if "when" in known:
        drawn["when"] = _timing(name, sites)
    return drawn


def _timing(name: str, sites: Sites) -> dict[str, Any]:
    """By chance, aimed, or all the time."""
    share = sites.chance(f"{name}/when")
    if share < BY_CHANCE:
        return {
            "kind": "poisson",
            "per_minute": sites.within(f"{name}/per_minute", 1, 30),
            "for_s": sites.within(f"{name}/for_s", 0.2, 15),
        }
    if share < BY_CHANCE + AIMED:
        return {
            "kind": "aimed",
            "at": str(sites.one_of(f"{name}/at", list(Moment))),
            "for_s": sites.within(f"{name}/for_s", 0.2, 15),
            "share": sites.within(f"{name}/moment", 0.1, 1),
            "within_s": sites.within(f"{name}/within_s", 0, 3, is_log=False),
        }
    return {"kind": "throughout"}
