"""Any list of events: whatever comes, in whatever order, with whatever numbers, the core survives it and says so.

Unlike test_core_random.py, whose nonsense is made by hand from plausible parts, events here are everything that their
types allow: any number of 64 bits, instruments that nobody knows, answers to requests that nobody sent, results that
do not fit their question, states restored from a journal that was never written. A step in time may be any.
"""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from msgspec import structs

from domain.commands import Alert, AnyCommand, Cancel, Modify, Place, Request
from domain.events import (
    AnyEvent,
    AnyResult,
    Fill,
    NotSent,
    OrderUpdate,
    Replied,
    Restored,
    Woke,
)
from domain.orders import OrderState
from domain.units import Ns, Side, Sz
from orchestrator.core import Orchestrator
from tests.orchestrator.messages import ETH, MID, TICK, cloid, ms
from tests.orchestrator.test_core_random import Nonsense, live
from tests.orchestrator.tiny_venue import QUICK
from tests.runtime.strategies import strategy_of

# --- values -------------------------------------------------------------------------------------

FEW = st.integers(-3, 12)
EDGES = st.sampled_from([0, 1, -1, 2**31, 2**53 + 1, 2**62, 2**63 - 1, -(2**63)])
PRICES = st.integers(-30, 30).map(lambda ticks: MID + ticks * TICK)
NUMBERS = st.one_of(FEW, PRICES, EDGES, st.integers(-(2**63), 2**63 - 1))
NAMES = st.sampled_from([ETH.id, ETH.id, ETH.id, "DOGE", "", "\x00", "ETH "])
CLOIDS = st.one_of(st.integers(0, 6).map(cloid), st.sampled_from(["", "0x", "no number"]))
SIZES = st.one_of(st.integers(-2, 40), EDGES)
TIMES = st.one_of(st.integers(-5, 60_000_000_000), EDGES)
ODD: dict[str, st.SearchStrategy] = {
    "instrument": NAMES,
    "cloid": CLOIDS,
    "px": st.one_of(PRICES, NUMBERS),
    "sz": SIZES,
    "remaining": SIZES,
    "lots": SIZES,
    "position": SIZES,
    "oid": st.integers(0, 40),
    "tid": st.integers(0, 60),
    "exch_time": TIMES,
    "recv_time": TIMES,
    "as_of": TIMES,
    "epoch": FEW,
    "life": st.one_of(st.integers(1, 4), EDGES),
    "life_seed": st.integers(0, 2**64 - 1),
}
"""By the name of the field: what makes some of the nonsense hit."""

RESULTS = strategy_of(AnyResult, ODD)
EVENTS = strategy_of(AnyEvent, ODD)
LIVES = strategy_of(Restored, ODD)
STEPS = st.one_of(st.sampled_from([0, 1, ms(1), ms(40), ms(700), ms(6_000), ms(60_000), ms(10_000_000)]), FEW.map(abs))


# --- a trader and whoever talks to it -----------------------------------------------------------


class Listener:
    """Feeds one core and keeps what must be comparable between two of the same."""

    def __init__(self) -> None:
        self.core = Orchestrator(QUICK, (ETH,))
        self.now = Ns(0)
        self.requests: list[Request] = []
        self.cloids: set[str] = set()
        self.alerts: list[str] = []
        self.commands: list[tuple[Ns, AnyCommand]] = []
        self.ends: dict[str, OrderState] = {}
        self.filled: dict[str, Sz] = {}
        self.booked: dict[int, int] = {}

    def hear(self, event: AnyEvent, gap: int = 0) -> None:
        self.now = Ns(self.now + gap)
        self.core.apply(event, self.now)
        self.decide()

    def decide(self) -> None:
        for command in self.core.decide(self.now):
            self.commands.append((self.now, command))
            if isinstance(command, Request):
                self.requests.append(command)
                self.note(command)
            elif isinstance(command, Alert):
                self.alerts.append(command.name)

    def note(self, request: Request) -> None:
        """S12, S18: no name twice, nothing malformed, whatever we were told."""
        assert request.actions
        for action in request.actions:
            place = action.place if isinstance(action, Modify) else action
            if isinstance(place, Place):
                assert place.cloid not in self.cloids
                self.cloids.add(place.cloid)
                assert place.instrument == ETH.id
                assert type(place.px) is int
                assert type(place.sz) is int
                assert place.px > 0
                assert place.sz > 0
            if isinstance(action, Cancel):
                assert action.cloid is not None or action.oid is not None


