"""How long the trader's position was not the venue's, measured from outside."""

from types import SimpleNamespace

from domain.units import InstrumentId, Ns
from scenarios.disagreement import Disagreement
from tests.scenarios.runs import result_of

ETH = InstrumentId("ETH")


def at(position: int) -> dict:
    """The desks of a trader with that position."""
    return {ETH: SimpleNamespace(inventory=SimpleNamespace(position=position))}


def measured() -> tuple[Disagreement, dict]:
    """A measure, and the venue's position that it reads."""
    truth = {ETH: 0}
    return Disagreement(SimpleNamespace(position=truth.__getitem__)), truth


def test_it_lasts_from_the_fill_until_both_say_the_same():
    """A second fill under way prolongs it; a look at a wrong position does not end it."""
    wrong, truth = measured()
    wrong.look(at(0), Ns(5))
    truth[ETH] = 3
    wrong.on_fill(Ns(10))
    wrong.look(at(0), Ns(12))
    assert (wrong.is_open, wrong.longest) == (True, 2)
    truth[ETH] = 5
    wrong.on_fill(Ns(14))
    wrong.look(at(3), Ns(16))
    wrong.look(at(5), Ns(20))
    assert (wrong.is_open, wrong.longest) == (False, 10)
    wrong.on_fill(Ns(30))
    wrong.look(at(5), Ns(31))
    assert wrong.longest == 10


def test_what_is_open_at_the_end_counts_up_to_it():
    """A fill that nobody ever heard of."""
    wrong, truth = measured()
    truth[ETH] = 1
    wrong.on_fill(Ns(10))
    wrong.end(Ns(70))
    assert (wrong.is_open, wrong.longest) == (False, 60)


def test_in_a_sound_run_it_is_the_way_of_a_message():
    """Longer than nothing, shorter than a second."""
    assert 0 < result_of("eth-volatile", 90).metrics.position_wrong_s < 1
