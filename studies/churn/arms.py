"""What the churn study runs: the incident and its cure, each with one factor changed.

Every override is one that `makerlab run SCENARIO --set KEY=VALUE` takes, so each arm can be repeated by hand.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from scenarios.figures import TimelineRow

BASELINE = "churn-baseline"
STABLE = "churn-stable"
DAY_S = 86_400

INCIDENT = (
    TimelineRow(60, 0, 0, 0),
    TimelineRow(120, 8, 6, 0),
    TimelineRow(180, 26, 24, 0),
    TimelineRow(240, 42, 42, 0),
    TimelineRow(300, 60, 58, 0),
)
"""What the incident's own log says."""

LAYERS = {
    "smoother": "trader.desk.engine.smoother",
    "grid": "trader.desk.engine.grid",
    "modify_first": "trader.desk.reconcile.modify_first",
    "tolerance": "trader.desk.reconcile.tolerance",
    "quota_aware": "trader.desk.quota_aware",
    "pace": "trader.budget.pacing",
    "counting": "trader.desk.churn",
}
"""The layers, and the table of the trader's configuration that turns each on; the fifth has two."""
ROLLOUT = ("smoother", "grid", "tolerance", "modify_first", "quota_aware", "pace")
"""In which order they would be turned on; the one that only looks was there before."""
COUNTING = "counting"
"""The layer that only looks: with it and without it every decision is the same."""


class Group(StrEnum):
    """What an arm is about."""

    PROFILES = "profiles"
    ALONE = "alone"
    """One layer over the baseline."""
    LEFT_OUT = "left out"
    """One layer taken from the cure."""
    ROLLOUT = "one more"
    """Layers over the baseline, one more each time, in the order in which they would be turned on."""
    SENSITIVITY = "sensitivity"
    """What the source leaves open, or what the venue may do otherwise: the same in both profiles."""
    FRONTIER = "frontier"
    """How far an order may lag: calls against nearness."""
    LONG = "a day"
    """24 hours, by what is left of the allowance at first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One scenario and what is different in it."""

    name: str
    """Unique, and fit for a file: letters, digits, dots, hyphens."""
    group: Group
    scenario: str
    """Of the library."""
    overrides: tuple[str, ...] = ()
    """As `--set` takes them."""
    about: str
    """What is different, in a few words; the same for the two arms of one factor."""
    every_s: float = 0.0
    """Least time between two cycles whose targets are kept as rows; 0: all are."""

    @property
    def is_stable(self) -> bool:
        """Whether it is one of the cure; otherwise it is one of the incident."""
        return self.scenario != BASELINE


def arm_named(name: str) -> Arm:
    """The arm of a name; KeyError if there is none."""
    return _BY_NAME[name]


def _both(key: str, about: str, *overrides: str) -> tuple[Arm, Arm]:
    baseline, stable = (
        Arm(
            name=f"{scenario.removeprefix('churn-')}-{key}",
            group=Group.SENSITIVITY,
            scenario=scenario,
            overrides=overrides,
            about=about,
        )
        for scenario in (BASELINE, STABLE)
    )
    return baseline, stable


def _alone(layer: str) -> Arm:
    return Arm(
        name=f"alone-{layer}",
        group=Group.ALONE,
        scenario=BASELINE,
        overrides=(f"{LAYERS[layer]}={{}}",),
        about=layer,
    )


def _left_out(layer: str) -> Arm:
    return Arm(
        name=f"without-{layer}",
        group=Group.LEFT_OUT,
        scenario=STABLE,
        overrides=(f'{LAYERS[layer]}="off"',),
        about=layer,
    )


def _step(number: int) -> Arm:
    """The first so many layers of the rollout; the first of them alone is an arm already."""
    return Arm(
        name=f"rollout-{number}",
        group=Group.ROLLOUT,
        scenario=BASELINE,
        overrides=tuple(f"{LAYERS[layer]}={{}}" for layer in ROLLOUT[:number]),
        about=f"+ {ROLLOUT[number - 1]}",
    )


