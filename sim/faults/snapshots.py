"""What follows a subscription is not what was promised: nothing, late, short, twice, backwards."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from annotated_types import Interval, MinLen
from msgspec.structs import replace

from domain.events import AnyEvent, Channel, ChannelKind, Subscribed
from domain.units import Ns, seconds
from sim.envelope import Envelope, Parcel
from sim.faults.base import DATA_LINKS, Injected, Range, prepare, tamper
from sim.faults.timing import THROUGHOUT, Timing
from sim.feed import Session
from sim.world import World


class Snapshot(StrEnum):
    """What becomes of the state that follows a subscription."""

    NONE = "none"
    """None comes, and the acknowledgement says so."""
    MISSING = "missing"
    """None comes, although the acknowledgement promises it."""
    UNANNOUNCED = "unannounced"
    """It comes, although the acknowledgement does not promise it."""
    LATE = "late"
    """It comes `late_s` after the acknowledgement, and later messages pass it."""
    SHORT = "short"
    """Only its last `kept` events come."""
    TWICE = "twice"
    """It comes again after `late_s`."""
    REVERSED = "reversed"
    """Its events come in the wrong order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshots:
    """Another rule for what a subscription brings; it does something only where a connection is made anew.

    By itself the venue sends state on `fills`, `positions` and `open_orders`, thirty past trades on `trades`, and
    nothing on the others. List a `disconnect` beside it.
    """

    kind: Literal["snapshots"] = "snapshots"
    """Names this fault."""
    at_s: Annotated[float, Interval(ge=0, le=1e9)] = 10.0
    """When it begins, in seconds of the run."""
    duration_s: Annotated[float, Interval(gt=0, le=1e6)] = 60.0
    """Seconds in which it can strike; a strike under way ends with them."""
    when: Timing = THROUGHOUT
    """When it strikes in that time."""
    channels: Annotated[tuple[ChannelKind, ...], MinLen(1)] = (ChannelKind.FILLS, ChannelKind.POSITIONS)
    """Channels with the other rule."""
    policy: Snapshot = Snapshot.NONE
    """What becomes of their state."""
    late_s: Annotated[float, Interval(gt=0, le=60)] = 5.0
    """How late it comes with `late` and `twice`, in seconds."""
    kept: Annotated[int, Interval(ge=0, le=2_000)] = 10
    """How much of it comes with `short`, in events: fills, or the whole state."""

    ranges: ClassVar[Mapping[str, Range]] = {"late_s": Range(0.1, 10.0), "kept": Range(1, 2_000)}
    figures: ClassVar[tuple[str, ...]] = ("subscriptions", "events")

    def install(self, world: World, session: Session) -> Injected:
        """Counts `subscriptions` that the other rule changed, and `events` of state that came late, twice or never."""
        injected = prepare(self, world, session, "subscriptions")

        def judge(envelope: Envelope) -> tuple[Parcel, ...] | None:
            channel, events = envelope.channel, envelope.payload
            if not isinstance(channel, Channel) or channel.kind not in self.channels:
                return None
            if not isinstance(events, tuple | list) or not isinstance(events[0], Subscribed):
                return None
            state = tuple(events[1:])
            parcels = self._carry(events[0], state)
            if parcels == (Parcel(Ns(0), tuple(events)),):
                return None
            injected.counts["subscriptions"] += 1
            touched = len(state) - self.kept if self.policy is Snapshot.SHORT else len(state)
            injected.counts["events"] += max(touched, 0)
            return parcels

        return tamper(injected, world, session, DATA_LINKS, judge, self.when)

    def _carry(self, made: Subscribed, state: tuple[AnyEvent, ...]) -> tuple[Parcel, ...]:
        now, late = Ns(0), seconds(self.late_s)
        silent = replace(made, has_snapshot=False)
        kept = state[max(len(state) - self.kept, 0) :]
        again = (Parcel(late, state, keeps_order=False),) if state else ()
        parcels: dict[Snapshot, tuple[Parcel, ...]] = {
            Snapshot.NONE: (Parcel(now, (silent,)),),
            Snapshot.MISSING: (Parcel(now, (made,)),),
            Snapshot.UNANNOUNCED: (Parcel(now, (silent, *state)),),
            Snapshot.LATE: (Parcel(now, (made,)), *again),
            Snapshot.SHORT: (Parcel(now, (made, *kept)),),
            Snapshot.TWICE: (Parcel(now, (made, *state)), *again),
            Snapshot.REVERSED: (Parcel(now, (made, *reversed(state))),),
        }
        return parcels[self.policy]
