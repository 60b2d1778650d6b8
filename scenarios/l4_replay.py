"""Recorded blocks through the venue's ordinary path: the same statuses, fills and books must come out.

The orders of a batch are submitted with its classes interleaved at random (seeded), in order inside a class:
the venue's own sorting must restore what happened. What the venue was told and did not compute is listed
in the result, and so is every difference. Two perturbations must show: queues that serve the youngest
first, and batches that run cancels before post-only orders.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np

from domain.commands import Modify, Place, Request, Route
from domain.events import Fill, OrderStatus, OrderUpdate, Reason
from domain.instrument import Instrument
from domain.units import USD, AccountId, Epoch, Ns, Oid, Pos, Px, RequestId, Side, Sz, Usd
from runtime.recordings_l4 import FeedBlock, FillRow, L4Feed, L4Truth, StatusRow, Submission, TruthBlock
from sim.liquidity.book import Book, Discipline
from sim.venue.config import ActionClass, ClassOrder, VenueConfig
from sim.venue.front import PrimedOrder, Venue

SHOWN = 20
"""Differences that a result spells out; all are counted."""
SEED = 1
PAST_VOLUME = Usd(100_000_000_000 * USD)
"""What every account counts as having traded before: the record does not say, and some have thousands of orders."""

WORDS: Mapping[tuple[OrderStatus, Reason | None], str] = {
    (OrderStatus.OPEN, None): "open",
    (OrderStatus.FILLED, None): "filled",
    (OrderStatus.CANCELED, Reason.REQUESTED): "canceled",
    (OrderStatus.CANCELED, Reason.SELF_TRADE): "selfTradeCanceled",
    (OrderStatus.CANCELED, Reason.REDUCE_ONLY_TRIMMED): "reduceOnlyCanceled",
    (OrderStatus.REJECTED, Reason.POST_ONLY_WOULD_CROSS): "badAloPxRejected",
    (OrderStatus.REJECTED, Reason.IOC_NO_MATCH): "iocCancelRejected",
    (OrderStatus.REJECTED, Reason.MIN_NOTIONAL): "minTradeNtlRejected",
    (OrderStatus.REJECTED, Reason.REDUCE_ONLY_WOULD_INCREASE): "reduceOnlyRejected",
    (OrderStatus.REJECTED, Reason.MARGIN): "perpMaxPositionRejected",
}
"""The log's words for what the venue says of an order."""


@dataclass(frozen=True, slots=True)
class L4Result:
    """What a replay computed, what it was told, and where it differs from the record."""

    blocks: int
    """Recorded blocks that were played."""
    digests_equal: int
    """Blocks after which the whole book, every order in its queue, is the recorded one."""
    tops_equal: int
    """Blocks after which best prices, sizes, counts and the number of resting orders are."""
    sequences_equal: int
    """Blocks whose statuses came in the recorded order."""
    statuses_equal: int
    """Order statuses that came out as recorded, in whatever order inside their block."""
    statuses_total: int
    """Order statuses in the record."""
    fills_equal: int
    """Fills that came out as recorded."""
    fills_total: int
    """Fills in the record."""
    left_out: Mapping[str, int]
    """Recorded submissions that were not fed, by status: they need state that the files do not hold."""
    inputs: Mapping[str, int]
    """What was taken from the record and not computed, and how often."""
    mismatches: tuple[str, ...] = ()
    """The first differences, spelled out."""
    n_mismatches: int = 0
    world_digest: str | None = None
    """Of everything that the venue did and said; the same for the same record and seed."""


def replay_blocks(
    feed: L4Feed,
    truth: L4Truth,
    *,
    seed: int = SEED,
    discipline: Discipline = Discipline.FIFO,
    class_order: ClassOrder = ClassOrder.VENUE,
) -> L4Result:
    """Feed every block to a venue and compare after each."""
    book = Book(discipline=discipline)
    # The log has no line for a fill that leaves a rest, and not everybody gives client ids.
    config = VenueConfig(partial_fill_updates=False, requires_cloid=False)
    venue = Venue([feed.instrument], config, {feed.instrument.id: book}, class_order=class_order)
    player = _Player(venue, feed, np.random.default_rng(seed))
    checker = _Checker(venue, book, feed, truth.snapshot)
    recorded = {block.number: block for block in truth.blocks}
    for block in feed.blocks:
        player.play(block)
        checker.check(recorded.pop(block.number), {each.oid for each in block.slices})
    for number in recorded:
        checker.differs(number, "the record has this block, the feed does not")
    return checker.result()


