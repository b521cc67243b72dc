"""The attempt stores of localqueue 0.1 to 0.5: JSON texts in the unnamed database."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from localqueue.core import RetryRecord, StoreCorruptError, legacy_record

if TYPE_CHECKING:
    import lmdb

_NAMES = {"attempts", "first_attempt_at", "exhausted"}


def is_attempt_store(transaction: lmdb.Transaction[bytes]) -> bool:
    """Whether the environment is empty, or begins with a record of localqueue 0.x."""
    with transaction.cursor() as cursor:
        if not cursor.first():
            return True
        try:
            record = json.loads(cursor.value())
        except ValueError:
            return False
    return isinstance(record, dict) and record.keys() >= _NAMES


def take_records(
    environment: lmdb.Environment, transaction: lmdb.Transaction[bytes], path: str
) -> list[tuple[str, RetryRecord]]:
    """Remove every record of localqueue 0.x and return them.

    Raises StoreCorruptError for one that cannot be read; the caller's transaction is to be given up.
    """
    with transaction.cursor() as cursor:
        records = [_record(key, value, path) for key, value in cursor]
    if records:
        transaction.drop(environment.open_db(None, txn=transaction), delete=False)
    return records


def _record(key: bytes, value: bytes, path: str) -> tuple[str, RetryRecord]:
    try:
        name = key.decode()
    except UnicodeDecodeError as error:
        raise StoreCorruptError(path, f"holds the key {key!r}, which is no UTF-8") from error
    return name, legacy_record(path, name, value)
