"""From a checked scenario to a world and the setup of a run."""

from dataclasses import replace

from domain.instrument import Instrument
from domain.units import FeeRate, InstrumentId, millis, seconds
from runtime import config
from runtime.log import Log
from scenarios.assemble import Running, Setup
from scenarios.invariants.base import Bounds
from scenarios.schema import (
    ClassOrder,
    Discipline,
    InstrumentSection,
    MarketSection,
    Scenario,
    VenueSection,
)
from sim.flow.synthetic import PROFILES
from sim.latency import Constant, Latency, Quantiles, Recording
from sim.liquidity import book
from sim.venue.config import ActionClass, VenueConfig
from sim.world import MarketConfig, World, WorldConfig

_PER_CENT = 10_000_000
"""Nano-fraction in one per cent."""


def build(scenario: Scenario, seed: int, log: Log) -> Running:
    """Build the world and put the trader into it."""
    return Running(setup_of(scenario), world_of(scenario, seed), seed, log)


def setup_of(scenario: Scenario) -> Setup:
    """Everything but the world."""
    checks = scenario.checks
    return Setup(
        name=scenario.name,
        duration=seconds(scenario.duration_s),
        trader=scenario.trader,
        trader_tree=config.resolved(scenario.trader),
        driver=scenario.driver,
        links=scenario.links,
        faults=scenario.faults,
        expect=scenario.expect,
        bounds=Bounds(fill_within=millis(checks.fill_within_ms), in_flight=millis(checks.in_flight_ms)),
        check_every=checks.every,
        full_check_every=checks.full_every,
    )


def world_of(scenario: Scenario, seed: int) -> World:
    """A synthetic world."""
    markets = _markets(scenario.market)
    venue = scenario.venue
    world = WorldConfig(
        markets=markets,
        venue=rules_of(venue),
        limits=venue.limits,
        block_gap=_block_gap(venue),
        two_batches=venue.two_batches,
        cash=venue.cash,
    )
    discipline = discipline_of(venue)
    books = {market.instrument.id: book.Book(discipline=discipline) for market in markets}
    return World(world, seed, liquidity=books)


def rules_of(venue: VenueSection) -> VenueConfig:
    """The venue's own settings, with the order of the classes."""
    if venue.class_order is ClassOrder.VENUE:
        return venue.rules
    cancels_first = (ActionClass.CANCEL, ActionClass.PASSIVE, ActionClass.TAKER)
    return replace(venue.rules, class_order=cancels_first)


def discipline_of(venue: VenueSection) -> book.Discipline:
    """Who of a level trades first."""
    return book.Discipline.LIFO if venue.discipline is Discipline.LIFO else book.Discipline.FIFO


def instrument_of(section: InstrumentSection) -> Instrument:
    """The instrument that a section describes."""
    return Instrument(
        id=InstrumentId(section.name),
        sz_decimals=section.sz_decimals,
        asset=section.asset,
        min_notional=section.min_notional,
        max_leverage=section.max_leverage,
        maker_fee=FeeRate(round(section.maker_fee_pct * _PER_CENT)),
        taker_fee=FeeRate(round(section.taker_fee_pct * _PER_CENT)),
    )


def _markets(market: MarketSection) -> tuple[MarketConfig, ...]:
    first = MarketConfig(
        instrument=instrument_of(market.instrument or InstrumentSection()),
        flow=market.flow or PROFILES[str(market.profile)],
    )
    return (first, *(MarketConfig(instrument=instrument_of(more.instrument), flow=more.flow) for more in market.more))


def _block_gap(venue: VenueSection) -> Latency:
    if venue.block_ms == "recorded":
        return Quantiles(table=Recording.BLOCK_GAPS)
    return Constant(ms=venue.block_ms)
