"""What the venue says of the account's allowance, where that is not so."""

import pytest

from domain.commands import QueryQuota
from domain.events import QuotaReport
from domain.units import USD
from sim.faults import FAULTS
from sim.faults.false_quota import FalseQuota, FalseQuotaKind
from tests.sim.fault_trader import Trader


def told(trader):
    """What a question is answered with, or None."""
    reply = trader.ask(QueryQuota())
    return None if reply is None else reply[0]


@pytest.mark.parametrize(
    ("what", "used", "cap", "traded"),
    [
        (FalseQuotaKind.TOO_MANY, (2_003, 1_003), (10_000, 10_000), 0),
        (FalseQuotaKind.BACKWARDS, (0, 0), (10_000, 10_000), 0),
        (FalseQuotaKind.CAP, (3, 3), (11_000, 11_000), 0),
        (FalseQuotaKind.TOO_RICH, (3, 3), (11_000, 11_000), 1_000 * USD),
    ],
)
def test_the_answer_is_wrong_and_the_venue_counts_rightly(what, used, cap, traded):
    """Each kind says something else that is not so; afterwards the truth is told again."""
    trader = Trader(FalseQuota(what=what, by=1_000, duration_s=10))
    for _ in range(3):
        trader.rest()
    answers = [told(trader) for _ in range(2)]
    assert [(answer.used, answer.cap) for answer in answers] == list(zip(used, cap, strict=True))
    assert [answer.traded for answer in answers] == [traded, traded]
    assert trader.injected[0].counts == {"reports": 2}
    trader.until(21)
    honest = told(trader)
    assert isinstance(honest, QuotaReport)
    assert (honest.used, honest.cap, honest.traded) == (3, 10_000, 0)


def test_it_is_listed():
    """A fault that the tuple lacks is in no schema and no search."""
    assert FalseQuota in FAULTS
