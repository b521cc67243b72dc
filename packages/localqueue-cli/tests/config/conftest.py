"""The settings file of the user who runs the program."""

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def home(env: dict[str, str]) -> Path:
    return Path(env["HOME"])


@pytest.fixture
def file(home: Path) -> Path:
    """The settings file; the folder is there, the file is not."""
    folder = home / ".config" / "localqueue"
    folder.mkdir(parents=True)
    return folder / "config.toml"


@pytest.fixture
def write() -> Callable[[Path, str], None]:
    """Write a file with the line ends that are given."""

    def put(file: Path, text: str) -> None:
        file.write_bytes(text.encode())

    return put
