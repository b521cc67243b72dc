"""Five interruptions of a budget are given back and the sixth counts, whatever interrupts."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
import trio

from localqueue.retry import PersistentAsyncRetrying, PersistentRetryExhausted, RetryRecord
from localqueue.sqlite import SQLiteAttemptStore

KEY = "job:1"
FOREVER = 60.0

Interrupt = Callable[[PersistentAsyncRetrying], Awaitable[None]]


async def job(tell: Callable[[], object], sleep: Callable[[float], Awaitable[None]]) -> None:
    """Say that it has begun, and do not end."""
    tell()
    await sleep(FOREVER)


async def cancel_the_task(retryer: PersistentAsyncRetrying) -> None:
    begun = asyncio.Event()
    task = asyncio.create_task(retryer(job, begun.set, asyncio.sleep))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def cancel_the_task_twice(retryer: PersistentAsyncRetrying) -> None:
    begun = asyncio.Event()
    task = asyncio.create_task(retryer(job, begun.set, asyncio.sleep))
    await begun.wait()
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def run_into_a_timeout(retryer: PersistentAsyncRetrying) -> None:
    async def run() -> None:
        async with asyncio.timeout(None) as timeout:
            await retryer(job, lambda: timeout.reschedule(0), asyncio.sleep)

    with pytest.raises(TimeoutError):
        await run()


async def run_into_wait_for(retryer: PersistentAsyncRetrying) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(retryer(job, lambda: None, asyncio.sleep), 0.05)


async def fail_beside_it_in_a_task_group(retryer: PersistentAsyncRetrying) -> None:
    begun = asyncio.Event()

    async def fail() -> None:
        await begun.wait()
        raise ValueError("the neighbour's own")

    async def run() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(retryer(job, begun.set, asyncio.sleep))
            group.create_task(fail())

    with pytest.raises(ExceptionGroup) as caught:
        await run()
    assert [type(error) for error in caught.value.exceptions] == [ValueError]


async def cancel_inside_a_plain_with(retryer: PersistentAsyncRetrying) -> None:
    async def run() -> None:
        async with asyncio.timeout(None) as timeout:
            async for attempt in retryer:
                with attempt:
                    await job(lambda: timeout.reschedule(0), asyncio.sleep)

    with pytest.raises(TimeoutError):
        await run()


async def cancel_inside_an_async_with(retryer: PersistentAsyncRetrying) -> None:
    async def run() -> None:
        async with asyncio.timeout(None) as timeout:
            async for attempt in retryer:
                async with attempt:
                    await job(lambda: timeout.reschedule(0), asyncio.sleep)

    with pytest.raises(TimeoutError):
        await run()


async def leave_the_loop(retryer: PersistentAsyncRetrying) -> None:
    async for _ in retryer:
        break


async def close_the_coroutine(retryer: PersistentAsyncRetrying) -> None:
    begun = asyncio.Event()
    coroutine = retryer(job, begun.set, asyncio.sleep)

    class Steps:
        def __await__(self) -> Generator[Any, None, None]:
            waits_for = coroutine.send(None)
            while not begun.is_set():
                yield waits_for
                waits_for = coroutine.send(None)
            coroutine.close()

    await Steps()


ON_ASYNCIO = [
    cancel_the_task,
    cancel_the_task_twice,
    run_into_a_timeout,
    run_into_wait_for,
    fail_beside_it_in_a_task_group,
    cancel_inside_a_plain_with,
    cancel_inside_an_async_with,
    leave_the_loop,
    close_the_coroutine,
]


async def move_on(retryer: PersistentAsyncRetrying) -> None:
    with trio.CancelScope() as scope:
        await retryer(job, scope.cancel, trio.sleep)
    assert scope.cancelled_caught


async def fail_beside_it_in_a_nursery(retryer: PersistentAsyncRetrying) -> None:
    begun = trio.Event()

    async def fail() -> None:
        await begun.wait()
        raise ValueError("the neighbour's own")

    async def run() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(retryer, job, begun.set, trio.sleep)
            nursery.start_soon(fail)

    with pytest.raises(ExceptionGroup) as caught:
        await run()
    assert [type(error) for error in caught.value.exceptions] == [ValueError]


async def move_on_inside_a_plain_with(retryer: PersistentAsyncRetrying) -> None:
    with trio.CancelScope() as scope:
        async for attempt in retryer:
            with attempt:
                await job(scope.cancel, trio.sleep)
    assert scope.cancelled_caught


async def move_on_inside_an_async_with(retryer: PersistentAsyncRetrying) -> None:
    with trio.CancelScope() as scope:
        async for attempt in retryer:
            async with attempt:
                await job(scope.cancel, trio.sleep)
    assert scope.cancelled_caught


ON_TRIO = [
    move_on,
    fail_beside_it_in_a_nursery,
    move_on_inside_a_plain_with,
    move_on_inside_an_async_with,
    leave_the_loop,
]


@pytest.fixture
def retryer(tmp_path: Path) -> Iterator[PersistentAsyncRetrying]:
    with SQLiteAttemptStore(tmp_path / "retries.sqlite3") as store:
        store.load(KEY)  # makes the file
        yield PersistentAsyncRetrying(key=KEY, store=store, max_tries=1)


@pytest.mark.parametrize(
    ("run", "interrupt"),
    [(asyncio.run, each) for each in ON_ASYNCIO] + [(trio.run, each) for each in ON_TRIO],
)
def test_five_are_given_back_and_the_sixth_counts(
    retryer: PersistentAsyncRetrying, run: Callable[..., Any], interrupt: Interrupt
) -> None:
    async def times(number: int) -> RetryRecord | None:
        for _ in range(number):
            await interrupt(retryer)
        return await retryer.aget_record()

    def start(number: int) -> Any:
        return asyncio.run(times(number)) if run is asyncio.run else trio.run(times, number)

    given_back = start(5)
    assert (given_back.attempts, given_back.interruptions) == (0, 5)
    counted = start(1)
    assert (counted.attempts, counted.interruptions) == (1, 5)
    assert counted.last_error_type is not None
    with pytest.raises(PersistentRetryExhausted, match="last error"):
        asyncio.run(retryer(job, lambda: None, asyncio.sleep))


def test_call_closed_while_its_attempt_waits_for_the_store_gives_it_back(
    retryer: PersistentAsyncRetrying, tmp_path: Path
) -> None:
    async def close_while_locked() -> RetryRecord | None:
        other = sqlite3.connect(tmp_path / "retries.sqlite3", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        coroutine = retryer(asyncio.sleep, 0)
        coroutine.send(None)
        coroutine.close()
        other.execute("ROLLBACK")
        other.close()
        return await retryer.aget_record()

    assert asyncio.run(close_while_locked()) is None
    assert retryer.get_record() is None
