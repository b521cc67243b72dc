"""Memory stores with one mistake each; the suite must find every one of them."""

import pytest
from hypothesis import Phase, settings

from localqueue.core import MemoryAttemptStore, RetryRecord, transitions
from localqueue.core.testing import AttemptStoreContract

# That there is a counterexample is enough; looking for the shortest takes a while.
settings.register_profile("brief", phases=[Phase.generate], derandomize=True)
settings.load_profile("brief")


class Wrong(AttemptStoreContract):
    survives_reopening = False
    shared_between_processes = False
    make = MemoryAttemptStore

    @pytest.fixture
    def store_url(self):
        return "memory:"

    @pytest.fixture
    def store(self):
        return self.make()


class ReservesWithoutALook(MemoryAttemptStore):
    def reserve(self, key, record, *, expected):
        return super().reserve(key, record, expected=self.load(key))


class ForgetsWhichBudget(MemoryAttemptStore):
    def settle(self, key, failure, *, budget, **options):
        present = self.load(key)
        return super().settle(key, failure, budget=present.budget if present else "", **options)


class KeepsTheHistoryOfASuccess(MemoryAttemptStore):
    def complete(self, key, *, budget, succeeded_at=None):
        past = self._history.get(key, [])
        done = super().complete(key, budget=budget, succeeded_at=succeeded_at)
        self._history[key] = past
        return done


class KeepsEmptyRecords(MemoryAttemptStore):
    def release(self, key, *, budget, interruptions_allowed=None):
        done = super().release(key, budget=budget, interruptions_allowed=interruptions_allowed)
        if done and self.load(key) is None:
            self.save(key, RetryRecord())
        return done


class InterruptsWithoutEnd(MemoryAttemptStore):
    def release(self, key, *, budget, interruptions_allowed=None):
        endless = None if interruptions_allowed is None else 10**9
        return super().release(key, budget=budget, interruptions_allowed=endless)


class SavesTheRevisionToo(MemoryAttemptStore):
    def save(self, key, record):
        self._records[key] = record


class SortsAsUtf16(MemoryAttemptStore):
    def records(self, *, prefix="", state=None, after=None, limit=100):
        found = super().records(prefix=prefix, state=state, limit=10**6)
        found.sort(key=lambda item: item[0].encode("utf-16-be"))
        return [item for item in found if after is None or item[0] > after][: max(0, limit)]


class ListsEverything(MemoryAttemptStore):
    def records(self, *, prefix="", state=None, after=None, limit=100):
        return super().records(prefix=prefix, state=state, after=after, limit=10**6)


class CutsKeys(MemoryAttemptStore):
    def load(self, key):
        return super().load(key[:511])

    def reserve(self, key, record, *, expected):
        return super().reserve(key[:511], record, expected=expected)


class PrunesByTheFirstAttempt(MemoryAttemptStore):
    def _exhausted_before(self, horizon):
        return [
            key
            for key, record in self._records.items()
            if record.exhausted and record.first_attempt_at <= horizon
        ]


class TakesExhaustionBack(MemoryAttemptStore):
    def settle(self, key, failure, *, exhausted=False, **options):
        record = super().settle(key, failure, exhausted=exhausted, **options)
        if record is not None and not exhausted:
            self.save(key, record := transitions.saved(RetryRecord(record.attempts, 1.0)))
        return record


class WorksAfterClose(MemoryAttemptStore):
    def _check_open(self):
        pass


class RoundsTimes(MemoryAttemptStore):
    def settle(self, key, failure, *, next_attempt_at=None, **options):
        at = None if next_attempt_at is None else float(int(next_attempt_at) // 10 * 10)
        return super().settle(key, failure, next_attempt_at=at, **options)


WRONG = [
    kind
    for kind in list(globals().values())
    if getattr(kind, "__base__", None) is MemoryAttemptStore
]
for wrong in WRONG:
    name = f"Test{wrong.__name__}"
    globals()[name] = type(name, (Wrong,), {"make": wrong, "__module__": __name__})
