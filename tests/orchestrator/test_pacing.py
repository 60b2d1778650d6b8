"""What of a plan the pace of the account lets through (CH-30, RL-18..22, RU-15, T-12, T-13, C-10)."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.commands import Cancel
from domain.limits import AddressLimits, VenueLimits
from domain.orders import TrackedOrder
from domain.units import Bps, Ns, Px, Side, Sz, Tif, Usd
from orchestrator.budget.pacer import Allowance, BudgetPacer, Operation, OperationPriority, PacingConfig
from orchestrator.budget.proactive import BudgetConfig
from orchestrator.desk.desk import DeskConfig
from orchestrator.desk.execution import GateReason
from orchestrator.desk.pacing import QuotaPolicy, of_drift, operations_of
from orchestrator.desk.quote_engine import Targets
from orchestrator.reconcile.base import CancelOrder, ModifyOrder, PlaceNew, Replace
from orchestrator.reconcile.table import ModifyFirstConfig, ReconcileConfig
from orchestrator.risk.stance import FREE, Stance
from strategy.ladder import LadderLevel
from tests.orchestrator.desks import AT_ONCE, Bench
from tests.orchestrator.messages import BUY, ETH, MID, SELL, TICK, bbo, cloid, ms, s
from tests.orchestrator.tiny_venue import QUICK, Stage

EMERGENCY, HIGH, NORMAL, LOW = OperationPriority


@pytest.mark.parametrize(
    ("drift", "priority"), [(0, LOW), (9.99, LOW), (10, NORMAL), (20, NORMAL), (20.01, HIGH), (80, HIGH)]
)
def test_how_urgent_a_drift_is(drift, priority):
    """RL-20: below 10 low, 10 to 20 normal, above 20 bps high."""
    assert of_drift(Bps(drift)) is priority


class Scene:
    """A desk with quotes of two levels a side that rest; what is wanted of them a test says."""

    def __init__(self):
        self.bench = Bench(DeskConfig(engine=replace(AT_ONCE, max_position_usd=1e6)))
        self.bench.quote(0)
        self.bench.answer(0)
        desk = self.bench.desk
        self.targets: Targets = desk.targets
        self.policy = QuotaPolicy(PacingConfig(), Bps(1.0), desk.market, desk.tracker, desk.limit)
        self.orders = {side: [o for o in desk.tracker.orders.values() if o.side is side] for side in Side}

    def draft(self, left=10**9, *, spent=0):
        pacer = BudgetPacer(PacingConfig(impulse=None), VenueLimits())
        draft = pacer.draft(Allowance(left, 10**9), Ns(0))
        draft.take((Operation.PLACE,) * spent)
        return draft

    def priority(self, action, stance=FREE):
        return self.policy.priority(action, self.targets, stance)

    def at(self, side, bps):
        """A level so far from the first order of a side, away from the market where it is negative."""
        order = self.orders[side][0]
        return LadderLevel(Px(round(order.px * (1 + side * bps / 1e4))), order.sz)


def test_how_urgent_each_wish_is():
    """RL-18: the whole table. A surplus order is no small matter, and a pair no smaller one."""
    scene = Scene()
    order = scene.orders[BUY][0]
    other = scene.targets.asks[-1]
    assert scene.priority(CancelOrder(order)) is NORMAL
    assert scene.priority(PlaceNew(SELL, other)) is NORMAL
    assert scene.priority(PlaceNew(SELL, scene.targets.asks[0])) is NORMAL, "an ask stands there"
    for bps, modify, replaced in ((5, LOW, NORMAL), (15, NORMAL, NORMAL), (25, HIGH, HIGH)):
        level = scene.at(BUY, bps)  # the target is nearer: the order lags behind, and gives nothing away
        assert scene.priority(ModifyOrder(order, level)) is modify
        assert scene.priority(Replace(order, level)) is replaced
    assert scene.priority(ModifyOrder(order, scene.at(BUY, 5)), Stance(reduce_only=True)) is EMERGENCY


def test_the_best_level_of_an_empty_side_is_urgent():
    """RL-21: a gap at the best level, and only there."""
    scene = Scene()
    for order in scene.orders[SELL]:
        del scene.bench.desk.tracker.orders[order.cloid]
    assert scene.priority(PlaceNew(SELL, scene.targets.asks[0])) is HIGH
    assert scene.priority(PlaceNew(SELL, LadderLevel(Px(MID + 900 * TICK), Sz(5)))) is NORMAL


def test_an_order_that_earns_less_than_it_costs_is_an_emergency():
    """RU-12: the mid came so near that a fill would not pay the fee; its target would."""
    scene = Scene()
    order = scene.orders[SELL][0]
    scene.bench.desk.on_bbo(bbo(order.px - TICK, order.px + TICK, ms(1)), ms(1))
    assert scene.priority(ModifyOrder(order, scene.at(SELL, -6))) is EMERGENCY


def test_a_tight_budget_drops_pairs_whole_and_never_a_surplus_order():
    """T-13, CH-30: nothing left of the window; the pair stays whole where it is, the order without a target goes."""
    scene = Scene()
    first, surplus = scene.orders[BUY][0], scene.orders[BUY][-1]
    wanted = [Replace(first, scene.at(BUY, 5)), CancelOrder(surplus)]
    goes, held = scene.policy.divide(wanted, scene.targets, FREE, scene.draft(700, spent=50), Ns(0))
    assert goes == [CancelOrder(surplus)]
    assert held == wanted[:1]
    assert scene.policy.by_name() == {"normal": 2}


def test_a_side_survives_once_in_five_minutes():
    """C-10: whatever the budget, while anything is left; then not before five minutes are over."""
    scene = Scene()
    scene.bench.desk.tracker.orders.clear()
    wanted = [PlaceNew(BUY, scene.targets.bids[0]), PlaceNew(SELL, scene.targets.asks[0])]
    went = []
    for at in (0, 1, 299, 300):
        goes, _ = scene.policy.divide(wanted, scene.targets, FREE, scene.draft(700, spent=50), Ns(s(at)))
        went.append(len(goes))
    assert went == [2, 0, 0, 2]


def test_with_nothing_left_the_best_levels_take_turns():
    """C-10: one action every so often, for a gap at the best level, the side that waited longer first."""
    scene = Scene()
    scene.bench.desk.tracker.orders.clear()
    best = [PlaceNew(BUY, scene.targets.bids[0]), PlaceNew(SELL, scene.targets.asks[0])]
    wanted = [*best, PlaceNew(BUY, LadderLevel(Px(MID - 900 * TICK), Sz(5)))]
    sides = []
    for at in range(4):
        goes, _ = scene.policy.divide(wanted, scene.targets, FREE, scene.draft(0), Ns(s(10 * at)))
        sides += [action.side for action in goes]
    assert sides == [BUY, SELL, BUY, SELL]


# --- in the trader ------------------------------------------------------------------------------

FIRST = ModifyFirstConfig(max_price_bps=8.0)


def paced(initial, *, steps=(1, -1, 2, -2, -1, 1), seconds=120, first=FIRST):
    """A trader on a small allowance in a market that moves every second."""
    desk = replace(QUICK.desk, reconcile=ReconcileConfig(modify_first=first))
    limits = VenueLimits(address=AddressLimits(initial=initial, usd_per_action=Usd(10**12)))
    budget = BudgetConfig(limits=limits, pacing=PacingConfig())
    stage = Stage(config=replace(QUICK, desk=desk, budget=budget))
    stage.mid_after = lambda mid: mid + steps[int(stage.now // s(1)) % len(steps)] * 10 * TICK
    return stage.begin().run(s(seconds))


def accounts(stage):
    execution = stage.desk.execution
    return execution.actions_generated - execution.actions_sent - sum(execution.actions_gated.values())


@pytest.mark.parametrize("initial", [0, 20, 300, 10_000])
@pytest.mark.parametrize("first", [FIRST, None])
def test_every_action_is_sent_or_held_back_with_a_reason(initial, first):
    """MT-36: the pace takes nothing out of the account."""
    stage = paced(initial, first=first)
    assert accounts(stage) == 0
    assert stage.desk.execution.actions_gated[GateReason.PACING] == sum(stage.desk.execution.policy.held.values()) > 0


def test_a_small_allowance_lasts():
    """CH-32: two minutes of a market that moves; with an allowance without end it takes many times as many actions."""
    used = {initial: paced(initial).core.budget.used for initial in (300, 10**9)}
    assert used[300] < 20 < 10 * used[300] < used[10**9]


@settings(max_examples=25, deadline=None)
@given(
    steps=st.lists(st.integers(-60, 60), min_size=1, max_size=12),
    initial=st.sampled_from([5, 40, 300]),
    first=st.sampled_from([FIRST, None]),
)
def test_no_side_has_more_orders_than_targets(steps, initial, first):
    """RU-15, T-12: whatever the budget drops, after each quiet second no more rest than are wanted."""
    desk = replace(QUICK.desk, reconcile=ReconcileConfig(modify_first=first))
    limits = VenueLimits(address=AddressLimits(initial=initial, usd_per_action=Usd(10**12)))
    stage = Stage(config=replace(QUICK, desk=desk, budget=BudgetConfig(limits=limits, pacing=PacingConfig())))
    stage.begin().run_until(stage.is_two_sided)
    for step in steps:
        stage.venue.quote(MID + step * 10 * TICK)
        stage.run_for(s(2))
        targets = stage.desk.targets
        if targets is None:
            continue
        for side in Side:
            resting = [order for order in stage.venue.resting() if order.place.side is side]
            assert len(resting) <= len(targets.of(side))
    assert accounts(stage) == 0


def test_a_cancel_whose_replacement_may_not_go_stays_too():
    """T-13: the side waits after refusals; with the layer on its order rests on, without it the order is gone."""
    left = {}
    for pacing in (PacingConfig(), None):
        stage = Stage(config=replace(QUICK, budget=BudgetConfig(pacing=pacing)))
        stage.begin().run_until(stage.is_two_sided)
        stage.desk.rejections.sides[BUY].until = Ns(stage.now + s(60))
        stage.venue.quote(MID + 60 * TICK)
        since = stage.now
        stage.run_for(s(3))
        left[pacing is None] = {order.place.side for order in stage.venue.resting()}
        assert list(stage.actions(Cancel, since=since))
        assert accounts(stage) == 0
    assert left == {False: {BUY, SELL}, True: {SELL}}


def test_what_is_sent_for_each_wish():
    """A pair is two actions, everything else is one."""
    place = LadderLevel(Px(1), Sz(1))
    order = TrackedOrder(ETH.id, cloid(1), BUY, Px(1), Sz(1), Tif.ALO, Ns(0))
    kinds = [operations_of(a) for a in (PlaceNew(BUY, place), CancelOrder(order), ModifyOrder(order, place))]
    assert kinds == [(Operation.PLACE,), (Operation.CANCEL,), (Operation.MODIFY,)]
    assert operations_of(Replace(order, place)) == (Operation.CANCEL, Operation.PLACE)
