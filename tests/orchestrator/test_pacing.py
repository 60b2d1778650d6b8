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
        self.policy = QuotaPolicy(PacingConfig(), Bps(1.0), desk.market, desk.tracker, desk.limit, desk.inventory)
        self.orders = {side: [o for o in desk.tracker.orders.values() if o.side is side] for side in Side}

    def draft(self, left=10**9, *, spent=0):
        pacer = BudgetPacer(PacingConfig(impulse=None), VenueLimits())
        draft = pacer.draft(Allowance(left, 10**9), Ns(0))
        draft.take((Operation.PLACE,) * spent)
        return draft

    def priority(self, action, stance=FREE):
        return self.policy.priority(action, self.targets, stance)

    def send(self, actions, at):
        """The placements among them leave."""
        for action in actions:
            self.policy.on_sent(action.side, Ns(s(at)))

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


@pytest.mark.parametrize(("left", "wait"), [(300, 300), (700, 247), (10_000, 18)])
def test_a_side_survives_as_often_as_the_pace_bears(left, wait):
    """C-10: whatever others have used; both sides by the pace of a day, and once in five minutes at least."""
    scene = Scene()
    scene.bench.desk.tracker.orders.clear()
    wanted = [PlaceNew(BUY, scene.targets.bids[0]), PlaceNew(SELL, scene.targets.asks[0])]
    went = []
    for at in (0, 1, wait - 1, wait):
        goes, _ = scene.policy.divide(wanted, scene.targets, FREE, scene.draft(left, spent=300), Ns(s(at)))
        scene.send(goes, at)
        went.append(len(goes))
    assert went == [2, 0, 0, 2]


def test_what_a_gate_held_back_is_tried_again():
    """The wait begins when a placement leaves, not when it was wanted."""
    scene = Scene()
    scene.bench.desk.tracker.orders.clear()
    wanted = [PlaceNew(BUY, scene.targets.bids[0])]
    for at in (0, 5, 10):
        assert scene.policy.divide(wanted, scene.targets, FREE, scene.draft(700, spent=50), Ns(s(at)))[0] == wanted


def test_a_side_without_its_best_level_has_a_gap():
    """RL-21: an order further out is no best level; it goes however tight the budget is, once in a while."""
    scene = Scene()
    first = scene.orders[BUY][0]
    del scene.bench.desk.tracker.orders[first.cloid]
    wanted = [PlaceNew(BUY, scene.targets.bids[0])]
    assert scene.priority(wanted[0]) is HIGH
    went = []
    for at in (0, 246, 247):
        goes, _ = scene.policy.divide(wanted, scene.targets, FREE, scene.draft(700, spent=50), Ns(s(at)))
        scene.send(goes, at)
        went.append(len(goes))
    assert went == [1, 0, 1]


def test_with_nothing_left_and_no_gap_the_most_urgent_modify_goes():
    """An order that was left behind earns nothing; one that is a little off can stay."""
    scene = Scene()
    near, far = (
        ModifyOrder(scene.orders[side][0], scene.at(side, side * bps)) for side, bps in ((BUY, 12), (SELL, 49))
    )
    outer = scene.orders[BUY][1]
    little = ModifyOrder(outer, LadderLevel(Px(round(outer.px * 1.0005)), outer.sz))
    goes, held = scene.policy.divide([near, little, far], scene.targets, FREE, scene.draft(0), Ns(0))
    assert (goes, held) == ([far], [near, little])
    assert scene.policy.divide([little], scene.targets, FREE, scene.draft(0), Ns(0)) == ([], [little])


def gone(scene, side):
    """No order of a side is left."""
    for order in scene.orders[side]:
        del scene.bench.desk.tracker.orders[order.cloid]


def test_with_nothing_left_a_side_that_is_held_elsewhere_does_not_keep_the_turn():
    """C-10: the venue refuses bids again and again; after half a minute the gap of the ask goes."""
    scene = Scene()
    scene.bench.desk.tracker.orders.clear()
    bid, ask = PlaceNew(BUY, scene.targets.bids[0]), PlaceNew(SELL, scene.targets.asks[0])
    went = [scene.policy.divide([bid, ask], scene.targets, FREE, scene.draft(0), Ns(s(at)))[0] for at in (0, 29, 30)]
    assert went == [[bid], [bid], [ask]]
    scene.send([ask], 30)
    assert scene.policy.divide([bid], scene.targets, FREE, scene.draft(0), Ns(s(31)))[0] == [bid]


def test_with_nothing_left_an_order_beyond_the_reach_of_a_modify_moves_too():
    """It can only be replaced; left alone it would rest where nobody trades, and count as a quote."""
    scene = Scene()
    far = Replace(scene.orders[BUY][0], scene.at(BUY, 100))
    assert scene.policy.divide([far], scene.targets, FREE, scene.draft(0), Ns(0)) == ([far], [])


