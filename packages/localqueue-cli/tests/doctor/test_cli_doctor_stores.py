"""What the doctor finds inside a store, also while others use it, and that it changes nothing."""

import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from localqueue.core import RetryRecord
from localqueue.sqlite import SQLiteAttemptStore

Look = Callable[..., Any]
Digest = Callable[[Path], str]
Fill = Callable[[dict[str, RetryRecord]], None]


def make_text(path: Path) -> None:
    path.write_text("not a database, " * 64)


def make_cut_off(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 100)


def make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir(0o700)


def make_foreign(path: Path) -> None:
    path.unlink()
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE accounts (id INTEGER)")
    connection.close()
    path.chmod(0o600)


def make_newer(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version=99")
    connection.close()


def make_dangling(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


@pytest.mark.parametrize(("make", "problem"), [
    (make_text, "is not a SQLite database"),
    (make_cut_off, "is cut off in the middle of a page, or is no database"),
    (make_folder, "is a folder"),
    (make_foreign, "is another program's database"),
    (make_newer, "was written by a newer localqueue (format 99)"),
    (make_dangling, "cannot be created (No such file or directory)"),
])  # fmt: skip
def test_what_is_no_store_of_ours_is_a_problem_and_stays_as_it_is(
    look: Look, healthy: Path, make: Callable[[Path], None], problem: str, digest: Digest
) -> None:
    make(healthy)
    before = digest(healthy) if healthy.is_file() else ""
    ((check, found, _),) = look("--store-path", healthy).problems()
    assert (check, found) == ("file", problem)
    assert (digest(healthy) if healthy.is_file() else "") == before


@pytest.mark.parametrize(("offset", "damage", "check"), [
    (3, b"\0\1", "integrity"),
    (0, bytes(4096), "file"),
])  # fmt: skip
def test_damage_inside_is_a_problem(
    look: Look, database: Path, fill: Fill, offset: int, damage: bytes, check: str, digest: Digest
) -> None:
    record = RetryRecord(1, 1.0, last_error_message="x" * 200)
    fill({f"job:{number:04}": record for number in range(500)})
    assert look("--store-path", database).problems() == []
    page = 4096
    with database.open("r+b") as file:
        file.seek(page * (database.stat().st_size // page // 2) + offset)
        file.write(damage)
    before = digest(database)
    (problem,) = look("--store-path", database).problems()
    assert problem[0] == check
    assert problem[1].startswith("is damaged")
    assert "restore a backup" in problem[2]
    assert digest(database) == before


def test_an_empty_file_is_fine(look: Look, database: Path) -> None:
    database.touch(0o600)
    assert look("--store-path", database).of("format") == (
        "ok",
        "empty; its first use makes the tables",
    )
    assert database.stat().st_size == 0


def test_a_store_of_an_older_version_is_noted_and_not_upgraded(
    look: Look, database: Path, use: Callable[..., Any], digest: Digest
) -> None:
    use("old", database).wait()
    before = digest(database)
    assert look("--store-path", database).of("format") == ("note", "of localqueue 0.x")
    assert digest(database) == before
    with SQLiteAttemptStore(database) as store:
        assert store.load("job:old") == RetryRecord(1, 1.0)
    assert look("--store-path", database).of("format") == ("ok", "2")


def test_records_from_the_future_are_a_problem(look: Look, healthy: Path, fill: Fill) -> None:
    now = time.time()
    fill({"job:late": RetryRecord(1, now, last_attempt_at=now + 30)})
    assert look("--store-path", healthy).of("clock")[0] == "ok"
    fill({"job:later": RetryRecord(1, now, last_error_at=now + 86400 * 9)})
    fill({"job:latest": RetryRecord(1, 1.0, exhausted=True, exhausted_at=1e300)})
    ((check, found, remedy),) = look("--store-path", healthy).problems()
    assert check == "clock"
    assert found.startswith("2 records are from the future, the newest from 1e+300")
    assert "set the clock" in remedy


def test_a_log_that_has_grown_is_a_problem(look: Look, healthy: Path) -> None:
    reader = sqlite3.connect(healthy, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM records").fetchall()
    with SQLiteAttemptStore(healthy) as store:
        for number in range(70):
            store.save(f"job:{number}", RetryRecord(1, 1.0, last_error_message="x" * 1_000_000))
        ((check, found, remedy),) = look("--store-path", healthy).problems()
    assert check == "write-ahead log"
    assert found.startswith("has grown to 7")
    assert "process" in remedy
    reader.close()
    with SQLiteAttemptStore(healthy) as store:
        store.delete("job:1")
    assert look("--store-path", healthy).of("write-ahead log")[0] == "ok"


def test_a_store_in_use_is_well_and_its_user_notices_nothing(
    look: Look, database: Path, use: Callable[..., subprocess.Popen[str]]
) -> None:
    user = use("write", database, 20_000)
    looks = 0
    while user.poll() is None:
        assert look("--store-path", database).problems() == []
        looks += 1
    assert user.returncode == 0
    assert looks > 0
    with SQLiteAttemptStore(database) as store:
        assert len(store.records(prefix="job:", limit=30_000)) == 20_001


def test_the_log_of_a_killed_process_is_read_and_left(
    look: Look, database: Path, use: Callable[..., subprocess.Popen[str]], digest: Digest
) -> None:
    assert use("die", database).wait() == -signal.SIGKILL
    log = Path(f"{database}-wal")
    before = digest(database), digest(log)
    assert look("--store-path", database).of("format") == ("ok", "2")
    assert (digest(database), digest(log)) == before


def test_a_store_that_is_held_is_a_problem_and_ctrl_c_ends_the_wait(
    look: Look,
    terminal: Callable[..., Any],
    healthy: Path,
    use: Callable[..., subprocess.Popen[str]],
) -> None:
    holder = use("hold", healthy)
    ((check, found, remedy),) = look("--store-path", healthy).problems()
    assert (check, found) == ("file", "is locked by another process")
    assert remedy == "try again, or raise the timeout"
    waiting = terminal("doctor", "--store-path", healthy)
    time.sleep(1)
    waiting.type("\x03")
    assert waiting.end() == (-signal.SIGINT, "^C")
    holder.communicate("\n")
    assert look("--store-path", healthy).problems() == []
