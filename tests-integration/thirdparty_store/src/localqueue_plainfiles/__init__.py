"""Attempt records of localqueue as a folder of JSON files, one for each key."""

from localqueue_plainfiles._store import PlainFilesAttemptStore, open_attempt_store

__all__ = ["PlainFilesAttemptStore", "open_attempt_store"]
