"""Whether the venue takes an order: the payload as a whole first, then each order by itself.

The checks of one order run in a fixed order: tick, post-only, reduce-only, least notional, largest position.
Post-only is first because third parties measured it before the notional; that it stands before
reduce-only, too, is ours (the recordings do not contradict it).
"""

from collections.abc import Mapping, Sequence

from domain.commands import Action, Cancel, Modify, Place
from domain.events import Refused
from domain.instrument import Instrument
from domain.limits import VenueLimits
from domain.units import InstrumentId, Sz, Tif
from sim.venue import texts
from sim.venue.accounts import Account
from sim.venue.config import ReduceOnlyMinimum, Reference, VenueConfig
from sim.venue.market import Market

# --- the payload ---------------------------------------------------------------------------------


def payload_error(
    actions: Sequence[Action], markets: Mapping[InstrumentId, Market], config: VenueConfig, limits: VenueLimits
) -> Refused | None:
    """The one error for a whole batch, None if it may run. Depends on nothing of the account."""
    if not actions:
        return texts.EMPTY_BATCH
    for action in actions:
        place = action.place if isinstance(action, Modify) else action
        if not isinstance(place, Place | Cancel):
            raise TypeError(f"not a trading action: {action}")
        if config.requires_cloid and isinstance(place, Place) and not place.cloid:
            return texts.MISSING_CLOID
        market = markets.get(place.instrument)
        if market is None:
            return texts.unknown_instrument(place.instrument)
        if isinstance(place, Place) and (error := _order_error(place, market, config.reference, limits.price_band)):
            return error
    return None


def _order_error(place: Place, market: Market, reference: Reference, band: float) -> Refused | None:
    if place.sz <= 0:
        return texts.INVALID_SIZE if place.sz else texts.ZERO_SIZE
    if place.sz % market.sz_step:
        return texts.INVALID_SIZE
    if not market.instrument.is_on_grid(place.px):
        return texts.INVALID_PRICE
    price = market.reference_price(reference)
    if price is not None and abs(place.px - price) > band * price:
        return texts.price_too_far(band)
    return None


# --- one order -----------------------------------------------------------------------------------


def order_error(place: Place, account: Account, market: Market, config: VenueConfig) -> Refused | None:
    """Why this order is rejected before it meets the book, None if it is not."""
    instrument, liquidity = market.instrument, market.liquidity
    if place.px % (market.px_step * instrument.tick_at(place.px)):
        return texts.off_tick(instrument)
    if place.tif is Tif.ALO and liquidity.would_cross(place.side, place.px):
        return texts.would_cross(instrument, liquidity.best_bid(), liquidity.best_ask())
    if place.reduce_only and not account.reducible(instrument.id, place.side):
        return texts.would_increase(instrument)
    if place.px * place.sz < instrument.min_notional and not _is_exempt(place, account, config):
        return texts.min_notional(instrument)
    if not place.reduce_only and _exceeds(place, account, instrument):
        return texts.above_max_position(instrument)
    return None


def allowed_size(place: Place, account: Account) -> Sz:
    """The lots of an order that may trade or rest: a reduce-only order is clipped to the position."""
    if not place.reduce_only:
        return place.sz
    return min(place.sz, account.reducible(place.instrument, place.side))


def _is_exempt(place: Place, account: Account, config: VenueConfig) -> bool:
    if not place.reduce_only or config.reduce_only_minimum is ReduceOnlyMinimum.ALWAYS:
        return False
    if config.reduce_only_minimum is ReduceOnlyMinimum.NEVER:
        return True
    return place.sz >= account.reducible(place.instrument, place.side)


def _exceeds(place: Place, account: Account, instrument: Instrument) -> bool:
    position = account.position(instrument.id)
    after = abs(position + place.side * place.sz)
    return after > account.max_position(instrument.id) and after > abs(position)
