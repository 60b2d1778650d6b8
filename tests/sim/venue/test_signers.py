"""Who signed: nonces at block time, agents that expire, signatures over other bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.commands import QueryOpenOrders
from domain.events import Cancelled, OpenOrdersReport, Reason, Refused, Resting
from domain.limits import NonceLimits
from domain.units import NS_PER_MS, Ns
from sim.venue.signers import Nonces, Signature, Signers, address_of
from tests.sim.venue.exchange import ANN, BLOCK, BOB, BUY, Exchange, cancel, place

DAY = 86_400_000
NOW = Ns(10 * DAY * NS_PER_MS)


@pytest.mark.parametrize(
    ("nonce", "text"),
    [
        (8 * DAY, f"Invalid nonce: nonce too low {8 * DAY} < {8 * DAY}"),
        (8 * DAY + 1, None),
        (11 * DAY - 1, None),
        (11 * DAY, f"Invalid nonce: nonce too high {11 * DAY} > {11 * DAY}"),
    ],
)
def test_a_nonce_is_near_the_time_of_its_block(nonce, text):
    """Protects the documented window: block time - 2 days < nonce < block time + 1 day."""
    error = Nonces(NonceLimits()).error(nonce, NOW)
    assert (error and error.text) == text
    assert error is None or error.reason is Reason.INVALID_NONCE


def test_the_hundred_highest_are_kept():
    """Protects the rule: out of order is fine inside the set, what is used is not, what is below it is not."""
    nonces, base = Nonces(NonceLimits()), 9 * DAY
    for n in range(0, 200, 2):
        nonces.use(base + n)
    assert nonces.error(base + 51, NOW) is None
    assert nonces.error(base + 50, NOW).text == f"Invalid nonce: duplicate nonce {base + 50}"
    assert nonces.error(base - 1, NOW).text == f"Invalid nonce: nonce too low {base - 1} < {base}"
    nonces.use(base + 51)  # the lowest is forgotten for it, and what is below the next one is too low now
    assert nonces.error(base + 1, NOW).text == f"Invalid nonce: nonce too low {base + 1} < {base + 2}"
    assert nonces.error(base, NOW).text == f"Invalid nonce: nonce too low {base} < {base + 2}"


@given(st.lists(st.integers(0, 400), max_size=300), st.integers(1, 20))
def test_no_nonce_is_good_twice(offers, kept):
    """Protects E6: whatever order they come in, and however few are remembered."""
    nonces, accepted = Nonces(NonceLimits(kept=kept)), []
    for offer in offers:
        if nonces.error(9 * DAY + offer, NOW) is None:
            nonces.use(9 * DAY + offer)
            accepted.append(offer)
            highest = sorted(accepted)[-kept:]
            assert offer in highest
    assert len(accepted) == len(set(accepted))


# --- at the venue --------------------------------------------------------------------------------


class Signed(Exchange):
    """Requests with a signature: one signer for each account."""

    def __init__(self, **settings):
        super().__init__(**settings)
        self.venue.signers.approve("ann's agent", ANN)
        self.venue.signers.approve("bob's agent", BOB)

    def sign(self, account, nonce, *actions, signer=None, expires_at=None):
        self.requests += 1
        signature = Signature(signer or f"{account}'s agent", nonce)
        request = self.request(self.requests, *actions)
        self.venue.submit(account, request, Ns(self.now + 1), expires_at, signature=signature)
        return self.requests

    def run_signed(self, account, nonce, *actions, **how):
        number = self.sign(account, nonce, *actions, **how)
        at_once = self.results(self.venue.drain(), number)
        return at_once or self.results(self.block(), number)


def bid(n):
    return place(BUY, 90, 1, n=n)


def test_the_second_of_one_nonce_is_refused_in_its_block():
    """Protects E6: both lie in the mempool, the first is carried out, of the second nothing happens."""
    exchange = Signed()
    first, second = exchange.sign(ANN, 7, bid(1)), exchange.sign(ANN, 7, bid(2))
    published = exchange.block()
    assert isinstance(exchange.results(published, first)[0], Resting)
    assert exchange.results(published, second) == (Refused(Reason.INVALID_NONCE, "Invalid nonce: duplicate nonce 7"),)
    assert len(exchange.resting(ANN)) == 1


def test_nonces_belong_to_the_signer():
    """Protects two agents of two accounts: they know nothing of each other's numbers."""
    exchange = Signed()
    assert isinstance(exchange.run_signed(ANN, 7, bid(1))[0], Resting)
    assert isinstance(exchange.run_signed(BOB, 7, bid(1))[0], Resting)


