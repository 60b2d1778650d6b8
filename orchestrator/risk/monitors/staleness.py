"""Old market data makes cautious, very old data halts (RK-15, C-04).

Between the two the desk's own data gate withdraws the quotes and gives them back with the first fresh message; a
halt asks for fresh data over a while. As long as we are about to connect anew there is no halt: quotes are away
already, and who halts for each lost connection ends in the kill that too many halts are (C-19).
"""

from domain.units import NS_PER_S, Ns, seconds
from orchestrator.risk.assessment import FINE, Assessment, RiskLevel, quiet
from orchestrator.risk.ladder import StalenessConfig
from orchestrator.risk.state import RiskState


class DataStalenessMonitor:
    """Widens first, then halts."""

    name = "staleness"
    priority = 40

    def __init__(self, config: StalenessConfig) -> None:
        """Convert the limits once."""
        self.config = config
        self._halt = None if config.halt_s is None else seconds(config.halt_s)
        self._caution = None if config.caution_s is None else seconds(config.caution_s)
        self._invalid = config.invalid_messages

    def assess(self, state: RiskState) -> Assessment:
        """How old the data is against its limits, and whether it can be true."""
        age = state.data_age
        if age is None:
            return FINE
        is_old = self._caution is not None and age > self._caution
        load = 0.0 if self._halt is None else age / self._halt
        is_reconnecting = 0 < state.reconnects <= self.config.grace_attempts + 1  # the first is the loss itself
        is_dead = load > 1.0 and not is_reconnecting
        if is_old or is_dead:
            reason = f"market data of {state.instrument} is {age / NS_PER_S:.1f} s old"
        elif self._invalid is not None and state.invalid_messages >= self._invalid:
            reason = f"{state.invalid_messages} messages in a row about {state.instrument} cannot be true"
        else:
            return quiet(self.name, load)
        config = self.config
        level = RiskLevel.HALT if is_dead else RiskLevel.WARNING
        return Assessment(
            self.name,
            level,
            reason,
            load,
            config.spread_factor,
            config.size_factor,
            adds_levels=config.adds_levels,
        )

    def next_look(self, since: Ns, now: Ns) -> Ns | None:
        """When data that is of that moment will say something new; None once everything is said."""
        times = [since + rung + 1 for rung in (self._caution, self._halt) if rung is not None]
        return min((Ns(at) for at in times if at > now), default=None)
