"""The shape of a scenario file. Everything has a bound and a default; unknown keys are errors.

Plain frozen dataclasses: `scenarios.loader` reads and checks them, `makerlab schema` prints them for
editors. Whatever a room configures for itself is that room's own dataclass here.
"""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from annotated_types import Interval, MinLen

from domain.instrument import MarginTier
from domain.limits import VenueLimits
from domain.units import Usd
from orchestrator.config import TraderConfig
from runtime.virtual import DriverConfig
from scenarios.expectations import Expect
from scenarios.probes import Probe
from sim.faults import AnyFault
from sim.flow.synthetic import SyntheticFlowConfig
from sim.links import LinksConfig
from sim.liquidity.book import Discipline
from sim.replay_feed import ReplayConfig
from sim.ties import FIRST_COME, Ties
from sim.venue.config import ClassOrder, MarginTerms, VenueConfig

DEFAULT_PROFILE = "stable"

TO_THE_END_S = 1e9
"""Longer than any recording, and the longest run."""

L4_RECORDING = "hl_l4"
"""The one recording of whole blocks; every other name is a prefix of books, tops and trades."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstrumentSection:
    """What is traded."""

    name: Annotated[str, MinLen(1)] = "ETH"
    """Name of the instrument: what orders, figures and journal call it."""
    sz_decimals: Annotated[int, Interval(ge=0, le=6)] = 4
    """Decimals of a size. Prices have at most 6 minus this many, and five significant figures. 4 is ETH's."""
    asset: Annotated[int, Interval(ge=0, le=10_000)] = 1
    """The venue's number of the instrument, printed in its error texts; ETH's is 1."""
    min_notional: Annotated[Usd, Interval(ge=0, le=10**18)] = Usd(10_000_000)
    """Least value (price times size) of an order; smaller ones are refused. 10 USD is the venue's own rule."""
    max_leverage: Annotated[int, Interval(ge=1, le=1_000)] = 25
    """Largest leverage, from which margin follows; the trader is told it when it asks for limits. 25 is ETH's."""
    margin_tiers: tuple[MarginTier, ...] = ()
    """Less leverage from a value on, the lowest first; ETH's on the venue: 15 from 100 million USD on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MoreMarket:
    """Another synthetic market of the same world, traded by the same trader."""

    profile: Annotated[str, MinLen(1)]
    """A synthetic market by name, such as `eth-quiet`."""
    instrument: InstrumentSection
    flow: SyntheticFlowConfig = field(default_factory=SyntheticFlowConfig)
    """Laid over the profile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketSection:
    """Either a synthetic market (``profile``) or a recorded one (``recording``)."""

    profile: str | None = None
    """A synthetic market by name, such as `eth-volatile`. Either this or `recording` must be given."""
    recording: str | None = None
    """Prefix of the files in ``hl_l2_trades`` (``ETH_20251210``), or ``hl_l4`` for recorded blocks."""
    instrument: InstrumentSection | None = None
    """Of a synthetic market; a recording names its own."""
    flow: SyntheticFlowConfig | None = None
    """Laid over the profile."""
    more: tuple[MoreMarket, ...] = ()
    sz_decimals: Annotated[int, Interval(ge=0, le=6)] | None = None
    """Of a recording; without it the fewest that hold every recorded size."""
    replay: ReplayConfig = field(default_factory=ReplayConfig)
    """How a recording is played: the queue model, more latency."""

    @property
    def title(self) -> str:
        """What people call it."""
        if self.recording is not None:
            return f"recorded {self.recording}"
        return ", ".join((self.profile or "none", *(market.profile for market in self.more)))

    @property
    def is_blocks(self) -> bool:
        """Whether it is the record of whole blocks, which no trader can trade."""
        return self.recording == L4_RECORDING


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueSection:
    """The exchange."""

    block_ms: Annotated[float, Interval(ge=0.001, le=1e9)] | Literal["recorded"] = "recorded"
    """Time between blocks: constant, or drawn from the recorded distribution."""
    two_batches: Annotated[float, Interval(ge=0, le=1)] = 3 / 18
    """Share of blocks with two consensus batches; recorded: 3 of 18."""
    cash: Annotated[Usd, Interval(gt=0, le=10**18)] = Usd(1_000_000_000_000)
    """Deposit of the trader."""
    traded: Annotated[Usd, Interval(ge=0, le=10**18)] = Usd(0)
    """Volume that the account has traded before: its allowances grow with it."""
    actions_used: Annotated[int, Interval(ge=0, le=1_000_000_000)] = 0
    """Actions that the account has sent before, of those that `limits.address` allows."""
    margin: MarginTerms | None = field(default_factory=MarginTerms)
    """On what terms the account holds positions; `off`: it has credit without end, and cannot be liquidated."""
    maker_fee_pct: Annotated[float, Interval(ge=-1, le=1)] = 0.015
    """Of the account, in every instrument; negative is a rebate."""
    taker_fee_pct: Annotated[float, Interval(ge=-1, le=1)] = 0.045
    """The same for what takes liquidity. Both defaults are the venue's base rates, without any discount."""
    discipline: Discipline = Discipline.FIFO
    class_order: ClassOrder = ClassOrder.VENUE
    rules: VenueConfig = field(default_factory=VenueConfig)
    limits: VenueLimits = field(default_factory=VenueLimits)


