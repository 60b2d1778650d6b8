"""What a scenario says without effect: keys that its kind of world does not read, and what comes too late.

A key that changes nothing is a mistake of whoever wrote it, and is named like any other.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from domain.errors import Problem
from domain.units import NS_PER_S, InstrumentId, Ns, seconds
from runtime.config_check import Path, show, spell, suggestion
from scenarios.schema import L4_RECORDING, TO_THE_END_S, Scenario
from sim.faults import FAULTS

KEYS_OF_BLOCKS = frozenset(
    (
        ("name",),
        ("description",),
        ("covers",),
        ("market", "recording"),
        ("venue", "discipline"),
        ("venue", "class_order"),
        ("expect", "halted"),
        ("expect", "mismatches_max"),
    )
)
"""All that a check against recorded blocks reads: there is no trader and no world around it."""

IDLE_OVER_RECORDING = (
    ("market", "instrument"),
    ("market", "flow"),
    ("market", "more"),
    ("venue", "discipline"),
    ("venue", "limits", "book_levels"),
    ("venue", "limits", "book_interval"),
    ("links", "market_data"),
)
"""What a recorded market has of its own: instrument, crowd and queues, and its public data with their delays."""

JUDGED_S = 5.0
"""Of a run after the time in which a trader must have healed: who has not is seen in it."""

IDLE_WITHOUT_RECORDING = (("market", "replay"), ("market", "sz_decimals"))
"""How a recording is read and played."""


def idle_keys(data: Mapping[str, Any]) -> Iterator[Problem]:
    """Keys of a scenario that its kind of world does not read."""
    market = data.get("market")
    market = market if isinstance(market, dict) else {}
    recording = market.get("recording")
    if recording is None and market.get("profile") is None:
        return
    if recording is None:
        reason = "market.profile"
        paths = (path for path in _leaves(data) if _is_below(path, IDLE_WITHOUT_RECORDING))
    elif recording == L4_RECORDING:
        reason = f"market.recording {show(recording)}"
        paths = (path for path in _leaves(data) if path not in KEYS_OF_BLOCKS and path != ("market", "profile"))
    else:
        reason = "market.recording"
        paths = (path for path in _leaves(data) if _is_below(path, IDLE_OVER_RECORDING))
    for path in paths:
        yield Problem(spell(path), show(_at(data, path)), f"no such key: it has no effect with {reason}")


def late_faults(scenario: Scenario, end: Ns) -> Iterator[Problem]:
    """Faults that would begin when the run is over."""
    for i, fault in enumerate(scenario.faults):
        if seconds(fault.at_s) >= end:
            want = f"a start before the end of the run at {end / 1e9:g} s, or no such fault"
            yield Problem(f"faults[{i}].at_s", f"{fault.at_s:g}", want)


def unknown_company(data: Mapping[str, Any], *, is_part: bool) -> Iterator[Problem]:
    """Kinds that liveness is judged in spite of, and that the scenario does not have, or no scenario has."""
    checks, faults = data.get("checks"), data.get("faults")
    despite = checks.get("despite") if isinstance(checks, dict) else None
    faults = faults if isinstance(faults, list) else []
    kinds = {str(fault.get("kind")) for fault in faults if isinstance(fault, dict)}
    all_kinds: list[str] = [kind().kind for kind in FAULTS]
    is_told = not is_part and kinds.issubset(all_kinds)  # else it may be one of those that are misspelt themselves
    for i, kind in enumerate(despite if isinstance(despite, list) else ()):
        if not isinstance(kind, str) or kind in kinds:
            continue
        if is_told:
            want = f"the kind of a fault of this scenario ({', '.join(sorted(kinds)) or 'it has none'})"
            yield Problem(f"checks.despite[{i}]", show(kind), want)
        elif kind not in all_kinds:
            yield Problem(f"checks.despite[{i}]", show(kind), f"the kind of a fault{suggestion(kind, all_kinds)}")


def passing_company(scenario: Scenario, end: Ns) -> Iterator[Problem]:
    """Faults that end before the run, although liveness is judged as if they stayed; a recording says when it ends."""
    if end >= seconds(TO_THE_END_S):
        return
    for i, fault in enumerate(scenario.faults):
        least = end / NS_PER_S - fault.at_s
        if fault.kind in scenario.checks.despite and fault.duration_s < least:
            want = f"at least {least:g}, to the end of the run: by checks.despite it stays for good"
            yield Problem(f"faults[{i}].duration_s", f"{fault.duration_s:g}", want)


def unknown_instruments(scenario: Scenario, known: Sequence[InstrumentId]) -> Iterator[Problem]:
    """Instruments of faults that the scenario does not have."""
    for i, fault in enumerate(scenario.faults):
        for name in getattr(fault, "instruments", ()):
            if name not in known:
                want = f"an instrument of this scenario ({', '.join(known)})"
                yield Problem(f"faults[{i}].instruments", show(name), want)


def unjudged_healing(scenario: Scenario, end: Ns) -> Iterator[Problem]:
    """A time to heal that is not over when the run is: whoever never heals would keep it."""
    allowed, duration = scenario.expect.healed_after_s_max, end / NS_PER_S
    ends = [fault.at_s + fault.duration_s for fault in scenario.faults if fault.at_s < duration]
    if allowed is None or not ends:
        return
    least = max(ends) + allowed + JUDGED_S
    if duration < least:
        why = f"{max(ends):g} s until the last fault is over, {allowed:g} to heal (expect.healed_after_s_max)"
        yield Problem("duration_s", f"{duration:g}", f"at least {least:g}: {why}, {JUDGED_S:g} to see it")


def _leaves(data: Mapping[str, Any], path: Path = ()) -> Iterator[Path]:
    """Paths of everything that is no table; a list is one value."""
    for key, value in data.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, (*path, key))
        else:
            yield (*path, key)


def _is_below(path: Path, tables: tuple[Path, ...]) -> bool:
    return any(path[: len(table)] == table for table in tables)


def _at(data: Mapping[str, Any], path: Path) -> object:
    value: Any = data
    for step in path:
        value = value[step]
    return value
