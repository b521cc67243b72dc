"""Waiting for the writer thread on asyncio."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from localqueue.retry._task import Task

if TYPE_CHECKING:
    from collections.abc import Callable

    from localqueue.core import AttemptStore


class AsyncioTask(Task):
    """An operation that a task of asyncio waits for."""

    def __init__(
        self, store: AttemptStore, operation: Callable[[], Any], *, repeatable: bool
    ) -> None:
        super().__init__(store, operation, repeatable=repeatable)
        self._loop = asyncio.get_running_loop()
        self._future = self._loop.create_future()
        self.wake = self._loop.call_soon_threadsafe

    def arrived(self) -> None:
        # Asking first would not do: Ctrl-C may cancel it between the question and this line.
        with suppress(asyncio.InvalidStateError):
            self._future.set_result(None)

    async def wait(self) -> Any:
        """The outcome; a cancellation is raised when the operation is done."""
        cancelled: asyncio.CancelledError | None = None
        while not self.is_done:
            try:
                await self._future
            except asyncio.CancelledError as error:
                # The operation goes on in its thread; its end is awaited on a new future.
                cancelled = error
                self._future = self._loop.create_future()
        if cancelled is not None:
            raise cancelled
        return self.outcome()
