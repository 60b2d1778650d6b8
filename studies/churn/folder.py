"""The folder of a churn study: a file for each run that is done, so that a study which was stopped goes on from there.

A file appears under its name when it is whole. It says which code and which scenario it is of: what was computed by
other code is never mixed in, and never overwritten.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from domain.errors import ConfigError, Problem
from studies.churn.arms import ARMS, LONG, Arm
from studies.churn.rows import Move, Row, Study, Terms
from studies.churn.run import Done, Task

RUNS = "runs"
"""Folder of the files, in that of the study."""
SHOWN = 5
"""Files that are named of those with one kind of mistake."""
WRITTEN = "what `makerlab study churn` wrote"


class Kept(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a file holds."""

    terms: Terms
    tree: str
    """Digest of the whole scenario."""
    row: Row
    moves: list[Move]


class Book:
    """The runs of one study that are known."""

    def __init__(self, folder: Path, terms: Terms, trees: dict[str, str]) -> None:
        """``trees``: the digest of each arm's scenario."""
        self.folder = folder / RUNS
        self.terms = terms
        self._trees = trees
        self._known: dict[Task, Kept] = {}

    def read(self, tasks: Iterable[Task]) -> list[Problem]:
        """What an earlier call has left of these, and what is wrong with it; nothing is written."""
        torn: list[Problem] = []
        others: list[Problem] = []
        for task in tasks:
            path = self._path(task)
            if not path.exists():
                continue
            kept = _read(path, torn)
            if kept is None:
                continue
            if (task.arm, task.seed) != (kept.row.arm, kept.row.seed):
                found = f"{kept.row.arm} seed {kept.row.seed}"
                torn.append(Problem(str(path), found, f"{task.title}: the file was renamed"))
            elif not is_same(kept.terms, self.terms):
                others.append(Problem(str(path), _code(kept.terms), _wanted(self.terms)))
            elif kept.tree != self._trees[task.arm]:
                others.append(Problem(str(path), "another scenario of that name", _wanted(self.terms)))
            else:
                self._known[task] = kept
        return [*_some(self.folder, torn), *_some(self.folder, others)]

    def __contains__(self, task: Task) -> bool:
        return task in self._known

    def begin(self) -> None:
        """Make the folder, and sweep out what a call that was killed had not finished."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for path in self.folder.glob("*.part"):
            path.unlink()

    def add(self, task: Task, done: Done) -> None:
        """Write a run down."""
        kept = Kept(self.terms, self._trees[task.arm], done.row, done.moves)
        part = self._path(task).with_suffix(".part")
        part.write_bytes(msgspec.json.encode(kept) + b"\n")
        part.replace(self._path(task))
        self._known[task] = kept

    def study(self, tasks: Iterable[Task]) -> Study:
        """These of the known runs, in the order of arms and seeds."""
        return _study([self._known[task] for task in tasks], self.terms)

    def _path(self, task: Task) -> Path:
        return self.folder / f"{task.arm}-{task.seed}.json"


def read_study(folder: Path) -> Study:
    """All of a folder. Raises ConfigError where it holds none, where a file is broken, or of other code than others."""
    torn: list[Problem] = []
    found = [(path, _read(path, torn)) for path in sorted((folder / RUNS).glob("*.json"))]
    whole = [(path, kept) for path, kept in found if kept is not None]
    problems = _some(folder / RUNS, torn)
    if not found:
        problems.append(Problem(str(folder), "no run", f"a folder with {WRITTEN}"))
    elif whole:
        terms = whole[0][1].terms
        others = [
            Problem(str(path), _code(kept.terms), f"runs of one code: {whole[0][0].name} is of {_code(terms)}")
            for path, kept in whole
            if not is_same(kept.terms, terms)
        ]
        problems += _some(folder / RUNS, others)
    if problems:
        raise ConfigError(problems)
    return _study([kept for _, kept in whole], whole[0][1].terms)


def is_same(one: Terms, other: Terms) -> bool:
    """Whether the same code computes; how it was called meanwhile does not matter."""
    return (one.format, one.sources) == (other.format, other.sources)


def _study(kept: Sequence[Kept], terms: Terms) -> Study:
    order = {arm.name: place for place, arm in enumerate((*ARMS, *LONG))}
    ranked = sorted(kept, key=lambda each: (order.get(each.row.arm, len(order)), each.row.arm, each.row.seed))
    return Study([each.row for each in ranked], [move for each in ranked for move in each.moves], terms)


def _read(path: Path, torn: list[Problem]) -> Kept | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Kept)
    except (msgspec.DecodeError, OSError) as error:
        torn.append(Problem(str(path), str(error), f"{WRITTEN}, whole: delete it, and the run is made again"))
        return None


def _some(folder: Path, problems: list[Problem]) -> list[Problem]:
    """The first of many of one kind, and how many more there are."""
    more = len(problems) - SHOWN
    if more <= 0:
        return problems
    return [*problems[:SHOWN], Problem(str(folder), f"{more} more of the kind", problems[0].want)]


def _code(terms: Terms) -> str:
    commit = terms.commit[:12] + terms.commit[40:] if terms.commit else f"version {terms.version}"
    return f"a run of {commit} (sources {terms.sources[:8]})"


def _wanted(terms: Terms) -> str:
    return f"{_code(terms)}: use another folder, or delete this one"


def arms_of(*, long: bool) -> tuple[Arm, ...]:
    """What is run."""
    return (*ARMS, *LONG) if long else ARMS
