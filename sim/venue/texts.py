"""The venue's own words for what it refuses.

Errors of one order end with `` asset=N``; those of a whole payload do not. The recorded texts are the
source; clients match them by prefix.
"""

from domain.events import Reason, Refused
from domain.instrument import Instrument
from domain.units import NS_PER_S, USD, Ns, Px, RequestId, Usd


def of_order(reason: Reason, text: str, instrument: Instrument) -> Refused:
    """A refusal of one action."""
    return Refused(reason, f"{text} asset={instrument.asset}")


# --- the payload: one for the whole batch -------------------------------------------------------

EMPTY_BATCH = Refused(Reason.EMPTY_BATCH, "Batch is empty.")
"""Our wording: no recording shows the venue's."""
MISSING_CLOID = Refused(Reason.MISSING_CLOID, "Order has no client order id.")
"""Our wording: the venue itself takes such an order."""
ZERO_SIZE = Refused(Reason.ZERO_SIZE, "Order has zero size.")
INVALID_SIZE = Refused(Reason.INVALID_SIZE, "Order has invalid size.")
INVALID_PRICE = Refused(Reason.INVALID_PRICE, "Order has invalid price.")
EXPIRED = Refused(Reason.EXPIRED, "Action already expired")


def unknown_instrument(name: str) -> Refused:
    """An instrument that the venue does not list. Our wording."""
    return Refused(Reason.UNKNOWN_INSTRUMENT, f"Unknown asset {name}")


def price_too_far(band: float) -> Refused:
    """A price outside the band around the reference price."""
    text = f"Order price cannot be more than {band * 100:g}% away from the reference price"
    return Refused(Reason.PRICE_TOO_FAR, text)


# --- too much was asked: the request as a whole is turned away -----------------------------------

IP_WEIGHT = Refused(Reason.RATE_LIMITED, "HTTP 429: null")
"""Status and body of the answer (recorded); it says neither what was used nor when to come back."""


def too_many_actions(used: int, cap: int, traded: Usd) -> Refused:
    """An account beyond its allowance (recorded, with a cap one lower than what is allowed)."""
    text = (
        f"Too many cumulative requests sent ({used} > {cap - 1}) for cumulative volume traded ${_cents(traded)}. "
        "Place taker orders to free up 1 request per USDC traded."
    )
    return Refused(Reason.QUOTA_EXHAUSTED, text)


def too_many_in_flight(request: RequestId) -> Refused:
    """A post beside too many without an answer (recorded)."""
    return Refused(Reason.TOO_MANY_IN_FLIGHT, f"too many pending post requests id={request}")


# --- who signed it --------------------------------------------------------------------------------


def unknown_signer(address: str) -> Refused:
    """A key that may not act for the account, or no key of anybody (recorded)."""
    return Refused(Reason.UNKNOWN_SIGNER, f"User or API Wallet {address} does not exist.")


def duplicate_nonce(nonce: int) -> Refused:
    """A nonce that this signer has used (recorded)."""
    return Refused(Reason.INVALID_NONCE, f"Invalid nonce: duplicate nonce {nonce}")


def nonce_too_low(nonce: int, least: int) -> Refused:
    """Not above the smallest that the venue remembers, or too old (recorded)."""
    return Refused(Reason.INVALID_NONCE, f"Invalid nonce: nonce too low {nonce} < {least}")


def nonce_too_high(nonce: int, most: int) -> Refused:
    """Too far in the future. Our wording."""
    return Refused(Reason.INVALID_NONCE, f"Invalid nonce: nonce too high {nonce} > {most}")


# --- the scheduled cancel -----------------------------------------------------------------------


def schedule_gate(required: Usd, traded: Usd) -> Refused:
    """An account that has not traded enough (recorded)."""
    text = (
        "Cannot set scheduled cancel time until enough volume traded. "
        f"Required: ${required // USD}. Traded: ${_cents(traded)}."
    )
    return Refused(Reason.SCHEDULE_NOT_ALLOWED, text)


def schedule_too_early(lead: Ns) -> Refused:
    """A time too near, or past."""
    text = f"Scheduled cancel time too early, must be at least {lead / NS_PER_S:g} seconds from now."
    return Refused(Reason.SCHEDULE_TOO_EARLY, text)


