"""What is wrong with market data, counted by channel and kind (DQ-09, DQ-15).

The kind is the key and nothing else: how large a gap was stands beside it, or there would be a counter for each size.
Bounded: channels times kinds.
"""

from enum import StrEnum

from domain.events import ChannelKind


class Anomaly(StrEnum):
    """What can be wrong."""

    SEQUENCE_GAP = "sequence_gap"
    """More messages are missing than may be; only where the venue numbers them."""
    TIMESTAMP_REGRESSION = "timestamp_regression"
    """Stamped before an earlier message of the same channel."""
    STALE_DATA = "stale_data"
    """Older than the last rung of the ladder."""
    CROSSED_BOOK = "crossed_book"
    """Bid at or above ask, or levels that are not in order."""
    INVALID_PRICE = "invalid_price"
    """Not positive, or too far from the mid."""
    INVALID_SIZE = "invalid_size"
    """Not positive."""
    PRICE_JUMP = "price_jump"
    """Too far from the price before, and nobody else says so: held back."""
    FROZEN_BOOK = "frozen_book"
    """The same top again and again, with newer stamps, while trades go on."""
    FUTURE_STAMP = "future_stamp"
    """Stamped later than can be."""


HINTS: dict[Anomaly, str] = {
    Anomaly.SEQUENCE_GAP: "messages were lost: connect anew",
    Anomaly.TIMESTAMP_REGRESSION: "an old server, or one that replays: look at the feed",
    Anomaly.STALE_DATA: "nothing new comes: look at the feed",
    Anomaly.CROSSED_BOOK: "look at the feed, then at the venue's status",
    Anomaly.INVALID_PRICE: "numbers that cannot be: look at the feed and its decoding",
    Anomaly.INVALID_SIZE: "numbers that cannot be: look at the feed and its decoding",
    Anomaly.PRICE_JUMP: "compare with another source of prices",
    Anomaly.FROZEN_BOOK: "old books with new stamps: connect anew, then look at the venue's status",
    Anomaly.FUTURE_STAMP: "a clock is wrong, here or there",
}
"""What a person should do about each (DQ-16)."""


class Anomalies:
    """The counters of one instrument."""

    __slots__ = ("counts", "largest_gap", "latest", "n_duplicate", "n_reordered", "total")

    def __init__(self) -> None:
        """Nothing was wrong yet."""
        self.counts: dict[tuple[ChannelKind, Anomaly], int] = {}
        self.total = 0
        self.latest: tuple[ChannelKind, Anomaly] | None = None
        self.largest_gap = 0
        """Most messages in a row that were missing."""
        self.n_duplicate = 0
        """Numbered messages that came again."""
        self.n_reordered = 0
        """Numbered messages that came behind later ones."""

    def note(self, channel: ChannelKind, kind: Anomaly) -> None:
        """One more."""
        self.total += 1
        self.latest = key = (channel, kind)
        self.counts[key] = self.counts.get(key, 0) + 1

    def by_name(self) -> dict[str, int]:
        """The same for figures: `channel:kind`, and what came twice or behind later ones."""
        found = {f"{channel}:{kind}": count for (channel, kind), count in sorted(self.counts.items())}
        apart = {"numbered:duplicate": self.n_duplicate, "numbered:reordered": self.n_reordered}
        return found | {name: count for name, count in apart.items() if count}
