"""How long it takes to import the packages and to run the commands, as whole processes."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from environment import VARIABLES
from figures import paired, spread, summary

from localqueue.core import RetryRecord
from localqueue.sqlite import SQLiteAttemptStore

NOTHING = "python -c pass"


def run(folder: Path, rounds: int) -> dict[str, Any]:
    """Milliseconds of each process, and how the imports compare without the interpreter's start."""
    store = folder / "small.sqlite3"
    with SQLiteAttemptStore(store) as small:
        for number in range(100):
            small.save(f"job:{number}", RetryRecord(attempts=3, exhausted=number % 2 == 0))
    localqueue = str(Path(sys.executable).with_name("localqueue"))
    prune = ["retry", "prune", "--older-than", "1h", "--store-path", str(store), "--dry-run"]
    commands = {
        NOTHING: [sys.executable, "-c", "pass"],
        "import localqueue.core": [sys.executable, "-c", "import localqueue.core"],
        "import localqueue.retry": [sys.executable, "-c", "import localqueue.retry"],
        "import tenacity": [sys.executable, "-c", "import tenacity"],
        "localqueue --help": [localqueue, "--help"],
        "localqueue retry prune": [localqueue, *prune],
    }
    times = paired(list(commands), rounds, lambda name: _milliseconds(commands[name]))
    # The least of many is what the work itself takes; the rest is what else the machine did.
    net = {name: min(values) - min(times[NOTHING]) for name, values in times.items()}
    return {
        "milliseconds": {name: summary(values) for name, values in times.items()},
        "import_core_ms": net["import localqueue.core"],
        "import_retry_to_tenacity": net["import localqueue.retry"] / net["import tenacity"],
    }


def _milliseconds(command: list[str]) -> float:
    begun = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=VARIABLES)
    return (time.perf_counter() - begun) * 1e3


def print_result(result: dict[str, Any]) -> None:
    """The rows of the table."""
    for name, figure in result["milliseconds"].items():
        print(f"{name}: {spread(figure, 0)} ms")
    print(
        f"    without the interpreter's start: localqueue.core {result['import_core_ms']:.0f} ms,"
        f" localqueue.retry {result['import_retry_to_tenacity']:.2f} x tenacity"
    )
