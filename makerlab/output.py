"""Where things are printed: the result alone on stdout, logs and progress on stderr."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Protocol

import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

PIPE_WIDTH = 120
"""Columns where there is no terminal that has a width."""

PLAIN_INTERVAL_S = 5.0
"""Between two lines of progress where no bar can be drawn."""


def result_console() -> Console:
    """Return the console of tables and other results."""
    width = None if sys.stdout.isatty() else PIPE_WIDTH
    return Console(file=sys.stdout, highlight=False, emoji=False, soft_wrap=False, width=width)


def log(line: str) -> None:
    """Print a line for people who watch."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def print_json(document: object) -> None:
    """Print one JSON document and nothing else."""
    text = msgspec.json.format(msgspec.json.encode(document), indent=2)
    sys.stdout.write(text.decode() + "\n")


class Tick(Protocol):
    """What a running scenario calls now and then."""

    def __call__(self, done: float, note: str = "") -> None:
        """Say which fraction is done, and anything worth a few words."""
        ...


def draws_bars() -> bool:
    """Return whether stderr is a terminal that wants a progress bar."""
    return sys.stderr.isatty() and not os.environ.get("CI") and not os.environ.get("NO_COLOR")


@contextmanager
def progress(title: str, *, forks: bool = False) -> Iterator[Tick]:
    """Show how far a run is: a bar on a terminal, a line every few seconds otherwise.

    ``forks``: the bar has no thread of its own, since a process that forks must have none.
    """
    if draws_bars():
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
        )
        console = Console(stderr=True, emoji=False)
        with Progress(*columns, console=console, transient=True, auto_refresh=not forks) as bar:
            task = bar.add_task(title, total=1.0, note="")

            def move(done: float, note: str = "") -> None:
                bar.update(task, completed=done, note=note, refresh=forks)

            yield move
        return
    last = monotonic()

    def say(done: float, note: str = "") -> None:
        nonlocal last
        if monotonic() - last >= PLAIN_INTERVAL_S:
            last = monotonic()
            log(f"{title}: {done:.0%} {note}".rstrip())

    yield say
