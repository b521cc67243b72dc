"""The wheels and sdists that would be published."""

import email.message
import email.parser
import re
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LEAVES = {
    "localqueue-cli": ["localqueue/cli"],
    "localqueue-core": ["localqueue/core"],
    "localqueue-lmdb": ["localqueue/lmdb"],
    "localqueue-sqlite": ["localqueue/sqlite"],
    "localqueue-tenacity": ["localqueue/retry"],
    "localqueue": [],
}
NAMES = sorted(LEAVES)

RunCommand = Callable[..., str]
MakeEnvironment = Callable[..., Path]


def wheel_of(dist: Path, name: str) -> Path:
    (wheel,) = dist.glob(f"{name.replace('-', '_')}-*.whl")
    return wheel


def files_of(dist: Path, name: str) -> set[str]:
    with zipfile.ZipFile(wheel_of(dist, name)) as wheel:
        return set(wheel.namelist())


def metadata_of(dist: Path, name: str) -> email.message.Message:
    (path,) = (each for each in files_of(dist, name) if each.endswith(".dist-info/METADATA"))
    with zipfile.ZipFile(wheel_of(dist, name)) as wheel:
        return email.parser.Parser().parsestr(wheel.read(path).decode())


def required(dist: Path, name: str) -> list[str]:
    """Return what *name* needs without any extra."""
    lines = metadata_of(dist, name).get_all("Requires-Dist") or []
    return [line for line in lines if "extra ==" not in line]


def test_the_expected_distributions_are_built(dist: Path) -> None:
    built = {path.name.split("-")[0].replace("_", "-") for path in dist.glob("*.whl")}
    assert built == set(LEAVES)
    assert len(list(dist.glob("*.tar.gz"))) == len(LEAVES)


@pytest.mark.parametrize("name", NAMES)
def test_wheel_does_not_claim_the_namespace(dist: Path, name: str) -> None:
    assert "localqueue/__init__.py" not in files_of(dist, name)


@pytest.mark.parametrize("name", NAMES)
def test_wheel_holds_its_own_folders_only(dist: Path, name: str) -> None:
    folders = {
        "/".join(path.split("/")[:2]) for path in files_of(dist, name) if ".dist-info/" not in path
    }
    assert folders == set(LEAVES[name])


@pytest.mark.parametrize("name", NAMES)
def test_wheel_is_typed(dist: Path, name: str) -> None:
    assert {f"{leaf}/py.typed" for leaf in LEAVES[name]} <= files_of(dist, name)


@pytest.mark.parametrize("name", NAMES)
def test_wheel_has_the_licence(dist: Path, name: str) -> None:
    (path,) = (each for each in files_of(dist, name) if each.endswith("/licenses/LICENSE"))
    with zipfile.ZipFile(wheel_of(dist, name)) as wheel:
        assert wheel.read(path) == (ROOT / "LICENSE").read_bytes()
    assert metadata_of(dist, name)["License-Expression"] == "MIT"


@pytest.mark.parametrize("name", NAMES)
def test_siblings_are_pinned_to_the_same_version(dist: Path, name: str) -> None:
    version = metadata_of(dist, name)["Version"]
    siblings = [line for line in required(dist, name) if line.startswith("localqueue")]
    for line in siblings:
        assert re.fullmatch(rf"localqueue-[a-z]+=={re.escape(version)}", line), line


def test_core_needs_nothing(dist: Path) -> None:
    assert required(dist, "localqueue-core") == []


def test_meta_brings_the_three(dist: Path) -> None:
    names = {line.split("==")[0] for line in required(dist, "localqueue")}
    assert names == {"localqueue-core", "localqueue-sqlite", "localqueue-tenacity"}


@pytest.mark.parametrize("name", NAMES)
def test_python_floor_is_declared(dist: Path, name: str) -> None:
    assert metadata_of(dist, name)["Requires-Python"] == ">=3.11"


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"localqueue"}))
def test_sdist_has_the_tests_of_its_package(dist: Path, name: str) -> None:
    (archive,) = dist.glob(f"{name.replace('-', '_')}-*.tar.gz")
    with tarfile.open(archive) as sdist:
        held = {path.split("/", 1)[1] for path in sdist.getnames() if "/" in path}
    tests = {
        path.relative_to(ROOT / "packages" / name).as_posix()
        for path in (ROOT / "packages" / name / "tests").rglob("test_*.py")
    }
    assert tests <= held
    assert "LICENSE" in held


def test_core_and_tenacity_alone_are_enough_for_the_retry_layer(
    uv: str, dist: Path, tmp_path: Path, run_command: RunCommand, make_environment: MakeEnvironment
) -> None:
    wheels = [wheel_of(dist, name) for name in ("localqueue-core", "localqueue-tenacity")]
    python = make_environment(tmp_path / "environment", wheels, ["tenacity"])

    run_command(python, "-I", "-W", "error", "-c", "import localqueue.retry")

    listed = run_command(uv, "pip", "list", "--no-config", "--format=freeze", "--python", python)
    names = {line.split("==")[0] for line in listed.splitlines()}
    assert names == {"localqueue-core", "localqueue-tenacity", "tenacity"}
