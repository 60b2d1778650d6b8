"""What a search came to: the numbers, as one document and as tables."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from shlex import quote

import msgspec
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from makerlab.figures import counted
from scenarios.invariants import INVARIANTS
from scenarios.sometimes import ENOUGH, SITUATIONS
from scenarios.swarm import Seen

FAILURES = "failures"
TOLD = 10
"""Failures that the table names."""


NAMED = 15
"""Situations that a line names; ``--situations`` and ``--json`` tell of all."""


class OfFault(msgspec.Struct):
    """One kind of fault over all worlds."""

    worlds: int = 0
    """In which it was on."""
    struck: int = 0
    """In which it did something."""
    injected: int = 0
    """How often in all."""
    failed: int = 0
    """Worlds in which it did something, and something failed."""


class OfSituation(msgspec.Struct):
    """One situation that must be met, over all worlds."""

    worlds: int = 0
    """That met it."""
    times: int = 0
    """How often they did in all."""
    first_seed: int | None = None
    """The smallest seed that did; null where none has."""


class Situations(msgspec.Struct, kw_only=True):
    """What was met of the catalogue."""

    met_pct: float
    """Share of the situations that any world met."""
    never: list[str]
    """Situations that none did."""
    rarely: list[str]
    """Situations that less than three did: they are met by luck."""
    of: dict[str, OfSituation]
    """All, in the order of the catalogue."""


class Summary(msgspec.Struct, kw_only=True):
    """A search in numbers."""

    seeds: int
    failed: dict[int, list[str]]
    """What failed, by seed."""
    violations: dict[str, int]
    """Worlds by what failed in them."""
    differing: list[str]
    """Seeds that came out differently the second time."""
    canary: str
    """What was reported of the world with the planted bug; empty where nothing was."""
    situations: Situations
    wanted_pct: float
    """Share of the situations that had to be met."""
    faults: dict[str, OfFault]
    ended: dict[str, int]
    """Worlds by how they ended."""
    paths_off: dict[str, int]
    """Worlds by the way to recover that was switched off."""
    checks: dict[str, int]
    """Comparisons by the rule."""
    never_checked: list[str]
    """Rules that had nothing to compare in any world: that they hold says nothing."""
    simulated_h: float
    speed_x: float
    """Simulated time over the processor's, one process."""
    took_s: float
    folder: str
    planted: str = ""
    """The mutant that was planted in every world: what failed is what it does."""
    misfits: list[int] = []
    """Seeds whose world the mutant has ended by a mistake of its own: that is nothing found."""
    run_twice: int = 0
    """Worlds that were run again in another process, and had to come out the same."""

    @property
    def n_found(self) -> int:
        """Worlds in which a rule or an expectation found what was planted."""
        return len(self.failed) - len(self.misfits)

    @property
    def is_sound(self) -> bool:
        """Whether the search can be believed: nothing came out in two ways, the canary was heard, enough was met."""
        met_enough = self.situations.met_pct >= self.wanted_pct
        return not self.differing and not self.misfits and bool(self.canary) and met_enough

    @property
    def holds(self) -> bool:
        """Whether the search is sound, and nothing failed; where a bug is planted: whether any world found it."""
        return self.is_sound and (self.n_found > 0 if self.planted else not self.failed)

    @classmethod
    def of(
        cls,
        seen: Sequence[Seen],
        *,
        differing: list[str],
        canary: str,
        wanted_pct: float,
        took_s: float,
        out: Path,
        planted: str,
        run_twice: int,
    ) -> "Summary":
        """Sum up."""
        simulated = sum(each.simulated_s for each in seen)
        spent = sum(each.run_s for each in seen)
        checks = _total(each.checks for each in seen)
        return cls(
            seeds=len(seen),
            failed={each.seed: [failed.name for failed in each.failed] for each in seen if not each.holds},
            violations=_total(dict.fromkeys({failed.name for failed in each.failed}, 1) for each in seen),
            differing=differing,
            canary=canary,
            situations=_situations(seen),
            wanted_pct=wanted_pct,
            faults=_faults(seen),
            ended=_total({each.ended: 1} for each in seen),
            paths_off=_total({each.path_off: 1} for each in seen if each.path_off is not None),
            checks=checks,
            never_checked=[rule.id for rule in INVARIANTS if not checks.get(rule.id)],
            simulated_h=simulated / 3_600,
            speed_x=simulated / spent if spent else 0.0,
            took_s=took_s,
            folder=str(out),
            planted=planted,
            misfits=[each.seed for each in seen if each.is_misfit],
            run_twice=run_twice,
        )


def _total(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)
    return dict(sorted(total.items()))


def _faults(seen: Sequence[Seen]) -> dict[str, OfFault]:
    faults: dict[str, OfFault] = {}
    for each in seen:
        for kind, count in each.faults.items():
            fault = faults.setdefault(kind, OfFault())
            fault.worlds += 1
            fault.struck += count > 0
            fault.injected += count
            fault.failed += count > 0 and not each.holds
    return dict(sorted(faults.items()))


def _situations(seen: Sequence[Seen]) -> Situations:
    of = {situation.name: OfSituation() for situation in SITUATIONS}
    for each in seen:
        for name, count in each.met.items():
            one = of[name]
            one.worlds += 1
            one.times += count
            one.first_seed = each.seed if one.first_seed is None else min(one.first_seed, each.seed)
    never = [name for name, one in of.items() if not one.worlds]
    rarely = [name for name, one in of.items() if 0 < one.worlds < ENOUGH]
    return Situations(met_pct=100.0 * (1 - len(never) / len(of)), never=never, rarely=rarely, of=of)


