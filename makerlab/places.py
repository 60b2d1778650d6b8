"""Where a command will write: found out before it begins, so that no work is lost; nothing stays of the looks."""

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from errno import ENOTDIR
from pathlib import Path
from tempfile import TemporaryFile

from domain.errors import Problem

A_FOLDER = "a folder that can be written, with room on its disk"
A_FILE = "a file that can be written, with room on its disk"
BLOCK = 4_096
"""Bytes that a disk must take: less may still fit where there is no room."""


def folder_problems(option: str, folder: Path) -> list[Problem]:
    """What is wrong with a folder that need not exist yet; ``option`` is what says where it is."""
    try:
        with _made(folder), TemporaryFile(dir=folder) as file:
            file.write(bytes(BLOCK))
    except OSError as error:
        return [_problem(option, folder, error, A_FOLDER)]
    return []


def file_problems(option: str, path: Path, made: Collection[Path] = ()) -> list[Problem]:
    """What is wrong with a file to be written, whose folder must exist or be one of those that will be ``made``."""
    if not _is_folder(path.parent) and path.parent not in made:
        return [Problem(option, str(path), f"a file in a folder that exists: {path.parent} does not")]
    try:
        with _made(path.parent):
            _try_file(path)
    except OSError as error:
        return [_problem(option, path, error, A_FILE)]
    return []


def is_same_file(path: Path, other: Path) -> bool:
    """Whether both name one file; a place where none can be is no file at all."""
    try:
        return path.samefile(other)
    except OSError:
        return False


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let an error of the system that does not say of which file it is, such as of a full disk, say this one."""
    try:
        yield
    except OSError as error:
        if error.filename is not None or error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def _problem(option: str, path: Path, error: OSError, want: str) -> Problem:
    return Problem(option, f"{path} ({error.strerror or error})", want)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False


@contextmanager
def _made(folder: Path) -> Iterator[None]:
    """A folder, for as long as it takes to look at it."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    if not missing and not folder.is_dir():
        raise NotADirectoryError(ENOTDIR, os.strerror(ENOTDIR), str(folder))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    finally:
        for each in missing:
            with suppress(OSError):  # it was never made, or somebody else is already in it
                each.rmdir()


def _try_file(path: Path) -> None:
    """Open a file as it will be, and leave it as it was."""
    if path.exists():
        file = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        try:
            if not path.is_file():
                os.write(file, b"")  # a device that is full says so
        finally:
            os.close(file)
        return
    try:
        path.write_bytes(bytes(BLOCK))
    finally:
        with suppress(OSError):
            path.unlink()
