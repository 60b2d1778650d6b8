"""Journals of short runs, each made once in a test process."""

from functools import cache

from runtime.log import MemoryLog
from scenarios.build import build
from scenarios.loader import load
from scenarios.result import Metrics
from scenarios.runner import run


@cache
def written(name: str, *overrides: str, seed: int = 1) -> tuple[Metrics, bytes]:
    """What a run measured, and its journal."""
    log = MemoryLog()
    result = run(build(load(name, overrides), seed, log), seed)
    assert isinstance(result.metrics, Metrics)
    return result.metrics, log.read()
