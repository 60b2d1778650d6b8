"""The entry point: `makerlab COMMAND ...`.

Start-up is kept short: the overview and the version are printed from the table of `commands.py`, a command's
module is imported when the command is given, and numpy, simpy or matplotlib only by the commands
that compute.
"""

import os
import signal
import sys
from io import TextIOWrapper
from types import FrameType
from typing import TextIO

from makerlab.commands import COMMANDS
from makerlab.exit_codes import ExitCode

OVERVIEW = """\
Usage: makerlab COMMAND [OPTIONS]

A simulation-first testbed for market making: the whole trader against a simulated exchange, in virtual time.

Commands:
{commands}

Options:
  -h, --help             Show this page; after a command, show that command's options.
  --version              Show the version, the Python it runs on and the extras found.
  --install-completion   Install completion for your shell.

Exit codes: 0 all holds, 1 an expectation failed, 2 wrong input, 3 halted by risk, 6 replay differs, 130 interrupted.
Start with `makerlab demo`.
"""


def overview() -> str:
    """Return the page that `makerlab --help` prints."""
    width = max(len(command.name) for command in COMMANDS)
    lines = (f"  {command.name:<{width}}  {command.summary}" for command in COMMANDS)
    return OVERVIEW.format(commands="\n".join(lines))


def dispatch(argv: list[str]) -> int:
    """Carry out a command line and return its exit code."""
    if not argv or argv in (["--help"], ["-h"]):
        sys.stdout.write(overview())
        return ExitCode.OK
    if argv == ["--version"]:
        from makerlab.version import version_text  # noqa: PLC0415 - start-up time

        sys.stdout.write(version_text() + "\n")
        return ExitCode.OK
    from makerlab.app import invoke  # noqa: PLC0415 - start-up time

    return invoke(argv)


def main() -> None:
    """Run the process: map every way out to an exit code."""
    _open_streams()
    signal.signal(signal.SIGTERM, _terminate)
    try:
        code = dispatch(sys.argv[1:])
        sys.stdout.flush()
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        code = ExitCode.INTERRUPTED
    except BrokenPipeError:
        _discard_stdout()
        code = ExitCode.BROKEN_PIPE
    except ChildProcessError as error:
        sys.stderr.write(f"{error}; want memory for all of them, or fewer by --jobs\n")
        code = ExitCode.FAILED
    except OSError as error:
        try:
            sys.stdout.flush()
        except OSError:
            _discard_stdout()
        where = error.filename or "output"
        sys.stderr.write(f"{where}: found {error.strerror or error}, want a place that can be read and written\n")
        code = ExitCode.FAILED if error.filename is None else ExitCode.WRONG_INPUT
    sys.exit(int(code))


def _open_streams() -> None:
    """Make stdout and stderr take every text: a closed one swallows it, one of few letters spells the others."""
    if sys.stdout is None:
        sys.stdout = _nowhere()
    if sys.stderr is None:
        sys.stderr = _nowhere()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _nowhere() -> TextIO:
    return os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")


def _discard_stdout() -> None:
    """The interpreter flushes stdout once more at exit: give it a place that takes everything."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _terminate(number: int, frame: FrameType | None) -> None:
    """End as the signal wants, but by way of what stops the processes of `--jobs` and closes the files."""
    del number, frame
    sys.stderr.write("terminated\n")
    sys.exit(int(ExitCode.TERMINATED))


if __name__ == "__main__":
    main()
