"""How well the account is known, by the age of the venue's last word (CN-12)."""

import pytest

from domain.commands import Alert, Place, QueryOpenOrders, QueryPositions
from domain.events import PositionsReported
from domain.units import Ns
from orchestrator.config import TraderConfig
from orchestrator.desk.desk import DeskConfig
from orchestrator.sync.health import SyncHealth, SyncHealthConfig, SyncState
from orchestrator.sync.statements import LastHeard
from orchestrator.sync.watch import SyncConfig
from tests.orchestrator.desks import AT_ONCE
from tests.orchestrator.messages import MID, TICK, s
from tests.orchestrator.tiny_venue import heal, quoting

H, D, U = SyncState.HEALTHY, SyncState.DEGRADED, SyncState.UNSYNCED


def health(**periods: float) -> tuple[SyncHealth, dict[str, LastHeard], list[Alert]]:
    """A score over sources that are asked for in these periods, in seconds; the first look is at 0."""
    heard = {name: LastHeard() for name in periods}
    alerts: list[Alert] = []
    made = SyncHealth(SyncHealthConfig(), {n: (heard[n], s(p)) for n, p in periods.items()}, alerts.append)
    made.decide(Ns(0))
    return made, heard, alerts


@pytest.mark.parametrize(
    ("age_s", "score", "state"),
    [(0, 1.0, H), (20, 1.0, H), (28, 0.8, H), (29, 0.775, D), (40, 0.5, D), (41, 0.475, U), (60, 0, U), (900, 0, U)],
)
def test_the_score_falls_with_the_age_of_what_is_asked_every_ten_seconds(age_s, score, state):
    """1 up to two periods, 0 from six on, evenly between; healthy from 0.8, degraded from 0.5."""
    made, _, _ = health(positions=10)
    assert made.score(s(age_s)) == pytest.approx(score)
    made.decide(s(age_s))
    assert made.state is state


def test_the_source_that_is_worst_off_counts():
    """Fresh orders do not make an old position better."""
    made, heard, _ = health(positions=10, orders=30)
    heard["orders"].note(s(1), s(50))
    assert made.score(s(50)) == pytest.approx(0.25)
    heard["positions"].note(s(1), s(50))
    assert made.score(s(50)) == 1.0


def test_a_statement_that_is_not_newer_proves_nothing():
    """A server that repeats itself is not alive."""
    made, heard, _ = health(positions=10)
    heard["positions"].note(s(1), s(10))
    heard["positions"].note(s(1), s(45))
    assert made.score(s(50)) == pytest.approx(0.5)


def test_each_change_is_told_once_and_at_its_time():
    """CN-12: degraded, unsynced, recovered; woken for the first two, though nothing happens."""
    made, heard, alerts = health(positions=10)
    for _ in range(2):
        now = made.deadline()
        made.decide(now)
        made.decide(Ns(now + 1))
    assert made.deadline() is None
    heard["positions"].note(s(1), s(90))
    made.decide(s(90))
    assert [alert.name for alert in alerts] == ["sync_degraded", "sync_unsynced", "sync_recovered"]
    assert alerts[1].text == "score 0.50: positions 40 s old"
    assert (made.times_degraded, made.times_unsynced, made.state) == (1, 1, H)
    assert made.deadline() == s(90) + s(28) + 1


def test_nothing_to_ask_for_is_always_healthy():
    """Where nothing is asked for periodically there is no period to be late by."""
    made, _, _ = health()
    made.decide(s(10_000))
    assert (made.score(s(10_000)), made.state, made.deadline()) == (1.0, H, None)


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"degraded": 0.9}, "degraded"), ({"fresh_periods": 6.0}, "fresh_periods")],
)
def test_thresholds_in_the_wrong_order_are_refused(changes, words):
    """A degraded score above the healthy one would never be degraded."""
    with pytest.raises(ValueError, match=words):
        SyncHealthConfig(**changes)


def test_quotes_are_withdrawn_while_the_account_cannot_be_read():
    """S20: market and orders look well, and nobody answers for the account: after 40 s nothing rests; it heals."""
    stage = quoting(config=TraderConfig(desk=DeskConfig(engine=AT_ONCE)))
    stage.venue.faults.fate = lambda r: "lost" if isinstance(r.actions[0], QueryPositions | QueryOpenOrders) else None
    stage.core.ledger._user_feed.on_unanswered = lambda *_: None  # the connection as such is not to blame
    start = stage.now
    stage.run_for(s(35))
    assert stage.is_two_sided()
    stage.run_for(s(10))
    assert stage.core.phase == "unsynced"
    stage.run_for(s(2))
    assert stage.venue.resting() == []
    told = stage.core.snapshot()
    assert (told.sync_state, told.times_unsynced) == ("unsynced", 1)
    assert told.sync_score < 0.5
    quiet_from = stage.now
    heal(stage)
    stage.venue.quote(MID + 5 * TICK)
    stage.run_for(s(15))
    assert stage.core.snapshot().sync_state == "healthy"
    assert stage.is_two_sided()
    assert [a for a in stage.actions(Place, since=start) if a] != []
    assert stage.actions(Place, since=quiet_from)


def test_pushed_statements_keep_the_position_fresh():
    """What the venue states by itself counts like an answer."""
    stage = quoting(config=TraderConfig(desk=DeskConfig(engine=AT_ONCE), sync=SyncConfig(audit=None)))
    stage.venue.faults.fate = lambda r: "lost" if isinstance(r.actions[0], QueryPositions) else None
    for _ in range(40):
        stage.venue._publish_positions()
        stage.run_for(s(2))
    assert stage.core.snapshot().sync_score == 1.0
    assert any(isinstance(entry, PositionsReported) for _, entry in stage.story)


def test_switched_off_it_stops_nothing():
    """`None`: as old as it likes."""
    config = TraderConfig(desk=DeskConfig(engine=AT_ONCE), sync=SyncConfig(health=None))
    stage = quoting(config=config)
    stage.venue.faults.fate = lambda r: "lost" if isinstance(r.actions[0], QueryPositions | QueryOpenOrders) else None
    stage.core.ledger._user_feed.on_unanswered = lambda *_: None
    stage.run_for(s(90))
    assert stage.core.phase == "quoting"
    assert stage.core.snapshot().sync_state is None
