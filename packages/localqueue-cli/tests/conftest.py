"""Running the installed program: in pipes, and on a terminal."""

import ctypes
import errno
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sysconfig
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from localqueue.core import RetryRecord
from localqueue.sqlite import SQLiteAttemptStore

PROGRAM = Path(sysconfig.get_path("scripts")) / "localqueue"
TIMEOUT_SECONDS = 30.0

Run = Callable[..., subprocess.CompletedProcess[str]]


def wait_until(condition: Callable[[], Any], seconds: float = TIMEOUT_SECONDS) -> None:
    """Wait for another process to have done something."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


class Terminal:
    """The installed program on a terminal of its own, as its foreground process."""

    def __init__(self, arguments: tuple[object, ...], env: dict[str, str], cwd: Path) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))

        def take_terminal() -> None:
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(
            [PROGRAM, *map(str, arguments)],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=env,
            cwd=cwd,
            preexec_fn=take_terminal,  # noqa: PLW1509 - no other thread holds a lock it needs
        )
        os.close(slave)
        self._shown = b""

    @property
    def text(self) -> str:
        """Everything that was read so far."""
        return self._shown.decode(errors="replace")

    def type(self, text: str) -> None:
        """Press keys; ``\\x03`` is Ctrl-C."""
        os.write(self._master, text.encode())

    def read_until(self, wanted: str) -> str:
        """Everything that was shown so far, once ``wanted`` is in it."""
        wait_until(lambda: (self._read(), wanted in self.text)[1])
        return self.text

    def end(self) -> tuple[int, str]:
        """The exit status, and everything that was shown."""
        wait_until(lambda: (self._read(), self.process.poll() is not None)[1])
        while self._read():
            pass
        return self.process.wait(), self.text

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._master)

    def _read(self) -> bool:
        """Read what is there; returns whether there was anything."""
        if not select.select([self._master], [], [], 0)[0]:
            return False
        try:
            data = os.read(self._master, 65536)
        except OSError as error:
            if error.errno != errno.EIO:  # Linux: nobody has the terminal open any more
                raise
            return False
        self._shown += data
        return bool(data)


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """The environment of a user who has nothing yet."""
    home = tmp_path / "home"
    home.mkdir()
    return {
        "HOME": str(home),
        "PATH": f"{PROGRAM.parent}:/usr/bin:/bin",
        "TERM": "xterm-256color",
        "LANG": "C.UTF-8",
        "TZ": "UTC",
    }


@pytest.fixture
def localqueue(env: dict[str, str], tmp_path: Path) -> Run:
    """Run the installed program in pipes."""

    def run(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
        settings: dict[str, Any] = {
            "env": env,
            "cwd": tmp_path,
            "capture_output": True,
            "text": True,
            "timeout": TIMEOUT_SECONDS,
            "stdin": None if "input" in options else subprocess.DEVNULL,
        }
        return subprocess.run([PROGRAM, *map(str, arguments)], check=False, **settings | options)

    return run


@pytest.fixture
def start(env: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start the installed program in pipes, and leave it running."""
    started: list[subprocess.Popen[str]] = []

    def begin(*arguments: object, **options: Any) -> subprocess.Popen[str]:
        settings: dict[str, Any] = {
            "env": env,
            "cwd": tmp_path,
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "text": True,
        }
        process = subprocess.Popen([PROGRAM, *map(str, arguments)], **settings | options)
        started.append(process)
        return process

    yield begin
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                stream.close()


@pytest.fixture
def terminal(env: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    """Start the installed program on a terminal."""
    opened: list[Terminal] = []

    def begin(*arguments: object) -> Terminal:
        opened.append(Terminal(arguments, env, tmp_path))
        return opened[-1]

    yield begin
    for each in opened:
        each.close()


@pytest.fixture
def plain() -> Callable[[str], str]:
    """What somebody reads on a terminal: without the escape sequences that the program sent."""
    return lambda text: re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text).replace("\r\n", "\n")


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """The SQLite file of a test's store, which is not there yet."""
    return tmp_path / "retries.sqlite3"


@pytest.fixture
def fill(database: Path) -> Callable[[dict[str, RetryRecord]], None]:
    """Write whole records into the store."""

    def save(records: dict[str, RetryRecord]) -> None:
        with SQLiteAttemptStore(database) as store:
            for key, record in records.items():
                store.save(key, record)

    return save


@pytest.fixture
def stored(database: Path) -> Callable[[str], RetryRecord | None]:
    """The record of a key, as it is now."""

    def load(key: str) -> RetryRecord | None:
        with SQLiteAttemptStore(database) as store:
            return store.load(key)

    return load


@pytest.fixture(scope="session")
def waits() -> Callable[..., None]:
    return wait_until


@pytest.fixture(scope="session", autouse=True)
def heed_signals() -> Iterator[None]:
    """Let the programs under test heed what a shell's background job or nohup would ignore."""
    ignored = [
        number
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)
        if signal.getsignal(number) is signal.SIG_IGN
    ]
    for number in ignored:
        signal.signal(number, signal.SIG_DFL)
    yield
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)


def _drop_privileges() -> None:
    if os.geteuid() == 0:
        override, read_search, drop = 1, 2, 24  # of linux/capability.h and linux/prctl.h
        libc = ctypes.CDLL(None)
        assert libc.prctl(drop, override, 0, 0, 0) == 0
        assert libc.prctl(drop, read_search, 0, 0, 0) == 0


@pytest.fixture(scope="session")
def as_user() -> Callable[[], None]:
    """For ``preexec_fn``: permissions hold for the program even where root runs the tests."""
    return _drop_privileges


@pytest.fixture
def attempt(localqueue: Run, database: Path) -> Run:
    """``retry run job [OPTION]... --store-path ... -- sh -c SCRIPT``."""

    def run(*options: object, script: str, **settings: Any) -> Any:
        place = ("--store-path", database)
        return localqueue(
            "retry", "run", "job", *options, *place, "--", "sh", "-c", script, **settings
        )

    return run


@pytest.fixture
def records() -> dict[str, RetryRecord]:
    """One record in each state."""
    now = time.time()
    return {
        "invoice:1": RetryRecord(
            attempts=2,
            first_attempt_at=now - 90,
            last_attempt_at=now - 60,
            next_attempt_at=now + 3600,
            last_error_type="ConnectionError",
            last_error_message="refused",
            last_error_at=now - 30,
            function="app.send",
            interruptions=1,
            owner="elsewhere:17",
        ),
        "invoice:2": RetryRecord(
            attempts=5,
            first_attempt_at=now - 9000,
            exhausted=True,
            exhausted_at=now - 7200,
            last_error_type="OSError",
            last_error_at=now - 7200,
        ),
        "report": RetryRecord(attempts=1, first_attempt_at=now - 50, succeeded_at=now - 40),
    }
