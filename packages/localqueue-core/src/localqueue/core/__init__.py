"""Attempt records, the store protocol and what every part of localqueue shares.

This distribution needs nothing but the standard library.
"""

from localqueue.core import transitions
from localqueue.core._errors import (
    StoreCorruptError,
    StoreError,
    StoreFullError,
    StoreLockedError,
    StoreVersionError,
)
from localqueue.core._failures import MESSAGE_LIMIT, describe_error
from localqueue.core._filesystem import make_folders, refuse_network_filesystem
from localqueue.core._forking import renew_after_fork
from localqueue.core._history import extend_history, parse_history
from localqueue.core._keys import (
    KeyFunction,
    check_key,
    function_name,
    idempotency_key_from_id,
    key_from_argument,
    key_from_attr,
)
from localqueue.core._legacy import legacy_record
from localqueue.core._memory import MemoryAttemptStore
from localqueue.core._paths import default_attempt_store_path, path_from_url, path_to_url
from localqueue.core._record import HISTORY_LIMIT, Failure, RecordState, RetryRecord
from localqueue.core._registry import ATTEMPT_STORES, open_attempt_store, open_memory_store
from localqueue.core._store import AttemptStore, GroupCommit
from localqueue.core._version import __version__

__all__ = [
    "ATTEMPT_STORES",
    "HISTORY_LIMIT",
    "MESSAGE_LIMIT",
    "AttemptStore",
    "Failure",
    "GroupCommit",
    "KeyFunction",
    "MemoryAttemptStore",
    "RecordState",
    "RetryRecord",
    "StoreCorruptError",
    "StoreError",
    "StoreFullError",
    "StoreLockedError",
    "StoreVersionError",
    "__version__",
    "check_key",
    "default_attempt_store_path",
    "describe_error",
    "extend_history",
    "function_name",
    "idempotency_key_from_id",
    "key_from_argument",
    "key_from_attr",
    "legacy_record",
    "make_folders",
    "open_attempt_store",
    "open_memory_store",
    "parse_history",
    "path_from_url",
    "path_to_url",
    "refuse_network_filesystem",
    "renew_after_fork",
    "transitions",
]
