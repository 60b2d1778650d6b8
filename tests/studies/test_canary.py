"""The canary of a search: heard with the planted bug, silent without it."""

from contextlib import nullcontext

from studies import canary
from studies.canary import is_heard, sing


def test_it_is_heard_and_keeps_what_repeats_it():
    """The first thing that fails is what was planted."""
    seen, failure = sing()
    assert is_heard(seen)
    assert failure is not None
    assert failure.name in canary.RULES


def test_a_sound_trader_makes_no_sound(monkeypatch):
    """Without the bug the same world holds: what is heard is the bug, not the world."""
    monkeypatch.setattr(canary, "installed", lambda _: nullcontext())
    seen, failure = sing()
    assert seen.failed == []
    assert failure is None
    assert not is_heard(seen)
