"""What is in the folder, and what is refused."""

import fcntl
import json
from pathlib import Path

import pytest
from localqueue_plainfiles import PlainFilesAttemptStore, open_attempt_store

from localqueue.core import (
    Failure,
    StoreCorruptError,
    StoreError,
    StoreLockedError,
    StoreVersionError,
    transitions,
)

KEY = "job:1, für alle"


@pytest.fixture
def store(tmp_path: Path) -> PlainFilesAttemptStore:
    return PlainFilesAttemptStore(tmp_path / "new" / "retries", timeout=0.05)


@pytest.fixture
def file(store: PlainFilesAttemptStore) -> Path:
    """The file of a key with one failure."""
    record = transitions.started(None, now=1.0)
    assert store.reserve(KEY, record, expected=None)
    assert store.settle(KEY, Failure(1, 2.0, "OSError", "refused"), budget=record.budget)
    (file,) = Path(str(store)).glob("*.json")
    return file


def test_a_file_can_be_read_and_searched(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert KEY in text
    content = json.loads(text)
    assert content["record"]["attempts"] == 1
    assert content["history"] == [
        {"attempt": 1, "failed_at": 2.0, "error_type": "OSError", "error_message": "refused"}
    ]


def test_files_and_folders_are_their_owners_alone(file: Path) -> None:
    assert {path.stat().st_mode & 0o777 for path in file.parent.iterdir()} == {0o600}
    assert [path.stat().st_mode & 0o777 for path in file.parents[:2]] == [0o700, 0o700]


def test_nothing_is_made_before_the_first_write(tmp_path: Path) -> None:
    with open_attempt_store(f"plainfiles://{tmp_path}/retries") as store:
        assert store.load(KEY) is None
    assert list(tmp_path.iterdir()) == []


def test_a_removed_folder_is_an_empty_store(store: PlainFilesAttemptStore, file: Path) -> None:
    for path in file.parent.iterdir():
        path.unlink()
    file.parent.rmdir()
    assert store.load(KEY) is None
    assert store.reserve(KEY, transitions.started(None, now=1.0), expected=None)


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"{}", b"\xff", b"null"])
def test_a_damaged_file_is_refused_and_left(
    store: PlainFilesAttemptStore, file: Path, text: bytes
) -> None:
    file.write_bytes(text)
    for refused in (store.load, store.history, store.delete, lambda _: store.records()):
        with pytest.raises(StoreCorruptError, match=file.name):
            refused(KEY)
    assert file.read_bytes() == text


def test_a_file_of_a_newer_localqueue_is_refused_and_left(
    store: PlainFilesAttemptStore, file: Path
) -> None:
    text = file.read_text(encoding="utf-8").replace('"attempts"', '"new": 1, "attempts"')
    file.write_text(text, encoding="utf-8")
    with pytest.raises(StoreVersionError, match=file.name):
        store.delete(KEY)
    assert file.read_text(encoding="utf-8") == text


def test_a_writer_that_waits_too_long_says_so_and_a_reader_does_not_wait(
    store: PlainFilesAttemptStore, file: Path
) -> None:
    with (file.parent / "lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(StoreLockedError, match="locked by another process"):
            store.delete(KEY)
        assert store.load(KEY) is not None
    assert store.delete(KEY) is True


def test_a_path_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("something else")
    for path in (tmp_path / "file", tmp_path / "file" / "retries"):
        store = PlainFilesAttemptStore(path)
        for refused in (store.load, store.delete):
            with pytest.raises(StoreError, match="check the folder"):
                refused(KEY)
