"""Run the project's commands on a machine that has only Python (3.11 or newer) and pip.

    python tools/run.py test [pytest arguments]      the test suite
    python tools/run.py example [arguments]          docs/examples/nightly_report.py
    python tools/run.py uv ARGUMENTS                 uv itself, as pinned in pyproject.toml

The first run puts the pinned uv into ``.uv`` and makes the environment ``.venv`` (or the one that
UV_PROJECT_ENVIRONMENT names) with this interpreter. Outside of the checkout it writes only to the
cache of uv; the example keeps its record in your default store.
"""

import os
import subprocess
import sys

if sys.version_info < (3, 11):  # noqa: UP036 - it is run with any Python
    sys.exit(f"localqueue needs Python 3.11 or newer; this is {sys.version.split()[0]}.")

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
UV_HOME = ROOT / ".uv"
COMMANDS = {
    "test": ["pytest"],
    "example": ["python", "docs/examples/nightly_report.py"],
}


def pinned_uv() -> str:
    """Return the requirement of uv, ``uv==X``, as the root pyproject.toml pins it."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["uv"]
    pins: list[str] = settings["constraint-dependencies"]
    return next(pin for pin in pins if re.match(r"uv\s*==", pin))


def install_uv() -> Path:
    """Return the pinned uv, after installing it into its own folder when it is not there yet.

    pip's ``--target`` needs no virtual environment and works on an externally managed Python.
    """
    requirement = pinned_uv()
    binary = UV_HOME / "bin" / ("uv.exe" if os.name == "nt" else "uv")
    stamp = UV_HOME / "installed"
    if binary.exists() and stamp.exists() and stamp.read_text(encoding="utf-8") == requirement:
        return binary
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    target = ["--target", str(UV_HOME), "--upgrade", "--no-deps", requirement]
    environment = os.environ | {"PIP_USER": "0", "PIP_ROOT_USER_ACTION": "ignore"}
    if subprocess.run([*pip, *target], env=environment, check=False).returncode:
        sys.exit(f"pip could not install {requirement}; see its message above.")
    stamp.write_text(requirement, encoding="utf-8")
    return binary


def main(arguments: list[str]) -> int:
    """Run one command and return its exit code."""
    verb, *rest = arguments or ["help"]
    if verb != "uv" and verb not in COMMANDS:
        print(__doc__)
        return 0 if verb in {"help", "-h", "--help"} else 2
    # Either would point uv, or a tool that calls uv, to another environment than the project's.
    misleading = {"UV_PYTHON", "VIRTUAL_ENV"}
    environment = {name: value for name, value in os.environ.items() if name not in misleading}
    uv = str(install_uv())
    if verb == "uv":
        command = [uv, *rest]
    else:
        sync = [uv, "sync", "--quiet", "--all-packages", "--all-extras", "--python", sys.executable]
        if code := subprocess.run(sync, cwd=ROOT, env=environment, check=False).returncode:
            return code
        command = [uv, "run", "--quiet", "--no-sync", *COMMANDS[verb], *rest]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
