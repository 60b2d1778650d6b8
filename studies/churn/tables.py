"""What the churn study says, as tables of text: one list for terminal, page and notebook alike."""

from collections.abc import Iterator, Sequence
from math import inf
from typing import NamedTuple

from scenarios.figures import TimelineRow
from studies.churn.arms import ARMS, COUNTING, INCIDENT, LONG, ROLLOUT, Arm, Group
from studies.churn.frontier import Point, point_of
from studies.churn.middles import difference_of, spread_of, values_of, written
from studies.churn.rows import Row, Study

BASELINE, STABLE = "baseline", "stable"
COUNTED = ("placed", "cancelled", "filled")
PARTS = ("mid", "kappa", "sigma", "skew", "grid", "rest")
WHOLE = 100.0


class Sheet(NamedTuple):
    """One table."""

    title: str
    note: str
    """What to know before one reads it."""
    head: tuple[str, ...]
    rows: list[tuple[str, ...]]


class Target(NamedTuple):
    """One line of the source's table of what the cure should do."""

    name: str
    figure: str
    """Field of a row."""
    before: str
    """What the source says of the incident."""
    after: str
    """What it asks of the cure."""
    digits: int = 2
    above: float = -inf
    below: float = inf
    most: float = inf

    def holds(self, middle: float) -> bool:
        """Whether a median keeps it."""
        return self.above < middle < self.below and middle <= self.most


TARGETS = (
    Target("cancels a cycle", "cancels_per_cycle", "2", "mostly 0", below=0.5),
    Target("calls a minute", "calls_per_min", "40", "<= 5", 1, most=5),
    Target("cycles that sent nothing", "zero_action_share", "0", "> 0.80", above=0.8),
    Target("replaced by a modify", "modify_share", "0", "> 0.80", above=0.8),
    Target("places kept", "queue_kept_share", "0", "> 0.80", above=0.8),
    Target("cancels per fill", "cancel_fill_ratio", "inf", "< 2", below=2),
    Target("calls per fill", "calls_per_fill", "inf", "< 10", 1, below=10),
    Target("beyond the band, bps", "quote_error_beyond_bps", "-", "< 2", below=2),
)
"""Medians are asked for: half of the seeds are better."""
LEAST_EDGE_BPS = 2.49
"""Fee and floor of a kept order, to a hundredth: the trader's mid is a rounded one."""
EFFECTS = (
    ("calls a minute", "calls_per_min", 1),
    ("sent nothing", "zero_action_share", 2),
    ("places kept", "queue_kept_share", 2),
    ("order to target, bps", "quote_error_bps", 2),
    ("targets unmoved", "still_share", 2),
    ("P&L, cents", "pnl_total_usd", 1),
)
"""What a layer is judged by; the last one in hundredths."""


def sheets(study: Study) -> list[Sheet]:
    """Every table for which there are runs."""
    every = (
        _targets(study),
        _incident(study),
        _layers(study, Group.ALONE, BASELINE, "Each layer alone", "less the incident"),
        _layers(study, Group.LEFT_OUT, STABLE, "Each layer left out", "less the cure"),
        _rollout(study),
        _attribution(study),
        _sensitivity(study),
        _frontier(study),
        _money(study),
        _days(study),
    )
    return [sheet for sheet in every if sheet.rows]


# --- what was promised --------------------------------------------------------------------------


def _targets(study: Study) -> Sheet:
    baseline, stable = study.of(BASELINE), study.of(STABLE)
    rows: list[tuple[str, ...]] = []
    for target in TARGETS if stable else ():
        cells = [_cell(each, target.figure, target.digits) for each in (baseline, stable)]
        found = spread_of(values_of(stable, target.figure))
        verdict = "-" if found is None else "holds" if target.holds(found.middle) else "MISSED"
        rows.append((target.name, target.before, target.after, *cells, verdict))
    if stable:
        edges = [min(values_of(each, "edge_least_bps"), default=None) for each in (baseline, stable)]
        ours = edges[1]
        verdict = "-" if ours is None else "holds" if ours >= LEAST_EDGE_BPS else "MISSED"
        rows.append(("least edge kept in any seed, bps", "-", ">= 2.5", *map(written, edges), verdict))
    return Sheet(
        "What was promised",
        f"Medians [quartiles] over {study.seeds} seeds. A ratio to fills is infinite without any.",
        ("", "source before", "source after", BASELINE, STABLE, "the promise"),
        rows,
    )


def _incident(study: Study) -> Sheet:
    rows = []
    for index, source in enumerate(INCIDENT):
        cells = [_moment(study.of(name), index) for name in (BASELINE, STABLE)]
        rows.append((f"{source.t_s:g} s", _triple(source), *cells, _off(study.of(BASELINE), index, source)))
    return Sheet(
        "The rows of the incident",
        "Placed/cancelled/filled since the start, medians. The last column compares the first two figures.",
        ("", "source", BASELINE, STABLE, f"{BASELINE} less source"),
        rows if study.of(BASELINE) else [],
    )


