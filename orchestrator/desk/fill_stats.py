"""What kind of fills a desk gets: numbers for people, nothing that trades reads them."""

from domain.events import Fill
from domain.units import Ns, Side, Sz


class FillStats:
    """Sums over the fills of one instrument in this life."""

    def __init__(self) -> None:
        """No fill yet."""
        self.bought = Sz(0)
        """Lots."""
        self.sold = Sz(0)
        """Lots."""
        self.taker_fills = 0
        """Fills in which we took: with post-only quotes there should be none."""

    def on_fill(self, fill: Fill, now: Ns) -> None:
        """Count one fill."""
        del now
        if fill.side is Side.BUY:
            self.bought = Sz(self.bought + fill.sz)
        else:
            self.sold = Sz(self.sold + fill.sz)
        self.taker_fills += fill.is_taker
