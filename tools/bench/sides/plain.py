"""Tenacity alone, which forgets everything when the process ends."""

from collections.abc import Callable
from pathlib import Path

import jobs
import measure
import tenacity

OPTIONS = {"stop": tenacity.stop_after_attempt(3), "wait": tenacity.wait_none(), "reraise": True}
BLOCKING = OPTIONS | {"sleep": jobs.no_sleep}


def succeed(folder: Path) -> Callable[[int], object]:
    return jobs.calls_of(tenacity.retry(**BLOCKING)(lambda key: key))


succeed_uncounted = succeed_in_memory = succeed


def fail_once(folder: Path) -> Callable[[int], object]:
    return jobs.calls_of(tenacity.retry(**BLOCKING)(jobs.failing_once()[0]))


def gather(folder: Path) -> Callable[[int], object]:
    @tenacity.retry(**OPTIONS)
    async def job(key: str) -> str:
        return key

    return jobs.gathered(job)


if __name__ == "__main__":
    measure.main(
        {
            "succeed": succeed,
            "succeed_uncounted": succeed_uncounted,
            "succeed_in_memory": succeed_in_memory,
            "fail_once": fail_once,
            "gather": gather,
        },
        ["tenacity"],
    )
