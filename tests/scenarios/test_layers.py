"""Layers against churn that are off do not exist: the journal is that of a trader from which they were taken out."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from orchestrator.budget.bucket import TokenBucket
from orchestrator.budget.pacer import BudgetPacer, Draft
from orchestrator.desk import desk, planning, quote_engine
from orchestrator.desk.churn import ChurnTracker
from orchestrator.desk.pacing import QuotaPolicy
from orchestrator.desk.planning import GridWatch
from orchestrator.desk.queue_places import QueuePlaces
from orchestrator.reconcile.table import Row, Rules
from runtime.driver import CORE_FAILED
from scenarios.result import Ended
from scenarios.runner import run
from strategy.price_grid import PriceGrid
from strategy.smoothing import ParameterSmoother, RegimeFlag
from studies.sabotage import Patch, installed, sabotage
from tests.scenarios.runs import result_of, running_of

EVERY_LAYER = "churn-poor"
"""A scenario whose trader has all of them."""
LONG_ENOUGH = 120
"""Seconds: with quotes in the last fifty."""


class GoneError(Exception):
    """A part was built or called that is not there."""


def gone(owner: object, name: str = "__init__") -> Patch:
    """Taken out: whoever builds or calls it fails."""

    def raises(*_args, **_kwargs):
        raise GoneError(name)

    return Patch(owner, name, lambda original: raises)


def never_modifies_a_price(row: Callable) -> Callable:
    """Row 5 of the table is no more."""

    def without(self, *args):
        if (found := row(self, *args)) is Row.PRICE:
            raise GoneError("row 5")
        return found

    return without


@dataclass(frozen=True)
class Layer:
    """A switch, and what the trader has no use for once it is off."""

    table: str
    patches: tuple[Patch, ...]


LAYERS = {
    "smoother": Layer("trader.desk.engine.smoother", (gone(ParameterSmoother), gone(RegimeFlag))),
    "grid": Layer("trader.desk.engine.grid", (gone(PriceGrid), gone(GridWatch))),
    "modify first": Layer("trader.desk.reconcile.modify_first", (Patch(Rules, "row", never_modifies_a_price),)),
    "bands": Layer(
        "trader.desk.reconcile.tolerance", (gone(planning, "bands_of"), gone(planning, "claim_of"), gone(QueuePlaces))
    ),
    "allowance": Layer(
        "trader.desk.quota_aware",
        (gone(planning, "band_factor"), gone(quote_engine, "levels"), gone(desk, "cycle_interval")),
    ),
    "pace": Layer("trader.budget.pacing", (gone(BudgetPacer), gone(Draft), gone(QuotaPolicy), gone(TokenBucket))),
    "counting": Layer("trader.desk.churn", (gone(ChurnTracker),)),
}


@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)
def test_a_layer_that_is_off_is_not_there(layer):
    """CH-42: the others go on, and every byte of the journal is the one that a trader without its code writes."""
    off = f"{layer.table}=off"
    with_it = result_of(EVERY_LAYER, LONG_ENOUGH, off, seed=1)
    with installed(sabotage("without", *layer.patches)):
        without = run(running_of(EVERY_LAYER, LONG_ENOUGH, off, seed=1), 1)
    assert without.ended is Ended.COMPLETED, without.reason
    assert without.journal_digest == with_it.journal_digest
    assert without.metrics.orders.placed > 0


def test_without_any_layer_none_is_there():
    """The trader of the incident, and one that has no code against churn at all, write the same journal."""
    with_them = result_of("churn-baseline", LONG_ENOUGH, seed=1)
    with installed(sabotage("without", *(patch for layer in LAYERS.values() for patch in layer.patches))):
        without = run(running_of("churn-baseline", LONG_ENOUGH, seed=1), 1)
    assert without.ended is Ended.COMPLETED, without.reason
    assert without.journal_digest == with_them.journal_digest
    assert without.metrics.orders.placed > 0


@pytest.mark.parametrize(
    "patch", [each for layer in LAYERS.values() for each in layer.patches], ids=lambda patch: patch.place
)
def test_a_layer_that_is_on_is_needed(patch):
    """CH-49: each of these parts is built or called once its switch is on; otherwise the test above says nothing."""
    with installed(sabotage("without", patch)):
        try:
            reason = run(running_of(EVERY_LAYER, 300, "market.flow.sigma_bps=2", seed=1), 1).reason or ""
        except GoneError:
            return
    assert reason.startswith(CORE_FAILED)
    assert GoneError.__name__ in reason
