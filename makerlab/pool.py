"""Work spread over processes: results in the order of the work, whichever is done first."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import TypeVar

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")

_HASH_SEED = "PYTHONHASHSEED"


def spread(
    work: Callable[[ItemT], ResultT],
    items: Sequence[ItemT],
    processes: int,
    on_done: Callable[[ItemT, ResultT], None],
    *,
    on_start: Callable[[], None] | None = None,
    hash_seed: int | None = None,
) -> list[ResultT]:
    """Do ``work`` on each item; an exception, or Ctrl-C, ends what is under way.

    ``on_done`` hears of each result as soon as it is there; ``on_start`` is called in each process. Both ``work`` and
    ``on_start`` must be importable by their names. With ``hash_seed`` the processes order sets by it; each by a seed of
    its own without. Raises ChildProcessError where one of the processes dies.

    No more processes than items are begun; for one of them this one does, unless a hash seed needs another.
    """
    processes = min(processes, len(items))
    if not items or (processes <= 1 and hash_seed is None):
        return [_here(work, item, on_done) for item in items]
    others = set(multiprocessing.active_children())
    context = multiprocessing.get_context("spawn")
    done: dict[int, ResultT] = {}
    with (
        _hash_seed(hash_seed),
        ProcessPoolExecutor(processes, mp_context=context, initializer=_begin, initargs=(on_start,)) as pool,
    ):
        futures = {pool.submit(work, item): i for i, item in enumerate(items)}
        try:
            for future in _as_done(futures):
                i = futures[future]
                done[i] = future.result()
                on_done(items[i], done[i])
        except BaseException as error:
            for process in set(multiprocessing.active_children()) - others:
                process.terminate()
            pool.shutdown(wait=False, cancel_futures=True)
            if isinstance(error, BrokenProcessPool):
                raise ChildProcessError(f"a process of {processes} died, and its work with it") from error
            raise
    return [done[i] for i in range(len(items))]


def _here(work: Callable[[ItemT], ResultT], item: ItemT, on_done: Callable[[ItemT, ResultT], None]) -> ResultT:
    result = work(item)
    on_done(item, result)
    return result


def _as_done(futures: dict[Future[ResultT], int]) -> Iterator[Future[ResultT]]:
    waiting = set(futures)
    while waiting:
        finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
        yield from sorted(finished, key=futures.__getitem__)


def _begin(on_start: Callable[[], None] | None) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is the parent's to end us
    if on_start is not None:
        on_start()


def other_hash_seed() -> int:
    """A hash seed that this process has not: whoever sets one for it must not get the same again."""
    return 2 if os.environ.get(_HASH_SEED) == "1" else 1


@contextmanager
def _hash_seed(seed: int | None) -> Iterator[None]:
    """Let processes that are started meanwhile hash texts by a given seed: an interpreter reads it when it starts."""
    before = os.environ.get(_HASH_SEED)
    if seed is not None:
        os.environ[_HASH_SEED] = str(seed)
    try:
        yield
    finally:
        if seed is not None:
            os.environ.pop(_HASH_SEED)
            if before is not None:
                os.environ[_HASH_SEED] = before
