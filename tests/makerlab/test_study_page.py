"""The page of the churn study: one file that needs no other, the tables before the figures."""

import re
from html import unescape

from makerlab.study_page import FIGURES, PAGE, page, write_page
from studies.churn.figures import CAPTIONS
from studies.churn.rows import Study
from studies.churn.tables import sheets
from tests.studies.churn.rows import TERMS, a_row
from tests.studies.churn.test_figures import whole

PICTURE = re.compile(r'<img alt="(\w+)" src="data:image/png;base64,(.{40})')


def test_the_page_holds_everything(tmp_path):
    """Whoever gets the one file sees every table and every figure, in a light and in a dark window."""
    study = whole()
    paths = write_page(study, tmp_path)
    assert [path.name for path in paths] == [PAGE, *FIGURES]
    assert all(path.is_file() for path in paths)
    html = paths[0].read_text(encoding="utf-8")
    assert re.findall(r'(?:src|srcset|href)="(?!data:image/png;base64,)', html) == []
    assert [name for name, _ in PICTURE.findall(html)] == list(CAPTIONS)
    dark = re.findall(r'srcset="data:image/png;base64,([^"]+)"', html)
    light = re.findall(r' src="data:image/png;base64,([^"]+)"', html)
    assert len(dark) == len(light) == len(set(dark + light)) / 2
    text = unescape(re.sub(r"<[^>]+>", "\n", html))
    for sheet in sheets(study):
        for part in (sheet.title, sheet.note, *sheet.head, *(cell for row in sheet.rows for cell in row)):
            assert part.strip() in text
    for caption in CAPTIONS.values():
        assert caption in text
    assert html.index("<figure>") > html.rindex("</table>")
    assert f"makerlab {TERMS.version}, commit {TERMS.commit}" in text


def verdict(calls):
    """What the page says of the promise on calls a minute."""
    rows = page(Study([a_row(calls_per_min=calls)], [], TERMS), {}, {})
    return re.search(r"<tr><td>calls a minute</td>.*?<span class=\"(\w+)\">(\w+)</span>", rows).groups()


def test_what_was_promised_and_missed_is_red():
    assert verdict(3.0) == ("good", "holds")
    assert verdict(9.0) == ("bad", "MISSED")


def test_a_study_that_has_hardly_begun_has_a_page(tmp_path):
    paths = write_page(Study([], [], TERMS), tmp_path)
    assert [path.name for path in paths] == [PAGE]
    assert "<figure>" not in paths[0].read_text(encoding="utf-8")
