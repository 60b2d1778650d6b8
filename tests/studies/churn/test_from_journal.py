"""What a journal says of churn: the figures of the run that wrote it, from its records alone."""

from dataclasses import asdict

import msgspec
import pytest
from msgspec.structs import replace

from domain.commands import Alert, Place, Request, Severity
from domain.errors import ConfigError
from domain.events import Fill, NotSent, OrderStatus, OrderUpdate, Reason
from domain.units import NS_PER_S, InstrumentId, Ns, Oid, Px, Side, Sz, Tid
from runtime.journal_format import MAGIC, Decided, Took, encode
from runtime.journal_reader import Reader
from studies.churn.from_journal import _Moment, _Rest, read_journal
from studies.churn.run import Task, carry_out
from tests.studies.churn.journals import written

ETH, SOL = InstrumentId("ETH"), InstrumentId("SOL")
SAME = (
    "timeline",
    "zero_action_share",
    "modify_share",
    "cancel_fill_ratio",
    "calls_per_fill",
    "calls_per_min",
    "edge_least_bps",
    "queue_kept_share",
)
"""Figures that a run and its journal have under one name."""
SUMMED = ("quote_error_bps", "quote_error_beyond_bps")
"""Those that are sums over time: a run adds them up block by block, and the last digits differ."""


def told_by(journal, folder):
    path = folder / "journal.mlj"
    path.write_bytes(journal)
    return read_journal(path)


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        pytest.param("churn-baseline", ("duration_s=150",), id="baseline"),
        pytest.param("churn-stable", ("duration_s=150",), id="stable"),
        pytest.param("modifies", ("duration_s=40",), id="fills, modifies, three levels"),
        pytest.param("two-markets", ("duration_s=30",), id="two instruments"),
    ],
)
def test_a_journal_says_what_its_run_measured(name, overrides, tmp_path):
    """Whoever has only the journals of two runs compares the same figures as whoever made them."""
    metrics, journal = written(name, *overrides)
    told = told_by(journal, tmp_path)
    figures = told.figures
    assert told.parted is None
    assert [figures.placed, figures.cancelled, figures.filled] == [
        getattr(metrics.timeline[-1], name) for name in ("placed", "cancelled", "filled")
    ]
    assert figures.modified == metrics.orders.modified
    assert figures.duration_s == metrics.duration_s
    assert [getattr(figures, each) for each in SAME] == [getattr(metrics, each) for each in SAME]
    for each in SUMMED:
        assert getattr(figures, each) == pytest.approx(getattr(metrics, each), rel=1e-9)
    assert figures.two_sided_pct == pytest.approx(metrics.quoting.two_sided_pct, rel=1e-9)


@pytest.mark.parametrize("arm", ["baseline", "stable"])
def test_cancels_a_cycle_are_those_of_the_study(arm, tmp_path):
    """The study counts cycles that had targets from beside the engine; a journal's trader knows of the same ones."""
    row = carry_out(Task(arm, 1)).row
    told = told_by(written(f"churn-{arm}")[1], tmp_path).figures
    assert told.cancelled == row.cancelled
    assert told.cancels_per_cycle == row.cancels_per_cycle is not None


def test_the_churn_of_the_two_profiles_is_not_the_same(tmp_path):
    """Otherwise the test above could compare nothing with nothing."""
    (_, one), (_, other) = (written(f"churn-{name}", "duration_s=150") for name in ("baseline", "stable"))
    baseline, stable = told_by(one, tmp_path).figures, told_by(other, tmp_path).figures
    assert baseline.placed > 10 > stable.placed
    assert baseline.quote_error_bps < stable.quote_error_bps
    assert baseline.queue_kept_share < 0.2 < stable.queue_kept_share


def test_every_life_counts(tmp_path):
    """A crash does not begin a new count, and what rested meanwhile belongs to nobody's target."""
    metrics, journal = written("crash", "duration_s=230")
    told = told_by(journal, tmp_path)
    assert told.lives > 1
    assert told.parted is None
    ours, runs = (msgspec.to_builtins(each.timeline) for each in (told.figures, metrics))
    assert ours[-1].pop("t_s") == pytest.approx(runs[-1].pop("t_s"), abs=0.01), "taken when the process has time for it"
    assert ours == runs
    assert told.figures.zero_action_share == metrics.zero_action_share
    assert told.figures.quote_error_bps == pytest.approx(metrics.quote_error_bps, rel=0.01)


