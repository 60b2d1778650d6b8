"""Rows of runs that never were, for tests."""

from scenarios.figures import TimelineRow
from studies.churn.rows import Mark, Move, Row, Terms

TERMS = Terms(1, "0.1.0", "a" * 40 + "+", "5" * 32)


def a_row(arm="stable", seed=0, **figures):
    """A run in which nothing happened but what is said."""
    none = dict.fromkeys(
        (
            "zero_action_share",
            "modify_share",
            "queue_kept_share",
            "cancel_fill_ratio",
            "calls_per_fill",
            "calls_per_min",
            "quote_error_bps",
            "quote_error_beyond_bps",
            "edge_least_bps",
            "queue_place_unknown_share",
            "markout_1s_bps",
            "headroom_first",
            "headroom_least",
            "cancels_per_cycle",
            "still_share",
        )
    )
    zero = {
        name: 0
        for name in Row.__struct_fields__
        if name not in none and name not in ("arm", "seed", "digest", "ended", "timeline", "path")
    }
    given = {"digest": "d", "ended": "completed", "timeline": (), "path": ()} | zero | none | figures
    return Row(arm=arm, seed=seed, **given)


def a_move(arm="stable", seed=0, **figures):
    """A target that stands."""
    given = {
        "t_s": 72.0,
        "side": "bid",
        "target": 1998.0,
        "wanted": 1998.02,
        "mid": 2000.0,
        "fair": 2000.0,
        "kappa": 1176.0,
        "sigma_bps": 1.2,
        "skew_bps": 0.0,
        "half_spread_bps": 10.0,
        "headroom": 0.07,
        "grid_step": 0.9,
    }
    return Move(arm=arm, seed=seed, **(given | figures))


def timeline(*rows):
    """Placed, cancelled, filled, a minute apart."""
    return tuple(TimelineRow(60.0 * i, *row) for i, row in enumerate(rows, 1))


def marks(*shares):
    """The allowance, a minute apart."""
    return tuple(Mark(60.0 * i, share) for i, share in enumerate(shares, 1))
