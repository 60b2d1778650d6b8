"""Risk in the running trader: each monitor pulls the quotes, a halt ends by itself, a kill does not (QE-03, C-19)."""

from dataclasses import replace

import pytest

from domain.commands import Modify, Place
from domain.events import AccountMargin, Feed, KillReset, Reason, Refused, Replied, Restored, RestoredLedger, Woke
from domain.units import Ns, Pos, RequestId, Usd
from orchestrator.desk.sanity import DataQualityConfig
from orchestrator.risk.halt import HaltConfig
from orchestrator.risk.ladder import StalenessConfig
from orchestrator.risk.monitors import MONITORS
from orchestrator.risk.monitors.cascade import CascadeConfig
from orchestrator.risk.monitors.drawdown import DrawdownConfig
from orchestrator.risk.monitors.loss import LossConfig
from orchestrator.risk.monitors.margin import MarginUseConfig
from orchestrator.risk.monitors.position import PositionConfig
from orchestrator.risk.monitors.rate_limit import RateLimitConfig
from orchestrator.risk.monitors.velocity import VelocityConfig
from orchestrator.risk.watch import RiskConfig
from tests.orchestrator.messages import ETH, MID, TICK, bbo, ms, s
from tests.orchestrator.tiny_venue import QUICK, Stage, quoting

OFF = RiskConfig(**dict.fromkeys(monitor.name for monitor in MONITORS))


def only(**tables) -> Stage:
    """A quoting trader with these monitors alone."""
    desk = replace(QUICK.desk, data_quality=DataQualityConfig(max_jump=None))  # or no jump would come to risk
    return quoting(config=replace(QUICK, desk=desk, risk=replace(OFF, **tables)))


