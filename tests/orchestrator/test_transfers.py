"""Funding and what liquidations take reach the trader's cash, exactly, once, and over lives."""

import pytest

from domain.events import PositionsReport, PositionsReported, Replied, Restored, Transfers
from domain.instrument import Instrument
from domain.units import InstrumentId, Ns, RequestId, Usd
from orchestrator.config import TraderConfig
from orchestrator.core import Orchestrator
from runtime.fold import Fold
from runtime.journal_format import Took

ETH, SOL = InstrumentId("ETH"), InstrumentId("SOL")
FIRST = Restored(life=1, life_seed=7)


def trader(*events):
    core = Orchestrator(TraderConfig(), (Instrument(ETH, 4), Instrument(SOL, 2)))
    for n, event in enumerate(events):
        core.apply(event, Ns(n + 1))
    return core


def folded(*events):
    fold = Fold()
    for n, event in enumerate(events):
        fold.add(Took(Ns(n + 1), event))
    return fold.restored(seed=7)


def pushed(at, **totals):
    return PositionsReported(Ns(at), Ns(at), (), Usd(0), sums(totals))


def answered(at, **totals):
    return Replied(RequestId(99), Ns(at), (PositionsReport(Ns(at), (), Usd(0), sums(totals)),))


def sums(totals):
    return tuple(Transfers(InstrumentId(name), Usd(total)) for name, total in totals.items())


def cash(core):
    return [core.desks[name].inventory.cash for name in (ETH, SOL)]


@pytest.mark.parametrize("say", [pushed, answered])
def test_a_statement_books_what_has_moved_since_the_first(say):
    """Protects cash: pushed or asked for, what came before us is not ours, and nothing counts twice."""
    core = trader(FIRST, say(5, ETH=-100))
    assert cash(core) == [0, 0]
    core.apply(say(6, ETH=-130, SOL=4), Ns(6))
    core.apply(say(6, ETH=-130, SOL=4), Ns(6))
    core.apply(say(4, ETH=-100), Ns(7))
    assert cash(core) == [-30, 4]
    inventory = core.desks[ETH].inventory
    assert (inventory.transfers, inventory.realized, inventory.cash_flow) == (-30, 0, 0)


def test_the_next_life_goes_on():
    """Protects sums over a crash: the fold hands on what was booked, and what moved meanwhile is ours."""
    events = (FIRST, answered(5, ETH=-100), pushed(6, ETH=-130, SOL=4))
    restored = folded(*events)
    core = trader(restored)
    assert cash(core) == [-30, 4]
    core.apply(answered(9, ETH=-131, SOL=4), Ns(9))
    assert cash(core) == [-31, 4]
    again = folded(*events, restored, answered(9, ETH=-131, SOL=4))
    assert cash(trader(again)) == [-31, 4]
    assert again.transfers_as_of == 9
    lost = folded(restored, answered(9, ETH=-131, SOL=4))
    assert cash(trader(lost)) == [-31, 4], "what a life was told is the truth for it, also where a tail was lost"


def test_a_life_that_heard_nothing_hands_on_nothing():
    """Protects the beginning: without any statement the next life's first one is where it begins."""
    restored = folded(FIRST)
    assert restored.transfers_stated is None
    core = trader(restored, pushed(5, ETH=-100))
    assert cash(core) == [0, 0]


def test_an_instrument_that_is_not_ours_is_left_alone():
    """Protects an account that others trade, too."""
    core = trader(FIRST, pushed(5), pushed(6, BTC=-7))
    assert cash(core) == [0, 0]
