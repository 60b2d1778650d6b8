"""The driver in virtual time: order of steps, thinking, deadlines, lives, orderly stops."""

import pytest

from domain.commands import Alert, Connect, Modify, Place, RecordAdjustments, Request, Severity, Subscribe
from domain.events import (
    Adjustment,
    BboChanged,
    Channel,
    ChannelKind,
    Feed,
    KillReset,
    Restored,
    StopRequested,
    Woke,
)
from domain.units import NS_PER_MS, NS_PER_S, Ns
from exchange_adapters.base import Capabilities
from runtime.driver import CORE_STUCK, INBOX_OVERFLOW, ORDERS_LEFT, STOP_OVERDUE, LifeConfig
from runtime.fold import fold
from runtime.journal import Journal
from runtime.journal_format import Decided, Header, Opened, Took
from runtime.journal_reader import Reader
from runtime.log import MemoryLog
from runtime.safety_net import SafetyNetConfig
from runtime.thinking import ThinkingConfig
from runtime.virtual import DriverConfig, VirtualDriver
from sim.environment import Environment
from tests.runtime.toy import BTC, ToyCore, ToyRun

MS = NS_PER_MS


def alert(name):
    return Alert(Severity.INFO, name, "")


class Scripted:
    """A core that notes what it is told and answers as the test says."""

    def __init__(self, answers=None, deadlines=()):
        self.heard = []
        self.answers = answers or {}
        self.deadlines = list(deadlines)
        self.is_stopped = False

    def apply(self, event, now):
        self.heard.append((now, event))

    def decide(self, now):
        while self.deadlines and self.deadlines[0] <= now:
            self.deadlines.pop(0)
        return self.answers.pop(type(self.heard[-1][1]), [])

    def next_deadline(self):
        return self.deadlines[0] if self.deadlines else None


class Recorder:
    """An adapter that notes what leaves and when."""

    capabilities = Capabilities(
        name="recorder", routes=frozenset(), channels=frozenset(), snapshots=frozenset(), max_actions=1
    )

    def __init__(self, env, log):
        self.env, self.log, self.left, self.sink = env, log, [], None

    def reserve_nonces(self):
        return 0

    def confirm_nonces(self, below):
        """There are none."""

    def start(self, sink, nonces_from=0):
        self.sink = sink

    def stop(self):
        self.sink = None

    def submit(self, command):
        self.left.append((self.env.now, command, self.log.syncs))


class Bench:
    """One scripted core between a recorder and a clock."""

    def __init__(self, core, thinking_us=1_000.0, **life):
        self.env, self.log, self.core = Environment(), MemoryLog(), core
        self.adapter = Recorder(self.env, self.log)
        config = DriverConfig(thinking=ThinkingConfig(median_us=thinking_us), life=LifeConfig(**life))
        self.alerts = []
        self.driver = VirtualDriver(
            self.env,
            self.adapter,
            lambda: core,
            Journal(self.log),
            Header(seed=1),
            config,
            on_alert=lambda now, a: self.alerts.append((now, a.name)),
        )
        self.driver.start_trader()

    def at(self, time, event):
        self.env.call_at(time, lambda: self.adapter.sink(event))
        return self

    def run(self, until):
        self.env.run(until=until)
        return self


def bbo(time, instrument=BTC):
    return BboChanged(instrument, time, 0, None, None)


# --- thinking -----------------------------------------------------------------------------------


def test_commands_leave_after_the_thinking_time_and_events_wait_for_it():
    """Protects the latency model: nothing is decided or sent while the trader is busy with something earlier."""
    bench = Bench(Scripted({KillReset: [Connect(Feed.USER)], StopRequested: [Connect(Feed.MARKET)]}))
    bench.at(5 * MS, KillReset("a")).at(5 * MS + 400_000, StopRequested("b")).at(5 * MS + 500_000, KillReset("c"))
    bench.run(20 * MS)
    assert bench.core.heard[1:] == [
        (5 * MS, KillReset("a")),
        (6 * MS, StopRequested("b")),
        (6 * MS, KillReset("c")),
    ]
    assert [(time, command) for time, command, _ in bench.adapter.left] == [(6 * MS, Connect(Feed.USER))]