@pytest.mark.parametrize(("bps", "goes"), [(100, True), (5, False)])
def test_a_best_order_that_is_far_off_survives_as_a_gap_does(bps, goes):
    """Whatever others have used of the window; a small drift waits."""
    scene = Scene()
    best = scene.targets.bids[0]
    order = scene.orders[BUY][0]
    order.px = Px(round(best.px * (1 - bps / 1e4)))
    move = ModifyOrder(order, best)
    went, _ = scene.policy.divide([move], scene.targets, FREE, scene.draft(700, spent=50), Ns(0))
    assert bool(went) is goes


def test_an_outer_level_does_not_put_off_the_best_one():
    scene = Scene()
    gone(scene, BUY)
    gap, outer = PlaceNew(BUY, scene.targets.bids[0]), PlaceNew(BUY, scene.targets.bids[1])
    scene.policy.divide([gap], scene.targets, FREE, scene.draft(700, spent=50), Ns(0))
    scene.send([gap], 0)
    scene.policy.divide([outer], scene.targets, FREE, scene.draft(), Ns(s(240)))
    scene.send([outer], 240)
    went, _ = scene.policy.divide([gap], scene.targets, FREE, scene.draft(700, spent=50), Ns(s(248)))
    assert went == [gap]


def test_all_instruments_together_survive_by_one_pace():
    """Ten desks with empty sides for an hour: 417 actions are what the pace of 10,000 bears, and once in 300 s each."""
    pacer = BudgetPacer(PacingConfig(impulse=None), VenueLimits())
    scenes = [Scene() for _ in range(3)]
    n = 0
    for scene in scenes:
        scene.bench.desk.tracker.orders.clear()
    for second in range(0, 3_600, 5):
        for scene in scenes:
            draft = pacer.draft(Allowance(10_000, 10**9), Ns(s(second)))
            draft.take((Operation.PLACE,) * 1_000)
            wanted = [PlaceNew(BUY, scene.targets.bids[0]), PlaceNew(SELL, scene.targets.asks[0])]
            goes, _ = scene.policy.divide(wanted, scene.targets, FREE, draft, Ns(s(second)))
            scene.send(goes, second)
            n += len(goes)
    assert 200 < n <= 417 + 3 * 2 * 12


def test_what_is_over_a_limit_that_has_shrunk_goes_at_once():
    """C-22: the limit is a bound on what may fill, and no small drift."""
    scene = Scene()
    order = scene.orders[BUY][0]
    smaller = ModifyOrder(order, LadderLevel(order.px, Sz(order.sz // 10)))
    assert scene.priority(smaller) is LOW
    scene.bench.desk.limit.lots = Sz(order.sz // 10)
    assert scene.priority(smaller) is EMERGENCY


@pytest.mark.parametrize(
    ("stance", "bps", "size", "urgent"),
    [
        (Stance(spread_factor=1.5), -1, 1.0, False),  # it drifts a little, as on any day
        (Stance(spread_factor=1.5), -60, 1.0, True),  # it stands where it stood before risk wanted it further out
        (Stance(spread_factor=1.5), 60, 1.0, False),  # it stands further out already
        (Stance(size_factor=0.5), 1, 0.5, True),
        (Stance(size_factor=0.5), 1, 0.9, False),
        (Stance(adds_levels=False), -1, 1.0, False),
        (Stance(must_shrink=True), -1, 1.0, True),
    ],
)
def test_what_risk_asks_for_is_an_emergency_and_nothing_else_is(stance, bps, size, urgent):
    """RL-18: with wider quotes or smaller sizes only the orders that are rather as they were before."""
    scene = Scene()
    order = scene.orders[BUY][0]
    mid = scene.bench.desk.market.mid
    order.px = Px(round(mid * (1 - 100 / 1e4)))
    level = LadderLevel(Px(round(mid * (1 - (100 - bps) / 1e4))), Sz(round(order.sz * size)))
    assert (scene.priority(ModifyOrder(order, level), stance) is EMERGENCY) is urgent


def test_a_way_out_of_a_position_is_an_emergency():
    """Where risk lets nothing but reduce, the best of the side that reduces goes whatever was spent."""
    scene = Scene()
    scene.bench.desk.tracker.orders.clear()
    best = PlaceNew(BUY, scene.targets.bids[0])
    assert scene.priority(best, Stance(reduce_only=True)) is EMERGENCY
    assert scene.priority(PlaceNew(BUY, scene.targets.bids[1]), Stance(reduce_only=True)) is NORMAL


def test_with_nothing_left_the_best_levels_take_turns():
    """C-10: one action every so often, for a gap at the best level, the side that waited longer first."""
    scene = Scene()
    scene.bench.desk.tracker.orders.clear()
    best = [PlaceNew(BUY, scene.targets.bids[0]), PlaceNew(SELL, scene.targets.asks[0])]
    wanted = [*best, PlaceNew(BUY, LadderLevel(Px(MID - 900 * TICK), Sz(5)))]
    sides = []
    for at in range(4):
        goes, _ = scene.policy.divide(wanted, scene.targets, FREE, scene.draft(0), Ns(s(10 * at)))
        scene.send(goes, 10 * at)
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
    assert used[300] < 25 < 8 * used[300] < used[10**9]


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
