"""``kill -9`` at random moments: what a job did counts, and nothing is done too often.

``LOCALQUEUE_CAMPAIGN=full`` kills 500 processes.
"""

from collections.abc import Callable
from typing import Any

RunProgram = Callable[..., Any]

BUDGET = 3


def test_killed_attempts_count_and_no_key_runs_more_often_than_its_budget(
    run_program: RunProgram, is_full: bool
) -> None:
    kills = 500 if is_full else 150

    found = run_program("kill.py", "sqlite", kills, "any seed")

    assert found["killed"] >= kills
    for key, numbers in found["executed"].items():
        assert len(set(numbers)) == len(numbers) <= found["attempts"][key] <= BUDGET, key
        assert set(numbers) <= set(range(1, BUDGET + 1))
    # Most keys had their three attempts killed or failed, and each of those is refused now.
    assert len(found["spent"]) > len(found["executed"]) / 2
    assert found["refused"] == found["spent"]
    assert found["integrity"] == "ok"


def test_a_store_that_saves_after_a_failure_runs_killed_jobs_too_often(
    run_program: RunProgram,
) -> None:
    found = run_program("kill.py", "save-after-failure", 60, "any seed")

    assert max(len(numbers) for numbers in found["executed"].values()) > BUDGET
    assert any(len(numbers) > found["attempts"][key] for key, numbers in found["executed"].items())
