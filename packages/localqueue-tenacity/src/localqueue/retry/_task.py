"""An operation on a store on its way through the writer thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from localqueue.core import AttemptStore

Wake: TypeAlias = "Callable[[Callable[[], object]], object]"


class Task:
    """An operation that was handed over, and its outcome once it is done.

    A ``repeatable`` one may share a transaction with others.
    """

    #: How its event loop is told; None where nobody waits.
    wake: Wake | None = None

    def __init__(
        self, store: AttemptStore, operation: Callable[[], Any], *, repeatable: bool
    ) -> None:
        self.store = store
        self.operation = operation
        self.repeatable = repeatable
        self.value: Any = None
        self.error: BaseException | None = None
        #: Set by the writer thread when nothing of it will change any more.
        self.is_done = False

    def carry_out(self) -> None:
        """Do it, in the writer thread."""
        try:
            self.value = self.operation()
        except BaseException as error:
            self.error = error

    def arrived(self) -> None:
        """In its event loop: it is done."""

    def outcome(self) -> Any:
        """What the operation returned; raises what it raised."""
        if self.error is not None:
            raise self.error
        return self.value
