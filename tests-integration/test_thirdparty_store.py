"""A store that is not ours: built, installed beside our wheels, tested and used there.

The environment holds localqueue-core, localqueue-tenacity and the third party's wheel, and so also
shows what the retry layer does where none of our stores with a file is installed.
"""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

HERE = Path(__file__).parent
DISTRIBUTION = HERE / "thirdparty_store"
PAGE = HERE.parent / "docs" / "write-a-store.md"
# In the order in which the page writes them.
PYTHON_OF_THE_PAGE = [
    "src/localqueue_plainfiles/_folder.py",
    "src/localqueue_plainfiles/_store.py",
    "src/localqueue_plainfiles/__init__.py",
    "tests/test_plainfiles.py",
    "examples/report.py",
]
BUDGET = 3

RunCommand = Callable[..., str]
MakeEnvironment = Callable[..., Path]


@pytest.fixture(scope="module")
def python(
    uv: str,
    dist: Path,
    pins: Path,
    run_command: RunCommand,
    make_environment: MakeEnvironment,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The Python of an environment with the third party's store and none of ours."""
    folder = tmp_path_factory.mktemp("thirdparty")
    source = shutil.copytree(DISTRIBUTION, folder / "source")
    build = [uv, "build", "--quiet", "--no-config", "--wheel", "--build-constraints", pins]
    run_command(*build, "--out-dir", folder, source)
    (theirs,) = folder.glob("*.whl")
    ours = [next(dist.glob(f"{name}-*.whl")) for name in ("localqueue_core", "localqueue_tenacity")]
    third_party = ["tenacity", "pytest", "hypothesis"]
    return make_environment(folder / "environment", [*ours, theirs], third_party)


@pytest.fixture
def say(python: Path, run_command: RunCommand, tmp_path: Path) -> Callable[[str], str]:
    """Run code in that environment; what it prints."""

    def run(code: str) -> str:
        command = [python, "-I", "-W", "error", "-c", dedent(code)]
        return run_command(*command, cwd=tmp_path).rstrip("\n")

    return run


def test_the_environment_holds_no_store_of_ours(
    uv: str, python: Path, run_command: RunCommand
) -> None:
    listed = run_command(uv, "pip", "list", "--no-config", "--format=freeze", "--python", python)
    ours = {line.split("==")[0] for line in listed.splitlines() if line.startswith("localqueue")}
    assert ours == {"localqueue-core", "localqueue-tenacity", "localqueue-plainfiles"}
    run_command(uv, "pip", "check", "--no-config", "--python", python)


@pytest.mark.slow
def test_the_third_party_store_passes_the_contract_suite(
    python: Path, run_command: RunCommand, tmp_path: Path
) -> None:
    for name in ("pyproject.toml", "tests"):  # without its sources: the wheel is what is tested
        copy = shutil.copytree if (DISTRIBUTION / name).is_dir() else shutil.copy
        copy(DISTRIBUTION / name, tmp_path / name)
    said = run_command(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=tmp_path)
    outcome = said.splitlines()[-1]
    passed = re.fullmatch(r"(\d+) passed in .*", outcome)
    assert passed is not None, f"nothing may be skipped: {outcome}"
    assert int(passed[1]) > 180


def test_the_third_party_store_serves_a_budget_over_processes(python: Path, tmp_path: Path) -> None:
    ends = []
    for _ in range(BUDGET + 1):
        command = [python, "-I", "-W", "error", DISTRIBUTION / "examples" / "report.py"]
        done = subprocess.run(
            [*command, f"plainfiles://{tmp_path}/retries", "monday"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        ends.append(done.stderr.splitlines()[-1].partition(":")[0].rpartition(".")[2])
    log = (tmp_path / "attempts.log").read_text("utf-8").splitlines()
    assert ends == ["RetryDeferred", "RetryDeferred", "ConnectionError", "PersistentRetryExhausted"]
    assert len(log) == len(set(log)) == BUDGET, "each attempt ran in a process of its own"


def test_an_import_loads_no_plug_in_and_its_url_does(say: Callable[[str], str]) -> None:
    said = say(
        """
        import sys
        import localqueue.core, localqueue.retry
        print("localqueue_plainfiles" in sys.modules)
        localqueue.core.open_attempt_store("memory:")
        print("localqueue_plainfiles" in sys.modules)
        localqueue.core.open_attempt_store("plainfiles:retries")
        print("localqueue_plainfiles" in sys.modules)
        """
    )
    assert said.split() == ["False", "False", "True"]


def test_memory_works_without_any_other_store(say: Callable[[str], str]) -> None:
    said = say(
        """
        from localqueue.retry import MemoryAttemptStore, persistent_retry

        ran = []

        def work():
            ran.append(1)
            raise ConnectionError("refused")

        for store in ("memory:", MemoryAttemptStore()):
            try:
                persistent_retry(key="job:1", store=store, max_tries=2, wait=lambda _: 0)(work)()
            except ConnectionError as error:
                print(error, len(ran))
        """
    )
    assert said == "refused 2\nrefused 4"


MISSING = {
    "the default store": (
        "persistent_retry(key='job:1')(ran.append)(1)",
        "ImportError the 'sqlite' store is not installed; install 'localqueue-sqlite>=2'",
    ),
    "store_path": (
        "persistent_retry(key='job:1', store_path='retries.sqlite3')(ran.append)(1)",
        "ImportError the 'sqlite' store is not installed; install 'localqueue-sqlite>=2'",
    ),
    "sqlite": (
        "persistent_retry(key='job:1', store='sqlite:///retries.sqlite3')(ran.append)(1)",
        "ImportError the 'sqlite' store is not installed; install 'localqueue-sqlite>=2'",
    ),
    "lmdb": (
        "persistent_retry(key='job:1', store='lmdb:///retries')(ran.append)(1)",
        "ImportError the 'lmdb' store is not installed; install 'localqueue-lmdb>=2'",
    ),
    "an unknown scheme": (
        "persistent_retry(key='job:1', store='shelf:///retries')(ran.append)(1)",
        "ValueError no store is known for the scheme 'shelf'; installed are: memory, plainfiles; correct the URL, or install the distribution that ships the store",
    ),
    "SQLiteAttemptStore": (
        "from localqueue.retry import SQLiteAttemptStore",
        "ImportError SQLiteAttemptStore is not installed; install 'localqueue-sqlite>=2'",
    ),
    "LMDBAttemptStore": (
        "from localqueue.retry import LMDBAttemptStore",
        "ImportError LMDBAttemptStore is not installed; install 'localqueue[lmdb]>=2'",
    ),
}


@pytest.mark.parametrize("asked", MISSING)
def test_what_is_not_installed_is_named_before_anything_runs(
    say: Callable[[str], str], asked: str
) -> None:
    code, sentence = MISSING[asked]
    said = say(
        f"""
        from localqueue.retry import persistent_retry

        ran = []
        try:
            {code}
        except Exception as error:
            print(type(error).__name__, error, ran)
        """
    )
    assert said == f"{sentence} []"


def test_a_broken_plug_in_is_named_by_its_distribution_and_harms_no_other(
    python: Path, say: Callable[[str], str], tmp_path: Path
) -> None:
    info = tmp_path / "site" / "broken_shelf-0.9.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-shelf\nVersion: 0.9\n")
    (info / "entry_points.txt").write_text(
        "[localqueue.attempt_stores]\nshelf = broken_shelf:open_store\n"
    )
    (tmp_path / "site" / "broken_shelf.py").write_text("raise RuntimeError('no shelf here')\n")
    said = say(
        f"""
        import sys
        sys.path.append({str(tmp_path / "site")!r})
        from localqueue.core import open_attempt_store

        try:
            open_attempt_store("shelf:///retries")
        except Exception as error:
            print(type(error).__name__, error)
        print(open_attempt_store("plainfiles:///var/lib/retries"))
        """
    )
    assert said.splitlines() == [
        "StoreError shelf:///retries: the 'shelf' store of the distribution 'broken-shelf' cannot be loaded (no shelf here); repair or remove that distribution",
        "/var/lib/retries",
    ]


def blocks_of(page: str, language: str) -> list[str]:
    return re.findall(rf"(?ms)^```{language}\n(.*?)^```$", page)


def test_the_pages_code_is_the_distributions_code() -> None:
    page = PAGE.read_text("utf-8")

    def lines_of(text: str) -> list[str]:
        return [line for line in text.splitlines() if line]

    in_page = lines_of("".join(blocks_of(page, "python")))
    in_files = "".join((DISTRIBUTION / name).read_text("utf-8") for name in PYTHON_OF_THE_PAGE)
    assert in_page == lines_of(in_files)
    (project,) = blocks_of(page, "toml")
    assert project in (DISTRIBUTION / "pyproject.toml").read_text("utf-8")
