"""Eight processes call with one key at the same moment, round after round.

    python race.py FOLDER STORE MODE REPETITIONS

Prints what each round came to. STORE is a name in stores.py, MODE "sync" or "async".
"""

import asyncio
import json
import multiprocessing
import random
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stores import open_store
from tenacity import retry_if_exception_type, stop_after_attempt, wait_none
from witness import Witness

from localqueue.core import AttemptStore
from localqueue.retry import (
    PersistentAsyncRetrying,
    PersistentRetryExhausted,
    PersistentRetrying,
    set_hooks,
)

PROCESSES = 8
TASKS = 2
BUDGETS = (1, 3, 5, 10)
SHAPES = ("failing", "succeeding", "permanent")
KEY = "job:1"


@dataclass(frozen=True)
class Round:
    folder: str
    store: str
    shape: str
    budget: int
    seed: str


def rounds(folder: Path, store: str, repetitions: int) -> Iterator[Round]:
    for shape in SHAPES:
        for budget in BUDGETS:
            for number in range(repetitions):
                name = f"{shape}-{budget}-{number}"
                yield Round(str(folder / name), store, shape, budget, name)


class Caller:
    """One call of a round."""

    def __init__(self, one: Round, store: AttemptStore, witness: Witness, form: int) -> None:
        self.shape = one.shape
        self.form = form % 3
        self.witness = witness
        self.random = random.Random(f"{one.seed}-{form}")
        self.state: Any = None
        self.options: dict[str, Any] = {
            "key": KEY,
            "store": store,
            "stop": stop_after_attempt(one.budget),
            "wait": wait_none(),
            "retry": retry_if_exception_type(ConnectionError),
            "before": self.sit_down,
        }

    def sit_down(self, state: Any) -> None:
        self.state = state

    def job(self) -> str:
        outcome = "failed"
        if self.shape != "failing" and self.random.random() < 0.3:
            outcome = self.shape
        budget = self.state.record.budget
        self.witness.write(attempt=self.state.attempt_number, outcome=outcome, budget=budget)
        if outcome == "failed":
            raise ConnectionError("down")
        if outcome == "permanent":
            raise ValueError("wrong")
        return outcome

    async def slow_job(self) -> str:
        await asyncio.sleep(0)
        return self.job()

    def call(self) -> None:
        retryer = PersistentRetrying(**self.options)
        try:
            if self.form == 0:
                retryer(self.job)
            elif self.form == 1:
                retryer.wraps(self.job)()
            else:
                for attempt in retryer:
                    with attempt:
                        self.job()
        except Exception as error:  # noqa: BLE001  # the test says which are expected
            self.end(error)

    async def call_async(self) -> None:
        retryer = PersistentAsyncRetrying(**self.options)
        try:
            if self.form == 0:
                await retryer(self.slow_job)
            elif self.form == 1:
                await retryer.wraps(self.slow_job)()
            else:
                async for attempt in retryer:
                    async with attempt:
                        await self.slow_job()
        except Exception as error:  # noqa: BLE001  # the test says which are expected
            self.end(error)

    def end(self, error: Exception) -> None:
        expected = ConnectionError | ValueError | PersistentRetryExhausted
        self.witness.write(
            end=f"{type(error).__name__}: {error}", is_expected=isinstance(error, expected)
        )


def take_part(worker: int, mode: str, plan: list[Round], barrier: Any) -> None:
    set_hooks([])
    for one in plan:
        witness = Witness(Path(one.folder) / "witness")
        # The file is new in each round, so that its making is part of the race.
        with open_store(one.store, Path(one.folder)) as store:
            if mode == "sync":
                caller = Caller(one, store, witness, worker)
                barrier.wait(60)
                caller.call()
            else:
                callers = [Caller(one, store, witness, TASKS * worker + n) for n in range(TASKS)]
                barrier.wait(60)
                asyncio.run(together(callers))
        witness.close()


async def together(callers: list[Caller]) -> None:
    async with asyncio.TaskGroup() as group:
        for caller in callers:
            group.create_task(caller.call_async())


def summary(one: Round) -> dict[str, Any]:
    facts = Witness(Path(one.folder) / "witness").read()
    with open_store(one.store, Path(one.folder)) as store:
        record = store.load(KEY)
    return {
        "shape": one.shape,
        "budget": one.budget,
        "executions": [fact for fact in facts if "attempt" in fact],
        "ends": [fact for fact in facts if "end" in fact],
        "record": None if record is None else asdict(record),
    }


def main() -> None:
    folder, store, mode, repetitions = sys.argv[1:]
    plan = list(rounds(Path(folder), store, int(repetitions)))
    for one in plan:
        Path(one.folder).mkdir()
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(PROCESSES)
    workers = [
        context.Process(target=take_part, args=(number, mode, plan, barrier))
        for number in range(PROCESSES)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if any(worker.exitcode for worker in workers):
        sys.exit("a worker failed")
    json.dump([summary(one) for one in plan], sys.stdout)


if __name__ == "__main__":
    main()
