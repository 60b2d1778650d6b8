"""What must happen somewhere: a search that never met a fill before its acknowledgement has not tested one.

After the `sometimes` assertions of Antithesis and the code probes of FoundationDB: each situation has a name and is
counted in every world; what no world of a search met is named, and what less than three did is as good as not met.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import NamedTuple

from runtime.driver import JOURNAL_FAILED
from scenarios.assemble import Running
from scenarios.probes import Probe
from scenarios.result import Metrics
from scenarios.witness import Witness

TWO = 2
"""Instruments that any shipped world has at most."""
ENOUGH = 3
"""Worlds that must have met a situation before it counts as tried."""


class Facts(NamedTuple):
    """What is known of a run at its end."""

    met: Mapping[str, int]
    """By the witness."""
    metrics: Metrics
    injected: Mapping[tuple[str, str], int]
    """What the faults counted, by their kind and the name of the count."""
    conflated: int
    """Events that newer ones replaced in the inbox before anybody saw them."""
    journals_lost: int
    """Lives that ended because their journal could not be written."""
    probed: tuple[Probe, ...] = ()
    """Trials at the end that came about."""
    reordered: int = 0
    """What happened before something that was due at the same time and had been scheduled earlier."""
    stayed: int = 0
    """What the failures did that stay for good."""
    instruments: int = 1


class Situation(NamedTuple):
    """One thing that must be met."""

    name: str
    what: str
    """In a sentence, for people."""
    count: Callable[[Facts], int]
    """How often a run met it."""


def meetings(witness: Witness, running: Running, metrics: Metrics) -> dict[str, int]:
    """How often a run that is over met each situation."""
    witness.finish()
    injected: Counter[tuple[str, str]] = Counter()
    for fault in metrics.faults:
        for name, count in fault.counts.items():
            injected[fault.kind, name] += count
    driver = running.driver
    lost = sum(end.failure is not None and end.failure.name == JOURNAL_FAILED for end in driver.ends)
    facts = Facts(
        witness.met,
        metrics,
        injected,
        driver.counters.superseded.total(),
        lost,
        probed=tuple(running.probed),
        reordered=running.world.env.reordered,
        stayed=sum(fault.injected for fault in running.injected if fault.kind in running.setup.despite),
        instruments=len(running.world.instruments),
    )
    return {situation.name: int(situation.count(facts)) for situation in SITUATIONS}


def _met(*names: str) -> Callable[[Facts], int]:
    return lambda facts: sum(facts.met.get(name, 0) for name in names)


def _gated(*reasons: str) -> Callable[[Facts], int]:
    return lambda facts: sum(facts.metrics.quoting.gated_s.get(reason, 0.0) > 0 for reason in reasons)


def _held_back(*reasons: str) -> Callable[[Facts], int]:
    return lambda facts: sum(facts.metrics.trader.actions_gated.get(reason, 0) for reason in reasons)


def _injected(kind: str, count: str) -> Callable[[Facts], int]:
    return lambda facts: facts.injected.get((kind, count), 0)


def _probed(probe: Probe) -> Callable[[Facts], int]:
    return lambda facts: facts.probed.count(probe)


def _counted(name: str) -> Callable[[Facts], int]:
    """By the trader itself."""
    return lambda facts: getattr(facts.metrics.trader, name)


SITUATIONS = (
    # orders and their fills
    Situation("fill_before_ack", "a fill came before anything else was heard of its order", _met("fill_before_ack")),
    Situation("fill_overtakes_cancel", "a fill happened while a cancel was on its way", lambda f: f.metrics.races),
    Situation("fill_during_cancel", "a fill was told after the cancel was sent", _met("fill_during_cancel")),
    Situation("fill_after_end", "a fill was told after the end of its order", _met("fill_after_end")),
    Situation("terminal_before_fill", "an order was said to be filled before its fills", _met("terminal_before_fill")),
    Situation("late_open", "an order was said to be open after its end", _met("late_open")),
    Situation("cancel_of_filled", "a cancel was refused because its order was filled", _met("cancel_of_filled")),
    Situation("partial_then_cancelled", "an order filled in part was cancelled", _met("partial_then_cancelled")),
    Situation("duplicate_fill", "a fill was told again", _met("duplicate_fill")),
    Situation("fill_by_snapshot", "a fill was first told by the state of a new connection", _met("fill_by_snapshot")),
    Situation("fill_by_query", "a fill was first told by the answer to a question", _met("fill_by_query")),
    Situation("fill_by_status", "the status of an order told of a fill first", _met("fill_by_status")),
    Situation("fill_of_unknown", "a fill belonged to no order that was known", _met("fill_of_unknown")),
    # outcomes in doubt
    Situation(
        "ack_lost_and_resting", "the answer to a placement was lost, and it rested", _met("ack_lost_and_resting")
    ),
    Situation("error_and_resting", "the answer to a placement was an error, and it rested", _met("error_and_resting")),
    Situation("answer_late", "an answer came after its deadline", _counted("requests_late")),
    Situation("answer_with_holes", "an answer had fewer results than actions", _met("answer_with_holes")),
    Situation("expired_unseen", "an order came too late to be taken", _counted("expired")),
    Situation("doubt_open", "the status of an order in doubt: open", _met("doubt_open")),
    Situation("doubt_filled", "the status of an order in doubt: filled", _met("doubt_filled")),
    Situation("doubt_cancelled", "the status of an order in doubt: cancelled", _met("doubt_canceled")),
    Situation("doubt_never_arrived", "the status of an order in doubt: unknown", _met("doubt_never_arrived")),
    Situation("orphan_cancelled", "only the venue knew an order: cancelled", _counted("orphans_cancelled")),
    Situation("vanished", "an order vanished without a word", _counted("orders_vanished")),
    Situation("placement_stuck", "a placement stayed without an answer", _counted("stuck")),
    Situation("stuck_cancel", "a cancel without effect was sent again", _counted("cancels_resent")),
    Situation("position_drift", "the venue stated another position", _counted("position_drifts")),
    Situation("restated", "the venue's position replaced ours", _counted("restatements")),
    # connections
    Situation("gap_resync", "lists were compared after a gap", _counted("resyncs")),
    Situation("page_ended_early", "a list of fills had another page", _met("page_ended_early")),
    Situation("lost_in_recovery", "a connection was lost while fills were asked for", _met("lost_in_recovery")),
    Situation("silent_feed", "a feed fell silent and was noticed", _counted("feed_silences")),
    Situation("no_pong", "a half-open connection was noticed by its pings", _met("no_pong")),
    Situation(
        "way_given_up", "the circuit breaker of a way opened", lambda f: sum(f.metrics.trader.circuits_opened.values())
    ),
    # lives
    Situation("restart_with_orders", "a life began with orders of the one before", _met("restart_with_orders")),
    Situation("restart_with_partial_fills", "and some of them were filled in part", _met("restart_with_partial_fills")),
    Situation("restart_in_recovery", "a process died while it asked for fills", _met("restart_in_recovery")),
    Situation("crash_before_send", "it died with an order written down, not sent", _met("crash_before_send")),
    Situation("crash_before_ack", "it died with a placement under way", _met("crash_before_ack")),
    Situation("crash_before_ack_kept", "it died with an answer not taken in", _met("crash_before_ack_kept")),
    Situation("crash_before_fill_kept", "it died with a fill not taken in", _met("crash_before_fill_kept")),
    Situation("fill_while_down", "an order was filled while nobody lived", _met("fill_while_down")),
    Situation("journal_waited", "the journal was locked, and the trader waited", _injected("journal_locked", "waits")),
    Situation("journal_lost", "the journal could not be written, and the process ended", lambda f: f.journals_lost),
    Situation("nonce_beside_clock", "a nonce was not the clock's: the last plus one", _met("nonce_beside_clock")),
    Situation("clock_was_wrong", "a request left by a wrong clock", _injected("clock_skew", "expiring")),
    # data
    Situation("stale_withdrew", "quotes were withdrawn because of old data", _gated("stale_data", "no_data")),
    Situation("crossed_withdrew", "quotes were withdrawn because of a crossed book", _gated("crossed_book")),
    Situation("futures_refused", "data stamped in the future were not used", _counted("data_future")),
    Situation("data_conflated", "newer data replaced data that nobody had seen", lambda f: f.conflated),
    # what may be asked
    Situation("budget_held_back", "the budget held something back", _held_back("rate_limit", "quota")),
    Situation("cancel_past_budget", "a cancel left while the budget held orders back", _met("cancel_past_budget")),
    Situation("too_many_requests", "the venue turned a request away as too many", _met("refused_rate_limited")),
    Situation("quota_exhausted", "the allowance of actions was used up", _met("refused_quota_exhausted")),
    # exposure and risk
    Situation("limit_long", "a long position left no room to buy", _met("limit_long")),
    Situation("limit_short", "a short position left no room to sell", _met("limit_short")),
    Situation("limit_held_back", "the position limit held an order back", _held_back("position_limit")),
    Situation("self_cross_held_back", "an order would have crossed one of ours", _held_back("self_cross")),
    Situation("position_flipped", "long became short, or short long", _met("position_flipped")),
    Situation("halted_by_risk", "a risk monitor pulled the quotes", _counted("halts")),
    Situation("halt_left", "and let them back", _met("alert_risk_recovered")),
    Situation("killed", "the kill switch was latched", _counted("kills")),
    Situation("kill_in_flight", "and a placement was under way", _met("kill_in_flight")),
    Situation("reduce_only_placed", "an order that may only reduce was placed", _met("reduce_only_placed")),
    Situation(
        "reduce_only_clamped",
        "the venue cut or refused one, as the position was gone",
        _met("reduce_only_trimmed", "refused_reduce_only_would_increase"),
    ),
    Situation("dead_man_fired", "the venue's dead-man switch fired", _met("ended_by_schedule")),
    # the venue
    Situation("post_only_refused", "a post-only order would have crossed", _met("refused_post_only_would_cross")),
    Situation("grid_changed", "the venue told of wider ticks or lots", _met("grid_changed")),
    Situation("halted_market", "an order came into a halt", _met("refused_halted")),
    Situation("cancels_only", "an order came while only cancels were taken", _met("refused_cancel_only")),
    Situation("no_margin", "the account could not pay for an order", _met("refused_margin")),
    Situation("forced_fill", "the venue closed a position", _met("forced_fill")),
    Situation("adl_fill", "a position was deleveraged", _met("adl_fill")),
    Situation("foreign_fill", "somebody else traded on the account", _counted("foreign_fills")),
    Situation("funding_booked", "funding or another transfer was booked", lambda f: f.metrics.pnl_usd.transfers != 0),
    # the world around
    Situation(
        "tie_reordered",
        "of two things due at one time the one that was scheduled later went first",
        lambda f: f.reordered,
    ),
    Situation("failure_stayed", "a failure stayed for good and did something", lambda f: f.stayed),
    Situation("many_instruments", "more than two instruments were traded", lambda f: f.instruments > TWO),
    Situation("probed_stale_data", "a trial at the end: no data come any more", _probed(Probe.STALE_DATA)),
    Situation("probed_kill", "a trial at the end: the kill switch has to latch", _probed(Probe.KILL)),
    Situation("probed_restart", "a trial at the end: whoever is killed dies and comes again", _probed(Probe.RESTART)),
    Situation("probed_leaks", "a trial at the end: nothing of an ended trader is left", _probed(Probe.LEAKS)),
)
"""Every situation that a search must meet."""
