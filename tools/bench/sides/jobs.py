"""The jobs that every side runs."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from typing import Any

Retried = Callable[[str], Any]


def no_sleep(seconds: float) -> None:
    """Take the place of time.sleep(0), whose cost is the kernel's timer slack."""


def calls_of(job: Retried, *, expect: type[Exception] | None = None) -> Callable[[int], None]:
    """Call ``job`` with a new key each time; with ``expect``, each call has to raise that."""
    numbers = itertools.count()

    def run(calls: int) -> None:
        for _ in range(calls):
            job(f"job:{next(numbers)}")

    def run_raising(calls: int) -> None:
        for _ in range(calls):
            try:
                job("job:spent")
            except expect:  # type: ignore[misc]  # chosen below only where it is given
                continue
            raise AssertionError("the call was not refused")

    return run if expect is None else run_raising


def failing_once() -> tuple[Callable[[str], str], type[Exception]]:
    """A job that fails at the first attempt of each key."""
    seen: set[str] = set()

    def job(key: str) -> str:
        if key not in seen:
            seen.add(key)
            raise ConnectionError(key)
        return key

    return job, ConnectionError


def gathered(job: Callable[[str], Awaitable[str]], width: int = 500) -> Callable[[int], float]:
    """Run the calls in groups of ``width`` tasks; returns the loop's longest stall in seconds."""
    numbers = itertools.count()

    async def heartbeat(stalls: list[float]) -> None:
        loop = asyncio.get_running_loop()
        while True:
            before = loop.time()
            await asyncio.sleep(0.001)
            stalls.append(loop.time() - before - 0.001)

    async def group(calls: int, stalls: list[float]) -> None:
        pulse = asyncio.create_task(heartbeat(stalls))
        names = [f"job:{next(numbers)}" for _ in range(calls)]
        assert await asyncio.gather(*map(job, names)) == names
        pulse.cancel()

    def run(calls: int) -> float:
        stalls = [0.0]
        for start in range(0, calls, width):
            asyncio.run(group(min(width, calls - start), stalls))
        return max(stalls)

    return run
