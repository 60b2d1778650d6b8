"""What the exit code of `makerlab` says. Stable: scripts and CI may rely on it."""

from enum import IntEnum


class ExitCode(IntEnum):
    """One number for each way in which a command ends."""

    OK = 0
    """Everything that was expected holds."""
    FAILED = 1
    """An expectation or an invariant does not hold, or something unexpected went wrong."""
    WRONG_INPUT = 2
    """An option, scenario, config or data file is wrong, or a place cannot be written; every problem is a line on
    stderr."""
    HALTED = 3
    """The trader's own risk management stopped it, and the scenario did not expect that."""
    REPLAY_DIFFERS = 6
    """The same journal led to other decisions: code or platform changed."""
    INTERRUPTED = 130
    """Ctrl-C; files hold what was done until then."""
    TERMINATED = 143
    """SIGTERM; files hold what was done until then."""
    BROKEN_PIPE = 141
    """Nobody reads our output any more (`makerlab ... | head`), as for any Unix tool."""


SEVERITY = (
    ExitCode.OK,
    ExitCode.FAILED,
    ExitCode.HALTED,
    ExitCode.REPLAY_DIFFERS,
    ExitCode.WRONG_INPUT,
    ExitCode.INTERRUPTED,
)
"""Mildest first: of several runs the worst decides."""


def worst(codes: list[ExitCode]) -> ExitCode:
    """Return the exit code of several runs together."""
    return max(codes, key=SEVERITY.index, default=ExitCode.OK)
