"""tools/release/set_version.py, on a copy of the packages."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "tools" / "release" / "set_version.py"
PIN = re.compile(r"localqueue[a-z-]*==(.+)")


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the packages; hatch keeps its own files beside it."""
    configuration = tmp_path / "hatch.toml"
    configuration.touch()
    monkeypatch.setenv("HATCH_CONFIG", str(configuration))
    monkeypatch.setenv("HATCH_DATA_DIR", str(tmp_path / "hatch-data"))
    monkeypatch.setenv("HATCH_CACHE_DIR", str(tmp_path / "hatch-cache"))
    copy = tmp_path / "checkout"
    ignored = shutil.ignore_patterns("__pycache__", "tests")
    shutil.copytree(ROOT / "packages", copy / "packages", ignore=ignored)
    return copy


def set_version(checkout: Path, version: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), version, "--root", str(checkout)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def version_of(project: Path) -> str:
    table = tomllib.loads(project.read_text(encoding="utf-8"))
    if "version" in table["project"]:
        return str(table["project"]["version"])
    source = (project.parent / table["tool"]["hatch"]["version"]["path"]).read_text("utf-8")
    found = re.search(r'__version__ = "(.+)"', source)
    assert found is not None
    return found[1]


def sibling_pins(project: Path) -> list[str]:
    table = tomllib.loads(project.read_text(encoding="utf-8"))["project"]
    extras = table.get("optional-dependencies", {}).values()
    requirements = [*table["dependencies"], *(each for extra in extras for each in extra)]
    siblings = [each for each in requirements if each.startswith("localqueue")]
    return [found[1] for each in siblings if (found := PIN.fullmatch(each))]


def test_moves_all_versions_and_all_pins(checkout: Path) -> None:
    projects = sorted(checkout.glob("packages/*/pyproject.toml"))
    before = {project: len(sibling_pins(project)) for project in projects}

    done = set_version(checkout, "97.1.0")

    assert done.returncode == 0, done.stdout + done.stderr
    assert {version_of(project) for project in projects} == {"97.1.0"}
    pins = [pin for project in projects for pin in sibling_pins(project)]
    assert set(pins) == {"97.1.0"}
    assert len(pins) == sum(before.values()) > len(projects)
    assert all(len(sibling_pins(project)) == count for project, count in before.items())


def test_changes_nothing_but_versions(checkout: Path) -> None:
    old = version_of(ROOT / "packages" / "localqueue-core" / "pyproject.toml")
    set_version(checkout, "97.1.0")
    for path in (path for path in checkout.rglob("*") if path.is_file()):
        original = ROOT / path.relative_to(checkout)
        expected = original.read_bytes()
        if path.name in {"pyproject.toml", "_version.py"}:
            expected = expected.replace(old.encode(), b"97.1.0")
        assert path.read_bytes() == expected, path


def test_refuses_a_lower_version_and_leaves_the_pins(checkout: Path) -> None:
    done = set_version(checkout, "0.0.1")
    assert done.returncode != 0
    for project in checkout.glob("packages/*/pyproject.toml"):
        assert "0.0.1" not in project.read_text(encoding="utf-8")
