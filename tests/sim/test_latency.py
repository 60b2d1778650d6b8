"""Latency models: inverse distribution functions with the recorded quantiles."""

import csv
import gzip
from collections import defaultdict
from itertools import pairwise
from statistics import quantiles

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.latency import TABLES, Constant, LogNormal, Quantiles, Recording

MODELS = [
    Constant(ms=20.0),
    LogNormal(median_ms=100.0, sigma=0.35, floor_ms=20.0, cap_ms=5_000.0),
    *(Quantiles(table=table) for table in Recording),
    Quantiles(table=Recording.FEED_BTC_2025_09, median_ms=50.0),
]


@given(st.sampled_from(MODELS), st.floats(0, 1), st.floats(0, 1))
def test_a_model_is_the_inverse_of_a_distribution_function(model, u, v):
    """Protects comparability of studies: a larger draw never means a faster message, and time is whole."""
    low, high = sorted((u, v))
    assert 0 <= model(low) <= model(high)
    assert type(model(u)) is int


@pytest.mark.parametrize(
    ("model", "u", "ms"),
    [
        (Constant(ms=20.0), 0.99, 20.0),
        (LogNormal(median_ms=100.0, sigma=0.35), 0.5, 100.0),
        (LogNormal(median_ms=100.0, sigma=0.35, cap_ms=150.0), 0.9999, 150.0),
        (Quantiles(table=Recording.FEED_BTC_2025_09), 0.5, 356.7),
        (Quantiles(table=Recording.FEED_BTC_2025_09, median_ms=120.0), 0.5, 120.0),
        (Quantiles(table=Recording.FEED_BTC_2025_09), 1.0, 2_923.3),
        (Quantiles(table=Recording.BLOCK_GAPS), 0.0, 55.206),
        (Quantiles(table=Recording.BLOCK_GAPS), 0.55, (68.445 + 70.330) / 2),
    ],
)
def test_known_quantiles(model, u, ms):
    """Protects the figures: what a table says at a probability is what the model gives there."""
    assert model(u) == pytest.approx(ms * 1e6, abs=1)


def test_the_tables_ascend():
    """Protects against a typing error in the committed figures."""
    for probabilities, values in TABLES.values():
        assert len(probabilities) == len(values)
        assert (probabilities[0], probabilities[-1]) == (0.0, 1.0)
        assert list(probabilities) == sorted(set(probabilities))
        assert list(values) == sorted(values)


def recorded_quantiles(values, probabilities):
    """Linear between order statistics, as the tables were computed."""
    cuts = quantiles(values, n=1_000, method="inclusive")
    edges = [min(values), *cuts, max(values)]
    return [edges[round(p * 1_000)] for p in probabilities]


def test_the_feed_tables_are_those_of_the_recordings(data_dir):
    """Protects the source: the committed quantiles can be computed again from the recorded latencies."""
    latencies = defaultdict(dict)
    with gzip.open(data_dir / "latency/hl_bbo_feed_latency_samples.csv.gz", "rt") as file:
        for row in csv.DictReader(file):
            latencies[row["coin"]][row["exch_ms"]] = float(row["latency_ms"])
    for table, coin in ((Recording.FEED_BTC_2025_09, "BTC"), (Recording.FEED_ETH_2025_12, "ETH_202512")):
        probabilities, values = TABLES[table]
        recorded = recorded_quantiles(list(latencies[coin].values()), probabilities)
        assert list(values) == pytest.approx(recorded, abs=0.06)


def test_the_block_gaps_are_those_of_the_recording(data_dir):
    """Protects the source of the block gaps, and says how few they are: seventeen."""

    def nanoseconds(text):
        hours, minutes, rest = text.split("T")[1].split(":")
        whole, part = rest.split(".")
        return (int(hours) * 3_600 + int(minutes) * 60 + int(whole)) * 10**9 + int(part.ljust(9, "0"))

    with (data_dir / "hl_l4/blocks_expected.csv").open() as file:
        times = [nanoseconds(row["block_time"]) for row in csv.DictReader(file) if row["block_time"]]
    gaps = [(b - a) / 1e6 for a, b in pairwise(times)]
    probabilities, values = TABLES[Recording.BLOCK_GAPS]
    assert len(gaps) == 17
    assert list(values) == pytest.approx(recorded_quantiles(gaps, probabilities), abs=0.002)