def _moment(rows: Sequence[Row], index: int) -> str:
    marks = [row.timeline[index] for row in rows if index < len(row.timeline)]
    spreads = [spread_of([float(getattr(mark, name)) for mark in marks]) for name in COUNTED]
    return "/".join("-" if spread is None else f"{spread.middle:g}" for spread in spreads)


def _triple(row: TimelineRow) -> str:
    return f"{row.placed}/{row.cancelled}/{row.filled}"


def _off(rows: Sequence[Row], index: int, source: TimelineRow) -> str:
    cells = []
    for name in COUNTED[:2]:
        spread = spread_of([float(getattr(row.timeline[index], name)) for row in rows if index < len(row.timeline)])
        wanted = getattr(source, name)
        cells.append("-" if spread is None or not wanted else f"{(spread.middle / wanted - 1) * WHOLE:+.0f} %")
    return ", ".join(cells)


# --- what carries what --------------------------------------------------------------------------


def _layers(study: Study, group: Group, beside: str, title: str, less: str) -> Sheet:
    base = study.of(beside)
    rows: list[tuple[str, ...]] = []
    for arm in _run_arms(study, group):
        ours = study.of(arm.name)
        if arm.about == COUNTING:
            rows.append((arm.about, _same_decisions(base, ours), *[""] * (len(EFFECTS) - 1)))
        else:
            rows.append((arm.about, *(_effect(base, ours, name, digits) for _, name, digits in EFFECTS)))
    return Sheet(
        title,
        f"Median of the differences seed by seed ({less}) [95 % interval, bootstrap]; * where it is not 0.",
        ("layer", *(name for name, _, _ in EFFECTS)),
        rows if base else [],
    )


def _rollout(study: Study) -> Sheet:
    first = [arm for arm in _run_arms(study, Group.ALONE) if arm.about == ROLLOUT[0]]
    arms = [*_run_arms(study, Group.PROFILES), *first, *_run_arms(study, Group.ROLLOUT)]
    rows = [
        (arm.about, *_figures(study.of(arm.name), FRONTIER), _cell(study.of(arm.name), "calls_per_fill", 1, plain=True))
        for arm in arms
        if arm.name != STABLE
    ]
    return Sheet(
        "One layer more each time",
        "Medians, in the order in which layers would be turned on over the incident.",
        ("", "calls/min", "error, bps", "sent nothing", "fills", "markout 1 s, bps", "P&L, USD", "calls/fill"),
        rows if len(rows) > 1 else [],
    )


def _effect(base: Sequence[Row], ours: Sequence[Row], name: str, digits: int) -> str:
    found = difference_of(base, ours, name)
    if found is None:
        return "-"
    scale = WHOLE if name == "pnl_total_usd" else 1.0
    middle = f"{found.middle * scale:+.{digits}f}"
    if found.low is None or found.high is None:
        return middle
    mark = "*" if found.is_sure else ""
    return f"{middle}{mark} [{found.low * scale:.{digits}f}, {found.high * scale:.{digits}f}]"


def _same_decisions(base: Sequence[Row], ours: Sequence[Row]) -> str:
    """Whether the journals are the same, or what is the same of them: an alert is a decision, too."""
    digests = {row.seed: row.digest for row in base}
    common = [row for row in ours if row.seed in digests]
    same = sum(row.digest == digests[row.seed] for row in common)
    return f"same journal in {same} of {len(common)} seeds"


def _attribution(study: Study) -> Sheet:
    names = (BASELINE, "alone-smoother", "alone-grid", STABLE, "without-smoother", "without-grid")
    wobbles = ("baseline-kappa-x5", "baseline-kappa-x34", "stable-kappa-x5", "stable-kappa-x34")
    rows: list[tuple[str, ...]] = []
    for name in (*names, *wobbles):
        ours = study.of(name)
        cycles = sum(row.cycles for row in ours)
        if not cycles:
            continue
        sums = [sum(getattr(row, f"by_{part}_bps") for row in ours) for part in PARTS]
        whole = sum(sums)
        shares = [f"{each / whole * WHOLE:.1f} %" if whole else "-" for each in sums]
        moved = sum(row.moved_bps for row in ours) / (2 * cycles)
        still = _cell(ours, "still_share", 2, plain=True)
        rows.append((name, f"{moved:.2f}", *shares, still))
    return Sheet(
        "By what targets move",
        "bps a cycle and side, and the part of each cause: the formula with one input new and the others old. "
        f"{_drift(study)}",
        ("arm", "moved, bps", *PARTS, "targets unmoved"),
        rows,
    )


def _drift(study: Study) -> str:
    """What the smoother takes away at the source, beside what was claimed."""
    moved = [sum(row.moved_bps for row in study.of(name)) for name in (BASELINE, "alone-smoother")]
    if not moved[0] or not study.of("alone-smoother"):
        return ""
    return f"The smoother alone takes {(1 - moved[1] / moved[0]) * WHOLE:.1f} % of it away; the source claims 80 %."


# --- what it depends on -------------------------------------------------------------------------

