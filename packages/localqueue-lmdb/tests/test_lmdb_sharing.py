"""One environment for a process, whatever its stores are called; forks, signals and endings."""

from __future__ import annotations

import gc
import json
import os
import shutil
import signal
import threading
import time
from pathlib import Path
from typing import Any

import lmdb
import pytest

from localqueue.core import RetryRecord, StoreError, StoreLockedError
from localqueue.lmdb import LMDBAttemptStore
from localqueue.lmdb._sharing import environments

INTERRUPTS = 150
# Before 3.0, lmdb goes by the path where it looks for an environment that is open twice.
TELLS_FILES_APART = not lmdb.__version__.startswith("2.")


def _open_files(folder: Path) -> int:
    """How many descriptors of this process lie in ``folder``."""
    found = 0
    for entry in Path("/proc/self/fd").iterdir():
        try:
            found += str(entry.readlink()).startswith(f"{folder}/")
        except FileNotFoundError:
            continue  # the descriptor of this very listing
    return found


def test_stores_of_one_folder_share_one_environment(folder: Path, tmp_path: Path) -> None:
    with LMDBAttemptStore(folder) as first, LMDBAttemptStore(folder) as second:
        first.save("job:1", RetryRecord(attempts=1))
        alone = _open_files(folder)
        (tmp_path / "alias").symlink_to(folder)
        with LMDBAttemptStore(tmp_path / "alias") as third:
            for store in (second, third):
                assert store.load("job:1") == RetryRecord(attempts=1)
            assert _open_files(folder) == alone
        first.close()
        second.save("job:2", RetryRecord(attempts=2))
        assert second.load("job:2") == RetryRecord(attempts=2)
    assert _open_files(folder) == 0


def test_a_closed_store_is_not_used_again_though_another_goes_on(folder: Path) -> None:
    with LMDBAttemptStore(folder) as first, LMDBAttemptStore(folder) as second:
        second.save("job:1", RetryRecord(attempts=1))
        first.load("job:1")
        first.close()
        first.close()
        with pytest.raises(StoreError, match="was closed"):
            first.load("job:1")
        assert second.load("job:1") is not None


def test_a_store_that_nobody_closed_is_closed_when_it_is_gone(folder: Path, tmp_path: Path) -> None:
    store = LMDBAttemptStore(folder)
    store.save("job:1", RetryRecord(attempts=1))
    assert _open_files(folder) > 0
    del store
    gc.collect()
    with LMDBAttemptStore(tmp_path / "next") as other:
        other.load("job:1")  # what is gone is closed at the next occasion
    assert _open_files(folder) == 0


def test_a_folder_that_was_replaced_is_another_store(folder: Path) -> None:
    with LMDBAttemptStore(folder) as old:
        old.save("job:1", RetryRecord(attempts=1))
        shutil.rmtree(folder)
        with LMDBAttemptStore(folder) as new:
            if not TELLS_FILES_APART:
                with pytest.raises(StoreError, match="by other means"):
                    new.load("job:1")
                return
            assert new.load("job:1") is None
            new.save("job:2", RetryRecord(attempts=1))
            assert old.load("job:2") is None


def test_threads_open_and_close_stores_of_one_folder(folder: Path) -> None:
    errors: list[BaseException] = []

    def work(worker: int) -> None:
        try:
            for number in range(20):
                with LMDBAttemptStore(folder) as store:
                    store.save(f"{worker}:{number}", RetryRecord(attempts=1))
        except BaseException as error:  # noqa: BLE001  # the test tells
            errors.append(error)

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    with LMDBAttemptStore(folder) as store:
        assert len(store.records(limit=200)) == 80
    assert _open_files(folder) == 0


def test_what_lmdb_raises_is_the_cause(folder: Path) -> None:
    with lmdb.open(str(folder)), LMDBAttemptStore(folder) as store:
        with pytest.raises(StoreError, match="by other means") as caught:
            store.load("job:1")
        assert isinstance(caught.value.__cause__, lmdb.Error)
    with LMDBAttemptStore(folder) as store:
        assert store.load("job:1") is None


def test_an_interrupt_at_any_moment_leaves_no_transaction_open(folder: Path, start: Any) -> None:
    process = start("lmdb_interrupted", folder, INTERRUPTS)
    interrupted, last = json.loads(process.stdout.readline())
    assert interrupted == INTERRUPTS
    # It still lives, with all its tracebacks: a lock that it holds would stop this process, too.
    began = time.monotonic()
    with LMDBAttemptStore(folder) as store:
        assert store.load("job:1") == RetryRecord(attempts=last)
        store.save("job:1", RetryRecord(attempts=last + 1))
    assert time.monotonic() - began < 5
    assert process.poll() is None


def test_a_transaction_that_a_traceback_keeps_alive_stops_the_others(folder: Path) -> None:
    """The control of the test above: this is what an interrupt would leave without care."""
    with LMDBAttemptStore(folder) as store:
        store.save("job:1", RetryRecord(attempts=1))
    environment = lmdb.open(str(folder), max_dbs=4)
    kept = environment.begin(write=True)
    with pytest.raises(lmdb.Error, match="deadlock"):
        environment.begin(write=True)
    kept.abort()
    environment.close()


