"""What the risk of the account leaves a desk to do."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stance:
    """How a desk may quote."""

    gate: str | None = None
    """Name of the monitor that halted it; None while it may quote."""
    reduce_only: bool = False
    """Whether it may only reduce its position."""
    spread_factor: float = 1.0
    """Its half-spread is wider by this factor."""
    size_factor: float = 1.0
    """Its sizes are this share of the usual."""
    must_shrink: bool = False
    """Whether its position is too large as it is: quotes that reduce it may not be all that is done."""
    adds_levels: bool = True
    """Whether a level that has no order yet may get one (C-04)."""


FREE = Stance()
"""Nothing is in the way."""
