"""The page of a study: one file with every table and figure, at home in a dark and in a light window."""

from html import escape
from pathlib import Path

from makerlab.figures import counted
from makerlab.report import STYLE, figure
from scenarios.plots import DARK, LIGHT
from studies.churn.figures import CAPTIONS, draw_all
from studies.churn.rows import Study
from studies.churn.tables import Sheet, sheets

PAGE = "study.html"
FIGURES = tuple(f"{name}.png" for name in CAPTIONS)
"""Files of the figures, as far as there is something to draw."""
MORE_STYLE = """
.sheet { overflow-x: auto; } .sheet table { font-size: .86rem; }
.sheet td, .sheet th { white-space: nowrap; } .sheet th { vertical-align: bottom; white-space: normal; }
"""
COLOURS = {"holds": "good", "MISSED": "bad"}


def write_page(study: Study, folder: Path) -> list[Path]:
    """Write the page and the figures as files of their own, and return their paths; needs matplotlib."""
    light, dark = draw_all(study, LIGHT), draw_all(study, DARK)
    paths = [folder / PAGE]
    paths[0].write_text(page(study, light, dark), encoding="utf-8")
    for name, png in light.items():
        paths.append(folder / f"{name}.png")
        paths[-1].write_bytes(png)
    return paths


def page(study: Study, light: dict[str, bytes], dark: dict[str, bytes]) -> str:
    """Return the whole page as text: the tables, then the figures in both looks."""
    terms = study.terms
    code = f"makerlab {terms.version}" + (f", commit {terms.commit}" if terms.commit else "")
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8"><title>The churn study</title>',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<style>{STYLE}{MORE_STYLE}</style></head><body>",
        "<h1>The churn study</h1>",
        f'<p class="soft">{counted(len(study.rows), "run")}, {counted(study.seeds, "seed")}, {escape(code)}</p>',
        *map(_sheet, sheets(study)),
        *(figure(name, png, dark[name], CAPTIONS[name]) for name, png in light.items()),
        "</body></html>",
    ]
    return "\n".join(parts)


def _sheet(sheet: Sheet) -> str:
    head = "".join(f"<th{_align(place)}>{escape(name)}</th>" for place, name in enumerate(sheet.head))
    rows = "".join(f"<tr>{''.join(_cell(place, text) for place, text in enumerate(row))}</tr>" for row in sheet.rows)
    return (
        f'<h2>{escape(sheet.title)}</h2><p class="soft">{escape(sheet.note)}</p>'
        f'<div class="sheet"><table><tr>{head}</tr>{rows}</table></div>'
    )


def _cell(place: int, text: str) -> str:
    colour = COLOURS.get(text)
    shown = escape(text) if colour is None else f'<span class="{colour}">{escape(text)}</span>'
    return f"<td{_align(place)}>{shown}</td>"


def _align(place: int) -> str:
    """Names stand left, numbers right."""
    return ' class="value"' if place else ""
