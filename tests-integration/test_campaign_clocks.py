"""Clocks that are set back and forth by an hour, in processes that share a key."""

from collections.abc import Callable
from typing import Any

RunProgram = Callable[..., Any]


def test_jumping_clocks_stretch_no_backoff_and_break_no_budget(
    run_program: RunProgram, is_full: bool
) -> None:
    for seed in range(10 if is_full else 2):
        found = run_program("clocks.py", "ours", 4, f"seed {seed}")

        budget, wait = found["budget"], found["wait"]
        assert len(found["attempts"]) > 0
        for key, attempts in found["attempts"].items():
            assert sorted(found["numbers"][key]) == list(range(1, budget + 1)), key
            assert attempts == budget
        assert found["slept"]
        # A backoff is computed as the difference of two times near 2 ** 31.
        assert max(found["slept"]) <= wait + 1e-5
        assert min(found["since"]) >= 0
        # A call may wait as often as there are attempts, each time for one backoff.
        assert max(found["took"]) < 5


def test_backoff_by_the_clock_alone_lasts_an_hour(run_program: RunProgram) -> None:
    found = run_program("clocks.py", "naive", 4, "any seed")

    assert max(found["slept"]) > 3000
