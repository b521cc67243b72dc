"""The attempt stores of localqueue 0.1 to 0.5: one table of JSON texts."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from localqueue.core import StoreCorruptError
from localqueue.core.transitions import new_token

if TYPE_CHECKING:
    import sqlite3


_VERSION_AND_OTHERS = r"""
    SELECT user_version, (
        SELECT count(*) FROM sqlite_master
        WHERE tbl_name != 'retry_records' AND name NOT LIKE 'sqlite\_%' ESCAPE '\'
    ) FROM pragma_user_version
"""


def is_attempt_store(connection: sqlite3.Connection) -> bool:
    """Whether the file holds the table of localqueue 0.x, nothing else, and no newer number."""
    columns = {row[1] for row in connection.execute("PRAGMA table_info(retry_records)")}
    version, others = connection.execute(_VERSION_AND_OTHERS).fetchone()
    return {"key", "record_json"} <= columns and version in (0, 1) and others == 0


def move_records(connection: sqlite3.Connection, path: str) -> None:
    """Copy every record into the new table and drop the old one, inside the caller's transaction.

    Raises StoreCorruptError for a record that cannot be read; the caller rolls back.
    """
    rows = connection.execute("SELECT key, record_json FROM retry_records")
    connection.executemany(
        "INSERT INTO records (key, attempts, first_attempt_at, exhausted, interruptions,"
        " budget, revision) VALUES (?, ?, ?, ?, 0, ?, ?)",
        (_row(key, text, path) for key, text in rows),
    )
    connection.execute("DROP TABLE retry_records")


def _row(key: Any, text: str, path: str) -> tuple[str, int, float, bool, str, str]:
    try:
        record = json.loads(text)
        attempts, first, exhausted = (
            int(record["attempts"]),
            float(record["first_attempt_at"]),
            bool(record["exhausted"]),
        )
        sound = isinstance(key, str) and 0 <= attempts < 1 << 63 and math.isfinite(first)
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise _unreadable(path, key) from error
    if not sound:
        raise _unreadable(path, key)
    return key, attempts, first, exhausted, new_token(), new_token()


def _unreadable(path: str, key: object) -> StoreCorruptError:
    return StoreCorruptError(
        path, f"holds a record of localqueue 0.x that cannot be read, under the key {key!r}"
    )