class AnyEvents(RuleBasedStateMachine):
    """Two equal traders hear the same; after every step both are what a trader may be, and are the same."""

    @initialize(is_live=st.booleans(), restored=LIVES)
    def begin(self, is_live: bool, restored: Restored) -> None:
        self.pair = Listener(), Listener()
        for each in self.pair:
            if is_live:
                nonsense = Nonsense(each.core)
                live(each.core, nonsense)
                each.now, each.requests = nonsense.now, nonsense.requests
                each.cloids.update(nonsense.cloids)
            else:
                each.hear(restored)

    def both(self, event: AnyEvent, gap: int) -> None:
        for each in self.pair:
            each.hear(event, gap)

    # --- what comes -----------------------------------------------------------------------------

    @rule(event=EVENTS, gap=STEPS)
    def anything(self, event: AnyEvent, gap: int) -> None:
        self.both(event, gap)

    @rule(gap=STEPS)
    def nothing(self, gap: int) -> None:
        self.both(Woke(), gap)

    @rule(which=st.integers(0, 5), results=st.lists(RESULTS, max_size=4), gap=STEPS, recv=TIMES)
    def answers(self, which: int, results: list[AnyResult], gap: int, recv: int) -> None:
        requests = self.pair[0].requests
        if requests:
            number = requests[-1 - which % len(requests)].request_id
            self.both(Replied(number, Ns(recv), tuple(results)), gap)

    @rule(which=st.integers(0, 5), event=strategy_of(NotSent, ODD), gap=STEPS)
    def is_not_sent(self, which: int, event: NotSent, gap: int) -> None:
        requests = self.pair[0].requests
        if requests:
            self.both(structs.replace(event, request_id=requests[-1 - which % len(requests)].request_id), gap)

    @rule(which=st.integers(0, 9), event=strategy_of(OrderUpdate | Fill, ODD), gap=STEPS, is_like=st.booleans())
    def about_an_order(self, which: int, event: OrderUpdate | Fill, gap: int, is_like: bool) -> None:
        """Of an order that we have: with its name, and perhaps with its side and its price."""
        orders = [order for desk in self.pair[0].core.desks.values() for order in desk.tracker.orders.values()]
        if not orders:
            return
        order = orders[which % len(orders)]
        named = structs.replace(event, cloid=order.cloid, instrument=order.instrument)
        if is_like:
            named = structs.replace(named, side=order.side, px=order.px, oid=order.oid or event.oid)
        self.both(named, gap)

    # --- what must hold -------------------------------------------------------------------------

    @invariant()
    def holds(self) -> None:
        if not hasattr(self, "pair"):
            return
        one, other = self.pair
        assert one.commands == other.commands, "the same list twice gives the same commands"
        assert one.core.next_deadline() == other.core.next_deadline()
        assert one.core.snapshot() == other.core.snapshot()
        check(one)


def check(listener: Listener) -> None:
    """S8, S10, S15 on the belief; and the machine asks for nothing that it cannot get."""
    core, now = listener.core, listener.now
    assert core.decide(now) == []
    deadline = core.next_deadline()
    assert deadline is None or deadline > now
    for desk in core.desks.values():
        tracker = desk.tracker
        assert min(*tracker.pending_exposure(), *tracker.fillable_exposure()) >= 0
        exposure = dict.fromkeys(Side, 0)
        for order in (*tracker.orders.values(), *tracker.completed.values()):
            assert order.filled >= listener.filled.get(order.cloid, 0), "S8: what was filled stays filled"
            listener.filled[order.cloid] = order.filled
            if not order.is_terminal:
                exposure[order.side] += order.sz - order.filled
                assert order.fillable >= 0
            if not order.is_terminal or not order.is_settled:
                assert order.cloid in tracker.orders, "S10: what is not settled is not forgotten"
        assert all(order.is_settled for order in tracker.completed.values())
        fillable = dict(zip((Side.BUY, Side.SELL), tracker.fillable_exposure(), strict=True))
        assert all(fillable[side] >= exposure[side] for side in Side), "S15: what may rest counts in full"
        inventory = desk.inventory
        assert abs(inventory.position) < 2**63


AnyEvents.TestCase.settings = settings(
    max_examples=max(settings.default.max_examples // 3, 1),
    stateful_step_count=30,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    deadline=None,
)
test_any_list_of_events_is_survived = AnyEvents.TestCase
