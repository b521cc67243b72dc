"""How the programs of this folder tell the test that runs them something."""

import sys


def say(*what: object) -> None:
    """One line, at once."""
    sys.stdout.write(" ".join(map(str, what)) + "\n")
    sys.stdout.flush()
