"""Attempt budgets in a SQLite file."""

from localqueue.sqlite._attempts import SQLiteAttemptStore, open_attempt_store
from localqueue.sqlite._version import __version__

__all__ = ["SQLiteAttemptStore", "__version__", "open_attempt_store"]
