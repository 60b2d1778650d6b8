"""The cyclopts application: parses a command line, calls one command, names a user's mistakes.

The commands themselves are plain functions of plain arguments, so that the parser can be replaced.
"""

import sys
from difflib import get_close_matches

from cyclopts import App, CycloptsError

from domain.errors import ConfigError, JournalError, ReplayMismatch
from makerlab.commands import COMMANDS
from makerlab.exit_codes import ExitCode
from makerlab.version import version_text


def build() -> App:
    """Register every command by its import string."""
    app = App(
        name="makerlab",
        help="A simulation-first testbed for market making.",
        version=version_text,
        help_format="markdown",
        result_action="return_value",
        suppress_keyboard_interrupt=False,
    )
    for command in COMMANDS:
        app.command(command.target, name=command.name)  # its help is the docstring, read when it is asked for
    app.register_install_completion_command()
    return app


def invoke(argv: list[str]) -> int:
    """Parse and call; the user's mistakes become lines on stderr and exit code 2."""
    try:
        result = build()(argv, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        sys.stderr.write(f"makerlab: {_one_line(error)}\nTry `{_help_for(argv)}`.\n")
        return ExitCode.WRONG_INPUT
    except (ConfigError, JournalError) as error:
        sys.stderr.write(f"{error}\n")
        return ExitCode.WRONG_INPUT
    except ReplayMismatch as error:
        sys.stderr.write(f"{error}\n")
        return ExitCode.REPLAY_DIFFERS
    return int(result) if isinstance(result, int) else ExitCode.OK


def _help_for(argv: list[str]) -> str:
    """The help that fits a command line: of the command that is there or was meant, else the overview."""
    near = get_close_matches(argv[0], [command.name for command in COMMANDS], 1)
    return " ".join(("makerlab", *near, "--help"))


def _one_line(error: CycloptsError) -> str:
    return " ".join(str(error).split())
