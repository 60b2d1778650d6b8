"""Operations per second of the reference book, for four mixes: ``python benchmarks/bench_book.py [operations]``.

``execute`` is the path of background flow. ``calls`` puts each operation together from `would_cross`, `match`, `add`
and `remove`, as the venue's front does for a watched account.
"""

import gc
import sys
from pathlib import Path
from random import Random
from statistics import median
from time import perf_counter

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from domain.units import AccountId, Oid, Px, Side, Sz, Tif
from sim.liquidity.base import Op, OpKind
from sim.liquidity.book import Book

RUNS = 7
MID = 10_000
CROWD = AccountId("crowd")


def flow(n: int, *, takers: float, depth: int, ticks: int, seed: int = 1) -> list[Op]:
    """`n` operations round a fixed mid: a share of takers of 1 to 10 lots; places and cancels that keep about `depth`
    orders on `ticks` prices of each side. Cancels may come too late, as they do."""
    rng = Random(seed)
    ops: list[Op] = []
    live: list[tuple[Oid, Side, Px]] = []
    for i in range(n):
        side = rng.choice((Side.BUY, Side.SELL))
        if rng.random() < takers:
            ops.append((OpKind.PLACE, Oid(i), CROWD, side, Px(MID + side * ticks), Sz(rng.randint(1, 10)), Tif.IOC))
        elif len(live) < depth * 2 or rng.random() < 0.5:
            px = Px(MID - side * (1 + int(rng.random() ** 2 * ticks)))
            ops.append((OpKind.PLACE, Oid(i), CROWD, side, px, Sz(rng.randint(1, 10)), Tif.GTC))
            live.append((Oid(i), side, px))
        else:
            at = rng.randrange(len(live))
            live[at], live[-1] = live[-1], live[at]
            oid, side, px = live.pop()
            ops.append((OpKind.CANCEL, oid, CROWD, side, px, Sz(0), Tif.GTC))
    return ops


def execute(book: Book, ops: list[Op]) -> None:
    book.execute(ops)


def calls(book: Book, ops: list[Op]) -> None:
    for kind, oid, account, side, px, sz, tif in ops:
        if kind is OpKind.PLACE:
            left = book.match(side, px, sz).remaining if book.would_cross(side, px) else sz
            if left and tif is not Tif.IOC:
                book.add(oid, account, side, px, left)
        elif oid in book:
            book.remove(oid)


def measure(run, ops: list[Op]) -> list[float]:
    """Operations per second of each of some runs."""
    speeds = []
    for _ in range(RUNS):
        book = Book()
        gc.collect()
        start = perf_counter()
        run(book, ops)
        speeds.append(len(ops) / (perf_counter() - start))
    book.validate()
    return speeds


MIXES = {"places and cancels": 0.0, "5 % takers": 0.05, "20 % takers": 0.2, "half takers": 0.5}
"""Name and share of takers."""


@pytest.mark.parametrize("run", [execute, calls])
@pytest.mark.parametrize("mix", MIXES)
def test_operations(benchmark, mix, run):
    ops = flow(20_000, takers=MIXES[mix], depth=500, ticks=20)
    benchmark.pedantic(run, setup=lambda: ((Book(), ops), {}), rounds=10, warmup_rounds=1)


def main() -> None:
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    mixes = {name: flow(n, takers=takers, depth=500, ticks=20) for name, takers in MIXES.items()}
    print(f"{'mix':<20} {'way':<8} {'trades/op':>9} {'Mop/s':>6}  lowest - highest of {RUNS} runs of {n:,}")
    for name, ops in mixes.items():
        trades = len(Book().execute(ops).trades) / n
        for run in (execute, calls):
            speeds = [speed / 1e6 for speed in measure(run, ops)]
            spread = f"{min(speeds):.2f} - {max(speeds):.2f}"
            print(f"{name:<20} {run.__name__:<8} {trades:>9.2f} {median(speeds):>6.2f}  {spread}")


if __name__ == "__main__":
    main()