def jump(stage: Stage, share: float) -> None:
    stage.venue.quote(int(MID * (1 + share)) // TICK * TICK)


def lose(stage: Stage, usd: int) -> None:
    """Money is gone; the next change of the mid shows it."""
    stage.desk.inventory.fees = Usd(stage.desk.inventory.fees + usd * 1_000_000)
    bid, ask = stage.venue.tops[ETH.id]
    stage.venue.quote((bid + ask) // 2 + TICK)


def turn_away(stage: Stage, times: int, reason=Reason.RATE_LIMITED) -> None:
    for _ in range(times):
        stage._take(Replied(RequestId(99_999), stage.now, (Refused(reason, "HTTP 429"),)))


def go_silent(stage: Stage) -> None:
    """The connection lives, the data does not move."""
    stage.venue.quote = lambda *args, **named: None


FORCED = {
    "loss": (LossConfig(limit_usd=10), lambda stage: lose(stage, 11), "kill"),
    "drawdown": (DrawdownConfig(limit_pct=0.1), lambda stage: lose(stage, 11), "kill"),
    "velocity": (VelocityConfig(), lambda stage: jump(stage, 0.06), "velocity"),
    "position": (PositionConfig(), lambda stage: stage.venue.adjust(ETH, 900), "kill"),
    "cascade": (CascadeConfig(), lambda stage: jump(stage, 0.03), "cascade"),
    "staleness": (StalenessConfig(gate_s=None, reading_s=None, halt_s=6), go_silent, "staleness"),
    "rate_limit": (RateLimitConfig(), lambda stage: turn_away(stage, 3), "rate_limit"),
}


def test_every_monitor_is_forced_here():
    """The margin's only ever lets the position shrink: it has a test of its own."""
    assert {*FORCED, "margin"} == {monitor.name for monitor in MONITORS}


@pytest.mark.parametrize("name", FORCED)
def test_a_monitor_alone_takes_every_order_away(name):
    """QE-03: within one cycle, for a reason that the time sums know; with the monitor switched off nothing happens."""
    table, force, gate = FORCED[name]
    stage = only(**{name: table})
    force(stage)
    stage.run_for(s(8))
    assert stage.desk.gate == gate
    assert stage.venue.resting() == []
    assert f"risk_{name}" in stage.alerts
    told = stage.core.snapshot()
    assert told.desks[0].gated_ns[gate] > 0
    assert (told.kill is not None) == (gate == "kill")
    calm = only()
    force(calm)
    calm.run_for(s(8))
    assert calm.desk.gate is None
    assert calm.alerts.count(f"risk_{name}") == 0


def test_without_margin_nothing_is_added_until_there_is_some():
    """MG-05: at full use only what reduces may stand, marked as such, and nothing at all where nothing is held."""
    stage = only(margin=MarginUseConfig())
    stage.venue.leverage = 10
    stage.venue.margin = AccountMargin(Usd(10**7), Usd(2 * 10**7), Usd(10**7))
    stage.run_until(lambda: stage.desk.stance.must_shrink, within=s(12))
    stage.run_for(s(1))
    assert stage.venue.resting() == []
    assert stage.alerts.count("risk_margin") == 1
    stage.venue.margin = AccountMargin(Usd(10**12), Usd(0), Usd(0))
    stage.run_until(lambda: not stage.desk.stance.reduce_only, within=s(12))
    stage.run_for(s(2))
    assert stage.is_two_sided()


def test_the_first_decision_after_the_fact_cancels():
    """QE-03: no cycle in between; nothing rests a round trip later, nothing new is placed until the end of the halt."""
    stage = only(velocity=VelocityConfig())
    stage.run_for(ms(100))
    jump(stage, 0.06)
    stage.run_for(ms(31))
    assert stage.desk.gate == "velocity"
    since = stage.now
    stage.run_for(ms(51))
    assert stage.venue.resting() == []
    stage.run_for(s(20))
    assert stage.actions((Place, Modify), since=since) == []


@pytest.mark.parametrize("name", [name for name, (_, _, gate) in FORCED.items() if gate != "kill"])
def test_a_halt_ends_by_itself(name):
    """C-19: some time after its cause is over both sides stand again, and people are told."""
    table, force, gate = FORCED[name]
    stage = only(**{name: table})
    quote = stage.venue.quote
    force(stage)
    stage.run_for(s(8))
    assert stage.desk.gate == gate
    stage.venue.quote = quote
    stage.run_until(lambda: stage.desk.gate is None, within=s(240))
    stage.run_for(s(2))
    assert stage.is_two_sided()
    assert stage.alerts.count("risk_recovered") == 1
    assert stage.core.kill_switch.count == 0


def test_a_halt_takes_its_time():
    """Thirty seconds after the move is old, not with the first quiet second."""
    stage = only(velocity=VelocityConfig())
    jump(stage, 0.06)
    stage.run_for(s(29))
    assert stage.desk.gate == "velocity"
    stage.run_for(s(5))
    assert stage.desk.gate is None


def test_a_halt_lasts_for_its_own_cause_alone():
    """C-19: while the feed comes back its data is old, which is no reason to go on halting for too many requests."""
    stage = only(rate_limit=RateLimitConfig(), staleness=StalenessConfig(halt_s=80))
    turn_away(stage, 3)
    stage.run_for(s(2))
    assert stage.desk.gate == "rate_limit"
    stage.venue.faults.refuses_connections.add(Feed.MARKET)
    stage.venue.cut(Feed.MARKET)
    stage.run_for(s(58))
    halt = stage.core.risk.desks[ETH.id].halt
    assert not stage.core.market_feed.is_live
    assert not halt.is_halted


def test_a_halt_asks_to_be_woken_at_its_end():
    """Where nothing else happens nobody would look."""
    stage = only(velocity=VelocityConfig())
    assert stage.core.risk.deadline() is None
    jump(stage, 0.06)
    stage.run_for(s(3))
    halt = stage.core.risk.desks[ETH.id].halt
    assert stage.core.risk.deadline() == halt.deadline() > stage.now


def test_too_many_halts_an_hour_need_a_person():
    """C-19: three recover, the fourth kills; a person lifts it and the count begins anew."""
    stage = only(velocity=VelocityConfig(), halt=HaltConfig(hold_s=5))
    for n in range(4):
        assert stage.core.kill_switch.count == 0
        stage.venue.quote(int(MID * (1.07 if n % 2 == 0 else 1)) // TICK * TICK)
        stage.run_for(s(15))
    assert stage.core.phase == "kill"
    assert "too often" in stage.core.kill_switch.reason
    stage._take(KillReset("a person"))
    stage.run_for(s(15))
    assert stage.is_two_sided()


@pytest.mark.parametrize("name", ["loss", "drawdown"])
def test_a_kill_stands_until_a_person_has_looked_and_then_the_loss_is_accepted(name):
    """RK-19: no time lifts it; after the reset the same loss does not kill again, a new one does."""
    table, force, _ = FORCED[name]
    stage = only(**{name: table})
    force(stage)
    stage.run_for(s(300))
    assert stage.core.phase == "kill"
    stage._take(KillReset("a person"))
    stage.run_for(s(10))
    assert (stage.core.phase, stage.is_two_sided()) == ("quoting", True)
    lose(stage, 11)
    stage.run_for(s(1))
    assert stage.core.phase == "kill"
    assert stage.core.kill_switch.count == 2


def test_a_kill_of_an_earlier_life_holds():
    """RK-19: the alert is in the journal; the next life begins killed."""
    stage = Stage(config=QUICK).begin(Restored(2, 7, kill="loss"))
    stage.run_for(s(10))
    assert stage.core.phase == "kill"
    assert stage.actions((Place, Modify)) == []


def test_beyond_the_limit_only_the_reducing_side_is_quoted():
    """RK-17, RK-23: no bid while long beyond the limit, and no ask that would turn the position around."""
    stage = only(position=PositionConfig())
    stage.venue.adjust(ETH, stage.desk.limit.lots + 10)
    stage.run_for(s(5))
    assert stage.desk.stance.reduce_only
    orders = stage.venue.resting()
    assert {order.place.side.name for order in orders} == {"SELL"}
    assert sum(order.remaining for order in orders) <= stage.desk.inventory.position
    stage.venue.adjust(ETH, -stage.desk.limit.lots)
    stage.run_for(s(5))
    assert not stage.desk.stance.reduce_only
    assert stage.is_two_sided()


def test_reduce_only_leaves_no_more_than_the_position():
    """RK-23: with 20 lots long and room for 380 more: asks of 20 lots in all, no bid; over, both sides stand again."""
    stage = only(rate_limit=RateLimitConfig())
    stage.venue.adjust(ETH, 20 - stage.venue.position())
    stage.run_for(s(5))
    turn_away(stage, 2)
    stage.run_for(s(20))
    orders = stage.venue.resting()
    assert {order.place.side.name for order in orders} == {"SELL"}
    assert 0 < sum(order.remaining for order in orders) <= 20
    stage.run_for(s(60))
    assert stage.is_two_sided()


def test_a_warning_widens_and_shrinks_and_blocks_nothing():
    """RK-09, C-04: old data: both sides, further out and smaller; fresh data: as before."""
    stage = only(staleness=StalenessConfig(spread_factor=2.0))
    stage.run_for(s(10))

    def look():
        targets = stage.desk.targets
        return targets.asks[0].px - targets.bids[0].px, sum(level.sz for level in targets.bids)

    width, size = look()
    quote = stage.venue.quote
    go_silent(stage)
    stage.run_for(s(6))
    wide, small = look()
    assert wide > 1.3 * width
    assert small == pytest.approx(size / 2, rel=0.05)
    stage.venue.quote = quote
    stage.run_for(s(2))
    assert look() == (width, size)


def test_beyond_the_soft_limit_the_adding_side_shrinks():
    """RK-22: full size at 70 % of the limit, none at 100 %, in between in proportion; the other side stays whole."""
    limit = only(position=PositionConfig()).desk.limit
    limit.bounds.clear()  # only our own
    lots = limit.lots = 1_000
    size = 200
    rooms = [limit.room(1, held, size) for held in (0, 700, 760, 850, 970, 1_000, 1_100)]
    assert rooms == [lots, 300, 160, 100, 20, 0, 0]
    assert [limit.room(-1, held, size) for held in (0, 850, 1_000)] == [lots, lots + 850, 2 * lots]


def test_a_concern_is_told_once_and_again_when_it_gets_worse_or_comes_back():
    """No flood: 200 looks at the same concern are one alert."""
    stage = only(rate_limit=RateLimitConfig(window_s=60))
    turn_away(stage, 2)
    stage.run_for(s(20))
    assert stage.alerts.count("risk_rate_limit") == 1
    turn_away(stage, 1)
    stage.run_for(s(200))
    assert stage.alerts.count("risk_rate_limit") == 2
    turn_away(stage, 2)
    stage.run_for(s(1))
    assert stage.alerts.count("risk_rate_limit") == 3


def test_a_price_across_a_gap_is_no_move():
    """The feed was lost for a while; what the market did meanwhile is news, not speed."""
    stage = only(velocity=VelocityConfig(), cascade=CascadeConfig())
    stage.venue.cut(Feed.MARKET)
    jump(stage, 0.2)
    stage.run_for(s(10))
    assert stage.desk.gate is None
    assert stage.is_two_sided()


def test_a_single_wrong_price_halts_and_kills_nothing():
    """C-06: garbage is no loss and no crash; a price that stays is both."""
    stage = only(loss=LossConfig(limit_usd=10), velocity=VelocityConfig())
    stage.venue.adjust(ETH, stage.desk.limit.lots // 2)
    stage.run_for(s(2))
    bid, ask = stage.venue.tops[ETH.id]
    now = stage.now
    stage._take(bbo(bid // 2 // TICK * TICK, ask // 2 // TICK * TICK, now))
    stage._take(bbo(bid, ask, now + 1))
    stage.run_for(s(5))
    assert stage.desk.gate == "velocity"
    assert stage.core.kill_switch.reason is None
    stage.run_for(s(60))
    assert stage.desk.gate is None
    stage.venue.quote((bid + ask) // 4 // TICK * TICK)
    stage.run_for(s(3))
    assert stage.core.phase == "kill"


def test_a_wrong_price_at_the_begin_of_data_makes_no_move_of_the_right_one():
    """Storm, seed 6: after a gap the first top was 30 % off; the way back to the truth was believed, and killed."""
    stage = only(velocity=VelocityConfig(), cascade=CascadeConfig())
    bid, ask = stage.venue.tops[ETH.id]
    wrong = bbo(bid * 13 // 10 // TICK * TICK, ask * 13 // 10 // TICK * TICK, Ns(stage.now + 2))
    for told in (bbo(bid, None, Ns(stage.now + 1)), wrong, bbo(bid, ask, Ns(stage.now + 3))):
        stage.now = Ns(stage.now + 2)
        stage._take(told)
    assert stage.core.kill_switch.reason is None
    assert stage.desk.gate is None


def test_messages_that_a_wrong_price_makes_old_do_not_confirm_it():
    """Storm, seed 9: a wrong book overtook the tops of three seconds; each came late, was counted, and killed."""
    stage = only(loss=LossConfig(limit_usd=10), velocity=VelocityConfig())
    stage.venue.adjust(ETH, stage.desk.limit.lots // 2)
    stage.run_for(s(2))
    bid, ask = stage.venue.tops[ETH.id]
    now = stage.now
    stage._take(bbo(bid // 2 // TICK * TICK, ask // 2 // TICK * TICK, now))
    for late in range(5):
        stage.now = Ns(now + 2 * late + 2)
        stage._take(bbo(bid, ask, now - ms(100) + late))
    assert stage.desk.market.n_superseded == 5
    assert stage.desk.gate == "velocity"
    assert stage.core.kill_switch.reason is None


def test_a_price_that_is_gone_at_once_kills_when_three_messages_say_so():
    """RK-13: 20 % within a moment; other events in between, or another look, are no evidence."""
    stage = only(velocity=VelocityConfig())
    bid, ask = (px * 6 // 5 // TICK * TICK for px in stage.venue.tops[ETH.id])
    gates = []
    for _ in range(3):
        stage.now = Ns(stage.now + 2)
        stage._take(bbo(bid, ask, stage.now))
        stage.now = Ns(stage.now + 2)
        stage._take(Woke())
        gates.append(stage.core.phase if stage.core.kill_switch.is_latched else stage.desk.gate)
    assert gates == ["velocity", "velocity", "kill"]


def test_a_later_life_knows_its_profit_only_with_a_price():
    """Cash alone is no loss: the position that it was paid for has no value before the first mid."""
    stage = Stage(config=QUICK)
    ledger = RestoredLedger(ETH.id, Pos(100), Usd(-100 * MID), Usd(0))
    stage.venue.positions[ETH.id] = 100
    stage.begin(Restored(2, 8, ledgers=(ledger,)))
    assert stage.core.risk.account.loss == 0
    stage.run_for(s(5))
    assert stage.core.risk.account.loss < 1_000_000
    assert stage.core.kill_switch.count == 0


def test_a_crash_is_no_way_around_the_loss_limit():
    """What earlier lives lost counts in the next one, from its first look on."""
    stage = only(loss=LossConfig(limit_usd=10))
    lose(stage, 9)
    stage.run_for(s(2))
    assert stage.core.phase == "quoting"
    inventory = stage.desk.inventory
    fees, position = inventory.fees, inventory.position
    stage.crash()
    ledger = RestoredLedger(ETH.id, position, Usd(-fees), fees)
    stage.begin(Restored(2, 8, ledgers=(ledger,)))
    stage.run_for(s(5))
    assert stage.core.risk.account.loss == 9_000_000
    lose(stage, 2)
    stage.run_for(s(1))
    assert stage.core.phase == "kill"


def test_figures_of_the_snapshot_are_those_of_the_state():
    """MT-14, MT-08: level, factors, use of the position."""
    stage = only(position=PositionConfig(), staleness=StalenessConfig())
    stage.venue.adjust(ETH, stage.desk.limit.lots // 2)
    go_silent(stage)
    stage.run_for(s(7))
    desk = stage.core.snapshot().desks[0]
    assert desk.position_utilization == pytest.approx(0.5, abs=0.02)
    assert (desk.risk_level, desk.spread_factor, desk.size_factor) == ("warning", 1.5, 0.5)
    worst = max(abs(desk.worst_case_min), abs(desk.worst_case_max))
    assert desk.worst_case_usd == round(worst * desk.mid)
    assert desk.is_book_balanced is (
        abs(desk.pending_bid - desk.pending_ask) <= 0.1 * (desk.pending_bid + desk.pending_ask)
    )
    (reason,) = desk.risk_reasons
    assert reason.startswith("market data of ETH is ")
