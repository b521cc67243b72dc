"""Attempt stores: any number of threads on one store."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

import pytest

from localqueue.core import HISTORY_LIMIT, Failure, RetryRecord, StoreError
from localqueue.core.testing._base import StoreContract
from localqueue.core.testing._listing import MANY, all_keys
from localqueue.core.testing._steps import KEY, NOW, fail, reserve, save_exhausted, stored
from localqueue.core.testing._worker import attempt_often, churn, reserve_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from localqueue.core import AttemptStore

T = TypeVar("T")


def in_threads(count: int, work: Callable[[int], T]) -> list[T]:
    """The results of ``work(0)``, ``work(1)``, … in as many threads that start together."""
    barrier = threading.Barrier(count)

    def run(number: int) -> T:
        barrier.wait()
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


class Threads(StoreContract):
    """One store object in many threads."""

    @pytest.fixture
    def eager_threads(self) -> Iterator[None]:
        """Let threads change places at every opportunity."""
        before = sys.getswitchinterval()
        sys.setswitchinterval(1e-6)
        yield
        sys.setswitchinterval(before)

    @pytest.mark.usefixtures("eager_threads")
    def test_threads_reserve_each_attempt_exactly_once(self, store: AttemptStore) -> None:
        got = in_threads(self.processes, lambda _: reserve_all(store, KEY, self.reservations))
        numbers = sorted(number for one in got for number in one)
        assert numbers == list(range(1, self.reservations + 1))
        assert stored(store).attempts == self.reservations

    @pytest.mark.usefixtures("eager_threads")
    def test_threads_lose_no_outcome(self, store: AttemptStore) -> None:
        times = self.reservations // self.processes
        did = in_threads(self.processes, lambda _: attempt_often(store, KEY, times))
        failed, interrupted, left = (
            sum(one[outcome] for one in did) for outcome in ("failed", "interrupted", "left")
        )
        record = stored(store)
        assert record.interruptions == interrupted
        assert record.attempts == failed + left
        assert len(store.history(KEY)) == HISTORY_LIMIT

    @pytest.mark.usefixtures("eager_threads")
    def test_failures_of_one_budget_at_the_same_time_are_all_kept(
        self, store: AttemptStore
    ) -> None:
        budget = reserve(store).budget

        def settle(number: int) -> bool:
            failure = Failure(number, NOW + number)
            return store.settle(KEY, failure, budget=budget) is not None

        assert all(in_threads(HISTORY_LIMIT, settle))
        attempts = sorted(failure.attempt for failure in store.history(KEY))
        assert attempts == list(range(HISTORY_LIMIT))

    @pytest.mark.usefixtures("eager_threads")
    def test_a_reader_never_sees_half_a_write(self, store: AttemptStore) -> None:
        budget = reserve(store).budget
        done = threading.Event()

        def work(number: int) -> None:
            if number == 0:
                for at in range(self.reservations):
                    happened = Failure(at, float(at), str(at), str(at))
                    store.settle(KEY, happened, budget=budget, next_attempt_at=float(at))
                done.set()
            while not done.is_set():
                seen = stored(store)
                if seen.last_error_at is not None:
                    text = str(int(seen.last_error_at))
                    assert (seen.last_error_type, seen.last_error_message) == (text, text)
                    assert seen.next_attempt_at == seen.last_error_at
                failures = store.history(KEY)
                first = failures[0].attempt if failures else 0
                assert [one.attempt for one in failures] == list(
                    range(first, first + len(failures))
                )

        in_threads(3, work)

    def test_pages_are_whole_while_others_write(self, store: AttemptStore) -> None:
        steady = [f"{number:03}:steady" for number in range(100)]
        for key in steady:
            store.save(key, RetryRecord(attempts=1, first_attempt_at=NOW))
        finished: list[int] = []

        def work(number: int) -> None:
            if number > 0:
                finished.append(churn(store, f"0{number}0:moving:", self.reservations))
            while len(finished) < 3:
                keys = all_keys(store, limit=7)
                assert keys == sorted(set(keys))
                assert [key for key in keys if key.endswith(":steady")] == steady

        in_threads(4, work)
        assert all_keys(store) == steady

    def test_prune_lets_others_go_on(self, store: AttemptStore) -> None:
        for number in range(MANY):
            save_exhausted(store, f"spent:{number}", at=NOW)

        def work(number: int) -> int:
            if number == 0:
                return store.prune_exhausted(older_than=0, now=NOW)
            return len(reserve_all(store, KEY, self.reservations))

        pruned, *reserved = in_threads(4, work)
        assert pruned == MANY
        assert sum(reserved) == self.reservations
        assert all_keys(store) == [KEY]

    def test_threads_that_prune_together_remove_each_record_once(self, store: AttemptStore) -> None:
        for number in range(200):
            save_exhausted(store, f"spent:{number}", at=NOW)
        removed = in_threads(self.processes, lambda _: store.prune_exhausted(older_than=0, now=NOW))
        assert sum(removed) == 200

    def test_closing_under_working_threads_raises_nothing_else(self, store: AttemptStore) -> None:
        closed = threading.Event()

        def fail_until_closed(key: str) -> None:
            while not closed.is_set():
                fail(store, key)
            fail(store, key)

        def work(number: int) -> None:
            if number == 0:
                for _ in range(20):
                    fail(store)
                store.close()
                closed.set()
                return
            with pytest.raises(StoreError, match="closed"):
                fail_until_closed(f"job:{number + 1}")

        in_threads(4, work)
