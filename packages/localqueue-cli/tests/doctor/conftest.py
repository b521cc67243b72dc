"""Looking at stores with ``localqueue doctor``, while other programs use them."""

import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from localqueue.core import RetryRecord

USER = Path(__file__).parents[1] / "programs" / "cli_store_user.py"

Run = Callable[..., Any]
Fill = Callable[[dict[str, RetryRecord]], None]


class Seen(NamedTuple):
    status: int
    findings: list[dict[str, str]]

    def problems(self) -> list[tuple[str, str, str]]:
        return [self._told(each) for each in self.findings if each["status"] == "problem"]

    def of(self, check: str) -> tuple[str, str]:
        (each,) = (each for each in self.findings if each["check"] == check)
        return each["status"], each["found"]

    @staticmethod
    def _told(finding: dict[str, str]) -> tuple[str, str, str]:
        return finding["check"], finding["found"], finding["remedy"]


@pytest.fixture
def look(localqueue: Run) -> Callable[..., Seen]:
    def run(*arguments: object, **options: Any) -> Seen:
        done = localqueue("doctor", *arguments, **options)
        seen = Seen(done.returncode, json.loads(done.stdout))
        count = len(seen.problems())
        words = "1 problem was" if count == 1 else f"{count} problems were"
        assert done.stderr == (f"{words} found\n" if count else "")
        assert seen.status == bool(count)
        assert all(each["remedy"] for each in seen.findings if each["status"] == "problem")
        return seen

    return run


@pytest.fixture
def healthy(database: Path, fill: Fill) -> Path:
    """A store that nothing is wrong with."""
    now = time.time()
    fill(
        {
            "job:waits": RetryRecord(1, now - 10, last_attempt_at=now, next_attempt_at=now + 9e6),
            "job:spent": RetryRecord(3, now - 9, exhausted=True, exhausted_at=now - 1),
        }
    )
    return database


@pytest.fixture
def use() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a program that uses the store; wait until it does."""
    started: list[subprocess.Popen[str]] = []

    def begin(*arguments: object) -> subprocess.Popen[str]:
        command = [sys.executable, "-W", "error", USER, *map(str, arguments)]
        pipe = subprocess.PIPE
        started.append(subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True))
        output = started[-1].stdout
        assert output is not None
        assert output.readline() in {"ready\n", ""}
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture(scope="session")
def digest() -> Callable[[Path], str]:
    """What tells whether a file has changed."""
    return lambda file: hashlib.sha256(file.read_bytes()).hexdigest()
