"""Work spread over processes, and what comes of it when a process does not live."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time

import pytest

from makerlab.exit_codes import ExitCode
from makerlab.pool import spread

ENTRY = """
import sys
from makerlab import __main__
from makerlab.pool import spread
from tests.makerlab.test_pool import nothing, dies
__main__.dispatch = lambda argv: spread(dies, [1, 2, 3], 2, nothing)
if __name__ == "__main__":
    __main__.main()
"""


def nothing(item, result):
    """Nobody wants to hear of it."""


def doubled(item):
    """Some work."""
    time.sleep(0.2 if item == 1 else 0)
    return 2 * item


def dies(item):
    """Work that is too much for the machine."""
    os.kill(os.getpid(), signal.SIGKILL)


def fails_or_lasts(item):
    """One item fails, another one takes its time."""
    if item == 1:
        raise ValueError("no")
    time.sleep(60)


def test_results_come_in_the_order_of_the_work():
    """Whichever is done first."""
    heard = []
    assert spread(doubled, [1, 2, 3], 2, lambda item, result: heard.append((item, result))) == [2, 4, 6]
    assert sorted(heard) == [(1, 2), (2, 4), (3, 6)]


def test_a_process_that_dies_is_an_error_of_the_machine():
    """The kernel ends what takes too much memory: no mistake of ours, and no reason to wait for it."""
    with pytest.raises(ChildProcessError, match="died"):
        spread(dies, [1, 2, 3], 2, nothing)


def test_an_error_ends_what_is_under_way():
    """And leaves alone what other work of this process goes on in."""
    other = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(60,))
    other.start()
    try:
        began = time.monotonic()
        with pytest.raises(ValueError, match="no"):
            spread(fails_or_lasts, [1, 2], 2, nothing)
        assert time.monotonic() - began < 50
        assert other.is_alive()
    finally:
        other.kill()
        other.join()


def test_a_person_is_told_in_one_line(tmp_path):
    """What to do about it, and no traceback."""
    script = tmp_path / "entry.py"
    script.write_text(ENTRY)
    done = subprocess.run(
        [sys.executable, str(script)],
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": "."},
    )
    assert done.returncode == ExitCode.FAILED
    assert done.stderr.count("\n") == 1
    assert "died" in done.stderr
    assert "--jobs" in done.stderr
