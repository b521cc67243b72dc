"""Other processes: started, spoken to with a timeout, and always ended."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Self

from localqueue.core.testing import _worker

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import TracebackType

PATIENCE_SECONDS = 60.0


class Child:
    """A process that runs a program of :mod:`localqueue.core.testing._worker`."""

    def __init__(self, program: str, *arguments: str) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  # closed on exit
        self._lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._process = subprocess.Popen(
            [sys.executable, "-P", _worker.__file__, program, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            # It finds the modules that this process finds.
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()
        self._errors.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self._lines.put(line)
        self._lines.put(b"")

    def hear(self) -> Any:
        """The next thing that the process says."""
        answer = self._next()
        assert answer is not None, f"the process ended without an answer:\n{self._complaint()}"
        return answer

    def has_answered(self) -> bool:
        """Whether there is something to hear: an answer, or the end of the process."""
        return not self._lines.empty()

    def _next(self) -> Any:
        try:
            line = self._lines.get(timeout=PATIENCE_SECONDS)
        except queue.Empty:
            raise AssertionError(f"no answer within {PATIENCE_SECONDS} seconds") from None
        # A process that was killed may leave half a line.
        return json.loads(line) if line.endswith(b"\n") else None

    def say(self, value: object) -> None:
        """Send one line to the process."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(value).encode() + b"\n")
        self._process.stdin.flush()

    def ask(self, *question: object) -> Any:
        """Send one line and wait for the answer."""
        self.say(question)
        return self.hear()

    def kill(self) -> list[Any]:
        """End the process at once; what it had said and nobody had heard yet."""
        self._process.kill()
        self._process.wait()
        self._reader.join()
        if self._process.stdin is not None:
            self._process.stdin.close()
        said = []
        while not self._lines.empty() and (value := self._next()) is not None:
            said.append(value)
        return said

    def _complaint(self) -> str:
        self._process.wait(PATIENCE_SECONDS)
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace")


@contextmanager
def together(
    url: str, count: int, work: str, key: str, amount: int
) -> Generator[list[Child], None, None]:
    """A number of processes that open the store at the same time and then work."""
    with ExitStack() as stack:
        children = [
            stack.enter_context(Child("together", url, work, key, str(amount)))
            for _ in range(count)
        ]
        for child in children:
            assert child.hear() == "ready"
        for child in children:
            child.say("go")
        yield children