SENSITIVE = (
    ("calls_per_min", 1),
    ("zero_action_share", 2),
    ("queue_kept_share", 2),
    ("modify_share", 2),
    ("calls_per_fill", 1),
    ("fills", 0),
    ("quote_error_bps", 2),
    ("markout_1s_bps", 1),
)


def _sensitivity(study: Study) -> Sheet:
    arms = [*_run_arms(study, Group.PROFILES), *_run_arms(study, Group.SENSITIVITY)]
    rows = [
        (arm.about, STABLE if arm.is_stable else BASELINE, *_figures(study.of(arm.name), SENSITIVE)) for arm in arms
    ]
    return Sheet(
        "What it depends on",
        "One thing changed at a time, the same in both profiles; medians.",
        (
            "changed",
            "profile",
            "calls/min",
            "sent nothing",
            "kept",
            "modifies",
            "calls/fill",
            "fills",
            "error, bps",
            "markout 1 s, bps",
        ),
        rows,
    )


FRONTIER = (
    ("calls_per_min", 1),
    ("quote_error_bps", 2),
    ("zero_action_share", 2),
    ("fills", 1),
    ("markout_1s_bps", 1),
    ("pnl_total_usd", 3),
)


NOWHERE = Point(inf, inf)
"""Where a rule is listed that has no point: last."""


def _frontier(study: Study) -> Sheet:
    arms = [*_run_arms(study, Group.PROFILES), *_run_arms(study, Group.FRONTIER)]
    points = {arm.name: point_of(study.of(arm.name)) for arm in arms}
    stood = [point for point in points.values() if point is not None]
    rows = []
    for arm in sorted(arms, key=lambda arm: points[arm.name] or NOWHERE):
        point = points[arm.name]
        best = "yes" if point is not None and point.is_best(stood) else ""
        mark = "chosen" if arm.name == STABLE else ""
        rows.append((arm.about, *_figures(study.of(arm.name), FRONTIER), best, mark))
    return Sheet(
        "Calls against nearness",
        "Medians, fewest calls first. On the frontier: none has both fewer calls and orders nearer their targets; a "
        "rule that sent nothing is not on it.",
        ("", "calls/min", "error, bps", "sent nothing", "fills", "markout 1 s, bps", "P&L, USD", "frontier", ""),
        rows if study.of(STABLE) else [],
    )


# --- money and allowance ------------------------------------------------------------------------

MONEY = (
    ("fills", 1),
    ("volume_usd", 0),
    ("pnl_total_usd", 3),
    ("spread_usd", 3),
    ("fees_usd", 3),
    ("markout_1s_bps", 1),
    ("headroom_first", 3),
    ("headroom_end", 3),
    ("two_sided_pct", 1),
)


def _money(study: Study) -> Sheet:
    arms = [arm for group in (Group.PROFILES, Group.LEFT_OUT) for arm in _run_arms(study, group)]
    rows = [(arm.name, *_figures(study.of(arm.name), MONEY)) for arm in arms if arm.about != COUNTING]
    return Sheet(
        "Money and allowance",
        "Medians. The markout is against the price of the fill, before fees; the allowance is a share of the cap.",
        ("arm", "fills", "volume", "P&L", "spread", "fees", "markout 1 s", "left first", "left last", "two-sided %"),
        rows,
    )


DAYS = (
    ("two_sided_pct", 2),
    ("calls_per_min", 2),
    ("fills", 0),
    ("calls_per_fill", 1),
    ("zero_action_share", 3),
    ("queue_kept_share", 3),
    ("quote_error_bps", 2),
    ("headroom_least", 4),
    ("headroom_end", 3),
    ("refused_by_limits", 0),
    ("pnl_total_usd", 2),
)


def _days(study: Study) -> Sheet:
    rows = [(arm.name, arm.about, *_figures(study.of(arm.name), DAYS)) for arm in _run_arms(study, Group.LONG)]
    return Sheet(
        "A day",
        "24 simulated hours, one seed; the three days of a profile differ by the allowance alone.",
        (
            "arm",
            "at first",
            "two-sided %",
            "calls/min",
            "fills",
            "calls/fill",
            "sent nothing",
            "kept",
            "error, bps",
            "least left",
            "left last",
            "turned away",
            "P&L",
        ),
        rows,
    )


# --- cells --------------------------------------------------------------------------------------


def _run_arms(study: Study, group: Group) -> Iterator[Arm]:
    """Those of a group that were run, in their order."""
    for arm in (*ARMS, *LONG):
        if arm.group is group and study.of(arm.name):
            yield arm


def _figures(rows: Sequence[Row], names: Sequence[tuple[str, int]]) -> tuple[str, ...]:
    return tuple(_cell(rows, name, digits, plain=True) for name, digits in names)


def _cell(rows: Sequence[Row], name: str, digits: int, *, plain: bool = False) -> str:
    """The median over the seeds, with the quartiles unless ``plain``."""
    found = spread_of(values_of(rows, name))
    if found is None:
        return "-"
    middle = written(found.middle, digits)
    return middle if plain else f"{middle} [{written(found.low, digits)}, {written(found.high, digits)}]"
