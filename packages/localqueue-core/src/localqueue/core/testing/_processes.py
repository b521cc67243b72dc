"""Attempt stores: any number of processes on one URL."""

from __future__ import annotations

import multiprocessing
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

from localqueue.core import HISTORY_LIMIT, RetryRecord, open_attempt_store, transitions
from localqueue.core.testing._base import StoreContract, needs
from localqueue.core.testing._children import PATIENCE_SECONDS, Child, together
from localqueue.core.testing._listing import MANY, all_keys
from localqueue.core.testing._steps import (
    FULL,
    KEY,
    NOW,
    everything,
    fail,
    fail_often,
    reserve,
    save_exhausted,
    stored,
)
from localqueue.core.testing._values import KEYS

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from localqueue.core import AttemptStore


def _fail_once(url: str, answers: Connection[object, object]) -> None:
    with open_attempt_store(url) as store:
        answers.send(everything(fail(store)))


class Processes(StoreContract):
    """Several processes, each with a store of its own."""

    @needs("shared_between_processes")
    def test_processes_reserve_each_attempt_exactly_once(
        self, store: AttemptStore, store_url: str
    ) -> None:
        with together(store_url, self.processes, "reserve_all", KEY, self.reservations) as children:
            got = [child.hear() for child in children]
        numbers = sorted(number for one in got for number in one)
        assert numbers == list(range(1, self.reservations + 1))
        assert stored(store).attempts == self.reservations

    @needs("shared_between_processes")
    def test_processes_lose_no_outcome(self, store: AttemptStore, store_url: str) -> None:
        times = self.reservations // self.processes
        with together(store_url, self.processes, "attempt_often", KEY, times) as children:
            did = [child.hear() for child in children]
        failed, interrupted, left = (
            sum(one[outcome] for one in did) for outcome in ("failed", "interrupted", "left")
        )
        record = stored(store)
        assert record.interruptions == interrupted
        assert record.attempts == failed + left
        assert len(store.history(KEY)) == HISTORY_LIMIT

    @needs("shared_between_processes")
    def test_pages_are_whole_while_other_processes_write(
        self, store: AttemptStore, store_url: str
    ) -> None:
        steady = [f"{number:03}:steady" for number in range(100)]
        for key in steady:
            store.save(key, RetryRecord(attempts=1, first_attempt_at=NOW))
        with together(store_url, 1, "churn", "050:moving:", self.reservations) as children:
            while not children[0].has_answered():
                keys = all_keys(store, limit=7)
                assert keys == sorted(set(keys))
                assert [key for key in keys if key.endswith(":steady")] == steady
            assert children[0].hear() == self.reservations
        assert all_keys(store) == steady

    @needs("shared_between_processes")
    def test_prune_lets_other_processes_go_on(self, store: AttemptStore, store_url: str) -> None:
        for number in range(MANY):
            save_exhausted(store, f"spent:{number}", at=NOW)
        with together(store_url, 2, "reserve_all", KEY, self.reservations) as children:
            while store.load(KEY) is None and not children[0].has_answered():
                time.sleep(0.001)
            assert store.prune_exhausted(older_than=0, now=NOW) == MANY
            got = [child.hear() for child in children]
        assert sum(map(len, got)) == self.reservations
        assert all_keys(store) == [KEY]

    @needs("shared_between_processes")
    def test_another_process_sees_what_was_written(
        self, store: AttemptStore, store_url: str
    ) -> None:
        store.save("full", FULL)
        for key in KEYS:
            fail_often(store, 2, key)
        with Child("serve", store_url) as child:
            for key in ("full", *KEYS):
                record, failures = child.ask("load", key)
                assert record == everything(store.load(key))
                assert failures == [asdict(one) for one in store.history(key)]
            fail(store, "new")
            assert child.ask("load", "new")[0] == everything(store.load("new"))

    @needs("shared_between_processes")
    def test_what_another_process_wrote_is_seen(self, store: AttemptStore, store_url: str) -> None:
        first = reserve(store)
        with Child("serve", store_url) as child:
            second = child.ask("reserve", KEY)
            assert second == everything(store.load(KEY))
            late = transitions.started(first, now=NOW)
            assert store.reserve(KEY, late, expected=first) is False
            assert child.ask("delete", KEY) is True
            assert store.load(KEY) is None
            assert store.complete(KEY, budget=first.budget) is False

    @needs("shared_between_processes")
    def test_a_spawned_process_shares_the_records(
        self, store: AttemptStore, store_url: str
    ) -> None:
        fail(store)
        context = multiprocessing.get_context("spawn")
        here, there = context.Pipe()
        process = context.Process(target=_fail_once, args=(store_url, there))
        process.start()
        try:
            assert here.poll(PATIENCE_SECONDS), "the process gave no answer"
            assert here.recv() == everything(store.load(KEY))
            process.join(PATIENCE_SECONDS)
            assert process.exitcode == 0
        finally:
            process.kill()
            process.join()
            process.close()
            here.close()
            there.close()
        assert stored(store).attempts == 2