@pytest.mark.parametrize(
    ("actions", "expires_at", "reason", "is_used"),
    [
        ((place(BUY, 90, 1, n=1),), None, None, True),
        ((place(BUY, 90, 0, n=1),), None, Reason.ZERO_SIZE, False),
        ((cancel(999),), None, Reason.NOT_OPEN, True),
        ((place(BUY, 90, 1, n=1),), Ns(1), Reason.EXPIRED, True),
    ],
)
def test_what_was_carried_out_uses_its_nonce(actions, expires_at, reason, is_used):
    """Protects the rule: a rejected order uses the nonce, a payload that nobody ran does not."""
    exchange = Signed()
    ran = []
    exchange.venue.taps.on_run.append(lambda *what: ran.append(what))
    (result,) = exchange.run_signed(ANN, 7, *actions, expires_at=expires_at)
    assert getattr(result, "reason", None) is reason
    assert ran == ([] if reason in (Reason.ZERO_SIZE, Reason.EXPIRED) else [(ANN, ("ann's agent", 7), None)])
    (again,) = exchange.run_signed(ANN, 7, bid(2))
    assert isinstance(again, Resting) != is_used


def test_a_nonce_that_is_refused_costs_no_stale_charge():
    """Protects the allowance: what a copy of an expired request meets is its nonce, not five actions more."""
    exchange = Signed()
    exchange.run_signed(ANN, 7, bid(1))
    before = exchange.venue.actions_of(ANN).used
    exchange.run_signed(ANN, 7, bid(2), expires_at=Ns(1))
    assert exchange.venue.actions_of(ANN).used == before + 1


def test_an_agent_that_expired_can_do_nothing_but_ask():
    """Protects the refusal: recorded text, no effect, nothing counted; and questions need no signature."""
    exchange = Signed()
    (resting,) = exchange.run_signed(ANN, 1, bid(1))
    exchange.venue.signers.revoke("ann's agent", prunes=False)
    used = exchange.venue.actions_of(ANN).used
    refusal = Refused(Reason.UNKNOWN_SIGNER, "User or API Wallet ann's agent does not exist.")
    assert exchange.run_signed(ANN, 2, bid(2)) == (refusal,)
    assert exchange.run_signed(ANN, 3, cancel(resting.oid)) == (refusal,)
    assert exchange.venue.actions_of(ANN).used == used
    assert isinstance(exchange.ask(ANN, QueryOpenOrders()), OpenOrdersReport)
    exchange.venue.signers.approve("ann's agent", ANN)
    assert exchange.run_signed(ANN, 4, cancel(resting.oid)) == (Cancelled(),)


def test_an_agent_may_expire_between_arrival_and_block():
    """Protects the time of the check: what was let in is looked at again in its block."""
    exchange = Signed()
    number = exchange.sign(ANN, 1, bid(1))
    exchange.venue.signers.revoke("ann's agent", prunes=False)
    (result,) = exchange.results(exchange.block(), number)
    assert result.reason is Reason.UNKNOWN_SIGNER
    assert exchange.resting(ANN) == []


def test_an_agent_of_somebody_else_is_a_stranger():
    """Protects accounts from each other's agents."""
    exchange = Signed()
    (result,) = exchange.run_signed(ANN, 1, bid(1), signer="bob's agent")
    assert result.reason is Reason.UNKNOWN_SIGNER


@pytest.mark.parametrize("prunes", [False, True])
def test_a_pruned_agent_is_new_again(prunes):
    """Protects the warning of the venue: what a pruned agent signed can be sent again."""
    exchange = Signed()
    exchange.run_signed(ANN, 7, bid(1))
    exchange.venue.signers.revoke("ann's agent", prunes=prunes)
    exchange.venue.signers.approve("ann's agent", ANN)
    (result,) = exchange.run_signed(ANN, 7, bid(2))
    assert isinstance(result, Resting) == prunes


def test_a_misread_signature_is_a_strangers():
    """Protects the fault's way in: the text shows the address that was recovered, and the nonce is not used."""
    exchange = Signed()
    exchange.venue.signers.misreads.append(lambda signer: "0xabc" if signer == "ann's agent" else None)
    assert exchange.run_signed(ANN, 7, bid(1)) == (
        Refused(Reason.UNKNOWN_SIGNER, "User or API Wallet 0xabc does not exist."),
    )
    assert isinstance(exchange.run_signed(BOB, 7, bid(1))[0], Resting)
    exchange.venue.signers.misreads.clear()
    assert isinstance(exchange.run_signed(ANN, 7, bid(1))[0], Resting)


def test_addresses_look_like_addresses_and_differ():
    """Protects texts that people read, and two sessions from each other's nonces."""
    addresses = [address_of(f"session/{n}") for n in range(3)]
    assert len(set(addresses)) == 3
    assert all(len(address) == 42 and address.startswith("0x") for address in addresses)


def test_without_a_signature_nobody_asks():
    """Protects recordings and small tests, which have none."""
    signers = Signers(NonceLimits())
    assert signers.error(None, ANN) is None
    assert signers.nonce_error(None, Ns(BLOCK)) is None
