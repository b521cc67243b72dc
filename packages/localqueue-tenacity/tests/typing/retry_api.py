"""A user's code, read by mypy and pyright and never run: what the types promise and forbid."""

from collections.abc import Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any, assert_type

import tenacity

from localqueue.retry import (
    AttemptEvent,
    MemoryAttemptStore,
    PersistentAsyncRetrying,
    PersistentRetryCallState,
    PersistentRetrying,
    RetryRecord,
    SQLiteAttemptStore,
    configure_default_store,
    key_from_argument,
    persistent_async_retry,
    persistent_retry,
    set_hooks,
)


@persistent_retry(key_fn=key_from_argument("job_id"), max_tries=3)
def blocking(job_id: str, *, size: int = 1) -> bytes:
    return job_id.encode() * size


assert_type(blocking("a", size=2), bytes)
assert_type(blocking.retry_with(max_tries=1)("a"), bytes)
assert_type(blocking.retry, PersistentRetrying)
assert_type(blocking.retry.get_record("a"), RetryRecord | None)
assert_type(blocking.statistics, dict[str, Any])
blocking(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
blocking("a", length=1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
blocking.retry_with(tries=1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


@persistent_retry(key_fn=key_from_argument("job_id"))
async def coroutine(job_id: str) -> int:
    return len(job_id)


@persistent_async_retry(key_fn=key_from_argument("job_id"), max_in_process_wait=timedelta(hours=1))
async def other_coroutine(job_id: str) -> int:
    return len(job_id)


async def run_coroutines() -> None:
    assert_type(await coroutine("a"), int)
    assert_type(await other_coroutine("a"), int)
    assert_type(await other_coroutine.retry_with(max_tries=2)("a"), int)
    assert_type(coroutine.retry, PersistentAsyncRetrying)
    await other_coroutine(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    as_argument: Coroutine[Any, Any, int] = coroutine("a")
    await as_argument


class Exporter:
    @persistent_retry(key_fn=key_from_argument("job_id"), max_tries=3)
    def export(self, job_id: str) -> float:
        return float(job_id)

    @persistent_async_retry(key_fn=key_from_argument("job_id"), max_tries=3)
    async def fetch(self, job_id: str) -> str:
        return job_id

    @staticmethod
    @persistent_retry(key_fn=key_from_argument("job_id"), max_tries=3)
    def check(job_id: str) -> bool:
        return bool(job_id)


exporter = Exporter()
assert_type(exporter.export("1"), float)
assert_type(Exporter.export(exporter, "1"), float)
assert_type(exporter.export.retry_with(max_tries=1)(exporter, "1"), float)
assert_type(Exporter.check("1"), bool)
exporter.export(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
exporter.export()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


async def run_methods() -> None:
    assert_type(await exporter.fetch("1"), str)
    await exporter.fetch(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def job(job_id: str) -> int:
    return len(job_id)


async def async_job(job_id: str) -> int:
    return len(job_id)


retryer = PersistentRetrying(
    key="job:1",
    store_path=Path("retries.sqlite3"),
    stop=tenacity.stop_after_attempt(3) | tenacity.stop_after_delay(60),
    wait=tenacity.wait_fixed(1) + tenacity.wait_random(0, 1),
    retry=tenacity.retry_if_exception_type(OSError),
    before_sleep=lambda state: print(state.attempt_number, state.seconds_since_start),
    retry_error_callback=lambda state: None,
    count="failed",
)
assert_type(retryer(job, "a"), int)
assert_type(retryer.copy(max_tries=2), PersistentRetrying)
base: tenacity.BaseRetrying = retryer
for attempt in retryer:
    with attempt:
        assert_type(attempt, tenacity.AttemptManager)

PersistentRetrying(key="a", wait=lambda state: 0)
PersistentRetrying(key="a", store=MemoryAttemptStore())
PersistentRetrying(key="a", store=SQLiteAttemptStore("x.sqlite3", durability="power"))
PersistentRetrying(key="a", store="memory:")
PersistentRetrying(key=1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
PersistentRetrying(key="a", max_tries="3")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
PersistentRetrying(key="a", count="often")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
PersistentRetrying(key="a", tries=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
PersistentRetrying(key="a", store=object())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
SQLiteAttemptStore("x", durability="fast")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def notify(state: tenacity.RetryCallState) -> None:
    print(state.attempt_number)


async def run_retryers() -> None:
    async_retryer = PersistentAsyncRetrying(key="job:1", max_tries=3, before=notify)
    assert_type(await async_retryer(async_job, "a"), int)
    assert_type(await async_retryer.aget_record(), RetryRecord | None)
    async for attempt in async_retryer:
        async with attempt:
            assert_type(attempt, tenacity.AttemptManager)


PersistentRetrying(key="a", before=notify)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def hook(event: AttemptEvent) -> None:
    print(event.kind, event.key)


set_hooks([hook])


def tell(state: PersistentRetryCallState) -> None:
    print(state.key, state.record)


def tell_plainly(state: tenacity.RetryCallState) -> None:
    print(state.attempt_number)


def enough(state: PersistentRetryCallState) -> bool:
    return state.record is not None and state.record.interruptions > 1


PersistentRetrying(key="a", before_sleep=tell, after=tell_plainly, stop=enough)
PersistentAsyncRetrying(key="a", before_sleep=tell, after=tell_plainly, stop=enough)
persistent_retry("a")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
set_hooks(None)
configure_default_store(None)
