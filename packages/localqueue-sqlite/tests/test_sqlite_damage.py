"""Damaged, foreign and newer files: refused, and left as they are to the last byte."""

import contextlib
import random
import shutil
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from localqueue.core import (
    Failure,
    RetryRecord,
    StoreCorruptError,
    StoreError,
    StoreVersionError,
)
from localqueue.sqlite import SQLiteAttemptStore

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE = 4096
RECORDS = 1500
APPLICATION_ID = 0x4C515253


def fill(path: Path) -> None:
    """A store of some hundred pages, closed."""
    with SQLiteAttemptStore(path) as store:
        store.save("job:0", RetryRecord(1, 1.0))
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(
            "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers"
            f" WHERE n < {RECORDS - 1}) INSERT INTO records (key, attempts, first_attempt_at,"
            " exhausted, interruptions, budget, revision, last_error_message)"
            " SELECT 'job:' || n, n, n, 1, 0, 'b', 'r', hex(zeroblob(150)) FROM numbers"
        )
        connection.commit()


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("filled") / "retries.sqlite3"
    fill(path)
    assert path.stat().st_size > 100 * PAGE
    return path


def crash_copy(path: Path, change: str, target: Path) -> None:
    """``target`` is the file at ``path`` as a process leaves it that is killed after a change."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(change)
        for ending in ("", "-wal"):
            shutil.copyfile(f"{path}{ending}", f"{target}{ending}")
    assert Path(f"{target}-wal").stat().st_size > 0


def contents(path: Path) -> dict[str, bytes]:
    """All files of the folder, but for the shared memory, which holds nothing of its own."""
    files = (file for file in path.parent.iterdir() if not file.name.endswith("-shm"))
    return {file.name: file.read_bytes() for file in files}


def refused(path: Path, kind: type[StoreError]) -> StoreError:
    """Every kind of call is refused, and nothing is changed, not even when the store is closed."""
    before = contents(path)
    calls: list[Callable[[SQLiteAttemptStore], object]] = [
        lambda store: store.load("job:1"),
        lambda store: store.save("job:1", RetryRecord(1, 1.0)),
        lambda store: store.release("job:1", budget="b"),
        lambda store: store.records(),
        lambda store: store.prune_exhausted(older_than=0, now=1e9),
    ]
    errors = []
    with SQLiteAttemptStore(path, timeout=1) as store:
        for call in calls:
            with pytest.raises(kind) as caught:
                call(store)
            errors.append(caught.value)
    assert contents(path) == before
    assert len({str(error) for error in errors}) == 1
    assert errors[0].path == str(path)
    assert errors[0].remedy
    return errors[0]


@pytest.mark.parametrize("pages", [1, 2, 50, -1])
def test_a_file_cut_at_a_page_is_corrupt(pages: int, filled: Path, path: Path) -> None:
    data = filled.read_bytes()
    path.write_bytes(data[: pages * PAGE])
    assert isinstance(refused(path, StoreCorruptError).__cause__, sqlite3.DatabaseError)


@pytest.mark.parametrize("left", [1, 100, 511, 1000, 50 * PAGE + 700, -1, -100, -3000, -4095])
def test_a_file_cut_within_a_page_is_corrupt(left: int, filled: Path, path: Path) -> None:
    path.write_bytes(filled.read_bytes()[:left])
    assert refused(path, StoreCorruptError).problem == (
        "is cut off in the middle of a page, or is no database"
    )


def test_a_part_of_a_page_is_no_damage_while_the_log_holds_the_whole(
    filled: Path, path: Path, tmp_path: Path
) -> None:
    """A disk that was full while the log was moved into the file leaves this behind."""
    source = tmp_path / "source" / "retries.sqlite3"
    source.parent.mkdir()
    with SQLiteAttemptStore(source) as store:
        store.save("first", RetryRecord(1, 1.0))
    change = "".join(
        "INSERT INTO records (key, attempts, first_attempt_at, exhausted, interruptions, budget,"
        f" revision) VALUES ('job:{number}', 1, 1, 0, 0, 'b', '{'r' * 200}');"
        for number in range(100)
    )
    crash_copy(source, change, path)
    with path.open("ab") as file:
        file.write(bytes(1000))
    with SQLiteAttemptStore(path) as store:
        assert len(store.records(limit=200)) == 101


@pytest.mark.parametrize("size", [20, 512, 5000, 3 * PAGE])
def test_a_text_file_is_corrupt(size: int, path: Path) -> None:
    path.write_bytes((b"a text of somebody\n" * 1000)[:size])
    assert "is no" in refused(path, StoreCorruptError).problem.replace("not a", "no")


def test_random_bytes_are_corrupt(path: Path) -> None:
    path.write_bytes(random.Random(1).randbytes(8 * PAGE))
    assert refused(path, StoreCorruptError).problem == "is not a SQLite database"


def test_an_empty_file_over_a_log_is_corrupt(filled: Path, path: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copyfile(filled, source)
    crash_copy(source, "UPDATE records SET attempts = 7", path)
    path.write_bytes(b"")
    source.unlink()
    error = refused(path, StoreCorruptError)
    assert error.problem == "is empty although its write-ahead log is not"


def test_a_wrong_file_over_a_log_is_corrupt(filled: Path, path: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copyfile(filled, source)
    crash_copy(source, "UPDATE records SET attempts = 7 WHERE key = 'job:700'", path)
    path.write_bytes(b"a text of somebody\n" * 1024)
    assert refused(path, StoreCorruptError).problem == "is not a SQLite database"


def test_damaged_pages_are_corrupt_and_the_rest_can_be_read(filled: Path, path: Path) -> None:
    data = bytearray(filled.read_bytes())
    pages = range(2, len(data) // PAGE)
    for page in random.Random(2).sample(list(pages), len(pages) // 4):
        data[page * PAGE : page * PAGE + 100] = b"\xa5" * 100
    path.write_bytes(data)
    damaged, sound = [], 0
    with SQLiteAttemptStore(path) as store:
        for number in range(RECORDS):
            try:
                record = store.load(f"job:{number}")
            except StoreError as error:
                damaged.append(error)
            else:
                assert record is not None
                assert record.attempts == max(1, number)
                sound += 1
    assert sound > RECORDS / 10
    assert len(damaged) > RECORDS / 10
    for error in damaged:
        assert type(error) is StoreCorruptError
        assert error.path == str(path)
        assert isinstance(error.__cause__, sqlite3.DatabaseError)


def make(path: Path, script: str) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)


FOREIGN = {
    "tables": "CREATE TABLE users (name); INSERT INTO users VALUES ('somebody')",
    "tables in a log mode": "PRAGMA journal_mode = WAL; CREATE TABLE users (name)",
    "application": "PRAGMA application_id = 1196444487; CREATE TABLE users (name)",
    "application without tables": "PRAGMA application_id = 1196444487",
    "retry_records of another kind": "CREATE TABLE retry_records (id, job)",
    "retry_records of a later format": (
        "CREATE TABLE retry_records (key TEXT PRIMARY KEY, record_json TEXT NOT NULL);"
        "PRAGMA user_version = 3"
    ),
}


@pytest.mark.parametrize("script", FOREIGN.values(), ids=FOREIGN.keys())
def test_another_programs_database_is_refused(script: str, path: Path) -> None:
    make(path, script)
    error = refused(path, StoreVersionError)
    assert isinstance(error, ValueError)
    assert error.problem == "is another program's database"
    assert error.remedy == "name a file of its own for the store"


def test_another_programs_log_stays_where_it_is(path: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    make(source, "PRAGMA journal_mode = WAL; CREATE TABLE users (name)")
    crash_copy(source, "INSERT INTO users VALUES ('somebody')", path)
    refused(path, StoreVersionError)


def test_a_newer_file_is_refused(filled: Path, path: Path) -> None:
    shutil.copyfile(filled, path)
    make(path, "PRAGMA user_version = 3")
    error = refused(path, StoreVersionError)
    assert error.problem == "was written by a newer localqueue (format 3)"
    assert error.remedy == "upgrade localqueue"


def test_a_newer_files_log_stays_where_it_is(filled: Path, path: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copyfile(filled, source)
    crash_copy(source, "PRAGMA user_version = 3", path)
    refused(path, StoreVersionError)


def test_a_store_left_by_a_killed_process_keeps_what_is_in_its_log(
    filled: Path, path: Path, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    shutil.copyfile(filled, source)
    crash_copy(source, "UPDATE records SET attempts = 7 WHERE key = 'job:700'", path)
    with SQLiteAttemptStore(path) as store:
        record = store.load("job:700")
    assert record is not None
    assert record.attempts == 7


def test_a_store_without_its_tables_is_a_store_error(path: Path) -> None:
    with SQLiteAttemptStore(path) as store:
        store.load("job:1")
    make(path, "DROP TABLE records")
    with SQLiteAttemptStore(path) as store, pytest.raises(StoreError) as caught:
        store.load("job:1")
    assert caught.value.problem == "SQLite reports: no such table: records"
    assert caught.value.remedy


def test_a_history_that_is_none_is_damage(path: Path) -> None:
    with SQLiteAttemptStore(path) as store:
        store.save("job:1", RetryRecord(1, 7.0, budget="b"))
        with contextlib.closing(sqlite3.connect(path)) as plain:
            plain.execute("UPDATE records SET history = '[3]'")
            plain.commit()
        with pytest.raises(StoreCorruptError, match=r"a history that cannot be read.*job:1"):
            store.history("job:1")
        with pytest.raises(StoreCorruptError, match=r"a history that cannot be read.*job:1"):
            store.settle("job:1", Failure(1, 9.0), budget="b")
        assert store.load("job:1") == RetryRecord(1, 7.0)
