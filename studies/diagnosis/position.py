"""The playbook "position mismatch": DG-17 to DG-21. Each step explains why ours and the venue's books differ."""

from domain.units import NS_PER_S
from studies.diagnosis.base import SHOWN, Evidence, Found, Playbook, Step, fine, told
from studies.diagnosis.fills import FillHeard
from studies.diagnosis.recorded import Recorded
from studies.diagnosis.spans import total

LONG_S = 1.0
"""A position that differs for less than this in all, in seconds: fills and statements come by different ways."""
STRAY = ("orphan_order", "order_vanished")
"""Alerts of orders that only the venue, or only we knew."""
ENOUGH = 3
"""So many fills that are old enough tell whether the mid after them was looked at."""
KNOWN = 0.5
"""Of at least this share the mid a second later should be known, lost connections included."""


def _named(heard: FillHeard) -> str:
    return f"fill {heard.fill.tid} of oid {heard.fill.oid}"


def look_at_auditor(recorded: Recorded) -> Found:
    """DG-17: orders that one side has and the other has not."""
    audits, alerts = recorded.accounts.audits, recorded.alerts
    found = [Evidence(text, record, at) for name in STRAY for record, at, text in alerts.get(name, [])[:SHOWN]]
    n_told = sum(len(alerts.get(name, [])) for name in STRAY)
    for record, audit in audits:
        differences = (
            (audit.stale_local, "orders of ours that the venue does not list"),
            (audit.stale_local_removed, "of them gone when asked about"),
            (audit.orphan_orders, "orders that only the venue knows"),
            (audit.stuck_cancels, "cancels without effect"),
        )
        said = ", ".join(f"{n} {what}" for n, what in differences if n)
        if said:
            found.append(Evidence(said, record, audit.at))
    if not found:
        return fine(f"{len(audits)} audits, and in each the orders were the venue's")
    head = Evidence(f"orders that only one side knew: {n_told} told of; {len(audits)} audits")
    return Found(explains=True, evidence=(head, *sorted(found, key=lambda each: each.record or 0)[: 2 * SHOWN]))


def look_at_orphans(recorded: Recorded) -> Found:
    """DG-18: fills that found no order, or whose order was over by then."""
    unmatched = recorded.fills.unmatched()
    late = recorded.fills.late(recorded.requests.ended)
    if not unmatched and not late:
        return fine(f"{len(recorded.fills.all)} fills, each of an order that we knew, and in time")
    shown = [Evidence(f"{_named(each)}: no order of ours", each.record, each.at) for each in unmatched[:SHOWN]]
    late.sort(key=lambda pair: "cancel" not in pair[1].how)
    for each, over in late[:SHOWN]:
        record, came = each.streamed[0]
        behind = (came - over.at) / NS_PER_S
        shown.append(Evidence(f"{_named(each)}, {behind:.1f} s after {over.how} (#{over.record})", record, came))
    head = Evidence(f"fills without an order: {len(unmatched)}; after the end of their order: {len(late)}")
    return Found(explains=True, evidence=(head, *shown))


def look_at_dedup(recorded: Recorded) -> Found:
    """DG-19."""
    fills = recorded.fills
    twice, repeated = fills.twice(), fills.repeated()
    if not twice:
        return fine(f"{len(repeated)} fills were told again by their channel, and none was booked twice")
    shown = []
    for each in twice[:SHOWN]:
        (first, _), (again, at) = each.booked[:2]
        shown.append(Evidence(f"{_named(each)}: booked again, first with #{first}", again, at))
    head = Evidence(f"fills booked more than once: {len(twice)}; told more than once: {len(repeated)}")
    return Found(explains=True, evidence=(head, *shown))


def look_at_position(recorded: Recorded) -> Found:
    """DG-20."""
    accounts = recorded.accounts
    spans, lost, drifts = accounts.mismatches.over, recorded.fills.lost(), recorded.alerts.get("position_drift", [])
    if total(spans) < LONG_S and not (lost or drifts or accounts.restated):
        return fine(f"{accounts.statements} statements of the venue, and ours agreed with each within a second")
    shown = [Evidence(f"{_named(each)}: not by its channel", each.record, each.at) for each in lost[:SHOWN]]
    for record, at, name, lots in accounts.restated[:SHOWN]:
        text = f"{name}: the venue's position replaced ours, {lots} lots without a fill"
        shown.append(Evidence(text, record, at))
    shown += [Evidence(text, record, at) for record, at, text in drifts[:SHOWN]]
    differed = told(spans, "ours was not the venue's position")
    return Found(explains=True, evidence=(*differed, Evidence(f"fills that their channel lost: {len(lost)}"), *shown))


def look_at_fill_tracker(recorded: Recorded) -> Found:
    """DG-21."""
    found, seen = [], []
    for kept in recorded.accounts.kept:
        missed = kept.applied - kept.tracked if kept.tracked < kept.window else 0
        if missed > 0:
            text = f"{missed} of {kept.applied} booked fills were not tracked: the call at a fill is missing"
            found.append(Evidence(text, kept.record, kept.at))
        for each in kept.qualities:
            if each.old >= ENOUGH and each.known < KNOWN * each.old:
                text = f"{each.instrument}: of {each.old} fills the mid a second later is known of {each.known}"
                found.append(Evidence(f"{text}: the call at a mid is missing", kept.record, kept.at))
            rate = each.figures.fill_rate
            seen.append(f"{each.instrument} {'no' if rate is None else f'{rate:.2f}'} fills an order")
        for name, n in kept.errors.items():
            found.append(Evidence(f"the hook {name} failed {n} times", kept.record, kept.at))
    return (
        Found(explains=True, evidence=tuple(found))
        if found
        else fine("every fill was tracked: " + (", ".join(seen) or "none"))
    )


POSITION = Playbook(
    "position",
    "position mismatch",
    (
        Step(
            "DG-17",
            "safety auditor",
            "What did the audits find: cleaned, stale, stuck, orphan, missing; were both sides in step?",
            ("Not in step: reconcile everything (a whole resync).",),
            look_at_auditor,
        ),
        Step(
            "DG-18",
            "orphan fills",
            "Did fills come for orders that nobody tracked, or that a cancel had ended?",
            (
                "Where that is frequent, check the timing of the cancels.",
                "The race of cancel and fill is handled; it moves the position back and forth.",
            ),
            look_at_orphans,
        ),
        Step(
            "DG-19",
            "deduplication of fills",
            "Was a fill booked twice? Is the memory of trade ids too small, a path without it, a handler doubled?",
            ("Raise the capacity (`trader.fills.capacity`).", "Route every path of fills through the deduplicator."),
            look_at_dedup,
        ),
        Step(
            "DG-20",
            "our position against the venue's",
            "What did the venue state, by how much did ours differ, and which fills are missing?",
            (
                "The venue is right: reset to its position.",
                "Then find the cause: orphan fills, DG-18, or deduplication, DG-19.",
            ),
            look_at_position,
        ),
        Step(
            "DG-21",
            "fill tracker",
            "Fill rate, adverse selection, latency: was the tracker told of every fill, and of every mid after it?",
            (
                "Both calls must be made, at a fill and at each mid.",
                "Check the size of the window (`trader.desk.fill_tracker.window`).",
            ),
            look_at_fill_tracker,
        ),
    ),
)
