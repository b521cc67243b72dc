"""What docs/command-line.md tells schedulers to run, run as they would."""

import configparser
import re
import shlex
import subprocess
import sysconfig
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from localqueue.core import RetryRecord
from localqueue.sqlite import SQLiteAttemptStore

PAGE = Path(__file__).resolve().parents[1] / "docs" / "command-line.md"
PROGRAM = Path(sysconfig.get_path("scripts")) / "localqueue"

TRY_LATER = 75
EXHAUSTED = 69


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


class Home:
    """A user's home with localqueue where pipx puts it, and a job that a test lets fail."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "bin").mkdir(parents=True)
        scripts = folder / ".local" / "bin"
        scripts.mkdir(parents=True)
        (scripts / "localqueue").symlink_to(PROGRAM)
        self.env = {"HOME": str(folder), "PATH": "/usr/bin:/bin", "SHELL": "/bin/sh"}

    def job(self, name: str, *, succeeds: bool) -> None:
        script = self.folder / "bin" / name
        script.write_text(f"#!/bin/sh\necho ran >> $HOME/runs\nexit {0 if succeeds else 1}\n")
        script.chmod(0o700)

    def runs(self) -> int:
        witness = self.folder / "runs"
        return len(witness.read_text().split()) if witness.exists() else 0

    def record(self, key: str) -> RetryRecord | None:
        with self._store() as store:
            return store.load(key)

    def let_time_pass(self, key: str) -> None:
        """Move the record of ``key`` back until its next attempt is due."""
        with self._store() as store:
            record = store.load(key)
            assert record is not None
            assert record.next_attempt_at is not None
            assert record.next_attempt_at > time.time() + 60
            store.save(key, replace(record, next_attempt_at=time.time() - 1))

    def _store(self) -> SQLiteAttemptStore:
        return SQLiteAttemptStore(self.folder / ".local/share/localqueue/retries.sqlite3")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


Tick = Callable[[], int]


@pytest.fixture
def cron(home: Home) -> Tick:
    """One run of the crontab line, as cron runs it: /bin/sh, in the home, almost no environment."""
    (line,) = (
        each
        for block in blocks("crontab")
        for each in block.splitlines()
        if each[:1] not in ("", "#")
    )
    *times, command = line.split(maxsplit=5)
    assert times == ["*/5", "*", "*", "*", "*"]
    assert "%" not in command  # cron would take it for a line break

    def tick() -> int:
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            env=home.env,
            cwd=home.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.stdout, done.stderr) == ("", "")  # nothing to mail
        return done.returncode

    return tick


def unit(kind: str) -> configparser.ConfigParser:
    (text,) = (block for block in blocks("ini") if block.startswith("# nightly-report." + kind))
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(text)
    return parser


@pytest.fixture
def systemd(home: Home) -> Tick:
    """One start of the service, as systemd runs it: no shell, %h replaced."""
    words = shlex.split(unit("service")["Service"]["ExecStart"].replace("%h", str(home.folder)))

    def tick() -> int:
        done = subprocess.run(
            words,
            env=home.env,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )
        return done.returncode

    return tick


@pytest.mark.parametrize(
    ("scheduler", "key", "job", "budget"),
    [("cron", "order-sync", "sync-orders", 8), ("systemd", "nightly-report", "report", 6)],
)
def test_a_scheduler_keeps_a_budget_over_its_runs(
    request: pytest.FixtureRequest, home: Home, scheduler: str, key: str, job: str, budget: int
) -> None:
    tick: Tick = request.getfixturevalue(scheduler)
    home.job(job, succeeds=True)
    assert (tick(), tick(), home.runs()) == (0, 0, 2)
    assert home.record(key) is None

    home.job(job, succeeds=False)
    assert (tick(), home.runs()) == (TRY_LATER, 3)
    assert (tick(), home.runs()) == (TRY_LATER, 3)  # not due yet
    home.let_time_pass(key)
    home.job(job, succeeds=True)
    assert (tick(), home.runs()) == (0, 4)
    assert home.record(key) is None

    home.job(job, succeeds=False)
    for _ in range(budget - 1):
        assert tick() == TRY_LATER
        home.let_time_pass(key)
    assert (tick(), home.runs()) == (EXHAUSTED, 4 + budget)
    home.job(job, succeeds=True)
    assert (tick(), home.runs()) == (EXHAUSTED, 4 + budget)

    reset = subprocess.run(
        [PROGRAM, "retry", "reset", key], env=home.env, capture_output=True, check=False
    )
    assert reset.returncode == 0
    assert (tick(), home.runs()) == (0, 5 + budget)


def test_systemd_starts_the_service_again_at_75_and_not_at_69() -> None:
    service = unit("service")
    assert service["Service"]["Type"] == "oneshot"
    assert service["Service"]["Restart"] == "on-failure"
    assert service["Service"]["RestartPreventExitStatus"].split() == [str(EXHAUSTED)]
    # Without this, systemd gives up by itself after five starts in ten seconds.
    assert service["Unit"]["StartLimitIntervalSec"] == "0"
    assert unit("timer")["Timer"]["Persistent"] == "true"


def test_every_command_of_the_page_is_understood(home: Home) -> None:
    """Each ``localqueue`` line of the page exists, with the options that it shows."""
    lines = [
        line
        for block in blocks("sh")
        for line in block.splitlines()
        if line.startswith("localqueue ")
    ]
    assert len(lines) >= 8
    home.job("sync-orders", succeeds=True)
    env = home.env | {"PATH": f"{PROGRAM.parent}:{home.folder / 'bin'}:/usr/bin:/bin"}
    for line in lines:
        done = subprocess.run(
            ["/bin/sh", "-c", line],
            env=env,
            cwd=home.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        # Nothing is there to be shown, so that 3 and 4 are right answers; wrong usage is 2.
        assert done.returncode in (0, 3, 4), f"{line}\n{done.stderr}"
