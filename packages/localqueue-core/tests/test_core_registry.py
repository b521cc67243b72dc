"""Stores by URL, from whichever distribution ships them."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import localqueue.core
from localqueue.core import (
    MemoryAttemptStore,
    StoreError,
    open_attempt_store,
    open_memory_store,
)


@pytest.fixture
def ship(tmp_path, monkeypatch):
    """Install a distribution that ships a store, for the length of the test."""

    def install(scheme, module, text, value=None):
        site = tmp_path / "site"
        info = site / f"{module}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(
            f"[localqueue.attempt_stores]\n{scheme} = {value or f'{module}:open_store'}\n"
        )
        (site / f"{module}.py").write_text(textwrap.dedent(text))
        monkeypatch.syspath_prepend(str(site))
        return site

    yield install
    for name in [name for name in sys.modules if name.startswith("shipped_")]:
        del sys.modules[name]


def test_memory_is_always_there_and_new_each_time():
    one, two = open_attempt_store("memory:"), open_attempt_store("memory:")
    assert isinstance(one, MemoryAttemptStore)
    assert one is not two


def test_a_memory_store_has_no_path():
    with pytest.raises(ValueError, match="no path"):
        open_memory_store("memory:///x")


def test_a_third_party_store_is_found_by_its_scheme(ship):
    ship(
        "shelf",
        "shipped_shelf",
        """
        from localqueue.core import MemoryAttemptStore

        class Shelf(MemoryAttemptStore):
            def __init__(self, url):
                super().__init__()
                self.url = url

        open_store = Shelf
        """,
    )
    store = open_attempt_store("shelf:///var/lib/x")
    assert store.url == "shelf:///var/lib/x"
    assert store.load("job") is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("raise RuntimeError('broken on import')", None),
        ("import shipped_nothing", None),
        ("", None),
        ("", "shipped_missing:open_store"),
    ],
    ids=["raises", "needs another", "has no opener", "is not there"],
)
def test_a_broken_plug_in_is_a_store_error_that_names_the_distribution(ship, text, value):
    ship("broken", "shipped_broken", text, value)
    with pytest.raises(StoreError, match="'shipped_broken' cannot be loaded") as raised:
        open_attempt_store("broken:///x")
    assert raised.value.__cause__ is not None
    assert "repair or remove" in str(raised.value)


def test_a_broken_plug_in_does_not_disturb_the_others(ship):
    ship("broken", "shipped_broken", "raise RuntimeError")
    assert isinstance(open_attempt_store("memory:"), MemoryAttemptStore)


def test_an_error_of_the_store_itself_goes_out_as_it_is(ship):
    ship("picky", "shipped_picky", "def open_store(url): raise ValueError('no such shelf')")
    with pytest.raises(ValueError, match="no such shelf"):
        open_attempt_store("picky:///x")


@pytest.mark.parametrize("text", ["", "retries.sqlite3", "/var/lib/x", ":x", "//host/x"])
def test_what_is_no_url_is_refused(text):
    with pytest.raises(ValueError, match="is not a store URL"):
        open_attempt_store(text)


def test_an_unknown_scheme_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"'nosuch'; installed are: .*memory"):
        open_attempt_store("nosuch:///x")


@pytest.fixture
def core_alone(tmp_path):
    """Run code where the core is the only thing that is installed."""
    (tmp_path / "localqueue").mkdir()
    (tmp_path / "localqueue" / "core").symlink_to(Path(localqueue.core.__file__).parent)
    head = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\nimport localqueue.core\n"

    def run(code):
        return subprocess.run(
            [sys.executable, "-I", "-S", "-c", head + textwrap.dedent(code)],
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
        ).stdout

    return run


@pytest.mark.parametrize(
    ("scheme", "distribution"), [("sqlite", "localqueue-sqlite"), ("lmdb", "localqueue-lmdb")]
)
def test_a_store_of_ours_that_is_not_installed_is_named(core_alone, scheme, distribution):
    said = core_alone(
        f"""
        try:
            localqueue.core.open_attempt_store("{scheme}:///x")
        except ImportError as error:
            print(error.name, error)
        """
    )
    assert said.startswith(f"localqueue.{scheme} ")
    assert f"install '{distribution}>=2'" in said


def test_the_core_imports_nothing_outside_the_standard_library(core_alone):
    said = core_alone(
        """
        foreign = {name.partition(".")[0] for name in sys.modules} - sys.stdlib_module_names
        print(sorted(foreign - {"localqueue", "__main__", "sitecustomize", "usercustomize"}))
        """
    )
    assert said == "[]\n"
