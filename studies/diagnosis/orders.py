"""The playbook "orders not sending": DG-07 to DG-11. Each step explains why sides had no order."""

from collections.abc import Callable

from domain.commands import Place, Route
from domain.events import Reason
from domain.units import NS_PER_S, Side
from orchestrator.budget.proactive import BudgetGate
from orchestrator.connectivity.signer import GATE as SIGNER_GATE
from orchestrator.desk.data_quality import QuoteGateReason
from orchestrator.desk.desk import STARTING, WARMING
from orchestrator.desk.terms import LimitsGate
from orchestrator.risk.monitors.rate_limit import RateLimitMonitor
from orchestrator.risk.monitors.staleness import DataStalenessMonitor
from orchestrator.sync.watch import GATE as UNSYNCED
from studies.diagnosis.base import SHOWN, Evidence, Found, Playbook, Step, fine, told
from studies.diagnosis.quoting import (
    MONEY,
    NO_NEW_LEVELS,
    NOT_SENT,
    REDUCE_ONLY,
    REJECTIONS,
    SIGNER,
    STOPPED,
    UNANSWERED,
)
from studies.diagnosis.recorded import Recorded
from studies.diagnosis.requests import Refusal
from studies.diagnosis.spans import Span, total

LONG_S = 2.0
"""A side without an order for less than this in all, in seconds, is nothing to explain: a round trip, a reconnect."""
MANY = 3
"""So many placements that did not arrive are no accident."""

UNEXPLAINED_S = 10.0
"""A side without an order for so long at a time, in seconds, with nothing that would hold it back, is no accident."""

LIMITER = frozenset((REJECTIONS, BudgetGate.RATE_LIMIT.value, BudgetGate.QUOTA.value, RateLimitMonitor.name))
EXECUTOR = frozenset((BudgetGate.NO_ROUTE.value, SIGNER, SIGNER_GATE, "user_feed_down"))
LIFECYCLE = frozenset((UNANSWERED, UNSYNCED, "resync"))
MARGIN = frozenset((MONEY, *(gate.value for gate in LimitsGate)))
MARKET = frozenset(
    (*(reason.value for reason in QuoteGateReason), DataStalenessMonitor.name, NO_NEW_LEVELS, "market_feed_down")
)
"""For want of market data: another playbook's."""
OTHERS = LIMITER | EXECUTOR | LIFECYCLE | MARGIN | MARKET | {"stopping", STARTING}
REFUSALS_OF_RATE = frozenset((Reason.RATE_LIMITED, Reason.QUOTA_EXHAUSTED, Reason.TOO_MANY_IN_FLIGHT))


def is_of_market(why: str) -> bool:
    """Whether a side has no order for want of market data, of estimates, or of a cycle."""
    return why in MARKET or why.startswith((WARMING, STOPPED))


def is_of_risk(why: str) -> bool:
    """Whether risk took the quotes away: a monitor, the kill switch, a way out of a position, a stranger's hand.

    Those are gates, each named by one word; what one side lacks is told in several.
    """
    return why not in OTHERS and not is_of_market(why) and (why == REDUCE_ONLY or " " not in why)


def _spans(recorded: Recorded, has: Callable[[str], bool]) -> list[Span]:
    """Where a side had no order for such a reason: a gate counts for both."""
    quoting = recorded.quoting
    return sorted(quoting.gates.of(has) + quoting.bare.of(has), key=lambda span: span.begin)


def long_ones(spans: list[Span]) -> list[Span]:
    """Those stretches that are long in themselves."""
    return [span for span in spans if span.seconds >= UNEXPLAINED_S]


def _refused(refusals: list[Refusal]) -> tuple[Evidence, ...]:
    """How many orders of each side were refused, and the first of them."""
    if not refusals:
        return ()
    bids = sum(each.side is Side.BUY for each in refusals)
    head = Evidence(f"refused orders: {bids} bids, {len(refusals) - bids} asks")
    first = {each.record: each for each in reversed(refusals)}  # one of each answer
    shown = sorted(first.values(), key=lambda each: each.record)[:SHOWN]
    return (head, *(Evidence(f"refused: {each.reason} ({each.text})", each.record, each.at) for each in shown))


def look_at_limiter(recorded: Recorded) -> Found:
    """DG-07."""
    spans = _spans(recorded, LIMITER.__contains__)
    refusals = recorded.requests.refusals
    by_rate = sum(each.reason in REFUSALS_OF_RATE for each in refusals)
    if total(spans) < LONG_S:
        return fine(f"no side was held back; {len(refusals)} orders refused, {by_rate} of them for being too many")
    counted = [each for each in refusals if each.reason in REFUSALS_OF_RATE or each.speaks_against]
    return Found(explains=True, evidence=(*told(spans, "held back by a limiter"), *_refused(counted)))


def look_at_executor(recorded: Recorded) -> Found:
    """DG-08: every way was closed, or what took it did not arrive (an answer that is withheld is DG-10's)."""
    requests = recorded.requests
    closed = _spans(recorded, EXECUTOR.__contains__)
    lost = requests.never_arrived
    blocked = _spans(recorded, UNANSWERED.__eq__) if len(lost) >= MANY else []
    sent = {route: sum(each.request.route is route for each in requests.asked) for route in Route}
    silent = {route: requests.unanswered(route) for route in Route}
    ways = ", ".join(f"{len(silent[route])} of {sent[route]} by {route} unanswered" for route in Route)
    if total(closed) < LONG_S and total(blocked) < LONG_S:
        return fine(f"a way to the venue was open all along: {ways}")
    shown = [Evidence(f"{cloid} never arrived: the venue does not know it", *at) for cloid, at in lost.items()][:SHOWN]
    opened = [Evidence(text, record, at) for record, at, text in recorded.alerts.get("circuit_open", [])[:SHOWN]]
    stretches = (*told(closed, "no way to send an order"), *told(blocked, "sides blocked by what did not arrive"))
    return Found(explains=True, evidence=(Evidence(f"requests: {ways}"), *stretches, *shown, *opened))


