"""Cancellation at every await of a retried call: the attempt is given back, or the call is over."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from localqueue.core import RetryRecord
from localqueue.retry import PersistentAsyncRetrying
from localqueue.sqlite import SQLiteAttemptStore

# No call of these tests has so many awaits; one that never ends must not run for ever.
MOST_AWAITS = 200

Sleep = Callable[[float], Awaitable[None]]
Act = Callable[[Coroutine[Any, Any, Any]], object]


class Cut:
    """Runs a coroutine, and does something to it at one of its suspensions."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], at: int, act: Act) -> None:
        self.coroutine = coroutine
        self.at = at
        self.act = act
        self.was_made = False

    def __await__(self) -> Generator[Any, Any, Any]:
        step: Callable[[], Any] = partial(self.coroutine.send, None)
        for number in range(MOST_AWAITS):
            try:
                waits_for = step()
            except StopIteration as end:
                return end.value
            if number == self.at:
                self.was_made = True
                if self.act(self.coroutine) is STOP:
                    return None
            try:
                answer = yield waits_for
            except BaseException as error:  # noqa: BLE001  # it goes into the coroutine
                step = partial(self.coroutine.throw, error)
            else:
                step = partial(self.coroutine.send, answer)
        raise AssertionError("the call does not end")


STOP = object()


def close(coroutine: Coroutine[Any, Any, Any]) -> object:
    coroutine.close()
    return STOP


class Work:
    """A job that fails once and then succeeds, and what is known of its runs."""

    def __init__(self, store: SQLiteAttemptStore, key: str, sleep: Sleep) -> None:
        self.sleep = sleep
        self.begun = self.failed = self.succeeded = 0
        self.retryer = PersistentAsyncRetrying(
            key=key,
            store=store,
            sleep=sleep,
            wait=self.strategy(0.001),
            stop=self.strategy(False),
            retry=self.predicate,
            before=self.strategy(None),
            after=self.strategy(None),
            before_sleep=self.strategy(None),
        )

    def strategy(self, answer: Any) -> Any:
        async def answer_later(state: Any) -> Any:
            await self.sleep(0)
            return answer

        return answer_later

    async def predicate(self, state: Any) -> bool:
        await self.sleep(0)
        return bool(state.outcome.failed)

    async def job(self) -> str:
        self.begun += 1
        await self.sleep(0)
        await self.sleep(0.001)
        if self.failed == 0:
            self.failed += 1
            raise ConnectionError("down")
        self.succeeded += 1
        return "done"

    async def direct(self) -> str:
        return await self.retryer(self.job)

    async def decorated(self) -> str:
        return await self.retryer.wraps(self.job)()

    async def loop(self) -> str:
        async for attempt in self.retryer:
            async with attempt:
                result = await self.job()
        return result

    async def loop_with_plain_with(self) -> str:
        async for attempt in self.retryer:
            with attempt:
                result = await self.job()
        return result

    def check(self, record: RetryRecord | None) -> None:
        """The record counts what has failed, and nothing that was cut off."""
        if self.succeeded:
            assert record is None
            return
        attempts, interruptions = (
            (0, 0) if record is None else (record.attempts, record.interruptions)
        )
        assert attempts == self.failed
        assert interruptions <= 1
        if self.begun > self.failed:
            assert interruptions == 1


FORMS = [Work.direct, Work.decorated, Work.loop, Work.loop_with_plain_with]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SQLiteAttemptStore]:
    with SQLiteAttemptStore(tmp_path / "retries.sqlite3") as store:
        yield store
    alive = {thread.name for thread in threading.enumerate()}
    assert alive <= {"MainThread", "localqueue-writer_0"}


async def settled(work: Work) -> RetryRecord | None:
    """The record after everything that the writer thread was given before."""
    record = await work.retryer.aget_record()
    await asyncio.sleep(0.002)
    assert await work.retryer.aget_record() == record, "something was left over"
    return record


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("is_closed", [False, True], ids=["cancelled", "closed"])
def test_asyncio_call_cut_off_at_any_await_gives_its_attempt_back(
    store: SQLiteAttemptStore, form: Callable[[Work], Coroutine[Any, Any, str]], is_closed: bool
) -> None:
    async def cut_at(number: int) -> bool:
        work = Work(store, f"job:{number}", asyncio.sleep)
        act = close if is_closed else lambda _: task.cancel()
        cut = Cut(form(work), number, act)
        task = asyncio.create_task(awaited(cut))
        (outcome,) = await asyncio.gather(task, return_exceptions=True)

        if not cut.was_made:
            assert outcome == "done"
        elif is_closed:
            assert outcome is None
        else:
            assert isinstance(outcome, asyncio.CancelledError)
        work.check(await settled(work))
        await again(work, form)
        return cut.was_made

    assert count_cuts(lambda number: asyncio.run(cut_at(number))) > 15


async def awaited(cut: Cut) -> Any:
    return await cut


async def again(work: Work, form: Callable[[Work], Coroutine[Any, Any, str]]) -> None:
    """Whatever was cut off, the next call runs, and leaves nothing."""
    work.failed = 1
    assert await form(work) == "done"
    assert await work.retryer.aget_record() is None


def count_cuts(cut_at: Callable[[int], bool]) -> int:
    for number in range(MOST_AWAITS):
        if not cut_at(number):
            return number
    raise AssertionError("the call does not end")


@pytest.mark.parametrize("form", FORMS)
def test_trio_call_cut_off_at_any_await_gives_its_attempt_back(
    store: SQLiteAttemptStore, form: Callable[[Work], Coroutine[Any, Any, str]]
) -> None:
    async def cut_at(number: int) -> bool:
        work = Work(store, f"job:{number}", trio.sleep)
        outcome = None
        with trio.CancelScope() as scope:
            cut = Cut(form(work), number, lambda _: scope.cancel())
            outcome = await cut
        if not cut.was_made:
            assert outcome == "done"
        else:  # a cancellation that nothing waits for any more comes too late
            assert scope.cancelled_caught or outcome == "done"
        work.check(await work.retryer.aget_record())
        await again(work, form)
        return cut.was_made

    assert count_cuts(lambda number: trio.run(cut_at, number)) > 15
