"""The command line for tests: in this process, or in one of its own where that is the point."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHORT = ("--set", "duration_s=30", "--set", "expect.fills_min=0")


def spawn(*arguments, cwd, **environment):
    """Start `makerlab ARGUMENTS` in a process of its own, which can be interrupted even where the tests cannot.

    A shell lets what it starts in the background ignore Ctrl-C, and that would be inherited.
    """
    return subprocess.Popen(
        [sys.executable, "-m", "makerlab", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - no threads here
    )


def makerlab(*arguments, cwd, **environment):
    """Run `makerlab ARGUMENTS` in a process of its own: (exit code, stdout, stderr)."""
    process = spawn(*arguments, cwd=cwd, **environment)
    out, err = process.communicate(timeout=100)
    return process.returncode, out, err


def json_of(text):
    """The one document that stdout holds."""
    return json.loads(text)
