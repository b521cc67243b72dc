"""Eight processes, one key, one moment: the budget holds.

``LOCALQUEUE_CAMPAIGN=full`` runs more rounds.
"""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest

RunProgram = Callable[..., Any]
Rounds = list[dict[str, Any]]

BUDGETS = {1, 3, 5, 10}


@pytest.fixture(params=["sync", "async"])
def rounds(request: pytest.FixtureRequest, run_program: RunProgram, is_full: bool) -> Rounds:
    repetitions = 60 if is_full else 20
    found: Rounds = run_program("race.py", "sqlite", request.param, repetitions)
    assert len(found) == 3 * len(BUDGETS) * repetitions
    return found


def of_shape(rounds: Rounds, shape: str) -> Rounds:
    chosen = [each for each in rounds if each["shape"] == shape]
    assert {each["budget"] for each in chosen} == BUDGETS
    return chosen


def over_budget(rounds: Rounds) -> Rounds:
    return [each for each in rounds if len(each["executions"]) > each["budget"]]


def test_budget_holds_against_eight_processes_at_once(rounds: Rounds) -> None:
    failing_job_runs_as_often_as_its_budget_says(of_shape(rounds, "failing"))
    each_budget_ends_with_its_success(of_shape(rounds, "succeeding"))
    permanent_failures_are_given_back(of_shape(rounds, "permanent"))
    for each in rounds:
        assert all(end["is_expected"] for end in each["ends"]), each["ends"]


def failing_job_runs_as_often_as_its_budget_says(rounds: Rounds) -> None:
    for each in rounds:
        budget, record = each["budget"], each["record"]
        numbers = sorted(execution["attempt"] for execution in each["executions"])
        assert numbers == list(range(1, budget + 1))
        assert (record["attempts"], record["exhausted"]) == (budget, True)


def each_budget_ends_with_its_success(rounds: Rounds) -> None:
    for each in rounds:
        by_budget = defaultdict(list)
        for execution in each["executions"]:
            by_budget[execution["budget"]].append(execution)
        for executions in by_budget.values():
            numbers = sorted(execution["attempt"] for execution in executions)
            assert numbers == list(range(1, len(numbers) + 1))
            assert len(numbers) <= each["budget"]
        # Only a success ends a budget, so that at most one is left, and is wholly in the record.
        ended = {x["budget"] for x in each["executions"] if x["outcome"] == "succeeding"}
        left = [x for x in each["executions"] if x["budget"] not in ended]
        assert len({x["budget"] for x in left}) <= 1
        assert len(left) == attempts_of(each["record"])


def permanent_failures_are_given_back(rounds: Rounds) -> None:
    for each in rounds:
        counted = [x for x in each["executions"] if x["outcome"] == "failed"]
        assert len({x["budget"] for x in counted}) <= 1
        assert len(counted) == attempts_of(each["record"]) <= each["budget"]
        assert all(x["attempt"] <= each["budget"] for x in each["executions"])


def attempts_of(record: dict[str, Any] | None) -> int:
    return 0 if record is None else int(record["attempts"])


def test_load_and_save_without_atomicity_goes_over_budget(run_program: RunProgram) -> None:
    rounds: Rounds = run_program("race.py", "load-save", "sync", 3)

    failing = of_shape(rounds, "failing")
    assert len(over_budget(failing)) > len(failing) / 2
