"""Runs an assembled scenario to its end and returns the result."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from time import perf_counter

from domain.orders import Certainty
from domain.units import NS_PER_S, USD, Ns
from orchestrator.metrics import Snapshot
from scenarios.assemble import Running
from scenarios.endurance import Looks, resident_mb
from scenarios.examination import examine, look_for_leaks
from scenarios.expectations import evaluate
from scenarios.figures import AllowanceFigures
from scenarios.result import Ended, Metrics, RunResult, Wall
from scenarios.trader_figures import belief, trader_figures

SLICES = 200
"""Looks at the run from outside, for progress and for reasons to stop."""

STOP_WITHIN = Ns(120 * NS_PER_S)
"""Bound of the orderly shutdown; the driver's own is shorter."""

UNDER_WAY = Ns(15 * NS_PER_S)
"""So long after a payment of funding the trader has heard of it, also where it has to ask: every eight seconds."""
NEAR = Ns(2 * NS_PER_S)
"""So shortly before one no run is ended: it would be made during the shutdown."""

Tick = Callable[[float], None]


def run(running: Running, seed: int, tick: Tick | None = None) -> RunResult:
    """Run to the end and measure."""
    setup = running.setup
    started = perf_counter()
    kept, resident = Looks(), Looks()
    running.start()
    for i in range(1, SLICES + 1):
        running.world.run(Ns(setup.duration * i // SLICES))
        if setup.soak:
            kept.take(running.sizes())
            resident.take({"resident_mb": resident_mb()})
        if tick is not None:
            tick(i / SLICES)
        if _should_stop(running):
            break
    metrics = _shut_down(running)
    spent = perf_counter() - started
    result = _result(running, seed, metrics)
    result.wall = _wall(running, spent, result.events)
    if setup.soak and isinstance(result.metrics, Metrics):
        result.metrics.endurance = kept.figures()
        result.wall.resident_mb = resident.growth()["resident_mb"]
    result.expectations = evaluate(setup.expect, result)
    return result


def _should_stop(running: Running) -> bool:
    trader = running.trader
    is_over = trader is not None and trader.core.halt_reason is not None and _has_healed(running)
    return is_over or running.checker.is_hopeless or not (running.driver.is_running or running.is_between_lives)


def _has_healed(running: Running) -> bool:
    """Whether there was time to: a trader that killed itself is asked to leave nothing behind, and must be able to.

    What it has to live with is not waited for: it may never be over.
    """
    now, setup = running.world.env.now, running.setup
    faults = [fault for fault in running.injected if fault.kind not in setup.despite]
    return all(now >= fault.ends_at + setup.bounds.heal and not fault.is_active for fault in faults)


def quiet_at(now: Ns, interval: Ns) -> Ns:
    """When a run may end, from now on: funding is paid every interval, and no payment may be under way then."""
    passed = now % interval
    early, late = min(UNDER_WAY, interval // 4), interval - min(NEAR, interval // 4)
    if passed > late:
        return Ns(now - passed + interval + early)
    return Ns(now - passed + early) if passed < early and now >= interval else now


def _shut_down(running: Running) -> Metrics:
    """Put it to its trials and end it; what was measured, up to the first trial where some were asked for."""
    running.observer.on_stop(running.world.env.now)
    _note_trader(running)
    numbers = list(running.snapshots)
    untried = _measured(running) if running.setup.probes else None
    examine(running)
    world, driver = running.world, running.driver
    funding = world.config.venue.funding
    if funding is not None and driver.is_running and not running.is_recorded:
        world.run(quiet_at(world.env.now, funding.interval))
    driver.request_stop("end of the run")
    end = Ns(world.env.now + STOP_WITHIN)
    while driver.is_running and world.env.now < end:
        world.run(Ns(world.env.now + NS_PER_S // 10))
    if not running.checker.is_hopeless:
        running.checker.end(world.env.now)
    running.snapshots = numbers
    return _measured(running) if untried is None else untried


def _note_trader(running: Running) -> None:
    """Read the trader's own account of its lives before the shutdown changes it."""
    if running.driver.is_running:
        numbers = running.driver.snapshot()
    elif running.trader is not None and running.driver.failure is None:
        numbers = running.trader.core.snapshot(running.world.env.now)
    else:
        numbers = None
    if numbers is not None:
        running.snapshots.append(numbers)


def _measured(running: Running) -> Metrics:
    """The figures of the run so far; call once."""
    metrics = running.observer.finish(running.world.env.now)
    metrics.orders.resting = len(running.truth.resting())
    metrics.allowances = _allowances(running)
    metrics.gross_usd_max = running.overreach.gross_max / USD
    metrics.short_of_margin_s = running.overreach.longest_short / NS_PER_S
    metrics.faults = running.fault_figures()
    metrics.alerts = dict(sorted(running.alerts.items()))
    return metrics


def _result(running: Running, seed: int, metrics: Metrics) -> RunResult:
    setup, checker = running.setup, running.checker
    metrics.checks = checker.counts()
    metrics.trader = trader_figures(running.snapshots)
    metrics.cycles = sum(metrics.trader.cycles_by_cause.values())
    _add_gates(running.snapshots, metrics)
    if running.driver.failure is None:
        for desk in running.snapshots[-1].desks:
            metrics.markets[str(desk.instrument)].belief = belief(desk, running.world.instruments[desk.instrument])
    _compare_views(running, metrics)
    look_for_leaks(running)  # the world goes on meanwhile: what was to be compared has been
    metrics.probes = {str(probe): running.trials[probe] for probe in setup.probes}
    running.mark_faults()
    checker.tell()
    ended, reason = _how_it_ended(running)
    return RunResult(
        scenario=setup.name,
        seed=seed,
        ended=ended,
        reason=reason,
        traceback=None if running.driver.failure is None else running.driver.failure.traceback,
        journal_digest=running.journal.digest(),
        world_digest=running.world.venue.world_digest,
        events=running.driver.counters.events,
        metrics=metrics,
        violations=checker.violations,
        n_violations=checker.n_violations,
        trace=running.trace,
    )


def _add_gates(lives: Sequence[Snapshot], metrics: Metrics) -> None:
    """Time by reason: of an instrument the sum of its lives, of all the longest of any."""
    for life in lives:
        for desk in life.desks:
            gated_s = metrics.markets[str(desk.instrument)].quoting.gated_s
            for why, spent in sorted(desk.gated_ns.items()):
                gated_s[why] = gated_s.get(why, 0.0) + spent / NS_PER_S
    for market in metrics.markets.values():
        for why, spent_s in market.quoting.gated_s.items():
            metrics.quoting.gated_s[why] = max(metrics.quoting.gated_s.get(why, 0.0), spent_s)


def _allowances(running: Running) -> AllowanceFigures:
    session = running.session
    usage = running.world.venue.usage(session.account, session.ip)
    figures = AllowanceFigures(**asdict(usage))
    budget = None if running.trader is None else running.trader.core.budget
    if budget is not None:
        earlier = running.snapshots[:-1] if running.driver.failure is None else running.snapshots
        counted = {
            "actions": budget.used - figures.actions_used,
            "messages": budget.messages + sum(life.messages_counted for life in earlier) - figures.messages,
            "weight": budget.weight + sum(life.weight_counted for life in earlier) - figures.rest_weight,
        }
        figures.prediction_off = {name: off for name, off in counted.items() if off}
    return figures


def _compare_views(running: Running, metrics: Metrics) -> None:
    trader, truth = running.trader, running.truth
    metrics.resting_orders_at_end = len(truth.resting())
    if trader is None:
        return
    cash = 0
    for name, desk in trader.core.desks.items():
        difference = desk.inventory.position - truth.position(name)
        if difference:
            metrics.position_difference[str(name)] = desk.instrument.size(difference)
        if desk.inventory.adjusted_lots:
            metrics.adjustments_left[str(name)] = desk.instrument.size(desk.inventory.adjusted_lots)
        inventory = desk.inventory
        cash += inventory.cash + inventory.adjusted_value + inventory.opening_value  # these two are no money
        orders = desk.tracker.orders.values()
        metrics.unknown_orders_at_end += sum(o.certainty is Certainty.UNKNOWN or not o.is_terminal for o in orders)
    metrics.pnl_difference_usd = (cash - running.observer.cash_change()) / USD


def _how_it_ended(running: Running) -> tuple[Ended, str | None]:
    trader, driver = running.trader, running.driver
    if driver.failure is not None:
        return Ended.FAILED, str(driver.failure)
    if trader is not None and trader.core.halt_reason is not None and not running.is_killed_on_trial:
        return Ended.HALTED, trader.core.halt_reason
    if running.checker.is_hopeless:
        return Ended.VIOLATED, f"{running.checker.n_violations} violations"
    return Ended.COMPLETED, None


def _wall(running: Running, spent: float, events: int) -> Wall:
    times = sorted(running.cycle_times)
    simulated = running.world.env.now / NS_PER_S
    return Wall(
        run_s=spent,
        speed_x=simulated / spent if spent else 0.0,
        us_per_event=spent / events * 1e6 if events else 0.0,
        check_us_per_event=running.checker.spent_ns / events / 1e3 if events else None,
        cycle_us_p50=times[len(times) // 2] / 1e3 if times else None,
        cycle_us_p99=times[len(times) * 99 // 100] / 1e3 if times else None,
    )