# --- what goes in --------------------------------------------------------------------------------


class _Player:
    """Primes the venue and submits. It knows the feed, not what came of it."""

    def __init__(self, venue: Venue, feed: L4Feed, rng: np.random.Generator) -> None:
        self._venue = venue
        self._rng = rng
        self._requests = 0
        self._oids: dict[tuple[AccountId, str], deque[Oid]] = {}
        for account in feed.accounts():
            venue.open_account(account, Usd(0), traded=PAST_VOLUME)
        name = feed.instrument.id
        for account, position, _ in feed.inputs.positions:
            venue.endow(account, name, position, Px(1))
        venue.prime(PrimedOrder(*order) for order in feed.snapshot)
        venue.tell_oids(self._recorded_oid)

    def play(self, block: FeedBlock) -> None:
        """Let a block happen. Slices count as a batch of their own, before the recorded ones."""
        self._expect_oids(block)
        slices = [Submission(each.account, each.place, each.oid, ActionClass.TAKER) for each in block.slices]
        batches = [slices] if slices else []
        batches += [self._interleaved(batch) for batch in block.batches]
        start, n = self._venue.time, max(len(batches), 1)
        for k, batch in enumerate(batches):
            arrival = start + (block.time - start) * k // n + 1
            for i, submission in enumerate(batch):
                self._submit(submission, Ns(arrival + i))
        self._venue.run_block(block.time, n_batches=n)
        self._venue.drain()

    def _submit(self, submission: Submission, now: Ns) -> None:
        self._requests += 1
        request = Request(RequestId(self._requests), Route.REST, Epoch(0), None, (submission.action,))
        self._venue.submit(submission.account, request, now)

    def _interleaved(self, batch: Sequence[Submission]) -> list[Submission]:
        """The classes of a batch shuffled together; inside a class the order is queue order and stays."""
        waiting: dict[int, Iterator[Submission]] = {
            kind: iter([each for each in batch if each.action_class == kind]) for kind in ActionClass
        }
        kinds = self._rng.permutation([each.action_class for each in batch]).tolist()
        return [next(waiting[kind]) for kind in kinds]

    def _expect_oids(self, block: FeedBlock) -> None:
        """Recorded ids by account and client id, each queue in the order of the log."""
        self._oids = defaultdict(deque)
        for account, place, oid in block.slices:
            self._oids[account, place.cloid].append(oid)
        for submission in (each for batch in block.batches for each in batch):
            if submission.oid is not None:
                self._oids[submission.account, _placement(submission).cloid].append(submission.oid)

    def _recorded_oid(self, account: AccountId, place: Place, _: Oid) -> Oid:
        return self._oids[account, place.cloid].popleft()


def _placement(submission: Submission) -> Place:
    action = submission.action
    if isinstance(action, Modify):
        return action.place
    assert isinstance(action, Place)  # noqa: S101 - only placements have an id
    return action


# --- what came out -------------------------------------------------------------------------------


