"""Attempt stores: a store object on both sides of a fork."""

from __future__ import annotations

import json
import os
import select
import signal
import threading
import traceback
import warnings
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from localqueue.core import open_attempt_store, transitions
from localqueue.core.testing._base import StoreContract, needs
from localqueue.core.testing._children import PATIENCE_SECONDS, Child
from localqueue.core.testing._steps import KEY, NOW, everything, fail, stored
from localqueue.core.testing._worker import reserve_all

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from localqueue.core import AttemptStore

_needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")


@contextmanager
def forked(work: Callable[[], object]) -> Generator[Callable[[], Any], None, None]:
    """A forked child that does ``work``; the function waits for what it returned."""
    here, there = os.pipe()
    with warnings.catch_warnings():
        # From Python 3.12 on, a fork beside other threads warns. It is what the test is about.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        _work_and_end(work, there)
    os.close(there)

    def result() -> Any:
        ready, _, _ = select.select([here], [], [], PATIENCE_SECONDS)
        assert ready, "the child hangs"
        with os.fdopen(os.dup(here), "rb") as pipe:
            returned, value = json.loads(pipe.read())
        assert returned, value
        return value

    try:
        yield result
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(here)


def _work_and_end(work: Callable[[], object], there: int) -> None:
    try:
        try:
            answer = json.dumps([True, work()])
        except BaseException:  # noqa: BLE001  # the parent raises it
            answer = json.dumps([False, traceback.format_exc()])
        with os.fdopen(there, "wb") as pipe:
            pipe.write(answer.encode())
    finally:
        os._exit(0)


def _fail_and_delete(store: AttemptStore, key: str) -> object:
    return fail(store, key).attempts, store.delete(key)


@_needs_fork
class Forks(StoreContract):
    """Parent and child may both go on."""

    @needs("usable_after_fork")
    def test_a_forked_child_uses_the_store_of_its_parent(self, store: AttemptStore) -> None:
        seen = fail(store)
        following = transitions.started(seen, now=NOW)

        def work() -> object:
            found = everything(store.load(KEY))
            return found, fail(store).attempts, len(store.history(KEY))

        with forked(work) as result:
            assert result() == [everything(seen), 2, 2]
        shared = self.shared_between_processes
        assert stored(store).attempts == (2 if shared else 1)
        assert store.reserve(KEY, following, expected=seen) is not shared

    @needs("usable_after_fork", "shared_between_processes")
    def test_parent_and_child_reserve_each_attempt_exactly_once(self, store: AttemptStore) -> None:
        fail(store)
        with forked(lambda: reserve_all(store, KEY, self.reservations)) as result:
            numbers = reserve_all(store, KEY, self.reservations) + result()
        assert sorted(numbers) == list(range(2, self.reservations + 1))

    @needs("usable_after_fork", "shared_between_processes", "survives_reopening")
    def test_the_parents_close_takes_nothing_from_the_child(
        self, store: AttemptStore, store_url: str
    ) -> None:
        fail(store)
        here, there = os.pipe()

        def work() -> object:
            before = fail(store, "child").attempts
            os.read(here, 1)
            return before, reserve_all(store, "child", self.reservations)

        with forked(work) as result:
            store.close()
            os.write(there, b"x")
            assert result() == [1, list(range(2, self.reservations + 1))]
        os.close(here)
        os.close(there)
        with open_attempt_store(store_url) as again:
            assert stored(again).attempts == 1
            assert stored(again, "child").attempts == self.reservations
            assert len(again.history("child")) == 1

    @needs("usable_after_fork")
    def test_the_childs_close_takes_nothing_from_the_parent(self, store: AttemptStore) -> None:
        fail(store)
        with forked(store.close) as result:
            assert result() is None
        assert fail(store).attempts == 2

    @needs("usable_after_fork")
    def test_a_child_that_is_forked_while_threads_write_does_not_hang(
        self, store: AttemptStore
    ) -> None:
        done = threading.Event()

        def write(key: str) -> None:
            while not done.is_set():
                fail(store, key)

        writers = [threading.Thread(target=write, args=(f"job:{n}",)) for n in range(2, 5)]
        for writer in writers:
            writer.start()
        try:
            for number in range(1, self.kills + 1):
                key = f"child:{number}"
                with forked(partial(_fail_and_delete, store, key)) as result:
                    assert result() == [1, True]
        finally:
            done.set()
            for writer in writers:
                writer.join()
        assert fail(store).attempts == 1

    @needs("usable_after_fork", "shared_between_processes", "survives_reopening")
    def test_a_child_may_end_as_programs_do(self, store: AttemptStore, store_url: str) -> None:
        with Child("fork", store_url) as child:
            assert child.hear() == [0, 1, 3]
        assert stored(store).attempts == 3
