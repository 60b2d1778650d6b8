"""A first background flow: makers around a moving fair price, and takers who know it a little.

The fair price is a Brownian motion with jumps. Makers keep a pile of orders on every level near it;
each order lives a random time. When the fair price has gone too far through the quotes, the makers
move: most cancel what is stale, the slow ones are swept by takers, as is whoever else stands there.
Between such moves small takers come in bursts, rather on the side to which the fair price leans. So
a quote that is filled is on average a quote on the wrong side: adverse selection. Where it is asked for,
takers come besides who know nothing and reach exponentially deep (`ReachConfig`).

All draws belong to a block, `(stream, block)`: what a trader does shifts none of them. The flow looks
at the top of the book once a block and otherwise knows only what it sent itself; a cancel of an order
that was filled meanwhile does nothing. Memory is bounded by rate times lifetime.

What it does not have: autocorrelated returns, clustered volatility, a daily pattern, more buyers than
sellers. The records have all four (the table is in `tests/sim/test_flow_facts.py`).
"""

from dataclasses import dataclass
from math import ceil, exp, sqrt
from typing import Annotated, NamedTuple, TypeAlias, TypeVar

import numpy as np
from annotated_types import Interval

from domain.instrument import Instrument
from domain.units import NS_PER_S, USD, AccountId, Ns, Oid, Px, Side, Sz, Tif
from sim.flow.base import FIRST_FLOW_OID, FLOW
from sim.liquidity.base import Op, OpKind
from sim.rng import Streams

_CHUNK = 256
"""Blocks whose draws are made together."""

_PLACE, _CANCEL = OpKind.PLACE, OpKind.CANCEL
_BUY, _SELL = Side.BUY, Side.SELL
_ALO, _IOC = Tif.ALO, Tif.IOC
_DEPTH_OFFSET = 1.5
_SHALLOW, _DEEP_EVERY = 3, 8
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReachConfig:
    """Takers as the quoting formula has them (catalogue Q2, Q7).

    They come at the times of a Poisson process, and each accepts prices up to a distance from the fair price that is
    Exp(kappa). So a quote at distance d is met by ``per_second * exp(-kappa * d)`` of them a second, however the fair
    price moves. Each takes all that it accepts, up to `sweep_usd`.
    """

    per_second: Annotated[float, Interval(gt=0, le=100_000)]
    """Takers a second on each side: the A of the formula."""
    kappa: Annotated[float, Interval(ge=1, le=1e9)]
    """How fast they thin out with the distance, in 1/fraction of the price: the mean reach is 1/kappa."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntheticFlowConfig:
    """Rates per second, money in USD, prices of a move in basis points."""

    fair_price: Annotated[float, Interval(ge=1e-6, le=1e9)] = 3_000.0
    """Where the fair price starts, in USD; it also turns the sizes below from USD into lots, all run long."""
    sigma_bps: Annotated[float, Interval(ge=0, le=1e4)] = 0.45
    """Continuous part of the fair price, per square root of a second."""
    drift_bps: Annotated[float, Interval(ge=-10_000, le=10_000)] = 0.0
    """Per second."""
    jumps: Annotated[float, Interval(ge=0, le=1e4)] = 0.1
    """Jumps of the fair price, per second."""
    jump_bps: Annotated[float, Interval(ge=0, le=1e4)] = 2.5
    """Mean absolute size of a jump (Laplace)."""

    spread_ticks: Annotated[int, Interval(ge=1, le=10_000)] = 1
    """Distance of the makers' best bid and ask, in ticks."""
    levels: Annotated[int, Interval(ge=1, le=10_000)] = 30
    """Levels a side on which makers place."""
    placements: Annotated[float, Interval(gt=0, le=100_000)] = 60.0
    """Limit orders per second, both sides. Nearer levels get more of them, and they live shorter."""
    order_usd: Annotated[float, Interval(gt=0, le=1e9)] = 10_000.0
    """Median notional of a limit order (lognormal)."""
    order_sigma: Annotated[float, Interval(ge=0, le=5)] = 1.6
    """Standard deviation of the logarithm of that notional; 1.6: one order in six is 5 times the median or more."""
    level_usd: Annotated[float, Interval(gt=0, le=1e9)] = 420_000.0
    """What rests on a level on average."""
    lag_ticks: Annotated[float, Interval(ge=0, le=1e6)] = 1.0
    """How far past the quotes the fair price goes before the makers move."""
    slow_share: Annotated[float, Interval(ge=0, le=1)] = 0.02
    """Share of maker orders that are not cancelled in time when the makers move."""
    kept_levels: Annotated[int, Interval(ge=1, le=10_000)] = 12
    """Levels a side that are filled up at once when they are thin."""
    kept_orders: Annotated[int, Interval(ge=1, le=10_000)] = 4
    """Orders below which such a level is thin."""

    bursts: Annotated[float, Interval(ge=0, le=100_000)] = 1.1
    """Groups of takers per second."""
    burst_size: Annotated[float, Interval(ge=1, le=1e6)] = 2.2
    """Mean number of takers in a group (geometric); all on one side."""
    taker_usd: Annotated[float, Interval(gt=0, le=1e9)] = 300.0
    """Median notional of a taker (lognormal)."""
    taker_sigma: Annotated[float, Interval(ge=0, le=5)] = 2.6
    """Standard deviation of the logarithm of that notional; recorded takers are mostly tiny and rarely huge."""
    taker_levels: Annotated[int, Interval(ge=0, le=1_000_000)] = 3
    """Levels beyond the best one that a taker accepts."""
    informed: Annotated[float, Interval(ge=0, le=1)] = 0.9
    """0: a taker's side is a coin toss; 1: at the edge of a move all takers go with the fair price."""
    sweep_usd: Annotated[float, Interval(gt=0, le=1e9)] = 2_000_000.0
    """Most that is taken in one block from quotes that the fair price has passed, and by one taker of `reach`."""
    reach: ReachConfig | None = None
    """Takers who know nothing and accept any price within an exponential distance of the fair price; off: none."""


