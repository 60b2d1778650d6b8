"""Errors: ours raise, the venue's trouble is an event, the user's mistake is one ConfigError."""

from dataclasses import dataclass


class MakerlabError(Exception):
    """Root of every exception that makerlab raises on purpose.

    ::

        MakerlabError
        +-- ConfigError         a user's mistake: a list of problems, exit code 2
        +-- IllegalTransition   our bug: a lifecycle edge that is not in the table
        +-- InvariantViolation  what must hold did not; carries the story of the keys involved
        +-- JournalError        a journal that cannot be read at all
        +-- ReplayMismatch      a replayed decision differs from the recorded one, exit code 6
    """


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with what the user gave: where it is, what was found, what was wanted."""

    path: str
    found: str
    want: str

    def __str__(self) -> str:
        """One line, as the command line prints it."""
        return f"{self.path}: found {self.found}, want {self.want}"


class ConfigError(MakerlabError):
    """Every problem of a config, scenario or data file, collected before anything starts."""

    def __init__(self, problems: list[Problem]) -> None:
        """Keep the problems; the text is one line for each."""
        self.problems = problems
        super().__init__("\n".join(map(str, problems)))


class IllegalTransition(MakerlabError):
    """A lifecycle step of ours that the table does not have. Nothing was changed."""


class InvariantViolation(MakerlabError):
    """An invariant does not hold.

    ``name`` is its id (``S2``), ``text`` what was seen, ``keys`` the cloids and trade ids involved
    and ``story`` what is recorded of them.
    """

    def __init__(self, name: str, text: str, keys: tuple[str, ...] = (), story: str = "") -> None:
        """Compose the message from the parts."""
        self.name = name
        self.text = text
        self.keys = keys
        self.story = story
        super().__init__(f"{name}: {text}" + (f"\n{story}" if story else ""))


class JournalError(MakerlabError):
    """A file that is no journal, has no records, or is of a version that this makerlab cannot read."""


class ReplayMismatch(MakerlabError):
    """The core, fed the recorded events, decided something else than the journal says."""
