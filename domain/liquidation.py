"""What tells that the venue liquidated our account (C-19).

Two facts tell of it, in either order: an order that the venue cancelled because the account fell below its maintenance
margin, and a fill by which it closed our position. Of auto-deleveraging there are two sides: the one that could not
pay, and those who had won against it. Only the first is a liquidation of ours.
"""

from domain.events import (
    AnyEvent,
    Fill,
    LiquidationMethod,
    OrderStatus,
    OrderStatusReport,
    OrderUpdate,
    Reason,
    Replied,
)


def liquidation_in(event: AnyEvent) -> str | None:
    """In words, what an event says of a liquidation of ours; None where it says nothing of one."""
    match event:
        case OrderUpdate(status=OrderStatus.CANCELED, reason=Reason.LIQUIDATED):
            return f"liquidation: {event.instrument} order {event.oid} cancelled for lack of margin"
        case Fill() if _is_ours(event):
            return f"liquidation: {closing(event)}"
        case Replied(results=results):
            told = (each.update for each in results if isinstance(each, OrderStatusReport) and each.update is not None)
            return next((reason for update in told if (reason := liquidation_in(update)) is not None), None)
        case _:
            return None


def closing(fill: Fill) -> str:
    """A forced fill in words."""
    method = None if fill.liquidation is None else fill.liquidation.method
    return f"{fill.instrument} {fill.side.name} closed by force ({method})"


def _is_ours(fill: Fill) -> bool:
    """Whether a forced fill closed a position of an account that could not carry it: ours.

    A settlement closes everybody's. In auto-deleveraging whoever was chosen for its profit made one, and whoever could
    not pay did not.
    """
    if fill.liquidation is None:
        return False
    match fill.liquidation.method:
        case LiquidationMethod.MARKET | LiquidationMethod.BACKSTOP:
            return True
        case LiquidationMethod.ADL:
            return fill.closed_pnl < 0
        case _:
            return False
