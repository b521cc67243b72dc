"""Keys of any length, in the order of their code points; times in the order of numbers."""

from __future__ import annotations

import math
import tempfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from localqueue.core import Failure, MemoryAttemptStore, RecordState, RetryRecord, transitions
from localqueue.lmdb import LMDBAttemptStore
from localqueue.lmdb._values import SHORT, sortable, stored_key

# Beginnings that end before, at and after the place where a key is cut, and one whose cut falls
# into the middle of a character.
BEGINNINGS = ["", "job:", "x" * (SHORT - 1), "x" * SHORT, "x" * (SHORT + 1), "ü" * SHORT]
STATES: list[RecordState | None] = [None, "active", "exhausted", "succeeded"]

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
keys = st.builds(lambda start, end: start + end, st.sampled_from(BEGINNINGS), texts).filter(bool)
records = st.builds(
    RetryRecord,
    attempts=st.integers(0, 5),
    first_attempt_at=st.sampled_from([-5.0, 0.0, 3.0, 7.0]),
    exhausted=st.booleans(),
    exhausted_at=st.sampled_from([None, -4.0, 0.0, 3.5, 9.0]),
    succeeded_at=st.sampled_from([None, None, 8.0]),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    saved=st.dictionaries(keys, records, min_size=8, max_size=25),
    prefixes=st.lists(st.one_of(keys, st.sampled_from(BEGINNINGS)), min_size=1, max_size=3),
    after=st.one_of(st.none(), keys),
    limit=st.integers(1, 6),
    horizon=st.sampled_from([-4.5, -4.0, 0.0, 3.2, 10.0]),
)
def test_pages_and_pruning_are_those_of_a_sorted_dictionary(
    saved: dict[str, RetryRecord],
    prefixes: list[str],
    after: str | None,
    limit: int,
    horizon: float,
) -> None:
    model = MemoryAttemptStore()
    with tempfile.TemporaryDirectory() as folder, LMDBAttemptStore(folder) as store:
        for key, record in saved.items():
            for one in (model, store):
                one.save(key, record)
        for prefix in prefixes:
            for state in STATES:
                last, expected = after, None
                while expected is None or expected:
                    expected = model.records(prefix=prefix, state=state, after=last, limit=limit)
                    found = store.records(prefix=prefix, state=state, after=last, limit=limit)
                    assert found == expected
                    last = expected[-1][0] if expected else None
        count = model.count_exhausted_older_than(older_than=0, now=horizon)
        assert store.count_exhausted_older_than(older_than=0, now=horizon) == count
        assert store.prune_exhausted(older_than=0, now=horizon, limit=2) == min(2, count)
        model.prune_exhausted(older_than=0, now=horizon)
        store.prune_exhausted(older_than=0, now=horizon)
        assert store.records(limit=100) == model.records(limit=100)
        assert store.records(limit=100, state="exhausted") == model.records(
            limit=100, state="exhausted"
        )


@pytest.mark.parametrize("length", [1, SHORT - 1, SHORT, SHORT + 1, 511, 512, 100_000])
def test_a_key_of_any_length_holds_a_record_and_a_history(tmp_path: object, length: int) -> None:
    key, other = "x" * length, "x" * (length - 1) + "y"
    with LMDBAttemptStore(f"{tmp_path}/retries") as store:
        for one in (key, other):
            record = transitions.started(None, now=1.0)
            assert store.reserve(one, record, expected=None)
            assert store.settle(one, Failure(1, 2.0, one[-1]), budget=record.budget, exhausted=True)
        assert [failure.error_type for failure in store.history(key)] == ["x"]
        assert [found for found, _ in store.records()] == [key, other]
        assert [found for found, _ in store.records(state="exhausted")] == [key, other]
        assert store.delete(key)
        assert store.load(key) is None
        assert store.history(key) == []
        assert [found for found, _ in store.records(state="exhausted")] == [other]
        assert store.prune_exhausted(older_than=0, now=2.0) == 1
        assert store.records() == []
        assert store.history(other) == []


def test_many_long_keys_that_begin_alike_are_paged_through(tmp_path: object) -> None:
    saved = ["x" * 600 + f"{number:03}" for number in range(120)]
    with LMDBAttemptStore(f"{tmp_path}/retries") as store:
        for key in reversed(saved):
            store.save(key, RetryRecord(attempts=1))
        found: list[str] = []
        while page := store.records(prefix="x" * 500, after=found[-1] if found else None, limit=7):
            found.extend(key for key, _ in page)
    assert found == saved


@given(keys, keys)
def test_stored_keys_differ_and_fit(one: str, other: str) -> None:
    assert (stored_key(one) == stored_key(other)) is (one == other)
    assert 1 <= len(stored_key(one)) <= 503
    if one[:SHORT] != other[:SHORT] and one.isascii() and other.isascii():
        assert (stored_key(one) < stored_key(other)) is (one < other)


@pytest.mark.parametrize("key", ["", "\ud800", None, b"job"])
def test_a_key_that_no_store_can_hold_is_a_value_error(tmp_path: object, key: object) -> None:
    with LMDBAttemptStore(f"{tmp_path}/retries") as store, pytest.raises(ValueError, match="key"):
        store.load(key)  # type: ignore[arg-type]


@given(st.floats(allow_nan=False), st.floats(allow_nan=False))
def test_times_sort_like_numbers(one: float, other: float) -> None:
    assert (sortable(one) < sortable(other)) is (one < other)
    assert (sortable(one) == sortable(other)) is (one == other)


def test_times_without_bounds_sort_outside() -> None:
    assert sortable(-math.inf) < sortable(-1e300) < sortable(1e300) < sortable(math.inf)