def schedule_used_up(most: int) -> Refused:
    """It has fired too often today. Our wording: no recording shows the venue's."""
    return Refused(Reason.SCHEDULE_NOT_ALLOWED, f"Scheduled cancel was triggered {most} times today.")


# --- one order ----------------------------------------------------------------------------------


def would_cross(instrument: Instrument, bid: Px | None, ask: Px | None) -> Refused:
    """A post-only order that would take; the text shows the top of the book."""
    top = f"{_price(instrument, bid)}@{_price(instrument, ask)}"
    text = f"Post only order would have immediately matched, bbo was {top}."
    return of_order(Reason.POST_ONLY_WOULD_CROSS, text, instrument)


def no_match(instrument: Instrument) -> Refused:
    """An IOC with nothing to take."""
    text = "Order could not immediately match against any resting orders."
    return of_order(Reason.IOC_NO_MATCH, text, instrument)


def min_notional(instrument: Instrument) -> Refused:
    """An order worth too little."""
    whole, part = divmod(instrument.min_notional, USD)
    value = f"{whole}.{part:06d}".rstrip("0") if part else str(whole)
    return of_order(Reason.MIN_NOTIONAL, f"Order must have minimum value of ${value}.", instrument)


def would_increase(instrument: Instrument) -> Refused:
    """A reduce-only order without a position to reduce."""
    text = "Reduce only order would increase position."
    return of_order(Reason.REDUCE_ONLY_WOULD_INCREASE, text, instrument)


def above_max_position(instrument: Instrument) -> Refused:
    """An order that could take the account beyond its largest position."""
    text = "Order would cause position to exceed margin tier limit at current leverage"
    return of_order(Reason.MARGIN, text, instrument)


def insufficient_margin(instrument: Instrument) -> Refused:
    """An order whose position the account's money does not carry."""
    return of_order(Reason.MARGIN, "Insufficient margin to place order.", instrument)


def open_interest_capped(instrument: Instrument) -> Refused:
    """An order that would add to what all hold, beyond the instrument's cap."""
    text = "Order would increase open interest while open interest is capped"
    return of_order(Reason.OPEN_INTEREST, text, instrument)


def too_many_open(instrument: Instrument) -> Refused:
    """One order too many. Our wording: no recording shows the venue's."""
    return of_order(Reason.TOO_MANY_OPEN_ORDERS, "Too many open orders.", instrument)


def post_only_mode(instrument: Instrument) -> Refused:
    """Not a post-only order, just after an upgrade (recorded)."""
    text = "Only post-only orders allowed immediately after a network upgrade"
    return of_order(Reason.POST_ONLY_MODE, text, instrument)


def cancel_only(instrument: Instrument) -> Refused:
    """Any order, while the venue takes nothing but cancels. Our wording."""
    return of_order(Reason.CANCEL_ONLY, "Only cancels are allowed.", instrument)


def off_tick(instrument: Instrument) -> Refused:
    """A price between two ticks of the venue, where those are wider than the price grid."""
    return of_order(Reason.OFF_TICK, "Price must be divisible by tick size.", instrument)


def halted(instrument: Instrument) -> Refused:
    """An order for an instrument that does not trade. Our wording."""
    return of_order(Reason.HALTED, "Trading is halted.", instrument)


# --- cancel and modify --------------------------------------------------------------------------


def not_open(instrument: Instrument) -> Refused:
    """A cancel of something that does not rest; the venue does not say why."""
    return of_order(Reason.NOT_OPEN, "Order was never placed, already canceled, or filled.", instrument)


CANNOT_MODIFY = Refused(Reason.CANNOT_MODIFY, "Cannot modify canceled or filled order")


def modify_new_leg(why: Refused) -> Refused:
    """The old order of a modify is gone and the new one was refused."""
    return Refused(Reason.MODIFY_NEW_LEG, f"Error placing new order during modify: {why.text}")


def _cents(money: Usd) -> str:
    whole, part = divmod(money, USD)
    return f"{whole}.{part * 100 // USD:02d}"


def _price(instrument: Instrument, px: Px | None) -> str:
    return "0" if px is None else instrument.format_price(px)
