"""Control: a kill is a kill, nobody dies in silence, a crash forgets nothing, all states have names (S23-S30, L8).

"Reachable" is a trader that lives while no fault is at work. Where it is not, the venue's dead-man switch is what is
left: what it was set to cancel is gone when its time has come.
"""

from collections.abc import Sequence

from domain.alerts import KILL
from domain.commands import Alert
from domain.events import KillReset, OpenOrder, Restored
from domain.orders import Certainty, InFlight
from domain.units import NS_PER_S, InstrumentId, Ns, Side
from scenarios.invariants.base import Block, Invariant, Scope, Step
from scenarios.invariants.liveness import TwoSided
from scenarios.invariants.sending import placements
from scenarios.invariants.views import DeskView

GRACE = Ns(NS_PER_S)
"""Blocks and messages take their time."""
OVERSLEPT = Ns(5 * NS_PER_S)
"""A deadline of the trader that is so long past has been slept through (S28)."""


class Killed(Invariant):
    """S23: after the kill switch has latched nothing is placed, soon nothing rests, and only a person lifts it."""

    id = "S23"
    rule = "after a kill only what reduces is placed; nothing rests soon after, or once the dead-man switch has fired"

    def __init__(self, scope: Scope) -> None:
        """Not latched; no switch is set."""
        super().__init__(scope)
        self._latched: str | None = None
        self._since = Ns(0)
        self._has_begun = True
        """Whether the trader has heard what the lives before it left: one that cannot even write that knows nothing."""
        self._told_before = 0
        """How often people had been told of a kill before this one."""
        self._due: Ns | None = None
        """What the switch was set to at the end of the block before."""

    def on_life(self) -> None:
        """The latch is of the account, not of a process; time to act begins anew.

        A decision that was not written down, on a full disk say, has not left: nobody knows of the kill in it.
        """
        self._since = max(self._since, self.scope.now)
        self._has_begun = False
        if self._latched is not None and not self._was_told():
            self._latched = None

    def on_news(self, step: Step) -> None:
        """A new life must be told of the latch; a person may lift it."""
        if type(step.event) is KillReset:
            self._latched = None
        elif type(step.event) is Restored:
            self._has_begun = True
            if self._latched is not None:
                self.compared += 1
                if step.event.kill is None:
                    self.fail(f"life {step.event.life} does not know that trading was killed: {self._latched}")
        self._look(step.now)

    def on_commands(self, step: Step) -> None:
        """Nothing is placed once it has latched, not even in the decision that latches it."""
        self._look(step.now)
        if self._latched is None:
            for command in step.commands:
                if type(command) is Alert and command.name == KILL:
                    self.compared += 1
                    self.fail(f"a kill was announced and is not latched: {command.text}")
            return
        self.compared += 1
        for place, _, _ in placements(step.commands):
            if not place.reduce_only:
                self.fail(f"placed after the kill ({self._latched})", place.cloid)

    def on_second(self, now: Ns) -> None:
        """What rests must go: because we cancel it, or because the venue does it for us."""
        self._look(now)
        scope, run = self.scope, self.scope.run
        if self._latched is None or scope.calm_since is None or run is None or not run.is_running:
            return
        self.compared += 1
        waited = now - max(self._since, scope.calm_since)
        if waited > 2 * scope.bounds.withdraw and run.failure is None and not self._was_told():
            self.fail(f"nobody was told of a kill {waited / NS_PER_S:.0f} s ago: {self._latched}")
        if waited > 2 * scope.bounds.withdraw and (left := scope.truth.resting()):
            text = f"{len(left)} orders rest {waited / NS_PER_S:.0f} s after the kill ({self._latched})"
            self.fail(text, *_names(left))

    def on_block(self, block: Block) -> None:
        """Orders that were there when the switch was to fire, and that nobody took back.

        It fires before anything else of its block, and forgets the time: what stood before the block counts.
        """
        due, self._due = self._due, self.scope.truth.scheduled()
        if due is None or block.now < due:
            return
        self.compared += 1
        left = [order for order in self.scope.truth.resting() if order.placed_at < due]
        if left:
            self.fail(f"{len(left)} orders rest after the dead-man switch of {due} ns", *_names(left))

    def _look(self, now: Ns) -> None:
        """Whether the trader says that it is latched, and that it may say so."""
        reason = self.scope.belief.halt_reason
        if not self._has_begun:
            return
        if reason is None and self._latched is not None:
            self.compared += 1
            self.fail(f"the kill was lifted by nobody: {self._latched}")
            self._latched = None
        elif reason is not None and self._latched is None:
            self._latched, self._since, self._told_before = reason, now, self._told()

    def _was_told(self) -> bool:
        return self.scope.run is None or self._told() > self._told_before

    def _told(self) -> int:
        return 0 if self.scope.run is None else self.scope.run.alerts.get(KILL, 0)


def _names(orders: Sequence[OpenOrder]) -> tuple[str, ...]:
    return tuple(order.cloid or str(order.oid) for order in orders)


