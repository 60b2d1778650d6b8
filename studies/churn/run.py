"""One arm of the churn study with one seed: a run of its scenario, watched, as rows."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from runtime import config
from runtime.log import FileLog, Log, MemoryLog
from runtime.logs import configure
from runtime.provenance import code_digest, git_commit
from runtime.version import makerlab_version
from scenarios.loader import load
from scenarios.result import Metrics, RunResult
from scenarios.run import run_scenario
from studies.churn.arms import Arm, Group, arm_named
from studies.churn.rows import Move, Row, Terms
from studies.churn.watch import Watch
from studies.sabotage import installed

FORMAT = 1
"""Of a file of rows; another one is of another study."""
HORIZON_S = 1.0
"""Of the markout that is reported."""
BPS = 1e4


class Task(msgspec.Struct, frozen=True):
    """One run."""

    arm: str
    seed: int

    @property
    def title(self) -> str:
        """How people see it."""
        return f"{self.arm} seed {self.seed}"


@dataclass(frozen=True, slots=True)
class Done:
    """What came of it."""

    row: Row
    moves: list[Move]
    run_s: float
    """Time of this machine."""


def tasks_of(arms: Sequence[Arm], seeds: int) -> list[Task]:
    """Every run, seed by seed, so that a study that is stopped has something of each arm; a day is run once."""
    return [Task(arm.name, seed) for seed in range(seeds) for arm in arms if seed == 0 or arm.group is not Group.LONG]


def terms_of_now() -> Terms:
    """Those of the code that runs."""
    return Terms(FORMAT, makerlab_version(), git_commit(), code_digest())


def tree_digest(arm: Arm) -> str:
    """Of the whole scenario of an arm, defaults included. Raises ConfigError where it cannot be."""
    tree = config.resolved(load(arm.scenario, arm.overrides))
    return blake2b(msgspec.json.encode(tree, order="sorted"), digest_size=16).hexdigest()


def carry_out(task: Task) -> Done:
    """Run it. What the trader alerts is no news: the baseline is known to be bad."""
    configure(level="error", stream=StringIO())
    arm = arm_named(task.arm)
    watch = Watch(arm.name, task.seed, arm.every_s)
    with _log(arm) as log, installed(watch.place):
        result = run_scenario(load(arm.scenario, arm.overrides), task.seed, log)
    return Done(_row(arm, result, watch), watch.moves, result.wall.run_s)


@contextmanager
def _log(arm: Arm) -> Iterator[Log]:
    """Journals are for the story of what went wrong only; that of a day is too large to be kept in memory."""
    if arm.group is not Group.LONG:
        yield MemoryLog()
        return
    with TemporaryDirectory() as folder:
        log = FileLog(Path(folder) / "journal.mlj")
        try:
            yield log
        finally:
            log.close()


def _row(arm: Arm, result: RunResult, watch: Watch) -> Row:
    metrics = result.metrics
    if not isinstance(metrics, Metrics):
        raise TypeError(f"{arm.name}: there is no trader in {arm.scenario}")
    last, allowances, moved = metrics.timeline[-1], metrics.allowances, watch.sums
    used, cap = allowances.actions_used, allowances.actions_cap
    markout = next(each for each in metrics.markouts_usd if each.horizon_s == HORIZON_S)
    return Row(
        arm=arm.name,
        seed=result.seed,
        digest=result.journal_digest,
        ended=str(result.ended),
        violations=result.n_violations,
        placed=last.placed,
        cancelled=last.cancelled,
        modified=metrics.orders.modified,
        fills=last.filled,
        cycles=watch.cycles,
        cancels_per_cycle=last.cancelled / watch.cycles if watch.cycles else None,
        zero_action_share=metrics.zero_action_share,
        modify_share=metrics.modify_share,
        queue_kept_share=metrics.queue_kept_share,
        cancel_fill_ratio=metrics.cancel_fill_ratio,
        calls_per_fill=metrics.calls_per_fill,
        calls_per_min=metrics.calls_per_min,
        quote_error_bps=metrics.quote_error_bps,
        quote_error_beyond_bps=metrics.quote_error_beyond_bps,
        edge_least_bps=metrics.edge_least_bps,
        queue_place_unknown_share=metrics.queue_place_unknown_share,
        two_sided_pct=metrics.quoting.two_sided_pct,
        pnl_total_usd=metrics.pnl_usd.total,
        spread_usd=metrics.pnl_usd.spread,
        fees_usd=metrics.pnl_usd.fees,
        volume_usd=metrics.volume_usd,
        markout_1s_bps=markout.net / metrics.volume_usd * BPS if metrics.volume_usd else None,
        latched=metrics.trader.actions_latched,
        suppressed=sum(metrics.trader.inputs_suppressed.values()),
        paced=sum(metrics.trader.actions_paced.values()),
        actions_used=used,
        actions_cap=cap,
        headroom_first=watch.headroom_first,
        headroom_least=watch.headroom_least,
        headroom_end=max(cap - used, 0) / cap if cap else 0.0,
        refused_by_limits=sum(allowances.refused.values()),
        moved_bps=moved["moved"],
        by_mid_bps=moved["mid"],
        by_kappa_bps=moved["kappa"],
        by_sigma_bps=moved["sigma"],
        by_skew_bps=moved["skew"],
        by_grid_bps=moved["grid"],
        by_rest_bps=moved["rest"],
        still_share=watch.still / watch.compared if watch.compared else None,
        timeline=tuple(metrics.timeline),
        path=tuple(watch.path),
    )
