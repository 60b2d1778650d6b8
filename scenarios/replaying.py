"""Replays the journal of a run: the same inputs through a bare core must give the same decisions."""

from pathlib import Path

from domain.errors import ConfigError, Problem
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
    reader = Reader(read_bytes(path))
    return replay(reader, core_of), reader.end


def read_bytes(path: Path) -> bytes:
    """Bytes of a journal; ConfigError where there is none."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(
            [Problem(str(path), error.strerror or "unreadable", "a journal that a run has written")]
        ) from error
