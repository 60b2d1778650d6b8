"""Whole runs with one thing wrong on purpose, in the trader or at the venue: the rule that it breaks goes red.

`test_invariants*.py` break each rule by hand on a bench. Here the fault is planted where it would be made, and what
is found must be told with its orders.
"""

from msgspec.structs import replace

from domain.commands import Alert
from domain.orders import Certainty, InFlight, OrderState
from domain.units import NS_PER_S, Side
from orchestrator.budget.proactive import ProactiveRateTracker
from orchestrator.connectivity.feeds import FeedMachine
from orchestrator.core import Orchestrator
from orchestrator.desk import desk, execution
from orchestrator.desk.data_quality import DataQuality, QuoteGateReason
from orchestrator.desk.execution import Execution, IdSource
from orchestrator.desk.market import Market
from orchestrator.desk.order_tracker import OrderTracker
from orchestrator.gate import TradingGate
from orchestrator.reconcile.table import Rules
from orchestrator.risk.kill_switch import KillSwitch
from orchestrator.risk.position_limit import PositionLimit
from orchestrator.sync.orphans import OrphanTracker
from runtime import driver, virtual
from scenarios.runner import run
from tests.scenarios.runs import PLAIN, running_of

REPLIES_LOST = 'faults=[{kind="reply_lost", at_s=30, duration_s=20, share=0.5}]'
NOTHING_IS_TOLD = (
    'faults=[{kind="reply_lost", at_s=30, duration_s=20, share=0.5},'
    '{kind="message_loss", at_s=30, duration_s=20, share=1.0, channels=["order_updates"]}]'
)
STILL = ("market.flow.sigma_bps=0", "market.flow.jumps=0", "market.flow.bursts=0", "market.flow.placements=1")
"""A market that does not move."""
DISCONNECTS = 'faults=[{kind="disconnect", at_s=30, duration_s=15, feeds=["user"]}]'

HARMLESS = 'faults=[{kind="message_loss", at_s=1, duration_s=59, share=0.001, channels=["trades"]}]'


def broken_by(name, seconds, *overrides, seed=7, at=None):
    """Run, and return what was violated by rule; ``at`` is (time in s, what is done with the run then)."""
    running = running_of(name, seconds, *overrides, seed=seed)
    if at is not None:
        running.world.env.call_at(round(at[0] * NS_PER_S), at[1], running)
    found = {}
    for violation in run(running, seed).violations:
        found.setdefault(violation.name, violation)
    return found


def reject_when_silent(self, cloid):
    order = self.orders.get(cloid)
    self.revision += 1
    if order is not None and order.state is OrderState.PENDING_NEW:
        order.in_flight = InFlight.NONE
        self._reject(order, order.placed_at)
        self._retire(order)


def test_s9_and_s14_silence_taken_for_a_refusal(monkeypatch):
    """The mistake that costs most: the order rests, and nobody looks after it."""
    monkeypatch.setattr(OrderTracker, "on_place_silence", reject_when_silent)
    found = broken_by("eth-volatile", 60, NOTHING_IS_TOLD)
    assert {"S9", "S14", "S11"} <= set(found)
    assert "decide  place" in found["S14"].story


def test_s11_a_stranger_that_nobody_takes_out(monkeypatch):
    """The lists show it, and nothing is done about it."""
    monkeypatch.setattr(OrphanTracker, "decide", lambda self, now: None)
    monkeypatch.setattr(OrphanTracker, "deadline", lambda self: None)
    rests = 'faults=[{kind="foreign_fills", at_s=25, duration_s=60, rests=true, away_bps=200}]'
    found = broken_by("eth-quiet", 80, rests, "checks.limbo_ms=10000")
    assert "we do not know it" in found["S11"].text


def test_s12_a_name_given_again(monkeypatch):
    """A counter that was set back."""
    next_cloid = IdSource.next_cloid

    def repeat(self):
        if self.n_issued == 20:
            self.n_issued -= 5
        return next_cloid(self)

    monkeypatch.setattr(IdSource, "next_cloid", repeat)
    found = broken_by("eth-volatile", 60)
    assert "used before" in found["S12"].text


