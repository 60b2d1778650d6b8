"""The mechanisms by which the trader survives, and for each the scenario that does not hold without it.

To add one: an entry in `MECHANISMS`. What a user can switch off is switched off as he would, by overrides; what no
live process must ever do without is taken out by a sabotage of `studies.sabotages`.
"""

from dataclasses import dataclass

from studies.sabotage import Sabotage
from studies.sabotages import connections, fills, lives, market, orders, process

NO_SUPERVISOR = 'trader.supervisor="off"'
"""It would connect anew, and so do the work of whoever waits for the data that does not come."""
PLAIN = ("trader.profile=plain",)
"""A trader that follows every move, and cancels and places rather than modify."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mechanism:
    """One part of the trader, and what shows that it is needed."""

    name: str
    does: str
    """What it does, in a sentence."""
    off: tuple[str, ...] | Sabotage
    """What takes it away: overrides of the scenario, or a sabotage."""
    scenario: str
    """A built-in scenario that holds with it and not without it."""
    seed: int = 0
    """A seed that shows it."""
    given: tuple[str, ...] = ()
    """Overrides of both runs: what would do its work in its place, or what brings it into play."""

    @property
    def how(self) -> str:
        """How it is switched off, for people."""
        return self.off.text if isinstance(self.off, Sabotage) else ", ".join(self.off)


MECHANISMS: tuple[Mechanism, ...] = (
    # --- fills and money ---------------------------------------------------------------------------
    Mechanism(
        name="fill-deduplication",
        does="books each trade id once, by whatever ways and however often it is told",
        off=fills.NO_DEDUPLICATION,
        scenario="duplicates",
    ),
    Mechanism(
        name="memory-of-fills",
        does="hands the trade ids that are booked to the next life",
        off=fills.NO_MEMORY_OF_FILLS,
        scenario="crash",
    ),
    Mechanism(
        name="settlement-by-final-size",
        does="lets an order's exposure go when our fills equal the size with which the venue ended it",
        off=fills.NO_SETTLEMENT,
        scenario="terminal-before-fill",
    ),
    Mechanism(
        name="filled-by-fills-alone",
        does="derives the filled size of an order from its fills, never from a status",
        off=fills.FILLED_BY_STATUS,
        scenario="fills-lost",
    ),
    Mechanism(
        name="fill-before-acknowledgement",
        does="books a fill to its order also where nobody has said yet that the order exists",
        off=fills.NO_FILL_BEFORE_ACK,
        scenario="fill-before-ack",
    ),
    Mechanism(
        name="cursor-overlap",
        does="asks for fills from some time before the last one booked",
        off=("trader.resync.overlap_s=0",),
        scenario="fills-lost",
    ),
    Mechanism(
        name="position-reconciler",
        does="asks for the positions every few seconds, whatever the streams bring",
        off=('trader.sync.reconciliation="off"',),
        scenario="fills-unheard",
    ),
    Mechanism(
        name="list-of-orders",
        does="asks for the list of open orders every while, whatever the streams bring",
        off=('trader.sync.audit.list_s="off"',),
        scenario="stranger-unheard",
    ),
    Mechanism(
        name="orphan-tracker",
        does="cancels what rests on our account and is not ours to know",
        off=('trader.sync.orphans="off"',),
        scenario="stranger-unheard",
    ),
    Mechanism(
        name="sync-health",
        does="withdraws when nothing was heard of the account for too long",
        off=('trader.sync.health="off"',),
        scenario="queries-unanswered",
    ),
    Mechanism(
        name="undoing-of-corrections",
        does="takes a correction of the position back when the fill comes that it stood for",
        off=fills.NO_UNDOING,
        scenario="stale-queries",
        given=("trader.resync.restate_after=1",),
    ),
    Mechanism(
        name="transfers",
        does="books what moves our cash other than fills",
        off=fills.NO_TRANSFERS,
        scenario="funding",
    ),
    # --- orders in doubt ---------------------------------------------------------------------------
    Mechanism(
        name="silence-is-unknown",
        does="takes a placement that nobody answers for unknown, not for refused",
        off=orders.SILENCE_IS_A_NO,
        scenario="place-timeout-applied",
    ),
    Mechanism(
        name="silent-cancel-is-unknown",
        does="takes an order whose cancel nobody answers for unknown, not for gone",
        off=orders.SILENT_CANCEL_IS_DONE,
        scenario="requests-lost",
    ),
    Mechanism(
        name="silent-modify-is-unknown",
        does="takes both orders of a modify that nobody answers for unknown",
        off=orders.SILENT_MODIFY_DID_NOTHING,
        scenario="modify-post-timeout",
    ),
    Mechanism(
        name="garbled-is-unknown",
        does="takes what an answer does not mention for unknown, not for refused",
        off=orders.GARBLED_IS_A_NO,
        scenario="errors-although-applied",
    ),
    Mechanism(
        name="refused-cancel-is-unknown",
        does="asks what became of an order that the venue could not cancel",
        off=orders.NOT_OPEN_IS_CANCELLED,
        scenario="cancel-fill-race",
        given=PLAIN,
    ),
    Mechanism(
        name="sent-cancel-is-no-end",
        does="keeps an order, and counts it, until the venue says that it is gone",
        off=orders.SENT_CANCEL_IS_DONE,
        scenario="eth-volatile",
        given=("duration_s=120",),
    ),
    Mechanism(
        name="cancels-first",
        does="sends cancels before what takes their place",
        off=orders.CANCELS_LAST,
        scenario="eth-volatile",
        given=("duration_s=120", *PLAIN),
    ),
    Mechanism(
        name="both-generations",
        does="counts the old and the new order of a modify until the venue says which of them lives",
        off=orders.MODIFY_FORGETS_THE_OLD,
        scenario="cancel-fill-race",
    ),
    Mechanism(
        name="ends-are-final",
        does="takes no word that an order rests after the word that it ended",
        off=orders.LATE_OPEN_REVIVES,
        scenario="reordered",
    ),
    Mechanism(
        name="status-questions",
        does="asks the venue about each order in doubt until there is evidence",
        off=orders.NO_QUESTIONS,
        scenario="requests-lost",
    ),
    Mechanism(
        name="not-found-is-not-gone",
        does="believes that an order never arrived only when it cannot arrive any more",
        off=orders.NOT_FOUND_IS_GONE,
        scenario="stale-queries",
    ),
    Mechanism(
        name="vanished-orders",
        does="gives an order up that rested and that nothing of the venue's has known for long",
        off=("trader.resolver.vanished_ms=1e9",),
        scenario="lies-of-the-gateway",
    ),
    Mechanism(
        name="second-cancel",
        does="cancels an order again that rests although its cancel was confirmed",
        off=orders.CONFIRMED_IS_CANCELLED,
        scenario="lies-of-the-gateway",
    ),
    Mechanism(
        name="stuck-cancels",
        does="sends a cancel again that has had no effect for long",
        off=('trader.sync.audit.stuck_cancel_s="off"',),
        scenario="cancels-without-effect",
    ),
    Mechanism(
        name="questions-after-missing-fills",
        does="asks for the fills of an order that ended with more than we have booked",
        off=("trader.desk.tracker.settle_ms=1e9",),
        scenario="fills-lost",
    ),
    Mechanism(
        name="expiry-of-placements",
        does="makes placements expire, so that one which nobody answered cannot arrive for ever",
        off=orders.NO_EXPIRY,
        scenario="half-open",
    ),
    # --- exposure ----------------------------------------------------------------------------------
    Mechanism(
        name="worst-case-limit",
        does="sends no order with which the position could exceed its limit if everything filled",
        off=orders.NO_WORST_CASE,
        scenario="eth-quiet",
        given=(
            "trader.desk.engine.max_position_usd=1500",
            "duration_s=120",
            "expect.fills_min=0",
            "expect.two_sided_of_fresh_pct_min=0",
        ),
    ),
    Mechanism(
        name="doubts-count-in-full",
        does="counts orders in flight, being cancelled and in doubt for that limit",
        off=orders.ONLY_RESTING_COUNTS,
        scenario="eth-volatile",
        given=(
            "trader.desk.engine.max_position_usd=1500",
            "duration_s=120",
            "expect.fills_min=0",
            "expect.two_sided_of_fresh_pct_min=0",
        ),
    ),
    Mechanism(
        name="own-cross-check",
        does="sends no order that would meet one of our own",
        off=orders.NO_OWN_CROSS_CHECK,
        scenario="latency-spike",
    ),
    Mechanism(
        name="gross-limit",
        does="keeps what all positions are worth together below a limit",
        off=('trader.risk.limits.gross_usd="off"',),
        scenario="gross-limit",
    ),
    # --- connections and requests ------------------------------------------------------------------
    Mechanism(
        name="request-deadlines",
        does="waits for no answer longer than answers take",
        off=(
            "trader.requests.timeout_ms=600_000",
            "trader.requests.timeout_min_ms=600_000",
            "trader.requests.timeout_max_ms=600_000",
        ),
        scenario="requests-lost",
    ),
    Mechanism(
        name="silence-watchdog",
        does="connects a feed anew whose subscriptions are acknowledged and silent",
        off=('trader.supervisor="off"',),
        scenario="zombie-market-data",
    ),
    Mechanism(
        name="keep-alive",
        does="pings each connection, and ends one whose pong does not come",
        off=('links.ping_every_ms="off"',),
        scenario="half-open-market",
        given=(NO_SUPERVISOR, "expect.two_sided_of_fresh_pct_min=0"),
    ),
    Mechanism(
        name="quiet-while-unheard",
        does="places nothing while the account's own connection is down",
        off=connections.QUOTES_UNHEARD,
        scenario="gap-no-snapshot",
    ),
    Mechanism(
        name="waits-between-attempts",
        does="waits longer after each attempt to connect that failed",
        off=("trader.feeds.backoff_ms=1", "trader.feeds.backoff_max_ms=1"),
        scenario="gap-no-snapshot",
        given=("trader.feeds.connects_per_minute=1000",),
    ),
    Mechanism(
        name="budget",
        does="counts what we ask as the venue counts it, and holds back before it refuses",
        off=('trader.budget="off"',),
        scenario="quota-exhausted",
        seed=1,
    ),
    Mechanism(
        name="posts-in-flight",
        does="waits while as many requests are under way on the socket as the venue takes, less a share for cancels",
        off=connections.POSTS_UNCOUNTED,
        scenario="slow-posts",
    ),
    Mechanism(
        name="circuit-breakers",
        does="leaves a way alone that does not answer, and tries it once in a while",
        off=('trader.requests.routes.breaker="off"',),
        scenario="venue-mute",
    ),
    Mechanism(
        name="fallback-to-rest",
        does="sends by REST what the socket does not carry",
        off=("trader.requests.routes.fallback=false",),
        scenario="socket-mute",
    ),
    Mechanism(
        name="pauses-after-refusals",
        does="lets a side wait whose orders are refused again and again",
        off=('trader.desk.rejections="off"',),
        scenario="risk-refusals",
        seed=2,
    ),
    Mechanism(
        name="futile-repetitions",
        does="leaves alone for a while what was refused again and again for the same reason",
        off=('trader.desk.futile="off"',),
        scenario="risk-refusals",
        seed=2,
    ),
    # --- market data -------------------------------------------------------------------------------
    Mechanism(
        name="sanity-of-data",
        does="uses no message whose prices cannot be true, and believes a far one only when others say the same",
        off=market.ANYTHING_IS_SOUND,
        scenario="garbage-data",
    ),
    Mechanism(
        name="venue-clock",
        does="reckons the age of data from the venue's stamps",
        off=market.NO_CLOCK,
        scenario="restamped",
    ),
    Mechanism(
        name="future-stamps",
        does="uses no data that is stamped in the future",
        off=("trader.desk.data_quality.max_future_ms=1e9",),
        scenario="restamped",
    ),
    Mechanism(
        name="soundness-of-books",
        does="quotes on no book that is crossed",
        off=market.CROSSED_IS_SOUND,
        scenario="impossible-books",
    ),
    Mechanism(
        name="new-book-after-a-gap",
        does="forgets the market when its connection is lost, and waits for a new book",
        off=market.GAP_FORGOTTEN,
        scenario="zombie-market-data",
    ),
    Mechanism(
        name="stale-data-gate",
        does="withdraws when the market data is too old",
        off=('trader.risk.staleness.gate_s="off"',),
        scenario="risk-stale",
    ),
    Mechanism(
        name="frozen-book-gate",
        does="withdraws when trades print and the top of the book does not move",
        off=('trader.desk.data_quality.frozen_ms="off"',),
        scenario="frozen-books",
    ),
    Mechanism(
        name="confirmed-jumps",
        does="holds a price back that is far from the last one, until others say the same",
        off=('trader.desk.data_quality.max_jump="off"',),
        scenario="price-garbage",
    ),
    Mechanism(
        name="counted-gaps",
        does="sees by the numbers of the messages that some are missing",
        off=('trader.desk.data_quality.max_sequence_gap="off"',),
        scenario="numbered-gaps",
    ),
    # --- risk --------------------------------------------------------------------------------------
    Mechanism(
        name="loss-monitor",
        does="kills at the loss of a day",
        off=('trader.risk.loss="off"',),
        scenario="risk-loss",
    ),
    Mechanism(
        name="drawdown-monitor",
        does="kills when the account falls too far below its best",
        off=('trader.risk.drawdown="off"',),
        scenario="risk-loss",
    ),
    Mechanism(
        name="velocity-monitor",
        does="halts when the price runs",
        off=('trader.risk.velocity="off"',),
        scenario="risk-flash",
    ),
    Mechanism(
        name="cascade-monitor",
        does="halts when the price wanders off and does not come back",
        off=('trader.risk.cascade="off"',),
        scenario="risk-flash",
    ),
    Mechanism(
        name="position-monitor",
        does="warns of the position before its limit, and kills where it has run away",
        off=('trader.risk.position="off"',),
        scenario="risk-loss",
    ),
    Mechanism(
        name="staleness-monitor",
        does="makes careful on old market data, and halts on very old",
        off=('trader.risk.staleness="off"',),
        scenario="risk-stale",
    ),
    Mechanism(
        name="rate-limit-monitor",
        does="reduces, then halts, when the venue turns requests away for being too many",
        off=('trader.risk.rate_limit="off"',),
        scenario="risk-rate",
    ),
    Mechanism(
        name="kill-switch",
        does="latches a kill: nothing is quoted any more",
        off=lives.NO_KILL,
        scenario="risk-loss",
    ),
    Mechanism(
        name="dead-man-switch",
        does="keeps the venue's own switch ahead of us, which cancels everything when we are gone",
        off=('trader.dead_man="off"',),
        scenario="dead-man",
    ),
    Mechanism(
        name="margin-monitor",
        does="makes careful, then only reduces, as the account's margin is used up",
        off=('trader.risk.margin="off"',),
        scenario="stuck-reduce-only",
    ),
    Mechanism(
        name="recovery-by-taking",
        does="takes a position down in steps whose resting reducing orders are refused",
        off=('trader.desk.recovery="off"',),
        scenario="stuck-reduce-only",
    ),
    # --- the account -------------------------------------------------------------------------------
    Mechanism(
        name="margin-tracker",
        does="sizes orders by what the account's money carries",
        off=('trader.margin="off"',),
        scenario="money-withdrawn",
    ),
    Mechanism(
        name="signer-watch",
        does="stops when the venue no longer takes our signature, and asks until it does",
        off=('trader.signer="off"',),
        scenario="agent-expired",
    ),
    Mechanism(
        name="foreign-hand",
        does="tells people, and steps aside, when somebody else trades on the account",
        off=('trader.foreign="off"',),
        scenario="foreign-fills",
    ),
    # --- lives -------------------------------------------------------------------------------------
    Mechanism(
        name="ledger-of-lives",
        does="hands position and cash flow to the next life",
        off=lives.LEDGER_FORGOTTEN,
        scenario="crash",
    ),
    Mechanism(
        name="orders-of-earlier-lives",
        does="finds the orders of the life before, by its journal and by the venue's list, and cancels them",
        off=lives.ORDERS_FORGOTTEN,
        scenario="crash",
    ),
    Mechanism(
        name="written-decisions",
        does="writes down what is decided, so that the next life knows of it",
        off=lives.NO_INTENTS,
        scenario="crash-in-flight",
    ),
    Mechanism(
        name="orderly-end",
        does="cancels what rests, and sees that it is gone, before the trader ends",
        off=lives.NO_ORDERLY_END,
        scenario="eth-volatile",
        given=("duration_s=120", "expect.fills_min=0"),
    ),
    # --- the process -------------------------------------------------------------------------------
    Mechanism(
        name="intents-first",
        does="lets no placement leave before its decision is safe in the journal",
        off=process.NO_SYNC,
        scenario="torn-journal",
    ),
    Mechanism(
        name="age-of-decisions",
        does="lets nothing leave that waited for the journal until it expired",
        off=process.OLD_DECISIONS_LEAVE,
        scenario="slow-journal",
    ),
    Mechanism(
        name="no-journal-no-orders",
        does="ends the trader when its journal cannot be written",
        off=process.GOES_ON_UNWRITTEN,
        scenario="journal-full",
    ),
    Mechanism(
        name="safety-net",
        does="cancels what is live when the core is out",
        off=process.NO_SAFETY_NET,
        scenario="journal-full",
    ),
    Mechanism(
        name="ascending-nonces",
        does="uses each nonce once, also where the clock is set back",
        off=process.NONCE_IS_TIME,
        scenario="clock-back-over-crash",
    ),
    Mechanism(
        name="reserved-nonces",
        does="begins the nonces of a life where those of the one before ended",
        off=process.NONCES_FORGOTTEN,
        scenario="clock-back-over-crash",
    ),
)
"""Every mechanism, by what it is about."""


def mechanism_named(name: str) -> Mechanism:
    """Return the mechanism of a name; KeyError if there is none."""
    return next(each for each in MECHANISMS if each.name == name)
