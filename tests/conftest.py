"""What every test can use: Hypothesis profiles and the folder of recorded data."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent

settings.register_profile("dev", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.register_profile("nightly", deadline=None, max_examples=1_000, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev"))


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The recorded market data, which is not part of the repository; skips the test where it is missing."""
    folder = Path(os.environ.get("MAKERLAB_DATA") or "../shared/data")
    folder = (ROOT / folder).resolve()
    if not folder.is_dir():
        pytest.skip(f"no recorded data in {folder} (MAKERLAB_DATA names another folder)")
    return folder