def test_what_arrives_at_one_moment_is_one_step():
    """Protects the cost and the sense of a frame: its events are all taken in before anything is decided."""
    bench = Bench(Scripted())
    for tid in range(3):
        bench.at(5 * MS, KillReset(str(tid)))
    bench.run(9 * MS)
    kinds = [type(record).__name__ for record in bench.driver.journal.records()]
    assert kinds == ["Opened", "Took", "Decided", "Took", "Took", "Took", "Decided"]


def test_waiting_market_data_is_conflated_and_counted():
    """Protects a slow trader from living in the past: of the states that came meanwhile it sees the last."""
    bench = Bench(Scripted(), thinking_us=10_000.0)
    bench.at(20 * MS, KillReset("busy"))
    for time in range(21, 26):
        bench.at(time * MS, bbo(time))
    bench.at(26 * MS, StopRequested("end")).run(40 * MS)
    assert bench.core.heard[2:] == [(30 * MS, bbo(25)), (30 * MS, StopRequested("end"))]
    bench.driver.kill_trader()
    assert bench.driver.counters.superseded == {"BboChanged": 4}
    assert bench.driver.counters.inbox_peak == 2


def test_a_stalled_process_is_late_with_everything():
    """Protects the model of a pause: events wait, timers come late, commands leave late; order is kept."""
    core = Scripted({KillReset: [Connect(Feed.USER)]}, deadlines=[6 * MS])
    bench = Bench(core, thinking_us=500.0).at(5 * MS, KillReset("a")).at(5 * MS + 50, KillReset("waits already"))
    bench.env.call_at(5 * MS + 100, bench.driver.stall, Ns(30 * MS))
    bench.at(7 * MS, StopRequested("b")).run(50 * MS)
    resumed = 5 * MS + 500_000 + 30 * MS
    assert [(time, command) for time, command, _ in bench.adapter.left] == [(resumed, Connect(Feed.USER))]
    assert core.heard[2:] == [(resumed, KillReset("waits already")), (resumed, StopRequested("b"))]


def test_what_was_decided_first_leaves_first_also_after_a_pause():
    """S12 (`storm`, seed 17): what had come during a pause was thought of before the older commands had left.

    The pause puts off the end of the thinking, and what comes then waits for that end: both are due at one moment, and
    the commands, whose first date had still to pass, were called last.
    """
    core = Scripted({KillReset: [Connect(Feed.USER)], StopRequested: [Connect(Feed.MARKET)]})
    bench = Bench(core, thinking_us=500.0).at(5 * MS, KillReset("a")).at(5 * MS + 200_000, StopRequested("b"))
    bench.env.call_at(5 * MS + 100_000, bench.driver.stall, Ns(30 * MS))
    bench.run(80 * MS)
    resumed = 5 * MS + 500_000 + 30 * MS
    left = [(time, command) for time, command, _ in bench.adapter.left]
    assert left == [(resumed, Connect(Feed.USER)), (resumed + 500_000, Connect(Feed.MARKET))]


# --- the write-ahead rule -----------------------------------------------------------------------


class LosingLog(MemoryLog):
    """Knows what would be left after a crash now."""

    durable = b""

    def sync(self):
        self.durable = self.read()


def test_the_decision_is_durable_before_it_leaves():
    """Protects S13: whoever finds an order at the venue finds its intent in the journal."""
    log = LosingLog()
    run = ToyRun(seed=2, log=log)
    submit, checked = run.venue.submit, []

    def check(command):
        if isinstance(command, Request) and isinstance(command.actions[0], Place | Modify):
            intents = [c for r in Reader(log.durable) if isinstance(r, Decided) for c in r.commands]
            assert command.actions in [intent.actions for intent in intents if isinstance(intent, Request)]
            checked.append(command)
        submit(command)

    run.venue.submit = check
    run.start().run(1)
    assert run.driver.failure is None
    assert len(checked) > 10


