"""What the contracts share: the flags, the fixtures and the guard against weakening."""

from __future__ import annotations

from inspect import getattr_static
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import pytest

from localqueue.core import open_attempt_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from localqueue.core import AttemptStore

Test = TypeVar("Test", bound="Callable[..., Any]")

GUARD = "test_no_contract_test_is_changed_without_a_reason"
_FLAGS = frozenset({"survives_reopening", "shared_between_processes", "usable_after_fork"})
_SIZES = frozenset({"processes", "reservations", "kills", "examples"})
_FOR_SUBCLASSES = _FLAGS | {"store_url", "store", "contract_exceptions"}


def needs(*flags: str) -> Callable[[Test], Test]:
    """Skip a test for the stores that declare that they lack one of ``flags``."""

    def mark(test: Test) -> Test:
        test.__dict__["contract_needs"] = flags
        return test

    return mark


class StoreContract:
    """The flags and sizes that a subclass may set, and the test that it changes nothing else."""

    survives_reopening: ClassVar[bool] = True
    """What was written is there when the store is closed and its URL is opened again."""

    shared_between_processes: ClassVar[bool] = True
    """Other processes may have the URL open at the same time, and see the same records."""

    usable_after_fork: ClassVar[bool] = True
    """A forked child may go on with the store object that its parent opened."""

    processes: ClassVar[int] = 8
    """How many processes, or threads, work on one store at the same time."""

    reservations: ClassVar[int] = 200
    """How many attempts they share."""

    kills: ClassVar[int] = 20
    """How often a working process is killed, and how often inside each operation."""

    examples: ClassVar[int] = 100
    """How many random sequences of operations, and random keys, are tried."""

    contract_exceptions: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """The names of tests that the subclass changes, each with the reason.

    A number above that is lowered is such a change, too.
    """

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if GUARD in vars(cls):
            raise TypeError(f"{cls.__qualname__}.{GUARD} watches over the other tests: keep it")

    @pytest.fixture
    def store_url(self, tmp_path: Path) -> str:
        """The URL of an empty store; a subclass overrides it."""
        raise NotImplementedError(
            f"{type(self).__qualname__} needs a fixture 'store_url': the URL of an empty store, "
            f"such as one below {tmp_path}"
        )

    @pytest.fixture(autouse=True)
    def contract_skips(self, request: pytest.FixtureRequest) -> None:
        """Skip what the store does not claim to do."""
        for flag in getattr(request.function, "contract_needs", ()):
            if not getattr(self, flag):
                pytest.skip(f"{type(self).__qualname__} says {flag} = False")

    def test_no_contract_test_is_changed_without_a_reason(self) -> None:
        changed = _changes(type(self))
        reasons = self.contract_exceptions
        assert changed <= reasons.keys(), "contract_exceptions gives no reason for these changes"
        assert reasons.keys() <= changed, "contract_exceptions excuses what is not changed"
        assert all(reason.strip() for reason in reasons.values()), "a reason is empty"


class OpenedStore(StoreContract):
    """The fixture of attempt stores."""

    @pytest.fixture
    def store(self, store_url: str) -> Iterator[AttemptStore]:
        """The empty store."""
        with open_attempt_store(store_url) as store:
            yield store


def _changes(subclass: type[StoreContract]) -> set[str]:
    """The names of the shipped contract that ``subclass`` does not leave as they are."""
    package = StoreContract.__module__.rpartition(".")[0]
    shipped = next(base for base in subclass.__mro__ if base.__module__.startswith(f"{package}."))
    changed = {
        name
        for name in dir(shipped)
        if not name.startswith("__")
        and name not in _FOR_SUBCLASSES | _SIZES
        and getattr_static(subclass, name) is not getattr_static(shipped, name)
    }
    lowered = {name for name in _SIZES if getattr(subclass, name) < getattr(shipped, name)}
    return changed | lowered