def test_what_the_account_had_before_is_not_ours(tmp_path):
    """The first life is told of fills that were before it; the venue's first word on the position contains them."""
    _, journal = written("modifies", "duration_s=40")
    records = list(Reader(journal))
    fill = next(record.event for record in records if isinstance(record, Took) and isinstance(record.event, Fill))
    old = replace(fill, tid=Tid(1), exch_time=Ns(1))
    begun = next(index for index, record in enumerate(records) if isinstance(record, Decided))
    told = Took(records[begun].now, old)
    more = MAGIC + b"".join(map(encode, [*records[:begun], told, *records[begun:]]))
    assert told_by(more, tmp_path).figures.filled == told_by(journal, tmp_path).figures.filled > 0


def test_what_expired_before_it_left_was_not_sent(tmp_path):
    """A process that stood still lets a request go by: nobody was called."""
    _, journal = written("churn-baseline", "duration_s=150")
    records = list(Reader(journal))
    index, request = next(
        (index, command)
        for index, record in enumerate(records)
        if isinstance(record, Decided)
        for command in record.commands
        if isinstance(command, Request) and isinstance(command.actions[0], Place)
    )
    late = Took(records[index].now, NotSent(request.request_id, Reason.EXPIRED, records[index].now))
    less = MAGIC + b"".join(map(encode, [*records[: index + 1], late, *records[index + 1 :]]))
    whole, parted = told_by(journal, tmp_path).figures, told_by(less, tmp_path).figures
    assert parted.placed == whole.placed - len(request.actions)
    assert parted.cancelled == whole.cancelled


def update(oid, status, side=Side.BUY, instrument=ETH):
    return OrderUpdate(instrument, Ns(5), Ns(6), Oid(oid), None, side, Px(100), Sz(1), Sz(1), status)


def test_two_sided_is_both_sides_of_every_instrument():
    """From the moment on at which quotes were first allowed; what rests before and what is half does not count."""
    rest = _Rest((ETH, SOL))
    opened = [update(1 + side, OrderStatus.OPEN, side) for side in Side]
    rest.measure_to(Ns(5))
    assert rest.two_sided_pct is None
    rest.begin(Ns(10))
    rest.take(_Moment(opened))
    rest.measure_to(Ns(20))
    rest.begin(Ns(20))
    assert rest.two_sided_pct == 0
    rest.take(_Moment([update(5 + side, OrderStatus.OPEN, side, SOL) for side in Side]))
    rest.measure_to(Ns(50))
    assert rest.two_sided_pct == 75


def test_news_of_one_block_may_come_in_any_order():
    """An order that ended in the block in which it came does not rest; what the venue lists does, and nothing else."""
    rest = _Rest((ETH,))
    rest.take(_Moment([update(1, OrderStatus.CANCELED), update(1, OrderStatus.OPEN), update(2, OrderStatus.OPEN)]))
    assert list(rest.orders) == [2]
    rest.take(_Moment([update(3, OrderStatus.OPEN)]))
    rest.take(_Moment(listed={Oid(each): update(each, OrderStatus.OPEN) for each in (1, 3)}))
    assert list(rest.orders) == [3]


def test_where_the_trader_decides_otherwise_the_record_still_speaks(tmp_path):
    """What was sent is in the journal; what was wanted is known only from a trader that decides the same."""
    _, journal = written("churn-stable", "duration_s=150")
    records = list(Reader(journal))
    index = next(i for i, record in enumerate(records) if isinstance(record, Decided) and record.now > 100 * NS_PER_S)
    alert = Alert(Severity.INFO, "other", "said by another version")
    records[index] = Decided(records[index].now, (*records[index].commands, alert))
    whole = told_by(journal, tmp_path)
    parted = told_by(MAGIC + b"".join(map(encode, records)), tmp_path)
    assert parted.parted.startswith(f"from record {index} at 100.")
    unknown = {
        "cancels_per_cycle",
        "zero_action_share",
        "queue_kept_share",
        "quote_error_bps",
        "quote_error_beyond_bps",
        "edge_least_bps",
        "two_sided_pct",
    }
    known = {name: value for name, value in asdict(whole.figures).items() if name not in unknown}
    assert asdict(parted.figures) == known | dict.fromkeys(unknown)


def test_a_torn_journal_is_refused(tmp_path):
    """Half of a run has sent half as much: its figures would look like an improvement."""
    _, journal = written("churn-baseline", "duration_s=150")
    with pytest.raises(ConfigError, match=r"journal\.mlj: found torn, \d+ bytes of an unfinished record"):
        told_by(journal[: len(journal) // 2], tmp_path)
