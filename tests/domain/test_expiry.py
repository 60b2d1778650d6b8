"""The one rule of when a placement can no longer arrive."""

import pytest

from domain.expiry import CLOCK_MARGIN, cannot_arrive
from domain.units import Ns

EXPIRES = Ns(5_000_000_000)


@pytest.mark.parametrize(
    ("asked_at", "is_gone"),
    [(0, False), (EXPIRES, False), (EXPIRES + CLOCK_MARGIN, False), (EXPIRES + CLOCK_MARGIN + 1, True)],
)
def test_gone_only_when_asked_after_expiry_and_margin(asked_at, is_gone):
    """Protects S9: the venue's clock may be behind ours by less than the margin."""
    assert cannot_arrive(EXPIRES, Ns(asked_at)) is is_gone


def test_what_never_expires_may_always_arrive():
    """Protects against taking silence for an end."""
    assert not cannot_arrive(None, Ns(2**60))
