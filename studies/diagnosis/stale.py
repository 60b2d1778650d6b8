"""The playbook "stale quotes": DG-12 to DG-16. Each step explains why quotes were not renewed."""

from domain.units import NS_PER_S
from orchestrator.desk.data_quality import QuoteGateReason
from orchestrator.desk.desk import WARMING
from orchestrator.desk.quote_engine import Step as Part
from orchestrator.risk.monitors.staleness import DataStalenessMonitor
from studies.diagnosis.base import SHOWN, Evidence, Found, Playbook, Step, fine, told
from studies.diagnosis.orders import LONG_S, long_ones
from studies.diagnosis.quoting import NO_NEW_LEVELS, NOT_BEGUN, STOPPED
from studies.diagnosis.recorded import Recorded
from studies.diagnosis.spans import Span, total

BRIEF_S = 1.0
"""A book that cannot be true for less than this in all, in seconds, is nothing to explain."""
UNFIT = frozenset(
    reason.value
    for reason in (
        QuoteGateReason.CROSSED_BOOK,
        QuoteGateReason.EMPTY_BOOK,
        QuoteGateReason.PRICE_JUMP,
        QuoteGateReason.FROZEN_BOOK,
    )
)
"""Data come, and cannot be quoted on."""
NO_DATA = frozenset(
    (
        QuoteGateReason.STALE_DATA.value,
        QuoteGateReason.NO_DATA_RECEIVED.value,
        DataStalenessMonitor.name,
        NO_NEW_LEVELS,
        "market_feed_down",
    )
)
"""Data do not come."""
GAP = "sequence_gap"
BROKEN = (Part.ESTIMATORS, Part.STRATEGY)
"""Parts of the pipeline at which a sound market does not end a cycle."""
MANY = 3
"""So many cycles that end there are no accident."""


def look_at_accumulator(recorded: Recorded) -> Found:
    """DG-12."""
    late = recorded.quoting.late.over
    if not late:
        return fine("no quotes waited for more than 7.5 s while events came in")
    waits = ", ".join(f"{name} {ms:g} ms" for name, ms in recorded.quoting.debounces.items())
    alarms = recorded.alerts.get("stale_quotes", [])
    shown = [Evidence(text, record, at) for record, at, text in alarms[:SHOWN]]
    return Found(
        explains=True,
        evidence=(
            *told(late, "longer than 7.5 s without a cycle"),
            Evidence(f"least time between cycles: {waits}"),
            *shown,
        ),
    )


def look_at_data(recorded: Recorded) -> Found:
    """DG-13."""
    quoting = recorded.quoting
    spans = quoting.gates.of(UNFIT.__contains__)
    gaps = [(name, seen) for (name, kind), seen in quoting.anomalies.items() if kind.endswith(GAP)]
    counts = [f"{name} {kind} {len(seen)}" for (name, kind), seen in quoting.anomalies.items()]
    told_of = Evidence("anomalies: " + (", ".join(counts) or "none"))
    if total(spans) < BRIEF_S and not gaps:
        return Found(explains=False, evidence=(told_of,))
    missing = [Evidence(f"{name}: messages are missing", *seen[0]) for name, seen in gaps]
    closed = told(spans, "quotes withheld for data that cannot be true")
    return Found(explains=True, evidence=(*closed, told_of, *missing))


def look_at_supervisor(recorded: Recorded) -> Found:
    """DG-14."""
    quoting = recorded.quoting
    spans = quoting.gates.of(NO_DATA.__contains__)
    checks = ", ".join(f"{event} {len(seen)}" for (_, event), seen in quoting.supervised.items())
    told_of = Evidence(f"checks of the connections: {checks or 'none'}")
    silent = quoting.silent.over
    if total(spans) < LONG_S and total(silent) < LONG_S:
        return Found(explains=False, evidence=(told_of,))
    names = ("feed_silent", "feed_critical", "stale_data", "risk_staleness")
    shown = [Evidence(text, record, at) for name in names for record, at, text in recorded.alerts.get(name, [])[:1]]
    aged = told(silent, "market data older than 10 s")
    gated = told(spans, "quotes withheld for want of market data")
    return Found(explains=True, evidence=(*aged, *gated, told_of, *shown))