def test_s13_nothing_is_written_before_it_leaves(monkeypatch):
    """The journal is synced some time later: a crash in between forgets the order."""
    monkeypatch.setattr(driver, "must_survive", lambda commands: False)
    found = broken_by("eth-volatile", 30)
    assert "could be forgotten" in found["S13"].text
    assert "decide  place" in found["S13"].story


class TenTimes(PositionLimit):
    """A limit reckoned with a wrong price, or in a wrong unit."""

    @property
    def lots(self):
        return self._lots * 10

    @lots.setter
    def lots(self, value):
        self._lots = value


def test_s15_a_limit_ten_times_too_high(monkeypatch):
    """The trader keeps the limit that it takes for its own; the figures show how far beyond the real one it went."""
    monkeypatch.setattr(desk, "PositionLimit", TenTimes)
    result = run(running_of("eth-volatile", 60, "trader.desk.engine.max_position_usd=1000"), 7)
    texts = [violation.text for violation in result.violations if violation.name == "S15"]
    assert "the trader's limit is 3.333 ETH, config and venue allow 0.3499 ETH" in texts
    assert any("(the venue)" in text for text in texts)
    assert result.metrics.markets["ETH"].inventory.max_of_limit_pct > 110


def test_s18_a_price_beside_the_grid(monkeypatch):
    """One tick off: five significant figures are all that there are."""
    place = Execution._place
    monkeypatch.setattr(Execution, "_place", lambda self, *args: replace(p := place(self, *args), px=p.px + 1))
    found = broken_by("eth-volatile", 30)
    assert "significant figures" in found["S18"].text


def test_s32_orders_stay_whatever_a_fill_would_earn(monkeypatch):
    """A band without an end toward the market: the mid runs over what rests."""
    monkeypatch.setattr(Rules, "_is_inside", lambda self, off, band: True)
    found = broken_by("churn-stable", 200, "market.flow.sigma_bps=3")
    assert "was left where a fill earns" in found["S32"].text


def forgets_the_last(self, wanted):
    """The best of both sides first, and the list one too short."""
    return list(wanted)[:-1] if len(wanted) > 1 else list(wanted)


def test_s31_a_placement_is_dropped_and_nobody_counts_it(monkeypatch):
    """RU-11: the ladder heals with the next cycle, so that nothing but the account of the cycle shows it."""
    monkeypatch.setattr(Execution, "_inner_first", forgets_the_last)
    found = broken_by("eth-quiet", 60)
    assert set(found) == {"S31"}
    assert "in no count" in found["S31"].text


def test_s31_a_request_that_is_cut_counts_as_sent_whole(monkeypatch):
    """The totals agree, and the venue got less: seen where what left is compared with what was counted."""
    send = Execution._send
    monkeypatch.setattr(Execution, "_send", lambda self, actions, now: send(self, actions[:3], now) and len(actions))
    found = broken_by("eth-quiet", 60)
    assert "left in a cycle that counts otherwise" in found["S31"].text


def test_s20_quotes_while_nobody_hears_the_account(monkeypatch):
    """The gate of the account's own connection is open when it should not be."""
    gate = TradingGate.reason
    blind = {"user_feed_down", "resync"}
    monkeypatch.setattr(TradingGate, "reason", lambda self, now: None if (why := gate(self, now)) in blind else why)
    found = broken_by("eth-volatile", 60, DISCONNECTS)
    assert "connection is down" in found["S20"].text


def test_s21_quotes_from_a_crossed_book(monkeypatch):
    """A book that cannot be leaves what was known before."""
    advance = Market._advance

    def believe(self, *args):
        before = self.bid, self.ask, self.mid2
        took = advance(self, *args)
        if took and self.mid2 is None:
            self.bid, self.ask, self.mid2 = before
        return took

    monkeypatch.setattr(Market, "_advance", believe)
    found = broken_by("eth-volatile", 60, 'faults=[{kind="crossed_book", at_s=30, duration_s=20}]')
    assert "not sound" in found["S21"].text


