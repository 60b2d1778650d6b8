"""When an action runs: the mempool, the consensus batches of a block, and the order inside a batch.

Inside a batch actions are sorted by class and keep the order of their arrival inside a class. Hence a
cancel beats a taker of its batch, and a post-only order still meets the quote that a cancel of its
batch is about to remove.
"""

from collections.abc import Sequence
from heapq import heappop, heappush
from typing import NamedTuple

from domain.commands import Cancel, Modify, Place, Request
from domain.units import AccountId, Ns, Tif
from sim.liquidity.base import Op, OpKind
from sim.venue.config import ActionClass, VenueConfig
from sim.venue.signers import Signature

N_CLASSES = len(ActionClass)


class Arrival(NamedTuple):
    """A trading request in the mempool. Tuples compare, so the first two decide."""

    effective: Ns
    number: int
    account: AccountId
    request: Request
    expires_at: Ns | None
    action_class: ActionClass
    sent_at: Ns
    signature: Signature | None = None


def class_of(request: Request) -> ActionClass:
    """The class in which the whole request runs; a modify counts as the order that it places."""
    kind = ActionClass.CANCEL
    for action in request.actions:
        if isinstance(action, Cancel):
            continue
        place = action.place if isinstance(action, Modify) else action
        if isinstance(place, Place) and place.tif is not Tif.ALO:
            return ActionClass.TAKER
        kind = ActionClass.PASSIVE
    return kind if request.actions else ActionClass.PASSIVE


class Mempool:
    """Requests that wait for their block."""

    def __init__(self, config: VenueConfig) -> None:
        self._delays = [config.delay_of(c) for c in ActionClass]
        self._heap: list[Arrival] = []
        self._arrived = 0

    def __len__(self) -> int:
        return len(self._heap)

    def add(
        self,
        account: AccountId,
        request: Request,
        now: Ns,
        expires_at: Ns | None,
        sent_at: Ns,
        signature: Signature | None = None,
    ) -> None:
        """Take in a request that arrives at `now`."""
        action_class = class_of(request)
        effective = Ns(now + self._delays[action_class])
        heappush(
            self._heap,
            Arrival(effective, self._arrived, account, request, expires_at, action_class, sent_at, signature),
        )
        self._arrived += 1

    def take(self, now: Ns) -> list[Arrival]:
        """What is effective by now, in that order."""
        taken: list[Arrival] = []
        heap = self._heap
        while heap and heap[0].effective <= now:
            taken.append(heappop(heap))
        return taken


class Window(NamedTuple):
    """The time in which a block collects: after the previous block, up to this one."""

    start: Ns
    end: Ns
    n_batches: int

    def batch_of(self, time: Ns) -> int:
        """The batch of a moment: batches share the window in equal parts."""
        share = (time - self.start) * self.n_batches
        # A moment that closes one part still belongs to it, as the block's own time does to the block.
        return min(max(-(-share // (self.end - self.start)) - 1, 0), self.n_batches - 1)

    def rank(self, time: Ns, n: int) -> int:
        """How many of `n` operations, evenly spread over their batch, come before this moment of it."""
        length = self.end - self.start
        into = (time - self.start) * self.n_batches - self.batch_of(time) * length
        return min(max(n * into // length, 0), n)


class Schedule:
    """The order in which the requests and the background flow of a block run: one list for each class of each batch."""

    def __init__(self, class_order: Sequence[ActionClass]) -> None:
        self._place_of = [class_order.index(c) for c in ActionClass]

    def of_arrivals(self, arrivals: Sequence[Arrival], window: Window) -> list[list[Arrival]]:
        """Requests by their effective time."""
        runs: list[list[Arrival]] = [[] for _ in range(window.n_batches * N_CLASSES)]
        for arrival in arrivals:
            batch = window.batch_of(arrival.effective)
            runs[batch * N_CLASSES + self._place_of[arrival.action_class]].append(arrival)
        return runs

    def of_ops(self, ops: Sequence[Op], n_batches: int) -> list[list[Op]]:
        """Background flow, whose operations count as evenly spread over the block's window."""
        runs: list[list[Op]] = [[] for _ in range(n_batches * N_CLASSES)]
        passive, cancel, taker = self._place_of
        place, alo, n = OpKind.PLACE, Tif.ALO, len(ops)
        for k, op in enumerate(ops):
            run = cancel if op[0] != place else passive if op[6] is alo else taker
            runs[run if n_batches == 1 else k * n_batches // n * N_CLASSES + run].append(op)
        return runs
