"""Somebody else's hand on our account: fills of orders that are not ours, and money that comes and goes."""

from dataclasses import replace

import pytest
from msgspec import structs

from domain.events import LiquidationMark, LiquidationMethod, PositionsReported, Transfers
from domain.transfers import OWNER
from domain.units import NS_PER_S, USD, Cloid, Ns, Px, Usd, seconds
from orchestrator.sync.foreign import GATE, ForeignConfig, ForeignHand
from tests.orchestrator.messages import BUY, ETH, MID, s
from tests.orchestrator.messages import fill as fill_of
from tests.orchestrator.tiny_venue import QUICK, quoting

CALM = replace(QUICK, supervisor=None)
ADL = LiquidationMark(LiquidationMethod.ADL, Px(1))


def fill(cloid=None, liquidation=None):
    return fill_of(1, BUY, 10, MID, cloid=cloid, liquidation=liquidation)


@pytest.mark.parametrize(
    ("cloid", "liquidation", "is_foreign"),
    [(None, None, True), (Cloid("0x1"), None, False), (None, ADL, False)],
)
def test_whose_it_was(cloid, liquidation, is_foreign):
    """Protects the judgement: our orders carry ids, and what the venue does by force is its own affair."""
    alerts = []
    hand = ForeignHand(ForeignConfig(hold_s=10), alerts.append)
    hand.on_unmatched_fill(fill(cloid, liquidation), ETH, s(1))
    assert hand.fills == is_foreign
    assert [alert.name for alert in alerts] == (["foreign_fill"] if is_foreign else [])
    assert (hand.gate(s(2)) == GATE) == is_foreign


def test_each_holds_us_and_one_affair_is_told_once():
    """Protects the pause and people's ears: ten seconds from the last, an alert a minute at most."""
    alerts = []
    hand = ForeignHand(ForeignConfig(hold_s=10), alerts.append)
    for at in (1, 8, 50, 200):
        hand.on_unmatched_fill(fill(), ETH, s(at))
    assert len(alerts) == 2
    assert "which is not ours" in alerts[0].text
    assert [hand.gate(s(at)) for at in (209, 210)] == [GATE, None]
    assert [hand.deadline(s(at)) for at in (209, 210)] == [s(210), None]


def test_people_may_be_told_and_nothing_else():
    """Protects the setting: without a hold nothing is gated."""
    hand = ForeignHand(ForeignConfig(hold_s=0), lambda alert: None)
    hand.on_unmatched_fill(fill(), ETH, s(1))
    assert (hand.gate(s(1)), hand.deadline(s(1))) == (None, None)


# --- in the trader --------------------------------------------------------------------------------


def buy_by_hand(stage, lots):
    """An order without a client id that the trader never placed, filled at once."""
    order = stage.venue.orders[stage.venue.stray(BUY, MID, lots)]
    order.place = structs.replace(order.place, cloid=None)
    stage.venue._fill(order, lots)


def test_a_trade_by_hand_is_ours_to_hold():
    """Protects the position: a stranger's fill counts, quotes make way for a moment, and both views agree."""
    stage = quoting(config=CALM)
    position = stage.core.desks["ETH"].inventory.position
    buy_by_hand(stage, 30)
    stage.run_for(s(2))
    assert stage.core.desks["ETH"].inventory.position == position + 30
    assert stage.core.phase == GATE
    assert not stage.is_two_sided()
    assert len(stage.told("foreign_fill")) == 1
    stage.run_for(s(15))
    assert stage.core.phase == "quoting"
    assert stage.is_two_sided()
    assert stage.is_agreed()
    assert stage.core.snapshot().foreign_fills == 1


def test_switched_off_nobody_is_told():
    """Protects the switch: the fill still counts."""
    stage = quoting(config=replace(CALM, foreign=None))
    buy_by_hand(stage, 30)
    stage.run_for(s(2))
    assert stage.told("foreign_fill") == []
    assert stage.core.phase != GATE
    assert stage.core.desks["ETH"].inventory.position == 30


def test_the_owners_money_is_no_profit():
    """Protects profit and loss: what was paid in is known, told, and in no instrument's cash."""
    stage = quoting(config=CALM)
    desk = stage.core.desks["ETH"]
    cash = desk.inventory.cash
    for n, total in enumerate((5_000, 3_000), start=1):
        at = Ns(stage.now + NS_PER_S * n)
        entry = Transfers(OWNER, Usd(total * USD))
        stage.core.apply(PositionsReported(at, at, (), Usd(0), (Transfers(ETH.id, Usd(7)), entry)), at)
    assert stage.core.moved_by_owner == 3_000 * USD
    assert desk.inventory.cash == cash + 7
    commands = stage.core.decide(Ns(stage.now + seconds(3)))
    texts = [command.text for command in commands if getattr(command, "name", "") == "owner_transfer"]
    assert texts == ["the owner moved +5,000.00 USD", "the owner moved -2,000.00 USD"]
