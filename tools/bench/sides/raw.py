"""SQLite alone, with the settings of the store: what the writes of a workload cost at the least."""

import itertools
import sqlite3
from collections.abc import Callable
from pathlib import Path

import measure

ROW = ("job", 1, 1.0, 0, 1.0, None, "host:1", "0123456789abcdef", "0123456789abcdef")


def _open(folder: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(folder / "raw.sqlite3", isolation_level=None)
    connection.execute("PRAGMA page_size=2048")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute(
        "CREATE TABLE records (key TEXT PRIMARY KEY, attempts, first, spent, last, next, owner,"
        " budget, revision) WITHOUT ROWID"
    )
    return connection


def succeed(folder: Path) -> Callable[[int], object]:
    """Look, reserve, remove."""
    connection = _open(folder)
    numbers = itertools.count()

    def run(calls: int) -> None:
        for _ in range(calls):
            key = f"job:{next(numbers)}"
            connection.execute("SELECT * FROM records WHERE key = ?", (key,)).fetchall()
            connection.execute(
                "INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (key) DO NOTHING",
                (key, *ROW[1:]),
            )
            connection.execute("DELETE FROM records WHERE key = ?", (key,))

    return run


def refuse(folder: Path) -> Callable[[int], object]:
    """Look."""
    connection = _open(folder)
    connection.execute("INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", ROW)

    def run(calls: int) -> None:
        for _ in range(calls):
            connection.execute("SELECT * FROM records WHERE key = ?", ("job",)).fetchall()

    return run


if __name__ == "__main__":
    measure.main({"succeed": succeed, "refuse": refuse}, [])
