"""How long a user waits before a command begins: the interpreter, then `makerlab --version` in a new process."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "arguments",
    [pytest.param(["-c", "pass"], id="interpreter"), pytest.param(["-m", "makerlab", "--version"], id="version")],
)
def test_start_up(benchmark, arguments):
    benchmark.group = "start-up"
    done = benchmark(subprocess.run, [sys.executable, *arguments], capture_output=True, check=True)
    assert done.stderr == b""
