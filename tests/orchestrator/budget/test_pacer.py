"""How fast the allowance is spent, and on what first (RL-17..22, CH-31, C-11, C-27; the numbers of Q12)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.commands import Cancel, Modify, Place, Request, Route
from domain.limits import AddressLimits, SocketLimits, VenueLimits
from domain.units import NS_PER_S, USD, Epoch, Ns, Oid, Px, RequestId, Sz, Tif, Usd
from orchestrator.budget.pacer import Allowance, BudgetPacer, Operation, OperationPriority, PacingConfig
from tests.orchestrator.messages import BUY, ETH, cloid

S = NS_PER_S
LIMITS = VenueLimits()
PLACE = Place(ETH.id, cloid(1), BUY, Px(1), Sz(1), Tif.ALO)
ACTIONS = {
    Operation.PLACE: PLACE,
    Operation.MODIFY: Modify(cloid(1), Oid(1), PLACE),
    Operation.CANCEL: Cancel(ETH.id, cloid(1)),
}
PLENTY = Allowance(10**9, 10**9)
EMERGENCY, HIGH, NORMAL, LOW = OperationPriority
ONE = (Operation.PLACE,)


def pacer(limits=LIMITS, **changes) -> BudgetPacer:
    return BudgetPacer(PacingConfig(**{"impulse": None} | changes), limits)


def sent(what: Operation, n: int = 1) -> Request:
    return Request(RequestId(1), Route.SOCKET, Epoch(1), None, (ACTIONS[what],) * n)


def spend(budget: BudgetPacer, counts: dict[Operation, int], now=0) -> BudgetPacer:
    for what, n in counts.items():
        for _ in range(n):
            budget.on_sent(sent(what), Ns(now))
    return budget


@pytest.mark.parametrize(("priority", "until"), [(LOW, 240), (NORMAL, 360), (HIGH, 480), (EMERGENCY, 10_000)])
def test_of_600_a_minute_the_less_urgent_get_less(priority, until):
    """RL-17, Q12: low until 240, normal until 360, high until 480, danger always; half placements, half modifies."""
    for used, goes in ((until - 1, True), (until, priority is EMERGENCY)):
        budget = spend(pacer(), {Operation.PLACE: used // 2, Operation.MODIFY: used - used // 2})
        assert budget.draft(PLENTY, Ns(0)).admits(priority, ONE) is goes


def test_the_window_is_a_minute_to_the_nanosecond():
    """Q12: what is as old as the window does not count."""
    budget = spend(pacer(), {Operation.PLACE: 120, Operation.MODIFY: 120})
    assert not budget.draft(PLENTY, Ns(60 * S - 1)).admits(LOW, ONE)
    assert budget.draft(PLENTY, Ns(60 * S)).admits(LOW, ONE)


def test_seven_percent_of_the_allowance_last_a_day():
    """C-11, Q12: 700 actions over 1,440 minutes are 0.49 a minute, and the window is half an hour long."""
    pace = pacer().pace(Allowance(700, 10_700), Ns(0))
    assert pace.per_second * 60 == pytest.approx(0.486, abs=1e-3)
    assert pace.length == 1_800 * S
    assert pace.budget() == pytest.approx(14.58, abs=0.01)


def test_at_seven_percent_forty_calls_a_minute_are_filtered():
    """C-11: a pacer of 600 a minute never would."""
    budget, went = pacer(), {LOW: 0, HIGH: 0}
    for second in range(0, 1_800, 3):
        for priority in (LOW, HIGH):
            if budget.draft(Allowance(700, 10_700), Ns(second * S)).admits(priority, ONE):
                budget.on_sent(sent(Operation.PLACE), Ns(second * S))
                went[priority] += 1
    assert went[LOW] <= 6
    assert sum(went.values()) <= 15


def test_fills_quicken_the_pace_and_fade():
    """C-11: 100 USD are 100 actions, remembered for half an hour; half as much is left of them after that."""
    budget = pacer()
    slow = budget.pace(Allowance(700, 700), Ns(0)).per_second
    budget.on_traded(Usd(100 * USD), Ns(0))
    fast = budget.pace(Allowance(700, 700), Ns(0)).per_second
    assert (fast - slow) * 60 == pytest.approx(2.31, abs=0.01)
    assert budget.earning(Ns(1_800 * S)) == pytest.approx(budget.earning(Ns(0)) / 2)
    thin = pacer(VenueLimits(address=AddressLimits(usd_per_action=Usd(50 * USD))))
    thin.on_traded(Usd(100 * USD), Ns(0))
    assert thin.earning(Ns(0)) == pytest.approx(budget.earning(Ns(0)) / 50)


def test_the_venues_messages_bound_the_pace_too():
    """One description of the limits: a venue that takes 30 messages a minute is not paced at 600."""
    budget = pacer(VenueLimits(socket=SocketLimits(messages=30)))
    assert budget.pace(PLENTY, Ns(0)).per_second * 60 == pytest.approx(30)


def test_the_shares_are_forty_forty_twenty_and_unused_ones_are_lent():
    """CH-31, Q12: 240, 240 and 120 of 600; one kind alone may use four fifths of what the others leave."""
    used = {Operation.MODIFY: 240, Operation.PLACE: 240, Operation.CANCEL: 120}
    full = spend(pacer(), used).draft(PLENTY, Ns(0))
    assert [full.share(kind) for kind in used] == [240, 240, 120]
    idle = pacer().draft(PLENTY, Ns(0))
    assert idle.share(Operation.PLACE) == pytest.approx(240 + 0.8 * 360)


@given(wanted=st.lists(st.tuples(st.sampled_from(list(Operation)), st.sampled_from([HIGH, NORMAL, LOW])), max_size=900))
def test_no_kind_goes_beyond_its_share_and_what_was_lent(wanted):
    """CH-31: whatever is wanted in a minute; the last one may be a part of an action beyond."""
    budget = pacer(per_minute=60)
    for what, priority in wanted:
        draft = budget.draft(PLENTY, Ns(0))
        share = draft.share(what)
        if draft.admits(priority, (what,)):
            budget.on_sent(sent(what), Ns(0))
            assert budget.spent(what, Ns(60 * S), Ns(0)) <= share + 1
    pm = sum(budget.spent(kind, Ns(60 * S), Ns(0)) for kind in (Operation.PLACE, Operation.MODIFY))
    assert pm <= 48


def test_cancels_have_a_budget_by_their_own_cap():
    """C-27: with nothing left to place with, the cancels of pairs still have theirs."""
    budget = pacer()
    none_left = Allowance(0, 10_000)
    draft = budget.draft(none_left, Ns(0))
    assert draft.is_exhausted
    assert not draft.admits(HIGH, ONE)
    assert draft.admits(LOW, (Operation.CANCEL,))
    assert draft.share(Operation.CANCEL) == pytest.approx(0.2 * 10_000 / 86_400 * 1_800)


def test_a_pair_goes_whole_or_not_at_all():
    """T-13: where the placement has no room the cancel is not counted either."""
    budget = spend(pacer(), {Operation.PLACE: 600})
    draft = budget.draft(PLENTY, Ns(0))
    assert not draft.admits(HIGH, (Operation.CANCEL, Operation.PLACE))
    assert draft.admits(LOW, (Operation.CANCEL,))


def test_one_cycle_counts_what_it_has_asked_for():
    """Five wishes of one cycle are not five times the first: of five actions four may be urgent ones."""
    draft = pacer(window_s=600.0).draft(Allowance(700, 10_700), Ns(0))
    assert [draft.admits(HIGH, ONE) for _ in range(5)] == [True] * 4 + [False]


def test_the_purse_bounds_one_burst_and_keeps_a_reserve():
    """RL-08: 100 at first; what is not urgent leaves 20, danger may go below nothing."""
    budget = BudgetPacer(PacingConfig(), LIMITS)
    draft = budget.draft(PLENTY, Ns(0))
    normal = sum(draft.admits(NORMAL, ONE) for _ in range(300))
    assert 1 + 0.8 * (normal - 1) <= 80 < 1 + 0.8 * normal
    high = sum(draft.admits(HIGH, ONE) for _ in range(300))
    assert 1 + 0.8 * (normal + high - 1) <= 100 < 1 + 0.8 * (normal + high)
    assert all(draft.admits(EMERGENCY, ONE) for _ in range(50))


def test_cancels_cost_the_purse_nothing():
    """C-27: they have a cap of their own; a market that takes all quotes away again and again leaves it as it was."""
    budget = BudgetPacer(PacingConfig(), LIMITS)
    for second in range(300):
        budget.on_sent(sent(Operation.CANCEL), Ns(second * S))
    assert budget.bucket.available == 100
    assert budget.draft(PLENTY, Ns(300 * S)).admits(LOW, (Operation.MODIFY,))


def test_within_the_window_no_more_is_spent_than_fills_have_earned():
    """A fill of 100 USD is 100 actions; what they add to the budget of the window is less."""
    budget = pacer()
    before = budget.pace(Allowance(0, 0), Ns(0)).budget()
    budget.on_traded(Usd(100 * USD), Ns(0))
    assert 60 < budget.pace(Allowance(0, 0), Ns(0)).budget() - before < 100


def test_what_never_arrived_is_given_back():
    """A night without a connection leaves the window as it was."""
    budget = spend(pacer(), {Operation.PLACE: 500})
    for _ in range(500):
        budget.on_not_sent(sent(Operation.PLACE), Ns(0))
    assert budget.draft(PLENTY, Ns(0)).admits(LOW, ONE)
    assert budget.spent(Operation.PLACE, Ns(60 * S), Ns(0)) == 0
