"""Where the mid went after our fills, and what is said of it (FL-10..17, C-16)."""

from random import Random

import numpy as np
import pytest

from domain.units import NS_PER_MS, NS_PER_S, Ns
from orchestrator.desk.fill_tracker import HORIZONS, MIDS_KEPT, FillTracker, FillTrackerConfig
from tests.orchestrator.messages import BUY, SELL, fill

S, MS = NS_PER_S, NS_PER_MS
ONE_SECOND = 1


def tracker(window=1_000) -> FillTracker:
    return FillTracker(FillTrackerConfig(window=window))


def test_both_markouts_at_every_horizon():
    """C-16: gross against the mid before the fill, net against its price; the mid is the first at the horizon."""
    some = tracker()
    some.on_mid(1000.0, Ns(0))
    some.on_mid(998.0, Ns(10 * S))  # the block of the fill: what the fill did to the mid is not the mid before it
    some.on_fill(fill(1, BUY, 5, 999, at=10 * S), 1)
    for at, mid in ((10.4, 990.0), (10.6, 997.0), (11.0, 1001.0), (12.5, 1003.0), (14.9, 900.0), (15.0, 995.0)):
        some.on_mid(mid, Ns(round(at * S)))
    record = some.records[0]
    assert record.mids_after == [997.0, 1001.0, 1003.0, 995.0]
    assert [record.gross(i) for i in range(4)] == pytest.approx([-30, 10, 30, -50])
    assert record.net(ONE_SECOND) == pytest.approx((1001 / 999 - 1) * 1e4)


def test_a_sale_is_hurt_by_a_rise():
    some = tracker()
    some.on_mid(1000.0, Ns(0))
    some.on_fill(fill(1, SELL, 5, 1001, at=S), 1)
    some.on_mid(1002.0, Ns(2 * S))
    assert some.records[0].gross(ONE_SECOND) == pytest.approx(-20)
    assert some.quality(1).adverse_rate == 1.0


def test_the_share_of_adverse_fills_is_exact():
    """FL-13: 3 of 10 fall; one that ends where it began is not adverse."""
    some = tracker()
    for n in range(10):
        start = 100 * n * S
        some.on_mid(1000.0, Ns(start))
        some.on_fill(fill(n, BUY, 1, 1000, at=start + 1), n)
        some.on_mid(999.0 if n < 3 else 1000.0 if n == 3 else 1001.0, Ns(start + 2 * S))
    assert some.quality(20).adverse_rate == pytest.approx(0.3)
    assert some.quality(20).coverage == 1.0


def test_a_fill_that_we_hear_of_late_gets_the_mids_of_its_own_time():
    """FL-14: after a gap in our own feed the fill is older than its horizons."""
    some = tracker()
    for second in range(20):
        some.on_mid(1000.0 + second, Ns(second * S))
    some.on_fill(fill(1, BUY, 5, 1000, at=4 * S + 1), 1)
    record = some.records[0]
    assert record.mid == 1004.0
    assert record.mids_after == [1004.0, 1005.0, 1006.0, 1009.0]
    assert some.quality(1).coverage == 1.0


def test_what_nobody_knows_is_not_made_up():
    """Before the first mid, and across a gap of the market data."""
    some = tracker()
    some.on_fill(fill(1, BUY, 5, 1000, at=S), 1)
    some.on_mid(1000.0, Ns(10 * S))
    assert (some.records[0].mid, some.records[0].mids_after) == (None, [None, None, None, 1000.0])
    some.on_fill(fill(2, BUY, 5, 1000, at=11 * S), 1)
    some.on_gap()
    some.on_mid(900.0, Ns(60 * S))
    assert some.records[1].mids_after == [None] * 4
    some.on_fill(fill(3, BUY, 5, 1000, at=59 * S), 1)
    assert some.records[2].mid is None
    assert some.quality(3).coverage == pytest.approx(1 / 3)  # the last one: it is a second old, and its mid is known


def test_the_rate_of_fills_counts_orders_and_fills_of_the_same_time():
    """FL-10, T-20: of a window of 4 fills, the orders placed since the first of them."""
    some = tracker(window=4)
    for n in range(10):
        some.on_fill(fill(n, BUY, 1, 1000, at=n * S), 1_000 + 10 * n)
    assert len(some.records) == 4
    assert some.quality(1_100).fill_rate == pytest.approx(4 / 40)
    assert tracker().quality(50).fill_rate is None


def test_latencies_are_those_of_numpy():
    """FL-12."""
    rng, some, values = Random(4), tracker(), []
    for n in range(357):
        values.append(rng.randrange(1, 500) * MS)
        some.on_fill(fill(n, BUY, 1, 1000, at=n * S, recv_time=Ns(n * S + values[-1])), n)
    found = some.quality(500)
    for share, latency in ((50, found.latency_p50), (99, found.latency_p99)):
        assert latency == np.percentile(values, share, method="inverted_cdf")


def test_against_a_naive_twin():
    """Every fill, heard at once or late, against a look at the whole path."""
    rng, some, path, fills, now, mid = Random(9), tracker(), [], [], 0, 10_000
    for n in range(3_000):
        now += rng.randrange(1, 400) * MS
        mid += rng.randrange(-5, 6)
        path.append((now, float(mid)))
        some.on_mid(float(mid), Ns(now))
        if rng.random() < 0.1:
            at = now - rng.choice((0, 0, 100 * MS, 3 * S))
            some.on_fill(fill(n, rng.choice((BUY, SELL)), 1, mid, at=max(at, 0)), n)
            fills.append((at, now))
    for record, (at, heard) in zip(list(some.records)[-100:], fills[-100:], strict=True):
        assert record.mid == max((entry for entry in path if entry[0] < at), default=(0, None))[1]
        for horizon, found in zip(HORIZONS, record.mids_after, strict=True):
            due = at + horizon
            if due <= heard:
                assert found == max(entry for entry in path if entry[0] <= due)[1]
            elif due <= now:
                assert found == min(entry for entry in path if entry[0] >= due)[1]
            else:
                assert found is None


def test_memory_is_bounded():
    """FL-17."""
    some = tracker()
    for n in range(20_000):
        some.on_mid(1000.0 + n % 2, Ns(n * 10 * MS))
        some.on_fill(fill(n, BUY, 1, 1000, at=n * 10 * MS), n)
    assert len(some.records) == 1_000
    assert max(len(some._times), len(some._mids)) == MIDS_KEPT
    assert max(map(len, some._pending)) <= 501
