"""Running commands, the programs of the campaigns, and environments made of our wheels."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
PROGRAMS = Path(__file__).parent / "programs"

# A distribution of its own: its tests run where it is installed, see test_thirdparty_store.py.
collect_ignore = ["thirdparty_store"]

RunCommand = Callable[..., str]
RunProgram = Callable[..., Any]
MakeEnvironment = Callable[..., Path]


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


@pytest.fixture(scope="session")
def run_command() -> RunCommand:
    """Run a command that must succeed, in the root unless told, and return what it prints."""

    def run(*command: str | Path, cwd: Path = ROOT) -> str:
        # What points to this environment must not point a command of another one to it.
        misleading = {"PYTHONPATH", "PYTEST_ADDOPTS", "VIRTUAL_ENV"}
        variables = {name: value for name, value in os.environ.items() if name not in misleading}
        done = subprocess.run(
            command, cwd=cwd, env=variables, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout

    return run


@pytest.fixture(scope="session")
def uv() -> str:
    """The uv that runs the tests."""
    found = os.environ.get("UV") or shutil.which("uv")
    assert found is not None, "run the tests with uv run, or with tools/run.py"
    return found


@pytest.fixture(scope="session")
def dist(uv: str, run_command: RunCommand, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the built distributions: LOCALQUEUE_DIST when CI has built them already."""
    if built := os.environ.get("LOCALQUEUE_DIST"):
        return Path(built)
    folder = tmp_path_factory.mktemp("dist")
    run_command(uv, "build", "--quiet", "--all-packages", "--no-sources", "--out-dir", folder)
    return folder


@pytest.fixture(scope="session")
def pins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The versions of requirements.lock as a file of constraints."""
    locked = re.findall(r"(?m)^[\w.-]+==[^ ]+", (ROOT / "requirements.lock").read_text("utf-8"))
    path = tmp_path_factory.mktemp("pins") / "constraints.txt"
    path.write_text("\n".join(locked), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def make_environment(uv: str, pins: Path, run_command: RunCommand) -> MakeEnvironment:
    """Make an environment of wheels and of pinned third-party packages; its Python."""

    def make(folder: Path, wheels: list[Path], third_party: list[str]) -> Path:
        run_command(uv, "venv", "--quiet", "--no-config", "--python", sys.executable, folder)
        python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
        install = [uv, "pip", "install", "--quiet", "--no-config", "--python", python]
        run_command(*install, "--constraints", pins, *third_party)
        run_command(*install, "--no-index", *wheels)
        return python

    return make
