"""Running the programs of the campaigns."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PROGRAMS = Path(__file__).parent / "programs"

RunProgram = Callable[..., Any]


@pytest.fixture
def run_program(tmp_path: Path) -> RunProgram:
    """Run ``programs/NAME FOLDER ARGUMENTS...`` and return the JSON that it prints.

    Each program is a campaign: it starts what processes it needs and reports what it counted;
    the test says what the counts must be. Anything on its standard error fails the test.
    """

    def run(name: str, *arguments: object) -> Any:
        command = [sys.executable, "-W", "error", PROGRAMS / name, tmp_path, *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr + done.stdout
        return json.loads(done.stdout)

    return run


@pytest.fixture(scope="session")
def is_full() -> bool:
    """Whether the campaigns run at their full size: ``LOCALQUEUE_CAMPAIGN=full``."""
    return os.environ.get("LOCALQUEUE_CAMPAIGN") == "full"
