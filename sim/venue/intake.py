"""The door: what a request costs whoever sends it, and whether it is let in at all.

A request is turned away as a whole, at once, before it reaches the mempool. First its IP address pays, then
its account; what the one refuses the other never sees.
"""

from domain.commands import TRADING, Cancel, Request, Route
from domain.events import AnyResult, FillsReport, Refused
from domain.limits import VenueLimits
from domain.units import Ns
from sim.venue import texts
from sim.venue.meters import IpMeter, Usage, Wires, usage
from sim.venue.reports import Client


class Intake:
    """Asks the meters."""

    def __init__(self, limits: VenueLimits) -> None:
        self.limits = limits
        self.wires = Wires(limits)

    def refusal(self, client: Client, request: Request, now: Ns, ip: str | None) -> Refused | None:
        """Why a request is turned away; None lets it in, and counts it."""
        actions = request.actions
        meter_of_ip = self._weighing(request, ip)
        if meter_of_ip is not None and not meter_of_ip.admits(self.limits.ip.weight_of(actions), now):
            return texts.IP_WEIGHT
        if actions and not isinstance(actions[0], TRADING):
            return None
        is_cancel = bool(actions) and all(isinstance(action, Cancel) for action in actions)
        meter, traded = client.actions, client.account.traded
        if meter.admits(max(len(actions), 1), traded, now, is_cancel=is_cancel):
            return None
        cap = meter.cancel_cap(traded) if is_cancel else meter.cap(traded)
        return texts.too_many_actions(meter.used, cap, traded)

    def answered(self, request: Request, results: tuple[AnyResult, ...], now: Ns, ip: str | None) -> None:
        """Charge what a long answer weighs on top."""
        meter = self._weighing(request, ip)
        if meter is not None:
            n_items = sum(len(result.fills) for result in results if isinstance(result, FillsReport))
            meter.charge(self.limits.ip.surcharge(n_items), now)

    def usage(self, client: Client, ip: str) -> Usage:
        """What an account and its IP address have used."""
        return usage(self.wires.of(ip), client.actions, client.order_cap, client.account.traded)

    def _weighing(self, request: Request, ip: str | None) -> IpMeter | None:
        """Where a request weighs, if it does."""
        if ip is None or not (request.route is Route.REST or self.limits.ip.posts_weigh):
            return None
        return self.wires.of(ip).ip
