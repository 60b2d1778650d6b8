"""The whole trader against the simulated exchange: real links, blocks, flow and driver, no script.

The tiny venue of this folder tells stories; here nobody planned what happens. The faults and invariants of
whole scenarios are the subject of tests/scenarios.
"""

import pytest

from domain.events import Feed, Reason
from domain.units import USD, AccountId, Ns, Usd
from exchange_adapters.simulated import SimulatedAdapter
from orchestrator.config import TraderConfig
from orchestrator.core import Orchestrator
from runtime.journal import Journal
from runtime.journal_format import Header
from runtime.log import MemoryLog
from runtime.virtual import VirtualDriver
from sim.world import ETH, World, WorldConfig
from tests.orchestrator.messages import ms, s
from tests.scenarios.runs import result_of

ME = AccountId("me")


class Run:
    """A world with one trader in it."""

    def __init__(self, seed: int):
        self.world = World(WorldConfig(traded=Usd(2_000_000 * USD)), seed)
        self.session = self.world.attach(ME)
        self.alerts: list[str] = []
        self.driver = VirtualDriver(
            self.world.env,
            SimulatedAdapter(self.session),
            lambda: Orchestrator(TraderConfig(), (ETH,)),
            Journal(MemoryLog()),
            Header(seed=seed),
            on_alert=lambda now, alert: self.alerts.append(alert.name),
        )
        self.driver.start_trader()

    @property
    def now(self) -> Ns:
        return self.world.env.now

    @property
    def core(self) -> Orchestrator:
        return self.driver.core

    def run_for(self, span: int) -> None:
        self.world.run(Ns(self.now + span))

    def settle(self) -> None:
        """Go on until belief and truth agree at one moment, as they do between two messages."""
        for _ in range(400):
            if self.is_agreed():
                return
            self.run_for(ms(37))
        raise AssertionError("belief and truth do not meet")

    def is_agreed(self) -> bool:
        desk = self.core.desks[ETH.id]
        account = self.world.venue.accounts[ME]
        resting = {order.cloid: order.remaining for order in self.world.venue.resting(ME)}
        believed = {o.cloid: o.remaining for o in desk.tracker.orders.values() if o.is_resting}
        return (
            desk.inventory.position == account.position(ETH.id)
            and resting == believed
            and all(order.certainty == "known" for order in desk.tracker.orders.values())
        )


def test_a_whole_run_names_what_warm_up_waits_for():
    """QE-01, QE-08: the wait before the first quote is told by the input that was missing, and is what it was."""
    result = result_of("eth-quiet", 60)
    gated, stops = result.metrics.quoting.gated_s, result.metrics.trader.stops_by_reason
    waits = [name for name in gated if name.startswith("warming: ")]
    assert {"warming: book", "warming: kappa", "warming: sigma"} >= set(waits) > {"warming: sigma"}
    assert gated["warming: sigma"] > 10 > gated["starting"]
    assert {key for key in stops if key.startswith("warm_up:")} == {
        "warm_up:" + name.removeprefix("warming: ") for name in waits
    }


@pytest.mark.parametrize("seed", [1, 2])
def test_it_quotes_trades_and_ends_in_order(seed):
    """S1, S5, L1, OP-08: both sides, exact money, and an empty book at the end."""
    run = Run(seed)
    run.run_for(s(90))
    assert run.core.phase == "quoting"
    desk = run.core.snapshot().desks[0]
    assert desk.two_sided_ns > s(20)
    assert desk.placed > 6
    run.settle()
    account = run.world.venue.accounts[ME]
    inventory = run.core.desks[ETH.id].inventory
    assert inventory.cash == account.cash - account.deposited
    assert inventory.restatements == 0
    run.driver.request_stop("test")
    run.run_for(s(15))
    assert [end.how for end in run.driver.ends] == ["stopped"]
    assert list(run.world.venue.resting(ME)) == []
    assert run.alerts == ["stopped"]


def test_outages_of_both_feeds_heal():
    """CN-13, RS-09: cut and back, again and again; never an adjustment, always quoting again."""
    run = Run(3)
    run.run_for(s(50))
    for number in range(6):
        feed = (Feed.USER, Feed.MARKET)[number % 2]
        run.session.cut(feed, Reason.CLOSED_BY_VENUE, notice_after=ms(300 * number), requests_land=number % 3 == 0)
        run.run_for(s(9))
        assert run.core.phase == "quoting", number
        run.settle()
    assert run.core.desks[ETH.id].inventory.restatements == 0
    assert run.driver.failure is None


def test_a_crash_is_one_more_event():
    """S30: the process dies three times with orders on the book; each next life agrees with the venue again."""
    run = Run(4)
    for life in (1, 2, 3):
        run.run_for(s(45) + ms(173 * life))
        assert run.core.life == life
        run.driver.kill_trader()
        run.run_for(ms(400 * life))
        run.driver.start_trader()
    run.run_for(s(60))
    assert run.core.life == 4
    assert run.core.phase == "quoting"
    run.settle()
    inventory = run.core.desks[ETH.id].inventory
    account = run.world.venue.accounts[ME]
    assert inventory.cash == account.cash - account.deposited
    assert inventory.restatements == 0
