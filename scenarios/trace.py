"""What a run looked like over time: a bounded number of samples, for plots and the report only.

Nothing here enters a digest or a decision. Prices and sizes are decimals, time is seconds.
"""

from dataclasses import dataclass, field
from math import nan
from pathlib import Path

import msgspec

TRACE = "trace.json"
"""Name of the file."""

MAX_SAMPLES = 3_000
"""Samples of a run, whatever its length."""

MAX_MARKS = 20_000
"""Fills and lifetimes kept; later ones only count in the metrics."""


@dataclass(frozen=True, slots=True)
class FillMark:
    """One of our fills."""

    t: float
    price: float
    size: float
    is_buy: bool
    is_taker: bool


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time with a name: a gate, a fault, a gap."""

    start: float
    end: float
    name: str


@dataclass(frozen=True, slots=True)
class Lifetime:
    """How long one generation of an order was ours, and how it ended."""

    seconds: float
    outcome: str


@dataclass(slots=True)
class MarketTrace:
    """One instrument: the market, our quotes and our position at each sample."""

    instrument: str
    t: list[float] = field(default_factory=list)
    market_bid: list[float] = field(default_factory=list)
    market_ask: list[float] = field(default_factory=list)
    our_bid: list[float] = field(default_factory=list)
    our_ask: list[float] = field(default_factory=list)
    position: list[float] = field(default_factory=list)
    max_position: float = nan
    fills: list[FillMark] = field(default_factory=list)


@dataclass(slots=True)
class PnlTrace:
    """Money of the whole account in USD at each sample; the parts add up to the total."""

    t: list[float] = field(default_factory=list)
    total: list[float] = field(default_factory=list)
    spread: list[float] = field(default_factory=list)
    markout: list[float] = field(default_factory=list)
    inventory: list[float] = field(default_factory=list)
    fees: list[float] = field(default_factory=list)


@dataclass(slots=True)
class Trace:
    """Everything that the figures show."""

    scenario: str
    seed: int
    duration_s: float
    """As planned; a run may stop before it, and its shutdown comes after it."""
    stopped_s: float | None = None
    """When the shutdown began."""
    markets: dict[str, MarketTrace] = field(default_factory=dict)
    pnl: PnlTrace = field(default_factory=PnlTrace)
    lifetimes: list[Lifetime] = field(default_factory=list)
    gates: list[Span] = field(default_factory=list)
    faults: list[Span] = field(default_factory=list)

    def write(self, folder: Path) -> Path:
        """Write ``trace.json`` and return its path; what is not a number there is null."""
        path = folder / TRACE
        path.write_bytes(msgspec.json.encode(self) + b"\n")
        return path
