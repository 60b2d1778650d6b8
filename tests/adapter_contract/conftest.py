"""The suite runs once for each adapter."""

import pytest

from tests.adapter_contract.harness import HARNESSES, Trader


@pytest.fixture(params=HARNESSES)
def harness(request):
    return HARNESSES[request.param]()


@pytest.fixture
def trader(harness):
    return Trader(harness)
