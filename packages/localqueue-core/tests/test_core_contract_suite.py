"""The shipped contract suite finds what is wrong, and cannot be weakened without a word."""

import importlib
import os
import pkgutil
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import MappingProxyType

import pytest

import localqueue.core.testing
from localqueue.core.testing import AttemptStoreContract
from localqueue.core.testing._groups import CHANGES

PROGRAMS = Path(__file__).parent / "programs"

TOY_TESTS = """
import pytest
from localqueue.core import path_to_url
from localqueue.core.testing import AttemptStoreContract, GroupCommitContract


class Empty:
    @pytest.fixture
    def store_url(self, tmp_path):
        return path_to_url("toy", tmp_path / "store")


class TestToy(Empty, AttemptStoreContract): ...


class TestToyGroups(Empty, GroupCommitContract): ...
"""

# Where reading, changing and saving is not one step, certain as the day.
SURELY_WRONG = {
    "test_threads_reserve_each_attempt_exactly_once",
    "test_threads_lose_no_outcome",
    "test_failures_of_one_budget_at_the_same_time_are_all_kept",
    "test_processes_reserve_each_attempt_exactly_once",
    "test_processes_lose_no_outcome",
    "test_a_kill_at_any_line_leaves_an_operation_done_or_not_done[settle]",
    "test_a_kill_at_any_line_leaves_an_operation_done_or_not_done[settle with a full history]",
    "test_a_kill_at_any_line_leaves_an_operation_done_or_not_done[release the only attempt]",
    "test_a_kill_at_any_line_leaves_an_operation_done_or_not_done[complete]",
    "test_a_kill_at_any_line_leaves_an_operation_done_or_not_done[delete]",
    "test_a_kill_at_any_line_leaves_an_operation_done_or_not_done[prune]",
}
# Where one operation follows the other, and nothing undoes the first, as certain.
SURELY_APART = {
    "test_a_kill_at_any_line_leaves_all_done_or_nothing",
    *(f"test_where_the_work_raises_nothing_has_happened[{change}]" for change in CHANGES),
}
# The same, if threads and processes happen to meet.
PERHAPS_WRONG = {
    "test_a_kill_at_any_time_loses_nothing_and_leaves_nothing_half_done",
    "test_parent_and_child_reserve_each_attempt_exactly_once",
    "test_prune_lets_others_go_on",
    "test_prune_lets_other_processes_go_on",
    "test_threads_that_prune_together_remove_each_record_once",
    "test_transactions_and_single_operations_of_threads_do_not_mix",
    "test_a_reader_never_sees_half_a_transaction",
    "test_a_fork_waits_for_the_transaction_of_another_thread",
}


