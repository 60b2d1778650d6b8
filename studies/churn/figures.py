"""Figures of the churn study: calls against nearness, the rows of the incident, layers, causes, the allowance.

matplotlib is imported when the first figure is drawn. Of what was not run nothing is drawn.
"""

from collections.abc import Callable, Sequence
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from scenarios.plots import LIGHT, Theme, png_of, style
from studies.churn.arms import ARMS, COUNTING, INCIDENT, LONG, ROLLOUT, Arm, Group
from studies.churn.frontier import Point, point_of
from studies.churn.middles import difference_of, spread_of, values_of
from studies.churn.rows import Row, Study
from studies.churn.tables import PARTS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BASELINE, STABLE = "baseline", "stable"
CAPTIONS = {
    "frontier": "Fewer calls cost nearness: each point is one rule for how far an order may lag, in the median of the "
    "seeds; the star is what was chosen, the dashed line leads over the rules that no other one beats in both, and a "
    "layer alone or left out that no rule beats is named.",
    "timeline": "What was placed and cancelled by each minute, beside what the incident's own log says; a band holds "
    "the middle half of the seeds.",
    "rollout": "From the baseline to the chosen profile, one layer more at each step, in the median of the seeds; an "
    "upright line holds the middle half of them.",
    "layers": "What each layer does to calls and to nearness, alone over the baseline (left) and taken out of the "
    "others (right): the median of the differences seed by seed, with its 95 % interval; grey where the sign is not "
    "sure.",
    "attribution": "By what the targets move from one cycle to the next: the formula with one input new and the others "
    "old, for each cycle and side.",
    "allowance": "What was left of the allowance of actions, by the trader's own count; a band holds the middle half "
    "of the seeds.",
}
"""By name of the figure: what it shows."""

EFFECTS = (("calls_per_min", "calls a minute"), ("quote_error_bps", "order to target, bps"))
"""What a layer is judged by."""
MOVED = (
    BASELINE,
    "alone-smoother",
    "alone-grid",
    "baseline-kappa-x5",
    "baseline-kappa-x34",
    STABLE,
    "without-smoother",
    "without-grid",
    "stable-kappa-x5",
    "stable-kappa-x34",
)
"""Arms whose targets are looked at."""
HOUR_S = 3_600


class Band(NamedTuple):
    """A line over time with what half of the seeds lie between."""

    t: list[float]
    low: list[float]
    middle: list[float]
    high: list[float]


def draw_all(study: Study, theme: Theme = LIGHT) -> dict[str, bytes]:
    """Return the PNG of every figure for which there are runs, by its name."""
    parts: dict[str, Callable[[Study, Theme], Figure | None]] = {
        "frontier": _frontier,
        "timeline": _timeline,
        "rollout": _rollout,
        "layers": _layers,
        "attribution": _attribution,
        "allowance": _allowance,
    }
    figures: dict[str, bytes] = {}
    with style(theme):
        for name, draw in parts.items():
            figure = draw(study, theme)
            if figure is not None:
                figures[name] = png_of(figure)
    return figures


# --- calls against nearness ---------------------------------------------------------------------


def _frontier(study: Study, theme: Theme) -> "Figure | None":
    points = {arm.name: (arm, point) for arm in ARMS if (point := point_of(study.of(arm.name))) is not None}
    if STABLE not in points:
        return None
    figure, (axes,) = _axes(1, height=5.0)
    rules = [name for name, (arm, _) in points.items() if arm.group in (Group.PROFILES, Group.FRONTIER)]
    stood = [points[name][1] for name in rules]
    _draw_best(axes, stood, theme)
    for label, names, colour, size in (
        ("one layer alone", _names(points, Group.ALONE), theme.quiet, 26),
        ("one layer left out", _names(points, Group.LEFT_OUT), theme.fault, 26),
        ("plain latch", [name for name in rules if name.startswith("latch-")], theme.bid, 42),
        ("band", [name for name in rules if name.startswith("band-")], theme.gate, 42),
    ):
        for place, name in enumerate(names):
            arm, at = points[name]
            axes.scatter(*at, s=size, color=colour, edgecolors=theme.paper, zorder=3, label=None if place else label)
            if arm.group is Group.FRONTIER:
                _name(axes, arm.about.removeprefix("plain "), at, theme)
            elif at not in stood and at.is_best(stood):
                _name(axes, name.replace("-", " ", 1).replace("_", " "), at, theme, is_layer=True)
    for name, marker, size, colour, label in (
        (BASELINE, "s", 80, theme.ask, "baseline"),
        (STABLE, "*", 240, theme.total, "stable: chosen"),
    ):
        if name in points:
            axes.scatter(*points[name][1], marker=marker, s=size, color=colour, label=label, zorder=5)
    _log_scale(axes, [x for _, (x, _) in points.values()])
    axes.set_xlabel("calls a minute, on a scale of ratios")
    axes.set_ylabel("order to target, bps")
    axes.set_ylim(bottom=0)
    axes.set_title("Calls against nearness")
    _legend(axes)
    return figure


