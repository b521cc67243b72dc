"""Waiting for the writer thread on trio. Imported only where trio is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import trio

from localqueue.retry._task import Task

if TYPE_CHECKING:
    from collections.abc import Callable

    from localqueue.core import AttemptStore


class _TrioTask(Task):
    def __init__(
        self, store: AttemptStore, operation: Callable[[], Any], *, repeatable: bool
    ) -> None:
        super().__init__(store, operation, repeatable=repeatable)
        self._event = trio.Event()
        self.wake = trio.lowlevel.current_trio_token().run_sync_soon

    def arrived(self) -> None:
        self._event.set()

    async def wait(self) -> Any:
        # The operation goes on in its thread whatever happens here; a cancellation can wait.
        interruption: KeyboardInterrupt | None = None
        while not self._event.is_set():
            try:
                with trio.CancelScope(shield=True):
                    await self._event.wait()
            except KeyboardInterrupt as error:  # trio brings Ctrl-C through any shield
                interruption = error
        if interruption is not None:
            raise interruption
        await trio.lowlevel.checkpoint_if_cancelled()
        return self.outcome()


def is_running() -> bool:
    """Whether this is code of a trio task."""
    return trio.lowlevel.in_trio_task()


@trio.lowlevel.enable_ki_protection
async def run(
    hand_over: Callable[[Task], None],
    store: AttemptStore,
    operation: Callable[[], Any],
    *,
    repeatable: bool,
) -> Any:
    """Hand an operation over and wait until it is done."""
    task = _TrioTask(store, operation, repeatable=repeatable)
    hand_over(task)
    return await task.wait()
