"""What can go wrong on purpose: one file each, and one tuple that lists them."""

from sim.faults.adl import Adl
from sim.faults.agent_expiry import AgentExpiry
from sim.faults.base import Fault, Injected, Range
from sim.faults.cancel_only import CancelOnly
from sim.faults.cancel_race import CancelRace
from sim.faults.clock_skew import ClockSkew
from sim.faults.crash import Crash
from sim.faults.crossed_book import CrossedBook
from sim.faults.delist import Delist
from sim.faults.disconnect import Disconnect
from sim.faults.duplicate import Duplicate
from sim.faults.error_although_applied import ErrorAlthoughApplied
from sim.faults.false_quota import FalseQuota
from sim.faults.fill_before_ack import FillBeforeAck
from sim.faults.foreign_fills import ForeignFills
from sim.faults.fsync_failure import FsyncFailure
from sim.faults.funding_rate import FundingRate
from sim.faults.garbage_data import GarbageData
from sim.faults.half_open import HalfOpen
from sim.faults.halt import Halt
from sim.faults.journal_full import JournalFull
from sim.faults.journal_locked import JournalLocked
from sim.faults.latency_spike import LatencySpike
from sim.faults.leverage_change import LeverageChange
from sim.faults.limit_429 import Limit429
from sim.faults.message_loss import MessageLoss
from sim.faults.modify_news import ModifyNews
from sim.faults.open_interest_cap import OpenInterestCap
from sim.faults.owner_transfers import OwnerTransfers
from sim.faults.paging import Paging
from sim.faults.post_only_mode import PostOnlyMode
from sim.faults.price_shock import PriceShock
from sim.faults.rate_limit_squeeze import RateLimitSqueeze
from sim.faults.reduce_refused import ReduceRefused
from sim.faults.reorder import Reorder
from sim.faults.reply_lost import ReplyLost
from sim.faults.request_lost import RequestLost
from sim.faults.request_repeated import RequestRepeated
from sim.faults.restamped import Restamped
from sim.faults.shared_ip import SharedIp
from sim.faults.signature_failures import SignatureFailures
from sim.faults.slow_handler import SlowHandler
from sim.faults.slow_journal import SlowJournal
from sim.faults.snapshots import Snapshots
from sim.faults.stale_queries import StaleQueries
from sim.faults.stall import Stall
from sim.faults.success_although_not_applied import SuccessAlthoughNotApplied
from sim.faults.swizzle_clog import SwizzleClog
from sim.faults.terminal_before_fill import TerminalBeforeFill
from sim.faults.tick_change import TickChange
from sim.faults.torn_journal import TornJournal
from sim.faults.venue_down import VenueDown
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
    ModifyNews,
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
    TornJournal,
    JournalFull,
    FsyncFailure,
    SlowJournal,
    JournalLocked,
    ClockSkew,
    Halt,
    PostOnlyMode,
    ReduceRefused,
    RateLimitSqueeze,
    PriceShock,
    SignatureFailures,
    AgentExpiry,
    RequestRepeated,
    CancelOnly,
    Delist,
    VenueDown,
    OpenInterestCap,
    TickChange,
    LeverageChange,
    Limit429,
    SharedIp,
    FundingRate,
    OwnerTransfers,
    Adl,
    ForeignFills,
    FalseQuota,
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
    | ModifyNews
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
    | TornJournal
    | JournalFull
    | FsyncFailure
    | SlowJournal
    | JournalLocked
    | ClockSkew
    | Halt
    | PostOnlyMode
    | ReduceRefused
    | RateLimitSqueeze
    | PriceShock
    | SignatureFailures
    | AgentExpiry
    | RequestRepeated
    | CancelOnly
    | Delist
    | VenueDown
    | OpenInterestCap
    | TickChange
    | LeverageChange
    | Limit429
    | SharedIp
    | FundingRate
    | OwnerTransfers
    | Adl
    | ForeignFills
    | FalseQuota
)

__all__ = [
    "FAULTS",
    "Adl",
    "AgentExpiry",
    "AnyFault",
    "CancelOnly",
    "CancelRace",
    "ClockSkew",
    "Crash",
    "CrossedBook",
    "Delist",
    "Disconnect",
    "Duplicate",
    "ErrorAlthoughApplied",
    "FalseQuota",
    "Fault",
    "FillBeforeAck",
    "ForeignFills",
    "FsyncFailure",
    "FundingRate",
    "GarbageData",
    "HalfOpen",
    "Halt",
    "Injected",
    "JournalFull",
    "JournalLocked",
    "LatencySpike",
    "LeverageChange",
    "Limit429",
    "MessageLoss",
    "ModifyNews",
    "OpenInterestCap",
    "OwnerTransfers",
    "Paging",
    "PostOnlyMode",
    "PriceShock",
    "Range",
    "RateLimitSqueeze",
    "Reorder",
    "ReplyLost",
    "RequestLost",
    "RequestRepeated",
    "Restamped",
    "SharedIp",
    "SignatureFailures",
    "SlowHandler",
    "SlowJournal",
    "Snapshots",
    "StaleQueries",
    "Stall",
    "SuccessAlthoughNotApplied",
    "SwizzleClog",
    "TerminalBeforeFill",
    "TickChange",
    "TornJournal",
    "VenueDown",
    "ZombieSubscription",
]
