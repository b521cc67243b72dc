"""What stands in the tables: keys of any length in LMDB's order, records as JSON."""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import fields

from localqueue.core import RetryRecord, check_key

# LMDB takes keys of 1 to 511 bytes, and the index by time puts 8 bytes before this one.
_DIGEST = 32
_LONGEST = 503
SHORT = _LONGEST - _DIGEST
"""Keys of so many bytes stand as they are; of longer ones this beginning and a digest."""

_TIME = struct.Struct(">Q")
_DOUBLE = struct.Struct(">d")
_SIGN = 1 << 63
_ALL = (1 << 64) - 1

_FIELDS = tuple((field.name, field.default) for field in fields(RetryRecord))


class Damaged(Exception):
    """A value that this library cannot have written."""


def stored_key(key: str) -> bytes:
    """The key of the tables: in the order of code points, except that of long keys which begin alike.

    ValueError for a text that no store can hold.

    >>> stored_key("job:1")
    b'job:1'
    >>> len(stored_key("x" * 100_000))
    503
    """
    raw = check_key(key).encode()
    if len(raw) <= SHORT:
        return raw
    return raw[:SHORT] + hashlib.blake2b(raw, digest_size=_DIGEST).digest()


def dump_record(key: str, stored: bytes, record: RetryRecord) -> bytes:
    """The JSON of a record: the fields that say something, and a long key's own text.

    >>> dump_record("a", b"a", RetryRecord(attempts=1, first_attempt_at=5.0, budget="b"))
    b'{"attempts":1,"first_attempt_at":5.0,"budget":"b"}'
    """
    values = {
        name: value
        for name, default in _FIELDS
        if (value := getattr(record, name)) is not default and value != default
    }
    if len(stored) > SHORT:
        values["key"] = key
    # Lone surrogates in an error's message are data like anything else.
    text = json.dumps(values, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "surrogatepass")


def load_record(stored: bytes, value: bytes) -> tuple[str, RetryRecord]:
    """The key and the record of one entry.

    >>> load_record(b"a", b'{"attempts":1}')
    ('a', RetryRecord(attempts=1, first_attempt_at=0.0, exhausted=False, last_attempt_at=None, next_attempt_at=None, exhausted_at=None, succeeded_at=None, function=None, interruptions=0, owner=None, last_error_type=None, last_error_message=None, last_error_at=None, budget='', revision=''))
    """
    try:
        values = json.loads(value)
        key = values.pop("key") if len(stored) > SHORT else stored.decode()
        return key, RetryRecord(**values)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Damaged(f"a record under {stored[:80]!r}") from error


def sortable(at: float) -> bytes:
    """Eight bytes in the order of the numbers, those before 1970 too.

    >>> sortable(-2.5) < sortable(-1.0) < sortable(0.0) < sortable(1e9)
    True
    """
    # The bits of a double sort like its value, but the sign's, and backwards where that is set.
    (bits,) = _TIME.unpack(_DOUBLE.pack(at + 0.0))
    return _TIME.pack(bits ^ (_ALL if bits & _SIGN else _SIGN))
