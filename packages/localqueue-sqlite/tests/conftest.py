"""What the tests of the SQLite store share: a place for it, and programs that run beside the test."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

PROGRAMS = Path(__file__).parent / "programs"
LONGEST_SECONDS = 60


class Program:
    """A running program of the folder ``programs`` that answers in lines of JSON."""

    def __init__(self, name: str, arguments: tuple[object, ...], **options: Any) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", str(PROGRAMS / name), *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            **options,
        )

    def answer(self) -> Any:
        """The next line."""
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())

    def tell(self) -> None:
        """Let a program that waits for a line go on."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def end(self) -> str:
        """Wait for a successful end; returns what was not yet read."""
        rest, _ = self.process.communicate(timeout=LONGEST_SECONDS)
        assert self.process.returncode == 0, rest
        return rest


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the store of the test lies; nothing is there yet."""
    return tmp_path / "retries.sqlite3"


@pytest.fixture
def start() -> Iterator[Callable[..., Program]]:
    """Start a program; all that were started are gone when the test ends."""
    started: list[Program] = []

    def begin(name: str, *arguments: object, **options: Any) -> Program:
        started.append(Program(name, arguments, **options))
        return started[-1]

    yield begin
    for program in started:
        program.process.kill()
        program.process.communicate()


@pytest.fixture
def ask(start: Callable[..., Program]) -> Callable[..., Any]:
    """Run a program to its end; returns the one line that it answers."""

    def run(name: str, *arguments: object, **options: Any) -> Any:
        return json.loads(start(name, *arguments, **options).end())

    return run
