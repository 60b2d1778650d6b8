"""The page of a run: one file, figures inlined, at home in a dark and in a light window."""

from base64 import b64encode
from html import escape
from pathlib import Path

from makerlab.figures import bound_of, counted, measured_of, sections
from scenarios.plots import DARK, LIGHT, draw_all
from scenarios.result import Ended, RunResult

CAPTIONS = {
    "market": "Above: the mid with our best quotes and our fills. Below: how far our quotes stood from the mid; "
    "the grey band is the market's own spread.",
    "inventory": "What we held. A market maker wants this line to come back to zero.",
    "pnl": "Where the money came from: what the quotes earned, what the market took back within a second of each fill, "
    "what the rest of the inventory did, and fees.",
    "orders": "Most quotes are replaced before anybody trades with them; those that are filled young were often picked "
    "off.",
}

STYLE = """
:root { color-scheme: light dark; --paper: #ffffff; --ink: #1b1f24; --soft: #5c6670; --line: #e3e6ea;
  --good: #00794f; --bad: #b3261e; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #14171c; --ink: #d7dce2; --soft: #98a2ad; --line: #2b3038; --good: #2cc295; --bad: #ff7b72; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 74rem; padding: 1.5rem; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 .2rem; } h2 { font-size: 1.05rem; margin: 1.6rem 0 .4rem; }
p { margin: .2rem 0 .8rem; } .soft, td.note, figcaption { color: var(--soft); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .8rem; margin: 1.2rem 0; }
.tiles div { border: 1px solid var(--line); border-radius: .5rem; padding: .6rem .8rem; }
.tiles b { display: block; font-size: 1.3rem; font-variant-numeric: tabular-nums; }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(24rem, 1fr)); gap: 0 2.5rem; }
table { border-collapse: collapse; width: 100%; } td, th { padding: .2rem .6rem .2rem 0; text-align: left;
  border-bottom: 1px solid var(--line); vertical-align: top; white-space: pre-wrap; }
td.value, th.value { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.good { color: var(--good); } .bad { color: var(--bad); font-weight: 600; }
figure { margin: 1.4rem 0; } img { width: 100%; height: auto; display: block; }
pre { overflow-x: auto; border: 1px solid var(--line); border-radius: .5rem; padding: .8rem; font-size: .8rem; }
"""


def write_report(result: RunResult, folder: Path) -> Path:
    """Write ``report.html`` and return its path; needs matplotlib."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "report.html"
    path.write_text(page(result), encoding="utf-8")
    return path


def page(result: RunResult) -> str:
    """Return the whole page as text."""
    title = escape(result.title)
    verdict = '<span class="good">all holds</span>' if result.holds else '<span class="bad">does not hold</span>'
    if result.ended is not Ended.COMPLETED:
        verdict += f' <span class="bad">({escape(str(result.ended))}: {escape(str(result.reason))})</span>'
    wanted = counted(len(result.expectations), "expectation")
    parts = [
        "<!doctype html>",
        f'<html lang="en"><head><meta charset="utf-8"><title>{title}</title>',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<style>{STYLE}</style></head><body>",
        f"<h1>{title}: {verdict}</h1>",
        f'<p class="soft">makerlab, {wanted}, {counted(result.events, "event")}</p>',
        _tiles(result),
        *_figures(result),
        f'<div class="columns">{"".join(_tables(result))}</div>',
        _expectations(result),
        _violations(result),
        _traceback(result),
        "</body></html>",
    ]
    return "\n".join(part for part in parts if part)


def _tiles(result: RunResult) -> str:
    metrics = result.metrics
    if isinstance(metrics, dict):
        return ""
    tiles = (
        (f"{metrics.pnl_usd.total:+,.2f}", "P&L, USD"),
        (f"{metrics.fills:,}", "fills"),
        (f"{metrics.volume_usd:,.0f}", "volume, USD"),
        (f"{metrics.quoting.two_sided_of_fresh_pct:.1f} %", "two-sided while data was fresh"),
        (f"{metrics.requests_per_minute:,.0f}", "requests a minute"),
        (f"{metrics.races:,}", "races"),
    )
    cells = "".join(
        f'<div><b>{escape(value)}</b><span class="soft">{escape(name)}</span></div>' for value, name in tiles
    )
    return f'<div class="tiles">{cells}</div>'


def _figures(result: RunResult) -> list[str]:
    if result.trace is None:
        return []
    light, dark = draw_all(result.trace, LIGHT), draw_all(result.trace, DARK)
    out = []
    for name, png in light.items():
        out.append(figure(name, png, dark[name], CAPTIONS.get(name.split("-", 1)[0], "")))
    return out


def figure(name: str, light: bytes, dark: bytes, caption: str) -> str:
    """One figure with both of its looks in the page itself; the window's theme says which is shown."""
    return (
        f'<figure><picture><source media="(prefers-color-scheme: dark)" srcset="{_inline(dark)}">'
        f'<img alt="{escape(name)}" src="{_inline(light)}"></picture>'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def _inline(png: bytes) -> str:
    return "data:image/png;base64," + b64encode(png).decode()


def _tables(result: RunResult) -> list[str]:
    out = []
    for section in sections(result):
        rows = "".join(
            f'<tr><td>{escape(row.name)}</td><td class="value">{escape(row.value)}</td>'
            f'<td class="note">{escape(row.note)}</td></tr>'
            for row in section.rows
        )
        out.append(f"<section><h2>{escape(section.title)}</h2><table>{rows}</table></section>")
    return out


def _expectations(result: RunResult) -> str:
    rows = "".join(
        f'<tr><td>{escape(outcome.name)}</td><td class="value">{escape(bound_of(outcome))}</td>'
        f'<td class="value">{escape(measured_of(outcome))}</td>'
        f'<td class="{"good" if outcome.holds else "bad"}">{"holds" if outcome.holds else "FAILED"}</td></tr>'
        for outcome in result.expectations
    )
    head = '<tr><th>expectation</th><th class="value">bound</th><th class="value">measured</th><th></th></tr>'
    return f"<h2>What was expected</h2><table>{head}{rows}</table>"


def _traceback(result: RunResult) -> str:
    """Where our own code failed, for whoever mends it."""
    if result.traceback is None:
        return ""
    return (
        f"<h2>Where it failed</h2><details><summary>traceback</summary><pre>{escape(result.traceback)}</pre></details>"
    )


def _violations(result: RunResult) -> str:
    if not result.violations:
        return ""
    out = [f'<h2 class="bad">{counted(result.n_violations, "violation")}</h2>']
    for violation in result.violations:
        text = f"{violation.name} at {violation.t_s:.6f} s: {violation.text}"
        out.append(f'<p>{escape(text)} <span class="soft">({escape(violation.rule)})</span></p>')
        if violation.story:
            out.append(f"<pre>{escape(violation.story)}</pre>")
    return "\n".join(out)
