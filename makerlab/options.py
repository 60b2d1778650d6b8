"""Options that the parser of the command line reads too kindly."""

from collections.abc import Sequence
from typing import Annotated

from cyclopts import Parameter, Token


def _whole(kind: object, tokens: Sequence[Token]) -> int:
    """Read a whole number; the parser alone would round 1.5 to 2 without a word."""
    del kind
    return int(tokens[0].value)


Whole = Annotated[int, Parameter(converter=_whole)]
"""An option that is a whole number."""
