"""The entry point: `makerlab COMMAND ...`.

Start-up is kept short: the overview and the version are printed from the table of `commands.py`, a command's
module is imported when the command is given, and numpy, simpy or matplotlib only by the commands
that compute.
"""

import os
import sys

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
    try:
        code = dispatch(sys.argv[1:])
        sys.stdout.flush()
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        code = ExitCode.INTERRUPTED
    except BrokenPipeError:
        # The interpreter flushes stdout once more at exit: give it a place that takes everything.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = ExitCode.BROKEN_PIPE
    sys.exit(int(code))


if __name__ == "__main__":
    main()
