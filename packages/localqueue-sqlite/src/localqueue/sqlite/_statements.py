"""The statements of the attempt store."""

from __future__ import annotations

from dataclasses import fields

from localqueue.core import RetryRecord

# The columns stand in the order of the record's fields, so that a row is a record.
NAMES = [field.name for field in fields(RetryRecord)]
COLUMNS = ", ".join(NAMES)
SELECT = f"SELECT {COLUMNS} FROM records WHERE key = ?"
INSERT = f"INSERT INTO records ({COLUMNS}, key) VALUES ({'?, ' * len(NAMES)}?)"
INSERT_NEW = f"{INSERT} ON CONFLICT (key) DO NOTHING"
UPSERT = (
    f"{INSERT} ON CONFLICT (key) DO UPDATE SET "
    f"{', '.join(f'{name} = excluded.{name}' for name in NAMES)}"
)
_SET = f"UPDATE records SET {', '.join(f'{name} = ?' for name in NAMES)}"
_SEEN = "WHERE key = ? AND revision = ?"
UPDATE_SEEN = f"{_SET} {_SEEN}"
DELETE = "DELETE FROM records WHERE key = ?"
DELETE_SEEN = f"DELETE FROM records {_SEEN}"
DELETE_RUNNING = f"{DELETE} AND budget = ? AND succeeded_at IS NULL"

SELECT_WITH_HISTORY = f"SELECT {COLUMNS}, history FROM records WHERE key = ?"
UPDATE_SEEN_WITH_HISTORY = f"{_SET}, history = ? {_SEEN}"
HISTORY = "SELECT history FROM records WHERE key = ?"

# The byte FF stands in no UTF-8 text, so that everything with the prefix sorts before it.
PAGE = f"""
    SELECT key, {COLUMNS} FROM records
    WHERE key >= :first AND key < (:prefix || x'ff')
"""
STATES = {
    None: "",
    "active": " AND exhausted = 0 AND succeeded_at IS NULL",
    "exhausted": " AND exhausted = 1 AND succeeded_at IS NULL",
    "succeeded": " AND succeeded_at IS NOT NULL",
}

EXHAUSTED_BEFORE = """
    FROM records WHERE exhausted = 1 AND succeeded_at IS NULL
    AND coalesce(exhausted_at, first_attempt_at) <= ?
"""
COUNT_EXHAUSTED = f"SELECT count(*) {EXHAUSTED_BEFORE}"
PRUNE = f"""
    DELETE FROM records WHERE key IN (
        SELECT key {EXHAUSTED_BEFORE}
        ORDER BY coalesce(exhausted_at, first_attempt_at) LIMIT ?
    )
"""
