"""Calls of many tasks at once: what they ask of the store is done in few transactions."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest
import trio

from localqueue.core import MemoryAttemptStore, RetryRecord, transitions
from localqueue.retry import (
    PersistentAsyncRetrying,
    StoreError,
    StoreFullError,
    StoreLockedError,
    key_from_argument,
)
from localqueue.retry._asyncio import AsyncioTask
from localqueue.sqlite import SQLiteAttemptStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TASKS = 200


class Counting(SQLiteAttemptStore):
    """Counts transactions, and the operations in them."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.transactions = 0
        self.operations = 0

    def together(self, work: Callable[[], Any]) -> Any:
        values = super().together(work)
        self.transactions += 1
        self.operations += len(values)
        return values


class Undoing(MemoryAttemptStore):
    """Its transactions come to nothing."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error
        self.undone = 0
        self.meanwhile: Callable[[], object] = lambda: None

    def together(self, work: Callable[[], Any]) -> Any:
        records, history = dict(self._records), dict(self._history)
        work()
        self._records, self._history = records, history
        self.undone += 1
        self.meanwhile()
        raise self.error


class Crowd:
    """Tasks that call one job at once, each with a key of its own."""

    def __init__(self, runner: str, store: Any, fail_first: bool = False) -> None:
        self.runner = runner
        self.store = store
        self.fail_first = fail_first
        self.runs: dict[str, list[int]] = {}
        self.retryer = PersistentAsyncRetrying(
            key_fn=key_from_argument("name"), max_tries=3, store=store, wait=None
        )

    async def job(self, name: str) -> str:
        record = self.store.load(name)
        numbers = self.runs.setdefault(name, [])
        numbers.append(record.attempts)
        if self.fail_first and record.attempts == 1:
            raise ConnectionError(name)
        return name

    def call(self, tasks: int = TASKS) -> dict[str, Any]:
        """What each call returned or raised."""
        outcomes: dict[str, Any] = {}

        async def one(name: str) -> None:
            try:
                outcomes[name] = await self.retryer(self.job, name)
            except Exception as error:  # noqa: BLE001  # looked at by the test
                outcomes[name] = error

        async def on_trio() -> None:
            async with trio.open_nursery() as nursery:
                for number in range(tasks):
                    nursery.start_soon(one, f"job:{number}")

        async def on_asyncio() -> None:
            await asyncio.gather(*(one(f"job:{number}") for number in range(tasks)))

        if self.runner == "trio":
            trio.run(on_trio)
        else:
            asyncio.run(on_asyncio())
        return outcomes


@pytest.fixture(params=["asyncio", "trio"])
def runner(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_operations_of_many_tasks_share_few_transactions(runner: str, database: Path) -> None:
    with Counting(database) as store:
        crowd = Crowd(runner, store, fail_first=True)
        assert set(crowd.call().values()) == set(crowd.runs)
        assert crowd.runs == {f"job:{n}": [1, 2] for n in range(TASKS)}
        assert store.records() == []
        # Each call looks, fails, reserves again and succeeds.
        assert store.operations > 2 * TASKS
        assert store.transactions < store.operations / 4


def test_what_comes_to_nothing_together_is_done_one_by_one(runner: str) -> None:
    store = Undoing(StoreFullError("memory:"))
    crowd = Crowd(runner, store, fail_first=True)
    assert set(crowd.call().values()) == set(crowd.runs)
    assert crowd.runs == {f"job:{n}": [1, 2] for n in range(TASKS)}
    assert store.records() == []
    assert store.undone > 1


def test_what_came_to_nothing_is_forgotten(runner: str) -> None:
    """Another process takes the first attempt of a key that this one had reserved in vain."""
    store = Undoing(StoreFullError("memory:"))
    taken = transitions.started(None, now=time.time())

    def take() -> None:
        for number in range(TASKS):
            store.reserve(f"job:{number}", taken, expected=None)
        store.meanwhile = lambda: None

    store.meanwhile = take
    crowd = Crowd(runner, store)
    assert set(crowd.call().values()) == set(crowd.runs)
    firsts = [numbers[0] for numbers in crowd.runs.values()]
    assert set(firsts) <= {1, 2}
    assert firsts.count(1) < 10  # those that came before anything had gathered


def test_a_locked_store_is_waited_for_once_and_not_by_each_call(runner: str) -> None:
    store = Undoing(StoreLockedError("memory:"))
    outcomes = Crowd(runner, store).call(50)
    locked = [one for one in outcomes.values() if isinstance(one, StoreLockedError)]
    assert len(locked) == len(set(map(id, locked))) >= 48
    assert {str(one) for one in locked} == {str(StoreLockedError("memory:"))}
    assert all(one.__cause__ is store.error for one in locked)


def test_on_a_full_disk_every_call_gets_its_own_answer(runner: str, database: Path) -> None:
    with SQLiteAttemptStore(database) as store:
        for number in range(0, TASKS, 2):
            store.save(f"job:{number}", RetryRecord(attempts=1, first_attempt_at=1.0))
        connection = store._database._connection
        assert connection is not None
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}")
        crowd = Crowd(runner, store)
        crowd.retryer = crowd.retryer.copy(clear_on_success=False)
        outcomes = crowd.call()
        full = {name for name, one in outcomes.items() if isinstance(one, StoreFullError)}
        assert full
        assert {name: one for name, one in outcomes.items() if name not in full} == {
            name: name for name in crowd.runs
        }
        for number in range(TASKS):
            name = f"job:{number}"
            assert crowd.runs.get(name, []) == ([] if name in full else [1 + (number + 1) % 2])


def test_a_transaction_ends_before_other_processes_have_waited_for_long(runner: str) -> None:
    class Slow(MemoryAttemptStore):
        longest = 0

        def load(self, key: str) -> RetryRecord | None:
            time.sleep(0.002)
            return super().load(key)

        def together(self, work: Callable[[], Any]) -> Any:
            values = work()
            self.longest = max(self.longest, len(values))
            return values

    store = Slow()
    crowd = Crowd(runner, store)
    assert set(crowd.call(50).values()) == set(crowd.runs)
    assert 1 < store.longest <= 40  # a success takes no time here, a look two milliseconds


def test_an_error_that_is_not_the_store_s_reaches_its_own_call_only(runner: str) -> None:
    class Picky(MemoryAttemptStore):
        def load(self, key: str) -> RetryRecord | None:
            if key == "job:7":
                raise StoreError("memory:", "does not like that key")
            return super().load(key)

        def together(self, work: Callable[[], Any]) -> Any:
            records = dict(self._records)
            try:
                return work()
            except BaseException:
                self._records = records
                raise

    outcomes = Crowd(runner, Picky()).call(50)
    wrong = outcomes.pop("job:7")
    assert str(wrong) == "memory:: does not like that key"
    assert outcomes == {name: name for name in outcomes}


def test_what_failed_with_its_transaction_is_not_given_back(runner: str) -> None:
    """The attempt that it would give back is one of those that failed before."""
    store = Undoing(StoreLockedError("memory:"))
    for number in range(50):
        store.save(f"job:{number}", RetryRecord(attempts=2, first_attempt_at=1.0))
    outcomes = Crowd(runner, store).call(50)
    locked = {name for name, one in outcomes.items() if isinstance(one, StoreLockedError)}
    assert len(locked) >= 48
    for name in locked:
        record = store.load(name)
        assert record is not None
        assert (record.attempts, record.interruptions) == (2, 0)


def test_ctrl_c_between_two_answers_lets_no_task_wait_for_ever(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = 0
    arrived = AsyncioTask.arrived

    def interrupted(task: AsyncioTask) -> None:
        nonlocal answers
        answers += 1
        if answers == 70:
            raise KeyboardInterrupt
        arrived(task)

    monkeypatch.setattr(AsyncioTask, "arrived", interrupted)
    loop = asyncio.new_event_loop()
    with SQLiteAttemptStore(database) as store:
        retryer = PersistentAsyncRetrying(key_fn=key_from_argument("name"), store=store)

        async def job(name: str) -> str:
            return name

        tasks = [loop.create_task(retryer(job, f"job:{number}")) for number in range(TASKS)]
        with pytest.raises(KeyboardInterrupt):
            loop.run_until_complete(asyncio.wait(tasks))
        for task in tasks[::2]:
            task.cancel()
        _, waiting = loop.run_until_complete(asyncio.wait(tasks, timeout=10))
        assert waiting == set()
    loop.close()
