"""A bug of the trader, in any of its calls: everything is cancelled, the journal is whole, people hear why (S28).

The process ends with a reason of one line; where it failed stands in the result and the report, not on the screen.
"""

from io import StringIO

import pytest
from rich.console import Console

from domain.commands import Place, Request
from domain.events import NotSent
from domain.units import NS_PER_S
from makerlab.exit_codes import ExitCode
from makerlab.report import page
from makerlab.run import exit_code
from makerlab.tables import print_result
from runtime.driver import CORE_FAILED, SUBMIT_FAILED
from runtime.journal_format import Decided, Rescued
from runtime.log import FileLog
from runtime.replay import replay
from scenarios import assemble
from scenarios.build import build as build_run
from scenarios.loader import load
from scenarios.replaying import core_of
from scenarios.result import Ended
from scenarios.runner import run
from sim.disk import Disk
from tests.scenarios.runs import running_of

BUG_AT = 25 * NS_PER_S + NS_PER_S // 3
CALLS = ("apply", "decide", "next_deadline", "snapshot")


def planted(*_):
    raise ZeroDivisionError("division by zero\n  in a place <nobody> looked at")


def plant(running, call, at=BUG_AT):
    """From then on this call raises."""
    running.world.env.call_at(at, lambda: setattr(running.trader.core, call, planted))


def resting(running):
    return running.world.venue.resting(running.session.account)


@pytest.mark.parametrize("call", CALLS)
def test_a_bug_in_any_call_withdraws_and_says_why(call, tmp_path):
    """The whole way: nothing rests, the journal file has it all, and the exit code is not 0."""
    log = FileLog(tmp_path / "journal.mlj")
    running = build_run(load("eth-volatile", ["duration_s=40", "expect.fills_min=0"]), 7, log)
    plant(running, call)
    result = run(running, 7)
    assert (result.ended, result.reason) == (
        Ended.FAILED,
        f"{CORE_FAILED}: ZeroDivisionError: division by zero in a place <nobody> looked at",
    )
    assert exit_code(result) is ExitCode.FAILED
    assert resting(running) == ()
    assert running.alerts[CORE_FAILED] == 1
    records = list(running.journal.records())
    failed_at = next(record.now for record in records if isinstance(record, Rescued))
    assert failed_at == pytest.approx(BUG_AT, abs=1 * NS_PER_S) if call != "snapshot" else failed_at >= 40 * NS_PER_S
    assert not any(isinstance(record, Decided) and record.now > failed_at for record in records)
    assert running.driver.disk.is_safe
    assert (tmp_path / "journal.mlj").read_bytes() == log.read()
    log.close()


def test_people_see_a_line_and_whoever_mends_it_the_traceback():
    """A screen full of code helps nobody at night: the reason is one line, the place is in the files."""
    running = running_of("eth-volatile", 40, "expect.fills_min=0")
    plant(running, "decide")
    result = run(running, 7)
    console = Console(file=StringIO(), width=200)
    print_result(console, result)
    shown = console.file.getvalue()
    assert "failed: core_failed: ZeroDivisionError: division by zero in a place <nobody> looked at" in shown
    assert "Traceback" not in shown
    assert "\n" not in result.reason
    assert result.traceback.startswith("Traceback")
    assert "in planted" in result.traceback
    assert result.document()["traceback"] == result.traceback
    assert "in planted" in page(result)
    assert "a place &lt;nobody&gt;" in page(result)


def test_an_adapter_that_raises_withdraws_too():
    """The port's mechanics are ours as well: a request that it cannot take must not leave quotes behind."""
    running = running_of("eth-volatile", 40, "expect.fills_min=0")
    adapter = running.driver._adapter
    submit = adapter.submit

    def broken(command):
        if running.world.env.now > BUG_AT and isinstance(command, Request) and isinstance(command.actions[0], Place):
            raise KeyError("no such thing")
        submit(command)

    adapter.submit = broken
    result = run(running, 7)
    assert result.ended is Ended.FAILED
    assert result.reason.startswith(f"{SUBMIT_FAILED}: KeyError('no such thing') on Request(")
    assert resting(running) == ()


def test_who_listens_to_alerts_cannot_stop_the_trader():
    """Nobody hears an alert whose sink is broken; it is counted, and the quotes go on."""
    running = running_of("eth-volatile", 40, "expect.fills_min=0")
    running.driver._on_alert = planted
    result = run(running, 7)
    assert (result.ended, result.reason) == (Ended.COMPLETED, None)
    assert running.driver.counters.alerts_unheard > 0


def test_who_listens_to_cycles_hears_each_once_and_cannot_stop_the_trader(monkeypatch):
    """CH-39: all of them, in their order; a sink that is broken is counted like that of the alerts."""
    running, heard = running_of("eth-volatile", 40, "expect.fills_min=0"), []

    def listen(record):
        heard.append(record)
        planted()

    monkeypatch.setattr(assemble, "hears_cycles", lambda: True)
    monkeypatch.setattr(assemble, "log_cycle", listen)
    result = run(running, 7)
    assert (result.ended, result.reason) == (Ended.COMPLETED, None)
    assert len(heard) == result.metrics.checks["S31"] == running.driver.counters.alerts_unheard > 20
    assert [record.time for record in heard] == sorted({record.time for record in heard})


def test_the_failed_life_replays_to_the_same_end():
    """Whoever mends the bug can walk up to it: the journal leads to the call that raised, decision by decision."""
    running = running_of("eth-volatile", 40, "expect.fills_min=0")
    plant(running, "decide")
    run(running, 7)
    records = list(running.journal.records())
    n_decided = sum(isinstance(record, Decided) for record in records)

    def broken(header):
        core = core_of(header)
        decide = core.decide
        core.decide = lambda now: planted() if now >= BUG_AT else decide(now)
        return core

    done = replay(records, broken)
    assert done.decisions == n_decided


@pytest.mark.parametrize("waits_ms", [0.0, 5_000.0])
def test_a_decision_that_waited_too_long_does_not_leave(waits_ms):
    """S22: what the journal held up longer than its expiry is answered as not sent; and with it the doubt is over."""
    running = running_of("eth-volatile", 40, "expect.fills_min=0")
    disk: Disk = running.driver.disk
    running.world.env.call_at(BUG_AT, lambda: disk.sync_times.append(round(waits_ms * 1e6)))
    running.world.env.call_at(BUG_AT + 2 * NS_PER_S, disk.sync_times.clear)
    left = []
    running.session.on_send.append(lambda command, now: left.append((now, command)))
    result = run(running, 7)
    assert result.violations == []
    told = [r.event for r in running.journal.records() if type(getattr(r, "event", None)) is NotSent]
    decided = {
        command.request_id: record.now
        for record in running.journal.records()
        if isinstance(record, Decided)
        for command in record.commands
        if isinstance(command, Request) and isinstance(command.actions[0], Place)
    }
    late = [now - decided[c.request_id] for now, c in left if isinstance(c, Request) and c.request_id in decided]
    assert max(late) < NS_PER_S
    assert bool(told) is bool(waits_ms)
    assert all(event.request_id not in [c.request_id for _, c in left if isinstance(c, Request)] for event in told)
