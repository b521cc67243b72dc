"""Move all distributions of the workspace, and the pins between them, to one version.

    python tools/release/set_version.py 2.1.0

Each version is moved by ``hatch version``, so it must be higher than the one that is there.
Give ``--root`` to work on another checkout.
"""

import argparse
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def hatch_version(package: Path, *arguments: str) -> str:
    """Run ``hatch version`` in the folder of a package and return what it prints."""
    command = [sys.executable, "-m", "hatch", "--no-color", "--quiet", "version", *arguments]
    # UV_PYTHON would make hatch put what it needs into that interpreter, not into its own environment.
    environment = {name: value for name, value in os.environ.items() if name != "UV_PYTHON"}
    done = subprocess.run(
        command, cwd=package, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{package.name}: hatch version failed\n{done.stdout}{done.stderr}")
    return done.stdout.strip()


def move_pins(pyproject: Path, names: list[str], version: str) -> None:
    """Rewrite each exact pin of a sibling in *pyproject*."""
    siblings = "|".join(re.escape(name) for name in names)
    pin = re.compile(rf'(?P<start>"(?:{siblings})(?:\[[^\]]*\])?==)[^"\s;]+')
    text = pyproject.read_text(encoding="utf-8")
    pyproject.write_text(pin.sub(rf"\g<start>{version}", text), encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Set one version for all distributions.")
    parser.add_argument("version")
    parser.add_argument("--root", type=Path, default=ROOT)
    options = parser.parse_args(arguments)
    projects = sorted(options.root.glob("packages/*/pyproject.toml"))
    names = [
        tomllib.loads(project.read_text(encoding="utf-8"))["project"]["name"]
        for project in projects
    ]
    for project in projects:
        hatch_version(project.parent, options.version)
    version = hatch_version(projects[0].parent)  # as hatch normalised it
    for project in projects:
        move_pins(project, names, version)
    print(f"{', '.join(names)}: {version}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
