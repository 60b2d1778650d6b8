"""The planted bugs of the specification (4.8), and for each the scenario and seed whose rules find it.

A mutant is a mistake that traders, or venues, really make. Each is planted as one or more patches (`studies.sabotage`)
or overrides, which exist for the length of one run. What cannot be planted here, and what another layer makes up for,
says so; where a layer masks a mutant, the pair of both must be found. To add one: a row in `MUTANTS`.
"""

from collections.abc import Callable
from dataclasses import dataclass

from domain.events import Fill
from orchestrator.desk.inventory import Inventory
from studies.mechanisms import PLAIN, mechanism_named
from studies.sabotage import Patch, Sabotage, sabotage
from studies.sabotages import connections, exposure, fills, lives, market, orders, process, venue


@dataclass(frozen=True, slots=True, kw_only=True)
class Plant:
    """One way in which a mutant is planted, and what finds it."""

    name: str
    off: tuple[str, ...] | Sabotage
    """What plants it: overrides of the scenario, or a sabotage."""
    scenario: str
    """A built-in scenario that holds without it and, unless it is masked, not with it."""
    by: str = ""
    """The rule, or the expectation of the scenario, that finds it first; empty where it is masked."""
    seed: int = 0
    """The best seed: the run is red soon."""
    given: tuple[str, ...] = ()
    """Overrides of both runs: what brings it into play."""
    masked_by: str = ""
    """What makes up for it, so that no rule is broken; a pair takes that away, too."""

    @property
    def does(self) -> str:
        """What is wrong, in words."""
        return self.off.text if isinstance(self.off, Sabotage) else ", ".join(self.off)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """A plant that no run shows, and the test that is red with it."""

    name: str
    off: Sabotage
    test: str
    """The test, as pytest names it."""
    by: str
    """The rule of the specification that the test stands for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One row of the specification."""

    number: str
    """As the specification counts: 1 to 48, and E1 to E11 for the rules of the venue."""
    bug: str
    """The mistake, in its words."""
    rules: tuple[str, ...]
    """The rules that it expects to find it."""
    plants: tuple[Plant, ...] = ()
    tested: tuple[Tested, ...] = ()
    not_here: str = ""
    """What of it cannot be planted here, and why."""


def _mechanism(name: str, mechanism: str, by: str) -> Plant:
    """Plant the lack of a mechanism."""
    found = mechanism_named(mechanism)
    return Plant(name=name, off=found.off, scenario=found.scenario, by=by, seed=found.seed, given=found.given)


def _pair(*both: Sabotage) -> Sabotage:
    return sabotage("; ".join(each.text for each in both), *(patch for each in both for patch in each.patches))


TINY_TAKERS = ("market.flow.taker_sigma=0", "market.flow.taker_usd=60", "market.flow.burst_size=6")
"""Takers of one size, several in a block, each smaller than an order of ours."""
NARROW = (
    "trader.desk.engine.max_position_usd=1500",
    "expect.fills_min=0",
    "expect.two_sided_of_fresh_pct_min=0",
)
"""A limit that the usual quotes reach."""
TWO_MINUTES = ("duration_s=120",)
NO_STATE_AND_PAGES = (
    (
        'faults=[{kind="disconnect",at_s=60,duration_s=40,feeds=["user"],notice_ms=30_000,requests_land=true},'
        '{kind="snapshots",at_s=40,duration_s=140,policy="none"},'
        '{kind="paging",at_s=40,duration_s=140,page=2,overlap=0}]'
    ),
    "expect.injected_min=0",
)
"""What was missed comes by pages alone: no state follows the new subscription."""
KILLED_THEN_DEAD = ('faults=[{kind="crash",at_s=37.6,duration_s=1}]', "expect.two_sided_of_fresh_pct_min=off")
"""The process dies a moment after its kill, at 37.5 s of seed 0; the run goes on without quotes."""

