"""What has gone wrong in real systems, from public bug reports and reports of outages: what the scenarios repeat.

A scenario names in `covers` what it repeats. Ids are names where the report asks for one situation, and a letter with
a number where it is one of many alike: A fills, B orders, C restarts and clocks, D data and connections, E limits,
venue and operation. What nothing here can repeat stands in `NOT_REPEATED`, with the reason.
"""

from typing import NamedTuple


class Incident(NamedTuple):
    """One way in which a trading system was hurt."""

    what: str
    """What happened, or is made to happen."""
    must_hold: str
    """What must hold all the same; empty where the group's rule says it."""
    source: str
    """Who met it."""


GROUPS = {
    "A": "Fills: lost, doubled, out of order",
    "B": "Orders: unknown outcome, orphans, races",
    "C": "Restart, persistence, time",
    "D": "Market data and connections",
    "E": "Limits, precision, state of the venue, operation",
}
"""The letters of numbered incidents."""

_HL = "Hyperliquid documentation"
_NT, _HB, _FT = "nautilus_trader", "hummingbot", "freqtrade"
_PB, _SDK, _CCXT = "passivbot", "hyperliquid-python-sdk", "ccxt"

SITUATIONS = {
    "modify_cancel_first": Incident(
        "a modify shows as the end of the old order before the begin of the new one",
        "the order is never seen as dead; one order lives",
        f"{_NT}#3827",
    ),
    "modify_fill_before_accept": Incident(
        "a fill of the new order arrives before any word of that order", "it is applied once", f"{_NT}#3972"
    ),
    "modify_partial_race": Incident(
        "the old order is filled in part while the modify flies",
        "the sum of fills stays below the target",
        f"{_NT}#4154, #3986",
    ),
    "modify_accept_dropped": Incident(
        "the begin of the new order is never told", "it is found by a fill or a query, in time", f"{_NT}#4270"
    ),
    "modify_post_timeout": Incident(
        "a modify is applied, its answer lost", "no second order; the doubt is resolved", f"{_NT} documentation"
    ),
    "recon_phantom_cancel": Incident(
        "a query shows the old order of a modify as cancelled, or as still open",
        "no new quote until it is proven",
        f"{_NT}#4288",
    ),
    "place_timeout_applied": Incident(
        "a placement is applied, its answer lost", "no duplicate; exposure counts it", f"{_HB}#7294"
    ),
    "nonce_same_ms": Incident(
        "two signed actions in one millisecond", "both succeed, or one waits for the other", f"{_HB}#7737"
    ),
    "gap_no_snapshot": Incident(
        "half a minute without connection, fills in it, no replay", "the fills are learned by query", f"{_NT}#4991"
    ),
    "zombie_subscription": Incident(
        "a new subscription is acknowledged and stays silent",
        "the watchdog fires in time, quotes are pulled",
        f"{_HB}#8250, {_SDK}#145",
    ),
    "stale_info_after_place": Incident(
        "queries lag behind the venue by some blocks", "`not found` is no proof", f"{_NT}#3879, {_CCXT}#27113"
    ),
    "cancel_fill_same_block": Incident(
        "a taker and a cancel meet in one block", "the cancel wins; in the next block the fill would", _HL
    ),
    "cancel_unknown_loop": Incident(
        "a cancel is refused, since the order has filled unheard",
        "the number of attempts is bounded",
        f"{_HB}#5896, pyexchange#195",
    ),
    "post_upgrade_alo_only": Incident(
        "after an upgrade nothing but post-only orders is taken", "quotes go on, nothing spins", f"{_HB}#6730"
    ),
    "ok_with_error_status": Incident(
        "an answer is well as a whole and refuses single orders",
        "each is treated as refused",
        "nomeida/hyperliquid#102",
    ),
    "batch_truncated": Incident(
        "fewer results than orders", "the outcome of the rest is unknown, and no success", "python_hyperliquid_mm"
    ),
    "silent_reject": Incident("a placement comes to nothing, and nobody says so", "a query resolves it", f"{_SDK}#251"),
    "quota_burn": Incident(
        "little volume, many replacements: the allowance runs out",
        "cancels still pass, and less is sent",
        f"{_FT}#10960",
    ),
    "shared_ip_429": Incident(
        "several clients use up the limit of one IP address",
        "no storm of refusals; the trader backs off",
        f"{_PB}#567, {_FT}#13457",
    ),
    "stale_book": Incident(
        "the book freezes for a minute while trades go on", "quotes are pulled in time", f"{_HB}#3101"
    ),
    "unchanged_targets": Incident(
        "what is wanted does not change for an hour", "nothing is sent", f"{_HB}#3294, #3814"
    ),
    "dup_fill_after_reconnect": Incident(
        "after a reconnect the stream begins with fills of before",
        "each is applied once, also one whose order was not known then",
        "python_hyperliquid_mm",
    ),
    "deadman_expiry": Incident(
        "the process stands still for half a minute", "the venue cancels all of its orders", "OctoBot-Trading#327"
    ),
    "clock_skew_expires": Incident(
        "the clock is three seconds behind, and orders expire by it", "no spiral of charged expiries", _HL
    ),
}
"""Situations that a report describes so well that one scenario can be written for each."""


