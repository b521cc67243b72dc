"""Attempt stores: pages of records, and what prune removes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from localqueue.core import RetryRecord
from localqueue.core.testing._base import StoreContract
from localqueue.core.testing._steps import (
    FULL,
    NOW,
    everything,
    fail,
    failure,
    reserve,
    save_exhausted,
    stored,
)
from localqueue.core.testing._values import KEYS

if TYPE_CHECKING:
    from localqueue.core import AttemptStore, RecordState

ACTIVE = RetryRecord(attempts=1, first_attempt_at=NOW)
EXHAUSTED = RetryRecord(attempts=3, first_attempt_at=NOW, exhausted=True, exhausted_at=NOW)
SUCCEEDED = RetryRecord(attempts=2, first_attempt_at=NOW, succeeded_at=NOW)
# More than any store removes in one batch.
MANY = 1_100


def all_keys(
    store: AttemptStore, *, prefix: str = "", state: RecordState | None = None, limit: int = 100
) -> list[str]:
    """The keys of all pages, one after the other."""
    keys: list[str] = []
    while True:
        after = keys[-1] if keys else None
        page = store.records(prefix=prefix, state=state, after=after, limit=limit)
        assert len(page) <= limit
        for key, _ in page:
            assert not keys or key > keys[-1], "keys that come back would never come to an end"
            keys.append(key)
        if len(page) < limit:
            return keys


class Pages(StoreContract):
    """``records``."""

    def test_an_empty_store_has_no_records(self, store: AttemptStore) -> None:
        assert store.records() == []
        assert store.records(prefix="a", state="active", after="a", limit=1) == []

    def test_a_page_holds_the_records_that_load_gives(self, store: AttemptStore) -> None:
        fail(store, "job:1")
        reserve(store, "job:2")
        store.save("job:3", FULL)
        assert [(key, everything(record)) for key, record in store.records()] == [
            (key, everything(store.load(key))) for key in ("job:1", "job:2", "job:3")
        ]

    def test_records_come_in_the_order_of_code_points(self, store: AttemptStore) -> None:
        for key in reversed(KEYS):
            store.save(key, ACTIVE)
        for limit in (1, 2, 7, len(KEYS), 1_000):
            assert all_keys(store, limit=limit) == sorted(KEYS)

    def test_a_page_has_100_records_unless_told(self, store: AttemptStore) -> None:
        keys = [f"job:{number:03}" for number in range(120)]
        for key in keys:
            store.save(key, ACTIVE)
        assert [key for key, _ in store.records()] == keys[:100]
        assert [key for key, _ in store.records(after=keys[99])] == keys[100:]

    def test_a_limit_of_nothing_gives_nothing(self, store: AttemptStore) -> None:
        save_exhausted(store, "job:1", at=NOW)
        save_exhausted(store, "job:2", at=NOW)
        for limit in (0, -1):
            assert store.records(limit=limit) == []
            assert store.prune_exhausted(older_than=0, now=NOW, limit=limit) == 0
        assert len(store.records()) == 2

    def test_a_prefix_is_taken_literally(self, store: AttemptStore) -> None:
        for key in KEYS:
            store.save(key, ACTIVE)
        prefixes = {key[:length] for key in KEYS for length in (0, 1, 2, 511, 10_000)}
        for prefix in sorted(prefixes | {"b", "\x02", "\U0010fffe", "kl", "a\0\0"}):
            expected = sorted(key for key in KEYS if key.startswith(prefix))
            assert all_keys(store, prefix=prefix, limit=3) == expected

    def test_a_page_begins_after_any_key(self, store: AttemptStore) -> None:
        for key in KEYS:
            store.save(key, ACTIVE)
        for after in (*KEYS, "", "`", "b", "\x02", "k" * 700, "\U0010ffff\U0010ffff\U0010ffff"):
            expected = sorted(key for key in KEYS if key > after)
            assert [key for key, _ in store.records(after=after)] == expected
            below = [key for key in expected if key.startswith("k")]
            assert [key for key, _ in store.records(prefix="k", after=after)] == below

    def test_records_are_found_by_state(self, store: AttemptStore) -> None:
        kinds: dict[RecordState, RetryRecord] = {
            "active": ACTIVE,
            "exhausted": EXHAUSTED,
            "succeeded": SUCCEEDED,
        }
        expected: dict[RecordState, list[str]] = {state: [] for state in kinds}
        for number in range(30):
            state: RecordState = ("active", "exhausted", "succeeded")[number % 3]
            store.save(f"job:{number:02}", kinds[state])
            expected[state].append(f"job:{number:02}")
        store.save("job:x", FULL)  # spent once and then succeeded
        expected["succeeded"].append("job:x")
        for state, keys in expected.items():
            assert all_keys(store, state=state, limit=4) == keys
            first = [key for key in keys if key.startswith("job:1")]
            assert all_keys(store, state=state, prefix="job:1", limit=2) == first

    def test_the_last_key_of_a_page_may_be_gone_at_the_next(self, store: AttemptStore) -> None:
        for key in ("a", "b", "c", "d"):
            store.save(key, ACTIVE)
        last = store.records(limit=2)[-1][0]
        store.delete(last)
        assert [key for key, _ in store.records(after=last)] == ["c", "d"]


class Pruning(StoreContract):
    """``prune_exhausted`` and ``count_exhausted_older_than``."""

    def test_prune_goes_by_the_time_of_exhaustion(self, store: AttemptStore) -> None:
        save_exhausted(store, "older", at=NOW - 60.001, first=NOW)
        save_exhausted(store, "just as old", at=NOW - 60, first=NOW)
        save_exhausted(store, "younger", at=NOW - 59.999, first=NOW - 1_000)
        assert store.count_exhausted_older_than(older_than=60, now=NOW) == 2
        assert store.prune_exhausted(older_than=60, now=NOW) == 2
        assert all_keys(store) == ["younger"]
        assert store.prune_exhausted(older_than=60, now=NOW) == 0

    def test_prune_goes_by_the_first_attempt_where_no_other_time_is_known(
        self, store: AttemptStore
    ) -> None:
        save_exhausted(store, "old", at=None, first=NOW - 60)
        save_exhausted(store, "young", at=None, first=NOW - 59)
        assert store.count_exhausted_older_than(older_than=60, now=NOW) == 1
        assert store.prune_exhausted(older_than=60, now=NOW) == 1
        assert all_keys(store) == ["young"]

    def test_prune_leaves_all_but_exhausted_records_alone(self, store: AttemptStore) -> None:
        for key, record in {"active": ACTIVE, "succeeded": SUCCEEDED, "both": FULL}.items():
            store.save(key, record)
        save_exhausted(store, "exhausted", at=NOW)
        assert store.count_exhausted_older_than(older_than=0, now=NOW + 1e9) == 1
        assert store.prune_exhausted(older_than=0, now=NOW + 1e9) == 1
        assert all_keys(store) == ["active", "both", "succeeded"]

    def test_prune_removes_the_history_too(self, store: AttemptStore) -> None:
        fail(store, "spent", exhausted=True)
        fail(store, "active")
        assert store.prune_exhausted(older_than=0, now=NOW) == 1
        assert store.load("spent") is None
        assert store.history("spent") == []
        assert store.history("active") == [failure(1)]
        assert reserve(store, "spent").attempts == 1

    def test_prune_takes_the_oldest_first(self, store: AttemptStore) -> None:
        for number in (3, 1, 4, 0, 2):
            save_exhausted(store, f"job:{number}", at=NOW + number)
        assert store.prune_exhausted(older_than=0, now=NOW + 9, limit=2) == 2
        assert all_keys(store) == ["job:2", "job:3", "job:4"]
        assert store.prune_exhausted(older_than=0, now=NOW + 9, limit=2) == 2
        assert store.prune_exhausted(older_than=0, now=NOW + 9, limit=2) == 1
        assert store.prune_exhausted(older_than=0, now=NOW + 9, limit=2) == 0

    def test_prune_removes_more_than_one_batch(self, store: AttemptStore) -> None:
        for number in range(MANY):
            save_exhausted(store, f"job:{number}", at=NOW)
        store.save("kept", ACTIVE)
        assert store.count_exhausted_older_than(older_than=0, now=NOW) == MANY
        assert store.prune_exhausted(older_than=0, now=NOW, limit=MANY - 50) == MANY - 50
        assert store.prune_exhausted(older_than=0, now=NOW) == 50
        assert all_keys(store) == ["kept"]

    def test_prune_removes_nothing_from_after_its_now(self, store: AttemptStore) -> None:
        fail(store, "spent", now=NOW, exhausted=True)
        spent = everything(stored(store, "spent"))
        for now in (NOW - 0.001, NOW - 86_400, 0.0, -1.0):
            assert store.count_exhausted_older_than(older_than=0, now=now) == 0
            assert store.prune_exhausted(older_than=0, now=now) == 0
        assert everything(store.load("spent")) == spent

    @pytest.mark.parametrize("age", [-0.001, -1, -math.inf, math.nan])
    def test_an_age_below_zero_is_refused(self, store: AttemptStore, age: float) -> None:
        save_exhausted(store, "spent", at=NOW)
        with pytest.raises(ValueError, match="older_than"):
            store.prune_exhausted(older_than=age, now=NOW)
        with pytest.raises(ValueError, match="older_than"):
            store.count_exhausted_older_than(older_than=age, now=NOW)
        assert all_keys(store) == ["spent"]

    def test_nothing_is_older_than_for_ever(self, store: AttemptStore) -> None:
        save_exhausted(store, "spent", at=-1e300)
        assert store.count_exhausted_older_than(older_than=math.inf, now=NOW) == 0
        assert store.prune_exhausted(older_than=math.inf, now=NOW) == 0
