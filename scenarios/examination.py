"""Puts a trader whose run is over to the trials that its scenario asks for, and says what it did not pass.

A trial needs a trader that is in a state for it: nobody withdraws what does not rest, and nobody stays killed who was
not. What became of each stands in `Running.trials`. What fails is told under the rule that it breaks.
"""

from collections.abc import Callable

from domain.events import AnyEvent, ChannelKind, Feed, OpenOrder
from domain.liquidation import liquidation_in
from domain.units import NS_PER_MS, NS_PER_S, Ns, seconds
from exchange_adapters.simulated import KeepAlive, SimulatedAdapter
from runtime.virtual import VirtualDriver
from scenarios.assemble import Running
from scenarios.probes import FAILED, NOT_HELD, PASSED, Probe
from sim.faults.base import Fault
from sim.faults.crash import Crash
from sim.faults.message_loss import MessageLoss
from sim.feed import Session

LOOK_EVERY = Ns(100 * NS_PER_MS)
TOLD_WITHIN = Ns(30 * NS_PER_S)
"""A block, the way to the trader, and what it asks where the news was lost."""
WATCHED = Ns(20 * NS_PER_S)
"""How long a trader is watched that has to stay away: S23 wants its orders gone after half of that."""
DOWN_S = 2.0
QUIET = Ns(15 * NS_PER_S)
"""After its end whatever the trader had sent has arrived, and pings that were under way are over."""
TIMERS_LEFT = 10
"""Of an ended trader may wait that many calls that will do nothing: nobody cancels a timer."""

LIQUIDATION = "liquidation: "
"""So begins the reason of a kill that the trial has brought about, whoever told of it: the stream or an answer."""
MARKET_DATA = tuple(kind for kind in ChannelKind if kind.feed is Feed.MARKET)


def examine(running: Running) -> None:
    """The trials before the orderly end."""
    for probe in (Probe.STALE_DATA, Probe.KILL, Probe.RESTART):
        _hold(running, probe, _TRIALS[probe])


def look_for_leaks(running: Running) -> None:
    """What is left when the trader has ended in order and everything has arrived; orders are found by S11 meanwhile."""
    _hold(running, Probe.LEAKS, _leaks)


def _hold(running: Running, probe: Probe, trial: "Trial") -> None:
    """Put it to a trial, if the scenario asks for it, and note what became of that."""
    if probe not in running.setup.probes:
        return
    violations = running.checker.n_violations
    why_not = trial(running)
    if running.checker.n_violations > violations:
        running.trials[probe] = FAILED
    else:
        running.trials[probe] = PASSED if why_not is None else NOT_HELD + why_not


# --- trials: each says why it could not be held, if it could not ----------------------------------


def _leaks(running: Running) -> str | None:
    if running.failure is not None or not running.is_stopping:
        return "the trader did not end in order"
    if running.checker.is_hopeless:
        return "too much was wrong before"
    _wait(running, QUIET, lambda: False)
    session, world, report = running.session, running.world, running.checker.report
    left = {
        "requests without an answer at the venue": world.unanswered,
        "requests under way on its sockets": session.sockets.in_flight,
        "connections": session.sockets.connections,
        "subscriptions": session.sockets.subscriptions,
    }
    for what, number in left.items():
        if number:
            report("S27", f"leaks: {number} {what} {QUIET / NS_PER_S:.0f} s after the end", (what,))
    owners = world.env.owners()
    timers = sum(owners[kind] for kind in (VirtualDriver, SimulatedAdapter, KeepAlive, Session))
    if timers > TIMERS_LEFT:
        report("S27", f"leaks: {timers} timers wait {QUIET / NS_PER_S:.0f} s after the end", ("timers",))
    return None


def _stale_data(running: Running) -> str | None:
    bounds, now = running.setup.bounds, running.world.env.now
    if why_not := _why_untried(running) or _why_no_quotes(running):
        return why_not
    lasts = Ns(bounds.stale + 2 * bounds.withdraw)
    _inject(running, MessageLoss(at_s=now / NS_PER_S, duration_s=lasts / NS_PER_S, channels=MARKET_DATA, share=1.0))
    _wait(running, Ns(lasts - LOOK_EVERY), lambda: _is_killed(running))
    for order in _own_quotes(running):
        text = f"probe: order {order.oid} rests in {order.instrument} {(running.world.env.now - now) / NS_PER_S:.1f} s"
        running.checker.report("S20", f"{text} after the last data", (order.cloid or "",))
    back_within = Ns(bounds.heal + seconds(5))  # by then L1 has said that they are not
    _wait(running, back_within, lambda: _is_killed(running) or bool(_own_quotes(running)))
    return None