class NoSilentDeath(Invariant):
    """S28: the trader lives and keeps its own deadlines, or a fault killed it, or its end has a name and an alert."""

    id = "S28"
    rule = "the trader runs and keeps its deadlines, or it has ended for a reason that people were told"

    def __init__(self, scope: Scope) -> None:
        """It lives."""
        super().__init__(scope)
        self._down_since: Ns | None = None

    def on_second(self, now: Ns) -> None:
        """Look at the process."""
        run = self.scope.run
        if run is None:
            return
        self.compared += 1
        if run.is_running:
            self._down_since = None
            self._check_deadline(now)
        elif not run.is_between_lives and not run.is_stopping:
            self._down_since = self._down_since or now
            if now - self._down_since > GRACE:
                self._check_end()

    def at_end(self, now: Ns) -> None:  # noqa: ARG002
        """An end by failure was told, and left nothing behind; any other end was asked for."""
        run = self.scope.run
        if run is not None:
            self.compared += 1
            if run.failure is not None or not (run.is_running or run.is_stopping or run.is_between_lives):
                self._check_end()

    def _check_deadline(self, now: Ns) -> None:
        calm = self.scope.calm_since
        if now % OVERSLEPT >= NS_PER_S or calm is None or self.scope.run is None or self.scope.run.failure is not None:
            return
        deadline = self.scope.belief.next_deadline()
        if deadline is not None and now - max(deadline, calm) > OVERSLEPT:
            self.fail(f"the trader wanted to be woken at {deadline} ns and sleeps at {now} ns")

    def _check_end(self) -> None:
        run = self.scope.run
        name = None if run is None else run.failure
        if name is None or run is None:
            self.fail("the trader is gone and nobody has said why")
        elif name not in run.alerts:
            self.fail(f"the trader failed ({name}) and nobody was told")
        elif not run.is_running and (left := self.scope.truth.resting()):
            self.fail(f"the trader failed ({name}) and left {len(left)} orders", *_names(left))


class CrashSafe(Invariant):
    """S30: a new life knows every order that may rest and every kill of the ones before; S1 to S15 go on to hold.

    That a crash at any event does no harm cannot be seen inside one run: `tests/scenarios/test_crashes.py`
    crashes one run at each of many events.
    """

    id = "S30"
    rule = "a new life is told of every order of ours that rests; all other rules hold over lives"

    def on_news(self, step: Step) -> None:
        """Compare what the journal kept with what rests."""
        event = step.event
        if type(event) is not Restored or event.life == 1:
            return
        known = {order.cloid for order in event.orders}
        for order in self.scope.truth.resting():
            self.compared += 1
            if order.cloid is not None and order.cloid not in known:
                self.fail(f"life {event.life} does not know order {order.oid}, which rests", order.cloid)


class NamedState(Invariant):
    """L8: the trader does something that has a name: it quotes, or there is a reason why it does not.

    Who says that it quotes has orders at the venue, or on their way there, or no room for them; also while faults
    strike, but not while it stands still.
    """

    id = "L8"
    rule = "whoever does not quote names the reason: each desk, the trader as a whole, and whoever took over from it"

    def __init__(self, scope: Scope, sides: TwoSided) -> None:
        """Note since when a desk has been without quotes and without a reason; ``sides`` knows what rests."""
        super().__init__(scope)
        self._sides = sides
        self._since: Ns | None = None
        self._absent: dict[tuple[InstrumentId, Side], Ns] = {}

    def on_life(self) -> None:
        """Another process begins with nothing."""
        self._absent.clear()

    def on_second(self, now: Ns) -> None:
        """Look at the words."""
        run, belief = self.scope.run, self.scope.belief
        if run is None or not run.is_running or run.failure is not None:
            return
        self.compared += 1
        phase = belief.phase
        if not phase:
            self.fail(f"the trader does something without a name at {now} ns")
        for name, desk in belief.desks.items():
            self._check_quotes(name, desk, now)
        for name, desk in belief.desks.items():
            if phase != "quoting" and desk.gate is None and not run.is_stopping:
                self._since = self._since or now
                if now - self._since > GRACE:
                    self.fail(f"{name} quotes while the trader says: {phase}")
                return
        self._since = None

    def _check_quotes(self, name: InstrumentId, desk: DeskView, now: Ns) -> None:
        """Look whether there are the orders that it says it quotes."""
        run = self.scope.run
        is_said = desk.gate is None and run is not None and not run.is_stopping
        is_awake = now - self.scope.decided_at <= OVERSLEPT
        missing = self._sides.missing(name) if is_said and is_awake else []
        for side in Side:
            if side not in missing or _is_under_way(desk, side) or not self._sides.has_way(name, desk, side, now):
                self._absent.pop((name, side), None)
                continue
            waited = now - self._absent.setdefault((name, side), now)
            if waited > self.scope.bounds.heal:
                del self._absent[name, side]
                what = "bid" if side is Side.BUY else "ask"
                self.fail(f"{name} says that it quotes: no {what} for {waited / NS_PER_S:.0f} s at {now} ns")


def _is_under_way(desk: DeskView, side: Side) -> bool:
    """Whether an order of a side may rest soon, or may rest already for all that the trader knows."""
    return any(
        order.side is side and (order.in_flight is not InFlight.NONE or order.certainty is Certainty.UNKNOWN)
        for order in desk.tracker.orders.values()
    )
