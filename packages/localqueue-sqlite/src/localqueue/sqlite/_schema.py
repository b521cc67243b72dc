"""The tables of an attempt store, and whose file this is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from localqueue.core import StoreError, StoreVersionError
from localqueue.sqlite import _legacy

if TYPE_CHECKING:
    import sqlite3

    from localqueue.sqlite._database import Database

APPLICATION_ID = 0x4C515253  # "LQRS"
VERSION = 2  # 0 and 1 are the files of localqueue 0.x

_IDENTITY = """
    SELECT application_id, user_version, (SELECT count(*) FROM sqlite_master)
    FROM pragma_application_id, pragma_user_version
"""

_TABLES = (
    """
    CREATE TABLE records (
        key TEXT NOT NULL PRIMARY KEY,
        attempts INTEGER NOT NULL,
        first_attempt_at REAL NOT NULL,
        exhausted INTEGER NOT NULL,
        last_attempt_at REAL,
        next_attempt_at REAL,
        exhausted_at REAL,
        succeeded_at REAL,
        function TEXT,
        interruptions INTEGER NOT NULL,
        owner TEXT,
        last_error_type TEXT,
        last_error_message TEXT,
        last_error_at REAL,
        budget TEXT NOT NULL,
        revision TEXT NOT NULL,
        -- The last failures as JSON. In the row itself, so that a success has nothing else to
        -- remove and a failure nothing else to write; last, so that it is only read when wanted.
        history TEXT
    ) WITHOUT ROWID
    """,
    # Both indexes are partial: a job that succeeds pays for neither.
    """
    CREATE INDEX exhausted_by_time ON records (coalesce(exhausted_at, first_attempt_at))
    WHERE exhausted = 1
    """,
    "CREATE INDEX exhausted_by_key ON records (key) WHERE exhausted = 1",
)


def prepare(database: Database, connection: sqlite3.Connection) -> None:
    """Check that the file is ours, and create or upgrade its tables.

    Raises StoreVersionError, and changes nothing, for a newer file or another program's.
    """
    if not check(database, connection):
        database.transact_on(connection, lambda: _create(connection, database.path))
    _use_wal(database, connection)  # last, so that a file that is refused stays as it was


def check(database: Database, connection: sqlite3.Connection) -> bool:
    """Whether the tables are there; StoreVersionError where the file is not ours."""
    return database.patiently(lambda: _look(connection, database.path))


def _look(connection: sqlite3.Connection, path: str) -> bool:
    connection.execute("BEGIN")  # one snapshot, before or after another process's upgrade
    try:
        return _is_current(connection, path)
    finally:
        connection.execute("ROLLBACK")


def _is_current(connection: sqlite3.Connection, path: str) -> bool:
    application, version, tables = connection.execute(_IDENTITY).fetchone()
    if application == APPLICATION_ID and version > VERSION:
        raise StoreVersionError(path, f"was written by a newer localqueue (format {version})")
    if application == APPLICATION_ID and version == VERSION:
        return True
    is_blank = application == version == tables == 0
    if is_blank or (application == 0 and _legacy.is_attempt_store(connection)):
        return False
    raise StoreVersionError(
        path, "is another program's database", "name a file of its own for the store"
    )


def _create(connection: sqlite3.Connection, path: str) -> None:
    # Another process may have been faster while this one waited for the transaction.
    if _is_current(connection, path):
        return
    is_old = _legacy.is_attempt_store(connection)
    for statement in _TABLES:
        connection.execute(statement)
    if is_old:
        _legacy.move_records(connection, path)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {VERSION}")


def _use_wal(database: Database, connection: sqlite3.Connection) -> None:
    # The write-ahead log stays with the file.
    def mode(pragma: str) -> Any:
        return database.patiently(lambda: connection.execute(f"PRAGMA {pragma}").fetchone()[0])

    # The switch wants the file for itself, so it is only asked for where it is needed.
    if mode("journal_mode") != "wal" and (left := mode("journal_mode=WAL")) != "wal":
        raise StoreError(
            database.path, f"cannot use a write-ahead log (mode {left!r})", "use a local disk"
        )
