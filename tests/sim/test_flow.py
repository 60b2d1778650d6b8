"""The synthetic flow: keyed draws, a healthy book whatever a trader does, bounded memory, adverse selection."""

from dataclasses import replace
from math import exp, sqrt
from statistics import median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.units import NS_PER_S, AccountId, Ns, Oid, Px, Side, Sz, Tif
from sim.flow.base import FLOW
from sim.flow.synthetic import PROFILES, ReachConfig, SyntheticFlow
from sim.liquidity.base import OpKind
from sim.liquidity.book import Book
from sim.rng import Streams
from sim.world import ETH

GAP = 68_000_000
VOLATILE = PROFILES["eth-volatile"]
TRADER = AccountId("trader")


class Market:
    """A flow on a book of its own, and somebody who may do anything to it."""

    def __init__(self, config=VOLATILE, seed=1):
        self.flow = SyntheticFlow(ETH, config, Streams(seed), block_s=GAP / NS_PER_S)
        self.book = Book()
        self.block = 0
        self.trades = []
        self._oid = 1
        self.seed_ops = self.flow.seed()
        self.book.execute(self.seed_ops)

    def run(self, blocks):
        for _ in range(blocks):
            self.block += 1
            ops = self.flow.ops(self.block, Ns(self.block * GAP), self.book.best_bid(), self.book.best_ask())
            stop = self.book.execute(ops)
            self.trades += [(self.block, ops[i][3], px, sz) for i, _, px, sz in stop.trades]
            yield ops

    def place(self, side, px, sz, tif=Tif.GTC):
        self._oid += 1
        self.book.execute([(OpKind.PLACE, Oid(self._oid), TRADER, side, Px(px), Sz(sz), tif)])

    def withdraw(self):
        for side in Side:
            for order in [order for order in self.book.orders(side) if order.account == TRADER]:
                self.book.remove(order.oid)

    @property
    def mid(self):
        return (self.book.best_bid() + self.book.best_ask()) / 2

    def assert_healthy(self, levels=10, ticks=10):
        for side in Side:
            assert len(self.book.levels(side, 30)) >= levels
        assert (self.book.best_ask() - self.book.best_bid()) <= ticks * ETH.tick_at(self.book.best_bid())


def takers(ops):
    return [(op[3], op[5]) for op in ops if op[6] is Tif.IOC]


def test_a_trader_shifts_no_draw():
    """Protects paired studies: fair price and takers are the same beside any trader."""
    alone, beside = Market(), Market()
    for n, (ops, others) in enumerate(zip(alone.run(1_500), beside.run(1_500), strict=True)):
        side = Side.BUY if n % 2 else Side.SELL
        beside.place(side, beside.mid + side * 200, 300_000)
        if n % 7 == 0:
            beside.withdraw()
        assert alone.flow.fair == beside.flow.fair
        # Sweeps answer to what rests; everything else must be there, with the same side and size.
        swept = alone.flow._sweep_lots
        assert [t for t in takers(ops) if t[1] != swept] == [t for t in takers(others) if t[1] != swept]
    assert alone.book.levels(Side.BUY, 5) != beside.book.levels(Side.BUY, 5)


def test_the_same_seed_gives_the_same_operations():
    """Protects determinism: another seed another market, the same seed the same one."""
    first, again, other = Market(), Market(), Market(seed=2)
    runs = [[op for ops in market.run(300) for op in ops] for market in (first, again, other)]
    assert first.seed_ops == again.seed_ops != other.seed_ops
    assert runs[0] == runs[1] != runs[2]


@pytest.mark.parametrize("profile", PROFILES)
def test_the_book_is_healthy_when_nobody_disturbs_it(profile):
    """Protects every later test: two sides, enough levels, a tight spread, at the end of each block."""
    market = Market(PROFILES[profile])
    usual = PROFILES[profile].spread_ticks * ETH.tick_at(market.book.best_bid())
    wide = 0
    for _ in market.run(10_000):
        market.assert_healthy(ticks=10_000)
        wide += market.book.best_ask() - market.book.best_bid() > 3 * usual
    assert wide < 100


HOSTILE = st.lists(
    st.one_of(
        st.tuples(st.just("rest"), st.sampled_from(list(Side)), st.integers(-40, 40), st.integers(1, 10_000_000)),
        st.tuples(st.just("sweep"), st.sampled_from(list(Side)), st.integers(1, 100)),
        st.tuples(st.just("withdraw")),
        st.tuples(st.just("wait"), st.integers(1, 20)),
    ),
    max_size=25,
)


