"""Replays the journal of a run: the same inputs through a bare core must give the same decisions."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from domain.errors import ConfigError, JournalError, Problem
from orchestrator.core import Orchestrator
from runtime import config
from runtime.journal_format import Header
from runtime.journal_reader import End, Reader
from runtime.replay import Replayed, replay
from scenarios.schema import TraderSection


def core_of(header: Header) -> Orchestrator:
    """Build the core of a life from the config that its header keeps."""
    return Orchestrator(config.build(TraderSection, header.config), header.instruments)


def replay_file(path: Path) -> tuple[Replayed, End]:
    """Replay up to the last whole record; returns what was compared and where the journal ends.

    Raises ReplayMismatch at the first difference, JournalError for what is no journal.
    """
    with records_of(path) as records:
        return replay(records, core_of), records.end


@contextmanager
def records_of(path: Path) -> Iterator[Reader]:
    """The records of a journal, of which there must be some.

    ConfigError where there is no file; a JournalError, here or while they are read, names it.
    """
    with _naming(path):
        reader = Reader(_bytes_of(path))
        first = next(iter(reader), None)
    if first is None:
        raise JournalError(f"{path}: no records ({reader.end})")
    with _naming(path):
        yield reader


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    try:
        yield
    except JournalError as error:
        raise JournalError(f"{path}: {error}") from error


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(
            [Problem(str(path), error.strerror or "unreadable", "a journal that a run has written")]
        ) from error