@dataclass(frozen=True, slots=True)
class TraderSection(TraderConfig):
    """The trader: a profile, and whatever of it is different here."""

    profile: str = DEFAULT_PROFILE
    """A shipped profile, or a file, that the other keys of this table are laid over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checks:
    """How often the invariants are checked."""

    every: Annotated[int, Interval(ge=1, le=1_000_000_000)] = 1
    """Of decisions that send nothing only each n-th; what is sent, and what tells of us, is always checked."""
    full_every: Annotated[int, Interval(ge=1, le=1_000_000_000)] = 200
    """Blocks between two looks at everything."""
    fill_within_ms: Annotated[float, Interval(gt=0, le=1e9)] = 10_000.0
    """From a fill at the venue to the trader, while the way is sound (S4)."""
    in_flight_ms: Annotated[float, Interval(gt=0, le=1e9)] = 10_000.0
    """How long an order may rest that the trader does not know (S11)."""
    heal_ms: Annotated[float, Interval(gt=0, le=1e9)] = 60_000.0
    """After the last fault both sides are quoted again and both views are equal within this (L1, L2)."""
    limbo_ms: Annotated[float, Interval(gt=0, le=1e9)] = 60_000.0
    """How long an order may be under way or of unknown fate while no fault is at work (L3, L4, L6)."""
    despite: tuple[str, ...] = ()
    """Kinds of faults that stay for good, and with which a trader can live: while they are at work the run counts as
    one without faults. Without the account's connection nobody quotes: then all is judged but whether quotes rest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One world, what happens in it, and what must hold."""

    name: Annotated[str, MinLen(1)]
    """What tables, files and reports call it."""
    duration_s: Annotated[float, Interval(gt=0, le=TO_THE_END_S)] = TO_THE_END_S
    """Simulated time. A synthetic market needs it; without it a recording is played to its end, which always ends the
    run. Recorded blocks (`hl_l4`) are always played whole, and must not have it."""
    description: str = ""
    """What happens in it and why it is of interest, in a sentence; for people."""
    covers: tuple[str, ...] = ()
    """Incidents of real systems that it repeats, by their ids: `makerlab scenarios --incidents` lists them."""
    soak: bool = False
    """Whether it is an endurance run, which `--all` leaves out: it is run by name, and reports what it took."""
    probes: tuple[Probe, ...] = ()
    """What the trader is put to when the run is over and before its orderly end, which is the last of it."""
    market: MarketSection
    venue: VenueSection = field(default_factory=VenueSection)
    links: LinksConfig = field(default_factory=LinksConfig)
    trader: TraderSection = field(default_factory=TraderSection)
    driver: DriverConfig = field(default_factory=DriverConfig)
    """How the trader is run: thinking time, inbox, safety net."""
    ties: Ties = FIRST_COME
    """In which order the simulation lets happen what is due at the same nanosecond. Messages of one channel, and what
    one actor has put off, keep their order in any case."""
    faults: tuple[AnyFault, ...] = ()
    """What goes wrong on purpose; several may overlap."""
    checks: Checks = field(default_factory=Checks)
    expect: Expect = field(default_factory=Expect)
