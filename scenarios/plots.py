"""Figures of a run: the market with our quotes and fills, inventory, P&L, order lifetimes.

matplotlib is imported when the first figure is drawn. The module knows traces and no simulation.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import cycle
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from domain.errors import ConfigError, Problem
from scenarios.trace import MarketTrace, Span, Trace

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_SPANS = 60
"""Shaded stretches drawn in one figure."""


FEW_FILLS = 120
"""More are drawn with smaller marks."""

FEW_MINUTES_S = 900
"""In longer runs single quotes cannot be told apart, and stand back behind mid and fills."""


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours of one look; the series are the palette of Okabe and Ito (safe for the colour-blind)."""

    name: str
    paper: str
    ink: str
    grid: str
    bid: str = "#0072B2"
    ask: str = "#D55E00"
    total: str = "#009E73"
    gate: str = "#E69F00"
    fault: str = "#CC79A7"
    quiet: str = "#888888"


LIGHT = Theme("light", paper="#ffffff", ink="#1b1f24", grid="#e3e6ea")
DARK = Theme(
    "dark",
    paper="#14171c",
    ink="#d7dce2",
    grid="#2b3038",
    bid="#56B4E9",
    ask="#F08A4B",
    total="#2CC295",
    quiet="#8b93a0",
)


def draw_all(trace: Trace, theme: Theme = LIGHT) -> dict[str, bytes]:
    """Return the PNG of every figure by its name."""
    figures: dict[str, bytes] = {}
    with style(theme):
        for market in trace.markets.values():
            suffix = f"-{market.instrument}" if len(trace.markets) > 1 else ""
            figures[f"market{suffix}"] = png_of(_market(trace, market, theme))
        figures["inventory"] = png_of(_inventory(trace, theme))
        figures["pnl"] = png_of(_pnl(trace, theme))
        figures["orders"] = png_of(_lifetimes(trace, theme))
    return figures


def is_figure(name: str) -> bool:
    """Whether a file of that name, without its suffix, is one of the figures."""
    return name in {"market", "inventory", "pnl", "orders"} or name.startswith("market-")


