"""The command line for tests: in this process, or in one of its own where that is the point."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHORT = ("--set", "duration_s=30", "--set", "expect.fills_min=0")


def spawn(*arguments, cwd, **environment):
    """Start `makerlab ARGUMENTS` in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "makerlab", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def makerlab(*arguments, cwd, **environment):
    """Run `makerlab ARGUMENTS` in a process of its own: (exit code, stdout, stderr)."""
    process = spawn(*arguments, cwd=cwd, **environment)
    out, err = process.communicate(timeout=100)
    return process.returncode, out, err


def json_of(text):
    """The one document that stdout holds."""
    return json.loads(text)
