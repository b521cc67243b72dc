"""Attempt stores: closing, opening again, and how they fail."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from localqueue.core import AttemptStore, StoreError, open_attempt_store, transitions
from localqueue.core.testing._base import StoreContract, needs
from localqueue.core.testing._steps import (
    FULL,
    KEY,
    NOW,
    everything,
    fail,
    fail_often,
    failure,
    reserve,
)
from localqueue.core.testing._values import KEYS

if TYPE_CHECKING:
    from collections.abc import Callable

OPERATIONS: dict[str, Callable[[AttemptStore], object]] = {
    "load": lambda store: store.load(KEY),
    "reserve": lambda store: store.reserve(KEY, FULL, expected=None),
    "settle": lambda store: store.settle(KEY, failure(1), budget="b"),
    "release": lambda store: store.release(KEY, budget="b"),
    "complete": lambda store: store.complete(KEY, budget="b"),
    "complete and keep": lambda store: store.complete(KEY, budget="b", succeeded_at=NOW),
    "delete": lambda store: store.delete(KEY),
    "save": lambda store: store.save(KEY, FULL),
    "records": lambda store: store.records(),
    "history": lambda store: store.history(KEY),
    "prune_exhausted": lambda store: store.prune_exhausted(older_than=0, now=NOW),
    "count_exhausted_older_than": lambda store: store.count_exhausted_older_than(
        older_than=0, now=NOW
    ),
}


class Lifetime(StoreContract):
    """``close`` and what follows it."""

    def test_is_an_attempt_store_with_a_name(self, store: AttemptStore) -> None:
        assert isinstance(store, AttemptStore)
        assert str(store)

    def test_the_context_manager_gives_the_store_and_closes_it(self, store: AttemptStore) -> None:
        with store as entered:
            assert entered is store
            fail(store)
        with pytest.raises(StoreError):
            store.load(KEY)

    def test_the_context_manager_lets_an_error_through(self, store: AttemptStore) -> None:
        def work() -> None:
            with store:
                fail(store)
                raise LookupError("of the caller")

        with pytest.raises(LookupError, match="of the caller"):
            work()

    def test_closing_twice_is_harmless(self, store: AttemptStore, store_url: str) -> None:
        fail(store)
        store.close()
        store.close()
        unused = open_attempt_store(store_url)
        unused.close()
        unused.close()

    @pytest.mark.parametrize("used", [True, False], ids=["used", "unused"])
    @pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
    def test_a_closed_store_says_so(
        self, store: AttemptStore, operation: Callable[[AttemptStore], object], used: bool
    ) -> None:
        if used:
            fail(store)
        store.close()
        with pytest.raises(StoreError, match="closed"):
            operation(store)

    @needs("survives_reopening")
    def test_what_was_written_is_there_after_reopening(
        self, store: AttemptStore, store_url: str
    ) -> None:
        for key in KEYS:
            fail_often(store, 2, key)
        written = {key: (everything(store.load(key)), store.history(key)) for key in KEYS}
        reserved = reserve(store)
        store.close()
        with open_attempt_store(store_url) as again:
            for key, (record, failures) in written.items():
                assert everything(again.load(key)) == record
                assert again.history(key) == failures
            following = transitions.started(reserved, now=NOW)
            assert again.reserve(KEY, following, expected=reserved) is True

    @needs("survives_reopening")
    def test_what_was_removed_stays_removed_after_reopening(
        self, store: AttemptStore, store_url: str
    ) -> None:
        fail(store, "deleted")
        store.delete("deleted")
        store.complete("completed", budget=fail(store, "completed").budget)
        store.release("released", budget=fail(store, "released").budget)
        fail(store, "pruned", exhausted=True)
        store.prune_exhausted(older_than=0, now=NOW)
        store.close()
        with open_attempt_store(store_url) as again:
            assert again.records() == []
            for key in ("deleted", "completed", "released", "pruned"):
                assert again.history(key) == []

    @needs("shared_between_processes")
    def test_two_stores_of_one_url_in_one_process_share_the_records(
        self, store: AttemptStore, store_url: str
    ) -> None:
        with open_attempt_store(store_url) as other:
            first = reserve(store)
            assert everything(other.load(KEY)) == everything(first)
            fail(other)
            assert store.reserve(KEY, transitions.started(first, now=NOW), expected=first) is False
        assert fail(store).attempts == 3
