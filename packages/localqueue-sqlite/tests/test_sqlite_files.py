"""The file of a store: its name, its permissions, its settings; and what is refused at once."""

import contextlib
import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from localqueue.core import (
    RetryRecord,
    open_attempt_store,
    path_from_url,
    path_to_url,
)
from localqueue.sqlite import SQLiteAttemptStore

RECORD = RetryRecord(3, 7.0)


def mode(path: object) -> int:
    return stat.S_IMODE(Path(str(path)).stat().st_mode)


def pragma(store: SQLiteAttemptStore, name: str) -> Any:
    store.load("job:1")
    connection = store._database._connection
    assert connection is not None
    return connection.execute(f"PRAGMA {name}").fetchone()[0]


@pytest.fixture(params=[0o000, 0o022, 0o077], ids=oct)
def umask(request: pytest.FixtureRequest) -> Any:
    before = os.umask(request.param)
    yield
    os.umask(before)


def test_new_files_and_folders_are_closed_to_others(umask: None, tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "retries.sqlite3"
    with SQLiteAttemptStore(path) as store:
        store.save("job:1", RECORD)
        assert [mode(f"{path}{ending}") for ending in ("", "-wal", "-shm")] == [0o600] * 3
        assert [mode(folder) for folder in (path.parent, path.parent.parent)] == [0o700] * 2
    assert mode(path) == 0o600


def test_permissions_of_what_was_there_stay(umask: None, tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o2775)
    path = folder / "retries.sqlite3"
    path.touch()
    path.chmod(0o660)
    with SQLiteAttemptStore(path) as store:
        store.save("job:1", RECORD)
        assert [mode(f"{path}{ending}") for ending in ("", "-wal", "-shm")] == [0o660] * 3
    assert mode(folder) == 0o2775


def test_nothing_is_made_before_the_first_use(tmp_path: Path) -> None:
    with SQLiteAttemptStore(tmp_path / "new" / "retries.sqlite3"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_relative_path_is_taken_from_where_the_store_was_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    with SQLiteAttemptStore("data/retries.sqlite3") as store:
        monkeypatch.chdir(tmp_path / "elsewhere")
        store.save("job:1", RECORD)
        assert str(store) == str(tmp_path / "data" / "retries.sqlite3")
    assert (tmp_path / "data" / "retries.sqlite3").exists()
    assert list((tmp_path / "elsewhere").iterdir()) == []


NAMES = {
    "spaces": "jobs at night .sqlite3",
    "a query": "jobs?mode=memory&cache=shared",
    "a fragment": "jobs#1.sqlite3",
    "percent": "100%25.sqlite3",
    "a scheme": "file:jobs.sqlite3",
    "memory": ":memory:",
    "not ASCII": "Aufträge-仕事-\U0001f550.sqlite3",
    "bytes that are no text": os.fsdecode(b"jobs-\xff\xe9.sqlite3"),
    "a quote": "jobs'\".sqlite3",
    "a new line": "jobs\n.sqlite3",
}
NAMED = pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())


@NAMED
def test_every_name_of_a_file_is_that_file(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    with SQLiteAttemptStore(path) as store, SQLiteAttemptStore(str(path)) as other:
        store.save("job:1", RECORD)
        assert other.load("job:1") == RECORD
        assert {file.name for file in tmp_path.iterdir()} == {name, f"{name}-wal", f"{name}-shm"}
    assert [file.name for file in tmp_path.iterdir()] == [name]


@NAMED
def test_a_url_names_every_file(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    url = path_to_url("sqlite", path)
    url.encode("ascii")
    assert path_from_url(url) == path
    with open_attempt_store(url) as store:
        store.save("job:1", RECORD)
        assert str(store) == str(path)
    with SQLiteAttemptStore(path) as other:
        assert other.load("job:1") == RECORD


def test_a_name_behind_two_slashes_is_a_file_and_no_host(tmp_path: Path) -> None:
    """What is opened for a look at another process's log is named by a URI."""
    with SQLiteAttemptStore(f"/{tmp_path}/retries.sqlite3") as store:
        store.save("job:1", RECORD)
        with SQLiteAttemptStore(f"/{tmp_path}/retries.sqlite3") as other:
            assert other.load("job:1") == RECORD


def test_two_names_of_one_file_are_one_store(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "real.sqlite3")
    with (
        SQLiteAttemptStore(tmp_path / "real.sqlite3") as store,
        SQLiteAttemptStore(tmp_path / "link") as other,
    ):
        store.save("job:1", RECORD)
        assert other.load("job:1") == RECORD


@pytest.mark.parametrize(
    "url",
    [
        "sqlite://",
        "sqlite:///",
        "sqlite:",
        "sqlite://host/var/x",
        "sqlite:///x?a=1",
        "sqlite:///x#a",
    ],
)
def test_a_url_of_another_form_is_explained(url: str) -> None:
    with pytest.raises(ValueError, match=r"^the store URL '.*' has .*[^.]$") as caught:
        open_attempt_store(url)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("url", ["", "retries.sqlite3", ":x", "sqlit:///x", "mysql://host/x"])
def test_a_text_that_is_no_known_url_is_explained(url: str) -> None:
    with pytest.raises(ValueError, match=r"is not a store URL|no store is known for the scheme"):
        open_attempt_store(url)


@pytest.mark.parametrize("timeout", [-1, -0.001, float("nan"), float("inf")])
def test_a_timeout_out_of_range_is_a_value_error(timeout: float, path: Path) -> None:
    with pytest.raises(ValueError, match=r"^timeout must be 0 or more seconds, not \S+$"):
        SQLiteAttemptStore(path, timeout=timeout)


@pytest.mark.parametrize("timeout", ["3", True, None, b"1"])
def test_a_timeout_that_is_no_number_is_a_type_error(timeout: Any, path: Path) -> None:
    with pytest.raises(TypeError, match=r"^timeout must be a number of seconds, not \S+$"):
        SQLiteAttemptStore(path, timeout=timeout)


@pytest.mark.parametrize("durability", ["fast", "", None, "Power"])
def test_an_unknown_durability_is_a_value_error(durability: Any, path: Path) -> None:
    with pytest.raises(ValueError, match=r"^durability must be 'process' or 'power', not \S+$"):
        SQLiteAttemptStore(path, durability=durability)


def test_a_path_that_is_none_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="NoneType"):
        SQLiteAttemptStore(None)  # type: ignore[arg-type]


@pytest.mark.parametrize(("durability", "level"), [("process", 1), ("power", 2)])
def test_the_durability_is_set_on_the_connection(durability: Any, level: int, path: Path) -> None:
    with SQLiteAttemptStore(path, durability=durability) as store:
        assert pragma(store, "synchronous") == level
        assert pragma(store, "fullfsync") == level - 1
        store.save("job:1", RECORD)
        store.release("job:1", budget="none")
        assert pragma(store, "synchronous") == level


def test_the_connection_trusts_neither_schema_nor_pages(path: Path) -> None:
    with SQLiteAttemptStore(path) as store:
        found = {
            name: pragma(store, name) for name in ("trusted_schema", "cell_size_check", "mmap_size")
        }
    assert found == {"trusted_schema": 0, "cell_size_check": 1, "mmap_size": 0}


def test_the_file_says_whose_it_is_and_keeps_its_log_mode(path: Path) -> None:
    with SQLiteAttemptStore(path) as store:
        store.load("job:1")
    with contextlib.closing(sqlite3.connect(path)) as plain:
        found = [
            plain.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("application_id", "user_version", "journal_mode")
        ]
    assert found == [0x4C515253, 2, "wal"]


def test_a_file_that_lost_its_log_mode_gets_it_back(path: Path) -> None:
    with SQLiteAttemptStore(path) as store:
        store.save("job:1", RECORD)
    with contextlib.closing(sqlite3.connect(path)) as plain:
        plain.execute("PRAGMA journal_mode = DELETE")
    with SQLiteAttemptStore(path) as store:
        assert pragma(store, "journal_mode") == "wal"
        assert store.load("job:1") == RECORD


def test_no_cursor_stays_open_between_pages(path: Path) -> None:
    with SQLiteAttemptStore(path) as store, contextlib.closing(sqlite3.connect(path)) as plain:
        for number in range(50):
            store.save(f"job:{number:02}", RECORD)
        page = store.records(limit=10)
        assert len(page) == 10
        store.history("job:01")
        store.count_exhausted_older_than(older_than=0, now=1.0)
        busy, frames, _ = plain.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        assert (busy, frames) == (0, 0)
        assert Path(f"{path}-wal").stat().st_size == 0
        assert store.records(after=page[-1][0], limit=1)[0][0] == "job:10"


def test_the_log_of_an_idle_reader_does_not_grow_without_end(path: Path) -> None:
    with SQLiteAttemptStore(path) as reader, SQLiteAttemptStore(path) as writer:
        writer.save("job:0", RECORD)
        reader.records(limit=1)
        for number in range(3000):
            writer.save(f"job:{number % 10}", RECORD)
        assert Path(f"{path}-wal").stat().st_size < 6_000_000  # a thousand pages, and some slack


UNCLOSED = """
import gc, sys
from localqueue.core import RetryRecord, StoreError
from localqueue.sqlite import SQLiteAttemptStore
for path in (sys.argv[1], sys.argv[1]):
    SQLiteAttemptStore(path).save("job:1", RetryRecord(1, 1.0))
    gc.collect()
try:
    SQLiteAttemptStore(sys.argv[2]).load("job:1")
except StoreError as error:
    del error
gc.collect()
left_open = SQLiteAttemptStore(sys.argv[1])
left_open.load("job:1")
"""


def test_an_unclosed_store_gives_no_warning(path: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged"
    damaged.write_bytes(b"x" * 4096)
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-X", "dev", "-c", UNCLOSED, str(path), str(damaged)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert not Path(f"{path}-wal").exists()  # the last one was closed at the end all the same
