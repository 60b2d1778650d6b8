"""When a placement that nothing has confirmed can no longer arrive: one rule for the core, the safety net and the fold.

Whoever judges it differently sends the others after orders that are not there, or away from one that is.
"""

from domain.units import NS_PER_S, Ns

CLOCK_MARGIN = Ns(2 * NS_PER_S)
"""Room for clocks that differ: the venue judges the expiry of a request by its own."""

UNTOLD_EXPIRY = Ns(10 * NS_PER_S)
"""For an intent of an earlier life, where nothing tells how long it may still be on its way."""


def cannot_arrive(expires_at: Ns | None, asked_at: Ns) -> bool:
    """Whether a question asked at this time finds a placement that it does not know gone for good.

    ``expires_at``: our time after which the venue must refuse the placement; None: it never expires. What counts is
    when we asked, not when the answer came: an answer may tell of the time before.
    """
    return expires_at is not None and asked_at > expires_at + CLOCK_MARGIN
