"""Planted bugs that no run shows: the test that stands for each is red with it, and green without."""

import subprocess
import sys
from pathlib import Path

import pytest

from studies.mutants import MUTANTS

ROOT = Path(__file__).resolve().parents[2]
TESTED = [each for mutant in MUTANTS for each in mutant.tested]

WITH_IT = """
import sys, pytest
from studies.mutants import MUTANTS
from studies.sabotage import installed

class NoShrinking:
    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config):
        from hypothesis import Phase, settings
        settings.register_profile("once", phases=[Phase.generate], database=None, deadline=None)

each = next(each for mutant in MUTANTS for each in mutant.tested if each.name == {name!r})
options = ("-p", "no:cacheprovider", "-p", "no:randomly", "--hypothesis-profile=once", "--hypothesis-seed=0")
with installed(each.off):
    red = pytest.main(["-q", "-n0", *options, each.test], plugins=[NoShrinking()])
print("exit code", int(red))
"""
TESTS_FAILED = 1


@pytest.mark.slow
@pytest.mark.parametrize("each", TESTED, ids=lambda each: each.name)
def test_it_is_red(each):
    """In a process of its own: the code is planted before the test imports it."""
    code = WITH_IT.format(name=each.name)
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert f"exit code {TESTS_FAILED}\n" in done.stdout, done.stdout + done.stderr
    assert "AssertionError" in done.stdout or "assert " in done.stdout
