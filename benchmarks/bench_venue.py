"""Microseconds per block of the venue's front: ``python benchmarks/bench_venue.py [blocks]``.

Empty blocks, blocks with five operations of background flow, and the same with a trader who places two orders and
cancels two in every three blocks. Publications are made and drained in all of them. A simulated second has about 15
blocks, so the whole world runs N times real time only if a block costs less than 66,000 / N microseconds.
"""

import gc
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from statistics import median
from time import perf_counter

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from domain.commands import Cancel, Place, Request, Route
from domain.instrument import Instrument
from domain.units import AccountId, Cloid, Epoch, InstrumentId, Ns, Oid, Px, RequestId, Side, Sz, Tif, Usd
from sim.liquidity.base import Op, OpKind
from sim.liquidity.book import Book
from sim.venue.config import VenueConfig
from sim.venue.front import Venue

RUNS = 5
BLOCK = 66_000_000
MID = 200_000
COIN = Instrument(InstrumentId("COIN"), sz_decimals=4)
TRADER, CROWD = AccountId("trader"), AccountId("crowd")


def flow(blocks: int, size: int, seed: int = 1) -> list[list[Op]]:
    """Operations of each block: nearly as many post-only orders as cancels, a tenth takers."""
    rng = Random(seed)
    live: list[Oid] = []
    oid = 1 << 50
    every: list[list[Op]] = []
    for _ in range(blocks):
        ops: list[Op] = []
        for _ in range(size):
            oid += 1
            side, sz, draw = rng.choice(list(Side)), Sz(rng.randint(1_000, 30_000)), rng.random()
            if draw < 0.45 or len(live) < 200:
                ops.append(
                    (OpKind.PLACE, Oid(oid), CROWD, side, Px(MID - side * rng.randint(1, 100) * 10), sz, Tif.ALO)
                )
                live.append(Oid(oid))
            elif draw < 0.9:
                k = rng.randrange(len(live))
                live[k], live[-1] = live[-1], live[k]
                ops.append((OpKind.CANCEL, live.pop(), CROWD, side, Px(0), Sz(0), Tif.ALO))
            else:
                ops.append((OpKind.PLACE, Oid(oid), CROWD, side, Px(MID + side * 500), sz, Tif.IOC))
        every.append(ops)
    return every


def request(block: int) -> Request | None:
    """What the trader sends for a block, if anything."""
    if block % 3 == 1:
        return None
    if block % 3 == 0:
        sides = [(Cloid(f"0x{2 * block + k:032x}"), side) for k, side in enumerate(Side)]
        actions = tuple(Place(COIN.id, c, s, Px(MID - s * 10), Sz(5_000), Tif.ALO) for c, s in sides)
        return Request(RequestId(block), Route.SOCKET, Epoch(1), None, actions)
    cancels = tuple(Cancel(COIN.id, Cloid(f"0x{2 * (block - 2) + k:032x}")) for k in range(2))
    return Request(RequestId(block), Route.SOCKET, Epoch(1), None, cancels)


class Blocks:
    """A venue and what reaches it, made beforehand; ``run`` is what is measured."""

    def __init__(self, blocks: int, size: int, *, with_trader: bool) -> None:
        self.venue = Venue([COIN], VenueConfig(), {COIN.id: Book()})
        self.venue.open_account(TRADER, Usd(10**12))
        self.ops = [{COIN.id: ops} if ops else {} for ops in flow(blocks, size)]
        self.requests = [request(block) if with_trader else None for block in range(blocks)]

    def run(self) -> None:
        venue = self.venue
        for block, (ops, sent) in enumerate(zip(self.ops, self.requests, strict=True), start=1):
            now = Ns(block * BLOCK)
            if sent is not None:
                venue.submit(TRADER, sent, Ns(now - BLOCK // 2))
            venue.run_block(now, ops)
            venue.drain()

    def check(self) -> None:
        self.venue.check()
        assert self.venue.block == len(self.ops)
        assert bool(self.venue.fills(TRADER)) is any(self.requests)


CASES: dict[str, Callable[[int], Blocks]] = {
    "empty": lambda blocks: Blocks(blocks, 0, with_trader=False),
    "5 operations": lambda blocks: Blocks(blocks, 5, with_trader=False),
    "5 operations and a trader": lambda blocks: Blocks(blocks, 5, with_trader=True),
}


def seconds(blocks: Blocks) -> float:
    """Time of a run."""
    gc.collect()
    start = perf_counter()
    blocks.run()
    took = perf_counter() - start
    blocks.check()
    return took


@pytest.mark.parametrize("case", CASES)
def test_five_hundred_blocks(benchmark, case):
    benchmark.pedantic(Blocks.run, setup=lambda: ((CASES[case](500),), {}), rounds=9, warmup_rounds=1)


def main(blocks: int = 5_000) -> None:
    """Print the median of a few runs of each case."""
    for name, case in CASES.items():
        us = median(seconds(case(blocks)) for _ in range(RUNS)) / blocks * 1e6
        sys.stdout.write(f"{name:28s}{us:8.1f} us a block\n")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
