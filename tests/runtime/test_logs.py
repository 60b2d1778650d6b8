"""Logs: one line per alert, to the stream that main chose."""

import io
import json
import subprocess
import sys

import pytest
import structlog

from domain.commands import Alert, Severity
from domain.units import NS_PER_S, InstrumentId, Ns
from orchestrator.desk.churn import CycleRecord
from runtime.logs import configure, hears_cycles, log_alert, log_cycle


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


CYCLE = CycleRecord(
    Ns(1_500_000_000), InstrumentId("ETH"), 12, 1, 2, 3, latched=2, queued=1, debounced=1, paced=1, gated=2
)


def test_a_cycle_is_one_line_whose_counts_add_up():
    """CH-39: cancels, modifies, places, skips, latched; and what was held back, so that all of it is accounted for."""
    out = io.StringIO()
    configure("json", "debug", stream=out)
    log_cycle(CYCLE)
    log_cycle(CycleRecord(Ns(0), InstrumentId("ETH"), 1, latched=1))
    one, idle = (json.loads(line) for line in out.getvalue().splitlines())
    assert one == {
        "event": "cycle",
        "level": "debug",
        "instrument": "ETH",
        "t": 1.5,
        "cancels": 1,
        "modifies": 2,
        "places": 3,
        "skips": 0,
        "latched": 2,
        "suppressed": 2,
        "gated": 2,
        "generated": 12,
    }
    assert (idle["skips"], idle["latched"]) == (1, 1)


@pytest.mark.parametrize(("level", "hears"), [("debug", True), ("info", False), ("warning", False), (None, False)])
def test_only_the_lowest_level_hears_of_cycles(level, hears):
    """There are thousands of them: nobody makes their lines unless main asked for them."""
    out = io.StringIO()
    if level is not None:
        configure("json", level, stream=out)
        log_cycle(CYCLE)
    assert hears_cycles() is hears
    assert bool(out.getvalue()) is hears
