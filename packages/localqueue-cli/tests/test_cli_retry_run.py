"""``retry run``: the budget of a command over many processes, and what is said of it."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from localqueue.core import RetryRecord

Stored = Callable[[str], RetryRecord | None]
Attempt = Callable[..., Any]


@pytest.fixture
def witness(tmp_path: Path) -> Path:
    """A file to which each run of a test's command adds a line."""
    return tmp_path / "witness"


def failing(witness: Path) -> str:
    return f"date +%s.%N >> {witness}; exit 7"


def runs(witness: Path) -> list[float]:
    return [float(line) for line in witness.read_text().split()] if witness.exists() else []


def test_a_success_is_the_command_itself(attempt: Attempt, stored: Stored) -> None:
    done = attempt(script="cat; echo on the side >&2", input="through\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, "through\n", "on the side\n")
    assert stored("job") is None


def test_the_budget_holds_from_process_to_process(
    attempt: Attempt, witness: Path, stored: Stored
) -> None:
    options = ("--max-tries", 3, "--wait", "0.05s", "--max-wait", 0)
    statuses = []
    for _ in range(5):
        statuses.append(attempt(*options, script=failing(witness)).returncode)
        time.sleep(0.1)
    assert statuses == [75, 75, 69, 69, 69]
    assert len(runs(witness)) == 3
    record = stored("job")
    assert record is not None
    assert (record.attempts, record.exhausted, record.function) == (3, True, "command sh")
    assert record.last_error_type == "localqueue.cli.CommandFailed"
    assert record.last_error_message == "sh exited with status 7"


def test_what_is_not_due_is_not_run(attempt: Attempt, witness: Path, stored: Stored) -> None:
    options = ("--max-tries", 3, "--wait", "1h", "--max-wait", 0)
    begun = time.monotonic()
    first = attempt(*options, script=failing(witness))
    seen = stored("job")
    second = attempt(*options, script=failing(witness))
    assert time.monotonic() - begun < 20  # --max-wait 0 never sleeps
    assert (first.returncode, second.returncode) == (75, 75)
    assert "attempt 1 failed: sh exited with status 7; the next attempt is not due" in first.stderr
    assert second.stderr.startswith("localqueue: job: the next attempt is not due before ")
    assert len(first.stderr.splitlines()) == len(second.stderr.splitlines()) == 1
    assert len(runs(witness)) == 1
    assert stored("job") == seen


def test_within_one_process_the_budget_is_spent_and_the_way_out_named(
    attempt: Attempt, witness: Path, localqueue: Callable[..., Any], stored: Stored
) -> None:
    done = attempt("--max-tries", 3, "--wait", 0, script=failing(witness))
    assert (done.returncode, len(runs(witness))) == (69, 3)
    *failures, last = done.stderr.splitlines()
    assert failures == [
        f"localqueue: job: attempt {number} failed: sh exited with status 7" for number in (1, 2)
    ]
    said, _, command = last.partition("; to let it run again: ")
    assert said == (
        "localqueue: job: the budget is spent after 3 attempts (last: sh exited with status 7)"
    )
    refused = attempt("--max-tries", 9, script=failing(witness))
    assert (refused.returncode, refused.stderr, len(runs(witness))) == (69, f"{last}\n", 3)
    assert localqueue(*command.split()[1:]).returncode == 0
    assert stored("job") is None
    assert attempt(script="exit 0").returncode == 0


def test_a_later_process_sleeps_what_is_left_of_the_wait(attempt: Attempt, witness: Path) -> None:
    first = attempt("--wait", "1.5s", "--max-wait", 0, script=failing(witness))
    assert first.returncode == 75
    second = attempt("--max-wait", "10s", script=f"date +%s.%N >> {witness}")
    assert (second.returncode, "the next attempt is due in" in second.stderr) == (0, True)
    one, two = runs(witness)
    assert two - one >= 1.5


def test_the_wait_grows_from_process_to_process(attempt: Attempt, stored: Stored) -> None:
    waits = []
    for _ in range(3):
        attempt("--wait", "0.1s..1h", "--max-wait", 0, script="exit 1")
        record = stored("job")
        assert record is not None
        assert record.next_attempt_at is not None
        assert record.last_error_at is not None
        waits.append(record.next_attempt_at - record.last_error_at)
        time.sleep(max(0, record.next_attempt_at - time.time()))
    # Each has up to a second of jitter on top.
    for wait, least in zip(waits, (0.1, 0.2, 0.4), strict=True):
        assert least - 0.05 <= wait <= least + 1.1


def test_processes_at_the_same_time_share_the_budget(
    start: Callable[..., subprocess.Popen[str]], database: Path, witness: Path
) -> None:
    budget, crowd = 3, 8
    options = ("--max-tries", budget, "--wait", 0, "--store-path", database)
    processes = [
        start("retry", "run", "job", *options, "--", "sh", "-c", failing(witness))
        for _ in range(crowd)
    ]
    statuses = [(process.communicate(timeout=60), process.returncode)[1] for process in processes]
    assert statuses == [69] * crowd
    assert len(runs(witness)) == budget


def test_quiet_says_nothing(attempt: Attempt) -> None:
    statuses = []
    for _ in range(3):
        done = attempt(
            "-q", "--max-tries", 2, "--wait", "0.01", "--max-wait", 0, script="exit 1"
        )  # fmt: skip
        assert (done.stdout, done.stderr) == ("", "")
        statuses.append(done.returncode)
        time.sleep(0.05)
    assert statuses == [75, 69, 69]


def test_nobody_reading_the_messages_changes_nothing(
    start: Callable[..., subprocess.Popen[str]], database: Path, stored: Stored, witness: Path
) -> None:
    options = ("--max-tries", 3, "--wait", 0, "--store-path", database)
    running = start(
        "retry", "run", "job", *options, "--", "sh", "-c", f"sleep 0.3; {failing(witness)}"
    )
    assert running.stderr is not None
    running.stderr.close()
    assert running.wait(30) == 69
    assert len(runs(witness)) == 3
    record = stored("job")
    assert record is not None
    assert record.exhausted


def test_without_a_store_the_command_is_not_run(
    attempt: Attempt, database: Path, witness: Path
) -> None:
    database.write_text("this is no database at all")
    done = attempt(script=failing(witness))
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert runs(witness) == []


def test_a_store_that_breaks_meanwhile_is_named_and_the_failure_is_told(
    attempt: Attempt, database: Path
) -> None:
    done = attempt("--max-tries", 2, "--wait", 0, script=f"echo broken > {database}; exit 1")
    assert done.returncode == 75
    assert "could not be written down" in done.stderr
    assert "Traceback" not in done.stderr
