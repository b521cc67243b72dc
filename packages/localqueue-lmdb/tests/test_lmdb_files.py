"""What a store creates, and what it refuses to touch."""

import json
import os
import resource
import shutil
import signal
import stat
from pathlib import Path
from typing import Any

import lmdb
import pytest

from localqueue.core import (
    Failure,
    RetryRecord,
    StoreCorruptError,
    StoreError,
    StoreFullError,
    StoreVersionError,
    transitions,
)
from localqueue.lmdb import LMDBAttemptStore

PAGE = 4096
RECORDS = 200


@pytest.fixture
def filled(folder: Path) -> Path:
    """A store with some records, closed."""
    with LMDBAttemptStore(folder) as store:
        for number in range(RECORDS):
            store.save(f"job:{number:04}", RetryRecord(attempts=1, owner="x" * 100))
    return folder


@pytest.mark.parametrize("mask", [0o022, 0o000, 0o077])
def test_a_new_folder_is_its_owners_alone(tmp_path: Path, mask: int) -> None:
    folder = tmp_path / "new" / "retries"
    before = os.umask(mask)
    try:
        with LMDBAttemptStore(folder) as store:
            store.save("job:1", RetryRecord(attempts=1))
    finally:
        os.umask(before)
    assert {path.name for path in folder.iterdir()} == {"data.mdb", "lock.mdb"}
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (folder.parent, folder)]
    assert modes == [0o700, 0o700]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_nothing_is_created_before_the_first_use(folder: Path) -> None:
    with LMDBAttemptStore(folder):
        pass
    assert not folder.exists()


def test_a_later_change_of_the_working_folder_does_not_move_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with LMDBAttemptStore("retries") as store:
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        store.save("job:1", RetryRecord(attempts=1))
        assert str(store) == str(tmp_path / "retries")
    assert (tmp_path / "retries" / "data.mdb").exists()


