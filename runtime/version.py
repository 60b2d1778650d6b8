"""Versions of installed packages, our own among them; imports nothing else, so that asking is quick."""

from importlib.metadata import PackageNotFoundError, version


def makerlab_version() -> str:
    """Version of the installed distribution."""
    return package_version("makerlab") or "0+unknown"


def package_version(name: str) -> str | None:
    """Version of an installed package; None if it is not here."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None
