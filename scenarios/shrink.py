"""Make a failing world smaller until nothing can be left out: what remains is what it takes.

After delta debugging (Zeller, Hildebrandt, 2002), over the parts of a scenario: its time, its faults, its
settings, the numbers of the faults. A step counts only if the same thing fails. Draws are counted by the site of
each decision, so that leaving one fault out shifts no other.
"""

from collections.abc import Callable, Iterator
from copy import deepcopy
from math import ceil
from typing import Any

from domain.errors import ConfigError
from runtime import config
from scenarios.drawing import HEAL_S
from scenarios.failure import Failed, Failure, plain
from scenarios.loader import load_tree
from scenarios.swarm import look_at

Tree = dict[str, Any]
LISTS = (("market", "more"), ("probes",))
"""Lists whose entries can be left out one by one."""
MARGIN_S = 1.0
"""Of simulated time behind the moment of a failure."""
STEADY = ("extends", "name", "description", "duration_s", "faults", "expect")
"""Keys that are no settings."""
ENDED = "ended"
"""The expectation that a run ends as planned."""


class Shrinker:
    """Tries smaller worlds and keeps those that still fail."""

    def __init__(self, failure: Failure, on_step: Callable[[str, int], None], is_over: Callable[[], bool]) -> None:
        """``on_step`` hears what was left out and how many faults remain; ``is_over`` ends the search."""
        self.whole = completed(failure.scenario)
        """The world as it failed."""
        self.tree = self.whole
        """The smallest so far."""
        self.runs = 0
        self._name = failure.name
        self._seed = failure.seed
        self._on_step = on_step
        self._is_over = is_over

    def shrink(self) -> bool:
        """Shrink until nothing helps; False if the world does not fail any more as it stands."""
        failed = self.fails(self.tree)
        if failed is None:
            return False
        self._cut_time(failed)
        before: Tree | None = None
        while before != self.tree and not self._is_over():
            before = deepcopy(self.tree)
            self._drop_faults()
            for what, smaller in self._smaller():
                if self._is_over():
                    break
                self._try(what, smaller)
        return True

    def fails(self, tree: Tree) -> Failed | None:
        """Run a world: the failure that is looked for; None if it does not fail so."""
        self.runs += 1
        try:
            seen, _ = look_at(tree, self._seed)
        except ConfigError:  # a smaller world need not be a possible one
            return None
        return next((failed for failed in seen.failed if failed.name == self._name), None)

    def _try(self, what: str, smaller: Tree) -> bool:
        _forget_gone(smaller)
        if smaller == self.tree or self.fails(smaller) is None:
            return False
        self.tree = smaller
        self._on_step(what, len(smaller["faults"]))
        return True

    def _cut_time(self, failed: Failed) -> None:
        """End the run soon after the failure, or early where it came after the run; without the faults after that.

        A bound on the figures of a whole run (``fills_min``) is missed by any run that is short enough: it keeps its
        time.
        """
        whole, at_s = self.tree["duration_s"], failed.t_s
        if at_s is None and failed.name != ENDED:
            return
        if at_s is None or at_s >= whole:
            for end_s in (whole / 4, whole / 2):
                if self._try(f"the time after {end_s:g} s", _ending(self.tree, end_s, quiet_s=HEAL_S)):
                    return
            return
        end_s = round(min(at_s + MARGIN_S, whole), 2)
        for tree in (_ending(self.tree, end_s), {**deepcopy(self.tree), "duration_s": end_s}):
            tree.pop("probes", None)  # they come after the run, and would come in the middle of a fault now
            if self._try(f"the time after {end_s:g} s", tree):
                return

    def _drop_faults(self) -> None:
        """Leave out halves, quarters, ... and at last single faults (ddmin)."""
        size = max(len(self.tree["faults"]) // 2, 1)
        while self.tree["faults"] and not self._is_over():
            dropped = False
            start = 0
            while start < len(self.tree["faults"]) and not self._is_over():
                tree = deepcopy(self.tree)
                gone = tree["faults"][start : start + size]
                tree["faults"][start : start + size] = []
                if self._try(", ".join(fault["kind"] for fault in gone), tree):
                    dropped = True
                else:
                    start += size
            if size == 1 and not dropped:
                return
            size = max(size // 2, 1)

    def _smaller(self) -> Iterator[tuple[str, Tree]]:
        """Worlds that are one step simpler than the smallest one so far."""
        for path in list(_settings(self.tree)):
            yield ".".join(path), _without(self.tree, path)
        if self.tree.get("extends") != "eth-quiet":
            yield "the market", {**deepcopy(self.tree), "extends": "eth-quiet"}
        for path in LISTS:
            for i in reversed(range(len(_at(self.tree, path)))):
                tree = deepcopy(self.tree)
                gone = _at(tree, path).pop(i)
                yield f"{path[-1]}: {_name(gone)}", tree
        for i in range(len(self.tree["faults"])):
            for what, simpler in _simpler(self.tree["faults"][i], self.tree["duration_s"]):
                tree = deepcopy(self.tree)
                tree["faults"][i] = simpler
                yield f"{simpler['kind']}: {what}", tree
        yield "a part of a second", {**deepcopy(self.tree), "duration_s": float(ceil(self.tree["duration_s"]))}


def completed(scenario: Tree) -> Tree:
    """The same world with what is shrunk written out: its time, its faults, and when each of them is.

    A world that was drawn says all of that; one of another origin may leave it to what it extends, or to a default.
    """
    tree = deepcopy(scenario)
    whole = config.resolved(load_tree(scenario, "scenario"))
    tree["duration_s"] = whole["duration_s"]
    given = tree.get("faults", (plain(fault) for fault in whole["faults"]))
    times = ({key: fault[key] for key in ("at_s", "duration_s")} for fault in whole["faults"])
    tree["faults"] = [{**fault, **time} for fault, time in zip(given, times, strict=True)]
    return tree


def _settings(tree: Tree, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, value in tree.items():
        if not path and key in STEADY:
            continue
        yield (*path, key)
        if isinstance(value, dict):
            yield from _settings(value, (*path, key))


def _without(tree: Tree, path: tuple[str, ...]) -> Tree:
    smaller = deepcopy(tree)
    here = smaller
    for key in path[:-1]:
        here = here.get(key, {})
    here.pop(path[-1], None)
    return smaller


def _at(tree: Tree, path: tuple[str, ...]) -> list[Any]:
    """A list in a tree; an empty one where there is none."""
    here: Any = tree
    for key in path:
        here = here.get(key, {})
    return here or []


def _name(value: object) -> str:
    """What people call an entry of a list: a trial, or a market."""
    return str(value["instrument"]["name"]) if isinstance(value, dict) else str(value)


def _ending(tree: Tree, end_s: float, quiet_s: float = 0.0) -> Tree:
    """A world that ends sooner, its faults, but for those that stay for good, some time before that."""
    end_s = round(end_s, 2)
    faults = []
    for fault in deepcopy(tree["faults"]):
        if fault["at_s"] + fault["duration_s"] <= tree["duration_s"]:
            fault["duration_s"] = round(min(fault["duration_s"], end_s - quiet_s - fault["at_s"]), 2)
        if fault["at_s"] < end_s and fault["duration_s"] > 0:
            faults.append(fault)
    return {**deepcopy(tree), "duration_s": end_s, "faults": faults}


def _forget_gone(tree: Tree) -> None:
    """Nothing is judged in spite of a fault that is no longer there."""
    despite = _at(tree, ("checks", "despite"))
    kinds = {fault["kind"] for fault in tree["faults"]}
    if despite and not kinds.issuperset(despite):
        tree["checks"] = {**tree["checks"], "despite": [kind for kind in despite if kind in kinds]}


def _simpler(fault: Tree, duration_s: float) -> Iterator[tuple[str, Tree]]:
    """A fault with half of its time, with one field as usual, with rounder numbers; what stays for good does stay."""
    at_s, length = fault["at_s"], fault["duration_s"]
    half = round(length / 2, 2)
    if length > 1 and at_s + length <= duration_s:
        yield "its first half", {**fault, "duration_s": half}
        yield "its second half", {**fault, "at_s": round(at_s + half, 2), "duration_s": round(length - half, 2)}
    if isinstance(fault.get("when"), dict) and fault["when"]["kind"] != "throughout":
        yield "all the time", {**fault, "when": {"kind": "throughout"}}
    for key in fault:
        if key not in ("kind", "at_s", "duration_s"):
            yield f"{key} as usual", {name: value for name, value in fault.items() if name != key}
    for key, value in fault.items():
        if isinstance(value, float) and value != (rounder := float(f"{value:.1g}")):
            yield f"a rounder {key}", {**fault, key: rounder}
        if isinstance(value, float) and value > 1 and value != int(value):
            yield f"a whole {key}", {**fault, key: float(round(value))}