def test_s22_an_id_that_nobody_told(monkeypatch):
    """It could only come from the venue's side of the world."""
    cancel_of = execution.cancel_of
    monkeypatch.setattr(execution, "cancel_of", lambda order: replace(cancel_of(order), oid=987_654))
    found = broken_by("eth-volatile", 40)
    assert "nobody has told us" in found["S22"].text


def test_s23_a_kill_that_kills_nothing(monkeypatch):
    """The latch is set and nobody looks at it."""
    monkeypatch.setattr(KillSwitch, "is_latched", property(lambda self: False))
    latch = (40, lambda running: running.trader.core.kill_switch.latch("a test"))
    found = broken_by("eth-volatile", 600, at=latch)
    assert "after the kill" in found["S23"].text


def test_s24_a_budget_that_holds_nothing_back(monkeypatch):
    """The allowance is used up, and everything is sent all the same."""
    monkeypatch.setattr(ProactiveRateTracker, "gate", lambda self, *args: None)
    found = broken_by("quota-exhausted", 100)
    assert "the limit of actions" in found["S24"].text
    assert "refusals of a used allowance" in found["L7"].text


def test_s25_refused_for_ever():
    """Without its patience a side is refused once a second."""
    found = broken_by("risk-refusals", 60, "trader.desk.rejections=off", "trader.desk.futile=off")
    assert "S25" in found
    assert "refused 4 times" in found["S25"].text
    assert "refused" in found["S25"].story


def test_s25_a_halted_market_is_asked_again_and_again():
    """Each time with another price, so that no two requests are alike."""
    halt = 'faults=[{kind="halt", at_s=35, duration_s=15}]'
    found = broken_by("eth-volatile", 60, halt, "trader.desk.rejections=off", "trader.desk.futile=off", PLAIN)
    assert found["S25"].text == "21 requests refused within a minute in ETH: halted"


def test_s26_waits_without_chance(monkeypatch):
    """Always the same wait."""
    monkeypatch.setattr(FeedMachine, "_backoff", lambda *_: NS_PER_S)
    found = broken_by("eth-volatile", 60, DISCONNECTS)
    assert "no chance in them" in found["S26"].text


def test_s27_something_that_is_never_thrown_away(monkeypatch):
    """A list of everything that ever happened."""
    apply = Orchestrator.apply

    def hoard(self, event, now):
        apply(self, event, now)
        self.__dict__.setdefault("everything", []).append(event)

    monkeypatch.setattr(Orchestrator, "apply", hoard)
    found = broken_by("eth-volatile", 90)
    assert "Orchestrator.everything" in found["S27"].text


def test_s28_a_trader_that_is_gone():
    """Its process ends and nothing says why."""
    found = broken_by("eth-volatile", 60, at=(40, lambda running: running.driver.kill_trader()))
    assert "nobody has said why" in found["S28"].text


def test_s30_a_life_without_a_past(monkeypatch):
    """The fold forgets what may rest."""
    fold = virtual.fold
    monkeypatch.setattr(virtual, "fold", lambda *args: replace(fold(*args), orders=()))
    found = broken_by("eth-volatile", 60, 'faults=[{kind="crash", at_s=40, duration_s=3}]')
    assert "which rests" in found["S30"].text
    assert "decide  place" in found["S30"].story


def test_l1_a_side_that_is_never_quoted(monkeypatch):
    """Every ask is held back, and no reason has a name."""
    admits = Execution._admits
    monkeypatch.setattr(Execution, "_admits", lambda self, side, *args: side is Side.BUY and admits(self, side, *args))
    found = broken_by("eth-quiet", 60, "checks.heal_ms=20000")
    assert "no ask" in found["L1"].text


