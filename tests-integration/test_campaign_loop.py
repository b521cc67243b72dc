"""One event loop, many tasks, a store that another process has locked: the loop goes on.

``LOCALQUEUE_CAMPAIGN=full`` holds the lock for two seconds instead of a half.
"""

from collections.abc import Callable
from typing import Any

import pytest

RunProgram = Callable[..., Any]

# A busy machine adds stalls of its own; a blocked loop stalls each time.
TRIES = 5


def check_every_call(found: dict[str, Any], tasks: int) -> None:
    assert sorted(found["results"]) == sorted(f"result of job:{n}" for n in range(tasks))
    assert found["runs"] == {f"job:{number}": 2 for number in range(tasks)}
    assert found["records"] == 0


@pytest.mark.parametrize(("runner", "tasks"), [("asyncio", 1000), ("trio", 300)])
def test_loop_goes_on_while_another_process_holds_the_write_lock(
    run_program: RunProgram, is_full: bool, runner: str, tasks: int
) -> None:
    locked = 2.0 if is_full else 0.5
    stalls = []
    for _ in range(TRIES):
        found = run_program("loop.py", runner, tasks, locked)
        check_every_call(found, tasks)
        assert found["seconds"] > locked
        assert set(found["threads"]) <= {"MainThread", "localqueue-writer_0"}
        stalls.append(found["longest_stall"])
        if stalls[-1] < 0.05:
            return
    pytest.fail(f"the loop stood still for {stalls} seconds")


def test_blocking_retryer_on_the_loop_stalls_it(run_program: RunProgram) -> None:
    found = run_program("loop.py", "blocking", 5, 1.0)

    check_every_call(found, 5)
    assert found["longest_stall"] > 0.5
