"""Notebooks run from top to bottom, and are committed without what they printed."""

import json
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).resolve().parent.parent / "notebooks").glob("*.ipynb"))
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def code_cells(path):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def test_there_is_a_notebook():
    """Otherwise the tests below would pass by looking at nothing."""
    assert NOTEBOOKS


@each_notebook
def test_no_output_is_committed(path):
    """Outputs are large, differ from run to run, and may hold what nobody wanted to publish."""
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code_cells(path))


@each_notebook
def test_the_cells_run_in_order(path, tmp_path, monkeypatch):
    """In one namespace, as a kernel does it; no display is needed."""
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    namespace = {"__name__": "__main__"}
    for number, cell in enumerate(code_cells(path), start=1):
        source = "".join(cell["source"])
        exec(compile(source, f"{path.name}, code cell {number}", "exec"), namespace)
