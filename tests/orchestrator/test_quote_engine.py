"""Steps 1 to 5: what the desk wants on the book, and why it may want nothing."""

import pytest

from domain.units import USD, Ns, Pos, Px, Side, Sz
from orchestrator.desk.inventory import Inventory
from orchestrator.desk.market import Market
from orchestrator.desk.quote_engine import QuoteEngine, QuoteEngineConfig, Step, Stop, Targets
from orchestrator.desk.sanity import DataQualityConfig
from orchestrator.risk.position_limit import PositionLimit
from orchestrator.risk.stance import Stance
from strategy.glft import InventoryModel, QuoteConfig
from strategy.price_grid import PriceGridConfig
from strategy.smoothing import SmootherConfig
from tests.orchestrator.messages import ETH, MID, TICK, bbo, s

BELIEVING = DataQualityConfig(max_jump=None, max_deviation=None)


class Stage:
    """An engine with what it is asked about."""

    def __init__(self, *, lots: int = 500, **config):
        self.engine = QuoteEngine(QuoteEngineConfig(**config), ETH)
        self.market, self.inventory, self.limit = Market(BELIEVING), Inventory(), PositionLimit()
        self.limit.lots = Sz(lots)

    def top(self, now: int, mid: int = MID) -> None:
        self.market.on_bbo(bbo(mid - 5 * TICK, mid + 5 * TICK, now))
        if self.market.mid is not None:
            self.engine.on_mid(self.market.mid, Ns(now), Ns(now))

    def trade(self, now: int, depth: float = 4e-4) -> None:
        self.engine.on_trade(Px(round(MID * (1 + depth))), float(MID), Ns(now))

    def compute(self, now: int) -> Targets | Stop:
        return self.engine.compute(self.market, self.inventory, self.limit, Ns(now))


def warm(**config) -> Stage:
    stage = Stage(warmup_timeout_s=0.0, **config)
    stage.top(0)
    return stage


# --- warm-up ------------------------------------------------------------------------------------


def test_warm_up_names_what_it_waits_for():
    """QE-01, QE-09: first the book, then trades, then sigma; each named."""
    stage = Stage(warmup_updates=3, warmup_trades=2)
    assert stage.compute(0) == Stop(Step.WARM_UP, "book")
    for n in range(3):
        assert stage.compute(0) == Stop(Step.WARM_UP, "book")
        stage.top(n)
    assert stage.compute(5) == Stop(Step.WARM_UP, "kappa")
    stage.trade(6)
    assert stage.compute(6) == Stop(Step.WARM_UP, "kappa")
    stage.trade(7)
    assert stage.compute(7) == Stop(Step.WARM_UP, "sigma")
    for n in range(1, 24):
        stage.top(s(n))
    assert isinstance(stage.compute(s(24)), Targets)


def test_a_market_without_trades_is_quoted_at_the_timeout_with_the_priors():
    """QE-09, QE-13, C-05: 30 s after the first data; nothing waits for what only quoting brings."""
    stage = Stage()
    stage.top(s(1))
    assert stage.engine.warm_at() == s(31)
    assert isinstance(stage.compute(s(31) - 1), Stop)
    targets = stage.compute(s(31))
    assert isinstance(targets, Targets)
    assert stage.engine.kappa_effective(s(31)) == pytest.approx(2500)
    assert stage.engine.sigma(s(31)) == stage.engine.config.prior_sigma
    assert targets.bids
    assert targets.asks


def test_no_fill_is_needed_to_quote():
    """QE-10, QE-13: warm-up counts inputs of the market only."""
    stage = warm()
    assert stage.inventory.fills == 0
    assert isinstance(stage.compute(1), Targets)


# --- estimators ---------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_an_impossible_sigma_stops_the_cycle_by_name(value):
    """QE-02: an estimator gone wrong, whatever made it so."""
    stage = warm()
    volatility = stage.engine.volatility
    volatility.pairs, volatility._evidence, volatility._pair_s, volatility._bipower = 1_000, 1_000.0, 1.0, value
    assert stage.compute(1) == Stop(Step.ESTIMATORS, "sigma")


@pytest.mark.parametrize(("trades", "depths"), [(float("nan"), 0.0), (0.0, float("inf")), (-1e9, 0.0)])
def test_an_impossible_kappa_stops_the_cycle_by_name(trades, depths):
    """QE-02."""
    stage = warm()
    stage.engine.kappa._trades, stage.engine.kappa._depth_sum = trades, depths
    assert stage.compute(1) == Stop(Step.ESTIMATORS, "kappa")


def test_without_a_mid_there_is_no_quote():
    stage = warm()
    stage.market.forget()
    assert stage.compute(1) == Stop(Step.ESTIMATORS, "mid")