MUTANTS: tuple[Mutant, ...] = (
    # --- outcomes ----------------------------------------------------------------------------------
    Mutant(
        number="1",
        bug="time-out of a placement: taken for refused",
        rules=("S9", "S11", "S15"),
        plants=(_mechanism("silence-is-refusal", "silence-is-unknown", "S9"),),
    ),
    Mutant(
        number="2",
        bug="5xx or unreadable answer to a placement: taken for refused",
        rules=("S14", "S15"),
        plants=(_mechanism("garbled-is-refusal", "garbled-is-unknown", "S9"),),
    ),
    # --- fills -------------------------------------------------------------------------------------
    Mutant(
        number="3",
        bug="fills are not deduplicated",
        rules=("S1", "S2"),
        plants=(_mechanism("no-deduplication", "fill-deduplication", "S2"),),
    ),
    Mutant(
        number="4",
        bug="fills are recognised by order, price, size and time instead of by their id",
        rules=("S1",),
        plants=(
            Plant(
                name="known-by-looks",
                off=fills.KNOWN_BY_LOOKS,
                scenario="eth-volatile",
                by="S1",
                given=(*TWO_MINUTES, *TINY_TAKERS),
            ),
        ),
    ),
    Mutant(
        number="5",
        bug="the ids of fills are lost over a restart",
        rules=("S2",),
        plants=(_mechanism("no-memory-of-fills", "memory-of-fills", "S2"),),
    ),
    Mutant(
        number="6",
        bug="the ids of fills are forgotten too early",
        rules=("S2",),
        plants=(Plant(name="forgetful", off=fills.FORGETFUL, scenario="dup-fill-after-reconnect", by="S2"),),
    ),
    Mutant(
        number="7",
        bug="a fill before the acknowledgement is dropped",
        rules=("S4",),
        plants=(Plant(name="early-fills-dropped", off=fills.EARLY_FILLS_DROPPED, scenario="fill-before-ack", by="S4"),),
    ),
    Mutant(
        number="8",
        bug="a fill after the end is dropped",
        rules=("S4",),
        plants=(
            Plant(name="late-fills-dropped", off=fills.LATE_FILLS_DROPPED, scenario="terminal-before-fill", by="S4"),
        ),
    ),
    Mutant(
        number="9",
        bug="a fill of an unknown order is dropped",
        rules=("S1",),
        plants=(
            Plant(name="unknown-fills-dropped", off=fills.UNKNOWN_FILLS_DROPPED, scenario="foreign-fills", by="S1"),
            Plant(
                name="unknown-fills-dropped-and-nothing-written",
                off=_pair(fills.UNKNOWN_FILLS_DROPPED, lives.NO_INTENTS),
                scenario="crash-in-flight",
                by="S30",
            ),
        ),
    ),
    Mutant(
        number="10",
        bug="the fills of a snapshot are ignored after a reconnect",
        rules=("S4",),
        plants=(
            Plant(
                name="snapshot-ignored",
                off=fills.SNAPSHOT_IGNORED,
                scenario="dup-fill-after-reconnect",
                by="S4",
                given=PLAIN,
            ),
        ),
    ),
    Mutant(
        number="11",
        bug="exposure is freed by a terminal status, before the fills",
        rules=("S10", "S15"),
        plants=(_mechanism("no-settlement", "settlement-by-final-size", "S10"),),
    ),
    Mutant(
        number="12",
        bug="the cursor of fills has no overlap",
        rules=("S1",),
        plants=(_mechanism("no-overlap", "cursor-overlap", "S4"),),
    ),
    Mutant(
        number="13",
        bug="the cursor of fills is of the local clock",
        rules=("S1",),
        plants=(
            Plant(
                name="cursor-of-our-clock",
                off=fills.CURSOR_OF_OUR_CLOCK,
                scenario="fills-lost",
                by="S15",
                given=("trader.resync.overlap_s=1",),
            ),
        ),
        not_here="a cursor of the wall clock: the core has none, its time is monotonic and no fault turns it",
    ),
    Mutant(
        number="14",
        bug="paging ends at the limit of a page",
        rules=("S1",),
        plants=(
            Plant(name="one-page", off=fills.ONE_PAGE, scenario="fills-in-pages", by="S4", given=NO_STATE_AND_PAGES),
        ),
    ),
    # --- comparing ---------------------------------------------------------------------------------
    Mutant(
        number="15",
        bug="nothing is compared periodically",
        rules=("L2", "L3"),
        plants=(_mechanism("no-reconciliation", "position-reconciler", "position_wrong_s"),),
    ),
    Mutant(
        number="16",
        bug="no resync after a reconnect, or one of before it counts",
        rules=("S22",),
        plants=(
            Plant(name="no-resync", off=connections.NO_RESYNC, scenario="gap-no-snapshot", by="S22"),
            Plant(
                name="old-resync-counts",
                off=connections.OLD_RESYNC_COUNTS,
                scenario="connections-in-recovery",
                by="S22",
            ),
        ),
    ),
    # --- journal and lives -------------------------------------------------------------------------
    Mutant(
        number="17",
        bug="an intent is not journaled before it is sent",
        rules=("S13", "S15"),
        plants=(_mechanism("nothing-written", "written-decisions", "S30"),),
    ),
    Mutant(
        number="18",
        bug="a fill and the remainder of its order are written in different transactions",
        rules=("S30", "L1"),
        tested=(
            Tested(
                name="remainder-forgotten",
                off=lives.REMAINDER_FORGOTTEN,
                test="tests/runtime/test_fold.py::test_an_intent_is_handed_on_with_its_fills",
                by="S30",
            ),
        ),
        not_here=(
            "two transactions: the journal holds the fill itself, in one record, and everything else is folded from it"
        ),
    ),
    Mutant(
        number="19",
        bug="the journal is not synced, and its tail can be lost",
        rules=("S30",),
        plants=(_mechanism("no-sync", "intents-first", "S13"),),
    ),
    Mutant(
        number="20",
        bug="a torn tail of the journal ends the recovery",
        rules=("S28", "S30"),
        plants=(Plant(name="torn-tail-is-fatal", off=lives.TORN_TAIL_IS_FATAL, scenario="torn-journal", by="S28"),),
    ),
    Mutant(
        number="21",
        bug="client ids are used again after a restart",
        rules=("S12",),
        plants=(Plant(name="same-names", off=lives.SAME_NAMES, scenario="crash", by="S12"),),
    ),
    Mutant(
        number="22",
        bug="after a time-out the order is sent again under a new id",
        rules=("S15",),
        plants=(
            Plant(
                name="tried-again",
                off=orders.TRIED_AGAIN,
                scenario="place-timeout-applied",
                given=NARROW,
                masked_by="the worst-case limit: what nobody answered counts in full, so the second order has no room",
            ),
            Plant(
                name="tried-again-and-doubts-do-not-count",
                off=_pair(orders.TRIED_AGAIN, orders.DOUBTS_DO_NOT_COUNT),
                scenario="place-timeout-applied",
                by="S15",
                given=NARROW,
            ),
        ),
    ),
    Mutant(
        number="23",
        bug="the nonce is the wall clock's millisecond",
        rules=("S12",),
        plants=(Plant(name="nonce-is-time", off=process.NONCE_IS_TIME, scenario="nonce-same-ms", by="S12"),),
    ),
    Mutant(
        number="24",
        bug="the nonce is not kept, and the clock went back",
        rules=("S12",),
        plants=(_mechanism("nonces-forgotten", "reserved-nonces", "S12"),),
    ),
    # --- orders in doubt ---------------------------------------------------------------------------
    Mutant(
        number="25",
        bug="placements do not expire",
        rules=("S9",),
        plants=(_mechanism("no-expiry", "expiry-of-placements", "ended"),),
    ),
    Mutant(
        number="26",
        bug="“unknown order” is believed at once",
        rules=("S9", "S15"),
        plants=(_mechanism("not-found-is-gone", "not-found-is-not-gone", "S10"),),
    ),
    Mutant(
        number="27",
        bug="a list of open orders overrides a newer stream",
        rules=("S9", "S15"),
        plants=(Plant(name="list-is-right", off=orders.LIST_IS_RIGHT, scenario="stale-queries", by="S9"),),
    ),
    Mutant(
        number="28",
        bug="a cancel is done when it is sent",
        rules=("S9", "S15"),
        plants=(_mechanism("sent-cancel-is-done", "sent-cancel-is-no-end", "S9"),),
    ),
    Mutant(
        number="29",
        bug="time-out of a cancel: taken for cancelled",
        rules=("S9",),
        plants=(_mechanism("silent-cancel-is-done", "silent-cancel-is-unknown", "S9"),),
    ),
    Mutant(
        number="30",
        bug="a refused cancel leaves the order live for ever",
        rules=("L3",),
        plants=(
            Plant(
                name="refused-cancel-rests", off=orders.REFUSED_CANCEL_RESTS, scenario="cancel-unknown-loop", by="S25"
            ),
        ),
    ),
    Mutant(
        number="31",
        bug="a refused cancel: taken for cancelled, and it was filled",
        rules=("S9", "S15"),
        plants=(_mechanism("refused-cancel-is-done", "refused-cancel-is-unknown", "S10"),),
    ),
    Mutant(
        number="32",
        bug="a late “open” brings an ended order back",
        rules=("S8",),
        plants=(_mechanism("late-open-revives", "ends-are-final", "S8"),),
    ),
    Mutant(
        number="33",
        bug="unknown resting orders are not cancelled",
        rules=("S11",),
        plants=(
            _mechanism("no-orphans-cancelled", "orphan-tracker", "S11"),
            Plant(
                name="no-orphans-cancelled-and-nothing-written",
                off=lives.NO_INTENTS,
                scenario="crash-in-flight",
                by="S30",
                given=('trader.sync.orphans="off"',),
            ),
        ),
    ),
    # --- exposure ----------------------------------------------------------------------------------
    Mutant(
        number="34",
        bug="the limit ignores the position",
        rules=("S15",),
        plants=(
            Plant(
                name="limit-of-orders-alone",
                off=exposure.LIMIT_OF_ORDERS_ALONE,
                scenario="eth-quiet",
                by="S15",
                given=(*TWO_MINUTES, *NARROW),
            ),
        ),
    ),
    Mutant(
        number="35",
        bug="the limit ignores orders in flight, or of unknown fate",
        rules=("S15",),
        plants=(
            _mechanism("only-resting-counts", "doubts-count-in-full", "S15"),
            Plant(
                name="doubts-do-not-count",
                off=orders.DOUBTS_DO_NOT_COUNT,
                scenario="place-timeout-applied",
                by="S15",
                given=NARROW,
            ),
        ),
    ),
    Mutant(
        number="36",
        bug="the limit is checked before an await, the order sent after it",
        rules=("S15",),
        plants=(
            Plant(
                name="checked-before-sent",
                off=exposure.CHECKED_BEFORE_SENT,
                scenario="eth-volatile",
                by="S15",
                given=(*TWO_MINUTES, *NARROW),
            ),
        ),
        not_here="an await between check and send: the core has none; orders of one decision are what comes nearest",
    ),
    # --- data --------------------------------------------------------------------------------------
    Mutant(
        number="37",
        bug="old data are not noticed",
        rules=("S20",),
        plants=(_mechanism("no-stale-gate", "stale-data-gate", "S20"),),
    ),
    Mutant(
        number="38",
        bug="the age of data counts from their receipt alone",
        rules=("S20",),
        plants=(_mechanism("age-by-receipt", "venue-clock", "S20"),),
    ),
    Mutant(
        number="39",
        bug="only the age of the book is looked at, not user stream, clock, reference",
        rules=("S20",),
        plants=(_mechanism("user-stream-unwatched", "quiet-while-unheard", "S20"),),
        not_here="the reference price: nothing is quoted by one; the clock is mutant 38",
    ),
    Mutant(
        number="40",
        bug="no watchdog of half-open connections",
        rules=("L1", "S20"),
        plants=(_mechanism("no-keep-alive", "keep-alive", "healed_after_s"),),
    ),
    Mutant(
        number="41",
        bug="a bad message ends the reader",
        rules=("S28",),
        plants=(Plant(name="garbage-kills", off=market.GARBAGE_KILLS, scenario="garbage-data", by="ended"),),
        not_here="a reader task: one machine takes every message, so it ends as a whole, by name and told (S28 holds)",
    ),
    Mutant(
        number="42",
        bug="the reader dies and its supervisor ignores it",
        rules=("S28", "S20"),
        plants=(_mechanism("no-supervisor", "silence-watchdog", "healed_after_s"),),
        not_here="a task that dies by itself: a stream that ends and stays connected is the same from outside",
    ),
    # --- limits of requests ------------------------------------------------------------------------
    Mutant(
        number="43",
        bug="no limiter, one that counts requests, or one whose cancels wait",
        rules=("S24",),
        plants=(
            _mechanism("no-budget", "budget", "S26"),
            Plant(name="requests-count", off=connections.REQUESTS_COUNT, scenario="quota-exhausted", by="S24"),
            Plant(name="cancels-wait", off=connections.CANCELS_WAIT, scenario="quota-exhausted", by="ended", seed=3),
        ),
    ),
    Mutant(
        number="44",
        bug="a 429 is retried at once",
        rules=("S24", "S26", "L7"),
        plants=(
            Plant(
                name="at-once-again",
                off=connections.AT_ONCE_AGAIN,
                scenario="risk-rate",
                given=(*TWO_MINUTES, *PLAIN),
                masked_by="the rate-limit monitor: after a refusal it lets nothing be opened",
            ),
            Plant(
                name="at-once-again-and-no-monitor",
                off=connections.AT_ONCE_AGAIN,
                scenario="risk-rate",
                by="S26",
                given=(*TWO_MINUTES, 'trader.risk.rate_limit="off"', "expect.alerted=[]"),
            ),
        ),
    ),
    # --- kill --------------------------------------------------------------------------------------
    Mutant(
        number="45",
        bug="the kill is looked at in the loop only, is not durable, or is lifted by an exception",
        rules=("S23",),
        plants=(
            Plant(
                name="kill-unseen",
                off=lives.KILL_UNSEEN,
                scenario="risk-loss",
                masked_by="the monitor that killed: from its level on orders only reduce",
            ),
            Plant(
                name="kill-unseen-and-positions-may-grow",
                off=_pair(lives.KILL_UNSEEN, lives.NO_REDUCING_ALONE),
                scenario="risk-loss",
                by="S23",
            ),
            Plant(
                name="kill-forgotten",
                off=lives.KILL_FORGOTTEN,
                scenario="risk-loss",
                by="S23",
                seed=2,
                given=KILLED_THEN_DEAD,
            ),
            Plant(name="kill-lifted", off=lives.KILL_LIFTED, scenario="risk-loss", by="S23"),
        ),
    ),
    Mutant(
        number="46",
        bug="queued commands leave after a reconnect",
        rules=("S22", "S23"),
        plants=(
            _mechanism("old-decisions-leave", "age-of-decisions", "S22"),
            Plant(name="flushed-later", off=connections.FLUSHED_LATER, scenario="half-open-user", by="S12"),
        ),
    ),
    # --- numbers -----------------------------------------------------------------------------------
    Mutant(
        number="47",
        bug="prices are rounded half up, sizes to nothing, or drift as floats",
        rules=("S17", "S18"),
        plants=(
            Plant(
                name="rounded-half-up",
                off=exposure.ROUNDED_HALF_UP,
                scenario="eth-volatile",
                by="rejected_pct",
                given=(*TWO_MINUTES, *PLAIN),
            ),
            Plant(
                name="size-rounds-to-nothing",
                off=exposure.SIZE_ROUNDS_TO_NOTHING,
                scenario="eth-volatile",
                by="S18",
                given=TWO_MINUTES,
            ),
            Plant(name="prices-drift", off=exposure.PRICES_DRIFT, scenario="eth-volatile", by="S18", given=TWO_MINUTES),
        ),
    ),
    Mutant(
        number="48",
        bug="an instrument that is not named is unchanged, or no answer means flat",
        rules=("S1", "S21"),
        plants=(
            Plant(
                name="absent-is-unchanged",
                off=fills.ABSENT_IS_UNCHANGED,
                scenario="fills-unheard",
                by="position_wrong_s",
                given=PLAIN,
            ),
            Plant(
                name="silence-is-flat",
                off=fills.SILENCE_IS_FLAT,
                scenario="queries-lost",
                by="S1",
                given=(
                    "trader.resync.restate_after=1",
                    "trader.sync.reconciliation.drift_grace_ms=200",
                    "trader.sync.reconciliation.background_s=1",
                    "expect.injected_min=0",
                ),
            ),
        ),
    ),
    # --- the venue ---------------------------------------------------------------------------------
    Mutant(
        number="E1",
        bug="priority is broken: by a partial fill, or altogether",
        rules=("E1",),
        plants=(
            Plant(
                name="partial-fill-goes-last",
                off=venue.PARTIAL_FILL_GOES_LAST,
                scenario="eth-volatile",
                by="E1",
                given=TWO_MINUTES,
            ),
            Plant(
                name="last-in-first-out",
                off=venue.LAST_IN_FIRST_OUT,
                scenario="eth-volatile",
                by="E1",
                given=TWO_MINUTES,
            ),
        ),
    ),
    Mutant(
        number="E2",
        bug="a post-only order takes",
        rules=("E2",),
        plants=(
            Plant(
                name="post-only-takes",
                off=venue.POST_ONLY_TAKES,
                scenario="eth-volatile",
                by="E2",
                given=TWO_MINUTES,
            ),
        ),
    ),
    Mutant(
        number="E3",
        bug="a trade passes a limit",
        rules=("E3",),
        plants=(
            Plant(name="trade-through", off=venue.TRADE_THROUGH, scenario="eth-volatile", by="E3", given=TWO_MINUTES),
        ),
    ),
    Mutant(
        number="E4",
        bug="the book is crossed at rest",
        rules=("E4",),
        plants=(
            Plant(name="rests-crossed", off=venue.RESTS_CROSSED, scenario="eth-volatile", by="E4", given=TWO_MINUTES),
        ),
    ),
    Mutant(
        number="E5",
        bug="a terminal event is lost at its source",
        rules=("E5",),
        plants=(Plant(name="lost-end", off=venue.LOST_END, scenario="eth-volatile", by="E5", given=TWO_MINUTES),),
    ),
    Mutant(
        number="E6",
        bug="a nonce is accepted twice",
        rules=("E6",),
        plants=(Plant(name="nonce-taken-twice", off=venue.NONCE_TAKEN_TWICE, scenario="requests-repeated", by="E6"),),
    ),
    Mutant(
        number="E7",
        bug="a cancel works twice",
        rules=("E7",),
        plants=(
            Plant(
                name="cancelled-twice", off=venue.CANCELLED_TWICE, scenario="eth-volatile", by="E7", given=TWO_MINUTES
            ),
        ),
    ),
    Mutant(
        number="E8",
        bug="money or positions out of nothing: a double match, the sign of a fee; a snapshot newer than its stamp",
        rules=("E8", "S6"),
        plants=(
            Plant(
                name="position-moves-twice",
                off=venue.POSITION_MOVES_TWICE,
                scenario="eth-volatile",
                by="E8",
                given=TWO_MINUTES,
            ),
            Plant(name="double-match", off=venue.DOUBLE_MATCH, scenario="eth-volatile", by="S8", given=TWO_MINUTES),
            Plant(name="fee-sign", off=venue.FEE_SIGN, scenario="eth-volatile", by="S6", given=TWO_MINUTES),
            Plant(
                name="statement-newer-than-its-stamp",
                off=venue.STATEMENT_NEWER_THAN_ITS_STAMP,
                scenario="eth-volatile",
                by="E8",
                given=TWO_MINUTES,
            ),
        ),
    ),
    Mutant(
        number="E9",
        bug="the news of a block have no fixed order: a position before the fills that made it",
        rules=("E9",),
        plants=(
            Plant(
                name="positions-before-fills",
                off=venue.POSITIONS_BEFORE_FILLS,
                scenario="eth-volatile",
                by="E9",
                given=TWO_MINUTES,
            ),
        ),
        not_here="two histories of one seed: no single run shows them, every test of digests does",
    ),
    Mutant(
        number="E10",
        bug="a reduce-only order adds to the position",
        rules=("E10",),
        tested=(
            Tested(
                name="reduce-only-adds",
                off=venue.REDUCE_ONLY_ADDS,
                test="tests/sim/venue/test_reduce_only.py::test_a_shrinking_position_trims",
                by="E10",
            ),
        ),
        not_here="a run: the table of semantics is no rule of runs, and the trader keeps its orders to it by itself",
    ),
    Mutant(
        number="E11",
        bug="the book is not what its naive twin says",
        rules=("E11",),
        tested=(
            Tested(
                name="twin-differs",
                off=venue.LAST_IN_FIRST_OUT,
                test="tests/sim/test_book_against_naive.py::test_every_step_gives_the_twins_answer",
                by="E11",
            ),
        ),
        not_here="a run: the twin is compared in tests, with streams drawn for it",
    ),
)
"""Every row of the specification, in its order."""


def _books_twice(original: Callable[[Inventory, Fill], None]) -> Callable[[Inventory, Fill], None]:
    def apply(self: Inventory, fill: Fill) -> None:
        original(self, fill)
        original(self, fill)

    return apply


CANARY = Mutant(
    number="canary",
    bug="a bug that nobody could overlook: if it is not found, nothing that is not found means anything",
    rules=("S1",),
    plants=(
        Plant(
            name="canary",
            off=sabotage("each fill moves our position twice", Patch(Inventory, "apply", _books_twice)),
            scenario="eth-volatile",
            by="S1",
            given=("duration_s=60", "expect.fills_min=0"),
        ),
    ),
)
"""Goes with every run."""
