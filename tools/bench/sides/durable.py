"""DBOS on SQLite: a durable-execution engine whose steps are retried inside a workflow."""

from collections.abc import Callable
from pathlib import Path

import jobs
import measure
from dbos import DBOS


def _launch(folder: Path, job: Callable[[str], str]) -> Callable[[str], str]:
    DBOS(
        config={
            "name": "bench",
            "system_database_url": f"sqlite:///{folder}/system.sqlite",
            "log_level": "ERROR",
            "run_admin_server": False,
        }
    )
    step = DBOS.step(retries_allowed=True, max_attempts=3, interval_seconds=0.0, backoff_rate=1.0)
    retried = step(job)

    @DBOS.workflow()
    def flow(key: str) -> str:
        result: str = retried(key)
        return result

    DBOS.launch()
    return flow


def succeed(folder: Path) -> Callable[[int], object]:
    def job(key: str) -> str:
        return key

    return jobs.calls_of(_launch(folder, job))


def fail_once(folder: Path) -> Callable[[int], object]:
    return jobs.calls_of(_launch(folder, jobs.failing_once()[0]))


if __name__ == "__main__":
    try:
        measure.main({"succeed": succeed, "fail_once": fail_once}, ["dbos"])
    finally:
        DBOS.destroy()
