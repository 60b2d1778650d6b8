"""One call from a scenario to its result, whatever kind of scenario it is."""

from collections.abc import Callable
from dataclasses import fields
from functools import lru_cache
from pathlib import Path
from time import perf_counter

from domain.errors import ConfigError, Problem
from domain.units import seconds
from runtime.log import Log
from runtime.recordings import data_folder, names_in
from runtime.recordings_l4 import FOLDER, L4Feed, L4Truth, load_feed, load_truth
from scenarios.build import build, recording_of
from scenarios.effect import late_faults, passing_company, unjudged_healing, unknown_instruments
from scenarios.expectations import evaluate
from scenarios.l4_replay import L4Result, replay_blocks
from scenarios.result import RunResult, Wall
from scenarios.runner import run
from scenarios.schema import Scenario


def run_scenario(scenario: Scenario, seed: int, log: Log, tick: Callable[[float], None] | None = None) -> RunResult:
    """Run a scenario; the journal goes to ``log``. Raises ConfigError for a recording that cannot be read."""
    is_blocks = scenario.market.is_blocks
    result = check_blocks(scenario, seed) if is_blocks else run(build(scenario, seed, log), seed, tick)
    result.recording = scenario.market.recording
    return result


def missing_data(scenario: Scenario) -> list[Problem]:
    """What a recorded scenario needs and is not there; a look at names only."""
    name = scenario.market.recording
    if name is None:
        return []
    folder = data_folder().parent / FOLDER if scenario.market.is_blocks else data_folder()
    if not folder.is_dir():
        return [
            Problem(str(folder.resolve()), "no such folder", "recorded data (MAKERLAB_DATA names the folder above)")
        ]
    names = names_in(folder)
    if scenario.market.is_blocks or name in names:
        return []
    return [
        Problem("market.recording", repr(name), f"a recording in {folder.resolve()} ({', '.join(names) or 'none'})")
    ]


def data_problems(scenario: Scenario) -> list[Problem]:
    """Everything wrong with the recording of a scenario, found before anything runs: it is read whole, and kept."""
    if missing := missing_data(scenario):
        return missing
    try:
        if scenario.market.is_blocks:
            _blocks(data_folder().parent / FOLDER)
        elif scenario.market.recording is not None:
            recording = recording_of(scenario.market)
            end = min(seconds(scenario.duration_s), recording.last_time)
            known = (recording.instrument.id,)
            found = (
                *late_faults(scenario, end),
                *unjudged_healing(scenario, end),
                *passing_company(scenario, end),
                *unknown_instruments(scenario, known),
            )
            return [Problem(f"{scenario.name}: {each.path}", each.found, each.want) for each in found]
    except ConfigError as error:
        return error.problems
    return []


@lru_cache(maxsize=1)
def _blocks(folder: Path) -> tuple[L4Feed, L4Truth]:
    return load_feed(folder), load_truth(folder)


def check_blocks(scenario: Scenario, seed: int) -> RunResult:
    """Recorded blocks through the venue; the seed interleaves the classes of each batch. There is no trader."""
    if missing := missing_data(scenario):
        raise ConfigError(missing)
    folder = data_folder().parent / FOLDER
    feed, truth = _blocks(folder)
    started = perf_counter()
    done = replay_blocks(
        feed,
        truth,
        seed=seed,
        discipline=scenario.venue.discipline,
        class_order=scenario.venue.class_order,
    )
    spent = perf_counter() - started
    result = RunResult(
        scenario.name,
        seed,
        world_digest=done.world_digest,
        events=done.statuses_total + done.fills_total,
        metrics=_figures(done),
    )
    simulated = (feed.blocks[-1].time - feed.blocks[0].time) / 1e9 if feed.blocks else 0.0
    result.wall = Wall(run_s=spent, speed_x=simulated / spent, us_per_event=spent / max(result.events, 1) * 1e6)
    result.expectations = evaluate(scenario.expect, result)
    return result


def _figures(done: L4Result) -> dict[str, object]:
    """The figures by their names; ``mismatches`` counts, ``differences`` spells the first ones out."""
    names = [field.name for field in fields(done) if field.name not in {"mismatches", "n_mismatches", "world_digest"}]
    return {
        **{name: getattr(done, name) for name in names},
        "left_out": dict(done.left_out),
        "inputs": dict(done.inputs),
        "mismatches": done.n_mismatches,
        "differences": list(done.mismatches),
    }