def _cuts(size: int) -> list[int]:
    return [1, 100, PAGE - 1, PAGE, PAGE + 50, 2 * PAGE, size // 2, size - PAGE, size - 1]


def test_a_data_file_that_was_cut_off_is_refused_and_the_interpreter_lives(
    filled: Path, run: Any
) -> None:
    whole = (filled / "data.mdb").read_bytes()
    for size in _cuts(len(whole)):
        (filled / "data.mdb").write_bytes(whole[:size])
        code, said, errors = run("lmdb_read_all", "store", filled)
        assert (code, errors) == (0, ""), f"cut off at {size}"
        assert said.startswith("StoreCorruptError"), f"cut off at {size}"
        assert (filled / "data.mdb").read_bytes() == whole[:size]
    (filled / "data.mdb").write_bytes(whole)
    assert run("lmdb_read_all", "store", filled) == (0, f"{RECORDS}\n", "")


def test_without_a_look_at_the_file_a_cut_ends_the_interpreter(filled: Path, run: Any) -> None:
    os.truncate(filled / "data.mdb", 3 * PAGE)
    assert run("lmdb_read_all", "plain", filled)[0] == -signal.SIGBUS


def test_an_emptied_data_file_is_refused(filled: Path) -> None:
    os.truncate(filled / "data.mdb", 0)
    with (
        pytest.raises(StoreCorruptError, match="empty data file"),
        LMDBAttemptStore(filled) as store,
    ):
        store.load("job:0001")
    assert (filled / "data.mdb").stat().st_size == 0


@pytest.mark.parametrize(
    "left", ["nothing", "a lock file", "an empty data file", "a part of the header"]
)
def test_a_folder_whose_creation_was_cut_short_is_used(folder: Path, left: str) -> None:
    folder.mkdir(0o700)
    if left == "a lock file":
        (folder / "lock.mdb").write_bytes(bytes(8192))
    if left == "an empty data file":
        (folder / "data.mdb").touch()
    if left == "a part of the header":
        lmdb.open(str(folder)).close()
        os.truncate(folder / "data.mdb", PAGE)  # as a disk does that has one page left
    with LMDBAttemptStore(folder) as store:
        store.save("job:1", RetryRecord(attempts=1))
        assert store.load("job:1") is not None


@pytest.mark.parametrize(
    "content",
    [b"x" * 100, os.urandom(64 * 1024), b"SQLite format 3\0" + bytes(20_000), bytes(32_768)],
    ids=["short", "random", "SQLite", "zeros"],
)
def test_a_data_file_of_something_else_is_refused_untouched(folder: Path, content: bytes) -> None:
    folder.mkdir()
    (folder / "data.mdb").write_bytes(content)
    with pytest.raises(StoreCorruptError), LMDBAttemptStore(folder) as store:
        store.load("job:1")
    assert (folder / "data.mdb").read_bytes() == content
    assert not (folder / "lock.mdb").exists()


@pytest.mark.parametrize("offset", [16 + 24, PAGE + 16, 16], ids=["page size", "second", "first"])
def test_a_damaged_header_is_refused(filled: Path, offset: int) -> None:
    with (filled / "data.mdb").open("r+b") as file:
        file.seek(offset)
        file.write(b"\x99" * 4)
    with pytest.raises(StoreCorruptError), LMDBAttemptStore(filled) as store:
        store.load("job:1")


def test_a_record_that_nobody_can_have_written_is_reported(filled: Path) -> None:
    with lmdb.open(str(filled), max_dbs=4) as environment:
        records = environment.open_db(b"records")
        with environment.begin(write=True, db=records) as transaction:
            transaction.put(b"job:0001", b"[1, 2")
            transaction.put(b"job:0002", b'{"attempts": 1, "unheard-of": 2}')
    with LMDBAttemptStore(filled) as store:
        for key in ("job:0001", "job:0002"):
            with pytest.raises(StoreCorruptError, match="cannot be read"):
                store.load(key)
            with pytest.raises(StoreCorruptError, match="cannot be read"):
                store.save(key, RetryRecord(attempts=1))
        assert store.load("job:0003") is not None
        assert store.history("job:0003") == []


def test_a_file_where_the_folder_should_be_is_refused(folder: Path) -> None:
    folder.write_text("mine")
    with pytest.raises(StoreError, match="is a file; name a folder"), LMDBAttemptStore(folder) as s:
        s.load("job:1")
    assert folder.read_text() == "mine"


def test_a_file_above_the_folder_is_an_error_of_the_store(folder: Path) -> None:
    folder.write_text("mine")
    with pytest.raises(StoreError, match="cannot be created"), LMDBAttemptStore(folder / "x") as s:
        s.load("job:1")


def test_a_folder_in_the_place_of_the_data_file_is_refused(folder: Path) -> None:
    (folder / "data.mdb").mkdir(parents=True)
    with pytest.raises(StoreError, match="no file"), LMDBAttemptStore(folder) as store:
        store.load("job:1")


def _write_mark(folder: Path, mark: object) -> bytes:
    with lmdb.open(str(folder)) as environment, environment.begin(write=True) as transaction:
        transaction.put(b"localqueue", json.dumps(mark).encode())
    return (folder / "data.mdb").read_bytes()


@pytest.mark.parametrize(
    ("mark", "problem"),
    [
        ({"localqueue": "attempts", "format": 3}, r"newer localqueue \(format 3\)"),
        ({"localqueue": "queue", "format": 2}, "another kind"),
    ],
)
def test_a_newer_or_another_store_is_refused_untouched(
    filled: Path, mark: object, problem: str
) -> None:
    content = _write_mark(filled, mark)
    with pytest.raises(StoreVersionError, match=problem), LMDBAttemptStore(filled) as store:
        store.save("job:1", RetryRecord(attempts=1))
    assert (filled / "data.mdb").read_bytes() == content


@pytest.mark.parametrize("named", [False, True])
def test_another_programs_environment_is_refused_untouched(folder: Path, named: bool) -> None:
    with lmdb.open(str(folder), max_dbs=1) as environment:
        database = environment.open_db(b"records" if named else None)
        with environment.begin(write=True, db=database) as transaction:
            transaction.put(b"theirs", b'{"attempts": 1}')
    content = (folder / "data.mdb").read_bytes()
    with (
        pytest.raises(StoreVersionError, match="another program"),
        LMDBAttemptStore(folder) as store,
    ):
        store.load("theirs")
    assert (folder / "data.mdb").read_bytes() == content


def test_a_refused_folder_can_be_used_once_it_is_in_order(filled: Path) -> None:
    spare = filled.with_name("spare")
    shutil.copytree(filled, spare)
    _write_mark(filled, {"localqueue": "attempts", "format": 3})
    with LMDBAttemptStore(filled) as store:
        with pytest.raises(StoreVersionError):
            store.load("job:0001")
        shutil.copyfile(spare / "data.mdb", filled / "data.mdb")
        assert store.load("job:0001") is not None


def test_a_full_disk_changes_nothing_and_more_room_helps(folder: Path, run: Any) -> None:
    code, out, errors = run("lmdb_limited", folder, 300_000)
    assert (code, errors) == (0, "")
    said, kept, saved, found = json.loads(out)
    assert [kind for kind, _ in said] == ["StoreFullError"] * 3
    assert 0 < kept < 2000
    assert saved == kept + 200
    assert found == saved


def test_a_disk_without_room_for_the_lock_file_is_full_and_the_interpreter_lives(
    folder: Path,
) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (PAGE, before[1]))
    try:
        with LMDBAttemptStore(folder) as store, pytest.raises(StoreFullError) as caught:
            store.load("job:1")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert isinstance(caught.value.__cause__, OSError)


def test_lmdb_is_opened_so_that_a_power_cut_cannot_damage_it(filled: Path) -> None:
    with LMDBAttemptStore(filled) as store:
        store.load("job:0001")
        shared = store._handle._shared
        assert shared is not None
        environment = shared._environment
        assert environment is not None
        flags = environment.flags()
    assert (flags["sync"], flags["metasync"], flags["writemap"]) == (True, False, False)


def test_a_durability_that_nobody_promises_is_refused_at_once(folder: Path) -> None:
    with pytest.raises(ValueError, match="durability"):
        LMDBAttemptStore(folder, durability="none")  # type: ignore[arg-type]


def test_power_safe_writes_are_kept_like_others(folder: Path) -> None:
    with LMDBAttemptStore(folder, durability="power") as store:
        record = transitions.started(None, now=1.0)
        assert store.reserve("job:1", record, expected=None)
        store.settle("job:1", Failure(1, 2.0, "OSError"), budget=record.budget)
    with LMDBAttemptStore(folder) as store:
        assert store.history("job:1") == [Failure(1, 2.0, "OSError")]
