"""The contract of stores that make one transaction of several operations."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from localqueue.core import AttemptStore, Failure, GroupCommit, RetryRecord, StoreError
from localqueue.core.testing._base import OpenedStore, needs
from localqueue.core.testing._children import PATIENCE_SECONDS, Child
from localqueue.core.testing._forks import forked
from localqueue.core.testing._steps import (
    KEY,
    NOW,
    everything,
    fail,
    fail_often,
    failure,
    reserve,
    save_exhausted,
    stored,
)
from localqueue.core.testing._threads import in_threads
from localqueue.core.testing._worker import HEIR, pass_on, reserve_all

if TYPE_CHECKING:
    from collections.abc import Callable


class _Store(AttemptStore, GroupCommit, Protocol):
    pass


class Changed(Exception):
    """Raised after a transaction has changed something."""


CHANGES: dict[str, Callable[[AttemptStore], object]] = {
    "reserve": reserve,
    "reserve a new key": lambda store: reserve(store, "new"),
    "settle": lambda store: store.settle(KEY, failure(9), budget=stored(store).budget),
    "release": lambda store: store.release(KEY, budget=stored(store).budget),
    "complete": lambda store: store.complete(KEY, budget=stored(store).budget),
    "delete": lambda store: store.delete(KEY),
    "save": lambda store: store.save(KEY, RetryRecord(attempts=9)),
    "prune": lambda store: store.prune_exhausted(older_than=0, now=NOW + 60),
}


def _first_attempt(store: AttemptStore, key: str) -> int:
    return fail(store, key).attempts


class GroupCommitContract(OpenedStore):
    """What :class:`localqueue.core.GroupCommit` promises, as tests of an attempt store."""

    def test_the_store_says_that_it_can(self, store: AttemptStore) -> None:
        assert isinstance(store, GroupCommit)

    def test_all_operations_happen(self, store: _Store) -> None:
        fail_often(store, 2)
        failed = pass_on(store)
        assert store.load(KEY) is None
        assert store.history(KEY) == []
        assert everything(store.load(HEIR)) == everything(failed)
        assert store.history(HEIR) == [Failure(1, NOW, "OSError")]

    def test_an_operation_sees_what_was_done_before_it(self, store: _Store) -> None:
        def work() -> list[Any]:
            fail_often(store, 3)
            seen = [stored(store).attempts, len(store.history(KEY)), len(store.records())]
            return [*seen, store.delete(KEY), store.load(KEY)]

        assert store.together(work) == [3, 3, 1, True, None]

    @pytest.mark.parametrize("change", CHANGES)
    def test_where_the_work_raises_nothing_has_happened(self, store: _Store, change: str) -> None:
        fail_often(store, 2)
        save_exhausted(store, "spent", at=NOW)
        reserve(store)
        before = [(key, everything(record)) for key, record in store.records()]
        history = store.history(KEY)

        def work() -> None:
            fail(store)
            CHANGES[change](store)
            raise Changed

        for _ in range(2):
            with pytest.raises(Changed):
                store.together(work)
            assert [(key, everything(record)) for key, record in store.records()] == before
            assert store.history(KEY) == history

        # What is done next builds on what is there.
        settled = store.settle(KEY, failure(3), budget=stored(store).budget)
        assert settled == store.load(KEY)
        assert store.history(KEY) == [*history, failure(3)]

    def test_transactions_and_single_operations_of_threads_do_not_mix(self, store: _Store) -> None:
        """Each thread reserves some attempts of one key, every other one in transactions."""

        def work(number: int) -> int:
            if number % 2:
                return len(reserve_all(store, KEY, self.reservations))
            got = 0
            while stored(store).attempts < self.reservations:
                got += store.together(
                    lambda: len(
                        reserve_all(store, KEY, min(stored(store).attempts + 5, self.reservations))
                    )
                )
            return got

        reserve(store)
        assert sum(in_threads(self.processes, work)) == self.reservations - 1
        assert stored(store).attempts == self.reservations

    def test_a_reader_never_sees_half_a_transaction(self, store: _Store) -> None:
        done = threading.Event()

        def work(number: int) -> None:
            if number == 0:
                for _ in range(self.reservations):
                    reserve(store)
                    pass_on(store)
                    store.delete(HEIR)
                done.set()
            while not done.is_set():
                assert len(store.records()) <= 1

        in_threads(3, work)

    def test_a_close_by_another_thread_does_not_hang(self, store: _Store) -> None:
        begun, closing = threading.Event(), threading.Event()

        def work() -> None:
            reserve(store)
            begun.set()
            closing.wait(PATIENCE_SECONDS)
            store.load(KEY)

        def transact() -> None:
            with suppress(StoreError):  # closed before it was over: then nothing has happened
                store.together(work)

        def close() -> None:
            begun.wait(PATIENCE_SECONDS)
            threading.Timer(0.1, closing.set).start()
            store.close()

        threads = [threading.Thread(target=target, daemon=True) for target in (transact, close)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE_SECONDS / 6)
        assert [thread.is_alive() for thread in threads] == [False, False]

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="the program forks")
    @needs("shared_between_processes", "survives_reopening")
    def test_a_kill_at_any_line_leaves_all_done_or_nothing(
        self, store: _Store, store_url: str
    ) -> None:
        def prepare() -> list[tuple[str, RetryRecord]]:
            store.delete(HEIR)
            store.delete(KEY)
            fail_often(store, 2)
            return store.records()

        prepare()
        with Child("die", store_url) as child:
            lines = child.ask("pass on", 0)
            assert child.hear() == 0
            done = store.records()
            assert [key for key, _ in done] == [HEIR]
            outcomes = set()
            for line in range(1, lines + 1, max(1, lines // self.kills)):
                before = prepare()
                status = child.ask("pass on", line)
                assert os.WTERMSIG(status) == signal.SIGKILL, f"it came past line {line}"
                after = store.records()
                assert after in (before, done), f"killed at line {line} of {lines}"
                outcomes.add(after == before)
            assert True in outcomes

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="the program forks")
    @needs("usable_after_fork")
    def test_a_fork_waits_for_the_transaction_of_another_thread(self, store: _Store) -> None:
        done = threading.Event()

        def transact() -> None:
            while not done.is_set():
                reserve(store)
                pass_on(store)
                store.delete(HEIR)

        thread = threading.Thread(target=transact)
        thread.start()
        try:
            for number in range(10):
                with forked(partial(_first_attempt, store, f"child:{number}")) as result:
                    assert result() == 1
        finally:
            done.set()
            thread.join()
        assert sorted(key for key, _ in store.records()) == [f"child:{n}" for n in range(10)]
