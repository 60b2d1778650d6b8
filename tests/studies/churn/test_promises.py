"""What the incident's log says and what its cure was promised to do, over twenty seeds (CH-02, CH-43)."""

import pytest

from studies.churn.arms import INCIDENT
from studies.churn.middles import spread_of
from studies.churn.rows import Study
from studies.churn.run import Task, carry_out, terms_of_now
from studies.churn.tables import sheets

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
SEEDS = range(20)
NEAR = 0.25


@pytest.fixture(scope="module")
def study():
    rows = [carry_out(Task(arm, seed)).row for arm in ("baseline", "stable") for seed in SEEDS]
    return Study(rows, [], terms_of_now())


def test_the_incident_is_repeated(study):
    """The last two rows of its log, to a quarter: nothing filled, almost everything that was placed cancelled."""
    for index, source in list(enumerate(INCIDENT))[-2:]:
        ours = [row.timeline[index] for row in study.of("baseline")]
        assert len(ours) == len(SEEDS)
        for name in ("placed", "cancelled"):
            middle = spread_of([float(getattr(mark, name)) for mark in ours]).middle
            assert middle == pytest.approx(getattr(source, name), rel=NEAR)
        assert spread_of([float(mark.filled) for mark in ours]).middle < 1


def test_every_promise_holds_where_it_was_given(study):
    """At 7 % of the allowance: the medians, and what no seed may fall below."""
    (promised,) = (sheet for sheet in sheets(study) if sheet.title == "What was promised")
    assert len(promised.rows) == 9
    assert [row for row in promised.rows if row[-1] != "holds"] == []


def test_no_seed_is_left_far_from_its_targets(study):
    """A median hides a seed whose orders wait for the allowance while the market walks away."""
    rows = study.of("stable")
    assert max(row.quote_error_beyond_bps for row in rows) < 2
    assert sum(row.violations for row in rows) == 0
    assert {row.ended for row in rows} == {"completed"}
