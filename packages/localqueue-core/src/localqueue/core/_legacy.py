"""The records of localqueue 0.1 to 0.5, which every store that existed then can still meet."""

from __future__ import annotations

import math

from localqueue.core._errors import StoreCorruptError
from localqueue.core._record import RetryRecord
from localqueue.core.transitions import saved


def legacy_record(path: str, key: object, text: str | bytes) -> RetryRecord:
    """The record that the JSON of localqueue 0.x describes; a new budget goes on with it.

    Raises StoreCorruptError, which names ``path`` and ``key``, for what cannot be read.

    >>> old = '{"attempts":2,"first_attempt_at":1700000000.0,"exhausted":true}'
    >>> legacy_record("retries.sqlite3", "job:1", old).attempts
    2
    """
    import json  # only an old file needs it

    unreadable = StoreCorruptError(
        path, f"holds a record of localqueue 0.x that cannot be read, under the key {key!r}"
    )
    try:
        values = json.loads(text)
        record = RetryRecord(
            attempts=int(values["attempts"]),
            first_attempt_at=float(values["first_attempt_at"]),
            exhausted=bool(values["exhausted"]),
        )
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise unreadable from error
    in_range = 0 <= record.attempts < 1 << 63 and math.isfinite(record.first_attempt_at)
    if not isinstance(key, str) or not in_range:
        raise unreadable
    return saved(record)