def _draw_best(axes: "Axes", points: Sequence[Point], theme: Theme) -> None:
    """The line below which no rule is: no other has both fewer calls and orders nearer their targets."""
    best = sorted({point for point in points if point.is_best(points)})
    xs, ys = zip(*best, strict=True)
    axes.step(xs, ys, where="post", color=theme.quiet, lw=1.0, ls="--", zorder=2)


def _name(axes: "Axes", text: str, at: tuple[float, float], theme: Theme, *, is_layer: bool = False) -> None:
    """Of a rule above it, of a layer to its left and below, where no rule has its name."""
    offset, side = ((-4, -11), "right") if is_layer else ((6, 5), "left")
    axes.annotate(text, at, xytext=offset, textcoords="offset points", ha=side, fontsize=8, color=theme.ink, zorder=6)


def _names(points: dict[str, tuple[Arm, Point]], group: Group) -> list[str]:
    return [name for name, (arm, _) in points.items() if arm.group is group and arm.about != COUNTING]


def _log_scale(axes: "Axes", values: Sequence[float]) -> None:
    """With numbers on it that people read."""
    ticks = [base * 10.0**power for power in range(-3, 4) for base in (1, 2, 5)]
    low, high = min(values) * 0.8, max(values) * 1.35
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    axes.set_xticks([tick for tick in ticks if low <= tick <= high], minor=False)
    axes.set_xticks([], minor=True)
    axes.xaxis.set_major_formatter("{x:g}")


# --- the rows of the incident -------------------------------------------------------------------


def _timeline(study: Study, theme: Theme) -> "Figure | None":
    if not study.of(BASELINE):
        return None
    figure, panels = _axes(1, columns=2, height=3.8)
    for axes, what in zip(panels, ("placed", "cancelled"), strict=True):
        for name, colour in ((BASELINE, theme.ask), (STABLE, theme.total)):
            band = _band([_series(row, what) for row in study.of(name)])
            if band.t:
                _draw_band(axes, band, colour, name)
        axes.plot(
            [row.t_s for row in INCIDENT],
            [getattr(row, what) for row in INCIDENT],
            color=theme.ink,
            marker="o",
            ls="",
            ms=6,
            label="the incident's log",
            zorder=5,
        )
        axes.set_title(f"Orders {what}")
        axes.set_xlabel("simulated time, s")
        axes.set_ylim(bottom=0)
    _legend(panels[-1])
    return figure


def _series(row: Row, what: str) -> list[tuple[float, float]]:
    return [(0.0, 0.0), *((mark.t_s, float(getattr(mark, what))) for mark in row.timeline)]


def _band(runs: Sequence[Sequence[tuple[float, float]]]) -> Band:
    """The first moments of all runs belong together, and so on: no two runs look at exactly the same time."""
    columns = [[run[place] for run in runs if place < len(run)] for place in range(max(map(len, runs), default=0))]
    band = Band([], [], [], [])
    for column in columns:
        spread = spread_of([value for _, value in column])
        if spread is not None:
            for values, value in zip(band, (median(t for t, _ in column), *spread), strict=True):
                values.append(value)
    return band


def _draw_band(axes: "Axes", band: Band, colour: str, label: str) -> None:
    axes.fill_between(band.t, band.low, band.high, color=colour, alpha=0.2, lw=0)
    axes.plot(band.t, band.middle, color=colour, lw=1.8, marker="s", ms=3.5, label=label)


# --- what a layer does --------------------------------------------------------------------------


def _rollout(study: Study, theme: Theme) -> "Figure | None":
    """Each bar is what the layer of that step changes; the points are where all so far have come to."""
    first = [arm for arm in ARMS if arm.group is Group.ALONE and arm.about == ROLLOUT[0]]
    later = [arm for arm in ARMS if arm.group is Group.ROLLOUT]
    steps = [(BASELINE, BASELINE), *((arm.name, f"+ {arm.about.removeprefix('+ ')}") for arm in (*first, *later))]
    steps = [(name, label) for name, label in (*steps, (STABLE, STABLE)) if study.of(name)]
    if not any(study.of(arm.name) for arm in later):
        return None
    figure, panels = _axes(1, columns=2, height=3.6)
    for axes, (what, label) in zip(panels, EFFECTS, strict=True):
        spreads = [spread_of(values_of(study.of(name), what)) for name, _ in steps]
        before: float | None = None
        for place, spread in enumerate(spreads):
            if spread is None:
                continue
            start = 0.0 if before is None or place == len(steps) - 1 else before
            is_end = steps[place][0] in (BASELINE, STABLE)
            colour = (theme.ask if place == 0 else theme.total) if is_end else theme.bid
            axes.bar(place, spread.middle - start, bottom=start, width=0.62, color=colour, alpha=0.85, zorder=3)
            axes.plot([place - 0.31, place + 0.31], [spread.middle] * 2, color=colour, lw=2.5, zorder=4)
            axes.plot([place, place], [spread.low, spread.high], color=theme.ink, lw=1.2, zorder=5)
            before = spread.middle
        axes.set_xticks(range(len(steps)), [_lines(name) for _, name in steps], fontsize=8)
        axes.set_ylim(bottom=0)
        axes.set_title(label)
        axes.margins(x=0.02)
    return figure