def test_a_market_that_does_not_move_has_the_prior_sigma():
    """A sigma of zero would quote on top of the mid and derive no gamma."""
    stage = Stage(warmup_timeout_s=0.0)
    for n in range(60):
        stage.top(s(n))
    assert stage.engine.volatility.is_ready()
    assert stage.engine.sigma(s(60)) == stage.engine.config.prior_sigma
    assert isinstance(stage.compute(s(60)), Targets)


def seen(**config) -> Stage:
    """Ten minutes of a market that moves and trades, and is known well."""
    stage = warm(**config)
    for n in range(1, 601):
        stage.top(s(n), MID + (n % 3) * 50 * TICK)
        stage.trade(s(n), depth=1e-4)
    return stage


def test_what_is_not_fresh_gives_way_to_the_prior_and_gates_nothing():
    """QE-02, QE-13: an hour without data, then one top: priors, no confidence, wider, and both sides quoted."""
    stage = seen()
    fresh = stage.compute(s(600))
    engine, prior = stage.engine, stage.engine.config.prior_sigma
    assert engine.sigma(s(600)) != prior
    stage.engine.on_gap(stage.market.time)
    stage.market.forget()
    stage.top(s(10_000))
    stale = stage.compute(s(10_000))
    assert engine.sigma(s(10_000)) == prior
    assert engine.kappa_effective(s(10_000)) == pytest.approx(2500, rel=0.01)
    assert fresh.confidence > 0.9
    assert stale.confidence < 0.01
    assert stale.quote.half_spread > fresh.quote.half_spread
    assert stale.bids
    assert stale.asks


def test_a_market_whose_trades_cease_is_quoted_for_hours():
    """QE-13: books without a trade for three hours; kappa glides to its prior, confidence falls, nothing gates."""
    stage, kappas, confidences = seen(), [], []
    for tick in range(150, 2_850):
        stage.top(s(4 * tick), MID + tick % 3 * TICK)
        if tick % 15:
            continue
        targets = stage.compute(s(4 * tick))
        assert targets.bids
        assert targets.asks
        kappas.append(stage.engine.kappa_effective(stage.market.time))
        confidences.append(targets.confidence)
    assert kappas == sorted(kappas, reverse=True)
    assert kappas[-1] == pytest.approx(2500, rel=0.01)
    assert confidences[0] > 0.9
    assert confidences[-1] < 0.05


# --- risk, strategy, ladder ---------------------------------------------------------------------


def test_limits_that_are_not_known_stop_the_cycle():
    """EL-04."""
    assert warm(lots=0).compute(1) == Stop(Step.RISK, "limits_unknown")


@pytest.mark.parametrize(("bid", "ask"), [(1, 2), (1, 3)])
def test_a_price_of_a_tick_or_two_stops_the_strategy_and_not_the_process(bid, ask):
    """A venue can print any price: one without room for a bid is a reason, not an error."""
    stage = Stage(warmup_timeout_s=0.0)
    stage.market.on_bbo(bbo(bid, ask, 0))
    stage.engine.on_mid(stage.market.mid, Ns(0), Ns(0))
    assert stage.compute(1) == Stop(Step.STRATEGY, "price_too_low")


def test_a_ladder_without_a_level_stops_the_cycle():
    """Capacity below the least order: nothing is lifted to it (T-05)."""
    assert warm(lots=500, level_notional_usd=1.0).compute(1) == Stop(Step.LADDER, "no_level")


def test_targets_are_legal_two_sided_and_outward():
    """QE-05, S18: on the grid, strictly outward, worth the minimum, bid below ask."""
    targets = warm().compute(1)
    for side in Side:
        levels = targets.of(side)
        assert levels
        prices = [px for px, _ in levels]
        assert prices == sorted(set(prices), reverse=side is Side.BUY)
        assert all(ETH.is_on_grid(px) and ETH.notional(px, sz) >= ETH.min_notional for px, sz in levels)
    assert targets.bids[0].px < MID < targets.asks[0].px


@pytest.mark.parametrize("position", [450, -450])
def test_a_position_moves_both_quotes_against_itself(position):
    """QM-03: long quotes lower on both sides, and buys little more."""
    flat = warm().compute(1)
    stage = warm()
    stage.inventory.position = Pos(position)
    held = stage.compute(1)
    sign = 1 if position > 0 else -1
    for side in Side:
        assert sign * (held.of(side)[0].px - flat.of(side)[0].px) < 0
    grows = held.bids if position > 0 else held.asks
    assert sum(sz for _, sz in grows) <= 50


