"""What only looks on must not stop the trader: its errors are counted, told once, and swallowed (EL-14)."""

from collections.abc import Callable
from typing import ParamSpec

from domain.commands import Alert, Severity

Params = ParamSpec("Params")


class Analytics:
    """Calls hooks whose failure costs a number and never a trade."""

    def __init__(self, alert: Callable[[Alert], None]) -> None:
        """Nothing has failed; ``alert`` is told of the first failure of each hook."""
        self.errors: dict[str, int] = {}
        """Failures by the name of the hook."""
        self._alert = alert

    def call(self, name: str, hook: Callable[Params, None], *args: Params.args, **kwargs: Params.kwargs) -> None:
        """Call a hook; what it raises is counted under ``name``."""
        try:
            hook(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not reach the trader
            count = self.errors.get(name, 0)
            self.errors[name] = count + 1
            if not count:
                text = f"{name}: {type(error).__name__}: {error}"
                self._alert(Alert(Severity.WARNING, "analytics_failed", text))
