"""Replay: same inputs, same decisions; anything else is named."""

import pytest

from domain.commands import Alert, Request, Severity
from domain.errors import JournalError, ReplayMismatch
from domain.events import StopRequested
from domain.units import NS_PER_S
from runtime.driver import CORE_FAILED, LifeConfig
from runtime.journal_format import Decided, Header, Opened, Rescued, Took
from runtime.journal_reader import Reader
from runtime.replay import Replayed, replay
from tests.runtime.toy import ToyCore, ToyRun


def toy(header):
    return ToyCore()


def wide(header):
    return ToyCore(half_spread=60)


def test_a_run_replays():
    """Protects determinism end to end: a fresh core, fed the journal, decides the same, byte for byte."""
    run = ToyRun(seed=21).start().run(3)
    run.driver.request_stop("end")
    run.run(6)
    done = replay(run.journal.records(), toy)
    counters = run.driver.counters
    assert done == Replayed(1, counters.events, counters.steps, counters.commands)


def test_several_lives_replay():
    """Protects journals with crashes in them: each life gets a core of its own."""
    run = ToyRun(seed=22).start().run(1)
    run.driver.kill_trader()
    run.start().run(2)
    headers = []
    done = replay(run.journal.records(), lambda header: headers.append(header) or ToyCore())
    assert done.lives == 2
    assert [header.life for header in headers] == [1, 2]
    assert headers[0].life_seed != headers[1].life_seed


def test_a_truncated_journal_replays_to_its_end():
    """Protects the use of journals of crashed processes; events without their decision are counted."""
    run = ToyRun(seed=23).start().run(0.3)
    data = run.journal._log.read()
    undecided = set()
    for size in range(200, len(data), 7):
        undecided.add(replay(Reader(data[:size]), toy).undecided)
    assert undecided >= {0, 1}


def test_the_first_difference_is_named():
    """Protects the search for a cause: where, when, what was recorded, what came out now."""
    run = ToyRun(seed=24).start().run(1)
    records = run.records()
    first = next(i for i, r in enumerate(records) if isinstance(r, Decided) and any(map(is_request, r.commands)))
    with pytest.raises(ReplayMismatch) as caught:
        replay(records, wide)
    text = str(caught.value)
    assert text.startswith(
        f"record {first} at {records[first].now / NS_PER_S:.9f} s: decisions differ from command 0 on"
    )
    assert "recorded Request" in text
    assert "replayed Request" in text


def is_request(command):
    return isinstance(command, Request)


@pytest.mark.parametrize(
    ("commands", "says"),
    [
        ((), r"from command 0 on\n  recorded nothing\n  replayed Alert"),
        ((Alert(Severity.INFO, "a", ""),) * 2, r"from command 1 on\n  recorded Alert.*\n  replayed nothing"),
        ((Alert(Severity.INFO, "b", ""),), "from command 0 on"),
    ],
)
def test_lists_are_compared_exactly(commands, says):
    """Protects against a comparison of what both lists have: length and order count."""

    class Core(ToyCore):
        def decide(self, now):
            return [Alert(Severity.INFO, "a", "")]

    records = [Opened(Header(seed=1)), Took(1, StopRequested("x")), Decided(1, commands)]
    with pytest.raises(ReplayMismatch, match=says):
        replay(records, lambda header: Core())


def test_decisions_are_compared_with_their_types():
    """Protects byte equality: True, 1 and 1.0 are equal to Python and different in a journal."""

    class Core(ToyCore):
        def decide(self, now):
            return [Request(1.0, "socket", 1, None, ())]

    records = [Opened(Header(seed=1)), Decided(1, (Request(1, "socket", 1, None, ()),))]
    with pytest.raises(ReplayMismatch, match="differ"):
        replay(records, lambda header: Core())


@pytest.mark.parametrize("in_decide", [False, True])
def test_a_failure_of_the_core_happens_again(in_decide):
    """Protects the analysis of crashes: the recorded exception is reproduced, what the net did is skipped."""

    def failing(header=None):
        return ToyCore(fail_at=100, fail_in_decide=in_decide)

    run = ToyRun(seed=25, core=failing).start().run(15)
    assert run.driver.failure.name == CORE_FAILED
    run.start().run(30)
    cores = iter([failing(), failing()])
    done = replay(run.journal.records(), lambda header: next(cores))
    assert (done.lives, done.undecided) == (2, 0)
    assert [f"core_failed: {failure}" for failure in done.failures] == [str(end.failure) for end in run.driver.ends]
    with pytest.raises(ReplayMismatch, match=r"the core failed .*replayed, it does not"):
        replay(run.journal.records(), toy)


def test_a_core_that_fails_only_in_replay_is_a_mismatch():
    """Protects the exit code: an exception of a changed core is a difference, not a crash of the tool."""
    run = ToyRun(seed=26).start().run(1)
    with pytest.raises(ReplayMismatch, match=r"replayed, it fails with RuntimeError\('planted at event 50'\)"):
        replay(run.journal.records(), lambda header: ToyCore(fail_at=50))


def test_a_stop_that_the_net_finished_replays():
    """Protects replay of a core that did not fail but was taken out for another reason."""

    class Deaf(ToyCore):
        def _stop(self, out, now):
            self.heartbeat = now + NS_PER_S

    run = ToyRun(seed=27, core=Deaf, life=LifeConfig(stop_timeout_ms=500.0)).start().run(1)
    run.driver.request_stop("end")
    run.run(5)
    assert any(isinstance(record, Rescued) for record in run.records())
    done = replay(run.journal.records(), lambda header: Deaf())
    assert (done.failures, done.undecided) == ([], 0)


def test_records_before_any_header():
    """Protects against replaying into nothing."""
    with pytest.raises(JournalError, match="before any header"):
        replay([Took(1, StopRequested("x"))], toy)
