"""Files of localqueue 0.1 to 0.5: upgraded in place, in one transaction, by whoever opens them."""

import contextlib
import json
import random
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from localqueue.core import RetryRecord, StoreCorruptError
from localqueue.sqlite import SQLiteAttemptStore

OLDEST = "CREATE TABLE retry_records (key TEXT PRIMARY KEY, record_json TEXT NOT NULL);"
NEWER = """
    CREATE TABLE retry_records (
        key TEXT PRIMARY KEY, record_json TEXT NOT NULL, first_attempt_at REAL, exhausted INTEGER
    );
    CREATE INDEX retry_records_exhausted_idx ON retry_records (exhausted, first_attempt_at);
    PRAGMA user_version = 1;
"""
FORMATS = pytest.mark.parametrize("newer", [False, True], ids=["0.1 to 0.3", "0.4 and 0.5"])
MANY = 30_000

Row = tuple[str, dict[str, Any]]


def old_record(number: int) -> dict[str, Any]:
    return {
        "attempts": number % 7,
        "first_attempt_at": 1795468927.15 + number,
        "exhausted": number % 3 == 0,
    }


def make_old(path: Path, newer: bool, rows: list[tuple[Any, Any]]) -> None:
    """A file as localqueue 0.x leaves it; a record that is text goes in as it is."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(NEWER if newer else OLDEST)
        connection.executemany(
            "INSERT INTO retry_records (key, record_json) VALUES (?, ?)",
            (
                (key, json.dumps(record) if isinstance(record, dict) else record)
                for key, record in rows
            ),
        )
        if newer:
            connection.execute(
                "UPDATE retry_records SET"
                " first_attempt_at = json_extract(record_json, '$.first_attempt_at'),"
                " exhausted = json_extract(record_json, '$.exhausted')"
                " WHERE json_valid(record_json)"
            )
        connection.commit()


def tables(path: Path) -> set[str]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}


@FORMATS
def test_every_attempt_is_kept(newer: bool, path: Path) -> None:
    rows = [(f"jöb:{number}", old_record(number)) for number in range(500)]
    make_old(path, newer, rows)
    with SQLiteAttemptStore(path) as store:
        for key, old in rows:
            assert store.load(key) == RetryRecord(**old)
            assert store.history(key) == []
        assert len(store.records(limit=1000)) == 500
        assert store.count_exhausted_older_than(older_than=0, now=1e10) == 167
    assert not any(name.startswith("retry_records") for name in tables(path))
    with SQLiteAttemptStore(path) as store:  # and stays as it is when it is opened again
        assert store.load("jöb:6") == RetryRecord(**old_record(6))


@FORMATS
def test_an_upgraded_budget_goes_on(newer: bool, path: Path) -> None:
    make_old(path, newer, [("job:2", old_record(2))])
    with SQLiteAttemptStore(path) as store:
        seen = store.load("job:2")
        assert seen is not None
        assert seen.budget
        assert seen.revision
        more = RetryRecord(3, seen.first_attempt_at, budget=seen.budget, revision="next")
        assert store.reserve("job:2", more, expected=seen)
        assert not store.reserve("job:2", more, expected=seen)


@FORMATS
def test_an_old_file_without_records_is_upgraded(newer: bool, path: Path) -> None:
    make_old(path, newer, [])
    with SQLiteAttemptStore(path) as store:
        assert store.records() == []
    assert "records" in tables(path)


def test_an_old_file_whose_process_was_killed_keeps_what_is_in_its_log(path: Path) -> None:
    source = path.with_name("source")
    make_old(source, True, [("job:1", old_record(1))])
    with contextlib.closing(sqlite3.connect(source)) as connection:
        connection.execute(
            "INSERT INTO retry_records (key, record_json) VALUES ('job:2', ?)",
            (json.dumps(old_record(2)),),
        )
        connection.commit()
        for ending in ("", "-wal"):
            Path(f"{path}{ending}").write_bytes(Path(f"{source}{ending}").read_bytes())
    with SQLiteAttemptStore(path) as store:
        assert store.load("job:2") == RetryRecord(**old_record(2))


BROKEN = {
    "no JSON": "{broken",
    "empty": "",
    "a list": "[1, 2]",
    "null": "null",
    "a field is missing": '{"attempts": 2, "exhausted": false}',
    "a number that is text": '{"attempts": "two", "first_attempt_at": 1, "exhausted": false}',
    "a null field": '{"attempts": null, "first_attempt_at": 1, "exhausted": false}',
    "endless attempts": '{"attempts": 1e400, "first_attempt_at": 1, "exhausted": false}',
    "bytes": b"\xff\xfe\x00",
    "nested without end": "[" * 100_000,
}


@FORMATS
@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_record_is_refused_and_the_file_stays_as_it_was(
    text: object, newer: bool, path: Path
) -> None:
    rows: list[tuple[Any, Any]] = [(f"job:{number}", old_record(number)) for number in range(300)]
    make_old(path, newer, [*rows[:200], ("broken", text), *rows[200:]])
    before = path.read_bytes()
    with SQLiteAttemptStore(path) as store:
        for _ in range(2):
            with pytest.raises(StoreCorruptError) as caught:
                store.load("job:1")
            assert caught.value.path == str(path)
            assert "'broken'" in caught.value.problem
            assert caught.value.remedy
            assert caught.value.__cause__ is not None
    assert path.read_bytes() == before


UNSTORABLE = {
    "attempts beyond 64 bits": ("job", {**old_record(1), "attempts": 1 << 70}),
    "attempts below none": ("job", {**old_record(1), "attempts": -1}),
    "a time that is no number": ("job", {**old_record(1), "first_attempt_at": float("nan")}),
    "a key that is null": (None, old_record(1)),
    "a key of bytes": (b"job", old_record(1)),
}


@pytest.mark.parametrize("row", UNSTORABLE.values(), ids=UNSTORABLE.keys())
def test_a_record_that_cannot_be_stored_is_refused(row: tuple[Any, Any], path: Path) -> None:
    make_old(path, False, [("job:1", old_record(1)), row])
    before = path.read_bytes()
    with SQLiteAttemptStore(path) as store, pytest.raises(StoreCorruptError) as caught:
        store.load("job:1")
    assert repr(row[0]) in caught.value.problem
    assert path.read_bytes() == before


def test_a_kill_in_the_middle_leaves_the_old_file_or_the_new_one(
    start: Callable[..., Any], tmp_path: Path
) -> None:
    template = tmp_path / "template"
    make_old(template, True, [(f"job:{number}", old_record(number)) for number in range(MANY)])
    data = template.read_bytes()
    path = tmp_path / "retries.sqlite3"
    path.write_bytes(data)
    whole = start("sqlite_use.py", "upgrade", path)
    whole.answer()
    begun = time.monotonic()
    whole.tell()
    assert whole.answer() == MANY
    duration = time.monotonic() - begun
    whole.end()
    chance = random.Random(3)
    amid = 0
    for share in (chance.uniform(0.0, 1.1) for _ in range(8)):
        for file in tmp_path.glob("retries.sqlite3*"):
            file.unlink()
        path.write_bytes(data)
        program = start("sqlite_use.py", "upgrade", path)
        program.answer()
        program.tell()
        time.sleep(share * duration)
        program.process.kill()
        program.process.communicate()
        found = tables(path)
        assert ("records" in found) != ("retry_records" in found)
        amid += "retry_records" in found
        with contextlib.closing(sqlite3.connect(path)) as connection:
            table = "retry_records" if "retry_records" in found else "records"
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (MANY,)
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert amid >= 2  # else the kills came too late to mean anything
    with SQLiteAttemptStore(path) as store:
        assert store.load("job:6") == RetryRecord(**old_record(6))
        assert store.count_exhausted_older_than(older_than=0, now=1e10) == MANY / 3


@FORMATS
def test_processes_that_open_an_old_file_at_once_all_succeed(
    newer: bool, start: Callable[..., Any], path: Path
) -> None:
    make_old(path, newer, [(f"job:{number}", old_record(number)) for number in range(3000)])
    programs = [start("sqlite_use.py", "upgrade", path) for _ in range(8)]
    for program in programs:
        assert program.answer() == "ready"
    for program in programs:
        program.tell()
    assert [program.answer() for program in programs] == [3000] * 8
    for program in programs:
        program.end()