def write_all(trace: Trace, folder: Path) -> list[Path]:
    """Write every figure as a PNG file into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, png in draw_all(trace).items():
        path = folder / f"{name}.png"
        path.write_bytes(png)
        paths.append(path)
    return paths


# --- figures ------------------------------------------------------------------------------------


def _market(trace: Trace, market: MarketTrace, theme: Theme) -> "Figure":
    """Draw prices above, distances from the mid below: quotes stand much closer than the market moves."""
    figure, (price, distance) = _axes(2, heights=(2.0, 1.0))
    mid = [(bid + ask) / 2 for bid, ask in zip(market.market_bid, market.market_ask, strict=True)]
    faint = 0.9 if trace.duration_s <= FEW_MINUTES_S else 0.5
    price.plot(market.t, mid, color=theme.quiet, lw=1.0, label="mid", zorder=3)
    price.step(market.t, market.our_bid, where="post", color=theme.bid, lw=0.7, alpha=faint, label="our best bid")
    price.step(market.t, market.our_ask, where="post", color=theme.ask, lw=0.7, alpha=faint, label="our best ask")
    is_crowded = len(market.fills) > FEW_FILLS
    for is_buy, marker, colour, name in ((True, "^", theme.bid, "bought"), (False, "v", theme.ask, "sold")):
        fills = [fill for fill in market.fills if fill.is_buy == is_buy]
        if fills:
            price.scatter(
                [fill.t for fill in fills],
                [fill.price for fill in fills],
                marker=marker,
                s=16.0 if is_crowded else 36.0,
                color=colour,
                edgecolors=theme.paper,
                linewidths=0.35 if is_crowded else 0.6,
                label=f"{name} ({len(fills)})",
                zorder=4,
            )
    _frame(price, market, mid)
    price.set_ylabel(f"{market.instrument} price, USD")
    price.ticklabel_format(axis="y", useOffset=False)
    price.set_title(f"{trace.scenario}, seed {trace.seed}: {market.instrument}, our quotes and fills")
    _distances(distance, market, mid, theme)
    for axes in (price, distance):
        _shade(axes, trace, theme)
    _legend(price)
    return figure


def _distances(axes: "Axes", market: MarketTrace, mid: list[float], theme: Theme) -> None:
    def bps(series: Sequence[float]) -> list[float]:
        return [(px / m - 1) * 1e4 for px, m in zip(series, mid, strict=True)]

    axes.fill_between(
        market.t, bps(market.market_bid), bps(market.market_ask), color=theme.quiet, alpha=0.35, lw=0, step="post"
    )
    ours_bid, ours_ask = bps(market.our_bid), bps(market.our_ask)
    axes.step(market.t, ours_bid, where="post", color=theme.bid, lw=0.8)
    axes.step(market.t, ours_ask, where="post", color=theme.ask, lw=0.8)
    axes.axhline(0, color=theme.grid, lw=0.8)
    reach = _reach((*ours_bid, *ours_ask))
    if reach is not None:
        axes.set_ylim(-max(reach, 0.5), max(reach, 0.5))
    axes.set_ylabel("from mid, bps")
    axes.set_xlabel("simulated time, s")


def _frame(axes: "Axes", market: MarketTrace, mid: list[float]) -> None:
    """Show the market and the usual quotes; an outer level that stands alone for a moment may leave the frame."""
    known = [m for m in mid if isfinite(m)]
    quotes = zip((*market.our_bid, *market.our_ask), (*mid, *mid), strict=True)
    reach = _reach([px - m for px, m in quotes])
    if known and reach is not None:
        axes.set_ylim(min(known) - reach, max(known) + reach)


def _reach(distances: Sequence[float]) -> float | None:
    """Half-width of a frame that holds all but the rarest distances."""
    known = sorted(abs(distance) for distance in distances if isfinite(distance))
    return known[int((len(known) - 1) * 0.98)] * 1.4 if known else None


def _inventory(trace: Trace, theme: Theme) -> "Figure":
    markets = list(trace.markets.values())
    figure, all_axes = _axes(len(markets), row_height=3.0 if len(markets) == 1 else 2.2)
    for axes, market in zip(all_axes, markets, strict=True):
        axes.step(market.t, market.position, where="post", color=theme.total, lw=1.1)
        axes.fill_between(market.t, market.position, color=theme.total, alpha=0.15, lw=0, step="post")
        axes.axhline(0, color=theme.quiet, lw=0.7)
        largest = max((abs(p) for p in market.position), default=0.0)
        if largest and market.max_position <= 4 * largest:
            for limit in (-market.max_position, market.max_position):
                axes.axhline(limit, color=theme.ask, lw=0.9, ls="--")
            axes.set_title(f"{market.instrument}: position; dashed: the limit")
        else:
            axes.set_title(f"{market.instrument}: position; the limit is ±{market.max_position:g}, outside the figure")
        axes.set_ylabel(f"{market.instrument}")
        _shade(axes, trace, theme)
    all_axes[-1].set_xlabel("simulated time, s")
    return figure


def _pnl(trace: Trace, theme: Theme) -> "Figure":
    figure, (axes,) = _axes(1)
    pnl = trace.pnl
    series: tuple[tuple[str, list[float], str, float, str], ...] = (
        ("total", pnl.total, theme.total, 1.9, "-"),
        ("spread captured", pnl.spread, theme.bid, 1.1, "-"),
        ("markout, 1 s after the fill", pnl.markout, theme.ask, 1.1, "-"),
        ("inventory after that", pnl.inventory, theme.fault, 1.1, "-"),
        ("fees", pnl.fees, theme.quiet, 1.1, "--"),
    )
    for name, values, colour, width, line in series:
        last = f"{values[-1]:+.2f}" if values else "none"
        axes.plot(pnl.t, values, color=colour, lw=width, ls=line, label=f"{name} {last}")
    axes.axhline(0, color=theme.quiet, lw=0.7)
    axes.set_title("P&L of the account and its parts (they add up to the total)")
    axes.set_ylabel("USD")
    axes.set_xlabel("simulated time, s")
    _shade(axes, trace, theme)
    _legend(axes)
    return figure


def _lifetimes(trace: Trace, theme: Theme) -> "Figure":
    figure, (axes,) = _axes(1, row_height=3.2)
    outcomes: dict[str, list[float]] = {}
    for life in trace.lifetimes:
        outcomes.setdefault(life.outcome, []).append(life.seconds)
    refused = len(outcomes.pop("rejected", []))
    colours = _colours(outcomes, theme)
    names = sorted(outcomes, key=lambda name: -len(outcomes[name]))
    if names:
        longest = max(max(values) for values in outcomes.values())
        edges = _log_edges(2e-2, max(longest, 1.0))
        axes.hist(
            [[min(max(v, edges[0]), edges[-1]) for v in outcomes[name]] for name in names],
            bins=edges,
            stacked=True,
            color=[colours[name] for name in names],
            label=[f"{name} ({len(outcomes[name])}, median {_median(outcomes[name]):.2g} s)" for name in names],
        )
        axes.set_xscale("log")
        _legend(axes)
    also = f"; {refused} more were refused at once" if refused else ""
    axes.set_title(f"How long our orders lived at the venue, and how they ended{also}")
    axes.set_xlabel("lifetime, s")
    axes.set_ylabel("orders")
    return figure


# --- parts --------------------------------------------------------------------------------------


def _shade(axes: "Axes", trace: Trace, theme: Theme) -> None:
    """Mark gated stretches and faults."""

    def mark(spans: list[Span], colour: str, alpha: float, name: str | None = None) -> None:
        for i, span in enumerate(spans[:MAX_SPANS]):
            width = max(span.end - span.start, trace.duration_s / 800)
            label = name if i == 0 else None
            axes.axvspan(span.start, span.start + width, color=colour, alpha=alpha, lw=0, label=label, zorder=1)

    mark(trace.gates, theme.gate, 0.22, "not quoting (gated)")
    mark(trace.faults, theme.fault, 0.10)
    for i, span in enumerate(trace.faults[:MAX_SPANS]):  # a strip: a fault of the whole run must not drown the figure
        label = "fault" if i == 0 else None
        axes.axvspan(span.start, span.end, 0.97, 1.0, color=theme.fault, lw=0, label=label, zorder=1)
    end = _end(trace)
    if trace.stopped_s is not None:
        mark([Span(trace.stopped_s, end, "shutdown")], theme.quiet, 0.25, "shutdown")
    axes.set_xlim(0, end)


def _end(trace: Trace) -> float:
    """The last sample, which is the end of the shutdown; what was planned where there is none."""
    return trace.pnl.t[-1] if trace.pnl.t else trace.duration_s


def _legend(axes: "Axes") -> None:
    axes.legend(loc="upper left", bbox_to_anchor=(1.005, 1.0), frameon=False, fontsize=8.5, borderaxespad=0.2)


def _colours(outcomes: Iterable[str], theme: Theme) -> dict[str, str]:
    """One colour for an end, whatever its rank: figures of two runs can be laid side by side."""
    colours = {"filled": theme.total, "cancelled": theme.bid}
    others = cycle((theme.gate, theme.ask, theme.fault, theme.quiet))
    return colours | {name: next(others) for name in sorted(outcomes) if name not in colours}


def _log_edges(low: float, high: float, per_decade: int = 8) -> list[float]:
    edges = [low]
    while edges[-1] < high:
        edges.append(edges[-1] * 10 ** (1 / per_decade))
    return edges


def _median(values: list[float]) -> float:
    ordered = sorted(values)
    return ordered[len(ordered) // 2]


def _axes(
    rows: int, *, heights: tuple[float, ...] | None = None, row_height: float = 3.6
) -> "tuple[Figure, list[Axes]]":
    from matplotlib.figure import Figure

    height = row_height if rows == 1 else (5.6 if heights else row_height * rows)
    figure = Figure(figsize=(11.0, height), layout="constrained")
    grid = figure.subplots(rows, 1, sharex=True, squeeze=False, height_ratios=heights)
    axes: list[Axes] = [row[0] for row in grid]
    for each in axes:
        each.margins(x=0)
    return figure, axes


def png_of(figure: "Figure") -> bytes:
    """Draw a figure, in the context of its theme."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)
    out = BytesIO()
    figure.savefig(out, format="png", dpi=110, metadata={"Software": None})
    return out.getvalue()


def style(theme: Theme) -> Any:  # noqa: ANN401 - matplotlib's context manager
    """Return the context in which figures of this theme are drawn."""
    try:
        from matplotlib import rc_context
    except ImportError as error:
        raise ConfigError(
            [Problem("plots", "no matplotlib", "the extra `study`: pip install 'makerlab[study]'")]
        ) from error
    return rc_context(
        {
            "figure.facecolor": theme.paper,
            "savefig.facecolor": theme.paper,
            "axes.facecolor": theme.paper,
            "axes.edgecolor": theme.grid,
            "axes.labelcolor": theme.ink,
            "axes.titlecolor": theme.ink,
            "axes.titlesize": 11,
            "axes.titlelocation": "left",
            "axes.titleweight": "bold",
            "axes.grid": True,
            "axes.axisbelow": True,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "grid.color": theme.grid,
            "grid.linewidth": 0.7,
            "text.color": theme.ink,
            "xtick.color": theme.ink,
            "ytick.color": theme.ink,
            "font.size": 9.5,
            "agg.path.chunksize": 10_000,
        }
    )
