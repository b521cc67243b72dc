"""Attempt stores: ``load``, ``reserve`` and ``save`` on one key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from localqueue.core import RetryRecord, transitions
from localqueue.core.testing._base import StoreContract
from localqueue.core.testing._steps import (
    FULL,
    KEY,
    NOW,
    everything,
    fail,
    failure,
    reserve,
    stored,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from localqueue.core import AttemptStore


class Reservations(StoreContract):
    """``load``, ``reserve`` and ``save``."""

    def test_an_unknown_key_has_neither_record_nor_history(self, store: AttemptStore) -> None:
        assert store.load(KEY) is None
        assert store.history(KEY) == []

    def test_a_reservation_is_stored_as_it_was_given(self, store: AttemptStore) -> None:
        assert store.reserve(KEY, FULL, expected=None) is True
        assert everything(store.load(KEY)) == everything(FULL)

    def test_a_reserved_record_can_be_expected_without_another_look(
        self, store: AttemptStore
    ) -> None:
        first = reserve(store)
        second = transitions.started(first, now=NOW + 1)
        assert store.reserve(KEY, second, expected=first) is True
        assert everything(store.load(KEY)) == everything(second)

    def test_a_reservation_that_expects_no_record_fails_when_there_is_one(
        self, store: AttemptStore
    ) -> None:
        first = reserve(store)
        other = transitions.started(None, now=NOW + 1)
        assert store.reserve(KEY, other, expected=None) is False
        assert everything(store.load(KEY)) == everything(first)

    def test_a_reservation_fails_when_the_expected_record_is_gone(
        self, store: AttemptStore
    ) -> None:
        first = reserve(store)
        store.delete(KEY)
        assert store.reserve(KEY, transitions.started(first, now=NOW), expected=first) is False
        assert store.load(KEY) is None

    @pytest.mark.parametrize(
        "change",
        [
            lambda store, seen: reserve(store),
            lambda store, seen: store.settle(KEY, failure(2), budget=seen.budget),
            lambda store, seen: store.release(KEY, budget=seen.budget),
            lambda store, seen: store.complete(KEY, budget=seen.budget, succeeded_at=NOW),
            lambda store, seen: store.save(KEY, seen),
            lambda store, seen: (store.delete(KEY), reserve(store)),
        ],
        ids=["reserve", "settle", "release", "complete", "save", "delete"],
    )
    def test_a_reservation_fails_when_the_record_has_changed_since(
        self, store: AttemptStore, change: Callable[[AttemptStore, RetryRecord], object]
    ) -> None:
        reserve(store)
        seen = reserve(store)
        change(store, seen)
        present = everything(store.load(KEY))
        assert store.reserve(KEY, transitions.started(seen, now=NOW), expected=seen) is False
        assert everything(store.load(KEY)) == present

    def test_a_reservation_leaves_the_history_alone(self, store: AttemptStore) -> None:
        fail(store)
        reserve(store)
        assert store.history(KEY) == [failure(1)]

    def test_a_refusal_is_kept(self, store: AttemptStore) -> None:
        seen = reserve(store)
        assert store.reserve(KEY, transitions.refused(seen, now=NOW + 5), expected=seen) is True
        assert stored(store).exhausted is True
        assert stored(store).exhausted_at == NOW + 5

    def test_a_saved_record_is_whole(self, store: AttemptStore) -> None:
        store.save(KEY, FULL)
        record = stored(store)
        assert record == FULL
        assert record.budget == FULL.budget
        assert record.revision not in {"", FULL.revision}

    def test_a_saved_record_without_a_budget_gets_one(self, store: AttemptStore) -> None:
        store.save(KEY, RetryRecord(attempts=1, first_attempt_at=NOW))
        record = stored(store)
        assert record.budget
        assert store.settle(KEY, failure(1), budget=record.budget) is not None

    def test_saving_replaces_every_field(self, store: AttemptStore) -> None:
        bare = RetryRecord(attempts=1, first_attempt_at=NOW)
        store.save(KEY, FULL)
        store.save(KEY, bare)
        assert stored(store) == bare
        assert stored(store).budget not in {"", FULL.budget}

    def test_saving_leaves_the_history_alone(self, store: AttemptStore) -> None:
        fail(store)
        store.save(KEY, FULL)
        assert store.history(KEY) == [failure(1)]

    def test_keys_have_nothing_to_do_with_each_other(self, store: AttemptStore) -> None:
        fail(store, "job:2")
        others = everything(store.load("job:2"))
        fail(store, "job:1")
        store.delete("job:1")
        assert everything(store.load("job:2")) == others
        assert store.history("job:2") == [failure(1)]
