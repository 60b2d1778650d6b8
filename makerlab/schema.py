"""`makerlab schema`: the JSON schema of scenario files, for editors and CI."""

import sys

from scenarios.loader import schema_text


def schema() -> int:
    """Print the JSON schema of scenario files.

    The first line of each built-in scenario, `#:schema ...`, points editors to a copy of it.
    """
    sys.stdout.write(schema_text())
    return 0