def look_at_warm_up(recorded: Recorded) -> Found:
    """DG-15: an input that was missing when the patience of warm-up ended, or the journal."""
    evidence = []
    for warm in recorded.quoting.warm_ups:
        if warm.data is None or warm.missing is None:
            continue
        waited = (recorded.end if warm.quoted is None else warm.quoted[1]) - warm.data[1]
        if warm.quoted is None and waited < warm.timeout:
            continue  # the journal ends too early to tell
        ended = "no quotes" if warm.quoted is None else f"first quotes after {waited / NS_PER_S:.1f} s, on priors"
        text = f"{warm.instrument}: {warm.missing} missing ({warm.trades} trades of the market seen); {ended}"
        evidence.append(Evidence(text, *(warm.quoted or warm.data)))
    if evidence:
        spans = recorded.quoting.gates.of(lambda why: why.startswith(WARMING))
        return Found(explains=True, evidence=(*evidence, *told(spans, "warming up")))
    begun = sum(warm.quoted is not None for warm in recorded.quoting.warm_ups)
    return fine(f"every input was there before the first quotes of {begun} of {len(recorded.quoting.warm_ups)} starts")


def look_at_pipeline(recorded: Recorded) -> Found:
    """DG-16."""
    quoting = recorded.quoting
    stops = quoting.stops
    broken = {key: seen for key, seen in stops.items() if key[1].startswith(BROKEN)}
    kappas = "; ".join(
        f"{name}: raw kappa {raw:,.0f}, effective {used:,.0f}" for name, (raw, used) in recorded.quoting.kappas.items()
    )
    counts = ", ".join(f"{name} {stop} {len(seen)}" for (name, stop), seen in stops.items())
    told_of = (Evidence(f"cycles that ended early: {counts or 'none'}"), Evidence(kappas or "no kappa was estimated"))
    bare = [span for span in long_ones(quoting.bare.of(_is_stopped)) if not _is_within(span, quoting.late.over)]
    if sum(map(len, broken.values())) < MANY and not bare:
        return Found(explains=False, evidence=told_of)
    first = [Evidence(f"{name}: the cycle ends at {stop}", *seen[0]) for (name, stop), seen in broken.items()]
    without = told(bare, "sides without an order, as no cycle came to quotes")
    return Found(explains=True, evidence=(*without, *first, *told_of))


def _is_within(span: Span, late: list[Span]) -> bool:
    """Whether no cycle ran meanwhile: where the last one stopped says nothing then."""
    return any(span.begin < each.end and each.begin < span.end for each in late)


def _is_stopped(why: str) -> bool:
    """Whether a cycle ended before it had quotes; one that has not begun yet is none."""
    return why.startswith(STOPPED) and why != NOT_BEGUN


STALE = Playbook(
    "stale",
    "stale quotes, not updating",
    (
        Step(
            "DG-12",
            "event accumulator",
            "Are events buffered, for which sides, and do they trigger a cycle? What is the debounce?",
            (
                "Events and no trigger: the debounce is too long (`trader.desk.accumulator`).",
                "No events at all: see the feeds, DG-14.",
            ),
            look_at_accumulator,
        ),
        Step(
            "DG-13",
            "data quality",
            "Which anomalies were counted, and for which reason was the gate of the market data closed?",
            (
                "Crossed or empty book: the feed or the venue is at fault.",
                "Gap in the numbers: messages were lost; see how it reconnects, DG-14.",
                "Stale data: see the feed, DG-14.",
            ),
            look_at_data,
        ),
        Step(
            "DG-14",
            "connection supervisor",
            "How long since market data, how many stale readings, which feed is up, and does it reconnect?",
            (
                "One feed down: look at that feed.",
                "All connected and the data stale: look at the venue's status.",
                "A recommended reconnect heals itself; what is critical may need a restart.",
            ),
            look_at_supervisor,
        ),
        Step(
            "DG-15",
            "warm-up",
            "Which of the inputs (book, trades for kappa, sigma, limits) is missing, and did priors stand in for it?",
            (
                "By design: no quotes before the inputs, or their timeout (`trader.desk.engine.warmup_timeout_s`).",
                "Never wait to learn: no gate may need quotes to open.",
            ),
            look_at_warm_up,
        ),
        Step(
            "DG-16",
            "quote pipeline",
            "At which of its seven steps does the cycle end? Is the effective kappa compared, not the raw one?",
            (
                "Look at the step that the evidence names, and at what it was given.",
                "Compare thresholds with the effective kappa, never with the raw one.",
            ),
            look_at_pipeline,
        ),
    ),
)