def _kill(running: Running) -> str | None:
    if why_not := _why_untried(running) or _why_no_quotes(running):
        return why_not
    told: list[str] = []

    def hear(event: AnyEvent, _now: Ns) -> None:
        if reason := liquidation_in(event):
            told.append(reason)

    hands, account = running.world.venue.hands, running.session.account
    taken: list[object] = []
    running.session.on_deliver.append(hear)
    hands.soon(lambda: taken.append(hands.call_margin(account)))
    _wait(running, TOLD_WITHIN, lambda: _is_killed(running) or taken == [None])
    running.session.on_deliver.remove(hear)
    if taken == [None]:
        return "nothing rested at the venue any more"
    killed = _killed(running)
    if killed is None:
        if told:
            running.checker.report("S23", f"probe: it heard of a {told[0]} and did not kill", ())
        return f"the trader did not hear of its liquidation within {TOLD_WITHIN / NS_PER_S:.0f} s"
    if not killed.startswith(LIQUIDATION):
        return f"something else killed it meanwhile ({killed})"  # that is no trial's doing
    running.is_killed_on_trial = True
    _wait(running, WATCHED, lambda: False)
    for order in _own_quotes(running):
        text = f"probe: order {order.oid} rests {WATCHED / NS_PER_S:.0f} s after the kill"
        running.checker.report("S23", text, (order.cloid or "",))
    return None


def _restart(running: Running) -> str | None:
    before = _killed(running)
    if why_not := _why_untried(running):
        return why_not
    if before is None:
        return "the trader was not killed, neither in the run nor by the trial before"
    if running.has_lost_user_feed:  # who begins without it never gets to what happened meanwhile, such as a payment
        return "the account's connection never comes back"
    n_lives, now_s = len(running.driver.ends), running.world.env.now / NS_PER_S
    _inject(running, Crash(at_s=now_s, duration_s=DOWN_S))
    _wait(running, Ns(seconds(DOWN_S) + WATCHED), lambda: False)
    if len(running.driver.ends) == n_lives or not running.driver.is_running:
        return "its process did not come again"
    if _killed(running) != before:
        running.checker.report("S23", f"probe: killed before its restart ({before}), then: {_killed(running)}", ())
    for order in _own_quotes(running):
        running.checker.report("S23", f"probe: order {order.oid} rests after the restart", (order.cloid or "",))
    return None


Trial = Callable[[Running], str | None]
_TRIALS: dict[Probe, Trial] = {
    Probe.STALE_DATA: _stale_data,
    Probe.KILL: _kill,
    Probe.RESTART: _restart,
}


# --- what they need ------------------------------------------------------------------------------


def _why_untried(running: Running) -> str | None:
    """Why nobody is there to be tried, or something is known to be wrong already."""
    if running.failure is not None or not running.driver.is_running:
        return "the trader had ended"
    if running.checker.violations:
        return f"{running.checker.violations[0].name} did not hold before"
    return None


def _why_no_quotes(running: Running) -> str | None:
    """Why there is nothing to withdraw, or to take out."""
    if _is_killed(running):
        return f"the trader was killed ({_killed(running)})"
    return None if _own_quotes(running) else "nothing of the trader rested at the venue"


def _killed(running: Running) -> str | None:
    return None if running.trader is None else running.trader.core.halt_reason


def _is_killed(running: Running) -> bool:
    return _killed(running) is not None


def _own_quotes(running: Running) -> list[OpenOrder]:
    """Orders of the trader that rest and may open a position; what somebody else has placed is none."""
    trader = running.trader
    if trader is None:
        return []
    desks = trader.core.desks
    return [
        order
        for order in running.truth.resting()
        if not order.reduce_only and desks[order.instrument].tracker.find(order.cloid, order.oid) is not None
    ]


def _inject(running: Running, fault: Fault) -> None:
    running.injected.append(fault.install(running.world, running.session))


def _wait(running: Running, within: Ns, is_over: Callable[[], bool]) -> None:
    world = running.world
    end = Ns(world.env.now + within)
    while world.env.now < end and not is_over() and not running.checker.is_hopeless:
        world.run(Ns(min(world.env.now + LOOK_EVERY, end)))
