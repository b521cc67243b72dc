"""Where the benchmark runs, and with what."""

import os
import platform
import sqlite3
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
UV = os.environ.get("UV", "uv")  # "uv run" says where it is

# Of the processes that are measured: their modules are compiled once, as a user's are.
VARIABLES = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def describe() -> dict[str, str]:
    """The machine and the versions, as they are printed above the figures."""
    return {
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors",
        "Python": platform.python_version(),
        "SQLite": sqlite3.sqlite_version,
        **{name: version(name) for name in ("localqueue-tenacity", "tenacity", "lmdb")},
    }
