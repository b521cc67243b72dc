"""Attempt stores: keys, texts and times of every kind come back as they were given."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localqueue.core import MESSAGE_LIMIT, Failure, RetryRecord, transitions
from localqueue.core.testing._base import StoreContract
from localqueue.core.testing._steps import KEY, NOW, everything, fail, reserve, stored

if TYPE_CHECKING:
    from localqueue.core import AttemptStore

KEYS = (
    "a",
    "A",
    "aa",
    "a\0",
    "a\0b",
    "\0",
    "\0\0",
    "\x01\x1f\t\r\n",
    "\x7f",
    "\x80",
    "%",
    "%a",
    "_",
    "_a",
    "\\",
    "\\%",
    "'; --",
    '"',
    "[a]*?",
    " ",
    " a",
    "a ",
    "0",
    "00",
    "1e3",
    "None",
    "é",
    "e\u0301",
    "ß",
    "\u07ff",
    "\u0800",
    "\u202e\u200b",
    "\ud7ff",
    "\ufeff",
    "\uffff",
    "\U00010000",
    "\U0001f600",
    "\U0010ffff",
    "\U0010ffff\U0010ffff",
    # Around the lengths where backends change how they keep a key, in bytes.
    *("k" * length for length in (510, 511, 512, 1_000, 4_096, 10_000)),
    "k" * 9_999 + "l",
    "l" + "k" * 9_999,
    "é" * 5_000,
    "\U0001f600" * 2_500,
)
"""Keys that a careless store mixes up, sorts wrongly or cannot hold."""

TEXTS = (
    "",
    " ",
    "".join(map(chr, range(32))) + "\x7f\x9f",
    "ends with NUL\0",
    "\x1b[31mred\x1b[0m\r\n",
    "'; DROP TABLE records; --",
    '{"json": "[]"}',
    "\ufffe\uffff\U0010ffff",
    "x" * MESSAGE_LIMIT,
    "\0" * MESSAGE_LIMIT,
    "\U0001f600" * (MESSAGE_LIMIT // 4),
)

any_text = st.text(st.characters(exclude_categories=["Cs"]))
any_key = st.one_of(any_text.filter(bool), st.sampled_from(KEYS))
any_time = st.floats(allow_nan=False, allow_infinity=False)
any_record = st.builds(
    RetryRecord,
    attempts=st.integers(0, 2**53),
    first_attempt_at=any_time,
    exhausted=st.booleans(),
    last_attempt_at=st.none() | any_time,
    next_attempt_at=st.none() | any_time,
    exhausted_at=st.none() | any_time,
    succeeded_at=st.none() | any_time,
    function=st.none() | any_text,
    interruptions=st.integers(0, 2**53),
    owner=st.none() | any_text,
    last_error_type=st.none() | any_text,
    last_error_message=st.none() | any_text,
    last_error_at=st.none() | any_time,
    budget=st.just("") | st.just("0011223344556677"),
)


class Values(StoreContract):
    """Nothing is mangled, and times are those of the caller."""

    def test_keys_of_every_kind_are_told_apart(self, store: AttemptStore) -> None:
        written = {key: fail(store, key, now=NOW + n) for n, key in enumerate(KEYS)}
        for key, record in written.items():
            assert everything(store.load(key)) == everything(record)
            assert [one.failed_at for one in store.history(key)] == [record.last_attempt_at]
        for key in KEYS[::2]:
            assert store.delete(key) is True
        for n, key in enumerate(KEYS):
            left = None if n % 2 == 0 else everything(written[key])
            assert everything(store.load(key)) == left
            assert len(store.history(key)) == n % 2

    def test_every_operation_finds_a_key_of_any_kind(self, store: AttemptStore) -> None:
        for key in KEYS:
            budget = reserve(store, key).budget
            assert store.release(key, budget=budget, interruptions_allowed=1) is True
            assert fail(store, key).attempts == 1
            assert store.complete(key, budget=budget, succeeded_at=NOW) is True
            assert store.complete(key, budget=reserve(store, key).budget) is True
            store.save(key, RetryRecord(attempts=3, first_attempt_at=NOW, exhausted=True))
        assert store.prune_exhausted(older_than=0, now=NOW) == len(KEYS)
        assert store.records() == []

    def test_any_record_comes_back_under_any_key(self, store: AttemptStore) -> None:
        @settings(max_examples=self.examples, deadline=None)
        @given(any_key, any_record)
        def check(key: str, record: RetryRecord) -> None:
            store.save(key, record)
            present = stored(store, key)
            assert present == record
            assert record.budget in {"", present.budget}
            assert [pair for pair in store.records(limit=1_000) if pair[0] == key] == [
                (key, record)
            ]
            assert store.delete(key) is True

        check()

    @pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
    def test_texts_come_back_as_they_were_given(self, store: AttemptStore, text: str) -> None:
        happened = Failure(1, NOW, text, text)
        begun = transitions.started(None, now=NOW, function=text, owner=text)
        assert store.reserve(KEY, begun, expected=None) is True
        record = store.settle(KEY, happened, budget=begun.budget)
        assert record is not None
        assert (record.last_error_type, record.last_error_message) == (text, text)
        assert (record.function, record.owner) == (text, text)
        assert everything(store.load(KEY)) == everything(record)
        assert store.history(KEY) == [happened]

    @pytest.mark.parametrize(
        "time",
        [0.0, -1.5, 0.1 + 0.2, 5e-324, NOW + 1e-6, 2.0**53 + 2, 253_402_300_800.0, 1e300, -1e300],
    )
    def test_times_come_back_to_the_last_bit(self, store: AttemptStore, time: float) -> None:
        record = fail(store, now=time, exhausted=True)
        assert (record.first_attempt_at, record.last_attempt_at) == (time, time)
        assert (record.exhausted_at, record.last_error_at) == (time, time)
        assert everything(store.load(KEY)) == everything(record)
        assert [one.failed_at for one in store.history(KEY)] == [time]

    def test_records_carry_the_given_times_when_the_clock_goes_back(
        self, store: AttemptStore
    ) -> None:
        fail(store, now=NOW)
        budget = reserve(store, now=NOW - 3_600).budget
        earlier = Failure(2, NOW - 7_200, "OSError", "later, by the clock that was set back")
        store.settle(KEY, earlier, budget=budget, next_attempt_at=NOW - 7_000)
        record = stored(store)
        assert record.attempts == 2
        assert (record.first_attempt_at, record.last_attempt_at) == (NOW, NOW - 3_600)
        assert (record.last_error_at, record.next_attempt_at) == (NOW - 7_200, NOW - 7_000)
        assert [one.failed_at for one in store.history(KEY)] == [NOW, NOW - 7_200]
        store.complete(KEY, budget=budget, succeeded_at=NOW - 9_000)
        assert stored(store).succeeded_at == NOW - 9_000
