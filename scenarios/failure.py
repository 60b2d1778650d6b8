"""What is kept of a run that failed: all that repeats it, and what it looked like when it happened.

Two files: a document for programs, and the world as a scenario file, which `makerlab run` repeats.
"""

import platform
from copy import deepcopy
from pathlib import Path
from shlex import quote
from typing import Any

import msgspec
import tomli_w

from domain.errors import ConfigError, Problem
from domain.units import NS_PER_S
from runtime.journal_format import Opened, Took
from runtime.journal_reader import Reader
from runtime.provenance import git_commit
from runtime.version import makerlab_version
from scenarios.drawing import VERSION as DRAWING
from scenarios.loader import SCHEMA_LINE
from scenarios.result import MAX_SEED

FORMAT = 1
"""Of the document."""

TAIL = 200
"""Lines of the journal that are kept."""


class Failed(msgspec.Struct, frozen=True):
    """One thing that did not hold."""

    name: str
    """A rule, an expectation, or the type of an exception."""
    text: str
    """What was found, and what should have been."""
    t_s: float | None = None
    """When, in seconds of the run; null where it is about the whole run."""
    story: str = ""
    """What the journal says of the orders involved."""


class Failure(msgspec.Struct, kw_only=True):
    """A run that failed."""

    format: int = FORMAT
    makerlab: str
    commit: str | None
    """With a ``+`` where the tree was changed; null where it is not known."""
    python: str
    drawing: int = DRAWING
    """Version of the drawing."""
    seed: int
    scenario: dict[str, Any]
    """The world, as a scenario file has it."""
    failed: list[Failed]
    """What did not hold, the first thing first."""
    digest: str
    """Of the journal; empty where the run did not come to its end."""
    event: int
    """Record of the journal, as `makerlab story` counts, with the event at which the first thing was found."""
    tail: list[str]
    """Events and commands of the journal up to there, a line each, behind the number of the record."""
    planted: str = ""
    """The mutant that was planted; empty: the failure is of makerlab as it is."""
    repeat: str = ""
    """The command that does it again."""

    @property
    def name(self) -> str:
        """What failed first."""
        return self.failed[0].name

    def write(self, folder: Path) -> Path:
        """Write both files and return the document's path."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"seed-{self.seed}.json"
        world = path.with_suffix(".toml")
        self.repeat = f"makerlab run {quote(str(world))} --seed {self.seed}"
        if self.planted:  # a run has no bugs but its own
            self.repeat = f"makerlab shrink {quote(str(path))}"
        world.write_text(scenario_text(self.scenario), encoding="utf-8")
        path.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n")
        return path


def read_failure(path: Path) -> Failure:
    """Read a document; ConfigError says what is wrong with it."""
    failure = decode_failure(path)
    if problems := failure_problems(failure, path):
        raise ConfigError(problems)
    return failure


def decode_failure(path: Path) -> Failure:
    """The document as it stands; ConfigError where it is none."""
    want = "a failure that `makerlab swarm` wrote (seed-N.json)"
    try:
        return msgspec.json.decode(path.read_bytes(), type=Failure)
    except OSError as error:
        raise ConfigError([Problem(str(path), error.strerror or "an error", want)]) from error
    except msgspec.DecodeError as error:
        raise ConfigError([Problem(str(path), str(error), want)]) from error


def failure_problems(failure: Failure, path: Path) -> list[Problem]:
    """What is wrong in a document, but for its world."""
    problems = []
    if failure.format != FORMAT:
        problems.append(Problem(f"{path}: format", str(failure.format), f"{FORMAT}: another makerlab wrote it"))
    if not 0 <= failure.seed <= MAX_SEED:
        problems.append(Problem(f"{path}: seed", str(failure.seed), f"0 to {MAX_SEED}"))
    if not failure.failed:
        problems.append(Problem(f"{path}: failed", "nothing", "at least one thing that did not hold"))
    return problems


def failure_of(tree: dict[str, Any], seed: int, failed: list[Failed], digest: str, journal: bytes) -> Failure:
    """All about a run that has just failed."""
    first = next((each.t_s for each in failed if each.t_s is not None), None)
    event, tail = _tail(journal, first)
    return Failure(
        makerlab=makerlab_version(),
        commit=git_commit(),
        python=platform.python_version(),
        seed=seed,
        scenario=tree,
        failed=failed,
        digest=digest,
        event=event,
        tail=tail,
    )


def scenario_text(tree: dict[str, Any]) -> str:
    """A scenario as a file that people read and `makerlab run` takes."""
    return f"{SCHEMA_LINE}\n{tomli_w.dumps(tree)}"


def plain(value: Any) -> Any:  # noqa: ANN401 - whatever a scenario holds
    """The same without what is off: a file has no word for nothing, it leaves it out."""
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items() if each is not None}
    return [plain(each) for each in value] if isinstance(value, list) else deepcopy(value)


def _tail(journal: bytes, until_s: float | None) -> tuple[int, list[str]]:
    event = 0
    lines: list[str] = []
    for number, record in enumerate(Reader(journal)):
        if isinstance(record, Opened):
            lines.append(f"#{number} life {record.header.life} begins")
            continue
        if until_s is not None and record.now > until_s * NS_PER_S:
            break
        if isinstance(record, Took):
            event = number
            lines.append(f"#{number} {record.now / NS_PER_S:.6f} event: {record.event}")
        elif record.commands:
            lines += [f"#{number} {record.now / NS_PER_S:.6f} {command}" for command in record.commands]
    return event, lines[-TAIL:]