def _lines(name: str) -> str:
    return name.replace("_", "\n").replace(", ", ",\n")


def _layers(study: Study, theme: Theme) -> "Figure | None":
    sides = (
        (Group.ALONE, BASELINE, "alone, less the baseline"),
        (Group.LEFT_OUT, STABLE, "left out, less stable"),
    )
    arms = {of: [arm for arm in ARMS if arm.group is of and arm.about != COUNTING] for of, _, _ in sides}
    if not any(study.of(arm.name) and study.of(beside) for of, beside, _ in sides for arm in arms[of]):
        return None
    figure, panels = _axes(len(EFFECTS), columns=2, height=5.2)
    shown = [(effect, side) for effect in EFFECTS for side in sides]
    for axes, ((what, label), (of, beside, title)) in zip(panels, shown, strict=True):
        _draw_effects(axes, study, arms[of], beside, what, theme)
        axes.set_title(f"{label}: {title}", fontsize=10)
    return figure


def _draw_effects(axes: "Axes", study: Study, arms: Sequence[Arm], beside: str, what: str, theme: Theme) -> None:
    base = study.of(beside)
    for place, arm in enumerate(arms):
        found = difference_of(base, study.of(arm.name), what)
        if found is None:
            continue
        low, high = (found.middle if bound is None else bound for bound in (found.low, found.high))
        colour = theme.bid if found.is_sure else theme.quiet
        axes.plot([low, high], [place, place], color=colour, lw=2.2, solid_capstyle="round", zorder=3)
        axes.plot(found.middle, place, marker="o", ms=7, color=colour, zorder=4)
    axes.axvline(0, color=theme.ink, lw=0.8, zorder=2)
    axes.set_yticks(range(len(arms)), [arm.about.replace("_", " ") for arm in arms])
    axes.set_ylim(len(arms) - 0.5, -0.5)
    axes.margins(x=0.08)


# --- by what targets move -----------------------------------------------------------------------


def _attribution(study: Study, theme: Theme) -> "Figure | None":
    moved = {name: study.of(name) for name in MOVED if any(row.cycles for row in study.of(name))}
    if not moved:
        return None
    figure, (axes,) = _axes(1, height=1.2 + 0.36 * len(moved))
    colours = (theme.bid, theme.ask, theme.gate, theme.fault, theme.total, theme.quiet)
    before = [0.0] * len(moved)
    for part, colour in zip(PARTS, colours, strict=True):
        widths = [
            sum(getattr(row, f"by_{part}_bps") for row in rows) / (2 * sum(row.cycles for row in rows))
            for rows in moved.values()
        ]
        axes.barh(range(len(moved)), widths, left=before, color=colour, label=part, height=0.68, zorder=3)
        before = [start + width for start, width in zip(before, widths, strict=True)]
    axes.set_yticks(range(len(moved)), list(moved))
    axes.set_ylim(len(moved) - 0.5, -0.5)
    axes.set_xlabel("bps a cycle and side")
    axes.set_title("By what targets move")
    _legend(axes)
    return figure


# --- the allowance ------------------------------------------------------------------------------


def _allowance(study: Study, theme: Theme) -> "Figure | None":
    days = [arm for arm in LONG if any(row.path for row in study.of(arm.name))]
    short = [name for name in (BASELINE, STABLE) if any(row.path for row in study.of(name))]
    if not short:
        return None
    figure, panels = _axes(1, columns=2 if days else 1, height=3.8)
    for name in short:
        band = _band([[(mark.t_s, 100 * mark.headroom) for mark in row.path] for row in study.of(name)])
        _draw_band(panels[0], band, theme.ask if name == BASELINE else theme.total, name)
    panels[0].set_title("The allowance in five minutes")
    panels[0].set_xlabel("simulated time, s")
    panels[0].set_ylabel("left of it, %")
    if days:
        shares = dict.fromkeys(arm.about for arm in LONG)
        lines = dict(zip(shares, ("-", "--", ":"), strict=True))
        for arm in days:
            profile = STABLE if arm.is_stable else BASELINE
            path = [mark for row in study.of(arm.name) for mark in row.path]
            panels[1].plot(
                [mark.t_s / HOUR_S for mark in path],
                [100 * mark.headroom for mark in path],
                color=theme.total if arm.is_stable else theme.ask,
                ls=lines[arm.about],
                lw=1.4,
                label=f"{profile}, {arm.about}",
            )
        panels[1].set_title("The same over a day, one seed")
        panels[1].set_xlabel("simulated time, h")
        panels[1].set_ylim(bottom=0)
    _legend(panels[-1])
    return figure


# --- parts --------------------------------------------------------------------------------------


def _axes(rows: int, *, columns: int = 1, height: float) -> "tuple[Figure, list[Axes]]":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11.0, height), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    return figure, [axes for row in grid for axes in row]


def _legend(axes: "Axes") -> None:
    axes.legend(loc="upper left", bbox_to_anchor=(1.005, 1.0), frameon=False, fontsize=8.5, borderaxespad=0.2)
