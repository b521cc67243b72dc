"""Check that pyproject.toml, requirements.lock and what uv resolves name the same versions.

    python tools/ci/check_pins.py            say where they differ, and fail if they do
    python tools/ci/check_pins.py --write    write the resolution into both files

uv.lock is not committed, so these two files are what makes a checkout repeatable: the constraints
steer the resolution, and requirements.lock adds the hashes. Run it with ``uv run``.
"""

import argparse
import os
import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = ROOT / "pyproject.toml"
LOCK = ROOT / "requirements.lock"
HEADER = """\
# Everything that development and CI install beside this workspace's own packages, with hashes.
# Written by "python tools/ci/check_pins.py --write"; do not edit.
"""
EXPORT = [
    "--format=requirements.txt",
    "--all-packages",
    "--all-extras",
    "--all-groups",
    "--no-emit-workspace",
    "--no-header",
    "--no-annotate",
    "--quiet",
]
PIN = re.compile(r"(?P<name>[a-z0-9][a-z0-9-]*)==(?P<version>[^\s;]+)")
BLOCK = re.compile(r"(?m)^constraint-dependencies = \[\n(?:.*\n)*?\]\n")


@dataclass
class Entry:
    """One requirement of a lock: its version, the condition for it, and its files' hashes."""

    version: str
    marker: str
    hashes: set[str] = field(default_factory=set[str])


def export() -> str:
    """Return what uv resolves now, as a requirements file."""
    command = [os.environ.get("UV", "uv"), "export", *EXPORT]
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def parse(text: str) -> dict[str, Entry]:
    """Return the entries of a requirements file, by name."""
    entries: dict[str, Entry] = {}
    for logical in text.replace("\\\n", " ").splitlines():
        if not logical.strip() or logical.lstrip().startswith("#"):
            continue
        requirement, *hashes = logical.split("--hash=")
        pin, _, marker = requirement.partition(";")
        found = PIN.fullmatch(pin.strip())
        if found is None or found["name"] in entries:
            sys.exit(f"{LOCK.name}: one exact pin for each package was expected: {pin.strip()!r}")
        entries[found["name"]] = Entry(
            found["version"], marker.strip(), {each.strip() for each in hashes}
        )
    return entries


def exact(pins: list[str], where: str, problems: list[str]) -> dict[str, str]:
    """Return the versions of *pins* by name; whatever is no exact pin is a problem."""
    versions: dict[str, str] = {}
    for pin in pins:
        if found := PIN.fullmatch(pin):
            versions[found["name"]] = found["version"]
        else:
            problems.append(f"{where}: {pin!r} is not an exact pin 'name==version'")
    return versions


def compare_locks(committed: dict[str, Entry], fresh: dict[str, Entry]) -> list[str]:
    """Return what differs between the committed lock and a fresh resolution.

    A hash that only the fresh one has is fine: a release may gain a file for another platform.
    """
    problems: list[str] = []
    for name in sorted(committed.keys() | fresh.keys()):
        ours, theirs = committed.get(name), fresh.get(name)
        if ours is None or theirs is None:
            place = "is missing from" if ours is None else "is not needed in"
            problems.append(f"{LOCK.name}: {name} {place} it")
        elif (ours.version, ours.marker) != (theirs.version, theirs.marker):
            was = f"{ours.version} ; {ours.marker}".rstrip(" ;")
            now = f"{theirs.version} ; {theirs.marker}".rstrip(" ;")
            problems.append(f"{LOCK.name}: {name} is {was}, uv resolves {now}")
        elif not ours.hashes or not ours.hashes <= theirs.hashes:
            problems.append(f"{LOCK.name}: {name} {ours.version} has other hashes than uv finds")
    return problems


def check() -> list[str]:
    """Return every disagreement between the pins."""
    problems: list[str] = []
    settings = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["tool"]["uv"]
    pins = exact(settings["constraint-dependencies"], "constraint-dependencies", problems)
    build = exact(
        settings["build-constraint-dependencies"], "build-constraint-dependencies", problems
    )
    lock_text = LOCK.read_text(encoding="utf-8") if LOCK.exists() else ""
    if "://" in lock_text:
        problems.append(f"{LOCK.name}: it holds an address")
    lock = parse(lock_text)
    for name in sorted(pins.keys() | lock.keys()):
        locked = lock[name].version if name in lock else "absent"
        pinned = pins.get(name, "absent")
        if pinned != locked:
            problems.append(f"{name}: {pinned} in constraint-dependencies, {locked} in {LOCK.name}")
    for name, version in build.items():
        if name in pins and pins[name] != version:
            problems.append(f"{name}: {version} builds, but {pins[name]} is used elsewhere")
    return problems + compare_locks(lock, parse(export()))


def write() -> None:
    """Write what uv resolves now, under the constraints there are, into both files."""
    text = export()
    pins = "".join(f'    "{name}=={entry.version}",\n' for name, entry in parse(text).items())
    block = f"constraint-dependencies = [\n{pins}]\n"
    project, count = BLOCK.subn(block, PYPROJECT.read_text(encoding="utf-8"))
    if count != 1:
        sys.exit("pyproject.toml: one list constraint-dependencies was expected")
    PYPROJECT.write_text(project, encoding="utf-8")
    LOCK.write_text(HEADER + text, encoding="utf-8")


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Compare the pinned versions.")
    parser.add_argument("--write", action="store_true", help="write them instead")
    if parser.parse_args().write:
        write()
    problems = check()
    for problem in problems:
        print(problem)
    if problems:
        print('If that is meant: "uv run python tools/ci/check_pins.py --write".')
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