def run_suite(folder: Path, tests: str) -> dict[str, str]:
    """The outcome of each test of a file in ``folder``, run as its author would run it."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rA", "--tb=no", "-p", "no:cacheprovider", tests],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "500"},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    lines = re.findall(r"^(PASSED|FAILED|ERROR) \S+?::(.*?)(?: - .*)?$", done.stdout, re.MULTILINE)
    assert lines, done.stdout + done.stderr
    return {name: outcome for outcome, name in lines}


@pytest.mark.slow
def test_a_store_that_only_loads_and_saves_fails_where_it_is_wrong(tmp_path: Path) -> None:
    shutil.copy(PROGRAMS / "toy_store.py", tmp_path)
    distribution = tmp_path / "toy_store-1.0.dist-info"
    distribution.mkdir()
    (distribution / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-store\nVersion: 1.0\n")
    (distribution / "entry_points.txt").write_text(
        "[localqueue.attempt_stores]\ntoy = toy_store:open_store\n"
    )
    (tmp_path / "test_toy.py").write_text(TOY_TESTS)
    outcomes = run_suite(tmp_path, "test_toy.py")
    wrong = {name.partition("::")[2] for name, outcome in outcomes.items() if outcome != "PASSED"}
    assert wrong >= SURELY_WRONG | SURELY_APART
    assert wrong <= SURELY_WRONG | SURELY_APART | PERHAPS_WRONG
    assert len(outcomes) > 150


@pytest.mark.slow
def test_every_single_mistake_is_found(tmp_path: Path) -> None:
    shutil.copy(PROGRAMS / "wrong_stores.py", tmp_path / "test_wrong.py")
    outcomes = run_suite(tmp_path, "test_wrong.py")
    found: dict[str, set[str]] = {name.partition("::")[0]: set() for name in outcomes}
    for name, outcome in outcomes.items():
        if outcome == "FAILED":
            store, _, test = name.partition("::")
            found[store].add(test)
    assert len(found) == 13
    random = "test_any_sequence_of_operations_does_what_the_model_does"
    assert [store for store, tests in found.items() if not tests - {random}] == []
    # The model neither closes a store for good nor reads it page by page.
    unseen = [store for store, tests in found.items() if random not in tests]
    assert unseen == ["TestListsEverything", "TestWorksAfterClose"]


def guard(subclass: type[AttemptStoreContract]) -> None:
    subclass().test_no_contract_test_is_changed_without_a_reason()


def test_a_subclass_may_set_flags_fixtures_and_higher_numbers() -> None:
    class Fine(AttemptStoreContract):
        survives_reopening = False
        usable_after_fork = False
        processes = AttemptStoreContract.processes + 1

        @pytest.fixture
        def store_url(self) -> str:
            return "memory:"

        @pytest.fixture
        def store(self) -> str:
            return "a store with options"

        def test_of_its_own(self) -> None: ...

    guard(Fine)


def test_a_contract_test_cannot_be_replaced_without_a_reason() -> None:
    class Weaker(AttemptStoreContract):
        def test_closing_twice_is_harmless(self) -> None: ...

    with pytest.raises(AssertionError, match="gives no reason"):
        guard(Weaker)

    class AndItsHeir(Weaker): ...

    with pytest.raises(AssertionError, match="test_closing_twice_is_harmless"):
        guard(AndItsHeir)


def test_a_contract_test_cannot_be_removed_without_a_reason() -> None:
    class Weaker(AttemptStoreContract):
        test_closing_twice_is_harmless = None

    with pytest.raises(AssertionError, match="test_closing_twice_is_harmless"):
        guard(Weaker)


def test_a_contract_test_cannot_be_replaced_by_a_mixin_without_a_reason() -> None:
    class Mixin:
        def test_closing_twice_is_harmless(self) -> None: ...

    class Weaker(Mixin, AttemptStoreContract): ...

    with pytest.raises(AssertionError, match="test_closing_twice_is_harmless"):
        guard(Weaker)


def test_what_skips_tests_cannot_be_replaced_without_a_reason() -> None:
    class Weaker(AttemptStoreContract):
        @pytest.fixture(autouse=True)
        def contract_skips(self) -> None: ...

    with pytest.raises(AssertionError, match="contract_skips"):
        guard(Weaker)


def test_a_number_cannot_be_lowered_without_a_reason() -> None:
    class Weaker(AttemptStoreContract):
        kills = 1

    with pytest.raises(AssertionError, match="kills"):
        guard(Weaker)


def test_a_change_with_a_reason_is_accepted() -> None:
    class Excused(AttemptStoreContract):
        kills = 5
        test_closing_twice_is_harmless = None
        contract_exceptions = MappingProxyType(
            {
                "kills": "a process takes a second to connect",
                "test_closing_twice_is_harmless": "the server ends the session",
            }
        )

    guard(Excused)


@pytest.mark.parametrize("reason", ["", " "])
def test_a_reason_says_something(reason: str) -> None:
    class Silent(AttemptStoreContract):
        test_closing_twice_is_harmless = None
        contract_exceptions = MappingProxyType({"test_closing_twice_is_harmless": reason})

    with pytest.raises(AssertionError, match="a reason is empty"):
        guard(Silent)


def test_a_reason_for_what_is_not_changed_is_refused() -> None:
    class Outdated(AttemptStoreContract):
        contract_exceptions = MappingProxyType({"test_closing_twice_is_harmless": "once"})

    with pytest.raises(AssertionError, match="excuses what is not changed"):
        guard(Outdated)


@pytest.mark.parametrize("replacement", [None, lambda self: None])
def test_the_guard_itself_cannot_be_replaced(replacement: object) -> None:
    name = "test_no_contract_test_is_changed_without_a_reason"
    with pytest.raises(TypeError, match="watches over the other tests"):
        type("Unguarded", (AttemptStoreContract,), {name: replacement})


def test_a_subclass_without_a_url_is_told(tmp_path: Path) -> None:
    (tmp_path / "test_bare.py").write_text(
        "from localqueue.core.testing import AttemptStoreContract\n"
        "class TestBare(AttemptStoreContract): ...\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "test_bare.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "NotImplementedError: TestBare needs a fixture 'store_url'" in done.stdout


def test_every_module_of_the_suite_tells_the_values_of_its_asserts() -> None:
    names = [module.name for module in pkgutil.iter_modules(localqueue.core.testing.__path__)]
    assert len(names) > 10
    for name in names:
        module = importlib.import_module(f"localqueue.core.testing.{name}")
        assert "@pytest_ar" in vars(module), f"{name} is not in _MODULES"


def test_the_core_imports_neither_the_suite_nor_what_it_needs() -> None:
    program = (
        "import sys, localqueue.core\n"
        "print([name for name in sys.modules\n"
        "       if name.startswith(('pytest', '_pytest', 'hypothesis', 'localqueue.core.testing'))])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
