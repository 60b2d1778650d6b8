"""What the venue carries out of what was signed: each nonce once, and nothing too late (E6)."""

from collections import OrderedDict

from scenarios.invariants.base import Block, Invariant, Scope

NONCES_KEPT = 20_000


class RunOnce(Invariant):
    """E6: a signed request is carried out at most once, and never after the moment that it names itself."""

    id = "E6"
    rule = "the venue takes no nonce twice and carries nothing out after its expiry"

    def __init__(self, scope: Scope) -> None:
        """Nothing was carried out."""
        super().__init__(scope)
        self._used: OrderedDict[tuple[str, int], None] = OrderedDict()

    def on_block(self, block: Block) -> None:
        """Look at what it ran."""
        for run in block.runs:
            self.compared += 1
            if run.nonce is not None:
                key = (run.signer, run.nonce)
                if key in self._used:
                    self.fail(f"nonce {run.nonce} was used before, and its request is carried out again")
                self._used[key] = None
                if len(self._used) > NONCES_KEPT:
                    self._used.popitem(last=False)
            if run.expires_at is not None and block.now > run.expires_at:
                self.fail(f"a request that expired at {run.expires_at} ns is carried out at {block.now} ns")
