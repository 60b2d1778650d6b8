"""Looks at the quote cycles of a run from beside them: what the formula was given, and what became of its prices.

It stands around two functions of the quote engine for the length of one run and passes everything on unchanged, so the
journal of a run that is watched is that of one that is not.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from domain.units import NS_PER_S, Ns, Side, seconds
from orchestrator.desk import quote_engine
from orchestrator.desk.quote_engine import QuoteEngine, Targets
from strategy.glft import Quote, QuoteConfig, QuoteParams
from studies.churn.attribution import BPS, NONE, Parts, Stand, parts_of, price_of
from studies.churn.rows import Mark, Move
from studies.sabotage import Patch, Sabotage, sabotage

PATH_EVERY = seconds(60)
"""Between two marks of the allowance."""
SIDES = {Side.BUY: "bid", Side.SELL: "ask"}


class Watch:
    """The cycles of one run with one instrument."""

    def __init__(self, arm: str, seed: int, every_s: float = 0.0) -> None:
        """Nothing is seen yet; targets of cycles that follow another one sooner than ``every_s`` are not kept."""
        self.moves: list[Move] = []
        self.path: list[Mark] = []
        self.cycles = 0
        self.sums = dict.fromkeys(Parts._fields, 0.0)
        """Absolute changes, in bps, over cycles and sides, of cycles that are not kept, too."""
        self.still = self.compared = 0
        """Cycles and sides whose target stood where it had been in the cycle before; and all that had one."""
        self.headroom_first: float | None = None
        self.headroom_least: float | None = None
        self._arm, self._seed, self._every = arm, seed, seconds(every_s)
        self._given: tuple[QuoteParams, QuoteConfig] | None = None
        self._before: Stand | None = None
        self._keep_from = self._mark_from = Ns(0)

    @property
    def place(self) -> Sabotage:
        """Where it stands: to be installed around a run."""
        return sabotage(
            "nothing else: somebody looks at the quote cycles",
            Patch(quote_engine, "compute_quote", self._beside_formula),
            Patch(QuoteEngine, "compute", self._beside_cycle),
        )

    def _beside_formula(self, original: Callable[[QuoteParams, QuoteConfig], Quote]) -> Callable[..., Quote]:
        def compute_quote(params: QuoteParams, config: QuoteConfig) -> Quote:
            self._given = (params, config)
            return original(params, config)

        return compute_quote

    def _beside_cycle(self, original: Callable[..., object]) -> Callable[..., object]:
        def compute(engine: QuoteEngine, *arguments: Any) -> object:  # noqa: ANN401 - whatever it takes
            outcome = original(engine, *arguments)
            market, now, headroom = arguments[0], arguments[3], arguments[6]
            if isinstance(outcome, Targets) and self._given is not None:
                bid, ask = (levels[0].px if levels else None for levels in (outcome.bids, outcome.asks))
                self._see(_Cycle(engine, outcome.quote, Stand(*self._given, bid, ask), market.mid, now, headroom))
            else:
                self._before = None
            return outcome

        return compute

    def _see(self, cycle: "_Cycle") -> None:
        now, headroom = cycle.now, cycle.headroom
        self.cycles += 1
        self.headroom_first = headroom if self.headroom_first is None else self.headroom_first
        self.headroom_least = headroom if self.headroom_least is None else min(self.headroom_least, headroom)
        if now >= self._mark_from:
            self._mark_from = Ns(now + PATH_EVERY)
            self.path.append(Mark(now / NS_PER_S, headroom))
        is_kept = now >= self._keep_from
        if is_kept:
            self._keep_from = Ns(now + self._every)
        for side in SIDES:
            parts = NONE if self._before is None else parts_of(self._before, cycle.stand, side)
            self.compared += parts is not NONE
            self.still += parts is not NONE and not parts.moved
            for name, part in zip(Parts._fields, parts, strict=True):
                self.sums[name] += abs(part)
            if is_kept and cycle.stand.target(side) is not None:
                self.moves.append(self._move(cycle, side, parts))
        self._before = cycle.stand

    def _move(self, cycle: "_Cycle", side: Side, parts: Parts) -> Move:
        engine, quote, stand = cycle.engine, cycle.quote, cycle.stand
        price = engine.instrument.price
        return Move(
            arm=self._arm,
            seed=self._seed,
            t_s=cycle.now / NS_PER_S,
            side=SIDES[side],
            target=price(stand.target(side) or 0),
            wanted=price(price_of(quote, side)),
            mid=price(cycle.mid),
            fair=price(quote.fair),
            kappa=quote.kappa,
            sigma_bps=stand.params.sigma * BPS,
            skew_bps=quote.inventory_skew * BPS,
            half_spread_bps=quote.half_spread * BPS,
            headroom=cycle.headroom,
            grid_step=0.0 if engine.grid is None else price(engine.grid.step),
            moved_bps=parts.moved,
            by_mid_bps=parts.mid,
            by_kappa_bps=parts.kappa,
            by_sigma_bps=parts.sigma,
            by_skew_bps=parts.skew,
            by_grid_bps=parts.grid,
            by_rest_bps=parts.rest,
        )


class _Cycle(NamedTuple):
    """A quote cycle that has targets."""

    engine: QuoteEngine
    quote: Quote
    stand: Stand
    mid: float
    now: Ns
    headroom: float
    """Share of the allowance that is left."""