PROFILES: dict[str, SyntheticFlowConfig] = {
    "eth-volatile": SyntheticFlowConfig(),
    "eth-quiet": SyntheticFlowConfig(sigma_bps=0.2, jumps=0.05, jump_bps=1.0, level_usd=330_000.0, bursts=0.8),
    # A small coin: the spread is many ticks, and takers reach through the thin book behind it, the fewer the deeper.
    # Sizes of takers are those of WLFI's recorded prints (median 370, mean 1,148, 99th percentile 15,200 USD), and of
    # them there come 59 a minute, where it has 73 prints; here each order that a taker meets is a print, so these are
    # more and smaller. The spread is wider than WLFI's mean of 3 bps and a second moves less than its 3.9 bps, so that
    # a maker who pays the base fee of 1.5 bps a fill has something to earn.
    "alt-thin": SyntheticFlowConfig(
        fair_price=450.0,  # a tick of 0.01 is 0.22 bps; legal up to 4 decimals of size
        sigma_bps=1.0,
        jumps=0.05,
        jump_bps=3.0,
        spread_ticks=24,  # 5.3 bps
        levels=100,  # more than three groups of takers in a row can take
        placements=20.0,
        order_usd=200.0,
        order_sigma=1.0,
        level_usd=250.0,
        lag_ticks=4.0,
        kept_orders=1,
        bursts=0.45,
        taker_usd=370.0,
        taker_sigma=1.5,
        taker_levels=30,
        informed=0.5,
        sweep_usd=20_000.0,
    ),
}
"""Named flows; the figures they must show are in `tests/sim/test_flow_facts.py`."""


_Order: TypeAlias = tuple[bool, int, int, int, bool]
"""Draws of one placement: is_bid, depth, lots, life in blocks, is_slow."""


class _Chunk(NamedTuple):
    """Draws of `_CHUNK` blocks as plain Python numbers."""

    shocks: list[float]
    jump_chances: list[float]
    jumps: list[float]
    orders: list[list[_Order]]
    spare: list[_Order]
    burst_sides: list[float]
    bursts: list[list[int]]
    reaches: list[list[tuple[Side, float]]]
    """Takers of each block by side and by how far they reach, as a fraction of the fair price; empty without any."""


