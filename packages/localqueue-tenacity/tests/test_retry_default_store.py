"""The store of a retryer that is given none: one SQLite file for the user, one store a thread."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import warnings

import pytest

from localqueue.core import MemoryAttemptStore
from localqueue.retry import (
    PersistentRetrying,
    StoreError,
    close_default_store,
    configure_default_store,
    configure_default_store_factory,
)
from localqueue.retry._defaults import default_store
from localqueue.sqlite import SQLiteAttemptStore

KEY = "job:1"


pytestmark = pytest.mark.usefixtures("home")


def fail(style):
    def job():
        raise OSError("busy")

    with pytest.raises(OSError, match="busy"):
        style.call(style.retryer(key=KEY, max_tries=1), job)


def test_it_lies_in_xdg_data_home(style, home):
    fail(style)
    path = home / "data" / "localqueue" / "retries.sqlite3"
    with SQLiteAttemptStore(path) as store:
        assert store.load(KEY).exhausted
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("value", [None, "", "relative"])
def test_without_a_usable_xdg_data_home_it_lies_below_the_home(style, home, monkeypatch, value):
    if value is None:
        monkeypatch.delenv("XDG_DATA_HOME")
    else:
        monkeypatch.setenv("XDG_DATA_HOME", value)
    monkeypatch.chdir(home)
    fail(style)
    assert (home / "home/.local/share/localqueue/retries.sqlite3").exists()
    assert not (home / "relative").exists()


def test_nothing_is_opened_before_the_first_call(style, home):
    style.retryer(key=KEY, max_tries=1)
    assert not (home / "data").exists()


def test_store_path_makes_a_sqlite_file(style, tmp_path):
    path = tmp_path / "worker" / "my retries#1.sqlite3"
    for given in (path, str(path)):
        retryer = style.retryer(key=KEY, max_tries=5, store_path=given)
        with pytest.raises(KeyboardInterrupt):
            style.call(retryer, lambda: (_ for _ in ()).throw(KeyboardInterrupt))
    with SQLiteAttemptStore(path) as store:
        assert store.load(KEY).interruptions == 2


def test_a_relative_store_path_is_taken_from_where_the_retryer_was_made(
    style, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    retryer = style.retryer(key=KEY, store_path="retries.sqlite3")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    style.call(retryer, lambda: None)
    assert (tmp_path / "retries.sqlite3").exists()


def test_a_store_can_be_named_by_its_url(style, tmp_path):
    path = tmp_path / "x.sqlite3"
    style.call(style.retryer(key=KEY, store=f"sqlite://{path}"), lambda: None)
    assert path.exists()
    style.call(style.retryer(key=KEY, store="memory:"), lambda: None)


def in_thread(work):
    result = []
    thread = threading.Thread(target=lambda: result.append(work()))
    thread.start()
    thread.join()
    return result[0]


def test_each_thread_has_a_store_of_its_own_on_the_same_file(style):
    mine = default_store()
    assert default_store() is mine
    theirs = in_thread(default_store)
    assert theirs is not mine
    assert str(theirs) == str(mine)
    in_thread(lambda: fail(style))
    assert mine.load(KEY).exhausted


def test_close_default_store_closes_that_of_this_thread():
    mine = default_store()
    mine.load(KEY)
    theirs = in_thread(default_store)
    close_default_store()
    with pytest.raises(StoreError, match="was closed"):
        mine.load(KEY)
    assert theirs.load(KEY) is None
    assert default_store() is not mine
    close_default_store()
    close_default_store()  # closing twice is harmless


def test_all_threads_closes_those_of_every_thread():
    made, done = [default_store()], threading.Event()

    def hold():
        made.append(default_store())
        ready.set()
        done.wait()

    ready = threading.Event()
    thread = threading.Thread(target=hold)
    thread.start()
    ready.wait()
    close_default_store(all_threads=True)
    done.set()
    thread.join()
    for store in made:
        with pytest.raises(StoreError, match="was closed"):
            store.load(KEY)


def test_the_store_of_a_thread_that_ended_is_freed():
    """From Python 3.13 an unclosed connection warns, and a warning is an error here."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(3):
            in_thread(lambda: default_store().load(KEY))


def test_a_chosen_store_serves_all_threads_and_stays_open(style, home):
    chosen = MemoryAttemptStore()
    configure_default_store(chosen)
    fail(style)
    assert in_thread(default_store) is chosen
    close_default_store(all_threads=True)
    assert chosen.load(KEY).exhausted
    configure_default_store(None)
    assert isinstance(default_store(), SQLiteAttemptStore)
    assert not (home / "data").exists()


def test_a_factory_makes_one_for_each_thread():
    made = []

    def factory():
        made.append(MemoryAttemptStore())
        return made[-1]

    configure_default_store_factory(factory)
    assert default_store() is default_store()
    in_thread(default_store)
    assert len(made) == 2

    configure_default_store_factory(None)
    assert isinstance(default_store(), SQLiteAttemptStore)
    with pytest.raises(StoreError, match="was closed"):
        made[0].load(KEY)


def test_a_retryer_made_earlier_uses_the_store_of_the_time_of_its_call(style):
    retryer = style.retryer(key=KEY, max_tries=1, clear_on_success=False)
    for _ in range(2):
        chosen = MemoryAttemptStore()
        configure_default_store(chosen)
        style.call(retryer, lambda: None)
        assert chosen.load(KEY).state == "succeeded"


def test_a_forked_child_goes_on_with_the_default_store():
    mine = default_store()
    mine.load(KEY)
    child = os.fork()
    if child == 0:
        signal.alarm(30)
        try:
            PersistentRetrying(key=KEY, max_tries=1, clear_on_success=False)(lambda: None)
        except BaseException:  # noqa: BLE001  # the exit code tells
            os._exit(1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert mine.load(KEY).owner.endswith(f":{child}")


def test_the_budget_survives_the_process(home):
    """What all of this is for."""
    program = textwrap.dedent(
        """
        from localqueue.retry import PersistentRetrying, PersistentRetryExhausted

        def job():
            print("run")
            raise OSError("busy")

        try:
            PersistentRetrying(key="nightly", max_tries=2, sleep=lambda _: None)(job)
        except PersistentRetryExhausted as error:
            print("refused", error.attempts)
        except OSError:
            print("failed")
        """
    )

    def run():
        return subprocess.run(
            [sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60
        ).stdout.split("\n")[:-1]

    assert run() == ["run", "run", "failed"]
    assert run() == ["refused 2"]
