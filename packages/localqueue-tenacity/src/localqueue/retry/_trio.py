"""Waiting for the writer thread on trio. Imported only where trio is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import trio

if TYPE_CHECKING:
    from collections.abc import Callable

    from localqueue.retry._background import Wake


class _Reply:
    def __init__(self) -> None:
        self._event = trio.Event()
        self.wake: Wake = trio.lowlevel.current_trio_token().run_sync_soon
        self.value: Any = None
        self.error: BaseException | None = None

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
        if self.error is not None:
            raise self.error
        return self.value


def is_running() -> bool:
    """Whether this is code of a trio task."""
    return trio.lowlevel.in_trio_task()


@trio.lowlevel.enable_ki_protection
async def run(submit: Callable[[_Reply], None]) -> Any:
    """Hand an operation over with ``submit(reply)`` and wait until it is done."""
    reply = _Reply()
    submit(reply)
    return await reply.wait()