@pytest.mark.parametrize("position", [500, 700, -500, -700])
def test_at_and_beyond_the_limit_only_the_reducing_side_is_quoted(position):
    """QM-19, RK-17."""
    stage = warm(lots=500)
    stage.inventory.position = Pos(position)
    targets = stage.compute(1)
    assert bool(targets.bids) is (position < 0)
    assert bool(targets.asks) is (position > 0)


def test_uncertainty_quotes_wider_and_smaller_on_both_sides():
    """QE-12: below the minimum confidence, still two-sided."""
    unsure = warm(min_confidence=0.5).compute(1)
    sure = warm(min_confidence=0.0).compute(1)
    assert unsure.confidence < 0.5
    assert unsure.quote.half_spread > sure.quote.half_spread
    for side in Side:
        assert 0 < sum(sz for _, sz in unsure.of(side)) < sum(sz for _, sz in sure.of(side))


def test_confidence_grows_with_what_was_seen():
    stage = warm()
    assert stage.engine.confidence(Ns(0)) == 0.0
    for n in range(200):
        stage.top(s(n), MID + (n % 3) * TICK)
        stage.trade(s(n))
    assert stage.engine.confidence(s(200)) > 0.8


def test_gamma_follows_slow_estimates():
    """Renewed every so often, so that this second's sigma does not cancel its own effect."""
    stage = warm(gamma_refresh_s=300.0)
    stage.compute(1)
    first = stage.engine.gamma
    for n in range(1, 100):
        stage.top(s(n), MID + (n % 2) * 50 * TICK)
    stage.compute(s(100))
    assert stage.engine.gamma == first
    stage.compute(s(301))
    assert stage.engine.gamma != first


def test_kappa_is_cut_at_its_ceiling():
    """QM-11: trades at the touch of a one-tick market say little about depth."""
    stage = warm()
    for n in range(500):
        stage.trade(s(n), depth=0.0)
    assert stage.engine.kappa_effective(s(500)) == stage.engine.config.max_kappa


READINGS = (1_169.0, 1_176.0, 1_194.0)


def test_recorded_kappas_are_replayed_one_a_cycle_over_and_over():
    """CH-03: each cycle that computes quotes has the next reading, whatever trades say; a cycle that waits has none."""
    stage = Stage(kappa_readings=READINGS, warmup_trades=50, quote=QuoteConfig(gamma=0.5))
    assert stage.compute(1) == Stop(Step.WARM_UP, "book")
    for n in range(30):
        stage.top(s(n), MID + n % 3 * TICK)
        stage.trade(s(n), depth=1e-5)
    kappas, halves = [], []
    for n in range(30, 37):
        quote = stage.compute(s(n)).quote
        kappas.append(quote.kappa)
        halves.append(quote.half_spread)
        assert stage.engine.kappa_effective(s(n)) == quote.kappa
    assert kappas == [*READINGS, *READINGS, READINGS[0]]
    assert halves[1] - halves[0] == pytest.approx(1 / 1_176 - 1 / 1_169, rel=0.01)
    assert stage.engine.kappa.sd(s(36)) == 0


def test_recorded_kappas_are_warm_and_certain():
    """No trade is waited for, and only sigma is doubted."""
    stage = Stage(kappa_readings=READINGS, warmup_updates=1, warmup_trades=50)
    stage.top(0)
    assert stage.engine.missing_input(stage.market, Ns(0)) == "sigma"
    for n in range(200):
        stage.top(s(n), MID + n % 3 * TICK)
    pairs = stage.engine.volatility.n_effective(s(199))
    of_sigma = pairs / (pairs + stage.engine.config.volatility.min_pairs)
    assert stage.engine.confidence(s(199)) == pytest.approx(of_sigma**0.5)


def test_recorded_kappas_are_cut_at_the_ceiling_too():
    """QM-11 holds for what somebody wrote down."""
    stage = warm(kappa_readings=(20_000.0, 5_000.0))
    assert [stage.compute(n).quote.kappa for n in (1, 2)] == pytest.approx([10_000 / 1.5, 5_000 / 1.5])
    assert stage.engine.quotes_kappa_capped == 1


def test_a_level_is_worth_what_the_config_says():
    stage = warm(min_confidence=0.0, level_notional_usd=500.0)
    targets = stage.compute(1)
    for side in Side:
        worth = sum(ETH.notional(px, sz) for px, sz in targets.of(side)) / USD
        assert worth == pytest.approx(1_500, rel=0.03)


# --- the stationary model -----------------------------------------------------------------------


