"""The command line as its users get it: from our wheels, by pipx, into a home that was empty."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

OURS = {"localqueue-cli", "localqueue-core", "localqueue-sqlite", "localqueue-tenacity"}
THIRD_PARTY = {"click", "rich", "tomlkit", "tenacity", "markdown-it-py", "mdurl", "pygments"}
LENT = {"pip", "setuptools", "wheel"}
FAILS = ["--", sys.executable, "-c", "raise SystemExit(3)"]

# What lists the distributions of an environment, and where each was installed from.
LIST = """
import importlib.metadata, json
found = importlib.metadata.distributions()
print(json.dumps({each.name: json.loads(each.read_text("direct_url.json") or "{}") for each in found}))
"""


class Home:
    """A user who has pipx, and nothing else."""

    def __init__(self, folder: Path, backend: str, constraints: Path) -> None:
        self.folder = folder
        self.program = folder / ".local" / "bin" / "localqueue"
        misleading = ("PIPX_", "PYTHON", "UV_", "VIRTUAL_ENV", "XDG_")
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(misleading)
        }
        self.environment = kept | {
            "HOME": str(folder),
            "PIPX_DEFAULT_BACKEND": backend,
            "PIPX_DEFAULT_PYTHON": sys.executable,
            "PIPX_USE_EMOJI": "0",
            # The machine's own cache, if it has one: the home is new each time.
            "UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR", str(Path.home() / ".cache" / "uv")),
        }
        # Our own distributions come from the files that were built; the registry has another
        # project by the name of localqueue.
        self._ours_only = ["--pip-args", f"--constraint {constraints}"]

    def pipx(self, verb: str, *arguments: str) -> str:
        options = self._ours_only if verb in {"install", "inject"} else []
        done = self._run(sys.executable, "-m", "pipx", verb, *arguments, *options)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def localqueue(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self._run(str(self.program), *arguments)

    def told(self, *arguments: str, status: int = 0) -> Any:
        """What ``localqueue`` prints as JSON, when it ends with ``status``."""
        done = self.localqueue(*arguments)
        assert done.returncode == status, done.stdout + done.stderr
        return json.loads(done.stdout)

    def installed(self) -> dict[str, dict[str, Any]]:
        """Each distribution beside the program, and the address it was installed from."""
        python = self.program.resolve().with_name("python")
        done = self._run(str(python), "-I", "-c", LIST)
        assert (done.returncode, done.stderr) == (0, "")
        found: dict[str, dict[str, Any]] = json.loads(done.stdout)
        # The pip backend lends its own pip to each environment.
        return {name.lower(): url for name, url in found.items() if name not in LENT}

    def _run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )


@pytest.fixture(scope="module")
def constraints(dist: Path, pins: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pinned third-party versions, and the file of each distribution of ours."""
    path = tmp_path_factory.mktemp("ours") / "constraints.txt"
    wheels = {wheel.name.split("-")[0].replace("_", "-"): wheel for wheel in dist.glob("*.whl")}
    assert wheels.keys() >= OURS | {"localqueue-lmdb"}
    lines = [f"{name} @ {wheel.resolve().as_uri()}" for name, wheel in sorted(wheels.items())]
    path.write_text("\n".join([pins.read_text(), *lines, ""]))
    return path


@pytest.fixture(scope="module", params=["pip", "uv"])
def home(
    request: pytest.FixtureRequest, constraints: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Home]:
    """The home with ``localqueue-cli``, as either backend of pipx installs it."""
    folder = tmp_path_factory.mktemp("home")
    assert list(folder.iterdir()) == []
    home = Home(folder, request.param, constraints)
    shown = home.pipx("install", "localqueue-cli")
    assert "installed package localqueue-cli 2." in shown
    yield home
    home.pipx("uninstall", "localqueue-cli")
    assert not home.program.exists()
    # What the user has made stays.
    assert (folder / ".local" / "share" / "localqueue" / "retries.sqlite3").exists()
    assert (folder / ".config" / "localqueue" / "config.toml").exists()


