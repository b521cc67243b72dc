"""Folders of stores, and the programs that the tests run in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAMS = Path(__file__).with_name("programs")


class Start(Protocol):
    def __call__(self, program: str, *arguments: object) -> subprocess.Popen[str]: ...


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a store may be; nothing is there yet."""
    return tmp_path / "retries"


@pytest.fixture
def start() -> Iterator[Start]:
    """Start one of the programs; what still runs at the end of the test is killed."""
    running: list[subprocess.Popen[str]] = []

    def start_program(program: str, *arguments: object) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, PROGRAMS / f"{program}.py", *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        running.append(process)
        return process

    yield start_program
    for process in running:
        process.kill()
        process.communicate()


@pytest.fixture
def run(start: Start) -> object:
    """Run one of the programs to its end: its return code, its output and its errors."""

    def run_program(program: str, *arguments: object) -> tuple[int, str, str]:
        process = start(program, *arguments)
        out, err = process.communicate(timeout=120)
        return process.returncode, out, err

    return run_program
