"""Ctrl-C: the process ends as any other, and the budget is given back as long as it may be.

``LOCALQUEUE_CAMPAIGN=full`` sends more signals.
"""

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from localqueue.retry import RetryRecord
from localqueue.sqlite import SQLiteAttemptStore

RunProgram = Callable[..., Any]

PROGRAM = Path(__file__).parent / "programs" / "interrupted.py"
GIVEN_BACK = 5
NOISE = ["never retrieved", "never awaited", "was destroyed", "Exception ignored", "Warning"]


@pytest.mark.parametrize("runner", ["sync", "asyncio", "trio"])
def test_ctrl_c_at_any_moment_loses_no_attempt_and_leaves_the_store_usable(
    run_program: RunProgram, is_full: bool, runner: str
) -> None:
    signals = 300 if is_full else 60

    found = run_program("ctrl_c.py", runner, signals, "any seed")

    assert len(found) == signals
    for each in found:
        assert each["ended_by_it"], each
        attempts, interruptions = change(each)
        assert interruptions in (0, 1), each
        # What ran either counts or was given back. The last attempt may have been stopped before
        # its function ran: it is given back, too, as long as that may be.
        not_run = attempts + interruptions - each["started"]
        assert not_run in (0, 1), each
        if not_run and interruptions == 0:
            assert each["before"]["interruptions"] == GIVEN_BACK, each
    totals = [each["after"]["interruptions"] for each in found if each["after"]]
    assert max(totals) == GIVEN_BACK
    assert any(each["started"] == change(each)[0] > 0 for each in found)


def change(each: dict[str, Any]) -> tuple[int, int]:
    nothing = {"attempts": 0, "interruptions": 0}
    before, after = each["before"] or nothing, each["after"] or nothing
    return (
        after["attempts"] - before["attempts"],
        after["interruptions"] - before["interruptions"],
    )


@pytest.mark.parametrize(
    "runner", ["sync", "asyncio", "asyncio-loop", "asyncio-plain-with", "trio"]
)
def test_ctrl_c_ends_the_process_as_it_always_does(tmp_path: Path, runner: str) -> None:
    for number in range(1, GIVEN_BACK + 1):
        interrupt(tmp_path, runner)
        assert left_in(tmp_path) == (0, number)
    interrupt(tmp_path, runner)
    assert left_in(tmp_path) == (1, GIVEN_BACK)


def interrupt(folder: Path, runner: str) -> None:
    command = [sys.executable, "-X", "dev", PROGRAM, folder, runner]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == -signal.SIGINT
    assert errors.rstrip().endswith("KeyboardInterrupt")
    assert [noise for noise in NOISE if noise in errors] == []


def left_in(folder: Path) -> tuple[int, int]:
    with SQLiteAttemptStore(folder / "retries.sqlite3") as store:
        record = store.load("job:1")
    assert isinstance(record, RetryRecord)
    return record.attempts, record.interruptions
