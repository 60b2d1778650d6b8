"""The ledger behind S1, S2, S4 and S5: what a trader was handed, over deaths that lose part of it."""

import pytest

from domain.events import Restored
from domain.units import Ns
from scenarios.invariants.accounting import Ledger
from tests.scenarios.bench import fill


class Open:
    """A trader that has read its account."""

    is_holding = False
    opening_as_of = Ns(-1)


@pytest.mark.parametrize(("since", "is_lost"), [(4, True), (5, True), (6, False)])
def test_of_two_fills_of_one_block_the_journal_may_keep_one(since, is_lost):
    """A torn tail took the second one: the next life has to learn it again, and is not blamed before (storm 0)."""
    ledger = Ledger()
    kept, other = fill(tid=1, t=5), fill(tid=2, t=5)
    for each in (kept, other):
        ledger.take(each, Open())
    ledger.begin_life(Restored(2, 7, tids=(kept.tid,), fills_since=Ns(since)))
    assert (other.tid in ledger.under_way) is is_lost
    assert kept.tid not in ledger.under_way
