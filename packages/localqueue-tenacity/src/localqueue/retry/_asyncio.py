"""Waiting for the writer thread on asyncio."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from localqueue.retry._background import Wake


class _Reply:
    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._future = self._loop.create_future()
        self._ready = False
        self.wake: Wake = self._loop.call_soon_threadsafe
        self.value: Any = None
        self.error: BaseException | None = None

    def arrived(self) -> None:
        self._ready = True
        # Asking first would not do: Ctrl-C may cancel it between the question and this line.
        with suppress(asyncio.InvalidStateError):
            self._future.set_result(None)

    async def wait(self) -> Any:
        cancelled: asyncio.CancelledError | None = None
        while not self._ready:
            try:
                await self._future
            except asyncio.CancelledError as error:
                # The operation goes on in its thread; its end is awaited on a new future.
                cancelled = error
                self._future = self._loop.create_future()
        if cancelled is not None:
            raise cancelled
        if self.error is not None:
            raise self.error
        return self.value


async def run(submit: Callable[[_Reply], None]) -> Any:
    """Hand an operation over with ``submit(reply)`` and wait until it is done."""
    reply = _Reply()
    submit(reply)
    return await reply.wait()
