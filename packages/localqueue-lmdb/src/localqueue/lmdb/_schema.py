"""The tables of an attempt store, and whose environment this is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from localqueue.core import StoreVersionError
from localqueue.lmdb import _legacy
from localqueue.lmdb._rows import Rows, Tables

if TYPE_CHECKING:
    import lmdb

FORMAT = 2  # folders of localqueue 0.x have no such number
KIND = "attempts"

_MARK = b"localqueue"
NAMES = (b"records", b"failures", b"exhausted_by_time", b"exhausted_by_key")


def prepare(
    environment: lmdb.Environment, transaction: lmdb.Transaction[bytes], path: str
) -> Tables:
    """The tables, which are created where the environment is empty or of localqueue 0.x.

    A handle stays valid only when the write transaction that opened it is committed. Raises
    StoreVersionError for a newer format and for another program's environment.
    """
    current = _is_current(transaction, path)
    # The records of 0.x stand where the names of the tables go, so they have to leave first.
    old = [] if current else _legacy.take_records(environment, transaction, path)
    tables = Tables(
        *(environment.open_db(name, txn=transaction, create=not current) for name in NAMES)
    )
    if not current:
        rows = Rows(transaction, tables)
        for key, record in old:
            rows.write(key, record, before=None)
        transaction.put(_MARK, json.dumps({"localqueue": KIND, "format": FORMAT}).encode())
    return tables


def _is_current(transaction: lmdb.Transaction[bytes], path: str) -> bool:
    mark = _read_mark(transaction)
    if mark is None:
        if _legacy.is_attempt_store(transaction):
            return False
        raise StoreVersionError(
            path, "is another program's database", "name a folder of its own for the store"
        )
    kind, number = mark
    if kind != KIND:
        raise StoreVersionError(
            path, f"holds a store of another kind ({kind!r})", "name a folder of its own"
        )
    if number > FORMAT:
        raise StoreVersionError(path, f"was written by a newer localqueue (format {number})")
    return True


def _read_mark(transaction: lmdb.Transaction[bytes]) -> tuple[str, int] | None:
    value = transaction.get(_MARK)
    if value is None:
        return None
    try:
        mark = json.loads(value)
        return str(mark["localqueue"]), int(mark["format"])
    except (ValueError, TypeError, KeyError):
        return None  # a job of localqueue 0.x may have had the mark's name for its key
