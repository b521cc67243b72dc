"""The ``localqueue`` command."""

from localqueue.cli._entry import main
from localqueue.cli._version import __version__

__all__ = ["__version__", "main"]