def test_the_loop_is_append_apply_decide_append_submit():
    """Protects architecture 5 literally: the order in which things are written and done."""
    order = []

    class Core(Scripted):
        def apply(self, event, now):
            order.append(f"apply {type(event).__name__}")
            super().apply(event, now)

        def decide(self, now):
            order.append("decide")
            return super().decide(now)

    class Log(MemoryLog):
        def append(self, data):
            order.append(f"append {chr(data[10])}" if data[9] == 0xA1 else "append magic")
            super().append(data)

        def sync(self):
            order.append("sync")

    log, env = Log(), Environment()
    adapter = Recorder(env, MemoryLog())
    adapter.submit = lambda command: order.append("submit")
    core = Core({KillReset: [Alert(Severity.CRITICAL, "kill", "x"), Connect(Feed.USER)]})
    driver = VirtualDriver(env, adapter, lambda: core, Journal(log), Header(seed=1))
    driver.start_trader()
    env.run(until=5 * MS)
    del order[:]
    adapter.sink(KillReset("me"))
    env.run(until=10 * MS)
    assert order == ["append E", "apply KillReset", "decide", "append D", "sync", "submit"]


def test_a_record_for_the_next_life_is_written_and_goes_nowhere():
    """Protects the ledger's handover: the adapter must never meet a command that is only for the journal."""
    record = RecordAdjustments("ETH", (Adjustment(7, 3, 100.5),))
    bench = Bench(Scripted({KillReset: [record, Connect(Feed.USER)]})).at(5 * MS, KillReset("me")).run(10 * MS)
    assert [command for _, command, _ in bench.adapter.left] == [Connect(Feed.USER)]
    written = [c for r in Reader(bench.log.read()) if isinstance(r, Decided) for c in r.commands]
    assert written == [record, Connect(Feed.USER)]
    assert bench.alerts == []


# --- deadlines ----------------------------------------------------------------------------------


def test_a_deadline_wakes_the_core_once():
    """Protects timers: the core is woken at its deadline, and not when nothing is due."""
    core = Scripted(deadlines=[10 * MS, 30 * MS])
    Bench(core, thinking_us=0.0).run(100 * MS)
    assert core.heard[1:] == [(10 * MS, Woke()), (30 * MS, Woke())]


def test_no_wake_up_where_an_event_came_at_the_deadline():
    """Protects the meaning of Woke: a deadline of ours passed *and nothing else happened*."""
    core = Scripted(deadlines=[10 * MS])
    Bench(core, thinking_us=0.0).at(10 * MS, KillReset("x")).run(20 * MS)
    assert core.heard[1:] == [(10 * MS, KillReset("x"))]


def test_a_deadline_that_moves_forth_and_back_is_kept():
    """Protects lazy timers: an earlier deadline is not missed, an abandoned one wakes nobody."""

    class Moving(Scripted):
        def next_deadline(self):
            now = self.heard[-1][0]
            return {0: 50 * MS, 1: 20 * MS, 2: 80 * MS}.get(len(self.heard) - 1) if now < 80 * MS else None

    core = Moving()
    Bench(core, thinking_us=0.0).at(5 * MS, KillReset("a")).at(10 * MS, KillReset("b")).run(200 * MS)
    assert core.heard[1:] == [(5 * MS, KillReset("a")), (10 * MS, KillReset("b")), (80 * MS, Woke())]


