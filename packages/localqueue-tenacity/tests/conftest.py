"""What the tests of the retry layer share: stores, styles of calling, naps and events."""

from __future__ import annotations

import asyncio
import functools
import time
from typing import TYPE_CHECKING, Any

import pytest
import trio

from localqueue.core import AttemptStore, MemoryAttemptStore
from localqueue.retry import (
    AttemptEvent,
    PersistentAsyncRetrying,
    PersistentRetrying,
    close_default_store,
    configure_default_store,
    configure_default_store_factory,
    persistent_retry,
    set_hooks,
)
from localqueue.sqlite import SQLiteAttemptStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class Naps(list[float]):
    """A ``sleep`` that takes no time and remembers how long it was asked for."""

    def __call__(self, seconds: float) -> None:
        self.append(float(seconds))


class Style:
    """One way to run a retryer: blocking, on asyncio, or on trio."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_async = name != "blocking"

    def retryer(self, **options: Any) -> Any:
        """A retryer of this style that does not really sleep."""
        kind = PersistentAsyncRetrying if self.is_async else PersistentRetrying
        return kind(**{"sleep": Naps()} | options)

    def call(self, retryer: Any, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call the blocking function ``fn`` under ``retryer``."""
        return self.run(retryer, self.job(fn), *args, **kwargs)

    def decorated(self, fn: Callable[..., Any], **options: Any) -> Any:
        """``fn``, as a coroutine function in an async style, under ``persistent_retry``."""
        return persistent_retry(**{"sleep": Naps()} | options)(self.job(fn))

    def job(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        """``fn`` as a function of this style."""
        if not self.is_async:
            return fn

        @functools.wraps(fn)
        async def job(*args: Any, **kwargs: Any) -> Any:
            return fn(*args, **kwargs)

        return job

    def run(self, target: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call ``target`` and, in an async style, await what it gives in an event loop."""
        if not self.is_async:
            return target(*args, **kwargs)

        async def main() -> Any:
            return await target(*args, **kwargs)

        return asyncio.run(main()) if self.name == "asyncio" else trio.run(main)

    def loop(
        self, retryer: Any, body: Callable[[Any], None], after: Callable[[Any], bool | None]
    ) -> None:
        """Run ``body(attempt)`` inside each attempt, and ``after(attempt)`` behind it.

        The loop is left where ``after`` returns True.
        """
        if not self.is_async:
            for attempt in retryer:
                with attempt:
                    body(attempt)
                if after(attempt):
                    break
            return

        async def main() -> None:
            async for attempt in retryer:
                async with attempt:
                    body(attempt)
                if after(attempt):
                    break
            # The writer thread does what it was given in order.
            await retryer.aget_record()

        self.run(main)


class Script:
    """A job that plays its outcomes one after the other, and returns "done" when there are none.

    Exceptions, and classes of them, are raised; callables are called; other values are returned.
    """

    __name__ = __qualname__ = "script"

    def __init__(self, *outcomes: Any) -> None:
        self.outcomes = list(outcomes)
        self.calls = 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.calls += 1
        outcome = self.outcomes.pop(0) if self.outcomes else "done"
        if isinstance(outcome, BaseException) or (
            isinstance(outcome, type) and issubclass(outcome, BaseException)
        ):
            raise outcome
        return outcome() if callable(outcome) else outcome


@pytest.fixture(params=["blocking", "asyncio", "trio"])
def style(request: pytest.FixtureRequest) -> Style:
    return Style(request.param)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Where the SQLite store of a test lies."""
    return tmp_path / "store" / "retries.sqlite3"


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, database: Path) -> Iterator[AttemptStore]:
    chosen: AttemptStore = (
        MemoryAttemptStore() if request.param == "memory" else SQLiteAttemptStore(database)
    )
    with chosen:
        yield chosen


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A user without any data yet: the default store lies in the test's own folder."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    close_default_store(all_threads=True)
    yield tmp_path
    configure_default_store(None)
    configure_default_store_factory(None)


@pytest.fixture
def sqlite_store(database: Path) -> Iterator[SQLiteAttemptStore]:
    with SQLiteAttemptStore(database) as chosen:
        yield chosen


@pytest.fixture
def naps() -> Naps:
    return Naps()


@pytest.fixture
def script() -> type[Script]:
    return Script


@pytest.fixture
def events() -> Iterator[list[AttemptEvent]]:
    """Everything that happened, in order."""
    seen: list[AttemptEvent] = []
    set_hooks([seen.append])
    yield seen
    set_hooks(None)


@pytest.fixture
def kinds(events: list[AttemptEvent]) -> Callable[[], list[str]]:
    """The kinds of the events so far, which are then forgotten."""

    def take() -> list[str]:
        taken = [event.kind for event in events]
        events.clear()
        return taken

    return take


class Clock:
    """The wall clock of this process, which a test can move."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._shift = 0.0
        real = time.time
        monkeypatch.setattr(time, "time", lambda: real() + self._shift)

    def move(self, seconds: float) -> None:
        self._shift += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)
