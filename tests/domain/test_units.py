"""Units: what a type checker must refuse, and the few exact conversions."""

import subprocess
import sys
from pathlib import Path

import pytest

from domain.units import FeeRate, Frac, Ns, Side, Usd, fee_of, millis, seconds, to_bps

ROOT = Path(__file__).resolve().parents[2]

SNIPPET = """\
from domain.units import Bps, Frac, Ns, Pos, Px, Sz, Usd, to_bps


def quote(half_spread: Frac, px: Px, sz: Sz, wait: Ns) -> None: ...


quote(Frac(0.0005), Px(20_000_000), Sz(25), Ns(5))  # fine
quote(Bps(5.0), Px(1), Sz(1), Ns(1))  # wrong: bps as a fraction
quote(0.0005, Px(1), Sz(1), Ns(1))  # wrong: a bare float
quote(Frac(0.0005), Sz(1), Sz(1), Ns(1))  # wrong: lots as ticks
quote(Frac(0.0005), Px(1), Px(1), Ns(1))  # wrong: ticks as lots
quote(Frac(0.0005), Px(1), Pos(1), Ns(1))  # wrong: a signed position as a size
quote(Frac(0.0005), Px(1), Sz(1), Usd(1))  # wrong: money as time
quote(Frac(0.0005), Px(1), Sz(1), 500)  # wrong: a bare integer
to_bps(Bps(5.0))  # wrong: converted twice
"""


@pytest.mark.timeout(60)
def test_the_type_checker_refuses_units_in_the_wrong_place(tmp_path):
    """Protects SC-12: bps passed as a fraction, lots as ticks, money as time are errors before anything runs."""
    path = tmp_path / "snippet.py"
    path.write_text(SNIPPET)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--cache-dir", str(tmp_path / "cache"), str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    complained = {int(line.split(":")[1]) for line in done.stdout.splitlines() if ": error:" in line}
    wrong = {n for n, line in enumerate(SNIPPET.splitlines(), start=1) if "# wrong" in line}
    assert complained == wrong, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("notional", "rate", "fee"),
    [
        # 25372 x 0.0353 = 895.6316 USD at 0.003 %: the venue's own record, not rounded up
        (Usd(895_631_600), FeeRate(30_000), 26_868),
        (Usd(1_000_000), FeeRate(150_000), 150),
        (Usd(1), FeeRate(450_000), 0),
        (Usd(0), FeeRate(450_000), 0),
        # a rebate is truncated toward zero too: floor division would give one micro-USD too much
        (Usd(895_631_600), FeeRate(-30_000), -26_868),
        (Usd(1), FeeRate(-1), 0),
    ],
)
def test_fees_are_truncated_toward_zero(notional, rate, fee):
    """Protects exact cash (S5): one micro-USD off per fill never adds up again."""
    assert fee_of(notional, rate) == fee
    assert isinstance(fee_of(notional, rate), int)


def test_durations_are_whole_nanoseconds():
    """Protects determinism: no float reaches a deadline."""
    assert (seconds(1.5), millis(0.25), seconds(0.1), millis(-2)) == (1_500_000_000, 250_000, 100_000_000, -2_000_000)
    assert type(seconds(0.1)) is type(millis(0.1)) is int


def test_a_basis_point_is_one_ten_thousandth():
    assert to_bps(Frac(0.0005)) == pytest.approx(5.0, rel=1e-12)


def test_the_value_of_a_side_is_the_sign_of_its_position_change():
    """Protects every `side * sz` in the code."""
    assert (int(Side.BUY), int(Side.SELL)) == (1, -1)
    assert [side.opposite for side in Side] == [Side.SELL, Side.BUY]
    assert Side.BUY * Ns(5) == 5