@settings(max_examples=40)
@given(HOSTILE, st.sampled_from(sorted(PROFILES)), st.integers(0, 3))
def test_the_book_recovers_from_any_trader(doings, profile, seed):
    """Protects against a trader that breaks its own market: however it swept or blocked, soon all is well."""
    market = Market(PROFILES[profile], seed)
    for kind, *how in doings:
        match kind:
            case "rest":
                side, ticks, sz = how
                market.place(side, max(market.flow.fair // 10 * 10 + 10 * ticks, 10), sz)
            case "sweep":
                side, ticks = how
                market.place(side, market.flow.fair // 10 * 10 + side * 10 * ticks, 10**9, Tif.IOC)
            case "withdraw":
                market.withdraw()
            case "wait":
                list(market.run(how[0]))
        list(market.run(1))
    market.withdraw()
    list(market.run(15))
    market.assert_healthy(ticks=10_000)
    near = (PROFILES[profile].spread_ticks + 2) * ETH.tick_at(market.mid)
    assert median(abs(market.mid - market.flow.fair) for _ in market.run(31)) < near
    list(market.run(300))
    assert len(market.book.levels(Side.BUY, 30)) >= 15
    assert len(market.book.levels(Side.SELL, 30)) >= 15


def test_makers_with_a_wide_spread_leave_nothing_stale_inside_it():
    """Protects the width: quotes that the move has left between bid and ask are withdrawn or swept, at once."""
    config = replace(PROFILES["alt-thin"], jumps=0.0, bursts=0.0, slow_share=0.5)
    market = Market(replace(config, sigma_bps=0.0, drift_bps=3.0))
    grid = ETH.tick_at(market.book.best_bid())
    spreads = [market.book.best_ask() - market.book.best_bid() for _ in market.run(300)]
    assert market.flow._bid > market.flow.config.fair_price * 100
    assert 24 * grid == min(spreads) <= max(spreads) <= 28 * grid
    assert any(side is Side.BUY for _, side, _, _ in market.trades)


def test_a_quote_that_the_fair_price_has_passed_is_taken():
    """Protects adverse selection: who does not move is filled, in the block in which everybody else moves."""
    market = Market(replace(VOLATILE, sigma_bps=0.0, jumps=0.0, bursts=0.0, drift_bps=1.0))
    list(market.run(5))
    px = market.book.best_ask()
    market.place(Side.SELL, px, 50_000)
    resting = next(order for order in market.book.orders_at(Side.SELL, px) if order.account == TRADER)
    while resting.oid in market.book:
        quoted = market.flow._bid
        list(market.run(1))
        assert market.block < 100
    assert quoted < px <= market.flow._bid < market.flow.fair
    assert any(at == market.block and traded == px for at, _, traded, _ in market.trades)


@pytest.mark.parametrize(("side", "sign"), [(Side.BUY, 1), (Side.SELL, -1)])
def test_a_quote_on_the_wrong_side_of_the_fair_price_does_not_stand(side, sign):
    """Protects the link to fair value: a bid above it is sold to, an offer below it is bought."""
    market = Market(replace(VOLATILE, sigma_bps=0.0, jumps=0.0, bursts=0.0))
    list(market.run(5))
    market.place(side, market.flow.fair + sign * 50, 20_000_000)

    def left():
        return [order for order in market.book.orders(side) if order.account == TRADER]

    assert left()
    list(market.run(6))
    assert not left()


@pytest.mark.parametrize("side", list(Side))
def test_a_swept_side_is_quoted_again_at_once(side):
    """Protects the trader that follows: one block after somebody took everything, the touch is there again."""
    market = Market(replace(VOLATILE, sigma_bps=0.0, jumps=0.0, bursts=0.0))
    list(market.run(5))
    market.place(side, market.flow.fair + side * 10_000, 10**9, Tif.IOC)
    assert market.book.levels(side.opposite, 1) == []
    list(market.run(2))
    market.assert_healthy(levels=VOLATILE.kept_levels, ticks=1)


def test_takers_are_right_on_average():
    """Protects adverse selection in small: after a taker the mid has moved its way, without a sweep too."""
    market = Market(replace(VOLATILE, jumps=0.0))
    mids, moves = {}, []
    for ops in market.run(15_000):
        mids[market.block] = market.mid
        for side, lots in takers(ops)[:1]:
            if lots != market.flow._sweep_lots:
                moves.append((market.block, int(side)))
    later = 5 * NS_PER_S // GAP
    markouts = [sign * (mids[at + later] - mids[at - 1]) for at, sign in moves if 1 < at < 15_000 - later]
    assert len(markouts) > 500
    assert sum(markouts) / len(markouts) > 3.0  # base ticks of 0.01; the touch is 10 of them wide


STILL = replace(VOLATILE, sigma_bps=0.0, jumps=0.0, bursts=0.0, levels=60, sweep_usd=1e9)
"""The fair price stands, and nobody takes."""


def test_takers_who_reach_shift_nobody_elses_draw():
    """Protects every run of before: without them and with them the same orders, bursts and fair price."""
    reach = ReachConfig(per_second=2.0, kappa=1_176.0)
    without, beside = Market(), Market(replace(VOLATILE, reach=reach))
    draws = [without.flow._draws.chunk(n) for n in range(3)]
    others = [beside.flow._draws.chunk(n) for n in range(3)]
    assert [chunk._replace(reaches=[]) for chunk in others] == draws
    assert all(chunk.reaches for chunk in others)
    list(without.run(300))
    list(beside.run(300))
    assert without.flow.fair == beside.flow.fair


def test_no_two_kinds_of_draws_come_from_the_same_numbers():
    """Protects independence: who reaches how far has nothing to do with where the fair price goes."""
    asked = []

    class Listening(Streams):
        def block(self, name, index):
            asked.append((name, index))
            return super().block(name, index)

    config = replace(VOLATILE, reach=ReachConfig(per_second=2.0, kappa=1_000.0))
    flow = SyntheticFlow(ETH, config, Listening(1), block_s=GAP / NS_PER_S)
    flow.ops(1, Ns(GAP), None, None)
    assert len(asked) == len(set(asked)) == 2


def test_a_taker_accepts_no_price_beyond_its_reach():
    """Protects the law on a coarse grid: the last legal price within the reach, however far the next one is."""
    config = replace(STILL, fair_price=2_000.04, reach=ReachConfig(per_second=3.0, kappa=5_000.0))
    market = Market(config)
    seen = 0
    for ops in market.run(250):
        drawn = market.flow._chunk[1].reaches[market.block % 256]
        limits = [px for _, _, _, _, px, _, tif in ops if tif is Tif.IOC]
        for (side, distance), px in zip(drawn, limits, strict=True):
            edge = market.flow.fair * (1 + side * distance)
            assert 0 <= side * (edge - px) < ETH.tick_at(px)
            assert ETH.is_on_grid(px)
            seen += 1
    assert seen > 50


def test_reaches_are_exponential_on_both_sides():
    """Protects Q7's law: A a second a side, mean 1/kappa, and beyond d the share exp(-kappa d)."""
    market = Market(replace(STILL, reach=ReachConfig(per_second=1.5, kappa=1_000.0)))
    chunks = [market.flow._draws.chunk(n) for n in range(200)]
    drawn = [taker for chunk in chunks for block in chunk.reaches for taker in block]
    expected = 1.5 * 200 * 256 * GAP / NS_PER_S
    for side in Side:
        reaches = [distance for at, distance in drawn if at is side]
        n = len(reaches)
        assert abs(n - expected) < 4 * sqrt(expected)
        assert abs(sum(reaches) / n - 1e-3) < 4 * 1e-3 / sqrt(n)
        for kd in (0.5, 1.0, 2.0):
            share = sum(distance > kd / 1_000 for distance in reaches) / n
            assert abs(share - exp(-kd)) < 4 * sqrt(exp(-kd) * (1 - exp(-kd)) / n)


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize("bps", [4.0, 10.0])
def test_a_quote_is_met_as_often_as_the_formula_says(side, bps):
    """Protects fill rates: at distance d there are A exp(-kappa d) fills a second, behind the crowd or not."""
    rate, kappa, blocks = 1.0, 1_000.0, 6_000
    market = Market(replace(STILL, reach=ReachConfig(per_second=rate, kappa=kappa)))
    px = round(market.flow.fair * (1 - side * bps * 1e-4))
    assert ETH.is_on_grid(px)
    fills = 0
    for _ in market.run(blocks):
        if not any(order.account == TRADER for order in market.book.orders(side)):
            fills += market.block > 1
            market.place(side, px, 100)
    expected = rate * exp(-kappa * bps * 1e-4) * blocks * GAP / NS_PER_S
    assert abs(fills - expected) < 3 * sqrt(expected)


def test_the_book_recovers_from_takers_who_reach_through_all_of_it():
    """Protects the crowd: whatever a taker has emptied is quoted again in the next block."""
    market = Market(replace(STILL, reach=ReachConfig(per_second=0.3, kappa=20.0)))  # 500 bps on average, beyond all
    emptied = []
    for _ in market.run(2_000):
        if not all(market.book.levels(side, 1) for side in Side):
            emptied.append(market.block)
        elif market.block - 1 in emptied:
            market.assert_healthy(levels=STILL.kept_levels)
    assert len(emptied) > 40


def test_what_rests_is_bounded():
    """Protects long runs: rate times lifetime bounds the orders, also those it only believes in."""
    market = Market()
    counts = []
    for _ in market.run(30_000):
        if market.block % 500 == 0:
            waiting = sum(len(orders) for orders in market.flow._due.values())
            resting = sum(len(orders) for side in market.flow._asks_and_bids for orders in side.values())
            counts.append((len(market.book), resting, waiting))
    halves = counts[: len(counts) // 2], counts[len(counts) // 2 :]
    for i in range(3):
        early, late = (max(count[i] for count in half) for half in halves)
        assert late < 1.5 * early
        assert late < 3_000


@pytest.mark.parametrize("price", [999.9, 10_000.5, 100_001.0, 0.5, 0.2])
def test_every_price_is_legal_across_a_change_of_the_grid(price):
    """Protects the venue's grid: around a power of ten the tick changes, and no illegal price may rest."""
    market = Market(replace(VOLATILE, fair_price=price, sigma_bps=3.0))
    ids = []
    for ops in market.run(1_000):
        for kind, oid, account, _, px, sz, _ in ops:
            assert account == FLOW
            if kind is OpKind.PLACE:
                ids.append(oid)
                assert ETH.is_on_grid(px), (px, market.flow.fair)
                assert sz > 0
    assert ids == sorted(set(ids))
