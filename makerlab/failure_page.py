"""The page of a failure: what was injected when, what each side believed, where they parted."""

from html import escape
from pathlib import Path

from makerlab.report import STYLE, page
from runtime.log import MemoryLog
from scenarios.build import build
from scenarios.failure import Failure
from scenarios.loader import load_tree
from scenarios.result import Metrics, RunResult
from scenarios.runner import run
from studies.planting import patches_named, planted


def write_failure_page(failure: Failure, folder: Path) -> Path:
    """Run the world once more, with its figures, and write ``seed-N.html``; needs matplotlib.

    Where the harness itself dies there are no figures: the page tells what is known without them.
    """
    scenario = load_tree(failure.scenario, f"seed {failure.seed}")
    parts: tuple[str, ...] = (_what_failed(failure), _tail(failure))
    try:
        with planted(failure.planted):
            result = run(build(scenario, failure.seed, MemoryLog()), failure.seed)
    except Exception as error:  # noqa: BLE001 - that is what failed
        whole = _bare(failure, error)
    else:
        whole, parts = page(result), (_what_failed(failure), _injected(result), _believed(result), _tail(failure))
    path = folder / f"seed-{failure.seed}.html"
    path.write_text(whole.replace("</body></html>", f"{''.join(parts)}</body></html>"), encoding="utf-8")
    return path


def _bare(failure: Failure, error: Exception) -> str:
    """A page of a run without a result."""
    title = f"seed {failure.seed}"
    why = escape(f"exception {type(error).__name__}: {error}")
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{STYLE}</style></head><body>"
        f'<h1>{title}: <span class="bad">the run itself died</span></h1><p>{why}</p></body></html>'
    )


def _what_failed(failure: Failure) -> str:
    rows = "".join(
        f'<tr><td class="bad">{escape(failed.name)}</td><td class="value">{_seconds(failed.t_s)}</td>'
        f"<td>{escape(failed.text)}</td></tr>"
        for failed in failure.failed
    )
    bug = patches_named(failure.planted) if failure.planted else None
    planted_text = (
        f'<p class="bad">{escape(failure.planted)} was planted in it: {escape(bug.text)}. '
        "The failure is the bug's, not one of makerlab as it is.</p>"
        if bug is not None
        else ""
    )
    return (
        f"<h2>Where they parted</h2>{planted_text}<table>{rows}</table><p>record #{failure.event}; "
        f"<code>{escape(failure.repeat)}</code></p>"
    )


def _injected(result: RunResult) -> str:
    metrics = result.metrics
    if not isinstance(metrics, Metrics):
        return ""
    rows = "".join(
        f'<tr><td>{escape(fault.kind)}</td><td class="value">{_seconds(fault.starts_at_s)}</td>'
        f'<td class="value">{_seconds(fault.ends_at_s)}</td><td class="value">{fault.injected}</td>'
        f'<td class="note">{escape(", ".join(f"{count} {name}" for name, count in fault.counts.items()))}</td></tr>'
        for fault in sorted(metrics.faults, key=lambda fault: fault.starts_at_s)
        if fault.injected
    )
    idle = sorted({fault.kind for fault in metrics.faults if not fault.injected})
    rest = f'<p class="soft">On, and met nothing: {escape(", ".join(idle))}.</p>' if idle else ""
    head = (
        '<tr><th>fault</th><th class="value">on from</th><th class="value">to</th><th class="value">injected</th></tr>'
    )
    return f"<h2>What was injected</h2><table>{head}{rows}</table>{rest}"


def _believed(result: RunResult) -> str:
    """Both sides at the end; what they thought of the orders involved is in the stories above."""
    metrics = result.metrics
    if not isinstance(metrics, Metrics):
        return ""
    rows = [
        ("orders that rest at the venue", str(metrics.resting_orders_at_end)),
        ("orders that the trader has open or in doubt", str(metrics.unknown_orders_at_end)),
        ("its position less the venue's", _differences(metrics.position_difference)),
        ("its cash less the venue's, USD", f"{metrics.pnl_difference_usd:.6f}"),
        ("corrections that no fill has explained", _differences(metrics.adjustments_left)),
        ("longest time with a wrong position, s", f"{metrics.position_wrong_s:.3f}"),
    ]
    cells = "".join(f'<tr><td>{escape(name)}</td><td class="value">{escape(value)}</td></tr>' for name, value in rows)
    return f"<h2>What each side believed at the end</h2><table>{cells}</table>"


def _tail(failure: Failure) -> str:
    lines, many = escape("\n".join(failure.tail)), len(failure.tail)
    return f"<h2>The journal up to there</h2><details><summary>{many} lines</summary><pre>{lines}</pre></details>"


def _differences(by_name: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:+g}" for name, value in by_name.items()) or "none"


def _seconds(at_s: float | None) -> str:
    return "" if at_s is None else f"{at_s:.3f} s"