def look_at_risk(recorded: Recorded) -> Found:
    """DG-09."""
    spans = _spans(recorded, is_of_risk)
    if total(spans) < LONG_S and "kill" not in recorded.alerts:
        blind = total(_spans(recorded, MARKET.__contains__))
        more = f"; for want of market data no quotes for {blind:.1f} s: see the playbook `stale`"
        return fine("no monitor took the quotes away, the kill switch is open" + (more if blind >= LONG_S else ""))
    names = [name for name in recorded.alerts if name.startswith("risk_") or name == "kill"]
    shown = [
        Evidence(f"{name}: {text}", record, at) for name in names for record, at, text in recorded.alerts[name][:1]
    ]
    return Found(explains=True, evidence=(*told(spans, "quotes pulled by risk"), *shown))


def look_at_lifecycle(recorded: Recorded) -> Found:
    """DG-10."""
    stuck = recorded.requests.stuck(recorded.end)
    spans = _spans(recorded, LIFECYCLE.__contains__)
    asked = recorded.requests.told_when_asked
    unsent = long_ones(_spans(recorded, NOT_SENT.__eq__))
    if not stuck and total(spans) < LONG_S and len(asked) < MANY and not unsent:
        placed = sum(isinstance(each.request.actions[0], Place) for each in recorded.requests.asked)
        return fine(f"every placement ({placed} requests) was heard of within 5 s")
    shown = []
    for each in stuck[:SHOWN]:
        waited = "never" if each.waited is None else f"after {each.waited / NS_PER_S:.1f} s"
        shown.append(Evidence(f"{each.cloid} placed; the first word of it: {waited}", *each.sent))
    shown += [Evidence(f"{cloid} rested, which nobody told us unasked", *at) for cloid, at in asked.items()][:SHOWN]
    audits = [(record, audit) for record, audit in recorded.accounts.audits if audit.stale_pending]
    shown += [Evidence(f"audit: {a.stale_pending} placements unanswered", record, a.at) for record, a in audits[:1]]
    head = Evidence(f"placements unheard of for more than 5 s: {len(stuck)}; heard of only when asked: {len(asked)}")
    stretches = (
        *told(spans, "sides blocked by orders in doubt"),
        *told(unsent, "wanted, and held back by nothing"),
    )
    return Found(explains=True, evidence=(*stretches, head, *shown))


def look_at_margin(recorded: Recorded) -> Found:
    """DG-11."""
    spans = _spans(recorded, MARGIN.__contains__)
    refusals = [each for each in recorded.requests.refusals if each.reason is Reason.MARGIN]
    if total(spans) < LONG_S:
        return fine(f"the account's money left room on both sides; {len(refusals)} orders refused for margin")
    names = (*(gate.value for gate in LimitsGate), "margin_used_up")
    shown = [Evidence(text, record, at) for name in names for record, at, text in recorded.alerts.get(name, [])[:1]]
    return Found(explains=True, evidence=(*told(spans, "no room for an order"), *shown, *_refused(refusals)))


ORDERS = Playbook(
    "orders",
    "orders not sending",
    (
        Step(
            "DG-07",
            "rate limiter",
            "Does the proactive limiter throttle, or is a side in backoff (bid and ask apart)? Were orders refused for "
            "being too many, and what does the rate-limit monitor say?",
            (
                "Wait: a backoff decays by itself.",
                "Where the prediction is wrong, check the token bucket (`trader.budget`).",
                "Where the account's allowance is low for good (7 %), read the tiers of the quota.",
            ),
            look_at_limiter,
        ),
        Step(
            "DG-08",
            "request executor",
            "Are requests by socket answered in time, did REST take over, is the feed that carries them up?",
            (
                "The fallback to REST must be on (`trader.requests.routes.fallback`).",
                "Where the supervisor recommends a reconnect, look at the network.",
                "Where it connects again and again, allow longer backoffs (`trader.feeds`).",
            ),
            look_at_executor,
        ),
        Step(
            "DG-09",
            "risk gating",
            "Were quotes pulled, how serious was the worst monitor, which one was it, is the kill switch latched?",
            (
                "The evidence names the monitor.",
                "A kill is lifted by a person, after a look.",
                "Velocity and cascade: wait until the market, or its open interest, has settled.",
                "Old data: see the feeds, with the playbook `stale`.",
            ),
            look_at_risk,
        ),
        Step(
            "DG-10",
            "order lifecycle",
            "Is an order placed for more than 5 s and not heard of? Orphans, client ids, fields of the audits?",
            (
                "Run an audit (`trader.sync.audit`).",
                "Placements that wait for their answer: see DG-08.",
                "Orphans: reconcile. Client ids that do not match: see DG-19.",
            ),
            look_at_lifecycle,
        ),
        Step(
            "DG-11",
            "margin",
            "How much margin is available, in which mode and at which leverage, and what are the soft and hard limits?",
            (
                "Too little margin: reduce the sizes.",
                "Another leverage or mode: set what fits the kind of asset (other builders' are isolated).",
                "Check that the limits were read at the start.",
            ),
            look_at_margin,
        ),
    ),
)
