"""Measures a run from outside: the venue's truth for money and quotes, the driver's traffic for orders.

Everything is a running sum, a bounded queue or a bounded sample, so memory does not grow with time.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from math import nan

from domain.commands import AnyCommand
from domain.events import (
    AnyEvent,
    BboChanged,
    BookReported,
    Feed,
    FeedDown,
    FeedUp,
    Fill,
    NotSent,
    Replied,
)
from domain.instrument import Instrument
from domain.units import NS_PER_S, USD, FeeRate, InstrumentId, Ns, Oid, Side, Tid
from scenarios.churn import Churn
from scenarios.disagreement import Disagreement
from scenarios.earnings import Earnings, MarkoutQueue
from scenarios.figures import (
    InventoryStats,
    MarketFigures,
    Pnl,
    Quoting,
)
from scenarios.healing import Healing
from scenarios.invariants.base import Block
from scenarios.invariants.views import TruthView
from scenarios.lag import Lag
from scenarios.memory import keep
from scenarios.result import Metrics
from scenarios.trace import MAX_MARKS, MAX_SAMPLES, FillMark, Lifetime, MarketTrace, Span, Trace
from scenarios.traffic import KEPT, EndedOrder, Traffic

NANO_PER_PCT = 10_000_000


class _Market:
    """Running sums of one instrument."""

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.mid: float | None = None
        self.last_data: Ns | None = None
        """The newest stamp of the data that the trader had."""
        self.stale_since: Ns | None = None
        """The stamp before a stretch of stale data that has not ended."""
        self.bid: int | None = None
        self.ask: int | None = None
        self.position = 0
        self.limit = 0
        self.fills = 0
        self.taker_fills = 0
        self.volume = 0
        self.abs_usd_ns = 0.0
        self.max_abs_usd = 0.0
        self.max_abs_lots = 0
        self.over = self.longest_over = 0
        """Time at the limit or beyond: up to now, and the longest."""
        self.fresh = 0
        self.two_sided = 0
        self.two_sided_fresh = 0
        self.markouts = MarkoutQueue()
        self.trace = MarketTrace(str(instrument.id))

    def stand(self, block: Block) -> None:
        """Note our best quotes after a block that changed them."""
        name = self.instrument.id
        bids = [o.px for o in block.resting.values() if o.instrument == name and o.side is Side.BUY]
        asks = [o.px for o in block.resting.values() if o.instrument == name and o.side is Side.SELL]
        self.bid = max(bids, default=None)
        self.ask = min(asks, default=None)


class Observer:
    """One trader's figures. Feed it blocks, events and commands; ask for the result at the end."""

    def __init__(
        self,
        trace: Trace,
        instruments: Mapping[InstrumentId, Instrument],
        truth: TruthView,
        *,
        duration: Ns,
        stale_after: Ns,
    ) -> None:
        self.trace = trace
        self.disagreement = Disagreement(truth)
        """Between the trader's position and the venue's."""
        self._truth = truth
        self._markets = {name: _Market(instrument) for name, instrument in instruments.items()}
        self._stale_after = stale_after
        self._cash_before = truth.cash()
        self._transfers_before = truth.transfers()
        self._blocks, self._last_block = 0, Ns(0)
        self._sample_every = max(duration // MAX_SAMPLES, 1)
        self._next_sample = Ns(0)
        self._began: Ns | None = None
        self._stopped: Ns | None = None
        """When the shutdown began."""
        self._measured_to = Ns(0)
        """Up to here the observed time is in the sums."""
        self._sent_in_time = (0, 0)
        """Requests and actions up to the shutdown."""
        self._traffic = Traffic()
        self.churn = Churn(self._traffic, duration)
        """What was sent only to replace something."""
        self.lag = Lag(truth, instruments)
        """How far what rests is from what is wanted."""
        self._earnings = Earnings()
        self._healing = Healing()
        self._fresh = self._two_sided = self._two_sided_fresh = 0
        self._ended: list[EndedOrder] = []
        self._recovered = 0
        self._seen: OrderedDict[tuple[Tid, Oid], None] = OrderedDict()
        self._user_up_since: Ns | None = None
        self._data_gaps = self._longest_gap = 0
        self._gate: str | None = None
        self._gate_since = Ns(0)
        trace.markets = {str(name): market.trace for name, market in self._markets.items()}

    # --- the venue ------------------------------------------------------------------------------

    def on_block(self, block: Block) -> None:
        """After each block: money, time, samples."""
        now = block.now
        self._blocks += 1
        self._measure_to(now)
        self.churn.pass_to(now)
        self.lag.on_block(block.resting if block.updates or block.fills else None, now)
        for fill in block.fills:
            self._on_fill(fill)
        if block.fills and self._began is not None and self._stopped is None:
            self.disagreement.on_fill(now)
        if self._ended:
            for order in self._ended:
                self._bury(order)
            self._ended.clear()
        for name, market in self._markets.items():
            if block.updates or block.fills:
                market.stand(block)
                market.position = self._truth.position(name)
            bid, ask = self._truth.best(name)
            before = market.mid
            if bid is not None and ask is not None:
                market.mid = (bid + ask) / 2
            self._earnings.settle(market.markouts, now, before, market.mid)
        self._healing.on_block(
            now,
            self._last_block,
            rests=bool(block.resting),
            is_two_sided=self._is_two_sided(),
            is_stopped=self._stopped is not None,
        )
        if now >= self._next_sample:
            self._next_sample = Ns(now + self._sample_every)
            self._sample(now)
        self._last_block = now

    def _measure_to(self, now: Ns) -> None:
        """Sum up what stood since the last look: from the end of the start-up to the begin of the shutdown."""
        if self._began is None or self._stopped is not None:
            return
        start, self._measured_to = self._measured_to, now
        self._add_time(start, Ns(now - start))

    def _add_time(self, start: Ns, dt: Ns) -> None:
        all_two_sided = True
        all_fresh = int(dt)
        for market in self._markets.values():
            fresh = 0
            if market.last_data is not None:
                fresh = min(max(market.last_data + self._stale_after - start, 0), dt)
            two_sided = market.bid is not None and market.ask is not None
            market.fresh += fresh
            if two_sided:
                market.two_sided += dt
                market.two_sided_fresh += fresh
            else:
                all_two_sided = False
            all_fresh = min(all_fresh, fresh)
            market.over = market.over + dt if 0 < market.limit <= abs(market.position) else 0
            market.longest_over = max(market.longest_over, market.over)
            if market.position and market.mid is not None:
                usd = abs(market.position) * market.mid / USD
                market.abs_usd_ns += usd * dt
                market.max_abs_usd = max(market.max_abs_usd, usd)
                market.max_abs_lots = max(market.max_abs_lots, abs(market.position))
        self._fresh += all_fresh
        if all_two_sided:
            self._two_sided += dt
            self._two_sided_fresh += all_fresh

    def _on_fill(self, fill: Fill) -> None:
        market = self._markets[fill.instrument]
        mid = float(fill.px) if market.mid is None else market.mid
        market.fills += 1
        market.taker_fills += fill.is_taker
        market.volume += fill.px * fill.sz
        market.markouts.add(fill, mid)
        self._earnings.on_fill(fill, mid)
        self._traffic.on_fill(fill.cloid)
        instrument = market.instrument
        if len(market.trace.fills) < MAX_MARKS:
            market.trace.fills.append(
                FillMark(
                    fill.exch_time / NS_PER_S,
                    instrument.price(fill.px),
                    instrument.size(fill.sz),
                    fill.side is Side.BUY,
                    fill.is_taker,
                )
            )

    def on_end(self, order: EndedOrder) -> None:
        """An order ended at the venue; its fills of the same block are looked at first."""
        self._ended.append(order)

    def _bury(self, order: EndedOrder) -> None:
        outcome = self._traffic.on_end(order)
        if len(self.trace.lifetimes) < MAX_MARKS:
            self.trace.lifetimes.append(Lifetime((order.updated_at - order.placed_at) / NS_PER_S, outcome))

    # --- the trader -----------------------------------------------------------------------------

    def on_event(self, event: AnyEvent, now: Ns, fills: Sequence[Fill]) -> None:
        """The trader took in an event; ``fills`` are those that it hands over."""
        kind = type(event)
        if kind is BboChanged or kind is BookReported:
            self._on_data(self._markets[event.instrument], event.exch_time, now)  # type: ignore[union-attr]
        elif fills:
            for fill in fills:
                self._on_handed_over(fill, is_answer=kind is Replied)
        if isinstance(event, Replied):
            self._traffic.on_reply(event)
        elif isinstance(event, NotSent):
            self._traffic.on_not_sent(event)
        elif isinstance(event, FeedUp):
            self._healing.on_up(event.feed, now)
            if event.feed is Feed.USER:
                self._user_up_since = now
        elif isinstance(event, FeedDown):
            self._healing.on_down(event.feed, now, is_quoting=self._began is not None and self._stopped is None)

    def _on_data(self, market: _Market, exch_time: Ns, now: Ns) -> None:
        """Data is as old as its stamp says: in a world there is one clock, and what it shows later is no data."""
        last = market.last_data
        if exch_time > now or (last is not None and exch_time < last):
            return
        if last is not None and now - last > self._stale_after:
            if market.stale_since is None:
                self._data_gaps += 1
                market.stale_since = last
            self._longest_gap = max(self._longest_gap, now - market.stale_since)
        if now - exch_time <= self._stale_after:
            market.stale_since = None
        market.last_data = exch_time

    def _on_handed_over(self, fill: Fill, *, is_answer: bool) -> None:
        key = (fill.tid, fill.oid)
        if key in self._seen:
            return
        keep(self._seen, key, None, KEPT)
        if is_answer or (self._user_up_since is not None and fill.exch_time < self._user_up_since):
            self._recovered += 1

    def on_sent(self, command: AnyCommand, now: Ns) -> None:
        """A command leaves the trader."""
        self.churn.pass_to(now)
        self._traffic.on_sent(command)

    def on_gate(self, gate: str | None, limits: Callable[[], Mapping[InstrumentId, int]], now: Ns) -> None:
        """Why the trader does not want to quote, after each decision; None while it does."""
        if gate != self._gate:
            if self._gate is not None and self._began is not None:
                self.trace.gates.append(Span(self._gate_since / NS_PER_S, now / NS_PER_S, self._gate))
            self._gate, self._gate_since = gate, now
        if self._began is None and gate is None:
            self._began = self._measured_to = now
            for name, lots in limits().items():
                self._markets[name].limit = lots
                self._markets[name].trace.max_position = self._markets[name].instrument.size(lots)

    def on_stop(self, now: Ns) -> None:
        """The orderly shutdown begins, at the planned end or before it: what follows is no quoting time."""
        self._measure_to(now)
        self._sent_in_time = (self._traffic.requests, self._traffic.actions)
        self._stopped = now
        self.churn.on_stop(now)
        self.lag.on_stop(now)
        self.disagreement.end(now)
        self.trace.stopped_s = now / NS_PER_S

    def on_life(self, now: Ns, *, is_running: bool) -> None:
        """Whether the trader's process lives; one that is asked to stop is no death."""
        if not is_running:
            self.lag.on_death(now)
        self._healing.on_life(now, is_running=is_running or self._stopped is not None)

    def on_fault(self) -> None:
        """The time of a fault begins: what is missing in it is its own."""
        self._healing.on_fault()

    def on_heal(self) -> None:
        """The time of a fault is over: if it was the last one under way, both sides should come back and stay."""
        self._healing.on_heal(is_stopped=self._stopped is not None)

    # --- samples --------------------------------------------------------------------------------

    def cash_change(self) -> int:
        """Micro-USD that the account won or lost at the venue so far, positions not valued."""
        return self._truth.cash() - self._cash_before

    def _is_two_sided(self) -> bool:
        return all(m.bid is not None and m.ask is not None for m in self._markets.values())

    def _total(self) -> float:
        value = float(self.cash_change())
        for market in self._markets.values():
            if market.position and market.mid is not None:
                value += market.position * market.mid
        return value

    def _sample(self, now: Ns) -> None:
        t = now / NS_PER_S
        for name, market in self._markets.items():
            bid, ask = self._truth.best(name)
            price, trace = market.instrument.price, market.trace
            trace.t.append(t)
            trace.market_bid.append(nan if bid is None else price(bid))
            trace.market_ask.append(nan if ask is None else price(ask))
            trace.our_bid.append(nan if market.bid is None else price(market.bid))
            trace.our_ask.append(nan if market.ask is None else price(market.ask))
            trace.position.append(market.instrument.size(market.position))
        pnl, total = self._pnl(), self.trace.pnl
        total.t.append(t)
        total.total.append(pnl.total)
        total.spread.append(pnl.spread)
        total.markout.append(pnl.markout)
        total.inventory.append(pnl.inventory)
        total.fees.append(-pnl.fees)

    def _pnl(self) -> Pnl:
        return self._earnings.split(self._total(), self._truth.transfers() - self._transfers_before)

    # --- the result -----------------------------------------------------------------------------

    def finish(self, now: Ns) -> Metrics:
        """Settle what is open and return the figures; call once."""
        for market in self._markets.values():
            self._earnings.close(market.markouts, market.mid)
        self._sample(now)
        if self._gate is not None and self._began is not None and self._stopped is None:
            self.trace.gates.append(Span(self._gate_since / NS_PER_S, now / NS_PER_S, self._gate))
        if self._stopped is None:
            self.on_stop(now)
        duration_s = self._ran() / NS_PER_S
        requests, actions = self._sent_in_time
        minutes = duration_s / 60
        traffic, healing, churn, lag = self._traffic, self._healing, self.churn.figures(), self.lag.figures()
        markets = {str(name): self._figures(market) for name, market in self._markets.items()}
        return Metrics(
            duration_s=duration_s,
            blocks=self._blocks,
            pnl_usd=self._pnl(),
            markouts_usd=self._earnings.markouts(),
            fills=sum(figures.fills for figures in markets.values()),
            taker_fills=sum(figures.taker_fills for figures in markets.values()),
            forced_fills=self._earnings.forced,
            volume_usd=sum(figures.volume_usd for figures in markets.values()),
            orders=traffic.figures(),
            timeline=churn.timeline,
            zero_action_share=churn.zero_action_share,
            modify_share=churn.modify_share,
            cancel_fill_ratio=churn.cancel_fill_ratio,
            calls_per_fill=churn.calls_per_fill,
            calls_per_min=churn.calls_per_min,
            quote_error_bps=lag.quote_error_bps,
            quote_error_beyond_bps=lag.quote_error_beyond_bps,
            queue_kept_share=lag.queue_kept_share,
            edge_least_bps=lag.edge_least_bps,
            queue_place_error=lag.queue_place_error,
            queue_place_unknown_share=lag.queue_place_unknown_share,
            races=traffic.races,
            race_fills=traffic.race_fills,
            requests=traffic.requests,
            requests_per_minute=requests / minutes if minutes else 0.0,
            actions_per_minute=actions / minutes if minutes else 0.0,
            feed_losses=healing.feed_losses,
            data_gaps=self._data_gaps,
            longest_data_gap_s=self._longest_gap / NS_PER_S,
            recoveries=healing.recoveries.figures(),
            requoted_after_s=None if healing.requoted is None else healing.requoted / NS_PER_S,
            healed_after_s=None if healing.healed is None else healing.healed / NS_PER_S,
            resting_while_down_s=None if healing.resting_while_down is None else healing.resting_while_down / NS_PER_S,
            fills_recovered=self._recovered,
            position_wrong_s=self.disagreement.longest / NS_PER_S,
            quoting=self._quoting(self._fresh, self._two_sided, self._two_sided_fresh),
            markets=markets,
        )

    def _figures(self, market: _Market) -> MarketFigures:
        observed = self._observed()
        end_usd = 0.0 if market.mid is None else market.position * market.mid / USD
        return MarketFigures(
            fills=market.fills,
            taker_fills=market.taker_fills,
            volume_usd=market.volume / USD,
            maker_fee_pct=_pct(market.instrument.maker_fee),
            taker_fee_pct=_pct(market.instrument.taker_fee),
            inventory=InventoryStats(
                end_size=market.instrument.size(market.position),
                end_usd=end_usd,
                mean_abs_usd=market.abs_usd_ns / observed if observed else 0.0,
                max_abs_usd=market.max_abs_usd,
                over_limit_s=market.longest_over / NS_PER_S,
                max_of_limit_pct=100.0 * market.max_abs_lots / market.limit if market.limit else 0.0,
            ),
            quoting=self._quoting(market.fresh, market.two_sided, market.two_sided_fresh),
        )

    def _observed(self) -> int:
        return self._ran() - self._began if self._began is not None else 0

    def _ran(self) -> Ns:
        return Ns(0) if self._stopped is None else self._stopped

    def _quoting(self, fresh: int, two_sided: int, two_sided_fresh: int) -> Quoting:
        observed = self._observed()
        return Quoting(
            startup_s=(self._ran() if self._began is None else self._began) / NS_PER_S,
            observed_s=observed / NS_PER_S,
            fresh_s=fresh / NS_PER_S,
            two_sided_s=two_sided / NS_PER_S,
            two_sided_pct=100.0 * two_sided / observed if observed else 0.0,
            two_sided_of_fresh_pct=100.0 * two_sided_fresh / fresh if fresh else 0.0,
        )


def _pct(fee: FeeRate) -> float:
    """A rate of fees in percent."""
    return fee / NANO_PER_PCT