def _numbered(group: str, first: int, *rows: tuple[str, str]) -> dict[str, Incident]:
    return {f"{group}{first + i}": Incident(what, "", source) for i, (what, source) in enumerate(rows)}


NUMBERED = {
    **_numbered(
        "A",
        1,
        ("fills replayed after a reconnect are counted twice", f"{_NT}, OKX"),
        ("fills without an id get a new one at each replay, so none is recognised", f"{_NT}, OKX"),
        ("fills come doubled and out of order after a reconnect", f"{_HB}#7482, KuCoin"),
        ("a fill comes on the stream of orders and on the one of trades", f"{_HB}, KuCoin"),
        ("pages of a query overlap, and sizes, fees and profit grow", f"{_PB}, Bybit"),
        ("the order is filled at the venue, the fill never delivered", f"{_NT}#4124, #4117"),
        ("a fill that comes before its order is known is dropped", f"{_NT}#4076"),
        ("a fill beats the answer to its order and is orphaned", f"{_NT}, Polymarket"),
        ("no word of an order but its fill", "mmb#127, bitfinex-api-node#239"),
        ("an inferred fill and the real one are both applied", f"{_NT}#3493"),
        ("the fill comes after the status that ends its order: filled twice over", f"{_NT}#3770"),
        ("after a restart a fill in part counts in the position and in the order", f"{_NT}#3476"),
        ("a restart flattens a position that exists", f"{_NT}#4736"),
        ("ids differ from restart to restart, so fills change owners", f"{_NT}#3878"),
        ("a fill while its order is being cancelled is lost", f"{_HB}#2501"),
        ("the cancel fails because the order has filled, and it is placed anew", f"{_PB}#514"),
        ("the cancel is final before the fills are known", f"{_HB}, XRPL"),
        ("the fill stands in an answer that is skipped", "Lean.TradeStation#87"),
        ("more fills in a millisecond than fit on a page", f"{_NT}, Deribit"),
        ("a disconnect in the midst of fills: the watermark is ahead of the truth", f"{_NT}, Betfair"),
    ),
    **_numbered(
        "B",
        21,
        ("errors are returned for orders that were accepted", "Hyperliquid, outage of 2025-07-29"),
        ("queries fail, and that counts as `not found`", f"{_HB}#8457"),
        ("answer lost and cancel unanswered: a second order beside the first", f"{_HB}#3374"),
        ("a timeout is treated as failure: duplicates", f"{_HB}#493"),
        ("a timeout becomes a failed order that lives", f"{_HB}#6901"),
        ("an order of unknown outcome is taken for somebody else's", _PB),
        ("children of grouped orders are not tracked", f"{_NT}#4160"),
        ("a modify is a cancel and a new order: the live one is believed cancelled", f"{_NT}#3827, #3971"),
        ("a modify after a fill in part asks for the whole size again", f"{_NT}#3986, #4154"),
        ("the begin of the new order is lost, its fills wait for ever", f"{_NT}#4270"),
        ("a modify times out and executes", f"{_NT} documentation"),
        ("a batch of cancels hides the errors of single ones", f"{_NT}#3879"),
        ("cancel-all works on an old list: seven rest, four are known", f"{_HB}#745"),
        ("the end of an order falls into a gap of the connection", f"{_NT}, Deribit"),
        ("a cancel is dropped because the order has no id yet", f"{_NT}, Polymarket"),
        ("the venue forgets orders for half an hour: not found is not gone", f"{_FT}#12681"),
        ("filled at once, so not among the open orders, so sent again", "crypto-trading-bot#53"),
        ("a cancel of an order that is gone is repeated for ever", f"{_HB}#3824, #5122, pyexchange#195"),
        ("a failed order is adopted and cancelled in an endless loop", f"{_HB}#5762"),
        ("a fast fill is resolved as rejected", f"{_NT}#3870"),
        ("commands queued in an outage are sent after the reconnect", _NT),
        ("orders are placed after the stop, while it cancels", f"{_HB}#720"),
        ("the kill switch raises, and orders go on", f"{_HB}#2534"),
        ("the kill switch is not looked at inside place, cancel, place", "LoopTrader#75, #82"),
        ("the order went to the exchange and not to the database", f"{_FT}#4653"),
    ),
    **_numbered(
        "C",
        46,
        ("open orders are forgotten by a restart", f"{_HB}#366, DEXBot#160"),
        ("after a loss of power quotes wait for a status for ever", "Krypto-trading-bot#1042"),
        ("the file of the state is torn or empty after a crash", "profit-trailer#1709, #484"),
        ("the disk is full", "binance-trading-bot#25"),
        ("the database is locked", f"{_FT}#6353, gekko#1572"),
        ("the clock is wrong: every signed call is refused", f"{_CCXT}#2281, gekko#1855"),
        ("two requests share a nonce", f"{_HB}#7737, {_CCXT}#30348"),
        ("nonces run out after refusals", f"{_NT}, Lighter"),
        ("the signer is not known, or has expired", f"{_SDK}#54, #133"),
        ("the agent's address is asked instead of the account's: empty", "valuecell#609"),
    ),
    **_numbered(
        "D",
        56,
        ("a snapshot is merged into the old book: ghost levels, crossed prices", f"{_CCXT}#29210"),
        ("a gap in the updates and nobody notices", f"{_CCXT}#29492, coinbasepro-python#365"),
        ("an older snapshot overwrites newer data", "pybotters#564"),
        ("subscribed again, it says, and no data come", f"{_HB}#8250"),
        ("the stream stops after a day or two without an error", f"{_SDK}#191, #145, #293"),
        ("what happened during the gap is never told", f"{_NT}#4991"),
        ("a closed position is left out, and never closes here", f"{_HB}#8216"),
        ("a call that never returns: old quotes for a quarter of an hour", "Auramaur#241, #249"),
        ("a slow consumer trades on data of minutes ago", "websockets#1619, cryptofeed#426"),
        ("one bad message kills the stream", f"{_NT}#1184, BitMEX api-connectors#103"),
        ("old data come with fresh stamps", "Nasdaq, 2013-08-22"),
    ),
    **_numbered(
        "E",
        67,
        ("the allowance of requests is used up", f"{_FT}#10960, {_PB}#567"),
        ("the same refused order, over and over", "Krypto-trading-bot#987, FrostyBot#67"),
        ("prices and sizes off the grid, sizes of zero", f"{_SDK}#179, {_NT}#3612"),
        ("reduce-only against a position that has changed", f"{_HB}#6757, MetaMask core#9719"),
        ("a liquidation, a foreign trade, another leverage that nobody saw", f"{_FT}#7107, roq#48, {_NT}#3922"),
        ("a runaway: old code beside new, orders without end", "Knight Capital, 2012-08-01"),
    ),
}
"""One line each for the many alike."""

INCIDENTS = SITUATIONS | NUMBERED

NOT_REPEATED = {
    "A2": "every fill of the venue carries its trade id",
    "A18": "nothing but post-only orders is placed, and the answer to one carries no fill",
    "B27": "no grouped orders are placed",
    "B43": "a trader that raises is stopped from outside: tests/runtime holds it, no scenario has a bug of ours",
    "C55": "the adapter of the wire is asked by the account's address; there is no other in the simulator",
    "D62": "a statement of the positions is whole: who is not in it has none",
}
"""Why no scenario repeats these."""