@pytest.fixture(scope="module")
def home_with_lmdb(home: Home) -> Home:
    """The same, after a look at what is there without LMDB."""
    assert home.installed().keys() == OURS | THIRD_PARTY
    store = ["--store", f"lmdb://{home.folder}/store"]
    for arguments in (["doctor", *store], ["retry", "run", "key", *store, *FAILS]):
        missing = home.localqueue(*arguments)
        assert (missing.returncode, missing.stdout) == (1, "")
        assert "the 'lmdb' store is not installed; install" in missing.stderr
        assert "localqueue-lmdb" in missing.stderr
    home.pipx("inject", "localqueue-cli", "localqueue-lmdb")
    return home


def spend(home: Home, key: str, store: list[str]) -> None:
    """Let a command fail until its budget of two is spent, as a scheduler would start it."""
    options = ["--max-tries", "2", "--wait", "0", "--max-wait", "0", *store]
    statuses = [home.localqueue("retry", "run", key, *options, *FAILS).returncode for _ in range(3)]
    assert statuses[-1] == 69
    assert set(statuses) <= {75, 69}


def look_and_clean_up(home: Home, key: str, store: list[str]) -> None:
    shown = home.told("retry", "show", key, *store)
    assert (shown["state"], shown["attempts"]) == ("exhausted", 2)
    assert [record["key"] for record in home.told("retry", "list", *store)] == [key]
    findings = home.told("doctor", *store)
    assert {finding["status"] for finding in findings} <= {"ok", "note"}
    pruned = home.localqueue("retry", "prune", "--older-than", "0", "--yes", *store)
    assert pruned.returncode == 0, pruned.stderr
    assert home.localqueue("retry", "show", key, *store).returncode == 4


def test_everything_of_ours_comes_from_the_wheels_and_nothing_else_is_there(
    home: Home, dist: Path
) -> None:
    found = home.installed()
    assert found.keys() - {"localqueue-lmdb", "lmdb"} == OURS | THIRD_PARTY
    for name in found.keys() & (OURS | {"localqueue-lmdb"}):
        assert found[name]["url"].startswith(f"{dist.resolve().as_uri()}/"), name
    assert {name for name, origin in found.items() if origin} <= OURS | {"localqueue-lmdb"}


def test_the_program_is_the_one_thing_that_a_user_gets(home: Home) -> None:
    assert [path.name for path in home.program.parent.iterdir()] == ["localqueue"]
    version = home.localqueue("--version")
    assert (version.returncode, version.stderr) == (0, "")
    assert version.stdout.startswith("localqueue 2.")
    for arguments in (["--help"], ["retry", "--help"], ["config", "--help"]):
        done = home.localqueue(*arguments)
        assert (done.returncode, done.stderr) == (0, "")
        assert "Example" in done.stdout


def test_a_budget_and_a_setting_in_the_default_places(home: Home) -> None:
    assert home.localqueue("config", "set", "retry_record_ttl_seconds", "7d").returncode == 0
    assert home.told("config", "show")["retry_record_ttl_seconds"] == 604800
    spend(home, "nightly-backup", [])
    look_and_clean_up(home, "nightly-backup", [])


def test_lmdb_is_there_once_it_is_injected(home_with_lmdb: Home) -> None:
    found = home_with_lmdb.installed()
    assert found.keys() == OURS | THIRD_PARTY | {"localqueue-lmdb", "lmdb"}
    store = ["--store", f"lmdb://{home_with_lmdb.folder}/store"]
    spend(home_with_lmdb, "nightly-backup", store)
    look_and_clean_up(home_with_lmdb, "nightly-backup", store)
    # SQLite is still the default, and untouched by it.
    spend(home_with_lmdb, "another", [])
    look_and_clean_up(home_with_lmdb, "another", [])
