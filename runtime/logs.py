"""Logs: structlog, configured once by main and nowhere else. The core logs nothing; drivers log alerts and cycles.

Lines go to stderr (stdout is for results): JSON for machines, or coloured text for a terminal.
"""

import logging
import sys
from typing import Any, Literal, TextIO

import msgspec
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from domain.commands import Alert, Severity
from domain.units import NS_PER_S, Ns
from orchestrator.desk.churn import CycleRecord

LogFormat = Literal["auto", "json", "console"]

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_LEVEL_OF = {Severity.INFO: "info", Severity.WARNING: "warning", Severity.CRITICAL: "critical"}


def configure(
    log_format: LogFormat = "auto",
    level: Literal["debug", "info", "warning", "error"] = "info",
    stream: TextIO | None = None,
    *,
    timestamps: bool = False,
) -> None:
    """Set up logging for this process; ``auto`` is text on a terminal and JSON otherwise.

    ``timestamps`` adds wall time, which a simulation has no use for.
    """
    out = stream or sys.stderr
    is_console = log_format == "console" or (log_format == "auto" and out.isatty())
    processors: list[Processor] = [structlog.contextvars.merge_contextvars, structlog.processors.add_log_level]
    if timestamps:
        processors.append(structlog.processors.TimeStamper(fmt="iso", utc=True))
    if is_console:
        processors.append(structlog.dev.ConsoleRenderer(colors=out.isatty()))
    else:
        processors += [structlog.processors.format_exc_info, _to_json]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        # The stream of the moment, not of the configuration: who replaces stderr gets the lines.
        logger_factory=lambda *_: structlog.PrintLogger(stream or sys.stderr),
        cache_logger_on_first_use=False,
    )


def log_alert(now: Ns, alert: Alert) -> None:
    """Log an alert of a trader (the ``on_alert`` of a driver)."""
    logger = structlog.get_logger("makerlab")
    log = getattr(logger, _LEVEL_OF[alert.severity])
    log(alert.name, text=alert.text, t=round(now / NS_PER_S, 6))


def hears_cycles() -> bool:
    """Whether anybody would see the lines of quote cycles: main asked for the lowest level."""
    return structlog.is_configured() and structlog.get_logger("makerlab").is_enabled_for(logging.DEBUG)


def log_cycle(record: CycleRecord) -> None:
    """Log what one quote cycle did, in actions (the ``on_cycle`` of a driver; CH-39)."""
    structlog.get_logger("makerlab").debug(
        "cycle",
        instrument=record.instrument,
        cancels=record.cancels,
        modifies=record.modifies,
        places=record.places,
        skips=int(record.sent == 0),
        latched=record.latched,
        suppressed=record.suppressed,
        gated=record.gated,
        generated=record.generated,
        t=round(record.time / NS_PER_S, 6),
    )


def _to_json(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    return msgspec.json.encode(event, enc_hook=_plain).decode()


def _plain(value: Any) -> str:  # noqa: ANN401 - whatever somebody logs
    return repr(value)
