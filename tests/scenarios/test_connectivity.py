"""Silent feeds, mute sockets, lying data: each mechanism is met by a scenario that is red without it."""

import pytest

from domain.events import BboChanged, BookReported, FeedUp, TradesPrinted
from scenarios.runner import run
from tests.scenarios.runs import outcome, result_of, running_of

SECONDS = {
    "silent-market": 140,
    "frozen-books": 110,
    "price-garbage": 110,
    "numbered-gaps": 110,
    "socket-mute": 330,
}


GAPS = (
    'faults=[{kind="message_loss", at_s=40, duration_s=50, channels=["bbo", "book", "trades"], share=1.0, '
    'when={kind="poisson", per_minute=4, for_s=4}}]'
)
SHORTER = {
    "silent-market": (
        "expect.feed_losses_min=1",
        'faults=[{kind="half_open", at_s=60, duration_s=1, feeds=["market"]}]',
    ),
    "frozen-books": ('faults=[{kind="restamped", at_s=60, duration_s=12, stamp="frozen"}]',),
    "price-garbage": (
        'faults=[{kind="garbage_data", at_s=50, duration_s=40, garbage="absurd_price", factor=1.5, share=0.02}]',
        "expect.injected_min=5",
    ),
    "numbered-gaps": (GAPS,),
    "socket-mute": (),
}
"""What of the scenario fits into so many seconds."""


@pytest.mark.parametrize("name", SECONDS)
def test_the_scenario_holds(name):
    """With everything switched on; nothing that must hold is broken on the way."""
    result = result_of(name, SECONDS[name], *SHORTER[name])
    assert [each.name for each in result.expectations if not each.holds] == []
    assert result.violations == []


OFF = [
    ("silent-market", "trader.supervisor=off", "alerted"),
    ("silent-market", "trader.risk.staleness.caution_s=off", "alerted"),
    ("silent-market", "trader.risk.staleness.gate_s=off", "alerted"),
    ("silent-market", "trader.risk.staleness.reading_s=off", "alerted"),
    ("frozen-books", "trader.desk.data_quality.frozen_ms=off", "alerted"),
    ("price-garbage", "trader.desk.data_quality.max_jump=off", "alerted"),
    ("price-garbage", "trader.desk.data_quality.max_deviation=off", "alerted"),
    ("numbered-gaps", "trader.desk.data_quality.max_sequence_gap=off", "alerted"),
    ("socket-mute", "trader.requests.routes.breaker=off", "alerted"),
]


@pytest.mark.parametrize(("name", "override", "red"), OFF)
def test_without_its_mechanism_a_scenario_is_red(name, override, red):
    """Switched off by `--set`, as a user would."""
    result = result_of(name, SECONDS[name], *SHORTER[name], override)
    assert not outcome(result, red).holds


def test_requests_go_by_socket_where_all_is_well():
    """EX-01: the first question of the account aside, nothing goes by REST."""
    result = result_of("eth-volatile", 90)
    ways = result.metrics.trader.requests_by_way
    assert ways["socket"] > 50
    assert ways["rest"] == ways["info"] == 0
    assert result.metrics.trader.circuits_opened == {"info": 0, "rest": 0, "socket": 0}
    assert set(result.metrics.trader.supervisor_events) == {"healthy"}


def test_with_the_circuit_open_the_socket_gets_a_probe_now_and_then():
    """C-29, CN-17: of hundreds of requests only a few are lost, and what is placed rests all the time."""
    result = result_of("socket-mute", SECONDS["socket-mute"])
    trader = result.metrics.trader
    assert trader.circuits_opened["socket"] >= 1
    assert trader.requests_silent < 60 < trader.requests_by_way["rest"]
    assert result.metrics.quoting.two_sided_of_fresh_pct > 80


@pytest.mark.parametrize("is_numbered", [True, False])
def test_a_venue_that_numbers_its_messages_begins_anew_with_each_connection(is_numbered):
    """DQ-06: from one up without a gap on each channel; where it does not number them there is nothing to see."""
    cut = 'faults=[{kind="disconnect", at_s=40, duration_s=2, feeds=["market"]}]'
    running = running_of("eth-quiet", 60, f"links.numbered={str(is_numbered).lower()}", cut, "expect.fills_min=0")
    seen: list[dict[type, list[int | None]]] = []

    def tap(event, now):
        if isinstance(event, FeedUp) and event.feed == "market":
            seen.append({})
        elif isinstance(event, BboChanged | BookReported | TradesPrinted):
            seen[-1].setdefault(type(event), []).append(event.seq)

    running.session.on_deliver.append(tap)
    result = run(running, 7)
    assert result.metrics.trader.data_anomalies == {}
    assert [set(channels) for channels in seen] == [{BboChanged, BookReported, TradesPrinted}] * 2
    for channels in seen:
        for numbers in channels.values():
            assert numbers == (list(range(1, len(numbers) + 1)) if is_numbered else [None] * len(numbers))