@pytest.mark.parametrize("trades_per_s", [1, 20])
def test_a_full_position_skews_by_a_half_spread_in_the_stationary_model(trades_per_s):
    """T-03 with GLFT's own root and the rate of trades that the engine measures, in a slow and in a busy market."""
    stage = warm(quote=QuoteConfig(model=InventoryModel.STATIONARY), min_confidence=0.0)
    for n in range(1, 200):
        stage.top(s(n), MID + (n % 2) * TICK)
        for _ in range(trades_per_s):
            stage.trade(s(n))
    time = stage.market.exch_time
    assert stage.engine.intensity.value(time) == pytest.approx(trades_per_s / 2, rel=0.05)
    flat = stage.compute(s(200)).quote
    stage.inventory.position = Pos(500)
    full = stage.compute(s(200)).quote
    assert flat.inventory_skew == 0
    assert full.inventory_skew == pytest.approx(full.delta_star, rel=1e-6)
    assert flat.risk_term > 0


def test_a_gap_stops_the_clock_of_the_rate_of_trades():
    """While the feed is down nobody trades as far as we hear: that is no evidence of a quiet market."""
    rates = []
    for gap in (False, True):
        stage = warm(quote=QuoteConfig(model=InventoryModel.STATIONARY))
        for n in range(60):
            stage.trade(s(n))
        if gap:
            stage.engine.on_gap(s(60))
        stage.top(s(600))
        rates.append(stage.engine.intensity.value(s(600)))
    assert rates[1] > 2 * rates[0]


# --- what holds a quote still -------------------------------------------------------------------

STILL = SmootherConfig(fair_band_bps=0.5, fair_band_share=1.0)


def prices(targets) -> list[int]:
    return [level.px for side in Side for level in targets.of(side)]


def test_what_only_jitters_moves_no_target():
    """CH-09, CH-10: kappa and mid as they jitter in the incident: every consumer sees the smoothed inputs, or none."""
    plain, still = (warm(kappa_readings=READINGS, smoother=config) for config in (None, STILL))
    found = {True: [], False: []}
    for stage in (plain, still):
        for cycle in range(1, 20):
            stage.top(s(6 * cycle), MID + cycle % 3 * TICK // 4)
            targets = stage.compute(s(6 * cycle))
            found[stage is still].append((targets.quote.half_spread, targets.quote.kappa, prices(targets)))
    assert len({half for half, _, _ in found[False]}) == 3
    assert all(each == found[True][0] for each in found[True])
    assert still.engine.smoother.suppressed["kappa"] > 10
    assert still.engine.smoother.suppressed["fair"] > 10


def test_what_risk_asks_for_is_not_smoothed():
    """Danger does not wait: twice the spread is twice the spread in the same cycle."""
    stage = warm(kappa_readings=READINGS, smoother=STILL)
    calm = stage.compute(s(6)).quote
    wide = stage.engine.compute(stage.market, stage.inventory, stage.limit, s(12), Stance(spread_factor=2.0)).quote
    assert wide.kappa == calm.kappa / 2


def test_a_change_of_volatility_passes_the_smoother():
    """QM-21: the fast estimate tells of it, and sigma goes on as it is found."""
    stage = warm(smoother=STILL)
    mid = MID
    for second in range(1, 660):
        mid += (second % 2 * 2 - 1) * (TICK if second < 600 else 40 * TICK)
        stage.top(s(second), mid)
        assert isinstance(stage.compute(s(second)), Targets)
        assert stage.engine.smoother.regime_changes == (second > 601)


def test_a_gap_stops_both_estimates_of_volatility():
    """No return is taken across a gap, by the fast one no more than by the slow one."""
    stage = warm(smoother=STILL)
    for second in range(1, 60):
        stage.top(s(second), MID + second % 2 * TICK)
    stage.engine.on_gap(s(60))
    for second in range(60, 90):
        stage.top(s(second), 2 * MID + second % 2 * TICK)
    assert not stage.engine.regime.has_changed(stage.engine.sigma(s(90)), s(90))


@pytest.mark.parametrize("headroom", [1.0, 0.07])
def test_targets_stand_on_the_points_of_the_grid(headroom):
    """CH-14, CH-16: whole steps from the anchor; the fewer actions are left the wider the step."""
    stage = warm(kappa_readings=READINGS, grid=PriceGridConfig())
    seen = set()
    for cycle in range(1, 120):
        stage.top(s(cycle), MID + cycle % 7 * TICK)
        targets = stage.engine.compute(stage.market, stage.inventory, stage.limit, s(cycle), headroom=headroom)
        grid = stage.engine.grid
        assert all((px - grid.anchor) % grid.step == 0 for px in prices(targets))
        if cycle > 60:
            seen.update(prices(targets))
    assert grid.epoch == 2, "one for the prior of sigma, one for what was measured"
    assert len(seen) <= 3 * len(prices(targets)), "of the seven mids, and of the jitter of kappa"
    assert grid.step > TICK * (2 if headroom == 1.0 else 4)
