"""The attempt stores of localqueue 0.1 to 0.5: one table of JSON texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localqueue.core import legacy_record

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
    for key, text in connection.execute("SELECT key, record_json FROM retry_records"):
        record = legacy_record(path, key, text)
        connection.execute(
            "INSERT INTO records (key, attempts, first_attempt_at, exhausted, interruptions,"
            " budget, revision) VALUES (?, ?, ?, ?, 0, ?, ?)",
            (
                key,
                record.attempts,
                record.first_attempt_at,
                record.exhausted,
                record.budget,
                record.revision,
            ),
        )
    connection.execute("DROP TABLE retry_records")
