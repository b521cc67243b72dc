"""Folders of localqueue 0.1 to 0.5 are upgraded in place, in one transaction."""

import base64
import zlib
from pathlib import Path
from typing import Any

import lmdb
import pytest

from localqueue.core import Failure, RetryRecord, StoreCorruptError, StoreVersionError, transitions
from localqueue.lmdb import LMDBAttemptStore

# The data file that localqueue 0.5.0 left of three calls of save(), the last of which failed:
# the key was too long for it.
REAL = zlib.decompress(
    base64.b64decode(
        "eNrt209qwkAYh+FJtOIuIj3BrEWI1Fqz8iYlJSMqFYsZoVCEnqL0HK5FCr2HeIMeoWpMdBoroVUQ4X0W3/zJl012"
        "v2EiRKIY1fnH18wSO69v75tJad2xe2L2mOv8r7v7/XY85lLv2QIAAAAAAJya9af8n+07lpX/rVTetw/0AQAAAACA49"
        "nGrCwmzsThmwAAAAAAcH6tqF6J3uDBc1+kr7XqP+lQerWKbHeHob6Pt1aj9NxGs35ze9esNapuvSLVc8cfhVoF0tPD"
        "kRpv79+v8/+1CFb5P+AEAAAAAACAfyf2QpTYP6dmZHczIvvPxN72H0M1Pm3+zxv5vywWzoL0DwAAAADAxSlFtbj3f3"
        "2yXgJ3E18B"
    )
)


def _write_old(folder: Path, entries: dict[bytes, bytes]) -> bytes:
    environment = lmdb.open(str(folder), map_size=10_000_000)
    with environment, environment.begin(write=True) as transaction:
        for key, value in entries.items():
            transaction.put(key, value)
    return (folder / "data.mdb").read_bytes()


def _old(attempts: int, exhausted: str = "false") -> bytes:
    return (
        f'{{"attempts":{attempts},"first_attempt_at":1795468927.15,"exhausted":{exhausted}}}'
    ).encode()


def test_a_folder_of_a_released_version_keeps_its_records(folder: Path) -> None:
    folder.mkdir()
    (folder / "data.mdb").write_bytes(REAL)
    spent = RetryRecord(attempts=2, first_attempt_at=1795468927.15, exhausted=True)
    running = RetryRecord(attempts=1, first_attempt_at=1795468927.5)
    for _ in range(2):  # the second time it is a folder of this version
        with LMDBAttemptStore(folder) as store:
            assert store.records() == [("job:1", spent), ("job:ü", running)]
            assert store.records(state="exhausted") == [("job:1", spent)]
            assert store.load("job:1") == spent
            assert store.history("job:1") == []
            assert store.count_exhausted_older_than(older_than=0, now=1795468927.15) == 1
            assert store.count_exhausted_older_than(older_than=0, now=1795468927.0) == 0


def test_an_upgraded_record_goes_on(folder: Path) -> None:
    _write_old(folder, {b"job:1": _old(2)})
    with LMDBAttemptStore(folder) as store:
        seen = store.load("job:1")
        assert seen is not None
        record = transitions.started(seen, now=1795468930.0)
        assert store.reserve("job:1", record, expected=seen)
        settled = store.settle(
            "job:1", Failure(3, 1795468931.0), budget=record.budget, exhausted=True
        )
        assert settled is not None
        assert settled.attempts == 3
        assert store.prune_exhausted(older_than=0, now=1795468931.0) == 1
        assert store.records() == []


def test_keys_that_are_names_of_this_version_are_kept(folder: Path) -> None:
    names = [b"localqueue", b"records", b"failures", b"exhausted_by_time", b"exhausted_by_key"]
    _write_old(folder, dict.fromkeys(names, _old(4)))
    with LMDBAttemptStore(folder) as store:
        expected = RetryRecord(attempts=4, first_attempt_at=1795468927.15)
        assert store.records() == [(name.decode(), expected) for name in sorted(names)]


def test_many_records_find_room(folder: Path) -> None:
    count = 20_000
    _write_old(folder, {b"job:%06d" % number: _old(1, "true") for number in range(count)})
    with LMDBAttemptStore(folder, map_size=65536) as store:
        assert store.count_exhausted_older_than(older_than=0, now=2e9) == count
        assert len(store.records(limit=2 * count)) == count


@pytest.mark.parametrize(
    "broken",
    [b"no JSON", b'{"attempts":1}', b"[]", b'{"attempts":"x","first_attempt_at":1,"exhausted":0}'],
)
def test_a_record_that_cannot_be_read_leaves_the_folder_as_it_is(
    folder: Path, broken: bytes
) -> None:
    content = _write_old(folder, {b"a": _old(1), b"b": broken})
    with LMDBAttemptStore(folder) as store, pytest.raises(StoreCorruptError, match=r"localqueue 0"):
        store.load("a")
    assert (folder / "data.mdb").read_bytes() == content


def test_a_folder_that_begins_with_something_else_is_not_taken_for_one(folder: Path) -> None:
    content = _write_old(folder, {b"a": b"no JSON", b"b": _old(1)})
    with LMDBAttemptStore(folder) as store, pytest.raises(StoreVersionError):
        store.load("b")
    assert (folder / "data.mdb").read_bytes() == content


def test_processes_that_open_it_together_upgrade_it_once(folder: Path, start: Any) -> None:
    _write_old(folder, {b"job:%04d" % number: _old(1) for number in range(500)})
    readers = [start("lmdb_read_all", "store", folder) for _ in range(4)]
    answers = [reader.communicate(timeout=60) for reader in readers]
    assert answers == [("500\n", "")] * 4
