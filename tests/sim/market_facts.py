"""Stylized facts of a world without a trader, from what a subscriber hears: as the recorded ones were made."""

from collections import Counter
from itertools import pairwise
from statistics import correlation, fmean, median, pstdev

from domain.commands import Connect, Subscribe
from domain.events import BboChanged, BookReported, Channel, ChannelKind, Feed, TradesPrinted
from domain.units import NS_PER_S, AccountId, Ns
from exchange_adapters.simulated import SimulatedAdapter
from sim.links import constant_links
from sim.world import ETH, World

FACTS = (ChannelKind.BBO, ChannelKind.BOOK, ChannelKind.TRADES)


def listen(config, seed, seconds):
    """Everything public of a world, in order of arrival; the first half minute is left out."""
    world = World(config, seed)
    adapter = SimulatedAdapter(world.attach(AccountId("listener"), constant_links(0.0)))
    events = []
    adapter.start(events.append)
    adapter.submit(Connect(Feed.MARKET))
    world.run(Ns(NS_PER_S))
    for kind in FACTS:
        adapter.submit(Subscribe(Channel(kind, ETH.id)))
    world.run(Ns(30 * NS_PER_S))
    events.clear()
    world.run(Ns((30 + seconds) * NS_PER_S))
    return events


def quantile(values, p):
    return sorted(values)[int(p * (len(values) - 1))]


def facts(events, tick):
    """The figures under the names that the recorded ones have."""
    tops = [event for event in events if isinstance(event, BboChanged)]
    books = [event for event in events if isinstance(event, BookReported)]
    trades = [trade for event in events if isinstance(event, TradesPrinted) for trade in event.trades]
    seconds = (events[-1].exch_time - events[0].exch_time) / NS_PER_S
    spreads = Counter((top.ask[0] - top.bid[0]) // tick for top in tops)
    notionals = [trade.px * trade.sz / 1e6 for trade in trades]
    signs = [int(trade.side) for trade in trades]
    returns = returns_bps(tops)
    mean, std = fmean(returns), pstdev(returns)
    return {
        "l2_gap_ms_p50": median((b.exch_time - a.exch_time) / 1e6 for a, b in pairwise(books)),
        "bbo_updates_per_s": len(tops) / seconds,
        "one_tick_share": spreads[1] / len(tops),
        "spread_bps_mean": fmean((top.ask[0] - top.bid[0]) / (top.ask[0] + top.bid[0]) * 2e4 for top in tops),
        "top1_size_p50": median(ETH.size(top.bid[1]) for top in tops),
        "depth20_bid_p50": median(ETH.size(sum(sz for _, sz, _ in book.bids)) for book in books),
        "levels_min": min(min(len(book.bids), len(book.asks)) for book in books),
        "trades_per_min": len(trades) / seconds * 60,
        "trade_ntl_usd_p50": median(notionals),
        "trade_ntl_usd_mean": fmean(notionals),
        "trade_ntl_usd_p99": quantile(notionals, 0.99),
        "buy_share": signs.count(1) / len(signs),
        "share_trades_same_ms_as_previous": fmean(a.exch_time == b.exch_time for a, b in pairwise(trades)),
        "ret1s_std_bps": std,
        "ret1s_kurtosis": fmean(((r - mean) / std) ** 4 for r in returns),
        "sign_acf1": correlation(signs[:-1], signs[1:]),
        "abs_ret1s_acf1": correlation([abs(r) for r in returns[:-1]], [abs(r) for r in returns[1:]]),
    }


def returns_bps(tops):
    """Changes of the mid from second to second."""
    mids, i = [], 0
    for second in range(tops[0].exch_time // NS_PER_S + 1, tops[-1].exch_time // NS_PER_S):
        while tops[i + 1].exch_time <= second * NS_PER_S:
            i += 1
        mids.append((tops[i].bid[0] + tops[i].ask[0]) / 2)
    return [(b / a - 1) * 1e4 for a, b in pairwise(mids)]
