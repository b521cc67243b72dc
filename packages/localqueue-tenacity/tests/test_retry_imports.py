"""What can be imported, what an import costs, and what is said where a part is missing."""

import importlib.util
import os
import subprocess
import sys
import textwrap
import types
from pathlib import Path

import pytest
import tenacity

import localqueue.core
import localqueue.retry
import localqueue.sqlite


def run(code, *options, **environment):
    return subprocess.run(
        [sys.executable, *options, "-c", textwrap.dedent(code)],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | environment,
    ).stdout


@pytest.fixture
def alone(tmp_path):
    """Run code where only localqueue-core, localqueue-tenacity and Tenacity are installed."""
    (tmp_path / "localqueue").mkdir()
    for package in (localqueue.core, localqueue.retry):
        folder = Path(package.__file__).parent
        (tmp_path / "localqueue" / folder.name).symlink_to(folder)
    (tmp_path / "tenacity").symlink_to(Path(tenacity.__file__).parent)
    for name in ("typing_extensions",):  # newer versions of Tenacity need it on older Pythons
        found = importlib.util.find_spec(name)
        if found is not None:
            (tmp_path / f"{name}.py").symlink_to(found.origin)

    def run_alone(code):
        head = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        return run(head + textwrap.dedent(code), "-I", "-S", XDG_DATA_HOME=str(tmp_path / "data"))

    return run_alone


def test_the_retry_layer_works_without_a_backend(alone):
    said = alone(
        """
        from localqueue.retry import MemoryAttemptStore, PersistentRetrying

        retryer = PersistentRetrying(key="job", max_tries=3, store=MemoryAttemptStore())
        print(retryer(lambda: "done"))
        """
    )
    assert said == "done\n"


@pytest.mark.parametrize(
    "use",
    [
        "PersistentRetrying(key='job')(print)",
        "PersistentRetrying(key='job').get_record()",
        "PersistentRetrying(key='job', store_path='/tmp/x.sqlite3')",
        "PersistentRetrying(key='job', store='sqlite:///tmp/x.sqlite3')",
        "asyncio.run(PersistentAsyncRetrying(key='job')(print))",
    ],
)
def test_a_default_store_without_sqlite_says_what_to_install(alone, use):
    said = alone(
        f"""
        import asyncio
        from localqueue.retry import PersistentAsyncRetrying, PersistentRetrying

        try:
            {use}
        except ImportError as error:
            print(error.name, "|", error)
        """
    )
    assert said.startswith("localqueue.sqlite | ")
    assert "install 'localqueue-sqlite>=2'" in said


@pytest.mark.parametrize(
    ("name", "needed"),
    [
        ("SQLiteAttemptStore", "localqueue-sqlite>=2"),
        ("LMDBAttemptStore", "localqueue[lmdb]>=2"),
    ],
)
def test_a_store_class_that_is_not_installed_says_what_to_install(alone, name, needed):
    said = alone(
        f"""
        try:
            from localqueue.retry import {name}
        except ImportError as error:
            print(error)
        """
    )
    assert said.startswith(f"{name} is not installed")
    assert needed in said


def test_the_sqlite_store_is_found_under_its_old_name():
    from localqueue.retry import SQLiteAttemptStore

    assert SQLiteAttemptStore is localqueue.sqlite.SQLiteAttemptStore


def test_a_name_that_does_not_exist_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'PersistentRetry'"):
        localqueue.retry.PersistentRetry  # noqa: B018  # it is looked up
    with pytest.raises(ImportError):
        from localqueue.retry import PersistentRetry  # noqa: F401


def test_a_star_import_works_without_a_backend(alone):
    said = alone(
        """
        from localqueue.retry import *
        print(persistent_retry.__name__, PersistentRetryExhausted.__name__)
        """
    )
    assert said == "persistent_retry PersistentRetryExhausted\n"


@pytest.mark.parametrize("package", [localqueue.retry, localqueue.core])
def test_all_names_what_is_public(package):
    ours = {
        name
        for name, value in vars(package).items()
        if not name.startswith("_")
        and not isinstance(value, types.ModuleType)
        and getattr(value, "__module__", "builtins").partition(".")[0] == "localqueue"
    }
    assert ours - set(package.__all__) <= {"SQLiteAttemptStore"}  # found, once it was asked for
    assert [name for name in package.__all__ if not hasattr(package, name)] == []


DOCUMENTED = [
    "AttemptStoreLockedError",
    "MemoryAttemptStore",
    "PersistentAsyncRetrying",
    "PersistentRetryExhausted",
    "PersistentRetrying",
    "close_default_store",
    "configure_default_store",
    "configure_default_store_factory",
    "idempotency_key_from_id",
    "key_from_argument",
    "key_from_attr",
    "persistent_async_retry",
    "persistent_retry",
]


@pytest.mark.parametrize("name", DOCUMENTED)
def test_names_of_earlier_releases_are_still_there(name):
    assert name in localqueue.retry.__all__
    assert getattr(localqueue.retry, name) is not None


def test_the_old_name_of_a_locked_store_is_the_same_class():
    assert localqueue.retry.AttemptStoreLockedError is localqueue.retry.StoreLockedError


def test_an_import_brings_nothing_heavy_that_tenacity_does_not():
    def loaded_by(statement):
        return set(run(f"import sys\n{statement}\nprint(*sys.modules)").split())

    ours = loaded_by("import localqueue.retry") - loaded_by("import tenacity")
    assert not {"sqlite3", "asyncio", "importlib.metadata", "trio", "localqueue.sqlite"} & ours
    foreign = {
        name
        for name in ours
        if name.partition(".")[0] not in {*sys.stdlib_module_names, "tenacity", "localqueue"}
    }
    assert foreign == set()
