"""Durable retry budgets: Tenacity's retrying with an attempt record that outlives the process."""

from typing import TYPE_CHECKING, Any

from localqueue.core import (
    AttemptStore,
    KeyFunction,
    MemoryAttemptStore,
    RetryRecord,
    StoreCorruptError,
    StoreError,
    StoreFullError,
    StoreLockedError,
    StoreVersionError,
    idempotency_key_from_id,
    key_from_argument,
    key_from_attr,
)
from localqueue.core import StoreLockedError as AttemptStoreLockedError
from localqueue.retry import _lazy
from localqueue.retry._async import PersistentAsyncRetrying
from localqueue.retry._decorators import persistent_async_retry, persistent_retry
from localqueue.retry._defaults import (
    close_default_store,
    configure_default_store,
    configure_default_store_factory,
)
from localqueue.retry._errors import (
    PersistentRetryExhausted,
    RecordedFailure,
    RetryDeferred,
    SharedKeyWarning,
)
from localqueue.retry._hooks import AttemptEvent, set_hooks
from localqueue.retry._state import PersistentRetryCallState
from localqueue.retry._sync import PersistentRetrying
from localqueue.retry._version import __version__

if TYPE_CHECKING:
    from localqueue.sqlite import SQLiteAttemptStore as SQLiteAttemptStore

# Without the two lazy names: "import *" must work whatever is installed.
__all__ = [
    "AttemptEvent",
    "AttemptStore",
    "AttemptStoreLockedError",
    "KeyFunction",
    "MemoryAttemptStore",
    "PersistentAsyncRetrying",
    "PersistentRetryCallState",
    "PersistentRetryExhausted",
    "PersistentRetrying",
    "RecordedFailure",
    "RetryDeferred",
    "RetryRecord",
    "SharedKeyWarning",
    "StoreCorruptError",
    "StoreError",
    "StoreFullError",
    "StoreLockedError",
    "StoreVersionError",
    "__version__",
    "close_default_store",
    "configure_default_store",
    "configure_default_store_factory",
    "idempotency_key_from_id",
    "key_from_argument",
    "key_from_attr",
    "persistent_async_retry",
    "persistent_retry",
    "set_hooks",
]


def __getattr__(name: str) -> Any:
    return _lazy.load_store_class(name)