class SyntheticFlow:
    """See the module; implements `sim.flow.base.Flow`."""

    def __init__(
        self,
        instrument: Instrument,
        config: SyntheticFlowConfig,
        streams: Streams,
        *,
        block_s: float,
        first_oid: Oid = FIRST_FLOW_OID,
        account: AccountId = FLOW,
    ) -> None:
        self.instrument = instrument
        self.config = config
        self.fair = config.fair_price * instrument.px_scale
        """Fair price in base ticks."""
        self._draws = _Draws(instrument, config, streams, block_s)
        self._chunk: tuple[int, _Chunk] | None = None
        self._account = account
        self._next_oid: int = first_oid
        self._asks_and_bids: tuple[dict[int, dict[int, bool]], dict[int, dict[int, bool]]] = ({}, {})
        self._due: dict[int, list[tuple[bool, int, int]]] = {}
        self._last = Ns(0)
        self._spread_ticks = config.spread_ticks
        self._band = config.spread_ticks / 2 + config.lag_ticks
        """How far the fair price goes from the middle of the quotes before the makers move, in ticks."""
        self._grid = 1
        self._bid = 0
        self._ask = 0
        self._is_torn = False
        """Whether levels near the touch may lack orders."""
        middle = int(self.fair)
        self._move_to(middle - config.spread_ticks // 2 * instrument.tick_at(middle))
        self._sweep_lots = self._draws.lots_of(config.sweep_usd)

    def jump(self, bps: float) -> None:
        """Move the fair price by so much in its logarithm; makers and takers follow in the next block."""
        self.fair *= exp(bps * 1e-4)

    def seed(self) -> list[Op]:
        """Every level with the pile that it has on average."""
        return [self._place(order, 0, _ALO) for order in self._draws.seed()]

    def ops(self, block: int, now: Ns, best_bid: Px | None, best_ask: Px | None) -> list[Op]:
        """Post-only orders, cancels, takers of this block."""
        number, i = divmod(block, _CHUNK)
        if self._chunk is None or self._chunk[0] != number:
            self._chunk = (number, self._draws.chunk(number))
        chunk = self._chunk[1]

        self._forget_what_is_gone(best_bid, best_ask)
        dt = (now - self._last) / NS_PER_S
        self._last = now
        config = self.config
        move = config.sigma_bps * sqrt(dt) * chunk.shocks[i] + config.drift_bps * dt
        if chunk.jump_chances[i] < config.jumps * dt:
            move += chunk.jumps[i]
        self.fair *= exp(move * 1e-4)

        ops = [self._place(order, block, _ALO) for order in chunk.orders[i]]
        self._fill_up(ops, block, chunk.spare)
        self._cancel_due(ops, block)
        self._follow_fair_price(ops, best_bid, best_ask)
        asks, bids = self._asks_and_bids
        if len(asks) < config.kept_levels or len(bids) < config.kept_levels:
            self._step_in(ops, block, chunk.spare)
        if chunk.bursts[i]:
            self._take(ops, chunk.burst_sides[i], chunk.bursts[i], best_bid, best_ask)
        if chunk.reaches:
            ops.extend(self._reach(side, distance) for side, distance in chunk.reaches[i])
        return ops

    # --- makers ---------------------------------------------------------------------------------

    def _place(self, order: _Order, block: int, tif: Tif) -> Op:
        is_bid, depth, lots, life, is_slow = order
        px = max(self._bid - depth * self._grid, self._grid) if is_bid else self._ask + depth * self._grid
        oid = self._next_oid
        self._next_oid = oid + 1
        side = self._asks_and_bids[is_bid]
        level = side.get(px)
        if level is None:
            level = side[px] = {}
        level[oid] = is_slow
        due = self._due.get(block + life)
        if due is None:
            due = self._due[block + life] = []
        due.append((is_bid, px, oid))
        return (_PLACE, Oid(oid), self._account, _BUY if is_bid else _SELL, Px(px), Sz(lots), tif)

    def _fill_up(self, ops: list[Op], block: int, spare: list[_Order]) -> None:
        """Add to thin levels near the touch, nearest first, one order each a block.

        Most blocks leave the deeper levels alone, so all of them are looked at only after a disturbance
        and now and then.
        """
        asks, bids = self._asks_and_bids
        grid, kept = self._grid, self.config.kept_orders
        bid, ask = self._bid, self._ask
        looks_deep = self._is_torn or block % _DEEP_EVERY == 0
        found = len(ops)
        for depth in range(self.config.kept_levels if looks_deep else _SHALLOW):
            for is_bid, level in ((True, bids.get(bid)), (False, asks.get(ask))):
                if level is None or len(level) < kept:
                    _, _, lots, life, is_slow = spare[(block * 31 + len(ops)) % len(spare)]
                    ops.append(self._place((is_bid, depth, lots, life, is_slow), block, _ALO))
            bid -= grid
            ask += grid
        self._is_torn = looks_deep and len(ops) > found

    def _step_in(self, ops: list[Op], block: int, spare: list[_Order]) -> None:
        """After a jump across most levels of a side: quote it in this same block, behind the takers."""
        for is_bid, side in enumerate(self._asks_and_bids):
            px, step = (self._bid, -self._grid) if is_bid else (self._ask, self._grid)
            for depth in range(self.config.kept_levels):
                if px + depth * step not in side:
                    _, _, lots, life, is_slow = spare[(block * 31 + depth) % len(spare)]
                    ops.append(self._place((bool(is_bid), depth, lots, life, is_slow), block, Tif.GTC))

    def _cancel_due(self, ops: list[Op], block: int) -> None:
        for is_bid, px, oid in self._due.pop(block, ()):
            side = self._asks_and_bids[is_bid]
            level = side.get(px)
            if level is not None and oid in level:
                del level[oid]
                if not level:
                    del side[px]
                ops.append(self._cancel(oid))

    def _cancel(self, oid: int) -> Op:
        return (_CANCEL, Oid(oid), self._account, _BUY, Px(0), Sz(0), _ALO)

    def _forget_what_is_gone(self, best_bid: Px | None, best_ask: Px | None) -> None:
        """Orders at prices better than the best of the book are gone, whoever took them."""
        asks, bids = self._asks_and_bids
        if best_ask is None or best_ask > self._ask:
            self._is_torn = True
            for px in [px for px in asks if best_ask is None or px < best_ask]:
                del asks[px]
        if best_bid is None or best_bid < self._bid:
            self._is_torn = True
            for px in [px for px in bids if best_bid is None or px > best_bid]:
                del bids[px]

    def _move_to(self, bid: int) -> None:
        """Quote from this bid on, snapped down to a grid on which the whole window is legal."""
        self._is_torn = True
        tick_at = self.instrument.tick_at
        self._grid = tick_at(bid + self.config.levels * tick_at(bid))
        self._bid = max(bid - bid % self._grid, self._grid)
        self._ask = self._bid + self._spread_ticks * self._grid

    def _follow_fair_price(self, ops: list[Op], best_bid: Px | None, best_ask: Px | None) -> None:
        """Move the quotes when the fair price has passed them by more than the lag; take what is stale."""
        fair, grid = self.fair, self._grid
        beyond, band = (fair - (self._bid + self._ask) / 2) / grid, self._band
        asks, bids = self._asks_and_bids
        if beyond > band:
            self._move_to(self._bid + ceil(beyond - band) * grid)
            stale = self._ask - self._grid
            self._withdraw(ops, asks, [px for px in asks if px <= stale])
            self._sweep(ops, _BUY, stale)
        elif beyond < -band:
            self._move_to(self._bid - ceil(-beyond - band) * grid)
            stale = self._bid + self._grid
            self._withdraw(ops, bids, [px for px in bids if px >= stale])
            self._sweep(ops, _SELL, stale)
        elif best_ask is not None and best_ask <= self._bid and best_ask < fair:
            self._sweep(ops, _BUY, self._bid)
        elif best_bid is not None and best_bid >= self._ask and best_bid > fair:
            self._sweep(ops, _SELL, self._ask)

    def _withdraw(self, ops: list[Op], side: dict[int, dict[int, bool]], stale: list[int]) -> None:
        for px in stale:
            ops.extend(self._cancel(oid) for oid, is_slow in side.pop(px).items() if not is_slow)

    # --- takers ---------------------------------------------------------------------------------

    def _sweep(self, ops: list[Op], side: Side, limit: int) -> None:
        ops.append(self._ioc(side, limit, self._sweep_lots))

    def _take(self, ops: list[Op], u: float, lots: list[int], best_bid: Px | None, best_ask: Px | None) -> None:
        mid = (self._bid + self._ask) / 2
        lean = (self.fair - mid) / (self._band * self._grid)
        slip = self.config.taker_levels * self._grid
        if u < 0.5 + 0.5 * self.config.informed * lean:
            limit = max(self._ask, best_ask or 0) + slip
            ops.extend(self._ioc(_BUY, limit, size) for size in lots)
        else:
            limit = max(min(self._bid, best_bid or self._bid) - slip, self._grid)
            ops.extend(self._ioc(_SELL, limit, size) for size in lots)

    def _reach(self, side: Side, distance: float) -> Op:
        """Snapped toward the fair price, so that a legal price at distance d is accepted by exp(-kappa d) of them."""
        snap = self.instrument.snap_down if side is _BUY else self.instrument.snap_up
        return self._ioc(side, snap(self.fair * (1.0 + side * distance)), self._sweep_lots)

    def _ioc(self, side: Side, limit: int, lots: int) -> Op:
        oid = self._next_oid
        self._next_oid = oid + 1
        return (_PLACE, Oid(oid), self._account, side, Px(limit), Sz(lots), _IOC)


class _Draws:
    """Draws of whole chunks of blocks, keyed by the number of the chunk."""

    def __init__(self, instrument: Instrument, config: SyntheticFlowConfig, streams: Streams, block_s: float) -> None:
        self._config = config
        self._streams = streams
        self._name = f"flow/{instrument.id}"
        self._block_s = block_s
        self._micro_usd_per_lot = config.fair_price * instrument.px_scale
        weights = 1.0 / (np.arange(config.levels) + _DEPTH_OFFSET)
        shares = weights / weights.sum()
        self._cumulative = np.cumsum(shares)
        mean_order_usd = config.order_usd * exp(config.order_sigma**2 / 2)
        self._orders_per_level = config.level_usd / mean_order_usd
        lives_s = self._orders_per_level / (config.placements / 2 * shares)
        self._lives = lives_s / block_s
        """Mean life of an order by depth, in blocks."""

    def lots_of(self, usd: float) -> int:
        return max(1, round(usd * USD / self._micro_usd_per_lot))

    def seed(self) -> list[_Order]:
        rng = self._streams.block(f"{self._name}/seed", 0)
        counts = rng.poisson(self._orders_per_level, (2, self._config.levels)) + 1
        orders = []
        for is_bid in (False, True):
            depths = np.repeat(np.arange(self._config.levels), counts[int(is_bid)])
            orders += self._orders(rng, np.full(len(depths), is_bid), depths)
        return orders

    def chunk(self, number: int) -> _Chunk:
        config = self._config
        rng = self._streams.block(self._name, number)
        shocks = rng.standard_normal(_CHUNK)
        jump_chances = rng.random(_CHUNK)
        jumps = rng.laplace(0.0, config.jump_bps, _CHUNK)
        counts = rng.poisson(config.placements * self._block_s, _CHUNK)
        n = int(counts.sum())
        depths = np.minimum(np.searchsorted(self._cumulative, rng.random(n)), config.levels - 1)
        orders = self._orders(rng, rng.integers(0, 2, n, dtype=bool), depths)
        spare = self._orders(rng, np.zeros(_CHUNK, bool), np.zeros(_CHUNK, int))
        burst_sides = rng.random(_CHUNK)
        sizes = rng.geometric(1.0 / config.burst_size, _CHUNK)
        sizes[rng.random(_CHUNK) >= config.bursts * self._block_s] = 0
        takers = self._lots(rng, int(sizes.sum()), config.taker_usd, config.taker_sigma)
        return _Chunk(
            shocks.tolist(),
            jump_chances.tolist(),
            jumps.tolist(),
            _split(orders, counts),
            spare,
            burst_sides.tolist(),
            _split(takers.tolist(), sizes),
            [] if config.reach is None else self._reaches(config.reach, number),
        )

    def _reaches(self, reach: ReachConfig, number: int) -> list[list[tuple[Side, float]]]:
        """From a stream of their own: all other draws are those of a flow without them."""
        rng = self._streams.block(f"{self._name}/reach", number)
        counts = rng.poisson(2 * reach.per_second * self._block_s, _CHUNK)
        n = int(counts.sum())
        sides = [_BUY if is_buy else _SELL for is_buy in rng.integers(0, 2, n, dtype=bool).tolist()]
        distances = rng.exponential(1.0 / reach.kappa, n).tolist()
        return _split(list(zip(sides, distances, strict=True)), counts)

    def _orders(self, rng: np.random.Generator, is_bid: np.ndarray, depths: np.ndarray) -> list[_Order]:
        n = len(depths)
        lots = self._lots(rng, n, self._config.order_usd, self._config.order_sigma)
        lives = np.ceil(rng.exponential(1.0, n) * self._lives[depths]).astype(int)
        is_slow = rng.random(n) < self._config.slow_share
        columns = (is_bid.tolist(), depths.tolist(), lots.tolist(), lives.tolist(), is_slow.tolist())
        return list(zip(*columns, strict=True))

    def _lots(self, rng: np.random.Generator, n: int, median_usd: float, sigma: float) -> np.ndarray:
        usd = median_usd * np.exp(sigma * rng.standard_normal(n))
        usd = np.clip(usd, 10.0, self._config.sweep_usd)
        return np.maximum(np.rint(usd * USD / self._micro_usd_per_lot), 1).astype(int)


def _split(rows: list[T], counts: np.ndarray) -> list[list[T]]:
    ends = np.cumsum(counts).tolist()
    return [rows[end - count : end] for end, count in zip(ends, counts.tolist(), strict=True)]