def test_l1_a_gate_that_a_fault_has_closed_for_ever(monkeypatch):
    """The book was frozen for some seconds; the gate of that does not open again."""
    gated_by, stuck = DataQuality.should_gate_quotes, {}

    def stick(self, market, now):
        gate = stuck.get(self) or gated_by(self, market, now)
        if gate is not None and gate.reason is QuoteGateReason.FROZEN_BOOK:
            stuck[self] = gate
        return gate

    monkeypatch.setattr(DataQuality, "should_gate_quotes", stick)
    frozen = 'faults=[{kind="restamped", at_s=40, duration_s=12, stamp="frozen"}]'
    found = broken_by("frozen-books", 90, frozen, "checks.heal_ms=25000")
    assert "it says: frozen_book" in found["L1"].text


def test_l8_quotes_that_are_only_said(monkeypatch):
    """No gate is closed and nothing is sent, as long as a fault keeps L1 quiet."""
    monkeypatch.setattr(Execution, "execute", lambda *_: True)
    found = broken_by("eth-quiet", 60, "checks.heal_ms=15000", HARMLESS)
    assert set(found) == {"L8", "S31"}, "and what was wanted is in nobody's account"
    assert "ETH says that it quotes: no " in found["L8"].text


def test_l2_another_size_than_the_venues():
    """One lot more than was placed, in our books only; nothing else would ever notice."""

    def tamper(running):
        for order in running.trader.core.desks["ETH"].tracker.orders.values():
            order.sz += 1

    found = broken_by("eth-quiet", 60, *STILL, at=(40, tamper))
    assert "L2" in found


def test_l3_a_cancel_that_never_ends(monkeypatch):
    """The venue says that the order is gone, and nobody listens."""
    end = OrderTracker._end

    def deaf(self, order, *news, **more):
        if order.state not in (OrderState.CANCEL_PENDING, OrderState.CANCEL_CONFIRMED):
            end(self, order, *news, **more)

    monkeypatch.setattr(OrderTracker, "_end", deaf)
    monkeypatch.setattr(OrderTracker, "give_up", lambda self, order, now: None)
    found = broken_by("eth-volatile", 60, "checks.limbo_ms=10000", PLAIN)
    assert "has been cancel_confirmed" in found["L3"].text
    assert "decide  cancel" in found["L3"].story


def test_l6_a_doubt_that_nobody_settles(monkeypatch):
    """An order of unknown fate, and nobody asks for it."""
    monkeypatch.setattr(OrderTracker, "unclear_at", lambda self, order: None)

    def doubt(running):
        for order in running.trader.core.desks["ETH"].tracker.orders.values():
            order.certainty = Certainty.UNKNOWN

    found = broken_by("eth-quiet", 60, *STILL, "checks.limbo_ms=10000", at=(40, doubt))
    assert "has been unknown" in found["L6"].text


def test_l4_cancels_that_do_nothing():
    """The gateway says yes to each of them and forgets it: the order rests on."""
    lies = 'faults=[{kind="success_although_not_applied", at_s=25, duration_s=60, share=1.0, requests=["cancel"]}]'
    found = broken_by("eth-volatile", 80, lies, "checks.limbo_ms=10000", PLAIN)
    assert "after its cancel" in found["L4"].text
    assert "decide  cancel" in found["L4"].story


def test_l9_nobody_is_told(monkeypatch):
    """The trader keeps to itself what it has found."""
    decide = Orchestrator.decide
    monkeypatch.setattr(
        Orchestrator, "decide", lambda self, now: [c for c in decide(self, now) if not isinstance(c, Alert)]
    )
    found = broken_by("half-open-market", 160)
    assert "nobody was told" in found["L9"].text


def test_what_turns_these_red_is_the_mutant():
    """The same runs without it break nothing."""
    assert broken_by("eth-volatile", 60) == {}
    assert broken_by("eth-volatile", 60, REPLIES_LOST) == {}
    assert broken_by("eth-volatile", 60, DISCONNECTS) == {}
    assert broken_by("eth-quiet", 60, "checks.heal_ms=15000", HARMLESS) == {}
