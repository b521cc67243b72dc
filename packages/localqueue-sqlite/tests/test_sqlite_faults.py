"""Places that cannot hold a store, and disks without room: a plain error, and nothing is lost."""

import errno
import os
import sqlite3
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from localqueue.core import RetryRecord, StoreError, StoreFullError
from localqueue.sqlite import SQLiteAttemptStore

NOBODY = 65534


def mounted(folder: Path, options: str) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    return (
        os.geteuid() == 0
        and subprocess.run(command, check=False, capture_output=True).returncode == 0
    )


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[str], Path | None]]:
    """A small disk of one's own, where this user may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made: list[Path] = []

    def mount(options: str) -> Path | None:
        if not mounted(folder, options):
            return None
        made.append(folder)
        return folder

    yield mount
    for place in made:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.fixture
def public(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder that another user reaches: those of pytest are closed to all but its own."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def fault(path: Path) -> StoreError:
    with SQLiteAttemptStore(path, timeout=1) as store, pytest.raises(StoreError) as caught:
        store.save("job:1", RetryRecord(1, 1.0))
    assert caught.value.path == str(path)
    assert caught.value.remedy
    return caught.value


def test_a_folder_is_no_store(tmp_path: Path) -> None:
    assert str(fault(tmp_path)) == f"{tmp_path}: is a folder; name a file"


@pytest.mark.parametrize("place", ["/dev/null", "fifo"])
def test_a_device_or_a_pipe_is_no_store(place: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert fault(tmp_path / place).problem == "is not a regular file"


@pytest.mark.parametrize("below", ["retries.sqlite3", "more/retries.sqlite3"])
def test_a_file_instead_of_the_folder_is_named(below: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    error = fault(file / below)
    assert isinstance(error.__cause__, OSError)
    assert error.__cause__.errno in (errno.ENOTDIR, errno.EEXIST)
    assert error.remedy == "check the folder, its owner and permissions"
    assert file.read_text() == "mine"


def test_a_link_to_nowhere_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    assert isinstance(fault(tmp_path / "link").__cause__, FileNotFoundError)


def test_a_log_that_is_a_folder_is_a_store_error(path: Path) -> None:
    Path(f"{path}-wal").mkdir()
    assert isinstance(fault(path).__cause__, sqlite3.OperationalError)


def as_nobody(ask: Callable[..., Any], path: Path, tmp_path: Path) -> Any:
    return ask("sqlite_use.py", "unprivileged", path, tmp_path / "warm-up.sqlite3")


def own(path: Path) -> None:
    if os.geteuid() == 0:
        os.chown(path, NOBODY, NOBODY)


def test_an_unwritable_folder_is_a_store_error(
    ask: Callable[..., Any], public: Path, tmp_path: Path
) -> None:
    folder = public / "closed"
    folder.mkdir(mode=0o555)
    told = as_nobody(ask, folder / "retries.sqlite3", tmp_path)
    for error in told.values():
        assert error["type"] == "StoreError"
        assert error["path"] == str(folder / "retries.sqlite3")
        assert error["problem"] == "cannot be created (Permission denied)"
        assert error["remedy"] == "check the folder, its owner and permissions"
        assert error["cause"] == "PermissionError"
    assert list(folder.iterdir()) == []


def test_an_unwritable_file_is_a_store_error_and_keeps_its_records(
    ask: Callable[..., Any], public: Path, tmp_path: Path
) -> None:
    path = public / "own" / "retries.sqlite3"
    with SQLiteAttemptStore(path) as store:
        store.save("job:1", RetryRecord(1, 1.0))
    own(path.parent)
    own(path)
    path.chmod(0o400)
    before = path.read_bytes()
    told = as_nobody(ask, path, tmp_path)
    assert told["load"] is None  # what can be read is read
    assert told["save"]["type"] == "StoreError"
    assert told["save"]["path"] == str(path)
    assert told["save"]["problem"].startswith("cannot be opened for writing")
    assert told["save"]["remedy"] == "check its owner and permissions"
    assert told["save"]["cause"] == "OperationalError"
    assert path.read_bytes() == before


def test_a_writable_file_in_an_unwritable_folder_is_a_store_error(
    ask: Callable[..., Any], public: Path, tmp_path: Path
) -> None:
    path = public / "own" / "retries.sqlite3"
    with SQLiteAttemptStore(path) as store:
        store.save("job:1", RetryRecord(1, 1.0))
    own(path)
    path.chmod(0o600)
    path.parent.chmod(0o555)
    before = path.read_bytes()
    told = as_nobody(ask, path, tmp_path)  # the log cannot be made beside the file
    assert told["save"]["type"] == "StoreError"
    assert told["save"]["path"] == str(path)
    assert told["save"]["remedy"] == "check its owner and permissions"
    assert path.read_bytes() == before


def check_fill(told: Any, path: Path) -> None:
    for error in (told["save"], told["settle"]):
        assert error["type"] == "StoreFullError"
        assert error["path"] == str(path)
        assert error["problem"]
        assert error["remedy"]
        assert error["cause"] == "OperationalError"
    assert told["readable"]
    assert not told["half_done"]
    assert told["kept"] > 1
    with SQLiteAttemptStore(path) as store:
        keys = {key for key, _ in store.records(limit=10_000)}
        assert len(keys) == told["kept"] + 1
        assert {"first", "afterwards"} <= keys
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


@pytest.mark.parametrize("kind", ["pages", "limit"])
def test_a_full_store_says_so_and_goes_on_when_there_is_room(
    kind: str, ask: Callable[..., Any], path: Path
) -> None:
    check_fill(ask("sqlite_use.py", "fill", path, kind), path)


def test_a_full_disk_says_so_and_goes_on_when_there_is_room(
    ask: Callable[..., Any], path: Path, disk: Callable[[str], Path | None]
) -> None:
    folder = disk("size=1m")
    if folder is None:  # not permitted here: the limit of a process's files comes nearest
        check_fill(ask("sqlite_use.py", "fill", path, "limit"), path)
    else:
        check_fill(ask("sqlite_use.py", "fill", folder / "s.sqlite3", "disk"), folder / "s.sqlite3")


def test_a_new_store_without_room_is_full_and_works_later(
    ask: Callable[..., Any], path: Path
) -> None:
    error = ask("sqlite_use.py", "open-full", path)
    assert error["type"] == "StoreFullError"
    assert error["path"] == str(path)
    with SQLiteAttemptStore(path) as store:
        assert store.load("job:1") == RetryRecord(2, 1.0)


def no_room(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_disk_without_room_for_another_file_is_full(
    path: Path, disk: Callable[[str], Path | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = disk("size=1m,nr_inodes=2")
    if folder is None:  # not permitted here: a folder that cannot be made for the same reason
        monkeypatch.setattr(os, "mkdir", no_room)
        assert isinstance(fault(path.parent / "new" / "s.sqlite3"), StoreFullError)
        return
    (folder / "ballast").touch()
    for place in (folder / "s.sqlite3", folder / "below" / "s.sqlite3"):
        full = fault(place)
        assert isinstance(full, StoreFullError)
        assert isinstance(full.__cause__, OSError)
    (folder / "ballast").unlink()
