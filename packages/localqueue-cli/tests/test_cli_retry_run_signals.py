"""``retry run``: signals reach the command, a kill counts, an interruption is given back."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from localqueue.core import RetryRecord

Stored = Callable[[str], RetryRecord | None]

# Writes its own id, then a line for each signal that it is told to catch; ends after SECONDS.
WATCHER = """
import os, signal, sys, time
place, seconds, status, *names = sys.argv[1:]
def note(text):
    with open(place, "a") as file:
        file.write(text + "\\n")
ended = []
for name in names:
    signal.signal(getattr(signal, name), lambda number, _: (note(signal.Signals(number).name), ended.append(1)))
note(str(os.getpid()))
deadline = time.monotonic() + float(seconds)
while time.monotonic() < deadline and not ended:
    time.sleep(0.02)
time.sleep(0.2)
sys.exit(int(status))
"""


class Watched:
    """``retry run`` of a command that writes down what reaches it."""

    def __init__(self, begin: Callable[..., Any], folder: Path, waits: Callable[..., None]) -> None:
        self.witness = folder / "witness"
        self._begin = begin
        self._waits = waits
        self._program = folder / "watcher.py"
        self._program.write_text(WATCHER)
        self.commands: list[int] = []

    def begin(self, *options: object, seconds: float = 30, status: int = 1, catch: str = "") -> Any:
        """Start it, and wait until the command runs."""
        known = len(self.lines())
        process = self._begin(
            "retry", "run", "job", *options, "--", "python3", self._program,
            self.witness, seconds, status, *catch.split(),
        )  # fmt: skip
        self._waits(lambda: len(self.lines()) > known)
        self.commands.append(int(self.lines()[known]))
        return process

    def lines(self) -> list[str]:
        return self.witness.read_text().split() if self.witness.exists() else []

    def signals(self) -> list[str]:
        return [line for line in self.lines() if line.startswith("SIG")]


@pytest.fixture
def in_pipes(
    start: Callable[..., Any], tmp_path: Path, waits: Callable[..., None]
) -> Iterator[Watched]:
    watched = Watched(start, tmp_path, waits)
    yield watched
    kill_all(watched.commands)


@pytest.fixture
def on_terminal(
    terminal: Callable[..., Any], tmp_path: Path, waits: Callable[..., None]
) -> Iterator[Watched]:
    watched = Watched(terminal, tmp_path, waits)
    yield watched
    kill_all(watched.commands)


def kill_all(pids: list[int]) -> None:
    for pid in pids:
        if is_watcher(pid):
            os.kill(pid, signal.SIGKILL)


def is_watcher(pid: int) -> bool:
    try:
        return b"watcher.py" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return False


def test_a_killed_localqueue_has_used_an_attempt_up(
    in_pipes: Watched, database: Path, stored: Stored, localqueue: Callable[..., Any]
) -> None:
    process = in_pipes.begin("--store-path", database, "--max-tries", 1)
    process.kill()
    process.wait()
    record = stored("job")
    assert record is not None
    assert (record.attempts, record.exhausted, record.last_error_at) == (1, False, None)
    again = localqueue(
        "retry", "run", "job", "--store-path", database, "--max-tries", 1, "--", "echo", "ran"
    )
    assert (again.returncode, again.stdout) == (69, "")
    assert "no outcome is known" in again.stderr


def test_a_killed_command_has_used_an_attempt_up(
    in_pipes: Watched, database: Path, stored: Stored
) -> None:
    process = in_pipes.begin("--store-path", database, "--max-tries", 2, "--max-wait", 0)
    os.kill(in_pipes.commands[0], signal.SIGKILL)
    assert process.wait(30) == 75
    record = stored("job")
    assert record is not None
    assert (record.attempts, record.last_error_message) == (1, "python3 was killed by SIGKILL")


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"])
def test_a_signal_reaches_the_command_and_gives_the_attempt_back(
    in_pipes: Watched, database: Path, stored: Stored, name: str
) -> None:
    number = signal.Signals[name]
    process = in_pipes.begin("--store-path", database, status=3, catch=name)
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (-number, "", "")
    assert in_pipes.signals() == [name]
    record = stored("job")
    assert record is not None
    assert (record.attempts, record.interruptions) == (0, 1)


def test_a_command_that_a_signal_kills_was_interrupted_too(
    in_pipes: Watched, database: Path, stored: Stored
) -> None:
    process = in_pipes.begin("--store-path", database)
    process.terminate()
    assert process.wait(30) == -signal.SIGTERM
    record = stored("job")
    assert record is not None
    assert (record.attempts, record.interruptions) == (0, 1)
    assert not is_watcher(in_pipes.commands[0])


def test_a_command_that_finishes_after_a_signal_has_succeeded(
    in_pipes: Watched, database: Path, stored: Stored
) -> None:
    process = in_pipes.begin("--store-path", database, status=0, catch="SIGTERM")
    process.terminate()
    assert process.wait(30) == 0
    assert stored("job") is None


def test_an_interruption_is_given_back_only_so_often(
    in_pipes: Watched, database: Path, stored: Stored
) -> None:
    for _ in range(6):
        process = in_pipes.begin("--store-path", database)
        process.terminate()
        process.wait(30)
    record = stored("job")
    assert record is not None
    assert (record.attempts, record.interruptions) == (1, 5)


def test_a_signal_that_means_no_end_goes_on_to_the_command_only(
    in_pipes: Watched, database: Path, stored: Stored
) -> None:
    process = in_pipes.begin("--store-path", database, "--max-wait", 0, status=1, catch="SIGUSR1")
    process.send_signal(signal.SIGUSR1)
    assert process.wait(30) == 75
    assert in_pipes.signals() == ["SIGUSR1"]
    record = stored("job")
    assert record is not None
    assert (record.attempts, record.interruptions) == (1, 0)


def test_ctrl_c_on_a_terminal_reaches_the_command_once(
    on_terminal: Watched, database: Path, stored: Stored
) -> None:
    session = on_terminal.begin("--store-path", database, catch="SIGINT")
    session.type("\x03")
    status, shown = session.end()
    assert (status, shown) == (-signal.SIGINT, "^C")
    assert on_terminal.signals() == ["SIGINT"]
    record = stored("job")
    assert record is not None
    assert (record.attempts, record.interruptions) == (0, 1)


def test_a_sigint_from_elsewhere_reaches_a_command_on_a_terminal(
    on_terminal: Watched, database: Path
) -> None:
    session = on_terminal.begin("--store-path", database, catch="SIGINT")
    session.process.send_signal(signal.SIGINT)
    status, _ = session.end()
    assert (status, on_terminal.signals()) == (-signal.SIGINT, ["SIGINT"])


def test_the_command_has_the_terminal(terminal: Callable[..., Any], database: Path) -> None:
    script = "test -t 0 && test -t 1 && test -t 2 && read word && echo got $word"
    session = terminal("retry", "run", "job", "--store-path", database, "--", "sh", "-c", script)
    session.type("hello\n")
    status, shown = session.end()
    assert (status, shown) == (0, "hello\r\ngot hello\r\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_wait_for_the_next_attempt(
    start: Callable[..., subprocess.Popen[str]],
    database: Path,
    stored: Stored,
    number: signal.Signals,
) -> None:
    waiting = start("retry", "run", "job", "--wait", "1h", "--store-path", database, "--", "false")
    assert waiting.stderr is not None
    while "the next attempt is due in 60 min" not in waiting.stderr.readline():
        pass
    waiting.send_signal(number)
    assert waiting.wait(30) == -number
    assert waiting.stderr.read() == ""
    record = stored("job")
    assert record is not None
    assert (record.attempts, record.interruptions) == (1, 0)


def test_nohup_stays_nohup(
    start: Callable[..., Any], tmp_path: Path, waits: Callable[..., None], database: Path
) -> None:
    def begin(*arguments: object) -> subprocess.Popen[str]:
        return start(*arguments, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))

    watched = Watched(begin, tmp_path, waits)
    process = watched.begin("--store-path", database, seconds=0.5, status=0)
    process.send_signal(signal.SIGHUP)
    os.kill(watched.commands[0], signal.SIGHUP)
    assert process.wait(30) == 0


def test_a_success_that_a_late_signal_meets_is_still_a_success(
    start: Callable[..., subprocess.Popen[str]], database: Path, stored: Stored
) -> None:
    # The command ends with 0 and sends the signal last, so that both arrive together.
    ends = []
    for _ in range(10):
        process = start(
            "retry", "run", "job", "--store-path", database, "--",
            "sh", "-c", "kill -TERM $PPID; exit 0",
        )  # fmt: skip
        ends.append(process.wait(30))
        record = stored("job")
        # Either the signal killed the shell first, or the success stands: never a lost success.
        assert (record is None) == (ends[-1] == 0)
        time.sleep(0.01)
    assert set(ends) <= {0, -signal.SIGTERM}
