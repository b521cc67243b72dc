"""The map grows by itself, in every process, and what dead readers hold is used again."""

import os
from pathlib import Path
from typing import Any

import pytest

from localqueue.core import RetryRecord
from localqueue.lmdb import LMDBAttemptStore

FULL = os.environ.get("LOCALQUEUE_CAMPAIGN") == "full"
PROCESSES = 4
RECORDS = 50_000 if FULL else 400
PAGE = 4096
KILLED_READERS = 3
OVERWRITES = 600


def test_a_map_of_64_kb_takes_all_that_several_processes_write(folder: Path, start: Any) -> None:
    writers = [start("lmdb_fill", folder, worker, RECORDS) for worker in range(PROCESSES)]
    for writer in writers:
        _, errors = writer.communicate(timeout=3600 if FULL else 120)
        assert (writer.returncode, errors) == (0, "")
    assert (folder / "data.mdb").stat().st_size > 65536
    found: list[str] = []
    with LMDBAttemptStore(folder) as store:
        while page := store.records(after=found[-1] if found else None, limit=1000):
            found.extend(key for key, _ in page)
    expected = [f"{worker}:{number:06}" for worker in range(PROCESSES) for number in range(RECORDS)]
    assert found == expected


def test_without_growing_a_map_of_64_kb_is_full_at_once(folder: Path, run: Any) -> None:
    code, _, errors = run("lmdb_raw_fill", folder, RECORDS)
    assert code == 1
    assert "MapFullError" in errors


def test_a_process_sees_what_another_wrote_beyond_its_map(folder: Path, start: Any) -> None:
    reader, writer = start("lmdb_answer", folder), start("lmdb_answer", folder)
    for process in (reader, writer):
        assert process.stdout.readline() == "open\n"

    def ask(process: Any, question: str) -> str:
        process.stdin.write(f"{question}\n")
        process.stdin.flush()
        return str(process.stdout.readline())

    with LMDBAttemptStore(folder, map_size=65536) as store:
        for number in range(300):
            store.save(f"job:{number:04}", RetryRecord(attempts=1, owner="x" * 1000))
    assert (folder / "data.mdb").stat().st_size > 4 * 65536
    assert ask(reader, "load job:0299") == "1\n"
    assert ask(writer, "save job:9999") == "1\n"
    assert ask(reader, "load job:9999") == "1\n"


def test_one_write_may_need_more_than_twice_the_map(folder: Path) -> None:
    with LMDBAttemptStore(folder, map_size=65536) as store:
        store.save("job:1", RetryRecord(attempts=1, last_error_message="x" * 2_000_000))
        record = store.load("job:1")
    assert record is not None
    assert record.last_error_message == "x" * 2_000_000


def test_a_map_that_was_grown_stays_large_for_those_who_open_it_later(folder: Path) -> None:
    with LMDBAttemptStore(folder, map_size=65536) as store:
        for number in range(100):
            store.save(f"job:{number}", RetryRecord(attempts=1, owner="x" * 2000))
    with LMDBAttemptStore(folder) as store:
        assert len(store.records(limit=200)) == 100
        store.save("more", RetryRecord(attempts=1, owner="x" * 2000))
        assert store.load("more") is not None


@pytest.mark.parametrize(("how", "grows"), [("store", False), ("plain", True)])
def test_killed_readers_hold_no_pages_when_the_store_opens(
    folder: Path, start: Any, run: Any, how: str, grows: bool
) -> None:
    # LMDB forgets the readers when nobody has the folder open, so somebody has to.
    assert start("lmdb_answer", folder).stdout.readline() == "open\n"
    _kill_readers(folder, start)
    before = (folder / "data.mdb").stat().st_size
    assert run("lmdb_overwrite", how, folder, OVERWRITES)[::2] == (0, "")
    grown = (folder / "data.mdb").stat().st_size - before
    # The control is LMDB itself: it takes new pages for every write.
    assert grown > OVERWRITES * PAGE if grows else grown <= 10 * PAGE


def test_readers_killed_while_a_store_is_open_hold_its_pages_for_a_while_only(
    folder: Path, start: Any
) -> None:
    with LMDBAttemptStore(folder, map_size=1 << 26) as store:
        store.save("job:1", RetryRecord(attempts=1))
        before = (folder / "data.mdb").stat().st_size
        _kill_readers(folder, start)
        for number in range(OVERWRITES):
            store.save("job:1", RetryRecord(attempts=number))
    # A look at the readers comes every 64 writes, and each of those takes some three pages.
    assert (folder / "data.mdb").stat().st_size <= before + 64 * 4 * PAGE


def _kill_readers(folder: Path, start: Any) -> None:
    readers = [start("lmdb_hold_reader", folder) for _ in range(KILLED_READERS)]
    for reader in readers:
        assert reader.stdout.readline() == "reading\n"
    for reader in readers:
        reader.kill()
        reader.wait()


@pytest.mark.parametrize("map_size", [1, 65535, 65536, 65537, 1 << 30])
def test_any_first_size_of_the_map_works(folder: Path, map_size: int) -> None:
    with LMDBAttemptStore(folder, map_size=map_size) as store:
        store.save("job:1", RetryRecord(attempts=1))
        assert store.load("job:1") == RetryRecord(attempts=1)


@pytest.mark.parametrize(
    ("map_size", "error"),
    [(0, ValueError), (-1, ValueError), (True, TypeError), (1.5, TypeError), ("1", TypeError)],
)
def test_a_size_that_is_none_is_refused_at_once(
    folder: Path, map_size: Any, error: type[Exception]
) -> None:
    with pytest.raises(error, match="map_size"):
        LMDBAttemptStore(folder, map_size=map_size)
    assert not folder.exists()
