"""Runs one workload of one side in this process and prints its seconds per call as JSON.

    python SIDE.py WORKLOAD CALLS

A side is a module of functions. Each of them prepares a workload in the given folder and returns
``run(n)``, which does the work n times; a name that a side lacks has no counterpart there.
"""

import json
import platform
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

Workload = Callable[[Path], Callable[[int], object]]


def main(workloads: dict[str, Workload], versions: list[str]) -> None:
    """Measure what the command line names; ``versions`` are distributions to name with it."""
    from importlib.metadata import version

    name, calls = sys.argv[1], int(sys.argv[2])
    with tempfile.TemporaryDirectory() as folder:
        run = workloads[name](Path(folder))
        run(max(1, calls // 10))  # warm-up: open the file, fill the caches
        begun = time.perf_counter()
        extra = run(calls)
        seconds = (time.perf_counter() - begun) / calls
    json.dump(
        {
            "seconds": seconds,
            "extra": extra,
            "versions": {one: version(one) for one in versions}
            | {"python": platform.python_version(), "sqlite": sqlite3.sqlite_version},
        },
        sys.stdout,
    )
