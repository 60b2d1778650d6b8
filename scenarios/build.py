"""From a checked scenario to a world and the setup of a run."""

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from msgspec import structs

from domain.instrument import Instrument
from domain.units import FeeRate, InstrumentId, Ns, millis, seconds
from orchestrator.risk.ladder import fresh_for
from runtime import config
from runtime.log import Log
from runtime.recordings import data_folder, load_l2_trades
from scenarios.assemble import Running, Setup
from scenarios.invariants.base import Bounds
from scenarios.schema import (
    InstrumentSection,
    MarketSection,
    Scenario,
    TraderSection,
    VenueSection,
)
from sim.flow.synthetic import PROFILES
from sim.latency import Constant, Latency, Quantiles, Recording
from sim.liquidity.book import Book
from sim.recorded import Recording as Recorded
from sim.replay_feed import ReplayFeed
from sim.world import MarketConfig, World, WorldConfig

_PER_CENT = 10_000_000
"""Nano-fraction in one per cent."""


def build(scenario: Scenario, seed: int, log: Log) -> Running:
    """Build the world and put the trader into it; ConfigError for a recording that cannot be read."""
    setup = setup_of(scenario)
    if scenario.market.recording is None:
        return Running(setup, synthetic_world(scenario, seed), seed, log)
    replay = _replay_of(scenario)
    duration = Ns(min(setup.duration, replay.recording.last_time))
    return Running(replace(setup, duration=duration), recorded_world(scenario, seed, replay), seed, log)


def setup_of(scenario: Scenario) -> Setup:
    """Everything but the world."""
    checks, trader = scenario.checks, _told_limits(scenario)
    return Setup(
        name=scenario.name,
        duration=seconds(scenario.duration_s),
        trader=trader,
        trader_tree=config.resolved(trader),
        driver=scenario.driver,
        links=scenario.links,
        faults=scenario.faults,
        expect=scenario.expect,
        despite=frozenset(checks.despite),
        probes=scenario.probes,
        soak=scenario.soak,
        bounds=Bounds(
            fill_within=millis(checks.fill_within_ms),
            in_flight=millis(checks.in_flight_ms),
            stale=seconds(fresh_for(trader.risk.staleness)),
            heal=millis(checks.heal_ms),
            limbo=millis(checks.limbo_ms),
        ),
        check_every=checks.every,
        full_check_every=checks.full_every,
    )


def _told_limits(scenario: Scenario) -> TraderSection:
    """The trader reckons with the limits of its venue, unless the scenario gives it others."""
    trader, budget = scenario.trader, scenario.trader.budget
    if budget is None or budget.limits is not None:
        return trader
    return replace(trader, budget=replace(budget, limits=scenario.venue.limits))


def synthetic_world(scenario: Scenario, seed: int) -> World:
    """Markets with background flow, each in a reference book."""
    world = _world_config(scenario, markets_of(scenario))
    books = {entry.instrument.id: Book(discipline=scenario.venue.discipline) for entry in world.markets}
    return World(world, seed, liquidity=books)


def markets_of(scenario: Scenario) -> tuple[MarketConfig, ...]:
    """The markets of a synthetic world."""
    venue, market = scenario.venue, scenario.market
    flow = market.flow or PROFILES[str(market.profile)]
    first = MarketConfig(instrument=_instrument(market.instrument or InstrumentSection(), venue), flow=flow)
    more = (MarketConfig(instrument=_instrument(other.instrument, venue), flow=other.flow) for other in market.more)
    return (first, *more)


def recorded_world(scenario: Scenario, seed: int, replay: ReplayFeed) -> World:
    """One recorded market: the venue lives on its exchange times, the trader on its receive times."""
    instrument = replay.recording.instrument
    world = _world_config(scenario, (MarketConfig(instrument=instrument, flow=None),))
    return World(world, seed, replays={instrument.id: replay})


def recording_of(market: MarketSection) -> Recorded:
    """The recording of a market; ConfigError if there is anything wrong with it. The latest ones are kept."""
    return _load(data_folder(), str(market.recording), market.sz_decimals)


@lru_cache(maxsize=2)
def _load(folder: Path, name: str, sz_decimals: int | None) -> Recorded:
    return load_l2_trades(folder, name, sz_decimals=sz_decimals)


def _replay_of(scenario: Scenario) -> ReplayFeed:
    market = scenario.market
    recording = recording_of(market)
    instrument = _with_fees(recording.instrument, scenario.venue)
    return ReplayFeed(replace(recording, instrument=instrument), market.replay)


def _world_config(scenario: Scenario, markets: tuple[MarketConfig, ...]) -> WorldConfig:
    venue = scenario.venue
    return WorldConfig(
        markets=markets,
        venue=venue.rules,
        limits=venue.limits,
        class_order=venue.class_order,
        block_gap=_block_gap(venue),
        two_batches=venue.two_batches,
        cash=venue.cash,
        margin=venue.margin,
        traded=venue.traded,
        actions_used=venue.actions_used,
        ties=scenario.ties,
    )


def _instrument(section: InstrumentSection, venue: VenueSection) -> Instrument:
    instrument = Instrument(
        id=InstrumentId(section.name),
        sz_decimals=section.sz_decimals,
        asset=section.asset,
        min_notional=section.min_notional,
        max_leverage=section.max_leverage,
        margin_tiers=section.margin_tiers,
    )
    return _with_fees(instrument, venue)


def _with_fees(instrument: Instrument, venue: VenueSection) -> Instrument:
    return structs.replace(
        instrument,
        maker_fee=FeeRate(round(venue.maker_fee_pct * _PER_CENT)),
        taker_fee=FeeRate(round(venue.taker_fee_pct * _PER_CENT)),
    )


def _block_gap(venue: VenueSection) -> Latency:
    if venue.block_ms == "recorded":
        return Quantiles(table=Recording.BLOCK_GAPS)
    return Constant(ms=venue.block_ms)
