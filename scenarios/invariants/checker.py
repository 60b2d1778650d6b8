"""Runs every invariant at every step and block, collects what does not hold, tells its story once."""

from collections import Counter
from collections.abc import Callable, Iterable
from time import perf_counter_ns

from domain.commands import AnyCommand
from domain.events import BboChanged, BookReported, TradesPrinted, Woke
from domain.units import NS_PER_S, Ns
from scenarios.invariants import build_all
from scenarios.invariants.base import Block, Invariant, Scope, Step
from scenarios.result import Violation

DATA = frozenset((BboChanged, BookReported))
"""States of the market: most of all events, and the only ones that ``on_data`` is about."""
SILENT = frozenset((TradesPrinted, Woke))
"""Other events that tell nothing of us. What they did is seen in the decision that follows at the same instant."""

Story = Callable[[tuple[str, ...]], str]
"""What is recorded of some cloids and trade ids."""

KEPT = 50
KEPT_OF_ONE = 20
"""Violations of one rule that are kept: one that fails all the time must not hide the others."""
TOLD = 5
"""Violations that are told with their story; the first ones explain the later ones."""


class Checker:
    """All invariants of one trader."""

    def __init__(self, *, every: int = 1, full_every: int = 200, stop_after: int = 1_000) -> None:
        """``every``: look at each n-th decision that sends nothing; ``full_every``: blocks between two full looks."""
        self._every = every
        self._full_every = full_every
        self._stop_after = stop_after
        self._story: Story | None = None
        self._decisions = 0
        self._blocks = 0
        self._known: set[tuple[str, tuple[str, ...] | str]] = set()
        self._kept: Counter[str] = Counter()
        self._invariants: tuple[Invariant, ...] = ()
        self._on_step: list[Callable[[Step], None]] = []
        self._on_fills: list[Callable[[Step], None]] = []
        self._on_decision: list[Callable[[Step], None]] = []
        self._on_commands: list[Callable[[Step], None]] = []
        self._on_data: list[Callable[[Step], None]] = []
        self._on_news: list[Callable[[Step], None]] = []
        self._on_sent: list[Callable[[AnyCommand, Ns], None]] = []
        self._on_second: list[Callable[[Ns], None]] = []
        self._next_second = Ns(0)
        self._on_ours: list[Callable[[Block], None]] = []
        self._on_block: list[Callable[[Block], None]] = []
        self._full: list[Callable[[Ns], None]] = []
        self._scope: Scope | None = None
        self.violations: list[Violation] = []
        self.n_violations = 0
        self.spent_ns = 0
        """Time of this machine spent in checks."""

    def bind(self, scope: Scope, story: Story | None = None) -> None:
        """Begin to look through ``scope``, which reports to ``self.report``.

        Once more for each further life of the trader: what is known of the venue stays known.
        """
        self._scope = scope
        self._story = story
        if self._invariants:
            for check in self._invariants:
                check.scope = scope
                check.on_life()
            return
        self._invariants = build_all(scope)
        self._on_step = [check.on_step for check in self._invariants if _has(check, "on_step")]
        self._on_fills = [check.on_fills for check in self._invariants if _has(check, "on_fills")]
        self._on_decision = [check.on_decision for check in self._invariants if _has(check, "on_decision")]
        self._on_commands = [check.on_commands for check in self._invariants if _has(check, "on_commands")]
        self._on_data = [check.on_data for check in self._invariants if _has(check, "on_data")]
        self._on_news = [check.on_news for check in self._invariants if _has(check, "on_news")]
        self._on_sent = [check.on_sent for check in self._invariants if _has(check, "on_sent")]
        self._on_second = [check.on_second for check in self._invariants if _has(check, "on_second")]
        self._on_ours = [check.on_ours for check in self._invariants if _has(check, "on_ours")]
        self._on_block = [check.on_block for check in self._invariants if _has(check, "on_block")]
        self._full = [check.full for check in self._invariants if _has(check, "full")]

    # --- hooks ----------------------------------------------------------------------------------

    def step(self, step: Step) -> None:
        """After the trader applied an event and decided."""
        kind = type(step.event)
        if kind in SILENT:
            return
        started = perf_counter_ns()
        if kind in DATA:
            for check in self._on_data:
                check(step)
        elif step.event is None:
            self._look_at_decision(step)
        else:
            for check in self._on_step:
                check(step)
            if step.fills:
                for check in self._on_fills:
                    check(step)
            for check in self._on_news:
                check(step)
        self.spent_ns += perf_counter_ns() - started

    def _look_at_decision(self, step: Step) -> None:
        self._decisions += 1
        if self._every > 1 and self._decisions % self._every and not step.commands and not step.looked:
            return
        for check in self._on_step:
            check(step)
        for check in self._on_decision:
            check(step)
        if step.commands:
            for check in self._on_commands:
                check(step)

    def sent(self, command: AnyCommand, now: Ns) -> None:
        """As a command leaves the trader's process."""
        started = perf_counter_ns()
        for look in self._on_sent:
            look(command, now)
        self.spent_ns += perf_counter_ns() - started

    def block(self, block: Block) -> None:
        """After the venue executed a block."""
        self._blocks += 1
        started = perf_counter_ns()
        if block.updates or block.fills:
            for look in self._on_ours:
                look(block)
        for look in self._on_block:
            look(block)
        if block.now >= self._next_second:
            self._watch(block.now)
        if self._blocks % self._full_every == 0:
            self._look_at_everything(block.now)
        self.spent_ns += perf_counter_ns() - started

    def second(self, now: Ns) -> None:
        """A second went by without a block."""
        started = perf_counter_ns()
        self._watch(now)
        self.spent_ns += perf_counter_ns() - started

    def end(self, now: Ns) -> None:
        """When all is quiet."""
        self._look_at_everything(now)
        for check in self._invariants:
            check.at_end(now)

    def _watch(self, now: Ns) -> None:
        self._next_second = Ns(now - now % NS_PER_S + NS_PER_S)
        for watch in self._on_second:
            watch(now)

    def _look_at_everything(self, now: Ns) -> None:
        for check in self._full:
            check(now)

    # --- findings -------------------------------------------------------------------------------

    def report(self, name: str, text: str, keys: tuple[str, ...]) -> None:
        """Collect a violation; one that says the same of the same keys again is not news."""
        keys = tuple(key for key in keys if key)
        identity = (name, keys or text)
        if identity in self._known:
            return
        self._known.add(identity)
        self.n_violations += 1
        now = self._scope.now if self._scope is not None else 0
        self._kept[name] += 1
        if self._kept[name] <= KEPT_OF_ONE and len(self.violations) < KEPT:
            rule = next((check.rule for check in self._invariants if check.id == name), "")
            self.violations.append(Violation(name, now / NS_PER_S, text, list(keys), rule=rule))

    def tell(self) -> None:
        """Add the story of the orders and fills involved to the first violations."""
        for violation in self.violations[:TOLD]:
            if violation.keys and self._story is not None:
                violation.story = self._story(tuple(violation.keys))

    @property
    def is_hopeless(self) -> bool:
        """So much is broken that the rest of the run would say nothing more."""
        return self.n_violations >= self._stop_after

    def counts(self) -> dict[str, int]:
        """How often each rule really compared something, each rule by its own count; 0: it never did."""
        return {check.id: check.compared for check in self._invariants}

    @property
    def rules(self) -> Iterable[Invariant]:
        """The rules at work."""
        return self._invariants


def _has(check: Invariant, hook: str) -> bool:
    return getattr(type(check), hook) is not getattr(Invariant, hook)
