"""What can go wrong on purpose: one file each, and one tuple that lists them."""

from sim.faults.base import Fault, Injected, Range
from sim.faults.cancel_race import CancelRace
from sim.faults.clock_skew import ClockSkew
from sim.faults.crash import Crash
from sim.faults.crossed_book import CrossedBook
from sim.faults.disconnect import Disconnect
from sim.faults.duplicate import Duplicate
from sim.faults.error_although_applied import ErrorAlthoughApplied
from sim.faults.fill_before_ack import FillBeforeAck
from sim.faults.garbage_data import GarbageData
from sim.faults.half_open import HalfOpen
from sim.faults.halt import Halt
from sim.faults.latency_spike import LatencySpike
from sim.faults.message_loss import MessageLoss
from sim.faults.paging import Paging
from sim.faults.post_only_mode import PostOnlyMode
from sim.faults.price_shock import PriceShock
from sim.faults.rate_limit_squeeze import RateLimitSqueeze
from sim.faults.reorder import Reorder
from sim.faults.reply_lost import ReplyLost
from sim.faults.request_lost import RequestLost
from sim.faults.restamped import Restamped
from sim.faults.slow_handler import SlowHandler
from sim.faults.snapshots import Snapshots
from sim.faults.stale_queries import StaleQueries
from sim.faults.stall import Stall
from sim.faults.success_although_not_applied import SuccessAlthoughNotApplied
from sim.faults.swizzle_clog import SwizzleClog
from sim.faults.terminal_before_fill import TerminalBeforeFill
from sim.faults.zombie_subscription import ZombieSubscription

FAULTS = (
    LatencySpike,
    Disconnect,
    CancelRace,
    ReplyLost,
    RequestLost,
    ErrorAlthoughApplied,
    SuccessAlthoughNotApplied,
    MessageLoss,
    Duplicate,
    Reorder,
    FillBeforeAck,
    TerminalBeforeFill,
    HalfOpen,
    ZombieSubscription,
    Snapshots,
    StaleQueries,
    Paging,
    Restamped,
    CrossedBook,
    GarbageData,
    SwizzleClog,
    Stall,
    SlowHandler,
    Crash,
    ClockSkew,
    Halt,
    PostOnlyMode,
    RateLimitSqueeze,
    PriceShock,
)
"""Every fault. Scenario files name them by `kind`; searches draw from their ranges."""

AnyFault = (
    LatencySpike
    | Disconnect
    | CancelRace
    | ReplyLost
    | RequestLost
    | ErrorAlthoughApplied
    | SuccessAlthoughNotApplied
    | MessageLoss
    | Duplicate
    | Reorder
    | FillBeforeAck
    | TerminalBeforeFill
    | HalfOpen
    | ZombieSubscription
    | Snapshots
    | StaleQueries
    | Paging
    | Restamped
    | CrossedBook
    | GarbageData
    | SwizzleClog
    | Stall
    | SlowHandler
    | Crash
    | ClockSkew
    | Halt
    | PostOnlyMode
    | RateLimitSqueeze
    | PriceShock
)

__all__ = [
    "FAULTS",
    "AnyFault",
    "CancelRace",
    "ClockSkew",
    "Crash",
    "CrossedBook",
    "Disconnect",
    "Duplicate",
    "ErrorAlthoughApplied",
    "Fault",
    "FillBeforeAck",
    "GarbageData",
    "HalfOpen",
    "Halt",
    "Injected",
    "LatencySpike",
    "MessageLoss",
    "Paging",
    "PostOnlyMode",
    "PriceShock",
    "Range",
    "RateLimitSqueeze",
    "Reorder",
    "ReplyLost",
    "RequestLost",
    "Restamped",
    "SlowHandler",
    "Snapshots",
    "StaleQueries",
    "Stall",
    "SuccessAlthoughNotApplied",
    "SwizzleClog",
    "TerminalBeforeFill",
    "ZombieSubscription",
]
