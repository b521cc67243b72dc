"""Attempt budgets in an LMDB folder."""

from localqueue.lmdb._attempts import LMDBAttemptStore, open_attempt_store
from localqueue.lmdb._version import __version__

__all__ = ["LMDBAttemptStore", "__version__", "open_attempt_store"]
