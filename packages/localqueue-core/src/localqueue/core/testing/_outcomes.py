"""Attempt stores: how an attempt ends, and whose outcome counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from localqueue.core import HISTORY_LIMIT, Failure, RetryRecord, transitions
from localqueue.core.testing._base import StoreContract
from localqueue.core.testing._steps import (
    KEY,
    NOW,
    everything,
    fail,
    fail_often,
    failure,
    reserve,
    stored,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from localqueue.core import AttemptStore


def _settle(store: AttemptStore, budget: str) -> object:
    return store.settle(KEY, failure(1), budget=budget, exhausted=True)


def _release(store: AttemptStore, budget: str) -> object:
    return store.release(KEY, budget=budget)


def _interrupt(store: AttemptStore, budget: str) -> object:
    return store.release(KEY, budget=budget, interruptions_allowed=5)


def _complete(store: AttemptStore, budget: str) -> object:
    return store.complete(KEY, budget=budget)


def _complete_and_keep(store: AttemptStore, budget: str) -> object:
    return store.complete(KEY, budget=budget, succeeded_at=NOW)


def _reset(store: AttemptStore, budget: str) -> None:
    store.delete(KEY)


def _reset_and_start_anew(store: AttemptStore, budget: str) -> None:
    store.delete(KEY)
    fail_often(store, 2)


def _succeed_and_start_anew(store: AttemptStore, budget: str) -> None:
    store.complete(KEY, budget=budget)
    fail_often(store, 2)


def _keep_a_success(store: AttemptStore, budget: str) -> None:
    store.complete(KEY, budget=budget, succeeded_at=NOW)


def _keep_a_success_and_start_anew(store: AttemptStore, budget: str) -> None:
    store.complete(KEY, budget=budget, succeeded_at=NOW)
    fail_often(store, 2)


def _replace(store: AttemptStore, budget: str) -> None:
    store.save(KEY, RetryRecord(attempts=4, first_attempt_at=NOW))


class Outcomes(StoreContract):
    """``settle``, ``release``, ``complete`` and ``delete``."""

    def test_a_failure_is_kept_in_the_record_and_in_the_history(self, store: AttemptStore) -> None:
        reserved = reserve(store)
        happened = Failure(1, NOW + 1, "jobs.Refused", "no")
        record = store.settle(KEY, happened, budget=reserved.budget, next_attempt_at=NOW + 9)
        expected = transitions.failed(reserved, happened, next_attempt_at=NOW + 9, exhausted=False)
        assert record is not None
        assert record == expected
        assert record.budget == reserved.budget
        assert everything(store.load(KEY)) == everything(record)
        assert store.history(KEY) == [happened]

    def test_a_settled_record_can_be_expected_without_another_look(
        self, store: AttemptStore
    ) -> None:
        record = fail(store)
        assert store.reserve(KEY, transitions.started(record, now=NOW), expected=record) is True

    def test_a_failure_without_an_exception_is_kept(self, store: AttemptStore) -> None:
        happened = Failure(1, NOW)
        store.settle(KEY, happened, budget=reserve(store).budget)
        assert store.history(KEY) == [happened]
        assert stored(store).last_error_type is None
        assert stored(store).last_error_message is None
        assert stored(store).last_error_at == NOW

    def test_exhaustion_is_never_taken_back(self, store: AttemptStore) -> None:
        spent = fail(store, now=NOW, exhausted=True)
        assert (spent.exhausted, spent.exhausted_at) == (True, NOW)
        store.settle(KEY, failure(2), budget=spent.budget, next_attempt_at=NOW + 9)
        again = store.settle(KEY, failure(3, at=NOW + 5), budget=spent.budget, exhausted=True)
        assert again is not None
        assert (again.exhausted, again.exhausted_at, again.next_attempt_at) == (True, NOW, None)
        assert everything(store.load(KEY)) == everything(again)

    def test_the_history_holds_the_last_failures_oldest_first(self, store: AttemptStore) -> None:
        fail_often(store, HISTORY_LIMIT)
        first = [failure(number + 1, at=NOW + number) for number in range(HISTORY_LIMIT)]
        assert store.history(KEY) == first
        for number in range(HISTORY_LIMIT, HISTORY_LIMIT + 5):
            fail(store, now=NOW + number)
            first = [*first[1:], failure(number + 1, at=NOW + number)]
            assert store.history(KEY) == first

    def test_the_history_is_in_the_order_of_writing(self, store: AttemptStore) -> None:
        budget = reserve(store).budget
        happened = [failure(3, at=NOW), failure(1, at=NOW - 60), failure(1, at=NOW - 60)]
        for one in happened:
            store.settle(KEY, one, budget=budget)
        assert store.history(KEY) == happened

    def test_a_released_attempt_does_not_count(self, store: AttemptStore) -> None:
        before = fail(store)
        reserved = reserve(store)
        assert store.release(KEY, budget=reserved.budget) is True
        after = stored(store)
        assert after == transitions.released(reserved, interrupted=False)
        assert (after.attempts, after.interruptions) == (before.attempts, 0)
        assert store.history(KEY) == [failure(1)]

    def test_releasing_the_only_attempt_removes_record_and_history(
        self, store: AttemptStore
    ) -> None:
        budget = fail(store).budget
        assert store.release(KEY, budget=budget) is True
        assert store.load(KEY) is None
        assert store.history(KEY) == []
        assert store.release(KEY, budget=budget) is False

    def test_an_interruption_is_given_back_so_often_and_no_more(self, store: AttemptStore) -> None:
        budget = ""
        for number in range(1, 4):
            budget = reserve(store).budget
            assert store.release(KEY, budget=budget, interruptions_allowed=3) is True
            assert (stored(store).attempts, stored(store).interruptions) == (0, number)
        reserve(store)
        present = everything(store.load(KEY))
        assert store.release(KEY, budget=budget, interruptions_allowed=3) is False
        assert store.release(KEY, budget=budget, interruptions_allowed=0) is False
        assert everything(store.load(KEY)) == present
        assert store.release(KEY, budget=budget) is True, "a permanent failure has no such limit"

    def test_no_more_is_given_back_than_was_reserved(self, store: AttemptStore) -> None:
        budget = reserve(store).budget
        store.release(KEY, budget=budget, interruptions_allowed=5)
        assert store.release(KEY, budget=budget, interruptions_allowed=5) is False
        assert store.release(KEY, budget=budget) is False
        assert (stored(store).attempts, stored(store).interruptions) == (0, 1)

    def test_an_exhausted_record_stays_when_its_only_attempt_is_given_back(
        self, store: AttemptStore
    ) -> None:
        budget = fail(store, exhausted=True).budget
        assert store.release(KEY, budget=budget) is True
        assert (stored(store).attempts, stored(store).exhausted) == (0, True)

    def test_a_success_removes_record_and_history(self, store: AttemptStore) -> None:
        fail_often(store, 2)
        budget = reserve(store).budget
        assert store.complete(KEY, budget=budget) is True
        assert store.load(KEY) is None
        assert store.history(KEY) == []
        assert store.complete(KEY, budget=budget) is False

    def test_a_success_can_be_kept_with_its_failures(self, store: AttemptStore) -> None:
        fail_often(store, 2)
        reserved = reserve(store)
        assert store.complete(KEY, budget=reserved.budget, succeeded_at=NOW + 7) is True
        kept = stored(store)
        assert kept == transitions.succeeded(reserved, at=NOW + 7)
        assert (kept.state, kept.attempts, kept.succeeded_at) == ("succeeded", 2, NOW + 7)
        assert store.history(KEY) == [failure(1, at=NOW), failure(2, at=NOW + 1)]

    def test_a_new_budget_follows_a_success_that_was_kept(self, store: AttemptStore) -> None:
        first = fail(store)
        store.complete(KEY, budget=first.budget, succeeded_at=NOW)
        second = reserve(store, now=NOW + 60)
        assert (second.attempts, second.first_attempt_at) == (1, NOW + 60)
        assert everything(store.load(KEY)) == everything(second)

    def test_deleting_removes_record_and_history(self, store: AttemptStore) -> None:
        fail_often(store, 3)
        assert store.delete(KEY) is True
        assert store.load(KEY) is None
        assert store.history(KEY) == []
        assert store.delete(KEY) is False
        fail(store)
        assert store.history(KEY) == [failure(1)]

    @pytest.mark.parametrize(
        "outcome", [_settle, _release, _interrupt, _complete, _complete_and_keep]
    )
    @pytest.mark.parametrize(
        "end",
        [
            _reset,
            _reset_and_start_anew,
            _succeed_and_start_anew,
            _keep_a_success,
            _keep_a_success_and_start_anew,
            _replace,
        ],
    )
    def test_a_late_outcome_of_an_older_budget_changes_nothing(
        self,
        store: AttemptStore,
        end: Callable[[AttemptStore, str], None],
        outcome: Callable[[AttemptStore, str], object],
    ) -> None:
        fail(store)
        budget = reserve(store).budget
        end(store, budget)
        present, failures = everything(store.load(KEY)), store.history(KEY)
        assert not outcome(store, budget)
        assert everything(store.load(KEY)) == present
        assert store.history(KEY) == failures
