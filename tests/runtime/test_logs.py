"""Logs: one line per alert, to the stream that main chose."""

import io
import json
import subprocess
import sys

import pytest
import structlog

from domain.commands import Alert, Severity
from domain.units import NS_PER_S
from runtime.logs import configure, log_alert


@pytest.fixture(autouse=True)
def _leave_no_trace():
    yield
    structlog.reset_defaults()


def test_an_alert_is_one_line_of_json():
    """Protects log collectors: level, name, text and simulated time as fields."""
    out = io.StringIO()
    configure("json", stream=out)
    log_alert(round(1.5 * NS_PER_S), Alert(Severity.CRITICAL, "kill", "drawdown"))
    assert [json.loads(line) for line in out.getvalue().splitlines()] == [
        {"event": "kill", "text": "drawdown", "t": 1.5, "level": "critical"}
    ]


def test_what_json_cannot_say_is_logged_as_text():
    """Protects the process: a log line never raises."""
    out = io.StringIO()
    configure("auto", stream=out)
    structlog.get_logger().warning("odd", value=object)
    assert json.loads(out.getvalue())["value"] == "<class 'object'>"


def test_the_console_and_the_level():
    """Protects people: readable text, nothing below the level."""
    out = io.StringIO()
    configure("console", "warning", stream=out, timestamps=True)
    log_alert(0, Alert(Severity.INFO, "stopped", ""))
    log_alert(0, Alert(Severity.WARNING, "drift", "2 lots"))
    assert "stopped" not in out.getvalue()
    assert "drift" in out.getvalue()
    assert "2 lots" in out.getvalue()


def test_nothing_goes_to_stdout():
    """Protects scripts that read results from stdout."""
    code = (
        "from runtime.logs import configure, log_alert; from domain.commands import Alert, Severity;"
        "configure(); log_alert(0, Alert(Severity.INFO, 'stopped', 'x'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert json.loads(done.stderr)["event"] == "stopped"
