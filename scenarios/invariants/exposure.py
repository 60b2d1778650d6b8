"""Exposure: the hard limit in the worst case, reduce-only, no crossing of ourselves (S15-S17)."""

from domain.events import OrderStatus, Reason
from domain.units import Side
from scenarios.invariants.base import Block, Invariant, Step


class ExposureLimit(Invariant):
    """S15: if everything of a side fills, the position is still inside the limit; unknown orders count in full."""

    id = "S15"
    rule = "|position + everything of a side that may still fill| <= limit, at the venue and in our books"

    def on_step(self, step: Step) -> None:
        """Look at our books whenever we decided something."""
        if not step.commands:
            return
        for name, desk in self.scope.belief.desks.items():
            limit = desk.limit.lots
            if not limit:
                continue
            bid = ask = 0
            for order in desk.tracker.orders.values():
                if order.side > 0:
                    bid += order.fillable
                else:
                    ask += order.fillable
            position = desk.inventory.position
            if (bid and position + bid > limit) or (ask and ask - position > limit):
                self.fail(f"{name}: position {position}, fillable bids {bid} and asks {ask}, limit {limit} (our books)")

    def on_block(self, block: Block) -> None:
        """Look at the venue where something of ours changed."""
        if not block.touched_us:
            return
        for name, desk in self.scope.belief.desks.items():
            limit = desk.limit.lots
            if not limit:
                continue
            bid = ask = 0
            for order in block.resting.values():
                if order.instrument == name:
                    if order.side > 0:
                        bid += order.remaining
                    else:
                        ask += order.remaining
            position = self.scope.truth.position(name)
            if (bid and position + bid > limit) or (ask and ask - position > limit):
                self.fail(f"{name}: position {position}, resting bids {bid} and asks {ask}, limit {limit} (the venue)")


class ReduceOnly(Invariant):
    """S16: a reduce-only order never adds to a position and never turns it round."""

    id = "S16"
    rule = "reduce-only orders only reduce"

    def on_block(self, block: Block) -> None:
        """Look at each fill of such an order, and at what of it rests."""
        for fill in block.fills:
            order = self.scope.truth.order(fill.oid)
            if order is None or not order.reduce_only:
                continue
            before, after = fill.start_position, fill.start_position + fill.side * fill.sz
            if abs(after) >= abs(before) or before * after < 0:
                self.fail(
                    f"reduce-only order {fill.oid} took the position from {before} to {after}",
                    order.cloid or str(fill.tid),
                )
        if block.touched_us:
            self._check_resting(block)

    def _check_resting(self, block: Block) -> None:
        totals: dict[tuple[str, Side], int] = {}
        for order in block.resting.values():
            if order.reduce_only:
                key = (order.instrument, order.side)
                totals[key] = totals.get(key, 0) + order.remaining
        for order in block.resting.values():
            total = totals.get((order.instrument, order.side), 0)
            if order.reduce_only and total > max(-order.side * self.scope.truth.position(order.instrument), 0):
                self.fail(
                    f"{order.instrument}: reduce-only orders of {total} lots rest against a position of "
                    f"{self.scope.truth.position(order.instrument)}",
                    order.cloid or str(order.oid),
                )
                return


class NoSelfCross(Invariant):
    """S17: our highest bid stands below our lowest ask, orders in flight included; the venue never has to stop us."""

    id = "S17"
    rule = "own bids < own asks, in flight included; self-trade prevention is never used"

    def on_step(self, step: Step) -> None:
        """Look at our books whenever we decided something."""
        if not step.commands:
            return
        for name, desk in self.scope.belief.desks.items():
            bid, ask = 0, 0
            bid_id = ask_id = ""
            for order in desk.tracker.orders.values():
                if not order.fillable:
                    continue
                if order.side > 0:
                    if order.px > bid:
                        bid, bid_id = order.px, order.cloid
                elif not ask or order.px < ask:
                    ask, ask_id = order.px, order.cloid
            if bid and ask and bid >= ask:
                self.fail(f"{name}: own bid {bid} meets own ask {ask}", bid_id, ask_id)

    def on_block(self, block: Block) -> None:
        """The venue never had to keep us from trading with ourselves."""
        for update in block.updates:
            if update.status is OrderStatus.CANCELED and update.reason is Reason.SELF_TRADE:
                self.fail(f"order {update.oid} was taken out by self-trade prevention", update.cloid or "")