# --- for people -----------------------------------------------------------------------------------


def print_summary(console: Console, summary: Summary, *, situations: bool) -> None:
    """Print what was injected, what was met and what failed; ``situations``: the whole catalogue too."""
    console.print(_fault_table(summary))
    if situations:
        console.print(_situation_table(summary.situations))
    for line in _lines(summary):
        console.print(Text(line), soft_wrap=True)
    for line in _complaints(summary):
        console.print(Text(line, style="bold red"), soft_wrap=True)
    for line in _failures(summary):
        console.print(Text(line), soft_wrap=True)
    console.print(Text(_verdict(summary), style="bold green" if summary.holds else "bold red"), soft_wrap=True)


def _verdict(summary: Summary) -> str:
    if summary.planted and not summary.n_found:
        return f"{summary.planted} is not found in any of {counted(summary.seeds, 'world')}"
    if not summary.is_sound:
        also = f", and {counted(len(summary.failed), 'seed')} failed" if summary.failed and not summary.planted else ""
        return f"the search itself is at fault{also}"
    if summary.planted:
        return f"{summary.planted} is found"
    return "all hold" if summary.holds else f"{counted(len(summary.failed), 'seed')} failed"


def _fault_table(summary: Summary) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("fault", no_wrap=True)
    for name in ("worlds", "struck in", "injected", "failed"):
        table.add_column(name, justify="right", no_wrap=True)
    for kind, fault in summary.faults.items():
        failed = Text(str(fault.failed), style="red" if fault.failed else "green")
        table.add_row(kind, str(fault.worlds), str(fault.struck), f"{fault.injected:,}", failed)
    return table


def _situation_table(situations: Situations) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("situation", no_wrap=True)
    for name in ("worlds", "times", "first seed"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("what", no_wrap=True)
    for situation in SITUATIONS:
        one = situations.of[situation.name]
        first = "" if one.first_seed is None else str(one.first_seed)
        worlds = Text(str(one.worlds), style="green" if one.worlds >= ENOUGH else "red")
        table.add_row(situation.name, worlds, f"{one.times:,}", first, situation.what)
    return table


def _lines(summary: Summary) -> list[str]:
    ended = ", ".join(f"{count} {how}" for how, count in summary.ended.items())
    found = summary.situations
    met = len(found.of) - len(found.never)
    return [
        (
            f"{counted(summary.seeds, 'world')} ({ended}), {summary.simulated_h:.1f} simulated hours in "
            f"{summary.took_s:.0f} s, {summary.speed_x:.0f} x real time a process"
        ),
        (
            f"{sum(summary.checks.values()):,} comparisons by {len(INVARIANTS) - len(summary.never_checked)} of "
            f"{len(INVARIANTS)} rules; nothing to compare for {', '.join(summary.never_checked) or 'none'}"
        ),
        (
            f"met {met} of {len(found.of)} situations ({found.met_pct:.0f} %); never {_listed(found.never)}; "
            f"in one or two worlds only {_listed(found.rarely)}"
        ),
        (
            f"{counted(summary.run_twice, 'world')} run twice, to see whether they come out the same"
            if summary.run_twice
            else "no world is run twice: only each twentieth seed is, and none of these is one"
        ),
    ]


def _listed(names: list[str]) -> str:
    hidden = len(names) - NAMED
    return (", ".join(names[:NAMED]) or "none") + (f" and {hidden} more" if hidden > 0 else "")


def _complaints(summary: Summary) -> list[str]:
    """What is wrong with the search itself."""
    lines = [f"NOT DETERMINISTIC: {line}" for line in summary.differing]
    if summary.misfits:
        seeds = ", ".join(map(str, summary.misfits[:TOLD]))
        lines.append(
            f"MISFIT: {summary.planted} has ended {counted(len(summary.misfits), 'world')} by a mistake of its own "
            f"(seed {seeds}): it does not fit the code"
        )
    if not summary.canary:
        lines.append("BLIND: the world with a planted bug was not reported")
    if summary.situations.met_pct < summary.wanted_pct:
        lines.append(
            f"TOO LITTLE MET: {summary.situations.met_pct:.1f} % of the situations, {summary.wanted_pct:g} wanted"
        )
    return lines


def _failures(summary: Summary) -> list[str]:
    folder = Path(summary.folder) / FAILURES
    lines = [f"{summary.planted} is planted, and found in {summary.n_found} of {summary.seeds}"] * bool(summary.planted)
    for seed, names in list(summary.failed.items())[:TOLD]:
        lines.append(f"seed {seed}: {', '.join(names)}")
        path = folder / f"seed-{seed}"
        repeat = f"shrink {quote(f'{path}.json')}" if summary.planted else f"run {quote(f'{path}.toml')} --seed {seed}"
        lines.append(f"  makerlab {repeat}")
    hidden = len(summary.failed) - TOLD
    if hidden > 0:
        lines.append(f"and {counted(hidden, 'more failing seed')} in {folder}")
    if summary.violations:
        lines.append("failed: " + ", ".join(f"{name} in {count}" for name, count in summary.violations.items()))
    return lines
