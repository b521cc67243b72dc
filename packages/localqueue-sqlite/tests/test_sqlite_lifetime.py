"""A store at its process's end, under its own feet, and after its file was taken away."""

import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from localqueue.core import RetryRecord, StoreLockedError
from localqueue.sqlite import SQLiteAttemptStore

RECORD = RetryRecord(1, 7.0)

RunProgram = Callable[[str], subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path) -> RunProgram:
    def run(program: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", textwrap.dedent(program), str(tmp_path / "retries.sqlite3")],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def test_daemon_threads_do_not_crash_the_interpreter_at_exit(run: RunProgram) -> None:
    for _ in range(10):
        done = run("""
            import sys, threading, time
            from localqueue.core import RetryRecord
            from localqueue.sqlite import SQLiteAttemptStore

            store = SQLiteAttemptStore(sys.argv[1])

            def work():
                while True:
                    store.save("job", RetryRecord(1, 7.0))
                    store.load("job")

            for _ in range(2):
                threading.Thread(target=work, daemon=True).start()
            time.sleep(0.1)
        """)
        assert (done.returncode, done.stderr) == (0, "")


def test_a_handler_at_exit_can_use_the_store(run: RunProgram) -> None:
    done = run("""
        import atexit, sys
        from localqueue.core import RetryRecord
        from localqueue.sqlite import SQLiteAttemptStore

        store = SQLiteAttemptStore(sys.argv[1])
        atexit.register(lambda: print(store.load("job").attempts))
        store.save("job", RetryRecord(3, 7.0))
    """)
    assert (done.stdout, done.stderr) == ("3\n", "")


def test_an_operation_inside_an_operation_is_refused_and_does_not_hang(tmp_path: Path) -> None:
    with SQLiteAttemptStore(tmp_path / "retries.sqlite3") as store:
        store.save("job", RECORD)

        seen: list[BaseException] = []

        def meddle() -> int:
            try:
                store.load("job")
            except StoreLockedError as error:
                seen.append(error)
            return 0

        # SQLite calls the handler in the middle of a statement, as a signal or the collector may.
        connection = store._database._connection
        assert connection is not None
        connection.set_progress_handler(meddle, 1)
        store.save("job", RECORD)
        connection.set_progress_handler(None, 1)
        assert "in use by this thread" in str(seen[0])
        assert store.load("job") == RECORD


def test_a_store_follows_its_path_when_the_file_is_taken_away(tmp_path: Path) -> None:
    path = tmp_path / "retries.sqlite3"
    with SQLiteAttemptStore(path) as worker, SQLiteAttemptStore(path) as other:
        worker.save("job", RECORD)
        assert other.load("job") == RECORD
        for file in tmp_path.glob("retries.sqlite3*"):
            file.rename(tmp_path / f"old-{file.name}")

        assert other.load("job") is None
        assert worker.load("job") is None
        worker.save("job", RetryRecord(2, 9.0))
        assert other.load("job") == RetryRecord(2, 9.0)