def _plain_latch(bps: float) -> Arm:
    return Arm(
        name=f"latch-{bps:g}",
        group=Group.FRONTIER,
        scenario=BASELINE,
        overrides=(f"trader.desk.reconcile.latch_bps={bps:g}",),
        about=f"plain latch {bps:g} bps",
    )


def _band(bps: float) -> Arm:
    """The band is that of the floor: nothing of the half-spread's share is left."""
    tolerance = LAYERS["tolerance"]
    return Arm(
        name=f"band-{bps:g}",
        group=Group.FRONTIER,
        scenario=STABLE,
        overrides=(f"{tolerance}.share=0.001", f"{tolerance}.floor_bps={bps:g}"),
        about=f"band {bps:g} bps",
    )


def _days(profile: str, scenario: str) -> Iterator[Arm]:
    """One for each share of the allowance; nothing else differs between them. 7 % is what the incident had."""
    for share, about, used in ((7, "7 % left", None), (4, "4 % left", 9_600), (0, "nothing left", 10_000)):
        allowance = () if used is None else (f"venue.actions_used={used}",)
        yield Arm(
            name=f"day-{profile}-{share}",
            group=Group.LONG,
            scenario=scenario,
            overrides=(f"duration_s={DAY_S}", *allowance),
            about=about,
            every_s=60.0,
        )


ARMS: tuple[Arm, ...] = (
    Arm(name="baseline", group=Group.PROFILES, scenario=BASELINE, about="the incident"),
    Arm(name="stable", group=Group.PROFILES, scenario=STABLE, about="all layers on"),
    *(_alone(layer) for layer in LAYERS),
    *(_left_out(layer) for layer in LAYERS),
    *(_step(number) for number in range(2, len(ROLLOUT) + 1)),
    # --- what the venue may do otherwise: both positions of what a modify does to a place (the other is the default)
    *_both("size-down-keeps", "smaller keeps its place", 'venue.rules.modify_keeps_place="size down"'),
    # By the rule of five figures an integer is always legal: at 200,000 that is a tick of 0.05 bps
    *_both("fine-tick", "tick 0.05 bps", "market.flow.fair_price=200_000", "market.instrument.sz_decimals=6"),
    # --- what the source leaves open
    *_both("takers-0.002", "takers 0.002/s", "market.flow.reach.per_second=0.002"),
    *_both("takers-0.005", "takers 0.005/s", "market.flow.reach.per_second=0.005"),
    *_both("sigma-0.65", "sigma 0.65 bps", "market.flow.sigma_bps=0.65"),
    *_both("sigma-2", "sigma 2.0 bps", "market.flow.sigma_bps=2.0"),
    # The log's -7, 0, +18 around 1176, so much larger that a quote moves by about 1 bp, and by the 6 bps of the source
    *_both("kappa-x5", "kappa's swing x5", "trader.desk.engine.kappa_readings=[1141, 1176, 1266]"),
    *_both("kappa-x34", "kappa's swing x34", "trader.desk.engine.kappa_readings=[938, 1176, 1788]"),
    *_both("levels-3", "3 levels a side", "trader.desk.engine.ladder.levels=3"),
    *_both("quota-30", "30 % left", "venue.actions_used=7_000"),
    *_both("quota-100", "100 % left", "venue.actions_used=0"),
    # --- how far an order may lag; 1 and 3 bps are what the profiles have
    *(_plain_latch(bps) for bps in (0, 2, 4, 6, 9)),
    *(_band(bps) for bps in (1, 2, 4, 6)),
)
"""What is run by default."""

LONG: tuple[Arm, ...] = (
    *_days("baseline", BASELINE),
    *_days("stable", STABLE),
)
"""What `--long` adds, with one seed."""

_BY_NAME = {arm.name: arm for arm in (*ARMS, *LONG)}
