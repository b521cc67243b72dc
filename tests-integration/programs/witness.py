"""An append-only file that jobs write to themselves: what it says has happened."""

import json
import os
from pathlib import Path
from typing import Any


class Witness:
    """One line a fact. A line is a single write, so that processes never mix theirs."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = os.open(path, os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o600)

    def write(self, **fact: Any) -> None:
        line = json.dumps(fact).encode() + b"\n"
        if os.write(self._file, line) != len(line):
            raise OSError(f"a line of {self._path} was cut short")

    def read(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._path.read_text().splitlines()]

    def close(self) -> None:
        os.close(self._file)
