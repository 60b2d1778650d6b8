"""Fifteen things that go wrong, one for each step of the playbooks: short worlds in which exactly that happens."""

from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache
from math import nan

from orchestrator.desk.fill_tracker import FillTracker
from runtime.journal_reader import Reader
from runtime.log import MemoryLog
from scenarios.build import build
from scenarios.loader import load
from scenarios.runner import run
from strategy.volatility import BipowerVolatility
from studies.diagnosis.base import Outcome, Verdict
from studies.diagnosis.diagnosis import ask
from studies.diagnosis.recorded import Recorded
from studies.sabotage import Patch, Sabotage, constant, does_nothing, installed, sabotage
from studies.sabotages.fills import NO_DEDUPLICATION
from tests.scenarios.runs import PLAIN

SEED = 7
NO_SIGMA = sabotage("sigma is no number", Patch(BipowerVolatility, "value", constant(nan)))
NOT_TRACKED = sabotage("no fill reaches its tracker", Patch(FillTracker, "on_fill", does_nothing))
NOT_FOLLOWED = sabotage("no mid after a fill reaches its tracker", Patch(FillTracker, "on_mid", does_nothing))


@dataclass(frozen=True)
class World:
    """What a journal is recorded in."""

    what: str
    seconds: float = 60
    settings: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    missing: Sabotage | None = None
    base: str = "eth-volatile"

    def sabotaged(self):
        """The trader of this world, for its run and for its diagnosis."""
        return nullcontext() if self.missing is None else installed(self.missing)


def fault(kind: str, at: float, lasts: float, more: str = "") -> str:
    """A fault as a scenario file has it."""
    return f'{{kind = "{kind}", at_s = {at}, duration_s = {lasts}{", " if more else ""}{more}}}'


CAUSES = {
    "DG-07": World("a side in backoff: few orders may rest", settings=("venue.limits.open_orders.initial=2",)),
    "DG-08": World(
        "the socket muted, and no fallback",
        settings=("trader.requests.routes.fallback=false",),
        faults=(fault("request_lost", 25, 30, 'share = 1.0, links = ["order_socket"]'),),
    ),
    "DG-09": World(
        "velocity of 6 % a second",
        settings=("trader.risk.drawdown=off",),
        faults=(fault("price_shock", 25, 5, "move_bps = -600"),),
    ),
    "DG-10": World(
        "acknowledgements withheld",
        faults=(
            fault("reply_lost", 25, 20, 'share = 1.0, requests = ["place"]'),
            fault("message_loss", 25, 20, 'share = 1.0, channels = ["order_updates"]'),
        ),
    ),
    "DG-11": World("cross margin where it should be isolated", settings=("trader.margin.mode=isolated",)),
    "DG-12": World(
        "a debounce of a minute",
        90,
        tuple(f"trader.desk.accumulator.{key}=60000" for key in ("debounce_ms", "fallback_ms", "stale_quotes_ms")),
    ),
    "DG-13": World("a crossed book", faults=(fault("crossed_book", 25, 15, 'shape = "crossed"'),)),
    "DG-14": World(
        "one feed silent, and nobody pings it",
        80,
        ("links.ping_every_ms=off",),
        (fault("half_open", 30, 1, 'feeds = ["market"]'),),
    ),
    "DG-15": World(
        "no trades",
        50,
        ("market.flow.bursts=0",),
        (fault("message_loss", 1, 60, 'share = 1.0, channels = ["trades"]'),),
        base="eth-quiet",
    ),
    "DG-16": World("an invalid sigma", missing=NO_SIGMA),
    "DG-17": World(
        "phantom orders: acknowledged, and resting nowhere",
        100,
        (PLAIN,),
        faults=(fault("success_although_not_applied", 15, 60, 'share = 0.5, requests = ["place"]'),),
    ),
    "DG-18": World(
        "fills after the cancel was acknowledged",
        90,
        ("trader.desk.engine.ladder.levels=1",),
        (
            fault("cancel_race", 10, 70, "fill = 0.5"),
            fault("reorder", 10, 70, 'share = 1.0, channels = ["fills"], replies = false, mean_s = 5, max_s = 1.5'),
        ),
    ),
    "DG-19": World(
        "a doubled feed, and a path without deduplication",
        faults=(fault("duplicate", 10, 40, 'share = 1.0, channels = ["fills"]'),),
        missing=NO_DEDUPLICATION,
    ),
    "DG-20": World("lost fills", faults=(fault("message_loss", 10, 40, 'share = 0.5, channels = ["fills"]'),)),
    "DG-21": World("the hook at a fill removed", missing=NOT_TRACKED),
}
CLEAN = {
    "eth-quiet": World("a quiet market", 180, base="eth-quiet"),
    "eth-volatile": World("a lively market", 180),
    "alt-thin": World("a thin market of many ticks", 180, base="alt-thin"),
    "two-markets": World("two instruments", 120, base="two-markets"),
}
CONSEQUENCES = {"DG-08": ["DG-10"], "DG-18": ["DG-20"], "DG-19": ["DG-20"]}
"""What is found behind a cause: an unanswered placement, a position that differs until the fill comes."""


@cache
def journal_of(world: World) -> bytes:
    """Run it; the journal."""
    log = MemoryLog()
    settings = [f"duration_s={world.seconds}", *world.settings]
    if world.faults:
        settings.append(f"faults=[{', '.join(world.faults)}]")
    with world.sabotaged():
        run(build(load(world.base, settings), SEED, log), SEED)
    return log.read()


@cache
def diagnosis_of(world: World) -> tuple[Recorded, list[Outcome]]:
    """Run it, and ask every playbook, by the trader that ran; each is made once in a test process."""
    journal = journal_of(world)
    with world.sabotaged():
        found = ask(Reader(journal))
    return found.recorded, list(found.outcomes)


def named(outcomes: list[Outcome], verdict: Verdict) -> list[str]:
    """The steps with that verdict."""
    return [each.step.id for outcome in outcomes for each in outcome.findings if each.verdict is verdict]