class _Checker:
    """Compares with the record after each block. It alone knows the truth."""

    def __init__(self, venue: Venue, book: Book, feed: L4Feed, snapshot: TruthBlock) -> None:
        self._book = book
        self._feed = feed
        self._digest = BookDigest(feed.instrument)
        self._statuses: list[OrderUpdate] = []
        self._fills: list[tuple[AccountId, Fill]] = []
        self._imposed = {(number, oid) for number, oid, _ in feed.inputs.imposed_cancels}
        self._count: Counter[str] = Counter()
        self._shown: list[str] = []
        self._venue = venue
        venue.taps.on_update.append(lambda _, update: self._statuses.append(update))
        venue.taps.on_fill.append(lambda account, fill: self._fills.append((account, fill)))
        self._check_book(snapshot)
        self._count.clear()
        self._count["differences"] = len(self._shown)

    def check(self, block: TruthBlock, slice_oids: set[Oid]) -> None:
        """Compare what happened since the last call with a block of the record."""
        self._count["blocks"] += 1
        self._check_statuses(block, slice_oids)
        self._check_fills(block)
        self._check_book(block)

    def differs(self, number: int, text: str) -> None:
        """Note a difference."""
        self._count["differences"] += 1
        if len(self._shown) < SHOWN:
            self._shown.append(f"block {number}: {text}")

    def result(self) -> L4Result:
        """What came of it. Raises InvariantViolation if the venue contradicts itself by now."""
        self._venue.check()
        count, inputs = self._count, self._feed.inputs
        told = {
            "order ids": inputs.oids,
            "blocks split into batches": inputs.batch_boundaries,
            "TWAP slices (price, size)": len(inputs.slices),
            "trigger, margin and other imposed cancels": len(inputs.imposed_cancels),
            **Counter(f"positions: {each.source}" for each in inputs.positions),
        }
        return L4Result(
            blocks=count["blocks"],
            digests_equal=count["digests"],
            tops_equal=count["tops"],
            sequences_equal=count["sequences"],
            statuses_equal=count["statuses equal"],
            statuses_total=count["statuses"],
            fills_equal=count["fills equal"],
            fills_total=count["fills"],
            left_out=self._feed.left_out,
            inputs=told,
            mismatches=tuple(self._shown),
            n_mismatches=count["differences"],
            world_digest=self._venue.world_digest,
        )

    def _check_statuses(self, block: TruthBlock, slice_oids: set[Oid]) -> None:
        said = [_status_row(update) for update in self._statuses if update.oid not in slice_oids]
        self._statuses.clear()
        wanted = [
            row._replace(status="canceled") if (block.number, row.oid) in self._imposed else row
            for row in block.statuses
        ]
        self._count["statuses"] += len(wanted)
        self._count["statuses equal"] += self._compare(block.number, "status", wanted, said)
        if wanted == said:
            self._count["sequences"] += 1
        elif Counter(wanted) == Counter(said):
            i = next(i for i, (a, b) in enumerate(zip(wanted, said, strict=True)) if a != b)
            self.differs(block.number, f"status {i} of the log is {wanted[i]}, the venue's is {said[i]}")

    def _check_fills(self, block: TruthBlock) -> None:
        said = [_fill_row(account, fill) for account, fill in self._fills]
        self._fills.clear()
        self._count["fills"] += len(block.fills)
        self._count["fills equal"] += self._compare(block.number, "fill", block.fills, said)

    def _check_book(self, block: TruthBlock) -> None:
        bids, asks = (self._book.levels(side, 1) for side in (Side.BUY, Side.SELL))
        top = (*bids, *asks)
        if top == block.top and len(self._book) == block.resting:
            self._count["tops"] += 1
        else:
            text = f"top {block.top} and {block.resting} orders on record, here {top} and {len(self._book)}"
            self.differs(block.number, text)
        if self._digest.of(self._book) == block.sha256:
            self._count["digests"] += 1
        else:
            self.differs(block.number, "the book differs from the recorded one")

    def _compare(
        self,
        number: int,
        what: str,
        wanted: Sequence[StatusRow] | Sequence[FillRow],
        said: Sequence[StatusRow] | Sequence[FillRow],
    ) -> int:
        """How many rows of the record the venue said as well; notes the rest of both."""
        missing, extra = Counter(wanted), Counter(said)
        missing.subtract(said)
        extra.subtract(wanted)
        for row in (+missing).elements():
            self.differs(number, f"{what} on record, not said: {row}")
        for row in (+extra).elements():
            self.differs(number, f"{what} said, not on record: {row}")
        return len(wanted) - (+missing).total()


def _status_row(update: OrderUpdate) -> StatusRow:
    word = WORDS.get((update.status, update.reason), f"{update.status}/{update.reason}")
    return StatusRow(update.oid, word, update.remaining)


def _fill_row(account: AccountId, fill: Fill) -> FillRow:
    return FillRow(account, fill.oid, fill.side, fill.px, fill.sz, fill.is_taker, Pos(fill.start_position))


class BookDigest:
    """SHA-256 of a whole book: a line ``side,px,oid,sz`` for each order, bids first, best first, in queue order.

    The lines of orders that did not change are kept from one digest to the next; their order never is.
    """

    def __init__(self, instrument: Instrument) -> None:
        self._instrument = instrument
        self._lines: dict[Oid, tuple[Sz, bytes]] = {}

    def of(self, book: Book) -> str:
        """The digest of a book as it is now."""
        kept: dict[Oid, tuple[Sz, bytes]] = {}
        known = self._lines
        for side, letter in ((Side.BUY, "B"), (Side.SELL, "A")):
            for order in book.orders(side):
                line = known.get(order.oid)
                if line is None or line[0] != order.sz:
                    line = (order.sz, self._line(letter, order.px, order.oid, order.sz))
                kept[order.oid] = line
        self._lines = kept
        return sha256(b"".join([line for _, line in kept.values()])).hexdigest()

    def _line(self, letter: str, px: Px, oid: Oid, sz: Sz) -> bytes:
        price, size = self._instrument.format_price(px), self._instrument.format_size(sz)
        return f"{letter},{price},{oid},{size}\n".encode()