def _child(work: Any) -> int:
    """The exit code of a forked child that does ``work``; 1 for any error."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            signal.alarm(30)
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_child_of_a_child_opens_the_folder_anew(folder: Path) -> None:
    with LMDBAttemptStore(folder) as store, LMDBAttemptStore(folder) as other:
        store.save("job:0", RetryRecord(attempts=1))
        other.load("job:0")

        def grandchild() -> None:
            other.save("job:2", RetryRecord(attempts=2))
            assert store.load("job:1") is not None

        def child() -> None:
            store.save("job:1", RetryRecord(attempts=1))
            assert _child(grandchild) == 0
            store.save("job:3", RetryRecord(attempts=3))

        assert _child(child) == 0
        store.save("job:4", RetryRecord(attempts=4))
        assert [key for key, _ in store.records()] == [f"job:{number}" for number in range(5)]


def test_a_child_leaves_the_parents_reader_and_locks_alone(folder: Path, run: Any) -> None:
    with LMDBAttemptStore(folder) as store:
        store.save("job:0", RetryRecord(attempts=1))
        assert _child(lambda: store.save("job:1", RetryRecord(attempts=1))) == 0
        # If the child had dropped the parent's lock, the next process would take itself for the
        # only one and make the table of readers new under the parent.
        shared = store._handle._shared
        assert shared is not None
        environment = shared._environment
        assert environment is not None
        with environment.begin() as snapshot:
            assert str(os.getpid()) in environment.readers()
            assert run("lmdb_overwrite", "store", folder, 50)[::2] == (0, "")
            assert str(os.getpid()) in environment.readers()
            del snapshot


def test_a_fork_waits_for_the_operations_of_other_threads(folder: Path) -> None:
    with LMDBAttemptStore(folder) as store:
        inside, leave = threading.Event(), threading.Event()

        def slow(rows: Any) -> None:
            inside.set()
            leave.wait(10)

        thread = threading.Thread(target=lambda: store._handle.write(slow))
        thread.start()
        assert inside.wait(10)
        threading.Timer(0.2, leave.set).start()
        assert _child(lambda: store.save("job:1", RetryRecord(attempts=1))) == 0
        assert leave.is_set()
        thread.join(10)
        assert store.load("job:1") is not None


def test_a_fork_inside_an_operation_harms_neither_side(folder: Path) -> None:
    """As from a signal handler: the thread that forks is in the middle of its own write."""
    with LMDBAttemptStore(folder) as store:
        store.save("job:0", RetryRecord(attempts=1))

        def use() -> None:
            with pytest.raises(StoreError, match="was in use"):
                store.save("job:1", RetryRecord(attempts=1))

        codes: list[int] = []

        def fork(rows: Any) -> None:
            rows.write("job:2", RetryRecord(attempts=2), before=None)
            codes.append(_child(use))

        store._handle.write(fork)
        assert codes == [0]
        assert [key for key, _ in store.records()] == ["job:0", "job:2"]


def test_a_child_forked_inside_a_write_does_not_finish_its_parents_write(folder: Path) -> None:
    with LMDBAttemptStore(folder) as store:
        store.save("job:0", RetryRecord(attempts=1))
        pids: list[int] = []

        def fork(rows: Any) -> None:
            rows.write("job:1", RetryRecord(attempts=1), before=None)
            pids.append(os.fork())

        try:
            store._handle.write(fork)
        except StoreError:
            os._exit(0 if pids == [0] else 2)
        except BaseException:  # noqa: BLE001  # the child never gets back into pytest
            os._exit(3)
        if pids == [0]:
            os._exit(4)
        assert os.waitstatus_to_exitcode(os.waitpid(pids[0], 0)[1]) == 0
        store.save("job:2", RetryRecord(attempts=1))
        assert [key for key, _ in store.records()] == ["job:0", "job:1", "job:2"]


def test_a_signal_handler_that_uses_the_store_gets_an_error_and_breaks_nothing(
    folder: Path,
) -> None:
    with LMDBAttemptStore(folder) as store:
        store.save("job:0", RetryRecord(attempts=1))
        before = signal.getsignal(signal.SIGUSR1)
        said: list[str] = []

        def handle(number: int, frame: object) -> None:
            for use in (lambda: store.load("job:0"), lambda: store.delete("job:0")):
                with pytest.raises(StoreLockedError) as caught:
                    use()
                said.append(str(caught.value))

        def interrupted(rows: Any) -> None:
            rows.write("job:1", RetryRecord(attempts=1), before=None)
            signal.raise_signal(signal.SIGUSR1)

        signal.signal(signal.SIGUSR1, handle)
        try:
            store._handle.write(interrupted)
        finally:
            signal.signal(signal.SIGUSR1, before)
        assert len(said) == 2
        assert [key for key, _ in store.records()] == ["job:0", "job:1"]


def test_threads_that_fork_at_the_same_time_do_not_wait_for_ever(folder: Path) -> None:
    codes: list[int] = []
    with LMDBAttemptStore(folder) as store:
        store.save("job:0", RetryRecord(attempts=1))

        def work(worker: int) -> None:
            codes.extend(
                _child(lambda n=number: store.save(f"{worker}:{n}", RetryRecord(attempts=1)))
                for number in range(5)
            )

        threads = [threading.Thread(target=work, args=(worker,)) for worker in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert codes == [0] * 15
        assert len(store.records()) == 16
    assert environments._held == {}