def test_timers_do_not_pile_up():
    """Protects memory: a deadline that moves at every event leaves a bounded number of timers behind."""

    class Restless(Scripted):
        def next_deadline(self):
            now = self.heard[-1][0]
            return Ns(now + (10 * NS_PER_S if len(self.heard) % 2 else MS // 2))

    bench = Bench(Restless(), thinking_us=0.0)
    for time in range(1, 1_000):
        bench.at(time * MS, KillReset("x"))
    bench.run(999 * MS)
    assert len(bench.driver._timers) <= 2


@pytest.mark.parametrize("thinking_us", [0.0, 100.0])
def test_a_core_that_asks_for_the_past_again_and_again_is_stopped(thinking_us):
    """Protects the run from never ending: time must move, or the core counts as broken."""

    class Stuck(Scripted):
        def next_deadline(self):
            return Ns(5)

    bench = Bench(Stuck(), thinking_us=thinking_us).run(NS_PER_S)
    assert bench.driver.failure.name == CORE_STUCK
    assert not bench.driver.is_running


# --- lives --------------------------------------------------------------------------------------


def test_a_killed_trader_sends_and_hears_nothing_more():
    """Protects the model of a crash: the decision stands in the journal, and its commands never left."""
    core = Scripted({KillReset: [Connect(Feed.USER)]})
    bench = Bench(core).at(5 * MS, KillReset("a"))
    sink = bench.adapter.sink
    bench.env.call_at(5 * MS + 1, bench.driver.kill_trader)
    bench.env.call_at(6 * MS, lambda: sink(KillReset("late")))
    bench.run(20 * MS)
    assert core.heard[1:] == [(5 * MS, KillReset("a"))]
    assert bench.adapter.left == []
    assert bench.adapter.sink is None
    assert list(bench.driver.journal.records())[-1] == Decided(5 * MS, (Connect(Feed.USER),))
    assert [(end.how, end.at) for end in bench.driver.ends] == [("killed", 5 * MS + 1)]


def test_each_life_begins_with_a_header_and_the_fold_of_what_was():
    """Protects restarts: intents, fills and ids of a killed trader reach the next one."""
    run = ToyRun(seed=4).start().run(1)
    before = fold(run.journal.records())
    run.driver.kill_trader()
    assert not run.driver.is_running
    held = {order.place.cloid for order in run.venue.resting()}
    run.run(1.2)
    run.start().run(3)
    records = run.records()
    begins = [i for i, record in enumerate(records) if isinstance(record, Opened)]
    assert [records[i].header.life for i in begins] == [1, 2]
    restored = records[begins[1] + 1].event
    assert restored == before
    assert held <= {order.cloid for order in restored.orders}
    assert restored.life_seed != records[begins[0] + 1].event.life_seed
    assert run.cores[1].position == run.venue.position
    assert run.cores[0] is not run.cores[1]
    placed = [o.cloid for r in records if isinstance(r, Decided) for c in r.commands for o in _places(c)]
    assert len(placed) == len(set(placed))


def _places(command):
    for action in getattr(command, "actions", ()):
        if isinstance(action, Place):
            yield action
        elif hasattr(action, "place"):
            yield action.place


def test_what_arrives_for_a_dead_life_does_not_disturb_the_next():
    """Protects restarts from a message that an adapter delivers late: it is for nobody."""
    core = Scripted()
    bench = Bench(core).run(5 * MS)
    late = bench.adapter.sink
    bench.driver.kill_trader()
    bench.driver.start_trader(Restored(5, 6))
    bench.env.call_at(8 * MS, late, KillReset("for the dead"))
    bench.at(9 * MS, KillReset("for the living")).run(20 * MS)
    assert core.heard[1:] == [(5 * MS, Restored(5, 6)), (9 * MS, KillReset("for the living"))]


def test_two_traders_at_once_are_refused():
    """Protects the one writer of a journal."""
    with pytest.raises(RuntimeError, match="running"):
        ToyRun().start().start()


def test_a_new_life_may_use_a_new_adapter():
    """Protects restarts with a new session: the old adapter is out."""
    bench = Bench(Scripted()).run(5 * MS)
    bench.driver.kill_trader()
    other = Recorder(bench.env, bench.log)
    bench.driver.start_trader(Restored(5, 6), adapter=other)
    assert bench.adapter.sink is None
    assert other.sink is not None


# --- orderly stops ------------------------------------------------------------------------------


def test_an_orderly_stop_cancels_everything_and_is_clean():
    """Protects shutdown: nothing rests, the journal says so, and the next life knows."""
    run = ToyRun(seed=6).start().run(2)
    assert run.venue.resting()
    run.driver.request_stop("end of day")
    run.driver.request_stop("again")
    run.run(6)
    assert [(end.how, end.failure) for end in run.driver.ends] == [("stopped", None)]
    assert run.venue.resting() == []
    assert [a.name for a in run.alerts] == ["stopped"]
    stops = [r.event for r in run.records() if isinstance(r, Took) and isinstance(r.event, StopRequested)]
    assert stops == [StopRequested("end of day")]
    assert fold(run.journal.records()).clean_stop


def test_a_stop_that_does_not_finish_is_finished_by_the_safety_net():
    """Protects shutdown against a core that hangs: within the bound the orders go without it."""

    class Deaf(ToyCore):
        def _stop(self, out, now):
            self.heartbeat = Ns(now + NS_PER_S)

    run = ToyRun(seed=6, core=Deaf, life=LifeConfig(stop_timeout_ms=1_000.0)).start().run(2)
    run.driver.request_stop("end")
    run.run(6)
    assert run.driver.failure.name == STOP_OVERDUE
    assert run.venue.resting() == []
    assert not fold(run.journal.records()).clean_stop


def test_a_core_that_says_stopped_too_early_is_not_believed():
    """Protects against a shutdown that forgets an order: the independent ledger knows it."""

    class Hasty(ToyCore):
        def _stop(self, out, now):
            self.is_stopped = True
            out.append(Alert(Severity.INFO, "stopped", "in a hurry"))

    run = ToyRun(seed=6, core=Hasty).start().run(2)
    assert run.venue.resting()
    run.driver.request_stop("end")
    run.run(6)
    assert run.driver.failure.name == ORDERS_LEFT
    assert run.venue.resting() == []
    assert not fold(run.journal.records()).clean_stop


def test_too_many_waiting_events_end_the_life():
    """Protects the bound of the inbox: fills may not be dropped, so more than it holds is a failure."""
    bench = Bench(Scripted(), thinking_us=10_000.0, inbox_limit=10)
    for i in range(12):
        bench.at(5 * MS + i, KillReset(str(i)))
    bench.run(100 * MS)
    assert bench.driver.failure.name == INBOX_OVERFLOW
    taken = [r.event for r in bench.driver.journal.records() if isinstance(r, Took)]
    assert len([e for e in taken if isinstance(e, KillReset)]) == 12


# --- taps and determinism -----------------------------------------------------------------------


def test_taps_see_every_step():
    """Protects the checkers: they see exactly what the journal has."""
    run = ToyRun(seed=8)
    seen = []
    run.driver.taps.append(lambda now, events, commands: seen.append((now, events, commands)))
    run.start().run(1)
    taken = [(now, event) for now, events, _ in seen for event in events]
    decided = [(now, commands) for now, _, commands in seen]
    records = run.records()
    assert taken == [(r.now, r.event) for r in records if isinstance(r, Took)]
    assert decided == [(r.now, r.commands) for r in records if isinstance(r, Decided)]


def test_a_tap_may_kill_the_trader():
    """Protects the crash at an index: the commands of that very step do not leave."""
    run = ToyRun(seed=8)

    def kill(now, events, commands):
        if any(isinstance(command, Subscribe) for command in commands):
            run.driver.kill_trader()

    run.driver.taps.append(kill)
    run.start().run(1)
    assert [end.how for end in run.driver.ends] == ["killed"]
    assert not any(isinstance(command, Subscribe) for _, command in run.venue.received)
    assert Subscribe(Channel(ChannelKind.FILLS)) in list(run.records())[-1].commands


def test_one_seed_one_journal():
    """Protects determinism: the same seed gives the same bytes, another one does not."""
    digests = [ToyRun(seed=seed).start().run(2).journal.digest() for seed in (1, 1, 2)]
    assert digests[0] == digests[1] != digests[2]


def test_the_net_config_reaches_the_net():
    """Protects the wiring of the config."""
    run = ToyRun(safety_net=SafetyNetConfig(bound_ms=5.0)).start()
    assert run.driver.net._config.bound_ms == 5.0
