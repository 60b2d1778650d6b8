"""The account's margin: what the venue says, carried on by what happens, and shared out (MG-01..08)."""

import pytest

from domain.commands import QueryLimits
from domain.events import AccountMargin, InstrumentLimits, LimitsReport, MarginMode, Reason, Refused
from domain.instrument import Instrument
from domain.units import USD, InstrumentId, Ns, Side, Sz, Usd
from orchestrator.analytics import Analytics
from orchestrator.budget.proactive import BudgetConfig, ProactiveRateTracker
from orchestrator.desk.terms import LimitsGate
from orchestrator.fills import FillProcessor, FillsConfig, Priority
from orchestrator.risk.margin import MarginConfig, MarginTracker
from orchestrator.sync.limits import VenueLimits
from tests.orchestrator.desks import Bench
from tests.orchestrator.messages import BUY, ETH, MID, SELL, bbo, fill, replied, s

SOL = Instrument(InstrumentId("SOL"), sz_decimals=2)
LOT = MID / USD
"""Value of a lot of ETH in USD: 20."""


class Account:
    """A tracker over one or two desks at a mid of 2,000 (20 USD a lot), and a venue that is told what to say."""

    def __init__(self, *instruments: Instrument, **changes) -> None:
        self.alerts = []
        self.benches = {i.id: Bench(instrument=i) for i in (instruments or (ETH,))}
        first = next(iter(self.benches.values()))
        self.ledger = first.ledger
        self.fills = FillProcessor(FillsConfig(), Analytics(self.alerts.append))
        self.fills.subscribe(lambda f, _: self.benches[f.instrument].desk.inventory.apply(f), Priority.POSITION)
        self.fills.open(Ns(0), Ns(0))
        self.desks = {name: bench.desk for name, bench in self.benches.items()}
        self.tracker = MarginTracker(MarginConfig(**changes), self.ledger, self.desks, self.fills, self.alerts.append)
        self.limits = VenueLimits(self.desks)
        for desk in self.desks.values():
            desk.limit.lots = Sz(10_000)
        self.mid(MID, 1)

    def mid(self, mid: int, at: float) -> None:
        for desk in self.desks.values():
            desk.market.on_bbo(bbo(mid - 500, mid + 500, s(at), instrument=desk.instrument))

    def look(self) -> MarginTracker:
        """As risk does at each decision that matters."""
        self.tracker.look()
        return self.tracker

    def say(self, at: float, value: int, used: int = 0, *, leverage: int | None = 10, **changes) -> None:
        """The venue answers: money in USD."""
        mode = changes.pop("mode", MarginMode.CROSS)
        limits = tuple(
            InstrumentLimits(name, 2, d.instrument.min_notional, 20, Sz(changes.get("most", 10**9)), leverage, mode)
            for name, d in self.desks.items()
        )
        margin = None if leverage is None else AccountMargin(Usd(value * USD), Usd(used * USD), Usd(used * USD // 2))
        report = LimitsReport(s(at), limits, margin)
        self.tracker.hear(report, s(at))
        self.limits.take(report)

    def trade(self, side: Side, lots: int, at: float, *, px: int = MID, instrument: Instrument = ETH) -> None:
        made = fill(int(at * 1e3), side, lots, px, at=s(at), instrument=instrument.id)
        self.fills.process(made, s(at))

    def reach(self, at: float, name: str = "ETH") -> tuple[int, int]:
        desk = self.desks[name]
        desk.limit.weigh(s(at))
        return desk.limit.effective(BUY), desk.limit.effective(SELL)


def usd(lots: int) -> float:
    return lots * LOT


def test_the_example_of_the_catalogue():
    """MG-01: available 100 at 10x with a buffer of 0.8 carry 800 USD more, on either side."""
    account = Account()
    account.say(1, 100)
    assert [usd(lots) for lots in account.reach(1)] == [800, 800]
    assert Account(buffer=0.5).reach(1) == (0, 0)  # EL-04: nothing was said yet


TABLE = (
    # position (lots of 20 USD), value, used -> what longs may reach, what shorts may reach, in USD
    (0, 100, 0, 800, 800),
    (40, 160, 80, 800 + 640, 1_280),  # long 800: 80 free carry 640 more; closed, all 160 carry 1,280 short
    (-40, 160, 80, 1_280, 800 + 640),
    (40, 80, 80, 800, 640),  # nothing free: nothing to add, and what is held may go, and turn around
    (40, 60, 80, 800, 480),
    (40, -5, 80, 800, 0),
)


@pytest.mark.parametrize(("position", "value", "used", "long", "short"), TABLE)
def test_what_the_account_carries(position, value, used, long, short):
    """MG-05, T-23: by side; reducing is never limited, and what an order opens beyond zero is."""
    account = Account()
    account.trade(BUY if position > 0 else SELL, abs(position) or 1, 1.1)
    if not position:
        account.trade(BUY, 1, 1.2)
    account.say(2, value, used)
    found = account.reach(2)
    assert [usd(lots) for lots in found] == pytest.approx([long, short], abs=LOT)
    for side, reach in zip(Side, found, strict=True):
        assert reach - side * position >= max(-side * position, 0)


def test_between_two_answers_fills_and_mids_carry_it_on():
    """MG-05: a position taken since ties up margin at once, and a loss is a loss at once."""
    account = Account()
    account.say(1, 100)
    account.trade(BUY, 20, 2)  # 400 USD: 40 of margin
    assert account.look().available() == pytest.approx(60 * USD)
    assert usd(account.reach(2)[0]) == pytest.approx(400 + 480, abs=LOT)
    account.mid(MID * 9 // 10, 3)  # 10 % down: 40 lost, 36 tied up
    assert account.look().available() == pytest.approx(24 * USD)
    assert account.look().usage() == pytest.approx(36 / 60)
    account.say(4, 60, 36)
    assert account.look().available() == pytest.approx(24 * USD)


def test_a_fill_that_the_answer_did_not_know_is_not_forgotten():
    """The answer is of a moment: what was traded while it was on its way counts on top."""
    account = Account()
    account.trade(BUY, 20, 2)
    limits = (InstrumentLimits(ETH.id, 2, ETH.min_notional, 20, Sz(10**9), 10),)
    account.tracker.hear(LimitsReport(s(1.5), limits, AccountMargin(Usd(100 * USD), Usd(0), Usd(0))), s(2.5))
    assert account.look().available() == pytest.approx(60 * USD)
    account.tracker.hear(LimitsReport(s(1), limits, AccountMargin(Usd(900 * USD), Usd(0), Usd(0))), s(3))
    assert (account.tracker.reports, account.look().available()) == (1, pytest.approx(60 * USD))  # older: not used


def test_several_instruments_share_one_margin():
    """MG-01: each may tie up half of what is free; a position in one leaves less to the other."""
    account = Account(ETH, SOL)
    account.say(1, 200)
    assert [usd(account.reach(1, name)[0]) for name in ("ETH", "SOL")] == [800, 800]
    account.trade(BUY, 40, 2)
    assert [usd(account.reach(2, name)[0]) for name in ("ETH", "SOL")] == pytest.approx([800 + 480, 480], abs=LOT)


def test_the_venues_numbers_are_used_not_ours():
    """MG-03: another leverage or limit at the venue changes what may be added, without any change here."""
    account = Account()
    account.say(1, 100, leverage=5)
    assert usd(account.reach(1)[0]) == 400
    account.say(2, 100, leverage=20, most=10)
    assert account.reach(2) == (10, 10)
    account.say(3, 0, leverage=None)
    assert (account.reach(3), account.look().usage()) == ((10_000, 10_000), None)  # credit without end: our own limit


MODES = (
    # config, what the venue says -> whether the instrument is closed
    ({}, {}, False),
    ({"leverage": 10}, {"leverage": 10}, False),
    ({"leverage": 10}, {"leverage": 20}, True),
    ({"leverage": 40}, {"leverage": 20}, False),  # as much of it as the instrument allows
    ({"mode": MarginMode.CROSS}, {"mode": MarginMode.ISOLATED}, True),
    ({"mode": MarginMode.ISOLATED}, {"mode": MarginMode.ISOLATED}, False),
)


@pytest.mark.parametrize(("config", "told", "is_closed"), MODES)
def test_another_leverage_or_mode_is_told_and_closes_the_instrument(config, told, is_closed):
    """MG-02, MG-08, S19: nothing is opened on other terms than those that were configured; it opens with them."""
    account = Account(**config)
    account.say(1, 100, **told)
    desk, bench = account.desks["ETH"], account.benches["ETH"]
    assert desk.terms.gate is (LimitsGate.MISMATCH if is_closed else None)
    assert [alert.name for alert in bench.alerts] == (["limits_mismatch"] if is_closed else [])
    account.say(2, 100, leverage=config.get("leverage", 10), mode=config.get("mode", MarginMode.CROSS))
    assert desk.terms.gate is None or config.get("leverage") == 40


def test_instruments_of_other_builders_are_isolated():
    """MG-02, X-12: `hyna:ETH` on cross margin is not as it should be."""
    account = Account(Instrument(InstrumentId("hyna:ETH"), sz_decimals=2))
    account.say(1, 100)
    assert account.desks["hyna:ETH"].terms.gate is LimitsGate.MISMATCH
    account.say(2, 100, mode=MarginMode.ISOLATED)
    assert account.desks["hyna:ETH"].terms.gate is None


def questions(account: Account, at: float) -> list:
    account.tracker.decide(s(at))
    sent, account.ledger.outbox[:] = list(account.ledger.outbox), []
    return sent


def test_it_asks_every_ten_seconds_and_at_once_after_a_refusal():
    """MG-01: refresh 10 s after the last answer; the venue's word that the money does not suffice makes it old."""
    account = Account()
    (first,) = questions(account, 1)
    assert first.actions == (QueryLimits((ETH.id,)),)
    assert questions(account, 1.5) == []
    account.say(2, 100)
    account.ledger.on_replied(replied(first, LimitsReport(s(2), (), None), at=s(2)), s(2))
    assert account.tracker.deadline() == s(12)
    assert questions(account, 11.9) == []
    account.tracker.hear(Refused(Reason.POST_ONLY_WOULD_CROSS, ""), s(5))
    assert account.tracker.deadline() == s(12)
    account.tracker.hear(Refused(Reason.MARGIN, ""), s(5))
    assert len(questions(account, 5)) == 1


def test_an_allowance_that_is_used_up_holds_no_question_back():
    """S24: it counts what trades; only what the address may ask is waited for."""
    account = Account()
    budget = account.ledger._budget = ProactiveRateTracker(BudgetConfig())
    budget.exhausted.until, budget.rate_limited.until = s(300), s(15)
    assert questions(account, 1) == []
    assert account.tracker.deadline() == s(15)
    assert len(questions(account, 15)) == 1


def test_shrinking_money_makes_the_quotes_due():
    """MG-05: orders that are too large by now are looked at without waiting for the market."""
    account = Account()
    account.say(1, 1_000)
    bench = account.benches["ETH"]
    bench.quote(s(1))
    bench.answer(s(1.1))
    bench.decide(s(1.2))
    assert bench.resting()
    account.say(1.3, 1_000)
    assert bench.desk.accumulator.due_at() > s(2)
    account.say(1.4, 1)
    assert bench.desk.accumulator.due_at() <= s(1.5)
    bench.decide(s(1.5))
    assert bench.desk.targets is None or not bench.desk.targets.bids


def test_no_money_is_told_once():
    account = Account()
    account.trade(BUY, 40, 2)
    for at, value in ((3, 90), (4, 70), (5, 60), (6, 90), (7, 79)):
        account.say(at, value, 80)
    assert [alert.name for alert in account.alerts] == ["margin_used_up"] * 2
